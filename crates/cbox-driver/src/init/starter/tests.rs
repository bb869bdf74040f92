use super::*;

fn entry(name: &str) -> Entry {
    Entry {
        name: name.to_owned(),
        systems: vec![],
    }
}

fn found(name: &str, images: Images) -> EvaluatedEntry {
    EvaluatedEntry {
        entry: entry(name),
        answer: Ok(("x86_64-linux".parse().unwrap(), images)),
    }
}

fn broken(name: &str) -> EvaluatedEntry {
    EvaluatedEntry {
        entry: entry(name),
        answer: Err("attribute 'x' missing".to_owned()),
    }
}

fn machine() -> Images {
    Images {
        toplevel: true,
        ..Images::default()
    }
}

fn variant(name: &str, attribute: &[&str]) -> Variant {
    Variant {
        name: name.to_owned(),
        attribute: attribute.iter().map(|&part| part.to_owned()).collect(),
        own: true,
        files: vec![],
    }
}

fn iso() -> Images {
    Images {
        variants: vec![variant("iso", &["system", "build", "isoImage"])],
        ..machine()
    }
}

fn variants(own: &[&str], stock: &[&str]) -> Images {
    let named = |&name: &&str| Variant {
        own: own.contains(&name),
        ..variant(name, &["system", "build", "images", name])
    };
    Images {
        variants: own.iter().chain(stock).map(named).collect(),
        ..machine()
    }
}

fn disko(disks: &[&str]) -> Images {
    let images = Variant {
        files: disks.iter().map(|disk| format!("{disk}.qcow2")).collect(),
        ..variant("qcow2", &["system", "build", "diskoImages"])
    };
    Images {
        variants: if disks.is_empty() {
            vec![]
        } else {
            vec![images]
        },
        ..machine()
    }
}

fn targets(starter: &Starter) -> Vec<String> {
    let targets = starter.hosts.iter().flat_map(Host::targets);
    targets
        .filter(|target| !target.starts_with("hosts/"))
        .collect()
}

fn machines(starter: &Starter) -> Vec<&str> {
    let machines = starter.used().filter(|(_, uses)| uses.is_machine);
    machines.map(|(name, _)| name).collect()
}

#[test]
fn a_host_is_a_machine_unless_it_is_only_an_image() {
    let hosts = vec![
        found("box", machine()),
        found("cd", iso()),
        found("disk", disko(&["main"])),
        found("no-disk", disko(&[])),
        found("_live", disko(&["main"])),
        found("nothing", Images::default()),
    ];
    let starter = Starter::new(hosts, &[], &[]);
    assert_eq!(machines(&starter), ["box", "disk", "no-disk"]);
    assert_eq!(targets(&starter), ["cd/iso", "disk/qcow2", "live/qcow2"]);
    let left_out: Vec<_> = starter.left_out().collect();
    assert_eq!(left_out[0].0, "nothing");
}

#[test]
fn only_the_variants_of_the_flake_itself_are_targets() {
    let hosts = vec![found(
        "box",
        variants(&["kiosk", "not a word"], &["iso", "raw"]),
    )];
    let starter = Starter::new(hosts, &[], &[]);
    assert_eq!(targets(&starter), ["box/kiosk"]);
    let (_, uses) = starter.used().next().unwrap();
    assert_eq!(uses.stock, ["iso", "raw"]);
    let text = starter.to_toml();
    assert!(
        text.contains("# kind = \"box\"\n# format = \"iso\"\n"),
        "{text}"
    );
    assert!(text.contains("the format: iso, raw."), "{text}");
}

#[test]
fn a_kind_is_no_command_and_no_two_targets_share_a_link() {
    let hosts = vec![
        found("build", iso()),
        found("hosts", iso()),
        found("web", variants(&["qemu-efi"], &[])),
        found("web-qemu", variants(&["efi"], &[])),
        found("x-iso", machine()),
        found("_", iso()),
    ];
    let starter = Starter::new(hosts, &[], &["build"]);
    assert_eq!(
        targets(&starter),
        [
            "build-image/iso",
            "hosts-image/iso",
            "web/qemu-efi",
            "web-qemu-image/efi",
            "_/iso"
        ]
    );
    // The link of `hosts/x-iso`.
    let hosts = vec![found("hosts-x", iso()), found("x-iso", machine())];
    assert_eq!(
        targets(&Starter::new(hosts, &[], &[])),
        ["hosts-x-image/iso"]
    );
}

#[test]
fn what_a_host_itself_is_an_image_for_becomes_a_target_and_leaves_a_machine() {
    let sd_card = variant("sd-card", &["system", "build", "sdImage"]);
    let images = Images {
        variants: [vec![sd_card], variants(&["kiosk"], &["raw"]).variants].concat(),
        ..machine()
    };
    let starter = Starter::new(vec![found("pi", images)], &[], &[]);
    assert_eq!(targets(&starter), ["pi/sd-card", "pi/kiosk"]);
    assert_eq!(machines(&starter), ["pi"]);
    let (_, uses) = starter.used().next().unwrap();
    assert_eq!(
        (uses.images[0].artifacts.first(), &*uses.stock[0]),
        (None, "raw")
    );
}

