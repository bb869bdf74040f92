"""A stand-in for `terraform init`: finds the providers of the folder that it is called
in as the settings in TF_CLI_CONFIG_FILE say, and says what the real one says where one
is not there, or a file is no Terraform. There is no registry."""

import glob
import os
import platform
import re
import sys

SYSTEM = "linux_" + {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


def fail(summary, detail):
    sys.exit(f"\nError: {summary}\n\n{detail}\n")


def numbers(version):
    return [int(part) for part in re.findall(r"\d+", version)]


def holds(version, constraint):
    operator, than = re.fullmatch(r"\s*(\S+) (\S+)\s*", constraint).groups()
    have, than = numbers(version), numbers(than)
    match operator:
        case ">=":
            return have >= than
        case "<":
            return have < than
        case "~>":
            return have >= than and have[: len(than) - 1] == than[:-1]
    raise ValueError(constraint)


def settings():
    text = open(os.environ["TF_CLI_CONFIG_FILE"]).read()
    mirror = re.search(r"filesystem_mirror \{(.*?)\n  \}", text, re.S)[1]
    direct = re.search(r"direct \{(.*?)\n  \}", text, re.S)[1]
    listed = {key: re.findall(r'"(registry[^"]*)"', part) for key, part in (("mirror", mirror), ("not", direct))}
    return re.search(r'path += "([^"]*)"', mirror)[1], listed["mirror"], listed["not"]


def required():
    for name in sorted(glob.glob("*.tf")):
        text = open(name).read()
        bare = re.sub(r'"(\\.|[^"\\\n])*"|#.*', "", text)
        if bare.count("{") != bare.count("}"):
            fail("Unclosed configuration block", f"  on {name} line {text.count(chr(10))}:\n\nThere is no closing brace for this block.")
        yield from re.findall(r'source\s*=\s*"([^"]*)"\s*version\s*=\s*"([^"]*)"', text)


def main():
    if sys.argv[1:2] != ["init"]:
        sys.exit("stand-in: not known: " + " ".join(sys.argv[1:]))
    providers = list(required())
    folder, carried, not_asked = settings()
    for source, constraints in providers:
        address = f"registry.terraform.io/{source}"
        which = f"Could not retrieve the list of available versions for provider\n{source}: "
        summary = "Failed to query available provider packages"
        if address not in carried or address not in not_asked:
            fail(summary, which + "could not connect to registry.terraform.io: failed to\nrequest discovery document: no such host")
        found = glob.glob(f"{folder}/{address}/*/{SYSTEM}/terraform-provider-{os.path.basename(source)}_*")
        versions = [path.split("/")[-3] for path in found if os.access(path, os.X_OK)]
        if not any(all(holds(version, one) for one in constraints.split(",")) for version in versions):
            fail(summary, which + f"no available releases match the given constraints {constraints}")
    print("Terraform has been successfully initialized!")


main()
