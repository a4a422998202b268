//! Secrets appear where they belong and nowhere else.

use std::{fs, net::SocketAddr};

use serde_json::{Value, json};
use tenterhook_contract::{id::RequestId, telephony::TelephonyFlow};
use tenterhook_flows::telephony::{Delivery, Message, PasscodeChannel, send};
use tenterhook_model::{Passcode, PhoneNumber};
use tenterhook_platform::{Caller, Languages, events::user_actor};
use tenterhook_saml::{
    NameId,
    binding::{MessageKind, redirect},
    write::LogoutRequest,
};
use tenterhook_testkit::{
    lines::Lines,
    pki::Authority,
    service::{self as testkit, Step},
};

use crate::{
    harness::{ADMIN_TOKEN, Behaviour, CLIENT_SECRET, HOOK_SECRET, PASSWORD, Service, World, hook_body},
    oauth::{VERIFIER, authorization_path, redeem, redirect_parameter, refresh, sign_in, sign_in_and_authorize},
    password_import::{OLD, import_hook, says, user_to_import},
    saml::{AUDIENCE, Provider},
};

/// A value that the hook adds to a token.
const ADDED: &str = "added-value-marked-secret";

#[tokio::test]
async fn no_secret_reaches_the_log_an_answer_or_the_database_file() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({ "commands": [
        { "type": "com.okta.access.patch", "value": [{ "op": "add", "path": "/claims/tier", "value": ADDED }] },
    ] })))
    .await;
    let hook = world.hook(service.address).await;
    assert_eq!(world.client_credentials().await.status, 200);
    // The same value where it is not acceptable: the problem must not quote it.
    service.behave(Behaviour::json(&json!({ "commands": [
        { "type": "com.okta.access.patch", "value": [{ "op": "replace", "path": "/claims/absent", "value": ADDED }] },
    ] })));
    assert_eq!(world.client_credentials().await.status, 200);
    service.behave(Behaviour::Answer(200, format!("{{\"{ADDED}\"")));
    assert_eq!(world.client_credentials().await.status, 200);

    world.platform.log().flush().await;
    let org = world.platform.org_by_host(None).unwrap();
    let mut seen = format!("{:?} {:?}", org.configuration, org.hook(&hook.parse().unwrap()).unwrap().hook);
    seen.extend([format!("{:?}", world.platform.store()), format!("{:?}", world.platform.log())]);
    for path in
        ["/api/v1/logs?limit=1000", "/api/v1/inlineHooks", "/api/v1/users", "/oauth2/v1/clients", &world.rule_path()]
    {
        seen.push_str(&world.api("GET", path, None).await.text());
    }
    for file in fs::read_dir(world.folder.path()).unwrap() {
        seen.push_str(&String::from_utf8_lossy(&fs::read(file.unwrap().path()).unwrap()));
    }
    assert!(seen.contains("inline_hook.response.processed"), "the log was read");
    for secret in [ADMIN_TOKEN, CLIENT_SECRET, PASSWORD, HOOK_SECRET, ADDED, "BEGIN PRIVATE KEY"] {
        assert!(!seen.contains(secret), "`{secret}` was seen");
    }
}

/// Everything that this thread traces, until the guard is dropped.
fn traced() -> (Lines, tracing::subscriber::DefaultGuard) {
    let traces = Lines::default();
    let writer = traces.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    (traces, tracing::subscriber::set_default(subscriber.finish()))
}

/// Everything that somebody may read who may not know a secret: the log, the API, metrics, traces, `Debug`, the files.
async fn readable(world: &World, traces: &Lines) -> String {
    world.platform.log().flush().await;
    let org = world.platform.org_by_host(None).unwrap();
    let mut seen = format!("{:?} {:?} {:?}", org.configuration, world.platform.store(), world.platform.log());
    for hook in &org.configuration.hooks {
        seen.extend([format!("{hook:?}")]);
    }
    for path in ["/api/v1/logs?limit=1000", "/api/v1/hook-keys", "/api/v1/users", "/oauth2/v1/clients"] {
        seen.push_str(&world.api("GET", path, None).await.text());
    }
    seen.push_str(&world.platform.metrics_text());
    seen.push_str(&traces.text());
    seen
}

