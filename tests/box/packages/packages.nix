# The overlay: what the configuration takes from nixpkgs, from Debian instead.
# `real` is nixpkgs as it is, asked for names, versions and the like only.
# `firstBoot` and `switchToConfiguration` are compiled programs; the second may be null.
{
  real,
  firstBoot,
  switchToConfiguration ? null,
}:
final: prev:
let
  inherit (prev) lib;

  # Built without anything but the stdenv, so that nothing here goes in circles.
  debian = import ./debian.nix {
    inherit lib;
    inherit (final) runCommand stdenv;
  };

  metaOf =
    package:
    lib.filterAttrs (
      name: _:
      lib.elem name [
        "badPlatforms"
        "description"
        "homepage"
        "license"
        "mainProgram"
        "maintainers"
        "platforms"
        "priority"
      ]
    ) (package.meta or { });

  from =
    name: packages: more:
    debian.view (
      {
        inherit name packages;
        pname = real.${name}.meta.mainProgram or real.${name}.pname or name;
        version = real.${name}.version or "0";
        outputs = real.${name}.outputs or [ "out" ];
        passthru = (real.${name}.passthru or { }) // (more.passthru or { });
        meta = metaOf (real.${name} or { });
      }
      // removeAttrs more [ "passthru" ]
    );

  # Attribute to Debian packages.
  plain = {
    acl = [ "acl" ];
    attr = [ "attr" ];
    bzip2 = [ "bzip2" ];
    cacert = [ "ca-certificates" ];
    coreutils = [ "coreutils" ];
    cpio = [ "cpio" ];
    curl = [ "curl" ];
    dbus = [
      "dbus"
      "dbus-bin"
      "dbus-daemon"
      "dbus-session-bus-common"
      "dbus-system-bus-common"
      "dbus-user-session"
    ];
    dash = [ "dash" ];
    diffutils = [ "diffutils" ];
    dosfstools = [ "dosfstools" ];
    e2fsprogs = [ "e2fsprogs" ];
    file = [ "file" ];
    findutils = [ "findutils" ];
    getent = [ "libc-bin" ];
    gitMinimal = [ "git" ];
    git = [ "git" ];
    gnugrep = [ "grep" ];
    gnused = [ "sed" ];
    gnutar = [ "tar" ];
    gptfdisk = [ "gdisk" ];
    gzip = [ "gzip" ];
    hostname-debian = [ "hostname" ];
    inetutils = [ "hostname" ];
    iproute2 = [ "iproute2" ];
    iputils = [ "iputils-ping" ];
    jq = [ "jq" ];
    kbd = [ "kbd" ];
    kmod = [ "kmod" ];
    less = [ "less" ];
    libcap = [ "libcap2-bin" ];
    libxml2 = [ "libxml2-utils" ];
    libxslt = [ "xsltproc" ];
    logrotate = [ "logrotate" ];
    man-db = [ "man-db" ];
    nano = [ "nano" ];
    ncurses = [
      "ncurses-bin"
      "ncurses-base"
      "ncurses-term"
    ];
    openresolv = [ "openresolv" ];
    dbus-broker = [ "dbus-broker" ];
    nettools = [ "net-tools" ];
    net-tools = [ "net-tools" ];
    networkmanager = [ "network-manager" ];
    nftables = [ "nftables" ];
    pam = [
      "libpam-modules"
      "libpam-modules-bin"
    ];
    parted = [ "parted" ];
    patch = [ "patch" ];
    podman = [
      "podman"
      "crun"
      "conmon"
      "netavark"
      "aardvark-dns"
    ];
    polkit = [ "polkitd" ];
    procps = [ "procps" ];
    psmisc = [ "psmisc" ];
    rsync = [ "rsync" ];
    shellcheck-minimal = [ "shellcheck" ];
    socat = [ "socat" ];
    strace = [ "strace" ];
    time = [ ];
    tzdata = [ "tzdata" ];
    which = [ "debianutils" ];
    mkpasswd = [ "whois" ];
    wpa_supplicant = [ "wpasupplicant" ];
    xz = [ "xz-utils" ];
    zram-generator = [ "systemd-zram-generator" ];
    zstd = [ "zstd" ];
    fuse-overlayfs = [ "fuse-overlayfs" ];
    slirp4netns = [ "slirp4netns" ];
    crun = [ "crun" ];
    conmon = [ "conmon" ];
    netavark = [ "netavark" ];
    aardvark-dns = [ "aardvark-dns" ];
    passt = [ "passt" ];
  };

  bash = from "bash" [ "bash" ] {
    passthru.shellPath = "/bin/bash";
    extra = "ln -sfn ${debian.root}/usr/bin/bash $out/bin/sh";
  };

  perl = from "perl" [ "perl" "perl-base" ] {
    passthru = {
      withPackages = _: perl;
      buildEnv = _: perl;
      interpreter = "${perl}/bin/perl";
    };
  };

  python = from "python3" [ "python3-minimal" "python3" ] {
    passthru = real.python3.passthru // {
      withPackages = _: python;
      interpreter = "${python}/bin/python3";
      executable = "python3";
    };
    extra = "ln -sfn ${debian.root}/usr/bin/python3 $out/bin/python";
  };

  utilLinux = from "util-linux" [
    "util-linux"
    "util-linux-extra"
    "libpam-lastlog2"
    "mount"
    "fdisk"
    "bsdutils"
  ] { };

  # The units that nixpkgs' modules expect its systemd to bring.
  expectedUnits =
    let
      folder = final.path + "/nixos/modules/system/boot";
      files = [
        (folder + "/systemd.nix")
        (final.path + "/nixos/modules/config/console.nix")
      ]
      ++ lib.filter (file: lib.hasSuffix ".nix" (toString file)) (
        lib.mapAttrsToList (name: _: folder + "/systemd/${name}") (builtins.readDir (folder + "/systemd"))
      );
      kinds = "target|service|socket|path|mount|timer|slice|automount";
      names =
        file:
        map lib.head (
          lib.filter lib.isList (
            builtins.split "\"([a-zA-Z0-9@._-]+\\.(${kinds}))\"" (builtins.readFile file)
          )
        );
    in
    lib.unique (lib.concatMap names files);

  systemd = from "systemd" [
    "systemd"
    "udev"
    "systemd-sysv"
    "libpam-systemd"
    "libnss-systemd"
    "libnss-myhostname"
    "systemd-timesyncd"
    "systemd-coredump"
    "systemd-boot-tools"
    "systemd-boot-efi"
    "libudev1"
    "libsystemd0"
  ] {
    passthru = {
      util-linux = utilLinux;
      kmod = final.kmod;
      kbd = final.kbd;
    };
    extra = ''
      for name in system user; do
        mkdir -p $out/example/systemd/$name
      done
      for folder in tmpfiles.d sysctl.d modprobe.d sysusers.d; do
        mkdir -p $out/lib/$folder
        rm -rf $out/example/$folder
        ln -s ../lib/$folder $out/example/$folder
      done
      for file in tmpfiles.d/systemd-nspawn.conf tmpfiles.d/portables.conf sysctl.d/50-coredump.conf; do
        [ -e $out/example/$file ] || echo "# not in the bench" >$out/example/$file
      done
      # Debian has programs of its own for these.
      for name in systemd-vconsole-setup systemd-pcrextend systemd-tpm2-setup; do
        [ -e $out/lib/systemd/$name ] && continue
        printf '#!%s/bin/bash\nexit 0\n' ${bash} >$out/lib/systemd/$name
        chmod +x $out/lib/systemd/$name
      done
      # A module replaces the path of the package in this one.
      coredump=$out/lib/sysctl.d/50-coredump.conf
      sed "s#/usr/lib/#$out/lib/#" "$coredump" >coredump
      grep -q "$out" coredump || echo "# $out/lib" >>coredump
      rm "$coredump"
      cp coredump "$coredump"
      # Debian leaves some out, or has them in packages of their own.
      for unit in ${toString expectedUnits}; do
        for name in system user; do
          [ -e $out/example/systemd/$name/$unit ] || [ -L $out/example/systemd/$name/$unit ] ||
            printf '[Unit]\nDescription=Not in the bench\nConditionPathExists=!/\n[Service]\nType=oneshot\nExecStart=:/bin/true\n' \
              >$out/example/systemd/$name/$unit
        done
      done
    '';
  };

  postgresql = from "postgresql_17" [ "postgresql-18" "postgresql-client-18" ] {
    version = "18";
    passthru = real.postgresql_17.passthru // rec {
      psqlSchema = "18";
      withJIT = postgresql;
      withoutJIT = postgresql;
      installedExtensions = [ ];
      withPackages = _: postgresql;
      pkgs = { };
    };
  };

  shell = pname: text: final.writeTextFile {
    name = pname;
    executable = true;
    destination = "/bin/${pname}";
    text = "#!/bin/sh\n${text}\n";
    meta.mainProgram = pname;
  };

  compiled = lib.makeOverridable (
    arguments:
    let
      args = if lib.isFunction arguments then arguments args' else arguments;
      args' = args // {
        finalPackage = package;
      };
      package = debian.view {
        name = args.pname or args.name;
        packages = [ ];
        pname = args.meta.mainProgram or args.pname or args.name;
        outputs = args.outputs or [ "out" ];
        version = args.version or "0";
        passthru = args.passthru or { };
        meta = metaOf args;
      };
    in
    # The one that builds settings files.
    if args.pname or "" == "json2x" then
      final.callPackage ../stand-ins/program.nix { } {
        name = "json2x";
        source = ../stand-ins/json2x.py;
      }
    else if args.pname or "" == "coder-first-boot" then
      # The package's own folders of programs, and no others.
      shell "coder-first-boot" "PATH=${args.env.FIRST_BOOT_PATH} exec ${firstBoot} \"$@\""
    else
      package
  );

  empty = pname: debian.view {
    name = pname;
    packages = [ ];
    outputs = real.${pname}.outputs or [ "out" ];
    passthru = real.${pname}.passthru or { };
    meta = metaOf (real.${pname} or { });
    pname = real.${pname}.pname or pname;
    version = real.${pname}.version or "0";
  };
