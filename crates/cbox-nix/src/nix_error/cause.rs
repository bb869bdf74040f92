//! What usually causes an error, read from the sentence that Nix or nixpkgs has for it.

mod machine;

use nix_formats::package_name::PackageName;

use self::machine::{from_builder, of_machine};
pub use self::machine::{of_git, of_log};
use super::{message::Message, unstaged::Unstaged};

/// A usual cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// There is no such option.
    NoSuchOption {
        /// The option.
        option: String,
    },
    /// A value is not what the option takes.
    OptionType {
        /// The option.
        option: String,
    },
    /// Two definitions that contradict each other.
    Conflict {
        /// The option.
        option: String,
    },
    /// An option that only one place may set.
    ReadOnly {
        /// The option.
        option: String,
    },
    /// An option that is needed and set nowhere.
    NotDefined {
        /// The option.
        option: String,
    },
    /// Assertions of the configuration do not hold.
    FailedAssertions {
        /// What the first of them says, its first line.
        first: String,
    },
    /// An `assert` does not hold.
    Assertion,
    /// A package that is not free.
    Unfree {
        /// Its name and version.
        package: String,
    },
    /// A package with known holes.
    Insecure {
        /// Its name and version.
        package: String,
    },
    /// A package that is marked broken, or has another problem.
    Broken {
        /// Its name and version.
        package: String,
    },
    /// A package that is not for this system.
    NotForSystem {
        /// Its name and version.
        package: String,
    },
    /// An attribute that is not there.
    AttributeMissing,
    /// Overrides for a host that can take none.
    NoExtendModules,
    /// A name that nothing defines.
    UndefinedVariable {
        /// The name.
        name: String,
    },
    /// The file is no Nix.
    Syntax,
    /// The file holds both sides of a merge.
    MergeMarkers,
    /// A function was called with other arguments than it takes.
    Arguments,
    /// Something needs itself.
    InfiniteRecursion {
        /// Whether `imports` depends on the configuration.
        in_imports: bool,
    },
    /// A file of the staged source that is not there.
    MissingFile {
        /// Its path below the staged source.
        file: String,
        /// Why it is not, once somebody has looked.
        why: Option<Unstaged>,
    },
    /// The flake has no such output.
    NoFlakeAttribute,
    /// The host has no such attribute; cbox's own expression says so.
    NoConfigAttribute {
        /// The option path.
        attribute: String,
    },
    /// The host offers no image of the name that was asked for; cbox's own expression says so.
    NoVariant {
        /// The names of those that it offers.
        names: Vec<String>,
    },
    /// What was to be built is no derivation; cbox's own expression says so.
    NoDerivation,
    /// A path outside the flake.
    OutsidePath {
        /// The path.
        path: String,
    },
    /// `builtins.currentSystem` and its like.
    Impure {
        /// Its name in `builtins`.
        name: String,
    },
    /// `<nixpkgs>`
    SearchPath {
        /// The name between the brackets.
        name: String,
    },
    /// Something is to be fetched without its hash.
    UnlockedFetch,
    /// Something needs an experimental feature of Nix.
    ExperimentalFeature {
        /// The feature.
        name: String,
    },
    /// What an input follows is not there, or follows it.
    InputFollows,
    /// An attribute of an input that this Nix does not know.
    UnknownInputAttribute {
        /// The attribute.
        name: String,
    },
    /// Something cannot be fetched.
    Fetch {
        /// What, as far as Nix says.
        what: Option<String>,
    },
    /// Something has to be built to go on with the evaluation.
    ImportFromDerivation,
    /// What was fetched is not what its hash says.
    HashMismatch {
        /// The derivation or the address.
        of: String,
        /// The hash as it is written down.
        specified: String,
        /// The hash of what came.
        got: String,
    },
    /// No builder has a feature that the build needs.
    MissingFeature {
        /// The derivation.
        drv: String,
        /// The features.
        features: String,
    },
    /// No builder is for the system.
    WrongSystem {
        /// The derivation.
        drv: String,
        /// The system.
        system: String,
    },
    /// This machine is told to build nothing, and no other one takes the build.
    Idle {
        /// The derivation, where Nix names one.
        drv: Option<String>,
    },
    /// A builder that is configured does not answer.
    Unreachable {
        /// The builder, as it is configured.
        machine: String,
        /// What ssh or Nix says of it.
        reason: String,
    },
    /// A binary cache has something, and does not deliver it.
    Substitute,
    /// A program that the sandbox is told to offer is not there.
    SandboxPath {
        /// Its path.
        path: String,
    },
    /// A file system is full.
    NoSpace,
    /// Nix cannot write to the folder of its cache.
    Cache {
        /// The folder.
        folder: String,
        /// Why not.
        reason: String,
    },
    /// Git or Nix does not trust a repository of another user's.
    Ownership {
        /// The repository.
        folder: Option<String>,
    },
    /// The Nix daemon does not answer.
    Daemon,
}

