//! The flake that a run is about: where it is, what git says of it, its configuration.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use camino::{Utf8Path, Utf8PathBuf};
use cbox_nix::git::Repository;
use cbox_source::{
    audit::Allow,
    rules::{Made, Rules},
};

use crate::{
    baseline,
    error::{Error, Kind},
    flake::{
        config::{self, Config, TargetConfig},
        last_known::{self, LastKnown},
        reference::{Fetched, FetchedTree, Reference, around, no_folder},
    },
    process::{environment::Environment, outputs},
    progress::run_log,
    target_name::{HOSTS, TargetName, word},
    text::{nearest::suggestion, text_file::TEMPORARY},
};

pub(super) const FLAKE: &str = "flake.nix";

/// The folder of the links, beside it.
pub const OUT: &str = "out";

/// A flake in the file system.
#[derive(Debug, Clone)]
pub struct Project {
    /// The folder of `flake.nix`.
    pub folder: Utf8PathBuf,
    /// The top of the working tree: of the repository, or the folder itself.
    pub top: Utf8PathBuf,
    /// The repository, if there is one.
    pub repository: Option<Repository>,
    /// What it is where Nix fetched it: then nothing can be written into it.
    pub fetched: Option<Fetched>,
    /// Where the links go.
    pub out_dir: Utf8PathBuf,
    /// The caches of cbox and Nix.
    caches: Vec<Utf8PathBuf>,
    /// Where temporary files go.
    temporary: Utf8PathBuf,
    config: Option<Config>,
    /// The names in `nixosConfigurations`, once Nix was asked for them.
    flake_hosts: Arc<OnceLock<Vec<String>>>,
    /// Where it is kept what the last runs found.
    last_known: last_known::Place,
}

impl Project {
    /// Finds the flake that `flake` or `CBOX_FLAKE` names, or that is in the working directory or
    /// the nearest folder above, and reads its configuration.
    ///
    /// # Errors
    /// When there is none, or it is one that Nix has to fetch ([`Project::fetched`]).
    pub fn find(environment: &Environment, flake: Option<&Utf8Path>) -> Result<Self, Error> {
        Self::bare(environment, flake)?.configured()
    }

    /// The flake that Nix fetched. Its links go to the working directory.
    ///
    /// # Errors
    /// When its configuration will not do.
    pub fn fetched(environment: &Environment, tree: FetchedTree) -> Result<Self, Error> {
        let known =
            last_known::Place::of(&environment.cache, tree.fetched.reference.as_str().into());
        let project = Self {
            last_known: known,
            out_dir: environment.folder.join(OUT),
            fetched: Some(tree.fetched),
            ..Self::at(environment, &tree.folder, tree.top, None)
        };
        project.configured()
    }

    /// With its configuration.
    fn configured(mut self) -> Result<Self, Error> {
        self.config = Config::read(&self.folder).map_err(|error| below(error, &self.top))?;
        Ok(self)
    }

    /// Finds the flake, as if it had no configuration.
    pub fn bare(environment: &Environment, flake: Option<&Utf8Path>) -> Result<Self, Error> {
        let by = match flake {
            Some(_) => "`--flake`",
            None => "CBOX_FLAKE",
        };
        let reference = Reference::of_run(environment, flake)?;
        let no_flake = |place: &Utf8Path, above: &str| {
            let message = format!("there is no {FLAKE} in {place}{above}");
            Error::new(Kind::Config, message)
                .hint("change to the folder of a flake, or name it with `--flake DIR`")
        };
        let found = match &reference {
            Reference::Fetched(reference) => {
                let fetched = Fetched::called(reference);
                return Err(fetched.lacks("nothing can be written into it"));
            }
            Reference::Here => around(&environment.folder)
                .ok_or_else(|| no_flake(&environment.folder, " or above it"))?
                .to_owned(),
            Reference::Folder(name) => {
                let folder = environment.absolute(name).canonicalize_utf8();
                let folder = folder.map_err(|error| no_folder(name, by, &error))?;
                let above = match by {
                    "CBOX_FLAKE" => ", which CBOX_FLAKE names",
                    _ => "",
                };
                match folder.join(FLAKE).is_file() {
                    true => folder,
                    false if folder.is_file() => return Err(no_folder_but_file(name, by)),
                    false => return Err(no_flake(&folder, above)),
                }
            }
        };
        let repository = Repository::around(found.as_std_path());
        let top = match &repository {
            Some(repository) => Utf8PathBuf::try_from(repository.top().to_owned())
                .map_err(|error| Error::new(Kind::Environment, error.to_string()))?,
            None => found.clone(),
        };
        Ok(Self::at(environment, &found, top, repository))
    }

