//! `bench isolation`: the effect of neighbours in the same org on a hook.
//!
//! Three hooks get calls at fixed rates, in total 60 % of the engine's capacity. In one run all three services stay
//! healthy. In the other run one service begins to hang and one to fail when the clock starts, so that the measurement
//! includes the onset and the end of the hanging calls 3 s later. The bounds and the hooks' policies are the product's
//! defaults.

use std::{sync::Arc, time::Duration};

use clap::Args;
use tenterhook_contract::token::TokenSubject;
use tenterhook_engine::{Engine, Outcome, ReadyHook};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    Error,
    call::{self, CALLER_CORE, Service},
    callers::{self, Extra, InMemory, Target},
    cpu::{self, Figures},
    figure,
    service::{Kind, Wire},
    statistics, subject,
};

/// Total load as a fraction of the engine's capacity.
const LOAD: f64 = 0.6;
/// The healthy hook's fraction of the calls; the others share the rest.
const HEALTHY_SHARE: f64 = 0.7;
/// The healthy hook of a rig.
const HEALTHY: usize = 0;
/// Its neighbours while they are well.
const WELL: [usize; 2] = [1, 2];
/// Its neighbours when they are unwell: one hangs, one fails.
const UNWELL: [usize; 2] = [3, 4];

/// Options of `bench isolation`.
#[derive(Args)]
pub(crate) struct Options {
    /// Alternations between good and bad neighbours; the medians are printed.
    #[arg(long, default_value_t = 5)]
    alternations: usize,
    /// Seconds of one measurement.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
}

/// Options of one measurement.
#[derive(Args, Clone)]
pub(crate) struct WorkerOptions {
    #[arg(long)]
    port: u16,
    /// Whether the neighbours' services hang and fail.
    #[arg(long)]
    bad: bool,
    /// Calls per second of all three; without it, as many as possible of the healthy one.
    #[arg(long)]
    rate: Option<f64>,
    #[arg(long)]
    seconds: f64,
}

/// Runs the benchmark.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    // One process serves all three: separate services would compete for their core, which is not what this measures.
    let service = call::started_service(Kind::Echo, Wire::Plain)?;
    let capacity = measure(options, &service, false, None)?.calls_per_second;
    let rate = capacity * LOAD;
    println!(
        "Capacity {capacity:.0} calls/s; three hooks at {rate:.0} calls/s in all, {:.0} of them to the healthy one;\n\
         medians of {} alternations of {} s, latency from the planned start.",
        rate * HEALTHY_SHARE,
        options.alternations,
        options.seconds
    );
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for _ in 0..options.alternations {
        good.push(measure(options, &service, false, Some(rate))?);
        bad.push(measure(options, &service, true, Some(rate))?);
    }
    let middle = |runs: &[Measured], of: fn(&Measured) -> f64| statistics::median(runs.iter().map(of));
    println!("\n{:<20}{:>10}{:>10}{:>12}", "neighbours", "p50 us", "p99 us", "not applied");
    for (name, runs) in [("good", &good), ("hanging, failing", &bad)] {
        let (p50, p99, missed) = (middle(runs, |m| m.p50_us), middle(runs, |m| m.p99_us), middle(runs, |m| m.missed));
        println!("{name:<20}{p50:>10.0}{p99:>10.0}{missed:>12.0}");
    }
    figure("isolation_p50_bad_over_good", middle(&bad, |m| m.p50_us) / middle(&good, |m| m.p50_us), "x");
    figure("isolation_p99_bad_over_good", middle(&bad, |m| m.p99_us) / middle(&good, |m| m.p99_us), "x");
    service.stop()
}

struct Measured {
    calls_per_second: f64,
    p50_us: f64,
    p99_us: f64,
    missed: f64,
}

fn measure(options: &Options, service: &Service, bad: bool, rate: Option<f64>) -> Result<Measured, Error> {
    let mut command = cpu::pinned(CALLER_CORE)?;
    command.args(["isolation-worker", "--seconds", &options.seconds.to_string()]);
    command.args(["--port", &service.target.port.to_string()]);
    if bad {
        command.arg("--bad");
    }
    if let Some(rate) = rate {
        command.args(["--rate", &rate.to_string()]);
    }
    let figures = Figures::of(command)?;
    Ok(Measured {
        calls_per_second: figures.number("callsPerSecond")?,
        p50_us: figures.number("p50Us")?,
        p99_us: figures.number("p99Us")?,
        missed: figures.number("missed")?,
    })
}

/// The state that all calls of a run share.
struct Rig {
    engine: Engine,
    /// Indexed by [`HEALTHY`], [`WELL`] and [`UNWELL`].
    hooks: [ReadyHook; 5],
    origin: Arc<tenterhook_engine::Origin>,
    context: tenterhook_contract::token::TokenRequest,
    subject: TokenSubject,
}

