//! `bench token`: the cost of a client-credentials token, without and with a hook, compared with the sum of its
//! unavoidable parts (each measured alone in the same run) and with the npm package `oidc-provider` with the same hook; and of
//! a user's tokens, without and with claims that are expressions.
//!
//! The server runs on one core; the service and the clients run on the other. CPU is the server's alone.

use std::{fmt::Write as _, path::PathBuf, process::Command, time::Duration};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    Error, browsers,
    call::{CALLER_CORE, SERVICE_CORE, Service, node_script, started_service},
    cpu::{self, Figures},
    figure,
    host::PooledClient,
    process::Process,
    service,
    service::Wire,
    statistics,
    token_server::Kind,
    token_user,
};

/// Token requests in flight.
pub(crate) const IN_FLIGHT: usize = 64;

/// Options of `bench token`.
#[derive(Args)]
pub(crate) struct Options {
    /// Alternations between the servers; the medians are printed.
    #[arg(long, default_value_t = 5)]
    alternations: usize,
    /// Seconds of one measurement.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Folder whose `node_modules` has `oidc-provider` and `undici`, for the peer.
    #[arg(long, default_value = "interop")]
    node: PathBuf,
}

/// Options of the clients; started by the benchmark.
#[derive(Args, Clone)]
pub(crate) struct LoadOptions {
    /// The token endpoint.
    #[arg(long)]
    url: String,
    #[command(flatten)]
    grant: Grant,
    /// The `Host` header; that of the URL when it is left out.
    #[arg(long)]
    host: Option<String>,
    #[arg(long)]
    seconds: f64,
}

/// What a token is asked for with: the client's credentials, or a code of a user.
#[derive(Args, Clone)]
#[group(required = true, multiple = true)]
struct Grant {
    /// The `Authorization` header of a client that asks for itself.
    #[arg(long)]
    authorization: Option<String>,
    /// The authorization request of a browser with a session, which gives the code.
    #[arg(long, requires = "form", conflicts_with = "authorization")]
    authorize: Option<String>,
    /// The form of the token request, to which the code is added.
    #[arg(long, requires = "authorize")]
    form: Option<String>,
}

impl Grant {
    fn of(place: &Figures) -> Self {
        let text = |name| place.text(name).ok();
        Self { authorization: text("authorization"), authorize: text("authorize"), form: text("form") }
    }

    fn arguments(&self) -> impl Iterator<Item = &str> {
        let given =
            [("--authorization", &self.authorization), ("--authorize", &self.authorize), ("--form", &self.form)];
        given.into_iter().filter_map(|(name, value)| Some([name, value.as_deref()?])).flatten()
    }
}

/// The result of one server.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    tokens_per_second: f64,
    cpu_us: f64,
    /// The part of it on other threads than the reactor: those of the System Log.
    log_us: f64,
    p99_us: f64,
}

/// Parts that are measured separately.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    authentication: f64,
    rs256: f64,
    es256: f64,
    hand: f64,
}

/// A column of the table of parts: the server, its result, the cost of its signature and of its hook call by hand.
type Column = (Kind, Measured, f64, f64);

/// Runs the benchmark.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let service = started_service(service::Kind::Echo, Wire::Plain)?;
    let mut kinds = vec![
        Kind::Empty,
        Kind::Rs256,
        Kind::Rs256Hook,
        Kind::Es256,
        Kind::Es256Hook,
        Kind::User,
        Kind::UserExpressions,
    ];
    if script_of(options).is_some() {
        kinds.extend([Kind::Peer, Kind::PeerHook]);
    } else {
        println!("Node or `oidc-provider` is missing: no peer (`npm ci` in `interop` installs it).");
    }
    println!(
        "Client-credentials tokens, {IN_FLIGHT} in flight, on loopback; medians of {} alternations of {} s.\n",
        options.alternations, options.seconds
    );
    let mut runs = vec![Vec::new(); kinds.len()];
    let mut parts = Vec::new();
    for _ in 0..options.alternations {
        for (kind, runs) in kinds.iter().zip(&mut runs) {
            runs.push(measure(options, *kind, &service)?);
        }
        parts.push(measure_parts(options, &service)?);
    }
    service.stop()?;
    let middle = |runs: &[Measured], quantity: fn(&Measured) -> f64| statistics::median(runs.iter().map(quantity));
    let measured: Vec<_> = runs
        .iter()
        .map(|runs| Measured {
            tokens_per_second: middle(runs, |m| m.tokens_per_second),
            cpu_us: middle(runs, |m| m.cpu_us),
            log_us: middle(runs, |m| m.log_us),
            p99_us: middle(runs, |m| m.p99_us),
        })
        .collect();
    let part = |quantity: fn(&Parts) -> f64| statistics::median(parts.iter().map(quantity));
    let parts = Parts {
        authentication: part(|p| p.authentication),
        rs256: part(|p| p.rs256),
        es256: part(|p| p.es256),
        hand: part(|p| p.hand),
    };
    report(&kinds, &measured, parts);
    probe()
}

