//! Files that are findings by their names.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use regex::bytes::Regex;

use super::{Finding, Found};

/// What shells and interpreters keep of what was typed.
const HISTORIES: &[&str] = &[
    ".ash_history",
    ".bash_history",
    ".fish_history",
    ".history",
    ".mysql_history",
    ".node_repl_history",
    ".psql_history",
    ".python_history",
    ".rediscli_history",
    ".sh_history",
    ".sqlite_history",
    ".zsh_history",
    "fish_history",
];

/// What follows `.env.` in a file that shows which variables there are.
const TEMPLATES: &[&str] = &["dist", "example", "sample", "template"];

/// Files of names and passwords for other machines.
const NETRC: &[&str] = &[
    ".authinfo",
    ".fetchmailrc",
    ".git-credentials",
    ".mylogin.cnf",
    ".netrc",
    ".pgpass",
    ".smbcredentials",
    ".vault-token",
    "_netrc",
];

/// Files that can hold such passwords.
const CAN_BE_NETRC: &[&str] = &[".my.cnf", ".pypirc", ".s3cfg", ".boto", ".msmtprc"];

/// A line that gives one of them a value.
static PASSWORD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let name = r"(?:[a-z_]*(?:password|passwd|secret[a-z_]*)|pass)";
    let line = format!(r#"(?im-u)^[ \t]*{name}[ \t]*[=: \t][ \t]*["']?[^\s"'$]"#);
    Regex::new(&line).ok()
});

/// What the file at `path`, with `content`, is by both: one with passwords for other machines.
pub(super) fn with_passwords(path: &Path, content: &[u8]) -> Option<Found> {
    let name = path.file_name()?.to_str()?;
    let is_one = CAN_BE_NETRC.contains(&name) && PASSWORD.as_ref()?.is_match(content);
    is_one.then(|| Found::file(Finding::Netrc, IS_NETRC))
}

const IS_NETRC: &str = "a file of passwords for other machines";

/// What the file at `path`, relative to the top of the tree, is by its name.
#[must_use]
pub fn of_path(path: &Path) -> Option<Found> {
    let in_git = path
        .iter()
        .any(|part| part.to_string_lossy().eq_ignore_ascii_case(".git"));
    if in_git {
        return Some(Found::file(Finding::GitFolder, "a repository of git's"));
    }
    let name = path.file_name()?.to_str()?;
    let above = path.parent().and_then(Path::file_name);
    let is_template = |name: &str| TEMPLATES.iter().any(|template| name.ends_with(template));
    let (finding, what) = if HISTORIES.contains(&name) {
        (Finding::ShellHistory, "what somebody typed into a shell")
    } else if name == ".env" || (name.starts_with(".env.") && !is_template(name)) {
        (Finding::EnvFile, "a file of environment variables")
    } else if NETRC.contains(&name)
        || (name == "credentials" && above.is_some_and(|above| above == ".aws"))
    {
        (Finding::Netrc, IS_NETRC)
    } else if name == "kubeconfig"
        || name.ends_with(".kubeconfig")
        || (name == "config" && above.is_some_and(|above| above == ".kube"))
    {
        (Finding::Kubeconfig, "the way into a Kubernetes cluster")
    } else if name.ends_with(".tfstate") || name.contains(".tfstate.") {
        (Finding::TerraformState, "the state of Terraform")
    } else {
        return None;
    };
    Some(Found::file(finding, what))
}

/// The folders among the files at `paths` that are repositories of git's without a working
/// tree, which git itself does not tell from other folders (gitrepository-layout(5)).
#[must_use]
pub fn bare_repositories<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Vec<PathBuf> {
    let paths: BTreeSet<&Path> = paths.into_iter().collect();
    let folders = paths.iter().filter(|path| path.ends_with("HEAD"));
    let folders = folders.filter_map(|path| path.parent());
    let has = |folder: &Path, name: &str| {
        let inside = folder.join(name);
        let first = paths.range(inside.as_path()..).next();
        first.is_some_and(|path| path.starts_with(&inside))
    };
    folders
        .filter(|folder| has(folder, "objects") && has(folder, "config"))
        .map(Path::to_owned)
        .collect()
}
