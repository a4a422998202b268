//! `bench saml`: the cost of a sign-on to a SAML app, without and with a hook, compared with its steps, each measured alone in the
//! same run, and with the npm package `samlp`, whose hook is called by undici.
//!
//! The server runs on one core; the service and the browsers run on the other. CPU is the server's alone. [`server`] is what is
//! measured, [`steps`] are its parts.

mod server;
mod steps;

use std::{
    cell::Cell,
    path::PathBuf,
    process::Command,
    rc::Rc,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use clap::{Args, Subcommand, ValueEnum};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tenterhook_engine::{Clock as _, SystemClock};
use tenterhook_saml::binding::{MessageKind, redirect};

use self::{
    server::{AUDIENCE, ServerOptions},
    steps::{Step, StepOptions},
};
use crate::{
    Error, browsers,
    call::{CALLER_CORE, SERVICE_CORE, Service, node_script, started_service},
    cpu::{self, Figures},
    figure,
    host::{PooledClient, keep_calling},
    process::Process,
    service::{self, Wire},
    statistics,
};

/// Sign-ons in flight.
const IN_FLIGHT: usize = 64;
/// What only a patched assertion has.
const PATCHED: &str = "entitlementLevel";

/// Options of `bench saml`.
#[derive(Args)]
pub(crate) struct Options {
    /// Alternations between the servers; the medians are printed.
    #[arg(long, default_value_t = 5)]
    alternations: usize,
    /// Seconds of one measurement.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Folder whose `node_modules` has `samlp` and `undici`, for the peer.
    #[arg(long, default_value = "interop")]
    node: PathBuf,
}

/// What the benchmark starts in processes of their own.
#[derive(Subcommand)]
pub(crate) enum Part {
    /// A server with an app.
    Server(ServerOptions),
    /// Browsers of a server.
    Load(LoadOptions),
    /// A step of a sign-on, alone.
    Step(StepOptions),
}

/// Options of the browsers.
#[derive(Args)]
pub(crate) struct LoadOptions {
    /// Where the sign-on begins.
    #[arg(long)]
    url: String,
    /// Each sign-on answers a request of the service provider, with an id of its own.
    #[arg(long)]
    requests: bool,
    /// A text that every response must have.
    #[arg(long)]
    has: Option<String>,
    #[arg(long)]
    seconds: f64,
}

/// Which server, and who begins the sign-on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Answers with as many bytes.
    Empty,
    /// Ours, no hook.
    Own,
    /// Ours, every assertion with a hook.
    OwnHook,
    /// The same; each sign-on answers a request of the service provider.
    OwnHookRequest,
    /// The npm package `samlp`, no hook.
    Peer,
    /// The same with a hook by undici.
    PeerHook,
}

impl Kind {
    /// Its name in figures.
    fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Own => "own",
            Self::OwnHook => "own_hook",
            Self::OwnHookRequest => "own_hook_request",
            Self::Peer => "samlp",
            Self::PeerHook => "samlp_hook",
        }
    }

    /// Its name in tables.
    fn title(self) -> &'static str {
        match self {
            Self::Empty => "axum, an empty handler",
            Self::Own => "sign-on",
            Self::OwnHook => "sign-on, hook",
            Self::OwnHookRequest => "sign-on, hook, AuthnRequest",
            Self::Peer => "samlp",
            Self::PeerHook => "samlp, hook",
        }
    }

    fn has_hook(self) -> bool {
        matches!(self, Self::OwnHook | Self::OwnHookRequest | Self::PeerHook)
    }
}

/// The result of one server.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    per_second: f64,
    cpu_us: f64,
    /// The part of it on other threads than the reactor: those of the database and of the System Log.
    database_us: f64,
    p99_us: f64,
}

/// CPU of each step alone, in the order of [`Step::ALL`].
type Steps = [f64; Step::ALL.len()];

/// Runs the benchmark.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let service = started_service(service::Kind::Echo, Wire::Plain)?;
    let mut kinds = vec![Kind::Empty, Kind::Own, Kind::OwnHook, Kind::OwnHookRequest];
    if script_of(options).is_some() {
        kinds.extend([Kind::Peer, Kind::PeerHook]);
    } else {
        println!("Node.js or `samlp` is missing: no peer (`npm ci` in `interop` installs it).");
    }
    println!(
        "Sign-ons to a SAML app, {IN_FLIGHT} in flight, on loopback; medians of {} alternations of {} s.\n",
        options.alternations, options.seconds
    );
    let (mut runs, mut steps) = (vec![Vec::new(); kinds.len()], Vec::new());
    for _ in 0..options.alternations {
        for (kind, runs) in kinds.iter().zip(&mut runs) {
            runs.push(measure(options, *kind, &service)?);
        }
        let mut alone = Steps::default();
        for (step, of) in Step::ALL.into_iter().zip(&mut alone) {
            *of = step_alone(options, step, &service)?;
        }
        steps.push(alone);
    }
    service.stop()?;
    let middle = |runs: &[Measured], quantity: fn(&Measured) -> f64| statistics::median(runs.iter().map(quantity));
    let measured: Vec<_> = runs
        .iter()
        .map(|runs| Measured {
            per_second: middle(runs, |m| m.per_second),
            cpu_us: middle(runs, |m| m.cpu_us),
            database_us: middle(runs, |m| m.database_us),
            p99_us: middle(runs, |m| m.p99_us),
        })
        .collect();
    report(&kinds, &measured, &steps);
    Ok(())
}

