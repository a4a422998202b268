//! `bench host`: an invocation through the HTTP API, compared with the engine alone at the same extension point with the same
//! service, with a Node.js program that does the same by hand, and with nginx, which asks an external authorizer.
//!
//! What is measured runs on one core; the service and the clients run on the other. CPU is that of what is measured alone.

use std::{
    fs,
    future::Future,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use clap::{Args, Subcommand};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tenterhook_contract::{
    HookKind, Secret,
    declared::{Declaration, DeclaredPoint},
    hook::{HookPolicy, InlineHook},
};
use tenterhook_engine::{Engine, Invocation, Outcome, ReadyHook};
use tenterhook_management::provision;
use tenterhook_platform::{SystemLogRecorder, entropy::SystemEntropy};
use tenterhook_server::{ServerLimits, TrustedProxies, router, serve};
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::Instant};

use crate::{
    Error,
    call::{CALLER_CORE, SERVICE_CORE, Service, node_script, started_service},
    callers::{self, Database, Target, everywhere},
    cpu::{self, Figures},
    figure,
    process::Process,
    service::{self, Wire},
    statistics,
    token_server::{ADMIN_TOKEN, World, account},
};

/// Invocations in flight.
const IN_FLIGHT: usize = 64;
/// Invocations in flight while the service hangs.
const IN_FLIGHT_HANGING: usize = 16;
/// The host's deadline while the service hangs.
const DEADLINE_MS: u32 = 200;
/// The extension point of the examples.
const POINT: &str = include_str!("../../../examples/hosts/order-checkout.json");
const TYPE: &str = "com.example.order.checkout";
/// The API token of the host.
const HOST_TOKEN: &str = "bench-host-token";
/// Lines of the order.
const LINES: usize = 40;
/// Where nginx listens.
const NGINX_PORT: u16 = 41_988;

/// Options of `bench host`.
#[derive(Args)]
pub(crate) struct Options {
    /// Alternations between what is compared; the medians are printed.
    #[arg(long, default_value_t = 5)]
    alternations: usize,
    /// Seconds of one measurement.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Folder whose `node_modules` has `undici`, for the Node.js program.
    #[arg(long, default_value = "interop")]
    node: PathBuf,
}

/// What the benchmark starts in processes of their own.
#[derive(Subcommand)]
pub(crate) enum Part {
    /// The server, with an extension point and its hook.
    Server(ServerOptions),
    /// Clients of a server.
    Load(LoadOptions),
    /// The engine alone.
    Engine(EngineOptions),
}

#[derive(Args)]
pub(crate) struct ServerOptions {
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
pub(crate) struct LoadOptions {
    #[arg(long)]
    url: String,
    /// The `Authorization` header of a POST with an order; without it the URL is fetched.
    #[arg(long)]
    authorization: Option<String>,
    #[arg(long)]
    deadline_ms: Option<u32>,
    #[arg(long)]
    in_flight: usize,
    #[arg(long)]
    seconds: f64,
}

#[derive(Args)]
pub(crate) struct EngineOptions {
    #[command(flatten)]
    target: Target,
    #[arg(long)]
    seconds: f64,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// `POST /api/v1/extensionPoints/{type}/invocations`.
    Host,
    /// `Engine::invoke` with the System Log in SQLite, as the server has it.
    Engine,
    /// undici, a deadline, a validation and a patch by hand.
    Node,
    /// nginx's `auth_request`, which passes the answer's status on and no body.
    Nginx,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Engine => "engine",
            Self::Node => "node",
            Self::Nginx => "nginx_auth_request",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Host => "HTTP API",
            Self::Engine => "engine alone, SQLite",
            Self::Node => "Node.js, undici, by hand",
            Self::Nginx => "nginx, auth_request",
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    per_second: f64,
    cpu_us: f64,
    p50_us: f64,
    p99_us: f64,
}

/// Runs the benchmark.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let service = started_service(service::Kind::Echo, Wire::Plain)?;
    let mut ways = vec![Way::Host, Way::Engine];
    if script_of(options).is_some() {
        ways.push(Way::Node);
    } else {
        println!("Node.js or `undici` is missing: no program by hand (`npm ci` in `interop` installs it).");
    }
    if Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        ways.push(Way::Nginx);
    } else {
        println!("nginx is not installed: no `auth_request`.");
    }
    println!(
        "An order of {} bytes, {IN_FLIGHT} in flight, on loopback; medians of {} alternations of {} s.\n",
        order(None).len(),
        options.alternations,
        options.seconds
    );
    let mut runs = vec![Vec::new(); ways.len()];
    for _ in 0..options.alternations {
        for (way, runs) in ways.iter().zip(&mut runs) {
            runs.push(measure(options, *way, &service)?);
        }
    }
    service.stop()?;
    let middle = |runs: &[Measured], quantity: fn(&Measured) -> f64| statistics::median(runs.iter().map(quantity));
    let measured: Vec<_> = runs
        .iter()
        .map(|runs| Measured {
            per_second: middle(runs, |m| m.per_second),
            cpu_us: middle(runs, |m| m.cpu_us),
            p50_us: middle(runs, |m| m.p50_us),
            p99_us: middle(runs, |m| m.p99_us),
        })
        .collect();
    report(&ways, &measured);
    overrun(options)
}

