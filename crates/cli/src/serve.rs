//! `tenterhook serve`: the real server.

use tenterhook_engine::Limits;
use tenterhook_flows::provision;
use tenterhook_server::ServerLimits;
use tenterhook_transport::{EgressPolicy, EgressRule};

use crate::{
    Error,
    app::{self, App, Plan},
    config::{Config, setting},
};

/// Serves until SIGTERM or Ctrl-C, then drains.
pub(crate) async fn run(config: Config) -> Result<(), Error> {
    let app = App::start(plan(&config)?).await?;
    if let Some(token) = provision::bootstrap(&app.platform).await? {
        println!("bootstrap admin token: {}", token.expose());
        println!("It is shown this once. Send it as `Authorization: SSWS {}`.", token.expose());
    }
    println!("listening on http://{}", app.address);
    if let Some(address) = app.metrics_address {
        println!("metrics on http://{address}/metrics");
    }
    app::asked_to_stop().await;
    tracing::info!("draining");
    app.stop().await;
    Ok(())
}

fn plan(config: &Config) -> Result<Plan, Error> {
    let rules = |key: &str, texts: &[String]| {
        let rules = texts.iter().map(|rule| rule.parse::<EgressRule>()).collect::<Result<Vec<_>, _>>();
        rules.map_err(|error| setting(key, &error))
    };
    let proxy = config.egress.proxy.as_deref().map(str::parse).transpose();
    Ok(Plan {
        listen: config.server.listen,
        base_url: config.server.base_url.clone(),
        store: config.database()?,
        master_key: config.master_key()?,
        master_key_file: config.keys.master_key_file.clone(),
        policy: EgressPolicy::new(
            rules("egress.allow", &config.egress.allow)?,
            rules("egress.deny", &config.egress.deny)?,
        ),
        proxy: proxy.map_err(|error| setting("egress.proxy", &error))?,
        extra_ca_pem: app::read_ca_files(config.egress.ca_files.iter().map(std::path::PathBuf::as_path))?,
        user_agent: config.outbound.user_agent.clone(),
        missed_hook_claim: config.outbound.missed_hook_claim.as_deref().map(Into::into),
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
        witness: None,
    })
}
