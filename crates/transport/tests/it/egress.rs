//! The corpus of attack URLs and resolver answers, against the transport as `tenterhook serve` has it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use serde::Deserialize;
use tenterhook_contract::hook::ChannelAuthentication;
use tenterhook_engine::{Deadline, FailureCode, Progress, Transport as _};
use tenterhook_testkit::{
    pki::{Authority, Certificate},
    service::{Service, Step},
    transports::Addresses,
};
use tenterhook_transport::{HttpTransport, Proxy, TransportConfig};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::rig::{call, call_until, hook, resolving, strict};

#[derive(Deserialize)]
struct Attack {
    why: String,
    url: String,
    resolves_to: Vec<String>,
    expect: String,
}

/// What became of a call: the reason of a refusal, or that an address would have been dialled.
async fn verdict(transport: &HttpTransport, url: &str, as_token_url: bool) -> String {
    let mut hook = hook(url);
    if as_token_url {
        "https://1.1.1.1/".clone_into(&mut hook.channel.uri);
        hook.channel.authentication = ChannelAuthentication::OAuth {
            client_id: "c".to_owned(),
            token_url: url.to_owned(),
            scope: None,
            credential: tenterhook_contract::hook::ClientCredential::SecretPost(tenterhook_contract::Secret::new("s")),
        };
    }
    // An address that is allowed is dialled; whether anybody answers is none of this test's business.
    let deadline = Deadline::after(Duration::from_millis(40));
    match call_until(&*transport.endpoint(&hook, None), &Progress::default(), deadline).await {
        None => "ALLOWED".to_owned(),
        Some(exchange) => match exchange.result.unwrap_err().code {
            FailureCode::EgressDenied(reason) => reason.code().to_owned(),
            FailureCode::UriInvalid => "URI_INVALID".to_owned(),
            _ => "ALLOWED".to_owned(),
        },
    }
}