    /// The flake in `folder`, without its configuration.
    fn at(
        environment: &Environment,
        folder: &Utf8Path,
        top: Utf8PathBuf,
        repository: Option<Repository>,
    ) -> Self {
        let caches = [Some(&environment.cache), environment.nix_cache.as_ref()];
        let caches = caches.into_iter().flatten();
        Self {
            config: None,
            flake_hosts: Arc::default(),
            last_known: last_known::Place::of(&environment.cache, folder),
            fetched: None,
            out_dir: folder.join(OUT),
            caches: caches
                .map(|cache| normal(&environment.absolute(cache)))
                .collect(),
            temporary: normal(&environment.absolute(&environment.temporary)),
            folder: folder.to_owned(),
            top,
            repository,
        }
    }

    /// The same flake, whose links go to `out_dir` if one is named.
    #[must_use]
    pub fn linked_in(mut self, environment: &Environment, out_dir: Option<&Utf8Path>) -> Self {
        if let Some(out_dir) = out_dir {
            self.out_dir = normal(&environment.absolute(out_dir));
        }
        self
    }

    /// The same flake as a commit has it, laid out below `top`.
    pub fn laid_out(&self, top: &Utf8Path) -> Result<Self, Error> {
        let folder = match self.dir().as_str() {
            "" => top.to_owned(),
            dir => top.join(dir),
        };
        if !folder.join(FLAKE).is_file() {
            let file = folder.join(FLAKE);
            return Err(Error::new(Kind::Config, format!("there is no {file}"))
                .hint("at that commit the flake was elsewhere, or did not exist yet"));
        }
        Ok(Self {
            config: Config::read(&folder).map_err(|error| below(error, top))?,
            folder,
            top: top.to_owned(),
            repository: self.repository.clone(),
            fetched: self.fetched.clone(),
            out_dir: self.out_dir.clone(),
            caches: self.caches.clone(),
            temporary: self.temporary.clone(),
            flake_hosts: Arc::default(),
            last_known: self.last_known.clone(),
        })
    }

    /// The folder of the flake below the top; empty where they are the same.
    pub fn dir(&self) -> &Utf8Path {
        self.folder
            .strip_prefix(&self.top)
            .unwrap_or(Utf8Path::new(""))
    }

    /// What it is called where its folder would be named: of one that Nix fetched, its reference.
    pub fn shown(&self) -> String {
        match &self.fetched {
            Some(fetched) => fetched.label(),
            None => self.folder.to_string(),
        }
    }

    /// The configuration, or an empty one.
    pub fn config(&self) -> Config {
        self.config.clone().unwrap_or_default()
    }

    /// The targets of the configuration; none without one.
    pub fn targets(&self) -> &[TargetConfig] {
        self.config.as_ref().map_or(&[], |config| &config.targets)
    }

    /// Whether there is a configuration.
    pub fn is_configured(&self) -> bool {
        self.config.is_some()
    }

    /// The names in `nixosConfigurations`, where Nix was asked for them.
    pub fn flake_hosts(&self) -> Option<&[String]> {
        self.flake_hosts.get().map(Vec::as_slice)
    }

    /// Takes note of the names in `nixosConfigurations`. Without a configuration they are the
    /// hosts.
    pub fn learn_hosts(&self, names: Vec<String>) {
        // The first answer is as good as any later one: they are of one tree.
        let _known = self.flake_hosts.set(names);
    }

    /// What the last runs found in the flake, whatever it is now.
    pub fn last_known(&self) -> LastKnown {
        self.last_known.read()
    }

    /// Keeps what this run found, as `learn` takes it over.
    pub fn remember(&self, learn: impl FnOnce(&mut LastKnown)) {
        let before = self.last_known.read();
        let mut known = before.clone();
        learn(&mut known);
        if known != before {
            self.last_known.write(&known);
        }
    }

