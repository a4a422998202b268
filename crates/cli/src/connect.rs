//! `tenterhook config --connect`: tries what `serve` connects to, and changes nothing.

use tenterhook_store::{DatabaseContent, KeyCheck, Store};
use tenterhook_transport::Proxy;

use crate::{
    Error,
    config::{Config, setting},
    telemetry::{BAD, GOOD},
    tool,
};

/// What was found out about one thing: a sentence, in both cases.
type Found = Result<String, String>;

/// Tries the database, the master keys, the proxy and the mail server, and shows a line for each. Returns whether all are as `serve` needs them.
///
/// # Errors
/// When a setting is not usable.
pub(crate) async fn run(config: &Config) -> Result<bool, Error> {
    let database = database(config).await?;
    let keys = match &database {
        Ok(_) => master_keys(config).await?,
        Err(_) => Err(format!("{}: not tried, because the database cannot be used", config.keys.place())),
    };
    let found = [
        ("database", database),
        ("master key", keys),
        ("egress proxy", proxy(config).await?),
        ("mail server", mail(config).await?),
    ];
    for (name, found) in &found {
        match found {
            Ok(text) => anstream::println!("{}✓{} {name}: {text}", GOOD.render(), GOOD.render_reset()),
            Err(text) => anstream::println!("{}✗{} {name}: {text}", BAD.render(), BAD.render_reset()),
        }
    }
    Ok(found.iter().all(|(_, found)| found.is_ok()))
}

async fn database(config: &Config) -> Result<Found, Error> {
    let database = config.database()?;
    let place = database.place();
    Ok(match Store::content(&database).await {
        Ok(DatabaseContent::Empty) => Ok(format!("{place}: empty, or not there yet; `serve` creates its content")),
        Ok(DatabaseContent::Older) => Ok(format!("{place}: of an older version; `serve` migrates it")),
        Ok(DatabaseContent::Current) => Ok(format!("{place}: of this version")),
        Ok(DatabaseContent::Newer) => {
            Err(format!("{place}: servers of a newer version have migrated it. Use their version"))
        }
        Err(error) => Err(error.to_string()),
    })
}

async fn master_keys(config: &Config) -> Result<Found, Error> {
    let keyring = config.keyring()?;
    let place = config.keys.place();
    Ok(match Store::check_keys(&config.database()?, &keyring).await {
        Ok(KeyCheck { missing, .. }) if !missing.is_empty() => {
            let counts: Vec<_> = missing.iter().map(|(id, count)| format!("{count} under `{id}`")).collect();
            let first = missing.keys().next().map(String::as_str).unwrap_or_default();
            let why = tool::wrong_key(&config.keys, &keyring, first);
            Err(format!("{why}. Secrets that cannot be decrypted: {}", counts.join(", ")))
        }
        Ok(KeyCheck { damaged: 0, decrypted: 0, .. }) => Ok(format!("{place}: usable; the database has no secret yet")),
        Ok(KeyCheck { damaged: 0, decrypted, .. }) => {
            Ok(format!("{place}: decrypts all {decrypted} secrets of the database"))
        }
        Ok(KeyCheck { damaged, decrypted, .. }) => Err(format!(
            "{place}: {damaged} secrets of the database do not decrypt, {decrypted} do: they are damaged, or another key has \
             the same id"
        )),
        Err(error) => Err(error.to_string()),
    })
}

async fn proxy(config: &Config) -> Result<Found, Error> {
    let Some(text) = &config.egress.proxy else { return Ok(Ok("none is configured".to_owned())) };
    let proxy: Proxy = text.parse().map_err(|error| setting("egress.proxy", &error))?;
    Ok(match proxy.probe().await {
        Ok(status) => Ok(format!("{proxy}: {status}")),
        Err(why) => Err(format!("{proxy}: {why}")),
    })
}

/// Connects and signs in as for a mail; sends none.
async fn mail(config: &Config) -> Result<Found, Error> {
    let Some(smtp) = config.smtp()? else { return Ok(Ok("none is configured".to_owned())) };
    let place = config.mail_place();
    Ok(match smtp.probe().await {
        Ok(text) => Ok(format!("{place}: {text}")),
        Err(why) => Err(format!("{place}: {why}")),
    })
}
