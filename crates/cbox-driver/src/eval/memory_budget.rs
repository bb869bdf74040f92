//! How many evaluations go side by side, how large a heap each starts with, and what an
//! evaluation looks like that died for want of memory.
//!
//! Nix's collector stops everything again and again while its heap grows. One that starts
//! large is collected less: on a real NixOS host that saves a third of the time and costs
//! memory. A small evaluation never touches what it does not need, so that a large heap
//! costs it nothing. The figures in [`ROWS`] were measured on such a host with Nix 2.26.

use std::num::NonZeroUsize;

const MIB: u64 = 1 << 20;

/// What is left to all else that runs on the machine.
const RESERVE: u64 = 256 * MIB;

/// One way to evaluate a host.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// The heap that it starts with; `None` is Nix's own choice.
    heap: Option<u64>,
    /// The memory that it takes, with room for hosts larger than the one measured.
    need: u64,
    /// The time that it takes, against the others.
    time: u64,
}

/// From the least memory to the most. A heap beyond the last one saves nothing more.
const ROWS: [Row; 3] = [
    Row {
        heap: None,
        need: 1536 * MIB,
        time: 100,
    },
    Row {
        heap: Some(1024 * MIB),
        need: 1792 * MIB,
        time: 75,
    },
    Row {
        heap: Some(2048 * MIB),
        need: 2304 * MIB,
        time: 65,
    },
];

/// What an evaluation of a real host takes at least, in bytes.
pub const LEAST_NEED: u64 = ROWS[0].need;

/// What the share depends on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given {
    /// How many evaluations there are.
    pub evaluations: usize,
    /// How many processors this process may use.
    pub cores: usize,
    /// The memory that is free, in bytes, where it is known.
    pub available: Option<u64>,
    /// `--jobs`: takes the place of what cores and free memory allow.
    pub jobs: Option<NonZeroUsize>,
    /// `--max-memory`, in bytes: what all evaluations together may take.
    pub max_memory: Option<u64>,
    /// Whether the user has set the heap, so that it is not to be chosen.
    pub heap_is_set: bool,
}

/// How evaluations share the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// How many go at once: one or more.
    pub at_once: usize,
    /// The heap that each starts with, in bytes; `None` leaves it to Nix.
    pub heap: Option<u64>,
}

