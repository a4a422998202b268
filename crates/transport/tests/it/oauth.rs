//! `OAUTH` channels: `overview.md` 3.2, `open-questions.md` C8 and C9.

use std::{net::SocketAddr, sync::Arc};

use tenterhook_contract::{
    Secret,
    hook::{ChannelAuthentication, ClientCredential, InlineHook},
};
use tenterhook_engine::{CallPhase, EgressReason, Endpoint, FailureCode, Progress, Transport as _};
use tenterhook_testkit::service::{Received, Service, Step};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::rig::{call, call_with, hook, strict, transport};

const CLIENT_SECRET: &str = "marked-client-secret";

async fn service(steps: Vec<Step>) -> Service {
    Service::start(steps, None).await.unwrap()
}

fn token(body: &str) -> Step {
    Step::answer(200, body)
}

fn channel(service: &Service, token_url: &str, scope: Option<&str>) -> InlineHook {
    let mut hook = hook(&format!("http://{}/hook", service.address()));
    hook.channel.authentication = ChannelAuthentication::OAuth {
        client_id: "hook caller".into(),
        token_url: token_url.into(),
        scope: scope.map(str::to_owned),
        credential: ClientCredential::SecretPost(Secret::new(CLIENT_SECRET)),
    };
    hook
}

fn endpoint(service: &Service, tokens: &Service) -> Arc<dyn Endpoint> {
    transport().endpoint(&channel(service, &format!("http://{}/token", tokens.address()), Some("hooks.call a")), None)
}

