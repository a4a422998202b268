//! `tenterhook tokens`: management API tokens, made, listed and revoked in the database, beside running servers.

use std::borrow::Cow;

use tenterhook_contract::{
    id::{ApiTokenId, OrgId},
    system_log::{Actor, DebugData, LogEvent, LogResult, Severity, Target},
};
use tenterhook_engine::{Clock as _, Entropy as _, SystemClock};
use tenterhook_flows::{
    entropy::{SystemEntropy, random_token},
    provision::api_token,
};
use tenterhook_store::{Keyring, Store, model::ApiToken};

use crate::{Error, config::Config};

/// Characters of a token's name.
const NAME_CHARACTERS_MAX: usize = 255;

/// `tokens create`: a new token, shown this once.
pub(crate) async fn create(config: &Config, name: &str) -> Result<(), Error> {
    if name.trim().is_empty() || name.chars().count() > NAME_CHARACTERS_MAX || name.contains(char::is_control) {
        return Err(format!("`--name` takes 1 to {NAME_CHARACTERS_MAX} characters on one line").into());
    }
    let (store, org_id) = open(config).await?;
    let token = random_token(&SystemEntropy);
    let stored = api_token(&SystemEntropy, SystemClock.now(), &org_id, name, &token);
    store.insert_api_token(&stored).await?;
    log(&store, &stored, "system.api_token.create", "Create API token").await;
    println!("admin token: {}", token.expose());
    println!("It is shown this once, its id is {}. Send it as `Authorization: SSWS {}`.", stored.id, token.expose());
    Ok(())
}

/// `tokens list`: id, time of creation and name of each, oldest first.
pub(crate) async fn list(config: &Config) -> Result<(), Error> {
    let (store, org_id) = open(config).await?;
    for token in store.api_tokens(&org_id).await? {
        println!("{}  {}  {}", token.id, token.created, token.name);
    }
    Ok(())
}

/// `tokens revoke`: the next request with the token is refused.
pub(crate) async fn revoke(config: &Config, id: &ApiTokenId) -> Result<(), Error> {
    let (store, org_id) = open(config).await?;
    let stored = store.api_tokens(&org_id).await?.into_iter().find(|token| token.id == *id);
    let removed = store.delete_api_token(&org_id, id).await?;
    let Some(stored) = stored.filter(|_| removed) else {
        return Err(format!("There is no token `{id}`; `tenterhook tokens list` shows all").into());
    };
    log(&store, &stored, "system.api_token.revoke", "Revoke API token").await;
    println!("Revoked {id}: every server refuses it from now on.");
    if store.count_api_tokens(&org_id).await? == 0 {
        println!(
            "It was the last one: `tokens create` makes another, and so does the next start of `tenterhook serve`."
        );
    }
    Ok(())
}

/// Puts into the System Log what was done with a token, never the token itself, and waits until it is written.
async fn log(store: &Store, token: &ApiToken, event_type: &str, message: &str) {
    let log = store.log_writer();
    let command = SystemEntropy.uuid();
    log.append(&LogEvent {
        uuid: SystemEntropy.uuid().into(),
        org_id: token.org_id.clone(),
        published: SystemClock.now(),
        event_type: event_type.into(),
        severity: Severity::Info,
        display_message: message.into(),
        // Whoever may read the database and the master key: the command knows nobody.
        actor: Cow::Owned(Actor {
            id: "system".to_owned(),
            kind: "SystemPrincipal".to_owned(),
            alternate_id: Some("tenterhook tokens".to_owned()),
            display_name: Some("System".to_owned()),
        }),
        client: None,
        external_session_id: None,
        result: LogResult::Success,
        reason: None,
        debug_data: DebugData::default(),
        transaction_id: command.into(),
        request_api_token_id: None,
        targets: vec![Cow::Owned(Target {
            id: token.id.to_string(),
            kind: "Token".to_owned(),
            alternate_id: None,
            display_name: Some(token.name.clone()),
            detail: None,
        })],
    });
    log.close().await;
    if log.lost() > 0 {
        anstream::eprintln!("warning: the System Log has no event of it: the database did not take it in time");
    }
}

/// The configured database, and the org whose tokens they are.
async fn open(config: &Config) -> Result<(Store, OrgId), Error> {
    let store = Store::open(&config.database()?, Keyring::from_text(&config.master_key()?)?).await?;
    let org = store.orgs().await?.into_iter().find(|org| org.host.is_none());
    let org = org.ok_or("The database is empty: `tenterhook serve` makes what is needed at its first start")?;
    Ok((store, org.id))
}
