//! The documentation is true: its blocks run, its settings are taken, its links lead somewhere,
//! and what it quotes is what cbox says.

mod page;
mod programs;
mod workplace;

use std::{collections::BTreeSet, fs, path::Path};

use regex::Regex;

use self::{page::Page, workplace::Workplace};
use crate::support::{
    call::{Call, inherited},
    place::{Place, top},
    yaml,
};

/// What a block may be in.
const LANGUAGES: [&str; 5] = ["sh", "nix", "toml", "yaml", "text"];

/// One test for each page with blocks, so that they run side by side.
macro_rules! pages {
    ($($test:ident: $path:literal,)*) => {
        const TESTED: &[&str] = &[$($path),*];
        $(
            #[test]
            fn $test() {
                does_what_it_says($path);
            }
        )*
    };
}

pages! {
    benchmarks: "docs/benchmarks.md",
    contributing: "CONTRIBUTING.md",
    continuous_integration: "docs/ci.md",
    images: "docs/images.md",
    minibox: "examples/minibox/README.md",
    nix_library: "docs/nix-library.md",
    provenance: "docs/provenance.md",
    readme: "README.md",
    reference: "docs/reference.md",
    sbom: "docs/sbom.md",
    size: "docs/size.md",
    source: "docs/source.md",
    stores: "docs/stores.md",
    the_box: "docs/the-box.md",
    verify_hosts: "docs/verify-hosts.md",
    your_own_flake: "docs/your-own-flake.md",
}

/// Every Markdown file that git lists. The changelog tells of what was.
fn listed() -> Vec<Page> {
    let mut call = Call::new("git", &top());
    for (name, value) in inherited() {
        call = call.env(name, value);
    }
    let words = [
        // Whoever owns it: nothing of it is run.
        "-c",
        "safe.directory=*",
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "*.md",
    ];
    let listed = call.args(words).run().ok();
    let paths = listed
        .lines()
        .into_iter()
        .filter(|path| *path != "CHANGELOG.md");
    let paths = paths.filter(|path| top().join(path).exists());
    let pages: Vec<Page> = paths.map(Page::read).collect();
    assert!(pages.len() > 10, "{listed}");
    pages
}

/// Runs or parses every block of a page, in order.
fn does_what_it_says(path: &str) {
    let page = Page::read(path);
    let workplace = Workplace::new();
    for block in page.blocks() {
        let result = match &*block.language {
            "sh" => workplace.runs(&block.text),
            "nix" => workplace.parses(&block.text),
            "toml" => workplace.configures(&block.text),
            "yaml" => workplace.names_commands(&block.text),
            _ => Ok(()),
        };
        if let Err(said) = result {
            panic!("{}: {said}", block.place(&page));
        }
    }
}

#[test]
fn every_block_is_in_a_language_that_is_tested() {
    for page in listed() {
        for block in page.blocks() {
            let place = block.place(&page);
            let language = &*block.language;
            assert!(
                LANGUAGES.contains(&language),
                "{place}: a block in `{language}`, and there are {LANGUAGES:?}"
            );
            assert!(
                language == "text" || TESTED.contains(&&*page.path),
                "{place}: no test runs the blocks of this page"
            );
        }
    }
}

#[test]
fn links_lead_somewhere() {
    for page in listed() {
        let folder = Path::new(&page.path).parent().unwrap();
        for (line, link) in page.links() {
            let place = format!("{}:{line}: {link}", page.path);
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => top().join(&page.path),
                path => top().join(folder).join(path),
            };
            assert!(target.exists(), "{place} does not exist");
            if !anchor.is_empty() {
                let target = target.canonicalize().unwrap();
                let target = target.strip_prefix(top()).unwrap().to_str().unwrap();
                let anchors = Page::read(target).anchors();
                assert!(
                    anchors.iter().any(|known| known == anchor),
                    "{place}: the headings of {target} are {anchors:?}"
                );
            }
        }
    }
}

/// The files for GitLab fit together, and with what `cbox matrix` puts between them.
#[test]
fn the_example_for_gitlab_hangs_together() {
    let page = Page::read("docs/ci.md");
    let blocks = page
        .blocks()
        .into_iter()
        .filter(|block| block.language == "yaml");
    let files: Vec<serde_json::Value> = blocks.map(|block| yaml(&block.text).unwrap()).collect();
    let file = |key: &str| files.iter().find(|file| file.get(key).is_some()).unwrap();
    let (pipeline, child) = (file("verify-hosts"), file(".cbox-build"));
    let include = &pipeline["images"]["trigger"]["include"][0];
    let maker = &pipeline[include["job"].as_str().unwrap()];
    assert_eq!(maker["artifacts"]["paths"][0], include["artifact"]);
    assert_eq!(pipeline["images"]["needs"][0], include["job"]);
    let of_matrix = Place::minibox().ask(&["matrix", "--format", "gitlab"]);
    let (_, body) = of_matrix.split_once(": ").unwrap();
    let body: serde_json::Value = serde_json::from_str(body.lines().next().unwrap()).unwrap();
    assert!(child.get(body["extends"].as_str().unwrap()).is_some());
    let script = child[".cbox-build"]["script"][0].as_str().unwrap();
    let (_, variable) = script.split_once("\"$").unwrap();
    let (variable, _) = variable.split_once('"').unwrap();
    assert!(body["variables"].get(variable).is_some(), "{variable}");
    for job in [&pipeline["verify-hosts"], &child[".cbox-build"]] {
        let report = job["artifacts"]["reports"]["junit"].as_str().unwrap();
        let script = job["script"][0].as_str().unwrap();
        assert!(script.ends_with(&format!(" --junit {report}")), "{script}");
    }
}

