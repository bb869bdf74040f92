use super::*;
use serde_json::json;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, "cbox.toml".into()).map_err(|error| error.message)
}

const ISO: &str = "[[target]]\nkind = \"appliance\"\nformat = \"iso\"\nhost = \"_iso\"\n\
    attribute = \"system.build.isoImage\"\nartifact = \"iso/*.iso\"\n";

#[test]
fn a_small_file_is_enough() {
    let config = parse(ISO).unwrap();
    let target = &config.targets[0];
    assert_eq!(target.target(), "appliance/iso");
    assert_eq!(target.systems().len(), 2);
    assert!(!target.cross && target.name.is_none() && target.overrides().unwrap().is_empty());
    assert!(parse("").unwrap().targets.is_empty());
}

#[test]
fn a_host_that_is_left_as_it_is_has_one_system() {
    let text = ISO.replace("artifact = \"iso/*.iso\"", "system = \"aarch64\"");
    let config = parse(&format!("hosts = []\n{text}")).unwrap();
    let target = &config.targets[0];
    let systems: Vec<String> = target.systems().iter().map(ToString::to_string).collect();
    assert_eq!(systems, ["aarch64-linux"]);
    assert_eq!((config.hosts, &target.artifact), (Some(vec![]), &vec![]));
}

/// The schema that editors check `cbox.toml` with is of these types: a change to them writes
/// it anew, with `CBOX_UPDATE_SCHEMA=1`.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the test says whether the files are to be written"
)]
fn the_schemas_are_of_these_types() {
    use crate::process::user_config::UserConfig;
    for (file, schema) in [
        ("cbox.toml.json", schemars::schema_for!(Config)),
        ("config.toml.json", schemars::schema_for!(UserConfig)),
    ] {
        let file = Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../docs/schema")
            .join(file);
        let text = format!("{:#}\n", json!(schema));
        if std::env::var_os("CBOX_UPDATE_SCHEMA").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text, "{file}");
    }
}

/// The reference's example has every setting, those in comments too.
#[test]
fn the_reference_shows_what_can_be_set() {
    let reference = include_str!("../../../../../docs/reference.md");
    let (_, section) = reference.split_once("\n## cbox.toml\n").unwrap();
    let block = section.split("```").nth(1).unwrap();
    let example = block.strip_prefix("toml\n").unwrap();
    assert_eq!(parse(example).unwrap().targets.len(), 1);
    let own: Vec<&str> = example
        .lines()
        .filter(|line| {
            let others = ["systems", "cross", "# package"];
            !others.iter().any(|other| line.starts_with(other))
        })
        .map(|line| line.trim_start_matches("# "))
        .collect();
    assert!(parse(&own.join("\n")).unwrap().targets[0].system.is_some());
    let (target, _) = example.split_once("host = ").unwrap();
    let package = example.lines().find(|line| line.starts_with("# package"));
    let package = format!("{target}{}", package.unwrap().trim_start_matches("# "));
    assert!(parse(&package).unwrap().targets[0].package.is_some());
}

#[test]
fn overrides_are_paths_and_values() {
    let text = format!(
        "{ISO}[target.overrides]\n\"disko.imageBuilder.imageFormat\" = \"qcow2\"\nbox.a.b = [1, true]\n"
    );
    let config = parse(&text).unwrap();
    let overrides = config.targets[0].overrides().unwrap();
    let found: Vec<_> = overrides
        .iter()
        .map(|(path, value)| (path.to_string(), value.clone()))
        .collect();
    assert_eq!(
        found,
        [
            ("box.a.b".to_owned(), json!([1, true])),
            ("disko.imageBuilder.imageFormat".to_owned(), json!("qcow2")),
        ]
    );
}

#[test]
fn mistakes_are_shown_with_their_place() {
    let unknown = parse(&format!("{ISO}artefact = \"x\"\n")).unwrap_err();
    assert!(
        unknown.starts_with("cbox.toml:7:1: unknown field `artefact`: did you mean `artifact`?"),
        "{unknown}"
    );
    let kind = parse("[source]\nexclude = \"x\"\n").unwrap_err();
    assert!(kind.starts_with("cbox.toml:2:11: invalid type"), "{kind}");
    let syntax = parse("[source\n").unwrap_err();
    assert!(syntax.starts_with("cbox.toml:1:"), "{syntax}");
    let missing = parse("[[target]]\nkind = \"a\"\n").unwrap_err();
    assert!(missing.contains("missing field `format`"), "{missing}");
    assert!(parse(&format!("schema = 1\n{ISO}")).is_ok());
    let newer = parse(&format!("a = 1\nschema = 2\n{ISO}")).unwrap_err();
    assert_eq!(
        newer,
        "cbox.toml:2:10: schema 2 is newer than this cbox, which knows schemas up to 1"
    );
    let system = parse(&format!("{ISO}systems = [\"x 86\"]\n")).unwrap_err();
    assert!(system.contains("is not a system"), "{system}");
}

