//! The stored form of an inline hook, and those that earlier releases wrote.

use proptest::{collection::vec, option, prelude::*};
use serde_json::{Value, json};
use tenterhook_contract::{
    BuiltInType, Retry, Secret, Timestamp,
    hook::{
        BreakerMode, BreakerPolicy, Channel, ChannelAuthentication, ChannelHeader, ClientCertificate, ClientCredential,
        FailurePolicy, Fallback, HookPolicy, HookStatus, HookTls, InlineHook, SigningScheme, SigningSecret,
    },
    id::{HookId, HookKeyId},
    telephony::VoiceLabel,
};
use tenterhook_model::{ConfigurationObject, StoredForm as _, StoredObject, UnreadableObject};

fn read(document: &Value, secrets: &[(&str, &str)]) -> Result<InlineHook, UnreadableObject> {
    let secrets = secrets.iter().map(|(name, text)| ((*name).to_owned(), Secret::new(*text))).collect();
    InlineHook::from_stored(StoredObject { document: document.to_string(), secrets })
}

fn read_back(hook: &InlineHook) -> InlineHook {
    InlineHook::from_stored(hook.to_stored().unwrap()).unwrap()
}

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,12}"
}

fn moment() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_micros)
}

fn authentication() -> impl Strategy<Value = ChannelAuthentication> {
    let credential = prop_oneof![
        text().prop_map(|secret| ClientCredential::SecretPost(Secret::new(secret))),
        any::<u32>().prop_map(|at| ClientCredential::PrivateKeyJwt(HookKeyId::from_parts(at.into(), [7; 8]))),
    ];
    prop_oneof![
        Just(ChannelAuthentication::None),
        (text(), text()).prop_map(|(key, value)| ChannelAuthentication::Header { key, value: Secret::new(value) }),
        (text(), text(), option::of(text()), credential).prop_map(|(client_id, token_url, scope, credential)| {
            ChannelAuthentication::OAuth { client_id, token_url, scope, credential }
        }),
    ]
}

fn failure() -> impl Strategy<Value = (FailurePolicy, Option<Box<Fallback>>)> {
    let command =
        || (text(), text()).prop_map(|(kind, value)| json!({ "type": kind, "value": { "credential": value } }));
    let fallback = || vec(command(), 1..3).prop_map(|commands| Box::new(Fallback::new(commands).unwrap()));
    let kept = [FailurePolicy::Default, FailurePolicy::Continue, FailurePolicy::Stop];
    prop_oneof![
        (prop::sample::select(kept.to_vec()), option::of(fallback())),
        fallback().prop_map(|fallback| (FailurePolicy::Fallback(fallback), None)),
    ]
}

fn breaker() -> impl Strategy<Value = BreakerPolicy> {
    let numbers = (
        BreakerPolicy::FAILURE_RATE_PERCENT,
        BreakerPolicy::MINIMUM_CALLS,
        BreakerPolicy::WINDOW_SECONDS,
        option::of(BreakerPolicy::CONSECUTIVE_FAILURES),
        BreakerPolicy::OPEN_SECONDS,
    );
    let mode = prop::sample::select(vec![BreakerMode::On, BreakerMode::Off, BreakerMode::DryRun]);
    (mode, numbers).prop_map(|(mode, (rate, minimum, window, consecutive, open))| BreakerPolicy {
        mode,
        failure_rate_percent: rate,
        minimum_calls: minimum,
        window_seconds: window,
        consecutive_failures: consecutive,
        open_seconds: open,
    })
}

fn policy() -> impl Strategy<Value = HookPolicy> {
    let retry = prop::sample::select(vec![None, Some(Retry::Never), Some(Retry::Once)]);
    let (calls, idle) = (option::of(HookPolicy::MAX_CONCURRENT), option::of(HookPolicy::IDLE_CONNECTION_MS));
    let label = option::of(prop::sample::select(VoiceLabel::ALL.to_vec()));
    (HookPolicy::TIMEOUT_MS, retry, failure(), calls, (idle, label, any::<bool>()), breaker()).prop_map(
        |(
            timeout_ms,
            retry,
            (failure, unused_fallback),
            max_concurrent,
            (idle_connection_ms, voice_label, lenient_answers),
            breaker,
        )| HookPolicy {
            timeout_ms,
            retry,
            failure,
            unused_fallback,
            max_concurrent,
            idle_connection_ms,
            voice_label,
            lenient_answers,
            breaker,
        },
    )
}

