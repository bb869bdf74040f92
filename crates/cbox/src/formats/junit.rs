//! Results as JUnit's XML, which CI systems show beside a change: GitLab, Jenkins, Azure.
//!
//! Sources: junit-10.xsd of Jenkins' xUnit plugin, and GitLab's "Unit test reports": GitLab shows
//! the text of a failure and not its message, takes the class for the suite, and reads the
//! attribute `file`, which the schema does not have. XML 1.0, 2.2 ("Characters") and 3.3.3
//! ("Attribute-Value Normalization").

mod cases;

use std::time::Duration;

use cbox_driver::text::{bounded, harmless_lines, utc};

pub(crate) use self::cases::{budgets, built, reproduced, self_test, verdicts};

/// What such a file begins with.
pub(crate) const BEGINNING: &str =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"cbox\"";

/// One thing that was tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    /// Its name, which no other case of the run has.
    pub(crate) name: String,
    /// The file of the repository that it is about, if there is such.
    pub(crate) file: Option<String>,
    /// How long it took, where that is known.
    pub(crate) lasted: Option<Duration>,
    pub(crate) outcome: Outcome,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// It is not as it should be.
    Failed(Reason),
    /// It could not be found out.
    Errored(Reason),
    /// It was left out, for this reason.
    Skipped(String),
}

/// Why something did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason {
    /// The kind, in a word.
    pub(crate) kind: String,
    /// In a line.
    pub(crate) message: String,
    /// All of it.
    pub(crate) text: String,
}

impl Case {
    pub(crate) fn new(name: impl Into<String>, outcome: Outcome) -> Self {
        Self {
            name: name.into(),
            file: None,
            lasted: None,
            outcome,
        }
    }

    /// Whether it did not pass.
    pub(crate) fn is_bad(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_) | Outcome::Errored(_))
    }
}

/// A run.
#[derive(Debug)]
pub(crate) struct Suite<'s> {
    /// What ran: `cbox verify-hosts`.
    pub(crate) name: &'s str,
    /// When it began, since 1970.
    pub(crate) began: Duration,
    /// How long it took.
    pub(crate) lasted: Duration,
    pub(crate) cases: &'s [Case],
}

