//! A server on a real port with a database of its own, a client, and an external service.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tenterhook_contract::{HookTypes, Secret};
use tenterhook_engine::{Clock, Limits, SystemClock};
use tenterhook_management::provision::DemonstrationOrg;
use tenterhook_platform::{FollowSettings, Parts, Platform, Settings, entropy::SystemEntropy, mail::MailCarrier};
use tenterhook_server::{ServerLimits, TrustedProxies, router, serve};
use tenterhook_store::{Keyring, Store, StoreConfig};
use tenterhook_testkit::{
    postgres::Way,
    rig::{database_or, development_org, parts},
    service::{self, Step},
};
use tenterhook_transport::{EgressPolicy, HttpTransport, TransportConfig};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

pub(crate) use tenterhook_testkit::{
    hook::SECRET as HOOK_SECRET,
    rig::{ADMIN_TOKEN, CLIENT_SECRET, PASSWORD},
};

/// A running server with the development org.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) platform: Arc<Platform>,
    pub(crate) org: DemonstrationOrg,
    pub(crate) folder: tempfile::TempDir,
    store: StoreConfig,
    keys: Secret,
    hook_types: Arc<HookTypes>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

/// An answer of the server.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.bytes.to_vec()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The path of the next page, where there is one.
    pub(crate) fn next(&self) -> Option<String> {
        let mut links = self.headers.get_all("link").iter().map(|value| value.to_str().unwrap());
        let link = links.find(|value| value.ends_with("rel=\"next\""))?;
        let (_, path) = link.strip_prefix("<http://").unwrap().split_once('/').unwrap();
        path.split_once('>').map(|(path, _)| format!("/{path}"))
    }
}

/// SQLite in a file, or a database of its own on the server that the test command has started.
pub(crate) async fn store_config(folder: &std::path::Path) -> StoreConfig {
    database_or(StoreConfig::Sqlite { path: folder.join("test.sqlite") }).await
}

/// What a node runs on `store`.
pub(crate) async fn platform(store: Store, base_url: Arc<str>) -> Arc<Platform> {
    platform_within(store, base_url, Limits::default(), HookTypes::built_in()).await
}

async fn platform_within(
    store: Store,
    base_url: Arc<str>,
    limits: Limits,
    hook_types: &Arc<HookTypes>,
) -> Arc<Platform> {
    platform_following(store, base_url, limits, hook_types, FollowSettings::default()).await
}

/// The same with settings of how it follows other nodes.
pub(crate) async fn platform_following(
    store: Store,
    base_url: Arc<str>,
    limits: Limits,
    hook_types: &Arc<HookTypes>,
    follow: FollowSettings,
) -> Arc<Platform> {
    let parts = parts(store, transport_to_loopback(), base_url);
    let settings = Settings { limits, follow, ..parts.settings };
    Platform::start(Parts { settings, hook_types: Arc::clone(hook_types), ..parts }).await.unwrap()
}

