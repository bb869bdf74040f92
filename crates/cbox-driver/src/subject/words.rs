//! From the words of a command line to what they name. An image is `appliance/iso/aarch64`
//! in one word and `appliance iso aarch64` in several, a host `hosts/box` or `box`.

use nix_formats::system::System;

use crate::{
    error::{Error, Kind},
    flake::{config::TargetConfig, project::Project},
    subject::target,
    target_name::TargetName,
    text::nearest::{nearest, suggestion},
};

/// Understands `words` as targets, each named once.
///
/// # Errors
/// When a word names nothing, when words can be read in two ways, and when a target is there
/// twice.
pub fn targets(project: &Project, words: &[String]) -> Result<Vec<TargetName>, Error> {
    let known = Known::of(project);
    let mut names: Vec<TargetName> = Vec::new();
    for subject in known.subjects(words)? {
        let name = target::parse_name(&subject)?;
        if !subject.contains('/') && !known.may_be_host(&subject) {
            return Err(known.no_target(&subject, names.last()));
        }
        if names.contains(&name) {
            let message = format!("the target {name} is given twice");
            return Err(Error::new(Kind::Usage, message));
        }
        names.push(name);
    }
    Ok(names)
}

/// Understands `words` as one target.
///
/// # Errors
/// As [`targets`], and when they are another number of targets.
pub fn target(project: &Project, words: &[String]) -> Result<TargetName, Error> {
    one(targets(project, words)?)
}

/// Understands `words` as one subject; see [`subjects`].
///
/// # Errors
/// As [`subjects`], and when they are another number of subjects.
pub fn subject(project: &Project, words: &[String]) -> Result<String, Error> {
    let subjects = subjects(Some(project), words)?;
    check_number(Some(project), &subjects, 1)?;
    one(subjects)
}

/// Looks for a slip among `subjects`, where they are not as many as are taken: one in the kind
/// of an image has made two of it.
///
/// # Errors
/// When there is one.
pub fn check_number(
    project: Option<&Project>,
    subjects: &[String],
    taken: usize,
) -> Result<(), Error> {
    let Some(known) = project.filter(|_| subjects.len() != taken).map(Known::of) else {
        return Ok(());
    };
    let is_slip = |subject: &String| {
        !subject.contains(['/', ':', '.'])
            && !known.may_be_host(subject)
            && !nearest(subject, known.first_words()).is_empty()
    };
    match subjects.iter().find(|subject| is_slip(subject)) {
        Some(slip) => Err(known.no_target(slip, None)),
        None => Ok(()),
    }
}

fn one<T: ToString>(mut names: Vec<T>) -> Result<T, Error> {
    match names.pop() {
        Some(name) if names.is_empty() => Ok(name),
        last => {
            let names = names.iter().chain(&last).map(ToString::to_string);
            let names: Vec<String> = names.collect();
            let message = match names.as_slice() {
                [] => "no target is named".to_owned(),
                names => format!("expected one target, but found {}", names.join(" and ")),
            };
            Err(Error::new(Kind::Usage, message).hint("`cbox list` shows the targets"))
        }
    }
}

/// Joins the words that name one image, and leaves all others as they are: what stands for a
/// commit, a file or a link is understood by those who take such. A commit may stand before
/// an image: `HEAD~1:appliance iso`. Without a `project` there are no images to name.
///
/// # Errors
/// When the format of a kind is missing or unknown, or when words can be read in two ways.
pub fn subjects(project: Option<&Project>, words: &[String]) -> Result<Vec<String>, Error> {
    match project {
        Some(project) => Known::of(project).subjects(words),
        None => Ok(words.to_vec()),
    }
}

/// The error for the kind of an image without a format. `command` is what stands before the
/// kind in the commands that the hint names.
pub fn which_format(project: &Project, kind: &str, command: &str) -> Error {
    let targets = Known::of(project).targets.iter();
    let names: Vec<String> = targets
        .filter(|target| target.kind == kind)
        .map(|target| format!("`{command}{kind} {}`", target.format))
        .collect();
    Error::new(Kind::Usage, format!("which format of `{kind}`?"))
        .hint(format!("there are {}", names.join(", ")))
}

/// The names in a flake.
struct Known<'p> {
    project: &'p Project,
    targets: &'p [TargetConfig],
    hosts: Vec<String>,
}

impl<'p> Known<'p> {
    fn of(project: &'p Project) -> Self {
        let config = project.required_config();
        Self {
            project,
            targets: config.map_or(&[], |config| &config.targets),
            hosts: project.hosts(),
        }
    }

    fn subjects(&self, words: &[String]) -> Result<Vec<String>, Error> {
        let mut subjects = Vec::new();
        let mut words = words;
        while let [word, behind @ ..] = words {
            let (subject, rest) = match self.image(word, behind)? {
                Some((image, taken)) => (image, &behind[taken..]),
                None => (word.clone(), behind),
            };
            subjects.push(subject);
            words = rest;
        }
        Ok(subjects)
    }

