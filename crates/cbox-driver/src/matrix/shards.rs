//! The install hosts as shards for several machines: each judges some, and `verify-hosts --merge`
//! makes the one verdict of them. What the evaluation of a host cost the last time is its weight.

use std::{num::NonZeroUsize, time::Duration};

use serde::Serialize;

use crate::{
    error::Error, eval::durations::Durations, flake::session::Session, report::seconds,
    text::count, text::elapsed, verify::scope,
};

/// What one machine judges.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shard {
    /// What it is called: its number, from 1.
    pub shard: String,
    /// Its hosts, by name. None of the names holds what a shell or a pattern would read.
    pub hosts: Vec<String>,
    /// How long their evaluations lasted the last time, together; those that were never measured
    /// count as the mean of the others. `None` where none was.
    pub expected_seconds: Option<f64>,
}

impl Shard {
    /// Its hosts as words of a command line.
    pub fn words(&self) -> String {
        self.hosts.join(" ")
    }
}

/// The hosts that a verdict on all of the flake is about, over so many machines; over fewer where
/// there are fewer hosts. Where the flake has no baseline, hosts that are gone since the commit
/// `base`, or since where a pull request began, are among them.
///
/// # Errors
/// When there is no host, or when they cannot be told.
pub async fn shards(
    session: &Session<'_>,
    base: Option<&str>,
    number: NonZeroUsize,
) -> Result<Vec<Shard>, Error> {
    let scope = scope::of_tracked(session, base).await?;
    let durations = Durations::below(&session.environment.cache);
    let flake = &session.project.folder;
    let measured = |host: String| {
        let last = durations.get(flake, &host);
        (host, last)
    };
    let hosts: Vec<_> = scope.hosts.into_iter().map(measured).collect();
    let unknown = hosts.iter().filter(|(_, last)| last.is_none()).count();
    let shards = split(hosts, scope.gone, number);
    let all: usize = shards.iter().map(|shard| shard.hosts.len()).sum();
    let longest = shards.iter().filter_map(|shard| shard.expected_seconds);
    let expected = match longest.reduce(f64::max) {
        Some(longest) => format!(
            ", the longest of about {}",
            elapsed(Duration::from_secs_f64(longest))
        ),
        None => String::new(),
    };
    let unknown = match unknown {
        0 => String::new(),
        number => format!("; {} not measured yet", count(number, "host")),
    };
    let note = format!(
        "{} in {}{expected}{unknown}",
        count(all, "host"),
        count(shards.len(), "shard")
    );
    session.reporter.note(&note);
    Ok(shards)
}

/// What one that was never measured weighs where none was.
const SOME: f64 = 1.0;

/// A shard that is being filled.
#[derive(Default)]
struct Load {
    hosts: Vec<String>,
    seconds: f64,
}

