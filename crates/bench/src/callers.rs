//! The callers of the benchmarks: a bare client, and the engine in its variants.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use tenterhook_contract::{
    BuiltInType, ExtensionPoint as _, Secret, Timestamp,
    envelope::Envelope,
    hook::{
        Channel, ChannelAuthentication, ClientCredential, HookPolicy, HookStatus, HookTls, InlineHook, SigningScheme,
        SigningSecret,
    },
    id::{EventId, HookId},
    party::Actor,
    token::{Token, TokenRequest, TokenSubject},
};
use tenterhook_engine::{Engine, Invocation, InvocationRecord, Limits, Origin, Outcome, ReadyHook, Recorder};
use tenterhook_platform::{SystemLogRecorder, entropy::SystemEntropy};
use tenterhook_store::{Keyring, LogWriter, Store, StoreConfig};
use tenterhook_transport::{EgressPolicy, HttpTransport, TransportConfig};

use crate::{Error, service::Wire, subject};

/// Calls that may be late at the same time in the open loop; more are dropped and counted.
pub(crate) const OPEN_IN_FLIGHT_MAX: usize = 4_096;

/// The kind of caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Caller {
    /// (a) A bare hyper-util pooled client that sends a ready-made body and does not read the answer.
    Bare,
    /// The same client used by hand: it also writes the document and reads the answer.
    Hand,
    /// The same with the smaller document of a client-credentials token.
    HandAccess,
    /// (b) The engine with an in-memory recorder.
    Engine,
    /// (c) The engine with the SQLite recorder.
    EngineSqlite,
    /// (b) with an HMAC signature of every body.
    EngineSigned,
    /// (b) with an OAUTH channel and a cached token.
    EngineOauth,
    /// (d) Node with undici.
    Node,
}

impl Caller {
    /// Its name in figures and tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Hand => "hand",
            Self::HandAccess => "hand_access",
            Self::Engine => "engine",
            Self::EngineSqlite => "engine_sqlite",
            Self::EngineSigned => "engine_signed",
            Self::EngineOauth => "engine_oauth",
            Self::Node => "node",
        }
    }
}

/// Any of the callers that run in this process.
pub(crate) enum AnyCaller {
    Bare(Box<BareCaller>),
    Hand(Box<HandCaller>),
    Engine(Box<EngineCaller>),
}

impl AnyCaller {
    pub(crate) async fn new(caller: Caller, target: &Target) -> Result<Self, Error> {
        let engine = |database, extra| Ok(Self::Engine(Box::new(EngineCaller::new(target, database, extra)?)));
        match caller {
            Caller::Bare => Ok(Self::Bare(Box::new(BareCaller::new(target)?))),
            Caller::Hand => Ok(Self::Hand(Box::new(HandCaller::new(target)?))),
            Caller::HandAccess => Ok(Self::Hand(Box::new(HandCaller::of_access(target)?))),
            Caller::Engine => engine(None, Extra::None),
            Caller::EngineSqlite => engine(Some(Database::open().await?), Extra::None),
            Caller::EngineSigned => engine(None, Extra::Signature),
            Caller::EngineOauth => engine(None, Extra::OAuth),
            Caller::Node => Err("the Node caller is a process of its own".into()),
        }
    }

    pub(crate) async fn call(&self) -> Result<(), Error> {
        match self {
            Self::Bare(bare) => bare.call().await,
            Self::Hand(hand) => hand.call().await,
            Self::Engine(engine) => engine.call().await,
        }
    }

    /// Waits until every record is stored, so that its cost is counted.
    pub(crate) async fn finish(&self) {
        if let Self::Engine(engine) = self
            && let Some(database) = &engine.database
        {
            database.log.flush().await;
        }
    }
}

/// (a): the lower bound of every call.
pub(crate) struct BareCaller {
    client: BareClient,
    body: Bytes,
}

