//! How far bytes are that go from one place to another.

use std::time::Duration;

use super::{fetches::Counts, rate::Rate};

/// Something that is copied or compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copying {
    /// What is done: `writing to sdb`.
    pub what: String,
    /// What it is a part of: `flashing sdb`.
    pub title: Option<String>,
    /// When it began.
    pub since: Duration,
    /// How far it is.
    pub bytes: Counts,
    rate: Rate,
}

impl Copying {
    /// At the beginning, at the time `now`.
    pub fn begin(what: &str, title: Option<&str>, expected: u64, now: Duration) -> Self {
        let mut rate = Rate::default();
        rate.look(0, now);
        Self {
            what: what.to_owned(),
            title: title.map(str::to_owned),
            since: now,
            bytes: Counts { done: 0, expected },
            rate,
        }
    }

    /// Takes how many bytes are done.
    pub fn look(&mut self, done: u64, now: Duration) {
        self.bytes.done = done;
        self.rate.look(done, now);
    }

    /// How many bytes are done in a second.
    pub fn rate(&self, now: Duration) -> u64 {
        self.rate.in_a_second(self.bytes.done, now)
    }

    /// How long the rest takes at the rate so far; `None` where nobody can say.
    pub fn left(&self, now: Duration) -> Option<Duration> {
        let Counts { done, expected } = self.bytes;
        let left = expected.saturating_sub(done);
        let lasted = now.saturating_sub(self.since);
        let is_known = done > 0 && expected > 0 && lasted >= Duration::from_secs(1);
        is_known.then(|| lasted.mul_f64(left as f64 / done as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn the_rest_takes_as_long_as_what_is_done() {
        let mut copying = Copying::begin("writing to sdb", None, 400, seconds(10));
        assert_eq!(
            (copying.rate(seconds(10)), copying.left(seconds(20))),
            (0, None)
        );
        copying.look(100, seconds(12));
        assert_eq!(copying.rate(seconds(12)), 50);
        assert_eq!(copying.left(seconds(12)), Some(seconds(6)));
        copying.look(400, seconds(18));
        assert_eq!(copying.left(seconds(18)), Some(seconds(0)));
    }
}
