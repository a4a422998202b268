//! `tenterhook orgs`: creates, lists, suspends, resumes and limits orgs in the database, while servers run.

use std::str::FromStr;

use clap::Args;
use tenterhook_management::{
    administrator::ManagementError,
    orgs::{self, NewOrg, OrgUpdate, check_limit},
    request::check_name,
};
use tenterhook_model::{OrgHost, OrgLimits};
use tenterhook_platform::Platform;

use crate::{Error, config::Config, tool};

/// Orgs that are read at once for a list.
const PAGE: u64 = 500;

/// A limit of an org on the command line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LimitArgument {
    /// This number.
    Own(u64),
    /// That of the server.
    Default,
}

impl FromStr for LimitArgument {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "default" {
            return Ok(Self::Default);
        }
        text.parse().map(Self::Own).map_err(|_| "write a number, or `default` for the limit of the server")
    }
}

/// Limits of an org; those that are left out stay.
#[derive(Args, Clone, Debug)]
pub(crate) struct LimitArguments {
    /// Inline hooks.
    #[arg(long, value_name = "N")]
    hooks: Option<LimitArgument>,
    /// OAuth clients.
    #[arg(long, value_name = "N")]
    clients: Option<LimitArgument>,
    /// Users.
    #[arg(long, value_name = "N")]
    users: Option<LimitArgument>,
    /// Declared extension points.
    #[arg(long, value_name = "N")]
    extension_points: Option<LimitArgument>,
    /// Calls of inline hooks that are open at the same time, on each node.
    #[arg(long, value_name = "N")]
    in_flight: Option<LimitArgument>,
    /// Requests of the management API a minute and endpoint, on each node.
    #[arg(long, value_name = "N")]
    api_requests_per_minute: Option<LimitArgument>,
}

impl LimitArguments {
    fn over(&self, limits: OrgLimits) -> Result<OrgLimits, Error> {
        let over = |name: &str, flag: &str, argument: Option<LimitArgument>, known: Option<u32>| match argument {
            None => Ok(known),
            Some(LimitArgument::Default) => Ok(None),
            Some(LimitArgument::Own(number)) => {
                check_limit(name, Some(number)).map(Some).map_err(|why| Error::from(format!("`--{flag}`: {why}")))
            }
        };
        Ok(OrgLimits {
            hooks: over("hooks", "hooks", self.hooks, limits.hooks)?,
            clients: over("clients", "clients", self.clients, limits.clients)?,
            users: over("users", "users", self.users, limits.users)?,
            extension_points: over(
                "extensionPoints",
                "extension-points",
                self.extension_points,
                limits.extension_points,
            )?,
            in_flight: over("inFlight", "in-flight", self.in_flight, limits.in_flight)?,
            api_requests_per_minute: over(
                "apiRequestsPerMinute",
                "api-requests-per-minute",
                self.api_requests_per_minute,
                limits.api_requests_per_minute,
            )?,
        })
    }
}

/// `orgs create`: a new org with its default authorization server; its first API token is shown once.
pub(crate) async fn create(
    config: &Config,
    host: OrgHost,
    name: Option<String>,
    limits: &LimitArguments,
) -> Result<(), Error> {
    if let Some(name) = &name {
        check_name(name).map_err(|why| format!("`--name`: {why}"))?;
    }
    let limits = limits.over(OrgLimits::default())?;
    let platform = tool::platform(config).await?;
    let created = orgs::create(&platform, None, NewOrg { host, name, limits }).await;
    let (org, token) = created.map_err(|error| told(&error))?;
    tool::print(&format!("org: {}  {}", org.id, org.host.as_deref().unwrap_or_default()))?;
    tool::print(&format!("admin token: {}", token.expose()))?;
    tool::print(&format!(
        "It is shown this once. Send it as `Authorization: SSWS {}` to the host of the org.",
        token.expose()
    ))?;
    tool::print("Running servers serve the org within a second.")?;
    close(&platform).await;
    Ok(())
}

/// `orgs list`: id, status, time of creation, host and name of each, oldest first.
pub(crate) async fn list(config: &Config) -> Result<(), Error> {
    let store = tool::open(config).await?;
    let mut after = None;
    loop {
        let page = store.list_orgs(after.as_ref(), PAGE).await?;
        for org in &page {
            let host = match &org.host {
                Some(host) => host.clone(),
                None => format!("{} (default)", tool::base_url(config).rsplit('/').next().unwrap_or_default()),
            };
            tool::print(&format!("{}  {}  {}  {host}  {}", org.id, org.status.as_str(), org.created, org.name))?;
        }
        match page.last() {
            Some(last) if page.len() as u64 == PAGE => after = Some(last.id.clone()),
            _ => return Ok(()),
        }
    }
}

/// `orgs suspend`: every request to the org is refused.
pub(crate) async fn suspend(config: &Config, which: &str) -> Result<(), Error> {
    let platform = tool::platform(config).await?;
    let org = tool::find_org(config, platform.store(), which).await?;
    orgs::suspend(&platform, None, org.id.as_str()).await.map_err(|error| told(&error))?;
    tool::print(&format!("Suspended {}: running servers refuse its requests within a second.", org.id))?;
    close(&platform).await;
    Ok(())
}

/// `orgs resume`: the org is served again.
pub(crate) async fn resume(config: &Config, which: &str) -> Result<(), Error> {
    let platform = tool::platform(config).await?;
    let org = tool::find_org(config, platform.store(), which).await?;
    orgs::resume(&platform, None, org.id.as_str()).await.map_err(|error| told(&error))?;
    tool::print(&format!("Resumed {}: running servers serve it within a second.", org.id))?;
    close(&platform).await;
    Ok(())
}

/// `orgs limit`: other limits than those of the server, or those again.
pub(crate) async fn limit(config: &Config, which: &str, limits: &LimitArguments) -> Result<(), Error> {
    let platform = tool::platform(config).await?;
    let org = tool::find_org(config, platform.store(), which).await?;
    let update = OrgUpdate { name: None, limits: Some(limits.over(org.limits)?) };
    let org = orgs::update(&platform, None, org.id.as_str(), update).await.map_err(|error| told(&error))?;
    let shown = |limit: Option<u32>| limit.map_or_else(|| "default".to_owned(), |limit| limit.to_string());
    tool::print(&format!("hooks: {}", shown(org.limits.hooks)))?;
    tool::print(&format!("clients: {}", shown(org.limits.clients)))?;
    tool::print(&format!("users: {}", shown(org.limits.users)))?;
    tool::print(&format!("extension-points: {}", shown(org.limits.extension_points)))?;
    tool::print(&format!("in-flight: {}", shown(org.limits.in_flight)))?;
    tool::print(&format!("api-requests-per-minute: {}", shown(org.limits.api_requests_per_minute)))?;
    close(&platform).await;
    Ok(())
}

/// Waits until the System Log has what was done.
pub(crate) async fn close(platform: &Platform) {
    platform.log().close().await;
    if platform.log().lost() > 0 {
        anstream::eprintln!("warning: the System Log has no event of it: the database did not store it in time");
    }
}

fn told(error: &ManagementError) -> Error {
    match error {
        ManagementError::Invalid { causes, .. } => causes.join("\n").into(),
        error => error.to_string().into(),
    }
}
