//! Everything that an external service can do wrong, and how an invocation must end then (`overview.md` sections 4 and 6).

use std::{io, sync::Arc, time::Duration};

use tenterhook_contract::{
    BuiltInType, EmptyAnswer, FailureDefault, Retry,
    hook::{BreakerMode, BreakerPolicy, HookPolicy, InlineHook},
};
use tenterhook_engine::{
    CallPhase, Clock, Decision, EgressReason, Endpoint, Engine, Entropy, FailureCode, Invocation, InvocationRecord,
    Outcome, ReadyHook, Resumption,
};

use crate::{
    hook::hook,
    origin::origin,
    pki::{Authority, Certificate},
    point::Numbers,
    raw::{BlackHole, Connection, RawService, frame},
    records::Records,
    service::{Service, Step},
};

/// What a service does, and what an invocation must come to.
pub struct Fault {
    /// What it is called.
    pub name: String,
    /// What the service does.
    pub service: Faulty,
    /// How an invocation must end.
    pub expected: Expected,
}

/// A service that does something wrong.
#[derive(Clone)]
pub enum Faulty {
    /// It speaks HTTP/1.1.
    Http {
        /// What it does with the request.
        step: Step,
        /// Over TLS.
        tls: bool,
        /// On a connection that has served a good answer before.
        reused: bool,
    },
    /// HTTP/2 frames, or bytes that are no frames.
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

/// How an invocation must end.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// This failure.
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
            Step::WriteForEver(bytes("HTTP/1.1 103 Early Hints\r\n\r\n").repeat(10)),
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
        ("half a frame, then the end", close(head.get(..5).unwrap_or_default()), Either(ConnectionReset, HttpInvalid)),
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

/// Every fault, over every kind of connection.
pub fn faults() -> Vec<Fault> {
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
    let denied = Expected::Failure(FailureCode::EgressDenied(EgressReason::ClosedRange));
    add("a private address".to_owned(), Faulty::Resolves(vec!["10.0.0.1".to_owned()]), denied);
    add("a mixed answer".to_owned(), Faulty::Resolves(vec!["1.1.1.1".to_owned(), "10.0.0.1".to_owned()]), denied);
    all
}

/// A faulty service that runs; it ends when this is dropped.
enum Running {
    Service(Service),
    Raw(RawService),
    BlackHole(#[expect(dead_code, reason = "it ends when it is dropped")] BlackHole),
    Nothing,
}

impl Faulty {
    /// Starts the service: where it is.
    async fn start(&self, authority: &Authority) -> io::Result<(String, Running)> {
        let at = |scheme: &str, port: u16| format!("{scheme}://localhost:{port}/");
        Ok(match self {
            Self::Http { step, tls, reused } => {
                let config = tls.then(|| authority.server(Certificate::Good)).transpose().map_err(io::Error::other)?;
                let good = reused.then(|| Step::answer(200, "{}"));
                let service = Service::start(good.into_iter().chain([step.clone()]).collect(), config).await?;
                (at(if *tls { "https" } else { "http" }, service.address().port()), Running::Service(service))
            }
            Self::Certificate(certificate) => {
                let config = authority.server(*certificate).map_err(io::Error::other)?;
                let service = Service::start(vec![Step::answer(200, "{}")], Some(config)).await?;
                (at("https", service.address().port()), Running::Service(service))
            }
            Self::Http2(connection) | Self::Tls(connection) => {
                let service = RawService::start(connection.clone()).await?;
                let scheme = if matches!(self, Self::Tls(_)) { "https" } else { "http" };
                (at(scheme, service.address().port()), Running::Raw(service))
            }
            Self::Nobody => {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
                (at("http", listener.local_addr()?.port()), Running::Nothing)
            }
            Self::BlackHole => {
                let hole = BlackHole::new().await?;
                (at("http", hole.address().port()), Running::BlackHole(hole))
            }
            Self::Resolves(_) => ("https://service.example/".to_owned(), Running::Nothing),
        })
    }
}

impl Fault {
    /// The phase in which a call stands until its time is up, where it ends by time alone.
    pub fn stands_in(&self) -> Option<CallPhase> {
        let (Expected::Failure(code) | Expected::Either(code, _)) = self.expected else { return None };
        match code {
            TimeoutConnect => Some(CallPhase::Connect),
            TimeoutResponse => Some(CallPhase::Wait),
            TimeoutBody => Some(CallPhase::Receive),
            _ => None,
        }
    }
}

/// A fault and a hook of one type on it, with an engine of its own.
pub struct Case<'a> {
    fault: &'a Fault,
    hook_type: BuiltInType,
    running: Running,
    engine: Engine,
    hook: ReadyHook,
    records: Arc<Records>,
    timeout: Duration,
}

/// The budget of an attempt, and where time and randomness come from.
pub struct Means {
    /// The hook's timeout.
    pub timeout: Duration,
    /// The engine's clock.
    pub clock: Arc<dyn Clock>,
    /// The engine's randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl<'a> Case<'a> {
    /// Starts the service and makes a hook of this type, whose `endpoint` calls it. Where the fault wants a used connection,
    /// the service has given a good answer.
    ///
    /// # Errors
    /// When the service cannot be started, or when the good answer is none.
    pub async fn start(
        fault: &'a Fault,
        hook_type: BuiltInType,
        authority: &Authority,
        means: Means,
        endpoint: impl FnOnce(&InlineHook) -> Arc<dyn Endpoint>,
    ) -> io::Result<Self> {
        let (uri, running) = fault.service.start(authority).await?;
        let Means { timeout, clock, entropy } = means;
        let breaker = BreakerPolicy { mode: BreakerMode::Off, ..BreakerPolicy::default() };
        let timeout_ms = u32::try_from(timeout.as_millis()).map_err(io::Error::other)?;
        let policy = HookPolicy { timeout_ms, breaker, ..HookPolicy::default() };
        let hook = InlineHook { policy, ..hook(hook_type, &uri) };
        let endpoint = endpoint(&hook);
        let records = Arc::new(Records::default());
        let engine = Engine::builder().recorder(Arc::clone(&records) as _).clock(clock).entropy(entropy).build();
        let hook = ReadyHook::new(hook, hook_type.kind().clone(), endpoint);
        let case = Self { fault, hook_type, running, engine, hook, records, timeout };
        if matches!(fault.service, Faulty::Http { reused: true, .. }) {
            let outcome = case.invoke().await.0.outcome;
            case.records.take();
            if let Outcome::Failed(failure) = outcome {
                return Err(io::Error::other(format!("the good answer first: {failure:?}")));
            }
        }
        Ok(case)
    }

