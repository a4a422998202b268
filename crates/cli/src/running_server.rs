//! The common part of `serve` and `dev`: the platform and the listener.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tenterhook_contract::HookTypes;
use tenterhook_engine::{Limits, SystemClock, Witness};
use tenterhook_flows::registration::unverified::UnverifiedUsers;
use tenterhook_management::signing_keys::{self, DueKeys};
use tenterhook_model::RecoveryMethod;
use tenterhook_platform::{
    FollowSettings, Lockout, Parts, Platform, Settings, entropy::SystemEntropy, mail::MailCarrier,
    telephony::TelephonyParts,
};
use tenterhook_server::{Hosted, ServerLimits, TrustedProxies};
use tenterhook_store::{Keyring, Store, StoreConfig};
use tenterhook_transport::HttpTransport;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
    task::JoinHandle,
    time::Instant,
};

use crate::{
    Error,
    descriptors::{self, Needs, Share},
    keys, line_bound,
};

/// How often expired codes, sessions, tokens and log events are removed, and users who were not verified in time.
const PURGE_EVERY: Duration = Duration::from_mins(10);
/// How often signing keys are checked for rotation.
const ROTATE_EVERY: Duration = Duration::from_hours(1);

/// Connections of `/metrics`.
const METRICS_CONNECTIONS_MAX: usize = 32;
/// An upper bound of the connections to a database in a file.
const FILE_CONNECTIONS: u32 = 16;
/// Connections that may wait in the kernel until they are accepted; `net.core.somaxconn` is another bound.
const BACKLOG: u32 = 1_024;

/// The settings that a server is started with.
pub(crate) struct Plan {
    pub(crate) listen: SocketAddr,
    pub(crate) base_url: Option<String>,
    pub(crate) store: StoreConfig,
    pub(crate) keyring: Keyring,
    /// The file with the master keys, which is watched for changes.
    pub(crate) master_key_file: Option<PathBuf>,
    pub(crate) transport: Arc<HttpTransport>,
    pub(crate) missed_hook_claim: Option<Arc<str>>,
    pub(crate) refresh_grace_seconds: u32,
    pub(crate) lockout: Lockout,
    pub(crate) recovery: Vec<RecoveryMethod>,
    /// Where the pages of the program have those about failure codes, if they do.
    pub(crate) failure_pages: Option<&'static str>,
    pub(crate) follow: FollowSettings,
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) plain_http_to_loopback: bool,
    pub(crate) limits: Limits,
    pub(crate) server: ServerLimits,
    pub(crate) proxies: TrustedProxies,
    /// Takes mails, where there is a mail server.
    pub(crate) mail: Option<Arc<dyn MailCarrier>>,
    /// How passcodes reach phones.
    pub(crate) telephony: Box<TelephonyParts>,
    pub(crate) witness: Option<Arc<dyn Witness>>,
    /// Pages of the program in addition to the server's own, and how these look.
    pub(crate) hosted: Hosted,
}

/// A running server.
pub(crate) struct RunningServer {
    pub(crate) platform: Arc<Platform>,
    pub(crate) address: SocketAddr,
    pub(crate) metrics_address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    /// How long requests in flight and pending mails may take together once it is stopping.
    drain: Duration,
    server: JoinHandle<()>,
    chores: Vec<JoinHandle<()>>,
}

impl RunningServer {
    /// Opens the store, listens, runs `prepare`, and serves. Requests that arrive while `prepare` runs wait in the kernel.
    pub(crate) async fn start(
        plan: Plan,
        prepare: impl AsyncFnOnce(&Platform) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let server = within_descriptors(&plan);
        let store = Store::open(&plan.store, plan.keyring).await?;
        if let Some(path) = &plan.master_key_file {
            let path = path.clone();
            store.read_keys_with(move || keys::read(&path));
        }
        let listener = listen(plan.listen)?;
        let metrics = match plan.metrics_listen {
            Some(address) => Some(listen(address)?),
            None => None,
        };
        let address = listener.local_addr()?;
        let base_url = plan.base_url.unwrap_or_else(|| format!("http://{address}"));
        let platform = Platform::start(Parts {
            store,
            transport: plan.transport,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            settings: Settings {
                base_url: base_url.into(),
                plain_http_to_loopback: plan.plain_http_to_loopback,
                limits: plan.limits,
                missed_hook_claim: plan.missed_hook_claim,
                refresh_grace_seconds: plan.refresh_grace_seconds,
                lockout: plan.lockout,
                recovery: plan.recovery,
                failure_pages: plan.failure_pages,
                follow: plan.follow,
            },
            hook_types: HookTypes::built_in().clone(),
            mail: plan.mail,
            telephony: plan.telephony,
            witness: plan.witness,
        })
        .await?;
        prepare(&platform).await?;
        let (stop, stopped) = watch::channel(false);
        let (proxies, stopping) = (plan.proxies.clone(), stopped.clone());
        let router = tenterhook_server::router_with(Arc::clone(&platform), server, proxies, stopping, plan.hosted);
        let metrics_address = metrics.as_ref().map(TcpListener::local_addr).transpose()?;
        if let Some(listener) = metrics {
            let router = tenterhook_server::metrics_router(Arc::clone(&platform));
            let limits = ServerLimits { connections_max: METRICS_CONNECTIONS_MAX, ..server };
            tokio::spawn(tenterhook_server::serve(
                listener,
                router,
                limits,
                TrustedProxies::default(),
                stopped.clone(),
            ));
        }
        let drain = server.drain;
        let server = tokio::spawn(tenterhook_server::serve(listener, router, server, plan.proxies, stopped));
        let mut chores = vec![
            tokio::spawn(follow(Arc::clone(&platform))),
            tokio::spawn(purge(Arc::clone(&platform))),
            tokio::spawn(line_bound::report()),
            tokio::spawn(tell_refusals(Arc::clone(&platform))),
            tokio::spawn(rotate_signing_keys(Arc::clone(&platform))),
        ];
        chores.extend(plan.master_key_file.map(|path| tokio::spawn(keys::follow(path, Arc::clone(&platform)))));
        Ok(Self { platform, address, metrics_address, stop, drain, server, chores })
    }

