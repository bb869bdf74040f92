//! GitHub's API as far as the comment needs it, with one repository and one pull request.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use super::{
    has,
    server::{Answer, Request, Server},
    zip::zip,
};
use crate::support::{
    call::{Call, Ended},
    place::{Place, top},
};

pub(super) const SHA: &str = "0123456789abcdef0123456789abcdef01234567";
pub(super) const REPOSITORY: &str = "owner/name";
pub(super) const BOT: &str = "github-actions[bot]";

/// An artifact: its name, its archive, and the size that the API says.
pub(super) type Artifact = (String, Vec<u8>, usize);

/// What GitHub has.
#[derive(Default)]
pub(super) struct State {
    pub(super) pulls: Vec<Value>,
    pub(super) artifacts: Vec<Artifact>,
    /// Author and body.
    pub(super) comments: Vec<(String, String)>,
    /// What a comment is answered with.
    pub(super) refuses: Option<u16>,
    /// Where archives are, if not here.
    pub(super) storage: Option<String>,
}

impl State {
    fn answer(&mut self, request: &Request) -> Answer {
        let path = request.path.strip_prefix(&format!("/repos/{REPOSITORY}"));
        let Some(path) = path else {
            return Answer::status(404);
        };
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        match (request.method.as_str(), path) {
            ("GET", "/pulls") => Answer::json(&json!(self.pulls)),
            ("GET", "/actions/runs/7/artifacts") => {
                let list = self.artifacts.iter().enumerate();
                let list = list.map(|(id, (name, _, size))| {
                    json!({ "id": id, "name": name, "size_in_bytes": size, "expired": false })
                });
                Answer::json(&json!({ "artifacts": list.collect::<Vec<_>>() }))
            }
            ("GET", "/issues/5/comments") => {
                let page = query
                    .rsplit_once("page=")
                    .unwrap()
                    .1
                    .parse::<usize>()
                    .unwrap();
                let page = self.comments.chunks(100).nth(page - 1).unwrap_or(&[]);
                let list = page.iter().map(|(author, body)| {
                    let id = self.comments.iter().position(|it| it.1 == *body);
                    json!({ "id": id, "user": { "login": author }, "body": body })
                });
                Answer::json(&list.collect())
            }
            ("POST" | "PATCH", _) if self.refuses.is_some() => {
                Answer::status(self.refuses.unwrap())
            }
            ("POST", "/issues/5/comments") => {
                let body = request.json()["body"].as_str().unwrap().to_owned();
                self.comments.push((BOT.to_owned(), body));
                Answer {
                    status: 201,
                    ..Answer::json(&json!({}))
                }
            }
            ("PATCH", path) => {
                let id = path.strip_prefix("/issues/comments/").unwrap();
                let body = request.json()["body"].as_str().unwrap().to_owned();
                self.comments[id.parse::<usize>().unwrap()].1 = body;
                Answer::json(&json!({}))
            }
            ("GET", path) => {
                let id = path.strip_prefix("/actions/artifacts/").unwrap();
                let id = id.strip_suffix("/zip").unwrap();
                match &self.storage {
                    Some(storage) => Answer {
                        status: 302,
                        location: Some(format!("{storage}/{id}")),
                        body: vec![],
                    },
                    None => Answer::bytes(self.artifacts[id.parse::<usize>().unwrap()].1.clone()),
                }
            }
            _ => Answer::status(404),
        }
    }
}

/// A pull request as the API has it.
pub(super) fn pull(number: u64, sha: &str) -> Value {
    json!({
        "number": number,
        "head": { "sha": sha },
        "base": { "repo": { "full_name": REPOSITORY } },
    })
}

pub(super) struct GitHub {
    pub(super) place: Place,
    pub(super) server: Server,
    pub(super) state: Arc<Mutex<State>>,
    pub(super) event: Value,
}

impl GitHub {
    /// A repository with one pull request, #5, of which a run has ended.
    pub(super) fn new() -> Option<Self> {
        if !has(&["curl", "jq", "unzip"]) {
            return None;
        }
        let state = Arc::new(Mutex::new(State {
            pulls: vec![pull(5, SHA)],
            ..State::default()
        }));
        let kept = Arc::clone(&state);
        Some(Self {
            place: Place::empty("repo"),
            server: Server::start(move |request| kept.lock().unwrap().answer(request)),
            state,
            event: json!({ "workflow_run": {
                "id": 7,
                "event": "pull_request",
                "head_sha": SHA,
                "head_branch": "feature",
                "head_repository": { "owner": { "login": "somebody" } },
                "pull_requests": [],
            } }),
        })
    }

    pub(super) fn artifact(&self, name: &str, files: &[(&str, &[u8])]) {
        let archive = zip(files);
        let size = archive.len();
        let artifact = (name.to_owned(), archive, size);
        self.state.lock().unwrap().artifacts.push(artifact);
    }

    pub(super) fn verdict(&self, text: impl AsRef<[u8]>) {
        self.state.lock().unwrap().artifacts.clear();
        self.artifact("cbox-verdict", &[("verdict.txt", text.as_ref())]);
    }

    pub(super) fn call(&self) -> Call {
        let event = self.place.beside("event.json");
        fs::write(&event, self.event.to_string()).unwrap();
        self.place
            .call(top().join(".github/actions/comment/comment.sh"))
            .env("GITHUB_EVENT_PATH", event)
            .env("GITHUB_TOKEN", "the-token")
            .env("GITHUB_API_URL", &self.server.address)
            .env("GITHUB_SERVER_URL", "https://github.example")
            .env("GITHUB_REPOSITORY", REPOSITORY)
            .env("GITHUB_STEP_SUMMARY", self.place.beside("summary"))
            .env("RUNNER_TEMP", self.place.beside("tmp"))
    }

    /// Runs it, which has to end well and leave no file.
    #[track_caller]
    pub(super) fn run(&self) -> Ended {
        let ended = self.call().run().ok();
        assert_eq!(self.place.names("../tmp"), [""; 0], "{ended}");
        assert_eq!(self.place.names(""), [""; 0], "{ended}");
        ended
    }

    pub(super) fn comments(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state
            .comments
            .iter()
            .map(|(_, body)| body.clone())
            .collect()
    }

    /// The one comment that comes of this verdict.
    #[track_caller]
    pub(super) fn comment_on(&self, text: impl AsRef<[u8]>) -> String {
        self.state.lock().unwrap().comments.clear();
        self.verdict(text);
        let ended = self.run();
        let mut comments = self.comments();
        assert_eq!(comments.len(), 1, "{ended}");
        comments.remove(0)
    }
}
