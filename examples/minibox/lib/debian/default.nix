# `pkgs` of the mini box: a builder, and the locked Debian packages as store paths.
#
# Nothing here uses a program of the machine that builds, except for the one unpacking of busybox,
# whose result is pinned by its hash.  After that every builder is a program in the store.
{ lock, buildSystem }:
let
  parts = import ./parts.nix { inherit lock buildSystem; };
  busybox = import ./busybox.nix { inherit lock parts buildSystem; };
  tools = import ./tools.nix { inherit parts applets runBusybox; };

  # busybox under the name of each of its applets.
  applets = runBusybox "busybox-applets" { PATH = "${busybox}/bin"; } ''
    busybox mkdir -p $out/bin
    for applet in $(busybox --list); do
      busybox ln -s ${busybox}/bin/busybox $out/bin/$applet
    done
  '';

  # A derivation whose builder is a shell script with only busybox around it.
  runBusybox =
    name: attrs: script:
    derivation (
      {
        inherit name;
        system = buildSystem;
        builder = "${busybox}/bin/busybox";
        args = [
          "sh"
          "-euc"
          script
        ];
        PATH = "${applets}/bin";
        LC_ALL = "C";
        TZ = "UTC";
        SOURCE_DATE_EPOCH = "315532800"; # 1980-01-01, the first day that FAT knows
      }
      // attrs
    );

  # The same with the image tools, for everything that a host is made of.
  runCommand =
    name: attrs: script:
    runBusybox name ({ PATH = "${tools.wrapped}/bin:${applets}/bin"; } // attrs) ("umask 022\n" + script);

  writeFile =
    name: text: finish:
    runBusybox name {
      inherit text;
      passAsFile = [ "text" ]; # a long text does not fit into the environment
    } "cat $textPath >$out${finish}";
in
{
  inherit busybox runCommand;
  toolsRoot = tools.root;

  writeText = name: text: writeFile name text "";
  writeScript = name: text: writeFile name text "; chmod 755 $out";

  # One package for the machine that is built, unpacked; `system` is that machine's.
  part =
    system: name:
    tools.unpack "${name}-${parts.architecture system}" [ (parts.find system "target" name) ];

  # The kernel's name has its version in it, so it is found by how it starts.
  kernelPart =
    system:
    tools.unpack "linux-image-${parts.architecture system}" [
      (parts.findWhere system "target" "a kernel" (part: builtins.substring 0 12 part.name == "linux-image-"))
    ];
}
