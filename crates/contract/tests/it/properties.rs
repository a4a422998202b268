//! Properties of the interpreters: total, deterministic, atomic, and on success only what may be changed is changed.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use tenterhook_contract::{
    BuiltInType, ExtensionPoint,
    answer::Answer,
    password_import::{Credential, PasswordImport},
    problem::Change,
    profile::ProfileSchema,
    registration::{Progressive, RegistrationAction, RegistrationSubject, SelfService},
    saml::{Saml, assertion::Assertion},
    telephony::{Telephony, TelephonySubject},
    token::{
        Token, TokenDraft,
        reserved::{TokenKind, is_reserved},
    },
    user_import::{ImportAction, UserImport},
};

use crate::{token::subject, user_import};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z/~0-9-]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,6}", inner, 0..5).prop_map(|members| json!(members)),
        ]
    })
}

/// Operations that are often right, so that success is explored too.
fn likely_operation() -> impl Strategy<Value = Value> {
    let path = prop_oneof![
        Just("/claims/tier"),
        Just("/claims/new"),
        Just("/claims/list/0"),
        Just("/claims/list/-"),
        Just("/claims/card/id"),
        Just("/claims/iss"),
        Just("/claims/sub"),
        Just("/claims/aud"),
        Just("/claims/jti/x"),
        Just("/token/lifetime/expiration"),
        Just("/claims/airports/1"),
        Just("/claims"),
        Just("claims/x"),
    ];
    let name = prop_oneof![Just("add"), Just("replace"), Just("remove"), Just("copy")];
    (name, path, prop::option::of(any_json())).prop_map(|(name, path, value)| {
        let mut operation = json!({ "op": name, "path": path });
        if let Some(value) = value {
            operation["value"] = value;
        }
        operation
    })
}

fn likely_answer() -> impl Strategy<Value = Value> {
    let kind = prop_oneof![Just("com.okta.access.patch"), Just("com.okta.identity.patch")];
    let command = (kind, prop::collection::vec(likely_operation(), 0..4))
        .prop_map(|(kind, operations)| json!({ "type": kind, "value": operations }));
    prop::collection::vec(command, 0..4).prop_map(|commands| json!({ "commands": commands }))
}

fn check(text: &[u8]) -> Result<(), TestCaseError> {
    let Ok(answer) = Answer::parse(text) else { return Ok(()) };
    let before = subject();
    let (mut after, mut again) = (before.clone(), before.clone());
    let first = Token.interpret(&mut after, answer.clone());
    prop_assert_eq!(&first, &Token.interpret(&mut again, answer), "deterministic");
    prop_assert_eq!(&after, &again, "deterministic");
    let changes = match first {
        Ok(changes) => changes,
        Err(problems) => {
            prop_assert!(!problems.is_empty());
            prop_assert_eq!(&after, &before, "atomic");
            return Ok(());
        }
    };
    if changes.is_empty() {
        prop_assert_eq!(&after, &before, "no change, no difference");
    }
    let pairs =
        [(TokenKind::Identity, before.identity, after.identity), (TokenKind::Access, before.access, after.access)];
    for (kind, before, after) in pairs {
        let (before, after): (TokenDraft, TokenDraft) = (before.unwrap(), after.unwrap());
        let names = before.claims.keys().chain(after.claims.keys());
        for name in names.filter(|name| is_reserved(kind, name, false)) {
            prop_assert_eq!(before.claims.get(name), after.claims.get(name), "{} is reserved", name);
        }
        prop_assert!((300..=86_400).contains(&after.lifetime_seconds));
        let json = json!(after.claims);
        prop_assert_eq!(serde_json::from_str::<Value>(&json.to_string()).ok(), Some(json), "can be read back");
    }
    Ok(())
}

type Lawful<S> = Result<Option<(S, Vec<Change>)>, TestCaseError>;