/// That client used by hand: no deadline, no validation, nothing applied, nothing recorded.
pub(crate) struct HandCaller {
    client: BareClient,
    context: TokenRequest,
    /// A subject for each call that is in flight, as the engine's caller has them.
    subjects: Subjects,
    make: fn() -> TokenSubject,
    commands: usize,
}

/// Subjects that no call is using. A flow creates its subject itself, which is not part of the call's time.
#[derive(Default)]
struct Subjects(Mutex<Vec<TokenSubject>>);

impl Subjects {
    fn take(&self, make: fn() -> TokenSubject) -> TokenSubject {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(make)
    }

    fn give_back(&self, subject: TokenSubject) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(subject);
    }
}

/// The document of a call, from typed data.
fn document(context: &TokenRequest, subject: &TokenSubject) -> Result<Bytes, Error> {
    let event_id = EventId::from_entropy([1; 16]);
    let at = Timestamp::from_micros(0);
    let data = Token.data(context, subject);
    let envelope =
        Envelope::new(&event_id, at, BuiltInType::Token.description(), "https://org.example.com", None, data);
    Ok(serde_json::to_vec(&envelope)?.into())
}

/// A pooled client and where it posts to.
pub(crate) struct BareClient {
    connections: Connections,
    uri: http::Uri,
}

enum Connections {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl BareClient {
    pub(crate) fn new(target: &Target, path: &str) -> Result<Self, Error> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_max_idle_per_host(usize::MAX);
        let connections = match target.wire {
            Wire::Plain => Connections::Plain(builder.build(connector)),
            Wire::Tls | Wire::Http2 => {
                connector.enforce_http(false);
                let https = HttpsConnectorBuilder::new().with_tls_config(target.tls()?).https_only();
                Connections::Tls(builder.build(https.enable_all_versions().wrap_connector(connector)))
            }
        };
        Ok(Self { connections, uri: target.uri(path).parse()? })
    }

    pub(crate) async fn post(&self, body: Bytes) -> Result<Bytes, Error> {
        let request = http::Request::post(self.uri.clone())
            .header("accept", "application/json")
            .header("content-type", "application/json")
            .header("authorization", "secret")
            .body(Full::new(body))?;
        let answer = match &self.connections {
            Connections::Plain(client) => client.request(request).await?,
            Connections::Tls(client) => client.request(request).await?,
        };
        Ok(answer.into_body().collect().await?.to_bytes())
    }
}

impl BareCaller {
    fn new(target: &Target) -> Result<Self, Error> {
        let body = document(&subject::context(), &subject::subject())?;
        Ok(Self { client: BareClient::new(target, "/hook")?, body })
    }

    async fn call(&self) -> Result<(), Error> {
        let answer = self.client.post(self.body.clone()).await?;
        if answer.len() == subject::ANSWER.len() { Ok(()) } else { Err("the answer is not whole".into()) }
    }
}

impl HandCaller {
    fn new(target: &Target) -> Result<Self, Error> {
        let client = BareClient::new(target, "/hook")?;
        let (context, subjects) = (subject::context(), Subjects::default());
        Ok(Self { client, context, subjects, make: subject::subject, commands: 2 })
    }

    fn of_access(target: &Target) -> Result<Self, Error> {
        let client = BareClient::new(target, "/access")?;
        let (context, subjects) = (subject::access_context(), Subjects::default());
        Ok(Self { client, context, subjects, make: subject::access_subject, commands: 1 })
    }

    async fn call(&self) -> Result<(), Error> {
        let subject = self.subjects.take(self.make);
        let answer = self.client.post(document(&self.context, &subject)?).await?;
        self.subjects.give_back(subject);
        let answer: serde_json::Value = serde_json::from_slice(&answer)?;
        let commands = answer.get("commands").and_then(serde_json::Value::as_array);
        let whole = commands.is_some_and(|commands| commands.len() == self.commands);
        if whole { Ok(()) } else { Err("the answer is not whole".into()) }
    }
}

/// Keeps the newest records, as an embedder without a database would.
#[derive(Default)]
pub(crate) struct InMemory(Mutex<VecDeque<InvocationRecord>>);