/// What it means that nothing can be built.
pub(crate) const IDLE: &str =
    "this machine is told to build nothing (`max-jobs` is 0), and no builder takes the build";

/// What cbox's own expression throws where an attribute is missing, before its path.
const NO_ATTRIBUTE: &str = "cbox-no-attribute: ";

/// What it throws where a host has no image of a name, before the names that it has.
const NO_VARIANT: &str = "cbox-no-variant:";

/// What it throws where a package is none.
const NO_DERIVATION: &str = "cbox-no-derivation: ";

/// What Nix calls an expression of the command line.
const EXPRESSION: &str = "«string»";

/// The cause of an error of Nix's, as far as its words tell.
pub(super) fn of(message: &Message<'_>, staged: &str) -> Option<Cause> {
    match message.thrown_from() {
        Some(file) => from_nixpkgs(&message.text, file, staged),
        None => from_nix(message, staged),
    }
}

/// The cause as Nix's own words tell it, of an error that came from a build.
#[must_use]
pub fn of_build(error: &str) -> Option<Cause> {
    let message = Message::parse(error)?;
    from_builder(&message.text).or_else(|| from_nix(&message, "/no/source"))
}

/// The sentences of nixpkgs, which count only from the file that has them: with
/// `lib.throwIf` anybody can say them.
fn from_nixpkgs(text: &str, file: &str, staged: &str) -> Option<Cause> {
    if file.starts_with(staged) {
        return None;
    }
    if file == EXPRESSION {
        if let Some(names) = text.strip_prefix(NO_VARIANT) {
            let names = names.split_whitespace().map(str::to_owned).collect();
            return Some(Cause::NoVariant { names });
        }
        if text.starts_with(NO_DERIVATION) {
            return Some(Cause::NoDerivation);
        }
        let attribute = text.strip_prefix(NO_ATTRIBUTE)?.to_owned();
        return Some(Cause::NoConfigAttribute { attribute });
    }
    let in_library = ["/lib/modules.nix", "/lib/options.nix", "/lib/types.nix"];
    if in_library.iter().any(|known| file.ends_with(known)) {
        return of_option(text);
    }
    if file.ends_with("/check-meta.nix") {
        return of_package(text);
    }
    let asserts = ["/lib/asserts.nix", "/activation/top-level.nix"];
    let of_module = asserts.iter().any(|known| file.ends_with(known));
    let list = text.strip_prefix("Failed assertions:")?;
    let first = list.lines().find_map(|line| line.strip_prefix("- "))?;
    of_module.then(|| Cause::FailedAssertions {
        first: first.to_owned(),
    })
}

/// The option that a sentence of the module system is about.
pub(super) fn option(text: &str) -> Option<&str> {
    let beginnings = [
        "The option `",
        "The unique option `",
        "A definition for option `",
    ];
    let rest = beginnings
        .iter()
        .find_map(|begin| text.strip_prefix(begin))?;
    Some(rest.split_once('\'')?.0)
}

