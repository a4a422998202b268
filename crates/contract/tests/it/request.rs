//! The request document: the sample of `token.md` section 2, built from typed data.

use serde_json::{Value, json};
use tenterhook_contract::{
    BuiltInType, ExtensionPoint as _, HookTypes, Timestamp,
    context::{IdentityProviderContext, RequestContext, SessionContext, UrlValue, UserContext, UserLinks, UserProfile},
    envelope::Envelope,
    id::{EventId, RequestId, SessionId},
    token::{
        ClientContext, Issuer, OriginalGrant, PolicyContext, ProtocolContext, ProtocolRequest, RefreshTokenReference,
        RuleContext, Token, TokenContext, TokenDraft, TokenRequest, TokenSubject,
    },
};

fn sample() -> Value {
    serde_json::from_str(BuiltInType::Token.kind().sample_requests()[0]).unwrap()
}

fn text(document: &Value, pointer: &str) -> String {
    document.pointer(pointer).unwrap().as_str().unwrap().to_owned()
}

fn at(document: &Value, pointer: &str) -> Timestamp {
    text(document, pointer).parse().unwrap()
}

fn typed(sample: &Value) -> (TokenRequest, TokenSubject) {
    let member = |pointer: &str| text(sample, &format!("/data/context{pointer}"));
    let when = |pointer: &str| at(sample, &format!("/data/context{pointer}"));
    let some = |pointer: &str| Some(member(&format!("/protocol/request/{pointer}")));
    let context = TokenContext {
        request: RequestContext {
            id: RequestId::from_entropy([7; 16]),
            method: member("/request/method"),
            url: UrlValue { value: member("/request/url/value") },
            ip_address: member("/request/ipAddress"),
        },
        protocol: ProtocolContext {
            kind: "OAUTH2.0",
            request: ProtocolRequest {
                scope: some("scope"),
                state: some("state"),
                redirect_uri: some("redirect_uri"),
                response_mode: some("response_mode"),
                response_type: some("response_type"),
                client_id: some("client_id"),
                grant_type: None,
            },
            original_grant: None,
            issuer: Issuer { uri: member("/protocol/issuer/uri") },
            client: ClientContext {
                id: member("/protocol/client/id"),
                name: member("/protocol/client/name"),
                kind: "PUBLIC",
            },
        },
        session: Some(SessionContext {
            id: SessionId::from_parts(1, [7; 8]),
            user_id: member("/session/userId").parse().unwrap(),
            login: member("/session/login"),
            created_at: when("/session/createdAt"),
            expires_at: when("/session/expiresAt"),
            status: "ACTIVE",
            last_password_verification: Some(when("/session/lastPasswordVerification")),
            last_factor_verification: Some(when("/session/lastFactorVerification")),
            amr: vec!["PASSWORD".into(), "ONE_TIME_PASSWORD".into(), "MULTIFACTOR_AUTHENTICATION".into()],
            idp: IdentityProviderContext { id: member("/session/idp/id"), kind: "OKTA" },
            mfa_active: true,
        }),
        user: Some(UserContext {
            id: member("/user/id").parse().unwrap(),
            password_changed: Some(when("/user/passwordChanged")),
            profile: UserProfile {
                login: member("/user/profile/login"),
                first_name: member("/user/profile/firstName"),
                last_name: member("/user/profile/lastName"),
                locale: member("/user/profile/locale"),
                time_zone: member("/user/profile/timeZone"),
                custom: serde_json::Map::new(),
            },
            links: UserLinks::of("https://org.example.com", &member("/user/id").parse().unwrap()),
        }),
        policy: PolicyContext {
            id: member("/policy/id").parse().unwrap(),
            rule: RuleContext { id: member("/policy/rule/id").parse().unwrap() },
        },
    };
    let draft = |token: &str| {
        let claims = sample["data"][token]["claims"].as_object().unwrap().clone();
        Some(TokenDraft { claims, lifetime_seconds: 3_600 })
    };
    let scopes = sample["data"]["access"]["scopes"].as_object().unwrap();
    let request = TokenRequest {
        context,
        scopes: scopes.iter().map(|(name, scope)| (name.clone(), text(scope, "/id").parse().unwrap())).collect(),
        refresh_token_jti: Some(text(sample, "/data/refresh_token/jti").parse().unwrap()),
    };
    (request, TokenSubject { identity: draft("identity"), access: draft("access"), dpop: false })
}

#[test]
fn the_sample_request_is_what_typed_data_serialises_to() {
    let mut wanted = sample();
    let (request, subject) = typed(&wanted);
    // The sample's ids of request and session have the vendor's older forms.
    wanted["data"]["context"]["request"]["id"] = json!(request.context.request.id);
    wanted["data"]["context"]["session"]["id"] = json!(request.context.session.as_ref().unwrap().id);
    let data = serde_json::to_string_pretty(&Token.data(&request, &subject)).unwrap();
    assert_eq!(data, serde_json::to_string_pretty(&wanted["data"]).unwrap(), "members and their order");
}

