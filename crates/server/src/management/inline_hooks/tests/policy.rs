//! The member `policy` of a hook, an extension of ours.

use serde_json::{Value, json};
use tenterhook_contract::{
    BuiltInType, Retry,
    hook::{BreakerMode, BreakerPolicy, FailurePolicy, InlineHook},
    telephony::VoiceLabel,
};

use super::{create_among, http, now, read_back, replace, shown, update};

/// The member `policy` is kept by a PUT without it, merged member by member, and validated like other members.
#[test]
fn the_policy_is_kept_merged_and_judged() {
    let plain = create_among(&[], &http()).unwrap();
    assert!(shown(&plain).get("policy").is_none(), "observed.md 1.9: what a client knows comes back");
    let fallback = json!([{ "type": "com.okta.access.patch", "value": [
        { "op": "add", "path": "/claims/tier", "value": "marked-value" },
    ] }]);
    let mut body = http();
    body["policy"] = json!({
        "timeoutMs": 500, "retry": "never", "failurePolicy": "fallback", "fallbackCommands": fallback,
        "maxConcurrent": 4, "idleConnectionMs": 0, "breaker": { "mode": "dry_run", "consecutiveFailures": 5 },
    });
    let set = create_among(&[], &body).unwrap();
    assert_eq!(
        shown(&set)["policy"],
        json!({
            "timeoutMs": 500, "retry": "never", "failurePolicy": "fallback", "fallbackCommands": fallback,
            "maxConcurrent": 4, "idleConnectionMs": 0,
            "breaker": { "mode": "dry_run", "failureRatePercent": 75, "minimumCalls": 20, "windowSeconds": 120,
                "consecutiveFailures": 5, "openSeconds": 15 },
        })
    );
    assert!(!format!("{set:?}").contains("marked-value"), "fallback values are not printed");
    assert_eq!(read_back(&set), set, "stored and read back");
    let kept = replace(&set, &http()).unwrap();
    assert_eq!(kept.policy, set.policy, "a PUT of a client that does not know it");
    let mut cleared = http();
    cleared["policy"] = Value::Null;
    assert!(shown(&replace(&set, &cleared).unwrap()).get("policy").is_none());
    let merged = update(&set, &json!({ "policy": { "timeoutMs": 900 } }), now()).unwrap();
    assert_eq!((merged.policy.timeout_ms, merged.policy.max_concurrent), (900, Some(4)), "member by member");
    let breaker = |breaker: Value| update(&set, &json!({ "policy": { "breaker": breaker } }), now()).unwrap().policy;
    let off = breaker(json!({ "mode": "off" }));
    assert_eq!(
        off.breaker,
        BreakerPolicy { mode: BreakerMode::Off, ..set.policy.breaker },
        "the breaker has members of its own"
    );
    assert_eq!(off.timeout_ms, 500);
    assert_eq!(breaker(json!({ "consecutiveFailures": null })).breaker.mode, BreakerMode::DryRun);
    assert_eq!(breaker(Value::Null).breaker, BreakerPolicy::default(), "null resets it");

    for (policy, field) in [
        (json!([]), "policy"),
        (json!({ "timeoutMs": 49 }), "policy.timeoutMs"),
        (json!({ "timeoutMs": 60_001 }), "policy.timeoutMs"),
        (json!({ "timeoutMs": "3000" }), "policy.timeoutMs"),
        (json!({ "retry": "twice" }), "policy.retry"),
        (json!({ "failurePolicy": "ignore" }), "policy.failurePolicy"),
        (json!({ "failurePolicy": "fallback" }), "policy.fallbackCommands"),
        (json!({ "failurePolicy": "fallback", "fallbackCommands": [{ "type": "x" }] }), "policy.fallbackCommands"),
        (
            json!({ "failurePolicy": "fallback", "fallbackCommands": [{ "type": "com.okta.access.patch", "value": {} }] }),
            "policy.fallbackCommands",
        ),
        (json!({ "maxConcurrent": 0 }), "policy.maxConcurrent"),
        (json!({ "idleConnectionMs": 60_001 }), "policy.idleConnectionMs"),
        (json!({ "idleConnectionMs": "0" }), "policy.idleConnectionMs"),
        (json!({ "breaker": 1 }), "policy.breaker"),
        (json!({ "breaker": { "mode": "maybe" } }), "policy.breaker.mode"),
        (json!({ "breaker": { "failureRatePercent": 101 } }), "policy.breaker.failureRatePercent"),
        (json!({ "breaker": { "minimumCalls": 0 } }), "policy.breaker.minimumCalls"),
        (json!({ "breaker": { "windowSeconds": 9 } }), "policy.breaker.windowSeconds"),
        (json!({ "breaker": { "consecutiveFailures": 0 } }), "policy.breaker.consecutiveFailures"),
        (json!({ "breaker": { "openSeconds": 0 } }), "policy.breaker.openSeconds"),
    ] {
        let mut body = http();
        body["policy"] = policy.clone();
        let invalid = create_among(&[], &body).unwrap_err();
        assert!(invalid.causes[0].starts_with(&format!("{field}: ")), "{policy}: {:?}", invalid.causes);
    }
    let mut telephony = http();
    telephony["type"] = json!("com.okta.telephony.provider");
    telephony["policy"] = json!({ "failurePolicy": "continue" });
    assert!(create_among(&[], &telephony).is_err(), "nothing would send the passcode");
}

