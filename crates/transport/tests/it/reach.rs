//! Who may be called, and whose certificate is believed.

use std::{io, net::SocketAddr, time::Duration};

use tenterhook_contract::hook::explain_host;
use tenterhook_engine::{BoxFuture, CallPhase, Deadline, EgressReason, FailureCode, Progress, Transport as _};
use tenterhook_testkit::{
    pki::{Authority, Certificate},
    service::{Service, Step},
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

use tenterhook_transport::{Resolve, TransportConfig};

use crate::rig::{call, call_until, hook, resolving, strict};

async fn secure(authority: &Authority, certificate: Certificate) -> Service {
    let tls = authority.server(certificate).unwrap();
    Service::start(vec![Step::answer(200, "{}")], Some(tls)).await.unwrap()
}

#[tokio::test]
async fn each_bad_certificate_has_its_code() {
    let authority = Authority::new().unwrap();
    let transport = strict(Some(&authority), &["127.0.0.0/8"], vec!["127.0.0.1"]);
    for (certificate, code) in [
        (Certificate::Good, None),
        (Certificate::Expired, Some(FailureCode::TlsCertExpired)),
        (Certificate::WrongName, Some(FailureCode::TlsCertWrongName)),
        (Certificate::SelfSigned, Some(FailureCode::TlsCertUntrusted)),
    ] {
        let service = secure(&authority, certificate).await;
        let endpoint = transport.endpoint(&hook(&format!("https://localhost:{}/", service.address().port())), None);
        let result = call(&*endpoint).await.result;
        assert_eq!(result.as_ref().err().map(|failure| failure.code), code, "{certificate:?}");
        assert_eq!(service.received().len(), usize::from(code.is_none()), "nothing is sent to {certificate:?}");
    }
    let stranger = strict(None, &["127.0.0.0/8"], vec!["127.0.0.1"]);
    let service = secure(&authority, Certificate::Good).await;
    let endpoint = stranger.endpoint(&hook(&format!("https://localhost:{}/", service.address().port())), None);
    assert_eq!(call(&*endpoint).await.result.unwrap_err().code, FailureCode::TlsCertUntrusted, "an unknown authority");
}

#[tokio::test]
async fn a_closed_address_is_never_dialled_whatever_its_name_or_form() {
    let authority = Authority::new().unwrap();
    let service = secure(&authority, Certificate::Good).await;
    let port = service.address().port();
    for (host, addresses) in [
        ("localhost", vec!["127.0.0.1"]),
        ("127.0.0.1", vec![]),
        ("[::ffff:127.0.0.1]", vec![]),
        ("[::1]", vec![]),
        ("metadata.example", vec!["169.254.169.254"]),
        ("2130706433", vec!["127.0.0.1"]),
        ("0x7f.1", vec!["127.0.0.1"]),
        ("rebind.example", vec!["1.1.1.1", "127.0.0.1"]),
        ("trailing.example.", vec!["10.0.0.1"]),
    ] {
        let transport = strict(Some(&authority), &[], addresses);
        let endpoint = transport.endpoint(&hook(&format!("https://{host}:{port}/")), None);
        let failure = call(&*endpoint).await.result.unwrap_err();
        assert!(matches!(failure.code, FailureCode::EgressDenied(_)), "{host}: {failure}");
    }
    let plain = strict(Some(&authority), &["127.0.0.0/8"], vec!["127.0.0.1"]);
    let failure = call(&*plain.endpoint(&hook(&format!("http://localhost:{port}/")), None)).await.result.unwrap_err();
    assert_eq!(failure.code, FailureCode::EgressDenied(EgressReason::Scheme), "https only, allowed or not");
    assert!(service.received().is_empty());
}

#[tokio::test]
async fn the_vetted_address_is_the_dialled_one() {
    let authority = Authority::new().unwrap();
    let service = secure(&authority, Certificate::Good).await;
    // The name is `localhost`, but only the resolver's answer counts, and that is what the rule names.
    let transport = strict(Some(&authority), &["127.0.0.1/32"], vec!["127.0.0.1"]);
    let endpoint = transport.endpoint(&hook(&format!("https://localhost:{}/", service.address().port())), None);
    assert!(call(&*endpoint).await.result.is_ok());
    let moved = strict(Some(&authority), &["127.0.0.1/32"], vec!["127.0.0.2"]);
    let endpoint = moved.endpoint(&hook(&format!("https://localhost:{}/", service.address().port())), None);
    assert_eq!(call(&*endpoint).await.result.unwrap_err().code, FailureCode::EgressDenied(EgressReason::ClosedRange));
    let nowhere = strict(None, &[], vec![]);
    let failure = call(&*nowhere.endpoint(&hook("https://nowhere.example/"), None)).await.result.unwrap_err();
    assert_eq!(failure.code, FailureCode::EgressDenied(EgressReason::NoAddress), "a name without an address");
}

/// A resolver that knows no name.
struct Unknown;

impl Resolve for Unknown {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async { Err(io::Error::other("no such name")) })
    }
}

