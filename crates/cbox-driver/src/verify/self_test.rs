//! `verify-hosts --self-test`: shows that files which must not matter do not.
//!
//! Works on a copy of the tracked files. Files are written to every kind of place that is
//! ignored, excluded, local or not baked; then no host and no image may have another
//! derivation. Where the staged tree has the same hash as before, nothing has to be
//! evaluated to know that. On the way it is found which files each install host reads, so that
//! later changes of others evaluate nothing ([`crate::eval::read_set`]).

use std::{
    io,
    path::{Path, PathBuf},
};

use camino::Utf8PathBuf;
use cbox_nix::{expression::Evaluated, git::Repository, regular_file, temporary::TemporaryFolder};
use cbox_source::{
    list,
    rules::{Made, Rules},
    stage,
    tree::Tree,
};
use drv_causes::Cause;
use nix_formats::store_path::DrvPath;
use serde_json::{Value, json};

use super::{
    judge::{self, filter},
    probes::{Probe, Written, probes},
};
use crate::{
    diff::explain::explain,
    error::{Error, Kind},
    eval::{
        evaluator::Evaluator,
        read_set::proof::{self, Proof},
        schedule::{self, Item},
    },
    flake::{project::Project, session::Session, version::Version},
    process::{
        blocking::blocking,
        options::{Forced, Limits, NixArguments, Options},
    },
    subject::target,
    target_name::TargetName,
};

/// A target with the derivation that it has when nothing was written.
#[derive(Debug)]
struct Measured {
    name: TargetName,
    request: cbox_nix::expression::Request,
    evaluated: Evaluated,
    drv: DrvPath,
}

/// A file that reached a derivation.
#[derive(Debug)]
pub struct Leak {
    /// The file that was written.
    pub file: PathBuf,
    /// The target that it reached.
    pub target: String,
    /// What took it up: the derivation that changed of its own, and the way to it; or why
    /// the target does not evaluate any more.
    pub by: String,
}

/// A file of the self-test, and what became of it.
#[derive(Debug)]
pub struct Row {
    /// The file.
    pub file: PathBuf,
    /// Why it must not matter, in a word.
    pub why: &'static str,
    /// Whether it was staged.
    pub staged: bool,
}

/// What the self-test found.
#[derive(Debug)]
pub struct Found {
    /// The files that were written.
    pub rows: Vec<Row>,
    /// The targets whose derivations were looked at.
    pub targets: Vec<String>,
    /// What moved. Nothing should.
    pub leaks: Vec<Leak>,
    /// What each install host reads, by its target.
    pub reads: Vec<(String, Proof)>,
}

impl Found {
    /// The document of `--json`.
    pub fn to_json(&self) -> Value {
        let files = self.rows.iter();
        let leaks = self.leaks.iter();
        json!({
            "files": files
                .map(|row| json!({ "path": row.file, "why": row.why, "staged": row.staged }))
                .collect::<Vec<_>>(),
            "targets": self.targets,
            "reads": self.reads.iter().map(|(target, proof)| proof.to_json(target)).collect::<Vec<_>>(),
            "leaks": leaks
                .map(|leak| json!({ "file": leak.file, "target": leak.target, "takenUpBy": leak.by }))
                .collect::<Vec<_>>(),
        })
    }

    /// # Errors
    /// When something moved.
    pub fn outcome(&self) -> Result<(), Error> {
        let mut files: Vec<String> = self
            .leaks
            .iter()
            .map(|leak| leak.file.display().to_string())
            .collect();
        files.dedup();
        if files.is_empty() {
            return Ok(());
        }
        Err(Error::new(Kind::Changed, format!("files that must not matter do: {}", files.join(", ")))
            .hint("bake a filtered source (`builtins.path` with a filter) instead of `${self}` or `./.`, or name the file under `exclude` in cbox.toml"))
    }
}