#[test]
fn what_is_allowed_has_a_name_and_a_reason() {
    let with = |finding: &str, why: &str| {
        let text = format!("[[source.allow]]\npath = \"a\"\nfinding = \"{finding}\"\n{why}");
        parse(&text)
    };
    assert!(with("token", "why = \"a test\"\n").is_ok());
    let unknown = with("tokn", "why = \"a test\"\n").unwrap_err();
    assert!(
        unknown.starts_with("cbox.toml:3:11: `tokn` is no finding: did you mean `token`?"),
        "{unknown}"
    );
    let missing = with("token", "").unwrap_err();
    assert!(missing.contains("missing field `why`"), "{missing}");
    let empty = with("token", "why = \" \"\n").unwrap_err();
    assert!(empty.contains("`why` is empty"), "{empty}");
    let image = with("disk-image", "why = \"x\"\n").unwrap_err();
    assert!(image.contains("cannot be allowed"), "{image}");
}

#[test]
fn budgets_are_sizes() {
    let text = format!("{ISO}budget = {{ image = \"2 GiB\" }}\n");
    let budget = parse(&text).unwrap().targets[0].budget.clone();
    assert_eq!(budget.image.unwrap().bytes(), 2 << 30);
    assert_eq!(budget.closure, None);
    for (value, reason) in [
        (
            "\"2 gigs\"",
            "`2 gigs` is not a size: it is a number and a unit",
        ),
        ("2", "invalid type: integer"),
    ] {
        let error = parse(&format!("{ISO}[target.budget]\nimage = {value}\n")).unwrap_err();
        assert!(error.starts_with("cbox.toml:8:9: "), "{error}");
        assert!(error.contains(reason), "{error}");
    }
    let unknown = parse(&format!("{ISO}budget = {{ disk = \"1 GB\" }}\n")).unwrap_err();
    assert!(unknown.contains("unknown field `disk`"), "{unknown}");
}

#[test]
fn targets_that_cannot_be_are_refused() {
    let with = |from: &str, to: &str| parse(&ISO.replace(from, to)).unwrap_err();
    let twins = parse(&format!("{ISO}{ISO}")).unwrap_err();
    assert_eq!(
        twins,
        "cbox.toml:9:10: target appliance/iso is defined twice"
    );
    assert!(
        with("\"appliance\"", "\"hosts\"")
            .starts_with("cbox.toml:2:8: target hosts/iso: the kind `hosts` is reserved")
    );
    assert!(with("\"appliance\"", "\"a/b\"").contains("cannot be a part"));
    assert!(with("iso/*.iso", "../x").contains("artifact"));
    assert!(with("iso/*.iso", "a/**/b").contains("artifact"));
    assert!(with("iso/*.iso", "a[").contains("artifact"));
    assert!(with("iso/*.iso", "a{b/c,d}").contains("artifact"));
    let several = ISO.replace("\"iso/*.iso\"", "[\"a.raw\", \"../b\"]");
    assert!(parse(&several).unwrap_err().contains("not `../b`"));
    let named = several.replace("../b", "b.raw") + "name = \"image.fileName\"\n";
    assert!(
        parse(&named)
            .unwrap_err()
            .contains("`artifact` has several")
    );
    let both = format!("{ISO}system = \"x86_64-linux\"\nsystems = [\"x86_64-linux\"]\n");
    assert!(parse(&both).unwrap_err().contains("keeps its own system"));
    let cross = format!("{ISO}system = \"x86_64-linux\"\ncross = true\n");
    assert!(parse(&cross).unwrap_err().contains("keeps its own system"));
    assert!(
        parse("hosts = [\"a b\"]")
            .unwrap_err()
            .starts_with("cbox.toml:1:10: hosts: `a b`")
    );
    assert!(
        parse("hosts = [\"a\", \"a\"]")
            .unwrap_err()
            .contains("twice")
    );
    assert!(
        parse(&format!("{ISO}systems = []\n"))
            .unwrap_err()
            .contains("empty")
    );
    let one = ISO.replace("\"iso\"", "\"b-c\"");
    let other = ISO
        .replace("\"appliance\"", "\"appliance-b\"")
        .replace("\"iso\"", "\"c\"");
    assert!(
        parse(&format!("{one}{other}"))
            .unwrap_err()
            .contains("share the link")
    );
}
