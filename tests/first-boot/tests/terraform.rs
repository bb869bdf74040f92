//! The workspace templates: parsed as HCL, every reference followed, every
//! provider declared and bounded. Where a terraform binary is at hand it checks
//! the format too, and validates if it can get the providers.
//!
//! `schema.rs` compares names with what the providers have. What neither can see
//! without the providers: types.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use first_boot_tests::templates;
use hcl_edit::expr::{Expression, ForIntro, Traversal, TraversalOperator};
use hcl_edit::structure::{Attribute, Block, Body};
use hcl_edit::visit::{self, Visit};
use tempfile::TempDir;

/// The whole templates, made once.
fn folders() -> Vec<PathBuf> {
    static WHOLE: OnceLock<TempDir> = OnceLock::new();
    templates::folders(WHOLE.get_or_init(templates::whole).path())
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned()
}

/// All `.tf` files of a folder as one, as Terraform sees them.
fn parse(folder: &Path) -> Body {
    let text: String = fs::read_dir(folder)
        .expect("a folder")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "tf"))
        .map(|path| fs::read_to_string(path).expect("text") + "\n")
        .collect();
    text.parse()
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}

/// What a configuration declares and what it refers to, as Terraform writes it:
/// `var.x`, `local.x`, `data.type.name`, `type.name`.
#[derive(Default)]
struct Names {
    declared: BTreeSet<String>,
    used: BTreeSet<String>,
    /// By `for` and `dynamic`.
    bound: BTreeSet<String>,
    /// `provider` blocks and the types of resources and data.
    needs_provider: BTreeSet<String>,
    providers: BTreeSet<String>,
}

impl Names {
    fn of(body: &Body) -> Self {
        let mut names = Self::default();
        names.visit_body(body);
        names
    }

    fn declare(&mut self, block: &Block) {
        let labels: Vec<&str> = block.labels.iter().map(|label| label.as_str()).collect();
        let provider_of = |kind: &str| kind.split('_').next().expect("not empty").to_owned();
        match (block.ident.as_str(), labels.as_slice()) {
            ("variable", [name]) => self.add(format!("var.{name}")),
            ("resource", [kind, name]) => {
                self.needs_provider.insert(provider_of(kind));
                self.add(format!("{kind}.{name}"));
            }
            ("data", [kind, name]) => {
                self.needs_provider.insert(provider_of(kind));
                self.add(format!("data.{kind}.{name}"));
            }
            ("provider", [name]) => {
                self.needs_provider.insert((*name).to_owned());
            }
            ("locals", []) => {
                for attribute in block.body.attributes() {
                    self.add(format!("local.{}", attribute.key.as_str()));
                }
            }
            ("required_providers", []) => {
                let names = block
                    .body
                    .attributes()
                    .map(|attribute| attribute.key.as_str().to_owned());
                self.providers.extend(names);
            }
            ("dynamic", [name]) => {
                self.bound.insert((*name).to_owned());
            }
            _ => {}
        }
    }

    fn add(&mut self, name: String) {
        assert!(
            self.declared.insert(name.clone()),
            "{name} is declared twice"
        );
    }
}

impl Visit for Names {
    fn visit_block(&mut self, block: &Block) {
        self.declare(block);
        visit::visit_block(self, block);
    }

    fn visit_attr(&mut self, attribute: &Attribute) {
        // `ignore_changes = all` is a keyword, `type = string` a type.
        if !["ignore_changes", "type"].contains(&attribute.key.as_str()) {
            visit::visit_attr(self, attribute);
        }
    }

    fn visit_for_intro(&mut self, intro: &ForIntro) {
        let names = intro.key_var.iter().chain([&intro.value_var]);
        self.bound
            .extend(names.map(|name| name.as_str().to_owned()));
        visit::visit_for_intro(self, intro);
    }

