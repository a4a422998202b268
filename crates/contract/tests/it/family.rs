//! The common behaviour of all types: samples, documents of previews, rehearsals.

use serde_json::{Value, json};
use tenterhook_contract::{
    BuiltInType, Timestamp,
    answer::Answer,
    context::{RequestContext, UrlValue, UserContext, UserLinks, UserProfile},
    id::{EventId, HookId, RequestId, UserId},
    preview::{Document, Inputs, Mark, PREVIEW_MARK},
    profile::ProfileSchema,
};

fn user() -> UserContext {
    let id = UserId::from_parts(1, [1; 8]);
    UserContext {
        links: UserLinks::of("https://org.example.com", &id),
        id,
        password_changed: None,
        profile: UserProfile {
            login: "zoe@example.com".into(),
            first_name: "Zoe".into(),
            last_name: "Ngata".into(),
            locale: "en_NZ".into(),
            time_zone: "Pacific/Auckland".into(),
            custom: serde_json::Map::new(),
        },
    }
}

fn inputs(body: Value, hook_type: BuiltInType) -> Inputs {
    let (inputs, wanted) = Inputs::read(body.as_object().unwrap(), hook_type.description()).unwrap();
    Inputs { user: wanted.map(|_| user()), ..inputs }
}

fn sample(hook_type: BuiltInType, body: Value) -> Value {
    hook_type.kind().sample(&inputs(body, hook_type)).unwrap().to_json()
}

/// Each sample answer of each type, tried on each of its sample requests.
#[test]
fn every_sample_answer_fits_its_sample_request() {
    for hook_type in BuiltInType::ALL.iter().copied() {
        for request in hook_type.kind().sample_requests() {
            let document = Document::given(&serde_json::from_str(request).unwrap(), hook_type.description()).unwrap();
            for text in hook_type.kind().sample_answers() {
                let answer = Answer::parse(text.as_bytes()).unwrap();
                assert!(answer.shape_problems(hook_type.description()).is_empty(), "{text}");
                if answer.error.is_some() {
                    continue;
                }
                let schema = ProfileSchema::parse(&json!({ "properties": {
                    "customerId": { "type": "integer" }, "department": { "type": "string" },
                    "employeeNumber": { "type": "string" }, "costCenter": { "type": "string" }, "login": { "type": "string" },
                } }));
                let rehearsal =
                    hook_type.kind().rehearse(&document, &std::sync::Arc::new(schema.unwrap()), answer).unwrap();
                match rehearsal.result {
                    Ok((after, changes)) => {
                        assert!(!changes.is_empty(), "{text}");
                        let same = text.contains("\"UNVERIFIED\"");
                        assert_eq!(after == rehearsal.before, same, "{hook_type}: {text}");
                    }
                    Err(problems) => {
                        let other_flow = hook_type == BuiltInType::Registration;
                        assert!(other_flow, "{hook_type}: {text}: {problems:?}");
                    }
                }
            }
        }
    }
}

