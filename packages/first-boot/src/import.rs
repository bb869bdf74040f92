//! One template on its way into Coder: import, wait, judge, publish.

use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use serde::Deserialize;
use serde_json::json;

use crate::api::Api;
use crate::config::Config;
use crate::failure::{Result, log};
use crate::templates::Template;
use crate::{files, outside};

const ORGANIZATION: &str = "/api/v2/organizations/default";

pub(crate) enum Outcome {
    Deployed,
    Later,
    Broken,
}

/// A template as Coder has it.
#[derive(Deserialize)]
struct Published {
    id: String,
    active_version_id: String,
}

/// An import of a template.
#[derive(Deserialize)]
struct Version {
    id: String,
    #[serde(default)]
    message: String,
    job: Job,
}

#[derive(Deserialize)]
struct Job {
    status: Status,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Status {
    Pending,
    Running,
    Canceling,
    Succeeded,
    #[serde(other)]
    Failed,
}

pub(crate) struct Importer<'a> {
    config: &'a Config,
    api: Api<'a>,
    /// Whether there is a network, once that was asked.
    network: Option<bool>,
}

impl<'a> Importer<'a> {
    /// With the rights of whom the API is for.
    pub(crate) fn new(config: &'a Config, api: Api<'a>) -> Self {
        Self {
            config,
            api,
            network: None,
        }
    }

    pub(crate) fn deploy(&mut self, template: &Template) -> Result<Outcome> {
        let name = &template.name;
        let published = self.find(name)?;
        let version = match self.find_version(template, published.as_ref())? {
            Some(version) => version,
            None if !self.network_there()? => {
                log!("template {name}: waits for a network");
                return Ok(Outcome::Later);
            }
            None => self.start(template, published.as_ref())?,
        };
        let Some(job) = self.wait(&version)? else {
            let seconds = self.config.import.as_secs();
            log!("template {name}: still being imported after {seconds} s");
            return Ok(Outcome::Later);
        };
        let outcome = if job.status == Status::Succeeded {
            self.publish(template, published, &version)?;
            files::write(
                &template.stamp,
                0o600,
                None,
                &format!("{}\n", template.hash),
            )?;
            Outcome::Deployed
        } else {
            // The next start tries anew instead of finding the same failure.
            self.judge(name, &version, &job.error)?
        };
        files::remove(&note(template))?;
        Ok(outcome)
    }

    fn find(&self, name: &str) -> Result<Option<Published>> {
        let answer = self.api.get(&format!("{ORGANIZATION}/templates/{name}"))?;
        if answer.status == 404 {
            Ok(None)
        } else {
            answer.read().map(Some)
        }
    }

    /// An import of this content that an earlier start began and that did not fail. The server
    /// knows those of a template; one that has no template yet is known only from a note here.
    fn find_version(
        &self,
        template: &Template,
        published: Option<&Published>,
    ) -> Result<Option<String>> {
        if let Some(Published { id, .. }) = published {
            let answer = self.api.get(&format!("/api/v2/templates/{id}/versions"))?;
            let versions: Option<Vec<Version>> = answer.read()?;
            let good = [Status::Succeeded, Status::Running, Status::Pending];
            let fits = |version: &Version| {
                version.message == message(template) && good.contains(&version.job.status)
            };
            return Ok(versions
                .into_iter()
                .flatten()
                .find(fits)
                .map(|version| version.id));
        }
        let noted = files::read(&note(template))?.unwrap_or_default();
        let Some(id) = noted.strip_prefix(&format!("{} ", template.hash)) else {
            return Ok(None);
        };
        let answer = self.api.get(&format!("/api/v2/templateversions/{id}"))?;
        Ok((answer.status == 200).then(|| id.to_owned()))
    }

    /// Asked before an import: each failed one stays on the server as a version, and a box may be
    /// without a network for days.
    fn network_there(&mut self) -> Result<bool> {
        let url = &self.config.probe_url;
        let there = match self.network {
            Some(known) => known,
            None => url.is_empty() || outside::answers(url)?,
        };
        self.network = Some(there);
        Ok(there)
    }

