//! What the tools work on: the configured database, beside running servers.

use std::{
    io::{self, Write as _},
    sync::Arc,
};

use tenterhook_engine::SystemClock;
use tenterhook_management::provision;
use tenterhook_model::Org;
use tenterhook_platform::{Parts, Platform, Settings, entropy::SystemEntropy, is_host_of};
use tenterhook_store::{DatabaseContent, Keyring, Store};

use crate::{
    Error,
    config::{Config, Keys},
    serve,
};

/// The name of the default org on the command line, unless another org has it as its host.
const DEFAULT_ORG: &str = "default";

/// Writes lines to standard output.
///
/// # Errors
/// When they cannot be written, because the disk is full or nobody reads them.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    Ok(written.map_err(|error| format!("cannot write to standard output: {error}"))?)
}

/// The configured database. It is not migrated.
///
/// # Errors
/// When it is empty, or servers of another version use it; and when it cannot be reached.
pub(crate) async fn open(config: &Config) -> Result<Store, Error> {
    Ok(Store::open_beside_servers(&config.database()?, config.keyring()?).await?)
}

/// The configured database; an empty one gets what the first start of a server would give it, except a token.
///
/// # Errors
/// When servers of another version use it, and when it cannot be reached or made.
pub(crate) async fn open_or_fill(config: &Config) -> Result<Store, Error> {
    let database = config.database()?;
    let store = match Store::content(&database).await? {
        // No server uses an empty database yet: this is its server for a moment.
        DatabaseContent::Empty => Store::open(&database, config.keyring()?).await?,
        _ => open(config).await?,
    };
    if store.default_org().await?.is_none() {
        let platform = start(config, store.clone()).await?;
        let place = database.place();
        if !provision::without_token(&platform).await? {
            return Err(
                format!("The default org in {place} cannot be read, and no other one is made: repair its row").into()
            );
        }
        anstream::eprintln!(
            "The database was empty: its tables, the default org and its authorization server were made in {place}."
        );
    }
    Ok(store)
}

/// What the operations of the management API work on.
///
/// # Errors
/// Also when the master key is not that of the database: what would be written could not be read by servers.
pub(crate) async fn platform(config: &Config) -> Result<Arc<Platform>, Error> {
    let platform = start(config, open(config).await?).await?;
    match platform.missing_key_of_default_org() {
        Some(missing) => Err(wrong_key(&config.keys, &config.keyring()?, &missing).into()),
        None => Ok(platform),
    }
}

/// The error for keys that lack the one that the database has.
pub(crate) fn wrong_key(keys: &Keys, keyring: &Keyring, missing: &str) -> String {
    let ids: Vec<_> = keyring.ids().map(|id| format!("`{id}`")).collect();
    let (noun, ids) = (if ids.len() == 1 { "key" } else { "keys" }, ids.join(", "));
    format!(
        "The master key is not that of the database: {} has the {noun} {ids}, and the secrets of the database are under the \
         key `{missing}`. Use the file that the servers have, or the copy of it: no other key can read these secrets",
        keys.place()
    )
}

async fn start(config: &Config, store: Store) -> Result<Arc<Platform>, Error> {
    let plan = serve::plan(config)?;
    let parts = Parts {
        store,
        transport: plan.transport,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        settings: Settings {
            base_url: base_url(config).into(),
            plain_http_to_loopback: false,
            limits: plan.limits,
            missed_hook_claim: None,
            refresh_grace_seconds: plan.refresh_grace_seconds,
            lockout: plan.lockout,
            recovery: Vec::new(),
            failure_pages: None,
            follow: plan.follow,
        },
        hook_types: tenterhook_contract::HookTypes::built_in().clone(),
        mail: None,
        telephony: Box::default(),
        witness: None,
    };
    Ok(Platform::start(parts).await?)
}

/// The base URL of the default org.
pub(crate) fn base_url(config: &Config) -> String {
    config.server.base_url.clone().unwrap_or_else(|| format!("http://{}", config.server.listen))
}

/// The org that an id or a host names. The host of `server.base_url` names the default org, as it does in requests, and so does
/// `default`.
///
/// # Errors
/// When there is none.
pub(crate) async fn find_org(config: &Config, store: &Store, which: &str) -> Result<Org, Error> {
    let by_id = match which.parse() {
        Ok(id) => store.find_org(&id).await?,
        Err(_) => None,
    };
    if let Some(org) = by_id {
        return Ok(org);
    }
    let found = if is_host_of(&base_url(config), which) {
        store.default_org().await?
    } else {
        match store.find_org_by_host(which).await? {
            None if which == DEFAULT_ORG => store.default_org().await?,
            found => found,
        }
    };
    found.ok_or_else(|| format!("There is no org `{which}`; `tenterhook orgs list` shows all").into())
}
