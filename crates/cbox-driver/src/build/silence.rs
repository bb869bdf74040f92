//! What is known of a build that says nothing for long.
//!
//! Most are at work, and one looks at their log. One that runs in a virtual machine may be
//! dead instead: where KVM opens and runs no kernel, its machine stands still for ever, and
//! Nix waits with it. So such a build is told with whether KVM works here. That is found out
//! once a run, and only then.

use std::{convert::Infallible, time::Duration};

use cbox_nix::{build::log_command, derivations};

use crate::{
    boot::kvm::{self, Verdict},
    build::preflight::required_features,
    eval::evaluator::Evaluator,
    progress::{Event, builds::Silence},
};

/// How often silence is looked for.
const OFTEN: Duration = Duration::from_millis(500);

/// Looks after builds that say nothing, and tells the view what is known of them. It is done
/// when the build is.
pub async fn watch(evaluator: &Evaluator<'_>) -> Infallible {
    let reporter = evaluator.session.reporter;
    let mut verdict = None;
    loop {
        tokio::time::sleep(OFTEN).await;
        for build in reporter.silent_builds() {
            if !runs_a_machine(evaluator, &build.drv) {
                continue;
            }
            // Another machine's KVM is not known here.
            let kvm = match (&build.machine, &verdict) {
                (Some(_), _) => None,
                (None, Some(verdict)) => Option::clone(verdict),
                (None, None) => {
                    let found = match kvm::verdict(evaluator.session.interrupt).await {
                        Verdict::Broken(reason) => Some(reason),
                        Verdict::Works | Verdict::Unknown => None,
                    };
                    verdict = Some(found.clone());
                    found
                }
            };
            let log = format!("{}{}", log_command(&evaluator.nix), build.drv);
            reporter.report(Event::Silent {
                drv: &build.drv,
                silence: Silence { kvm, log },
            });
        }
    }
}

/// Whether a derivation asks for KVM. Of one that cannot be read nobody knows.
fn runs_a_machine(evaluator: &Evaluator<'_>, drv: &str) -> bool {
    let read = derivations::read(&evaluator.nix.store, &[drv]);
    let derivation = read.ok().and_then(|read| read.into_iter().next());
    derivation.is_some_and(|derivation| {
        let features = required_features(&derivation);
        features.iter().any(|feature| feature == "kvm")
    })
}
