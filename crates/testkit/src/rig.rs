//! A platform with the development org on a database of its own, without HTTP.
//!
//! Its clock stands until the test moves it, its randomness is the same on every run, and its hooks call a scripted endpoint.
#![expect(clippy::unwrap_used, reason = "only tests use it, and a test may panic")]

use std::sync::Arc;

use tenterhook_contract::{
    HookTypes, Secret,
    id::{HookId, OrgId, RequestId},
};
use tenterhook_engine::{Limits, SystemClock, Transport};
use tenterhook_management::{
    administrator::Administrator,
    hooks::{self, AuthSchemeRequest, ChannelRequest, ConfigRequest, HeaderRequest, HookRequest, PolicyRequest},
    provision::{DemonstrationOrg, DemonstrationSecrets, demonstration},
    request::{Given, Named, Submitted},
};
use tenterhook_model::{ConfigurationObject, ConfigurationWrite, LogEvent, LogFilter, LogQuery, PolicyRule, RuleHooks};
use tenterhook_platform::{
    Caller, FollowSettings, Languages, Lockout, OrgSnapshot, Parts, Platform, Settings,
    entropy::{SystemEntropy, sha256_hex},
};
use tenterhook_store::{Keyring, Store, StoreConfig};

use crate::{
    clock::{Sequence, StandingClock},
    endpoint::{Scripted, ScriptedTransport},
    postgres,
};

/// The development org's API token. Marked, as the others, so that it is found where it must not be.
pub const ADMIN_TOKEN: &str = "admin-token-marked-secret";
/// The secret of its confidential client.
pub const CLIENT_SECRET: &str = "client-secret-marked-secret";
/// The password of its users.
pub const PASSWORD: &str = "password-marked-secret";
/// Base URL of the default org.
pub const BASE_URL: &str = "https://id.example.com";
/// Events of a type that a test may have.
const EVENTS_MAX: u64 = 1_000;

/// A database of its own on the PostgreSQL server that the test command has started; `otherwise` where there is none.
///
/// # Panics
/// When the server cannot be reached.
pub async fn database_or(otherwise: StoreConfig) -> StoreConfig {
    if std::env::var_os(postgres::URL_VARIABLE).is_none() {
        return otherwise;
    }
    let url = postgres::new_database().await.unwrap();
    StoreConfig::Postgres { url: Secret::new(url), max_connections: 6 }
}

/// The request that registers a token hook at `uri`: what [`crate::hook::body`] says.
pub fn hook_request(name: &str, uri: &str) -> HookRequest {
    let text = |text: &str| Given::Is(text.to_owned());
    let header = HeaderRequest { key: text("X-Tenant"), value: text("north"), unsupported: None };
    let auth_scheme = AuthSchemeRequest {
        kind: Named::is("HEADER"),
        key: Named::is("Authorization"),
        value: Named::is(Secret::new(crate::hook::SECRET)),
    };
    let config = ConfigRequest {
        uri: Named::is(uri),
        headers: Named::is(vec![Given::Is(header)]),
        method: Named::is("POST"),
        auth_scheme: Named::is(auth_scheme),
        ..ConfigRequest::default()
    };
    HookRequest {
        name: Named::is(name),
        hook_type: Named::is("com.okta.oauth2.tokens.transform"),
        version: Named::is("1.0.0"),
        channel: Named::is(ChannelRequest {
            kind: Named::is("HTTP"),
            version: Named::is("1.0.0"),
            config: Named::is(config),
        }),
        policy: Named::default(),
    }
}

/// What the platform of a test is made of, with the machine's clock and randomness. A test replaces what it is about.
pub fn parts(store: Store, transport: Arc<dyn Transport>, base_url: Arc<str>) -> Parts {
    Parts {
        store,
        transport,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        settings: Settings {
            base_url,
            plain_http_to_loopback: true,
            limits: Limits::default(),
            missed_hook_claim: Some("x-hook-missed".into()),
            refresh_grace_seconds: 0,
            lockout: Lockout::default(),
            recovery: Vec::new(),
            failure_pages: None,
            follow: FollowSettings::default(),
        },
        hook_types: Arc::clone(HookTypes::built_in()),
        mail: None,
        telephony: Box::default(),
        witness: None,
    }
}

/// Makes the development org with the secrets above.
///
/// # Panics
/// When the database does not take it.
pub async fn development_org(platform: &Platform) -> DemonstrationOrg {
    let secrets = DemonstrationSecrets {
        admin_token: Secret::new(ADMIN_TOKEN),
        client_secret: Secret::new(CLIENT_SECRET),
        user_password: Secret::new(PASSWORD),
    };
    demonstration(platform, &secrets).await.unwrap()
}

/// A platform with the development org.
pub struct Rig {
    /// The platform.
    pub platform: Arc<Platform>,
    /// Its development org.
    pub org: DemonstrationOrg,
    /// The id of that org.
    pub org_id: OrgId,
    /// The external service of every hook.
    pub service: Arc<Scripted>,
    /// Its clock.
    pub clock: Arc<StandingClock>,
}

