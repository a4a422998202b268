//! HTTP/1.1 connections over time: how long one is used again, and what becomes of a request on one that was closed.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use tenterhook_engine::{Endpoint, FailureCode, Progress, Transport as _};
use tenterhook_testkit::{
    service::{Service, Step},
    wait,
};
use tenterhook_transport::{EgressPolicy, Proxy, TransportConfig};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::Instant,
};

use crate::rig::{call, call_with, hook, made, transport};

/// An answer with this further header.
fn answer(header: &str) -> Step {
    Step::Write(format!("HTTP/1.1 200 OK\r\n{header}\r\nContent-Length: 2\r\n\r\n{{}}").into_bytes())
}

/// The connections that the requests came on.
fn connections(service: &Service) -> Vec<usize> {
    service.received().iter().map(|received| received.connection).collect()
}

#[tokio::test]
async fn a_connection_is_used_again_as_long_as_the_service_promises() {
    for (header, wanted) in [
        ("X: y", [0, 0, 0]),
        ("Keep-Alive: timeout=5", [0, 0, 0]),
        ("Keep-Alive: timeout=5, max=1000", [0, 0, 0]),
        ("Keep-Alive: timeout=0", [0, 1, 2]),
        ("Keep-Alive: max=1", [0, 1, 2]),
        ("keep-alive: timeout=5, max=3", [0, 0, 1]),
        ("Connection: close", [0, 1, 2]),
    ] {
        let service = Service::start(vec![answer(header)], None).await.unwrap();
        let endpoint = transport().endpoint(&hook(&format!("http://{}/", service.address())), None);
        for _ in 0..3 {
            let progress = Progress::default();
            assert_eq!(call_with(&*endpoint, &progress).await.result.unwrap().status, 200, "{header}");
            assert_eq!(progress.resends(), 0, "a connection that was not used has carried nothing");
        }
        assert_eq!(connections(&service), wanted, "{header}");
    }
}

#[tokio::test]
async fn a_hook_sets_how_long_its_connections_may_be_idle() {
    for (idle, wanted) in [(Some(0), [0, 1, 2]), (Some(1), [0, 1, 2]), (Some(60_000), [0, 0, 0])] {
        let service = Service::start(vec![Step::answer(200, "{}")], None).await.unwrap();
        let mut hook = hook(&format!("http://{}/", service.address()));
        hook.policy.idle_connection_ms = idle;
        let endpoint = transport().endpoint(&hook, None);
        for _ in 0..3 {
            assert_eq!(call(&*endpoint).await.result.unwrap().status, 200);
            // Longer than the time that nothing is known of a service, shorter than what this hook allows.
            wait::skip(Duration::from_millis(250)).await;
        }
        assert_eq!(connections(&service), wanted, "{idle:?}");
    }
}

/// Nothing is known of a service at first. A connection that it keeps open shows how long it keeps them.
#[tokio::test]
async fn how_long_a_service_keeps_connections_is_found_out() {
    let service = Service::start(vec![Step::answer(200, "{}")], None).await.unwrap();
    let endpoint = transport().endpoint(&hook(&format!("http://{}/", service.address())), None);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        assert_eq!(call(&*endpoint).await.result.unwrap().status, 200);
        if matches!(connections(&service)[..], [.., before, last] if before == last) {
            assert!(began.elapsed() > Duration::from_secs(1), "not before it was seen");
            return;
        }
        wait::skip(Duration::from_millis(250)).await;
    }
    panic!("it was not found out: {:?}", connections(&service));
}

/// A service on a thread of its own, so that its connections end while the runtime sees nothing: it answers one request of
/// each connection and closes it when it is told to.
fn closing() -> (String, mpsc::Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (uri, (answered, streams)) = (format!("http://{}/", listener.local_addr().unwrap()), mpsc::channel());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut read = Vec::new();
            while !read.ends_with(b"{\"x\":1}") {
                let mut bytes = [0; 1_024];
                match stream.read(&mut bytes).unwrap() {
                    0 => break,
                    length => read.extend_from_slice(&bytes[..length]),
                }
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
            if answered.send(stream).is_err() {
                return;
            }
        }
    });
    (uri, streams)
}