/// `token.md`, `saml.md`, `registration.md` and `telephony.md`, sections on preview.
#[test]
fn previews_take_their_inputs() {
    let token = sample(
        BuiltInType::Token,
        json!({ "user": "zoe@example.com", "app": { "id": "0oaX", "name": "Shop" }, "scopes": ["openid", "a"] }),
    );
    assert_eq!(token["data"]["context"]["user"]["profile"]["login"], "zoe@example.com");
    assert_eq!(token["data"]["context"]["session"]["login"], "zoe@example.com");
    assert_eq!(token["data"]["access"]["claims"]["sub"], "zoe@example.com");
    assert_eq!(token["data"]["context"]["protocol"]["client"]["id"], "0oaX");
    assert_eq!(token["data"]["access"]["scopes"].as_object().unwrap().keys().collect::<Vec<_>>(), ["openid", "a"]);
    let machine = sample(BuiltInType::Token, json!({ "grantType": "client_credentials", "scopes": ["a"] }));
    assert!(machine["data"].get("identity").is_none() && machine["data"]["context"].get("user").is_none());
    assert!(machine["data"].get("refresh_token").is_none() && machine["data"]["context"].get("session").is_none());
    assert!(machine["source"].as_str().unwrap().ends_with("/v1/token"));
    let request = machine["data"]["context"]["protocol"]["request"].as_object().unwrap();
    assert_eq!(request.keys().collect::<Vec<_>>(), ["scope", "client_id", "grant_type"], "token.md 2: what was sent");
    let renewal = sample(BuiltInType::Token, json!({ "grantType": "refresh_token" }));
    let original = &renewal["data"]["context"]["protocol"]["originalGrant"];
    assert_eq!(original["authorization"]["response_type"], "code");
    assert_eq!(original["refresh_token"], renewal["data"]["refresh_token"]);
    assert!(renewal["source"].as_str().unwrap().ends_with("/v1/token"));
    let code = sample(BuiltInType::Token, json!({ "grantType": "authorization_code" }));
    assert!(code["source"].as_str().unwrap().ends_with("/v1/authorize"));
    assert_eq!(code["data"]["context"]["protocol"]["request"]["response_type"], "code");
    let saml = sample(BuiltInType::Saml, json!({ "user": "zoe", "app": { "id": "0oaX", "name": "Shop" } }));
    assert_eq!(saml["data"]["assertion"]["subject"]["nameId"], "zoe@example.com");
    assert_eq!(saml["data"]["context"]["protocol"]["issuer"]["name"], "Shop");
    let new = sample(BuiltInType::Registration, json!({ "user": "zoe" }));
    assert_eq!(
        new["data"]["userProfile"]["login"], "zoe@example.com",
        "registration.md 7: a user for data.userProfile"
    );
    assert_eq!(new["data"]["userProfile"]["email"], "zoe@example.com", "registration.md 1");
    let form = json!({ "requestType": "self.service.registration", "profile": { "login": "new@x" } });
    assert_eq!(sample(BuiltInType::Registration, form)["data"]["userProfile"], json!({ "login": "new@x" }));
    let update = json!({ "requestType": "progressive.profile", "user": "zoe", "profile": { "costCenter": "1" } });
    let update = sample(BuiltInType::Registration, update);
    assert_eq!(update["data"]["userProfileUpdate"], json!({ "costCenter": "1" }));
    assert_eq!(update["data"]["context"]["user"]["profile"]["login"], "zoe@example.com");
    let link = update["data"]["context"]["user"]["_links"]["groups"]["href"].as_str().unwrap();
    assert!(link.starts_with("/api/v1/users/00u"), "registration.md 2: here relative");
    let password = sample(BuiltInType::PasswordImport, json!({ "user": "zoe" }));
    assert_eq!(password["data"]["context"]["credential"]["username"], "zoe@example.com");
    let import = sample(
        BuiltInType::UserImport,
        json!({ "user": "zoe", "profile": { "x": 1 }, "app": { "id": "0oaX", "name": "hr" } }),
    );
    assert_eq!(
        (&import["data"]["action"]["result"], &import["data"]["appUser"]["profile"]["x"]),
        (&json!("LINK_USER"), &json!(1))
    );
    assert_eq!(import["data"]["context"]["application"]["name"], "hr");
    let flow = "com.okta.user.telephony.account-unlock";
    let telephony = sample(BuiltInType::Telephony, json!({ "user": "zoe", "requestType": flow }));
    assert_eq!(telephony["requestType"], flow);
    assert_eq!(telephony["data"]["userProfile"]["firstName"], "Zoe");
    assert_eq!(telephony["data"]["messageProfile"]["otpCode"], "11111", "telephony.md 7: nobody's code");
}

