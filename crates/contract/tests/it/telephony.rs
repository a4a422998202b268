//! Telephony: a row for each cell and sentence of `telephony.md` sections 2 to 4, and for each line of `observed.md`
//! section 3 that can happen to it.

use serde_json::{Value, json};
use tenterhook_contract::{
    BuiltInType, ExtensionPoint as _, Secret,
    answer::{Answer, DEFAULT_ERROR_SUMMARY},
    context::{RequestContext, UrlValue},
    id::{RequestId, UserId},
    problem::{Change, Problem, ProblemCode},
    telephony::{
        DeliveryChannel, DeliveryStatus, Message, Telephony, TelephonyContext, TelephonyFlow, TelephonySubject,
        TelephonyUser, VoiceLabel,
    },
};

fn interpret(answer: &Value) -> Result<(TelephonySubject, Vec<Change>), Vec<Problem>> {
    let mut subject = TelephonySubject::default();
    match Telephony.interpret(&mut subject, Answer::parse(answer.to_string().as_bytes()).unwrap()) {
        Ok(changes) => Ok((subject, changes)),
        Err(problems) => {
            assert_eq!(subject, TelephonySubject::default(), "atomic");
            Err(problems)
        }
    }
}

fn answer(value: Value) -> Value {
    json!({ "commands": [{ "type": "com.okta.telephony.action", "value": value }] })
}

#[test]
fn the_status_decides() {
    for (source, value, status, falls_back) in [
        ("telephony.md 3", json!([{ "status": "SUCCESSFUL" }]), DeliveryStatus::Successful, false),
        ("telephony.md 3, open-questions.md I3", json!([{ "status": "PENDING" }]), DeliveryStatus::Pending, false),
        ("telephony.md 3, open-questions.md I2", json!([{ "status": "FAILED" }]), DeliveryStatus::Failed, true),
        (
            "open-questions.md I7: the first decides",
            json!([{ "status": "PENDING" }, { "status": "FAILED" }]),
            DeliveryStatus::Pending,
            false,
        ),
        (
            "open-questions.md I7: whatever the others are",
            json!([{ "status": "SUCCESSFUL" }, {}, "FAILED", { "status": "SUCCESS" }]),
            DeliveryStatus::Successful,
            false,
        ),
        (
            "telephony.md 3: optional members may be null",
            json!([{ "status": "SUCCESSFUL", "provider": null, "transactionId": null, "transactionMetadata": null }]),
            DeliveryStatus::Successful,
            false,
        ),
        (
            "open-questions.md C13: unknown members are ignored",
            json!([{ "status": "SUCCESSFUL", "cost": 3 }]),
            DeliveryStatus::Successful,
            false,
        ),
    ] {
        let (after, _) = interpret(&answer(value)).unwrap();
        assert_eq!(after.delivery.as_ref().map(|delivery| delivery.status), Some(status), "{source}");
        assert_eq!(after.falls_back(), falls_back, "{source}");
    }
    let (_, changes) = interpret(&answer(json!([{ "status": "PENDING" }, { "status": "FAILED" }]))).unwrap();
    assert_eq!(changes.iter().map(|change| change.op).collect::<Vec<_>>(), ["set", "ignore"], "I7: log the rest");
    let sample: Value = serde_json::from_str(BuiltInType::Telephony.kind().sample_answers()[0]).unwrap();
    let delivery = interpret(&sample).unwrap().0.delivery.unwrap();
    assert_eq!(
        serde_json::to_value(&delivery).unwrap(),
        sample["commands"][0]["value"][0],
        "telephony.md 6: provider, transactionId and transactionMetadata are kept"
    );
    let numbers = interpret(&answer(json!([{ "status": "PENDING", "transactionId": 7, "provider": [1] }])));
    let numbers = numbers.unwrap().0.delivery.unwrap();
    assert_eq!((numbers.transaction_id.as_deref(), numbers.provider), (Some("7"), None), "no reason to send twice");
}