fn of_option(text: &str) -> Option<Cause> {
    let name = option(text)?;
    let option = name.to_owned();
    let behind = text.split_once(&format!("`{name}' "))?.1;
    let says = |words: &str| behind.starts_with(words);
    Some(if says("does not exist") {
        Cause::NoSuchOption { option }
    } else if says("is not of type") {
        Cause::OptionType { option }
    } else if says("has conflicting definition values") || says("is defined multiple times") {
        Cause::Conflict { option }
    } else if says("is read-only") {
        Cause::ReadOnly { option }
    } else if says("was accessed but has no value defined") || says("is used but not defined") {
        Cause::NotDefined { option }
    } else {
        return None;
    })
}

/// Nixpkgs of today says `Refusing to evaluate package 'x-1' in …`, that of before
/// `Package ‘x-1’ in … has an unfree license`.
fn of_package(text: &str) -> Option<Cause> {
    let rest = text
        .strip_prefix("Refusing to evaluate package '")
        .or_else(|| text.strip_prefix("Package ‘"))?;
    let (package, rest) = rest.split_once(['\'', '’'])?;
    let package = package.to_owned();
    let why = rest.lines().next()?;
    Some(if why.contains("unfree license") {
        Cause::Unfree { package }
    } else if why.contains("insecure") {
        Cause::Insecure { package }
    } else if why.contains("not available on the requested hostPlatform") {
        Cause::NotForSystem { package }
    } else if why.contains("problems") || why.contains("broken") {
        Cause::Broken { package }
    } else {
        return None;
    })
}

/// The sentences of Nix itself.
fn from_nix(message: &Message<'_>, staged: &str) -> Option<Cause> {
    let text = message.text.as_str();
    let between = |before: &str, after: &str| -> Option<String> {
        let rest = text.strip_prefix(before)?;
        Some(rest.split_once(after)?.0.to_owned())
    };
    if let Some(name) = between("attribute '", "' missing") {
        let ours = message.at.iter().any(|at| at.file == EXPRESSION);
        return Some(match name.as_str() {
            "currentSystem" | "currentTime" => Cause::Impure { name },
            "extendModules" if ours => Cause::NoExtendModules,
            _ => Cause::AttributeMissing,
        });
    }
    if let Some(name) = between("experimental Nix feature '", "' is disabled") {
        return Some(Cause::ExperimentalFeature { name });
    }
    if text.starts_with("follow cycle detected")
        || text.contains("' follows a non-existent input '")
    {
        return Some(Cause::InputFollows);
    }
    if let Some(name) = between("unexpected flake input attribute '", "'") {
        return Some(Cause::UnknownInputAttribute { name });
    }
    if let Some(name) = between("undefined variable '", "'") {
        return Some(Cause::UndefinedVariable { name });
    }
    if text.starts_with("flake '") && text.contains("' does not provide attribute") {
        return Some(Cause::NoFlakeAttribute);
    }
    if text.starts_with("syntax error") {
        let mut code = message.at.iter().flat_map(|at| &at.excerpt);
        let is_marker = |line: &&str| line.ends_with("=======") || line.contains("| <<<<<<< ");
        return Some(match code.any(is_marker) {
            true => Cause::MergeMarkers,
            false => Cause::Syntax,
        });
    }
    if text.starts_with("infinite recursion encountered") {
        let says = |words: &str| {
            message
                .steps
                .iter()
                .any(|step| step.text.starts_with(words))
        };
        return Some(Cause::InfiniteRecursion {
            in_imports: says("if you get an infinite recursion here"),
        });
    }
    if text.starts_with("function '") && text.contains(" called with") {
        return Some(Cause::Arguments);
    }
    if text.starts_with("assertion '") && text.ends_with("failed") {
        return Some(Cause::Assertion);
    }
    if let Some(file) = missing_file(text, staged) {
        return Some(Cause::MissingFile { file, why: None });
    }
    // The cache is written to while inputs are fetched, whatever is wrong with it.
    impure(text)
        .or_else(|| machine::of_cache(text))
        .or_else(|| fetch(message))
        .or_else(|| of_machine(text))
}

