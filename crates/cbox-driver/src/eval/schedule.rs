//! Evaluations side by side: as many at once as cores and memory allow.
//!
//! What is remembered is looked up first, and takes no slot and no memory. What is left
//! shares the machine as [`crate::eval::memory_budget`] says. An evaluation that ends for want
//! of memory is tried once more when all others are done, alone and with a small heap.

use std::{collections::BTreeMap, path::PathBuf, pin::pin, sync::Arc, time::Instant};

use cbox_nix::{
    NixError,
    eval::HEAP_VARIABLE,
    expression::{DerivationInfo, Evaluated, Request},
};
use futures_util::{StreamExt as _, stream};

use crate::{
    error::{Error, Kind},
    eval::{
        durations::Durations,
        evaluation::{Failure, derivation_of},
        evaluator::Evaluator,
        memory_budget::{self, Given, LEAST_NEED, Share},
        platform,
        read_set::unread::Unread,
    },
    flake::{session::Session, snapshot::Snapshot},
    process::{machine, options::Limits},
    progress::{Event, Reporter},
    text::size,
};

/// One evaluation to be made.
#[derive(Debug, Clone)]
pub struct Item {
    /// The tree.
    pub snapshot: Arc<Snapshot>,
    /// What is asked of it.
    pub request: Request,
    /// Its name for people: a host or a target.
    pub name: String,
}

/// The answer for an item.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What it evaluates to.
    pub evaluated: Evaluated,
    /// The files that changed since that was found out, where it reads none of them.
    pub not_read: Option<Arc<[PathBuf]>>,
}

impl From<Evaluated> for Answer {
    fn from(evaluated: Evaluated) -> Self {
        Self {
            evaluated,
            not_read: None,
        }
    }
}

/// Evaluates all `items`, each of which has to give a derivation.
///
/// As [`evaluate`] otherwise.
pub async fn derivations(
    evaluator: &Evaluator<'_>,
    limits: &Limits,
    items: &[Item],
) -> Result<Vec<Result<(Evaluated, DerivationInfo), Error>>, Error> {
    let answers = answers(evaluator, limits, items).await?;
    let answers = items.iter().zip(answers).map(|(item, answer)| {
        let (answer, derivation) = with_derivation(item, answer)?;
        Ok((answer.evaluated, derivation))
    });
    Ok(answers.collect())
}

/// The answer for `item`, if it holds a derivation.
pub fn with_derivation(
    item: &Item,
    answer: Result<Answer, Error>,
) -> Result<(Answer, DerivationInfo), Error> {
    let answer = answer?;
    let derivation = derivation_of(&answer.evaluated, &item.request, &item.name)?;
    Ok((answer, derivation))
}

/// Evaluates all `items` and gives what each evaluates to, in their order.
///
/// As [`each`] otherwise.
pub async fn evaluate(
    evaluator: &Evaluator<'_>,
    limits: &Limits,
    items: &[Item],
) -> Result<Vec<Result<Evaluated, Error>>, Error> {
    let answers = answers(evaluator, limits, items).await?.into_iter();
    Ok(answers
        .map(|answer| answer.map(|answer| answer.evaluated))
        .collect())
}

/// Evaluates all `items` and gives an answer for each, in their order.
///
/// As [`each`] otherwise.
pub async fn answers(
    evaluator: &Evaluator<'_>,
    limits: &Limits,
    items: &[Item],
) -> Result<Vec<Result<Answer, Error>>, Error> {
    let mut answers = BTreeMap::new();
    let take = |place, answer| drop(answers.insert(place, answer));
    each(evaluator, limits, items, take).await?;
    Ok(answers.into_values().collect())
}

/// A question, and the items that ask it.
struct Question<'i> {
    /// What its answer is remembered as.
    key: String,
    item: &'i Item,
    places: Vec<usize>,
}

