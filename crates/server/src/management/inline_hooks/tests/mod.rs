//! An inline hook from its body to its answer: `management-api.md` sections 2 and 3, `observed.md` section 1.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
#![expect(clippy::needless_pass_by_value, reason = "a row of a table is moved into its check")]

mod policy;

use serde_json::{Value, json};
use tenterhook_contract::{
    HookTypes, Secret, Timestamp,
    hook::{ChannelAuthentication, HookStatus, InlineHook},
    hook_key::HookKey,
    id::HookId,
};
use tenterhook_management::{
    administrator::ManagementError,
    hooks::rules::{self, Registry},
};
use tenterhook_model::{Objects, StoredForm as _, StoredObject};

use super::{
    super::call::submitted,
    answer::HookAnswer,
    body::{Create, HookBody, Replace, Update},
};

const KEY: &str = "HKY8vT3yLq0cWd5pJ1g6";

fn now() -> Timestamp {
    Timestamp::from_micros(1_770_800_400_987_000)
}

fn key(id: &str, name: &str) -> HookKey {
    HookKey {
        id: id.parse().unwrap(),
        key_id: "5f5b9c1e-7c34-4d1b-9a56-0d3c9a1f7e11".into(),
        name: name.into(),
        created: now(),
        last_updated: now(),
        modulus: "n".into(),
        exponent: "AQAB".into(),
        private_key_pem: Secret::new("marked-secret"),
    }
}

fn keys() -> [HookKey; 1] {
    [key(KEY, "Signer")]
}

fn id(number: u64) -> HookId {
    HookId::from_parts(number, [0; 8])
}

/// What is wrong with a body.
#[derive(Debug)]
struct Invalid {
    subject: String,
    causes: Vec<String>,
}

type Judged = Result<InlineHook, Invalid>;

fn judged(hook: Result<InlineHook, ManagementError>) -> Judged {
    hook.map_err(|error| match error {
        ManagementError::Invalid { subject, causes } => Invalid { subject, causes },
        other => panic!("{other:?}"),
    })
}

/// An org with these hooks, and with hook keys.
struct Org {
    hooks: Objects<InlineHook>,
    keys: Objects<HookKey>,
    plain_http_to_loopback: bool,
}

impl Org {
    fn of(hooks: &[InlineHook]) -> Self {
        let hooks = hooks.iter().cloned().collect();
        Self { hooks, keys: keys().into_iter().collect(), plain_http_to_loopback: false }
    }

    fn registry(&self) -> Registry<'_> {
        let Self { hooks, keys, plain_http_to_loopback } = self;
        let (types, plain_http_to_loopback) = (HookTypes::built_in(), *plain_http_to_loopback);
        Registry { hooks, types, hook_keys: keys, plain_http_to_loopback }
    }

    fn create(&self, body: &Value) -> Judged {
        let id = id(self.hooks.len() as u64);
        judged(rules::created(&submitted::<HookBody<Create>>(body.clone()), self.registry(), id, now()))
    }
}

/// Creates a hook in an org that has such hooks, whatever their ids.
fn create_among(hooks: &[InlineHook], body: &Value) -> Judged {
    let others = hooks.iter().zip(1_000..).map(|(hook, number)| InlineHook { id: id(number), ..hook.clone() });
    Org::of(&others.collect::<Vec<_>>()).create(body)
}

fn replace(hook: &InlineHook, body: &Value) -> Judged {
    judged(rules::replaced(hook, &submitted::<HookBody<Replace>>(body.clone()), Org::of(&[]).registry(), now()))
}

fn update(hook: &InlineHook, body: &Value, now: Timestamp) -> Judged {
    let org = Org::of(std::slice::from_ref(hook));
    judged(rules::updated(hook, &submitted::<HookBody<Update>>(body.clone()), org.registry(), now))
}

fn shown(hook: &InlineHook) -> Value {
    serde_json::to_value(HookAnswer::of("https://org.example.com", hook)).unwrap()
}

/// The hook as the store has it.
fn read_back(hook: &InlineHook) -> InlineHook {
    InlineHook::from_stored(hook.to_stored().unwrap()).unwrap()
}

