//! The registration interpreter, both flows: the laws, and a denied form is not changed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use tenterhook_contract::{
    profile::ProfileSchema,
    registration::{Progressive, RegistrationAction, RegistrationSubject, SelfService},
};
use tenterhook_fuzz::laws;

fuzz_target!(|bytes: &[u8]| {
    let profile = json!({ "login": "noor@partner.example", "code": "x" }).as_object().expect("an object").clone();
    let before = RegistrationSubject { action: RegistrationAction::Allow, profile, schema: ProfileSchema::base() };
    for after in [laws(&SelfService, &before, bytes), laws(&Progressive, &before, bytes)].into_iter().flatten() {
        assert_eq!(after.profile["code"], "x", "not in the schema");
        assert!(after.action == RegistrationAction::Allow || after.profile == before.profile);
    }
});