fn transport_to_loopback() -> Arc<HttpTransport> {
    let policy = EgressPolicy::default().with_plain_http_to_loopback();
    let config = TransportConfig { policy, ..TransportConfig::default() };
    Arc::new(HttpTransport::new(config, Arc::new(SystemClock), Arc::new(SystemEntropy)).unwrap())
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with_limits(ServerLimits::default()).await
    }

    pub(crate) async fn with_limits(limits: ServerLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = store_config(folder.path()).await;
        Self::on(&config, folder, limits, Limits::default()).await
    }

    /// A server whose engine has these bounds.
    pub(crate) async fn with_engine_limits(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = store_config(folder.path()).await;
        Self::on(&config, folder, ServerLimits::default(), limits).await
    }

    /// A server whose way to its PostgreSQL can be cut; `None` where the tests run on SQLite.
    pub(crate) async fn on_postgres_by_way() -> Option<(Self, Way)> {
        let folder = tempfile::tempdir().unwrap();
        let StoreConfig::Postgres { url, max_connections } = store_config(folder.path()).await else { return None };
        let (way, url) = Way::to(url.expose()).await.unwrap();
        let config = StoreConfig::Postgres { url: Secret::new(url), max_connections };
        Some((Self::on(&config, folder, ServerLimits::default(), Limits::default()).await, way))
    }

    pub(crate) async fn on(
        config: &StoreConfig,
        folder: tempfile::TempDir,
        limits: ServerLimits,
        engine: Limits,
    ) -> Self {
        Self::node(config, Keyring::generate_text(), folder, (limits, engine), None, HookTypes::built_in()).await
    }

    /// A server whose orgs have these hook types.
    pub(crate) async fn with_hook_types(types: HookTypes) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = store_config(folder.path()).await;
        let limits = (ServerLimits::default(), Limits::default());
        Self::node(&config, Keyring::generate_text(), folder, limits, None, &Arc::new(types)).await
    }

    /// A server with this in the place of a mail server.
    pub(crate) async fn with_mail(mail: Arc<dyn MailCarrier>) -> Self {
        Self::with_mail_at(mail, Arc::new(SystemClock)).await
    }

    /// The same with this clock.
    pub(crate) async fn with_mail_at(mail: Arc<dyn MailCarrier>, clock: Arc<dyn Clock>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (config, keys) = (store_config(folder.path()).await, Keyring::generate_text());
        let store = Store::open(&config, Keyring::from_text(&keys).unwrap()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let parts = Parts { mail: Some(mail), clock, ..parts(store, transport_to_loopback(), base_url.into()) };
        let platform = Platform::start(parts).await.unwrap();
        Self::around(platform, listener, ServerLimits::default(), folder, (config, keys, HookTypes::built_in())).await
    }

    /// A server with other settings.
    pub(crate) async fn with_settings(change: impl FnOnce(&mut Settings)) -> Self {
        Self::with_parts(|parts| change(&mut parts.settings)).await
    }

    /// A server whose platform has other parts.
    pub(crate) async fn with_parts(change: impl FnOnce(&mut Parts)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (config, keys) = (store_config(folder.path()).await, Keyring::generate_text());
        let store = Store::open(&config, Keyring::from_text(&keys).unwrap()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let policy = EgressPolicy::default().with_plain_http_to_loopback();
        let transport = HttpTransport::with_config(TransportConfig { policy, ..TransportConfig::default() }).unwrap();
        let mut parts = parts(store, Arc::new(transport), base_url.into());
        change(&mut parts);
        let platform = Platform::start(parts).await.unwrap();
        Self::around(platform, listener, ServerLimits::default(), folder, (config, keys, HookTypes::built_in())).await
    }

    /// Another node on the same database. Neither follows the other: what it knows of the other's changes it has asked for.
    pub(crate) async fn beside(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let limits = (ServerLimits::default(), Limits::default());
        let base_url = format!("http://{}", self.address);
        Self::node(&self.store, self.keys.clone(), folder, limits, Some(base_url.into()), &self.hook_types).await
    }

    /// Another node on the same database that only has a platform, and follows by these settings.
    pub(crate) async fn follower(&self, follow: FollowSettings) -> Arc<Platform> {
        let store = Store::open(&self.store, Keyring::from_text(&self.keys).unwrap()).await.unwrap();
        let limits = Limits::default();
        platform_following(store, format!("http://{}", self.address).into(), limits, &self.hook_types, follow).await
    }

    /// Its master keys.
    pub(crate) fn keys(&self) -> Secret {
        self.keys.clone()
    }

    /// Changes its database past the server.
    pub(crate) async fn write(&self, sql: &str) {
        let url = match &self.store {
            StoreConfig::Postgres { url, .. } => url.expose().to_owned(),
            StoreConfig::Sqlite { path } => format!("sqlite://{}", path.display()),
            StoreConfig::Ephemeral => panic!("nobody else reaches a database in memory"),
        };
        tenterhook_testkit::postgres::execute(&url, sql).await.unwrap();
    }

    /// URL of its PostgreSQL database.
    pub(crate) fn database_url(&self) -> String {
        let StoreConfig::Postgres { url, .. } = &self.store else { panic!("only PostgreSQL has one") };
        url.expose().to_owned()
    }

    async fn node(
        config: &StoreConfig,
        keys: Secret,
        folder: tempfile::TempDir,
        (limits, engine): (ServerLimits, Limits),
        base_url: Option<Arc<str>>,
        hook_types: &Arc<HookTypes>,
    ) -> Self {
        let store = Store::open(config, Keyring::from_text(&keys).unwrap()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let platform =
            platform_within(store, base_url.unwrap_or_else(|| format!("http://{address}").into()), engine, hook_types)
                .await;
        Self::around(platform, listener, limits, folder, (config.clone(), keys, hook_types)).await
    }

    /// The server of a platform.
    async fn around(
        platform: Arc<Platform>,
        listener: TcpListener,
        limits: ServerLimits,
        folder: tempfile::TempDir,
        (store, keys, hook_types): (StoreConfig, Secret, &Arc<HookTypes>),
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let org = development_org(&platform).await;
        let (stop, stopping) = watch::channel(false);
        let router = router(Arc::clone(&platform), limits, TrustedProxies::loopback(), stopping.clone());
        let serving = tokio::spawn(serve(listener, router, limits, TrustedProxies::loopback(), stopping));
        let hook_types = Arc::clone(hook_types);
        Self { address, platform, org, folder, store, keys, hook_types, stop, serving }
    }

    /// Stops the server, and waits until it has ended.
    pub(crate) async fn stop(&mut self) {
        self.stop.send(true).unwrap();
        (&mut self.serving).await.unwrap();
    }

    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.send_to_host("", method, path, headers, body).await
    }

    /// A request to the org with a host; to the default one without.
    pub(crate) async fn send_to_host(
        &self,
        host: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let host = if host.is_empty() { self.address.to_string() } else { host.to_owned() };
        let mut request = Request::builder().method(method).uri(path).header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, bytes }
    }

    /// A request of the management API.
    pub(crate) async fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let authorization = format!("SSWS {ADMIN_TOKEN}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let body = body.map(|body| serde_json::to_vec(body).unwrap()).unwrap_or_default();
        self.send(method, path, &headers, &body).await
    }

    /// A form to an endpoint of the authorization server.
    pub(crate) async fn form(&self, endpoint: &str, authorization: Option<&str>, form: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let path = format!("/oauth2/{}/v1/{endpoint}", self.org.authorization_server_id);
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        headers.extend(authorization.map(|value| ("authorization", value)));
        self.send("POST", &path, &headers, body.as_bytes()).await
    }

    pub(crate) fn basic(&self) -> String {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        format!("Basic {}", STANDARD.encode(format!("{}:{CLIENT_SECRET}", self.org.confidential_client_id)))
    }

    /// A client-credentials token request.
    pub(crate) async fn client_credentials(&self) -> Answer {
        let form = [("grant_type", "client_credentials"), ("scope", "orders.read")];
        self.form("token", Some(&self.basic()), &form).await
    }

    /// Registers a token hook on `service` and puts it on the rule; answers with its id.
    pub(crate) async fn hook(&self, service: SocketAddr) -> String {
        let created = self.api("POST", "/api/v1/inlineHooks", Some(&hook_body("Hook", service))).await;
        assert_eq!(created.status, 200, "{}", created.text());
        let id = created.json()["id"].as_str().unwrap().to_owned();
        self.associate(&json!({ "id": id })).await;
        id
    }

    /// A hook of the flow whose service fails, so that its circuit breaker is open. Returns the service too.
    pub(crate) async fn hook_with_open_breaker(&self) -> (String, Service) {
        let service = Service::start(Behaviour::Answer(503, String::new())).await;
        let id = self.hook(service.address).await;
        let breaker = json!({ "policy": { "breaker": { "consecutiveFailures": 1 } } });
        assert_eq!(self.api("POST", &format!("/api/v1/inlineHooks/{id}"), Some(&breaker)).await.status, 200);
        assert_eq!(self.client_credentials().await.status, 200);
        (id, service)
    }

    pub(crate) async fn associate(&self, reference: &Value) -> Answer {
        let path = self.rule_path();
        let mut rule = self.api("GET", &path, None).await.json();
        rule["actions"]["token"]["inlineHook"] = reference.clone();
        self.api("PUT", &path, Some(&rule)).await
    }

    pub(crate) fn rule_path(&self) -> String {
        let DemonstrationOrg { authorization_server_id, policy_id, rule_id, .. } = &self.org;
        format!("/api/v1/authorizationServers/{authorization_server_id}/policies/{policy_id}/rules/{rule_id}")
    }

    /// The log's events of a type, oldest first.
    pub(crate) async fn events(&self, event_type: &str) -> Vec<Value> {
        self.platform.log().flush().await;
        let log = self.api("GET", "/api/v1/logs?limit=1000", None).await.json();
        log.as_array().unwrap().iter().filter(|event| event["eventType"] == event_type).cloned().collect()
    }

    /// The claims of a token, its signature verified with the published keys.
    pub(crate) async fn verified(&self, token: &str) -> Value {
        let path = format!("/oauth2/{}/v1/keys", self.org.authorization_server_id);
        let keys: jsonwebtoken::jwk::JwkSet =
            serde_json::from_slice(&self.send("GET", &path, &[], b"").await.bytes).unwrap();
        let header = jsonwebtoken::decode_header(token).unwrap();
        let key = keys.find(&header.kid.unwrap()).unwrap();
        let mut validation = jsonwebtoken::Validation::new(header.alg);
        validation.validate_aud = false;
        let key = jsonwebtoken::DecodingKey::from_jwk(key).unwrap();
        jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap().claims
    }
}

/// A create body of a token hook.
pub(crate) fn hook_body(name: &str, service: SocketAddr) -> Value {
    tenterhook_testkit::hook::body(name, &format!("http://{service}/hook?tenant=north"))
}

/// What the external service does with each request.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// Status and body.
    Answer(u16, String),
    /// These bytes, then the end of the connection.
    Raw(Vec<u8>),
    /// Nothing, for ever.
    Silent,
}

impl Behaviour {
    pub(crate) fn json(value: &Value) -> Self {
        Self::Answer(200, value.to_string())
    }

    fn step(self) -> Step {
        match self {
            Self::Answer(status, body) => Step::answer(status, &body),
            Self::Raw(bytes) => Step::WriteAndClose(bytes),
            Self::Silent => Step::WriteAndHang(Vec::new()),
        }
    }
}

/// An external service that does the same thing with every request.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    inner: Arc<service::Service>,
}

impl Service {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        let inner = service::Service::start(vec![behaviour.step()], None).await.unwrap();
        Self { address: inner.address(), inner: Arc::new(inner) }
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        self.inner.behave(behaviour.step());
    }

    /// The bodies received so far.
    pub(crate) fn received(&self) -> Vec<Value> {
        self.inner.received().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
    }
}
