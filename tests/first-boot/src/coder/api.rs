//! The endpoints.

use std::time::{Duration, UNIX_EPOCH};

use humantime::format_rfc3339_micros;
use serde_json::{Value, json};

use super::state::{HOUR, Import, Key, LoginType, State, Template, User, Version};
use crate::http::{Request, Response};

fn reply(status: u16, body: Value) -> Response {
    Response { status, body }
}

fn message(status: u16, text: &str) -> Response {
    reply(status, json!({ "message": text }))
}

fn refused(field: &str, value: &str) -> Response {
    // Coder quotes the value: the program must not pass this on.
    let detail = format!("Validation failed for tag with value: \"{value}\"");
    let validations = json!([{ "field": field, "detail": detail }]);
    reply(
        400,
        json!({ "message": "Validation failed.", "validations": validations }),
    )
}

impl State {
    pub fn answer(&mut self, request: &Request) -> Response {
        let path: Vec<&str> = request
            .path
            .strip_prefix("/api/v2/")
            .unwrap_or("")
            .split('/')
            .collect();
        let body = request.json();
        match (request.method.as_str(), path.as_slice()) {
            ("GET", ["buildinfo"]) => return reply(200, json!({"version": "v2.33.11+fake"})),
            ("GET", ["users", "first"]) if self.users.is_empty() => {
                return message(404, "The initial user has not been created!");
            }
            ("GET", ["users", "first"]) => {
                return message(200, "The initial user has already been created!");
            }
            ("POST", ["users", "first"]) => return self.create_first_user(&body),
            ("POST", ["users", "login"]) => return self.log_in(&body),
            _ => {}
        }
        let Some(key) = self.authenticate(request.token.as_deref()).cloned() else {
            return message(401, "You are signed out or your session has expired.");
        };
        match (request.method.as_str(), path.as_slice()) {
            ("POST", ["users", "logout"]) => self.log_out(&key),
            ("GET", ["users", "me", "keys", "tokens", "tokenconfig"]) => reply(
                200,
                json!({"max_token_lifetime": self.max_token_lifetime_ns}),
            ),
            ("GET", ["users", "me", "keys", "tokens"]) => self.list_tokens(),
            ("POST", ["users", "me", "keys", "tokens"]) => self.create_token(&body),
            ("GET", ["users", "me", "keys", id]) => match self.keys.iter().find(|k| k.id == *id) {
                Some(key) => reply(200, describe_key(key)),
                None => message(404, "Resource not found or you do not have access"),
            },
            ("DELETE", ["users", "me", "keys", id]) => self.delete_key(id),
            ("POST", ["files"]) => self.upload(request),
            ("POST", ["organizations", "default", "templateversions"]) => {
                self.create_version(&body)
            }
            ("GET", ["templateversions", id]) => self.poll_version(id),
            ("GET", ["templateversions", id, "logs"]) => self.version_log(id),
            ("POST", ["organizations", "default", "templates"]) => self.create_template(&body),
            ("GET", ["organizations", "default", "templates", name]) => {
                match self.templates.iter().find(|t| t.name == *name) {
                    Some(t) => reply(
                        200,
                        json!({"id": t.id, "active_version_id": t.active_version}),
                    ),
                    None => message(404, "Resource not found or you do not have access"),
                }
            }
            ("GET", ["templates", id, "versions"]) => {
                let of = |v: &&Version| v.template_id.as_deref() == Some(id);
                reply(
                    200,
                    self.versions
                        .iter()
                        .filter(of)
                        .map(describe_version)
                        .collect(),
                )
            }
            ("PATCH", ["templates", id, "versions"]) => self.activate(id, &body),
            _ => message(404, "Route not found."),
        }
    }

    fn create_first_user(&mut self, body: &Value) -> Response {
        let field = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let (username, email, password) = (field("username"), field("email"), field("password"));
        for (name, value, fine) in [
            ("email", &email, email.contains('@')),
            ("username", &username, !username.is_empty()),
            ("password", &password, !password.is_empty()),
        ] {
            if !fine {
                return refused(name, value);
            }
        }
        if !self.users.is_empty() {
            return message(409, "The initial user has already been created.");
        }
        if password.len() < 8 || password.len() > 64 {
            return refused("password", &password);
        }
        self.secrets.push(password.clone());
        self.users.push(User {
            username,
            email,
            password,
        });
        reply(
            201,
            json!({"user_id": self.uuid(), "organization_id": self.uuid()}),
        )
    }

    fn log_in(&mut self, body: &Value) -> Response {
        let known = self.users.iter().any(|user| {
            body["email"] == user.email.as_str() && body["password"] == user.password.as_str()
        });
        if !known {
            return message(401, "Incorrect email or password.");
        }
        let token = self.issue_key("", LoginType::Password, 24 * HOUR);
        reply(201, json!({ "session_token": token }))
    }

    fn log_out(&mut self, key: &Key) -> Response {
        self.keys.retain(|other| other.id != key.id);
        message(200, "Logged out!")
    }

    fn list_tokens(&self) -> Response {
        let tokens: Vec<Value> = self.tokens().into_iter().map(describe_key).collect();
        // A nil slice in Go.
        reply(
            200,
            if tokens.is_empty() {
                Value::Null
            } else {
                tokens.into()
            },
        )
    }