#[tokio::test]
async fn every_attack_of_the_corpus_is_refused_for_its_reason() {
    let corpus: Vec<Attack> = serde_json::from_str(include_str!("egress-corpus.json")).unwrap();
    assert!(corpus.len() > 100);
    let mut wrong = Vec::new();
    for attack in &corpus {
        let addresses: Vec<&str> = attack.resolves_to.iter().map(String::as_str).collect();
        for as_token_url in [false, true] {
            let transport = strict(None, &[], addresses.clone());
            let verdict = verdict(&transport, &attack.url, as_token_url).await;
            if verdict != attack.expect {
                let Attack { why, url, expect, .. } = attack;
                wrong.push(format!("{url:?} ({why}), token URL {as_token_url}: {verdict}, not {expect}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A subscriber that keeps what is logged.
#[derive(Clone, Default)]
struct Logged(Arc<std::sync::Mutex<String>>);

impl tracing::Subscriber for Logged {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = self.0.lock().unwrap();
        event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            std::fmt::Write::write_fmt(&mut *text, format_args!("{field}={value:?} ")).unwrap();
        });
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// Who registers hooks is told that the address is not public, not which it is: the operator's log has that.
#[tokio::test]
async fn the_address_behind_a_name_is_for_the_operator_only() {
    let logged = Logged::default();
    let _guard = tracing::subscriber::set_default(logged.clone());
    let config = |deny: &str| TransportConfig {
        policy: tenterhook_transport::EgressPolicy::new(vec![], vec![deny.parse().unwrap()]),
        ..TransportConfig::default()
    };
    for (deny, host, address, told) in [
        ("9.9.9.9", "a.example", "10.20.30.40", "`a.example` has an address that is not public"),
        ("9.9.9.0/24", "b.example", "9.9.9.9", "`b.example` is denied by a rule of the egress policy"),
        ("9.9.9.9", "10.20.30.41", "10.20.30.41", "`10.20.30.41` is private"),
        ("9.9.9.9", "[fd00::1]", "fd00::1", "`fd00::1` is unique local"),
    ] {
        let transport = resolving(config(deny), Addresses(vec![address.to_owned()]));
        // Another test may have made the first refusal, without a log.
        tracing::callsite::rebuild_interest_cache();
        let failure = call(&*transport.endpoint(&hook(&format!("https://{host}/")), None)).await.result.unwrap_err();
        assert!(failure.detail.starts_with(told), "{failure}");
        let named = host.contains(address);
        assert_eq!(failure.detail.contains(address), named, "{failure}");
        assert!(!failure.detail.contains("/24"), "{failure}");
        let text = std::mem::take(&mut *logged.0.lock().unwrap());
        assert!(text.contains("egress.denied") && text.contains(address), "the operator's log: {text}");
        assert!(!host.starts_with('b') || text.contains("9.9.9.0/24"), "{text}");
    }
}

/// A resolver that answers differently each time cannot move the call: the address that was judged is dialled.
#[tokio::test]
async fn a_name_that_moves_after_it_was_judged_is_judged_again() {
    struct Rebinding(std::sync::atomic::AtomicUsize);
    impl tenterhook_transport::Resolve for Rebinding {
        fn resolve<'a>(
            &'a self,
            _: &'a str,
            port: u16,
        ) -> tenterhook_engine::BoxFuture<'a, std::io::Result<Vec<SocketAddr>>> {
            let first = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
            let ip = if first { [127, 0, 0, 1] } else { [169, 254, 169, 254] };
            Box::pin(async move { Ok(vec![SocketAddr::from((ip, port))]) })
        }
    }
    let authority = Authority::new().unwrap();
    let close = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}".to_vec();
    let tls = authority.server(Certificate::Good).unwrap();
    let service = Service::start(vec![Step::WriteAndClose(close)], Some(tls)).await.unwrap();
    let config = TransportConfig {
        policy: tenterhook_transport::EgressPolicy::new(vec!["127.0.0.0/8".parse().unwrap()], vec![]),
        extra_ca_pem: vec![authority.pem()],
        ..TransportConfig::default()
    };
    let transport = resolving(config, Rebinding(0.into()));
    let endpoint = transport.endpoint(&hook(&format!("https://localhost:{}/", service.address().port())), None);
    assert!(call(&*endpoint).await.result.is_ok());
    let failure = call(&*endpoint).await.result.unwrap_err();
    assert_eq!(failure.code, FailureCode::EgressDenied(tenterhook_engine::EgressReason::ClosedRange));
}

/// A proxy that notes what it is asked for, and refuses the first requests.
async fn proxy(refusals: usize) -> (SocketAddr, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = tokio::spawn(async move {
        let mut lines: Vec<String> = Vec::new();
        for number in 0..=refusals {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            lines.extend(head.lines().map(ToOwned::to_owned));
            if number < refusals {
                client.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await.unwrap();
                continue;
            }
            let mut upstream = TcpStream::connect(head.split(' ').nth(1).unwrap()).await.unwrap();
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            tokio::io::copy_bidirectional(&mut client, &mut upstream).await.ok();
        }
        lines
    });
    (address, asked)
}

fn proxied(authority: &Authority, proxy: &str, allow: &[&str], answers: &[&str]) -> HttpTransport {
    let config = TransportConfig {
        policy: tenterhook_transport::EgressPolicy::new(
            allow.iter().map(|rule| rule.parse().unwrap()).collect(),
            vec![],
        ),
        proxy: Some(proxy.parse().unwrap()),
        extra_ca_pem: vec![authority.pem()],
        ..TransportConfig::default()
    };
    resolving(config, Addresses(answers.iter().map(ToString::to_string).collect()))
}

#[tokio::test]
async fn a_proxy_is_asked_for_the_vetted_address_and_only_for_that() {
    let authority = Authority::new().unwrap();
    let tls = authority.server(Certificate::Good).unwrap();
    let close = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}".to_vec();
    let service = Service::start(vec![Step::WriteAndClose(close.clone())], Some(tls.clone())).await.unwrap();
    let port = service.address().port();
    let uri = format!("https://localhost:{port}/");

    let (address, asked) = proxy(0).await;
    let transport = proxied(&authority, &format!("http://user:marked@{address}"), &["127.0.0.0/8"], &["127.0.0.1"]);
    let exchange = call(&*transport.endpoint(&hook(&uri), None)).await;
    assert_eq!(exchange.result.unwrap().status, 200, "TLS ends at the service, not at the proxy");
    drop(transport);
    let asked = asked.await.unwrap();
    assert_eq!(asked[0], format!("CONNECT 127.0.0.1:{port} HTTP/1.1"));
    let authorization = asked.iter().find_map(|line| line.strip_prefix("Proxy-Authorization: "));
    assert_eq!(authorization, Some("Basic dXNlcjptYXJrZWQ="), "{asked:?}");

    let service = Service::start(vec![Step::WriteAndClose(close)], Some(tls)).await.unwrap();
    let port = service.address().port();
    let (address, asked) = proxy(1).await;
    let transport = proxied(&authority, &format!("http://{address}"), &["127.0.0.0/8"], &["127.0.0.2", "127.0.0.1"]);
    let exchange = call(&*transport.endpoint(&hook(&format!("https://localhost:{port}/")), None)).await;
    assert_eq!(exchange.result.unwrap().status, 200, "the next address, when the proxy does not reach the first");
    drop(transport);
    let asked = asked.await.unwrap();
    let asked: Vec<_> = asked.iter().filter(|line| line.starts_with("CONNECT")).collect();
    let connect = |host: &str| format!("CONNECT {host}:{port} HTTP/1.1");
    assert_eq!(asked, [&connect("127.0.0.2"), &connect("127.0.0.1")]);

    let (address, _) = proxy(0).await;
    let closed = proxied(&authority, &format!("http://{address}"), &[], &["127.0.0.1"]);
    let failure = call(&*closed.endpoint(&hook(&uri), None)).await.result.unwrap_err();
    assert_eq!(failure.code, FailureCode::EgressDenied(tenterhook_engine::EgressReason::ClosedRange));

    let (address, _) = proxy(1).await;
    let refusing = proxied(&authority, &format!("http://user:marked@{address}"), &["127.0.0.0/8"], &["127.0.0.1"]);
    let failure = call(&*refusing.endpoint(&hook(&uri), None)).await.result.unwrap_err();
    assert_eq!(failure.code, FailureCode::ProxyFailed);
    assert!(!format!("{failure:?}").contains("marked"), "{failure:?}");
}

#[test]
fn a_proxy_shows_no_credentials_and_a_text_that_is_none_is_refused() {
    let proxy: Proxy = "http://user:marked@proxy.example:3128".parse().unwrap();
    assert!(!format!("{proxy} {proxy:?}").contains("marked"));
    for text in ["proxy.example:3128", "https://proxy.example:3128", "http://proxy.example", "http://", "http://a b:1"]
    {
        assert!(text.parse::<Proxy>().is_err(), "{text}");
    }
}

/// A proxy that drops what it sends to an address tells nothing: the next address is asked for beside it.
#[tokio::test]
async fn a_proxy_that_does_not_answer_is_asked_for_the_next_address() {
    let authority = Authority::new().unwrap();
    let tls = authority.server(Certificate::Good).unwrap();
    let service = Service::start(vec![Step::answer(200, "{}")], Some(tls)).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (_silent, _) = listener.accept().await.unwrap();
        let (mut client, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        let target = String::from_utf8(head).unwrap().split(' ').nth(1).unwrap().to_owned();
        let mut upstream = TcpStream::connect(target).await.unwrap();
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        tokio::io::copy_bidirectional(&mut client, &mut upstream).await.ok();
    });
    let answers = ["127.0.0.2", "127.0.0.1"];
    let transport = proxied(&authority, &format!("http://{address}"), &["127.0.0.0/8"], &answers);
    let endpoint = transport.endpoint(&hook(&format!("https://localhost:{}/", service.address().port())), None);
    let exchange = call_until(&*endpoint, &Progress::default(), Deadline::after(Duration::from_secs(3))).await;
    assert_eq!(exchange.unwrap().result.unwrap().status, 200);
}
