# The first boot in virtual machines: the port opens with the first user, nothing
# secret is shown to others, two boxes get two names, and a reset starts over.
# Needs KVM to be of use, and no network: the templates are empty.
{ pkgs, module }:
pkgs.testers.runNixOSTest {
  name = "first-boot";

  # The modules allow Terraform by name, so each machine evaluates its own
  # nixpkgs instead of the test's, whose settings are read-only.
  node.pkgs = pkgs.lib.mkForce null;
  node.pkgsReadOnly = false;

  defaults = {
    imports = [ module ];
    nixpkgs.hostPlatform = pkgs.stdenv.hostPlatform.system;
    environment.systemPackages = [ pkgs.jq ];
    virtualisation.memorySize = 3072;
    virtualisation.diskSize = 8192;
    box = {
      accounts.enable = true;
      coder.enable = true;
      exposure.enable = true;
      firstBoot.enable = true;
      mdns.enable = true;
      reset.enable = true;
      ssh.enable = true;
    };
  };

  nodes = {
    # Two machines from one image.
    first.networking.hostName = pkgs.lib.mkForce "coder-box";
    second.networking.hostName = pkgs.lib.mkForce "coder-box";
  };

  testScript = ''
    state = "/var/lib/coder-first-boot"
    flag = "/run/coder-first-boot/first-user-exists"
    dashboard = "http://192.168.1.1:3000"


    def finish(machine):
        machine.wait_for_unit("coder.service")
        machine.wait_until_succeeds(f"test -e {flag}", timeout=300)
        machine.wait_until_succeeds(
            "systemctl show --property SubState --value coder-first-boot | grep -x exited"
        )


    def address(machine):
        return machine.wait_until_succeeds(
            "grep ^CODER_ACCESS_URL= /run/box-address/coder.env"
        ).strip()


    # Before there is a first user: the second machine is up and the first one's
    # Coder is held back.
    first.start()
    second.start()
    first.wait_for_unit("firewall.service")
    first.succeed("systemctl stop coder-first-boot.service")
    first.wait_for_open_port(3000)
    if first.execute(f"test -e {flag}")[0] != 0:
        second.wait_for_unit("network.target")
        second.fail(f"curl --max-time 5 --silent {dashboard}/api/v2/buildinfo")

    first.succeed("systemctl start --no-block coder-first-boot.service")
    finish(first)
    second.wait_until_succeeds(f"curl --max-time 5 --fail {dashboard}/api/v2/buildinfo")

    with subtest("secrets are root's, and in no log"):
        for name in ["admin-password", "session-token"]:
            assert first.succeed(f"stat -c %a:%U {state}/{name}").strip() == "600:root"
            first.succeed(
                f"! journalctl --no-pager | grep --fixed-strings --file={state}/{name}"
            )
        first.succeed("stat -c %a /run/coder-first-boot/console | grep -x 700")
        first.succeed(f"test -s {state}/unix/box")

    with subtest("the password works"):
        first.succeed(
            "jq --null-input --rawfile p "
            f"{state}/admin-password "
            "'{email: \"admin@coder-box.local\", password: ($p | rtrimstr(\"\\n\"))}'"
            " | curl --fail --silent --json @- http://127.0.0.1:3000/api/v2/users/login"
        )

    with subtest("two machines, two names, two secrets"):
        finish(second)
        # The second to come finds the name taken, once it sees the network.
        retry(lambda _: address(first) != address(second), timeout_seconds=300)
        ids = {machine.succeed("cat /etc/machine-id") for machine in [first, second]}
        keys = {
            machine.succeed("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[1]
            for machine in [first, second]
        }
        passwords = {
            machine.succeed(f"cat {state}/admin-password") for machine in [first, second]
        }
        assert len(ids) == len(keys) == len(passwords) == 2

    with subtest("a reboot changes nothing"):
        before = first.succeed(f"sha256sum {state}/admin-password")
        first.shutdown()
        first.start()
        finish(first)
        assert first.succeed(f"sha256sum {state}/admin-password") == before

    with subtest("a reset starts over"):
        first.succeed("systemctl start coder-reset.service")
        finish(first)
        assert first.succeed(f"sha256sum {state}/admin-password") != before
        second.wait_until_succeeds(f"curl --max-time 5 --fail {dashboard}/api/v2/buildinfo")
  '';
}
