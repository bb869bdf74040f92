//! Which lines of a Nix file document an option: the values there are examples.

/// What documents an option, among the arguments of `mkOption`.
const DOCUMENTS: [&str; 3] = ["example", "description", "defaultText"];

/// How many lines above its end a text that documents an option can begin.
const LONGEST: usize = 200;

/// Whether line `number`, from 1, stands in `example = …`, `description = …` or
/// `defaultText = …` of an option. It goes by how the lines are indented, as formatters do it:
/// where that tells nothing, nothing is an example.
pub(super) fn documents_option(lines: &[&[u8]], number: usize) -> bool {
    let Some((line, above)) = lines.get(..number).and_then(<[_]>::split_last) else {
        return false;
    };
    let mut is_documentation = begins_documentation(line);
    let mut depth = indent(line);
    for line in above.iter().rev().take(LONGEST) {
        let is_blank = line.iter().all(u8::is_ascii_whitespace);
        if is_blank || indent(line) >= depth {
            continue;
        }
        if is_documentation {
            return memchr::memmem::find(line, b"mkOption").is_some();
        }
        is_documentation = begins_documentation(line);
        depth = indent(line);
    }
    false
}

fn indent(line: &[u8]) -> usize {
    line.iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count()
}

fn begins_documentation(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    DOCUMENTS.iter().any(|name| {
        let rest = line.strip_prefix(name.as_bytes());
        rest.is_some_and(|rest| rest.trim_ascii_start().starts_with(b"="))
    })
}
