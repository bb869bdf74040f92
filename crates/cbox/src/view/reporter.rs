//! What the driver says, shown on the view.

use std::time::Duration;

use cbox_driver::{
    Error,
    build::silence::Silence,
    links::run_log::RunLog,
    progress::{builds::Build, evaluations::Evaluations},
    reporter::Reporter,
};
use cbox_nix::events::Event;

use super::View;

impl Reporter for View {
    fn doing(&self, text: &str) {
        self.doing(text);
    }

    fn briefly(&self, text: &str) {
        self.briefly(text);
    }

    fn waiting(&self, text: &str) {
        self.waiting(text);
    }

    fn note(&self, text: &str) {
        self.note(text);
    }

    fn aside(&self, text: &str) {
        self.aside(text);
    }

    fn warn(&self, text: &str) {
        self.warn(text);
    }

    fn annotate(&self, error: &Error) {
        self.annotate(error);
    }

    fn evaluation_began(&self, all: &mut Evaluations, name: &str, last: Option<Duration>) {
        self.evaluation_began(all, name, last);
    }

    fn evaluation_ended(
        &self,
        all: &mut Evaluations,
        name: &str,
        outcome: Result<(), bool>,
    ) -> Duration {
        self.evaluation_ended(all, name, outcome)
    }

    fn copy_began(&self, title: &str, text: &str, expected: u64) {
        self.copy_began(title, text, expected);
    }

    fn copied(&self, done: u64) {
        self.copied(done);
    }

    fn copy_ended(&self, done: Option<&str>) {
        self.copy_ended(done);
    }

    fn building(&self, what: &str, log: Option<RunLog>) {
        self.building(what, log);
    }

    fn build_event(&self, event: &Event) {
        self.build_event(event);
    }

    fn silent_builds(&self) -> Vec<Build> {
        self.silent_builds()
    }

    fn explain_silence(&self, drv: &str, silence: &Silence) {
        self.explain_silence(drv, silence);
    }

    fn built(&self) {
        self.built();
    }
}
