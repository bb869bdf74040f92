# A second overlay: what the images of a host take from nixpkgs besides, from
# Debian's packages. `kernelVersion` is that of the kernel that run.sh fetched.
# `kernelMade` tells one kernel of that version from another.
{
  real,
  kernelVersion,
  kernelMade,
}:
final: prev:
let
  inherit (prev) lib;
  inherit (prev.stdenv.hostPlatform) isAarch64;
  debian = import ../packages/debian.nix {
    inherit lib;
    inherit (final) runCommand stdenv;
  };
  view =
    name: packages: more:
    debian.view (
      {
        inherit name packages;
        pname = real.${name}.meta.mainProgram or name;
        version = real.${name}.version or "0";
        outputs = real.${name}.outputs or [ "out" ];
      }
      // more
    );

  # What only makes images is that of the building machine, whatever they are for.
  tool =
    name: programs:
    final.runCommand name { meta.mainProgram = lib.head programs; } ''
      mkdir -p $out/bin
      for program in ${toString programs}; do ln -s /usr/bin/$program $out/bin/; done
    '';

  # With what the image modules look for, as real files: xorriso would put links on
  # the image.
  grub =
    name: target:
    final.runCommand name { passthru.grubTarget = target; } ''
      mkdir -p $out/bin $out/lib/grub $out/share/grub
      cp -rL ${debian.root}/usr/lib/grub/${target} $out/lib/grub/
      cp -L /usr/share/grub/unicode.pf2 $out/share/grub/
      ln -s /usr/bin/grub-script-check $out/bin/
      # Debian leaves out one module of those for tests.
      printf '#!%s\nfor word; do shift; [ "$word" = gfxterm_menu ] || set -- "$@" "$word"; done\nexec %s "$@"\n' \
        ${final.runtimeShell} /usr/bin/grub-mkimage >$out/bin/grub-mkimage
      chmod +x $out/bin/grub-mkimage
    '';

  image = if isAarch64 then "Image" else "bzImage";
  kernel =
    final.runCommand "linux-${kernelVersion}"
      {
        outputs = [
          "out"
          "modules"
        ];
        dontFixup = true;
        inherit kernelMade;
        passthru = {
          version = lib.head (lib.splitString "+" kernelVersion);
          modDirVersion = kernelVersion;
          features = {
            efiBootStub = true;
            netfilterRPFilter = true;
            ia32Emulation = true;
          };
          kernelPatches = [ ];
          override = _: kernel;
          kernelAtLeast = lib.versionAtLeast kernelVersion;
          kernelOlder = lib.versionOlder kernelVersion;
          isLTS = false;
          isZen = false;
          isHardened = false;
          isLibre = false;
          target = image;
          buildDTBs = false;
          DTB = false;
          isModular = true;
          configfile = final.runCommand "linux-config" { } "cp /kernel/lib/modules/${kernelVersion}/config $out";
          inherit (final) stdenv;
          commonMakeFlags = [ ];
          config = {
            isSet = _: true;
            isYes = _: true;
            isNo = _: false;
            isModule = _: true;
            isEnabled = _: true;
            isDisabled = _: false;
          };
        };
      }
      ''
        mkdir -p $out $modules/lib/modules
        cp -r /kernel/lib/modules/${kernelVersion} $modules/lib/modules/
        chmod -R u+w $modules
        mv $modules/lib/modules/${kernelVersion}/vmlinuz $out/${image}
        rm -f $modules/lib/modules/${kernelVersion}/{build,source}
      '';

  program =
    name: text:
    final.writeTextFile {
      inherit name;
      executable = true;
      destination = "/bin/${name}";
      text = "#!${final.runtimeShell}\n${text}\n";
      meta.mainProgram = name;
    };