fn http() -> Value {
    json!({
        "name": "Partner claims", "type": "com.okta.oauth2.tokens.transform", "version": "1.0.0",
        "channel": { "type": "HTTP", "version": "1.0.0", "config": {
            "uri": "https://claims.partner.example/hooks/token",
            "headers": [{ "key": "X-Tenant", "value": "north" }],
            "method": "POST",
            "authScheme": { "type": "HEADER", "key": "Authorization", "value": "marked-secret" },
        } },
    })
}

fn oauth(auth_type: &str) -> Value {
    let mut body = http();
    body["channel"]["type"] = json!("OAUTH");
    body["channel"]["config"] = json!({
        "uri": "https://claims.partner.example/hooks/token", "clientId": "hook-caller", "authType": auth_type,
        "tokenUrl": "https://idp.partner.example/oauth/token", "scope": "hooks.call",
    });
    let (name, value) =
        if auth_type == "private_key_jwt" { ("hookKeyId", KEY) } else { ("clientSecret", "marked-secret") };
    body["channel"]["config"][name] = json!(value);
    body
}

/// Changes one member of a good body; the wanted cause, or none.
fn check(body: fn() -> Value, pointer: &str, value: Value, wanted: Option<&str>) {
    let mut body = body();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[name] = value.clone();
    match (create_among(&[], &body), wanted) {
        (Ok(_), None) => {}
        (Err(Invalid { causes, .. }), Some(wanted)) => {
            assert!(causes.iter().any(|cause| cause.starts_with(wanted)), "{pointer} = {value}: {causes:?}");
        }
        (outcome, wanted) => panic!("{pointer} = {value} gave {outcome:?}, not {wanted:?}"),
    }
}

#[test]
fn every_member_has_its_rule() {
    for (pointer, value, wanted) in [
        ("/name", json!("x".repeat(255)), None),
        ("/name", json!("x".repeat(256)), Some("name: The field cannot be longer than 255 characters")),
        ("/name", json!(""), Some("name: The field cannot be left blank")),
        ("/name", Value::Null, Some("name: The field cannot be left blank")),
        ("/name", json!(7), Some("name: The field has an invalid value")),
        ("/type", json!("com.okta.account.linking.transform"), Some("type: The field has an invalid value")),
        ("/type", Value::Null, Some("type: The field cannot be left blank")),
        ("/version", json!("1.0.1"), None),
        ("/version", json!("1.0.27"), None),
        ("/version", json!("1.1.0"), Some("version: The field has an invalid value")),
        ("/version", json!("1.0."), Some("version:")),
        ("/version", json!("1.0.x"), Some("version:")),
        ("/version", Value::Null, Some("version: The field cannot be left blank")),
        ("/channel", Value::Null, Some("channel: The field cannot be left blank")),
        ("/channel", json!([]), Some("channel: The field has an invalid value")),
        (
            "/channel/type",
            json!("SMTP"),
            Some("channel.type: The field has an invalid value. Write one of HTTP, OAUTH"),
        ),
        ("/channel/version", json!("2.0.0"), Some("channel.version: The field has an invalid value. Write 1.0.0")),
        ("/channel/version", Value::Null, None),
        ("/channel/config", Value::Null, Some("channel.config: The field cannot be left blank")),
        (
            "/channel/config/uri",
            json!("http://x.example"),
            Some("channel.config.uri: The URI must start with `https://`"),
        ),
        ("/channel/config/uri", json!("HTTPS://x.example"), Some("channel.config.uri:")),
        (
            "/channel/config/uri",
            json!("https://x.example/a b"),
            Some("channel.config.uri: The URI cannot contain white space"),
        ),
        (
            "/channel/config/uri",
            json!("https://user:pw@x.example/"),
            Some("channel.config.uri: The URI cannot contain user information"),
        ),
        ("/channel/config/uri", json!("https://"), Some("channel.config.uri:")),
        ("/channel/config/uri", json!("https://x.example:0/"), Some("channel.config.uri:")),
        ("/channel/config/uri", json!("https://x.example:65536/"), Some("channel.config.uri:")),
        ("/channel/config/uri", json!("https://x.example:8443/?a=b"), None),
        ("/channel/config/uri", json!("https://[2606:4700::1111]/x"), None),
        ("/channel/config/uri", json!(format!("https://x.example/{}", "a".repeat(1_006))), None),
        (
            "/channel/config/uri",
            json!(format!("https://x.example/{}", "a".repeat(1_007))),
            Some("channel.config.uri: The field cannot be longer than 1024 characters"),
        ),
        ("/channel/config/method", Value::Null, None),
        ("/channel/config/method", json!("GET"), Some("channel.config.method: Only POST is supported")),
        ("/channel/config/authScheme", Value::Null, None),
        ("/channel/config/authScheme", json!("x"), Some("channel.config.authScheme: The field has an invalid value")),
        ("/channel/config/authScheme/type", json!("header"), None),
        (
            "/channel/config/authScheme/type",
            json!("COOKIE"),
            Some("channel.config.authScheme.type: The field has an invalid value. Write HEADER"),
        ),
        (
            "/channel/config/authScheme/key",
            Value::Null,
            Some("channel.config.authScheme.key: The field cannot be left blank"),
        ),
        (
            "/channel/config/authScheme/key",
            json!("Host"),
            Some("channel.config.authScheme.key: The field is a reserved header name"),
        ),
        (
            "/channel/config/authScheme/value",
            Value::Null,
            Some("channel.config.authScheme.value: The field cannot be left blank"),
        ),
        ("/channel/config/authScheme/value", json!("x".repeat(8_192)), None),
        ("/channel/config/authScheme/value", json!("x".repeat(8_193)), Some("channel.config.authScheme.value:")),
    ] {
        check(http, pointer, value, wanted);
    }
}