/// A hook whose every secret is marked.
fn marked_hook(service: SocketAddr, tokens: SocketAddr) -> Value {
    json!({
        "name": "Marked", "type": "com.okta.oauth2.tokens.transform", "version": "1.0.0",
        "policy": { "failurePolicy": "fallback", "fallbackCommands": [{ "type": "com.okta.access.patch", "value": [
            { "op": "add", "path": "/claims/tier", "value": "fallback-marked" },
        ] }] },
        "channel": { "type": "OAUTH", "version": "1.0.0", "config": {
            "uri": format!("http://{}/hook", service), "clientId": "hook-caller", "scope": "hooks.call",
            "tokenUrl": format!("http://{}/token", tokens), "authType": "client_secret_post",
            "clientSecret": "client-secret-marked", "headers": [{ "key": "X-Api-Key", "value": "header-marked" }],
        } },
    })
}

/// The secrets of channels, signatures, TLS and flows, each marked, through good calls and bad ones.
#[tokio::test]
async fn no_secret_of_a_channel_or_a_flow_is_seen_anywhere() {
    let (traces, _guard) = traced();
    let world = World::start().await;
    let token = r#"{"access_token":"channel-token-marked","token_type":"Bearer","expires_in":3600}"#;
    let refusal = r#"{"error":"invalid_client","error_description":"not client-secret-marked"}"#;
    let steps = [Step::answer(200, token), Step::answer(200, token), Step::answer(400, refusal)];
    let tokens = testkit::Service::start(steps.to_vec(), None).await.unwrap();
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let hook = marked_hook(service.address, tokens.address());
    let created = world.api("POST", "/api/v1/inlineHooks", Some(&hook)).await;
    assert_eq!(created.status, 200, "{}", created.text());
    let path = format!("/api/v1/inlineHooks/{}", created.json()["id"].as_str().unwrap());
    let mut errors = created.text();
    assert_eq!(world.associate(&json!({ "id": created.json()["id"] })).await.status, 200);
    let rotated = world.api("POST", &format!("{path}/signing/rotate"), None).await.json();
    let signing = rotated["secret"].as_str().unwrap().trim_start_matches("whsec_").to_owned();
    world.api("POST", &format!("{path}/signing/rotate"), Some(&json!({ "version": "v1a" }))).await;
    let (certificate, key) = Authority::new().unwrap().client().unwrap();
    let tls = json!({ "clientCertificate": certificate, "clientKey": key });
    assert_eq!(world.api("PUT", &format!("{path}/tls"), Some(&tls)).await.status, 200);
    let key_line = key.lines().nth(1).unwrap().to_owned();
    world.api("POST", "/api/v1/hook-keys", Some(&json!({ "name": "Key" }))).await;

    // A person signs in, and their tokens pass the hook: good, refused, broken, and with a channel that is refused.
    let client = world.org.public_client_id.to_string();
    let answer = sign_in_and_authorize(&world, &client, "openid offline_access", "").await;
    let code = redirect_parameter(&answer, "code").unwrap();
    let granted = redeem(&world, &client, &code, VERIFIER).await.json();
    let first_refresh_token = granted["refresh_token"].as_str().unwrap().to_owned();
    let refreshed = refresh(&world, &client, &first_refresh_token).await.json();
    let refresh_token = refreshed["refresh_token"].as_str().unwrap().to_owned();
    let access_token = refreshed["access_token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {access_token}");
    let userinfo = format!("/oauth2/{}/v1/userinfo", world.org.authorization_server_id);
    assert_eq!(world.send("GET", &userinfo, &[("authorization", &bearer)], b"").await.status, 200);
    for behaviour in [
        Behaviour::Answer(200, "{\"body-marked\"".to_owned()),
        Behaviour::Answer(503, "body-marked".to_owned()),
        Behaviour::Raw(b"HTTP/1.1 200 OK\r\nX-Echo: body-marked\r\nbroken".to_vec()),
        Behaviour::json(&json!({ "commands": [{ "type": "com.okta.access.patch", "value": [
            { "op": "add", "path": "/claims/sub", "value": "body-marked" },
        ] }] })),
        Behaviour::json(&json!({ "commands": [{ "type": "com.okta.access.patch", "value": "body-marked" }] })),
        Behaviour::Answer(401, "body-marked".to_owned()),
        Behaviour::json(&json!({})),
    ] {
        service.behave(behaviour);
        assert_eq!(world.client_credentials().await.status, 200);
        let executed = world.api("POST", &format!("{path}/execute"), Some(&json!({ "data": {} }))).await;
        // A test call that worked shows the answer: that is what it is for.
        if executed.status != 200 {
            errors.push_str(&executed.text());
        }
    }
    let wrong = json!({ "channel": { "config": { "clientSecret": "", "uri": "http://password-marked@x" } } });
    errors.push_str(&world.api("POST", &path, Some(&wrong)).await.text());
    errors.push_str(&world.form("token", Some("Basic cGFzc3dvcmQtbWFya2Vk"), &[("grant_type", "x")]).await.text());
    errors.push_str(&redeem(&world, &client, &code, VERIFIER).await.text());

    let log = readable(&world, &traces).await;
    assert!(log.contains("TOKEN_REFUSED") && log.contains("STATUS_503"), "the faults were reached");
    let seen = log + &errors;
    let mut files = String::new();
    for file in fs::read_dir(world.folder.path()).unwrap() {
        files.push_str(&String::from_utf8_lossy(&fs::read(file.unwrap().path()).unwrap()));
    }
    let everywhere = [
        "client-secret-marked",
        "channel-token-marked",
        "body-marked",
        signing.as_str(),
        key_line.as_str(),
        refresh_token.as_str(),
        first_refresh_token.as_str(),
        access_token.as_str(),
        code.as_str(),
        PASSWORD,
        ADMIN_TOKEN,
        CLIENT_SECRET,
        "BEGIN PRIVATE KEY",
        "BEGIN RSA PRIVATE KEY",
        "whsk_",
        "password-marked",
    ];
    for secret in everywhere {
        assert!(!seen.contains(secret), "`{secret}` was seen");
        assert!(!files.contains(secret), "`{secret}` is in a file of the database");
    }
    // The fallback and headers are configuration: the API shows them and the database keeps them, no log does.
    let hook_shown = world.api("GET", &path, None).await.text();
    assert!(hook_shown.contains("fallback-marked") && !seen.replace(&created.text(), "").contains("fallback-marked"));
    assert!(hook_shown.contains("header-marked") && !seen.replace(&created.text(), "").contains("header-marked"));
}