fn report(kinds: &[Kind], measured: &[Measured], parts: Parts) {
    println!("{:<32}{:>10}{:>16}{:>10}", "server", "tokens/s", "CPU us/token", "p99 us");
    for (kind, of) in kinds.iter().zip(measured) {
        println!("{:<32}{:>10.0}{:>16.1}{:>10.0}", kind.title(), of.tokens_per_second, of.cpu_us, of.p99_us);
    }
    let of = |wanted: Kind| {
        let found = kinds.iter().zip(measured).find(|(kind, _)| **kind == wanted);
        found.map(|(_, measured)| *measured)
    };
    let Some(empty) = of(Kind::Empty) else { return };
    println!("\n{:<32}{:>10}{:>10}{:>10}{:>10}", "CPU us/token", "RS256", "+ hook", "ES256", "+ hook");
    let columns: Vec<Column> = [
        (Kind::Rs256, parts.rs256, 0.0),
        (Kind::Rs256Hook, parts.rs256, parts.hand),
        (Kind::Es256, parts.es256, 0.0),
        (Kind::Es256Hook, parts.es256, parts.hand),
    ]
    .into_iter()
    .filter_map(|(kind, signing, hook)| of(kind).map(|measured| (kind, measured, signing, hook)))
    .collect();
    let row = |name: &str, quantity: &dyn Fn(&Column) -> f64| {
        let mut line = format!("{name:<32}");
        for column in &columns {
            let _ = write!(line, "{:>10.1}", quantity(column));
        }
        println!("{line}");
    };
    row("HTTP, an empty handler", &|_| empty.cpu_us);
    row("authentication", &|_| parts.authentication);
    row("hook, by hand", &|column| column.3);
    row("signing, with a kept key", &|column| column.2);
    row("log, its threads", &|column| column.1.log_us);
    row("minting and the rest", &|(_, measured, signing, hook)| {
        measured.cpu_us - empty.cpu_us - parts.authentication - hook - signing - measured.log_us
    });
    row("whole", &|column| column.1.cpu_us);
    println!();
    for (kind, measured, signing, hook) in &columns {
        let unavoidable = empty.cpu_us + signing + hook;
        figure(&format!("token_cpu_{}", kind.name()), measured.cpu_us, "us");
        figure(&format!("token_cpu_{}_over_unavoidable", kind.name()), measured.cpu_us / unavoidable, "x");
    }
    if let (Some(without), Some(with)) = (of(Kind::User), of(Kind::UserExpressions)) {
        for (kind, of) in [(Kind::User, without), (Kind::UserExpressions, with)] {
            figure(&format!("token_cpu_{}", kind.name()), of.cpu_us, "us");
        }
        figure("token_cpu_es256_user_expressions_over_es256_user", with.cpu_us / without.cpu_us, "x");
    }
    for (peer, ours) in [(Kind::Peer, Kind::Rs256), (Kind::PeerHook, Kind::Rs256Hook)] {
        if let (Some(theirs), Some(ours_measured)) = (of(peer), of(ours)) {
            figure(
                &format!("token_cpu_{}_over_{}", peer.name(), ours.name()),
                theirs.cpu_us / ours_measured.cpu_us,
                "x",
            );
        }
    }
}

/// Starts a server of `kind`, warms it up, and measures it under load.
fn measure(options: &Options, kind: Kind, service: &Service) -> Result<Measured, Error> {
    let mut server = Server::start(options, kind, service)?;
    let (url, grant) = (server.url.clone(), server.grant.clone());
    let load = |seconds: f64| -> Result<Figures, Error> {
        let mut command = cpu::pinned(SERVICE_CORE)?;
        command.args(["token-load", "--url", &url]).args(grant.arguments());
        command.args(["--seconds", &seconds.to_string()]);
        Figures::of(command)
    };
    load(options.seconds / 4.0)?;
    server.process.answer("begin")?;
    let figures = load(options.seconds)?;
    let used = server.process.answer("end")?;
    server.process.stop()?;
    let tokens = figures.number("tokens")?;
    Ok(Measured {
        tokens_per_second: figures.number("tokensPerSecond")?,
        cpu_us: used.number("cpuUs")? / tokens,
        log_us: used.number("logUs")? / tokens,
        p99_us: figures.number("p99Us")?,
    })
}

fn measure_parts(options: &Options, service: &Service) -> Result<Parts, Error> {
    let part = |name: &str| -> Result<f64, Error> {
        let mut command = cpu::pinned(CALLER_CORE)?;
        command.args(["token-part", "--part", name, "--seconds", &(options.seconds / 3.0).to_string()]);
        Figures::of(command)?.number("cpuUs")
    };
    let mut hand = cpu::pinned(CALLER_CORE)?;
    hand.args(["call-worker", "--caller", "hand-access"]).args(service.target.arguments());
    hand.args(["--in-flight", &IN_FLIGHT.to_string(), "--seconds", &(options.seconds / 3.0).to_string()]);
    Ok(Parts {
        authentication: part("authentication")?,
        rs256: part("rs256")?,
        es256: part("es256")?,
        hand: Figures::of(hand)?.number("cpuUs")?,
    })
}

