//! Clients that send nothing, or not all, hold no place for ever.

use std::time::Duration;

use tenterhook_server::ServerLimits;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{ADMIN_TOKEN, World};

/// Far longer than the limits of [`impatient`] are.
const LONG: Duration = Duration::from_secs(10);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An empty SETTINGS frame (RFC 9113 section 6.5).
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// One place, and little patience.
async fn impatient() -> World {
    let short = Duration::from_millis(100);
    World::with_limits(ServerLimits {
        connections_max: 1,
        header_timeout: short,
        body_timeout: short,
        ping_interval: short,
        ping_timeout: short,
        ..ServerLimits::default()
    })
    .await
}

/// Everything that the server says to `bytes`, which must end.
async fn answer(world: &World, bytes: &[u8]) -> Vec<u8> {
    let mut client = TcpStream::connect(world.address).await.unwrap();
    client.write_all(bytes).await.unwrap();
    let mut said = Vec::new();
    // A connection that is reset has ended too.
    let _ = timeout(LONG, client.read_to_end(&mut said)).await.unwrap();
    said
}

#[tokio::test]
async fn a_connection_that_does_not_get_on_gives_its_place_back() {
    let world = impatient().await;
    let idle = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    let idle_http2 = [PREFACE, SETTINGS].concat();
    for bytes in [b"".as_slice(), b"P", b"PRI * HTTP/2.0", b"GET / HTTP/1.1\r\n", idle, PREFACE, &idle_http2] {
        answer(&world, bytes).await;
        let healthy = timeout(LONG, world.send("GET", "/healthz", &[], b"")).await;
        assert_eq!(healthy.unwrap().status, 200, "after {:?}", String::from_utf8_lossy(bytes));
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_and_ends_the_connection() {
    let world = impatient().await;
    let (host, server) = (world.address, &world.org.authorization_server_id);
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let json = format!("content-type: application/json\r\nauthorization: SSWS {ADMIN_TOKEN}\r\n");
    for (path, headers, status, text) in [
        ("/api/v1/inlineHooks".to_owned(), json.as_str(), "408", "E0000003"),
        (format!("/oauth2/{server}/v1/token"), form, "400", "\"invalid_request\""),
        (format!("/oauth2/{server}/v1/authorize"), form, "400", "did not arrive in time"),
        (format!("/oauth2/{server}/v1/authorize/sign-in"), form, "400", "did not arrive in time"),
    ] {
        let head = format!("POST {path} HTTP/1.1\r\nhost: {host}\r\n{headers}content-length: 100\r\n\r\n");
        for sent in ["", "{"] {
            let said = answer(&world, format!("{head}{sent}").as_bytes()).await;
            let said = String::from_utf8(said).unwrap();
            assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {said}");
            assert!(said.contains(text) && said.contains("did not arrive in time"), "{path}: {said}");
        }
    }
}

#[tokio::test]
async fn an_http2_client_that_answers_pings_is_kept() {
    let world = impatient().await;
    let mut client = TcpStream::connect(world.address).await.unwrap();
    client.write_all(&[PREFACE, SETTINGS].concat()).await.unwrap();
    let mut pings = 0;
    while pings < 5 {
        let mut head = [0; 9];
        timeout(LONG, client.read_exact(&mut head)).await.unwrap().unwrap();
        let [_, high, low, kind, flags, ..] = head;
        let mut payload = vec![0; usize::from(u16::from_be_bytes([high, low]))];
        client.read_exact(&mut payload).await.unwrap();
        // PING, and not an acknowledgement (RFC 9113 section 6.7).
        if (kind, flags) == (6, 0) {
            pings += 1;
            client.write_all(&[&[0, 0, 8, 6, 1, 0, 0, 0, 0], payload.as_slice()].concat()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_body_that_does_not_get_on_gives_back_what_it_holds_when_all_is_used_up() {
    let world = World::with_limits(ServerLimits {
        bodies_bytes_max: 1_000,
        body_timeout: LONG * 360,
        body_progress_timeout: Duration::from_millis(50),
        ..ServerLimits::default()
    })
    .await;
    let (host, server) = (world.address, &world.org.authorization_server_id);
    let head = format!("POST /oauth2/{server}/v1/introspect HTTP/1.1\r\nhost: {host}\r\n");
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let stalled = format!("{head}{form}content-length: 5000\r\n\r\ntoken={}", "x".repeat(2_000));
    let said = answer(&world, stalled.as_bytes()).await;
    assert!(said.starts_with(b"HTTP/1.1 4"), "{:?}", String::from_utf8_lossy(&said));
    let whole = format!("{head}{form}connection: close\r\ncontent-length: 7\r\n\r\ntoken=x");
    let said = answer(&world, whole.as_bytes()).await;
    assert!(said.starts_with(b"HTTP/1.1 401"), "{:?}", String::from_utf8_lossy(&said));
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_refused_before_it_comes() {
    let world = World::with_limits(ServerLimits { body_timeout: LONG * 360, ..ServerLimits::default() }).await;
    let (host, server) = (world.address, &world.org.authorization_server_id);
    let form = "content-type: application/x-www-form-urlencoded\r\ncontent-length: 9000000\r\n\r\n";
    let said =
        answer(&world, format!("POST /oauth2/{server}/v1/introspect HTTP/1.1\r\nhost: {host}\r\n{form}").as_bytes())
            .await;
    assert!(said.starts_with(b"HTTP/1.1 4"), "{:?}", String::from_utf8_lossy(&said));
}
