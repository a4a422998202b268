//! Properties of the interpreter: total, deterministic, atomic, and never near a reserved claim.

use proptest::prelude::*;
use serde_json::{Value, json};
use tenterhook_contract::{
    ExtensionPoint as _,
    answer::Answer,
    token::{
        Token, TokenDraft,
        reserved::{TokenKind, is_reserved},
    },
};

use crate::token::subject;

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
    let first = Token::interpret(&mut after, answer.clone());
    prop_assert_eq!(&first, &Token::interpret(&mut again, answer), "deterministic");
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
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_interpreter_is_total_on_any_json(commands in any_json(), error in any_json()) {
        check(json!({ "commands": commands, "error": error }).to_string().as_bytes())?;
    }

    #[test]
    fn likely_answers_change_only_what_may_be_changed(answer in likely_answer()) {
        check(answer.to_string().as_bytes())?;
    }

    #[test]
    fn the_parser_is_total_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes)?;
    }
}
