//! `bench call`: what one hook call costs beside a bare pooled client that sends the same bytes.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tenterhook_contract::{
    ExtensionPoint as _, Timestamp,
    envelope::Envelope,
    hook::{Channel, ChannelAuthentication, HookPolicy, HookStatus, HookTls, InlineHook},
    id::{EventId, HookId},
    system_log::Actor,
    token::{Token, TokenRequest, TokenSubject},
};
use tenterhook_engine::{
    Engine, Invocation, InvocationRecord, Limits, Origin, Outcome, ReadyHook, Recorder, SystemClock, Transport as _,
};
use tenterhook_flows::{SystemLogRecorder, entropy::SystemEntropy};
use tenterhook_store::{Keyring, LogWriter, Store, StoreConfig};
use tenterhook_transport::{EgressPolicy, HttpTransport, TransportConfig};
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};

use crate::{Error, cpu, figure, service, statistics, subject};

/// Core of the external service.
const SERVICE_CORE: usize = 0;
/// Core of the caller.
const CALLER_CORE: usize = 1;
/// Calls in flight of the closed loop.
const IN_FLIGHT: [usize; 3] = [1, 16, 64];
/// Arrivals per second of the open loop.
const RATES: [u32; 2] = [10_000, 25_000];
/// Calls that may be late at the same time in the open loop; more are dropped and counted.
const OPEN_IN_FLIGHT_MAX: usize = 4_096;

/// Options of `bench call`.
#[derive(Args)]
pub(crate) struct Options {
    /// Alternations between the callers; the medians are printed.
    #[arg(long, default_value_t = 5)]
    alternations: usize,
    /// Seconds of one measurement.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Folder whose `node_modules` has `undici`, for the Node caller.
    #[arg(long, default_value = "interop")]
    node: PathBuf,
}

/// Options of one measurement.
#[derive(Args, Clone, Copy)]
pub(crate) struct WorkerOptions {
    #[arg(long)]
    caller: Caller,
    #[arg(long)]
    port: u16,
    #[arg(long)]
    in_flight: usize,
    #[arg(long)]
    seconds: f64,
    /// Open loop: arrivals per second.
    #[arg(long)]
    rate: Option<u32>,
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Caller {
    /// (a) A bare hyper-util pooled client.
    Bare,
    /// (b) The engine with an in-memory recorder.
    Engine,
    /// (c) The engine with the SQLite recorder.
    EngineSqlite,
    /// (d) Node with undici.
    Node,
}

impl Caller {
    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Engine => "engine",
            Self::EngineSqlite => "engine_sqlite",
            Self::Node => "node",
        }
    }
}

/// One measurement.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    calls_per_second: f64,
    cpu_us: f64,
    p50_us: f64,
    p99_us: f64,
}

/// Runs the benchmark.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let mut service = started_service(service::Kind::Echo)?;
    let mut callers = vec![Caller::Bare, Caller::Engine, Caller::EngineSqlite];
    match node_script(options) {
        Some(_) => callers.push(Caller::Node),
        None => println!("Node or `undici` is missing: no Node caller (`npm ci` in `interop` installs it)."),
    }
    println!(
        "One hook call, 3 KB out and {} bytes back, plain HTTP/1.1 on loopback; medians of {} alternations of {} s.",
        subject::ANSWER.len(),
        options.alternations,
        options.seconds
    );
    println!(
        "\n{:<22}{:>10}{:>14}{:>10}{:>10}{:>9}",
        "closed loop", "calls/s", "CPU us/call", "p50 us", "p99 us", "x bare"
    );
    for in_flight in IN_FLIGHT {
        let measured = alternate(options, &callers, &service, in_flight, None)?;
        table(&format!("{in_flight} in flight"), &callers, &measured, |m| m.cpu_us);
        for (caller, of) in callers.iter().zip(&measured).skip(1) {
            ratio(&format!("call_cpu_{}_over_bare_{in_flight}", caller.name()), &measured, of, |m| m.cpu_us);
        }
    }
    println!(
        "\n{:<22}{:>10}{:>14}{:>10}{:>10}{:>9}",
        "open loop", "calls/s", "CPU us/call", "p50 us", "p99 us", "x bare"
    );
    let ours: Vec<_> = callers.into_iter().filter(|caller| *caller != Caller::Node).collect();
    for rate in RATES {
        let measured = alternate(options, &ours, &service, OPEN_IN_FLIGHT_MAX, Some(rate))?;
        table(&format!("{rate} a second"), &ours, &measured, |m| m.p99_us);
        for (caller, of) in ours.iter().zip(&measured).skip(1) {
            ratio(&format!("call_p99_{}_over_bare_{rate}", caller.name()), &measured, of, |m| m.p99_us);
        }
    }
    drop(service.child.stdin.take());
    service.child.wait()?;
    Ok(())
}