fn report(ways: &[Way], measured: &[Measured]) {
    let host = measured.first().copied().unwrap_or_default();
    println!("{:<28}{:>10}{:>10}{:>10}{:>10}{:>12}", "", "per s", "CPU us", "p50 us", "p99 us", "CPU of host");
    for (way, of) in ways.iter().zip(measured) {
        let Measured { per_second, cpu_us, p50_us, p99_us } = of;
        let share = host.cpu_us / cpu_us;
        println!("{:<28}{per_second:>10.0}{cpu_us:>10.1}{p50_us:>10.0}{p99_us:>10.0}{share:>11.2}x", way.title());
    }
    println!();
    for (way, of) in ways.iter().zip(measured) {
        figure(&format!("host_per_second_{}", way.name()), of.per_second, "1/s");
        figure(&format!("host_cpu_{}", way.name()), of.cpu_us, "us");
        if *way != Way::Host {
            figure(&format!("host_cpu_over_{}", way.name()), host.cpu_us / of.cpu_us, "x");
        }
    }
    if let Some(engine) = measured.get(1) {
        figure("host_cpu_added_over_engine", (host.cpu_us - engine.cpu_us) / engine.cpu_us, "x");
    }
}

/// How long after the host's deadline an answer comes when the service never answers.
fn overrun(options: &Options) -> Result<(), Error> {
    let service = started_service(service::Kind::Silent, Wire::Plain)?;
    let (server, url, authorization) = started_server(&service.target)?;
    let mut load = cpu::pinned(SERVICE_CORE)?;
    load.args(["host-part", "load", "--url", &url, "--authorization", &authorization]);
    load.args(["--deadline-ms", &DEADLINE_MS.to_string(), "--in-flight", &IN_FLIGHT_HANGING.to_string()]);
    load.args(["--seconds", &options.seconds.to_string()]);
    let figures = Figures::of(load)?;
    server.stop()?;
    service.stop()?;
    let late = |name| Ok::<_, Error>(figures.number(name)? / 1e3 - f64::from(DEADLINE_MS));
    let (p50, p99) = (late("p50Us")?, late("p99Us")?);
    println!("\nThe service hangs: an answer comes {p50:.1} ms (p50) and {p99:.1} ms (p99) after the host's deadline.");
    figure("host_overrun_p99", p99, "ms");
    Ok(())
}

fn measure(options: &Options, way: Way, service: &Service) -> Result<Measured, Error> {
    let seconds = options.seconds.to_string();
    let figures = match way {
        Way::Engine => {
            let mut command = cpu::pinned(CALLER_CORE)?;
            command.args(["host-part", "engine", "--seconds", &seconds]).args(service.target.arguments());
            Figures::of(command)?
        }
        Way::Node => {
            let script = script_of(options).ok_or("Node.js is missing")?;
            let mut command = Command::new("taskset");
            command.args(["-c", &CALLER_CORE.to_string(), "node"]).arg(script);
            command.args([&service.target.port.to_string(), &IN_FLIGHT.to_string(), &seconds]);
            Figures::of(command)?
        }
        Way::Host => {
            let (mut server, url, authorization) = started_server(&service.target)?;
            let clients = |seconds: f64| {
                let mut load = cpu::pinned(SERVICE_CORE)?;
                load.args(["host-part", "load", "--url", &url, "--authorization", &authorization]);
                load.args(["--in-flight", &IN_FLIGHT.to_string(), "--seconds", &seconds.to_string()]);
                Figures::of(load)
            };
            clients(options.seconds / 4.0)?;
            server.answer("begin")?;
            let loaded = clients(options.seconds)?;
            let cpu_us = server.answer("end")?.number("cpuUs")?;
            server.stop()?;
            return of_load(&loaded, cpu_us);
        }
        Way::Nginx => return nginx(options, &service.target),
    };
    Ok(Measured {
        per_second: figures.number("callsPerSecond")?,
        cpu_us: figures.number("cpuUs")?,
        p50_us: figures.number("p50Us")?,
        p99_us: figures.number("p99Us")?,
    })
}