    /// The hosts that can have an image of their own, sorted: all that are known. `None` where
    /// only Nix could tell.
    pub fn image_hosts(&self) -> Option<Vec<String>> {
        if self.flake_hosts().is_none() && !self.is_configured() {
            return None;
        }
        let named = self.targets().iter().map(|target| target.host.clone());
        let hosts = self.hosts().into_iter().chain(named);
        let hosts: BTreeSet<String> = hosts
            .chain(self.flake_hosts().unwrap_or_default().iter().cloned())
            .filter(|host| !host.is_empty())
            .collect();
        Some(hosts.into_iter().collect())
    }

    /// The configuration, for commands that cannot do without.
    pub fn required_config(&self) -> Result<&Config, Error> {
        self.config.as_ref().ok_or_else(|| {
            Error::new(
                Kind::Config,
                format!("there is no {} in {}", config::FILE, self.shown()),
            )
            .hint("it defines the targets of a flake: `cbox init` writes one to start from")
        })
    }

    /// The error for a mistake in the configuration, at the value `path`: `target.0.kind`.
    pub fn wrong_config(&self, path: &str, message: &str) -> Error {
        below(config::wrong_at(&self.folder, path, message), &self.top)
    }

    /// The rules for its files.
    pub fn rules(&self) -> Result<Rules, Error> {
        let source = self.config().source;
        let mut exclude = source.exclude;
        // What a host builds must not depend on what it was said to build. It is the last
        // pattern, so that none takes it back.
        exclude.push(format!("/{}", baseline::FILE));
        Ok(Rules::new(
            self.dir().as_std_path(),
            &exclude,
            &source.local,
            self.made(),
        )?)
    }

    /// What an audit finds and is there on purpose.
    pub fn allowed(&self) -> Result<Vec<Allow>, Error> {
        let entries = self.config().source.allow;
        let entries = entries.iter().map(|entry| {
            let dir = self.dir().as_std_path();
            Ok(Allow::new(dir, &entry.path, entry.finding)?)
        });
        entries.collect()
    }

    /// What cbox writes into the tree: `out/` is its own, but a folder that was named may
    /// hold other things, so there only the links and records of known targets count.
    fn made(&self) -> Made {
        let own = self.folder.join(OUT);
        let inside =
            |path: &Utf8Path| Some(path.strip_prefix(&self.top).ok()?.as_std_path().to_owned());
        let mut made = Made {
            folders: inside(&own).into_iter().collect(),
            // What becomes the baseline, and what a TMPDIR in the tree gets.
            temporary: [self.folder.join(TEMPORARY), self.temporary.join("cbox-")]
                .iter()
                .filter_map(|beginning| inside(beginning))
                .collect(),
            // One that is the whole tree cannot be told from the source.
            caches: self
                .caches
                .iter()
                .filter_map(|cache| inside(cache))
                .filter(|cache| cache.file_name().is_some())
                .collect(),
            outputs: outputs::all(),
            ..Made::default()
        };
        if !self.out_dir_is_own() {
            let files = self.slugs().into_iter().flat_map(|slug| {
                ["", ".json", ".sha256"]
                    .map(|extension| self.out_dir.join(format!("{slug}{extension}")))
            });
            made.files = files.filter_map(|file| inside(&file)).collect();
            made.temporary.extend(inside(&self.out_dir.join(TEMPORARY)));
            made.folders
                .extend(inside(&self.out_dir.join(run_log::FOLDER)));
        }
        made
    }

    /// Whether the links are in the folder that is cbox's own, and not in one that was named.
    pub fn out_dir_is_own(&self) -> bool {
        self.out_dir == self.folder.join(OUT)
    }

    /// The names of all links that there can be.
    pub fn slugs(&self) -> Vec<String> {
        let targets = self.config().targets;
        let images = targets.iter().flat_map(|target| {
            let name = target.target();
            let systems = target.systems().into_iter();
            let systems = systems.map(move |system| format!("{name}/{system}"));
            std::iter::once(target.target()).chain(systems)
        });
        let hosts = self
            .hosts()
            .into_iter()
            .map(|host| format!("{HOSTS}/{host}"));
        let names = images
            .chain(hosts)
            .filter_map(|name| name.parse::<TargetName>().ok());
        names.map(|name| name.slug()).collect()
    }

    /// Checks that `host` is one of the hosts, as far as they are known.
    pub fn check_host(&self, host: &str) -> Result<(), Error> {
        self.check_host_among(host, &self.hosts())
    }

