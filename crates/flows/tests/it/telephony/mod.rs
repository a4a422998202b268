//! Telephony: each row of the outcome table of `telephony.md` section 4, over a real socket.

mod limits;
mod providers;
mod texts;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tenterhook_contract::{
    BuiltInType, Secret, Timestamp,
    answer::{DEFAULT_ERROR_SUMMARY, ErrorCause, ServiceError},
    hook::{HookPolicy, InlineHook},
    id::OrgId,
    telephony::TelephonyFlow,
};
use tenterhook_engine::{BoxFuture, Deadline, Limits};
use tenterhook_flows::telephony::{Delivery, Message, PasscodeChannel, send};
use tenterhook_model::{
    ConfigurationObject, ConfigurationWrite, LogEvent, LogResult, Org, Passcode, PhoneNumber, User,
};
use tenterhook_platform::{
    Caller, Languages, Parts, Platform,
    events::user_actor,
    telephony::{
        HandedOver, PasscodeCarrier, PasscodeMessage, PasscodeProvider, SendLimits, TelephonyParts, Twilio,
        TwilioSettings, Undelivered,
    },
};
use tenterhook_store::{Keyring, Store, StoreConfig};
use tenterhook_testkit::{
    hook,
    rig::{database_or, development_org, events, parts},
    service::{Service, Step},
    wait,
};
use tenterhook_transport::{EgressPolicy, HttpTransport, TransportConfig};

const CODE: &str = "048213";
const NUMBER: &str = "+2348012345678";
const BASE_URL: &str = "https://id.example.com";

/// Ada's phone, and the org's hook at a scripted service.
struct Phone {
    platform: Arc<Platform>,
    org: OrgId,
    ada: User,
    logins: Vec<String>,
    service: Service,
    /// What the requests prefer.
    languages: Languages,
}

/// A carrier that does one thing, and notes what it was given.
struct Carrier {
    name: &'static str,
    does: Does,
    taken: Mutex<Vec<String>>,
}

#[derive(Clone, Copy)]
enum Does {
    Take,
    Refuse,
    Hang,
}

impl Carrier {
    fn new(name: &'static str, does: Does) -> Arc<Self> {
        Arc::new(Self { name, does, taken: Mutex::default() })
    }

    fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }
}

impl PasscodeCarrier for Carrier {
    fn name(&self) -> &'static str {
        self.name
    }

    fn dials_extensions(&self, _: PasscodeChannel) -> bool {
        false
    }

    fn deliver<'a>(
        &'a self,
        message: &'a PasscodeMessage<'a>,
        _: Deadline,
    ) -> BoxFuture<'a, Result<HandedOver, Undelivered>> {
        self.taken.lock().unwrap().push(message.text.text.expose().to_owned());
        Box::pin(async move {
            match self.does {
                Does::Take => Ok(HandedOver { transaction_id: Some(format!("{}-1", self.name)) }),
                Does::Refuse => Err(Undelivered { reason: "HTTP 503".into(), is_unsent: false }),
                Does::Hang => std::future::pending().await,
            }
        })
    }
}

fn transport(policy: EgressPolicy) -> Arc<HttpTransport> {
    Arc::new(HttpTransport::with_config(TransportConfig { policy, ..TransportConfig::default() }).unwrap())
}

fn loopback() -> Arc<HttpTransport> {
    transport(EgressPolicy::default().with_plain_http_to_loopback())
}

fn carriers(carriers: &[&Arc<Carrier>]) -> TelephonyParts {
    let providers = carriers.iter().map(|carrier| PasscodeProvider::Carrier(Arc::clone(carrier) as _)).collect();
    TelephonyParts { providers, ..TelephonyParts::default() }
}

impl Phone {
    /// The org has an active hook whose service takes these steps.
    async fn with_hook(steps: Vec<Step>, telephony: TelephonyParts) -> Self {
        let phone = Self::without_hook(steps, telephony).await;
        let uri = format!("http://{}/passcodes", phone.service.address());
        let policy = HookPolicy { timeout_ms: 300, ..HookPolicy::default() };
        phone.put(InlineHook { policy, ..hook::hook(BuiltInType::Telephony, &uri) }).await;
        phone
    }

