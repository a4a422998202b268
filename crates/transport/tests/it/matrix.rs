//! The fault matrix: whatever a service does, for every hook type, the invocation ends within its deadline with the outcome
//! of `overview.md` sections 4 and 6, and leaves nothing behind.

use std::{
    collections::BTreeSet,
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use tenterhook_contract::{
    Description, EmptyAnswer, ExtensionPoint, FailureDefault, HookType, Retry,
    answer::Answer,
    context::{RequestContext, UrlValue},
    hook::{BreakerMode, BreakerPolicy, HookPolicy, InlineHook},
    id::{OrgId, RequestId},
    party::Actor,
    problem::{Change, Problem},
};
use tenterhook_engine::{
    Decision, Endpoint, Engine, FailureCode, Invocation, InvocationRecord, Limits, Origin, Outcome, ReadyHook,
    Recorder, SystemClock, Transport as _,
};
use tenterhook_testkit::{
    pki::{Authority, Certificate},
    raw::{BlackHole, Connection, RawService, frame},
    service::{Service, Step},
};
use tenterhook_transport::{EgressPolicy, HttpTransport, TransportConfig};
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};

use crate::rig::{Counting, Fixed, hook};

/// The budget of one attempt.
const TIMEOUT: Duration = Duration::from_millis(250);
/// How much later than its deadline an invocation may end.
const SLACK: Duration = Duration::from_millis(20);
/// Faults that run at the same time.
const AT_ONCE: usize = 16;

/// A fault: what the service does, and what that is called.
struct Fault {
    name: String,
    service: Faulty,
    expected: Expected,
}

#[derive(Clone)]
enum Faulty {
    /// HTTP/1.1 on a raw socket; over TLS; on a connection that has served a good answer before.
    Http { step: Step, tls: bool, reused: bool },
    /// HTTP/2 frames, or what is none.
    Http2(Connection),
    /// Below HTTP: on a port that should speak TLS.
    Tls(Connection),
    /// A certificate that is not good.
    Certificate(Certificate),
    /// Nobody listens.
    Nobody,
    /// The first packet is dropped.
    BlackHole,
    /// A name that resolves to this.
    Resolves(Vec<String>),
}

/// What an invocation must come to.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Failure(FailureCode),
    /// One of two, by which of them is noticed first.
    Either(FailureCode, FailureCode),
    /// An empty answer, which means by type the default or a failure.
    Empty,
}

use FailureCode::{
    BodyTooLarge, BodyUnparsable, ConnectionRefused, ConnectionReset, HeadersTooLarge, HttpInvalid, Redirect, Status,
    TimeoutBody, TimeoutConnect, TimeoutResponse, TlsCertExpired, TlsCertUntrusted, TlsCertWrongName, TlsFailed,
};

