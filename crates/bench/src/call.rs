//! `bench call`: the cost of one hook call compared with a bare pooled client that sends the same bytes, and with that
//! client used by hand, which also writes the document and reads the answer.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use clap::{Args, ValueEnum};
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};

use crate::{
    Error,
    callers::{AnyCaller, Caller, OPEN_IN_FLIGHT_MAX, Target},
    cpu::{self, Figures},
    figure,
    process::Process,
    service::{self, Wire},
    statistics, subject,
};

/// Core of the external service.
pub(crate) const SERVICE_CORE: usize = 0;
/// Core of the caller.
pub(crate) const CALLER_CORE: usize = 1;
/// Calls in flight of the closed loop.
const IN_FLIGHT: [usize; 3] = [1, 16, 64];
/// Arrivals per second of the open loop.
const RATES: [u32; 2] = [10_000, 25_000];

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
#[derive(Args, Clone)]
pub(crate) struct WorkerOptions {
    #[arg(long)]
    caller: Caller,
    #[command(flatten)]
    target: Target,
    #[arg(long)]
    in_flight: usize,
    #[arg(long)]
    seconds: f64,
    /// Open loop: arrivals per second.
    #[arg(long)]
    rate: Option<u32>,
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
    plain(options)?;
    let every =
        [Caller::Bare, Caller::Hand, Caller::Engine, Caller::EngineSqlite, Caller::EngineSigned, Caller::EngineOauth];
    for wire in [Wire::Tls, Wire::Http2] {
        let service = started_service(service::Kind::Echo, wire)?;
        println!("\n{}, kept connections.", wire.title());
        heading("closed loop");
        let measured = alternate(options, &every, &service, 64, None)?;
        table("64 in flight", &every, &measured, |m| m.cpu_us);
        cpu_ratios(&every, &measured, &format!("64_{}", wire.name()));
        if let [_, _, engine, _, signed, oauth] = measured.as_slice() {
            figure(&format!("call_cpu_signature_{}", wire.name()), signed.cpu_us - engine.cpu_us, "us");
            figure(&format!("call_cpu_oauth_{}", wire.name()), oauth.cpu_us - engine.cpu_us, "us");
        }
        service.stop()?;
    }
    Ok(())
}

/// Plain HTTP/1.1: the cost of the engine without that of TLS, which every caller pays.
fn plain(options: &Options) -> Result<(), Error> {
    let service = started_service(service::Kind::Echo, Wire::Plain)?;
    let mut callers = vec![Caller::Bare, Caller::Hand, Caller::Engine, Caller::EngineSqlite];
    match script_of(options) {
        Some(_) => callers.push(Caller::Node),
        None => println!("Node or `undici` is missing: no Node caller (`npm ci` in `interop` installs it)."),
    }
    println!(
        "One hook call, 3 KB out and {} bytes back, on loopback; medians of {} alternations of {} s.\n{}.",
        subject::ANSWER.len(),
        options.alternations,
        options.seconds,
        Wire::Plain.title(),
    );
    heading("closed loop");
    for in_flight in IN_FLIGHT {
        let measured = alternate(options, &callers, &service, in_flight, None)?;
        table(&format!("{in_flight} in flight"), &callers, &measured, |m| m.cpu_us);
        cpu_ratios(&callers, &measured, &in_flight.to_string());
    }
    heading("open loop");
    let ours: Vec<_> = callers.into_iter().filter(|caller| *caller != Caller::Node).collect();
    for rate in RATES {
        let measured = alternate(options, &ours, &service, OPEN_IN_FLIGHT_MAX, Some(rate))?;
        table(&format!("{rate} a second"), &ours, &measured, |m| m.p99_us);
        for (caller, of) in ours.iter().zip(&measured).skip(1) {
            ratio(&format!("call_p99_{}_over_bare_{rate}", caller.name()), measured.first(), of, |m| m.p99_us);
        }
    }
    service.stop()
}

fn heading(what: &str) {
    let columns = ["calls/s", "CPU us/call", "p50 us", "p99 us", "x bare"];
    let [calls, cpu, p50, p99, ratio] = columns;
    println!("\n{what:<32}{calls:>10}{cpu:>14}{p50:>10}{p99:>10}{ratio:>9}");
}

/// Ratios of CPU to the bare client and to the same client used by hand, the first two of `callers`.
fn cpu_ratios(callers: &[Caller], measured: &[Measured], case: &str) {
    for (number, against) in ["bare", "hand"].iter().enumerate() {
        for (caller, of) in callers.iter().zip(measured).skip(number + 1) {
            let name = format!("call_cpu_{}_over_{against}_{case}", caller.name());
            ratio(&name, measured.get(number), of, |m| m.cpu_us);
        }
    }
}

