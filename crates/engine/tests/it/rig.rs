//! A scripted endpoint, a recorder that keeps everything, and a tiny extension point.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use tenterhook_contract::{
    Description, ExtensionPoint, HookType, Timestamp,
    answer::{Answer, Command, Operand},
    context::{RequestContext, UrlValue},
    hook::{Channel, ChannelAuthentication, HookPolicy, HookStatus, HookTls, InlineHook},
    id::{HookId, OrgId, RequestId},
    party::Actor,
    problem::{Change, Problem, ProblemCode},
};
use tenterhook_engine::{
    BoxFuture, Call, CallFailure, CallPhase, Clock, Deadline, Decision, Endpoint, Engine, Entropy, Exchange,
    FailureCode, Invocation, InvocationRecord, Limits, Origin, Outcome, PhaseTimings, Purpose, RawAnswer, ReadyHook,
    Recorder, Resumption, TestCall, TestCallResult,
};

/// What the scripted endpoint does with one attempt.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Answer(u16, &'static str),
    Fail(FailureCode),
    Hang(CallPhase),
    /// Answers after this time.
    Late(Duration, &'static str),
    /// Sends the request again this often, then waits.
    ResentAndHang(u8),
    /// Sends the request again this often, then answers with a redirect to `https://login.example`.
    Resent(u8),
}

#[derive(Default)]
pub(crate) struct Scripted {
    pub(crate) steps: Mutex<VecDeque<Step>>,
    pub(crate) bodies: Mutex<Vec<Bytes>>,
}

impl Endpoint for Scripted {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Exchange> {
        self.bodies.lock().unwrap().push(call.body.clone());
        let step = self.steps.lock().unwrap().pop_front();
        Box::pin(async move {
            let result = match step {
                Some(Step::Answer(status, body)) => {
                    Ok(RawAnswer { status, body: Bytes::from_static(body.as_bytes()), redirects_to: None })
                }
                Some(Step::Fail(code)) => Err(CallFailure::new(code, "scripted")),
                Some(Step::Hang(phase)) => {
                    call.progress.reach(phase);
                    std::future::pending().await
                }
                Some(Step::ResentAndHang(times)) => {
                    call.progress.reach(CallPhase::Wait);
                    (0..times).for_each(|_| call.progress.send_again());
                    std::future::pending().await
                }
                Some(Step::Late(time, body)) => {
                    tokio::time::sleep(time).await;
                    Ok(RawAnswer { status: 200, body: Bytes::from_static(body.as_bytes()), redirects_to: None })
                }
                Some(Step::Resent(times)) => {
                    (0..times).for_each(|_| call.progress.send_again());
                    let redirects_to = Some("https://login.example".to_owned());
                    Ok(RawAnswer { status: 302, body: Bytes::new(), redirects_to })
                }
                None => Err(CallFailure::new(FailureCode::ConnectionRefused, "the script has ended")),
            };
            Exchange { result, timings: PhaseTimings::default(), sent: None }
        })
    }
}

/// Keeps the records; has room for more after `crowded_for`.
#[derive(Default)]
pub(crate) struct Records(pub(crate) Mutex<Vec<InvocationRecord>>, pub(crate) Mutex<Duration>);

impl Recorder for Records {
    fn record(&self, record: InvocationRecord) {
        self.0.lock().unwrap().push(record);
    }

    fn room<'a>(&'a self, _: &'a OrgId) -> Option<BoxFuture<'a, ()>> {
        let crowded_for = *self.1.lock().unwrap();
        (!crowded_for.is_zero()).then(|| Box::pin(tokio::time::sleep(crowded_for)) as BoxFuture<'a, ()>)
    }
}

pub(crate) struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_770_802_215_500_000)
    }
}

impl Entropy for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// The number that fallback commands may not set.
pub(crate) const KNOWN_TO_THE_SERVICE: i64 = 99;

/// One of [`points`], for a test of them all.
pub(crate) trait Point: ExtensionPoint<Context = (), Subject = i64> {
    const HOOK_TYPE: HookType;
    const POINT: Self;
}

/// An extension point whose subject is a number: the command `set` replaces it.
macro_rules! points {
    ($($name:ident $kind:expr;)*) => {$(
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name;

        impl Point for $name {
            const HOOK_TYPE: HookType = $kind;
            const POINT: Self = Self;
        }

        impl ExtensionPoint for $name {
            type Context = ();
            type Subject = i64;
            type Data<'a> = i64;

            fn description(&self) -> &Description {
                $kind.description()
            }

            fn falls_back(&self, subject: &i64) -> bool {
                *subject < 0
            }

            fn known_to_the_service_alone(&self, subject: &i64) -> Option<&'static str> {
                (*subject == KNOWN_TO_THE_SERVICE).then_some("a guess")
            }

            fn data<'a>(&self, (): &'a (), subject: &'a i64) -> i64 {
                *subject
            }

            fn interpret(&self, subject: &mut i64, answer: Answer) -> Result<Vec<Change>, Vec<Problem>> {
                let number = |command: &Command| match &command.operand {
                    Operand::Other(value) if command.kind == "set" => value.as_i64(),
                    _ => None,
                };
                match answer.commands.iter().map(number).collect::<Option<Vec<_>>>().as_deref() {
                    Some([.., last]) => {
                        *subject = *last;
                        Ok(vec![Change { command: "set", op: "set", path: "/".into() }])
                    }
                    _ => Err(vec![Problem {
                        code: ProblemCode::UnknownCommand,
                        pointer: "/commands/0".into(),
                        message: "not a number".into(),
                        hint: None,
                    }]),
                }
            }
        }
    )*};
}