    /// Checks that `host` is a word, and one of `hosts` if there are any.
    pub fn check_host_among(&self, host: &str, hosts: &[String]) -> Result<(), Error> {
        word(host).map_err(|error| Error::new(Kind::Usage, error.to_string()))?;
        if hosts.is_empty() || hosts.iter().any(|known| known == host) {
            return Ok(());
        }
        let place = match (self.listed_hosts(), self.flake_hosts()) {
            (Some(_), _) => config::FILE.to_owned(),
            (None, Some(_)) if !self.is_configured() => "nixosConfigurations".to_owned(),
            (None, _) => format!("{HOSTS}/"),
        };
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        Err(
            Error::new(Kind::Usage, format!("there is no host `{host}` in {place}"))
                .hint(suggestion(host, &hosts)),
        )
    }

    /// Those of the hosts that run on machines.
    pub fn install_hosts(&self) -> Vec<String> {
        let hosts = self.hosts().into_iter();
        hosts.filter(|host| !self.is_image_host(host)).collect()
    }

    /// The hosts, sorted: those that cbox.toml names, or else those that folders tell of.
    /// Without a cbox.toml those that the flake has, if Nix was asked for them.
    pub fn hosts(&self) -> Vec<String> {
        self.named_hosts().unwrap_or_else(|| self.host_folders())
    }

    /// The hosts that cbox.toml names; without one, those that the flake has. `None` where
    /// folders tell.
    pub fn named_hosts(&self) -> Option<Vec<String>> {
        match self.is_configured() {
            true => self.listed_hosts(),
            // What cannot be written as a target is no host to cbox.
            false => self.flake_hosts().map(|hosts| {
                let hosts = hosts.iter().filter(|host| word(host).is_ok());
                hosts.cloned().collect()
            }),
        }
    }

    /// The hosts that cbox.toml names, as machines and in targets; `None` where it leaves
    /// the machines to folders.
    pub fn listed_hosts(&self) -> Option<Vec<String>> {
        let config = self.config.as_ref()?;
        let images = config.targets.iter().map(|target| &target.host);
        let images = images.filter(|host| !host.is_empty());
        let hosts: BTreeSet<&String> = config.hosts.as_ref()?.iter().chain(images).collect();
        Some(hosts.into_iter().cloned().collect())
    }

    /// Whether a host exists only to be built into an image.
    pub fn is_image_host(&self, host: &str) -> bool {
        match &self.config {
            Some(Config {
                hosts: Some(machines),
                targets,
                ..
            }) => {
                !machines.iter().any(|machine| machine == host)
                    && targets.iter().any(|target| target.host == host)
            }
            _ => host.starts_with('_'),
        }
    }

    /// The hosts, as far as folders tell: `hosts/<name>/default.nix`. Empty for a flake
    /// that keeps them elsewhere.
    pub fn host_folders(&self) -> Vec<String> {
        let Ok(folders) = self.folder.join("hosts").read_dir_utf8() else {
            return vec![];
        };
        let mut hosts: Vec<String> = folders
            .flatten()
            .filter(|folder| folder.path().join("default.nix").is_file())
            .map(|folder| folder.file_name().to_owned())
            .filter(|host| word(host).is_ok())
            .collect();
        hosts.sort();
        hosts
    }
}

/// `error` with its place as one below `top`.
fn below(mut error: Error, top: &Utf8Path) -> Error {
    if let Some(place) = &mut error.place
        && let Ok(inside) = place.file.strip_prefix(top)
    {
        place.file = inside.to_owned();
    }
    error
}

/// `path` without `.`, `..` and symlinks, as far as it is there.
fn normal(path: &Utf8Path) -> Utf8PathBuf {
    if let Ok(there) = path.canonicalize_utf8() {
        return there;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => normal(parent).join(name),
        _ => path.to_owned(),
    }
}

/// The error for a file where the folder of a flake is to be named.
fn no_folder_but_file(file: &Utf8Path, by: &str) -> Error {
    let message = format!("{file} is a file, and {by} takes the folder of a flake");
    let folder = match file.parent() {
        Some(folder) if folder != "" => folder,
        _ => Utf8Path::new("."),
    };
    Error::new(Kind::Config, message).hint(match file.file_name() {
        Some(FLAKE) => format!("name its folder: `{folder}`"),
        _ => format!("a flake is the folder of a {FLAKE}"),
    })
}
