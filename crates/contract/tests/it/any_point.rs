//! The built-in types as a host without code of ours uses them: `data` in, changed `data` out.

use serde_json::{Value, json};
use tenterhook_contract::{
    AnyContext, AnyPoint, AnySubject, BuiltInType, ExtensionPoint as _, answer::Answer, preview::DocumentError,
    profile::ProfileSchema,
};

fn sample(built_in: BuiltInType) -> Value {
    serde_json::from_str(built_in.kind().sample_requests()[0]).unwrap()
}

fn point(built_in: BuiltInType) -> AnyPoint {
    AnyPoint::new(built_in.kind().clone())
}

fn read(built_in: BuiltInType, document: &Value) -> Result<(AnyContext, AnySubject), Vec<DocumentError>> {
    let request_type = document.get("requestType").and_then(Value::as_str);
    point(built_in).read(document["data"].clone(), request_type, &ProfileSchema::base())
}

/// Asserts what two answers, one after the other as in a chain, make of a sample's data: the changed places and nothing else.
#[track_caller]
fn check(built_in: BuiltInType, answers: [Value; 2], expected: &[(&str, Value)]) -> AnySubject {
    let (point, document) = (point(built_in), sample(built_in));
    let (context, mut subject) = read(built_in, &document).unwrap();
    assert_eq!(point.request_type(&context), document.get("requestType").and_then(Value::as_str), "{built_in}");
    assert_eq!(point.data(&context, &subject), &document["data"], "{built_in}: what is sent is what was given");
    for answer in answers {
        let answer = Answer::parse(answer.to_string().as_bytes()).unwrap();
        let changes = point.interpret(&mut subject, answer).unwrap();
        assert!(!changes.is_empty());
    }
    let before = &document["data"];
    let result = subject.clone().into_result();
    let mut changed = before.clone();
    for (place, value) in expected {
        assert_eq!(result.pointer(place).unwrap_or(&Value::Null), value, "{built_in}: {place}");
        let (parent, name) = place.rsplit_once('/').unwrap();
        match (changed.pointer_mut(parent).unwrap(), value) {
            (Value::Object(members), Value::Null) => drop(members.shift_remove(name)),
            (parent, value) => parent[name] = value.clone(),
        }
    }
    assert_eq!(result, changed, "{built_in}: nothing else is changed");
    subject
}

fn commands(commands: &[(&str, Value)]) -> Value {
    let commands = commands.iter().map(|(name, value)| json!({ "type": name, "value": value }));
    json!({ "commands": commands.collect::<Vec<_>>() })
}

#[test]
fn after_applied_answers_the_data_shows_the_changes_and_nothing_else() {
    let claims = |op: &str, path: &str, value: Value| match value {
        Value::Null => json!({ "op": op, "path": path }),
        value => json!({ "op": op, "path": path, "value": value }),
    };
    check(
        BuiltInType::Token,
        [
            commands(&[("com.okta.access.patch", json!([claims("add", "/claims/tier", json!({ "a": 1 }))]))]),
            commands(&[
                (
                    "com.okta.access.patch",
                    json!([
                        claims("add", "/claims/tier/b", json!(2)),
                        claims("replace", "/token/lifetime/expiration", json!(600)),
                    ]),
                ),
                ("com.okta.identity.patch", json!([claims("remove", "/claims/name", Value::Null)])),
            ]),
        ],
        &[
            ("/access/claims/tier", json!({ "a": 1, "b": 2 })),
            ("/access/token/lifetime/expiration", json!(600)),
            ("/identity/claims/name", Value::Null),
        ],
    );
    check(
        BuiltInType::Saml,
        [
            commands(&[(
                "com.okta.assertion.patch",
                json!([claims("replace", "/authentication/sessionIndex", json!("x"))]),
            )]),
            commands(&[("com.okta.assertion.patch", json!([claims("replace", "/subject/nameId", json!("mei"))]))]),
        ],
        &[("/assertion/authentication/sessionIndex", json!("x")), ("/assertion/subject/nameId", json!("mei"))],
    );
    check(
        BuiltInType::Registration,
        [
            commands(&[("com.okta.user.profile.update", json!({ "city": "Lagos" }))]),
            commands(&[("com.okta.action.update", json!({ "registration": "DENY" }))]),
        ],
        &[("/userProfile/city", json!("Lagos")), ("/action", json!("DENY"))],
    );
    check(
        BuiltInType::PasswordImport,
        [
            commands(&[("com.okta.action.update", json!({ "credential": "UNVERIFIED" }))]),
            commands(&[("com.okta.action.update", json!({ "credential": "VERIFIED" }))]),
        ],
        &[("/action/credential", json!("VERIFIED"))],
    );
    check(
        BuiltInType::UserImport,
        [
            commands(&[
                ("com.okta.action.update", json!({ "result": "LINK_USER" })),
                ("com.okta.user.update", json!({ "id": "00u3gk5nPzX7wQaYs1d7" })),
            ]),
            commands(&[("com.okta.user.profile.update", json!({ "city": "Lagos" }))]),
        ],
        &[
            ("/action/result", json!("LINK_USER")),
            ("/user/id", json!("00u3gk5nPzX7wQaYs1d7")),
            ("/user/profile/city", json!("Lagos")),
        ],
    );
    let delivered =
        |status: &str| commands(&[("com.okta.telephony.action", json!([{ "status": status, "provider": "P" }]))]);
    let subject = check(
        BuiltInType::Telephony,
        [delivered("PENDING"), delivered("SUCCESSFUL")],
        &[("/delivery", json!({ "status": "SUCCESSFUL", "provider": "P" }))],
    );
    assert!(subject.data().get("delivery").is_none(), "the documents of the type have no such member");
}