/// Evaluates all `items` and tells the answer for each, with its place among them, as soon as
/// it is there. One that fails does not stop the others; items that ask the same are
/// evaluated once.
///
/// # Errors
/// When a signal comes: then all end, and no answer is of use.
pub async fn each(
    evaluator: &Evaluator<'_>,
    limits: &Limits,
    items: &[Item],
    mut tell: impl FnMut(usize, Result<Answer, Error>),
) -> Result<(), Error> {
    let mut tell = |place: usize, answer: Result<Answer, Error>| {
        let request = &items[place].request;
        let checked = answer.and_then(|answer| {
            Ok(Answer {
                evaluated: platform::check(request, answer.evaluated)?,
                ..answer
            })
        });
        tell(place, checked);
    };
    let mut questions: Vec<Question<'_>> = Vec::new();
    for (place, item) in items.iter().enumerate() {
        match evaluator.key(&item.snapshot, &item.request) {
            Ok(key) => match questions.iter_mut().find(|question| question.key == key) {
                Some(known) => known.places.push(place),
                None => questions.push(Question {
                    key,
                    item,
                    places: vec![place],
                }),
            },
            Err(error) => tell(place, Err(error)),
        }
    }
    let mut remembered = remembered(evaluator, &questions).await;
    unread(evaluator, &questions, &mut remembered).await;
    let open = remembered
        .iter()
        .filter(|look| matches!(look, Ok(None)))
        .count();
    let share = share(evaluator, limits, open);
    let under_way = UnderWay::new(evaluator.session, open);
    let all = questions
        .iter()
        .zip(remembered)
        .map(|(question, remembered)| {
            let under_way = &under_way;
            async move {
                let outcome = match remembered {
                    Ok(Some(known)) => Ok(known),
                    Ok(None) => under_way
                        .evaluate(evaluator, question, share.heap)
                        .await
                        .map(Answer::from),
                    Err(error) => Err(Failure::Other(error)),
                };
                (question, outcome)
            }
        });
    let mut answer = |question: &Question<'_>, answer: Result<Answer, Error>| {
        for place in &question.places {
            tell(*place, answer.clone());
        }
    };
    let mut without_memory = Vec::new();
    // All are waited for, also after a signal: each ends its own child and reaps it.
    let mut outcomes = pin!(stream::iter(all).buffer_unordered(share.at_once));
    while let Some((question, outcome)) = outcomes.next().await {
        match outcome {
            Ok(found) => answer(question, Ok(found)),
            Err(Failure::Other(error)) => answer(question, Err(error)),
            Err(Failure::Memory(error)) => without_memory.push((question, error)),
        }
    }
    stop_if_interrupted(evaluator)?;
    for (question, error) in without_memory {
        let found = once_more(evaluator, question, &error).await?;
        answer(question, found.map(Answer::from));
    }
    Ok(())
}

