//! Password import: a row for each sentence of `password-import.md` sections 2 to 4, and for each line of `observed.md`
//! section 3 that can happen to it.

use serde_json::{Value, json};
use tenterhook_contract::{
    BuiltInType, ExtensionPoint as _, Secret,
    answer::Answer,
    context::{RequestContext, UrlValue},
    id::RequestId,
    password_import::{Credential, PasswordImport, PasswordImportContext},
    problem::{Problem, ProblemCode},
};

fn interpret(answer: &Value) -> Result<Credential, Vec<Problem>> {
    let mut subject = Credential::Unverified;
    let result = PasswordImport.interpret(&mut subject, Answer::parse(answer.to_string().as_bytes()).unwrap());
    match result {
        Ok(_) => Ok(subject),
        Err(problems) => {
            assert_eq!(subject, Credential::Unverified, "atomic");
            Err(problems)
        }
    }
}

fn command(value: Value) -> Value {
    json!({ "type": "com.okta.action.update", "value": value })
}

#[test]
fn the_credential_is_verified_only_when_the_service_says_so() {
    for (source, commands, wanted) in [
        (
            "password-import.md 6, first sample",
            json!([command(json!({ "credential": "VERIFIED" }))]),
            Credential::Verified,
        ),
        (
            "password-import.md 6, second sample",
            json!([command(json!({ "credential": "UNVERIFIED" }))]),
            Credential::Unverified,
        ),
        (
            "password-import.md 3: several: last wins",
            json!([command(json!({ "credential": "VERIFIED" })), command(json!({ "credential": "UNVERIFIED" }))]),
            Credential::Unverified,
        ),
        (
            "password-import.md 3: several: last wins",
            json!([command(json!({ "credential": "UNVERIFIED" })), command(json!({ "credential": "VERIFIED" }))]),
            Credential::Verified,
        ),
        (
            "open-questions.md C13: unknown members in operands are ignored",
            json!([command(json!({ "credential": "VERIFIED", "note": 1 }))]),
            Credential::Verified,
        ),
        ("password-import.md 4: no commands", json!([]), Credential::Unverified),
        ("observed.md 3: explicit nulls", json!(null), Credential::Unverified),
    ] {
        assert_eq!(interpret(&json!({ "commands": commands, "error": null })), Ok(wanted), "{source}");
    }
}

#[test]
fn anything_else_is_an_invalid_command() {
    use ProblemCode::{BadValue, UnknownCommand, WrongShape};
    for (source, commands, code, pointer) in [
        (
            "password-import.md 3",
            json!([command(json!({ "credential": "verified" }))]),
            BadValue,
            "/commands/0/value/credential",
        ),
        (
            "password-import.md 3",
            json!([command(json!({ "credential": true }))]),
            BadValue,
            "/commands/0/value/credential",
        ),
        ("password-import.md 3", json!([command(json!({}))]), BadValue, "/commands/0/value/credential"),
        (
            "observed.md 3: the reverse",
            json!([command(json!([{ "credential": "VERIFIED" }]))]),
            WrongShape,
            "/commands/0/value",
        ),
        ("observed.md 3: [] for {}", json!([command(json!([]))]), WrongShape, "/commands/0/value"),
        ("observed.md 3: explicit nulls", json!([command(json!(null))]), WrongShape, "/commands/0/value"),
        (
            "observed.md 3: arguments beside type",
            json!([{ "type": "com.okta.action.update", "credential": "VERIFIED" }]),
            WrongShape,
            "/commands/0/value",
        ),
        (
            "observed.md 3: a hook type as a command name",
            json!([{ "type": "com.okta.user.credential.password.import", "value": { "credential": "VERIFIED" } }]),
            UnknownCommand,
            "/commands/0/type",
        ),
        (
            "observed.md 3: retired names",
            json!([{ "type": "com.okta.action.update.import", "value": { "credential": "VERIFIED" } }]),
            UnknownCommand,
            "/commands/0/type",
        ),
        (
            "overview.md 6: one bad command discards the good one",
            json!([command(json!({ "credential": "VERIFIED" })), command(json!(1))]),
            WrongShape,
            "/commands/1/value",
        ),
    ] {
        let problems = interpret(&json!({ "commands": commands })).unwrap_err();
        assert_eq!((problems[0].code, problems[0].pointer.as_str()), (code, pointer), "{source}: {commands}");
    }
    let retired = interpret(&json!({ "commands": [{ "type": "com.action.update", "value": {} }] })).unwrap_err();
    assert_eq!(retired[0].hint.as_deref(), Some("Write `com.okta.action.update`"), "open-questions.md A13");
    let beside = json!({ "commands": [{ "type": "com.okta.action.update", "credential": "VERIFIED" }] });
    assert!(interpret(&beside).unwrap_err()[0].hint.as_ref().unwrap().contains("`credential`"));
}

/// `password-import.md` section 2, the whole `data` of the sample.
#[test]
fn the_request_is_the_sample() {
    let sample: Value = serde_json::from_str(BuiltInType::PasswordImport.kind().sample_requests()[0]).unwrap();
    let context = PasswordImportContext {
        request: RequestContext {
            id: RequestId::from_entropy([7; 16]),
            method: "POST".into(),
            url: UrlValue { value: "/idp/idx/challenge/answer".into() },
            ip_address: "203.0.113.77".into(),
        },
        username: "mei@legacy.example".into(),
        password: Secret::new("old-Secret-1"),
    };
    let mut wanted = sample["data"].clone();
    wanted["context"]["request"]["id"] = json!(context.request.id);
    let data = serde_json::to_value(PasswordImport.data(&context, &Credential::Unverified)).unwrap();
    assert_eq!(data, wanted);
    assert!(PasswordImport.request_type(&context).is_none(), "overview.md 3.3");
    assert!(!format!("{context:?}").contains("old-Secret"), "password-import.md 5: never log the password");
}
