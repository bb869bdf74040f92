//! Inputs made of others: at random, and the same for the same seed.

use std::collections::HashSet;

/// What changes inputs, and keeps those that are worth changing further.
pub(crate) struct Mutator {
    random: fastrand::Rng,
    seeds: Vec<Vec<u8>>,
    kept: Vec<Vec<u8>>,
    known: HashSet<u64>,
    words: &'static [&'static [u8]],
    first: usize,
}

impl Mutator {
    pub(crate) fn new(seed: u64, seeds: Vec<Vec<u8>>, words: &'static [&'static [u8]]) -> Self {
        assert!(!seeds.is_empty(), "a target has inputs to begin with");
        Self {
            random: fastrand::Rng::with_seed(seed),
            seeds,
            kept: vec![],
            known: HashSet::new(),
            words,
            first: 0,
        }
    }

    /// The next input: every seed as it is, and then changed ones.
    pub(crate) fn next(&mut self, largest: usize, most: usize) -> Vec<u8> {
        if let Some(seed) = self.seeds.get(self.first) {
            self.first += 1;
            return seed.clone();
        }
        if self.kept.len() > most {
            let keep = self.random.usize(..self.kept.len() / 2);
            self.kept.drain(..=keep);
        }
        let mut input = self.one_of_all();
        for _ in 0..1 << self.random.u8(..5) {
            self.change(&mut input);
            input.truncate(largest);
        }
        input
    }

    /// Keeps `input` if nothing was answered like this before.
    pub(crate) fn learn(&mut self, answer: u64, input: Vec<u8>) {
        if self.known.insert(answer) {
            self.kept.push(input);
        }
    }

    fn one_of_all(&mut self) -> Vec<u8> {
        let all = self.seeds.len() + self.kept.len();
        let number = self.random.usize(..all);
        let from_seeds = self.seeds.get(number);
        from_seeds
            .unwrap_or_else(|| &self.kept[number - self.seeds.len()])
            .clone()
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let random = &mut self.random;
        let at = random.usize(..=input.len());
        let range = |random: &mut fastrand::Rng, input: &[u8]| {
            let start = random.usize(..=input.len());
            let longest = (input.len() - start).min(1 << random.u8(..14));
            start..start + random.usize(..=longest)
        };
        match random.u8(..13) {
            // A bit, a byte, a number of another size.
            0 if at < input.len() => input[at] ^= 1 << random.u8(..8),
            1 if at < input.len() => input[at] = random.u8(..),
            2 if at + 4 <= input.len() => {
                let number = [0_u32, 1, 0x7f, 0xff, 0x7fff_ffff, u32::MAX, 0x8000_0000];
                let number = number[random.usize(..number.len())];
                let bytes = if random.bool() {
                    number.to_le_bytes()
                } else {
                    number.to_be_bytes()
                };
                input[at..at + 4].copy_from_slice(&bytes);
            }
            3 => input.insert(at, random.u8(..)),
            4 => {
                let gone = range(random, input);
                input.drain(gone);
            }
            5 => input.truncate(at),
            // The same again, once or many times.
            6 => {
                let again = range(random, input);
                let again = input[again].to_vec();
                let times = 1 << random.u8(..if again.len() > 64 { 3 } else { 12 });
                let again = again.repeat(times);
                input.splice(at..at, again);
            }
            // A part of another.
            7 => {
                let other = self.one_of_all();
                let part = range(&mut self.random, &other);
                let end = (at + self.random.usize(..=part.len())).min(input.len());
                input.splice(at..end, other[part].iter().copied());
            }
            // A word that the format knows, or one that none does.
            8 | 9 if !self.words.is_empty() => {
                let word = self.words[random.usize(..self.words.len())];
                let end = if random.bool() {
                    at
                } else {
                    (at + word.len()).min(input.len())
                };
                input.splice(at..end, word.iter().copied());
            }
            10 => {
                const ANY: [&[u8]; 16] = [
                    b"\0",
                    b"\xff",
                    b"\xf0\x9f\xa6\x80",
                    b"\xe2\x80\xae",
                    b"\xc2\x9b",
                    b"\x1b[",
                    b"\r\n",
                    b"-1",
                    b"18446744073709551616",
                    b"1e999",
                    b"..",
                    b"//",
                    b"\\",
                    b"\"",
                    b"%",
                    b"\xed\xa0\x80",
                ];
                let word = ANY[random.usize(..ANY.len())];
                input.splice(at..at, word.iter().copied());
            }
            // One in the other, and that in the next.
            11 => {
                const PAIRS: [(&[u8], &[u8]); 7] = [
                    (b"[", b"]"),
                    (b"{\"a\":", b"}"),
                    (b"(", b")"),
                    (b"submenu x {\n", b"}\n"),
                    (b"MENU BEGIN\n", b"MENU END\n"),
                    (b"if x\n", b"fi\n"),
                    (b"a = { ", b" }"),
                ];
                let (open, close) = PAIRS[random.usize(..PAIRS.len())];
                let times = 1 << random.u8(..13);
                let middle = range(random, input);
                let inside = [
                    open.repeat(times),
                    input[middle.clone()].to_vec(),
                    close.repeat(times),
                ];
                input.splice(middle, inside.concat());
            }
            // What opens often and never closes.
            _ => {
                const OPEN: [&[u8]; 8] =
                    [b"[", b"{\"a\":", b"(", b"{", b"[[", b"a.", b"\\\"", b"*"];
                let word = OPEN[random.usize(..OPEN.len())];
                let times = 1 << random.u8(..14);
                input.splice(at..at, word.repeat(times));
            }
        }
    }
}