    fn visit_traversal(&mut self, traversal: &Traversal) {
        let Expression::Variable(root) = &traversal.expr else {
            return visit::visit_traversal(self, traversal);
        };
        let mut path = vec![root.as_str().to_owned()];
        for operator in &traversal.operators {
            match operator.value() {
                TraversalOperator::GetAttr(name) => path.push(name.as_str().to_owned()),
                _ => break,
            }
        }
        path.truncate(if path[0] == "data" { 3 } else { 2 });
        self.used.insert(path.join("."));
        for operator in &traversal.operators {
            self.visit_traversal_operator(operator.value());
        }
    }

    fn visit_expr(&mut self, expr: &Expression) {
        // A name on its own: only something bound here.
        if let Expression::Variable(name) = expr {
            self.used.insert(name.as_str().to_owned());
        }
        visit::visit_expr(self, expr);
    }
}

fn resolves(names: &Names, used: &str) -> bool {
    let root = used.split('.').next().expect("not empty");
    names.declared.contains(used) || names.bound.contains(root) || root == "path"
}

#[test]
fn the_three_are_there() {
    let names: Vec<_> = folders().iter().map(|folder| name_of(folder)).collect();
    assert_eq!(names, ["command-line", "k3s-podman", "languages"]);
}

#[test]
fn every_reference_is_declared_and_every_declaration_used() {
    for folder in folders() {
        let names = Names::of(&parse(&folder));
        let lost: Vec<_> = names
            .used
            .iter()
            .filter(|used| !resolves(&names, used))
            .collect();
        assert!(lost.is_empty(), "{}: undeclared {lost:?}", folder.display());
        let idle: Vec<_> = names
            .declared
            .difference(&names.used)
            // Things that are made are there for their own sake.
            .filter(|name| {
                ["var.", "local.", "data."]
                    .iter()
                    .any(|prefix| name.starts_with(prefix))
            })
            .collect();
        assert!(idle.is_empty(), "{}: unused {idle:?}", folder.display());
    }
}

#[test]
fn the_check_of_references_sees_what_it_should() {
    let body: Body = r#"
        variable "here" {}
        locals { a = "${var.here}-${var.gone}" }
        resource "x_y" "z" { b = [for k, v in local.a : "${v}${q}"] }
        resource "x_y" "w" { c = x_y.z.id == data.x_d.e[local.f].id }
    "#
    .parse()
    .expect("HCL");
    let names = Names::of(&body);
    let lost: Vec<_> = names
        .used
        .iter()
        .filter(|used| !resolves(&names, used))
        .collect();
    assert_eq!(lost, ["data.x_d.e", "local.f", "q", "var.gone"]);
}

#[test]
fn providers_are_declared_with_a_source_and_a_bound() {
    for folder in folders() {
        let body = parse(&folder);
        let names = Names::of(&body);
        assert_eq!(
            names.needs_provider,
            names.providers,
            "{}",
            folder.display()
        );
        let required = body
            .get_blocks("terraform")
            .find_map(|block| block.body.get_blocks("required_providers").next())
            .expect("required_providers");
        for attribute in required.body.attributes() {
            let text = attribute.value.to_string();
            assert!(text.contains("source"), "{text}");
            assert!(
                text.contains("\"~> ") || text.contains(", < "),
                "{}: no upper bound: {text}",
                folder.display()
            );
        }
    }
}

#[test]
fn each_has_a_readme_that_the_dashboard_can_show() {
    for folder in folders() {
        let readme = fs::read_to_string(folder.join("README.md")).expect("a README");
        let (head, text) = readme
            .strip_prefix("---\n")
            .and_then(|rest| rest.split_once("\n---\n"))
            .unwrap_or_else(|| panic!("{}: no head", folder.display()));
        for key in ["display_name: ", "description: ", "icon: /icon/"] {
            assert!(
                head.lines().any(|line| line.starts_with(key)),
                "{}: {key}",
                folder.display()
            );
        }
        // Coder's bound on a description.
        assert!(
            head.lines().all(|line| line.len() < 128),
            "{}",
            folder.display()
        );
        assert!(text.contains("\n# "), "{}: no title", folder.display());
    }
}