    /// The image that `word` and those `behind` it name, and how many of these belong to it;
    /// `None` where `word` stands for itself.
    fn image(&self, word: &str, behind: &[String]) -> Result<Option<(String, usize)>, Error> {
        let kind = word.rsplit_once(':').map_or(word, |(_, name)| name);
        if !self.is_kind(kind) {
            return Ok(None);
        }
        let format = behind.first().map(String::as_str);
        let image = self
            .targets
            .iter()
            .find(|target| target.kind == kind && Some(&*target.format) == format);
        let Some(image) = image else {
            return match format {
                _ if self.is_host(kind) => Ok(None),
                Some(format) if !format.contains(['/', ':', '.']) && !self.is_first(format) => {
                    target::find(self.project, kind, format).map(|_| None)
                }
                _ => Err(which_format(self.project, kind, "")),
            };
        };
        if self.is_host(kind) && self.is_first(&image.format) {
            return Err(ambiguous(&[kind, &image.format]));
        }
        let system = behind.get(1).map(String::as_str);
        let parsed = system.and_then(|system| system.parse::<System>().ok());
        match (system, parsed) {
            (Some(system), Some(parsed)) if self.is_first(system) => {
                match image.systems().contains(&parsed) {
                    true => Err(ambiguous(&[kind, &image.format, system])),
                    false => Ok(Some((format!("{word}/{}", image.format), 1))),
                }
            }
            // A slip in the name of a host can look like a system.
            (Some(text), Some(system))
                if image.systems().contains(&system)
                    || nearest(text, self.hosts.iter().map(String::as_str)).is_empty()
                    || !nearest(text, System::usual_names()).is_empty() =>
            {
                Ok(Some((format!("{word}/{}/{system}", image.format), 2)))
            }
            _ => Ok(Some((format!("{word}/{}", image.format), 1))),
        }
    }

    fn is_kind(&self, word: &str) -> bool {
        self.targets.iter().any(|target| target.kind == word)
    }

    fn is_host(&self, word: &str) -> bool {
        self.hosts.iter().any(|host| host == word)
    }

    /// The words that a target can begin with.
    fn first_words(&self) -> impl Iterator<Item = &str> {
        let kinds = self.targets.iter().map(|target| target.kind.as_str());
        self.hosts.iter().map(String::as_str).chain(kinds)
    }

    /// Whether a target can begin with `word`.
    fn is_first(&self, word: &str) -> bool {
        self.is_kind(word) || self.is_host(word)
    }

    /// Whether `word` may be a host: a flake may keep its hosts where only Nix sees them.
    fn may_be_host(&self, word: &str) -> bool {
        self.hosts.is_empty() || self.is_host(word)
    }

    /// The error for a word that names nothing, behind the target `before`.
    fn no_target(&self, word: &str, before: Option<&TargetName>) -> Error {
        let is_image = matches!(before, Some(TargetName::Image { system: None, .. }));
        let systems = match is_image {
            true => nearest(word, System::usual_names()),
            false => vec![],
        };
        let with_format = self.targets.iter().filter(|target| target.format == word);
        let images: Vec<String> = with_format.map(TargetConfig::target).collect();
        let images: Vec<&str> = images.iter().map(String::as_str).collect();
        let mut known: Vec<&str> = self.first_words().collect();
        known.sort_unstable();
        known.dedup();
        let hint = match (systems.is_empty(), images.as_slice()) {
            (false, _) => suggestion(word, &systems),
            (true, [image, ..]) => suggestion(image, &images),
            (true, []) => suggestion(word, &known),
        };
        let message =
            format!("`{word}` is not a target: there is no host `{word}`, and no kind of image");
        Error::new(Kind::Usage, message).hint(hint)
    }
}

