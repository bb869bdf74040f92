use super::*;

fn here() -> (tempfile::TempDir, Environment) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["sub", "c#", "x"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join(name).join(FLAKE), "").unwrap();
    }
    let environment = Environment {
        folder: folder.path().canonicalize().unwrap().try_into().unwrap(),
        ..Environment::unknown()
    };
    (folder, environment)
}

#[test]
fn folders_are_told_from_what_nix_fetches() {
    let (_folder, here) = here();
    let folder = |name: &str| Reference::Folder(name.into());
    let top = here.folder.clone();
    let fetched = |scheme: &str, rest: &str| Reference::Fetched(format!("{scheme}{top}{rest}"));
    for (text, expected) in [
        ("", Reference::Here),
        (".", Reference::Here),
        ("path:.", Reference::Here),
        ("git+file:.", Reference::Here),
        ("sub", folder("sub")),
        ("path:sub", folder("sub")),
        ("path:./sub", folder("./sub")),
        ("git+file:///a/b%20c", folder("/a/b c")),
        (".?dir=sub", folder("./sub")),
        ("c#", folder("c#")),
        ("no-such", folder("no-such")),
        ("foo:bar", folder("foo:bar")),
        (".?ref=main", fetched("git+file://", "?ref=main")),
        ("git+file:sub?rev=0", fetched("git+file://", "/sub?rev=0")),
        ("path:sub?narHash=x", fetched("path:", "/sub?narHash=x")),
        ("github:o/r", Reference::Fetched("github:o/r".into())),
        (
            "git+https://h/x?dir=a",
            Reference::Fetched("git+https://h/x?dir=a".into()),
        ),
    ] {
        assert_eq!(Reference::parse(&here, text).unwrap(), expected, "{text}");
    }
    let same = |one: &str, other: &str| {
        let [one, other] = [one, other].map(|text| Reference::parse(&here, text).unwrap());
        one.is_same(&other, &here)
    };
    assert!(same("sub", "path:sub") && same("github:o/r", "github:o/r"));
    assert!(!same("sub", "x") && !same("github:o/r", "github:o/s") && !same(".", "sub"));
}

#[test]
fn words_with_a_hash_are_flakes_where_nothing_else_can_be_meant() {
    let (_folder, here) = here();
    let word = |text: &str| Reference::of_word(&here, text).unwrap();
    let fragment = |text: &str| word(text).map(|(_, fragment)| fragment.unwrap_or_default());
    for (text, expected) in [
        (".#box", Some("box")),
        ("#box", Some("box")),
        ("./sub#a%20b", Some("a b")),
        ("x#box", Some("box")),
        ("github:o/r#box", Some("box")),
        ("github:o/r", Some("")),
        ("fix#12:box", None),
        ("fix#12", None),
        ("HEAD~1:box", None),
        ("./c#", None),
        ("./out/box", None),
        ("box", None),
    ] {
        assert_eq!(fragment(text).as_deref(), expected, "{text}");
    }
    let option = |text: &str| Reference::of_option(&here, text).unwrap();
    assert_eq!(option("c#"), (Reference::Folder("c#".into()), None));
    assert_eq!(option("sub#a").1.as_deref(), Some("a"));
}

#[test]
fn credentials_are_not_shown() {
    for (reference, shown) in [
        ("git+https://me:token@h/x?ref=a", "git+https://h/x?ref=a"),
        ("tarball+https://token@h:1/x@y", "tarball+https://h:1/x@y"),
        ("git+ssh://git@h/x", "git+ssh://git@h/x"),
        ("git+ssh://me:secret@h/x", "git+ssh://h/x"),
        ("github:o/r", "github:o/r"),
        ("https://h/x@y", "https://h/x@y"),
    ] {
        assert_eq!(Fetched::called(reference).label(), shown);
    }
}

#[test]
fn fragments_name_hosts_and_images() {
    let host = |name: &str| Ok(Meant::Host(name.to_owned()));
    let variant = |host: &str, name: &str| Ok(Meant::Variant(host.to_owned(), name.to_owned()));
    for (fragment, expected) in [
        ("box", host("box")),
        ("my.box", host("my.box")),
        ("box^out", host("box")),
        ("hosts/box", host("box")),
        ("nixosConfigurations.box", host("box")),
        (
            "nixosConfigurations.\"my.box\".config.system.build.toplevel",
            host("my.box"),
        ),
        (
            "nixosConfigurations.box.config.system.build.images.iso-installer",
            variant("box", "iso-installer"),
        ),
        (
            "nixosConfigurations.box.config.system.build.sdImage",
            variant("box", "sd-card"),
        ),
        ("appliance/iso", Ok(Meant::Target("appliance/iso".into()))),
        ("packages.x86_64-linux.x", Err("is no host")),
        (
            "nixosConfigurations.box.config.networking",
            Err("is no image"),
        ),
        ("a b", Err("names no host")),
    ] {
        match (Meant::parse(fragment), expected) {
            (Ok(meant), Ok(expected)) => assert_eq!(meant, expected, "{fragment}"),
            (Err(error), Err(words)) => assert!(error.message.contains(words), "{error:?}"),
            (found, expected) => panic!("{fragment}: {found:?}, expected {expected:?}"),
        }
    }
}