/// `observed.md` section 2: the member order on the wire, also of members from inputs.
#[test]
fn members_of_previews_have_the_order_of_the_wire() {
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let order = ["eventId", "eventTime", "eventType", "eventTypeVersion", "contentType", "cloudEventVersion", "source"];
    for hook_type in BuiltInType::ALL.iter().copied() {
        let mut samples =
            hook_type.kind().sample_requests().into_iter().map(|text| serde_json::from_str(text).unwrap());
        let previews = [json!({}), json!({ "user": "zoe" })].map(|body| sample(hook_type, body));
        assert!(
            samples.by_ref().chain(previews).all(|document: Value| {
                let mut wanted = order.to_vec();
                wanted.extend(document.get("requestType").map(|_| "requestType"));
                keys(&document) == [wanted, vec!["data"]].concat()
            }),
            "{hook_type}"
        );
    }
    let renewal = sample(BuiltInType::Token, json!({ "grantType": "refresh_token" }));
    let protocol = &renewal["data"]["context"]["protocol"];
    assert_eq!(keys(protocol), ["type", "request", "originalGrant", "issuer", "client"], "token.md 2");
    for hook_type in [BuiltInType::Token, BuiltInType::Saml] {
        let session = keys(&sample(hook_type, json!({}))["data"]["context"]["session"]);
        let verified = session.iter().position(|name| name == "lastPasswordVerification").unwrap();
        assert_eq!(session[verified + 1], "lastFactorVerification", "observed.md 2: {hook_type}");
    }
}

/// A service that looks at the dates finds a session that runs and a passcode that is not old.
#[test]
fn dates_of_previews_are_relative_to_now() {
    let now: Timestamp = "2031-05-06T07:08:09.876Z".parse().unwrap();
    let at = |hook_type, body| {
        let inputs = Inputs { at: Some(now), ..inputs(body, hook_type) };
        hook_type.kind().sample(&inputs).unwrap().to_json()
    };
    let telephony = at(BuiltInType::Telephony, json!({}));
    assert_eq!(
        telephony["data"]["messageProfile"]["otpExpires"], "2031-05-06T07:13:09.412Z",
        "telephony.md 2: 5 minutes"
    );
    let token = at(BuiltInType::Token, json!({}));
    let session = &token["data"]["context"]["session"];
    assert_eq!(session["createdAt"], "2031-05-06T06:40:05.000Z");
    assert_eq!(session["lastPasswordVerification"], "2031-05-06T06:40:05.000Z");
    assert_eq!(session["lastFactorVerification"], "2031-05-06T06:40:18.000Z");
    assert_eq!(session["expiresAt"], "2031-05-06T08:40:05.000Z");
    assert_eq!(token["eventTime"], "2031-05-06T07:08:09.000Z");
    let signed_in: Timestamp = session["createdAt"].as_str().unwrap().parse().unwrap();
    assert_eq!(token["data"]["identity"]["claims"]["auth_time"], signed_in.as_seconds());
    let saml = at(BuiltInType::Saml, json!({ "user": "zoe" }));
    let date = |pointer| saml.pointer(pointer).unwrap().as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(date("/data/context/session/createdAt") < now && now < date("/data/context/session/expiresAt"));
    assert_eq!(saml["data"]["context"]["user"]["passwordChanged"], Value::Null, "a user of the org keeps what it has");
    for hook_type in BuiltInType::ALL.iter().copied() {
        let plain = sample(hook_type, json!({}));
        let moved = at(hook_type, json!({}));
        assert_eq!(plain.to_string().len(), moved.to_string().len(), "nothing but dates is changed: {hook_type}");
        assert_eq!(sample(hook_type, json!({}))["eventTime"], plain["eventTime"], "without a time the sample stays");
    }
}

#[test]
fn inputs_that_cannot_be_used_are_named() {
    for (hook_type, body, field) in [
        (BuiltInType::Saml, json!({ "scopes": ["a"] }), "inputs.scopes"),
        (BuiltInType::Token, json!({ "scopes": "a" }), "inputs.scopes"),
        (BuiltInType::Token, json!({ "scopes": [1] }), "inputs.scopes"),
        (BuiltInType::Token, json!({ "user": 7 }), "inputs.user"),
        (BuiltInType::Token, json!({ "app": { "id": "0oaX" } }), "inputs.app"),
        (BuiltInType::Token, json!({ "grantType": true }), "inputs.grantType"),
        (BuiltInType::UserImport, json!({ "profile": [] }), "inputs.profile"),
    ] {
        let error = Inputs::read(body.as_object().unwrap(), hook_type.description()).unwrap_err();
        assert_eq!(error.field, field, "{body}");
    }
    for (hook_type, body, field) in [
        (BuiltInType::Token, json!({ "grantType": "password" }), "inputs.grantType"),
        (BuiltInType::Registration, json!({ "requestType": "x" }), "inputs.requestType"),
        (BuiltInType::Telephony, json!({ "requestType": "x" }), "inputs.requestType"),
    ] {
        assert_eq!(hook_type.kind().sample(&inputs(body, hook_type)).unwrap_err().field, field);
    }
    let other =
        Document::given(&json!({ "requestType": "x", "data": {} }), BuiltInType::Registration.description()).unwrap();
    let error =
        BuiltInType::Registration.kind().rehearse(&other, &ProfileSchema::base(), Answer::default()).unwrap_err();
    assert_eq!(error.field, "/requestType");
    assert!(Document::given(&json!([]), BuiltInType::Token.description()).is_err());
    assert_eq!(
        Document::given(&json!({ "eventType": "x" }), BuiltInType::Token.description()).unwrap_err().field,
        "document.eventType"
    );
}

