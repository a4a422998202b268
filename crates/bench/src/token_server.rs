//! The servers of `bench token`: ours as `tenterhook serve` runs it, and one with an empty handler.

use std::{
    fs,
    io::{BufRead as _, Write as _},
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Bytes, routing::post};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::{Args, ValueEnum};
use serde_json::json;
use tenterhook_contract::{HookTypes, Secret, Timestamp};
use tenterhook_engine::SystemClock;
use tenterhook_flows::oauth::token::REFRESH_GRACE_SECONDS;
use tenterhook_jose::SigningAlgorithm;
use tenterhook_management::provision::{DemonstrationOrg, DemonstrationSecrets, demonstration};
use tenterhook_model::{ConfigurationObject, ConfigurationWrite, SigningKey, Status};
use tenterhook_platform::{Parts, Platform, Settings, entropy::SystemEntropy};
use tenterhook_server::{ServerLimits, TrustedProxies, router, serve};
use tenterhook_store::{Keyring, Store, StoreConfig};
use tokio::{net::TcpListener, sync::watch};

use crate::{
    Error,
    callers::{self, Extra, Target, everywhere},
    token::IN_FLIGHT,
    token_user,
};

const CLIENT_SECRET: &str = "bench-client-secret";
/// The API token of the administrator.
pub(crate) const ADMIN_TOKEN: &str = "bench-admin-token";
/// Bytes of the empty handler's answer: as many as our token answer with RS256.
const EMPTY_ANSWER_BYTES: usize = 890;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Reads the form and answers with as many bytes.
    Empty,
    /// Ours, no hook.
    Rs256,
    /// Ours, every token with a hook.
    Rs256Hook,
    /// Ours, no hook.
    Es256,
    /// Ours, every token with a hook.
    Es256Hook,
    /// Ours, no hook: the code flow of a user with a session.
    User,
    /// The same with three more claims, which are expressions.
    UserExpressions,
    /// The npm package `oidc-provider`, no hook.
    Peer,
    /// The same with a hook by undici.
    PeerHook,
}

impl Kind {
    /// Its name in figures.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Rs256 => "rs256",
            Self::Rs256Hook => "rs256_hook",
            Self::Es256 => "es256",
            Self::Es256Hook => "es256_hook",
            Self::User => "es256_user",
            Self::UserExpressions => "es256_user_expressions",
            Self::Peer => "oidc_provider",
            Self::PeerHook => "oidc_provider_hook",
        }
    }

    /// Its name in tables.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Empty => "axum, an empty handler",
            Self::Rs256 => "RS256",
            Self::Rs256Hook => "RS256, hook",
            Self::Es256 => "ES256",
            Self::Es256Hook => "ES256, hook",
            Self::User => "ES256, code flow",
            Self::UserExpressions => "ES256, code flow, expressions",
            Self::Peer => "oidc-provider, RS256",
            Self::PeerHook => "oidc-provider, RS256, hook",
        }
    }

    fn algorithm(self) -> SigningAlgorithm {
        match self {
            Self::Es256 | Self::Es256Hook | Self::User | Self::UserExpressions => SigningAlgorithm::ES256,
            _ => SigningAlgorithm::RS256,
        }
    }
}

/// Options of a server; started by the benchmark.
#[derive(Args, Clone)]
pub(crate) struct ServerOptions {
    #[arg(long)]
    kind: Kind,
    #[command(flatten)]
    target: Target,
}

/// A platform with the demonstration org on a database of its own.
pub(crate) struct World {
    pub(crate) platform: Arc<Platform>,
    pub(crate) org: DemonstrationOrg,
    _folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn start(target: &Target, base_url: String) -> Result<Self, Error> {
        let folder = tempfile::tempdir()?;
        let config = StoreConfig::Sqlite { path: folder.path().join("bench.sqlite") };
        let store = Store::open(&config, Keyring::from_text(&Keyring::generate_text())?).await?;
        let platform = Platform::start(Parts {
            store,
            transport: Arc::new(callers::transport(target, false)?),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            settings: Settings {
                base_url: base_url.into(),
                plain_http_to_loopback: true,
                limits: everywhere(4_096),
                missed_hook_claim: None,
                refresh_grace_seconds: REFRESH_GRACE_SECONDS,
                lockout: tenterhook_platform::Lockout::default(),
                recovery: Vec::new(),
                failure_pages: None,
                follow: tenterhook_platform::FollowSettings::default(),
            },
            hook_types: HookTypes::built_in().clone(),
            mail: None,
            telephony: Box::default(),
            witness: None,
        })
        .await?;
        let secrets = DemonstrationSecrets {
            admin_token: Secret::new(ADMIN_TOKEN),
            client_secret: Secret::new(CLIENT_SECRET),
            user_password: Secret::new("bench-password"),
        };
        let org = demonstration(&platform, &secrets).await?;
        Ok(Self { platform, org, _folder: folder })
    }

    /// The `Authorization` header of the confidential client.
    pub(crate) fn authorization(&self) -> String {
        let credentials = format!("{}:{CLIENT_SECRET}", self.org.confidential_client_id);
        format!("Basic {}", STANDARD.encode(credentials))
    }

