//! A node of `bench scale`, as `tenterhook serve` runs it, in a process of its own that answers questions about itself.

use std::{
    io::{BufRead as _, Write as _},
    path::PathBuf,
    process::Command,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::Args;
use serde_json::{Value, json};
use tenterhook_contract::{Secret, id::OrgId};
use tenterhook_engine::SystemClock;
use tenterhook_flows::oauth::token::REFRESH_GRACE_SECONDS;
use tenterhook_management::{
    provision,
    signing_keys::{DueKeys, rotate_due_keys},
};
use tenterhook_platform::{Parts, Platform, Settings, entropy::SystemEntropy};
use tenterhook_server::{ServerLimits, TrustedProxies, metrics_router, router, serve};
use tenterhook_store::{Keyring, Store, StoreConfig};
use tokio::{net::TcpListener, sync::watch, time::Instant};

use crate::{
    Error,
    callers::{self, everywhere},
    cpu,
    process::Process,
};

/// How often a node that awaits a change looks whether it has it.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Longest time that it waits for it.
const AWAIT_MAX: Duration = Duration::from_mins(1);

/// Options of a node; started by the benchmark.
#[derive(Args, Clone)]
pub(crate) struct NodeOptions {
    #[arg(long)]
    database: StoreConfig,
    #[arg(long)]
    keys: String,
}

/// The platform of a node on a database.
pub(crate) async fn platform(config: &StoreConfig, keys: &str, base_url: String) -> Result<Arc<Platform>, Error> {
    let store = Store::open(config, Keyring::from_text(&Secret::new(keys))?).await?;
    let target =
        callers::Target { port: 9, wire: crate::service::Wire::Plain, authority: PathBuf::new(), path: String::new() };
    let parts = Parts {
        store,
        transport: Arc::new(callers::transport(&target, false)?),
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
        hook_types: tenterhook_contract::HookTypes::built_in().clone(),
        mail: None,
        telephony: Box::default(),
        witness: None,
    };
    Ok(Platform::start(parts).await?)
}

/// Serves until standard input ends; answers a line for each that it reads.
pub(crate) fn run(options: &NodeOptions) -> Result<(), Error> {
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (listener, metrics) = (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
        let (url, metrics_url) =
            (format!("http://{}", listener.local_addr()?), format!("http://{}/metrics", metrics.local_addr()?));
        let platform = platform(&options.database, &options.keys, url.clone()).await?;
        let (_stop, stopping) = watch::channel(false);
        let limits = ServerLimits { api_requests_per_minute: u32::MAX, ..ServerLimits::default() };
        let routes = router(Arc::clone(&platform), limits, TrustedProxies::default(), stopping.clone());
        tokio::spawn(serve(listener, routes, limits, TrustedProxies::default(), stopping.clone()));
        let routes = metrics_router(Arc::clone(&platform));
        tokio::spawn(serve(metrics, routes, limits, TrustedProxies::default(), stopping));
        do_chores(&platform);
        provision::bootstrap(&platform).await?;
        let started = began.elapsed().as_secs_f64();
        println!("{}", json!({ "url": url, "metricsUrl": metrics_url, "startSeconds": started }));
        std::io::stdout().flush()?;
        let (words, mut asked) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                let _ = words.send(line);
            }
        });
        let mut before = (Duration::ZERO, Instant::now());
        while let Some(line) = asked.recv().await {
            let words: Vec<_> = line.splitn(3, ' ').collect();
            let answer = match words.as_slice() {
                ["begin"] => {
                    before = (cpu::time()?, Instant::now());
                    json!({})
                }
                ["end"] => {
                    let used = cpu::time()?.saturating_sub(before.0);
                    json!({ "cpuShare": used.as_secs_f64() / before.1.elapsed().as_secs_f64() })
                }
                ["memory"] => json!({ "bytes": cpu::resident_bytes()?, "loaded": platform.orgs().len() }),
                ["await", org, name] => seen(&platform, &org.parse()?, name).await?,
                _ => return Err(format!("no such question: {line}").into()),
            };
            println!("{answer}");
            std::io::stdout().flush()?;
        }
        Ok(())
    })
}

/// What runs beside the server in `tenterhook serve`.
fn do_chores(platform: &Arc<Platform>) {
    let spawned = Arc::clone(platform);
    tokio::spawn(async move { spawned.follow().await });
    let spawned = Arc::clone(platform);
    tokio::spawn(async move { spawned.keep_telling_refusals().await });
    let spawned = Arc::clone(platform);
    tokio::spawn(async move {
        if let Err(error) = spawned.store().purge_expired(spawned.now()).await {
            // Not to standard output: each line there is an answer.
            drop(writeln!(std::io::stderr(), "the purge failed: {error}"));
        }
        rotate_due_keys(&spawned, &mut DueKeys::default()).await;
    });
}

/// Waits until this node's configuration of the org has a hook of this name.
async fn seen(platform: &Platform, org: &OrgId, name: &str) -> Result<Value, Error> {
    let began = Instant::now();
    let has = || platform.org(org).is_some_and(|org| org.configuration.hooks.iter().any(|hook| hook.name == name));
    while !has() {
        if began.elapsed() > AWAIT_MAX {
            return Err(format!("no hook `{name}` came to {org}").into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(json!({ "atUs": epoch_us()? }))
}

/// Microseconds of the epoch, the same for all processes of this machine.
pub(super) fn epoch_us() -> Result<f64, Error> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64() * 1e6)
}

/// A node, from outside.
pub(super) struct Node {
    /// It answers questions about itself.
    pub(super) process: Process,
    /// Where it serves.
    pub(super) url: String,
    /// Where its metrics are.
    pub(super) metrics_url: String,
    /// How long its start took.
    pub(super) start_seconds: f64,
}

impl Node {
    pub(super) fn start(database: &str, keys: &str) -> Result<Self, Error> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["scale-node", "--database", database, "--keys", keys]);
        let mut process = Process::start(&mut command)?;
        let ready = process.object()?;
        let (url, metrics_url) = (ready.text("url")?, ready.text("metricsUrl")?);
        Ok(Self { process, url, metrics_url, start_seconds: ready.number("startSeconds")? })
    }
}
