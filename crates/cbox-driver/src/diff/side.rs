//! What is compared: the derivation and the output of a target, a `.drv` file, a link, a store
//! path or the system that a machine runs, as far as they are known and at hand.

use std::{fmt, rc::Rc};

use camino::Utf8Path;
use cbox_nix::{
    NixError, derivations,
    machine::{Machine, RUNNING_SYSTEM},
    nix::Nix,
    regular_file,
    store::Store,
};
use nix_formats::{
    closure::{Closure, PathInfos},
    store_path::{DrvPath, OutPath},
};

use super::{
    Found, Named, different_stores,
    explain::{all_needed, is_there},
    is_one,
    packages::PackageDifference,
};
use crate::{
    error::{Error, Kind},
    eval::{
        evaluator::Evaluator,
        schedule::{self, Item},
    },
    flake::{session::Hears, version::Version},
    links::manifest::Manifest,
    process::{
        environment::Environment,
        options::{Forced, Limits, Options},
    },
    progress::Event,
    subject::{
        Subject,
        find::{self, Conditions, Resolved, UnevaluatedTarget, Versions, derivation_file},
    },
    target_name::TargetName,
};

/// One of two things that are compared.
pub(super) struct Side<'a> {
    /// As it was typed.
    pub(super) name: String,
    /// Its derivation, which is in the store; or why there is none.
    pub(super) drv: Result<DrvPath, String>,
    /// What it builds or was built.
    pub(super) out: Option<OutPath>,
    /// Where that is.
    pub(super) built: Built,
    /// The target that it is, with the version of the flake.
    target: Option<(TargetName, Rc<Version<'a>>)>,
}

/// Where an output is.
pub(super) enum Built {
    /// Nowhere.
    No,
    /// Perhaps in the store that it is built in: a file is there.
    Perhaps,
    /// In the store on this machine.
    Here,
    /// On another machine, which said what the output needs.
    There(PathInfos),
}

impl fmt::Debug for Side<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = (&self.name, &self.drv, &self.out);
        formatter.debug_tuple("Side").field(&parts).finish()
    }
}

impl Side<'_> {
    /// What it was found to be.
    pub(super) fn found(self) -> Found {
        Found {
            name: self.name,
            drv: self.drv.ok(),
            out: self.out,
        }
    }
}

/// The commit that the first of two was at and the version that the second is of, if they are one
/// target in an older and a newer state.
pub(super) fn change<'a>([old, new]: &[Side<'a>; 2]) -> Option<(String, Rc<Version<'a>>)> {
    let ((one, before), (other, now)) = old.target.as_ref().zip(new.target.as_ref())?;
    let commit = before.revision().filter(|_| before.is_commit())?;
    (one == other).then(|| (commit.to_owned(), Rc::clone(now)))
}

/// The first output of a derivation that is at hand.
pub(super) fn output_of(store: &Store, drv: &DrvPath) -> Option<OutPath> {
    let derivation = derivations::read(store, &[drv]).ok()?.pop()?;
    let mut outputs = derivation.outputs();
    let first = outputs.find(|output| output.name == "out")?;
    first.path.parse().ok()
}

/// What looks for sides.
pub(super) struct Finder<'f> {
    pub(super) nix: &'f Nix,
    pub(super) environment: &'f Environment,
    pub(super) options: &'f Options,
    pub(super) hears: Hears<'f>,
}

