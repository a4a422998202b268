//! The fault matrix in real time: every fault of an external service against every hook type, none tried twice.
//!
//! The tests of the transport judge the same faults without the machine's clock; here a fault that ends later than its budget
//! counts. A machine that does something else meanwhile is late by that, and the run says so.

use std::{sync::Arc, time::Duration};

use tenterhook_contract::{BuiltInType, hook::InlineHook};
use tenterhook_engine::SystemClock;
use tenterhook_platform::entropy::SystemEntropy;
use tenterhook_testkit::{
    faults::{Case, Fault, Means, faults},
    pki::Authority,
    transports::FaultTransports,
};
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};

use crate::{Error, figure};

/// The budget of one attempt.
const TIMEOUT: Duration = Duration::from_millis(250);
/// How much later than its budget an invocation may end.
const SLACK: Duration = Duration::from_millis(20);
/// Faults that run at the same time: few, so that they are not late because of each other.
const AT_ONCE: usize = 8;

/// How one fault ended.
enum Ended {
    /// As it must; this long after its budget.
    Right(Duration),
    Wrong(String),
}

/// Runs it.
///
/// # Errors
/// When an outcome is not what the contract says, or an invocation outlives its budget.
pub(crate) async fn run() -> Result<(), Error> {
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let shared = Arc::new(FaultTransports::new(Authority::new()?, clock, entropy)?);
    let faults: Arc<[Fault]> = faults().into();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for number in 0..faults.len() {
        for hook_type in BuiltInType::ALL.iter().copied() {
            let (faults, shared, places) = (Arc::clone(&faults), Arc::clone(&shared), Arc::clone(&places));
            running.spawn(async move {
                let _place = places.acquire().await;
                match faults.get(number) {
                    Some(fault) => one(fault, hook_type, &shared).await,
                    None => Ended::Right(Duration::ZERO),
                }
            });
        }
    }
    let (mut ran, mut wrong, mut overruns, mut latest) = (0_u32, 0_u32, 0_u32, Duration::ZERO);
    while let Some(ended) = running.join_next().await {
        ran += 1;
        match ended? {
            Ended::Right(late) => {
                latest = latest.max(late);
                overruns += u32::from(late > SLACK);
            }
            Ended::Wrong(what) => {
                wrong += 1;
                println!("{what}");
            }
        }
    }
    figure("soak_faults", ran.into(), "");
    figure("soak_faults_wrong", wrong.into(), "");
    figure("soak_fault_overruns", overruns.into(), "");
    figure("soak_fault_latest_end", latest.as_secs_f64() * 1e3, "ms after the budget");
    if wrong + overruns > 0 {
        return Err(
            format!("{wrong} of {ran} faults ended wrong, {overruns} more than {SLACK:?} after their budget").into()
        );
    }
    Ok(())
}

async fn one(fault: &Fault, hook_type: BuiltInType, shared: &FaultTransports) -> Ended {
    let means = Means { timeout: TIMEOUT, clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) };
    let endpoint = |hook: &InlineHook| shared.endpoint(&fault.service, hook);
    let case = match Case::start(fault, hook_type, &shared.authority, means, endpoint).await {
        Ok(case) => case,
        Err(error) => return Ended::Wrong(format!("{} ({hook_type}): {error}", fault.name)),
    };
    let began = Instant::now();
    let (resumption, subject) = case.invoke().await;
    let took = began.elapsed();
    match case.judge((&resumption, subject)) {
        Ok(()) => Ended::Right(took.saturating_sub(case.budget())),
        Err(wrong) => Ended::Wrong(format!("{wrong}, after {took:?}")),
    }
}