fn report(kinds: &[Kind], measured: &[Measured], steps: &[Steps]) {
    println!("{:<32}{:>14}{:>16}{:>10}", "server", "assertions/s", "CPU us each", "p99 us");
    for (kind, of) in kinds.iter().zip(measured) {
        println!("{:<32}{:>14.0}{:>16.1}{:>10.0}", kind.title(), of.per_second, of.cpu_us, of.p99_us);
    }
    let of = |wanted: Kind| {
        let found = kinds.iter().zip(measured).find(|(kind, _)| **kind == wanted);
        found.map(|(_, measured)| *measured).unwrap_or_default()
    };
    let alone = |wanted: Step| {
        let of_run = |steps: &Steps| {
            let found = Step::ALL.into_iter().zip(steps).find(|(step, _)| *step == wanted);
            found.map_or(0.0, |(_, cpu_us)| *cpu_us)
        };
        statistics::median(steps.iter().map(of_run))
    };
    let (empty, own, hooked) = (of(Kind::Empty), of(Kind::Own), of(Kind::OwnHook));
    let (building, call, signing) = (alone(Step::Building), alone(Step::Call), alone(Step::Signing));
    let writing = alone(Step::Writing) - signing;
    println!("\n{:<32}{:>14}{:>16}", "CPU us each", "sign-on", "with a hook");
    let row = |name: &str, without: f64, with: f64| println!("{name:<32}{without:>14.1}{with:>16.1}");
    let rest =
        |of: Measured, call: f64| of.cpu_us - empty.cpu_us - building - call - writing - signing - of.database_us;
    row("HTTP, an empty handler", empty.cpu_us, empty.cpu_us);
    row("building the assertion", building, building);
    row("hook, the engine alone", 0.0, call);
    row("canonical writing and digest", writing, writing);
    row("signing, with a kept key", signing, signing);
    row("database and log, their threads", own.database_us, hooked.database_us);
    row("the rest", rest(own, 0.0), rest(hooked, call));
    row("whole", own.cpu_us, hooked.cpu_us);
    println!("hook, by hand{:>49.1}", alone(Step::Hand));
    println!("a key, parsed at its first use{:>32.1}", alone(Step::FirstUse));
    println!("{} keys in a new snapshot{:>33.1}\n", steps::KEYS, alone(Step::Snapshot));
    for (kind, of) in kinds.iter().zip(measured) {
        figure(&format!("saml_per_second_{}", kind.name()), of.per_second, "1/s");
        figure(&format!("saml_cpu_{}", kind.name()), of.cpu_us, "us");
    }
    for step in Step::ALL {
        figure(&format!("saml_alone_{}", step.name()), alone(step), "us");
    }
    figure("saml_cpu_own_over_signature", own.cpu_us / signing, "x");
    for kind in [Kind::OwnHook, Kind::OwnHookRequest] {
        let (name, whole) = (kind.name(), of(kind).cpu_us);
        figure(&format!("saml_cpu_{name}_over_signature_and_call"), whole / (signing + call), "x");
        let unavoidable = empty.cpu_us + signing + alone(Step::Hand);
        figure(&format!("saml_cpu_{name}_over_unavoidable"), whole / unavoidable, "x");
    }
    for (peer, ours) in [(Kind::Peer, own), (Kind::PeerHook, hooked)] {
        if kinds.contains(&peer) {
            figure(&format!("saml_cpu_{}_over_own", peer.name()), of(peer).cpu_us / ours.cpu_us, "x");
        }
    }
}