/// `clients.md`: what is not supported is refused by its name. The vendor's Terraform provider sends empty members.
#[test]
fn an_http_channel_refuses_the_members_of_an_oauth_channel() {
    for member in ["clientId", "clientSecret", "hookKeyId", "tokenUrl", "authType", "scope"] {
        let pointer = format!("/channel/config/{member}");
        let refused = format!("channel.config.{member}: The field must be null for an HTTP channel");
        for (value, wanted) in [
            (Value::Null, None),
            (json!(""), None),
            (json!(" "), None),
            (json!("x"), Some(&*refused)),
            (json!(7), Some(&*refused)),
        ] {
            check(http, &pointer, value, wanted);
        }
    }
    let mut kept = http();
    kept["channel"]["config"] = oauth("client_secret_post")["channel"]["config"].clone();
    let Err(Invalid { causes, .. }) = create_among(&[], &kept) else { panic!("its members are dropped") };
    assert_eq!(causes.len(), 5, "{causes:?}");
}

/// `open-questions.md` B11 and the bounds of `overview.md` 3.1.
#[test]
fn every_custom_header_has_its_rule() {
    for (value, wanted) in [
        (Value::Null, None),
        (json!({}), Some("The field has an invalid value")),
        (json!(["X"]), Some("Header 0 needs")),
        (json!([{ "key": "X", "value": 5 }]), Some("Header 0 needs")),
        (json!([{ "key": "X", "vlaue": "x" }]), Some("Header 0: the member `vlaue` is not supported")),
        (json!([{ "key": "X" }]), None),
        (json!([{ "key": "X", "value": null }]), None),
        (json!([{ "key": "X", "value": "" }]), None),
        (json!([{ "value": "x" }]), Some("Header 0: `` is not")),
        (json!([{ "key": " ", "value": "x" }]), Some("Header 0: ` `")),
        (json!([{ "key": "Field 1", "value": "x" }]), None),
        (json!([{ "key": "Größe", "value": "x" }]), None),
        (json!([{ "key": "a:b", "value": "x" }]), Some("Header 0:")),
        (json!([{ "key": "a\r\nb", "value": "x" }]), Some("Header 0:")),
        (json!([{ "key": "a\tb", "value": "x" }]), Some("Header 0:")),
        (json!([{ "key": "a\u{2028}b", "value": "x" }]), Some("Header 0:")),
        (json!([{ "key": "k".repeat(255), "value": "x" }]), None),
        (json!([{ "key": "k".repeat(256), "value": "x" }]), Some("Header 0:")),
        (json!([{ "key": "under_score", "value": "x" }]), None),
        (json!([{ "key": "X", "value": "a\r\nb" }]), Some("Header 0: the value")),
        (
            json!([{ "key": "authorization", "value": "x" }]),
            Some("A custom header has the name of the authentication header"),
        ),
    ] {
        let wanted = wanted.map(|wanted| format!("channel.config.headers: {wanted}"));
        check(http, "/channel/config/headers", value, wanted.as_deref());
    }
    let headers =
        |count: usize| (0..count).map(|n| json!({ "key": format!("X-{n}"), "value": "x" })).collect::<Value>();
    check(http, "/channel/config/headers", headers(50), None);
    check(http, "/channel/config/headers", headers(51), Some("channel.config.headers: At most 50"));
}

