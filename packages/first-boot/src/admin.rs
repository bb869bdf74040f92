//! Coder's first user, who owns the deployment.

use serde::Deserialize;
use serde_json::json;

use crate::api::{Answer, Api, Key};
use crate::config::Config;
use crate::failure::{Code, Result, log};
use crate::show::{show, show_password, unshow};
use crate::{files, password};

pub(crate) struct Admin<'a> {
    config: &'a Config,
    api: &'a Api<'a>,
    /// From `log_in` to `log_out`.
    session: Option<Key>,
}

impl<'a> Admin<'a> {
    pub(crate) fn new(config: &'a Config, api: &'a Api<'a>) -> Self {
        Self {
            config,
            api,
            session: None,
        }
    }

    /// Makes the first user where there is none, and writes the file that lets the port open.
    pub(crate) fn ensure(&mut self) -> Result<()> {
        let answer = self.api.get("/api/v2/users/first")?;
        match answer.status {
            200 => log!("the first user is there"),
            404 => {
                // What is remembered of a server that is no more, as after a reset that was cut
                // short, is true of none.
                files::forget_server(self.config)?;
                self.create()?;
            }
            _ => return Err(answer.unexpected()),
        }
        self.forget_given()?;
        // Only now may the network see Coder: before, whoever came first could have made himself
        // its owner.
        files::write(&self.config.flag_file, 0o644, None, "")?;
        self.show()
    }

    fn create(&self) -> Result<()> {
        // Before the request: if the power goes after it, the password is still known.
        self.choose_password()?;
        let (user, email) = (&self.config.admin_user, &self.config.admin_email);
        let password = self.password()?;
        let body = json!({"username": user, "email": email, "password": password, "trial": false});
        let answer = self.api.post("/api/v2/users/first", &body)?;
        match answer.status {
            201 => log!("made the first user '{user}' ({email})"),
            409 => log!("the first user is there already: an answer was lost"),
            400 => return Code::Config.fail(refusal(&answer) + &self.given_hint()),
            _ => return Err(answer.unexpected()),
        }
        Ok(())
    }

    /// A password that came with the drive counts until there is a user, and only once.
    fn forget_given(&self) -> Result<()> {
        let file = &self.config.given_file;
        let Some(given) = files::read(file)? else {
            return files::remove(file);
        };
        if self.password()?.as_ref() != Some(&given) {
            log!(
                "the password that came with the drive is not that of Coder's admin, who was there \
                 before"
            );
        }
        files::erase(file)
    }

    fn given_hint(&self) -> String {
        let file = &self.config.given_file;
        match self.config.owner_password_file.is_none() && file.exists() {
            true => format!(
                "; if it is the password that came with the drive, write another one to {}",
                file.display()
            ),
            false => String::new(),
        }
    }

    /// As long as the server has no user the owner's choice wins over what an earlier, unfinished
    /// start had made up.
    fn choose_password(&self) -> Result<()> {
        let Config {
            password_file,
            owners_mark,
            ..
        } = self.config;
        if let Some(file) = &self.config.owner_password_file {
            let Some(password) = files::read(file)? else {
                return Code::NoInput.fail(format!(
                    "Coder gets no user before there is a password in {} \
                     (box.firstBoot.admin.passwordFile): write it there, it is looked for every \
                     half a minute",
                    file.display()
                ));
            };
            self.take_owners(&password)?;
            log!("the admin's password is the owner's");
        } else if let Some(password) = files::read(&self.config.given_file)? {
            self.take_owners(&password)?;
            log!("the admin's password is the one that came with the drive");
        } else if owners_mark.exists() || self.password()?.is_none() {
            files::write(password_file, 0o600, None, &(password::generate()? + "\n"))?;
            files::remove(owners_mark)?;
            log!("generated a password for the admin");
        }
        Ok(())
    }