/// `cpu_us` is that of all calls.
fn of_load(loaded: &Figures, cpu_us: f64) -> Result<Measured, Error> {
    Ok(Measured {
        per_second: loaded.number("callsPerSecond")?,
        cpu_us: cpu_us / loaded.number("calls")?,
        p50_us: loaded.number("p50Us")?,
        p99_us: loaded.number("p99Us")?,
    })
}

fn script_of(options: &Options) -> Option<PathBuf> {
    node_script(&options.node, &["undici"], "bench-host.mjs")
}

fn started_server(target: &Target) -> Result<(Process, String, String), Error> {
    let mut command = cpu::pinned(CALLER_CORE)?;
    command.args(["host-part", "server"]).args(target.arguments());
    let mut server = Process::start(&mut command)?;
    let began = server.object()?;
    Ok((server, began.text("url")?, began.text("authorization")?))
}

/// nginx, which asks the service before each answer. Its subrequest has no body.
fn nginx(options: &Options, target: &Target) -> Result<Measured, Error> {
    let folder = tempfile::tempdir()?;
    let configuration = format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr crit;
         events {{ worker_connections 1024; }}
         http {{
           access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
           uwsgi_temp_path uwsgi; scgi_temp_path scgi; keepalive_requests 100000000;
           upstream authorizer {{ server 127.0.0.1:{}; keepalive {IN_FLIGHT}; keepalive_requests 100000000; }}
           server {{
             listen 127.0.0.1:{NGINX_PORT};
             location = /order {{ auth_request /authorizer; empty_gif; }}
             location = /authorizer {{
               internal; proxy_pass http://authorizer/order; proxy_pass_request_body off; proxy_http_version 1.1;
               proxy_set_header Content-Length 0; proxy_set_header Connection \"\";
             }}
           }}
         }}",
        target.port
    );
    let file = folder.path().join("nginx.conf");
    fs::write(&file, configuration)?;
    let mut command = Command::new("taskset");
    command.args(["-c", &CALLER_CORE.to_string(), "nginx", "-p"]).arg(folder.path()).arg("-c").arg(&file);
    let mut server = Ended(command.stdin(Stdio::null()).spawn()?);
    let clients = |seconds: f64| {
        let mut load = cpu::pinned(SERVICE_CORE)?;
        load.args(["host-part", "load", "--url", &format!("http://127.0.0.1:{NGINX_PORT}/order")]);
        load.args(["--in-flight", &IN_FLIGHT.to_string(), "--seconds", &seconds.to_string()]);
        Figures::of(load)
    };
    let until = std::time::Instant::now() + Duration::from_secs(5);
    while std::net::TcpStream::connect(("127.0.0.1", NGINX_PORT)).is_err() {
        if std::time::Instant::now() > until || server.0.try_wait()?.is_some() {
            return Err("nginx does not listen".into());
        }
        std::thread::yield_now();
    }
    clients(options.seconds / 4.0)?;
    let before = cpu::time_of(server.0.id())?;
    let loaded = clients(options.seconds)?;
    let used = cpu::time_of(server.0.id())?.saturating_sub(before);
    of_load(&loaded, used.as_secs_f64() * 1e6)
}

/// A process that is ended with this.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One part, in this process.
pub(crate) fn work(part: &Part) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match part {
        Part::Server(options) => runtime.block_on(run_server(options)),
        Part::Load(options) => runtime.block_on(load(options)),
        Part::Engine(options) => runtime.block_on(engine(options)),
    }
}

/// The question of a host.
fn order(deadline_ms: Option<u32>) -> Bytes {
    let mut question = json!({ "context": context(), "subject": subject(), "source": "/orders" });
    if let (Some(deadline_ms), Some(members)) = (deadline_ms, question.as_object_mut()) {
        members.insert("deadlineMs".to_owned(), deadline_ms.into());
    }
    question.to_string().into()
}