#[test]
fn each_language_has_its_demo() {
    let folder = templates::sources().join("languages");
    let body = parse(&folder);
    let locals = body.get_blocks("locals").next().expect("locals");
    let Expression::Object(languages) = &locals
        .body
        .get_attribute("languages")
        .expect("languages")
        .value
    else {
        panic!("languages is an object");
    };
    let listed: BTreeSet<String> = languages
        .iter()
        .map(|(key, _)| key.as_ident().expect("a name").as_str().to_owned())
        .collect();
    let entries = fs::read_dir(folder.join("demos")).expect("demos").flatten();
    let demos: BTreeSet<String> = entries.map(|entry| name_of(&entry.path())).collect();
    assert_eq!(listed, demos);
    assert_eq!(
        listed,
        ["go", "java", "nodejs", "python", "rust"]
            .map(String::from)
            .into()
    );
    for demo in demos {
        assert!(
            folder.join("demos").join(&demo).join("run.sh").is_file(),
            "{demo}"
        );
    }
}

/// The value of an attribute of a block inside `block`, as it is written.
fn value_of(block: &Block, inside: &str, key: &str) -> Option<String> {
    let inside = block.body.get_blocks(inside).next()?;
    let value = &inside.body.get_attribute(key)?.value;
    Some(value.to_string().trim().to_owned())
}

#[test]
fn each_workspace_has_limits_that_its_owner_chooses_within_bounds() {
    for folder in folders() {
        let body = parse(&folder);
        for name in ["cpu", "memory", "home_gb"] {
            let labels = ["coder_parameter", name];
            let parameter = body
                .get_blocks("data")
                .find(|block| block.has_labels(&labels))
                .unwrap_or_else(|| panic!("{}: no parameter {name}", folder.display()));
            let bound = |key: &str| -> u32 {
                let value = value_of(parameter, "validation", key);
                let value = value.unwrap_or_else(|| panic!("{}: {name}", folder.display()));
                value.parse().expect("a number")
            };
            assert!(bound("min") >= 1 && bound("max") > bound("min"));
            // What the person reads who asks for more.
            let error = value_of(parameter, "validation", "error").expect("a sentence");
            for part in ["{value}", "{min}", "{max}"] {
                assert!(error.contains(part), "{name}: {error}");
            }
        }
    }
}

/// What an address may be, by the expression in `parameters.tf`: what passes here
/// reaches `git` and `coder dotfiles`.
#[test]
fn every_template_takes_addresses_of_git_and_refuses_the_rest_in_a_sentence() {
    for folder in folders() {
        let body = parse(&folder);
        for name in ["repository", "dotfiles"] {
            let labels = ["coder_parameter", name];
            let parameter = body
                .get_blocks("data")
                .find(|block| block.has_labels(&labels))
                .unwrap_or_else(|| panic!("{}: no parameter {name}", folder.display()));
            let regex = value_of(parameter, "validation", "regex");
            assert_eq!(regex.as_deref(), Some("local.git_address"));
            let error = value_of(parameter, "validation", "error").expect("a sentence");
            assert!(error.contains("https://"), "{error}");
        }
    }
}

#[test]
fn each_workspace_shows_its_load_and_has_an_editor() {
    for folder in folders() {
        let body = parse(&folder);
        let agent = body
            .get_blocks("resource")
            .find(|block| block.has_labels(&["coder_agent", "main"]))
            .expect("an agent");
        let shown: BTreeSet<String> = agent
            .body
            .get_blocks("metadata")
            .map(|item| {
                item.body
                    .get_attribute("key")
                    .expect("a key")
                    .value
                    .to_string()
            })
            .map(|key| key.trim().trim_matches('"').to_owned())
            .collect();
        assert_eq!(
            shown,
            ["cpu", "disk", "load", "memory"].map(String::from).into()
        );
        let editor = body
            .get_blocks("resource")
            .find(|block| block.has_labels(&["coder_app", "editor"]));
        assert!(editor.is_some(), "{}: no editor", folder.display());
    }
}