in
{
  # With all of nixpkgs' packages around a kernel.
  linuxPackages = prev.linuxPackagesFor kernel;
  linuxPackagesFor = _: final.linuxPackages;
  linuxPackages_latest = final.linuxPackages;

  makeInitrdNGTool = program "make-initrd-ng" ''
    DEBIAN=${debian.root} TRIPLE=${debian.triple} exec ${final.python3}/bin/python3 ${./make-initrd-ng.py} "$@"
  '';
  nixos-init = final.runCommandCC "nixos-init" { meta.mainProgram = "nixos-init"; } ''
    mkdir -p $out/bin
    gcc -O1 -o $out/bin/resolve-in-root ${./resolve-in-root.c}
    # For an /etc that is an overlay, which this configuration has not.
    printf '#!${final.runtimeShell}\nexit 1\n' >$out/bin/find-etc
    chmod +x $out/bin/find-etc
    for name in nixos-init initrd-init env-generator clear-etc-opaque; do ln -s find-etc $out/bin/$name; done
  '';
  # What installs systemd-boot is made of a file that a build has looked at, which the
  # bench would take for a source that is not here.
  replaceVarsWith =
    arguments:
    prev.replaceVarsWith (
      arguments
      // lib.optionalAttrs ((arguments.name or "") == "systemd-boot") {
        src = final.path + "/nixos/modules/system/boot/loader/systemd-boot/systemd-boot-builder.py";
      }
    );

  # nixpkgs' own links to the kernel's modules, if there is only one tree of them, and
  # writes their maps through that link, which only a sandbox forbids.
  aggregateModules =
    trees:
    final.callPackage (
      {
        name ? "kernel-modules",
      }:
      final.runCommand name { dontFixup = true; } ''
        mkdir -p $out/lib/modules
        for tree in ${toString trees}; do
          [ ! -d $tree/lib/modules ] || cp -r --no-preserve=mode $tree/lib/modules/. $out/lib/modules/
        done
        ${final.kmod}/bin/depmod -b $out -a ${kernelVersion}
      ''
    ) { };
  kmod-blacklist-ubuntu = final.writeTextDir "modprobe.conf" "";
  kmod-debian-aliases = final.writeText "kmod-debian-aliases" "";
  glibc = view "glibc" [ "libc-bin" "libc6" ] {
    passthru = {
      libgcc = final.emptyDirectory;
      unsecvars = true;
    };
  };

  squashfsTools = tool "squashfsTools" [ "mksquashfs" "unsquashfs" ];
  xorriso = tool "xorriso" [ "xorriso" ];
  libisoburn = final.xorriso;
  mtools = tool "mtools" [ "mtools" "mcopy" "mmd" ];
  libfaketime = tool "libfaketime" [ "faketime" ];
  libossp_uuid = program "uuid" ''
    # uuid -v 5 NAMESPACE NAME
    exec ${final.python3}/bin/python3 -c 'import sys, uuid; print(uuid.uuid5(uuid.UUID(sys.argv[1]), sys.argv[2]))' "$3" "$4"
  '';
  grub2 = if isAarch64 then final.grub2_efi else grub "grub2" "i386-pc";
  grub2_efi = grub "grub2_efi" (if isAarch64 then "arm64-efi" else "x86_64-efi");
  refind = final.runCommand "refind" { } ''
    mkdir -p $out/share/refind
    echo "no rEFInd in the bench" >$out/share/refind/refind_${final.stdenv.hostPlatform.efiArch}.efi
  '';
  syslinux = view "syslinux" [ "syslinux" "syslinux-utils" ] {
    extra = ''
      rm -rf $out/share/syslinux
      mkdir -p $out/share/syslinux
      cp -L ${debian.root}/usr/lib/syslinux/modules/bios/*.c32 ${debian.root}/usr/lib/ISOLINUX/*.bin \
        ${debian.root}/usr/lib/syslinux/mbr/*.bin $out/share/syslinux/
      chmod u+w $out/share/syslinux/*
    '';
  };
  # For disko's image builder. Its virtual machine is that of nixpkgs, with a root
  # where Debian's programs find their files; QEMU is that of the building machine.
  qemu =
    let
      name = "qemu-system-${if isAarch64 then "aarch64" else "x86_64"}";
    in
    final.runCommand "qemu" { meta.mainProgram = name; } ''
      mkdir -p $out/bin
      ln -s /usr/bin/qemu-img $out/bin/
      cat >$out/bin/${name} <<'END'
      #!${final.runtimeShell}
      # Where there is a /dev/kvm, it may not work; and an emulated kernel does not judge its
      # timer (see image.nix).
      set -- "''${@//accel=kvm:tcg/accel=tcg}"
      set -- "''${@/ panic=1 / panic=1 no_timer_check }"
      ${
        if isAarch64 then
          # A processor that signs pointers would be emulated far slower.
          ''exec /arm64/${name} -L /usr/share/qemu "''${@/#max/cortex-a72}"''
        else
          ''exec /usr/bin/${name} "$@"''
      }
      END
      chmod +x $out/bin/${name}
    '';
  qemu_kvm = final.qemu // {
    ga = program "qemu-ga" "exit 1";
  };
  qemu_test = final.qemu;
  virtiofsd = final.runCommand "virtiofsd" { meta.mainProgram = "virtiofsd"; } ''
    mkdir -p $out/bin
    ln -s /usr/libexec/virtiofsd $out/bin/
  '';
  gptfdisk = view "gptfdisk" [ "gdisk" ] { pname = "sgdisk"; };
  mypy = program "mypy" "exit 0";
  microcode-intel = final.runCommand "microcode-intel" { } "mkdir $out; : >$out/intel-ucode.img";
  microcode-amd = final.runCommand "microcode-amd" { } "mkdir $out; : >$out/amd-ucode.img";
  vmTools =
    let
      file = builtins.readFile (final.path + "/pkgs/build-support/vm/default.nix");
      changed =
        lib.replaceStrings
          [
            "../../../nixos/lib/qemu-common.nix"
            "stdenv.cc.libc"
            "  zstd,\n"
            "echo \"starting stage 2 ($command)\""
            "# Set up automatic kernel module loading."
          ]
          [
            "${toString final.path}/nixos/lib/qemu-common.nix"
            "glibc"
            "  zstd,\n  debianRoot,\n"
            ''
              mkdir -p /fs/lib64 /fs/root
                  ln -sfn ''${debianRoot}/usr /fs/usr
                  ln -sfn usr/lib /fs/lib
                  ln -sfn usr/bin /fs/bin
                  ln -sfn usr/sbin /fs/sbin
                  # (That of aarch64 is in /lib.)
                  ln -sfn ''${debianRoot}/usr/lib64/ld-linux-x86-64.so.2 /fs/lib64/ld-linux-x86-64.so.2
            ''
            # In the user namespace of builds for aarch64 virtiofsd keeps a file open for each
            # that the machine remembers, and the copied store has more than it may open.
            (lib.optionalString isAarch64 ''
              (while ''${coreutils}/bin/sleep 3; do echo 3 >/proc/sys/vm/drop_caches; done) </dev/null &
            '')
          ]
          file;
    in
    final.callPackage (builtins.toFile "vm.nix" changed) {
      # Not as a dependency: the initrd would hold all of it.
      debianRoot = builtins.unsafeDiscardStringContext "${debian.root}";
      zstd = view "zstd" [ "libzstd1" ] { outputs = [ "out" ]; };
      xz = view "xz" [ "liblzma5" ] { outputs = [ "out" ]; };
      busybox = final.runCommand "busybox" { } ''
        mkdir -p $out/bin
        cp ${debian.root}/usr/bin/busybox $out/bin/
        # Without the one that the next package brings: it would be written to by the link.
        for applet in $($out/bin/busybox --list | grep -vx modprobe); do [ -e $out/bin/$applet ] || ln -s busybox $out/bin/$applet; done
      '';
      # Modules are where the machine that runs would have them.
      kmod = program "modprobe" ''
        [ -e /run/booted-system/kernel-modules/lib ] || {
          ${debian.root}/usr/bin/mkdir -p /run/booted-system/kernel-modules/lib
          ${debian.root}/usr/bin/ln -sfn "$MODULE_DIR" /run/booted-system/kernel-modules/lib/modules
        }
        exec ${debian.root}/usr/sbin/modprobe "$@"
      '';
      # BusyBox takes modules as they are only.
      makeModulesClosure =
        arguments:
        final.runCommand "modules-unpacked" { } ''
          cp -r ${final.makeModulesClosure (arguments // { allowMissing = true; })} $out
          chmod -R u+w $out
          find $out -name '*.ko.xz' -exec xz -d {} +
          sed -i "s#^.*/lib/modules/#$out/lib/modules/#; s#\\.xz\$##" $out/insmod-list
        '';
    };
  # (They are beside the emulator, so that no image has them.)
  OVMF =
    let
      firmware =
        if isAarch64 then "/arm64/AAVMF_CODE.no-secboot.fd" else "/usr/share/OVMF/OVMF_CODE_4M.fd";
      variables = if isAarch64 then "/arm64/AAVMF_VARS.fd" else "/usr/share/OVMF/OVMF_VARS_4M.fd";
      ovmf = final.runCommand "OVMF" { } ''
        mkdir -p $out/FV
        cp ${firmware} $out/FV/OVMF_CODE.fd
        cp ${variables} $out/FV/OVMF_VARS.fd
      '';
    in
    ovmf
    // {
      fd = ovmf;
      firmware = "${ovmf}/FV/OVMF_CODE.fd";
      variables = "${ovmf}/FV/OVMF_VARS.fd";
    };
  bench-picture = final.runCommand "picture.png" { } ''
    ${final.python3}/bin/python3 ${./picture.py} $out
  '';
}
