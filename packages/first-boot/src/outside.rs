//! What a template needs that is not on this machine, or not yet: whether it is there, and whether an
//! import failed for lack of it.

use crate::failure::Result;
use crate::programs;

/// What Terraform, and the providers on their first call, say when something outside is not there
/// yet. Anything else is the template's own fault.
const NOT_THERE_YET: [&str; 13] = [
    "no such host",
    "network is unreachable",
    "no route to host",
    "connection refused",
    "connection reset",
    "i/o timeout",
    "handshake timeout",
    "deadline exceeded",
    "could not connect to",
    "failed to request discovery document",
    "cannot connect to the docker daemon",
    "temporary failure in name resolution",
    "refers to an invalid path",
];

/// Whether this address gives an answer, whatever it is. curl knows the proxies and certificates of
/// this machine.
pub(crate) fn answers(url: &str) -> Result<bool> {
    let mut arguments = vec!["--disable", "--silent", "--output", "/dev/null"];
    arguments.extend(["--connect-timeout", "5", "--max-time", "15", url]);
    Ok(programs::run("curl", &arguments, "")?.is_some())
}

/// Whether this is what Terraform says then.
pub(crate) fn is_missing(text: &str) -> bool {
    // It breaks its sentences at 78 columns, and draws a line beside them.
    let words = text.split(|letter: char| letter.is_whitespace() || letter == '│');
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    let text = words.join(" ").to_lowercase();
    NOT_THERE_YET.iter().any(|reason| text.contains(reason))
}

#[cfg(test)]
mod tests {
    use super::is_missing;

    #[test]
    fn sentences_that_terraform_broke() {
        assert!(is_missing(
            "│ Error: could not\n│ connect to x: Failed to\n│\n│ request discovery"
        ));
        assert!(is_missing("dial tcp: lookup x: No such\n\u{2502} host"));
        assert!(!is_missing("Error: Reference to undeclared resource"));
        assert!(!is_missing(""));
    }
}