fn context() -> Value {
    json!({ "channel": "web", "card": { "brand": "visa", "number": "4000123412341234" } })
}

fn subject() -> Value {
    let lines =
        (0..LINES).map(|number| json!({ "sku": format!("article-{number:05}"), "quantity": 1, "price": 4_900 }));
    json!({
        "customer": { "email": "ada@example.com" },
        "lines": lines.collect::<Vec<_>>(),
        "discounts": [],
    })
}

/// Keeps `in_flight` calls in flight for `seconds`; prints how many there were and how long they took. `cpu` adds the CPU time
/// of this process to each.
pub(crate) async fn keep_calling<F>(
    in_flight: usize,
    seconds: f64,
    cpu: bool,
    call: impl Fn() -> F + Clone + 'static,
) -> Result<(), Error>
where
    F: Future<Output = Result<(), Error>> + 'static,
{
    let began = Instant::now();
    let until = began + Duration::from_secs_f64(seconds);
    let used = cpu::time()?;
    let local = tokio::task::LocalSet::new();
    let mut latencies = local
        .run_until(async move {
            let mut tasks = JoinSet::new();
            for _ in 0..in_flight {
                let call = call.clone();
                tasks.spawn_local(async move {
                    let mut latencies = Vec::with_capacity(65_536);
                    while Instant::now() < until {
                        let asked = Instant::now();
                        call().await?;
                        latencies.push(asked.elapsed().as_secs_f64() * 1e6);
                    }
                    Ok::<_, Error>(latencies)
                });
            }
            let mut all = Vec::new();
            while let Some(task) = tasks.join_next().await {
                all.extend(task??);
            }
            Ok::<_, Error>(all)
        })
        .await?;
    let took = began.elapsed().as_secs_f64();
    let used = cpu::time()?.saturating_sub(used);
    #[expect(clippy::cast_precision_loss, reason = "a count of calls")]
    let calls = latencies.len() as f64;
    let (p50, p99) = statistics::median_and_p99(&mut latencies);
    let cpu_us = if cpu { used.as_secs_f64() * 1e6 / calls } else { 0.0 };
    println!(
        "{}",
        json!({ "calls": calls, "callsPerSecond": calls / took, "cpuUs": cpu_us, "p50Us": p50, "p99Us": p99 })
    );
    Ok(())
}

/// A client as browsers and hosts have them.
pub(crate) type PooledClient = Client<HttpConnector, Full<Bytes>>;

