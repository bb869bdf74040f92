//! GitLab CI, and all that cbox knows of it.
//!
//! Sources: GitLab's documentation, "Predefined CI/CD variables", "CI/CD job logs" (custom
//! collapsible sections), "Downstream pipelines" (dynamic child pipelines), "CI/CD YAML syntax
//! reference" and "Application limits"; lib/gitlab/regex.rb and lib/gitlab/ci/ansi2json, which
//! read its logs.

use serde_json::{Map, Value, json};

use super::{CiSystem, Group, Job, Line, MatrixJob, defused, gated};
use crate::{
    error::{Error, Kind},
    matrix::shards::Shard,
    text::size,
};

/// The job that all jobs of a matrix extend. It is the user's own.
const EXTENDED: &str = ".cbox-build";

/// The job that all jobs extend which judge hosts. It is the user's own too.
const EXTENDED_BY_SHARDS: &str = ".cbox-verify";

/// How long the name of a job can be.
const LONGEST_NAME: usize = 255;

/// How large a file of a pipeline can be, unless somebody changed that: 2 MB.
const LARGEST_FILE: usize = 2 << 20;

/// The most of a title in the name of a section.
const NAME: usize = 40;

/// What GitLab looks for behind a mark, and what takes the mark off the line.
const ERASE: &str = "\u{1b}[0K";

/// GitLab CI.
#[derive(Debug)]
pub(super) struct GitLab;

impl CiSystem for GitLab {
    fn name(&self) -> &'static str {
        "gitlab"
    }

    fn title(&self) -> &'static str {
        "GitLab CI"
    }

    fn form(&self) -> &'static str {
        "Coloured lines for the job logs of GitLab CI"
    }

    fn change(&self) -> &'static str {
        "merge request"
    }

    fn whole_history(&self) -> &'static str {
        "`GIT_DEPTH: 0` in the variables of the job"
    }

    fn job(&'static self, variable: &dyn Fn(&str) -> Option<String>) -> Job {
        let branch = variable("CI_MERGE_REQUEST_TARGET_BRANCH_NAME");
        let branches = branch.map_or(vec![], |branch| vec![format!("origin/{branch}"), branch]);
        // The former is there where GitLab has merged the two already, and names what with.
        let commits = [
            "CI_MERGE_REQUEST_TARGET_BRANCH_SHA",
            "CI_MERGE_REQUEST_DIFF_BASE_SHA",
        ];
        let commits = commits.iter().filter_map(|name| variable(name));
        let bases: Vec<String> = commits.chain(branches).collect();
        let is_here = variable("GITLAB_CI").as_deref() == Some("true");
        let missing = match variable("CI_PIPELINE_SOURCE").as_deref() {
            _ if !is_here || !bases.is_empty() => None,
            None => Some(
                "GITLAB_CI is set and CI_PIPELINE_SOURCE is not, so this may be a merge request",
            ),
            Some("merge_request_event") => Some(
                "this is a merge request, and CI_MERGE_REQUEST_DIFF_BASE_SHA does not say where it began",
            ),
            Some(_) => None,
        };
        let not_told = missing.map(|missing| {
            format!(
                "{missing}: nothing is explained against that (pass the variables of GitLab on, or name the commit with `--base`)"
            )
        });
        Job {
            system: self,
            is_here,
            bases,
            not_told,
            summary: None,
            outputs: None,
        }
    }

    fn group(&self, group: &Group, now: u64) -> Line {
        let title = gated(&defused(&group.title)).replace('\n', " ");
        let name = section(group);
        let mark = format!("{ERASE}section_start:{now}:{name}[collapsed=true]\r{ERASE}");
        Line(format!("{mark}{title}"))
    }

    fn end_group(&self, group: &Group, now: u64) -> Line {
        let name = section(group);
        Line(format!("{ERASE}section_end:{now}:{name}\r{ERASE}"))
    }

    fn shows_colours(&self) -> bool {
        true
    }

    /// A section begins and ends anywhere in a line.
    fn completes_command(&self, line: &str, next: char) -> bool {
        next == ':' && (line.ends_with("section_start") || line.ends_with("section_end"))
    }

    fn matrix_examples(&self) -> [&'static str; 2] {
        [
            "cbox matrix appliance/iso --runner x86_64=nix,kvm --runner aarch64=nix,arm64",
            "cat .gitlab/build.yml >images.yml; cbox matrix --format gitlab >>images.yml",
        ]
    }

    /// A configuration of a child pipeline without its beginning: a line for each job, so that it
    /// can stand behind a file of the user's own.
    fn matrix(&self, jobs: &[MatrixJob]) -> Result<String, Error> {
        // A pipeline without jobs is an error to GitLab.
        if jobs.is_empty() {
            return Ok(NOTHING.to_owned());
        }
        if let Some(job) = jobs.iter().find(|job| job.target.len() > LONGEST_NAME) {
            let message = format!(
                "{} cannot be a job of GitLab, whose names have {LONGEST_NAME} characters at most",
                job.target
            );
            return Err(Error::new(Kind::Usage, message).hint("give the target a shorter name"));
        }
        let lines = jobs.iter().map(job_line).collect();
        document(lines, "split the targets between two matrices")
    }

    /// The same for jobs that judge hosts.
    fn shards(&self, shards: &[Shard]) -> Result<String, Error> {
        let lines = shards.iter().map(|shard| {
            let variables = json!({ "CBOX_SHARD": shard.shard, "CBOX_HOSTS": shard.words() });
            let body = json!({ "extends": EXTENDED_BY_SHARDS, "variables": variables });
            line(&format!("verify-hosts {}", shard.shard), &body)
        });
        document(lines.collect(), "ask cbox for fewer hosts than all")
    }
}