    fn create_token(&mut self, body: &Value) -> Response {
        let name = body["token_name"].as_str().unwrap_or_default().to_owned();
        // A duration that is no 64-bit integer does not even parse in Go.
        let Some(lifetime) = body["lifetime"].as_i64() else {
            return message(400, "Request body must be valid JSON.");
        };
        if lifetime <= 0 || lifetime > self.max_token_lifetime_ns {
            return message(400, "Failed to validate create API key request.");
        }
        if self.tokens().iter().any(|key| key.name == name) {
            return message(409, &format!("A token with name {name:?} already exists."));
        }
        let value = self.issue_key(&name, LoginType::Token, lifetime / 1_000_000_000);
        reply(201, json!({ "key": value }))
    }

    fn delete_key(&mut self, id: &str) -> Response {
        let before = self.keys.len();
        self.keys.retain(|key| key.id != id);
        if self.keys.len() == before {
            return message(404, "Resource not found or you do not have access");
        }
        reply(204, Value::Null)
    }

    fn upload(&mut self, request: &Request) -> Response {
        if request.content_type != "application/x-tar" {
            return message(400, "Unsupported content type header.");
        }
        if let Some((_, id)) = self.files.iter().find(|(bytes, _)| *bytes == request.body) {
            return reply(200, json!({ "hash": id }));
        }
        let id = self.uuid();
        self.files.push((request.body.clone(), id.clone()));
        reply(201, json!({ "hash": id }))
    }

    fn create_version(&mut self, body: &Value) -> Response {
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let file_id = text("file_id").unwrap_or_default();
        let Some((content, _)) = self.files.iter().find(|(_, id)| *id == file_id) else {
            return message(404, "File not found.");
        };
        let import = if String::from_utf8_lossy(content).contains("# broken") {
            broken()
        } else {
            self.import.clone()
        };
        if body["storage_method"] != "file" || body["provisioner"] != "terraform" {
            return refused("provisioner", "");
        }
        let id = self.uuid();
        self.versions.push(Version {
            id: id.clone(),
            template_id: text("template_id"),
            file_id,
            message: text("message").unwrap_or_default(),
            asked: 0,
            import,
        });
        reply(201, json!({ "id": id }))
    }

    fn poll_version(&mut self, id: &str) -> Response {
        match self.versions.iter_mut().find(|version| version.id == id) {
            Some(version) => {
                version.asked += 1;
                reply(200, describe_version(version))
            }
            None => message(404, "Resource not found or you do not have access"),
        }
    }

    fn version_log(&self, id: &str) -> Response {
        let lines = self
            .versions
            .iter()
            .filter(|version| version.id == id)
            .flat_map(|version| match &version.import {
                Import::Fails { log, .. } => log.clone(),
                Import::Succeeds { .. } => Vec::new(),
            });
        reply(
            200,
            lines
                .map(|line| json!({"log_level": "error", "output": line}))
                .collect(),
        )
    }

    fn create_template(&mut self, body: &Value) -> Response {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let (name, version_id) = (text("name"), text("template_version_id"));
        if self.templates.iter().any(|template| template.name == name) {
            return message(409, &format!("Template with name {name:?} already exists."));
        }
        if text("description").len() >= 128 {
            return refused("description", "");
        }
        let id = self.uuid();
        let Some(version) = self
            .versions
            .iter_mut()
            .find(|version| version.id == version_id)
        else {
            return message(404, "Template version does not exist.");
        };
        version.template_id = Some(id.clone());
        let title = text("display_name");
        self.templates.push(Template {
            id: id.clone(),
            name,
            title,
            active_version: version_id,
        });
        reply(201, json!({ "id": id }))
    }

    fn activate(&mut self, template_id: &str, body: &Value) -> Response {
        let version_id = body["id"].as_str().unwrap_or_default();
        let belongs = self.versions.iter().any(|version| {
            version.id == version_id && version.template_id.as_deref() == Some(template_id)
        });
        let template = self
            .templates
            .iter_mut()
            .find(|template| template.id == template_id);
        let (true, Some(template)) = (belongs, template) else {
            return message(
                400,
                "The provided template version doesn't belong to the template.",
            );
        };
        template.active_version = version_id.to_owned();
        message(200, "Updated the active template version!")
    }
}

/// What becomes of a template that says `# broken`.
fn broken() -> Import {
    Import::Fails {
        error: "terraform plan: exit status 1".into(),
        log: vec!["Error: Reference to undeclared resource".into()],
    }
}

fn describe_key(key: &Key) -> Value {
    json!({
        "id": key.id,
        "token_name": key.name,
        "expires_at": rfc3339(key.expires_at),
        "lifetime_seconds": key.lifetime,
    })
}

fn describe_version(version: &Version) -> Value {
    let (status, error) = match &version.import {
        Import::Succeeds { after } if version.asked > *after => ("succeeded", ""),
        Import::Succeeds { .. } => ("running", ""),
        Import::Fails { error, .. } => ("failed", error.as_str()),
    };
    json!({
        "id": version.id,
        "message": version.message,
        "job": { "status": status, "error": error },
    })
}

/// As Go writes a time in UTC, with a fraction.
fn rfc3339(time: i64) -> String {
    let since = Duration::from_secs(time.unsigned_abs()) + Duration::from_micros(123_456);
    format_rfc3339_micros(UNIX_EPOCH + since).to_string()
}