/// How the self-test is run.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// Patterns of the hosts' names; all install hosts without one.
    pub hosts: &'a [String],
    /// How much is evaluated at once.
    pub limits: Limits,
    /// What Nix is told.
    pub arguments: &'a NixArguments,
    /// Whether the evaluation cache is used.
    pub cached: bool,
}

/// Runs the self-test.
///
/// # Errors
/// When it cannot be made. That something leaks is a part of what it found.
pub async fn run(session: &Session<'_>, settings: Settings<'_>) -> Result<Found, Error> {
    let copy = copy(session).await?;
    let top = Utf8PathBuf::from_path_buf(copy.path().join("tree")).map_err(|path| {
        Error::new(
            Kind::Environment,
            format!("the name of {} is not UTF-8", path.display()),
        )
    })?;
    let here = top.join(session.project.dir());
    let copied = Session {
        project: Project::find(session.environment, Some(&here))?,
        options: Options {
            flake: Some(here),
            ..session.options.clone()
        },
        ..*session
    };
    let finder = judge::evaluator(&copied, settings.arguments, settings.cached).await?;
    // What the flake asks of git is said of the tree itself, and not of a copy that is gone.
    let finder = finder.without_notes_on_self();
    let test = SelfTest {
        session: &copied,
        evaluator: &finder.clone().without_read_sets(),
        finder,
        settings,
        top: top.as_std_path(),
    };
    test.run().await
}

/// The tracked files in a folder of their own, as a repository.
async fn copy(session: &Session<'_>) -> Result<TemporaryFolder, Error> {
    let Some(repository) = &session.project.repository else {
        return Err(Error::new(
            Kind::Usage,
            "`--self-test` is about what git ignores, but there is no git repository here",
        )
        .hint("`git init` and `git add` make one"));
    };
    session.reporter.doing("copying the tracked files");
    let (cached, _) = repository.files(session.interrupt).await?;
    let folder = TemporaryFolder::new().map_err(|error| {
        Error::file(Kind::Source, "make", "a folder for the copy", &error)
            .hint("set TMPDIR to a folder that can hold it")
    })?;
    let (from, to) = (
        session.project.top.as_std_path().to_owned(),
        folder.path().join("tree"),
    );
    let interrupt = session.interrupt.clone();
    blocking(move || {
        let everything = Rules::new(Path::new(""), &[], &[], Made::default())?;
        let tree = Tree::select(&from, list::from_git(&cached, b""), &everything, true)?;
        stage::copy(&tree, &to, &|| interrupt.signal().is_some(), &|_| ())
    })
    .await?;
    Repository::create(&folder.path().join("tree"), session.interrupt).await?;
    Ok(folder)
}

struct SelfTest<'t, 'a> {
    session: &'t Session<'a>,
    /// It evaluates whatever is written: that is the test.
    evaluator: &'t Evaluator<'a>,
    /// It finds and keeps what hosts read.
    finder: Evaluator<'a>,
    settings: Settings<'t>,
    /// The top of the copy.
    top: &'t Path,
}

impl SelfTest<'_, '_> {
    async fn run(&self) -> Result<Found, Error> {
        let before = Version::working_tree(self.session, false).await?;
        let measured = self.measure(&before).await?;
        let reads = self.prove(&before, &measured).await?;
        let written = self.write(&self.probes(&before)?)?;
        let after = Version::working_tree(self.session, false).await?;
        let staged = |file: &Path| after.base.contains(file);
        let rows: Vec<Row> = written
            .iter()
            .map(|(probe, written)| {
                let file = written.below(self.top);
                Row {
                    staged: staged(&file),
                    file,
                    why: probe.why.word(),
                }
            })
            .collect();
        let moved = self.moved(&before, &after, &measured).await?;
        let leaks = match moved.is_empty() {
            true => vec![],
            false => self.isolate(&before, written, &after, &moved).await?,
        };
        let targets = measured.iter().map(|target| target.name.to_string());
        Ok(Found {
            rows,
            targets: targets.collect(),
            leaks,
            reads,
        })
    }