/// `open-questions.md` I1: the three words for a voice call that services in the field expect.
#[test]
fn only_a_telephony_hook_has_a_label_for_voice_calls() {
    let with_label = |label: Value| {
        let mut body = http();
        body["type"] = json!("com.okta.telephony.provider");
        body["policy"] = json!({ "voiceLabel": label });
        body
    };
    for label in VoiceLabel::ALL {
        let hook = create_among(&[], &with_label(json!(label.as_str()))).unwrap();
        assert_eq!(hook.policy.voice_label, Some(label));
        assert_eq!(shown(&hook)["policy"]["voiceLabel"], json!(label.as_str()));
        assert_eq!(read_back(&hook), hook, "stored and read back");
        let kept = update(&hook, &json!({ "policy": { "timeoutMs": 900 } }), now()).unwrap();
        assert_eq!(kept.policy.voice_label, Some(label), "merged");
        let reset = update(&hook, &json!({ "policy": { "voiceLabel": null } }), now()).unwrap();
        assert_eq!(reset.policy.voice_label, None);
        assert!(shown(&reset)["policy"].get("voiceLabel").is_none());
    }
    for label in [json!("voice"), json!("call"), json!(""), json!(1)] {
        let invalid = create_among(&[], &with_label(label.clone())).unwrap_err();
        assert!(invalid.causes[0].starts_with("policy.voiceLabel: "), "{label}: {:?}", invalid.causes);
    }
    let mut token = http();
    token["policy"] = json!({ "voiceLabel": "Voice" });
    let invalid = create_among(&[], &token).unwrap_err();
    assert_eq!(invalid.causes, ["policy.voiceLabel: Only telephony hooks have a label for voice calls"]);
}

/// `open-questions.md` I8: near misses of services in the field, off by default.
#[test]
fn only_a_telephony_hook_has_lenient_answers() {
    let with = |lenient: Value| {
        let mut body = http();
        body["type"] = json!("com.okta.telephony.provider");
        body["policy"] = json!({ "lenientAnswers": lenient });
        body
    };
    for absent in [json!(null), json!(false)] {
        let hook = create_among(&[], &with(absent)).unwrap();
        assert!(!hook.policy.lenient_answers);
        assert!(shown(&hook)["policy"].get("lenientAnswers").is_none());
    }
    let hook = create_among(&[], &with(json!(true))).unwrap();
    assert!(hook.policy.lenient_answers);
    assert_eq!(shown(&hook)["policy"]["lenientAnswers"], json!(true));
    assert_eq!(read_back(&hook), hook, "stored and read back");
    let kept = update(&hook, &json!({ "policy": { "timeoutMs": 900 } }), now()).unwrap();
    assert!(kept.policy.lenient_answers, "merged");
    let reset = update(&hook, &json!({ "policy": { "lenientAnswers": false } }), now()).unwrap();
    assert!(!reset.policy.lenient_answers);
    let invalid = create_among(&[], &with(json!("yes"))).unwrap_err();
    assert!(invalid.causes[0].starts_with("policy.lenientAnswers: "), "{:?}", invalid.causes);
    let mut token = http();
    token["policy"] = json!({ "lenientAnswers": true });
    let invalid = create_among(&[], &token).unwrap_err();
    assert_eq!(invalid.causes, ["policy.lenientAnswers: Answers of hooks of this type are read by the letter"]);
}