points! {
    TokenPoint HookType::Token;
    SamlPoint HookType::Saml;
    RegistrationPoint HookType::Registration;
    PasswordPoint HookType::PasswordImport;
    ImportPoint HookType::UserImport;
    TelephonyPoint HookType::Telephony;
}

/// An engine with one hook and its script.
pub(crate) struct Rig {
    pub(crate) engine: Engine,
    pub(crate) hook: ReadyHook,
    pub(crate) endpoint: Arc<Scripted>,
    pub(crate) records: Arc<Records>,
}

pub(crate) const TIMEOUT: Duration = Duration::from_secs(3);

/// A resumption with the subject, when it is not the one that was given.
#[derive(Debug)]
pub(crate) struct Resumed {
    pub(crate) changed: Option<i64>,
    pub(crate) outcome: Outcome,
    pub(crate) decision: Decision,
}

impl Rig {
    pub(crate) fn new(hook_type: HookType, steps: &[Step]) -> Self {
        Self::with(hook_type, HookStatus::Active, steps, Limits::default())
    }

    pub(crate) fn with(hook_type: HookType, status: HookStatus, steps: &[Step], limits: Limits) -> Self {
        Self::with_policy(hook_type, status, steps, limits, HookPolicy::default())
    }

    pub(crate) fn of_policy(hook_type: HookType, steps: &[Step], policy: HookPolicy) -> Self {
        Self::with_policy(hook_type, HookStatus::Active, steps, Limits::default(), policy)
    }

    pub(crate) fn with_policy(
        hook_type: HookType,
        status: HookStatus,
        steps: &[Step],
        limits: Limits,
        policy: HookPolicy,
    ) -> Self {
        let at = Fixed.now();
        let hook = InlineHook {
            id: HookId::from_parts(1, [1; 8]),
            status,
            name: "Numbers".into(),
            hook_type,
            version: "1.0.0".into(),
            channel: Channel {
                uri: "https://service.example/hook".into(),
                headers: vec![],
                authentication: ChannelAuthentication::None,
            },
            policy,
            signing: vec![],
            tls: HookTls::default(),
            created: at,
            last_updated: at,
        };
        let endpoint = Arc::new(Scripted { steps: Mutex::new(steps.iter().cloned().collect()), ..Scripted::default() });
        let records = Arc::new(Records::default());
        let engine = Engine::new(records.clone(), Arc::new(Fixed), Arc::new(Fixed), limits);
        Self { engine, hook: ReadyHook::new(hook, endpoint.clone()), endpoint, records }
    }

    pub(crate) async fn invoke<P>(&self, deadline: Option<Deadline>) -> Resumed
    where
        P: Point,
    {
        self.invoke_with::<P>("https://org.example.com/x", deadline).await
    }

    /// An invocation whose document is as large as its `source`.
    pub(crate) async fn invoke_with<P>(&self, source: &str, deadline: Option<Deadline>) -> Resumed
    where
        P: Point,
    {
        let mut subject = 1;
        let Resumption { outcome, decision } = self
            .engine
            .invoke(Invocation {
                point: &P::POINT,
                hook: &self.hook,
                origin: origin(),
                source,
                context: &(),
                subject: &mut subject,
                deadline,
            })
            .await;
        Resumed { changed: Some(subject).filter(|subject| *subject != 1), outcome, decision }
    }

    pub(crate) async fn execute(&self, purpose: Purpose, body: Bytes, problems: Vec<Problem>) -> TestCallResult {
        let call = TestCall { origin: origin(), purpose, event_id: None, body, problems: |_: &Answer| problems };
        self.engine.test_call(&self.hook, call).await
    }

    pub(crate) fn only_record(&self) -> InvocationRecord {
        let mut records = self.records.0.lock().unwrap();
        assert_eq!(records.len(), 1, "every invocation leaves exactly one record");
        records.pop().unwrap()
    }
}

pub(crate) fn origin() -> Arc<Origin> {
    Arc::new(Origin {
        org_id: OrgId::from_parts(1, [3; 8]),
        request: RequestContext {
            id: RequestId::from_entropy([9; 16]),
            method: "POST".into(),
            url: UrlValue { value: "https://org.example.com/x?y=1".into() },
            ip_address: "127.0.0.1".into(),
        },
        request_uri: "/x".into(),
        proxies: vec![],
        user_agent: None,
        client_id: None,
        api_token_id: None,
        actor: Actor { id: "00u".into(), kind: "User".into(), alternate_id: None, display_name: None },
        session_id: None,
        targets: vec![],
    })
}

/// Runs `$check` for every type, with its extension point.
macro_rules! for_each_type {
    ($check:ident($($argument:expr),*)) => {
        $check::<TokenPoint>($($argument),*).await;
        $check::<SamlPoint>($($argument),*).await;
        $check::<RegistrationPoint>($($argument),*).await;
        $check::<PasswordPoint>($($argument),*).await;
        $check::<ImportPoint>($($argument),*).await;
        $check::<TelephonyPoint>($($argument),*).await;
    };
}

pub(crate) use for_each_type;
