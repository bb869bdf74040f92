//! From the words of a command line to what they name. An image is `appliance/iso/aarch64`
//! in one word and `appliance iso aarch64` in several, whether `appliance` is a kind of
//! cbox.toml or a host with a variant `iso`; a host is `hosts/box` or `box`.

use camino::Utf8Path;
use nix_formats::system::System;

use crate::{
    error::{Error, Kind},
    flake::{config::TargetConfig, last_known::LastKnown, project::Project},
    subject::target,
    target_name::{self, TargetName},
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

/// Understands `words` as one image. Where nobody has asked yet which hosts a flake has, two
/// words and three can be nothing else.
///
/// # Errors
/// As [`target`].
pub fn image(project: &Project, words: &[String]) -> Result<TargetName, Error> {
    let is_open = project.image_hosts().is_none();
    let is_joined = words.iter().any(|word| word.contains(['/', ':']));
    match words {
        [host, variant, system @ ..] if is_open && !is_joined && system.len() < 2 => {
            let system = system.first().map(String::as_str);
            TargetName::image(host, variant, system).map_err(|error| target::no_target(&error, ""))
        }
        words => target(project, words),
    }
}

/// Understands `words` as one subject; see [`subjects`].
///
/// # Errors
/// As [`subjects`], and when they are another number of subjects.
pub fn subject(project: &Project, words: &[String]) -> Result<String, Error> {
    let known = Known::of(project);
    let subjects = known.subjects(words)?;
    check_number(Some(project), &subjects, 1)?;
    let is_nothing = |subject: &&String| {
        let is_link = || Utf8Path::new(subject).is_symlink();
        !subject.contains(['/', ':', '.']) && !known.may_be_host(subject) && !is_link()
    };
    if subjects.len() > 1
        && let Some(nothing) = subjects.iter().find(is_nothing)
    {
        return Err(known.no_target(nothing, None));
    }
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
    /// Whether there may be other hosts: nobody has asked the flake yet.
    is_open: bool,
    last: LastKnown,
}

impl<'p> Known<'p> {
    fn of(project: &'p Project) -> Self {
        let is_open = project.image_hosts().is_none();
        let last = project.last_known();
        let hosts = match is_open && last.hosts().next().is_some() {
            true => last.hosts().map(str::to_owned).collect(),
            false => project.hosts(),
        };
        Self {
            project,
            targets: project.targets(),
            hosts,
            is_open,
            last,
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
            return self.variant(word, kind, behind);
        }
        let format = behind.first().map(String::as_str);
        let image = self
            .targets
            .iter()
            .find(|target| target.kind == kind && Some(&*target.format) == format);
        let Some(image) = image else {
            let variant = self.variant(word, kind, behind)?;
            return match format {
                _ if variant.is_some() => Ok(variant),
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
        let name = format!("{word}/{}", image.format);
        let is_for = |system: &System| image.systems().contains(system);
        let system = match behind.get(1) {
            Some(system) => self.system(&[kind, &image.format], system, is_for)?,
            None => None,
        };
        Ok(Some(match system {
            Some(system) => (format!("{name}/{system}"), 2),
            None => (name, 1),
        }))
    }

    /// The system that `text` names behind the words of an `image`; `None` where it is a word
    /// of its own.
    fn system(
        &self,
        image: &[&str],
        text: &str,
        is_for: impl Fn(&System) -> bool,
    ) -> Result<Option<System>, Error> {
        let Ok(system) = text.parse::<System>() else {
            return Ok(None);
        };
        if self.is_first(text) {
            return match is_for(&system) {
                true => Err(ambiguous(&[image, &[text]].concat())),
                false => Ok(None),
            };
        }
        // A slip in the name of a host can look like a system.
        let is_meant = is_for(&system)
            || nearest(text, self.hosts.iter().map(String::as_str)).is_empty()
            || !nearest(text, System::usual_names()).is_empty();
        Ok(is_meant.then_some(system))
    }

    /// The variant of the host `host` that `word` and those `behind` it name, and how many of
    /// these belong to it. Only evaluation can tell whether there is such a variant, so what
    /// can be something else is.
    fn variant(
        &self,
        word: &str,
        host: &str,
        behind: &[String],
    ) -> Result<Option<(String, usize)>, Error> {
        let Some(variant) = behind.first().filter(|_| self.is_host(host)) else {
            return Ok(None);
        };
        let is_known = self.last.variants(host).contains(variant);
        if self.is_first(variant) {
            return match is_known {
                true => Err(ambiguous(&[host, variant])),
                false => Ok(None),
            };
        }
        let is_link = || Utf8Path::new(variant).is_symlink();
        // That one name is a part of the other is no slip: `sd-card` is not the host `card`.
        let is_slip = || {
            let near = nearest(variant, self.first_words());
            let is_part = |near: &&str| variant.contains(near) || near.contains(variant.as_str());
            near.iter().any(|near| !is_part(near))
        };
        if target_name::word(variant).is_err() || !is_known && (is_link() || is_slip()) {
            return Ok(None);
        }
        let name = format!("{word}/{variant}");
        let is_usual =
            |system: &System| System::usual_names().any(|usual| usual == system.as_str());
        let system = match behind.get(1) {
            Some(system) => self.system(&[host, variant], system, is_usual)?,
            None => None,
        };
        Ok(Some(match system {
            Some(system) => (format!("{name}/{system}"), 2),
            None => (name, 1),
        }))
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
        self.is_open || self.hosts.is_empty() || self.is_host(word)
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
    fn a_host_and_a_word_behind_it_are_a_variant() {
        for (line, expected) in [
            ("box iso", &["box/iso"][..]),
            ("box iso arm64", &["box/iso/aarch64-linux"]),
            (
                "box sd-card box/iso box",
                &["box/sd-card", "box/iso", "hosts/box"],
            ),
            ("_disk qemu appliance iso", &["_disk/qemu", "appliance/iso"]),
            ("box iso laptop", &["box/iso", "hosts/laptop"]),
            ("box my-laptop", &["box/my-laptop"]),
        ] {
            let names = named("'box', 'laptop'", line).unwrap();
            assert_eq!(names, expected, "{line}");
        }
        // A host called as a kind keeps what the kind does not have.
        assert_eq!(named("'vm', 'box'", "vm iso").unwrap(), ["vm/iso"]);
        // What is near to a host is a slip.
        let slip = named("'box', 'laptop'", "box lpatop").unwrap_err();
        assert!(slip.contains("`lpatop` is not a target"), "{slip}");
    }

    /// A flake without a cbox.toml.
    #[test]
    fn without_a_cbox_toml_the_hosts_are_those_of_the_flake() {
        let (folder, _) = flake("'box'");
        std::fs::remove_file(folder.path().join("cbox.toml")).unwrap();
        let environment = Environment {
            folder: folder.path().to_owned().try_into().unwrap(),
            cache: folder.path().join("cache").try_into().unwrap(),
            ..Environment::unknown()
        };
        let project = || Project::find(&environment, None).unwrap();
        let named = |project: &Project, line: &str| {
            let names = targets(project, &split(line));
            names.map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        // Nobody has asked: any word may be a host, and two words where one image is taken are it.
        let open = project();
        assert_eq!(named(&open, "a b").unwrap(), ["hosts/a", "hosts/b"]);
        let one = |line: &str| image(&open, &split(line)).map(|name| name.to_string());
        assert_eq!(one("a iso").unwrap(), "a/iso");
        assert_eq!(one("a iso arm64").unwrap(), "a/iso/aarch64-linux");
        assert!(one("a").is_ok_and(|name| name == "hosts/a") && one("a b c d").is_err());
        // Once it was asked, the names count.
        let known = project();
        known.learn_hosts(["a", "b"].map(str::to_owned).to_vec());
        assert_eq!(named(&known, "a iso b").unwrap(), ["a/iso", "hosts/b"]);
        assert!(
            named(&known, "zzz")
                .unwrap_err()
                .message
                .contains("not a target")
        );
        let near = target::find(&known, "aa", "iso").unwrap_err();
        assert_eq!(near.hint.as_deref(), Some("did you mean `a`?"));
        // What an earlier run found counts where a word can be two things.
        known.remember(|last| {
            last.learn_hosts(&["a", "raw"].map(str::to_owned));
            last.learn_variants("a", vec!["raw".to_owned()]);
        });
        let message = named(&project(), "a raw").unwrap_err().message;
        assert!(message.contains("names a target too"), "{message}");
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
        let error = subject(&project, &split("cloud iso")).unwrap_err();
        assert!(
            error.message.contains("`cloud` is not a target"),
            "{error:?}"
        );
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