/// `clients.md`: an unsupported member is refused with its name; a read-only one is ignored.
#[test]
fn members_that_a_hook_does_not_have_are_refused_and_those_it_shows_passed_over() {
    for (pointer, cause) in [
        ("/nmae", "nmae: The member is not supported"),
        ("/metadata", "metadata: The member is not supported"),
        ("/channel/kind", "channel.kind: The member is not supported"),
        ("/channel/config/url", "channel.config.url: The member is not supported"),
        ("/channel/config/authScheme/secret", "channel.config.authScheme.secret: The member is not supported"),
    ] {
        check(http, pointer, json!("x"), Some(cause));
        check(http, pointer, Value::Null, None);
    }
    for (member, cause) in [
        (json!({ "timeout": 5 }), "policy.timeout: The member is not supported"),
        (json!({ "breaker": { "open": 5 } }), "policy.breaker.open: The member is not supported"),
    ] {
        check(http, "/policy", member, Some(cause));
    }
    for shown in ["/id", "/status", "/created", "/lastUpdated", "/signing", "/tls", "/_links", "/_embedded"] {
        check(http, shown, json!("x"), None);
    }
}

/// `open-questions.md` B11: stored and shown as written, and not sent.
#[test]
fn a_header_name_that_cannot_be_sent_is_kept_as_it_was_written() {
    let mut body = http();
    body["channel"]["config"]["headers"] = json!([{ "key": "Field 1", "value": "one" }, { "key": "X-Tenant" }]);
    let hook = create_among(&[], &body).unwrap();
    let headers = json!([{ "key": "Field 1", "value": "one" }, { "key": "X-Tenant", "value": "" }]);
    assert_eq!(shown(&hook)["channel"]["config"]["headers"], headers);
    assert_eq!(read_back(&hook), hook);
    assert_eq!(hook.channel.unsent_headers(), ["Field 1"]);
}

/// `overview.md` 3.1: the reserved names, compared case-insensitively, and the headers that our calls set themselves.
#[test]
fn reserved_header_names_are_refused() {
    for name in [
        "Accept",
        "accept-charset",
        "ACCEPT-ENCODING",
        "Connection",
        "Content-Encoding",
        "Content-Length",
        "Content-Type",
        "Expect",
        "Host",
        "Keep-Alive",
        "Proxy-Authorization",
        "proxy-x",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "User-Agent",
        "Webhook-Id",
        "webhook-signature",
        "webhook-timestamp",
        "X-Okta-Request-Id",
    ] {
        check(
            http,
            "/channel/config/authScheme/key",
            json!(name),
            Some("channel.config.authScheme.key: The field is a reserved header name"),
        );
        let headers = json!([{ "key": name, "value": "x" }]);
        check(http, "/channel/config/headers", headers.clone(), Some("channel.config.headers: Header 0:"));
        check(
            || oauth("client_secret_post"),
            "/channel/config/headers",
            headers,
            Some("channel.config.headers: Header 0:"),
        );
    }
    let authorization = json!([{ "key": "Authorization", "value": "x" }]);
    check(
        || oauth("client_secret_post"),
        "/channel/config/headers",
        authorization,
        Some("channel.config.headers: Header 0:"),
    );
}