/// Names of containers' and other private networks, where they are unknown and where they are not allowed.
#[tokio::test]
async fn a_host_that_only_some_networks_know_explains_itself() {
    let unknown = resolving(TransportConfig::default(), Unknown);
    let private = strict(None, &[], vec!["192.168.65.254"]);
    let none = strict(None, &[], vec![]);
    for host in ["host.docker.internal", "localhost", "claims", "laptop.local", "claims.default.svc.cluster.local"] {
        let why = explain_host(host).unwrap();
        let denied = FailureCode::EgressDenied;
        for (transport, code, what) in [
            (&unknown, FailureCode::DnsFailed, "does not resolve: no such name"),
            (&private, denied(EgressReason::ClosedRange), "has an address that is not public"),
            (&none, denied(EgressReason::NoAddress), "has no address"),
        ] {
            let failure =
                call(&*transport.endpoint(&hook(&format!("https://{host}/")), None)).await.result.unwrap_err();
            assert_eq!(failure.code, code, "{host}");
            assert!(failure.detail.starts_with(&format!("`{host}` {what}")), "{host}: {failure}");
            assert!(failure.detail.ends_with(&format!(". {why}")), "{host}: {failure}");
            assert!(!failure.detail.contains("192.168"), "the address of a name is for the operator: {failure}");
        }
    }
    let failure = call(&*unknown.endpoint(&hook("https://hooks.vendor.com/"), None)).await.result.unwrap_err();
    assert_eq!(failure.detail, "`hooks.vendor.com` does not resolve: no such name");
}

/// Listens on another loopback address with the port of `service`, and leaves further connection attempts without any
/// answer, as a firewall that drops packets does: its queue is full.
async fn blackhole(host: &str, service: &Service) -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    let address = SocketAddr::new(host.parse().unwrap(), service.address().port());
    socket.bind(address).unwrap();
    let listener = socket.listen(1).unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
        queued.push(stream.unwrap());
    }
    (listener, queued)
}

/// RFC 8305 section 5: an address without an answer costs a moment, not the call.
#[tokio::test]
async fn an_address_that_drops_packets_does_not_hide_the_others() {
    let authority = Authority::new().unwrap();
    let service = secure(&authority, Certificate::Good).await;
    let _silent = blackhole("127.0.0.2", &service).await;
    let uri = format!("https://localhost:{}/", service.address().port());
    // Nobody listens at 127.0.0.3: the address after it is tried at once.
    let transport = strict(Some(&authority), &["127.0.0.0/8"], vec!["127.0.0.2", "127.0.0.3", "127.0.0.1"]);
    let endpoint = transport.endpoint(&hook(&uri), None);
    let exchange = call_until(&*endpoint, &Progress::default(), Deadline::after(Duration::from_secs(3))).await.unwrap();
    assert_eq!(exchange.result.unwrap().status, 200);
    let connect = exchange.timings.connect;
    assert!(connect >= Duration::from_millis(250) && connect < Duration::from_secs(3), "{connect:?}");

    let all_fail = strict(Some(&authority), &["127.0.0.0/8"], vec!["127.0.0.3", "127.0.0.4"]);
    let failure = call(&*all_fail.endpoint(&hook(&uri), None)).await.result.unwrap_err();
    assert_eq!(failure.code, FailureCode::ConnectionRefused);
    let none_answers = strict(Some(&authority), &["127.0.0.0/8"], vec!["127.0.0.2", "127.0.0.3"]);
    let (endpoint, progress) = (none_answers.endpoint(&hook(&uri), None), Progress::default());
    let cut_off = call_until(&*endpoint, &progress, Deadline::after(Duration::from_millis(600))).await;
    assert!(cut_off.is_none() && progress.phase() == CallPhase::Connect, "the silent one may still take it");
}