/// Whether the connection of a local port has got the end of what its peer sends (the state `CLOSE_WAIT`).
fn is_closed_by_its_peer(port: u16) -> bool {
    let (local, state) = (format!("0100007F:{port:04X}"), "08");
    let connections = fs::read_to_string("/proc/net/tcp").unwrap();
    let mut columns = connections.lines().map(|line| line.split_whitespace().skip(1).step_by(2));
    columns.any(|mut columns| columns.next() == Some(&local) && columns.next() == Some(state))
}

/// Its close has arrived, the runtime has not been told, and the next request is not written.
#[tokio::test]
async fn a_request_is_not_written_on_a_connection_that_the_service_has_closed() {
    let (uri, streams) = closing();
    let endpoint = transport().endpoint(&hook(&uri), None);
    for _ in 0..20 {
        assert_eq!(call(&*endpoint).await.result.unwrap().status, 200);
        // The runtime has one thread, and this is it.
        let stream = streams.recv().unwrap();
        let port = stream.peer_addr().unwrap().port();
        drop(stream);
        wait::until_blocking("the close has arrived", || is_closed_by_its_peer(port));
    }
}

/// A proxy that ends the first connections in the moment in which it has established them. On those that follow it answers.
async fn ending(first: usize) -> Proxy {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = Vec::new();
            while !read.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut read).await.unwrap();
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            // The runtime has one thread: the end is there when the client looks.
            if number >= first {
                while !read.ends_with(b"{\"x\":1}") {
                    stream.read_buf(&mut read).await.unwrap();
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await.unwrap();
            }
        }
    });
    proxy
}

/// Nothing was written on them. Ten times, and not for ever.
#[tokio::test]
async fn a_new_connection_that_ends_before_the_request_is_replaced_up_to_a_bound() {
    for (first, resends, wanted) in [(1, 1, Ok(200)), (10, 10, Ok(200)), (11, 10, Err(FailureCode::ConnectionReset))] {
        let config = TransportConfig {
            policy: EgressPolicy::default().with_plain_http_to_loopback(),
            proxy: Some(ending(first).await),
            ..TransportConfig::default()
        };
        let transport = made(config);
        let (endpoint, progress) = (transport.endpoint(&hook("http://127.0.0.1:9/"), None), Progress::default());
        let result = call_with(&*endpoint, &progress).await.result;
        assert_eq!(result.map(|answer| answer.status).map_err(|failure| failure.code), wanted, "{first}");
        assert_eq!(progress.resends(), resends, "{first}");
    }
}

/// What was written may have been read: a token hook would be called twice.
#[tokio::test]
async fn a_request_that_was_written_is_not_sent_again() {
    let service = Service::start(vec![Step::answer(200, "{}"), Step::WriteAndClose(vec![])], None).await.unwrap();
    let endpoint = transport().endpoint(&hook(&format!("http://{}/", service.address())), None);
    assert_eq!(call(&*endpoint).await.result.unwrap().status, 200);
    let progress = Progress::default();
    let failure = call_with(&*endpoint, &progress).await.result.unwrap_err();
    assert_eq!((failure.code, progress.resends()), (FailureCode::ConnectionReset, 0));
    assert_eq!(connections(&service), [0, 0]);
}

/// The bound of a pool: every connection of a burst has gone, and each is passed over.
#[tokio::test]
async fn all_closed_connections_of_a_burst_are_passed_over() {
    const BURST: usize = 40;
    let (uri, streams) = closing();
    let endpoint = transport().endpoint(&hook(&uri), None);
    let burst: Vec<_> = (0..BURST)
        .map(|_| {
            let endpoint = Arc::clone(&endpoint);
            tokio::spawn(async move { call(&*endpoint as &dyn Endpoint).await.result.unwrap().status })
        })
        .collect();
    for call in burst {
        assert_eq!(call.await.unwrap(), 200);
    }
    let closed = (0..BURST).map(|_| streams.recv_timeout(Duration::from_secs(5)).unwrap()).collect::<Vec<_>>();
    drop(closed);
    assert_eq!(call(&*endpoint).await.result.unwrap().status, 200);
}