impl Rig {
    /// A platform on a database in memory, or on PostgreSQL when the test command has started a server.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// The same with other settings.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let keyring = Keyring::from_text(&Keyring::generate_text()).unwrap();
        let store = Store::open(&database_or(StoreConfig::Ephemeral).await, keyring).await.unwrap();
        let (service, clock) = (Scripted::new(&[]), Arc::new(StandingClock::default()));
        let transport = Arc::new(ScriptedTransport(Arc::clone(&service)));
        let mut parts = Parts {
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(Sequence::default()),
            ..parts(store, transport, BASE_URL.into())
        };
        change(&mut parts.settings);
        let platform = Platform::start(parts).await.unwrap();
        let org = development_org(&platform).await;
        let org_id = platform.org_id_by_host(None).unwrap();
        Self { platform, org, org_id, service, clock }
    }

    /// The org, as it is in memory.
    ///
    /// # Panics
    /// When it is not in memory.
    pub fn snapshot(&self) -> Arc<OrgSnapshot> {
        self.platform.org(&self.org_id).unwrap()
    }

    /// The org, read anew from the database. Nobody may hold a snapshot of it.
    ///
    /// # Panics
    /// When it cannot be read, or was not let go of.
    pub async fn stored(&self) -> Arc<OrgSnapshot> {
        self.platform.let_go_of_idle_orgs(0);
        assert!(self.platform.org(&self.org_id).is_none(), "somebody holds a snapshot of the org");
        self.platform.load_org(&self.org_id).await.unwrap().unwrap()
    }

    /// Registers a token hook with this policy, and puts it on the rule of the development org.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn hook(&self, policy: PolicyRequest) -> HookId {
        let request = HookRequest { policy: Named::is(policy), ..hook_request("Hook", "https://service.example/hook") };
        let submitted = Submitted::of(request);
        let hook = hooks::create(&self.platform, &self.administrator().await, &submitted).await.unwrap();
        self.put_on_rule(&hook.id).await;
        hook.id
    }

    /// Puts a hook on the rule of the development org, whether the hook exists or not.
    ///
    /// # Panics
    /// When the database does not take it.
    pub async fn put_on_rule(&self, hook: &HookId) {
        let rule = self.snapshot().configuration.rules.get(&self.org.rule_id).unwrap().clone();
        self.put([ConfigurationObject::Rule(PolicyRule { hooks: RuleHooks::one(hook.clone()), ..rule })]).await;
    }

    /// Writes objects of the org past the management API, which would check and log them.
    ///
    /// # Panics
    /// When the database does not take them.
    pub async fn put(&self, objects: impl IntoIterator<Item = ConfigurationObject>) {
        let writes: Vec<_> = objects.into_iter().map(ConfigurationWrite::put).collect();
        self.platform.change(&self.org_id, |_| Ok::<_, ()>((writes.clone(), ()))).await.unwrap();
    }

    /// A request to the org.
    pub fn caller(&self, method: &str, path: &str) -> Caller {
        let mut entropy = [0; 16];
        self.platform.entropy().fill(&mut entropy);
        Caller {
            request_id: RequestId::from_entropy(entropy),
            at: self.platform.now(),
            method: method.to_owned(),
            path: path.to_owned(),
            query: None,
            ip_address: "192.0.2.1".to_owned(),
            proxies: Vec::new(),
            user_agent: Some("rig".to_owned()),
            languages: Languages::default(),
            base_url: self.platform.settings().base_url.clone(),
        }
    }

    /// A request of the management API with [`ADMIN_TOKEN`].
    ///
    /// # Panics
    /// When the database does not have the token.
    pub async fn administrator(&self) -> Administrator {
        let token =
            self.platform.store().find_api_token(&self.org_id, &sha256_hex(ADMIN_TOKEN)).await.unwrap().unwrap();
        Administrator { caller: self.caller("POST", "/api/v1/rig"), token, org: self.snapshot() }
    }

    /// The System Log's events of a type, oldest first.
    ///
    /// # Panics
    /// When the log cannot be read.
    pub async fn events(&self, event_type: &str) -> Vec<LogEvent<'static>> {
        events(&self.platform, &self.org_id, event_type).await
    }
}

/// The System Log's events of a type in an org, oldest first.
///
/// # Panics
/// When the log cannot be read.
pub async fn events(platform: &Platform, org_id: &OrgId, event_type: &str) -> Vec<LogEvent<'static>> {
    platform.log().flush().await;
    let query = LogQuery {
        org_id: org_id.clone(),
        since: None,
        until: None,
        after: None,
        descending: false,
        polling: true,
        filter: LogFilter::default(),
        limit: EVENTS_MAX,
    };
    let events = platform.store().query_log(&query).await.unwrap().events;
    events.into_iter().filter(|event| event.event_type == event_type).collect()
}