    /// Lets Coder read the template, as a version whose id is noted here.
    fn start(&self, template: &Template, published: Option<&Published>) -> Result<String> {
        #[derive(Deserialize)]
        struct Uploaded {
            hash: String,
        }
        #[derive(Deserialize)]
        struct Created {
            id: String,
        }
        // The same bytes are the same file to Coder.
        let tar = Some(("application/x-tar", template.tar.clone()));
        let Uploaded { hash: file } = self.api.send("POST", "/api/v2/files", tar)?.read()?;
        let mut body = json!({
            "message": message(template),
            "storage_method": "file",
            "file_id": file,
            "provisioner": "terraform",
            "tags": {},
        });
        if let Some(published) = published {
            body["template_id"] = json!(published.id);
        }
        let answer = self
            .api
            .post(&format!("{ORGANIZATION}/templateversions"), &body)?;
        let Created { id } = answer.read()?;
        files::write(
            &note(template),
            0o600,
            None,
            &format!("{} {id}\n", template.hash),
        )?;
        log!("template {}: importing", template.name);
        Ok(id)
    }

    /// The job once it has ended, or none when that takes too long.
    fn wait(&self, version: &str) -> Result<Option<Job>> {
        let deadline = Instant::now() + self.config.import;
        loop {
            let answer = self
                .api
                .get(&format!("/api/v2/templateversions/{version}"))?;
            let Version { job, .. } = answer.read()?;
            if matches!(job.status, Status::Succeeded | Status::Failed) {
                return Ok(Some(job));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            thread::sleep(self.config.backoff);
        }
    }

    /// The reason of a failed import is in its log rather than in the job's error ("initialize
    /// terraform: exit status 1").
    fn judge(&self, name: &str, version: &str, error: &str) -> Result<Outcome> {
        #[derive(Deserialize)]
        struct Line {
            #[serde(default)]
            output: String,
        }
        let answer = self
            .api
            .get(&format!("/api/v2/templateversions/{version}/logs"))?;
        let lines: Option<Vec<Line>> = answer.read().unwrap_or_default();
        let output: Vec<_> = lines
            .into_iter()
            .flatten()
            .map(|line| line.output)
            .collect();
        let output = output.join("\n");
        let outcome = if outside::is_missing(&format!("{error} {output}")) {
            log!(
                "template {name}: import failed for lack of something outside, will be tried again"
            );
            Outcome::Later
        } else {
            let reason = error.lines().next().unwrap_or("no reason given");
            log!("template {name}: import failed: {reason}");
            Outcome::Broken
        };
        let telling = output
            .lines()
            .filter(|line| line.to_lowercase().contains("error"));
        telling
            .take(5)
            .for_each(|line| log!("template {name}:   {line}"));
        Ok(outcome)
    }

    /// Makes a template of the version, or makes it the active one of the template that is there.
    fn publish(
        &self,
        template: &Template,
        mut published: Option<Published>,
        version: &str,
    ) -> Result<()> {
        if published.is_none() {
            let body = json!({
                "name": template.name,
                "template_version_id": version,
                "display_name": template.front_matter("display_name"),
                "description": template.front_matter("description"),
                "icon": template.front_matter("icon"),
            });
            let answer = self.api.post(&format!("{ORGANIZATION}/templates"), &body)?;
            match answer.status {
                200 | 201 => return Ok(()),
                // An answer was lost: then the template has this version.
                409 => published = self.find(&template.name)?,
                _ => return Err(answer.unexpected()),
            }
        }
        match published.filter(|published| published.active_version_id != version) {
            None => Ok(()),
            Some(Published { id, .. }) => {
                let path = format!("/api/v2/templates/{id}/versions");
                let answer = self.api.patch(&path, &json!({"id": version}))?;
                if answer.status == 200 {
                    Ok(())
                } else {
                    Err(answer.unexpected())
                }
            }
        }
    }
}

/// What Coder keeps with a version, and is found by.
fn message(template: &Template) -> String {
    format!("first boot, content sha256:{}", template.hash)
}

/// Where the hash and the version of an import are kept that is under way.
fn note(template: &Template) -> PathBuf {
    template.stamp.with_added_extension("import")
}
