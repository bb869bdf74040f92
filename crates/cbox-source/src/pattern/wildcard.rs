//! The wildcards of a pattern, from the first on: read once, matched in time that grows with
//! pattern times path and no faster, whatever somebody writes into a `.gitignore`.

/// A set of bytes.
type Set = [bool; 256];

/// The wildcards, and what stands among them.
#[derive(Debug, Clone)]
pub(super) struct Wildcards {
    /// `None` for a malformed pattern, which matches nothing.
    steps: Option<Vec<Step>>,
}

#[derive(Debug, Clone)]
enum Step {
    Byte(u8),
    /// One byte of these.
    OneOf(Box<Set>),
    /// Any bytes of one name.
    InName,
    /// Any bytes, through folders.
    InFolders,
    /// The next two, any folders and a slash, can be left out together.
    Optional,
}

impl Wildcards {
    pub(super) fn new(text: &[u8]) -> Self {
        Self { steps: read(text) }
    }

    /// Whether they match the whole of `path`. All places in the pattern that the path can
    /// have led to so far are followed at once.
    pub(super) fn match_whole(&self, path: &[u8]) -> bool {
        let Some(steps) = &self.steps else {
            return false;
        };
        let mut here = vec![false; steps.len() + 1];
        here[0] = true;
        pass_by(steps, &mut here);
        let mut next = here.clone();
        for &byte in path {
            next.fill(false);
            for (at, step) in steps.iter().enumerate().filter(|(at, _)| here[*at]) {
                match step {
                    Step::Byte(wanted) if *wanted == byte => next[at + 1] = true,
                    Step::OneOf(set) if set[usize::from(byte)] => next[at + 1] = true,
                    Step::InName if byte != b'/' => next[at] = true,
                    Step::InFolders => next[at] = true,
                    _ => {}
                }
            }
            if !next.contains(&true) {
                return false;
            }
            pass_by(steps, &mut next);
            std::mem::swap(&mut here, &mut next);
        }
        here[steps.len()]
    }
}

/// Marks the places that are reached without a byte.
fn pass_by(steps: &[Step], here: &mut [bool]) {
    for (at, step) in steps.iter().enumerate() {
        if here[at] {
            match step {
                Step::Byte(_) | Step::OneOf(_) => {}
                Step::InName | Step::InFolders => here[at + 1] = true,
                Step::Optional => {
                    here[at + 1] = true;
                    here[at + 3] = true;
                }
            }
        }
    }
}

fn read(text: &[u8]) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let step = match byte {
            b'\\' => {
                at += 1;
                Step::Byte(*text.get(at)?)
            }
            b'?' => Step::OneOf(Box::new(std::array::from_fn(|byte| {
                byte != usize::from(b'/')
            }))),
            b'[' => {
                let (set, end) = read_set(text, at + 1)?;
                at = end;
                Step::OneOf(Box::new(set))
            }
            b'*' => {
                let start = at;
                while text.get(at + 1) == Some(&b'*') {
                    at += 1;
                }
                let after = &text[at + 1..];
                let begins = start == 0 || text[start - 1] == b'/';
                let ends = after.is_empty() || after.starts_with(b"/") || after.starts_with(b"\\/");
                if at > start && begins && ends {
                    if after.starts_with(b"/") {
                        steps.push(Step::Optional);
                    }
                    Step::InFolders
                } else {
                    Step::InName
                }
            }
            byte => Step::Byte(byte),
        };
        steps.push(step);
        at += 1;
    }
    Some(steps)
}

/// Reads the set whose first byte is at `at`; with the place of its end. A slash is in none.
fn read_set(text: &[u8], mut at: usize) -> Option<(Set, usize)> {
    let mut set = [false; 256];
    let negated = matches!(text.get(at)?, b'!' | b'^');
    at += usize::from(negated);
    // What a range would start with; at first a `]` stands for itself.
    let mut before = None;
    let mut first = true;
    loop {
        let byte = *text.get(at)?;
        match byte {
            b']' if !first => break,
            b'\\' => {
                at += 1;
                let escaped = *text.get(at)?;
                set[usize::from(escaped)] = true;
                before = Some(escaped);
            }
            b'-' if before.is_some() && text.get(at + 1).is_some_and(|next| *next != b']') => {
                at += 1;
                if text[at] == b'\\' {
                    at += 1;
                }
                let last = *text.get(at)?;
                let range = usize::from(before.take()?)..=usize::from(last);
                for within in range {
                    set[within] = true;
                }
            }
            b'[' if text.get(at + 1) == Some(&b':') => {
                let inside = at + 2;
                let end = inside + text[inside..].iter().position(|byte| *byte == b']')?;
                match text[inside..end].strip_suffix(b":") {
                    Some(name) => {
                        let holds = class(name)?;
                        for byte in 0..=u8::MAX {
                            set[usize::from(byte)] |= holds(byte);
                        }
                        at = end;
                        before = None;
                    }
                    // Not closed as a class: a bracket like any other byte.
                    None => {
                        set[usize::from(b'[')] = true;
                        before = Some(b'[');
                    }
                }
            }
            byte => {
                set[usize::from(byte)] = true;
                before = Some(byte);
            }
        }
        first = false;
        at += 1;
    }
    if negated {
        set = set.map(|holds| !holds);
    }
    set[usize::from(b'/')] = false;
    Some((set, at))
}

/// The class of this name, in ASCII; what is blank is as git has it.
fn class(name: &[u8]) -> Option<fn(u8) -> bool> {
    Some(match name {
        b"alnum" => |byte| byte.is_ascii_alphanumeric(),
        b"alpha" => |byte| byte.is_ascii_alphabetic(),
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"cntrl" => |byte| byte.is_ascii_control(),
        b"digit" => |byte| byte.is_ascii_digit(),
        b"graph" => |byte| byte.is_ascii_graphic(),
        b"lower" => |byte| byte.is_ascii_lowercase(),
        b"print" => |byte| matches!(byte, b' '..=b'~'),
        b"punct" => |byte| byte.is_ascii_punctuation(),
        b"space" => |byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'),
        b"upper" => |byte| byte.is_ascii_uppercase(),
        b"xdigit" => |byte| byte.is_ascii_hexdigit(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_git_has_it() {
        for (pattern, path, fits) in [
            ("*", "a", true),
            ("*", "", true),
            ("*", "a/b", false),
            ("**", "a/b", true),
            ("**/b", "b", true),
            ("**/b", "a/c/b", true),
            ("**/b", "ab", false),
            ("x**/b", "xa/c/b", false),
            ("x/**/b", "x/b", true),
            ("[]a]", "]", true),
            ("[!]a]", "]", false),
            ("[a-]", "-", true),
            ("[--0]", ".", true),
            ("[z-a]", "m", false),
            ("[\\]]", "]", true),
            ("[a", "a", false),
            ("[[:alpha:]]", "b", true),
            ("[[:none:]]", "b", false),
            ("[[:alpha]", "h", true),
            ("[!a]", "/", false),
            ("[[:space:]]", "\u{b}", false),
            ("?", "/", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
        ] {
            let wildcards = Wildcards::new(pattern.as_bytes());
            assert_eq!(
                wildcards.match_whole(path.as_bytes()),
                fits,
                "{pattern} {path}"
            );
        }
    }

    #[test]
    fn many_stars_take_no_longer() {
        let pattern = Wildcards::new("*a".repeat(200).as_bytes());
        assert!(!pattern.match_whole("a".repeat(199).as_bytes()));
        assert!(pattern.match_whole("a".repeat(4000).as_bytes()));
    }
}