fn ratio(name: &str, measured: &[Measured], of: &Measured, quantity: impl Fn(&Measured) -> f64) {
    if let Some(bare) = measured.first() {
        figure(name, quantity(of) / quantity(bare), "x");
    }
}

fn table(heading: &str, callers: &[Caller], measured: &[Measured], quantity: impl Fn(&Measured) -> f64) {
    let bare = measured.first().copied().unwrap_or_default();
    for (caller, of) in callers.iter().zip(measured) {
        let Measured { calls_per_second, cpu_us, p50_us, p99_us } = of;
        let name = format!("{heading} {}", caller.name());
        let ratio = quantity(of) / quantity(&bare);
        println!("{name:<32}{calls_per_second:>10.0}{cpu_us:>10.1}{p50_us:>10.0}{p99_us:>10.0}{ratio:>9.2}");
    }
}

/// Measures the callers in turn and takes the median of each quantity.
fn alternate(
    options: &Options,
    callers: &[Caller],
    service: &Service,
    in_flight: usize,
    rate: Option<u32>,
) -> Result<Vec<Measured>, Error> {
    let mut runs = vec![Vec::new(); callers.len()];
    for _ in 0..options.alternations {
        for (caller, runs) in callers.iter().zip(&mut runs) {
            runs.push(measure(options, *caller, service.port, in_flight, rate)?);
        }
    }
    let middle = |runs: &[Measured], quantity: fn(&Measured) -> f64| statistics::median(runs.iter().map(quantity));
    Ok(runs
        .iter()
        .map(|runs| Measured {
            calls_per_second: middle(runs, |m| m.calls_per_second),
            cpu_us: middle(runs, |m| m.cpu_us),
            p50_us: middle(runs, |m| m.p50_us),
            p99_us: middle(runs, |m| m.p99_us),
        })
        .collect())
}

fn measure(
    options: &Options,
    caller: Caller,
    port: u16,
    in_flight: usize,
    rate: Option<u32>,
) -> Result<Measured, Error> {
    let script = node_script(options).filter(|_| caller == Caller::Node);
    let mut command = if let Some(script) = script {
        let mut command = Command::new("taskset");
        command.args(["-c", &CALLER_CORE.to_string(), "node"]).arg(script);
        command.args([port.to_string(), in_flight.to_string(), options.seconds.to_string()]);
        command
    } else {
        let mut command = cpu::pinned(CALLER_CORE)?;
        command.args(["call-worker", "--caller"]);
        command.arg(caller.to_possible_value().ok_or("the caller has a name")?.get_name());
        command.args(["--port", &port.to_string(), "--in-flight", &in_flight.to_string()]);
        command.args(["--seconds", &options.seconds.to_string()]);
        if let Some(rate) = rate {
            command.args(["--rate", &rate.to_string()]);
        }
        command
    };
    let output = command.stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let line = text.lines().last().ok_or_else(|| format!("{} printed nothing", caller.name()))?;
    let result: Value = serde_json::from_str(line)?;
    let number = |name: &str| result.get(name).and_then(Value::as_f64).ok_or_else(|| format!("no `{name}` in {line}"));
    Ok(Measured {
        calls_per_second: number("callsPerSecond")?,
        cpu_us: number("cpuUs")?,
        p50_us: number("p50Us")?,
        p99_us: number("p99Us")?,
    })
}