/// `lines` as a document that GitLab reads; `hint` says what to do where it is too large.
fn document(lines: Vec<String>, hint: &str) -> Result<String, Error> {
    let document = lines.join("\n");
    if document.len() <= LARGEST_FILE {
        return Ok(document);
    }
    let message = format!(
        "the matrix is {}, and GitLab reads files of {}",
        size(document.len() as u64),
        size(LARGEST_FILE as u64)
    );
    Err(Error::new(Kind::Usage, message).hint(hint))
}

/// The job that stands where nothing is to be built.
const NOTHING: &str = r#""nothing to build": {"rules":[{"if":"$CI_PIPELINE_SOURCE == \"parent_pipeline\""}],"script":["true"],"variables":{"GIT_STRATEGY":"none"}}"#;

/// The name of a section: letters, digits and `_`, its title to begin with.
fn section(group: &Group) -> String {
    let title = group.title.chars().take(NAME);
    let word = |one: char| match one.is_ascii_alphanumeric() {
        true => one.to_ascii_lowercase(),
        false => '_',
    };
    format!(
        "cbox_{}_{}",
        title.map(word).collect::<String>(),
        group
            .id
            .replace(|one: char| !one.is_ascii_alphanumeric(), "_")
    )
}

/// A job of a matrix.
fn job_line(job: &MatrixJob) -> String {
    let MatrixJob {
        target,
        slug,
        kind,
        format,
        system,
        host,
        runner,
    } = job;
    let variables = [
        ("CBOX_TARGET", Some(target.as_str())),
        ("CBOX_SLUG", Some(slug)),
        ("CBOX_KIND", Some(kind)),
        ("CBOX_FORMAT", format.as_deref()),
        ("CBOX_SYSTEM", system.as_ref().map(|system| system.as_str())),
        ("CBOX_HOST", Some(host)),
    ];
    // GitLab puts the values of variables into each other.
    let variables: Map<String, Value> = variables
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.replace('$', "$$").into())))
        .collect();
    let mut body = json!({ "extends": EXTENDED, "variables": variables });
    if let Some(runner) = runner {
        // A tag holds no comma: it separates them also where runners are registered.
        let tags = runner.split(',').map(str::trim);
        body["tags"] = tags.filter(|tag| !tag.is_empty()).collect();
    }
    line(target, &body)
}

