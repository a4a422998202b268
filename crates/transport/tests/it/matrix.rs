//! The fault matrix: whatever a service does, for every hook type, the invocation ends within its deadline with the outcome
//! of `overview.md` sections 4 and 6, and leaves nothing behind.
//!
//! No outcome here depends on how fast the machine is. A fault that shows by itself has a budget that no machine uses up; one
//! that only time ends runs on a paused clock, which the test moves once the fault has happened. In real time the same faults
//! run in `cargo xtask soak`.

use std::{
    collections::BTreeSet,
    fs,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use tenterhook_contract::{BuiltInType, hook::InlineHook};
use tenterhook_engine::{BoxFuture, Call, CallPhase, Endpoint, Exchange, Progress, SystemClock};
use tenterhook_testkit::{
    clock::Sequence,
    faults::{Case, Fault, Means, faults},
    pki::Authority,
    transports::FaultTransports,
    wait,
};
use tokio::{
    runtime::{Builder, Handle},
    sync::Semaphore,
    task::JoinSet,
    time::Instant,
};

/// The budget of one attempt on the paused clock.
const TIMEOUT: Duration = Duration::from_millis(250);
/// The steps in which that clock is moved.
const STEP: Duration = Duration::from_millis(10);
/// How long a timer may be late on it: timers count whole milliseconds.
const TICK: Duration = Duration::from_millis(1);
/// Turns of the runtime in which tasks react to what has just happened.
const TURNS: usize = 10;
/// The budget of one attempt that no fault uses up that shows by itself.
const AMPLE: Duration = Duration::from_mins(2);
/// How long the test waits, in real time, for a call to come so far that only time ends it.
const PATIENCE: Duration = Duration::from_mins(1);
/// Faults that run at the same time.
const AT_ONCE: usize = 16;

fn shared() -> FaultTransports {
    FaultTransports::new(Authority::new().unwrap(), Arc::new(SystemClock), Arc::new(Sequence::default())).unwrap()
}

fn means(timeout: Duration) -> Means {
    Means { timeout, clock: Arc::new(SystemClock), entropy: Arc::new(Sequence::default()) }
}

/// An endpoint that lets the test see how far each of its calls has come.
struct Watched {
    inner: Arc<dyn Endpoint>,
    calls: Arc<Mutex<Vec<Progress>>>,
}

impl Endpoint for Watched {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Exchange> {
        self.calls.lock().unwrap().push(call.progress.clone());
        self.inner.call(call)
    }
}

/// Runs a fault that shows by itself: what is wrong, if anything.
async fn run(fault: &Fault, hook_type: BuiltInType, shared: &FaultTransports) -> Result<(), String> {
    let endpoint = |hook: &InlineHook| shared.endpoint(&fault.service, hook);
    let case = Case::start(fault, hook_type, &shared.authority, means(AMPLE), endpoint).await;
    let case = case.map_err(|error| format!("{} ({hook_type}): {error}", fault.name))?;
    let (resumption, subject) = case.invoke().await;
    case.judge((&resumption, subject))
}

/// Runs a fault that only time ends, on a paused clock: what is wrong, if anything. Each attempt is given its time when its call
/// stands in `phase` and the service has done all that it does.
async fn run_by_time(
    fault: &Fault,
    hook_type: BuiltInType,
    phase: CallPhase,
    shared: &FaultTransports,
) -> Result<(), String> {
    let wrong = |what: String| Err(format!("{} ({hook_type}): {what}", fault.name));
    let calls = Arc::new(Mutex::new(Vec::new()));
    let endpoint = |hook: &InlineHook| -> Arc<dyn Endpoint> {
        Arc::new(Watched { inner: shared.endpoint(&fault.service, hook), calls: Arc::clone(&calls) })
    };
    let case = match Case::start(fault, hook_type, &shared.authority, means(TIMEOUT), endpoint).await {
        Ok(case) => case,
        Err(error) => return wrong(error.to_string()),
    };
    let good_first = calls.lock().unwrap().len();
    let (began, real) = (Instant::now(), std::time::Instant::now());
    let mut invocation = pin!(case.invoke());
    let mut timed_out = 0;
    let (resumption, subject) = loop {
        let stands = {
            let calls = calls.lock().unwrap();
            calls.len() > good_first + timed_out && calls.last().is_some_and(|call| call.phase() == phase)
        };
        if stands && case.service_stands() {
            timed_out += 1;
            if let Some(ended) = time_passes(&mut invocation).await {
                break ended;
            }
        }
        tokio::select! {
            biased;
            ended = &mut invocation => break ended,
            () = tokio::task::yield_now() => {}
        }
        if real.elapsed() > PATIENCE {
            return wrong(format!("attempt {timed_out}, the call does not come to {phase:?}"));
        }
    };
    let took = began.elapsed();
    case.judge((&resumption, subject))?;
    // The other of two failures may have come first.
    if took > case.budget() + TICK || took < TIMEOUT * u32::try_from(timed_out).unwrap() {
        return wrong(format!("{took:?} with {timed_out} attempts, the budget is {:?}", case.budget()));
    }
    Ok(())
}

/// Lets the time of an attempt pass in steps, each with turns for whoever reacts to it.
async fn time_passes<T>(invocation: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    let until = Instant::now() + TIMEOUT;
    loop {
        for _ in 0..TURNS {
            tokio::select! {
                biased;
                ended = &mut *invocation => return Some(ended),
                () = tokio::task::yield_now() => {}
            }
        }
        if Instant::now() >= until {
            return None;
        }
        tokio::time::advance(STEP).await;
    }
}

fn open_sockets() -> usize {
    let names = fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
    names.filter(|name| name.to_string_lossy().starts_with("socket:")).count()
}

/// Waits until the runtime has no task and the process hardly more sockets than `before`: other tests of it open some, too.
async fn nothing_is_left(before: usize) {
    wait::until("nothing is left of the calls", || {
        Handle::current().metrics().num_alive_tasks() == 0 && open_sockets() <= before + 64
    })
    .await;
}

#[test]
fn there_are_hundreds_of_faults_and_each_has_a_name() {
    let faults = faults();
    let names: BTreeSet<_> = faults.iter().map(|fault| (&fault.name, format!("{:?}", fault.expected))).collect();
    assert!(faults.len() >= 200 && names.len() >= 200, "{} faults", faults.len());
}

#[test]
fn whatever_a_service_does_the_outcome_holds_and_nothing_leaks() {
    // A runtime of its own, so that its tasks can be counted.
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (shared, before) = (Arc::new(shared()), open_sockets());
        let faults: Arc<[Fault]> = faults().into_iter().filter(|fault| fault.stands_in().is_none()).collect();
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut running = JoinSet::new();
        for hook_type in BuiltInType::ALL.iter().copied() {
            for number in 0..faults.len() {
                let (faults, shared, places) = (Arc::clone(&faults), Arc::clone(&shared), Arc::clone(&places));
                running.spawn(async move {
                    let _place = places.acquire().await.unwrap();
                    run(&faults[number], hook_type, &shared).await
                });
            }
        }
        let wrong: Vec<_> = running.join_all().await.into_iter().filter_map(Result::err).collect();
        assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
        drop(shared);
        nothing_is_left(before).await;
    });
}

#[test]
fn whatever_a_service_leaves_undone_each_attempt_ends_with_its_time_and_nothing_leaks() {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (shared, before) = (shared(), open_sockets());
        // A runtime that has something to do does not move its clock by itself.
        let busy = tokio::spawn(async {
            loop {
                tokio::task::yield_now().await;
            }
        });
        let mut wrong = Vec::new();
        for fault in faults() {
            let Some(phase) = fault.stands_in() else { continue };
            for hook_type in BuiltInType::ALL.iter().copied() {
                wrong.extend(run_by_time(&fault, hook_type, phase, &shared).await.err());
            }
        }
        assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
        drop(shared);
        busy.abort();
        nothing_is_left(before).await;
    });
}
