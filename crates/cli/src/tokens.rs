//! `tenterhook tokens`: creates, lists and revokes management API tokens in the database, while servers run.

use clap::ValueEnum;
use tenterhook_contract::{
    Timestamp,
    id::{ApiTokenId, OrgId},
};
use tenterhook_engine::{Clock as _, SystemClock};
use tenterhook_management::{
    api_tokens::{self, ApiTokenChange, api_token, api_token_event},
    request,
};
use tenterhook_model::{ApiToken, OperatorToken, TokenRole};
use tenterhook_platform::entropy::{SystemEntropy, random_token};
use tenterhook_store::Store;

use crate::{Error, config::Config, tool};

/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;

/// What a token of an org may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Everything in its org
    #[default]
    Administrator,
    /// Invoke the extension points that `--point` names, and ask for their health
    Host,
}

/// A new token of an org.
pub(crate) struct New<'a> {
    /// For people.
    pub(crate) name: &'a str,
    /// How many days it is valid; without, until it is revoked.
    pub(crate) days: Option<u32>,
    /// What it may do.
    pub(crate) role: Role,
    /// The types of a host's extension points.
    pub(crate) points: &'a [String],
}

/// `tokens create`: a new token of an org, shown once.
pub(crate) async fn create(config: &Config, org: Option<&str>, new: New<'_>) -> Result<(), Error> {
    let New { name, days, role, points } = new;
    check_name(name)?;
    if role != Role::Host && !points.is_empty() {
        return Err(
            "`--point` is for tokens with `--role host`: one of an administrator may use every extension point".into(),
        );
    }
    let store = tool::open_or_fill(config).await?;
    let org_id = org_of(config, &store, org).await?;
    let (role, kind) = match role {
        Role::Administrator => (TokenRole::Administrator, "admin"),
        Role::Host => (host_role(config, &org_id, points).await?, "host"),
    };
    let token = random_token(&SystemEntropy);
    let now = SystemClock.now();
    let expires = days.map(|days| now.plus_seconds(i64::from(days) * DAY_SECONDS));
    let stored = ApiToken { role, expires, ..api_token(&SystemEntropy, now, &org_id, name, &token) };
    store.insert_api_token(&stored).await?;
    let shown = format!(
        "{kind} token: {0}\nIt is shown this once, its id is {1}. Send it as `Authorization: SSWS {0}`.",
        token.expose(),
        stored.id
    );
    if let Err(error) = tool::print(&shown) {
        // Nobody knows it, so nobody shall be able to use it.
        store.delete_api_token(&org_id, &stored.id).await?;
        return Err(error);
    }
    // Logged after the token is shown, because logging may wait and a valid token must not stay unseen.
    log(&store, &stored, ApiTokenChange::Created).await;
    Ok(())
}

/// The role of a host with these extension points, which the org must have.
async fn host_role(config: &Config, org: &OrgId, points: &[String]) -> Result<TokenRole, Error> {
    let platform = tool::platform(config).await?;
    let org = platform.load_org(org).await?.ok_or("The org does not exist any more")?;
    api_tokens::host_role(&org, points).map_err(|problems| {
        let texts: Vec<_> = problems.into_iter().map(|(_, text)| text).collect();
        format!("`--point`: {}", texts.join("; ")).into()
    })
}

/// `tokens create --operator`: a new token that manages orgs, shown once.
pub(crate) async fn create_for_operator(config: &Config, name: &str) -> Result<(), Error> {
    check_name(name)?;
    let store = tool::open_or_fill(config).await?;
    let default_org = org_of(config, &store, None).await?;
    let token = random_token(&SystemEntropy);
    let made = api_token(&SystemEntropy, SystemClock.now(), &default_org, name, &token);
    let ApiToken { id, name, token_sha256, created, .. } = made.clone();
    store.insert_operator_token(&OperatorToken { id, name, token_sha256, created }).await?;
    let shown = format!(
        "operator token: {0}\nIt is shown this once, its id is {1}. Send it as `Authorization: SSWS {0}` to `/api/v1/orgs` of the \
         default org.",
        token.expose(),
        made.id
    );
    if let Err(error) = tool::print(&shown) {
        store.delete_operator_token(&made.id).await?;
        return Err(error);
    }
    log(&store, &made, ApiTokenChange::Created).await;
    Ok(())
}