#[test]
fn malformed_answers() {
    use ProblemCode::{BadValue, NoCommand, UnknownCommand, WrongShape};
    for (source, answer, code, pointer) in [
        ("telephony.md 4: no commands", json!({}), NoCommand, "/commands"),
        ("telephony.md 4: no commands", json!({ "commands": [] }), NoCommand, "/commands"),
        ("telephony.md 4: no commands", answer(json!([])), NoCommand, "/commands/0/value"),
        ("open-questions.md I8: an object", answer(json!({ "status": "SUCCESSFUL" })), WrongShape, "/commands/0/value"),
        ("observed.md 3: SUCCESS", answer(json!([{ "status": "SUCCESS" }])), BadValue, "/commands/0/value/0/status"),
        (
            "telephony.md 3: upper case",
            answer(json!([{ "status": "successful" }])),
            BadValue,
            "/commands/0/value/0/status",
        ),
        ("telephony.md 3: required", answer(json!([{ "provider": "ACME" }])), BadValue, "/commands/0/value/0/status"),
        ("telephony.md 3: array of objects", answer(json!(["SUCCESSFUL"])), WrongShape, "/commands/0/value/0"),
        (
            "observed.md 3: arguments beside type",
            json!({ "commands": [{ "type": "com.okta.telephony.action", "status": "SUCCESSFUL" }] }),
            WrongShape,
            "/commands/0/value",
        ),
        (
            "observed.md 3: a hook type as a command name",
            json!({ "commands": [{ "type": "com.okta.telephony.provider", "value": [] }] }),
            UnknownCommand,
            "/commands/0/type",
        ),
        ("observed.md 3: commands no array", json!({ "commands": "SUCCESSFUL" }), WrongShape, "/commands"),
    ] {
        let problems = interpret(&answer).unwrap_err();
        assert_eq!((problems[0].code, problems[0].pointer.as_str()), (code, pointer), "{source}: {answer}");
    }
    assert!(TelephonySubject::default().falls_back(), "telephony.md 4: malformed means the built-in provider");
}

#[test]
fn the_error_of_an_answer() {
    let sample = BuiltInType::Telephony.kind().sample_answers()[1];
    let error = Answer::parse(sample.as_bytes()).unwrap().error.unwrap();
    assert_eq!(error.summary_or_default(), "Carrier rejected the message");
    assert_eq!(error.causes[0].reason.as_deref(), Some("UNREACHABLE"), "telephony.md 4");
    let without = Answer::parse(br#"{"error": {}}"#).unwrap().error.unwrap();
    assert_eq!(without.summary_or_default(), DEFAULT_ERROR_SUMMARY, "telephony.md 4");
}

/// `telephony.md` section 2, the whole `data` of the sample, every flow and every channel.
#[test]
fn the_request_is_the_sample() {
    let sample: Value = serde_json::from_str(BuiltInType::Telephony.kind().sample_requests()[0]).unwrap();
    let data = &sample["data"];
    let text = |pointer: &str| data.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let context = |flow, channel| TelephonyContext {
        flow,
        request: RequestContext {
            id: RequestId::from_entropy([7; 16]),
            method: "POST".into(),
            url: UrlValue { value: "/idp/idx/challenge".into() },
            ip_address: "203.0.113.140".into(),
        },
        user: TelephonyUser {
            first_name: "Ada".into(),
            last_name: "Okoye".into(),
            login: "ada@example.com".into(),
            user_id: text("/userProfile/userId").parse::<UserId>().unwrap(),
        },
        message: Message {
            text: Secret::new("Your code is 048213"),
            phone_number: "+2348012345678".into(),
            expires: text("/messageProfile/otpExpires").parse().unwrap(),
            channel,
            code: Secret::new("048213"),
            locale: "EN-US".into(),
        },
    };
    let written = |context: &TelephonyContext| {
        serde_json::to_value(Telephony.data(context, &TelephonySubject::default())).unwrap()
    };
    let sms = context(TelephonyFlow::MfaVerification, DeliveryChannel::Sms);
    let mut wanted = data.clone();
    wanted["context"]["request"]["id"] = json!(sms.request.id);
    assert_eq!(written(&sms), wanted, "real milliseconds, leading zeros, the rendered text");
    for (label, shown) in
        [(VoiceLabel::default(), "Voice"), (VoiceLabel::VoiceCall, "voice call"), (VoiceLabel::Call, "CALL")]
    {
        let voice = written(&context(TelephonyFlow::MfaVerification, DeliveryChannel::Voice(label)));
        assert_eq!(voice["messageProfile"]["deliveryChannel"], shown, "open-questions.md I1");
        assert_eq!(voice["messageProfile"]["msgTemplate"], "Your code is 048213", "open-questions.md I5");
    }
    for (flow, request_type) in [
        (TelephonyFlow::PreEnrollment, "com.okta.user.telephony.pre-enrollment"),
        (TelephonyFlow::MfaVerification, "com.okta.user.telephony.mfa-verification"),
        (TelephonyFlow::AccountUnlock, "com.okta.user.telephony.account-unlock"),
        (TelephonyFlow::PasswordReset, "com.okta.user.telephony.password-reset"),
    ] {
        assert_eq!(Telephony.request_type(&context(flow, DeliveryChannel::Sms)), Some(request_type), "telephony.md 2");
    }
    let shown = format!("{sms:?}");
    assert!(!shown.contains("048213"), "telephony.md 5: never log otpCode or msgTemplate: {shown}");
}