fn header<'a>(received: &'a Received, name: &str) -> Option<&'a str> {
    received.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_sent_with_every_call() {
    let service = service(vec![Step::answer(200, "{}")]).await;
    let tokens = self::service(vec![token(r#"{"access_token":"T1","token_type":"bearer","expires_in":3600.0}"#)]).await;
    let endpoint = endpoint(&service, &tokens);
    for _ in 0..3 {
        assert_eq!(call(&*endpoint).await.result.unwrap().status, 200);
    }
    let asked = tokens.received();
    assert_eq!(asked.len(), 1, "kept");
    assert_eq!(asked[0].line, "POST /token HTTP/1.1");
    assert_eq!(header(&asked[0], "content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(header(&asked[0], "accept"), Some("application/json"));
    assert_eq!(
        String::from_utf8(asked[0].body.clone()).unwrap(),
        format!("grant_type=client_credentials&client_id=hook+caller&client_secret={CLIENT_SECRET}&scope=hooks.call+a")
    );
    assert!(service.received().iter().all(|call| header(call, "authorization") == Some("Bearer T1")));
}

#[tokio::test]
async fn many_calls_wait_for_one_request() {
    let service = service(vec![Step::answer(200, "{}")]).await;
    let tokens = self::service(vec![token(r#"{"access_token":"T1"}"#)]).await;
    let endpoint = endpoint(&service, &tokens);
    let calls = (0..20).map(|_| {
        let endpoint = Arc::clone(&endpoint);
        tokio::spawn(async move { call(&*endpoint).await.result.unwrap().status })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), 200);
    }
    let together = tokens.received().len();
    assert!(together < 20, "{together} requests for 20 calls");
    call(&*endpoint).await.result.unwrap();
    assert_eq!(tokens.received().len(), together + 1, "overview.md 3.2: without expires_in not kept across calls");
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires() {
    let service = service(vec![Step::answer(200, "{}")]).await;
    let steps =
        vec![token(r#"{"access_token":"T1","expires_in":1}"#), token(r#"{"access_token":"T2","expires_in":"3600"}"#)];
    let tokens = self::service(steps).await;
    let endpoint = endpoint(&service, &tokens);
    while service.received().last().and_then(|call| header(call, "authorization").map(str::to_owned)).as_deref()
        != Some("Bearer T2")
    {
        call(&*endpoint).await.result.unwrap();
    }
    assert_eq!(tokens.received().len(), 2, "once in the background, then kept again");
}

#[tokio::test]
async fn a_renewal_that_fails_is_not_tried_again_by_every_call() {
    let service = service(vec![Step::answer(200, "{}")]).await;
    let steps = vec![token(r#"{"access_token":"T1","expires_in":3}"#), Step::answer(503, "busy")];
    let tokens = self::service(steps).await;
    let endpoint = endpoint(&service, &tokens);
    while tokens.received().len() < 2 {
        call(&*endpoint).await.result.unwrap();
    }
    for _ in 0..20 {
        call(&*endpoint).await.result.unwrap();
    }
    assert_eq!(tokens.received().len(), 2, "the old token still holds");
    assert!(service.received().iter().all(|call| header(call, "authorization") == Some("Bearer T1")));
}

#[tokio::test]
async fn a_token_request_without_answer_fails_only_those_whose_time_it_took() {
    let service = service(vec![Step::answer(200, "{}")]).await;
    let tokens = self::service(vec![Step::WriteAndHang(vec![]), token(r#"{"access_token":"T2"}"#)]).await;
    let mut hook = channel(&service, &format!("http://{}/token", tokens.address()), None);
    hook.policy.timeout_ms = 300;
    let endpoint = transport().endpoint(&hook, None);
    let first = {
        let endpoint = Arc::clone(&endpoint);
        tokio::spawn(async move { call(&*endpoint).await.result.unwrap_err().code })
    };
    while tokens.received().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(call(&*endpoint).await.result.unwrap().status, 200, "it asks again when the first request is given up");
    assert_eq!(first.await.unwrap(), FailureCode::TimeoutToken);
    assert_eq!(header(&service.received()[0], "authorization"), Some("Bearer T2"));
}

#[tokio::test]
async fn a_token_that_the_service_refuses_is_forgotten() {
    let service = service(vec![Step::answer(401, "{}"), Step::answer(200, "{}")]).await;
    let steps =
        vec![token(r#"{"access_token":"T1","expires_in":3600}"#), token(r#"{"access_token":"T2","expires_in":3600}"#)];
    let tokens = self::service(steps).await;
    let endpoint = endpoint(&service, &tokens);
    assert_eq!(call(&*endpoint).await.result.unwrap().status, 401, "open-questions.md C9: not tried again");
    assert_eq!(call(&*endpoint).await.result.unwrap().status, 200);
    assert_eq!(header(&service.received()[1], "authorization"), Some("Bearer T2"));
}

/// A service that refuses the token `T1` and takes every other.
async fn refusing_the_first_token() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut read = Vec::new();
                while stream.read_buf(&mut read).await.is_ok_and(|bytes| bytes > 0) {
                    let Some(request) = std::str::from_utf8(&read).ok().filter(|text| text.ends_with("{\"x\":1}"))
                    else {
                        continue;
                    };
                    let status = if request.contains("Bearer T1\r\n") { 401 } else { 200 };
                    let answer = format!("HTTP/1.1 {status} Status\r\nContent-Length: 2\r\n\r\n{{}}");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    read.clear();
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn many_refusals_of_one_token_ask_for_one_new_token() {
    let steps = (1..9).map(|number| token(&format!(r#"{{"access_token":"T{number}","expires_in":3600}}"#)));
    let tokens = service(steps.collect()).await;
    let mut hook = channel(&tokens, &format!("http://{}/token", tokens.address()), None);
    hook.channel.uri = format!("http://{}/hook", refusing_the_first_token().await);
    let endpoint = transport().endpoint(&hook, None);
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let endpoint = Arc::clone(&endpoint);
            tokio::spawn(async move {
                let mut refusals = 0;
                while call(&*endpoint).await.result.unwrap().status == 401 {
                    refusals += 1;
                }
                refusals
            })
        })
        .collect();
    let mut refusals = 0;
    for call in calls {
        refusals += call.await.unwrap();
    }
    assert!(refusals > 1, "{refusals} of 40 calls carried the first token");
    assert_eq!(tokens.received().len(), 2, "the first token and one after it");
}

#[tokio::test]
async fn a_token_that_cannot_be_had_is_a_clear_failure() {
    let service = service(vec![Step::answer(200, "{}")]).await;
    for (step, code, text) in [
        (Step::answer(400, r#"{"error":"invalid_client"}"#), FailureCode::TokenRefused, "HTTP 400: invalid_client"),
        (Step::answer(400, r#"{"error":"<b>no</b>"}"#), FailureCode::TokenRefused, "HTTP 400"),
        (Step::answer(302, ""), FailureCode::TokenRefused, "HTTP 302"),
        (
            Step::Write(
                b"HTTP/1.1 302 X\r\nLocation: https://u:p@login.example/x?secret\r\nContent-Length: 0\r\n\r\n".to_vec(),
            ),
            FailureCode::TokenRefused,
            "HTTP 302, which leads to https://login.example: ",
        ),
        (Step::answer(503, "busy"), FailureCode::TokenFailed, "HTTP 503"),
        (token("<html>"), FailureCode::TokenRefused, "HTML"),
        (token("access_token=t&token_type=bearer"), FailureCode::TokenRefused, "a form"),
        (token(r#"{"access_token":"t","token_type":5}"#), FailureCode::TokenRefused, "`token_type` that is a number"),
        (token(r#"{"token_type":"Bearer"}"#), FailureCode::TokenRefused, "access_token"),
        (token(r#"{"access_token":"","expires_in":3600}"#), FailureCode::TokenRefused, "access_token"),
        (token(r#"{"access_token":" "}"#), FailureCode::TokenRefused, "access_token"),
        (
            Step::Write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b".to_vec()),
            FailureCode::TokenRefused,
            "`gzip`",
        ),
        (token(r#"{"access_token":"x","token_type":"DPoP"}"#), FailureCode::TokenRefused, "Bearer"),
        (token(r#"{"access_token":"a\nb"}"#), FailureCode::TokenRefused, "header value"),
        (Step::WriteAndClose(vec![]), FailureCode::TokenFailed, "closed"),
    ] {
        let tokens = self::service(vec![step.clone()]).await;
        let failure = call(&*endpoint(&service, &tokens)).await.result.unwrap_err();
        assert_eq!(failure.code, code, "{step:?}: {failure}");
        assert!(failure.detail.contains(text), "{step:?}: {failure}");
        assert!(!failure.detail.contains(CLIENT_SECRET) && !failure.detail.contains("<b>"));
    }
    assert!(service.received().is_empty(), "the service is not asked without a token");
    let closed = channel(&service, "http://127.0.0.1:1/token", None);
    assert_eq!(call(&*transport().endpoint(&closed, None)).await.result.unwrap_err().code, FailureCode::TokenFailed);
    let plain = strict(None, &[], vec!["127.0.0.1"]);
    let denied = channel(&service, "https://idp.example/token", None);
    let denied = InlineHook {
        channel: tenterhook_contract::hook::Channel { uri: "https://a.example/".into(), ..denied.channel.clone() },
        ..denied
    };
    let failure = call(&*plain.endpoint(&denied, None)).await.result.unwrap_err();
    assert_eq!(
        failure.code,
        FailureCode::EgressDenied(EgressReason::ClosedRange),
        "token URLs go through the same policy: {failure}"
    );
}

#[tokio::test]
async fn a_silent_token_endpoint_is_told_apart_from_a_silent_service() {
    let service = service(vec![Step::answer(200, "{}")]).await;
    let tokens = self::service(vec![Step::WriteAndHang(vec![])]).await;
    let endpoint = endpoint(&service, &tokens);
    let progress = Progress::default();
    {
        let call = call_with(&*endpoint, &progress);
        tokio::pin!(call);
        while tokens.received().is_empty() {
            tokio::select! {
                _ = &mut call => unreachable!("the token endpoint is silent"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    assert_eq!(progress.phase(), CallPhase::Authenticate, "the engine makes TIMEOUT_TOKEN of it");
    assert!(service.received().is_empty());
}
