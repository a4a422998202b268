//! What the edge makes of a request before anybody else sees it: its framing, and whom it comes from.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::harness::{Behaviour, Service, World};

/// What the server says to `bytes` until it ends the connection, which it must.
async fn answer(world: &World, bytes: &[u8]) -> String {
    let mut client = TcpStream::connect(world.address).await.unwrap();
    client.write_all(bytes).await.unwrap();
    let mut said = Vec::new();
    let read = tokio::time::timeout(std::time::Duration::from_secs(30), client.read_to_end(&mut said)).await;
    read.unwrap().unwrap();
    String::from_utf8(said).unwrap()
}

#[tokio::test]
async fn a_request_that_can_be_read_in_two_ways_is_refused_and_ends_the_connection() {
    let world = World::start().await;
    for (head, status, cause) in [
        ("GET /healthz HTTP/1.1\r\n", 400, "host: The request has none"),
        ("GET http://a.example/healthz HTTP/1.1\r\n", 400, "host: The request has none"),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\n", 400, "host: The request has more than one"),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\nHost: a\r\n", 400, "host: The request has more than one"),
        ("GET /healthz HTTP/1.0\r\nhost: a\r\nhost: b\r\n", 400, "host: The request has more than one"),
        ("GET /healthz HTTP/1.1\r\nhost: a b\r\n", 400, "host: It is not a host"),
        ("GET /healthz HTTP/1.1\r\nhost: a@b\r\n", 400, "host: It is not a host"),
        ("GET /healthz HTTP/1.1\r\nhost:\r\n", 400, "host: It is not a host"),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\ntransfer-encoding: identity\r\n", 400, ""),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity\r\n", 400, ""),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n", 400, ""),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: gzip\r\n", 400, ""),
        ("GET /healthz HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n", 400, ""),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, chunked\r\n", 400, "stands there twice"),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n", 501, "Only `chunked`"),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n", 501, "Only"),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n", 200, ""),
        ("GET /healthz HTTP/1.1\r\nconnection: close\r\nhost: a\r\ntransfer-encoding: Chunked\r\n", 200, ""),
        ("GET /healthz HTTP/1.1\r\nconnection: close\r\nhost: [::1]:8080\r\n", 200, ""),
        ("GET /healthz HTTP/1.0\r\n", 200, ""),
    ] {
        let said = answer(&world, format!("{head}\r\n0\r\n\r\n").as_bytes()).await;
        assert!(
            said.starts_with(&format!("HTTP/1.1 {status} ")) || said.starts_with(&format!("HTTP/1.0 {status} ")),
            "{head}: {said}"
        );
        assert!(said.contains(cause), "{head}: {said}");
    }
}

/// `system-log.md` section 3, `request.ipChain`; case 07.
#[tokio::test]
async fn a_trusted_proxy_says_whom_a_request_comes_from() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    world.hook(service.address).await;
    let path = format!("/oauth2/{}/v1/token", world.org.authorization_server_id);
    let basic = world.basic();
    for (name, value, chain) in [
        ("x-forwarded-for", "1.2.3.4, 198.51.100.7, ::ffff:127.0.0.9", &["198.51.100.7", "127.0.0.9", "127.0.0.1"][..]),
        ("forwarded", "for=\"[2001:db8::7]:4711\"", &["2001:db8::7", "127.0.0.1"]),
        ("x-real-ip", "198.51.100.7", &["127.0.0.1"]),
    ] {
        let headers =
            [("authorization", basic.as_str()), ("content-type", "application/x-www-form-urlencoded"), (name, value)];
        let form = b"grant_type=client_credentials&scope=orders.read";
        assert_eq!(world.send("POST", &path, &headers, form).await.status, 200, "{name}");
        let document = service.received().pop().unwrap();
        assert_eq!(document["data"]["context"]["request"]["ipAddress"], chain[0], "{name}");
        for event_type in ["inline_hook.response.processed", "app.oauth2.as.token.grant.access_token"] {
            let event = world.events(event_type).await.pop().unwrap();
            assert_eq!(event["client"]["ipAddress"], chain[0], "{name} {event_type}");
            let hops = event["request"]["ipChain"].as_array().unwrap();
            let addresses: Vec<_> = hops.iter().map(|hop| hop["ip"].as_str().unwrap()).collect();
            assert_eq!(addresses, chain, "{name} {event_type}");
            let version = if chain[0].contains(':') { "V6" } else { "V4" };
            assert_eq!(hops[0]["version"], version, "{name} {event_type}");
        }
    }
}

/// RFC 9112 section 9.6: a client that is not told so sends its next request on a connection that is being closed.
#[tokio::test]
async fn an_answer_to_a_body_that_nobody_read_says_whether_the_connection_ends() {
    let world = World::start().await;
    let head = "POST /api/v1/inlineHooks HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n";
    // The rest of the body is still to come.
    let answered = answer(&world, format!("{head}\r\n{{").as_bytes()).await.to_ascii_lowercase();
    assert!(answered.starts_with("http/1.1 401") && answered.contains("connection: close"), "{answered}");
    let answered = answer(&world, format!("{head}expect: 100-continue\r\n\r\n").as_bytes()).await.to_ascii_lowercase();
    assert!(answered.starts_with("http/1.1 401") && answered.contains("connection: close"), "{answered}");
    // It is there as a whole: the next request is answered too.
    let two = format!("{head}\r\n{{}}GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let answered = answer(&world, two.as_bytes()).await.to_ascii_lowercase();
    let statuses = answered.matches("http/1.1 ").count();
    assert_eq!((statuses, answered.matches("connection: close").count()), (2, 1), "{answered}");
}