/// The laws of every interpreter: deterministic, atomic, at least one problem when it fails, and no change without a
/// difference being allowed for. Returns the subject afterwards.
fn laws<P: ExtensionPoint>(point: &P, before: &P::Subject, text: &[u8]) -> Lawful<P::Subject> {
    let Ok(answer) = Answer::parse(text) else { return Ok(None) };
    let (mut after, mut again) = (before.clone(), before.clone());
    let first = point.interpret(&mut after, answer.clone());
    prop_assert_eq!(&first, &point.interpret(&mut again, answer), "deterministic");
    prop_assert_eq!(&after, &again, "deterministic");
    match first {
        Ok(changes) => {
            if changes.is_empty() {
                prop_assert_eq!(&after, before, "no change, no difference");
            }
            Ok(Some((after, changes)))
        }
        Err(problems) => {
            prop_assert!(!problems.is_empty());
            prop_assert!(problems.iter().all(|problem| problem.pointer.starts_with("/commands")));
            let mute = problems.iter().find(|problem| problem.hint.is_none());
            prop_assert!(mute.is_none(), "what to do is said: {:?}", mute);
            prop_assert_eq!(&after, before, "atomic");
            Ok(None)
        }
    }
}

fn assertion() -> Assertion {
    let sample: Value = serde_json::from_str(BuiltInType::Saml.kind().sample_requests()[0]).unwrap();
    Assertion::from_json(&sample["data"]["assertion"]).unwrap()
}

fn form() -> RegistrationSubject {
    let schema = json!({ "properties": {
        "a": { "type": "string", "maxLength": 4 }, "b": { "type": "integer" }, "pin": { "type": "string", "sensitive": true },
    } });
    RegistrationSubject {
        action: RegistrationAction::Allow,
        profile: json!({ "a": "x", "code": "y", "pin": "0000" }).as_object().unwrap().clone(),
        schema: Arc::new(ProfileSchema::parse(&schema).unwrap()),
    }
}

fn check_all(text: &[u8]) -> Result<(), TestCaseError> {
    check(text)?;
    laws(&Token, &subject(), text)?;
    let before = assertion();
    if let Some((after, _)) = laws(&Saml, &before, text)? {
        prop_assert_eq!(after.lifetime, before.lifetime, "saml.md 3: /lifetime is not for a hook");
        let json = serde_json::to_value(&after).unwrap();
        prop_assert_eq!(&Assertion::from_json(&json).unwrap(), &after, "the JSON mapping goes both ways");
    }
    for done in [laws(&SelfService, &form(), text)?, laws(&Progressive, &form(), text)?].into_iter().flatten() {
        let names = done.0.profile.keys().map(String::as_str).collect::<Vec<_>>();
        prop_assert!(names.iter().all(|name| ["a", "b", "pin", "code"].contains(name)), "{:?}", names);
        prop_assert_eq!(&done.0.profile["code"], "y", "not in the schema: not for a hook");
        let changed = done.0.profile != form().profile;
        prop_assert!(!(changed && done.0.action == RegistrationAction::Deny), "a denied form is not changed");
    }
    laws(&PasswordImport, &Credential::Unverified, text)?;
    if let Some((after, _)) = laws(&UserImport, &user_import::subject(), text)? {
        prop_assert!(after.action == ImportAction::CreateUser || after.target.is_some(), "a link has a target");
    }
    laws(&Telephony, &TelephonySubject::default(), text)?;
    Ok(())
}

/// Commands of every type, with operands that are often right.
fn any_command() -> impl Strategy<Value = Value> {
    let kind = prop::sample::select(
        BuiltInType::ALL
            .iter()
            .flat_map(|hook_type| hook_type.description().commands.iter().map(|rule| &*rule.name))
            .collect::<Vec<_>>(),
    );
    let path = prop::sample::select(vec![
        "/claims/costCentre",
        "/claims/new",
        "/claims/costCentre/attributeValues/0/value",
        "/claims/costCentre/attributeValues/-",
        "/claims/costCentre/attributes",
        "/subject/nameId",
        "/conditions/audienceRestriction/0",
        "/authentication/sessionLifetime",
        "/lifetime/expiration",
        "/claims/tier",
    ]);
    let value = prop_oneof![
        any_json(),
        Just(json!({ "attributeValues": [{ "value": "x" }] })),
        Just(json!("text")),
        Just(json!(900)),
    ];
    let operation = (prop::sample::select(vec!["add", "replace", "remove"]), path, value)
        .prop_map(|(name, path, value)| json!({ "op": name, "path": path, "value": value }));
    let status = prop::sample::select(vec!["SUCCESSFUL", "PENDING", "FAILED", "X"]);
    let operand = prop_oneof![
        prop::collection::vec(operation, 0..3).prop_map(Value::from),
        status.prop_map(|status| json!([{ "status": status }])),
        prop::sample::select(vec!["ALLOW", "DENY"]).prop_map(|action| json!({ "registration": action })),
        prop::sample::select(vec!["CREATE_USER", "LINK_USER"]).prop_map(|result| json!({ "result": result })),
        Just(json!({ "credential": "VERIFIED" })),
        Just(json!({ "id": "00uX" })),
        Just(json!({ "a": "new", "b": 7 })),
        Just(json!({ "pin": "1111" })),
        Just(json!({ "userName": "new" })),
        any_json(),
    ];
    (kind, operand).prop_map(|(kind, operand)| json!({ "type": kind, "value": operand }))
}

