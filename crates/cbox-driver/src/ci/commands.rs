//! Text beside which a CI system looks for commands: none of it is one.
//!
//! A log is read by whichever system runs the job, also by one that cbox does not know
//! otherwise, and by people who pipe it there. So the commands of all of them are defused
//! everywhere, by a blank before the character that would complete one.
//!
//! Sources: GitHub's, Azure's and TeamCity's documentation of "workflow commands", "logging
//! commands" and "service messages".

use std::borrow::Cow;

use super::SYSTEMS;

/// Whether `next` behind `line` makes a command of it, for some system.
fn completes(line: &str, next: char) -> bool {
    let is_known = || {
        let mut systems = SYSTEMS.iter();
        systems.any(|system| system.completes_command(line, next))
    };
    match next {
        // Azure Pipelines and TeamCity: `##vso[task.…]`, `##teamcity[…]`.
        '[' => line
            .trim_end_matches(|one: char| one.is_ascii_alphabetic())
            .ends_with("##"),
        // Travis CI.
        ':' if line.ends_with("travis_fold") => true,
        _ => is_known(),
    }
}

/// `text` as it may stand where a CI system reads along: nothing in it is obeyed.
#[must_use]
pub fn defused(text: &str) -> Cow<'_, str> {
    let words = ["::", "##", "section_", "travis_"];
    if !words.iter().any(|word| text.contains(word)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(Defuser::default().defused(text))
}

/// The same for text that comes in pieces.
#[derive(Debug, Default)]
pub struct Defuser {
    /// The end of the line that has no end yet, as it was passed on.
    line: String,
}

/// How much of a line is looked at: what begins behind more blanks is not seen as a command.
const LOOKED_AT: usize = 4096;

impl Defuser {
    /// The next piece, defused.
    pub fn defused(&mut self, piece: &str) -> String {
        let mut defused = String::with_capacity(piece.len() + 1);
        for next in piece.chars() {
            if matches!(next, ':' | '[') && completes(&self.line, next) {
                self.line.push(' ');
                defused.push(' ');
            }
            defused.push(next);
            if next == '\n' {
                self.line.clear();
                continue;
            }
            if self.line.len() >= LOOKED_AT {
                let kept = self.line.ceil_char_boundary(LOOKED_AT / 2);
                // Whatever follows is not at the beginning of the line.
                self.line.replace_range(..kept, ".");
            }
            self.line.push(next);
        }
        defused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_a_command_for_any_system() {
        for (text, harmless) in [
            ("a\n::error::b", "a\n: :error::b"),
            ("  ::add-mask::x", "  : :add-mask::x"),
            (":::x", ": ::x"),
            ("x> ##[add-path]y", "x> ## [add-path]y"),
            ("a##vso[task.setvariable]", "a##vso [task.setvariable]"),
            ("##teamcity[x]", "##teamcity [x]"),
            (
                "section_start:1:a\nx section_end:1:a",
                "section_start :1:a\nx section_end :1:a",
            ),
            (
                "a::b ## c [d] #[e] ##1[f] x:y",
                "a::b ## c [d] #[e] ##1[f] x:y",
            ),
        ] {
            assert_eq!(defused(text), harmless);
            let mut defuser = Defuser::default();
            let pieces = text.chars().map(|one| defuser.defused(&one.to_string()));
            assert_eq!(pieces.collect::<String>(), harmless);
        }
    }

    #[test]
    fn a_long_line_is_looked_at_in_bounded_memory() {
        let mut defuser = Defuser::default();
        for _ in 0..1000 {
            defuser.defused(&"é ".repeat(1000));
        }
        assert!(defuser.line.len() <= LOOKED_AT + 4);
        assert_eq!(defuser.defused("::x ##[y"), "::x ## [y");
    }
}