/// What is known of each question. A remote store is asked whether the derivation is still
/// there, so that they are looked up side by side too.
async fn remembered(
    evaluator: &Evaluator<'_>,
    questions: &[Question<'_>],
) -> Vec<Result<Option<Answer>, Error>> {
    let looks = questions.iter().map(|question| async {
        let known = evaluator.remembered(&question.key, &question.item.name);
        Ok(known.await?.map(Answer::from))
    });
    stream::iter(looks)
        .buffered(evaluator.session.environment.cores)
        .collect()
        .await
}

/// Answers those of the `open` questions that read none of what changed.
async fn unread(
    evaluator: &Evaluator<'_>,
    questions: &[Question<'_>],
    known: &mut [Result<Option<Answer>, Error>],
) {
    let Some(sets) = evaluator.read_sets() else {
        return;
    };
    let mut unread = Unread::new(sets);
    for (question, known) in questions.iter().zip(known) {
        if matches!(known, Ok(None)) {
            let Item {
                snapshot,
                request,
                name,
            } = question.item;
            *known = match evaluator.key_of_reads(snapshot, request) {
                Ok(key) => unread.answer(evaluator, &key, snapshot, name).await,
                Err(error) => Err(error),
            };
        }
    }
}

/// How many of so many evaluations are made at once, and what each may take.
pub fn share(evaluator: &Evaluator<'_>, limits: &Limits, evaluations: usize) -> Share {
    let environment = evaluator.session.environment;
    let preferred = environment.preferred();
    let given = Given {
        evaluations,
        cores: environment.cores,
        available: machine::available_memory(),
        jobs: limits.jobs.or(preferred.jobs),
        max_memory: limits.max_memory.or(preferred.max_memory),
        heap_is_set: environment.heap_is_set,
    };
    let share = memory_budget::share(&given);
    if evaluations > 0 {
        tracing::debug!("{given:?} gives {share:?}");
    }
    share
}

/// Evaluates what ended for want of memory once more: alone, and with as little as can be.
async fn once_more(
    evaluator: &Evaluator<'_>,
    question: &Question<'_>,
    first: &NixError,
) -> Result<Result<Evaluated, Error>, Error> {
    let reporter = evaluator.session.reporter;
    reporter.note(&format!("{first}; trying once more, alone"));
    let under_way = UnderWay::new(evaluator.session, 1);
    let outcome = under_way.evaluate(evaluator, question, None).await;
    stop_if_interrupted(evaluator)?;
    Ok(outcome.map_err(|failure| match failure {
        Failure::Other(error) => error,
        Failure::Memory(error @ NixError::Crashed { .. }) => error.into(),
        Failure::Memory(error) => too_little_memory(&error, evaluator),
    }))
}

/// The error for `error`, which came again when the host was evaluated alone.
fn too_little_memory(error: &NixError, evaluator: &Evaluator<'_>) -> Error {
    let free = machine::available_memory()
        .map(|bytes| format!(" ({} is free now)", size(bytes)))
        .unwrap_or_default();
    let own_heap = match evaluator.session.environment.heap_is_set {
        true => format!(", or unset {HEAP_VARIABLE}"),
        false => String::new(),
    };
    Error::new(
        Kind::Environment,
        format!("{error}, even when it ran alone"),
    )
    .hint(format!(
        "evaluating a NixOS host takes {} or more{free}: add memory or swap, or close other programs, and run cbox with `--jobs 1`{own_heap}",
        size(LEAST_NEED)
    ))
}

fn stop_if_interrupted(evaluator: &Evaluator<'_>) -> Result<(), Error> {
    match evaluator.session.interrupt.signal() {
        Some(signal) => Err(NixError::Interrupted(signal).into()),
        None => Ok(()),
    }
}

/// The evaluations that run at a moment, for the view.
#[derive(Debug)]
struct UnderWay<'v> {
    reporter: &'v dyn Reporter,
    durations: Durations,
}

impl<'v> UnderWay<'v> {
    fn new(session: &'v Session<'_>, all: usize) -> Self {
        session.reporter.report(Event::Evaluations(all));
        Self {
            reporter: session.reporter,
            durations: Durations::below(&session.environment.cache),
        }
    }

    /// Finds the answer, and has that shown as long as it lasts.
    async fn evaluate(
        &self,
        evaluator: &Evaluator<'_>,
        question: &Question<'_>,
        heap: Option<u64>,
    ) -> Result<Evaluated, Failure> {
        let Question { key, item, .. } = question;
        // What did not begin before a signal came has nothing to end.
        stop_if_interrupted(evaluator)?;
        item.snapshot.ready(evaluator).await?;
        let flake = &evaluator.session.project.folder;
        let last = self.durations.get(flake, &item.name);
        let name = &item.name;
        self.reporter.report(Event::EvaluationBegan { name, last });
        let began = Instant::now();
        let outcome = evaluator
            .evaluate_anew(key, &item.snapshot, &item.request, heap, &item.name)
            .await;
        let interrupted = evaluator.session.interrupt.signal().is_some();
        let good = match &outcome {
            Err(_) if interrupted => None,
            outcome => Some(outcome.is_ok()),
        };
        self.reporter.report(Event::EvaluationEnded { name, good });
        if outcome.is_ok() {
            self.durations.put(flake, name, began.elapsed());
        }
        outcome
    }
}