#[test]
fn every_document_of_a_preview_is_marked() {
    let request = RequestContext {
        id: RequestId::from_entropy([7; 16]),
        method: "POST".into(),
        url: UrlValue { value: "/x".into() },
        ip_address: "127.0.0.1".into(),
    };
    let (event_id, hook_id) = (EventId::from_entropy([1; 16]), HookId::from_parts(1, [1; 8]));
    let at = Timestamp::from_micros(1_770_802_215_500_000);
    let mark = Mark { event_id: &event_id, at, hook_id: &hook_id, base_url: "https://org", request: &request };
    for hook_type in BuiltInType::ALL.iter().copied() {
        let mut document = hook_type.kind().sample(&Inputs::default()).unwrap();
        document.mark(&mark);
        let json = document.to_json();
        assert_eq!((&json[PREVIEW_MARK], &json["eventId"]), (&json!(true), &json!(event_id)), "{hook_type}");
        assert_eq!(json["eventTime"], "2026-02-11T09:30:15.000Z");
        let source = json["source"].as_str().unwrap();
        if let BuiltInType::PasswordImport | BuiltInType::Telephony = hook_type {
            assert_eq!(source, format!("https://org/api/v1/inlineHooks/{hook_id}"), "overview.md 3.3");
        }
        if hook_type == BuiltInType::UserImport {
            assert_eq!(source, hook_id.as_str(), "overview.md 3.3");
            assert!(json["data"]["context"].get("request").is_none(), "user-import.md 2");
        } else {
            let url = json["data"]["context"]["request"]["url"]["value"].as_str().unwrap();
            assert_eq!(url, format!("/api/internal/v1/inlineHooks/{hook_type}/generatePreview"), "overview.md 8");
        }
    }
}

/// Members that a subject needs: without one an answer cannot be applied, and the error names the member.
#[test]
fn documents_without_a_subject_say_what_is_missing() {
    for (hook_type, parent, member, pointer) in [
        (BuiltInType::Token, "/data/access/token/lifetime", "expiration", "/data/access/token/lifetime/expiration"),
        (BuiltInType::Token, "/data/identity", "claims", "/data/identity/claims"),
        (BuiltInType::Saml, "/data", "assertion", "/data/assertion"),
        (BuiltInType::Saml, "/data/assertion/subject", "nameId", "/data/assertion/subject/nameId"),
        (BuiltInType::Registration, "/data", "action", "/data/action"),
        (BuiltInType::Registration, "/data", "userProfile", "/data/userProfile"),
        (BuiltInType::Registration, "", "requestType", "/requestType"),
        (BuiltInType::PasswordImport, "/data/action", "credential", "/data/action/credential"),
        (BuiltInType::UserImport, "/data/action", "result", "/data/action/result"),
        (BuiltInType::UserImport, "/data/appUser", "profile", "/data/appUser/profile"),
    ] {
        let mut json: Value = serde_json::from_str(hook_type.kind().sample_requests()[0]).unwrap();
        let found = json.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(member);
        assert!(found.is_some(), "{pointer}");
        let document = Document::given(&json, hook_type.description()).unwrap();
        let error = hook_type.kind().rehearse(&document, &ProfileSchema::base(), Answer::default()).unwrap_err();
        assert_eq!(error.field, pointer);
    }
}
