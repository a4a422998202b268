//! What is in the database before a node of `bench scale` starts: orgs with many objects each, written by the store in one
//! transaction an org.

use std::sync::Arc;

use clap::Args;
use tenterhook_contract::{
    Secret, Timestamp,
    id::{ClientId, HookId, OrgId, RuleId},
};
use tenterhook_engine::{Clock as _, SystemClock};
use tenterhook_management::{
    api_tokens::api_token,
    provision::{DemonstrationSecrets, demonstration},
};
use tenterhook_model::{
    Configuration, ConfigurationObject, ConfigurationVersion, ConfigurationWrite, OAuthClient, Org, PolicyRule,
    RuleHooks, SigningAlgorithm,
};
use tenterhook_platform::{Platform, entropy::SystemEntropy, keys::signing_key};
use tenterhook_store::StoreConfig;
use tokio::task::JoinSet;

use super::node;
use crate::{
    Error,
    callers::{self, Extra},
};

/// The API token of every org that is asked.
pub(super) const ADMIN_TOKEN: &str = "bench-admin-token";
/// The secret of the confidential client of every org.
pub(super) const CLIENT_SECRET: &str = "bench-client-secret";
/// Hooks of an org.
const HOOKS: usize = 20;
/// Clients of an org.
const CLIENTS: usize = 20;
/// Rules of an org.
const RULES: usize = 5;
/// Orgs that are written at the same time, for a server that takes several.
const WRITERS: usize = 4;

/// Options of the seed; started by the benchmark.
#[derive(Args, Clone)]
pub(crate) struct SeedOptions {
    #[arg(long)]
    database: StoreConfig,
    #[arg(long)]
    keys: String,
    /// Orgs of the usual size, the default one included.
    #[arg(long)]
    orgs: usize,
    /// Further orgs, of so many objects each.
    #[arg(long, value_delimiter = ',')]
    objects: Vec<usize>,
}

/// The host of an org of the usual size; the default one has none.
pub(super) fn host(number: usize) -> Option<String> {
    (number > 0).then(|| format!("org-{number}.bench.example"))
}

/// The host of an org of so many objects.
pub(super) fn host_of_objects(objects: usize) -> String {
    format!("objects-{objects}.bench.example")
}

/// The id of an org that is not the default one.
pub(super) fn org_id(number: usize) -> OrgId {
    OrgId::from_parts(1, (number as u64).to_be_bytes())
}

/// The id of an org of so many objects.
fn org_id_of_objects(objects: usize) -> OrgId {
    OrgId::from_parts(2, (objects as u64).to_be_bytes())
}

/// The id of the first hook of every org.
pub(super) fn first_hook() -> HookId {
    hook_id(0)
}

fn hook_id(number: usize) -> HookId {
    HookId::from_parts(1, (number as u64).to_be_bytes())
}

/// Fills the database, and prints what the benchmark needs to know of it.
pub(crate) fn run(options: &SeedOptions) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let base_url = "http://127.0.0.1:1".to_owned();
        let platform = node::platform(&options.database, &options.keys, base_url).await?;
        let secrets = DemonstrationSecrets {
            admin_token: Secret::new(ADMIN_TOKEN),
            client_secret: Secret::new(CLIENT_SECRET),
            user_password: Secret::new("bench-password"),
        };
        let demonstration = demonstration(&platform, &secrets).await?;
        let default = platform.org_by_host(None).ok_or("there is a default org")?.org.id.clone();
        let beginning = platform.store().load_configuration(&default).await?;
        let usual: Arc<[ConfigurationObject]> = usual(&beginning)?.into();
        let version = write(&platform, &default, beginning.version, &usual).await?;
        let fast_key = [ConfigurationObject::SigningKey(fast_key(&beginning)?)];
        if options.orgs == 1 {
            write(&platform, &default, version, &fast_key).await?;
        }
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let (platform, usual, orgs) = (Arc::clone(&platform), Arc::clone(&usual), options.orgs);
            writers.spawn(async move {
                for number in (1..orgs).filter(|number| number % WRITERS == writer) {
                    add(&platform, org_id(number), host(number), &usual).await?;
                }
                Ok::<_, Error>(())
            });
        }
        while let Some(writer) = writers.join_next().await {
            writer??;
        }
        if options.orgs > 1 {
            add_token(&platform, &org_id(1)).await?;
            let version = platform.store().configuration_version(&org_id(1)).await?;
            write(&platform, &org_id(1), version, &fast_key).await?;
        }
        for objects in &options.objects {
            let id = org_id_of_objects(*objects);
            add(&platform, id.clone(), Some(host_of_objects(*objects)), &of_size(&usual, *objects)?).await?;
            add_token(&platform, &id).await?;
        }
        platform.log().close().await;
        println!("{}", serde_json::json!({ "defaultOrg": default, "client": demonstration.confidential_client_id }));
        Ok(())
    })
}

async fn add(
    platform: &Platform,
    id: OrgId,
    host: Option<String>,
    objects: &[ConfigurationObject],
) -> Result<(), Error> {
    let org = Org::new(id, host.clone(), host.unwrap_or_default(), SystemClock.now());
    platform.store().insert_org(&org).await?;
    let version = platform.store().configuration_version(&org.id).await?;
    write(platform, &org.id, version, objects).await?;
    Ok(())
}