    /// Invokes the hook: how the flow resumes, and with which number. It gave 7.
    pub async fn invoke(&self) -> (Resumption, i64) {
        let mut subject = 7;
        let invocation = Invocation {
            point: &Numbers(self.hook_type),
            hook: &self.hook,
            origin: origin(),
            source: "https://org.example.com/x",
            context: &(),
            subject: &mut subject,
            deadline: None,
        };
        (self.engine.invoke(invocation).await, subject)
    }

    /// Whether the service has done on some connection all that it ever does, so that only time goes on.
    pub fn service_stands(&self) -> bool {
        match &self.running {
            Running::Service(service) => service.stands(),
            Running::Raw(service) => service.stands(),
            Running::BlackHole(_) | Running::Nothing => true,
        }
    }

    /// The budget of the invocation.
    pub fn budget(&self) -> Duration {
        self.timeout * if self.hook_type.description().retry == Retry::Once { 2 } else { 1 }
    }

    /// What is wrong with how an invocation ended, when anything is: the outcome, the number of attempts, the decision, the
    /// subject, the records.
    pub fn judge(&self, (resumption, subject): (&Resumption, i64)) -> Result<(), String> {
        let description = self.hook_type.description();
        let wrong = |what: String| Err(format!("{} ({}): {what}", self.fault.name, self.hook_type));
        let (codes, empty) = match self.fault.expected {
            Expected::Failure(code) => (vec![code], false),
            Expected::Either(one, other) => (vec![one, other], false),
            Expected::Empty => (vec![FailureCode::BodyEmpty], true),
        };
        let means_default = empty && description.empty_answer == EmptyAnswer::DefaultAction;
        let attempts = match &resumption.outcome {
            Outcome::Unchanged if means_default => 1,
            Outcome::Failed(failure) if !means_default && codes.contains(&failure.code) => {
                if failure.code.retryable() && description.retry == Retry::Once { 2 } else { 1 }
            }
            other => return wrong(format!("{other:?}, not {:?}", self.fault.expected)),
        };
        let default = match description.failure {
            _ if matches!(resumption.outcome, Outcome::Unchanged) => Decision::Continue,
            FailureDefault::Continue => Decision::Continue,
            FailureDefault::Stop => Decision::Stop,
            FailureDefault::FallBack => Decision::FallBack,
        };
        let records = self.records.take();
        let made: Vec<_> = records.iter().map(|record: &InvocationRecord| record.attempts.len()).collect();
        if made != [attempts] {
            return wrong(format!("the records have {made:?} attempts, not one of {attempts}"));
        }
        if resumption.decision != default || subject != 7 {
            return wrong(format!("{:?}, the subject is {subject}", resumption.decision));
        }
        Ok(())
    }
}