fn node_script(options: &Options) -> Option<PathBuf> {
    let there = options.node.join("node_modules/undici").is_dir();
    let node = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    (there && node).then(|| options.node.join("bench-call.mjs"))
}

/// A service in a process of its own.
pub(crate) struct Service {
    pub(crate) child: Child,
    pub(crate) port: u16,
}

/// Starts the service and waits for its port.
pub(crate) fn started_service(kind: service::Kind) -> Result<Service, Error> {
    let mut command = cpu::pinned(SERVICE_CORE)?;
    command.args(["service", "--kind"]).arg(kind.to_possible_value().ok_or("the kind has a name")?.get_name());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("the service has an output")?).read_line(&mut line)?;
    Ok(Service { child, port: line.trim().parse()? })
}

/// One measurement, in this process.
pub(crate) fn work(options: WorkerOptions) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let caller = AnyCaller::new(options.caller, options.port).await?;
        let caller = Arc::new(caller);
        let length = Duration::from_secs_f64(options.seconds);
        // Connections, caches and the allocator are warm before the clock starts.
        closed_loop(&caller, options.in_flight.min(256), length / 4).await?;
        let cpu = cpu::time()?;
        let began = Instant::now();
        let mut latencies = match options.rate {
            Some(rate) => open_loop(&caller, rate, length).await?,
            None => closed_loop(&caller, options.in_flight, length).await?,
        };
        let took = began.elapsed();
        caller.finish().await;
        let cpu = cpu::time()?.saturating_sub(cpu);
        latencies.sort_by(f64::total_cmp);
        #[expect(clippy::cast_precision_loss, reason = "a count of calls")]
        let calls = latencies.len() as f64;
        println!(
            "{}",
            serde_json::json!({
                "callsPerSecond": calls / took.as_secs_f64(),
                "cpuUs": cpu.as_secs_f64() * 1e6 / calls,
                "p50Us": statistics::percentile(&latencies, 0.5),
                "p99Us": statistics::percentile(&latencies, 0.99),
            })
        );
        Ok(())
    })
}

/// Keeps `in_flight` calls in flight for `length`; the latencies in microseconds.
async fn closed_loop(caller: &Arc<AnyCaller>, in_flight: usize, length: Duration) -> Result<Vec<f64>, Error> {
    let until = Instant::now() + length;
    let mut tasks = JoinSet::new();
    for _ in 0..in_flight {
        let caller = Arc::clone(caller);
        tasks.spawn(async move {
            let mut latencies = Vec::with_capacity(65_536);
            while Instant::now() < until {
                let began = Instant::now();
                caller.call().await?;
                latencies.push(began.elapsed().as_secs_f64() * 1e6);
            }
            Ok::<_, Error>(latencies)
        });
    }
    let mut all = Vec::new();
    while let Some(task) = tasks.join_next().await {
        all.extend(task??);
    }
    Ok(all)
}