    /// What the install hosts read.
    async fn prove(
        &self,
        sources: &Version<'_>,
        measured: &[Measured],
    ) -> Result<Vec<(String, Proof)>, Error> {
        let snapshot = sources.plain().await?;
        let is_host = |target: &&Measured| matches!(target.name, TargetName::Host { .. });
        let hosts = measured.iter().filter(is_host).map(|target| {
            let item = Item {
                snapshot: snapshot.clone(),
                request: target.request.clone(),
                name: target.name.to_string(),
            };
            (item, target.evaluated.clone())
        });
        let hosts: Vec<(Item, Evaluated)> = hosts.collect();
        let at_once = schedule::share(&self.finder, &self.settings.limits, hosts.len()).at_once;
        let told = |item: &Item| {
            let name = &item.name;
            let reporter = self.session.reporter;
            reporter.doing(&format!("finding the files that {name} reads"));
        };
        let proofs = proof::prove(&self.finder, &hosts, at_once, told).await;
        let mut found = Vec::new();
        for ((item, _), proof) in hosts.into_iter().zip(proofs) {
            found.extend(proof?.map(|proof| (item.name, proof)));
        }
        Ok(found)
    }

    /// The derivations of all hosts and images that are asked for.
    async fn measure(&self, sources: &Version<'_>) -> Result<Vec<Measured>, Error> {
        let names = self.names()?;
        let native = &self.evaluator.nix.settings.system;
        let forced = Forced::default();
        let mut requests = Vec::new();
        for name in names {
            let target = target::resolve(&self.session.project, &name, &forced, native, sources)?;
            requests.push((name, target.request));
        }
        let snapshot = sources.plain().await?;
        let items: Vec<Item> = requests
            .iter()
            .map(|(name, request)| Item {
                snapshot: snapshot.clone(),
                request: request.clone(),
                name: name.to_string(),
            })
            .collect();
        let answers = schedule::derivations(self.evaluator, &self.settings.limits, &items).await?;
        requests
            .into_iter()
            .zip(answers)
            .map(|((name, request), answer)| {
                let (evaluated, derivation) = answer?;
                Ok(Measured {
                    name,
                    request,
                    evaluated,
                    drv: derivation.drv,
                })
            })
            .collect()
    }

    fn names(&self) -> Result<Vec<TargetName>, Error> {
        let project = &self.session.project;
        let filter = filter(self.settings.hosts)?;
        let wanted = |host: &str| self.settings.hosts.is_empty() || filter.is_match(host);
        let hosts = project
            .install_hosts()
            .into_iter()
            .filter(|host| wanted(host));
        let mut names: Vec<TargetName> = hosts.map(|name| TargetName::Host { name }).collect();
        for target in project
            .config()
            .targets
            .iter()
            .filter(|target| wanted(&target.host))
        {
            names.extend(
                target
                    .systems()
                    .into_iter()
                    .map(|system| TargetName::Image {
                        kind: target.kind.clone(),
                        format: target.format.clone(),
                        system: Some(system),
                    }),
            );
        }
        if names.is_empty() {
            return Err(Error::new(Kind::Usage, "no host or image has that name")
                .hint("`cbox hosts` shows them"));
        }
        Ok(names)
    }

    fn probes(&self, sources: &Version<'_>) -> Result<Vec<Probe>, Error> {
        let project = &self.session.project;
        let mut ignored = Vec::new();
        for entry in &sources.base.entries {
            if entry
                .path
                .file_name()
                .is_some_and(|name| name == ".gitignore")
            {
                let path = self.top.join(&entry.path);
                let text =
                    regular_file::read(&path).map_err(|error| failed("read", &path, &error))?;
                let folder = entry.path.parent().unwrap_or(Path::new("")).to_owned();
                ignored.push((folder, String::from_utf8_lossy(&text).into_owned()));
            }
        }
        let excluded = project.config().source.exclude;
        let dir = project.dir().as_std_path();
        Ok(probes(
            dir,
            &ignored,
            &excluded,
            &sources.rules,
            &project.hosts(),
        ))
    }