#[test]
fn oauth_channels_have_their_rules() {
    let post = || oauth("client_secret_post");
    let jwt = || oauth("private_key_jwt");
    check(post, "/channel/config/scope", Value::Null, None);
    check(jwt, "/channel/config/scope", json!(""), None);
    check(
        post,
        "/channel/config/clientId",
        Value::Null,
        Some("channel.config.clientId: The field cannot be left blank"),
    );
    check(
        post,
        "/channel/config/clientSecret",
        Value::Null,
        Some("channel.config.clientSecret: The field cannot be left blank"),
    );
    check(post, "/channel/config/hookKeyId", json!(KEY), Some("channel.config.hookKeyId: The field must be null"));
    check(
        post,
        "/channel/config/tokenUrl",
        json!("http://idp.example/"),
        Some("channel.config.tokenUrl: The URI must start"),
    );
    check(
        post,
        "/channel/config/authType",
        Value::Null,
        Some("channel.config.authType: The field cannot be left blank"),
    );
    check(
        post,
        "/channel/config/authType",
        json!("basic"),
        Some(
            "channel.config.authType: The field has an invalid value. Write one of client_secret_post, private_key_jwt",
        ),
    );
    check(post, "/channel/config/authScheme", json!({}), Some("channel.config.authScheme: The field must be null"));
    check(
        jwt,
        "/channel/config/hookKeyId",
        Value::Null,
        Some("channel.config.hookKeyId: The field cannot be left blank"),
    );
    check(
        jwt,
        "/channel/config/hookKeyId",
        json!("HKY00000000000000000"),
        Some("channel.config.hookKeyId: There is no hook key"),
    );
    check(jwt, "/channel/config/clientSecret", json!("x"), Some("channel.config.clientSecret: The field must be null"));
    let hook = shown(&create_among(&[], &jwt()).unwrap());
    let config: Vec<_> = hook["channel"]["config"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        config,
        ["uri", "headers", "method", "authScheme", "clientId", "tokenUrl", "authType", "scope", "hookKeyId"]
    );
    let hook = shown(&create_among(&[], &post()).unwrap());
    assert!(
        hook["channel"]["config"].get("hookKeyId").is_none() && hook["channel"]["config"].get("clientSecret").is_none()
    );
}

#[test]
fn the_texts_of_an_oauth_channel_are_bounded_and_printable() {
    const TOO_LONG: &str = "The field cannot be longer than 4096 bytes";
    const CONTROL: &str = "The field cannot contain control characters";
    for (field, value, problem) in [
        ("clientId", "x".repeat(4_096), None),
        ("clientId", "x".repeat(4_097), Some(TOO_LONG)),
        ("clientId", "é".repeat(2_049), Some(TOO_LONG)),
        ("clientId", "hook\ncaller".to_owned(), Some(CONTROL)),
        ("clientId", "hook\u{7f}".to_owned(), Some(CONTROL)),
        ("clientId", "hook caller".to_owned(), None),
        ("scope", "x".repeat(4_096), None),
        ("scope", "x".repeat(4_097), Some(TOO_LONG)),
        ("scope", "hooks.call\thooks.read".to_owned(), Some(CONTROL)),
        ("scope", "hooks.call hooks.read".to_owned(), None),
        ("clientSecret", "x".repeat(8_192), None),
        ("clientSecret", "x".repeat(8_193), Some("The field cannot be longer than 8192 bytes")),
        ("clientSecret", "any\tthing".to_owned(), None),
    ] {
        let mut body = oauth("client_secret_post");
        body["channel"]["config"][field] = json!(value);
        let causes = create_among(&[], &body).map_or_else(|invalid| invalid.causes, |_| Vec::new());
        let wanted: Vec<_> = problem.iter().map(|problem| format!("channel.config.{field}: {problem}")).collect();
        assert_eq!(causes, wanted, "{field} of {} bytes", value.len());
    }
}