/// Operations on which the dialect and RFC 6902 agree: no null as value, no reserved claim, no `-` but in `add`.
fn oracle_operation() -> impl Strategy<Value = Value> {
    let path = prop::sample::select(vec![
        "/claims/tier",
        "/claims/new",
        "/claims/list",
        "/claims/list/0",
        "/claims/list/2",
        "/claims/list/9",
        "/claims/list/01",
        "/claims/list/x",
        "/claims/card/id",
        "/claims/card/none/x",
        "/claims/card/items/1",
        "/claims/card/deep/x",
        "/claims/a~0b",
        "/claims/https:~1~1example.com~1tier",
    ]);
    let value = any_json().prop_filter("null is no value", |value| !value.is_null());
    let name = prop::sample::select(vec!["add", "replace", "remove"]);
    (name, path, value).prop_map(|(name, path, value)| match name {
        "remove" => json!({ "op": name, "path": path }),
        _ => json!({ "op": name, "path": path, "value": value }),
    })
}

proptest! {
    #[test]
    fn the_interpreter_is_total_on_any_json(commands in any_json(), error in any_json()) {
        check_all(json!({ "commands": commands, "error": error }).to_string().as_bytes())?;
    }

    #[test]
    fn likely_answers_change_only_what_may_be_changed(answer in likely_answer()) {
        check(answer.to_string().as_bytes())?;
    }

    #[test]
    fn operations_that_nest_below_each_other_leave_what_can_be_read(steps in prop::collection::vec((0_usize..110, 0_usize..110), 1..4)) {
        let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        let operations = steps.into_iter().scan(0, |depth, (above, more)| {
            let above = above.min(*depth);
            *depth = above + more;
            Some(json!({ "op": "add", "path": format!("/claims/new{}", "/0".repeat(above)), "value": nested(more) }))
        });
        let operations = operations.collect::<Vec<_>>();
        check(json!({ "commands": [{ "type": "com.okta.access.patch", "value": operations }] }).to_string().as_bytes())?;
    }

    #[test]
    fn the_parser_is_total_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check_all(&bytes)?;
    }

    #[test]
    fn commands_of_all_types_keep_the_laws(commands in prop::collection::vec(any_command(), 0..3)) {
        check_all(json!({ "commands": commands }).to_string().as_bytes())?;
    }

    #[test]
    fn where_the_dialects_agree_so_do_we_and_the_json_patch_crate(operations in prop::collection::vec(oracle_operation(), 1..4)) {
        let before = subject();
        let claims = json!({ "claims": before.access.as_ref().unwrap().claims });
        let wanted = {
            let mut claims = claims.clone();
            let patch: json_patch::Patch = serde_json::from_value(json!(operations)).unwrap();
            json_patch::patch(&mut claims, &patch).ok().map(|()| claims)
        };
        let answer = json!({ "commands": [{ "type": "com.okta.access.patch", "value": operations }] }).to_string();
        let mut after = before.clone();
        let got = Token.interpret(&mut after, Answer::parse(answer.as_bytes()).unwrap()).ok();
        prop_assert_eq!(got.map(|_| json!({ "claims": after.access.unwrap().claims })), wanted, "{}", answer);
    }

    #[test]
    fn the_saml_mapping_is_total_on_any_json(value in any_json()) {
        if let Ok(assertion) = Assertion::from_json(&value) {
            let json = serde_json::to_value(&assertion).unwrap();
            prop_assert_eq!(Assertion::from_json(&json).unwrap(), assertion);
        }
    }

    #[test]
    fn the_answer_reads_as_a_plain_parser_reads_it(commands in prop::collection::vec(any_command(), 0..4)) {
        let text = json!({ "commands": commands }).to_string();
        let normalised = Answer::parse(text.as_bytes()).unwrap().normalised();
        prop_assert_eq!(&normalised["commands"], &json!(commands), "no member is lost or changed");
    }
}