fn http_faults() -> Vec<(&'static str, Step, Expected)> {
    use Expected::{Either, Empty, Failure};
    let bytes = |text: &str| text.as_bytes().to_vec();
    let ok = |rest: &str| format!("HTTP/1.1 200 OK\r\n{rest}").into_bytes();
    let pause = Duration::from_millis(20);
    let gzip_head = ok("Content-Encoding: gzip\r\nContent-Length: 30\r\n\r\n");
    let gzip = [gzip_head.as_slice(), &[0x1f, 0x8b, 8, 0, 0, 0], &[0; 24]];
    let mut faults = vec![
        ("silence", Step::WriteAndHang(vec![]), Failure(TimeoutResponse)),
        ("half a status line, then silence", Step::WriteAndHang(bytes("HTTP/1.1 2")), Failure(TimeoutResponse)),
        ("half a header, then silence", Step::WriteAndHang(ok("Content-Le")), Failure(TimeoutResponse)),
        ("a head, then silence", Step::WriteAndHang(ok("Content-Length: 9\r\n\r\n")), Failure(TimeoutBody)),
        ("half a body, then silence", Step::WriteAndHang(ok("Content-Length: 9\r\n\r\n{\"a")), Failure(TimeoutBody)),
        (
            "half a chunk, then silence",
            Step::WriteAndHang(ok("Transfer-Encoding: chunked\r\n\r\n5\r\n{}")),
            Failure(TimeoutBody),
        ),
        (
            "no last chunk",
            Step::WriteAndHang(ok("Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")),
            Failure(TimeoutBody),
        ),
        ("a dripping head", Step::Drip(ok("X-Slow: yes\r\n\r\n"), pause), Failure(TimeoutResponse)),
        ("a dripping body", Step::Drip(vec![b' '; 200], pause), Failure(HttpInvalid)),
        (
            "100 Continue, then silence",
            Step::WriteAndHang(bytes("HTTP/1.1 100 Continue\r\n\r\n")),
            Failure(TimeoutResponse),
        ),
        (
            "a flood of 1xx",
            Step::WriteForEver(bytes("HTTP/1.1 103 Early Hints\r\n\r\n").repeat(100)),
            Either(TimeoutResponse, HeadersTooLarge),
        ),
        ("closed before the answer", Step::WriteAndClose(vec![]), Failure(ConnectionReset)),
        ("closed in the status line", Step::WriteAndClose(bytes("HTTP/1.1 2")), Failure(ConnectionReset)),
        ("closed in a header", Step::WriteAndClose(ok("Content-Le")), Failure(ConnectionReset)),
        ("closed after the head", Step::WriteAndClose(ok("Content-Length: 9\r\n\r\n")), Failure(ConnectionReset)),
        ("closed in the body", Step::WriteAndClose(ok("Content-Length: 9\r\n\r\n{\"a")), Failure(ConnectionReset)),
        (
            "closed in a chunk",
            Step::WriteAndClose(ok("Transfer-Encoding: chunked\r\n\r\n5\r\n{}")),
            Failure(ConnectionReset),
        ),
        (
            "closed before the last chunk",
            Step::WriteAndClose(ok("Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")),
            Failure(ConnectionReset),
        ),
        ("reset before the answer", Step::WriteAndReset(vec![]), Failure(ConnectionReset)),
        ("reset in the head", Step::WriteAndReset(ok("Content-Le")), Failure(ConnectionReset)),
        ("reset after the head", Step::WriteAndReset(ok("Content-Length: 9\r\n\r\n")), Failure(ConnectionReset)),
        ("reset in the body", Step::WriteAndReset(ok("Content-Length: 9\r\n\r\n{\"a")), Failure(ConnectionReset)),
        ("reset after a whole answer without length", Step::WriteAndReset(ok("\r\n{}")), Failure(ConnectionReset)),
        ("garbage", Step::Write(bytes("\x01\x02\x03\r\n\r\n")), Failure(HttpInvalid)),
        ("another protocol", Step::Write(bytes("SSH-2.0-OpenSSH_9\r\n")), Failure(HttpInvalid)),
        ("an HTTP/2 preface", Step::Write(bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")), Failure(HttpInvalid)),
        ("a status of letters", Step::Write(bytes("HTTP/1.1 abc OK\r\n\r\n")), Failure(HttpInvalid)),
        ("a status of four digits", Step::Write(bytes("HTTP/1.1 2000 OK\r\n\r\n")), Failure(HttpInvalid)),
        ("a bad chunk size", Step::Write(ok("Transfer-Encoding: chunked\r\n\r\nzz\r\n")), Failure(HttpInvalid)),
        (
            "a huge chunk size",
            Step::Write(ok("Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n")),
            Failure(HttpInvalid),
        ),
        ("two lengths", Step::Write(ok("Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}")), Failure(HttpInvalid)),
        ("a negative length", Step::Write(ok("Content-Length: -1\r\n\r\n{}")), Failure(HttpInvalid)),
        ("a header without a colon", Step::Write(ok("Nonsense\r\n\r\n{}")), Failure(HttpInvalid)),
        ("a null in a header", Step::Write(ok("X: a\0b\r\n\r\n{}")), Failure(HttpInvalid)),
        ("200 headers", Step::Write(ok(&format!("{}\r\n{{}}", "X: y\r\n".repeat(200)))), Failure(HeadersTooLarge)),
        ("an endless head", Step::WriteForEver(ok(&"X: y\r\n".repeat(500))), Failure(HeadersTooLarge)),
        ("an endless header", Step::WriteAndHang(ok(&format!("X: {}", "y".repeat(500_000)))), Failure(HeadersTooLarge)),
        ("an endless body", Step::WriteForEver(ok(&format!("\r\n{}", " ".repeat(20_000)))), Failure(BodyTooLarge)),
        ("300 KB", Step::answer(200, &" ".repeat(300_000)), Failure(BodyTooLarge)),
        ("a length of gigabytes", Step::WriteAndHang(ok("Content-Length: 9999999999\r\n\r\n{")), Failure(BodyTooLarge)),
        ("a compressed bomb", Step::Write(gzip.concat()), Failure(BodyUnparsable)),
        ("a 204 with a body", Step::Write(bytes("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n{\"a\":")), Empty),
        ("a 200 without a body", Step::answer(200, ""), Empty),
        ("white space", Step::answer(200, " \r\n\t "), Empty),
        ("HTML", Step::answer(200, "<html><body>Sign in</body></html>"), Failure(BodyUnparsable)),
        ("an array", Step::answer(200, "[]"), Failure(BodyUnparsable)),
        ("a text", Step::answer(200, "\"ok\""), Failure(BodyUnparsable)),
        ("cut off JSON", Step::answer(200, "{\"commands\": ["), Failure(BodyUnparsable)),
        ("two objects", Step::answer(200, "{}{}"), Failure(BodyUnparsable)),
        ("deep JSON", Step::answer(200, &format!("{{\"a\":{}", "[".repeat(5_000))), Failure(BodyUnparsable)),
        (
            "not UTF-8",
            Step::Write([ok("Content-Length: 5\r\n\r\n").as_slice(), b"{\"\xff\"}"].concat()),
            Failure(BodyUnparsable),
        ),
    ];
    faults.extend(status_faults());
    faults
}

/// Statuses that carry no answer: they stand whatever becomes of the body.
fn status_faults() -> Vec<(&'static str, Step, Expected)> {
    use Expected::Failure;
    let status = |status: u16, rest: &str| format!("HTTP/1.1 {status} X\r\n{rest}").into_bytes();
    let half = "Content-Length: 9\r\n\r\n{\"a";
    let endless = format!("\r\n{}", " ".repeat(20_000));
    let mut faults = vec![
        ("a 503 with an endless body", Step::WriteForEver(status(503, &endless)), Failure(Status(503))),
        ("a 502 of 300 KB", Step::answer(502, &" ".repeat(300_000)), Failure(Status(502))),
        ("a 401 with a stalled body", Step::WriteAndHang(status(401, half)), Failure(Status(401))),
        ("a 302 with a cut body", Step::WriteAndClose(status(302, half)), Failure(Redirect(302))),
    ];
    for status in [301, 302, 307, 308] {
        let redirect =
            format!("HTTP/1.1 {status} Moved\r\nLocation: http://169.254.169.254/latest/\r\nContent-Length: 0\r\n\r\n");
        faults.push(("a redirect to metadata", Step::Write(redirect.into_bytes()), Failure(Redirect(status))));
    }
    for status in [205, 400, 401, 403, 404, 405, 429, 500, 502, 503, 504] {
        faults.push(("a status", Step::answer(status, "{\"commands\": []}"), Failure(Status(status))));
    }
    faults
}

fn http2_faults() -> Vec<(&'static str, Connection, Expected)> {
    use Expected::{Either, Failure};
    let head = frame(1, 4, 1, &[0x88]);
    let reset = |code: u32| frame(3, 0, 1, &code.to_be_bytes());
    let go_away = |last: u32, code: u32| frame(7, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat());
    let hang = |frames: &[u8]| Connection::Http2 { frames: frames.to_vec(), close: false };
    let close = |frames: &[u8]| Connection::Http2 { frames: frames.to_vec(), close: true };
    let mut faults = vec![
        ("silence", Connection::Hang, Failure(TimeoutResponse)),
        ("settings, then silence", hang(&[]), Failure(TimeoutResponse)),
        ("settings, then the end", close(&[]), Failure(ConnectionReset)),
        (
            "an HTTP/1.1 answer",
            Connection::AnswerAndHang(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_vec()),
            Either(HttpInvalid, ConnectionReset),
        ),
        ("a head, then silence", hang(&head), Failure(TimeoutBody)),
        ("a head, then the end", close(&head), Failure(ConnectionReset)),
        ("half a body, then silence", hang(&[head.clone(), frame(0, 0, 1, b"{")].concat()), Failure(TimeoutBody)),
        (
            "half a body, then a reset",
            hang(&[head.clone(), frame(0, 0, 1, b"{"), reset(2)].concat()),
            Failure(ConnectionReset),
        ),
        (
            "half a body, then GOAWAY and the end",
            close(&[head.clone(), frame(0, 0, 1, b"{"), go_away(1, 2)].concat()),
            Failure(ConnectionReset),
        ),
        ("half a frame, then the end", close(&head[..5]), Either(ConnectionReset, HttpInvalid)),
        ("GOAWAY for all, then silence", hang(&go_away(1, 0)), Either(TimeoutResponse, ConnectionReset)),
        ("GOAWAY that refuses", hang(&go_away(0, 0)), Failure(ConnectionReset)),
        ("GOAWAY with an internal error", close(&go_away(0, 2)), Failure(ConnectionReset)),
        ("GOAWAY: calm down", close(&go_away(0, 11)), Failure(ConnectionReset)),
        ("data before the head", hang(&frame(0, 0, 1, b"{}")), Failure(HttpInvalid)),
        ("data of an idle stream", hang(&frame(0, 0, 7, b"{}")), Failure(HttpInvalid)),
        ("a head of an idle stream", hang(&frame(1, 4, 8, &[0x88])), Failure(HttpInvalid)),
        (
            "headers that do not decode",
            hang(&frame(1, 4, 1, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
            Failure(HttpInvalid),
        ),
        ("a head without a status", hang(&frame(1, 4, 1, &[0x82])), Failure(HttpInvalid)),
        (
            "settings of a wrong size",
            Connection::AnswerAndHang(frame(4, 0, 0, &[1, 2, 3])),
            Either(HttpInvalid, ConnectionReset),
        ),
        ("settings of a stream", Connection::AnswerAndHang(frame(4, 0, 3, &[])), Either(HttpInvalid, ConnectionReset)),
        ("a window that overflows", hang(&frame(8, 0, 0, &0x7fff_ffff_u32.to_be_bytes())), Failure(HttpInvalid)),
        ("a window of nothing", hang(&frame(8, 0, 0, &0_u32.to_be_bytes())), Failure(HttpInvalid)),
        ("a frame that is too large", hang(&frame(0, 0, 1, &[0; 20_000])), Failure(HttpInvalid)),
        ("a ping of a wrong size", hang(&frame(6, 0, 0, &[0; 3])), Failure(HttpInvalid)),
        (
            "a head that goes on for ever",
            hang(&[frame(1, 0, 1, &[0x88]), frame(9, 0, 1, &[0; 8_000]).repeat(400)].concat()),
            Either(HttpInvalid, ConnectionReset),
        ),
    ];
    let not_found = frame(1, 4, 1, &[0x8d]);
    faults.push(("a 404, then silence", hang(&not_found), Failure(Status(404))));
    faults.push(("a 404, then the end", close(&not_found), Failure(Status(404))));
    for (name, code) in [
        ("RST: protocol error", 1),
        ("RST: internal error", 2),
        ("RST: stream closed", 5),
        ("RST: refused", 7),
        ("RST: cancel", 8),
        ("RST: calm down", 11),
        ("RST: HTTP/1.1 required", 13),
    ] {
        faults.push((name, hang(&reset(code)), Failure(ConnectionReset)));
    }
    faults
}

fn tls_faults() -> Vec<(&'static str, Connection, Expected)> {
    use Expected::{Either, Failure};
    let alert = |code: u8| Connection::AnswerAndClose(vec![0x15, 3, 1, 0, 2, 2, code]);
    vec![
        ("silence", Connection::Hang, Failure(TimeoutConnect)),
        ("closed at once", Connection::Close, Either(TlsFailed, ConnectionReset)),
        ("reset at once", Connection::Reset, Either(TlsFailed, ConnectionReset)),
        ("plain HTTP", Connection::AnswerAndClose(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), Failure(TlsFailed)),
        ("an old version", alert(70), Failure(TlsFailed)),
        ("no cipher in common", alert(40), Failure(TlsFailed)),
        ("an internal error", alert(80), Failure(TlsFailed)),
        ("an unknown name", alert(112), Failure(TlsFailed)),
        ("half a handshake", Connection::AnswerAndClose(vec![0x16, 3, 3, 0, 80, 2]), Failure(TlsFailed)),
        (
            "half a handshake, then silence",
            Connection::AnswerAndHang(vec![0x16, 3, 3, 0, 80, 2]),
            Failure(TimeoutConnect),
        ),
        ("garbage", Connection::AnswerForEver(vec![0xaa; 100]), Failure(TlsFailed)),
    ]
}

fn faults() -> Vec<Fault> {
    let mut all = Vec::new();
    let mut add = |name: String, service, expected| all.push(Fault { name, service, expected });
    for (tls, reused) in [(false, false), (false, true), (true, false), (true, true)] {
        for (name, step, expected) in http_faults() {
            add(format!("{name}, TLS {tls}, reused {reused}"), Faulty::Http { step, tls, reused }, expected);
        }
    }
    for (name, connection, expected) in http2_faults() {
        add(format!("HTTP/2: {name}"), Faulty::Http2(connection), expected);
    }
    for (name, connection, expected) in tls_faults() {
        add(format!("TLS: {name}"), Faulty::Tls(connection), expected);
    }
    for (certificate, code) in [
        (Certificate::Expired, TlsCertExpired),
        (Certificate::SelfSigned, TlsCertUntrusted),
        (Certificate::WrongName, TlsCertWrongName),
    ] {
        add(format!("{certificate:?}"), Faulty::Certificate(certificate), Expected::Failure(code));
    }
    add("nobody listens".to_owned(), Faulty::Nobody, Expected::Failure(ConnectionRefused));
    add("the first packet is dropped".to_owned(), Faulty::BlackHole, Expected::Failure(TimeoutConnect));
    let denied = Expected::Failure(FailureCode::EgressDenied(tenterhook_engine::EgressReason::ClosedRange));
    add("a private address".to_owned(), Faulty::Resolves(vec!["10.0.0.1".to_owned()]), denied);
    add("a mixed answer".to_owned(), Faulty::Resolves(vec!["1.1.1.1".to_owned(), "10.0.0.1".to_owned()]), denied);
    all
}

/// One of [`points`], for a test of them all.
trait Point: ExtensionPoint<Context = (), Subject = u8> {
    const HOOK_TYPE: HookType;
    const POINT: Self;
}

/// An extension point whose subject nothing changes: every command is refused.
macro_rules! points {
    ($($name:ident;)*) => {$(
        struct $name;

        impl Point for $name {
            const HOOK_TYPE: HookType = HookType::$name;
            const POINT: Self = Self;
        }

        impl ExtensionPoint for $name {
            type Context = ();
            type Subject = u8;
            type Data<'a> = u8;

            fn description(&self) -> &Description {
                HookType::$name.description()
            }

            fn data<'a>(&self, (): &'a (), subject: &'a u8) -> u8 {
                *subject
            }

            fn interpret(&self, _: &mut u8, _: Answer) -> Result<Vec<Change>, Vec<Problem>> {
                Err(vec![])
            }
        }
    )*};
}

points! { Token; Saml; Registration; PasswordImport; UserImport; Telephony; }

#[derive(Default)]
struct Records(Mutex<Vec<InvocationRecord>>);

impl Recorder for Records {
    fn record(&self, record: InvocationRecord) {
        self.0.lock().unwrap().push(record);
    }
}

fn origin() -> Arc<Origin> {
    Arc::new(Origin {
        org_id: OrgId::from_parts(1, [3; 8]),
        request: RequestContext {
            id: RequestId::from_entropy([9; 16]),
            method: "POST".into(),
            url: UrlValue { value: "https://org.example.com/x".into() },
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

/// What keeps a faulty service running.
enum Running {
    Service(#[expect(dead_code, reason = "it ends when it is dropped")] Service),
    Raw(#[expect(dead_code, reason = "it ends when it is dropped")] RawService),
    BlackHole(#[expect(dead_code, reason = "it ends when it is dropped")] BlackHole),
    Nothing,
}

/// Starts the service: where it is, and how many good answers it gives first.
async fn start(faulty: &Faulty, authority: &Authority) -> (String, Running, usize) {
    match faulty {
        Faulty::Http { step, tls, reused } => {
            let config = tls.then(|| authority.server(Certificate::Good).unwrap());
            let good = reused.then(|| Step::answer(200, "{}"));
            let service = Service::start(good.into_iter().chain([step.clone()]).collect(), config).await.unwrap();
            let (scheme, port) = (if *tls { "https" } else { "http" }, service.address().port());
            (format!("{scheme}://localhost:{port}/"), Running::Service(service), usize::from(*reused))
        }
        Faulty::Certificate(certificate) => {
            let config = authority.server(*certificate).unwrap();
            let service = Service::start(vec![Step::answer(200, "{}")], Some(config)).await.unwrap();
            (format!("https://localhost:{}/", service.address().port()), Running::Service(service), 0)
        }
        Faulty::Http2(connection) => {
            let service = RawService::start(connection.clone()).await.unwrap();
            (format!("http://localhost:{}/", service.address().port()), Running::Raw(service), 0)
        }
        Faulty::Tls(connection) => {
            let service = RawService::start(connection.clone()).await.unwrap();
            (format!("https://localhost:{}/", service.address().port()), Running::Raw(service), 0)
        }
        Faulty::Nobody => {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            (format!("http://localhost:{}/", listener.local_addr().unwrap().port()), Running::Nothing, 0)
        }
        Faulty::BlackHole => {
            let hole = BlackHole::new().await.unwrap();
            (format!("http://localhost:{}/", hole.address().port()), Running::BlackHole(hole), 0)
        }
        Faulty::Resolves(_) => ("https://service.example/".to_owned(), Running::Nothing, 0),
    }
}

/// What all faults share: the authority of the services' certificates, and the transports.
struct Shared {
    authority: Authority,
    http1: HttpTransport,
    http2: HttpTransport,
}

impl Shared {
    fn new() -> Self {
        let authority = Authority::new().unwrap();
        let (http1, http2) = (transport(&authority, false, LOOPBACK), transport(&authority, true, LOOPBACK));
        Self { authority, http1, http2 }
    }

    fn endpoint(&self, faulty: &Faulty, hook: &InlineHook) -> Arc<dyn Endpoint> {
        match faulty {
            Faulty::Resolves(addresses) => {
                let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
                transport(&self.authority, false, &addresses).endpoint(hook, None)
            }
            Faulty::Http2(_) => self.http2.endpoint(hook, None),
            _ => self.http1.endpoint(hook, None),
        }
    }
}

const LOOPBACK: &[&str] = &["127.0.0.1"];

fn transport(authority: &Authority, http2_prior_knowledge: bool, addresses: &[&str]) -> HttpTransport {
    let config = TransportConfig {
        policy: EgressPolicy::default().with_plain_http_to_loopback(),
        extra_ca_pem: vec![authority.pem()],
        http2_prior_knowledge,
        ..TransportConfig::default()
    };
    let resolver = Arc::new(Fixed(addresses.iter().map(|address| (*address).to_owned()).collect()));
    HttpTransport::with_resolver(config, Arc::new(Counting::default()), resolver).unwrap()
}

/// Runs one fault against one type: what is wrong, if anything, and whether it is only the time.
async fn run<P>(fault: &Fault, shared: &Shared) -> Result<(), (String, bool)>
where
    P: Point,
{
    let (uri, running, good_first) = start(&fault.service, &shared.authority).await;
    let breaker = BreakerPolicy { mode: BreakerMode::Off, ..BreakerPolicy::default() };
    let timeout_ms = u32::try_from(TIMEOUT.as_millis()).unwrap();
    let policy = HookPolicy { timeout_ms, breaker, ..HookPolicy::default() };
    let hook = InlineHook { hook_type: P::HOOK_TYPE, policy, ..hook(&uri) };
    let endpoint = shared.endpoint(&fault.service, &hook);
    let records = Arc::new(Records::default());
    let engine = Engine::new(records.clone(), Arc::new(SystemClock), Arc::new(Counting::default()), Limits::default());
    let hook = ReadyHook::new(hook, endpoint);
    let invoke = async |subject: &mut u8| {
        let origin = origin();
        let source = "https://org.example.com/x";
        engine
            .invoke(Invocation { point: &P::POINT, hook: &hook, origin, source, context: &(), subject, deadline: None })
            .await
    };
    let mut subject = 7;
    for _ in 0..good_first {
        if let Outcome::Failed(failure) = invoke(&mut subject).await.outcome {
            return Err((format!("{} ({}): the good answer first: {failure:?}", fault.name, P::HOOK_TYPE), true));
        }
    }
    records.0.lock().unwrap().clear();
    let began = Instant::now();
    let resumption = invoke(&mut subject).await;
    let took = began.elapsed();
    drop(running);

    let description = P::HOOK_TYPE.description();
    let wrong = |what: String| Err((format!("{} ({}): {what}", fault.name, P::HOOK_TYPE), false));
    let (codes, empty) = match fault.expected {
        Expected::Failure(code) => (vec![code], false),
        Expected::Either(one, other) => (vec![one, other], false),
        Expected::Empty => (vec![FailureCode::BodyEmpty], true),
    };
    let attempts = match &resumption.outcome {
        Outcome::Unchanged if empty && description.empty_answer == EmptyAnswer::DefaultAction => 1,
        Outcome::Failed(failure)
            if empty && description.empty_answer == EmptyAnswer::DefaultAction && !failure.code.is_timeout() =>
        {
            return wrong(format!("{failure:?}"));
        }
        Outcome::Failed(failure) if codes.contains(&failure.code) => {
            if failure.code.retryable() && description.retry == Retry::Once { 2 } else { 1 }
        }
        other => {
            // Time that ran out in another phase than it should is lateness too.
            let late = matches!(other, Outcome::Failed(failure) if failure.code.is_timeout());
            return Err((format!("{} ({}): {other:?}, not {:?}", fault.name, P::HOOK_TYPE, fault.expected), late));
        }
    };
    let default = match description.failure {
        _ if matches!(resumption.outcome, Outcome::Unchanged) => Decision::Continue,
        FailureDefault::Continue => Decision::Continue,
        FailureDefault::Stop => Decision::Stop,
        FailureDefault::FallBack => Decision::FallBack,
    };
    let budget = TIMEOUT * if description.retry == Retry::Once { 2 } else { 1 };
    let records = records.0.lock().unwrap();
    let made = records.first().map_or(0, |record| record.attempts.len());
    if records.len() == 1 && made < attempts && took >= budget {
        // A machine that stood still for the whole budget leaves no time for the retry.
        return Err((format!("{} ({}): {made} attempts in {took:?}", fault.name, P::HOOK_TYPE), true));
    }
    let timed_out = |record: &InvocationRecord| {
        record.attempts.iter().flat_map(|attempt| &attempt.failure).any(|failure| failure.code.is_timeout())
    };
    if records.len() == 1 && made > attempts && records.iter().any(timed_out) {
        // Nor does it leave the first attempt the time that the fault takes to be noticed.
        return Err((format!("{} ({}): {made} attempts in {took:?}", fault.name, P::HOOK_TYPE), true));
    }
    if (records.len(), made) != (1, attempts) {
        return wrong(format!("{} records, {made} attempts, not {attempts}", records.len()));
    }
    if resumption.decision != default || subject != 7 {
        return wrong(format!("{:?}, the subject is {subject}", resumption.decision));
    }
    if took > budget + SLACK {
        return Err((format!("{} ({}): {took:?}, the budget is {budget:?}", fault.name, P::HOOK_TYPE), true));
    }
    Ok(())
}

async fn run_for(hook_type: HookType, fault: &Fault, shared: &Shared) -> Result<(), (String, bool)> {
    match hook_type {
        HookType::Token => run::<Token>(fault, shared).await,
        HookType::Saml => run::<Saml>(fault, shared).await,
        HookType::Registration => run::<Registration>(fault, shared).await,
        HookType::PasswordImport => run::<PasswordImport>(fault, shared).await,
        HookType::UserImport => run::<UserImport>(fault, shared).await,
        HookType::Telephony => run::<Telephony>(fault, shared).await,
    }
}

fn open_sockets() -> usize {
    let names = fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
    names.filter(|name| name.to_string_lossy().starts_with("socket:")).count()
}

#[test]
fn whatever_a_service_does_the_outcome_and_the_deadline_hold_and_nothing_leaks() {
    // A runtime of its own, so that its tasks can be counted; other tests of this process may open sockets meanwhile.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let shared = Arc::new(Shared::new());
        let faults: Arc<[Fault]> = faults().into();
        let names: BTreeSet<_> = faults.iter().map(|fault| (&fault.name, format!("{:?}", fault.expected))).collect();
        assert!(faults.len() >= 200 && names.len() >= 200, "{} faults", faults.len());
        let before = open_sockets();
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut running = JoinSet::new();
        for hook_type in HookType::ALL.iter().copied() {
            for number in 0..faults.len() {
                let (faults, shared, places) = (Arc::clone(&faults), Arc::clone(&shared), Arc::clone(&places));
                running.spawn(async move {
                    let _place = places.acquire().await.unwrap();
                    run_for(hook_type, &faults[number], &shared).await.map_err(|wrong| (wrong, hook_type, number))
                });
            }
        }
        let (mut wrong, mut late) = (Vec::new(), Vec::new());
        while let Some(ended) = running.join_next().await {
            match ended.unwrap() {
                Ok(()) => {}
                Err(((text, true), hook_type, number)) => late.push((text, hook_type, number)),
                Err(((text, false), ..)) => wrong.push(text),
            }
        }
        assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
        // Two dozen at once on a busy machine may be late by the machine's doing. One that is late by ours is late alone.
        for (text, hook_type, number) in late {
            let mut again = Err((text, true));
            for _ in 0..5 {
                // What made the machine late a moment ago must be over, or all tries are late for one reason.
                tokio::time::sleep(Duration::from_secs(1)).await;
                again = run_for(hook_type, &faults[number], &shared).await;
                if again.is_ok() {
                    break;
                }
            }
            assert!(again.is_ok(), "{again:?}");
        }
        drop(shared);
        let mut waited = 0;
        loop {
            let (tasks, sockets) = (tokio::runtime::Handle::current().metrics().num_alive_tasks(), open_sockets());
            if tasks == 0 && sockets <= before + 64 {
                break;
            }
            waited += 1;
            assert!(waited < 200, "{tasks} tasks and {sockets} sockets are left, {before} were there before");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
}