/// A job as a line of YAML: its name, and JSON.
fn line(name: &str, body: &Value) -> String {
    format!("{}: {body}", Value::from(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(title: &str) -> Group {
        Group {
            title: title.to_owned(),
            id: "4711_2".to_owned(),
        }
    }

    #[test]
    fn sections_are_as_gitlab_reads_them() {
        let group = group("building hosts/box, a/b");
        assert_eq!(
            GitLab.group(&group, 1_764_427_000).as_str(),
            "\u{1b}[0Ksection_start:1764427000:cbox_building_hosts_box__a_b_4711_2[collapsed=true]\r\u{1b}[0Kbuilding hosts/box, a/b"
        );
        assert_eq!(
            GitLab.end_group(&group, 1_764_427_003).as_str(),
            "\u{1b}[0Ksection_end:1764427003:cbox_building_hosts_box__a_b_4711_2\r\u{1b}[0K"
        );
    }

    #[test]
    fn a_title_opens_no_section_of_its_own() {
        let evil = "a\r\u{1b}[0Ksection_end:1:b\r\u{1b}[0K\nsection_start:2:ü[collapsed=true]";
        let line = GitLab.group(&group(evil), 1);
        let (mark, title) = line.as_str().split_once("\r\u{1b}[0K").unwrap();
        assert!(mark.ends_with("_4711_2[collapsed=true]"), "{mark}");
        let name = mark.split(':').nth(2).unwrap();
        let name = name.trim_end_matches("[collapsed=true]");
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
            "{name}"
        );
        assert_eq!(
            title,
            "a\\r\\u{1b}[0Ksection_end :1:b\\r\\u{1b}[0K section_start :2:ü[collapsed=true]"
        );
    }

    #[test]
    fn lines_of_a_log_keep_their_looks_and_begin_nothing() {
        let lines = vec!["\u{1b}[31mfailed\u{1b}[0m section_start:1:a".to_owned()];
        assert_eq!(
            GitLab.framed(lines)[0].as_str(),
            "\u{1b}[31mfailed\u{1b}[0m section_start :1:a"
        );
    }

    #[test]
    fn the_base_of_a_merge_request_is_what_gitlab_says() {
        let job = |variables: &[(&str, &str)]| {
            let value = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            GitLab.job(&value)
        };
        let here = ("GITLAB_CI", "true");
        let request = ("CI_PIPELINE_SOURCE", "merge_request_event");
        let branch = ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main");
        let began = ("CI_MERGE_REQUEST_DIFF_BASE_SHA", "0123");
        let merged = ("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", "4567");
        let whole = job(&[here, request, branch, began]);
        assert!(whole.is_here && whole.not_told.is_none());
        assert_eq!(whole.bases, ["0123", "origin/main", "main"]);
        // Its child pipelines have the variables, and another source.
        let child = ("CI_PIPELINE_SOURCE", "parent_pipeline");
        assert_eq!(job(&[here, child, began, merged]).bases, ["4567", "0123"]);
        let push = job(&[here, ("CI_PIPELINE_SOURCE", "push")]);
        assert!(push.bases.is_empty() && push.not_told.is_none());
        for (variables, word) in [
            (&[here][..], "CI_PIPELINE_SOURCE is not"),
            (&[here, request], "CI_MERGE_REQUEST_DIFF_BASE_SHA"),
        ] {
            let job = job(variables);
            let sentence = job.not_told.unwrap();
            assert!(
                sentence.contains(word) && job.bases.is_empty(),
                "{sentence}"
            );
        }
        // Elsewhere nothing is missing.
        assert_eq!(job(&[]).not_told, None);
        assert!(!job(&[("GITLAB_CI", "1")]).is_here);
    }

    fn image(target: &str, runner: Option<&str>) -> MatrixJob {
        MatrixJob {
            target: target.to_owned(),
            slug: target.replace('/', "-"),
            kind: "vm".to_owned(),
            format: Some("iso".to_owned()),
            system: Some("aarch64-linux".parse().unwrap()),
            host: "$HOME".to_owned(),
            runner: runner.map(str::to_owned),
        }
    }

    #[test]
    fn a_matrix_is_a_job_a_line() {
        let host = MatrixJob {
            format: None,
            system: None,
            ..image("hosts/box", None)
        };
        let document = GitLab.matrix(&[image("vm/iso", Some("nix, kvm")), host]);
        let document = document.unwrap();
        let lines: Vec<(&str, Value)> = document
            .lines()
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, body)| (name, serde_json::from_str(body).unwrap()))
            .collect();
        assert_eq!(
            lines[0],
            (
                "\"vm/iso\"",
                json!({
                    "extends": ".cbox-build",
                    "variables": {
                        "CBOX_TARGET": "vm/iso",
                        "CBOX_SLUG": "vm-iso",
                        "CBOX_KIND": "vm",
                        "CBOX_FORMAT": "iso",
                        "CBOX_SYSTEM": "aarch64-linux",
                        "CBOX_HOST": "$$HOME",
                    },
                    "tags": ["nix", "kvm"],
                })
            )
        );
        let variables = lines[1].1["variables"].as_object().unwrap();
        assert_eq!(lines[1].0, "\"hosts/box\"");
        assert_eq!(variables.len(), 4);
        assert!(lines[1].1.get("tags").is_none());
    }

    #[test]
    fn what_gitlab_would_reject_is_no_matrix() {
        for (jobs, word) in [
            (vec![image(&"x".repeat(256), None)], "255 characters"),
            (
                vec![image(&"x".repeat(255), None); 3000],
                "split the targets",
            ),
        ] {
            let error = GitLab.matrix(&jobs).unwrap_err();
            assert!(error.lines().join(" ").contains(word), "{error:?}");
        }
        // A pipeline has to have a job, so there is one that does nothing.
        assert_eq!(GitLab.matrix(&[]).unwrap(), NOTHING);
    }
}