/// What an org declares sensitive is not sent, and what it declares masked is sent; neither is seen, also where a service repeats what it
/// was sent.
#[tokio::test]
async fn nothing_sensitive_or_masked_of_an_extension_point_is_seen_anywhere() {
    const POINT: &str = "com.example.order.checkout";
    const CARD: &str = "card-number-marked-secret";
    const EMAIL: &str = "ada-marked-secret@example.com";
    const NAME: &str = "name/marked-secret";
    let (traces, _guard) = traced();
    let world = World::start().await;
    let point = json!({
        "type": POINT, "title": "Checkout",
        "contextSchema": { "type": "object", "properties": { "card": { "type": "object" } } },
        "subjectSchema": { "type": "object", "properties": { "note": { "type": "string", "maxLength": 5 } } },
        "operations": [{ "op": "add", "path": "/note" }],
        "sensitive": ["/context/card/number"], "masked": ["/subject/customer/email", "/subject/cards"],
    });
    let declared = world.api("POST", "/api/v1/extensionPoints", Some(&point)).await;
    assert_eq!(declared.status, 201, "{}", declared.text());
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let mut hook = hook_body("Checkout", service.address);
    hook["type"] = json!(POINT);
    let hook = world.api("POST", "/api/v1/inlineHooks", Some(&hook)).await.json();
    let bindings = json!({ "bindings": [{ "inlineHookId": hook["id"] }] });
    let path = format!("/api/v1/extensionPoints/{POINT}");
    assert_eq!(world.api("PUT", &format!("{path}/bindings"), Some(&bindings)).await.status, 200);
    let body = json!({ "name": "Checkout", "role": "HOST", "extensionPoints": [POINT] });
    let token = world.api("POST", "/api/v1/api-tokens", Some(&body)).await.json()["token"].as_str().unwrap().to_owned();
    let headers = [("authorization", &*format!("SSWS {token}")), ("content-type", "application/json")];
    let question = json!({
        "context": { "card": { "number": CARD, "brand": "visa" } }, "subject": { "customer": { "email": EMAIL }, "cards": { NAME: { "limit": 5 } } },
    });
    let adding = |path: &str, value: &str| json!({ "commands": [{ "type": format!("{POINT}.patch"), "value": [{ "op": "add", "path": path, "value": value }] }] });
    // The service cannot repeat what is sensitive: it does not get it.
    let repeated = format!("for {EMAIL}! {NAME}");
    let behaviours = [
        Behaviour::json(&json!({ "debugContext": { "seen": repeated } })),
        Behaviour::json(&json!({ "error": { "errorSummary": repeated, "errorCauses": [
            { "errorSummary": repeated, "reason": repeated, "locationType": "body", "location": repeated, "domain": repeated },
        ] } })),
        Behaviour::json(&adding("/note", &repeated)),
        Behaviour::json(&adding(&format!("/{EMAIL}"), "x")),
        Behaviour::json(&adding(&format!("/cards/{}/limit", NAME.replace('/', "~1")), "x")),
        Behaviour::json(
            &json!({ "commands": [{ "type": format!("{POINT}.patch"), "value": [{ NAME: 1, "op": "add", "path": "/note", "value": "x" }] }] }),
        ),
        Behaviour::json(&json!({ "commands": [{ "type": repeated, "value": repeated }] })),
        Behaviour::Answer(200, repeated.clone()),
        Behaviour::Answer(503, repeated.clone()),
    ];
    for behaviour in &behaviours {
        service.behave(behaviour.clone());
        let asked = world.send("POST", &format!("{path}/invocations"), &headers, question.to_string().as_bytes()).await;
        assert_eq!(asked.status, 200, "{}", asked.text());
    }
    let sent = service.received();
    assert!(sent.len() >= behaviours.len());
    for document in &sent {
        assert!(document["data"]["context"]["card"]["brand"] == "visa" && !document.to_string().contains(CARD));
        assert_eq!(document["data"]["subject"]["customer"]["email"], EMAIL, "what is masked is sent");
    }
    // A question that is wrong is told with pointers, not with values.
    let wrong = json!({ "context": { "card": CARD }, "subject": { "note": 7, "customer": EMAIL } });
    let refused = world.send("POST", &format!("{path}/invocations"), &headers, wrong.to_string().as_bytes()).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    let seen = readable(&world, &traces).await + &refused.text();
    assert!(seen.contains("STATUS_503") && seen.contains(POINT), "the faults were reached");
    let mut files = String::new();
    for file in fs::read_dir(world.folder.path()).unwrap() {
        files.push_str(&String::from_utf8_lossy(&fs::read(file.unwrap().path()).unwrap()));
    }
    for secret in [CARD, EMAIL, NAME, "name~1marked-secret", token.as_str()] {
        if let Some(at) = seen.find(secret) {
            panic!("`{secret}` was seen: {}", seen.get(at.saturating_sub(600)..at + 100).unwrap_or_default());
        }
        assert!(!files.contains(secret), "`{secret}` is in a file of the database");
    }
}