#[test]
fn whether_it_falls_back_is_known_before_and_after() {
    for built_in in BuiltInType::ALL {
        let (_, subject) = read(*built_in, &sample(*built_in)).unwrap();
        assert_eq!(point(*built_in).falls_back(&subject), *built_in == BuiltInType::Telephony, "{built_in}");
    }
    let telephony = point(BuiltInType::Telephony);
    let (_, mut subject) = read(BuiltInType::Telephony, &sample(BuiltInType::Telephony)).unwrap();
    for (status, falls_back) in [("FAILED", true), ("SUCCESSFUL", false)] {
        let answer = commands(&[("com.okta.telephony.action", json!([{ "status": status }]))]);
        telephony.interpret(&mut subject, Answer::parse(answer.to_string().as_bytes()).unwrap()).unwrap();
        assert_eq!(telephony.falls_back(&subject), falls_back, "{status}");
        assert_eq!(telephony.known_to_the_service_alone(&subject).is_some(), !falls_back, "{status}");
    }
}

#[test]
fn a_refused_answer_changes_nothing() {
    for built_in in BuiltInType::ALL {
        let (_, mut subject) = read(*built_in, &sample(*built_in)).unwrap();
        let before = subject.clone();
        let answer = Answer::parse(br#"{"commands":[{"type":"none","value":{}}]}"#).unwrap();
        let problems = point(*built_in).interpret(&mut subject, answer).unwrap_err();
        assert_eq!((problems[0].pointer.as_str(), &subject), ("/commands/0/type", &before), "{built_in}");
    }
}

#[test]
fn a_malformed_question_names_its_member() {
    for (built_in, change, value, expected) in [
        (BuiltInType::Token, "/data", json!([]), "/data: must be an object"),
        (BuiltInType::Token, "/data/access/claims", json!(7), "/data/access/claims: must be an object"),
        (
            BuiltInType::Token,
            "/requestType",
            json!("x"),
            "/requestType: This hook type has no request types: leave it out",
        ),
        (BuiltInType::Saml, "/data/assertion", Value::Null, "/data/assertion: is missing"),
        (BuiltInType::Registration, "/data/action", json!("MAYBE"), "/data/action: must be ALLOW or DENY"),
        (
            BuiltInType::Registration,
            "/requestType",
            json!("x"),
            "/requestType: must be one of self.service.registration, progressive.profile",
        ),
        (BuiltInType::PasswordImport, "/data/action", json!({}), "/data/action/credential: is missing"),
        (BuiltInType::UserImport, "/data/user/profile", json!([]), "/data/user/profile: must be an object"),
    ] {
        let mut document = sample(built_in);
        let (parent, name) = change.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap()[name] = value;
        let errors = read(built_in, &document).unwrap_err();
        assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected], "{built_in}");
    }
    let mut document = sample(BuiltInType::Telephony);
    document.as_object_mut().unwrap().shift_remove("requestType");
    let errors = read(BuiltInType::Telephony, &document).unwrap_err();
    assert!(errors[0].to_string().starts_with("/requestType: is required: com.okta.user.telephony."), "{errors:?}");
    assert_eq!(errors.len(), 1);
}

#[test]
fn every_wrong_member_is_named_at_once() {
    let mut document = sample(BuiltInType::Registration);
    (document["requestType"], document["data"]["action"]) = (json!("x"), json!("MAYBE"));
    document["data"]["userProfile"] = json!([]);
    let errors = read(BuiltInType::Registration, &document).unwrap_err();
    let mut fields = errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>();
    fields.sort_unstable();
    assert_eq!(fields, ["/data/action", "/data/userProfile", "/requestType"]);
    let mut document = sample(BuiltInType::Token);
    (document["data"]["access"]["claims"], document["data"]["identity"]["claims"]) = (json!(7), json!("x"));
    let errors = read(BuiltInType::Token, &document).unwrap_err();
    assert_eq!(errors.len(), 2, "{errors:?}");
    let errors = point(BuiltInType::Saml).read(json!({}), Some("x"), &ProfileSchema::base()).unwrap_err();
    assert!(errors.len() > 1 && errors[0].field == "/requestType", "{errors:?}");
}

#[test]
fn a_subject_shows_no_values() {
    let (_, subject) = read(BuiltInType::PasswordImport, &sample(BuiltInType::PasswordImport)).unwrap();
    let password = subject.data().pointer("/context/credential/password").unwrap().as_str().unwrap().to_owned();
    assert!(!format!("{subject:?}").contains(&password));
}
