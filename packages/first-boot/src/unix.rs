//! Passwords of Unix accounts, for machines whose owner set none.

use crate::config::Config;
use crate::failure::{Code, Result, log};
use crate::show::{show_password, unshow};
use crate::{files, password, programs};

/// An account that has a password of its owner's is left alone.
pub(crate) fn ensure_password(config: &Config, name: &str) -> Result<()> {
    if !is_account_name(name) {
        return Code::Config.fail(format!("'{name}' is no account name"));
    }
    let file = config.unix.join(name);
    let remembered = config.unix.join(format!("{name}.hash"));
    let Some(mut hash) = programs::shadow_hash(name)? else {
        return Code::Config.fail(format!("there is no account '{name}'"));
    };
    // What a new account has: no password. A '!' before a hash is an account that its owner locked.
    if matches!(hash.as_str(), "" | "!" | "!!" | "*" | "!*") {
        // Stored before it is set: what is set is always known here.
        let password = password::generate()?;
        files::write(&file, 0o600, None, &format!("{password}\n"))?;
        files::remove(&remembered)?;
        programs::set_password(name, &password)?;
        log!("set a generated password for account '{name}'");
        hash = match programs::shadow_hash(name)? {
            Some(hash) => hash,
            None => return Code::Io.fail(format!("there is no account '{name}' any more")),
        };
    }
    let Some(password) = files::read(&file)? else {
        log!("account '{name}' has a password of its owner's");
        return Ok(());
    };
    // What came of it is remembered, and another hash is another password. After a cut between the
    // two it is the one that was just set.
    let made = files::read(&remembered)?;
    if made.is_none() {
        files::write(&remembered, 0o600, None, &format!("{hash}\n"))?;
    }
    let shown = format!("account-{name}");
    if made.is_none_or(|made| made == hash) {
        return show_password(
            config,
            &shown,
            &format!("Account   {name}"),
            &password,
            &file,
        );
    }
    log!("the password of account '{name}' was changed: it is not shown any more");
    unshow(config, &shown)
}

fn is_account_name(name: &str) -> bool {
    let small = |letter: char| matches!(letter, 'a'..='z' | '_');
    name.starts_with(small)
        && name
            .chars()
            .all(|letter| small(letter) || matches!(letter, '0'..='9' | '-'))
}

#[cfg(test)]
mod tests {
    use super::is_account_name;

    #[test]
    fn names_of_accounts() {
        assert!(["box", "_x", "a-b_9"].into_iter().all(is_account_name));
        assert!(
            !["", "9a", "-a", "A", "../x", "a:b", "a b"]
                .into_iter()
                .any(is_account_name)
        );
    }
}
