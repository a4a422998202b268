//! `bench soak`: the fault matrix in real time, then minutes of mixed faults at full load, with the recorder and the transport
//! of the server.
//!
//! It compares nothing but checks limits: resident memory must be flat, no record may be lost, no invocation may
//! outlive its deadline.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use clap::Args;
use tenterhook_contract::{BuiltInType, hook::BreakerMode, id::OrgId};
use tenterhook_engine::{BoxFuture, Engine, InvocationRecord, Outcome, ReadyHook, Recorder};
use tenterhook_platform::{SystemLogRecorder, entropy::SystemEntropy};
use tokio::{runtime::Runtime, time::Instant};

use crate::{
    Error,
    call::{self, Service},
    callers::{self, Database, Extra},
    cpu, figure, matrix,
    service::{Kind, Wire},
    subject,
};

/// How much later than its deadline an invocation may end.
const SLACK: Duration = Duration::from_millis(20);
/// The budget of one attempt.
const TIMEOUT: Duration = Duration::from_millis(500);
/// Concurrent callers per service.
const CALLERS: usize = 24;

/// Options of `bench soak`.
#[derive(Args)]
pub(crate) struct Options {
    /// Minutes.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// With the circuit breakers of the hooks; faulty services then soon get no more calls.
    #[arg(long)]
    breakers: bool,
}

/// Counts records and passes them on.
struct Counted {
    inner: SystemLogRecorder,
    records: AtomicU64,
}

impl Recorder for Counted {
    fn record(&self, record: InvocationRecord) {
        self.records.fetch_add(1, Ordering::Relaxed);
        self.inner.record(record);
    }

    fn room<'a>(&'a self, org: &'a OrgId) -> Option<BoxFuture<'a, ()>> {
        self.inner.room(org)
    }
}

#[derive(Default)]
struct Counts {
    invocations: AtomicU64,
    applied: AtomicU64,
    failed: AtomicU64,
    skipped: AtomicU64,
    abandoned: AtomicU64,
    overruns: AtomicU64,
    latest_us: AtomicU64,
}

/// Runs it.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    // What the matrix finds does not keep the rest from running.
    let matrix = runtime.block_on(matrix::run());
    if let Err(error) = &matrix {
        println!("The fault matrix failed: {error}. The mixed faults run all the same.");
    }
    both(matrix, mixed_faults(options, &runtime))
}

/// The errors of both parts as one.
fn both(matrix: Result<(), Error>, mixed: Result<(), Error>) -> Result<(), Error> {
    match (matrix, mixed) {
        (Err(matrix), Err(mixed)) => {
            Err(format!("the fault matrix failed: {matrix}; the mixed faults failed: {mixed}").into())
        }
        (Err(matrix), Ok(())) => Err(format!("the fault matrix failed: {matrix}").into()),
        (Ok(()), mixed) => mixed,
    }
}

/// Mixed faults at full load.
fn mixed_faults(options: &Options, runtime: &Runtime) -> Result<(), Error> {
    let kinds = [
        (Kind::Echo, Wire::Plain, Extra::None),
        (Kind::Echo, Wire::Tls, Extra::Signature),
        (Kind::Echo, Wire::Http2, Extra::OAuth),
        (Kind::Failing, Wire::Plain, Extra::None),
        (Kind::Garbage, Wire::Plain, Extra::None),
        (Kind::Reset, Wire::Plain, Extra::None),
        (Kind::Endless, Wire::Plain, Extra::None),
        (Kind::Silent, Wire::Plain, Extra::None),
    ];
    let services = kinds.map(|(kind, wire, extra)| call::started_service(kind, wire).map(|service| (service, extra)));
    let services = services.into_iter().collect::<Result<Vec<_>, _>>()?;
    runtime.block_on(soak(options, &services))?;
    for (service, _) in services {
        service.stop()?;
    }
    Ok(())
}