/// The password that the old system knows: through every outcome, also where the service repeats it.
#[tokio::test]
async fn a_password_that_is_imported_is_seen_nowhere() {
    let (traces, _guard) = traced();
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let hook = import_hook(&world, service.address).await;
    user_to_import(&world, "mei@legacy.example").await;
    let client_id = world.org.public_client_id.to_string();
    let mut pages = String::new();
    for behaviour in [
        Behaviour::json(&json!({ "error": { "errorSummary": OLD, "errorCauses": [{ "errorSummary": OLD }] } })),
        Behaviour::json(&json!({ "commands": [{ "type": "com.okta.action.update", "value": { "credential": OLD } }] })),
        Behaviour::json(&json!({ "commands": [{ "type": OLD, "value": OLD }], "debugContext": { "seen": OLD } })),
        Behaviour::Answer(200, OLD.to_owned()),
        Behaviour::Answer(503, OLD.to_owned()),
        says("UNVERIFIED"),
        says("VERIFIED"),
    ] {
        service.behave(behaviour);
        let path = authorization_path(&world, &client_id, "openid", "");
        let page = world.send("GET", &path, &[], b"").await;
        pages.push_str(&sign_in(&world, &page, "mei@legacy.example", OLD).await.text());
    }
    assert!(service.received().iter().all(|document| document.to_string().contains(OLD)), "it is sent");
    pages.push_str(&world.api("GET", &hook, None).await.text());
    let seen = readable(&world, &traces).await + &pages;
    assert!(seen.contains("user.import.password") && seen.contains("STATUS_503"), "the faults were reached");
    if let Some(at) = seen.find(OLD) {
        panic!("it was seen: {}", seen.get(at.saturating_sub(600)..at + 100).unwrap_or_default());
    }
    for file in fs::read_dir(world.folder.path()).unwrap() {
        let text = String::from_utf8_lossy(&fs::read(file.unwrap().path()).unwrap()).into_owned();
        assert!(!text.contains(OLD), "it is in a file of the database");
    }
}