fn ratio(name: &str, base: Option<&Measured>, of: &Measured, quantity: impl Fn(&Measured) -> f64) {
    if let Some(base) = base {
        figure(name, quantity(of) / quantity(base), "x");
    }
}

fn table(heading: &str, callers: &[Caller], measured: &[Measured], quantity: impl Fn(&Measured) -> f64) {
    let bare = measured.first().copied().unwrap_or_default();
    for (caller, of) in callers.iter().zip(measured) {
        let Measured { calls_per_second, cpu_us, p50_us, p99_us } = of;
        let name = format!("{heading} {}", caller.name());
        let ratio = quantity(of) / quantity(&bare);
        println!("{name:<32}{calls_per_second:>10.0}{cpu_us:>14.1}{p50_us:>10.0}{p99_us:>10.0}{ratio:>9.2}");
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
            runs.push(measure(options, *caller, &service.target, in_flight, rate)?);
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
    target: &Target,
    in_flight: usize,
    rate: Option<u32>,
) -> Result<Measured, Error> {
    let script = script_of(options).filter(|_| caller == Caller::Node);
    let command = if let Some(script) = script {
        let mut command = Command::new("taskset");
        command.args(["-c", &CALLER_CORE.to_string(), "node"]).arg(script);
        command.args([target.port.to_string(), in_flight.to_string(), options.seconds.to_string()]);
        command
    } else {
        let mut command = cpu::pinned(CALLER_CORE)?;
        command.args(["call-worker", "--caller"]);
        command.arg(caller.to_possible_value().ok_or("the caller has a name")?.get_name());
        command.args(target.arguments()).args(["--in-flight", &in_flight.to_string()]);
        command.args(["--seconds", &options.seconds.to_string()]);
        if let Some(rate) = rate {
            command.args(["--rate", &rate.to_string()]);
        }
        command
    };
    let figures = Figures::of(command)?;
    Ok(Measured {
        calls_per_second: figures.number("callsPerSecond")?,
        cpu_us: figures.number("cpuUs")?,
        p50_us: figures.number("p50Us")?,
        p99_us: figures.number("p99Us")?,
    })
}

/// A script of the folder `node`, when Node.js and the packages that it needs are there.
pub(crate) fn node_script(node: &Path, packages: &[&str], script: &str) -> Option<PathBuf> {
    let there = packages.iter().all(|name| node.join("node_modules").join(name).is_dir());
    let has_node = || Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    (there && has_node()).then(|| node.join(script))
}

fn script_of(options: &Options) -> Option<PathBuf> {
    node_script(&options.node, &["undici"], "bench-call.mjs")
}

/// A service in a process of its own.
pub(crate) struct Service {
    process: Process,
    pub(crate) target: Target,
    _folder: tempfile::TempDir,
}

impl Service {
    /// Ends it.
    pub(crate) fn stop(self) -> Result<(), Error> {
        self.process.stop()
    }
}

/// Starts the service and waits for its port.
pub(crate) fn started_service(kind: service::Kind, wire: Wire) -> Result<Service, Error> {
    let folder = tempfile::tempdir()?;
    let authority: PathBuf = Path::join(folder.path(), "authority.pem");
    let mut command = cpu::pinned(SERVICE_CORE)?;
    command.args(["service", "--kind"]).arg(kind.to_possible_value().ok_or("the kind has a name")?.get_name());
    command.args(["--wire", wire.name(), "--authority"]).arg(&authority);
    let mut process = Process::start(&mut command)?;
    let target = Target { port: process.line()?.trim().parse()?, wire, authority, path: "/hook".to_owned() };
    Ok(Service { process, target, _folder: folder })
}

/// One measurement, in this process.
pub(crate) fn work(options: &WorkerOptions) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let caller = AnyCaller::new(options.caller, &options.target).await?;
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
        #[expect(clippy::cast_precision_loss, reason = "a count of calls")]
        let calls = latencies.len() as f64;
        let (p50, p99) = statistics::median_and_p99(&mut latencies);
        println!(
            "{}",
            serde_json::json!({
                "callsPerSecond": calls / took.as_secs_f64(),
                "cpuUs": cpu.as_secs_f64() * 1e6 / calls,
                "p50Us": p50,
                "p99Us": p99,
            })
        );
        Ok(())
    })
}

/// Keeps `in_flight` calls in flight for `length`; the latencies in microseconds.
pub(crate) async fn closed_loop(
    caller: &Arc<AnyCaller>,
    in_flight: usize,
    length: Duration,
) -> Result<Vec<f64>, Error> {
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
        // The timer of the runtime has a resolution of a millisecond; calls that are due within it start together.
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
