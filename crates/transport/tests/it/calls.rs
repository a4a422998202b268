//! What is sent: `observed.md` section 2, `overview.md` 3.1.

use std::{sync::Arc, time::Duration};

use tenterhook_contract::{
    Timestamp,
    hook::{ChannelAuthentication, ChannelHeader, SigningScheme, SigningSecret},
    id::HookKeyId,
};
use tenterhook_engine::{Deadline, EgressReason, FailureCode, Progress, SystemClock, Transport as _};
use tenterhook_testkit::{
    clock::{Sequence, StandingClock},
    service::{Service, Step},
};
use tenterhook_transport::{EgressPolicy, HttpTransport, TransportConfig};

use crate::rig::{SECRET, call, call_in_trace, call_with, hook, made, transport};

#[tokio::test]
async fn the_request_is_exactly_the_recorded_one() {
    let service = Service::start(vec![Step::answer(200, "{}")], None).await.unwrap();
    let uri = format!("http://{}/hooks/token?tenant=north&x=%20", service.address());
    let progress = Progress::default();
    let exchange = call_with(&*transport().endpoint(&hook(&uri), None), &progress).await;
    assert_eq!(exchange.result.unwrap().body.as_ref(), b"{}");
    let received = service.received().pop().unwrap();
    assert_eq!(received.line, "POST /hooks/token?tenant=north&x=%20 HTTP/1.1", "the URI as registered");
    assert_eq!(received.body, b"{\"x\":1}");
    let address = service.address().to_string();
    let agent = format!("Tenterhook/{}", env!("CARGO_PKG_VERSION"));
    let wanted = [
        ("User-Agent", agent.as_str()),
        ("Accept", "application/json"),
        ("Content-Type", "application/json"),
        ("Cache-Control", "no-cache"),
        ("Pragma", "no-cache"),
        ("Content-Length", "7"),
        ("X-Okta-Request-Id", "09090909090909090909090909090909"),
        ("X-Tenant", "north"),
        ("Authorization", SECRET),
        ("Host", address.as_str()),
    ];
    let wanted: Vec<_> = wanted.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    assert_eq!(received.headers, wanted);
    let sent = progress.sent().unwrap();
    assert!(!format!("{sent:?}").contains("marked-secret"), "a witness sees a mask");
    assert!(sent.headers.iter().any(|(name, value)| name == "authorization" && value == "••••"));
}

/// W3C Trace Context section 3.2: the service gets the host's `traceparent` as it came. A call of another flow has none (see the
/// test above), and a registered header of this name stays.
#[tokio::test]
async fn the_place_of_a_host_in_a_trace_is_sent_with_its_call_alone() {
    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let service = Service::start(vec![Step::answer(200, "{}")], None).await.unwrap();
    let mut hook = hook(&format!("http://{}/", service.address()));
    let given = GIVEN.parse().unwrap();
    let mut sent = Vec::new();
    for registered in [None, Some("registered")] {
        let header = |value: &str| ChannelHeader { key: "TraceParent".into(), value: value.into() };
        hook.channel.headers.extend(registered.map(header));
        let endpoint = transport().endpoint(&hook, None);
        for trace_parent in [Some(&given), None] {
            let until = Deadline::after(Duration::from_secs(10));
            call_in_trace(&*endpoint, trace_parent, &Progress::default(), until).await.unwrap().result.unwrap();
            let received = service.received().pop().unwrap();
            let values = received.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("traceparent"));
            sent.push(values.map(|(_, value)| value.clone()).collect::<Vec<_>>());
        }
    }
    assert_eq!(sent, [vec![GIVEN], vec![], vec!["registered"], vec!["registered"]]);
}

/// `overview.md` 3.1: `key: value`, as registered.
#[tokio::test]
async fn header_names_are_sent_as_they_were_registered() {
    let service = Service::start(vec![Step::answer(200, "{}")], None).await.unwrap();
    let mut hook = hook(&format!("http://{}/", service.address()));
    let names =
        ["X-API-KEY", "x-tenant", "AUTHTOKEN", "SOAPAction", "api_key", "X-Usual", "pragma", "x-twice", "X-TWICE"];
    // What no client can send takes nothing from the others.
    let registered = ["Field 1"].iter().chain(&names).chain(&["Größe"]);
    let header = |key: &&str| ChannelHeader { key: (*key).into(), value: key.len().to_string() };
    hook.channel.headers = registered.map(header).collect();
    hook.channel.authentication = ChannelAuthentication::Header {
        key: "authorization".into(),
        value: tenterhook_contract::Secret::new("Basic x"),
    };
    let endpoint = transport().endpoint(&hook, None);
    for _ in 0..2 {
        call(&*endpoint).await.result.unwrap();
    }
    for received in service.received() {
        let sent: Vec<_> = received.headers.iter().map(|(name, _)| name.as_str()).collect();
        for name in names.iter().chain(&["authorization", "User-Agent", "Content-Length", "X-Okta-Request-Id"]) {
            assert_eq!(sent.iter().filter(|sent| *sent == name).count(), 1, "{name}: {sent:?}");
        }
        assert_eq!(sent.len(), names.len() + 8, "nothing else is changed or added: {sent:?}");
    }
}

