//! `tenterhook dev`: everything on one machine, and a token that a hook changed.
//!
//! The demonstration registers its hook and requests its token over HTTP, as a user would. Start reading at [`run`].

mod client;
mod code_flow;
mod demonstration;
mod diff;
mod docs;
mod failure;
mod flow;
mod folder;
mod hook_said;
mod layout;
mod mails;
mod old_system;
mod one_line;
mod order;
mod pages;
mod passcodes;
mod phone;
mod ready;
mod registration;
mod saml;
mod sample_service;
mod secrets;
mod service_provider;
mod shown;
mod sign_up;

use std::{
    convert::Infallible,
    net::Ipv4Addr,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, OnceLock},
    time::Duration,
};

use clap::Args;
use tenterhook_contract::Secret;
use tenterhook_engine::{Limits, Witness, Witnessed};
use tenterhook_flows::oauth::token::REFRESH_GRACE_SECONDS;
use tenterhook_management::provision;
use tenterhook_model::RecoveryMethod;
use tenterhook_server::{Hosted, ProxyBlock, ServerLimits, TrustedProxies};
use tenterhook_store::{Keyring, StoreConfig};
use tenterhook_transport::{EgressPolicy, HttpTransport, TransportConfig, TransportError};
use tokio::{net::TcpListener, sync::mpsc};

use self::{
    client::Client,
    code_flow::{CALLBACK_PATH, CodeFlow},
    demonstration::Demonstration,
    flow::FlowChoice,
    pages::Pages,
    passcodes::Phones,
    registration::{DevHook, Registration, SecretPlace, Unusable, parse_timeout},
    secrets::DevSecrets,
    shown::Screen,
};
use crate::{
    Error,
    config::LogFormat,
    key_file,
    running_server::{Plan, RunningServer, StopSignals},
    telemetry,
};

/// Exchanges that may wait to be shown; further ones are not shown, but the System Log has them.
const WITNESSED_MAX: usize = 64;

/// Options of `tenterhook dev`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Port of the server; 0 takes a free one.
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// Folder of the database and the keys.
    #[arg(long, value_name = "DIR", default_value = "tenterhook-data")]
    data: PathBuf,
    /// Write no file.
    #[arg(long)]
    ephemeral: bool,
    /// End after the demonstration: status 0 only if the hook's claims are in the verified tokens of a flow, and no flow
    /// failed.
    #[arg(long)]
    once: bool,
    /// Print each step as one JSON object a line.
    #[arg(long)]
    json: bool,
    /// Call your own external service instead of the sample one, such as `http://127.0.0.1:3000/hooks/token`: as token hook,
    /// or with `--flow order` as order hook, with `--flow saml` as SAML hook.
    #[arg(long, value_name = "URL")]
    hook: Option<String>,
    /// The flows to run: those that request tokens, the order checkout, or a SAML sign-on.
    #[arg(long, value_enum, default_value_t)]
    flow: FlowChoice,
    /// A header that the hook sends instead of the random secret, such as `Authorization: Bearer s3cret`; may be given
    /// several times. `Authorization`, or else the first one, is stored as the secret.
    #[arg(long, value_name = "NAME: VALUE", value_parser = |text: &str| Ok::<_, Infallible>(Secret::new(text)))]
    header: Vec<Secret>,
    /// How long the hook waits for an answer: longer for a debugger, up to `60s`.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = parse_timeout)]
    timeout: Duration,
    /// A proxy, address or block, whose `X-Forwarded-For` or `Forwarded` is believed; may be given several times.
    #[arg(long, value_name = "ADDRESS", default_values_t = TrustedProxies::loopback().blocks)]
    trusted_proxy: Vec<ProxyBlock>,
}

/// The status of a usage error, as of those that clap finds.
const USAGE: u8 = 2;

/// Runs the demonstration, then follows the System Log until Ctrl-C.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Error> {
    match demonstrate(options).await {
        Err(error) if error.is::<Unusable>() => {
            clap::Error::raw(clap::error::ErrorKind::ValueValidation, format!("{error}\n")).print()?;
            Ok(ExitCode::from(USAGE))
        }
        ended => ended,
    }
}

fn transport() -> Result<HttpTransport, TransportError> {
    let policy = EgressPolicy::default().with_plain_http_to_loopback();
    HttpTransport::with_config(TransportConfig { policy, ..TransportConfig::default() })
}

/// Where the data are kept, and the key of the secrets among them.
fn storage(options: &Options) -> Result<(StoreConfig, Keyring), Error> {
    if options.ephemeral {
        return Ok((StoreConfig::Ephemeral, Keyring::from_text(&Keyring::generate_text())?));
    }
    let key = options.data.join("master.key");
    let master_key = key_file::read_or_create(&key, Keyring::generate_text)
        .map_err(|error| format!("Cannot use the master key `{}`: {error}", key.display()))?;
    let store = StoreConfig::Sqlite { path: options.data.join("tenterhook.sqlite") };
    Ok((store, Keyring::from_text(&master_key)?))
}