#[test]
fn members_that_do_not_apply_are_absent() {
    let (mut request, mut subject) = typed(&sample());
    request.context.session = None;
    request.context.user = None;
    request.refresh_token_jti = None;
    request.context.protocol.request =
        ProtocolRequest { grant_type: Some("client_credentials".into()), ..ProtocolRequest::default() };
    subject.identity = None;
    let data = serde_json::to_value(Token.data(&request, &subject)).unwrap();
    for absent in
        ["/identity", "/refresh_token", "/context/session", "/context/user", "/context/protocol/originalGrant"]
    {
        assert!(data.pointer(absent).is_none(), "{absent}");
    }
    assert_eq!(data["context"]["protocol"]["request"], json!({ "grant_type": "client_credentials" }));
    request.context.protocol.original_grant = Some(OriginalGrant {
        authorization: ProtocolRequest::default(),
        refresh_token: RefreshTokenReference { jti: "oar4fTq9kXn2wLzRc1d7".parse().unwrap() },
    });
    let data = serde_json::to_value(Token.data(&request, &subject)).unwrap();
    let jti = data.pointer("/context/protocol/originalGrant/refresh_token/jti");
    assert_eq!(jti, Some(&json!("oar4fTq9kXn2wLzRc1d7")), "open-questions.md A10: lower-case o");
}

/// `observed.md` section 2: member order on the wire; `overview.md` 3.3: strings, whole seconds.
#[test]
fn the_envelope_has_the_order_and_the_values_of_the_wire() {
    let event_id = EventId::from_entropy([1; 16]);
    let now = Timestamp::from_micros(1_770_802_215_987_654);
    let envelope = Envelope::new(
        &event_id,
        now,
        BuiltInType::Telephony.description(),
        "https://x",
        Some("type.of.request"),
        json!({}),
    );
    assert_eq!(
        serde_json::to_string(&envelope).unwrap(),
        r#"{"eventId":"AQEBAQEBAQEBAQEBAQEBAQ","eventTime":"2026-02-11T09:30:15.000Z","eventType":"com.okta.telephony.provider","eventTypeVersion":"1.0","contentType":"application/json","cloudEventVersion":"0.1","source":"https://x","requestType":"type.of.request","data":{}}"#
    );
}

/// `overview.md` section 2, both tables.
#[test]
fn the_six_types_have_their_names_and_rules() {
    use tenterhook_contract::{EmptyAnswer as Empty, ErrorDefault, FailureDefault as Failure, PerOrg, Retry};
    for (hook_type, name, retry, empty, failure, refusal, per_org) in [
        (
            BuiltInType::Token,
            "com.okta.oauth2.tokens.transform",
            Retry::Never,
            Empty::DefaultAction,
            Failure::Continue,
            ErrorDefault::Refuse,
            PerOrg::Many,
        ),
        (
            BuiltInType::Saml,
            "com.okta.saml.tokens.transform",
            Retry::Once,
            Empty::DefaultAction,
            Failure::Continue,
            ErrorDefault::Refuse,
            PerOrg::Many,
        ),
        (
            BuiltInType::Registration,
            "com.okta.user.pre-registration",
            Retry::Once,
            Empty::DefaultAction,
            Failure::Stop,
            ErrorDefault::Refuse,
            PerOrg::Many,
        ),
        (
            BuiltInType::PasswordImport,
            "com.okta.user.credential.password.import",
            Retry::Once,
            Empty::DefaultAction,
            Failure::Stop,
            ErrorDefault::Failure,
            PerOrg::One,
        ),
        (
            BuiltInType::UserImport,
            "com.okta.import.transform",
            Retry::Once,
            Empty::DefaultAction,
            Failure::Continue,
            ErrorDefault::Continue,
            PerOrg::Many,
        ),
        (
            BuiltInType::Telephony,
            "com.okta.telephony.provider",
            Retry::Never,
            Empty::Malformed,
            Failure::FallBack,
            ErrorDefault::FallBack,
            PerOrg::OneActive,
        ),
    ] {
        let rules = hook_type.description();
        assert_eq!((rules.retry, rules.empty_answer, rules.failure), (retry, empty, failure), "{name}");
        assert_eq!((rules.error, rules.per_org), (refusal, per_org), "{name}");
        assert_eq!((hook_type.as_str(), name.parse().as_ref()), (name, Ok(hook_type.name())));
        assert_eq!(HookTypes::built_in().kind(name).unwrap().description().event_type, name);
    }
    for unknown in ["com.okta.account.linking.transform", "com.okta.custom.source.delegated.authentication", ""] {
        assert!(HookTypes::built_in().kind(unknown).is_none(), "overview.md 2: out of scope");
    }
}

#[test]
fn ids_sort_by_time_and_parse_back() {
    use tenterhook_contract::id::{HookId, UserId};
    let (early, late) = (HookId::from_parts(1_000, [255; 8]), HookId::from_parts(1_001, [0; 8]));
    assert!(early < late && early.as_str().len() == 20 && early.as_str().starts_with("cal"));
    assert_eq!(early.as_str().parse(), Ok(early.clone()));
    for bad in
        ["", "cal", "cal4k9wq7XbTz2RmN1d", "cal4k9wq7XbTz2RmN1d77", "00u4k9wq7XbTz2RmN1d7", "cal4k9wq7XbTz2RmN1d-"]
    {
        assert!(bad.parse::<HookId>().is_err(), "{bad}");
    }
    assert!(early.as_str().parse::<UserId>().is_err());
}
