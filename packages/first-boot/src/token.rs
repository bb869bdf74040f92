//! The machine's own token. Coder caps an owner's tokens (168 h unless configured), so it is
//! replaced in time and the one before it is revoked.

use std::process;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::admin::Admin;
use crate::api::{Api, Key};
use crate::config::Config;
use crate::failure::{Result, log};
use crate::files;

/// What is asked for when the cap allows it, in seconds. Not longer: it is an owner's token.
const WANTED_LIFETIME: i64 = 30 * 24 * 3600;
const PREFIX: &str = "first-boot-";

/// The token that is stored here.
enum Stored {
    Good(Key),
    /// It can still ask for the next one.
    Ageing(Key),
    Gone,
}

/// A token that is stored here, or none where there can be none: Coder ends all of the admin's
/// when somebody changes the password.
pub(crate) fn ensure(config: &Config, api: &Api<'_>, admin: &mut Admin<'_>) -> Result<Option<Key>> {
    let token = match stored(config, api)? {
        Stored::Good(token) => token,
        Stored::Ageing(old) => mint(config, &api.with(&old))?,
        Stored::Gone => match admin.log_in()? {
            Some(session) => mint(config, &api.with(session))?,
            None => return Ok(None),
        },
    };
    admin.log_out()?;
    revoke_others(&api.with(&token), &token)?;
    Ok(Some(token))
}

fn stored(config: &Config, api: &Api<'_>) -> Result<Stored> {
    #[derive(Deserialize)]
    struct Life {
        expires_at: Timestamp,
        lifetime_seconds: i64,
    }
    let Some(token) = files::read(&config.token_file)?.and_then(Key::new) else {
        return Ok(Stored::Gone);
    };
    let answer = api
        .with(&token)
        .get(&format!("/api/v2/users/me/keys/{}", token.id()))?;
    if answer.status != 200 {
        log!("the stored token is no longer accepted ({})", answer.status);
        return Ok(Stored::Gone);
    }
    let Life {
        expires_at,
        lifetime_seconds: lifetime,
    } = answer.read()?;
    let left = expires_at.as_second() - Timestamp::now().as_second();
    if left * 2 < lifetime {
        log!(
            "the token has {} of {} hours left",
            left / 3600,
            lifetime / 3600
        );
        return Ok(Stored::Ageing(token));
    }
    log!("the token is good for {} hours", left / 3600);
    Ok(Stored::Good(token))
}

/// A new token with the rights of whoever asks.
fn mint(config: &Config, api: &Api<'_>) -> Result<Key> {
    #[derive(Deserialize)]
    struct Cap {
        /// In nanoseconds.
        max_token_lifetime: i64,
    }
    #[derive(Deserialize)]
    struct Created {
        key: String,
    }
    let cap: Cap = api
        .get("/api/v2/users/me/keys/tokens/tokenconfig")?
        .read()?;
    let lifetime = (cap.max_token_lifetime / 1_000_000_000).min(WANTED_LIFETIME);
    let mut attempt = 1;
    let answer = loop {
        // A name is never used twice, so the old token stays good until the new one is stored.
        let name = format!(
            "{PREFIX}{}-{}-{attempt}",
            Timestamp::now().as_second(),
            process::id()
        );
        let body =
            json!({"token_name": name, "lifetime": lifetime * 1_000_000_000, "scope": "all"});
        let answer = api.post("/api/v2/users/me/keys/tokens", &body)?;
        if answer.status != 409 || attempt == 3 {
            break answer;
        }
        // An answer was lost; `revoke_others` takes the token that nobody got.
        log!("that token name is taken");
        attempt += 1;
    };
    let Created { key } = answer.read()?;
    let token = Key::new(key).ok_or_else(|| answer.unexpected())?;
    files::write(
        &config.token_file,
        0o600,
        None,
        &format!("{}\n", token.value()),
    )?;
    log!("minted a token for {} hours", lifetime / 3600);
    Ok(token)
}

/// Revokes tokens of this program other than this one: the one before it, and any whose answer
/// never arrived.
fn revoke_others(api: &Api<'_>, token: &Key) -> Result<()> {
    #[derive(Deserialize)]
    struct Listed {
        id: String,
        token_name: String,
    }
    // Coder answers null for an empty list.
    let tokens: Option<Vec<Listed>> = api.get("/api/v2/users/me/keys/tokens")?.read()?;
    for Listed { id, token_name } in tokens.into_iter().flatten() {
        if !token_name.starts_with(PREFIX) || id == token.id() {
            continue;
        }
        let answer = api.send("DELETE", &format!("/api/v2/users/me/keys/{id}"), None)?;
        if !matches!(answer.status, 204 | 404) {
            return Err(answer.unexpected());
        }
        log!("revoked an older token");
    }
    Ok(())
}