async fn write(
    platform: &Platform,
    org: &OrgId,
    version: ConfigurationVersion,
    objects: &[ConfigurationObject],
) -> Result<ConfigurationVersion, Error> {
    let writes = objects.iter().cloned().map(ConfigurationWrite::put).collect();
    Ok(platform.store().commit_configuration(org, version, writes).await?)
}

async fn add_token(platform: &Platform, org: &OrgId) -> Result<(), Error> {
    let token = api_token(&SystemEntropy, SystemClock.now(), org, "Bench", &Secret::new(ADMIN_TOKEN));
    Ok(platform.store().insert_api_token(&token).await?)
}

/// The objects of an org of the usual size: those that the development org begins with, and copies of them.
fn usual(beginning: &Configuration) -> Result<Vec<ConfigurationObject>, Error> {
    let Configuration { authorization_servers, signing_keys, scopes, claims, policies, rules, clients, .. } = beginning;
    let rule = rules.iter().next_back().ok_or("there is a rule")?;
    let client = clients.iter().next().ok_or("there is a client")?;
    let mut objects: Vec<_> = authorization_servers
        .iter()
        .cloned()
        .map(ConfigurationObject::AuthorizationServer)
        .chain(signing_keys.iter().cloned().map(ConfigurationObject::SigningKey))
        .chain(scopes.iter().cloned().map(ConfigurationObject::Scope))
        .chain(claims.iter().cloned().map(ConfigurationObject::Claim))
        .chain(policies.iter().cloned().map(ConfigurationObject::Policy))
        .collect();
    for number in 0..HOOKS {
        objects.push(hook(number)?);
    }
    let (more_rules, more_clients) = (RULES.saturating_sub(rules.len()), CLIENTS.saturating_sub(clients.len()));
    objects.extend((0..more_rules).map(|number| ConfigurationObject::Rule(another_rule(rule, number))));
    objects
        .extend((0..more_clients).map(|number| ConfigurationObject::Client(Box::new(another_client(client, number)))));
    objects.extend(rules.iter().cloned().map(ConfigurationObject::Rule));
    objects.extend(clients.iter().cloned().map(|client| ConfigurationObject::Client(Box::new(client))));
    Ok(objects)
}

/// So many objects: a server with its key and policy, a hook, and rules and clients in equal parts.
fn of_size(usual: &[ConfigurationObject], size: usize) -> Result<Vec<ConfigurationObject>, Error> {
    let first = |wanted: fn(&ConfigurationObject) -> bool| usual.iter().find(|object| wanted(object)).cloned();
    let mut objects: Vec<_> = [
        first(|object| matches!(object, ConfigurationObject::AuthorizationServer(_))),
        first(|object| matches!(object, ConfigurationObject::SigningKey(_))),
        first(|object| matches!(object, ConfigurationObject::Policy(_))),
    ]
    .into_iter()
    .flatten()
    .collect();
    objects.push(hook(0)?);
    let rule = usual.iter().find_map(|object| match object {
        ConfigurationObject::Rule(rule) => Some(rule),
        _ => None,
    });
    let client = usual.iter().find_map(|object| match object {
        ConfigurationObject::Client(client) => Some(&**client),
        _ => None,
    });
    let (rule, client) = rule.zip(client).ok_or("an org has rules and clients")?;
    for number in 0..size.saturating_sub(objects.len()) {
        objects.push(if number % 2 == 0 {
            ConfigurationObject::Rule(another_rule(rule, number))
        } else {
            ConfigurationObject::Client(Box::new(another_client(client, number)))
        });
    }
    Ok(objects)
}

fn hook(number: usize) -> Result<ConfigurationObject, Error> {
    // Nobody listens there: no hook is called.
    let target = callers::Target {
        port: 9,
        wire: crate::service::Wire::Plain,
        authority: std::path::PathBuf::new(),
        path: "/hook".to_owned(),
    };
    let mut hook = callers::inline_hook(&target, Extra::None, std::time::Duration::from_secs(3), None)?;
    hook.id = hook_id(number);
    hook.name = format!("Hook {number}");
    Ok(ConfigurationObject::Hook(Box::new(hook)))
}

/// A rule that is tried after `rule`.
fn another_rule(rule: &PolicyRule, number: usize) -> PolicyRule {
    PolicyRule {
        id: RuleId::from_parts(1, (number as u64).to_be_bytes()),
        name: format!("Rule {number}"),
        priority: u32::try_from(number).unwrap_or(u32::MAX).saturating_add(100),
        hooks: RuleHooks::one(hook_id(number % HOOKS)),
        ..rule.clone()
    }
}

fn another_client(client: &OAuthClient, number: usize) -> OAuthClient {
    OAuthClient {
        id: ClientId::from_parts(1, (number as u64).to_be_bytes()),
        name: format!("Client {number}"),
        ..client.clone()
    }
}

/// A key whose signatures take so little time that the rest of a token shows.
fn fast_key(beginning: &Configuration) -> Result<tenterhook_model::SigningKey, Error> {
    let server = beginning.authorization_servers.iter().next().ok_or("there is an authorization server")?;
    let pair = tenterhook_jose::generate(SigningAlgorithm::ES256)?;
    Ok(signing_key((SigningAlgorithm::ES256, &pair), &server.id, &SystemEntropy, Timestamp::from_micros(0)))
}