/// Whoever has such a container is root on the machine.
#[test]
fn no_workspace_is_privileged() {
    /// Programs for workspaces, and nothing of the owner's.
    const TOOLS: [&str; 2] = ["${local.tools_folder}/nix", "volumes.value"];

    #[derive(Default)]
    struct Privileges(Vec<String>);
    impl Visit for Privileges {
        fn visit_attr(&mut self, attribute: &Attribute) {
            let value = attribute.value.to_string();
            let of_machine = attribute.key.as_str() == "host_path";
            if of_machine && !TOOLS.contains(&value.trim().trim_matches('"')) {
                self.0.push(attribute.key.to_string());
            }
            let ways_out = [
                "privileged",
                "host_pid",
                "host_ipc",
                "host_network",
                "pid_mode",
            ];
            if ways_out.contains(&attribute.key.as_str()) {
                self.0.push(attribute.key.to_string());
            }
        }
        fn visit_block(&mut self, block: &Block) {
            if block.ident.as_str() == "host_path" {
                self.0.push(block.ident.to_string());
            }
            // What is mounted of the machine can only be read.
            let content = block.body.get_blocks("content").next();
            if let Some(content) = content.filter(|block| block.body.has_attribute("host_path")) {
                let value = |body: &Body, key: &str| -> String {
                    let attribute = body.get_attribute(key).expect("an attribute");
                    attribute.value.to_string()
                };
                let read_only = value(&content.body, "read_only");
                if read_only.trim() != "true" || !value(&block.body, "for_each").contains(TOOLS[0])
                {
                    self.0.push(block.ident.to_string());
                }
            }
            visit::visit_block(self, block);
        }
    }
    for folder in folders() {
        let mut privileges = Privileges::default();
        privileges.visit_body(&parse(&folder));
        assert!(
            privileges.0.is_empty(),
            "{}: {:?}",
            folder.display(),
            privileges.0
        );
    }
}

fn terraform(folder: &Path, args: &[&str]) -> Option<(bool, String)> {
    let output = Command::new("terraform")
        .args(args)
        .current_dir(folder)
        .output()
        .ok()?;
    let text = [output.stdout, output.stderr].concat();
    Some((
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    ))
}

/// Past the test harness, which keeps the output of a test that passes.
fn skip(why: &str) {
    let _ = std::io::stderr().write_all(format!("SKIPPED, not passed: {why}\n").as_bytes());
}

#[test]
fn terraform_itself_agrees() {
    let Some((formatted, diff)) = terraform(
        &templates::sources().join(".."),
        &["fmt", "-check", "-diff", "-recursive"],
    ) else {
        return skip("no terraform: neither fmt nor validate ran");
    };
    assert!(formatted, "{diff}");
    // A copy: init writes into the folder.
    let copy = templates::whole();
    for folder in templates::folders(copy.path()) {
        let data = folder.join("data");
        let init = Command::new("terraform")
            .args(["init", "-backend=false", "-input=false"])
            .env("TF_DATA_DIR", &data)
            .current_dir(&folder)
            .output()
            .expect("it ran a moment ago");
        if !init.status.success() {
            skip("terraform cannot get the providers: validate did not run");
            return;
        }
        let validate = Command::new("terraform")
            .arg("validate")
            .env("TF_DATA_DIR", &data)
            .current_dir(&folder)
            .output()
            .expect("it ran a moment ago");
        let text = String::from_utf8_lossy(&validate.stderr).into_owned();
        assert!(validate.status.success(), "{}: {text}", folder.display());
    }
}