/// The workflows that share hosts among machines fit together, and with what `cbox matrix --hosts`
/// puts between them.
#[test]
fn the_examples_of_shards_hang_together() {
    let page = Page::read("docs/ci.md");
    let blocks = page.blocks().into_iter();
    let blocks: Vec<_> = blocks.filter(|block| block.language == "yaml").collect();
    let place = Place::minibox();
    let words = ["matrix", "--hosts", "--shards", "2", "--format"];
    // GitHub: what is taken of the matrix is in it.
    let of_github = blocks
        .iter()
        .find(|block| block.text.contains("\n  judge:"));
    let of_github = &of_github.unwrap().text;
    let matrix = place.cbox(&[&words[..], &["github"]].concat()).run().ok();
    let shard = matrix.json()["include"][0].clone();
    let taken = Regex::new(r"\bmatrix\.([a-z]+) ").unwrap();
    let taken: Vec<&str> = taken
        .captures_iter(of_github)
        .map(|found| found.extract::<1>().1[0])
        .collect();
    assert!(taken.len() > 2, "{taken:?}");
    for name in taken {
        assert!(shard.get(name).is_some(), "{name} in {shard}");
    }
    // GitLab: the file that comes first is one, the jobs extend what is in it, and their variables
    // are taken.
    let of_gitlab = blocks
        .iter()
        .find(|block| block.text.contains("\n.cbox-verify:"));
    let of_gitlab = &of_gitlab.unwrap().text;
    let lines = place.ask(&[&words[..], &["gitlab"]].concat());
    let pipeline = yaml(&format!("{of_gitlab}{lines}")).unwrap();
    let job = &pipeline["verify-hosts 1"];
    assert!(pipeline.get(job["extends"].as_str().unwrap()).is_some());
    for name in job["variables"].as_object().unwrap().keys() {
        let script = pipeline[".cbox-verify"]["script"].to_string();
        let variable = Regex::new(&format!(r"\${name}\b")).unwrap();
        assert!(variable.is_match(&script), "{name} in {script}");
    }
}

#[test]
fn the_readme_names_every_command() {
    let command = Regex::new("`cbox ([a-z-]+)").unwrap();
    let cells = Page::read("README.md").column("command").join("\n");
    let named: BTreeSet<&str> = command
        .captures_iter(&cells)
        .map(|found| found.extract::<1>().1[0])
        .collect();
    let help = Place::empty("repo").ask(&["--help"]);
    let (_, commands) = help.split_once("\nCommands:\n").unwrap();
    let (commands, _) = commands.split_once("\n\n").unwrap();
    let offered: BTreeSet<&str> = commands
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert_eq!(named, offered);
}

/// What the page on troubleshooting quotes, `…` standing for anything, is in a line that cbox
/// was recorded to say, or in its sources; and what was recorded is quoted there.
#[test]
fn every_message_that_is_explained_is_a_real_one() {
    let (mut recorded, mut sources) = (Vec::new(), Vec::new());
    let fixtures = top().join("tests/errors/fixtures");
    read_all(&fixtures, "cbox.snap", &mut recorded);
    read_all(&top().join("crates"), ".rs", &mut sources);
    let quoted = Regex::new("`([^`]+)`").unwrap();
    let page = Page::read("docs/troubleshooting.md");
    let messages = page.column("message").join("\n");
    let mut patterns = Vec::new();
    for found in quoted.captures_iter(&messages) {
        let parts: Vec<String> = found[1].split('…').map(regex::escape).collect();
        let pattern = Regex::new(&parts.join(".*")).unwrap();
        let mut said = recorded.iter().chain(&sources);
        let is_said = said.any(|text| pattern.is_match(text));
        assert!(is_said, "nothing says `{}`", &found[1]);
        patterns.push(pattern);
    }
    for text in recorded {
        let is_explained = patterns.iter().any(|pattern| pattern.is_match(&text));
        assert!(is_explained, "{} does not explain: {text}", page.path);
    }
}

/// Reads the files below `folder` whose names end so.
fn read_all(folder: &Path, end: &str, texts: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, end, texts);
        } else if path.to_str().is_some_and(|path| path.ends_with(end)) {
            // As the text is, and not as Rust writes it.
            texts.push(fs::read_to_string(&path).unwrap().replace("\\\"", "\""));
        }
    }
}

/// A program that nobody knows, a call that is wrong, or a setting that does not exist is seen.
#[test]
fn what_is_wrong_is_seen() {
    let place = Workplace::new();
    for commands in [
        "unknown-program | cat",
        "cbox lisst\ncbox list",
        "make applianc/iso",
        "cargo test -p cbocs",
        "nix run .#cboks -- list",
        "sudo nixos-rebuild switch --flake .#nobody",
        "systemctl start coder-rest",
        "cbox watch nobody",
        "echo $unset",
    ] {
        assert!(place.runs(commands).is_err(), "{commands}");
    }
    assert!(place.parses("{ a = ; }\n").is_err());
    assert!(place.configures("[source]\nexclud = []\n").is_err());
    assert!(place.names_commands("- run: cbox biuld\n").is_err());
    assert!(place.names_commands("-\trun: cbox build\n").is_err());
}