/// Compares the latency of other tasks when signatures run on the reactor and when each runs on the blocking pool.
fn probe() -> Result<(), Error> {
    println!("\n{:<32}{:>16}{:>16}", "RS256 at 1,000 a second, 2 threads", "CPU us", "others' p99 us");
    let mut p99 = Vec::new();
    for way in ["none", "reactor", "blocking-pool"] {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["token-part", "--part", "probe", "--way", way, "--seconds", "3"]);
        let figures = Figures::of(command)?;
        println!("{way:<34}{:>14.1}{:>16.0}", figures.number("cpuUs")?, figures.number("p99Us")?);
        figure(&format!("token_probe_p99_{}", way.replace('-', "_")), figures.number("p99Us")?, "us");
        p99.push(figures.number("p99Us")?);
    }
    if let [_, reactor, pool] = p99.as_slice() {
        figure("token_probe_p99_reactor_over_pool", reactor / pool, "x");
    }
    Ok(())
}

fn script_of(options: &Options) -> Option<PathBuf> {
    node_script(&options.node, &["oidc-provider", "undici"], "bench-token.mjs")
}

/// A token server in a process of its own. It prints its address, and the CPU time between `begin` and `end`.
struct Server {
    process: Process,
    url: String,
    grant: Grant,
}

impl Server {
    fn start(options: &Options, kind: Kind, service: &Service) -> Result<Self, Error> {
        let port = service.target.port.to_string();
        let mut command = if let (Kind::Peer | Kind::PeerHook, Some(script)) = (kind, script_of(options)) {
            let mut command = Command::new("taskset");
            command.args(["-c", &CALLER_CORE.to_string(), "node"]).arg(script);
            command.args(["127.0.0.1", if kind == Kind::PeerHook { &port } else { "0" }]);
            command
        } else {
            let mut command = cpu::pinned(CALLER_CORE)?;
            command.args(["token-server", "--kind"]);
            command.arg(kind.to_possible_value().ok_or("the kind has a name")?.get_name());
            command.args(service.target.arguments()).args(["--path", "/access"]);
            command
        };
        let mut process = Process::start(&mut command)?;
        let place = process.object()?;
        Ok(Self { url: place.text("url")?, grant: Grant::of(&place), process })
    }
}

/// The clients, in this process.
pub(crate) fn load(options: &LoadOptions) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client: PooledClient = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(IN_FLIGHT).build_http();
        let length = Duration::from_secs_f64(options.seconds);
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for browser in 0..IN_FLIGHT {
            let (client, options) = (client.clone(), options.clone());
            tasks.spawn(async move {
                let mut latencies = Vec::new();
                while began.elapsed() < length {
                    let asked = Instant::now();
                    ask_for_token(&client, &options, browser).await?;
                    latencies.push(asked.elapsed().as_secs_f64() * 1e6);
                }
                Ok::<Vec<f64>, Error>(latencies)
            });
        }
        let mut latencies = Vec::new();
        while let Some(task) = tasks.join_next().await {
            latencies.extend(task??);
        }
        let took = began.elapsed().as_secs_f64();
        latencies.sort_by(f64::total_cmp);
        #[expect(clippy::cast_precision_loss, reason = "a count of tokens")]
        let tokens = latencies.len() as f64;
        let p99 = statistics::percentile(&latencies, 0.99);
        println!("{}", serde_json::json!({ "tokens": tokens, "tokensPerSecond": tokens / took, "p99Us": p99 }));
        Ok(())
    })
}

async fn ask_for_token(client: &PooledClient, options: &LoadOptions, browser: usize) -> Result<(), Error> {
    let Grant { authorization, authorize, form } = &options.grant;
    let form = match (authorize, form) {
        (Some(authorize), Some(form)) => {
            let request = http::Request::get(authorize).header("cookie", browsers::cookie_of(browser));
            let answer = client.request(request.body(Full::default())?).await?;
            let location = answer.headers().get("location").and_then(|location| location.to_str().ok());
            let code = location.and_then(token_user::code_in).ok_or_else(|| format!("no code: {answer:?}"))?;
            Bytes::from(format!("{form}{code}"))
        }
        _ => Bytes::from_static(b"grant_type=client_credentials&scope=orders.read"),
    };
    let mut request = http::Request::post(&options.url)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "application/json");
    for (name, value) in [("host", &options.host), ("authorization", authorization)] {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    let answer = client.request(request.body(Full::new(form))?).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    if body.windows(12).any(|window| window == b"access_token") {
        Ok(())
    } else {
        Err(format!("no token: {status} {}", String::from_utf8_lossy(&body)).into())
    }
}
