//! Requests to Coder.

use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::Agent;
use ureq::http::Request;

use crate::config::Config;
use crate::failure::{Code, Failure, Result, log};

/// No answer of Coder's is as long.
const LONGEST_ANSWER: u64 = 256 << 20;

/// A session's or a token's value.
#[derive(Clone)]
pub(crate) struct Key(String);

impl Key {
    /// None where it can be no key, and so in no header either.
    pub(crate) fn new(value: String) -> Option<Self> {
        let fine = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
        fine.then_some(Self(value))
    }

    pub(crate) fn value(&self) -> &str {
        &self.0
    }

    /// Its public part, by which the API names it.
    pub(crate) fn id(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }
}

/// What a request carries, and of which kind that is.
type Content = Option<(&'static str, Vec<u8>)>;

/// What came whole from Coder.
pub(crate) struct Answer {
    request: String,
    pub(crate) status: u16,
    body: Vec<u8>,
}

impl Answer {
    /// The body of one that says that all is well, as what it is to be.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T> {
        let fine = (200..300).contains(&self.status);
        let body = fine
            .then(|| serde_json::from_slice(&self.body).ok())
            .flatten();
        body.ok_or_else(|| self.unexpected())
    }

    /// The body of one that does not, where there is such a body.
    pub(crate) fn refusal<T: DeserializeOwned + Default>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// For one that no step expects. Coder's message is shown; its 'validations' are not, they can
    /// quote what was sent.
    pub(crate) fn unexpected(&self) -> Failure {
        #[derive(Default, Deserialize)]
        struct Refusal {
            message: String,
        }
        let Refusal { message } = self.refusal();
        let message = format!(
            "{}: unexpected answer {}: {message}",
            self.request, self.status
        );
        let message = message.trim_end_matches(": ").to_owned();
        Failure {
            code: Code::Unexpected,
            message,
        }
    }
}

/// The server, for one of its users or for nobody.
#[derive(Clone)]
pub(crate) struct Api<'a> {
    config: &'a Config,
    agent: Agent,
    key: Option<Key>,
}

impl<'a> Api<'a> {
    /// Coder is on this machine, so no proxy has a say.
    pub(crate) fn new(config: &'a Config) -> Self {
        let builder = Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false);
        let builder = builder.max_redirects(0).max_redirects_will_error(false);
        let agent = builder
            .max_idle_connections(0)
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .new_agent();
        Self {
            config,
            agent,
            key: None,
        }
    }

    /// The same server for whom this key belongs to.
    pub(crate) fn with(&self, key: &Key) -> Self {
        Self {
            key: Some(key.clone()),
            ..self.clone()
        }
    }

    pub(crate) fn get(&self, path: &str) -> Result<Answer> {
        self.send("GET", path, None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send("POST", path, json(body))
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send("PATCH", path, json(body))
    }

    /// Tries again while the server is away or not itself.
    pub(crate) fn send(&self, method: &str, path: &str, content: Content) -> Result<Answer> {
        let mut pause = self.config.backoff;
        for attempt in 1.. {
            let away = match self.once(method, path, content.as_ref()) {
                Ok(Answer { status, .. }) if status == 429 || status >= 500 => status.to_string(),
                Ok(answer) => return Ok(answer),
                Err(error) => format!("no answer ({error})"),
            };
            if attempt == self.config.tries {
                let text = format!("{method} {path}: still {away} after {attempt} tries");
                return Code::Later.fail(text);
            }
            log!("{method} {path}: {away}, again in {} ms", pause.as_millis());
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(30));
        }
        unreachable!("the last try has ended it")
    }

    fn once(
        &self,
        method: &str,
        path: &str,
        content: Option<&(&str, Vec<u8>)>,
    ) -> std::result::Result<Answer, ureq::Error> {
        let url = format!("{}{path}", self.config.coder_url);
        let mut request = Request::builder().method(method).uri(url);
        if let Some(key) = &self.key {
            request = request.header("Coder-Session-Token", key.value());
        }
        let mut answer = match content {
            None => self.agent.run(request.body(())?)?,
            Some((kind, bytes)) => self
                .agent
                .run(request.header("Content-Type", *kind).body(bytes)?)?,
        };
        let body = answer
            .body_mut()
            .with_config()
            .limit(LONGEST_ANSWER)
            .read_to_vec()?;
        let (request, status) = (format!("{method} {path}"), answer.status().as_u16());
        Ok(Answer {
            request,
            status,
            body,
        })
    }

    /// Waits until Coder answers at all.
    pub(crate) fn wait(&self) -> Result<()> {
        #[derive(Deserialize)]
        struct BuildInfo {
            version: Option<String>,
        }
        let deadline = Instant::now() + self.config.wait;
        loop {
            if let Ok(answer) = self.once("GET", "/api/v2/buildinfo", None)
                && answer.status == 200
            {
                let BuildInfo { version } = answer.read()?;
                log!(
                    "Coder {} answers",
                    version.as_deref().unwrap_or("of unknown version")
                );
                return Ok(());
            }
            if Instant::now() >= deadline {
                let (url, seconds) = (&self.config.coder_url, self.config.wait.as_secs());
                let text = format!("Coder did not answer at {url} within {seconds} s");
                return Code::Later.fail(text);
            }
            thread::sleep(self.config.backoff);
        }
    }
}

fn json(value: &Value) -> Content {
    Some(("application/json", value.to_string().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::{Answer, Key};

    #[test]
    fn the_public_part_of_a_key() {
        let key = Key::new("abc-def-ghi".to_owned()).unwrap();
        assert_eq!((key.id(), key.value()), ("abc", "abc-def-ghi"));
        for none in ["", "a b", "a\r\nX-Header: b", "\u{fc}"] {
            assert!(Key::new(none.to_owned()).is_none(), "{none:?}");
        }
    }

    #[test]
    fn what_is_told_of_an_answer() {
        let told = |body: &str| {
            let (request, body) = ("GET /x".to_owned(), body.as_bytes().to_vec());
            Answer {
                request,
                status: 418,
                body,
            }
            .unexpected()
            .message
        };
        let quoting = r#"{"message": "Failed.", "validations": [{"detail": "secret"}]}"#;
        assert_eq!(told(quoting), "GET /x: unexpected answer 418: Failed.");
        assert_eq!(told("<html>"), "GET /x: unexpected answer 418");
    }
}