    fn write(&self, probes: &[Probe]) -> Result<Vec<(Probe, Written)>, Error> {
        self.session
            .reporter
            .doing("writing files that must not matter");
        let write = |probe: &Probe| {
            let written = probe.write(self.top);
            let written =
                written.map_err(|error| failed("write", &self.top.join(&probe.path), &error))?;
            Ok((probe.clone(), written))
        };
        probes.iter().map(write).collect()
    }

    /// Those of `measured` that are others on `after`, each with its new derivation or why
    /// it has none.
    async fn moved<'m>(
        &self,
        before: &Version<'_>,
        after: &Version<'_>,
        measured: impl IntoIterator<Item = &'m Measured>,
    ) -> Result<Vec<(&'m Measured, Result<DrvPath, Error>)>, Error> {
        let (known, now) = (before.plain().await?, after.plain().await?);
        if known.staged == now.staged {
            return Ok(vec![]);
        }
        let measured: Vec<&Measured> = measured.into_iter().collect();
        let items: Vec<Item> = measured
            .iter()
            .map(|target| Item {
                snapshot: now.clone(),
                request: target.request.clone(),
                name: target.name.to_string(),
            })
            .collect();
        let answers = schedule::derivations(self.evaluator, &self.settings.limits, &items).await?;
        let answers = answers
            .into_iter()
            .map(|answer| answer.map(|(_, derivation)| derivation.drv));
        let moved = measured
            .into_iter()
            .zip(answers)
            .filter(|(target, answer)| answer.as_ref().ok() != Some(&target.drv));
        Ok(moved.collect())
    }

    /// Which of the staged files it was, one at a time.
    async fn isolate(
        &self,
        before: &Version<'_>,
        written: Vec<(Probe, Written)>,
        after: &Version<'_>,
        moved: &[(&Measured, Result<DrvPath, Error>)],
    ) -> Result<Vec<Leak>, Error> {
        for (_, file) in &written {
            file.undo()
                .map_err(|error| failed("write", &file.below(self.top), &error))?;
        }
        let mut leaks = Vec::new();
        for (probe, file) in written {
            let path = file.below(self.top);
            if !after.base.contains(&path) {
                continue;
            }
            let alone = self.write(std::slice::from_ref(&probe))?;
            let now = Version::working_tree(self.session, false).await?;
            let suspects = moved.iter().map(|(target, _)| *target);
            for (target, answer) in self.moved(before, &now, suspects).await? {
                leaks.push(Leak {
                    file: path.clone(),
                    target: target.name.to_string(),
                    by: self.taken_up_by(&path, target, answer).await?,
                });
            }
            for (_, file) in alone {
                file.undo()
                    .map_err(|error| failed("write", &path, &error))?;
            }
        }
        Ok(leaks)
    }

    /// The derivation that took the file up, with the way to it.
    async fn taken_up_by(
        &self,
        file: &Path,
        target: &Measured,
        answer: Result<DrvPath, Error>,
    ) -> Result<String, Error> {
        let drv = match answer {
            Ok(drv) => drv,
            Err(error) => {
                return Ok(format!("it no longer evaluates: {}", error.headline()));
            }
        };
        let explanation = explain(&self.evaluator.nix.store, &target.drv, &drv).await?;
        let holds = |cause: &&Cause| {
            cause
                .differences
                .iter()
                .any(|difference| file.ends_with(&difference.field))
        };
        let cause = explanation
            .causes
            .iter()
            .find(holds)
            .or(explanation.causes.first());
        Ok(
            cause.map_or_else(String::new, |cause| match cause.way.as_slice() {
                [] => cause.name.clone(),
                way => way.join(" → "),
            }),
        )
    }
}

fn failed(action: &str, path: &Path, error: &io::Error) -> Error {
    Error::file(Kind::Source, action, path.display(), error)
}