/// A side, or a target that is still to be evaluated.
enum Open<'a> {
    Known(Box<Side<'a>>),
    Target(Box<UnevaluatedTarget<'a>>),
}

impl Finder<'_> {
    /// Both sides; what has to be evaluated is evaluated at once.
    pub(super) async fn sides<'a>(
        &self,
        evaluator: &Evaluator<'a>,
        (old, new): (&Named, &Named),
        tracked_only: bool,
        limits: &Limits,
    ) -> Result<[Side<'a>; 2], Error> {
        let versions = Versions::of(evaluator.session, tracked_only);
        let forced = Forced::default();
        let conditions = Conditions {
            forced: &forced,
            with_local: false,
            tracked_only,
        };
        let open = async |named: &Named| {
            if let Some(side) = self.stored(named).await? {
                return Ok(Open::Known(Box::new(side)));
            }
            let word = &named.word;
            match versions
                .find(evaluator, &named.subject, word, conditions)
                .await?
            {
                Resolved::Target(target) => Ok(Open::Target(target)),
                _ => Err(Error::new(Kind::Evaluation, "no answer came")),
            }
        };
        let (one, other) = tokio::try_join!(open(old), open(new))?;
        let mut items: Vec<Item> = Vec::new();
        for open in [&one, &other] {
            let Open::Target(unevaluated) = open else {
                continue;
            };
            if !unevaluated.snapshot.local.is_empty() {
                self.hears.0.note(&format!(
                    "{}: with local settings (`--tracked` leaves them out)",
                    unevaluated.label
                ));
            }
            items.push(unevaluated.item());
        }
        let mut answers = schedule::derivations(evaluator, limits, &items)
            .await?
            .into_iter();
        let mut side = |open: Open<'a>| {
            let unevaluated = match open {
                Open::Known(side) => return Ok(*side),
                Open::Target(unevaluated) => unevaluated,
            };
            let Some(answer) = answers.next() else {
                return Err(Error::new(Kind::Evaluation, "no answer came"));
            };
            let (_, derivation) = answer?;
            Ok(Side {
                built: self.built(derivation.out.as_ref()),
                name: unevaluated.label,
                drv: Ok(derivation.drv),
                out: derivation.out,
                target: Some((unevaluated.target.name, unevaluated.version)),
            })
        };
        Ok([side(one)?, side(other)?])
    }

    /// What is in a store; `None` for a target.
    pub(super) async fn stored<'a>(&self, named: &Named) -> Result<Option<Side<'a>>, Error> {
        Ok(Some(match &named.subject {
            Subject::Target { .. } => return Ok(None),
            Subject::Derivation(path) => self.file(named, path)?,
            Subject::Output(path) => self.output(named, path).await?,
            Subject::Machine(machine) => self.machine(machine).await?,
        }))
    }

    /// What a `.drv` file builds.
    fn file<'a>(&self, named: &Named, path: &Utf8Path) -> Result<Side<'a>, Error> {
        let (store, drv) = derivation_file(self.environment, self.options, path)?;
        if !is_one(&store, &self.nix.store) {
            return Err(different_stores(&named.word, &self.nix.store.uri));
        }
        let out = output_of(&store, &drv);
        Ok(Side {
            name: named.word.clone(),
            built: self.built(out.as_ref()),
            drv: Ok(drv),
            out,
            target: None,
        })
    }

    /// Where `out` is, as far as its files tell.
    fn built(&self, out: Option<&OutPath>) -> Built {
        let is_there = |out: &OutPath| self.nix.outputs.holds(out) == Some(true);
        match out.is_some_and(is_there) {
            true => Built::Perhaps,
            false => Built::No,
        }
    }

    /// What a link leads to, or a path in the store. Its manifest names the derivation, or Nix
    /// remembers it.
    async fn output<'a>(&self, named: &Named, path: &Utf8Path) -> Result<Side<'a>, Error> {
        if path == RUNNING_SYSTEM && !path.is_symlink() {
            let message = format!("this machine does not run NixOS: there is no {path}");
            return Err(Error::new(Kind::Usage, message)
                .hint("name a profile, a link in out/, a store path or `ssh://HOST`"));
        }
        let store = &self.nix.store;
        let target = find::place_of(self.environment, store, path)?;
        let inside = find::inside(store, &target);
        let display_path = self.environment.display_path(path);
        let inside = inside.ok_or_else(|| {
            Error::new(Kind::Usage, format!("{display_path} is not in a store"))
                .hint("name a .drv file, a target or a link that cbox made")
        })?;
        let base = inside[store.dir.len() + 1..].split('/').next();
        let root = format!("{}/{}", store.dir, base.unwrap_or_default());
        let here = self.nix.here();
        let Some(deriver) = here.deriver(&root).await? else {
            let message = format!("{root} is not a valid store path");
            return Err(Error::new(Kind::Usage, message).hint("`cbox status` shows what is built"));
        };
        let manifest = regular_file::read(format!("{path}.json")).ok();
        let manifest = manifest
            .and_then(|text| Manifest::parse(&text).ok())
            .filter(|manifest| inside.starts_with(manifest.out.as_str()));
        let drv = match manifest {
            Some(manifest) => Some(manifest.drv),
            None => deriver.and_then(|deriver| DrvPath::try_from(deriver).ok()),
        };
        Ok(Side {
            name: named.word.clone(),
            drv: self.at_hand(drv, display_path.as_str()),
            out: root.parse().ok(),
            built: Built::Here,
            target: None,
        })
    }

    /// The system that a machine runs.
    async fn machine<'a>(&self, machine: &Machine) -> Result<Side<'a>, Error> {
        let (reporter, interrupt) = self.hears;
        reporter.report(Event::Briefly("asking the machine"));
        let more = self.environment.nix_ssh_options.as_deref();
        let store_dir = &self.nix.store.dir;
        let system = machine.running_system(more, store_dir, interrupt).await?;
        let infos = self.nix.at(&machine.store).closure(&[&system]).await?;
        let deriver = infos.deriver(&system).map(|deriver| {
            let base = deriver.rsplit('/').next().unwrap_or(deriver);
            format!("{store_dir}/{base}")
        });
        let drv = deriver.and_then(|deriver| DrvPath::try_from(deriver).ok());
        Ok(Side {
            name: machine.name.clone(),
            drv: self.at_hand(drv, &machine.name),
            out: Some(system),
            built: Built::There(infos),
            target: None,
        })
    }

    /// The derivation of `name`, if it is known and in the store; otherwise why not.
    fn at_hand(&self, drv: Option<DrvPath>, name: &str) -> Result<DrvPath, String> {
        match drv {
            Some(drv) if is_there(&self.nix.store, &drv) => Ok(drv),
            Some(_) => Err(format!(
                "the derivation that built {name} is not in the store (any more)"
            )),
            None => Err(format!("the derivation that built {name} is unknown")),
        }
    }

    /// The packages in what both need, where both are built. What needs nothing, as the files of
    /// images do, says nothing where the derivations can.
    pub(super) async fn closures(
        &self,
        sides: [&Side<'_>; 2],
    ) -> Result<Option<PackageDifference>, Error> {
        let is_built = |side: &&Side<'_>| !matches!(side.built, Built::No);
        if !sides.iter().all(is_built) {
            return Ok(None);
        }
        let (old, new) = tokio::try_join!(self.closure(sides[0]), self.closure(sides[1]))?;
        let can_explain = sides.iter().all(|side| side.drv.is_ok());
        let tells = |closure: &Closure| closure.members().len() > 1 || !can_explain;
        let both = old.filter(tells).zip(new.filter(tells));
        Ok(both.map(|(old, new)| PackageDifference::of_closures(&old, &new)))
    }

    /// The packages that differ where one is built, and the derivation of the other is at hand.
    pub(super) async fn mixed(
        &self,
        [old, new]: [&Side<'_>; 2],
    ) -> Result<Option<PackageDifference>, Error> {
        for (built, unbuilt, is_new) in [(old, new, true), (new, old, false)] {
            if let (Some(closure), Ok(drv)) = (self.closure(built).await?, &unbuilt.drv) {
                let needed = all_needed(&self.nix.store, drv).await?;
                return Ok(Some(PackageDifference::of_both(&closure, &needed, is_new)));
            }
        }
        Ok(None)
    }

    /// What a side needs; `None` where it is not in the store after all.
    async fn closure(&self, side: &Side<'_>) -> Result<Option<Closure>, Error> {
        let Some(out) = &side.out else {
            return Ok(None);
        };
        let whole = |infos: &PathInfos| {
            infos.closure(out).map_err(|error| {
                let message = format!("cannot tell what {} needs: {error}", side.name);
                Error::new(Kind::Environment, message)
            })
        };
        match &side.built {
            Built::No => Ok(None),
            Built::There(infos) => whole(infos).map(Some),
            Built::Here => whole(&self.nix.here().closure(&[out]).await?).map(Some),
            // A file may be what a build left that failed.
            Built::Perhaps => match self.nix.closure(&[out]).await {
                Ok(infos) => Ok(infos.closure(out).ok()),
                Err(NixError::Failed { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            },
        }
    }
}
