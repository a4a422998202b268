//! The token interpreter: the laws, and no reserved claim is touched.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use tenterhook_contract::token::{Token, TokenDraft, TokenSubject, reserved};
use tenterhook_fuzz::laws;

fuzz_target!(|bytes: &[u8]| {
    let claims = json!({ "iss": "x", "sub": "s", "aud": "a", "list": [1, 2], "card": { "id": "7", "deep": { "x": 1 } } });
    let draft = TokenDraft { claims: claims.as_object().expect("an object").clone(), lifetime_seconds: 3_600 };
    let before = TokenSubject { identity: Some(draft.clone()), access: Some(draft), dpop: true };
    if let Some(after) = laws(&Token, &before, bytes) {
        let kinds = [
            (reserved::TokenKind::Identity, before.identity, after.identity),
            (reserved::TokenKind::Access, before.access, after.access),
        ];
        for (kind, before, after) in kinds {
            let (before, after) = (before.expect("issued"), after.expect("issued"));
            for name in before.claims.keys().chain(after.claims.keys()) {
                if reserved::is_reserved(kind, name, true) {
                    assert_eq!(before.claims.get(name), after.claims.get(name), "{name} is reserved");
                }
            }
            assert!((300..=86_400).contains(&after.lifetime_seconds));
        }
    }
});
