//! What the fake server remembers, and how tests look at it and age it.

use super::now;

pub const HOUR: i64 = 3600;

#[derive(Clone, Debug)]
pub struct User {
    pub username: String,
    pub email: String,
    pub password: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginType {
    /// A session, from logging in.
    Password,
    Token,
}

#[derive(Clone, Debug)]
pub struct Key {
    pub id: String,
    pub secret: String,
    pub name: String,
    pub login_type: LoginType,
    pub expires_at: i64,
    pub lifetime: i64,
}

impl Key {
    pub fn value(&self) -> String {
        format!("{}-{}", self.id, self.secret)
    }
}

/// How the server's provisioner takes an import.
#[derive(Clone, Debug)]
pub enum Import {
    /// After so many questions about it.
    Succeeds {
        after: u32,
    },
    Fails {
        error: String,
        log: Vec<String>,
    },
}

#[derive(Clone, Debug)]
pub struct Version {
    pub id: String,
    pub template_id: Option<String>,
    pub file_id: String,
    pub message: String,
    pub asked: u32,
    pub import: Import,
}

#[derive(Clone, Debug)]
pub struct Template {
    pub id: String,
    pub name: String,
    pub title: String,
    pub active_version: String,
}

#[derive(Debug)]
pub struct State {
    pub users: Vec<User>,
    pub keys: Vec<Key>,
    /// Every key's value that was ever handed out, and every password set.
    pub secrets: Vec<String>,
    pub files: Vec<(Vec<u8>, String)>,
    pub versions: Vec<Version>,
    pub templates: Vec<Template>,
    pub import: Import,
    pub max_token_lifetime_ns: i64,
    pub serial: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            users: Vec::new(),
            keys: Vec::new(),
            secrets: Vec::new(),
            files: Vec::new(),
            versions: Vec::new(),
            templates: Vec::new(),
            import: Import::Succeeds { after: 1 },
            // MaximumAdminTokenDuration unless configured.
            max_token_lifetime_ns: 168 * HOUR * 1_000_000_000,
            serial: 0,
        }
    }
}

impl State {
    pub fn tokens(&self) -> Vec<&Key> {
        self.keys
            .iter()
            .filter(|key| key.login_type == LoginType::Token)
            .collect()
    }

    pub fn sessions(&self) -> usize {
        self.keys.len() - self.tokens().len()
    }

    pub fn versions_of(&self, template: &Template) -> Vec<&Version> {
        let of = |version: &&Version| version.template_id.as_ref() == Some(&template.id);
        self.versions.iter().filter(of).collect()
    }

    /// A user that somebody else made.
    pub fn add_user(&mut self, email: &str, password: &str) {
        self.secrets.push(password.to_owned());
        self.users.push(User {
            username: "somebody".into(),
            email: email.into(),
            password: password.into(),
        });
    }

    /// The admin's, in the dashboard: Coder ends everything that was issued before.
    pub fn change_password(&mut self, password: &str) {
        self.secrets.push(password.to_owned());
        self.users[0].password = password.to_owned();
        self.keys.clear();
    }

    /// Time goes by, for keys.
    pub fn age(&mut self, hours: i64) {
        for key in &mut self.keys {
            key.expires_at -= hours * HOUR;
        }
    }

    /// The key of a request that is authenticated; Coder answers 401 otherwise.
    pub fn authenticate(&self, token: Option<&str>) -> Option<&Key> {
        let token = token?;
        self.keys
            .iter()
            .find(|key| key.value() == token && key.expires_at > now())
    }

    pub fn uuid(&mut self) -> String {
        self.serial += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.serial)
    }

    pub fn issue_key(&mut self, name: &str, login_type: LoginType, lifetime: i64) -> String {
        self.serial += 1;
        let key = Key {
            // Ten and twenty-two characters, as Coder makes them.
            id: format!("key{:07}", self.serial),
            secret: format!("secret{:016}", self.serial * 7919),
            name: name.to_owned(),
            login_type,
            expires_at: now() + lifetime,
            lifetime,
        };
        let value = key.value();
        self.secrets.push(key.secret.clone());
        self.keys.push(key);
        value
    }
}