/// Starts a server of `kind`, warms it up, and measures it under load.
fn measure(options: &Options, kind: Kind, service: &Service) -> Result<Measured, Error> {
    let mut server = started_server(options, kind, service)?;
    let url = server.object()?.text("url")?;
    let load = |seconds: f64| -> Result<Figures, Error> {
        let mut command = cpu::pinned(SERVICE_CORE)?;
        command.args(["saml-part", "load", "--url", &url, "--seconds", &seconds.to_string()]);
        if kind.has_hook() {
            command.args(["--has", PATCHED]);
        }
        if kind == Kind::OwnHookRequest {
            command.arg("--requests");
        }
        Figures::of(command)
    };
    load(options.seconds / 4.0)?;
    server.answer("begin")?;
    let loaded = load(options.seconds)?;
    let used = server.answer("end")?;
    server.stop()?;
    let sign_ons = loaded.number("calls")?;
    Ok(Measured {
        per_second: loaded.number("callsPerSecond")?,
        cpu_us: used.number("cpuUs")? / sign_ons,
        database_us: used.number("logUs")? / sign_ons,
        p99_us: loaded.number("p99Us")?,
    })
}

/// A server in a process of its own. It prints where a sign-on begins, and the CPU time between `begin` and `end`.
fn started_server(options: &Options, kind: Kind, service: &Service) -> Result<Process, Error> {
    if let (Kind::Peer | Kind::PeerHook, Some(script)) = (kind, script_of(options)) {
        let port = service.target.port.to_string();
        let mut command = Command::new("taskset");
        command.args(["-c", &CALLER_CORE.to_string(), "node", "--no-deprecation"]).arg(script);
        command.args(["127.0.0.1", if kind == Kind::PeerHook { &port } else { "0" }]);
        return Process::start(&mut command);
    }
    let mut command = cpu::pinned(CALLER_CORE)?;
    command.args(["saml-part", "server"]).args(service.target.arguments());
    match kind {
        Kind::Empty => drop(command.arg("--empty")),
        _ if kind.has_hook() => drop(command.arg("--hook")),
        _ => {}
    }
    Process::start(&mut command)
}

fn step_alone(options: &Options, step: Step, service: &Service) -> Result<f64, Error> {
    let mut command = cpu::pinned(CALLER_CORE)?;
    command.args(["saml-part", "step"]).args(service.target.arguments()).args(["--step", step.argument()]);
    command.args(["--seconds", &(options.seconds / 3.0).to_string()]);
    Figures::of(command)?.number("cpuUs")
}

fn script_of(options: &Options) -> Option<PathBuf> {
    node_script(&options.node, &["samlp", "undici"], "bench-saml.mjs")
}

/// One part, in this process.
pub(crate) fn work(part: &Part) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match part {
        Part::Server(options) => runtime.block_on(server::run(options)),
        Part::Load(options) => runtime.block_on(load(options)),
        Part::Step(options) => runtime.block_on(steps::run(options)),
    }
}

/// Browsers with a session each.
async fn load(options: &LoadOptions) -> Result<(), Error> {
    let client: Arc<PooledClient> =
        Arc::new(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(IN_FLIGHT).build_http());
    let (url, has, requests) = (Rc::<str>::from(&*options.url), options.has.clone(), options.requests);
    // The server has answered the requests of earlier loads.
    let began = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    let count = Rc::new(Cell::new(0_usize));
    keep_calling(IN_FLIGHT, options.seconds, false, move || {
        let (client, url, has) = (Arc::clone(&client), Rc::clone(&url), has.clone());
        let number = count.get();
        count.set(number + 1);
        async move {
            let uri = if requests { asking(&url, &format!("_{began}-{number}"))? } else { url.to_string() };
            let request = http::Request::get(uri)
                .header("accept", "text/html")
                .header("cookie", browsers::cookie_of(number % IN_FLIGHT))
                .body(Full::new(Bytes::new()))?;
            let answer = client.request(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            let page = std::str::from_utf8(&body)?;
            match response_of(page) {
                Some(response) if has.as_ref().is_none_or(|text| response.contains(text)) => Ok(()),
                _ => Err(format!("no response, or one without a hook: {status} {page}").into()),
            }
        }
    })
    .await
}

/// The URL of a sign-on that answers a request with this id (SAML bindings 3.4).
fn asking(url: &str, id: &str) -> Result<String, Error> {
    let xml = format!(
        "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"{id}\" Version=\"2.0\" \
         IssueInstant=\"{}\"><saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">{AUDIENCE}</saml:Issuer>\
         </samlp:AuthnRequest>",
        SystemClock.now()
    );
    Ok(format!("{url}?{}", redirect::encode(MessageKind::Request, &xml, None, None)?))
}

/// The response in a page that posts it.
fn response_of(page: &str) -> Option<String> {
    let field = page.split_once("name=\"SAMLResponse\"")?.1;
    let value = field.split_once("value=\"")?.1.split_once('"')?.0;
    // Templates escape the two characters of base64 that are no letters and digits.
    let value = value.replace("&#x2B;", "+").replace("&#43;", "+").replace("&#x2F;", "/").replace("&#47;", "/");
    String::from_utf8(STANDARD.decode(value).ok()?).ok()
}
