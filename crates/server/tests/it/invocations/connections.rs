//! The connections of hosts: kept alive, HTTP/2, slow, and gone.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tenterhook_testkit::{rig::ADMIN_TOKEN, wait::until};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};

use super::{POINT, Shop, order, path, with};
use crate::harness::{Behaviour, World};

fn request(world: &World, uri: &str) -> Request<Full<Bytes>> {
    let request = Request::post(uri).header("host", world.address.to_string());
    let request =
        request.header("authorization", format!("SSWS {ADMIN_TOKEN}")).header("content-type", "application/json");
    request.body(Full::new(order().to_string().into())).unwrap()
}

async fn read(response: http::Response<hyper::body::Incoming>) -> (StatusCode, Value) {
    let (head, body) = response.into_parts();
    (head.status, serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap())
}

#[tokio::test]
async fn a_host_asks_again_on_the_same_connection_with_http_1_and_http_2() {
    let shop = Shop::open(json!({})).await;
    let stream = TcpStream::connect(shop.world.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..2 {
        sender.ready().await.unwrap();
        let (status, answer) = read(sender.send_request(request(&shop.world, &path(POINT))).await.unwrap()).await;
        assert_eq!((status.as_u16(), &answer["outcome"]), (200, &json!("APPLIED")));
    }
    let stream = TcpStream::connect(shop.world.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let uri = format!("http://{}{}", shop.world.address, path(POINT));
    let both = [sender.send_request(request(&shop.world, &uri)), sender.send_request(request(&shop.world, &uri))];
    for response in both {
        let (status, answer) = read(response.await.unwrap()).await;
        assert_eq!((status.as_u16(), &answer["outcome"]), (200, &json!("APPLIED")));
    }
    assert_eq!(shop.service.received().len(), 4);
}

/// A question that waits for its hook holds none of the room that bodies have on its connection, so that other requests on it go on.
#[tokio::test]
async fn open_questions_of_a_connection_do_not_make_its_other_requests_wait() {
    const QUESTIONS: usize = 40;
    let shop = Shop::open(json!({ "timeoutMs": 10_000 })).await;
    shop.service.behave(Behaviour::Silent);
    let stream = TcpStream::connect(shop.world.address).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let uri = format!("http://{}{}", shop.world.address, path(POINT));
    let question = with(order(), json!({ "context": { "country": "SE".repeat(4 * 1_024) } })).to_string();
    let _open: Vec<_> = (0..QUESTIONS)
        .map(|_| {
            let (parts, _) = request(&shop.world, &uri).into_parts();
            let asked = Request::from_parts(parts, Full::new(Bytes::from(question.clone())));
            let mut sender = sender.clone();
            tokio::spawn(async move { sender.send_request(asked).await })
        })
        .collect();
    let engine = shop.world.platform.engine();
    until("all are open", || engine.in_flight() == QUESTIONS).await;
    let probe = Request::get(format!("http://{}/api/v1/extensionPoints/{POINT}/health", shop.world.address));
    let probe = probe.header("authorization", format!("SSWS {ADMIN_TOKEN}")).body(Full::default()).unwrap();
    let (status, _) = read(sender.clone().send_request(probe).await.unwrap()).await;
    assert_eq!((status.as_u16(), engine.in_flight()), (200, QUESTIONS));
}

/// The time of a question begins when the head of its request has arrived, so that it is spent by a slow body.
#[tokio::test]
async fn the_deadline_is_spent_while_the_body_arrives() {
    let shop = Shop::open(json!({ "failurePolicy": "stop" })).await;
    let body = with(order(), json!({ "deadlineMs": 1 })).to_string();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: {}\r\nauthorization: SSWS {ADMIN_TOKEN}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n",
        path(POINT),
        shop.world.address,
        body.len()
    );
    let mut stream = TcpStream::connect(shop.world.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server has read the head, and waits for the body.
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    let began = Instant::now();
    until("the deadline has passed", || began.elapsed().as_millis() >= 2).await;
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let answer: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&answer["resume"], &answer["outcome"]), (&json!("STOP"), &json!("SKIPPED")));
    assert_eq!(answer["failure"]["code"], "NO_TIME");
    assert!(shop.service.received().is_empty());
}

/// Nothing is stored for a question but its record, so it ends with its host, and its permits are free for others.
#[tokio::test]
async fn the_question_of_a_host_that_goes_away_ends_with_a_record() {
    let shop = Shop::open(json!({ "timeoutMs": 10_000 })).await;
    shop.service.behave(Behaviour::Silent);
    for suffix in ["", "/batch"] {
        let body = if suffix.is_empty() { order() } else { json!({ "invocations": [order(), order()] }) };
        let calls = if suffix.is_empty() { 1 } else { 2 };
        let before = shop.world.events("inline_hook.executed").await.len();
        let stream = TcpStream::connect(shop.world.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let (parts, _) = request(&shop.world, &format!("{}{suffix}", path(POINT))).into_parts();
        let sent = sender.send_request(Request::from_parts(parts, Full::new(Bytes::from(body.to_string()))));
        let engine = shop.world.platform.engine();
        tokio::select! {
            _ = sent => panic!("the service is silent"),
            () = until("the calls are open", || engine.in_flight() == calls) => {}
        }
        connection.abort();
        until("the calls have ended", || engine.in_flight() == 0).await;
        let events = shop.world.events("inline_hook.executed").await;
        assert_eq!(events.len() - before, calls);
        assert!(events.iter().all(|event| event["outcome"]["reason"] == "ABANDONED"), "{events:?}");
    }
}

#[tokio::test]
async fn a_health_probe_tells_the_state_of_each_hook() {
    let shop = Shop::open(json!({})).await;
    let health = async || {
        let answer = shop.world.api("GET", &format!("/api/v1/extensionPoints/{POINT}/health"), None).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let hook = |enabled: bool, status: &str| {
        json!({
            "inlineHookId": shop.hook, "name": "Discounts", "enabled": enabled, "status": status, "breaker": "CLOSED",
            "capacity": true,
        })
    };
    assert_eq!(health().await, json!({ "status": "UP", "type": POINT, "hooks": [hook(true, "ACTIVE")] }));
    let deactivate = format!("/api/v1/inlineHooks/{}/lifecycle/deactivate", shop.hook);
    assert_eq!(shop.world.api("POST", &deactivate, None).await.status, 200);
    assert_eq!(health().await["hooks"], json!([hook(true, "INACTIVE")]));
    assert_eq!(health().await["status"], "UP", "a hook that is not to be called is no trouble");
    super::bind(&shop.world, POINT, &json!([{ "inlineHookId": shop.hook, "enabled": false }])).await;
    assert_eq!(health().await["hooks"], json!([hook(false, "INACTIVE")]));
    super::bind(&shop.world, POINT, &json!([])).await;
    assert_eq!(health().await, json!({ "status": "UP", "type": POINT, "hooks": [] }));
    assert!(shop.service.received().is_empty(), "nothing is called");
}