async fn load(options: &LoadOptions) -> Result<(), Error> {
    let client: Arc<PooledClient> =
        Arc::new(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(options.in_flight).build_http());
    let (uri, body) = (options.url.parse::<http::Uri>()?, order(options.deadline_ms));
    let (authorization, hangs) = (options.authorization.clone(), options.deadline_ms.is_some());
    keep_calling(options.in_flight, options.seconds, false, move || {
        let (client, uri, body, authorization) =
            (Arc::clone(&client), uri.clone(), body.clone(), authorization.clone());
        async move {
            let request = match &authorization {
                Some(authorization) => http::Request::post(uri)
                    .header("content-type", "application/json")
                    .header("authorization", authorization)
                    .body(Full::new(body))?,
                None => http::Request::get(uri).body(Full::new(Bytes::new()))?,
            };
            let answer = client.request(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            let outcome: &[u8] = if hangs { b"\"outcome\":\"FAILED\"" } else { b"\"outcome\":\"APPLIED\"" };
            let is_right = authorization.is_none() || body.windows(outcome.len()).any(|window| window == outcome);
            if status == 200 && is_right {
                Ok(())
            } else {
                Err(format!("an unexpected answer: {status} {}", String::from_utf8_lossy(&body)).into())
            }
        }
    })
    .await
}

async fn engine(options: &EngineOptions) -> Result<(), Error> {
    let declaration: Declaration = serde_json::from_str(POINT)?;
    let point = Arc::new(DeclaredPoint::compile(declaration).map_err(|problems| format!("{problems:?}"))?);
    let database = Database::open().await?;
    let recorder = Arc::new(SystemLogRecorder::new(database.log.clone(), Arc::new(SystemEntropy)));
    let engine = Arc::new(Engine::builder().recorder(recorder).limits(everywhere(4_096)).build());
    let hook = InlineHook::http("Orders", &HookKind::description(&*point).event_type, &uri_of(&options.target));
    let hook = InlineHook {
        policy: HookPolicy { max_concurrent: Some(4_096), ..HookPolicy::default() },
        ..hook.with_secret_header("Authorization", Secret::new("secret"))
    };
    let transport = callers::transport(&options.target, false)?;
    let hook = Arc::new(ReadyHook::over(&transport, hook, point.clone()));
    let (given, value) = (Arc::new(context()), Arc::new(subject()));
    let origin = Arc::new(engine.origin());
    let call = move || {
        let (engine, hook, point) = (Arc::clone(&engine), Arc::clone(&hook), Arc::clone(&point));
        let (given, value, origin) = (Arc::clone(&given), Arc::clone(&value), Arc::clone(&origin));
        async move {
            point.check_context(&given).map_err(|problems| format!("{problems:?}"))?;
            let mut subject = point.subject(Value::clone(&value)).map_err(|problems| format!("{problems:?}"))?;
            let invocation = Invocation {
                point: &*point,
                hook: &hook,
                origin,
                source: "/orders",
                context: &*given,
                subject: &mut subject,
                deadline: None,
            };
            match engine.invoke(invocation).await.outcome {
                Outcome::Applied(_) => Ok(()),
                other => Err(format!("the call was not applied: {other:?}").into()),
            }
        }
    };
    keep_calling(IN_FLIGHT, options.seconds / 4.0, false, call.clone()).await?;
    keep_calling(IN_FLIGHT, options.seconds, true, call).await?;
    database.log.flush().await;
    Ok(())
}

fn uri_of(target: &Target) -> String {
    format!("http://127.0.0.1:{}/order", target.port)
}

async fn run_server(options: &ServerOptions) -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base_url = format!("http://{}", listener.local_addr()?);
    let (stop, stopping) = watch::channel(false);
    let limits = ServerLimits { api_requests_per_minute: u32::MAX, ..ServerLimits::default() };
    let world = World::start(&options.target, base_url.clone()).await?;
    let routes = router(Arc::clone(&world.platform), limits, TrustedProxies::default(), stopping.clone());
    let serving = tokio::spawn(serve(listener, routes, limits, TrustedProxies::default(), stopping));

    let points = format!("{base_url}/api/v1/extensionPoints");
    ask("POST", &points, &serde_json::from_str(POINT)?).await?;
    let hook = json!({
        "name": "Orders", "type": TYPE, "version": "1.0.0",
        "channel": { "type": "HTTP", "version": "1.0.0", "config": {
            "uri": uri_of(&options.target), "method": "POST",
            "authScheme": { "type": "HEADER", "key": "Authorization", "value": "secret" },
        } },
        // A service that hangs is called again and again.
        "policy": { "maxConcurrent": 4_096, "breaker": { "mode": "off" } },
    });
    let hook = ask("POST", &format!("{base_url}/api/v1/inlineHooks"), &hook).await?;
    let bindings = json!({ "bindings": [{ "inlineHookId": hook.get("id"), "enabled": true }] });
    ask("PUT", &format!("{points}/{TYPE}/bindings"), &bindings).await?;
    provision::host_token(&world.platform, "Shop", &Secret::new(HOST_TOKEN), &[TYPE.parse()?]).await?;
    let authorization = format!("SSWS {HOST_TOKEN}");
    println!("{}", json!({ "url": format!("{points}/{TYPE}/invocations"), "authorization": authorization }));
    account(Some(&world)).await?;
    stop.send(true)?;
    serving.await?;
    Ok(())
}

/// A request of the administrator; null when the answer has no content.
pub(crate) async fn ask(method: &str, url: &str, body: &Value) -> Result<Value, Error> {
    let client: PooledClient = Client::builder(TokioExecutor::new()).build_http();
    let request = http::Request::builder()
        .method(method)
        .uri(url)
        .header("content-type", "application/json")
        .header("authorization", format!("SSWS {ADMIN_TOKEN}"))
        .body(Full::new(Bytes::from(body.to_string())))?;
    let answer = client.request(request).await?;
    let status = answer.status();
    let bytes = answer.into_body().collect().await?.to_bytes();
    if status == http::StatusCode::NO_CONTENT {
        Ok(Value::Null)
    } else if status.is_success() {
        Ok(serde_json::from_slice(&bytes)?)
    } else {
        Err(format!("{method} {url}: {status} {}", String::from_utf8_lossy(&bytes)).into())
    }
}