    async fn without_hook(steps: Vec<Step>, telephony: TelephonyParts) -> Self {
        Self::with_limits(steps, telephony, Limits::default()).await
    }

    async fn with_limits(steps: Vec<Step>, telephony: TelephonyParts, limits: Limits) -> Self {
        let keyring = Keyring::from_text(&Keyring::generate_text()).unwrap();
        let store = Store::open(&database_or(StoreConfig::Ephemeral).await, keyring).await.unwrap();
        let mut parts = Parts { telephony: Box::new(telephony), ..parts(store, loopback(), BASE_URL.into()) };
        parts.settings.limits = limits;
        let platform = Platform::start(parts).await.unwrap();
        let made = development_org(&platform).await;
        let org = platform.org_id_by_host(None).unwrap();
        let ada = platform.store().find_user_by_login(&org, &made.user_logins[0]).await.unwrap().unwrap();
        let (service, logins) = (Service::start(steps, None).await.unwrap(), made.user_logins);
        Self { platform, org, ada, logins, service, languages: Languages::default() }
    }

    /// Another org of the same node.
    async fn second_org(&self) -> OrgId {
        let id = OrgId::from_parts(9, [9; 8]);
        let org = Org::new(id.clone(), Some("second.example.com".to_owned()), "Second", self.platform.now());
        self.platform.add_org(&org).await.unwrap();
        self.platform.load_org(&id).await.unwrap().unwrap();
        id
    }

    async fn put(&self, hook: InlineHook) {
        let write = ConfigurationWrite::put(ConfigurationObject::Hook(Box::new(hook)));
        self.platform.change(&self.org, |_| Ok::<_, ()>((vec![write.clone()], ()))).await.unwrap();
    }

    fn caller(&self) -> Caller {
        Caller {
            request_id: tenterhook_contract::id::RequestId::from_entropy([7; 16]),
            at: self.platform.now(),
            method: "POST".to_owned(),
            path: "/api/v1/authn/factors/verify".to_owned(),
            query: None,
            ip_address: "203.0.113.140".to_owned(),
            proxies: Vec::new(),
            user_agent: None,
            languages: self.languages.clone(),
            base_url: BASE_URL.into(),
        }
    }

    async fn send(&self) -> Delivery {
        self.send_as(TelephonyFlow::MfaVerification, PasscodeChannel::Sms, NUMBER).await
    }

    async fn send_as(&self, purpose: TelephonyFlow, channel: PasscodeChannel, number: &str) -> Delivery {
        let (phone, passcode) = (PhoneNumber::parse(number, None).unwrap(), Passcode::parse(CODE).unwrap());
        let (caller, org) = (self.caller(), self.platform.org(&self.org).unwrap());
        let message = Message {
            purpose,
            channel,
            user: &self.ada,
            phone: &phone,
            passcode: &passcode,
            expires: Timestamp::from_micros(1_770_818_700_412_000),
            locale: None,
            caller: &caller,
            actor: user_actor(&self.ada),
            token: None,
        };
        assert!(!format!("{message:?}").contains(CODE), "no debug print has the code");
        assert!(!format!("{message:?}").contains("234801234"), "no debug print has the number");
        send(&self.platform, &org, message).await
    }

    async fn events(&self, event_type: &str) -> Vec<LogEvent<'static>> {
        events(&self.platform, &self.org, event_type).await
    }

    /// Result, reason and some debug data of the one event of a message that verifies a factor.
    async fn told(&self) -> (LogResult, Option<String>, Value) {
        let mut events = self.events("system.sms.send_factor_verify_message").await;
        assert_eq!(events.len(), 1, "every message has one event: {events:?}");
        let event = events.remove(0);
        let data = serde_json::to_value(&event.debug_data).unwrap();
        (event.result, event.reason.map(Into::into), data)
    }

    fn documents(&self) -> Vec<Value> {
        self.service.received().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
    }
}

