//! Each fault of a service has its code.

use tenterhook_contract::limits::ANSWER_BYTES_MAX;
use tenterhook_engine::{CallPhase, FailureCode, Progress, Transport as _};
use tenterhook_testkit::service::{Service, Step};
use tokio::net::TcpListener;

use crate::rig::{call, call_with, failure_of, hook, transport};

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

#[tokio::test]
async fn every_broken_answer_has_its_code() {
    let head = "HTTP/1.1 200 OK\r\n";
    for (what, step, code) in [
        ("closes before answering", Step::WriteAndClose(vec![]), FailureCode::ConnectionReset),
        ("half a status line", Step::WriteAndClose(bytes("HTTP/1.1 2")), FailureCode::ConnectionReset),
        ("half a header", Step::WriteAndClose(bytes("HTTP/1.1 200 OK\r\nContent-")), FailureCode::ConnectionReset),
        (
            "half a body",
            Step::WriteAndClose(bytes(&format!("{head}Content-Length: 10\r\n\r\n{{"))),
            FailureCode::ConnectionReset,
        ),
        (
            "half a chunk",
            Step::WriteAndClose(bytes(&format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\n{{"))),
            FailureCode::ConnectionReset,
        ),
        (
            "a bad chunk",
            Step::Write(bytes(&format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n"))),
            FailureCode::HttpInvalid,
        ),
        ("garbage", Step::Write(bytes("hello\r\n\r\n")), FailureCode::HttpInvalid),
        ("another protocol", Step::Write(bytes("SSH-2.0-OpenSSH\r\n")), FailureCode::HttpInvalid),
        (
            "two lengths",
            Step::Write(bytes(&format!("{head}Content-Length: 1\r\nContent-Length: 2\r\n\r\n{{}}"))),
            FailureCode::HttpInvalid,
        ),
        (
            "too many headers",
            Step::Write(bytes(&format!("{head}{}\r\n", "X: y\r\n".repeat(200)))),
            FailureCode::HeadersTooLarge,
        ),
        ("a header without end", Step::WriteForEver(bytes(&"x".repeat(1_000))), FailureCode::HttpInvalid),
        (
            "an endless head",
            Step::WriteAndHang(bytes(&format!("{head}X: {}", "x".repeat(500_000)))),
            FailureCode::HeadersTooLarge,
        ),
        (
            "an endless body",
            Step::WriteForEver(bytes(&format!("{head}\r\n{}", "x".repeat(10_000)))),
            FailureCode::BodyTooLarge,
        ),
    ] {
        assert_eq!(failure_of(step).await, code, "{what}");
    }
}

#[tokio::test]
async fn bodies_are_read_up_to_their_bound() {
    for (length, fits) in [(ANSWER_BYTES_MAX, true), (ANSWER_BYTES_MAX + 1, false), (300_000, false)] {
        for chunked in [false, true] {
            let body = "x".repeat(length);
            let step = if chunked {
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                let (first, rest) = body.split_at(1_000);
                let chunks = format!("{head}{:x}\r\n{first}\r\n{:x}\r\n{rest}\r\n0\r\n\r\n", first.len(), rest.len());
                Step::Write(chunks.into_bytes())
            } else {
                Step::answer(200, &body)
            };
            let service = Service::start(vec![step], None).await.unwrap();
            let endpoint = transport().endpoint(&hook(&format!("http://{}/", service.address())), None);
            match call(&*endpoint).await.result {
                Ok(answer) => assert!(fits && answer.body.len() == length, "{length} {chunked}"),
                Err(failure) => assert!(!fits && failure.code == FailureCode::BodyTooLarge, "{length} {chunked}"),
            }
        }
    }
}

/// `open-questions.md` C7: compression is not asked for. What comes compressed all the same is refused by its name.
#[tokio::test]
async fn an_encoded_answer_is_refused_with_its_encoding() {
    let gzip = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0xae, 5, 0, 0x43, 0xbf, 0xa6, 0xa3, 2, 0, 0, 0][..];
    for (status, header, body, refused) in [
        (200, "Content-Encoding: gzip", gzip, Some("`gzip`")),
        (201, "content-encoding: identity, BR", gzip, Some("`BR`")),
        (200, "Content-Encoding: identity", b"{}", None),
        (200, "Content-Encoding: UTF-8", b"{}", None),
        (200, "Content-Encoding: gzip", b"", None),
        (503, "Content-Encoding: gzip", gzip, None),
    ] {
        let head = format!("HTTP/1.1 {status} X\r\n{header}\r\nContent-Length: {}\r\n\r\n", body.len());
        let service = Service::start(vec![Step::Write([head.as_bytes(), body].concat())], None).await.unwrap();
        let endpoint = transport().endpoint(&hook(&format!("http://{}/", service.address())), None);
        match (call(&*endpoint).await.result, refused) {
            (Ok(answer), None) => assert_eq!((answer.status, &answer.body[..]), (status, body), "{header}"),
            (Err(failure), Some(text)) => {
                assert_eq!(failure.code, FailureCode::BodyUnparsable);
                assert!(failure.detail.contains(text), "{header}: {failure}");
            }
            (result, _) => panic!("{header}: {result:?}"),
        }
        let asked = service.received()[0].headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept-encoding"));
        assert!(!asked, "none is asked for");
    }
}

#[tokio::test]
async fn statuses_are_returned_as_they_are_and_redirects_are_not_followed() {
    let target = Service::start(vec![Step::answer(200, "{}")], None).await.unwrap();
    let redirect = format!("HTTP/1.1 307 X\r\nLocation: http://{}/\r\nContent-Length: 0\r\n\r\n", target.address());
    for (step, status) in [
        (Step::Write(redirect.into_bytes()), 307),
        (Step::answer(404, "no"), 404),
        (Step::answer(503, "<html>"), 503),
        (Step::Write(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()), 204),
        (Step::Write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_vec()), 200),
    ] {
        let service = Service::start(vec![step], None).await.unwrap();
        let endpoint = transport().endpoint(&hook(&format!("http://{}/", service.address())), None);
        assert_eq!(call(&*endpoint).await.result.unwrap().status, status);
    }
    assert!(target.received().is_empty());
}

/// Path and query of the target may hold secrets.
#[tokio::test]
async fn a_redirect_says_where_it_leads_without_what_may_be_secret() {
    for (location, wanted) in [
        ("https://login.example/sign-in?token=marked".to_owned(), Some("https://login.example".to_owned())),
        ("https://user:marked@login.example:8443/".to_owned(), Some("https://login.example:8443".to_owned())),
        ("/marked?x".to_owned(), Some("another path of the same host".to_owned())),
        ("marked here".to_owned(), None),
        (format!("https://{}.example/", "x".repeat(500)), Some(format!("https://{}", "x".repeat(112)))),
    ] {
        let redirect = format!("HTTP/1.1 308 X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let service = Service::start(vec![Step::Write(redirect.into_bytes())], None).await.unwrap();
        let endpoint = transport().endpoint(&hook(&format!("http://{}/", service.address())), None);
        let answer = call(&*endpoint).await.result.unwrap();
        assert_eq!(answer.redirects_to, wanted, "{location}");
    }
}

/// `overview.md` 4.3: what carries no answer is judged by its status alone.
#[tokio::test]
async fn a_status_survives_what_becomes_of_its_body() {
    for (what, step, status) in [
        ("endless", Step::WriteForEver(bytes(&format!("HTTP/1.1 503 X\r\n\r\n{}", "x".repeat(10_000)))), 503),
        ("too long", Step::answer(503, &"x".repeat(300_000)), 503),
        ("stalled", Step::WriteAndHang(bytes("HTTP/1.1 401 X\r\nContent-Length: 10\r\n\r\n{")), 401),
        ("cut off", Step::WriteAndClose(bytes("HTTP/1.1 302 X\r\nContent-Length: 10\r\n\r\n{")), 302),
        ("a bad chunk", Step::Write(bytes("HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")), 500),
    ] {
        let service = Service::start(vec![step], None).await.unwrap();
        let endpoint = transport().endpoint(&hook(&format!("http://{}/", service.address())), None);
        let answer = call(&*endpoint).await.result.unwrap();
        assert_eq!(answer.status, status, "{what}");
        assert!(answer.body.len() <= ANSWER_BYTES_MAX, "{what}");
    }
}

#[tokio::test]
async fn nobody_listening_is_a_refused_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let failure = call(&*transport().endpoint(&hook(&format!("http://{address}/")), None)).await.result.unwrap_err();
    assert_eq!(failure.code, FailureCode::ConnectionRefused);
    assert!(!failure.to_string().contains("marked-secret"));
    assert!(failure.detail.contains("In a container this is the container itself"), "{failure}");
    assert!(failure.detail.starts_with(&format!("`{address}` refused")), "{failure}");
}

/// `overview.md` 4.2: whatever it is, the body is read; failures show what it is called.
#[tokio::test]
async fn an_answer_has_the_media_type_that_can_be_shown() {
    let long = format!("text/{}", "x".repeat(60));
    for (content_type, wanted) in [
        ("application/json", Some("application/json")),
        ("text/html; charset=utf-8", Some("text/html")),
        (" text/html ;x=\"y\"", Some("text/html")),
        ("application/vnd.api+json", Some("application/vnd.api+json")),
        ("text/<marked>", None),
        ("", None),
        ("; charset=utf-8", None),
        (&long[..64], Some(&long[..64])),
        (&long, None),
    ] {
        let head = format!("HTTP/1.1 200 X\r\nContent-Type: {content_type}\r\nContent-Length: 2\r\n\r\n{{}}");
        let service = Service::start(vec![Step::Write(head.into_bytes())], None).await.unwrap();
        let endpoint = transport().endpoint(&hook(&format!("http://{}/", service.address())), None);
        assert_eq!(call(&*endpoint).await.result.unwrap().media_type.as_deref(), wanted, "{content_type}");
    }
}

/// The engine reads it when it cuts an attempt off.
#[tokio::test]
async fn progress_tells_how_far_a_silent_service_let_the_call_come() {
    for (step, phase) in [
        (Step::WriteAndHang(vec![]), CallPhase::Wait),
        (Step::WriteAndHang(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{".to_vec()), CallPhase::Receive),
    ] {
        let service = Service::start(vec![step], None).await.unwrap();
        let endpoint = transport().endpoint(&hook(&format!("http://{}/", service.address())), None);
        let progress = Progress::default();
        let reached = async {
            while progress.phase() != phase {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            exchange = call_with(&*endpoint, &progress) => panic!("the service is silent: {exchange:?}"),
            () = reached => {}
        }
    }
}