/// The error for words that name an image, and other targets one by one.
fn ambiguous(words: &[&str]) -> Error {
    let message = format!(
        "`{}` is the image {}, but `{}` names a target too",
        words.join(" "),
        words.join("/"),
        words.last().unwrap_or(&"")
    );
    Error::new(Kind::Usage, message)
        .hint("write an image with slashes, and a host as `hosts/<name>`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::environment::Environment;

    /// A flake with two kinds; its hosts are `hosts`, and with them `_disk`.
    fn flake(hosts: &str) -> (tempfile::TempDir, Project) {
        let folder = tempfile::tempdir().unwrap();
        let image = |kind: &str, format: &str| {
            format!(
                "[[target]]\nkind = \"{kind}\"\nformat = \"{format}\"\nhost = \"_disk\"\n\
                 attribute = \"a\"\n"
            )
        };
        let images = [("appliance", "iso"), ("appliance", "raw"), ("vm", "raw")];
        let images = images.map(|(kind, format)| image(kind, format)).concat();
        let config = format!("hosts = [{hosts}]\n{images}");
        std::fs::write(folder.path().join("cbox.toml"), config).unwrap();
        std::fs::write(folder.path().join("flake.nix"), "").unwrap();
        let environment = Environment {
            folder: folder.path().to_owned().try_into().unwrap(),
            ..Environment::unknown()
        };
        let project = Project::find(&environment, None).unwrap();
        (folder, project)
    }

    fn split(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn named(hosts: &str, line: &str) -> Result<Vec<String>, String> {
        let (_folder, project) = flake(hosts);
        match targets(&project, &split(line)) {
            Ok(names) => Ok(names.iter().map(ToString::to_string).collect()),
            Err(error) => Err(error.lines().join("\n")),
        }
    }

    #[test]
    fn words_with_and_without_slashes_name_targets() {
        for (line, expected) in [
            ("", &[][..]),
            ("appliance iso", &["appliance/iso"]),
            ("appliance iso arm64", &["appliance/iso/aarch64-linux"]),
            ("appliance/iso", &["appliance/iso"]),
            (
                "appliance/raw/amd64 box",
                &["appliance/raw/x86_64-linux", "hosts/box"],
            ),
            (
                "appliance iso vm raw aarch64 box appliance raw",
                &[
                    "appliance/iso",
                    "vm/raw/aarch64-linux",
                    "hosts/box",
                    "appliance/raw",
                ],
            ),
            ("hosts/box vm raw", &["hosts/box", "vm/raw"]),
            // It was a target once, and has a link still.
            ("cloud/img", &["cloud/img"]),
        ] {
            assert_eq!(named("'box'", line).unwrap(), expected, "{line}");
        }
        // A host whose name could be a system is one, where no image has that system.
        let names = named("'box', 'lab-one'", "vm raw lab-one").unwrap();
        assert_eq!(names, ["vm/raw", "hosts/lab-one"]);
        // A host with the name of a kind.
        let names = named("'vm', 'box'", "vm box vm raw").unwrap();
        assert_eq!(names, ["hosts/vm", "hosts/box", "vm/raw"]);
    }

    #[test]
    fn what_names_nothing_is_said_with_what_is_near() {
        for (line, words) in [
            (
                "appliance",
                &[
                    "which format of `appliance`?",
                    "`appliance iso`, `appliance raw`",
                ][..],
            ),
            ("vm hosts/box", &["which format of `vm`?"]),
            ("vm appliance iso", &["which format of `vm`?"]),
            (
                "appliance isso",
                &["`appliance` has no format `isso`", "did you mean `iso`?"],
            ),
            (
                "aplliance iso",
                &["`aplliance` is not a target", "did you mean `appliance`?"],
            ),
            (
                "iso",
                &["`iso` is not a target", "did you mean `appliance/iso`?"],
            ),
            ("boks", &["there is no host `boks`", "did you mean `box`?"]),
            ("vm raw arm65", &["`arm65` is not a target", "`arm64`"]),
            ("vm raw vm/raw", &["vm/raw is given twice"]),
            ("a/b/c/d", &["`a/b/c/d` is not a target"]),
            ("HEAD:vm raw", &["`HEAD:vm` cannot be a part of a target"]),
        ] {
            let message = named("'box'", line).unwrap_err();
            for word in words {
                assert!(message.contains(word), "{line}: {message}");
            }
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for (hosts, line) in [
            ("'vm', 'raw'", "vm raw"),
            ("'aarch64-linux'", "vm raw aarch64-linux"),
        ] {
            let message = named(hosts, line).unwrap_err();
            assert!(message.contains("names a target too"), "{message}");
            assert!(message.contains("with slashes"), "{message}");
        }
    }

    #[test]
    fn one_target_is_one() {
        let (_folder, project) = flake("'box'");
        let one = |line: &str| target(&project, &split(line));
        assert_eq!(one("vm raw").unwrap().to_string(), "vm/raw");
        let error = one("vm raw box").unwrap_err();
        assert!(error.message.contains("vm/raw and hosts/box"), "{error:?}");
        assert!(one("").is_err());
    }

    #[test]
    fn commits_files_and_links_are_left_alone() {
        let (_folder, project) = flake("'box'");
        let joined = |line: &str| subjects(Some(&project), &split(line)).unwrap();
        assert_eq!(
            joined("HEAD~1:vm raw aarch64 out/vm-raw"),
            ["HEAD~1:vm/raw/aarch64-linux", "out/vm-raw"]
        );
        assert_eq!(joined("v1:box ./a.drv nix"), ["v1:box", "./a.drv", "nix"]);
        assert_eq!(subjects(None, &split("vm raw")).unwrap(), ["vm", "raw"]);
    }
}