fn command(value: &Value) -> Step {
    let answer = json!({ "commands": [{ "type": "com.okta.telephony.action", "value": value }] });
    Step::answer(200, &answer.to_string())
}

fn refused(summary: &str) -> Delivery {
    Delivery::Refused(ServiceError { summary: Some(summary.to_owned()), causes: Vec::new() })
}

/// One answer of the service, and what becomes of the passcode without a provider.
fn outcomes() -> Vec<(&'static str, Step, Delivery, Option<&'static str>)> {
    let cause = ErrorCause {
        summary: Some("Number not reachable".to_owned()),
        reason: Some("UNREACHABLE".to_owned()),
        location: Some("data.messageProfile.phoneNumber".to_owned()),
        ..ErrorCause::default()
    };
    let error = ServiceError { summary: Some("Carrier rejected the message".to_owned()), causes: vec![cause] };
    let error_json = json!({ "error": {
        "errorSummary": "Carrier rejected the message",
        "errorCauses": [{
            "errorSummary": "Number not reachable", "reason": "UNREACHABLE", "location": "data.messageProfile.phoneNumber",
        }],
    } });
    let unreadable = "COMMANDS_INVALID";
    vec![
        ("3, delivered", command(&json!([{ "status": "SUCCESSFUL" }])), Delivery::Sent, None),
        ("3, I3: not confirmed", command(&json!([{ "status": "PENDING" }])), Delivery::Sent, None),
        ("3, I2: failed", command(&json!([{ "status": "FAILED" }])), Delivery::NotSent, Some("DELIVERY_FAILED")),
        (
            "I7: the first decides",
            command(&json!([{ "status": "PENDING" }, { "status": "FAILED" }])),
            Delivery::Sent,
            None,
        ),
        ("I8: an object", command(&json!({ "status": "SUCCESSFUL" })), Delivery::NotSent, Some(unreadable)),
        ("I8: another word", command(&json!([{ "status": "SUCCESS" }])), Delivery::NotSent, Some(unreadable)),
        ("3: upper case", command(&json!([{ "status": "successful" }])), Delivery::NotSent, Some(unreadable)),
        ("4, error", Step::answer(200, &error_json.to_string()), Delivery::Refused(error), Some("SERVICE_ERROR")),
        (
            "4, error without a summary",
            Step::answer(200, r#"{"error":{}}"#),
            Delivery::Refused(ServiceError::default()),
            Some("SERVICE_ERROR"),
        ),
        ("4, a status that is not 200", Step::answer(500, "{}"), Delivery::NotSent, Some("STATUS_500")),
        ("4, another one", Step::answer(404, "{}"), Delivery::NotSent, Some("STATUS_404")),
        ("4, a redirect", Step::answer(302, ""), Delivery::NotSent, Some("REDIRECT_302")),
        ("4, nothing", Step::answer(204, ""), Delivery::NotSent, Some("BODY_EMPTY")),
        ("4, no commands", Step::answer(200, "{}"), Delivery::NotSent, Some(unreadable)),
        ("4, malformed", Step::answer(200, "sent!"), Delivery::NotSent, Some("BODY_UNPARSABLE")),
        ("4, timeout", Step::WriteAndHang(Vec::new()), Delivery::NotSent, Some("TIMEOUT_RESPONSE")),
        ("4, unreachable", Step::WriteAndReset(Vec::new()), Delivery::NotSent, Some("CONNECTION_RESET")),
    ]
}

#[tokio::test]
async fn without_a_provider_the_answer_of_the_service_decides() {
    for (case, step, delivery, reason) in outcomes() {
        let phone = Phone::with_hook(vec![step], TelephonyParts::default()).await;
        assert_eq!(phone.send().await, delivery, "{case}");
        assert_eq!(phone.service.received().len(), 1, "{case}: never called twice");
        let (result, told, data) = phone.told().await;
        let expected = if reason.is_none() { LogResult::Success } else { LogResult::Failure };
        assert_eq!((result, told.as_deref()), (expected, reason), "{case}");
        assert_eq!(data["isSmsHookFailover"], json!("false"), "{case}: nobody stepped in");
    }
    assert_eq!(ServiceError::default().summary_or_default(), DEFAULT_ERROR_SUMMARY, "telephony.md 4");
}

#[tokio::test]
async fn a_provider_sends_what_the_hook_has_not() {
    for (case, step, _, reason) in outcomes() {
        let carrier = Carrier::new("OWN", Does::Take);
        let phone = Phone::with_hook(vec![step], carriers(&[&carrier])).await;
        assert_eq!(phone.send().await, Delivery::Sent, "{case}");
        let (result, told, data) = phone.told().await;
        assert_eq!((result, told), (LogResult::Success, None), "{case}");
        let expected = if reason.is_none() { (json!("false"), 0) } else { (json!("true"), 1) };
        assert_eq!((data["isSmsHookFailover"].clone(), carrier.taken().len()), expected, "{case}");
        if reason.is_some() {
            assert_eq!(
                (&data["smsTelephonyProvider"], &data["transactionId"]),
                (&json!("OWN"), &json!("OWN-1")),
                "{case}"
            );
        }
    }
}

/// `telephony.md` sections 2 and 5.
#[tokio::test]
async fn the_service_gets_the_whole_message_and_the_log_only_a_part_of_the_number() {
    let report = json!([{
        "status": "SUCCESSFUL", "provider": "ACME-SMS", "transactionId": "tx-88120", "transactionMetadata": "Duration=140ms",
    }]);
    let phone = Phone::with_hook(vec![command(&report)], TelephonyParts::default()).await;
    assert_eq!(phone.send().await, Delivery::Sent);
    let document = phone.documents().remove(0);
    let hook = hook::hook(BuiltInType::Telephony, "").id;
    assert_eq!(document["source"], json!(format!("{BASE_URL}/api/v1/inlineHooks/{hook}")));
    assert_eq!(document["eventType"], json!("com.okta.telephony.provider"));
    assert_eq!(document["requestType"], json!("com.okta.user.telephony.mfa-verification"));
    let (org_name, profile) = (phone.platform.org(&phone.org).unwrap().org.name.clone(), &phone.ada.profile);
    assert_eq!(
        document["data"],
        json!({
            "context": { "request": {
                "id": phone.caller().request_id, "method": "POST",
                "url": { "value": "/api/v1/authn/factors/verify" }, "ipAddress": "203.0.113.140",
            } },
            "userProfile": {
                "firstName": profile.first_name, "lastName": profile.last_name,
                "login": profile.login, "userId": phone.ada.id,
            },
            "messageProfile": {
                "msgTemplate": format!("{org_name}: your code is {CODE}."), "phoneNumber": NUMBER,
                "otpExpires": "2026-02-11T14:05:00.412Z", "deliveryChannel": "SMS", "otpCode": CODE,
                "locale": document["data"]["messageProfile"]["locale"],
            },
        })
    );
    let (_, _, data) = phone.told().await;
    assert_eq!(
        [&data["smsTelephonyProvider"], &data["transactionId"], &data["transactionMetadata"], &data["phoneNumber"]],
        [&json!("ACME-SMS"), &json!("tx-88120"), &json!("Duration=140ms"), &json!("+XXXXXXXXXXX78")]
    );
    let event = phone.events("system.sms.send_factor_verify_message").await.remove(0);
    assert_eq!(event.targets[0].id, phone.ada.id.to_string());
    assert_eq!(event.transaction_id, phone.caller().request_id.as_str());
}

#[tokio::test]
async fn each_purpose_and_channel_has_its_request_type_and_its_event() {
    let phone = Phone::with_hook(vec![command(&json!([{ "status": "PENDING" }]))], TelephonyParts::default()).await;
    let (sms, voice) = (PasscodeChannel::Sms, PasscodeChannel::Voice);
    let rows = [
        (TelephonyFlow::PreEnrollment, sms, "pre-enrollment", "system.sms.send_phone_verification_message"),
        (TelephonyFlow::MfaVerification, sms, "mfa-verification", "system.sms.send_factor_verify_message"),
        (TelephonyFlow::AccountUnlock, sms, "account-unlock", "system.sms.send_account_unlock_message"),
        (TelephonyFlow::PasswordReset, sms, "password-reset", "system.sms.send_password_reset_message"),
        (TelephonyFlow::PreEnrollment, voice, "pre-enrollment", "system.voice.send_phone_verification_call"),
        (TelephonyFlow::MfaVerification, voice, "mfa-verification", "system.voice.send_mfa_challenge_call"),
        (TelephonyFlow::AccountUnlock, voice, "account-unlock", "system.voice.send_account_unlock_call"),
        (TelephonyFlow::PasswordReset, voice, "password-reset", "system.voice.send_password_reset_call"),
    ];
    for (number, (purpose, channel, request_type, event_type)) in rows.into_iter().enumerate() {
        assert_eq!(phone.send_as(purpose, channel, NUMBER).await, Delivery::Sent);
        let document = &phone.documents()[number];
        assert_eq!(document["requestType"], json!(format!("com.okta.user.telephony.{request_type}")));
        let label = if channel == voice { "Voice" } else { "SMS" };
        assert_eq!(document["data"]["messageProfile"]["deliveryChannel"], json!(label));
        let text = document["data"]["messageProfile"]["msgTemplate"].as_str().unwrap();
        assert!(text.contains(CODE), "I5: a call has the text too: {text}");
        assert_eq!(phone.events(event_type).await.len(), 1, "{event_type}");
    }
}

/// The user's own language, else that of the request, else English.
#[tokio::test]
async fn a_message_is_in_the_language_of_the_user_or_of_the_request() {
    let mut phone = Phone::with_hook(vec![command(&json!([{ "status": "PENDING" }]))], TelephonyParts::default()).await;
    let plain = phone.ada.profile.clone();
    for (number, (own, header, locale, text)) in [
        (None, "", "en", "your code is"),
        (None, "ja, de-AT;q=0.9, fr;q=0.8", "DE-AT", "Ihr Code ist"),
        (None, "ja", "ja", "your code is"),
        (Some(("preferredLanguage", "fr")), "de", "fr", "votre code est"),
        (Some(("locale", "it_CH")), "de", "IT-CH", "il suo codice"),
    ]
    .into_iter()
    .enumerate()
    {
        phone.ada.profile = own.map_or(plain.clone(), |(name, value)| plain.clone().with(name, value));
        phone.languages = Languages::of_header(header);
        assert_eq!(phone.send().await, Delivery::Sent, "{header}");
        let message = &phone.documents()[number]["data"]["messageProfile"];
        assert_eq!(message["locale"], json!(locale), "{own:?} {header}");
        assert!(message["msgTemplate"].as_str().unwrap().contains(text), "{own:?} {header}: {message}");
    }
}

/// A service that repeats what it was told, wherever it can.
#[tokio::test]
async fn no_event_has_the_code_the_text_or_the_number() {
    // With and without the `+`, in groups, as it is dialled in its country; the code as a number and in groups.
    let forms =
        ["48213", "048 213", "2348012345678", "+234 801 234 5678", "0801 234 5678", "(801) 234-5678", "8012345678"];
    let loud = format!("{CODE} to {NUMBER}; {}", forms.join("; "));
    let report = json!([{
        "status": "SUCCESSFUL", "provider": loud, "transactionId": loud, "transactionMetadata": loud,
    }]);
    let error = json!({ "error": { "errorSummary": loud }, "debugContext": { "told": loud } });
    let steps =
        vec![command(&report), Step::answer(200, &error.to_string()), Step::answer(500, &loud), command(&json!(loud))];
    let count = steps.len();
    let phone = Phone::with_hook(steps, TelephonyParts::default()).await;
    for _ in 0..count {
        phone.send().await;
    }
    let mut told = Vec::new();
    for event_type in
        ["system.sms.send_factor_verify_message", "inline_hook.executed", "inline_hook.response.processed"]
    {
        told.extend(phone.events(event_type).await);
    }
    assert_eq!(told.len(), 2 * count);
    for event in told {
        let event = format!("{} {event:?}", serde_json::to_string(&event).unwrap());
        for form in forms {
            assert!(!event.contains(form), "{form}: {event}");
        }
    }
}

/// Otherwise whoever asks for a code could read it without the phone.
#[tokio::test]
async fn the_client_does_not_get_the_code_from_what_the_service_says() {
    let error = json!({ "error": {
        "errorSummary": format!("Could not send {CODE}"),
        "errorCauses": [{ "errorSummary": format!("{CODE} to {NUMBER}"), "reason": CODE, "location": CODE, "domain": CODE }],
    } });
    let phone = Phone::with_hook(vec![Step::answer(200, &error.to_string())], TelephonyParts::default()).await;
    let Delivery::Refused(error) = phone.send().await else { panic!("the service refuses") };
    let said = format!("{error:?}");
    assert!(!said.contains(CODE) && !said.contains("2348012345678"), "{said}");
    assert!(error.summary_or_default().starts_with("Could not send "), "{said}");
}

#[tokio::test]
async fn a_message_that_is_given_up_has_its_event() {
    let phone = Phone::with_hook(vec![Step::WriteAndHang(Vec::new())], TelephonyParts::default()).await;
    tokio::select! {
        biased;
        sent = phone.send() => panic!("the service does not answer: {sent:?}"),
        () = wait::until("the service has the request", || phone.service.stands()) => {}
    }
    let (result, reason, _) = phone.told().await;
    assert_eq!((result, reason.as_deref()), (LogResult::Failure, Some("ABANDONED")));
}

#[tokio::test]
async fn an_org_without_a_hook_sends_through_the_providers() {
    let carrier = Carrier::new("OWN", Does::Take);
    let phone = Phone::without_hook(Vec::new(), carriers(&[&carrier])).await;
    assert_eq!(phone.send().await, Delivery::Sent);
    assert_eq!(phone.told().await.2["isSmsHookFailover"], json!("false"), "no hook was passed over");
    let phone = Phone::without_hook(Vec::new(), TelephonyParts::default()).await;
    assert_eq!(phone.send().await, Delivery::NotSent, "I9");
    assert_eq!(phone.told().await.1.as_deref(), Some("NO_PROVIDER"));
}

#[tokio::test]
async fn providers_are_asked_in_order_until_one_takes_the_message() {
    let (take, refuse) = (Does::Take, Does::Refuse);
    for (does, asked, expected, reason) in [
        ([take, take, take], [1, 0, 0], Delivery::Sent, None),
        ([refuse, take, take], [1, 1, 0], Delivery::Sent, None),
        ([refuse, refuse, take], [1, 1, 1], Delivery::Sent, None),
        ([refuse, refuse, refuse], [1, 1, 1], Delivery::NotSent, Some("HTTP 503")),
    ] {
        let own = [("A", does[0]), ("B", does[1]), ("C", does[2])].map(|(name, does)| Carrier::new(name, does));
        let phone = Phone::without_hook(Vec::new(), carriers(&[&own[0], &own[1], &own[2]])).await;
        assert_eq!(phone.send().await, expected);
        assert_eq!(own.each_ref().map(|carrier| carrier.taken().len()), asked);
        let (_, told, data) = phone.told().await;
        assert_eq!(told.as_deref(), reason);
        if expected == Delivery::Sent {
            let last = own.iter().rfind(|carrier| !carrier.taken().is_empty()).unwrap();
            assert_eq!(data["smsTelephonyProvider"], json!(last.name));
        }
    }
}

#[tokio::test]
async fn what_guards_hold_back_reaches_nobody() {
    let limits = SendLimits { per_number_per_hour: 1, ..SendLimits::default() };
    let deny = vec!["NG".parse().unwrap()];
    let carrier = Carrier::new("OWN", Does::Take);
    let telephony = TelephonyParts { limits, deny, ..carriers(&[&carrier]) };
    let phone = Phone::without_hook(Vec::new(), telephony).await;
    let sms = PasscodeChannel::Sms;
    assert_eq!(phone.send_as(TelephonyFlow::MfaVerification, sms, "+12025550173").await, Delivery::Sent);
    for (number, reason) in
        [("+12025550173", "NUMBER_LIMIT"), (NUMBER, "COUNTRY_NOT_ALLOWED"), ("+19005550173", "PREMIUM_NUMBER")]
    {
        let sent = phone.send_as(TelephonyFlow::AccountUnlock, sms, number).await;
        match reason {
            "NUMBER_LIMIT" => assert!(
                matches!(sent, Delivery::TooMany { retry_after } if retry_after > Duration::from_secs(3_590)),
                "{sent:?}"
            ),
            _ => assert_eq!(sent, Delivery::NotSent),
        }
        let event = phone.events("system.sms.send_account_unlock_message").await.pop().unwrap();
        assert_eq!((event.result, event.reason.as_deref()), (LogResult::Failure, Some(reason)));
        let data = serde_json::to_value(&event.debug_data).unwrap();
        assert!(data["phoneNumber"].as_str().unwrap().starts_with("+XXXX"), "{data}");
    }
    assert_eq!(carrier.taken().len(), 1);
}

#[tokio::test]
async fn the_providers_have_their_own_limit() {
    let carrier = Carrier::new("OWN", Does::Take);
    let limits = SendLimits { fallback_per_minute: 1, ..SendLimits::default() };
    let phone = Phone::without_hook(Vec::new(), TelephonyParts { limits, ..carriers(&[&carrier]) }).await;
    assert_eq!(phone.send().await, Delivery::Sent);
    assert!(matches!(phone.send().await, Delivery::TooMany { .. }));
    assert_eq!(carrier.taken().len(), 1);
    let events = phone.events("system.sms.send_factor_verify_message").await;
    assert_eq!(events[1].reason.as_deref(), Some("FALLBACK_LIMIT"));
}

#[tokio::test]
async fn a_surge_is_an_event_once() {
    let carrier = Carrier::new("OWN", Does::Take);
    let limits = SendLimits { fallback_per_minute: 1_000, ..SendLimits::default() };
    let phone = Phone::without_hook(Vec::new(), TelephonyParts { limits, ..carriers(&[&carrier]) }).await;
    for number in 0..60 {
        let number = format!("+2348{number:02}2345678");
        assert_eq!(phone.send_as(TelephonyFlow::MfaVerification, PasscodeChannel::Sms, &number).await, Delivery::Sent);
    }
    let events = phone.events("system.telephony.surge").await;
    assert_eq!(events.len(), 1);
    assert_eq!(serde_json::to_value(&events[0].debug_data).unwrap()["messages"], json!(50));
}

/// All of them at once: each is admitted before the first one has found out that nobody listens.
#[tokio::test]
async fn messages_that_reach_nobody_are_no_surge() {
    let limits = SendLimits { per_address_per_hour: 1_000, ..SendLimits::default() };
    let phone = Phone::without_hook(Vec::new(), TelephonyParts { limits, ..TelephonyParts::default() }).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/passcodes", listener.local_addr().unwrap());
    drop(listener);
    phone.put(hook::hook(BuiltInType::Telephony, &uri)).await;
    let phone = Arc::new(phone);
    let mut all = tokio::task::JoinSet::new();
    for number in 0..60 {
        let (phone, number) = (Arc::clone(&phone), format!("+2348{number:02}2345678"));
        all.spawn(async move { phone.send_as(TelephonyFlow::MfaVerification, PasscodeChannel::Sms, &number).await });
    }
    for delivery in all.join_all().await {
        assert!(matches!(delivery, Delivery::NotSent | Delivery::TooMany { .. }), "{delivery:?}");
    }
    assert_eq!(phone.events("system.telephony.surge").await.len(), 0);
}

/// A provider that does not answer leaves time for the next one, and all end in time.
#[tokio::test]
async fn a_provider_that_hangs_leaves_time_for_the_next_one() {
    let (hang, take) = (Carrier::new("A", Does::Hang), Carrier::new("B", Does::Take));
    let phone = Phone::without_hook(Vec::new(), carriers(&[&hang, &take])).await;
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    assert_eq!(phone.send().await, Delivery::Sent);
    assert_eq!(began.elapsed().as_secs(), 5, "half of the time");
    let all = [Carrier::new("A", Does::Hang), Carrier::new("B", Does::Hang), Carrier::new("C", Does::Hang)];
    tokio::time::resume();
    let phone = Phone::without_hook(Vec::new(), carriers(&[&all[0], &all[1], &all[2]])).await;
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    assert_eq!(phone.send().await, Delivery::NotSent);
    assert_eq!(began.elapsed().as_secs(), 10, "one deadline for all");
    tokio::time::resume();
    assert_eq!(phone.told().await.1.as_deref(), Some("TIMEOUT"));
}

/// A double of the provider's public API.
#[tokio::test]
async fn twilio_sends_messages_and_calls() {
    let taken =
        |sid: &str| Step::answer(201, &json!({ "sid": sid, "status": "queued", "error_code": null }).to_string());
    let refused = Step::answer(400, r#"{"code":21211,"message":"Invalid 'To' Phone Number","status":400}"#);
    let double = Service::start(vec![taken("SM1"), taken("CA1"), refused], None).await.unwrap();
    let settings = TwilioSettings {
        url: format!("http://{}", double.address()),
        account: "AC123".to_owned(),
        secret: Secret::new("marked-secret"),
        from: "+12025550100".to_owned(),
    };
    let twilio = Twilio::new(settings.clone(), loopback()).unwrap();
    let providers = vec![PasscodeProvider::Carrier(Arc::new(twilio))];
    let phone = Phone::without_hook(Vec::new(), TelephonyParts { providers, ..TelephonyParts::default() }).await;
    assert_eq!(phone.send().await, Delivery::Sent);
    let enrollment = TelephonyFlow::PreEnrollment;
    assert_eq!(phone.send_as(enrollment, PasscodeChannel::Voice, NUMBER).await, Delivery::Sent);
    assert_eq!(phone.send_as(enrollment, PasscodeChannel::Sms, NUMBER).await, Delivery::NotSent);
    let received = double.received();
    let lines: Vec<_> = received.iter().map(|request| request.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "POST /2010-04-01/Accounts/AC123/Messages.json HTTP/1.1",
            "POST /2010-04-01/Accounts/AC123/Calls.json HTTP/1.1",
            "POST /2010-04-01/Accounts/AC123/Messages.json HTTP/1.1",
        ]
    );
    let header = |name: &str| {
        let mut headers = received[0].headers.iter();
        headers.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    };
    // `AC123:marked-secret`
    assert_eq!(header("authorization").as_deref(), Some("Basic QUMxMjM6bWFya2VkLXNlY3JldA=="));
    assert_eq!(header("content-type").as_deref(), Some("application/x-www-form-urlencoded"));
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&received[0].body).into_owned().collect();
    assert_eq!(form[0], ("To".to_owned(), NUMBER.to_owned()));
    assert!(form[2].1.contains(CODE), "{form:?}");
    let data = phone.told().await.2;
    assert_eq!((&data["smsTelephonyProvider"], &data["transactionId"]), (&json!("TWILIO"), &json!("SM1")));
    let call = phone.events("system.voice.send_phone_verification_call").await.remove(0);
    let data = serde_json::to_value(&call.debug_data).unwrap();
    assert_eq!((&data["callTelephonyProvider"], &data["isCallHookFailover"]), (&json!("TWILIO"), &json!("false")));
    let failed = phone.events("system.sms.send_phone_verification_message").await.remove(0);
    assert_eq!(failed.reason.as_deref(), Some("HTTP 400 (21211)"));

    // The egress policy is that of hooks.
    let closed = Twilio::new(settings, transport(EgressPolicy::default())).unwrap();
    let providers = vec![PasscodeProvider::Carrier(Arc::new(closed))];
    let phone = Phone::without_hook(Vec::new(), TelephonyParts { providers, ..TelephonyParts::default() }).await;
    assert_eq!(phone.send().await, Delivery::NotSent);
    assert_eq!(phone.told().await.1.as_deref(), Some("EGRESS_DENIED"));
}