/// The file of the staged source that Nix did not find.
fn missing_file(text: &str, staged: &str) -> Option<String> {
    let sentences = [
        ("path '", "' does not exist"),
        ("opening file '", "': No such file or directory"),
        ("getting status of '", "': No such file or directory"),
        ("reading directory ", ": No such file or directory"),
        ("cannot read directory \"", "\": No such file or directory"),
    ];
    let path = sentences
        .iter()
        .find_map(|(before, after)| text.strip_prefix(before)?.strip_suffix(after))?;
    let path = path.trim_matches(['\'', '"']);
    Some(path.strip_prefix(staged)?.strip_prefix('/')?.to_owned())
}

fn impure(text: &str) -> Option<Cause> {
    let between = |before: &str, after: &str| {
        let rest = text.strip_prefix(before)?;
        Some(rest.split_once(after)?.0.to_owned())
    };
    let outside = between("access to absolute path '", "' is forbidden")
        .or_else(|| between("the path '", "' can not be resolved in pure mode"));
    if let Some(path) = outside {
        return Some(Cause::OutsidePath { path });
    }
    if let Some(name) = between("cannot look up '<", ">' in pure evaluation mode") {
        return Some(Cause::SearchPath { name });
    }
    if text.starts_with("in pure evaluation mode, '") {
        return Some(Cause::UnlockedFetch);
    }
    (text.starts_with("cannot build '")
        && text.contains("because the option 'allow-import-from-derivation' is disabled"))
    .then_some(Cause::ImportFromDerivation)
}

fn fetch(message: &Message<'_>) -> Option<Cause> {
    let text = message.text.as_str();
    let thrown = "Failed to open archive (Source threw exception: error: ";
    let inner = text.strip_prefix(thrown).unwrap_or(text);
    if let Some(rest) = inner.strip_prefix("unable to download '") {
        let address = rest
            .split_once("': ")
            .map(|(address, _)| address.to_owned());
        return Some(Cause::Fetch { what: address });
    }
    let last = message.steps.last()?;
    let input = last.text.strip_prefix("while fetching the input '")?;
    Some(Cause::Fetch {
        what: input.split_once('\'').map(|(input, _)| input.to_owned()),
    })
}

impl Cause {
    /// What keeps a derivation from being built, and which, where Nix says so itself and
    /// differently in every release.
    #[must_use]
    pub fn of_derivation(&self) -> Option<(&str, String)> {
        match self {
            Self::HashMismatch { of, specified, got } => Some((
                of,
                format!(
                    "{of} is not what its hash says:\n  specified: {specified}\n  got:       {got}"
                ),
            )),
            Self::MissingFeature { drv, features } => Some((
                drv,
                format!("{drv} needs a builder with {features}, and none here has that"),
            )),
            Self::Idle { drv: Some(drv) } => Some((drv, format!("{drv} is not built: {IDLE}"))),
            Self::WrongSystem { drv, system } => Some((
                drv,
                format!("{drv} has to be built on {system}, and no builder here is that"),
            )),
            _ => None,
        }
    }

    /// The word by which the place can be found that is at fault, where Nix names none.
    #[must_use]
    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Unfree { package }
            | Self::Insecure { package }
            | Self::Broken { package }
            | Self::NotForSystem { package } => Some(PackageName::parse(package).package),
            Self::MissingFile { file, .. } => file.rsplit('/').next(),
            Self::OutsidePath { path } => Some(path),
            Self::FailedAssertions { first } => Some(first),
            Self::HashMismatch { specified, .. } => Some(specified),
            _ => None,
        }
    }

    /// Where the part of `text` ends that says what happened, if more follows: nixpkgs
    /// lists ways out, and those that it lists first do nothing in a pure evaluation.
    pub(super) fn end_of(&self, text: &str) -> Option<usize> {
        let endings: &[&str] = match self {
            Self::Unfree { .. } | Self::NotForSystem { .. } => &["\na) "],
            Self::Insecure { .. } => &["\nYou can install it anyway"],
            Self::Broken { .. } => &["\nSee also ", "\na) "],
            // cbox has no such option, on purpose.
            Self::OutsidePath { .. } | Self::SearchPath { .. } => {
                &[" (use '--impure' to override)"]
            }
            _ => return None,
        };
        endings.iter().find_map(|ending| text.find(ending))
    }
}