    /// Puts a hook on the rule, and gives the server a key of the algorithm.
    async fn set_up(&self, kind: Kind, target: &Target) -> Result<(), Error> {
        let mut writes = Vec::new();
        if kind.algorithm() == SigningAlgorithm::ES256 {
            let pair = tenterhook_jose::generate(SigningAlgorithm::ES256)?;
            let mut public_jwk = pair.public;
            for (name, value) in [("alg", "ES256"), ("kid", "bench"), ("use", "sig")] {
                public_jwk.insert(name.to_owned(), value.into());
            }
            writes.push(ConfigurationObject::SigningKey(SigningKey {
                kid: "bench".to_owned(),
                authorization_server_id: self.org.authorization_server_id.clone(),
                algorithm: SigningAlgorithm::ES256,
                private_key_pem: pair.private_key_pem,
                public_jwk,
                status: Status::Active,
                created: Timestamp::from_micros(0),
            }));
        }
        let hooked = matches!(kind, Kind::Rs256Hook | Kind::Es256Hook);
        let hook = callers::inline_hook(target, Extra::None, Duration::from_secs(3), Some(4_096))?;
        let org = self.platform.org_by_host(None).ok_or("there is an org")?.org.id.clone();
        let rule_id = self.org.rule_id.clone();
        let change = |snapshot: &tenterhook_platform::OrgSnapshot| {
            let mut writes = writes.clone();
            let mut rules = snapshot.configuration.rules.iter();
            if let Some(rule) = rules.find(|rule| hooked && rule.id == rule_id) {
                let mut rule = rule.clone();
                rule.hooks = tenterhook_model::RuleHooks::one(hook.id.clone());
                writes.push(ConfigurationObject::Hook(Box::new(hook.clone())));
                writes.push(ConfigurationObject::Rule(rule));
            }
            Ok::<_, std::convert::Infallible>((writes.into_iter().map(ConfigurationWrite::put).collect(), ()))
        };
        self.platform.change(&org, change).await.map_err(|error| error.to_string())?;
        Ok(())
    }
}

/// Serves until standard input ends.
pub(crate) fn run(options: &ServerOptions) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let (stop, stopping) = watch::channel(false);
        let limits = ServerLimits::default();
        let (routes, world, path, authorization) = if options.kind == Kind::Empty {
            let answer = Bytes::from(format!("{{\"access_token\":\"{}\"}}", "x".repeat(EMPTY_ANSWER_BYTES)));
            let handler = move |form: Bytes| {
                let answer = answer.clone();
                async move { if form.is_empty() { Bytes::new() } else { answer } }
            };
            (Router::new().route("/token", post(handler)), None, "/token".to_owned(), "Basic eDp5".to_owned())
        } else {
            let world = World::start(&options.target, base_url.clone()).await?;
            world.set_up(options.kind, &options.target).await?;
            let path = format!("/oauth2/{}/v1/token", world.org.authorization_server_id);
            let authorization = world.authorization();
            let routes = router(Arc::clone(&world.platform), limits, TrustedProxies::default(), stopping.clone());
            (routes, Some(world), path, authorization)
        };
        let serving = tokio::spawn(serve(listener, routes, limits, TrustedProxies::default(), stopping));
        let url = format!("{base_url}{path}");
        let place = match (options.kind, &world) {
            (Kind::User | Kind::UserExpressions, Some(world)) => {
                let expressions = options.kind == Kind::UserExpressions;
                let flow = token_user::set_up(world, &base_url, (expressions, IN_FLIGHT)).await?;
                json!({ "url": url, "authorize": flow.authorize, "form": flow.form })
            }
            _ => json!({ "url": url, "authorization": authorization }),
        };
        println!("{place}");
        account(world.as_ref()).await?;
        stop.send(true)?;
        serving.await?;
        Ok(())
    })
}

/// Says how much CPU time this process used between each `begin` and the next word on standard input, until that ends.
pub(crate) async fn account(world: Option<&World>) -> Result<(), Error> {
    let (words, mut asked) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let _ = words.send(line);
        }
    });
    let mut before = Used::now()?;
    while let Some(word) = asked.recv().await {
        // Waits until appended events are written, so that their cost is counted.
        if let Some(world) = world {
            world.platform.log().flush().await;
        }
        let now = Used::now()?;
        if word == "begin" {
            before = now;
            println!("{{}}");
        } else {
            let [cpu, log] = [now.all.saturating_sub(before.all), now.beside.saturating_sub(before.beside)]
                .map(|used| used.as_secs_f64() * 1e6);
            println!("{}", json!({ "cpuUs": cpu, "logUs": log }));
        }
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// CPU time of this process.
#[derive(Clone, Copy)]
struct Used {
    all: Duration,
    /// CPU time of the other threads than the first one (the reactor): those of the System Log and its database.
    beside: Duration,
}

impl Used {
    fn now() -> Result<Self, Error> {
        let all = crate::cpu::time()?;
        let reactor = fs::read_to_string(format!("/proc/self/task/{}/schedstat", std::process::id()))?;
        let reactor = Duration::from_nanos(reactor.split_whitespace().next().unwrap_or("0").parse()?);
        Ok(Self { all, beside: all.saturating_sub(reactor) })
    }
}