in
lib.mapAttrs (name: packages: from name packages { }) (removeAttrs plain [ "hostname-debian" ])
// lib.genAttrs [
  # Compilers that are asked for their names only.
  "cargo"
  "cmake"
  "fish"
  "gcc"
  "go"
  "meson"
  "ninja"
  "pcsclite"
  "libxcrypt"
  "rustc"
  "bashCompletion"
  "bash-completion"
  "bcache-tools"
  "lvm2"
  "mtools"
  "glibcLocales"
  "texinfoInteractive"
  "nixos-option"
  "nixos-install-tools"
  "nixos-firewall-tool"
  "nixos-rebuild-ng"
  "pciutils"
  "mdadm"
  "modemmanager"
  "dnsmasq"
  "ethtool"
  "iw"
  "wirelesstools"
  "wireless-regdb"
  "shared-mime-info"
  "hicolor-icon-theme"
  "sound-theme-freedesktop"
  "fontconfig"
  "nixos-icons"
  "command-not-found"
  "nix-bash-completions"
  "nssmdns"
  "nsncd"
  "unscd"
  "fuse"
  "fuse3"
  "mailcap"
  "plymouth"
  "hwdata"
] empty
// {
  debianRoot = debian.root;

  inherit bash perl systemd;
  bashNonInteractive = bash;
  bashInteractive = bash;
  bash-interactive = bash;
  runtimeShellPackage = bash;
  runtimeShell = "${bash}/bin/bash";
  curlMinimal = final.curl;

  python3 = python;
  python3Minimal = python;
  pythonInterpreters = prev.pythonInterpreters // { python3Minimal = python; };
  perlPackages = prev.perlPackages;

  util-linux = utilLinux;
  util-linuxMinimal = utilLinux;
  mount = utilLinux;
  umount = utilLinux;
  systemdMinimal = systemd;
  systemdLibs = systemd;
  udev = systemd;
  coreutils-full = final.coreutils;
  kmod = from "kmod" [ "kmod" ] { };
  shadow = from "shadow" [ "passwd" "login" "login.defs" "uidmap" ] {
    passthru.shellPath = "/bin/nologin";
    # Debian takes these from util-linux.
    extra = "for f in newgrp sg su; do ln -sfn ${debian.root}/usr/bin/$f $out/bin/$f; done";
  };
  su = final.shadow;
  cloud-utils = from "cloud-utils" [ "cloud-guest-utils" ] {
    # nixpkgs gives it what it calls.
    extra = ''
      rm $out/bin/growpart
      printf '#!%s/bin/bash\nPATH=%s/usr/bin:%s/usr/sbin exec %s/usr/bin/growpart "$@"\n' \
        ${bash} ${debian.root} ${debian.root} ${debian.root} >$out/bin/growpart
      chmod +x $out/bin/growpart
    '';
  };
  # Debian's may change its root, which the filter of system calls forbids.
  avahi = from "avahi" [ "avahi-daemon" "avahi-utils" ] {
    extra = ''
      rm $out/bin/avahi-daemon
      printf '#!%s/bin/bash\nexec %s/usr/sbin/avahi-daemon --no-chroot "$@"\n' \
        ${bash} ${debian.root} >$out/bin/avahi-daemon
      chmod +x $out/bin/avahi-daemon
    '';
  };
  # Names that Debian gives by way of /etc/alternatives.
  gawk = from "gawk" [ "gawk" ] { extra = "ln -s gawk $out/bin/awk"; };
  iptables = from "iptables" [ "iptables" "libxtables12" ] {
    extra = ''
      for f in iptables ip6tables; do
        for way in "" -save -restore; do
          ln -sfn ${debian.root}/usr/sbin/$f-nft$way $out/bin/$f$way
        done
      done
    '';
  };
  sudo = from "sudo" [ "sudo" ] { };
  openssh = from "openssh" [ "openssh-server" "openssh-client" "openssh-common" "openssh-sftp-server" ] {
    extra = "for f in sftp-server ssh-keysign sshd-session sshd-auth; do mkdir -p $out/libexec; ln -sfn ${debian.root}/usr/lib/openssh/$f $out/libexec/$f; done";
  };
  linux-pam = final.pam;
  nix = from "nix" [ "nix-bin" "nix-setup-systemd" ] { };
  postgresql_17 = postgresql;
  postgresql_18 = postgresql;
  shellcheck = final.shellcheck-minimal;
  hostname = debian.view { name = "hostname"; packages = [ "hostname" ]; };
  iptables-legacy = final.iptables;
  lndir = shell "lndir" ''
    # lndir [-silent] FROM [TO]
    case $1 in -*) shift ;; esac
    # A package that Debian splits otherwise may lack the folder.
    [ -d "$1" ] || { echo "lndir: no $1" >&2; exit 0; }
    from=$1 to=''${2:-.}
    mkdir -p "$to" && cp -rs --remove-destination "$from/." "$to/"
  '';
  # There is nothing to fetch from. Whatever still asks says so by its name.
  fetchurl = lib.makeOverridable (
    args:
    let
      url = args.url or (lib.head (args.urls or [ "source" ]));
    in
    final.runCommand "source-not-here-${args.name or (baseNameOf (toString url))}" {
      passthru = {
        inherit url;
        urls = [ url ];
        outputHash = args.hash or args.sha256 or "";
      };
    } "echo no source here; false"
  );
  fetchzip = final.fetchurl;
  fetchpatch = final.fetchurl;
  fetchpatch2 = final.fetchurl;
  fetchFromGitHub = lib.makeOverridable (
    args: final.fetchurl { name = args.repo; } // { inherit (args) owner repo; rev = args.rev or ""; tag = args.tag or null; }
  );
  fetchFromGitLab = final.fetchFromGitHub;
  fetchgit = lib.makeOverridable (args: final.fetchurl { name = baseNameOf args.url; });

  # What would have to be compiled from Rust or Go: a package without content, but for
  # what cargo compiled before.
  rustPlatform = real.rustPlatform // {
    buildRustPackage = compiled;
  };
  buildGoModule = compiled;

  pkgsStatic = final;
  # The setuid wrapper takes one header from glibc's source.
  srcOnly =
    package:
    if package ? unsecvars then
      final.stdenv.mkDerivation {
        name = "glibc-header";
        dontUnpack = true;
        dontFixup = true;
        buildPhase = ''
          mkdir -p sysdeps/generic
          cp ${../stand-ins/unsecvars.h} sysdeps/generic/unsecvars.h
        '';
        installPhase = "touch $out";
      }
    else
      prev.srcOnly package;
  glibc = from "glibc" [ "libc-bin" ] { passthru = { libgcc = final.emptyDirectory; unsecvars = true; }; };
  libc = final.glibc;
  linuxHeaders = final.emptyDirectory;

  coder = final.callPackage ../stand-ins/program.nix { } {
    name = "coder";
    source = ../stand-ins/coder.py;
    passthru = { inherit (real.coder) version; };
  };
  k3s = final.callPackage ../stand-ins/program.nix { } {
    name = "k3s";
    source = ../stand-ins/k3s.py;
    passthru = real.k3s.passthru // {
      airgap-images = final.runCommand "k3s-airgap-images.tar.zst" { } "echo stand-in >$out";
    };
  };
  terraform-providers =
    let
      # What Terraform looks at before it starts one: where it lies.
      provider =
        address: version:
        final.runCommand "terraform-provider-${baseNameOf address}-${version}"
          {
            inherit version;
            passthru.provider-source-address = address;
          }
          ''
            folder=$out/libexec/terraform-providers/${address}/${version}/linux_${final.stdenv.hostPlatform.go.GOARCH}
            mkdir -p $folder
            echo '#!/bin/sh' >$folder/terraform-provider-${baseNameOf address}_${version}
            chmod +x $folder/*
          '';
      ofNixpkgs = package: provider package.provider-source-address package.version;
    in
    {
      hashicorp_kubernetes = ofNixpkgs real.terraform-providers.hashicorp_kubernetes;
      kreuzwerker_docker = ofNixpkgs real.terraform-providers.kreuzwerker_docker;
      mkProvider =
        { homepage, rev, ... }:
        provider (lib.removePrefix "https://" (lib.replaceStrings [ "/providers" ] [ "" ] homepage)) (
          lib.removePrefix "v" rev
        );
    };
  # As large as it has to be for a container that runs something.
  dockerTools = prev.dockerTools // {
    pullImage =
      {
        finalImageName,
        finalImageTag,
        arch,
        ...
      }:
      final.runCommand "docker-image.tar" {
        nativeBuildInputs = [ final.jq ];
        imageName = finalImageName;
        imageTag = finalImageTag;
        architecture = arch;
        busybox = "${debian.root}/usr/bin/busybox";
      } (builtins.readFile ../stand-ins/image.sh);
  };
  code-server = shell "code-server" "exec sleep infinity";
  # JSON is YAML.
  remarshal = shell "json2yaml" ''
    for last; do input=$output output=$last; done
    jq .value "$input" >"$output"
  '';
  remarshal_0_17 = final.remarshal;
  switch-to-configuration-ng =
    if switchToConfiguration == null then
      # What is left of it installs the boot loader of an image.
      shell "switch-to-configuration" ''
        [ "$1" = boot ] || { echo "switch-to-configuration: here it knows 'boot' alone" >&2; exit 1; }
        exec "$INSTALL_BOOTLOADER" "$TOPLEVEL"''
    else
      final.runCommand "switch-to-configuration" { meta.mainProgram = "switch-to-configuration"; } ''
        mkdir -p $out/bin
        cp ${switchToConfiguration} $out/bin/switch-to-configuration
        chmod +x $out/bin/switch-to-configuration
      '';
  vim = shell "vim" "echo 'no vim here' >&2; exit 1";
  terraform = final.callPackage ../stand-ins/program.nix { } {
    name = "terraform";
    source = ../stand-ins/terraform.py;
    passthru = { inherit (real.terraform) version; };
  };
  lib = prev.lib;
}