/// `Cache-Control` and `Pragma` are sent once, as registered; the request id and the signature are always ours.
#[tokio::test]
async fn a_registered_header_is_sent_once_in_place_of_ours() {
    let service = Service::start(vec![Step::answer(200, "{}")], None).await.unwrap();
    let mut hook = hook(&format!("http://{}/", service.address()));
    let custom =
        ["cache-control", "PRAGMA", "x-okta-request-id", "Webhook-Id", "webhook-timestamp", "webhook-signature"];
    hook.channel.headers = custom.map(|key| ChannelHeader { key: key.into(), value: "theirs".into() }).into();
    hook.signing = vec![SigningSecret::new(SigningScheme::Hmac, [7; 32], Timestamp::from_micros(0))];
    call(&*transport().endpoint(&hook, None)).await;
    let received = service.received().pop().unwrap();
    for (index, key) in custom.iter().enumerate() {
        let sent = received.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(key)).collect::<Vec<_>>();
        assert_eq!(sent.len(), 1, "{key}: {sent:?}");
        assert_eq!(sent[0].1 == "theirs", index < 2, "{key}: {sent:?}");
    }
}

/// `open-questions.md` B11: what no client can send is left out, and nothing else.
#[tokio::test]
async fn a_header_whose_name_cannot_be_sent_is_left_out_and_an_empty_value_is_sent() {
    let service = Service::start(vec![Step::answer(200, "{}")], None).await.unwrap();
    let mut hook = hook(&format!("http://{}/", service.address()));
    let header = |(key, value): (&str, &str)| ChannelHeader { key: key.into(), value: value.into() };
    hook.channel.headers =
        [("Field 1", "x"), ("X-Empty", ""), ("Größe", "x"), ("X-Tenant", "north")].map(header).into();
    let exchange = call(&*transport().endpoint(&hook, None)).await;
    assert!(exchange.result.is_ok(), "{:?}", exchange.result);
    let received = service.received().pop().unwrap();
    let value = |key: &str| {
        let found = received.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!((value("X-Empty"), value("X-Tenant")), (Some(""), Some("north")));
    assert!(value("Field 1").is_none() && !received.headers.iter().any(|(_, value)| value == "x"));
}

#[tokio::test]
async fn the_user_agent_is_a_knob() {
    let service = Service::start(vec![Step::answer(200, "{}")], None).await.unwrap();
    let config = TransportConfig {
        user_agent: Some("Okta-Integrations".into()),
        policy: EgressPolicy::default().with_plain_http_to_loopback(),
        ..TransportConfig::default()
    };
    let transport = made(config);
    call(&*transport.endpoint(&hook(&format!("http://{}/", service.address())), None)).await;
    let received = service.received().pop().unwrap();
    assert!(received.headers.contains(&("User-Agent".into(), "Okta-Integrations".into())));
    let bad = TransportConfig { user_agent: Some("a\nb".into()), ..TransportConfig::default() };
    assert!(HttpTransport::new(bad, Arc::new(SystemClock), Arc::new(Sequence::default())).is_err());
}

#[tokio::test]
async fn a_signature_is_dated_by_the_clock_of_the_transport() {
    let service = Service::start(vec![Step::answer(200, "{}")], None).await.unwrap();
    let policy = EgressPolicy::default().with_plain_http_to_loopback();
    let config = TransportConfig { policy, ..TransportConfig::default() };
    let transport =
        HttpTransport::new(config, Arc::new(StandingClock::default()), Arc::new(Sequence::default())).unwrap();
    let mut hook = hook(&format!("http://{}/", service.address()));
    hook.signing = vec![SigningSecret::new(SigningScheme::Hmac, [7; 32], Timestamp::from_micros(0))];
    call(&*transport.endpoint(&hook, None)).await;
    let received = service.received().pop().unwrap();
    let dated = received.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("webhook-timestamp")).unwrap();
    assert_eq!(dated.1, "1770802215");
}

#[tokio::test]
async fn a_connection_is_used_again_and_only_its_first_call_pays_for_it() {
    let service = Service::start(vec![Step::answer(200, "{}")], None).await.unwrap();
    let endpoint = transport().endpoint(&hook(&format!("http://{}/", service.address())), None);
    let first = call(&*endpoint).await.timings;
    let second = call(&*endpoint).await.timings;
    assert!(first.connect > Duration::ZERO);
    assert_eq!(second.connect, Duration::ZERO);
    let connections: Vec<_> = service.received().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0, 0]);
}

#[tokio::test]
async fn a_connection_that_its_server_has_closed_is_replaced() {
    let close = Step::WriteAndClose(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}".to_vec());
    let service = Service::start(vec![close], None).await.unwrap();
    let endpoint = transport().endpoint(&hook(&format!("http://{}/", service.address())), None);
    for connection in 0..3 {
        assert!(call(&*endpoint).await.result.is_ok());
        assert_eq!(service.received().last().unwrap().connection, connection);
    }
    assert_eq!(service.received().len(), 3, "no request is sent twice");
}

#[tokio::test]
async fn a_channel_that_cannot_be_used_fails_without_a_call() {
    let service = Service::start(vec![Step::answer(200, "{}")], None).await.unwrap();
    let mut oauth = hook(&format!("http://{}/", service.address()));
    oauth.channel.authentication = ChannelAuthentication::OAuth {
        client_id: "c".into(),
        token_url: "https://idp.example/token".into(),
        scope: None,
        credential: tenterhook_contract::hook::ClientCredential::PrivateKeyJwt(HookKeyId::from_parts(1, [0; 8])),
    };
    let failure = call(&*transport().endpoint(&oauth, None)).await.result.unwrap_err();
    assert_eq!(failure.code, FailureCode::ChannelUnusable);
    for (uri, code) in
        [("not a uri", FailureCode::UriInvalid), ("ftp://x.example/", FailureCode::EgressDenied(EgressReason::Scheme))]
    {
        assert_eq!(call(&*transport().endpoint(&hook(uri), None)).await.result.unwrap_err().code, code, "{uri}");
    }
    assert!(service.received().is_empty());
}