    /// The mark first: what is remembered as the owner's is never shown.
    fn take_owners(&self, password: &str) -> Result<()> {
        files::write(&self.config.owners_mark, 0o600, None, "")?;
        files::write(
            &self.config.password_file,
            0o600,
            None,
            &format!("{password}\n"),
        )
    }

    /// What Coder was given, as far as it is known here.
    pub(crate) fn password(&self) -> Result<Option<String>> {
        files::read(&self.config.password_file)
    }

    /// What is in the owner's file now, which may be gone: an owner need not leave it there.
    fn owners_password(&self) -> Result<Option<String>> {
        self.config
            .owner_password_file
            .as_deref()
            .map_or(Ok(None), files::read)
    }

    fn is_owners(&self, password: &str) -> Result<bool> {
        Ok(
            self.config.owners_mark.exists()
                || self.owners_password()?.as_deref() == Some(password),
        )
    }

    /// An owner's password is not shown: the owner knows it, and may use it elsewhere. A generated
    /// one is shown for as long as it opens the door.
    pub(crate) fn show(&mut self) -> Result<()> {
        let Some(mut password) = self.password()? else {
            return unshow(self.config, "coder");
        };
        let (url, email) = (&self.config.access_url, &self.config.admin_email);
        let text = format!("Coder     {url}\n  e-mail    {email}");
        if !self.is_owners(&password)? {
            self.log_in()?;
            password = self.password()?.unwrap_or(password);
        }
        let why_not = if self.is_owners(&password)? {
            if self
                .owners_password()?
                .is_some_and(|owners| owners != password)
            {
                log!(
                    "FIRST_BOOT_ADMIN_PASSWORD_FILE has another password since: change the \
                     password in Coder, or reset"
                );
            }
            "set by the owner"
        } else if self.session.is_none() {
            log!("the admin's password was changed: it is not shown any more");
            "changed since"
        } else {
            if self.config.owner_password_file.is_some() {
                log!(
                    "FIRST_BOOT_ADMIN_PASSWORD_FILE came after the admin was made: change the \
                     password in Coder, or reset"
                );
            }
            let file = &self.config.password_file;
            return show_password(self.config, "coder", &text, &password, file);
        };
        let text = format!("{text}\n  password  ({why_not})");
        show(self.config, "coder", &text, &text)
    }

    /// A session with what is known here; an owner may have told the password later. None where
    /// the password was changed.
    pub(crate) fn log_in(&mut self) -> Result<Option<&Key>> {
        if self.session.is_none()
            && let Some(password) = self.password()?
        {
            self.session = self.log_in_with(&password)?;
        }
        if self.session.is_none()
            && let Some(password) = self.owners_password()?
        {
            self.session = self.log_in_with(&password)?;
            if self.session.is_some() {
                self.take_owners(&password)?;
            }
        }
        Ok(self.session.as_ref())
    }

    fn log_in_with(&self, password: &str) -> Result<Option<Key>> {
        #[derive(Deserialize)]
        struct Session {
            session_token: String,
        }
        let body = json!({"email": self.config.admin_email, "password": password});
        let answer = self.api.post("/api/v2/users/login", &body)?;
        if answer.status == 401 {
            return Ok(None);
        }
        let Session { session_token } = answer.read()?;
        Ok(Key::new(session_token))
    }

    pub(crate) fn log_out(&mut self) -> Result<()> {
        if let Some(session) = self.session.take() {
            self.api
                .with(&session)
                .send("POST", "/api/v2/users/logout", None)?;
        }
        Ok(())
    }
}

/// The names of the fields that Coder does not take, and not what it says of them.
fn refusal(answer: &Answer) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Refusal {
        message: String,
        validations: Vec<Validation>,
    }
    #[derive(Deserialize)]
    struct Validation {
        field: String,
    }
    let Refusal {
        message,
        validations,
    } = answer.refusal();
    let fields: Vec<_> = validations
        .into_iter()
        .map(|validation| validation.field)
        .collect();
    format!(
        "Coder refuses the first user: {message} {}",
        fields.join(", ")
    )
}