/// `overview.md` section 5: token and telephony hooks are never called twice, and no setting makes them.
#[test]
fn a_second_call_is_refused_to_types_that_are_never_called_twice() {
    for hook_type in BuiltInType::ALL {
        let mut body = http();
        body["type"] = json!(hook_type.as_str());
        body["policy"] = json!({ "retry": "once" });
        let created = create_among(&[], &body).map_err(|invalid| invalid.causes);
        if matches!(hook_type, BuiltInType::Token | BuiltInType::Telephony) {
            assert!(created.unwrap_err()[0].starts_with("policy.retry: "), "{hook_type:?}");
        } else {
            assert_eq!(created.unwrap().policy.retry, Some(Retry::Once), "{hook_type:?}");
        }
    }
    let mut stored = create_among(&[], &http()).unwrap();
    stored.policy.retry = Some(Retry::Once);
    assert_eq!(read_back(&stored), stored, "what was stored before is read");
    let merge = |body: Value| update(&stored, &body, now());
    let renamed = merge(json!({ "name": "Other" })).unwrap();
    assert_eq!((renamed.name.as_str(), &renamed.policy), ("Other", &stored.policy), "and kept by a merge");
    assert_eq!(merge(json!({ "policy": { "retry": "never" } })).unwrap().policy.retry, Some(Retry::Never));
    assert!(merge(json!({ "policy": { "timeoutMs": 900 } })).is_err(), "a policy that is named is judged");
}

fn with_fallback(hook_type: &str, commands: &Value) -> Result<InlineHook, Vec<String>> {
    let mut body = http();
    body["type"] = json!(hook_type);
    body["channel"]["config"]["authScheme"] = json!({ "type": "HEADER", "key": "Authorization", "value": "s" });
    body["policy"] = json!({ "failurePolicy": "fallback", "fallbackCommands": commands });
    create_among(&[], &body).map_err(|invalid| invalid.causes)
}

/// Fallback commands are applied to the type's samples when they are set: commands that fit no subject are refused.
#[test]
fn fallback_commands_that_no_subject_could_take_are_refused() {
    let patch = |operations: Value| json!([{ "type": "com.okta.access.patch", "value": operations }]);
    let token = "com.okta.oauth2.tokens.transform";
    for (operation, pointer) in [
        (json!({ "op": "add", "path": "/claims/iss", "value": "x" }), "/0/value/0/path"),
        (json!({ "op": "zz", "path": "/claims/a", "value": 1 }), "/0/value/0/op"),
        (json!({ "op": "add", "path": "/claims/a" }), "/0/value/0/value"),
        (json!({ "op": "remove", "path": "/claims/a", "value": 1 }), "/0/value/0/value"),
        (json!({ "op": "add", "path": "claims/a", "value": 1 }), "/0/value/0/path"),
        (json!({ "op": "add", "path": "/nothing/a", "value": 1 }), "/0/value/0/path"),
        (json!({ "op": "replace", "path": "/token/lifetime/expiration", "value": 299 }), "/0/value/0"),
        (json!("add"), "/0/value/0"),
    ] {
        let causes = with_fallback(token, &patch(json!([operation]))).unwrap_err();
        let place = format!(" at {pointer}");
        assert!(causes.len() == 1 && causes[0].starts_with("policy.fallbackCommands: "), "{operation}: {causes:?}");
        assert!(causes[0].contains(&place), "{operation}: {causes:?}");
    }
    let two = json!([{ "op": "add", "path": "/claims/iss", "value": "x" }, { "op": "zz", "path": "/claims/a" }]);
    assert_eq!(with_fallback(token, &patch(two)).unwrap_err().len(), 2, "one cause for each problem");
    for operation in [
        json!({ "op": "replace", "path": "/claims/not_in_the_sample", "value": 1 }),
        json!({ "op": "remove", "path": "/claims/not_in_the_sample/2" }),
        json!({ "op": "replace", "path": "/token/lifetime/expiration", "value": 300 }),
    ] {
        assert!(with_fallback(token, &patch(json!([operation]))).is_ok(), "a subject may have it: {operation}");
    }

    let profile = |kind: &str, name: &str| json!({ "type": kind, "value": { name: "x" } });
    let (own, progressive) = ("com.okta.user.profile.update", "com.okta.user.progressive.profile.update");
    for (hook_type, commands, fits) in [
        ("com.okta.telephony.provider", json!([{ "type": "com.okta.telephony.action", "value": [] }]), false),
        (
            "com.okta.telephony.provider",
            json!([{ "type": "com.okta.telephony.action", "value": [{ "status": "successful" }] }]),
            false,
        ),
        (
            "com.okta.user.credential.password.import",
            json!([{ "type": "com.okta.action.update", "value": { "credential": "MAYBE" } }]),
            false,
        ),
        (
            "com.okta.import.transform",
            json!([{ "type": "com.okta.action.update", "value": { "result": "LINK_USER" } }]),
            true,
        ),
        ("com.okta.user.pre-registration", json!([profile(own, "customAttribute")]), true),
        ("com.okta.user.pre-registration", json!([profile(progressive, "firstName")]), true),
        (
            "com.okta.user.pre-registration",
            json!([profile(own, "firstName"), profile(progressive, "firstName")]),
            false,
        ),
        ("com.okta.user.pre-registration", json!([profile("com.okta.user.update", "id")]), false),
    ] {
        let made = with_fallback(hook_type, &commands);
        assert_eq!(made.is_ok(), fits, "{hook_type} {commands}: {made:?}");
    }
}

