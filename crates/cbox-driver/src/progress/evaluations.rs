//! The evaluations that run at a moment.

use std::time::Duration;

/// One evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// The name of the host or the target.
    pub name: String,
    /// When it began.
    pub since: Duration,
    /// How long it lasted the last time.
    pub last: Option<Duration>,
}

/// All evaluations of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evaluations {
    /// Those that run, in the order in which they began.
    pub running: Vec<Evaluation>,
    /// How many are done.
    pub done: usize,
    /// How many there are.
    pub all: usize,
}

impl Evaluations {
    /// So many more are to come; what is over does not count with them.
    pub fn expect(&mut self, number: usize) {
        if self.running.is_empty() {
            *self = Self::default();
        }
        self.all += number;
    }

    /// One begins.
    pub fn begin(&mut self, name: &str, last: Option<Duration>, now: Duration) -> Evaluation {
        let evaluation = Evaluation {
            name: name.to_owned(),
            since: now,
            last,
        };
        self.running.push(evaluation.clone());
        evaluation
    }

    /// One ends, well or not.
    pub fn end(&mut self, name: &str) -> Option<Evaluation> {
        let place = self.running.iter().position(|one| one.name == name)?;
        self.done += 1;
        Some(self.running.remove(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluations_begin_and_end() {
        let mut all = Evaluations::default();
        all.expect(2);
        let last = Some(Duration::from_secs(9));
        all.begin("a", last, Duration::from_secs(1));
        all.begin("b", None, Duration::from_secs(2));
        assert_eq!(all.end("a").unwrap().last, last);
        assert_eq!(all.end("a"), None);
        assert_eq!((all.running.len(), all.done, all.all), (1, 1, 2));
        all.expect(1);
        assert_eq!((all.done, all.all), (1, 3));
        all.end("b");
        all.expect(4);
        assert_eq!((all.running.len(), all.done, all.all), (0, 0, 4));
    }
}