async fn soak(options: &Options, services: &[(Service, Extra)]) -> Result<(), Error> {
    let database = Database::open().await?;
    let inner = SystemLogRecorder::new(database.log.clone(), Arc::new(SystemEntropy));
    let recorder = Arc::new(Counted { inner, records: AtomicU64::new(0) });
    let engine = Engine::builder().recorder(recorder.clone()).build();
    let (engine, counts) = (Arc::new(engine), Arc::new(Counts::default()));
    let length = Duration::from_secs_f64(options.minutes * 60.0);
    let (began, until) = (Instant::now(), Instant::now() + length);
    let mut tasks = tokio::task::JoinSet::new();
    for (service, extra) in services {
        let transport = callers::transport(&service.target, false)?;
        let mut hook = callers::inline_hook(&service.target, *extra, TIMEOUT, None)?;
        if !options.breakers {
            hook.policy.breaker.mode = BreakerMode::Off;
        }
        let hook = Arc::new(ReadyHook::over(&transport, hook.clone(), BuiltInType::Token.kind().clone()));
        for number in 0..CALLERS {
            tasks.spawn(keep_calling(Arc::clone(&engine), Arc::clone(&hook), Arc::clone(&counts), until, number));
        }
    }
    println!(
        "{:>8}{:>13}{:>11}{:>11}{:>11}{:>11}{:>10}{:>9}",
        "minute", "invocations", "applied", "failed", "skipped", "abandoned", "overruns", "RSS MB"
    );
    let every = length / 10;
    let mut memory = Vec::new();
    for step in 1..=10 {
        tokio::time::sleep_until(began + every * step).await;
        let megabytes = megabytes()?;
        memory.push(megabytes);
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        println!(
            "{:>8.1}{:>13}{:>11}{:>11}{:>11}{:>11}{:>10}{megabytes:>9.1}",
            (every * step).as_secs_f64() / 60.0,
            count(&counts.invocations),
            count(&counts.applied),
            count(&counts.failed),
            count(&counts.skipped),
            count(&counts.abandoned),
            count(&counts.overruns),
        );
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    database.log.flush().await;
    let (invocations, records) = (counts.invocations.load(Ordering::Relaxed), recorder.records.load(Ordering::Relaxed));
    let stored = database.invocation_events().await?;
    #[expect(clippy::cast_precision_loss, reason = "counts of events")]
    {
        figure("soak_invocations", invocations as f64, "");
        figure("soak_records_missing", invocations as f64 - records as f64, "");
        figure("soak_events_lost", records as f64 - stored as f64, "");
        figure("soak_deadline_overruns", counts.overruns.load(Ordering::Relaxed) as f64, "");
        figure("soak_latest_end", counts.latest_us.load(Ordering::Relaxed) as f64 / 1e3, "ms after the deadline");
    }
    // The first tenth fills pools and caches.
    if let [_, second, .., last] = memory.as_slice() {
        figure("soak_memory_end_over_start", last / second, "x");
    }
    Ok(())
}

async fn keep_calling(
    engine: Arc<Engine>,
    hook: Arc<ReadyHook>,
    counts: Arc<Counts>,
    until: Instant,
    number: usize,
) -> Result<(), Error> {
    let (origin, context, fresh) = (callers::origin(), subject::context(), subject::subject());
    let mut turn = number;
    while Instant::now() < until {
        turn += 1;
        let mut subject = fresh.clone();
        let invocation = callers::invocation(&hook, &origin, &context, &mut subject);
        let began = Instant::now();
        counts.invocations.fetch_add(1, Ordering::Relaxed);
        // Some flows go away before the service has answered; they leave a record too.
        if turn.is_multiple_of(101) {
            let hurried = tokio::time::timeout(Duration::from_micros(50), engine.invoke(invocation)).await;
            if hurried.is_err() {
                counts.abandoned.fetch_add(1, Ordering::Relaxed);
            }
            continue;
        }
        let outcome = engine.invoke(invocation).await.outcome;
        let late = began.elapsed().saturating_sub(TIMEOUT);
        let late_us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        counts.latest_us.fetch_max(late_us, Ordering::Relaxed);
        if late > SLACK {
            counts.overruns.fetch_add(1, Ordering::Relaxed);
        }
        let counter = match outcome {
            Outcome::Applied(_) => &counts.applied,
            Outcome::Skipped(_) => {
                // An open breaker rejects at once, so callers must not call in a tight loop.
                tokio::time::sleep(Duration::from_millis(1)).await;
                &counts.skipped
            }
            _ => &counts.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn megabytes() -> Result<f64, Error> {
    #[expect(clippy::cast_precision_loss, reason = "bytes of a process")]
    Ok(cpu::resident_bytes()? as f64 / 1_048_576.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_fails_fails_the_run_and_hides_no_other() {
        let failed = |text: &str| Err::<(), Error>(text.into());
        let told = |matrix, mixed| both(matrix, mixed).err().map(|error| error.to_string());
        assert_eq!(told(Ok(()), Ok(())), None);
        assert_eq!(told(failed("one"), Ok(())).as_deref(), Some("the fault matrix failed: one"));
        assert_eq!(told(Ok(()), failed("two")).as_deref(), Some("two"));
        let both = told(failed("one"), failed("two"));
        assert_eq!(both.as_deref(), Some("the fault matrix failed: one; the mixed faults failed: two"));
    }
}