    /// Stops accepting, lets requests in flight end, sends pending mails, and writes pending log events.
    pub(crate) async fn stop(self) {
        let until = Instant::now() + self.drain;
        // The server may have ended by itself; then the channel is closed.
        let _ = self.stop.send(true);
        let _ = self.server.await;
        self.platform.mailer().drain(until).await;
        for chore in self.chores {
            chore.abort();
        }
        self.platform.tell_refusals_left_out();
        self.platform.log().close().await;
    }
}

/// The bounds of the server, with at most as many connections as file descriptors allow.
fn within_descriptors(plan: &Plan) -> ServerLimits {
    let database = match &plan.store {
        StoreConfig::Postgres { max_connections, .. } => *max_connections,
        StoreConfig::Sqlite { .. } | StoreConfig::Ephemeral => FILE_CONNECTIONS,
    };
    let clients = plan.server.connections_max;
    let needs = Needs { clients, calls: plan.limits.in_flight, database: database as usize };
    let Share { clients, too_low } = descriptors::obtain(needs);
    if let Some(limit) = too_low {
        tracing::warn!(
            limit,
            needed = needs.all(),
            connections_max = clients,
            "server.descriptors: the limit of open files (`ulimit -Hn`, `LimitNOFILE`) is too low for \
             `server.connections_max` and `limits.in_flight`; fewer connections are accepted"
        );
    }
    ServerLimits { connections_max: clients, ..plan.server }
}

fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // Lets a restarted server bind although connections of the previous one remain.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    Ok(listen().map_err(|error: std::io::Error| format!("Cannot listen on {address}: {error}"))?)
}

async fn follow(platform: Arc<Platform>) {
    platform.follow().await;
}

async fn tell_refusals(platform: Arc<Platform>) {
    platform.keep_telling_refusals().await;
}

async fn purge(platform: Arc<Platform>) {
    let mut every = tokio::time::interval(PURGE_EVERY);
    let mut unverified = UnverifiedUsers::default();
    loop {
        every.tick().await;
        if let Err(error) = platform.store().purge_expired(platform.now()).await {
            tracing::warn!(%error, "store.purge failed; it is tried again later");
        }
        if let Err(error) = unverified.delete_overdue(&platform).await {
            tracing::warn!(%error, "registration.unverified: users could not be looked up; it is tried again later");
        }
    }
}

async fn rotate_signing_keys(platform: Arc<Platform>) {
    let mut every = tokio::time::interval(ROTATE_EVERY);
    let mut due = DueKeys::default();
    loop {
        every.tick().await;
        signing_keys::rotate_due_keys(&platform, &mut due).await;
    }
}

/// SIGTERM and Ctrl-C: from [`StopSignals::listen`] on they no longer end the process.
pub(crate) struct StopSignals {
    #[cfg(unix)]
    interrupted: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminated: tokio::signal::unix::Signal,
}

impl StopSignals {
    /// Starts to listen. A server does so before it says that it listens: a signal sent from then on must drain it.
    ///
    /// # Errors
    /// When the system does not install the handlers.
    pub(crate) fn listen() -> std::io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Self { interrupted: signal(SignalKind::interrupt())?, terminated: signal(SignalKind::terminate())? })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for one of them, also for one that arrived since [`StopSignals::listen`].
    pub(crate) async fn received(mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupted.recv() => {}
            _ = self.terminated.recv() => {}
        }
        #[cfg(not(unix))]
        drop(tokio::signal::ctrl_c().await);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use tokio::{net::TcpStream, time::timeout};

    use super::*;

    #[tokio::test]
    async fn more_connections_wait_to_be_accepted_than_by_default() {
        let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        for _ in 0..300 {
            // The kernel accepts while its backlog has room.
            waiting.push(timeout(Duration::from_secs(20), TcpStream::connect(address)).await.unwrap().unwrap());
        }
    }
}
