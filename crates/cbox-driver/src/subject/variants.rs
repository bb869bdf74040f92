//! The images that hosts offer by themselves, without a cbox.toml: what `cbox init` writes
//! targets for, `cbox list` shows and `cbox image` builds. Their names are among what a host
//! evaluates to, so each host is evaluated for them once, and remembered.

use std::sync::Arc;

use cbox_nix::{
    NixError,
    expression::{Evaluated, Images, Request, Variant, Want},
};
use nix_formats::system::System;

use crate::{
    error::Error,
    eval::{
        evaluator::Evaluator,
        schedule::{self, Item},
    },
    flake::{snapshot::Snapshot, version::Version},
    process::options::Limits,
    target_name::word,
};

/// What a host offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The system that it is for.
    pub system: System,
    /// What it can be built as.
    pub images: Images,
}

impl Offer {
    /// Its variants that can be written as a target: those that the flake asks for, and those
    /// that it has only because nixpkgs gives them to every host.
    #[must_use]
    pub fn variants(&self) -> (Vec<&Variant>, Vec<&Variant>) {
        let variants = self.images.variants.iter();
        let variants = variants.filter(|variant| word(&variant.name).is_ok());
        variants.partition(|variant| variant.own)
    }

    /// Checks that `host`, of which it is, offers an image of this name.
    ///
    /// # Errors
    /// When it does not; what it offers is named.
    pub fn check(&self, host: &str, variant: &str) -> Result<(), Error> {
        let names = self.images.variants.iter().map(|known| known.name.clone());
        let names: Vec<String> = names.collect();
        match names.iter().any(|name| name == variant) {
            true => Ok(()),
            false => Err(NixError::NoVariant {
                host: host.to_owned(),
                variant: variant.to_owned(),
                names,
            }
            .into()),
        }
    }
}

impl From<Evaluated> for Offer {
    fn from(evaluated: Evaluated) -> Self {
        Self {
            system: evaluated.system,
            images: evaluated.images.unwrap_or_default(),
        }
    }
}

/// What asks `host` for its images.
fn request(host: &str) -> Request {
    Request {
        host: host.to_owned(),
        wants: vec![Want::Images],
        ..Request::default()
    }
}

/// What each of `hosts` offers, in their order. One that does not evaluate does not keep the
/// others from being looked at.
///
/// # Errors
/// When the tree cannot be looked at, or a signal comes.
pub async fn of(
    evaluator: &Evaluator<'_>,
    version: &Version<'_>,
    hosts: &[String],
    limits: &Limits,
) -> Result<Vec<Result<Offer, Error>>, Error> {
    let snapshot = version.plain().await?;
    let item = |host: &String| Item {
        snapshot: Arc::clone(&snapshot),
        request: request(host),
        name: host.clone(),
    };
    let items: Vec<Item> = hosts.iter().map(item).collect();
    let answers = schedule::evaluate(evaluator, limits, &items).await?;
    let offers: Vec<Result<Offer, Error>> = answers
        .into_iter()
        .map(|answer| answer.map(Offer::from))
        .collect();
    if !version.is_commit() {
        version.checkout.project.remember(|known| {
            for (host, offer) in hosts.iter().zip(&offers) {
                if let Ok(offer) = offer {
                    let (own, others) = offer.variants();
                    let names = own.iter().chain(&others);
                    known.learn_variants(host, names.map(|it| it.name.clone()).collect());
                }
            }
        });
    }
    Ok(offers)
}

/// Which of `hosts` were looked at already, so that [`of`] evaluates none of them.
///
/// # Errors
/// As [`of`].
pub async fn remembered(
    evaluator: &Evaluator<'_>,
    version: &Version<'_>,
    hosts: &[String],
) -> Result<Vec<bool>, Error> {
    let snapshot: Arc<Snapshot> = version.plain().await?;
    let mut known = Vec::new();
    for host in hosts {
        let key = evaluator.key(&snapshot, &request(host))?;
        known.push(evaluator.remembered(&key, host).await?.is_some());
    }
    Ok(known)
}