impl Recorder for InMemory {
    fn record(&self, record: InvocationRecord) {
        const KEPT: usize = 1_024;
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One at a time, because freeing all at once would cause a pause that is not the engine's.
        let oldest = if records.len() == KEPT { records.pop_front() } else { None };
        records.push_back(record);
        drop(records);
        drop(oldest);
    }
}

/// A database in a temporary folder.
pub(crate) struct Database {
    pub(crate) log: LogWriter,
    store: Store,
    _folder: tempfile::TempDir,
}

impl Database {
    pub(crate) async fn open() -> Result<Self, Error> {
        let folder = tempfile::tempdir()?;
        let keyring = Keyring::from_text(&Keyring::generate_text())?;
        let store = Store::open(&StoreConfig::Sqlite { path: folder.path().join("bench.sqlite") }, keyring).await?;
        Ok(Self { log: store.log_writer(), store, _folder: folder })
    }
}

impl Database {
    /// Events of invocations of the benchmark's org.
    pub(crate) async fn invocation_events(&self) -> Result<u64, Error> {
        Ok(self.store.count_log_events(&subject::org(), "inline_hook.").await?)
    }
}

/// (b) and (c): from typed data to the applied subject.
pub(crate) struct EngineCaller {
    engine: Engine,
    hook: ReadyHook,
    origin: Arc<Origin>,
    context: TokenRequest,
    subjects: Subjects,
    database: Option<Database>,
}

impl EngineCaller {
    fn new(target: &Target, database: Option<Database>, extra: Extra) -> Result<Self, Error> {
        let recorder: Arc<dyn Recorder> = match &database {
            None => Arc::new(InMemory(Mutex::default())),
            Some(database) => Arc::new(SystemLogRecorder::new(database.log.clone(), Arc::new(SystemEntropy))),
        };
        let limits = everywhere(OPEN_IN_FLIGHT_MAX);
        Ok(Self {
            engine: Engine::builder().recorder(recorder).limits(limits).build(),
            hook: ready_hook(target, extra, Duration::from_secs(3), Some(u32::MAX))?,
            origin: origin(),
            context: subject::context(),
            subjects: Subjects::default(),
            database,
        })
    }

    async fn call(&self) -> Result<(), Error> {
        let mut subject = self.subjects.take(subject::subject);
        let resumed = self.engine.invoke(invocation(&self.hook, &self.origin, &self.context, &mut subject)).await;
        self.subjects.give_back(subject);
        match resumed.outcome {
            Outcome::Applied(changes) if changes.len() == 5 => Ok(()),
            other => Err(format!("the call was not applied: {other:?}").into()),
        }
    }
}

/// The invocation that every benchmark makes.
pub(crate) fn invocation<'a>(
    hook: &'a ReadyHook,
    origin: &Arc<Origin>,
    context: &'a TokenRequest,
    subject: &'a mut TokenSubject,
) -> Invocation<'a, Token> {
    Invocation {
        point: &Token,
        hook,
        origin: Arc::clone(origin),
        source: "https://org.example.com/oauth2/aus00000000100000001/v1/authorize",
        context,
        subject,
        deadline: None,
    }
}

/// The same bound for the process, the org and the host.
pub(crate) fn everywhere(places: usize) -> Limits {
    Limits { in_flight: places, in_flight_per_org: places, in_flight_per_host: places }
}

/// What a channel does in addition to sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extra {
    None,
    Signature,
    OAuth,
}

/// Where the external service is.
#[derive(Args, Clone, Debug)]
pub(crate) struct Target {
    #[arg(long)]
    pub(crate) port: u16,
    #[arg(long)]
    pub(crate) wire: Wire,
    /// PEM file of the authority of the service's certificate.
    #[arg(long)]
    pub(crate) authority: PathBuf,
    /// Path of the hook.
    #[arg(long, default_value = "/hook")]
    pub(crate) path: String,
}

