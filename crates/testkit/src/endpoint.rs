//! A scripted endpoint: what the engine gets of an external service, without a socket.

#[cfg(feature = "paused-clock")]
use std::time::Duration;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use tenterhook_contract::{
    hook::{HookTls, InlineHook},
    hook_key::HookKey,
};
use tenterhook_engine::{
    BoxFuture, Call, CallFailure, CallPhase, Endpoint, Exchange, FailureCode, PhaseTimings, RawAnswer, Transport,
};
use tokio::sync::Semaphore;

use crate::lock;

/// What the endpoint does with one attempt.
#[derive(Clone, Debug)]
pub enum Step {
    /// Answers with this status and this body.
    Answer(u16, &'static str),
    /// Fails.
    Fail(FailureCode),
    /// Comes to this phase and fails there.
    FailIn(CallPhase, FailureCode),
    /// Comes to this phase and then no further.
    Hang(CallPhase),
    /// Answers with 200 and this body after this time of a paused clock.
    #[cfg(feature = "paused-clock")]
    Late(Duration, &'static str),
    /// Answers with 200 and this body once the test has given a permit, of which each answer takes one.
    Permitted(Arc<Semaphore>, &'static str),
    /// Sends the request again this often, then waits.
    ResentAndHang(u8),
    /// Sends the request again this often, then answers with a redirect to `https://login.example`.
    Resent(u8),
}

/// Each attempt takes the next step; without one it fails with [`FailureCode::ConnectionRefused`].
#[derive(Debug, Default)]
pub struct Scripted {
    steps: Mutex<VecDeque<Step>>,
    received: Mutex<Vec<Bytes>>,
}

impl Scripted {
    /// An endpoint with these steps.
    pub fn new(steps: &[Step]) -> Arc<Self> {
        let scripted = Self::default();
        scripted.then(steps);
        Arc::new(scripted)
    }

    /// Adds steps behind the others.
    pub fn then(&self, steps: &[Step]) {
        lock(&self.steps).extend(steps.iter().cloned());
    }

    /// Forgets the steps that are left.
    pub fn clear(&self) {
        lock(&self.steps).clear();
    }

    /// The documents received so far.
    pub fn received(&self) -> Vec<Bytes> {
        lock(&self.received).clone()
    }
}

impl Endpoint for Scripted {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Exchange> {
        lock(&self.received).push(call.body.clone());
        let step = lock(&self.steps).pop_front();
        Box::pin(async move {
            let answer = |status, body: &'static str| RawAnswer {
                status,
                body: Bytes::from_static(body.as_bytes()),
                media_type: None,
                redirects_to: None,
            };
            let result = match step {
                Some(Step::Answer(status, body)) => Ok(answer(status, body)),
                Some(Step::Fail(code)) => Err(CallFailure::new(code, "scripted")),
                Some(Step::FailIn(phase, code)) => {
                    call.progress.reach(phase);
                    Err(CallFailure::new(code, "scripted"))
                }
                Some(Step::Hang(phase)) => {
                    call.progress.reach(phase);
                    std::future::pending().await
                }
                Some(Step::ResentAndHang(times)) => {
                    call.progress.reach(CallPhase::Wait);
                    (0..times).for_each(|_| call.progress.send_again());
                    std::future::pending().await
                }
                #[cfg(feature = "paused-clock")]
                Some(Step::Late(time, body)) => {
                    crate::wait::pass(time).await;
                    Ok(answer(200, body))
                }
                Some(Step::Permitted(permits, body)) => {
                    if let Ok(permit) = permits.acquire().await {
                        permit.forget();
                    }
                    Ok(answer(200, body))
                }
                Some(Step::Resent(times)) => {
                    (0..times).for_each(|_| call.progress.send_again());
                    Ok(RawAnswer { redirects_to: Some("https://login.example".to_owned()), ..answer(302, "") })
                }
                None => Err(CallFailure::new(FailureCode::ConnectionRefused, "the script has ended")),
            };
            Exchange { result, timings: PhaseTimings::default() }
        })
    }
}

/// A transport whose hooks all have this endpoint.
pub struct ScriptedTransport(pub Arc<Scripted>);

impl Transport for ScriptedTransport {
    fn endpoint(&self, _: &InlineHook, _: Option<&HookKey>) -> Arc<dyn Endpoint> {
        self.0.clone()
    }

    fn check_tls(&self, _: &HookTls) -> Result<(), CallFailure> {
        Ok(())
    }
}
