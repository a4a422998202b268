//! The operator's providers: their order and time, phones with an extension, and what an endpoint is to the orgs that use it.

use tenterhook_contract::hook::BreakerPolicy;
use tenterhook_engine::BreakerState;
use tenterhook_platform::telephony::OperatorEndpoint;
use tokio::time::Instant;

use super::*;

/// An endpoint of the operator at a scripted service, as one of so many providers.
fn endpoint(service: &Service, providers: usize) -> PasscodeProvider {
    let uri = format!("http://{}/second", service.address());
    let header = ("Authorization", Secret::new("Bearer marked-secret"));
    PasscodeProvider::Endpoint(Box::new(OperatorEndpoint::new(&*loopback(), &uri, header, providers)))
}

fn twilio(service: &Service) -> PasscodeProvider {
    let settings = TwilioSettings {
        url: format!("http://{}", service.address()),
        account: "AC123".to_owned(),
        secret: Secret::new("marked-secret"),
        from: "+12025550100".to_owned(),
    };
    PasscodeProvider::Carrier(Arc::new(Twilio::new(settings, loopback()).unwrap()))
}

fn parts_of(providers: Vec<PasscodeProvider>) -> TelephonyParts {
    TelephonyParts { providers, ..TelephonyParts::default() }
}

fn failed() -> Step {
    Step::answer(200, r#"{"error":{"errorSummary":"no"}}"#)
}

/// The operator's own endpoint speaks the contract of the hook.
#[tokio::test]
async fn a_second_endpoint_sends_what_the_hook_has_not() {
    let report = json!([{ "status": "SUCCESSFUL", "provider": "SECOND", "transactionId": "s-1" }]);
    for (step, expected, provider) in [
        (command(&report), Delivery::Sent, Some("SECOND")),
        (command(&json!([{ "status": "PENDING" }])), Delivery::Sent, Some("ENDPOINT")),
        (command(&json!([{ "status": "FAILED" }])), refused("no"), None),
        (Step::answer(500, ""), refused("no"), None),
    ] {
        let second = Service::start(vec![step], None).await.unwrap();
        let phone = Phone::with_hook(vec![failed()], parts_of(vec![endpoint(&second, 1)])).await;
        assert_eq!(phone.send().await, expected);
        assert_eq!(second.received().len(), 1);
        let document: Value = serde_json::from_slice(&second.received()[0].body).unwrap();
        assert_eq!(document["data"], phone.documents()[0]["data"], "the same document");
        assert_eq!(document["source"], json!(BASE_URL), "the org, which has no such hook");
        let (_, _, data) = phone.told().await;
        assert_eq!(data["smsTelephonyProvider"].as_str(), provider);
    }
}

/// An org learns a code of the operator's endpoint: neither its host nor what it says.
#[tokio::test]
async fn the_log_of_an_org_has_no_event_of_the_operators_endpoint() {
    let said = r#"{"error":{"errorSummary":"account 4711 of the operator is empty"}}"#;
    for (step, reason) in [
        (Step::answer(200, said), "SERVICE_ERROR"),
        (Step::WriteAndReset(Vec::new()), "CONNECTION_RESET"),
        (Step::answer(503, said), "STATUS_503"),
    ] {
        let second = Service::start(vec![step], None).await.unwrap();
        let phone = Phone::without_hook(Vec::new(), parts_of(vec![endpoint(&second, 1)])).await;
        assert_eq!(phone.send().await, Delivery::NotSent);
        assert_eq!(phone.told().await.1.as_deref(), Some(reason));
        for event_type in ["inline_hook.executed", "inline_hook.response.processed"] {
            assert_eq!(phone.events(event_type).await.len(), 0, "{event_type}");
        }
        let told = phone.events("system.sms.send_factor_verify_message").await;
        let told = format!("{told:?} {}", serde_json::to_string(&told).unwrap());
        assert!(!told.contains(&second.address().to_string()) && !told.contains("4711"), "{told}");
    }
}

#[tokio::test]
async fn one_orgs_failures_do_not_keep_another_from_the_endpoint() {
    let second = Service::start(vec![Step::answer(401, "")], None).await.unwrap();
    let limits = SendLimits { fallback_per_minute: 1_000, per_number_per_hour: 1_000, ..SendLimits::default() };
    let telephony = TelephonyParts { limits, ..parts_of(vec![endpoint(&second, 1)]) };
    let mut phone = Phone::without_hook(Vec::new(), telephony).await;
    for _ in 0..25 {
        assert_eq!(phone.send().await, Delivery::NotSent);
    }
    // A breaker does not open on failures of a moment.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(90)).await;
    tokio::time::resume();
    let mut calls = 25;
    while second.received().len() == calls {
        assert!(calls < 60, "the breaker of the first org opens");
        assert_eq!(phone.send().await, Delivery::NotSent);
        calls += 1;
    }
    let events = phone.events("system.sms.send_factor_verify_message").await;
    assert_eq!(events.last().unwrap().reason.as_deref(), Some("BREAKER_OPEN"));
    let before = second.received().len();
    phone.org = phone.second_org().await;
    assert_eq!(phone.send().await, Delivery::NotSent);
    assert_eq!(second.received().len(), before + 1, "the other org is not turned away");
}

/// Waiting cures it, so the client is told to try again.
#[tokio::test]
async fn a_full_endpoint_turns_the_caller_away() {
    let second = Service::start(vec![Step::WriteAndHang(Vec::new())], None).await.unwrap();
    // One of ten providers, so that it has a second.
    let providers = vec![endpoint(&second, 10)];
    let limits = Limits { in_flight_per_org: 1, ..Limits::default() };
    let phone = Phone::with_limits(Vec::new(), parts_of(providers), limits).await;
    let (first, turned_away) = tokio::join!(phone.send(), async {
        wait::until("the endpoint has a request", || second.stands()).await;
        phone.send().await
    });
    assert_eq!((first, second.received().len()), (Delivery::NotSent, 1));
    assert!(matches!(turned_away, Delivery::TooMany { retry_after } if !retry_after.is_zero()), "{turned_away:?}");
    let mut reasons: Vec<_> = phone.events("system.sms.send_factor_verify_message").await;
    reasons.sort_by(|one, other| one.reason.cmp(&other.reason));
    let reasons: Vec<_> = reasons.iter().map(|event| event.reason.as_deref().unwrap()).collect();
    assert_eq!(reasons, ["NO_CAPACITY", "TIMEOUT_RESPONSE"]);
}

/// One hangs, one refuses, one sends; over sockets, in the time of all.
#[tokio::test]
async fn each_provider_in_turn_fails_and_the_last_one_sends() {
    let start = async |step| Service::start(vec![step], None).await.unwrap();
    let silent = start(Step::WriteAndHang(Vec::new())).await;
    let refusing = start(Step::answer(429, r#"{"code":20429,"message":"Too Many Requests","status":429}"#)).await;
    let sending = start(Step::answer(201, r#"{"sid":"SM7","status":"accepted"}"#)).await;
    let providers = vec![endpoint(&silent, 3), twilio(&refusing), twilio(&sending)];
    let phone = Phone::with_hook(vec![Step::answer(500, "")], parts_of(providers)).await;
    let began = Instant::now();
    assert_eq!(phone.send().await, Delivery::Sent);
    let took = began.elapsed();
    assert!((Duration::from_secs(3)..Duration::from_secs(8)).contains(&took), "a third of the time: {took:?}");
    assert_eq!([&silent, &refusing, &sending].map(|service| service.received().len()), [1, 1, 1]);
    let (_, reason, data) = phone.told().await;
    assert_eq!(reason, None);
    assert_eq!(
        (&data["smsTelephonyProvider"], &data["transactionId"], &data["isSmsHookFailover"]),
        (&json!("TWILIO"), &json!("SM7"), &json!("true"))
    );
}

#[tokio::test]
async fn no_provider_that_fails_keeps_the_next_one_from_sending() {
    let taken = || Step::answer(201, r#"{"sid":"SM7","status":"queued"}"#);
    let report = || command(&json!([{ "status": "SUCCESSFUL", "provider": "SECOND" }]));
    for (step, twilio_first) in [
        (Step::answer(401, r#"{"code":20003,"message":"Authenticate","status":401}"#), true),
        (Step::answer(201, r#"{"sid":"SM1","status":"failed","error_code":30008}"#), true),
        (Step::answer(200, "<html>"), true),
        (Step::WriteAndReset(Vec::new()), true),
        (Step::answer(200, "{}"), false),
        (command(&json!([{ "status": "FAILED" }])), false),
        (Step::answer(302, ""), false),
        (failed(), false),
    ] {
        let second = if twilio_first { report() } else { taken() };
        let (first, second) = (Service::start(vec![step], None).await, Service::start(vec![second], None).await);
        let (first, second) = (first.unwrap(), second.unwrap());
        let providers = if twilio_first {
            vec![twilio(&first), endpoint(&second, 2)]
        } else {
            vec![endpoint(&first, 2), twilio(&second)]
        };
        let phone = Phone::without_hook(Vec::new(), parts_of(providers)).await;
        assert_eq!(phone.send().await, Delivery::Sent);
        assert_eq!((first.received().len(), second.received().len()), (1, 1));
    }
}

/// A hook may have a minute by its policy; the whole delivery has not.
#[tokio::test]
async fn the_hook_leaves_the_providers_their_time() {
    for (does, expected, seconds) in [
        (vec![Does::Take], Delivery::Sent, 10),
        (vec![Does::Hang, Does::Hang], Delivery::NotSent, 20),
        (Vec::new(), Delivery::NotSent, 20),
    ] {
        let own: Vec<_> = does.into_iter().map(|does| Carrier::new("OWN", does)).collect();
        let telephony = carriers(&own.iter().collect::<Vec<_>>());
        let phone = Phone::without_hook(vec![Step::WriteAndHang(Vec::new())], telephony).await;
        let uri = format!("http://{}/passcodes", phone.service.address());
        let breaker = BreakerPolicy { consecutive_failures: Some(1), ..BreakerPolicy::default() };
        let policy = HookPolicy { timeout_ms: 60_000, breaker, ..HookPolicy::default() };
        phone.put(InlineHook { policy, ..hook::hook(BuiltInType::Telephony, &uri) }).await;
        tokio::time::pause();
        let began = Instant::now();
        assert_eq!(phone.send().await, expected);
        let took = began.elapsed().as_secs();
        tokio::time::resume();
        assert_eq!(took, seconds);
        let org = phone.platform.org(&phone.org).unwrap();
        let hook = org.hook(&hook::hook(BuiltInType::Telephony, "").id).unwrap();
        assert_eq!(hook.breaker().state, BreakerState::Open, "a hook that is silent for all its time");
    }
}

/// The contract of hooks has no member for an extension: the code would be told to whoever answers the number.
#[tokio::test]
async fn a_phone_with_an_extension_is_reached_by_those_that_dial_it() {
    let (flow, voice, sms) = (TelephonyFlow::MfaVerification, PasscodeChannel::Voice, PasscodeChannel::Sms);
    let number = "+1 202 555 0173 ext. 42";
    let double = Service::start(vec![Step::answer(201, r#"{"sid":"CA1","status":"queued"}"#)], None).await.unwrap();
    let second = Service::start(vec![command(&json!([{ "status": "SUCCESSFUL" }]))], None).await.unwrap();
    let answers = || vec![command(&json!([{ "status": "SUCCESSFUL" }]))];
    let providers = vec![endpoint(&second, 2), twilio(&double)];
    let phone = Phone::with_hook(answers(), parts_of(providers)).await;
    assert_eq!(phone.send_as(flow, voice, number).await, Delivery::Sent);
    let form = double.received()[0].body.clone();
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&form).into_owned().collect();
    assert!(form.contains(&("SendDigits".to_owned(), "wwww42".to_owned())), "{form:?}");
    assert_eq!(phone.send_as(flow, sms, number).await, Delivery::NotSent, "a text message reaches no extension");
    assert_eq!((phone.documents().len(), second.received().len(), double.received().len()), (0, 0, 1));
    let call = phone.events("system.voice.send_mfa_challenge_call").await.remove(0);
    let data = serde_json::to_value(&call.debug_data).unwrap();
    assert_eq!((call.result, &data["isCallHookFailover"]), (LogResult::Success, &json!("true")));
    assert_eq!(phone.told().await.1.as_deref(), Some("EXTENSION_NOT_DIALLED"));

    let second = Service::start(answers(), None).await.unwrap();
    let phone = Phone::with_hook(answers(), parts_of(vec![endpoint(&second, 1)])).await;
    assert_eq!(phone.send_as(flow, voice, number).await, Delivery::NotSent);
    assert_eq!((phone.documents().len(), second.received().len()), (0, 0));
    let call = phone.events("system.voice.send_mfa_challenge_call").await.remove(0);
    assert_eq!(call.reason.as_deref(), Some("EXTENSION_NOT_DIALLED"));
    assert_eq!(serde_json::to_value(&call.debug_data).unwrap()["isCallHookFailover"], json!("false"));
}
