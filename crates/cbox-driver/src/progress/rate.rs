//! How fast a number of bytes grows.

use std::{collections::VecDeque, time::Duration};

/// The rate is that of this long a time.
const WINDOW: Duration = Duration::from_secs(5);

/// The least time between two looks at the number.
const STEP: Duration = Duration::from_millis(250);

/// The number at moments of the last seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rate(VecDeque<(Duration, u64)>);

impl Rate {
    /// Takes the number at this moment.
    pub(super) fn look(&mut self, bytes: u64, now: Duration) {
        let is_due = |(last, _): &(Duration, u64)| now.saturating_sub(*last) >= STEP;
        if self.0.back().is_none_or(is_due) {
            self.0.push_back((now, bytes));
            // One moment before the window stays, to measure from.
            while self
                .0
                .get(1)
                .is_some_and(|(time, _)| now.saturating_sub(*time) >= WINDOW)
            {
                self.0.pop_front();
            }
        }
    }

    /// By how much it grows in a second.
    pub(super) fn in_a_second(&self, bytes: u64, now: Duration) -> u64 {
        let before = self
            .0
            .iter()
            .rev()
            .find(|(time, _)| now.saturating_sub(*time) >= WINDOW)
            .or(self.0.front());
        before.map_or(0, |(time, before)| {
            let lasted = now.saturating_sub(*time).as_millis().max(1);
            let came = u128::from(bytes.saturating_sub(*before));
            u64::try_from(came.saturating_mul(1000) / lasted).unwrap_or(u64::MAX)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_seconds_count() {
        let mut rate = Rate::default();
        let at = Duration::from_millis;
        for step in 1..=80 {
            rate.look(step * 250, at(step * 250));
        }
        assert_eq!(rate.in_a_second(20_000, at(20_000)), 1000);
        // Nothing comes any more.
        assert!((100..900).contains(&rate.in_a_second(20_000, at(23_000))));
        assert_eq!(rate.in_a_second(20_000, at(60_000)), 0);
        assert!(rate.0.len() < 30);
    }
}