/// Fallback commands must not state what only the service can know: `overview.md` section 6.
#[test]
fn fallback_commands_verify_no_password_and_report_no_delivery() {
    let password = |words: &[&str]| {
        let update = |word| json!({ "type": "com.okta.action.update", "value": { "credential": word } });
        with_fallback("com.okta.user.credential.password.import", &words.iter().map(update).collect())
    };
    let telephony = |status: &str| {
        let commands = json!([{ "type": "com.okta.telephony.action", "value": [{ "status": status }] }]);
        with_fallback("com.okta.telephony.provider", &commands)
    };
    for refused in [password(&["VERIFIED"]), password(&["UNVERIFIED", "VERIFIED"])] {
        let causes = refused.unwrap_err();
        assert!(causes.len() == 1 && causes[0].contains("verify a password that nobody has checked"), "{causes:?}");
    }
    for refused in [telephony("SUCCESSFUL"), telephony("PENDING")] {
        let causes = refused.unwrap_err();
        assert!(causes.len() == 1 && causes[0].contains("a passcode as sent that nobody has sent"), "{causes:?}");
    }
    assert!(password(&["UNVERIFIED"]).is_ok() && telephony("FAILED").is_ok(), "as without an answer");
}

/// Commands are kept with every failure policy, so that a merge of one member never needs the other.
#[test]
fn fallback_commands_outlive_another_failure_policy() {
    let merge = |hook: &InlineHook, policy: Value| update(hook, &json!({ "policy": policy }), now());
    let shown = |hook: &InlineHook| {
        let policy = shown(hook)["policy"].clone();
        (policy["failurePolicy"].clone(), policy["fallbackCommands"].clone())
    };
    let commands = json!([{ "type": "com.okta.access.patch", "value": [
        { "op": "add", "path": "/claims/tier", "value": "gold" },
    ] }]);
    let plain = create_among(&[], &http()).unwrap();
    let invalid = merge(&plain, json!({ "failurePolicy": "fallback" })).unwrap_err();
    assert_eq!(invalid.causes, ["policy.fallbackCommands: Write the commands to apply, an array"]);

    let given = merge(&plain, json!({ "fallbackCommands": commands })).unwrap();
    assert_eq!(shown(&given), (json!("default"), commands.clone()), "not dropped");
    assert_eq!(read_back(&given), given, "stored and read back");
    let used = merge(&given, json!({ "failurePolicy": "fallback" })).unwrap();
    assert!(matches!(used.policy.failure, FailurePolicy::Fallback(_)), "nothing to send again");
    let unused = merge(&used, json!({ "failurePolicy": "continue" })).unwrap();
    assert_eq!(shown(&unused), (json!("continue"), commands.clone()));
    let cleared = merge(&unused, json!({ "fallbackCommands": null })).unwrap();
    assert_eq!(shown(&cleared), (json!("continue"), Value::Null));
    let bad = json!({ "fallbackCommands": [{ "type": "com.okta.access.patch", "value": [{ "op": "zz" }] }] });
    assert!(merge(&unused, bad).is_err(), "judged even while unused");
}