/// `overview.md` section 7 and `open-questions.md` B3 to B5, B14.
#[test]
fn the_org_has_its_limits() {
    let typed = |kind: &str, name: &str| {
        let mut body = http();
        (body["type"], body["name"]) = (json!(kind), json!(name));
        body
    };
    let token =
        |number: u64| create_among(&[], &typed("com.okta.oauth2.tokens.transform", &number.to_string())).unwrap();
    let many: Vec<_> = (0..100).map(token).collect();
    assert!(create_among(&many[..99], &http()).is_ok(), "the 100th");
    assert!(create_among(&many, &http()).is_err(), "the 101st");
    let same = create_among(&many[..1], &typed("com.okta.import.transform", "0")).unwrap_err();
    assert_eq!(same.subject, "name");

    let password = create_among(&[], &typed("com.okta.user.credential.password.import", "p")).unwrap();
    let off = InlineHook { status: HookStatus::Inactive, ..password };
    assert!(
        create_among(&[off], &typed("com.okta.user.credential.password.import", "q")).is_err(),
        "B4: in any status"
    );

    let first = create_among(&[], &typed("com.okta.telephony.provider", "t")).unwrap();
    assert!(create_among(std::slice::from_ref(&first), &typed("com.okta.telephony.provider", "u")).is_err(), "B5");
    let idle = rules::deactivated(&first, now());
    let second = create_among(std::slice::from_ref(&idle), &typed("com.okta.telephony.provider", "u")).unwrap();
    let second = InlineHook { id: id(9), ..second };
    let hooks = [idle.clone(), second];
    let org = Org::of(&hooks);
    assert!(rules::activated(&idle, org.registry(), now()).is_err(), "one active telephony hook");
    let mut bare = typed("com.okta.telephony.provider", "v");
    bare["channel"]["config"]["authScheme"] = Value::Null;
    assert!(create_among(&[], &bare).is_err(), "B14: a telephony hook needs authentication");
}

#[test]
fn plain_http_is_for_loopback_in_dev_only() {
    let create = |uri: &str, dev: bool| {
        let mut body = http();
        body["channel"]["config"]["uri"] = json!(uri);
        Org { plain_http_to_loopback: dev, ..Org::of(&[]) }.create(&body).is_ok()
    };
    for uri in ["http://127.0.0.1:3000/x", "http://localhost/x", "http://[::1]:3000/", "http://127.9.9.9/"] {
        assert!(create(uri, true) && !create(uri, false), "{uri}");
    }
    for uri in [
        "http://10.0.0.1/",
        "http://localhost.evil.example/",
        "http://127.0.0.1.evil.example/",
        "http://127.0.0.1@evil.example/",
        "http://[127.0.0.1]/",
        "http://host.docker.internal:3000/",
        "ftp://127.0.0.1/",
    ] {
        assert!(!create(uri, true), "{uri}");
    }
    let mut body = http();
    body["channel"]["config"]["uri"] = json!("http://host.docker.internal:3000/");
    let refused = Org { plain_http_to_loopback: true, ..Org::of(&[]) }.create(&body);
    let Err(Invalid { causes, .. }) = refused else { panic!("it is not loopback") };
    let wanted = "channel.config.uri: Plain `http://` is accepted for loopback addresses only. Only containers know";
    assert!(causes.len() == 1 && causes[0].starts_with(wanted), "it explains itself: {causes:?}");
}