/// Starts a call at each planned moment, whether earlier ones have ended or not; latency counts from that moment.
async fn open_loop(caller: &Arc<AnyCaller>, rate: u32, length: Duration) -> Result<Vec<f64>, Error> {
    let places = Arc::new(Semaphore::new(OPEN_IN_FLIGHT_MAX));
    let latencies = Arc::new(Mutex::new(Vec::with_capacity(rate as usize * 4)));
    let began = Instant::now();
    let every = Duration::from_secs(1) / rate;
    let mut tasks = JoinSet::new();
    let mut planned = began;
    while planned < began + length {
        // The timer of the runtime has a resolution of a millisecond; what is due by then is started together.
        if planned > Instant::now() {
            tokio::time::sleep(Duration::from_micros(1)).await;
        }
        while planned <= Instant::now() && planned < began + length {
            let (caller, latencies, due) = (Arc::clone(caller), Arc::clone(&latencies), planned);
            let place = Arc::clone(&places).acquire_owned().await?;
            tasks.spawn(async move {
                let outcome = caller.call().await;
                latencies.lock().unwrap_or_else(PoisonError::into_inner).push(due.elapsed().as_secs_f64() * 1e6);
                drop(place);
                outcome
            });
            planned += every;
        }
        while let Some(task) = tasks.try_join_next() {
            task??;
        }
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    let latencies = std::mem::take(&mut *latencies.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(latencies)
}

/// Any of the callers that run in this process.
enum AnyCaller {
    Bare(Box<BareCaller>),
    Engine(Box<EngineCaller>),
}

impl AnyCaller {
    async fn new(caller: Caller, port: u16) -> Result<Self, Error> {
        match caller {
            Caller::Bare => Ok(Self::Bare(Box::new(BareCaller::new(port)?))),
            Caller::Engine => Ok(Self::Engine(Box::new(EngineCaller::new(port, None)?))),
            Caller::EngineSqlite => Ok(Self::Engine(Box::new(EngineCaller::new(port, Some(Database::open().await?))?))),
            Caller::Node => Err("the Node caller is a process of its own".into()),
        }
    }

    async fn call(&self) -> Result<(), Error> {
        match self {
            Self::Bare(bare) => bare.call().await,
            Self::Engine(engine) => engine.call().await,
        }
    }

    /// Waits until every record is where it belongs, so that its cost is counted.
    async fn finish(&self) {
        if let Self::Engine(engine) = self
            && let Some(database) = &engine.database
        {
            database.log.flush().await;
        }
    }
}

/// (a): what a careful platform team writes by hand, without the engine.
struct BareCaller {
    client: Client<HttpConnector, Full<Bytes>>,
    uri: http::Uri,
    body: Bytes,
}

impl BareCaller {
    fn new(port: u16) -> Result<Self, Error> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(usize::MAX).build(connector);
        let event_id = EventId::from_entropy([1; 16]);
        let (context, subject) = (subject::context(), subject::subject());
        let envelope = Envelope::new(
            &event_id,
            Timestamp::from_micros(0),
            Token::HOOK_TYPE,
            "https://org.example.com",
            None,
            Token::data(&context, &subject),
        );
        let body = serde_json::to_vec(&envelope)?.into();
        Ok(Self { client, uri: format!("http://127.0.0.1:{port}/hook").parse()?, body })
    }

    async fn call(&self) -> Result<(), Error> {
        let request = http::Request::post(self.uri.clone())
            .header("accept", "application/json")
            .header("content-type", "application/json")
            .header("authorization", "secret")
            .body(Full::new(self.body.clone()))?;
        let answer = self.client.request(request).await?;
        let body = answer.into_body().collect().await?.to_bytes();
        if body.len() == subject::ANSWER.len() { Ok(()) } else { Err("the answer is not whole".into()) }
    }
}

/// Keeps the newest records, as an embedder without a database would.
#[derive(Default)]
pub(crate) struct InMemory(Mutex<Vec<InvocationRecord>>);

impl Recorder for InMemory {
    fn record(&self, record: InvocationRecord) {
        const KEPT: usize = 1_024;
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if records.len() == KEPT {
            records.clear();
        }
        records.push(record);
    }
}

/// A database in a temporary folder.
struct Database {
    log: LogWriter,
    _store: Store,
    _folder: tempfile::TempDir,
}

impl Database {
    async fn open() -> Result<Self, Error> {
        let folder = tempfile::tempdir()?;
        let keyring = Keyring::from_text(&Keyring::generate_text())?;
        let store = Store::open(&StoreConfig::Sqlite { path: folder.path().join("bench.sqlite") }, keyring).await?;
        Ok(Self { log: store.log_writer(), _store: store, _folder: folder })
    }
}

/// (b) and (c): from typed data to the applied subject.
struct EngineCaller {
    engine: Engine,
    hook: ReadyHook,
    origin: Arc<Origin>,
    context: TokenRequest,
    /// Subjects that no call is using: a flow makes its own, which is not the engine's time.
    subjects: Mutex<Vec<TokenSubject>>,
    database: Option<Database>,
}

impl EngineCaller {
    fn new(port: u16, database: Option<Database>) -> Result<Self, Error> {
        let recorder: Arc<dyn Recorder> = match &database {
            None => Arc::new(InMemory(Mutex::default())),
            Some(database) => Arc::new(SystemLogRecorder::new(database.log.clone(), Arc::new(SystemEntropy))),
        };
        let limits = everywhere(OPEN_IN_FLIGHT_MAX);
        Ok(Self {
            engine: Engine::new(recorder, Arc::new(SystemClock), Arc::new(SystemEntropy), limits),
            hook: ready_hook(port, false, Duration::from_secs(3), Some(u32::MAX))?,
            origin: origin(),
            context: subject::context(),
            subjects: Mutex::default(),
            database,
        })
    }

    async fn call(&self) -> Result<(), Error> {
        let spare = self.subjects.lock().map_err(|error| error.to_string())?.pop();
        let mut subject = spare.unwrap_or_else(subject::subject);
        let resumed = self.engine.invoke::<Token>(self.invocation(&mut subject)).await;
        self.subjects.lock().map_err(|error| error.to_string())?.push(subject);
        match resumed.outcome {
            Outcome::Applied(changes) if changes.len() == 5 => Ok(()),
            other => Err(format!("the call was not applied: {other:?}").into()),
        }
    }

    fn invocation<'a>(&'a self, subject: &'a mut TokenSubject) -> Invocation<'a, Token> {
        Invocation {
            hook: &self.hook,
            origin: Arc::clone(&self.origin),
            source: "https://org.example.com/oauth2/aus00000000100000001/v1/authorize",
            context: &self.context,
            subject,
            deadline: None,
        }
    }
}

/// The same bound for the process, the org and the host.
pub(crate) fn everywhere(places: usize) -> Limits {
    Limits { in_flight: places, in_flight_per_org: places, in_flight_per_host: places }
}

/// A hook on the benchmark's service; `bulkhead` bounds it, else the engine does.
pub(crate) fn ready_hook(port: u16, http2: bool, timeout: Duration, bulkhead: Option<u32>) -> Result<ReadyHook, Error> {
    let transport = HttpTransport::new(
        TransportConfig {
            policy: EgressPolicy::default().with_plain_http_to_loopback(),
            http2_prior_knowledge: http2,
            ..TransportConfig::default()
        },
        Arc::new(SystemEntropy),
    )?;
    let at = Timestamp::from_micros(0);
    let hook = InlineHook {
        id: HookId::from_parts(1, [1; 8]),
        status: HookStatus::Active,
        name: "Bench".into(),
        hook_type: Token::HOOK_TYPE,
        version: "1.0.0".into(),
        channel: Channel {
            uri: format!("http://127.0.0.1:{port}/hook"),
            headers: vec![],
            authentication: ChannelAuthentication::Header {
                key: "Authorization".into(),
                value: tenterhook_contract::Secret::new("secret"),
            },
        },
        policy: HookPolicy {
            timeout_ms: u32::try_from(timeout.as_millis())?,
            max_concurrent: bulkhead,
            ..HookPolicy::default()
        },
        signing: vec![],
        tls: HookTls::default(),
        created: at,
        last_updated: at,
    };
    let endpoint = transport.endpoint(&hook, None);
    Ok(ReadyHook::new(hook, endpoint))
}

/// Who triggers the benchmark's invocations.
pub(crate) fn origin() -> Arc<Origin> {
    Arc::new(Origin {
        org_id: subject::org(),
        request: subject::request(),
        request_uri: "/oauth2/aus00000000100000001/v1/authorize".into(),
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
