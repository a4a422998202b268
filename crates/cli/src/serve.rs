//! `tenterhook serve`: the real server.

use std::{fs, path::PathBuf, sync::Arc};

use tenterhook_engine::{Limits, SystemClock};
use tenterhook_management::provision;
use tenterhook_platform::FollowSettings;
use tenterhook_platform::entropy::SystemEntropy;
use tenterhook_server::{ServerLimits, TrustedProxies};
use tenterhook_store::Keyring;
use tenterhook_transport::{EgressPolicy, EgressRule, HttpTransport, TransportConfig, TransportError};

use crate::{
    Error,
    config::{Config, setting},
    running_server::{Plan, RunningServer, StopSignals},
    telemetry,
};

/// Serves until SIGTERM or Ctrl-C, then drains.
pub(crate) async fn run(config: Config) -> Result<(), Error> {
    let server = RunningServer::start(plan(&config)?).await?;
    let stop_signals = StopSignals::listen()?;
    if let Some(token) = provision::bootstrap(&server.platform).await? {
        println!("bootstrap admin token: {}", token.expose());
        println!("It is shown this once. Send it as `Authorization: SSWS {}`.", token.expose());
    }
    println!("listening on http://{}", server.address);
    if let Some(address) = server.metrics_address {
        println!("metrics on http://{address}/metrics");
    }
    stop_signals.received().await;
    tracing::info!("draining");
    server.stop().await;
    Ok(())
}

/// Checks every setting and builds the plan that `serve` starts with. `config` uses it to check whether `serve` would
/// start.
///
/// # Errors
/// When a setting is not usable; the text has its name.
pub(crate) fn plan(config: &Config) -> Result<Plan, Error> {
    telemetry::filter(&config.log.level)?;
    let master_key = config.master_key()?;
    let keyring = Keyring::from_text(&master_key).map_err(|error| setting(config.keys.source(), &error))?;
    Ok(Plan {
        listen: config.server.listen,
        base_url: config.server.base_url.clone(),
        store: config.database()?,
        keyring,
        master_key_file: config.keys.master_key_file.clone(),
        transport: transport(config)?,
        missed_hook_claim: config.outbound.missed_hook_claim.as_deref().map(Into::into),
        refresh_grace_seconds: config.oauth.refresh_grace_seconds,
        follow: FollowSettings { orgs_loaded_max: config.limits.orgs_in_memory, ..FollowSettings::default() },
        metrics_listen: config.server.metrics_listen,
        plain_http_to_loopback: false,
        limits: Limits {
            in_flight: config.limits.in_flight,
            in_flight_per_org: config.limits.in_flight_per_org,
            in_flight_per_host: config.limits.in_flight_per_host,
        },
        server: ServerLimits {
            connections_max: config.server.connections_max,
            drain: config.drain(),
            api_requests_per_minute: config.server.api_requests_per_minute,
            ..ServerLimits::default()
        },
        proxies: proxies(config)?,
        witness: None,
        pages: axum::Router::new(),
    })
}

fn proxies(config: &Config) -> Result<TrustedProxies, Error> {
    let blocks = config.server.trusted_proxies.iter().map(|text| text.parse()).collect::<Result<_, _>>();
    Ok(TrustedProxies {
        blocks: blocks
            .map_err(|error: tenterhook_server::ProxyBlockError| setting("server.trusted_proxies", &error))?,
        header: config.server.proxy_header.unwrap_or_default(),
    })
}

fn transport(config: &Config) -> Result<HttpTransport, Error> {
    let rules = |key: &str, texts: &[String]| {
        let rules = texts.iter().map(|rule| rule.parse::<EgressRule>()).collect::<Result<Vec<_>, _>>();
        rules.map_err(|error| setting(key, &error))
    };
    let proxy = config.egress.proxy.as_deref().map(str::parse).transpose();
    let read = |path: &PathBuf| {
        fs::read(path)
            .map_err(|error| setting("egress.ca_files", &format!("cannot read `{}`: {error}", path.display())))
    };
    let settings = TransportConfig {
        policy: EgressPolicy::new(
            rules("egress.allow", &config.egress.allow)?,
            rules("egress.deny", &config.egress.deny)?,
        ),
        proxy: proxy.map_err(|error| setting("egress.proxy", &error))?,
        extra_ca_pem: config.egress.ca_files.iter().map(read).collect::<Result<_, _>>()?,
        user_agent: config.outbound.user_agent.clone(),
        ..TransportConfig::default()
    };
    HttpTransport::new(settings, Arc::new(SystemClock), Arc::new(SystemEntropy)).map_err(|error| match error {
        TransportError::TrustAnchor(_) => setting("egress.ca_files", &error).into(),
        TransportError::UserAgent => setting("outbound.user_agent", &error).into(),
        TransportError::ClientCertificate(_) | TransportError::Tls(_) => error.into(),
    })
}