/// The document.
pub(crate) fn document(suite: &Suite<'_>) -> String {
    let count = |is_it: fn(&Outcome) -> bool| {
        let cases = suite.cases.iter();
        cases
            .filter(|case| is_it(&case.outcome))
            .count()
            .to_string()
    };
    let tests = suite.cases.len().to_string();
    let failures = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let errors = count(|outcome| matches!(outcome, Outcome::Errored(_)));
    let skipped = count(|outcome| matches!(outcome, Outcome::Skipped(_)));
    let lasted = seconds(suite.lasted);
    let began = utc::rfc3339(suite.began.as_secs());
    let totals = [
        ("tests", tests.as_str()),
        ("failures", &failures),
        ("errors", &errors),
        ("time", &lasted),
    ];
    let of_suite = [
        ("name", suite.name),
        ("skipped", &skipped),
        // Without a zone, as those have it who read it: it is UTC.
        ("timestamp", began.trim_end_matches('Z')),
    ];
    let mut xml = BEGINNING.to_owned();
    xml.push_str(&format!("{}>\n", attributes(&totals)));
    let all = [attributes(&of_suite), attributes(&totals)].concat();
    xml.push_str(&format!("  <testsuite{all}>\n"));
    for case in suite.cases {
        xml.push_str(&element(case, suite.name));
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

fn element(case: &Case, class: &str) -> String {
    let lasted = case.lasted.map(seconds);
    let mut names = vec![("classname", class), ("name", &*case.name)];
    names.extend(case.file.as_deref().map(|file| ("file", file)));
    names.extend(lasted.as_deref().map(|lasted| ("time", lasted)));
    let start = format!("    <testcase{}", attributes(&names));
    let (word, reason) = match &case.outcome {
        Outcome::Passed => return format!("{start}/>\n"),
        Outcome::Skipped(reason) => {
            let message = attributes(&[("message", reason.as_str())]);
            let text = escaped(reason, false);
            return format!(
                "{start}>\n      <skipped{message}>{text}</skipped>\n    </testcase>\n"
            );
        }
        Outcome::Failed(reason) => ("failure", reason),
        Outcome::Errored(reason) => ("error", reason),
    };
    let Reason {
        kind,
        message,
        text,
    } = reason;
    let names = attributes(&[("type", kind.as_str()), ("message", message)]);
    let text = escaped(text, false);
    format!("{start}>\n      <{word}{names}>{text}</{word}>\n    </testcase>\n")
}

/// A time in seconds, which the schema wants without an exponent.
fn seconds(time: Duration) -> String {
    format!("{}.{:03}", time.as_secs(), time.subsec_millis())
}

fn attributes(all: &[(&str, &str)]) -> String {
    let all = all.iter();
    all.map(|(name, value)| format!(" {name}=\"{}\"", escaped(value, true)))
        .collect()
}

/// `text` behind the gate, as XML. What XML cannot hold, the gate has written out already but for
/// two characters that are none.
fn escaped(text: &str, in_attribute: bool) -> String {
    let mut xml = String::with_capacity(text.len() + 8);
    for character in harmless_lines(&bounded(text)).chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' if in_attribute => xml.push_str("&quot;"),
            // As they are, they would become blanks.
            '\n' if in_attribute => xml.push_str("&#10;"),
            '\t' if in_attribute => xml.push_str("&#9;"),
            '\u{fffe}' | '\u{ffff}' => xml.push('\u{fffd}'),
            _ => xml.push(character),
        }
    }
    xml
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> Reason {
        Reason {
            kind: "changed".to_owned(),
            message: text.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_document_counts_what_it_holds() {
        let cases = [
            Case {
                lasted: Some(Duration::from_millis(61_005)),
                ..Case::new("a", Outcome::Passed)
            },
            Case {
                file: Some("hosts/b/default.nix".to_owned()),
                ..Case::new("b", Outcome::Failed(reason("1 < 2\n& \"so\"")))
            },
            Case::new("c", Outcome::Errored(reason("]]>"))),
            Case::new("d", Outcome::Skipped("no budget".to_owned())),
        ];
        let xml = document(&Suite {
            name: "cbox verify-hosts",
            began: Duration::from_secs(1_769_336_100),
            lasted: Duration::from_millis(2500),
            cases: &cases,
        });
        insta::assert_snapshot!(xml, @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="cbox" tests="4" failures="1" errors="1" time="2.500">
          <testsuite name="cbox verify-hosts" skipped="1" timestamp="2026-01-25T10:15:00" tests="4" failures="1" errors="1" time="2.500">
            <testcase classname="cbox verify-hosts" name="a" time="61.005"/>
            <testcase classname="cbox verify-hosts" name="b" file="hosts/b/default.nix">
              <failure type="changed" message="1 &lt; 2&#10;&amp; &quot;so&quot;">1 &lt; 2
        &amp; "so"</failure>
            </testcase>
            <testcase classname="cbox verify-hosts" name="c">
              <error type="changed" message="]]&gt;">]]&gt;</error>
            </testcase>
            <testcase classname="cbox verify-hosts" name="d">
              <skipped message="no budget">no budget</skipped>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }

    proptest::proptest! {
        /// A parser that others wrote reads what was written, whatever it is.
        #[test]
        fn a_parser_reads_what_was_written(
            name in ".*",
            text in "(?s)(.|\n|\t|<!\\[CDATA\\[|\\]\\]>|&#0;|&lt;|<!--|\\?>|\u{fffe}|\u{ffff}|\u{1b}){0,40}",
        ) {
            let case = Case {
                file: Some(text.clone()),
                ..Case::new(&name, Outcome::Failed(reason(&text)))
            };
            let xml = document(&Suite {
                name: &name,
                began: Duration::ZERO,
                lasted: Duration::ZERO,
                cases: &[case],
            });
            let parsed = roxmltree::Document::parse(&xml).unwrap();
            let expected = |text: &str| {
                harmless_lines(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
            };
            let of = |tag: &str| parsed.descendants().find(|node| node.has_tag_name(tag)).unwrap();
            let (case, failure) = (of("testcase"), of("failure"));
            proptest::prop_assert_eq!(of("testsuite").attribute("name").unwrap(), expected(&name));
            proptest::prop_assert_eq!(case.attribute("name").unwrap(), expected(&name));
            proptest::prop_assert_eq!(case.attribute("file").unwrap(), expected(&text));
            proptest::prop_assert_eq!(failure.attribute("message").unwrap(), expected(&text));
            proptest::prop_assert_eq!(failure.text().unwrap_or_default(), expected(&text));
        }
    }

    /// XML 1.0 of the W3C, production 2.
    fn is_xml(character: char) -> bool {
        matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
    }

    #[test]
    fn no_character_makes_it_another_document() {
        for character in '\0'..=char::MAX {
            let text = character.to_string();
            for in_attribute in [false, true] {
                let xml = escaped(&text, in_attribute);
                assert!(xml.chars().all(is_xml), "{character:?}: {xml:?}");
                let is_markup = xml.contains(['<', '>', '"']) && (in_attribute || character != '"');
                assert!(!is_markup, "{character:?}: {xml:?}");
            }
        }
    }
}
