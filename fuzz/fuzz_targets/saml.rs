//! The SAML interpreter: the laws, and the lifetime stays.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenterhook_contract::saml::{Saml, assertion::Assertion};
use tenterhook_fuzz::{assertion, laws};

fuzz_target!(|bytes: &[u8]| {
    let before = assertion();
    if let Some(after) = laws(&Saml, &before, bytes) {
        assert_eq!(after.lifetime, before.lifetime);
        let json = serde_json::to_value(&after).expect("an assertion is JSON");
        assert_eq!(Assertion::from_json(&json).expect("and back"), after);
    }
});