#[test]
fn a_merge_keeps_what_the_body_does_not_name() {
    let hook = create_among(&[], &http()).unwrap();
    let merge = |body: Value| update(&hook, &body, now().plus_seconds(60));
    let secret =
        |hook: &InlineHook| hook.to_stored().unwrap().secrets.first().map(|(_, secret)| secret.expose().to_owned());
    let renamed = merge(json!({ "name": "Other" })).unwrap();
    assert_eq!((renamed.name.as_str(), &renamed.channel), ("Other", &hook.channel));
    assert!(renamed.last_updated > hook.last_updated && renamed.created == hook.created);
    let key = merge(json!({ "channel": { "config": { "authScheme": { "key": "X-Key" } } } })).unwrap();
    assert_eq!(secret(&key).as_deref(), Some("marked-secret"), "authScheme is merged");
    let cleared = merge(json!({ "channel": { "config": { "authScheme": null } } })).unwrap();
    assert_eq!(secret(&cleared), None, "explicit null clears");
    let headers = merge(json!({ "channel": { "config": { "headers": [] } } })).unwrap();
    assert!(headers.channel.headers.is_empty(), "headers are replaced as a whole");
    let moved =
        merge(json!({ "channel": { "type": "OAUTH", "config": oauth("client_secret_post")["channel"]["config"] } }))
            .unwrap();
    assert!(moved.channel.headers.is_empty(), "config is replaced when the channel's type changes");
    // Nothing of the other kind is left, so a kind alone has no configuration (`management-api.md` 3.5).
    for (hook, kind) in [(&moved, "HTTP"), (&hook, "OAUTH")] {
        let refused = update(hook, &json!({ "channel": { "type": kind } }), now().plus_seconds(60));
        let Err(Invalid { causes, .. }) = refused else { panic!("{kind}: its credentials are dropped") };
        assert_eq!(causes, ["channel.config: The field cannot be left blank"], "{kind}");
    }
    let same = merge(json!({ "channel": { "type": "HTTP" } })).unwrap();
    assert_eq!(same.channel, hook.channel, "the kind that it has changes nothing");
    let uri = json!({ "channel": { "type": "HTTP", "config": { "uri": "https://x.example/hook" } } });
    let back = update(&moved, &uri, now().plus_seconds(60)).unwrap();
    assert_eq!(back.channel.authentication, ChannelAuthentication::None, "nor is anything of the other kind kept");
    assert!(merge(json!({ "name": "" })).is_err());
    assert!(merge(json!({ "type": "com.okta.import.transform" })).is_err());
    assert!(merge(json!([])).is_err());
}

#[test]
fn lifecycle_moves_status_and_date_only_when_it_changes() {
    let hook = create_among(&[], &http()).unwrap();
    let later = now().plus_seconds(60);
    let org = Org::of(&[]);
    assert_eq!(rules::activated(&hook, org.registry(), later).unwrap(), hook, "B16");
    let off = rules::deactivated(&hook, later);
    assert_eq!((off.status, off.last_updated), (HookStatus::Inactive, later.whole_seconds()));
    assert_eq!(rules::deactivated(&off, later.plus_seconds(60)), off);
    assert!(rules::check_deletable(&hook).is_err() && rules::check_deletable(&off).is_ok());
}

#[test]
fn what_is_shown_and_stored_has_no_secret_and_comes_back() {
    for body in [http(), oauth("client_secret_post"), oauth("private_key_jwt")] {
        let hook = create_among(&[], &body).unwrap();
        let stored = hook.to_stored().unwrap();
        let shown = format!("{} {hook:?} {}", shown(&hook), stored.document);
        assert!(!shown.contains("marked-secret"));
        assert_eq!(read_back(&hook), hook);
        let lost = StoredObject { secrets: vec![], ..stored.clone() };
        assert_eq!(InlineHook::from_stored(lost).is_err(), !stored.secrets.is_empty());
    }
    let mut keyed = http();
    keyed["channel"]["config"]["headers"] = json!([{ "key": "X-Api-Key", "value": "marked-header" }]);
    let keyed = format!("{:?}", create_among(&[], &keyed).unwrap());
    assert!(keyed.contains("X-Api-Key") && !keyed.contains("marked-header"), "{keyed}");
    let hook = create_among(&[], &http()).unwrap();
    let active = shown(&hook);
    let links: Vec<_> = active["_links"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(links, ["self", "execute", "deactivate"]);
    let inactive = shown(&rules::deactivated(&hook, now()));
    let links: Vec<_> = inactive["_links"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(links, ["activate", "self", "delete"]);
    assert_eq!(active["created"], "2026-02-11T09:00:00.000Z");
    assert_eq!(active["channel"]["config"]["headers"], json!([{ "key": "X-Tenant", "value": "north" }]));
}
