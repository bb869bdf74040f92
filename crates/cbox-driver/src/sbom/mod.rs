//! The bill of materials of a target: what its system is made of, since an image file refers to
//! nothing. The parts are the store paths that were packed, or, where the system is not built,
//! all derivations that it takes to build it. [`parts`] finds what derivations say of them,
//! [`cyclonedx`] writes it down.

mod cyclonedx;
mod parts;

use cbox_nix::{derivations, expression::Want};
use serde_json::{Value, json};

use self::{
    cyclonedx::{Head, document},
    parts::Derivations,
};
use crate::{
    error::{Error, Kind},
    eval::{evaluator::Evaluator, schedule},
    flake::session::Session,
    process::{
        blocking::blocking,
        options::{Forced, Limits},
    },
    progress::Event,
    subject::{
        Subject,
        find::{Conditions, Resolved, Versions},
    },
};

/// What a document of cbox has near its beginning.
pub const MARK: &str = "\"cbox:";

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// A target, a host, or one of these at a commit.
    pub target: &'q str,
    /// What is forced on it.
    pub forced: &'q Forced,
    /// Whether an image host's local settings count.
    pub with_local: bool,
    /// How much is evaluated at once.
    pub limits: Limits,
}

/// A bill of materials.
#[derive(Debug)]
pub struct Bill {
    /// The document, CycloneDX 1.6 as JSON.
    pub text: String,
    /// The name of the target.
    pub target: String,
    /// Whether it lists what was packed; otherwise all that it takes to build it.
    pub is_runtime: bool,
    serial_number: String,
    component_count: usize,
}

impl Bill {
    /// What there is to be said of it, as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "target": self.target,
            "closure": if self.is_runtime { "runtime" } else { "build" },
            "serialNumber": self.serial_number,
            "componentCount": self.component_count,
        })
    }
}

/// The bill of materials of what `question` asks about. Nothing is built.
///
/// # Errors
/// When the word names no target, when that does not evaluate, when the derivations are in a
/// store on another machine, and when `SOURCE_DATE_EPOCH` is no time.
pub async fn bill(
    session: &Session<'_>,
    evaluator: &Evaluator<'_>,
    question: Question<'_>,
) -> Result<Bill, Error> {
    let time = session.environment.source_date()?;
    let subject = Subject::parse(session.environment, question.target)?;
    let conditions = Conditions {
        forced: question.forced,
        with_local: question.with_local,
        tracked_only: false,
    };
    let versions = Versions::of(session, false);
    let found = versions
        .find(evaluator, &subject, question.target, conditions)
        .await?;
    let Resolved::Target(mut found) = found else {
        let message = format!(
            "{} is no target, so nothing says what it is of",
            question.target
        );
        return Err(Error::new(Kind::Usage, message)
            .hint("name a target: `cbox list` shows them, and `REV:target` is one at a commit"));
    };
    if found.target.is_image() && found.target.request.package.is_none() {
        found.target.request.wants.push(Want::Toplevel);
    }
    let answers = schedule::derivations(evaluator, &question.limits, &[found.item()]).await?;
    let Some(answer) = answers.into_iter().next() else {
        return Err(Error::new(Kind::Evaluation, "no answer came"));
    };
    let (evaluated, own) = answer?;
    let root = evaluated.toplevel.unwrap_or(own);
    let reporter = session.reporter;
    reporter.report(Event::Briefly("reading derivations"));
    let (store, drv) = (evaluator.nix.store.clone(), root.drv.to_string());
    let derivations = blocking(move || {
        let paths: Vec<String> = derivations::closure(&store, &drv)?.into_iter().collect();
        let words: Vec<&str> = paths.iter().map(String::as_str).collect();
        let read = derivations::read(&store, &words)?;
        Ok::<_, Error>(Derivations::new(paths.into_iter().zip(read)))
    })
    .await?;
    let built = evaluator.nix.output_path(&root).await?;
    let parts = match &built {
        Some(out) => {
            let infos = evaluator.nix.closure(&[out]).await?;
            let closure = infos.closure(out).map_err(|error| {
                let message = format!("cannot list what {} needs: {error}", question.target);
                Error::new(Kind::Environment, message)
            })?;
            derivations.packed(&closure, &infos, &evaluator.nix.outputs.dir)
        }
        None => derivations.parts(root.drv.as_str()),
    };
    let target = found.target.name.to_string();
    let head = Head {
        target: &target,
        system: evaluated.system.as_str(),
        is_runtime: built.is_some(),
        time,
    };
    let (text, serial_number) = document(&head, &parts)?;
    Ok(Bill {
        text,
        is_runtime: built.is_some(),
        serial_number,
        component_count: parts.len() - 1,
        target,
    })
}