/// Shares the machine so that all evaluations are done soonest: each row of [`ROWS`] allows
/// so many at once, which makes so many rounds of so long.
#[must_use]
pub fn share(given: &Given) -> Share {
    let free = given.available.map(|free| free.saturating_sub(RESERVE));
    let budget = match (free, given.max_memory) {
        (Some(free), Some(most)) => Some(free.min(most)),
        (free, most) => free.or(most),
    };
    let evaluations = given.evaluations.max(1);
    // How many of `need` fit into `memory`; one has to, whatever it holds.
    let fit = |memory: Option<u64>, need: u64| match memory {
        Some(memory) => usize::try_from(memory / need).unwrap_or(usize::MAX).max(1),
        None => usize::MAX,
    };
    if given.heap_is_set {
        // It may be as large as it helps.
        let need = ROWS[ROWS.len() - 1].need;
        let at_once = match given.jobs {
            Some(jobs) => jobs.get().min(fit(given.max_memory, need)),
            None => given.cores.max(1).min(fit(budget, need)),
        };
        return Share {
            at_once: at_once.min(evaluations),
            heap: None,
        };
    }
    // Without knowing what is free, only the least is taken.
    let affordable = |row: &Row, at_once: usize| {
        row.heap.is_none()
            || budget.is_some_and(|budget| row.need.saturating_mul(at_once as u64) <= budget)
    };
    if let Some(jobs) = given.jobs {
        let at_once = jobs
            .get()
            .min(fit(given.max_memory, LEAST_NEED))
            .min(evaluations);
        let largest = ROWS.iter().rev().find(|row| affordable(row, at_once));
        return Share {
            at_once,
            heap: largest.and_then(|row| row.heap),
        };
    }
    let ways = ROWS.iter().map(|row| {
        let at_once = given.cores.max(1).min(fit(budget, row.need));
        (row, at_once.min(evaluations))
    });
    let soonest = ways
        .filter(|(row, at_once)| affordable(row, *at_once))
        .min_by_key(|(row, at_once)| row.time * evaluations.div_ceil(*at_once) as u64);
    Share {
        at_once: soonest.map_or(1, |(_, at_once)| at_once),
        heap: soonest.and_then(|(row, _)| row.heap),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn shared(evaluations: usize, cores: usize, gib_free: f64) -> (usize, Option<u64>) {
        let share = share(&Given {
            evaluations,
            cores,
            available: Some((gib_free * GIB as f64) as u64),
            ..Given::default()
        });
        (share.at_once, share.heap.map(|heap| heap / GIB))
    }

    #[test]
    fn cores_and_free_memory_decide() {
        for (evaluations, cores, free, at_once, heap) in [
            // Nothing is free, and still it is tried.
            (1, 8, 0.0, 1, None),
            (5, 8, 1.0, 1, None),
            // One alone gets what helps it.
            (1, 8, 2.1, 1, Some(1)),
            (1, 8, 3.0, 1, Some(2)),
            (1, 1, 64.0, 1, Some(2)),
            // Two at once are sooner than one with a large heap ...
            (2, 2, 3.3, 2, None),
            (2, 2, 4.0, 2, Some(1)),
            (2, 2, 5.0, 2, Some(2)),
            // ... and three that need two rounds anyway are not.
            (3, 8, 5.0, 3, None),
            (4, 8, 5.0, 2, Some(2)),
            // Cores bound it where memory does not.
            (9, 4, 64.0, 4, Some(2)),
            (3, 16, 64.0, 3, Some(2)),
            (0, 0, 64.0, 1, Some(2)),
        ] {
            assert_eq!(
                shared(evaluations, cores, free),
                (at_once, heap),
                "{evaluations} on {cores} cores with {free} GiB"
            );
        }
    }

    #[test]
    fn memory_that_is_not_known_is_not_relied_on() {
        let given = Given {
            evaluations: 4,
            cores: 2,
            ..Given::default()
        };
        assert_eq!(
            share(&given),
            Share {
                at_once: 2,
                heap: None
            }
        );
    }

    #[test]
    fn the_user_decides_the_number() {
        let given = |jobs, max_memory, available| Given {
            evaluations: 8,
            cores: 2,
            available: Some(available),
            jobs: NonZeroUsize::new(jobs),
            max_memory,
            heap_is_set: false,
        };
        let check = |given: &Given, at_once, heap| {
            let wanted = Share {
                at_once,
                heap: Option::map(heap, |gib: u64| gib * GIB),
            };
            assert_eq!(share(given), wanted, "{given:?}");
        };
        check(&given(1, None, 64 * GIB), 1, Some(2));
        check(&given(4, None, 64 * GIB), 4, Some(2));
        check(&given(4, None, 2 * GIB), 4, None);
        check(&given(99, None, 64 * GIB), 8, Some(2));
        check(&given(4, Some(GIB), 64 * GIB), 1, None);
        check(&given(4, Some(4 * GIB), 64 * GIB), 2, Some(1));
        check(&given(4, Some(64 * GIB), 8 * GIB), 4, Some(1));
        // Without `--jobs`.
        check(&given(0, Some(GIB), 64 * GIB), 1, None);
        check(&given(0, Some(4 * GIB), 64 * GIB), 2, Some(1));
        check(&given(0, Some(64 * GIB), 2 * GIB), 1, Some(1));
        check(&given(0, Some(64 * GIB), 3 * GIB), 1, Some(2));
    }

    #[test]
    fn a_heap_that_the_user_set_counts_as_the_largest() {
        let given = Given {
            evaluations: 8,
            cores: 8,
            available: Some(5 * GIB),
            heap_is_set: true,
            ..Given::default()
        };
        let wanted = |at_once| Share {
            at_once,
            heap: None,
        };
        assert_eq!(share(&given), wanted(2));
        let jobs = NonZeroUsize::new(3);
        assert_eq!(share(&Given { jobs, ..given }), wanted(3));
    }
}