/// Gives each host, the longest first, to the machine with the least to do. `gone` are hosts that
/// are named in the verdict and not evaluated.
fn split(
    hosts: Vec<(String, Option<Duration>)>,
    gone: Vec<String>,
    number: NonZeroUsize,
) -> Vec<Shard> {
    let known: Vec<f64> = hosts
        .iter()
        .filter_map(|(_, last)| Some(last.as_ref()?.as_secs_f64()))
        .collect();
    let is_measured = !known.is_empty();
    let mean = match is_measured {
        true => known.iter().sum::<f64>() / known.len() as f64,
        false => SOME,
    };
    let evaluated = hosts.into_iter().map(|(host, last)| {
        let seconds = last.map_or(mean, |last| last.as_secs_f64());
        (host, seconds)
    });
    let mut all: Vec<(String, f64)> = evaluated
        .chain(gone.into_iter().map(|host| (host, 0.0)))
        .collect();
    all.sort_by(|one, other| {
        let longest_first = other.1.total_cmp(&one.1);
        longest_first.then_with(|| one.0.cmp(&other.0))
    });
    let number = number.get().min(all.len());
    let mut loads: Vec<Load> = Vec::new();
    loads.resize_with(number, Load::default);
    for (host, seconds) in all {
        // Of machines with the same to do the one with fewer hosts: an empty one is found before
        // one whose hosts take no time.
        let least = loads.iter_mut().min_by(|one, other| {
            let by_time = one.seconds.total_cmp(&other.seconds);
            by_time.then_with(|| one.hosts.len().cmp(&other.hosts.len()))
        });
        if let Some(load) = least {
            load.seconds += seconds;
            load.hosts.push(host);
        }
    }
    let shards = loads.into_iter().enumerate().map(|(place, mut load)| {
        load.hosts.sort();
        Shard {
            shard: (place + 1).to_string(),
            hosts: load.hosts,
            expected_seconds: is_measured
                .then(|| seconds(Duration::try_from_secs_f64(load.seconds).unwrap_or_default())),
        }
    });
    shards.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hosts of each shard, of hosts that took so many seconds; 0 stands for never measured.
    fn words(hosts: &[(&str, u64)], gone: &[&str], number: usize) -> Vec<String> {
        let hosts = hosts.iter().map(|(host, seconds)| {
            let last = (*seconds > 0).then(|| Duration::from_secs(*seconds));
            ((*host).to_owned(), last)
        });
        let gone = gone.iter().map(|host| (*host).to_owned()).collect();
        let number = NonZeroUsize::new(number).unwrap();
        let shards = split(hosts.collect(), gone, number);
        let numbers = shards
            .iter()
            .map(|shard| shard.shard.parse::<usize>().unwrap());
        assert!(numbers.eq(1..=shards.len()));
        shards.iter().map(Shard::words).collect()
    }

    #[test]
    fn the_longest_goes_to_whoever_has_least_to_do() {
        let hosts = [("a", 5), ("b", 40), ("c", 10), ("d", 30), ("e", 6)];
        assert_eq!(words(&hosts, &[], 2), ["b e", "a c d"]);
        assert_eq!(words(&hosts, &[], 3), ["b", "d", "a c e"]);
        let mut turned = hosts;
        turned.reverse();
        assert_eq!(words(&turned, &[], 2), words(&hosts, &[], 2));
    }

    #[test]
    fn who_was_never_measured_counts_as_the_mean() {
        // The mean of 10 and 30 is 20.
        assert_eq!(
            words(&[("a", 10), ("b", 30), ("c", 0), ("d", 0)], &[], 2),
            ["a b", "c d"]
        );
        let none = [("a", 0), ("b", 0), ("c", 0), ("d", 0), ("e", 0)];
        assert_eq!(words(&none, &[], 2), ["a c e", "b d"]);
        let shards = split(
            vec![("a".to_owned(), None)],
            vec![],
            NonZeroUsize::new(1).unwrap(),
        );
        assert_eq!(shards[0].expected_seconds, None);
    }

    #[test]
    fn no_shard_is_empty_and_no_host_is_lost() {
        assert_eq!(words(&[("a", 9), ("b", 1)], &[], 5), ["a", "b"]);
        assert_eq!(words(&[("a", 9)], &["x", "y"], 3), ["a", "x", "y"]);
        assert_eq!(words(&[("a", 9)], &["x", "y"], 2), ["a", "x y"]);
        assert_eq!(words(&[], &["x", "y"], 4), ["x", "y"]);
        for number in 1..40 {
            let hosts: Vec<String> = (0..17).map(|host| format!("h{host:02}")).collect();
            let timed: Vec<(&str, u64)> = hosts
                .iter()
                .zip([0, 3, 8, 1].into_iter().cycle())
                .map(|(host, seconds)| (host.as_str(), seconds))
                .collect();
            let shards = words(&timed, &["gone"], number);
            assert_eq!(shards.len(), number.min(18));
            assert!(shards.iter().all(|words| !words.is_empty()));
            let mut all: Vec<&str> = shards.iter().flat_map(|words| words.split(' ')).collect();
            all.sort_unstable();
            let expected: Vec<&str> = std::iter::once("gone")
                .chain(hosts.iter().map(String::as_str))
                .collect();
            assert_eq!(all, expected);
        }
    }
}