async fn demonstrate(options: Options) -> Result<ExitCode, Error> {
    let headers = registration::given_headers(&options.header)?;
    telemetry::start(LogFormat::Text, "warn")?;
    // Held until the end, so that no other process uses the folder.
    let _lock = if options.ephemeral { None } else { Some(folder::lock(&options.data).await?) };
    let (store, keyring) = storage(&options)?;
    let secrets_file = (!options.ephemeral).then(|| options.data.join(secrets::FILE));
    let secrets = DevSecrets::load(if options.ephemeral { None } else { Some(&options.data) })?;
    let place = secrets_file.clone().map_or(SecretPlace::Memory, SecretPlace::File);
    let register = |hook: DevHook| {
        let is_tried = hook == options.flow.hook();
        let (uri, headers) = if is_tried { (options.hook.clone(), headers.clone()) } else { (None, Vec::new()) };
        let random = (&secrets.service_authorization, place.clone());
        Registration::new(hook, uri.unwrap_or_default(), headers, random, options.timeout)
    };
    let mut registrations = DevHook::ALL.map(register);
    let pages = Pages::default();

    let (witnessed_in, witnessed) = mpsc::channel(WITNESSED_MAX);
    let plan = Plan {
        listen: (Ipv4Addr::LOCALHOST, options.port).into(),
        base_url: None,
        store,
        keyring,
        master_key_file: None,
        missed_hook_claim: None,
        refresh_grace_seconds: REFRESH_GRACE_SECONDS,
        lockout: tenterhook_platform::Lockout::default(),
        recovery: RecoveryMethod::ALL.to_vec(),
        failure_pages: Some(docs::FAILURE_PAGES),
        follow: tenterhook_platform::FollowSettings::default(),
        metrics_listen: None,
        transport: Arc::new(transport()?),
        plain_http_to_loopback: true,
        limits: Limits::default(),
        server: ServerLimits::default(),
        // It listens on the loopback address only, so only programs on this machine can connect.
        proxies: TrustedProxies { blocks: options.trusted_proxy.clone(), ..TrustedProxies::default() },
        mail: Some(Arc::new(pages.mails().clone())),
        telephony: Box::new(phone::telephony(options.json)),
        witness: Some(Arc::new(Window(witnessed_in, pages.clone()))),
        hosted: Hosted { pages: pages.router(), ..Hosted::default() },
    };
    let server =
        RunningServer::start(plan, async |_| Ok(())).await.map_err(|error| hint_about_port(error, &options))?;

    let world = provision::demonstration(&server.platform, &secrets.provisioned()).await?;
    provision::host_token(&server.platform, "Development host", &secrets.host_token, &[order::POINT.parse()?]).await?;
    let phones = start_sample_service(&mut registrations, options.json).await?;
    let [registration, order, saml, sign_up, password_import, telephony] = registrations;
    let mut log = server.platform.log().subscribe();
    let base_url = format!("http://{}", server.address);
    let demonstration = Arc::new(Demonstration {
        client: Client::new(server.address, options.timeout),
        code_flow: CodeFlow {
            client_id: world.public_client_id.as_str().to_owned(),
            redirect_uri: format!("{base_url}{CALLBACK_PATH}"),
        },
        base_url: base_url.clone(),
        admin_token: secrets.admin_token,
        client_secret: secrets.client_secret,
        user_password: secrets.user_password,
        host_token: secrets.host_token,
        world,
        registration,
        order,
        saml,
        password_import,
        telephony,
        phones,
        saml_app: OnceLock::new(),
        sign_up,
        signing_up: OnceLock::new(),
        flow: options.flow,
        own_service: options.hook.is_some(),
    });
    pages.mails().show(options.json, demonstration.base_url.clone());
    pages.show(Arc::clone(&demonstration));
    let screen = Screen {
        json: options.json,
        pages: (!options.once).then_some(base_url),
        given_header: options.header.first().map(|_| demonstration.tried().secret.name.clone()),
        timeout: options.timeout,
    };
    let shown = demonstration.run(&server.platform, witnessed, &mut log, &screen).await?;
    if options.once {
        server.stop().await;
        return Ok(if shown { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let stop_signals = StopSignals::listen()?;
    screen.ready(&demonstration);
    tokio::select! {
        () = stop_signals.received() => {}
        () = screen.follow(log) => {}
    }
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Starts the service of the hooks that call none of the user, in the order of [`DevHook::ALL`]. Answers with the phones that it brings
/// messages to.
async fn start_sample_service(hooks: &mut [Registration; 6], json: bool) -> Result<Phones, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = format!("http://{}", listener.local_addr()?);
    let paths = [
        sample_service::TOKEN_PATH,
        sample_service::ORDER_PATH,
        sample_service::SAML_PATH,
        sample_service::SIGN_UP_PATH,
        sample_service::PASSWORD_PATH,
        sample_service::TELEPHONY_PATH,
    ];
    let (secrets, phones) = (hooks.each_ref().map(|hook| hook.secret.clone()), Phones::new(json));
    let brought = phones.clone();
    for (hook, path) in hooks.iter_mut().zip(paths).filter(|(hook, _)| hook.uri.is_empty()) {
        hook.uri = format!("{address}{path}");
    }
    tokio::spawn(async move {
        if let Err(error) = sample_service::serve(listener, secrets, brought).await {
            tracing::error!(%error, "dev.sample_service ended");
        }
    });
    Ok(phones)
}

fn hint_about_port(error: Error, options: &Options) -> Error {
    if error.to_string().starts_with("Cannot listen") {
        format!("{error}. Is another `tenterhook dev` running? `--port {}` takes another port", options.port + 1).into()
    } else {
        error
    }
}

/// Passes exchanges on to the screen and the pages, without ever blocking a flow.
struct Window(mpsc::Sender<Witnessed>, Pages);

impl Witness for Window {
    fn witness(&self, witnessed: Witnessed) {
        self.1.witness(&witnessed);
        // After the demonstration no exchange is shown; the System Log is.
        let _ = self.0.try_send(witnessed);
    }
}
