//! `tenterhook serve`: the real server.

use std::{
    fs,
    io::{self, ErrorKind},
    path::PathBuf,
    sync::Arc,
};

use tenterhook_engine::Limits;
use tenterhook_management::provision::{self, ProvisionError};
use tenterhook_platform::{FollowSettings, Platform, StoreError, mail::MailCarrier};
use tenterhook_server::{Hosted, ServerLimits, TrustedProxies};
use tenterhook_transport::{EgressPolicy, EgressRule, HttpTransport, TransportConfig, TransportError};

use crate::{
    Error,
    config::{Config, LogFormat, setting},
    key_file, process_figures,
    running_server::{Plan, RunningServer, StopSignals},
    telemetry::{self, json_line},
    tool,
};

/// Serves until SIGTERM or Ctrl-C, then drains.
pub(crate) async fn run(config: Config) -> Result<(), Error> {
    for name in &config.ignored_variables {
        tracing::warn!(
            name,
            "config.variable_ignored: this environment variable is no setting (docs/configuration.md)"
        );
    }
    let database = config.database()?.place();
    let format = config.log.format;
    // Nothing is served before the default org is whole: a request could find it without its authorization server.
    let server = RunningServer::start(plan(&config)?, async |platform| {
        if platform.store().was_empty() {
            let text = format!("new database: {database} had no content (`store.database`)");
            say(format, &text, "store.created", &[("database", &database)]);
        }
        if let Some(missing) = platform.missing_key_of_default_org() {
            let why = tool::wrong_key(&config.keys, &config.keyring()?, &missing);
            tracing::error!(why, "keys.wrong: the server is not ready until it has the key (docs/operations.md)");
        }
        bootstrap(&config, platform).await
    })
    .await?;
    server.platform.observe_process(process_figures::read);
    let stop_signals = StopSignals::listen()?;
    let address = format!("http://{}", server.address);
    say(format, &format!("listening on {address}"), "server.listening", &[("address", &address)]);
    if let Some(address) = server.metrics_address {
        let address = format!("http://{address}/metrics");
        say(format, &format!("metrics on {address}"), "server.metrics", &[("address", &address)]);
    }
    stop_signals.received().await;
    tracing::info!("draining");
    server.stop().await;
    Ok(())
}

/// Says something on standard output, in the form of the log.
fn say(format: LogFormat, text: &str, event: &str, fields: &[(&str, &str)]) {
    match format {
        LogFormat::Text => println!("{text}"),
        LogFormat::Json => println!("{}", json_line("INFO", event, fields)),
    }
}

/// Why there is no first token.
enum NoToken {
    NotWritten(io::Error),
    Provision(ProvisionError),
}

impl From<ProvisionError> for NoToken {
    fn from(error: ProvisionError) -> Self {
        Self::Provision(error)
    }
}

/// Makes what an empty database begins with. Its first token goes to the configured file, or to standard output.
async fn bootstrap(config: &Config, platform: &Platform) -> Result<(), Error> {
    let format = config.log.format;
    let Some(path) = &config.server.bootstrap_token_file else {
        if let Some(token) = provision::bootstrap(platform).await? {
            let token = token.expose();
            let text = format!(
                "bootstrap admin token: {token}\nIt is shown this once. Send it as `Authorization: SSWS {token}`."
            );
            say(format, &text, "bootstrap.token", &[("token", token)]);
        }
        return Ok(());
    };
    let mut is_written = false;
    let made = provision::bootstrap_with(platform, |token| {
        key_file::write_new(path, token).map_err(NoToken::NotWritten)?;
        is_written = true;
        Ok(())
    })
    .await;
    let file = path.display().to_string();
    match made {
        Ok(Some(_)) => {
            let text = format!("bootstrap admin token: written to {file}");
            say(format, &text, "bootstrap.token_written", &[("file", &file)]);
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(NoToken::NotWritten(error)) => {
            let help = if error.kind() == ErrorKind::AlreadyExists {
                ". It is never overwritten: move it away, for what is in it is no token of this database"
            } else {
                ""
            };
            let why = format!("cannot write `{file}`: {error}{help}. No token was created; the next start tries again");
            Err(setting("server.bootstrap_token_file", &why).into())
        }
        Err(NoToken::Provision(error)) => {
            // The token in the file is valid only if the database has it.
            if is_written && !matches!(error, ProvisionError::Store(StoreError::Unknown(_))) {
                drop(fs::remove_file(path));
            }
            Err(error.into())
        }
    }
}

/// Checks every setting and builds the plan that `serve` starts with. `config` uses it to check whether `serve` would
/// start.
///
/// # Errors
/// When a setting is not usable; the text has its name.
pub(crate) fn plan(config: &Config) -> Result<Plan, Error> {
    telemetry::filter(&config.log.level)?;
    let transport = Arc::new(transport(config)?);
    let telephony = Box::new(config.telephony(&transport)?);
    Ok(Plan {
        listen: config.server.listen,
        base_url: config.server.base_url.clone(),
        store: config.database()?,
        keyring: config.keyring()?,
        master_key_file: config.keys.master_key_file.clone(),
        transport,
        missed_hook_claim: config.outbound.missed_hook_claim.as_deref().map(Into::into),
        refresh_grace_seconds: config.oauth.refresh_grace_seconds,
        lockout: config.sign_in.lockout(),
        recovery: config.sign_in.recovery(config.mail.host.is_some()),
        failure_pages: None,
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
        mail: config.smtp()?.map(|smtp| Arc::new(smtp) as Arc<dyn MailCarrier>),
        telephony,
        witness: None,
        hosted: Hosted { brand: config.brand()?, ..Hosted::default() },
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
    HttpTransport::with_config(settings).map_err(|error| match error {
        TransportError::TrustAnchor(_) => setting("egress.ca_files", &error).into(),
        TransportError::UserAgent => setting("outbound.user_agent", &error).into(),
        TransportError::ClientCertificate(_) | TransportError::Tls(_) => error.into(),
    })
}