impl Target {
    /// The options that name it.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let port = self.port.to_string().into();
        let authority = self.authority.clone().into_os_string();
        vec!["--port".into(), port, "--wire".into(), self.wire.name().into(), "--authority".into(), authority]
    }

    fn uri(&self, path: &str) -> String {
        match self.wire {
            Wire::Plain => format!("http://127.0.0.1:{}{path}", self.port),
            Wire::Tls | Wire::Http2 => format!("https://localhost:{}{path}", self.port),
        }
    }

    fn tls(&self) -> Result<rustls::ClientConfig, Error> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&self.authority)? {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

/// A hook on the benchmark's service; `bulkhead` is its bound, if it has one of its own.
pub(crate) fn ready_hook(
    target: &Target,
    extra: Extra,
    timeout: Duration,
    bulkhead: Option<u32>,
) -> Result<ReadyHook, Error> {
    ready_hook_on(&transport(target, false)?, target, extra, timeout, bulkhead)
}

/// The transport of `tenterhook serve`, that trusts the service and may call loopback; HTTP/2 without TLS only with
/// `http2_prior_knowledge`.
pub(crate) fn transport(target: &Target, http2_prior_knowledge: bool) -> Result<HttpTransport, Error> {
    let config = TransportConfig {
        policy: EgressPolicy::default().with_plain_http_to_loopback(),
        extra_ca_pem: fs::read(&target.authority).into_iter().collect(),
        http2_prior_knowledge,
        ..TransportConfig::default()
    };
    Ok(HttpTransport::with_config(config)?)
}

/// The same on a transport that several hooks share.
pub(crate) fn ready_hook_on(
    transport: &HttpTransport,
    target: &Target,
    extra: Extra,
    timeout: Duration,
    bulkhead: Option<u32>,
) -> Result<ReadyHook, Error> {
    let hook = inline_hook(target, extra, timeout, bulkhead)?;
    Ok(ReadyHook::over(transport, hook, BuiltInType::Token.kind().clone()))
}

/// The registration of a hook on the benchmark's service.
pub(crate) fn inline_hook(
    target: &Target,
    extra: Extra,
    timeout: Duration,
    bulkhead: Option<u32>,
) -> Result<InlineHook, Error> {
    let at = Timestamp::from_micros(0);
    Ok(InlineHook {
        id: HookId::from_parts(1, [1; 8]),
        status: HookStatus::Active,
        name: "Bench".into(),
        hook_type: BuiltInType::Token.name().clone(),
        version: "1.0.0".into(),
        channel: Channel {
            uri: target.uri(&target.path),
            headers: vec![],
            authentication: match extra {
                Extra::OAuth => ChannelAuthentication::OAuth {
                    client_id: "bench".into(),
                    token_url: target.uri("/token"),
                    scope: None,
                    credential: ClientCredential::SecretPost(Secret::new("secret")),
                },
                _ => ChannelAuthentication::Header { key: "Authorization".into(), value: Secret::new("secret") },
            },
        },
        policy: HookPolicy {
            timeout_ms: u32::try_from(timeout.as_millis())?,
            max_concurrent: bulkhead,
            ..HookPolicy::default()
        },
        signing: match extra {
            Extra::Signature => vec![SigningSecret::new(SigningScheme::Hmac, [7; 32], at)],
            _ => vec![],
        },
        tls: HookTls::default(),
        created: at,
        last_updated: at,
    })
}

/// The origin of the benchmark's invocations.
pub(crate) fn origin() -> Arc<Origin> {
    Arc::new(Origin {
        org_id: subject::org(),
        request: subject::request(),
        trace_parent: None,
        request_uri: "/oauth2/aus00000000100000001/v1/authorize".into(),
        proxies: vec![],
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36".into()),
        client_id: Some("storefront".into()),
        api_token_id: None,
        actor: Actor {
            id: "00u3gk5nPzX7wQaYs1d7".into(),
            kind: "User".into(),
            alternate_id: Some("ada@example.com".into()),
            display_name: Some("Ada Okoye".into()),
        },
        session_id: Some("10200000000100000001".into()),
        targets: vec![],
    })
}