/// What a hook writes into an assertion, the name that a request asks for, and what a service provider remembers: through good answers
/// and bad ones, the sign-in page, and a logout in which all of it comes back.
#[tokio::test]
async fn nothing_that_a_saml_hook_or_a_service_provider_says_of_a_user_is_seen_anywhere() {
    const RELAY_STATE: &str = "relay-marked-secret";
    let (traces, _guard) = traced();
    let world = World::start().await;
    let mut provider = Provider::new(&world).await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    provider.hook(service.address).await;
    let slo = json!({ "issuer": AUDIENCE, "logoutUrl": "https://benefits.example.com/slo" });
    provider.change(|app| app.single_logout = Some(serde_json::from_value(slo).unwrap())).await;
    let cookie = provider.session().await;
    let subject = "<saml:Subject xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"><saml:NameID>hint-marked-secret</saml:NameID></saml:Subject>";
    let asked = provider.redirect(&provider.request("_h", "", subject), Some(RELAY_STATE));
    assert!(provider.get(&asked, "").await.text().contains("hint-marked-secret"), "it is filled in");
    assert_eq!(provider.get(&asked, &cookie).await.status, 200);
    assert_eq!(provider.get(&format!("{asked}&RelayState=twice-marked-secret"), &cookie).await.status, 400);

    let operation = |op: &str, path: &str| json!({ "op": op, "path": path, "value": "value-marked-secret" });
    let patch = |operations: Value| {
        Behaviour::json(&json!({ "commands": [{ "type": "com.okta.assertion.patch", "value": operations }] }))
    };
    let value =
        json!({ "attributeValues": [{ "attributes": { "xsi:type": "xs:string" }, "value": "value-marked-secret" }] });
    let good = json!([
        operation("replace", "/subject/nameId"),
        operation("replace", "/authentication/sessionIndex"),
        { "op": "add", "path": "/claims/level", "value": value },
    ]);
    for (number, behaviour) in [
        patch(json!([operation("replace", "/claims/absent")])),
        patch(json!([operation("add", "/lifetime/expiration")])),
        patch(json!([{ "op": "add", "path": "/claims/x", "value": { "attributeValues": "value-marked-secret" } }])),
        patch(json!([{ "op": "replace", "path": "/subject/nameId", "value": "value-marked-secret\u{1}" }])),
        Behaviour::Answer(200, "{\"value-marked-secret\"".to_owned()),
        Behaviour::Answer(503, "value-marked-secret".to_owned()),
        patch(good),
    ]
    .into_iter()
    .enumerate()
    {
        service.behave(behaviour);
        let request = provider.request(&format!("_m{number}"), "", "");
        let answer = provider.get(&provider.redirect(&request, Some(RELAY_STATE)), &cookie).await;
        assert_eq!(Provider::posted(&answer).relay_state.as_deref(), Some(RELAY_STATE));
    }
    let now = world.platform.now();
    let logout = LogoutRequest {
        id: "_l".to_owned(),
        destination: provider.logout_url(),
        issuer: AUDIENCE.to_owned(),
        issue_instant: now,
        not_on_or_after: None,
        name_id: NameId {
            value: "value-marked-secret".to_owned(),
            format: None,
            name_qualifier: None,
            sp_name_qualifier: None,
        },
        session_indexes: vec!["value-marked-secret".to_owned()],
    };
    let query = redirect::encode(MessageKind::Request, &logout.to_xml().unwrap(), Some(RELAY_STATE), None).unwrap();
    let answer = provider.get(&format!("{}?{query}", provider.logout_path()), &cookie).await;
    assert!(answer.status == 303 && answer.header("location").contains(RELAY_STATE), "{answer:?}");

    let seen = readable(&world, &traces).await;
    assert!(seen.contains("user.authentication.sso") && seen.contains("user.session.end"), "the flow was logged");
    assert!(seen.contains("RelayState=***") && seen.contains("STATUS_503"), "{seen}");
    assert!(!seen.contains("marked-secret"), "a value was seen");
    for file in fs::read_dir(world.folder.path()).unwrap() {
        let file = String::from_utf8_lossy(&fs::read(file.unwrap().path()).unwrap()).into_owned();
        assert!(!file.contains("marked-secret"), "it is in a file of the database");
    }
}