#[test]
fn a_package_that_is_an_image_is_a_target() {
    let system = "x86_64-linux".parse().unwrap();
    let names = ["cloud", "not a word", "b.c", "iso"].map(str::to_owned);
    // The link of `package/iso` is that of the host's.
    let starter = Starter::new(vec![found("package", iso())], &[], &[]);
    let starter = starter.with_packages(names.to_vec(), &system);
    let targets: Vec<String> = starter.packages.iter().map(Package::target).collect();
    assert_eq!(targets, ["package/cloud", "package/b.c"]);
    let text = starter.to_toml();
    let config = crate::flake::config::Config::parse(&text, "cbox.toml".into()).unwrap();
    let last = config.targets.last().unwrap();
    assert_eq!(
        last.package.as_deref(),
        Some("packages.x86_64-linux.\"b.c\"")
    );
    assert_eq!(last.systems(), [system]);
}

#[test]
fn machines_are_listed_unless_folders_tell_them() {
    let folders = ["a", "b", "_live"].map(str::to_owned);
    let by_folder = |hosts: Vec<EvaluatedEntry>| Starter::new(hosts, &folders, &[]).by_folder;
    let both = || vec![found("a", machine()), found("b", machine())];
    assert!(by_folder(both()));
    assert!(by_folder([both(), vec![found("_live", iso())]].concat()));
    assert!(
        by_folder([both(), vec![found("cd", iso())]].concat()),
        "no folder, no machine"
    );
    assert!(!by_folder([both(), vec![found("c", machine())]].concat()));
    assert!(!by_folder(vec![found("a", machine())]));
    assert!(
        !by_folder(vec![found("a", machine()), broken("b")]),
        "it is to be left out"
    );
    assert!(
        !by_folder(vec![found("a", machine()), found("b", iso())]),
        "b is no machine"
    );
    assert!(!Starter::new(vec![found("cd", iso())], &[], &[]).by_folder);
}

#[test]
fn each_setting_is_explained_once() {
    let hosts = vec![
        found("laptop", machine()),
        broken("old"),
        found("cd", iso()),
        found("server", disko(&["main", "data"])),
    ];
    let expected = r##"#:schema https://json.schemastore.org/cbox.json

# The hosts and images of this flake that cbox builds and watches over. Nix never reads this
# file. `cbox list` shows what stands here, docs/reference.md of cbox what else can.

# The machines, by their names in nixosConfigurations. `cbox accept` records what each of
# them builds, and `cbox verify-hosts` tells when that changes.
hosts = [
  "laptop",
  # "old",  # attribute 'x' missing
  "server",
]

[[target]]
kind = "cd"                               # cbox <kind> …
format = "iso"                            # … <format>
host = "cd"                               # its name in nixosConfigurations
attribute = "system.build.isoImage"       # what is built, below `config` of the host
system = "x86_64-linux"                   # the host's own, which is left as it is
artifact = "iso/*.iso"                    # which file of the result is the image

[[target]]
kind = "server"
format = "qcow2"
host = "server"
attribute = "system.build.diskoImages"
system = "x86_64-linux"
artifact = ["main.qcow2", "data.qcow2"]
"##;
    assert_eq!(Starter::new(hosts, &[], &[]).to_toml(), expected);
}

#[test]
fn what_needs_builds_says_so() {
    let mut hosts = vec![found("a", machine()), broken("b")];
    assert!(
        !Starter::new(hosts.clone(), &[], &[])
            .to_toml()
            .contains("[evaluation]")
    );
    hosts[1].answer = Err("the option 'allow-import-from-derivation' is disabled".to_owned());
    let text = Starter::new(hosts, &[], &[]).to_toml();
    assert!(
        text.contains("\n[evaluation]\nimport-from-derivation = false\n"),
        "{text}"
    );
}

#[test]
fn an_image_host_for_another_system_is_no_host_of_its_own() {
    let names = [
        "_disk",
        "_disk-aarch64-linux",
        "_disk-x86_64-linux",
        "_other-aarch64-linux",
        "_disk-of-others",
        "box",
        "box-x86_64-linux",
    ];
    let hosts = entries(names.iter().map(|&name| name.to_owned()).collect());
    let found: Vec<(&str, Vec<&str>)> = hosts
        .iter()
        .map(|host| {
            let systems = host.systems.iter().map(System::as_str).collect();
            (host.name.as_str(), systems)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("_disk", vec!["aarch64-linux", "x86_64-linux"]),
            ("_other-aarch64-linux", vec![]),
            ("_disk-of-others", vec![]),
            ("box", vec![]),
            ("box-x86_64-linux", vec![]),
        ]
    );
}

#[test]
fn an_image_is_for_every_system_that_stands_beside_its_host() {
    let mut disk = found("_disk", disko(&["main"]));
    disk.entry.systems = ["aarch64-linux", "x86_64-linux"]
        .map(|system| system.parse().unwrap())
        .to_vec();
    let text = Starter::new(vec![disk], &[], &[]).to_toml();
    assert!(
        text.contains("\nsystems = [\"aarch64-linux\", \"x86_64-linux\"]"),
        "{text}"
    );
    assert!(!text.contains("\nsystem ="), "{text}");
}