impl Rig {
    fn new(options: &WorkerOptions) -> Result<Self, Error> {
        let target = |path: &str| Target {
            port: options.port,
            wire: Wire::Plain,
            authority: std::path::PathBuf::new(),
            path: path.to_owned(),
        };
        let transport = callers::transport(&target("/hook"), false)?;
        let hook = |path| callers::ready_hook_on(&transport, &target(path), Extra::None, Duration::from_secs(3), None);
        let recorder = Arc::new(InMemory::default());
        Ok(Self {
            engine: Engine::builder().recorder(recorder).build(),
            hooks: [hook("/hook")?, hook("/hook")?, hook("/hook")?, hook("/hang")?, hook("/fail")?],
            origin: callers::origin(),
            context: subject::context(),
            subject: subject::subject(),
        })
    }

    async fn call(&self, hook: &ReadyHook) -> Outcome {
        let mut subject = self.subject.clone();
        let invocation = callers::invocation(hook, &self.origin, &self.context, &mut subject);
        self.engine.invoke(invocation).await.outcome
    }
}

/// One measurement, in this process.
pub(crate) fn work(options: &WorkerOptions) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let length = Duration::from_secs_f64(options.seconds);
    runtime.block_on(async {
        let rig = Arc::new(Rig::new(options)?);
        let began = Instant::now();
        let mut measured = match options.rate {
            None => closed(&rig, length).await?,
            Some(rate) => {
                let (good, bad) = (rate * HEALTHY_SHARE, rate * (1.0 - HEALTHY_SHARE) / 2.0);
                let at_work = async |neighbours: [usize; 2], length| {
                    let mut others = JoinSet::new();
                    for number in neighbours {
                        others.spawn(arrivals(Arc::clone(&rig), number, bad, length));
                    }
                    // Calls to a hanging neighbour do not end by themselves: they are dropped with the set.
                    arrivals(Arc::clone(&rig), HEALTHY, good, length).await
                };
                // Connections, caches and the allocator are warm before the clock starts.
                at_work(WELL, length / 4).await?;
                at_work(if options.bad { UNWELL } else { WELL }, length).await?
            }
        };
        let took = began.elapsed();
        #[expect(clippy::cast_precision_loss, reason = "a count of calls")]
        let calls = measured.latencies.len() as f64;
        let (p50, p99) = statistics::median_and_p99(&mut measured.latencies);
        println!(
            "{}",
            serde_json::json!({
                "callsPerSecond": calls / took.as_secs_f64(),
                "p50Us": p50,
                "p99Us": p99,
                "missed": measured.missed,
            })
        );
        Ok(())
    })
}

#[derive(Default)]
struct Latencies {
    latencies: Vec<f64>,
    missed: u64,
}

/// Calls of the healthy hook in a closed loop.
async fn closed(rig: &Arc<Rig>, length: Duration) -> Result<Latencies, Error> {
    const IN_FLIGHT: usize = 32;
    let until = Instant::now() + length;
    let mut tasks = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let rig = Arc::clone(rig);
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while Instant::now() < until {
                let began = Instant::now();
                rig.call(&rig.hooks[HEALTHY]).await;
                latencies.push(began.elapsed().as_secs_f64() * 1e6);
            }
            latencies
        });
    }
    let mut all = Latencies::default();
    while let Some(task) = tasks.join_next().await {
        all.latencies.extend(task?);
    }
    Ok(all)
}

/// Calls of one hook at a fixed rate; latencies from the planned start, and how many were not applied.
async fn arrivals(rig: Arc<Rig>, number: usize, rate: f64, length: Duration) -> Result<Latencies, Error> {
    let every = Duration::from_secs_f64(1.0 / rate);
    let began = Instant::now();
    let (mut planned, mut tasks, mut all) = (began, JoinSet::new(), Latencies::default());
    let take = |ended: Result<(f64, bool), tokio::task::JoinError>, all: &mut Latencies| -> Result<(), Error> {
        let (latency, applied) = ended?;
        all.latencies.push(latency);
        all.missed += u64::from(!applied);
        Ok(())
    };
    while planned < began + length {
        // The runtime's timer has a resolution of a millisecond, which is too coarse, so idle time is spent polling the
        // clock.
        while planned > Instant::now() {
            tokio::task::yield_now().await;
        }
        while planned <= Instant::now() && planned < began + length {
            let (rig, due) = (Arc::clone(&rig), planned);
            tasks.spawn(async move {
                let Some(hook) = rig.hooks.get(number) else { return (0.0, false) };
                let outcome = rig.call(hook).await;
                (due.elapsed().as_secs_f64() * 1e6, matches!(outcome, Outcome::Applied(_)))
            });
            planned += every;
        }
        while let Some(ended) = tasks.try_join_next() {
            take(ended, &mut all)?;
        }
    }
    while let Some(ended) = tasks.join_next().await {
        take(ended, &mut all)?;
    }
    Ok(all)
}