/// One-time passcodes and the numbers that they are sent to, also when a service repeats them.
#[tokio::test]
async fn no_passcode_and_no_number_is_seen_anywhere() {
    let (code, number) = ("048213", "+2348012345678");
    let (traces, _guard) = traced();
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    let mut hook = hook_body("Phone", service.address);
    hook["type"] = json!("com.okta.telephony.provider");
    hook["policy"] = json!({ "voiceLabel": "CALL" });
    let created = world.api("POST", "/api/v1/inlineHooks", Some(&hook)).await;
    assert_eq!(created.json()["policy"]["voiceLabel"], json!("CALL"), "{}", created.text());
    let org = world.platform.org_by_host(None).unwrap();
    let user = world.platform.store().find_user_by_login(&org.org.id, "ada@example.com").await.unwrap().unwrap();
    let caller = Caller {
        request_id: RequestId::from_entropy([7; 16]),
        at: world.platform.now(),
        method: "POST".to_owned(),
        path: "/api/v1/authn/factors/verify".to_owned(),
        query: Some(format!("passcode={code}")),
        ip_address: "203.0.113.140".to_owned(),
        proxies: Vec::new(),
        user_agent: None,
        languages: Languages::default(),
        base_url: org.base_url.clone(),
    };
    let (phone, passcode) = (PhoneNumber::parse(number, None).unwrap(), Passcode::parse(code).unwrap());
    let loud = format!("{code} to {number}, 48213 to 2348012345678, 0801 234 5678 and 8012345678");
    let masked = "•••• to ••••, •••• to••••, 0•••• and ••••";
    let report = |status: &str| {
        let value = json!([{ "status": status, "provider": loud, "transactionId": loud, "transactionMetadata": loud }]);
        json!({ "commands": [{ "type": "com.okta.telephony.action", "value": value }], "debugContext": { "x": loud } })
    };
    let mut shown = String::new();
    for (behaviour, expected) in [
        (Behaviour::json(&report("SUCCESSFUL")), Some(Delivery::Sent)),
        (Behaviour::json(&report("FAILED")), Some(Delivery::NotSent)),
        (Behaviour::json(&report(&loud)), Some(Delivery::NotSent)),
        (Behaviour::json(&json!({ "error": { "errorSummary": loud } })), None),
        (Behaviour::Answer(200, loud.clone()), Some(Delivery::NotSent)),
        (Behaviour::Answer(503, loud.clone()), Some(Delivery::NotSent)),
    ] {
        service.behave(behaviour);
        let message = Message {
            purpose: TelephonyFlow::PasswordReset,
            channel: PasscodeChannel::Voice,
            user: &user,
            phone: &phone,
            passcode: &passcode,
            expires: world.platform.now().plus_seconds(300),
            locale: None,
            caller: &caller,
            actor: user_actor(&user),
            token: None,
        };
        shown.extend([format!("{message:?}")]);
        let delivery = send(&world.platform, &org, message).await;
        match expected {
            Some(expected) => assert_eq!(delivery, expected),
            // The service's own words, without the code and the number.
            None => match &delivery {
                Delivery::Refused(error) => assert_eq!(error.summary.as_deref(), Some(masked)),
                other => panic!("{other:?}"),
            },
        }
        shown.extend([format!("{delivery:?}")]);
    }
    let documents = service.received();
    assert_eq!(documents.len(), 6);
    assert_eq!(documents[0]["data"]["messageProfile"]["deliveryChannel"], json!("CALL"), "the hook's own label");
    let seen = shown + &readable(&world, &traces).await;
    assert!(seen.contains("system.voice.send_password_reset_call") && seen.contains("STATUS_503"), "{seen}");
    for form in [code, "48213", "2348012345678", "8012345678", "801 234 5678"] {
        assert!(!seen.contains(form), "{form}: {seen}");
    }
    for file in fs::read_dir(world.folder.path()).unwrap() {
        let file = String::from_utf8_lossy(&fs::read(file.unwrap().path()).unwrap()).into_owned();
        assert!(!file.contains(code) && !file.contains("2348012345678"), "it is in a file of the database");
    }
}