fn signing() -> impl Strategy<Value = Vec<SigningSecret>> {
    let scheme = prop_oneof![
        Just(SigningScheme::Hmac),
        any::<[u8; 32]>().prop_map(|public_key| SigningScheme::Ed25519 { public_key }),
    ];
    vec((scheme, any::<[u8; 32]>(), moment()).prop_map(|(scheme, key, at)| SigningSecret::new(scheme, key, at)), 0..3)
}

fn tls() -> impl Strategy<Value = HookTls> {
    let client =
        (text(), text()).prop_map(|(certificates, key)| ClientCertificate { certificates, key: Secret::new(key) });
    (option::of(text()), option::of(client)).prop_map(|(ca_certificates, client)| HookTls { ca_certificates, client })
}

fn hook() -> impl Strategy<Value = InlineHook> {
    let header = (text(), text()).prop_map(|(key, value)| ChannelHeader { key, value });
    let channel = (text(), vec(header, 0..3), authentication()).prop_map(|(uri, headers, authentication)| Channel {
        uri,
        headers,
        authentication,
    });
    let names = (text(), text(), prop::sample::select(BuiltInType::ALL.to_vec()), any::<bool>());
    let status = |active| if active { HookStatus::Active } else { HookStatus::Inactive };
    (names, channel, policy(), signing(), tls(), (moment(), moment())).prop_map(
        move |((name, version, hook_type, active), channel, policy, signing, tls, (created, last_updated))| {
            InlineHook {
                id: HookId::from_parts(1, [9; 8]),
                status: status(active),
                name,
                hook_type: hook_type.name().clone(),
                version,
                channel,
                policy,
                signing,
                tls,
                created,
                last_updated,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_hook_comes_back_as_it_was_stored(hook in hook()) {
        prop_assert_eq!(read_back(&hook), hook);
    }
}

/// What the previous releases wrote: the JSON of the management API, without a version.
const EARLIER: &str = r#"{
    "id": "cal1rTy6uIo8PzLk1d7q", "status": "ACTIVE", "name": "Partner claims",
    "type": "com.okta.oauth2.tokens.transform", "version": "1.0.0",
    "channel": { "type": "HTTP", "version": "1.0.0", "config": {
        "uri": "https://claims.partner.example/hooks/token", "headers": [{ "key": "X-Tenant", "value": "north" }],
        "method": "POST", "authScheme": { "type": "HEADER", "key": "Authorization" } } },
    "created": "2026-02-11T09:00:00.000Z", "lastUpdated": "2026-02-11T09:30:15.000Z",
    "policy": { "timeoutMs": 2500, "retry": "never", "failurePolicy": "stop", "fallbackCommands": null,
        "maxConcurrent": 7, "idleConnectionMs": 0,
        "breaker": { "mode": "dry_run", "failureRatePercent": 40, "minimumCalls": 5, "windowSeconds": 60,
            "consecutiveFailures": 3, "openSeconds": 10 } },
    "signing": { "secrets": [{ "created": "2026-02-11T09:00:00.000Z", "version": "v1" }] },
    "tls": { "caCertificates": "-----BEGIN CERTIFICATE-----" } }"#;

const EARLIER_SECRETS: [(&str, &str); 2] = [("authScheme.value", "marked-secret"), ("signing.0", "whsec_AAAA")];

fn earlier(change: impl FnOnce(&mut Value)) -> Result<InlineHook, UnreadableObject> {
    let mut document = serde_json::from_str(EARLIER).unwrap();
    change(&mut document);
    read(&document, &EARLIER_SECRETS)
}

#[test]
fn what_earlier_releases_stored_is_read() {
    let hook = earlier(|_| {}).unwrap();
    let HookPolicy { timeout_ms, max_concurrent, idle_connection_ms, ref breaker, .. } = hook.policy;
    assert_eq!((timeout_ms, max_concurrent, idle_connection_ms), (2_500, Some(7), Some(0)));
    assert_eq!((breaker.mode, breaker.window_seconds), (BreakerMode::DryRun, 60));
    assert_eq!((hook.policy.retry, &hook.policy.failure), (Some(Retry::Never), &FailurePolicy::Stop));
    assert_eq!((hook.hook_type.as_str(), hook.signing.len()), ("com.okta.oauth2.tokens.transform", 1));
    assert_eq!(hook.signing[0].text().expose(), "whsec_AAAA");
    assert_eq!(hook.tls.ca_certificates.as_deref(), Some("-----BEGIN CERTIFICATE-----"));
    assert_eq!((hook.status, hook.created.to_string().as_str()), (HookStatus::Active, "2026-02-11T09:00:00.000Z"));
    let headers = vec![ChannelHeader { key: "X-Tenant".into(), value: "north".into() }];
    let authentication =
        ChannelAuthentication::Header { key: "Authorization".into(), value: Secret::new("marked-secret") };
    let uri = "https://claims.partner.example/hooks/token".to_owned();
    assert_eq!(hook.channel, Channel { uri, headers, authentication });
    assert_eq!(read_back(&hook), hook, "and is stored again as it is");
}

#[test]
fn the_channels_and_keys_of_earlier_releases_are_read() {
    let oauth = |auth_type: &str, member: (&str, &str)| {
        let mut config = json!({
            "uri": "https://claims.partner.example/hooks/token", "headers": [], "method": "POST", "authScheme": null,
            "clientId": "hook-caller", "tokenUrl": "https://idp.partner.example/token", "authType": auth_type,
            "scope": null,
        });
        config[member.0] = json!(member.1);
        let public_key = "whpk_AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=";
        let document = json!({
            "id": "cal1rTy6uIo8PzLk1d7q", "status": "INACTIVE", "name": "Partner claims",
            "type": "com.okta.oauth2.tokens.transform", "version": "1.0.0",
            "channel": { "type": "OAUTH", "version": "1.0.0", "config": config },
            "created": "2026-02-11T09:00:00.000Z", "lastUpdated": "2026-02-11T09:30:15.000Z",
            "signing": { "secrets": [
                { "created": "2026-02-11T09:00:00.000Z", "version": "v1a", "publicKey": public_key },
            ] },
            "tls": { "clientCertificate": "certificate" },
        });
        read(&document, &[("clientSecret", "s"), ("signing.0", "whsk_AAAA"), ("tls.clientKey", "k")]).unwrap()
    };
    let hook = oauth("client_secret_post", ("clientSecret", "not read here"));
    let credential = |hook: &InlineHook| match &hook.channel.authentication {
        ChannelAuthentication::OAuth { client_id, token_url, scope: None, credential } => {
            assert_eq!((client_id.as_str(), token_url.as_str()), ("hook-caller", "https://idp.partner.example/token"));
            credential.clone()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(credential(&hook), ClientCredential::SecretPost(Secret::new("s")));
    assert_eq!((hook.status, &hook.policy), (HookStatus::Inactive, &HookPolicy::default()));
    assert_eq!(hook.signing[0].scheme(), SigningScheme::Ed25519 { public_key: [3; 32] });
    let client = ClientCertificate { certificates: "certificate".into(), key: Secret::new("k") };
    assert_eq!(hook.tls, HookTls { ca_certificates: None, client: Some(client) });
    let key = "HKY8vT3yLq0cWd5pJ1g6";
    let by_key = oauth("private_key_jwt", ("hookKeyId", key));
    assert_eq!(credential(&by_key), ClientCredential::PrivateKeyJwt(key.parse().unwrap()));
}

/// A release that makes a range narrower must not make the org of a hook unreadable.
#[test]
fn stored_numbers_outside_of_todays_ranges_are_the_nearest_inside() {
    for (pointer, number, nearest) in [
        ("/timeoutMs", json!(600_000), 60_000),
        ("/timeoutMs", json!(1), 50),
        ("/timeoutMs", json!(u64::MAX), 60_000),
        ("/breaker/windowSeconds", json!(1), 10),
        ("/breaker/windowSeconds", json!(86_400), 3_600),
    ] {
        let current = |change: &dyn Fn(&mut Value)| {
            let mut document = document(&earlier(|_| {}).unwrap());
            change(&mut document);
            read(&document, &EARLIER_SECRETS)
        };
        let put = |document: &mut Value| *document["policy"].pointer_mut(pointer).unwrap() = number.clone();
        for hook in [earlier(put), current(&put)] {
            let policy = &hook.as_ref().unwrap().policy;
            let got = if pointer == "/timeoutMs" { policy.timeout_ms } else { policy.breaker.window_seconds };
            assert_eq!(got, nearest, "{pointer} {number}");
            assert_eq!(read_back(hook.as_ref().unwrap()), hook.unwrap());
        }
        let soon = |document: &mut Value| document["policy"]["timeoutMs"] = json!("soon");
        assert!(earlier(soon).is_err() && current(&soon).is_err(), "no number is in no range");
    }
}

fn document(hook: &InlineHook) -> Value {
    serde_json::from_str(&hook.to_stored().unwrap().document).unwrap()
}

/// What the management API would refuse today: it may have accepted it when it was stored.
#[test]
fn the_rules_of_the_api_do_not_apply_to_what_is_stored() {
    let hook = earlier(|_| {}).unwrap();
    let token_hook_that_is_called_twice =
        InlineHook { policy: HookPolicy { retry: Some(Retry::Once), ..hook.policy.clone() }, ..hook.clone() };
    let commands = vec![json!({ "type": "no.such.command", "value": 7 })];
    let fallback = FailurePolicy::Fallback(Box::new(Fallback::new(commands).unwrap()));
    let commands_that_fit_no_subject =
        InlineHook { policy: HookPolicy { failure: fallback, ..hook.policy.clone() }, ..hook.clone() };
    let header = |name: &str| ChannelHeader { key: name.into(), value: "a\r\nb".into() };
    let channel = Channel {
        uri: "gopher://user:password@claims.example/a b#c".into(),
        headers: (0..60).map(|_| header("Webhook-Id")).chain([header("")]).collect(),
        authentication: ChannelAuthentication::Header { key: "Host".into(), value: Secret::new("") },
    };
    let bad_channel = InlineHook { channel, name: "x".repeat(300), version: "7".into(), ..hook.clone() };
    let unknown_type = InlineHook { hook_type: "com.example.later".parse().unwrap(), ..hook };
    for hook in [token_hook_that_is_called_twice, commands_that_fit_no_subject, bad_channel, unknown_type] {
        assert_eq!(read_back(&hook), hook);
    }
}

#[test]
fn the_document_says_its_version_and_has_no_secret() {
    let hook = earlier(|_| {}).unwrap();
    let stored = hook.to_stored().unwrap();
    assert_eq!(document(&hook)["v"], 2);
    assert!(!stored.document.contains("marked-secret") && !stored.document.contains("whsec_"));
    let names: Vec<_> = stored.secrets.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["authScheme.value", "signing.0"]);
    for (lost, name) in names.iter().enumerate() {
        let mut stored = stored.clone();
        stored.secrets.remove(lost);
        assert!(InlineHook::from_stored(stored).is_err(), "without {name}");
    }
}

/// The whole form, literally: a change of it needs another version.
#[test]
fn the_form_that_is_written_is_this_one() {
    let hook = InlineHook {
        signing: vec![
            SigningSecret::new(SigningScheme::Ed25519 { public_key: [3; 32] }, [4; 32], Timestamp::from_micros(0)),
            SigningSecret::new(SigningScheme::Hmac, [5; 32], Timestamp::from_micros(0)),
        ],
        ..earlier(|_| {}).unwrap()
    };
    let written = json!({
        "v": 2, "id": "cal1rTy6uIo8PzLk1d7q", "active": true, "name": "Partner claims",
        "hookType": "com.okta.oauth2.tokens.transform", "version": "1.0.0",
        "uri": "https://claims.partner.example/hooks/token", "headers": [{ "name": "X-Tenant", "value": "north" }],
        "authentication": { "scheme": "header", "name": "Authorization" },
        "policy": { "timeoutMs": 2500, "retry": "never", "failure": "stop", "fallback": null, "maxConcurrent": 7,
            "idleConnectionMs": 0,
            "breaker": { "mode": "dry_run", "failureRatePercent": 40, "minimumCalls": 5, "windowSeconds": 60,
                "consecutiveFailures": 3, "openSeconds": 10 } },
        "signing": [
            { "created": 0, "scheme": { "ed25519": "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=" } },
            { "created": 0, "scheme": "hmac" },
        ],
        "tls": { "authorities": "-----BEGIN CERTIFICATE-----", "clientCertificates": null },
        "created": 1_770_800_400_000_000_i64, "lastUpdated": 1_770_802_215_000_000_i64,
    });
    assert_eq!(document(&hook), written);
    let mut oauth = written.clone();
    oauth["authentication"] = json!({
        "scheme": "oauth", "clientId": "hook-caller", "tokenUrl": "https://idp.partner.example/token",
        "scope": "hooks.call", "hookKeyId": "HKY8vT3yLq0cWd5pJ1g6",
    });
    let secrets = hook.to_stored().unwrap().secrets;
    let stored = StoredObject { document: oauth.to_string(), secrets };
    assert_eq!(document(&InlineHook::from_stored(stored).unwrap()), oauth);
}

#[test]
fn a_version_that_is_not_known_is_an_error_whatever_else_the_document_has() {
    for version in [0, 1, 3, 99] {
        let mut later = document(&earlier(|_| {}).unwrap());
        later["v"] = json!(version);
        for document in [later, json!({ "v": version })] {
            let error = read(&document, &EARLIER_SECRETS).unwrap_err();
            assert_eq!(error.0, format!("no version up to this one writes the form {version}"));
        }
    }
    let stored = StoredObject { document: json!({ "v": 99 }).to_string(), secrets: Vec::new() };
    assert!(ConfigurationObject::from_stored("hook", stored).unwrap().is_err());
    assert!(read(&json!({ "v": "2" }), &[]).is_err() && read(&json!({}), &[]).is_err());
}