/// `tokens list`: id, times of creation, expiry and last use, role, and name of each, oldest first; without an org also those of
/// the operator.
pub(crate) async fn list(config: &Config, org: Option<&str>) -> Result<(), Error> {
    let store = tool::open(config).await?;
    let org_id = org_of(config, &store, org).await?;
    let or =
        |time: Option<Timestamp>, otherwise: &str| time.map_or_else(|| otherwise.to_owned(), |time| time.to_string());
    for token in store.api_tokens(&org_id).await? {
        let (expires, used) = (or(token.expires, "never"), or(token.last_used, "never"));
        let points = token.role.extension_points().unwrap_or_default().iter().map(|point| format!(" {point}"));
        let role = format!("{}{}", token.role.name(), points.collect::<String>());
        tool::print(&format!(
            "{}  created {}  expires {expires}  last used {used}  {role}  {}",
            token.id, token.created, token.name
        ))?;
    }
    if org.is_none() {
        for token in store.operator_tokens().await? {
            // The use of an operator's token is in the System Log.
            let (id, created, name) = (token.id, token.created, token.name);
            tool::print(&format!(
                "{id}  created {created}  expires never  last used (not recorded)  OPERATOR  {name} (operator)"
            ))?;
        }
    }
    Ok(())
}

/// `tokens revoke`: the next request with the token is refused; that of a host after one more second at most, or a minute while the
/// database does not answer.
pub(crate) async fn revoke(config: &Config, org: Option<&str>, id: &ApiTokenId) -> Result<(), Error> {
    let store = tool::open(config).await?;
    let org_id = org_of(config, &store, org).await?;
    let operators = if org.is_none() { store.operator_tokens().await? } else { Vec::new() };
    if let Some(token) = operators.into_iter().find(|token| token.id == *id) {
        store.delete_operator_token(id).await?;
        tool::print(&format!("Revoked {id}: every server refuses it from now on."))?;
        log(&store, &token.presented_to(org_id), ApiTokenChange::Revoked).await;
        return Ok(());
    }
    let stored = store.api_token_by_id(&org_id, id).await?;
    let removed = store.delete_api_token(&org_id, id).await?;
    let Some(stored) = stored.filter(|_| removed) else {
        return Err(format!("There is no token `{id}`; `tenterhook tokens list` shows all").into());
    };
    let lag = if stored.is_administrator() {
        "every server refuses it from now on."
    } else {
        "every server refuses it after one more second at most, or a minute while the database does not answer."
    };
    tool::print(&format!("Revoked {id}: {lag}"))?;
    if stored.is_administrator() && store.count_administrator_tokens(&org_id).await? == 0 {
        tool::print(
            "It was the last one of an administrator: `tokens create` makes another, and so does the next start of `tenterhook serve`.",
        )?;
    }
    log(&store, &stored, ApiTokenChange::Revoked).await;
    Ok(())
}

/// Writes the change of a token into the System Log, and waits until it is written.
async fn log(store: &Store, token: &ApiToken, change: ApiTokenChange) {
    let log = store.log_writer();
    log.append(&api_token_event(&SystemEntropy, SystemClock.now(), token, change));
    log.close().await;
    if log.lost() > 0 {
        anstream::eprintln!("warning: the System Log has no event of it: the database did not store it in time");
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    request::check_name(name).map_err(|why| format!("`--name`: {why}").into())
}

/// The org whose tokens they are: the one that is named, else the default one.
async fn org_of(config: &Config, store: &Store, org: Option<&str>) -> Result<OrgId, Error> {
    if let Some(which) = org {
        return Ok(tool::find_org(config, store, which).await?.id);
    }
    let org = store.default_org().await?;
    Ok(org.ok_or("There is no default org yet: the first start of `tenterhook serve` creates it")?.id)
}
