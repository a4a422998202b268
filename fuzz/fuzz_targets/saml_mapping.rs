//! The SAML JSON mapping: total, and it can read what it writes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenterhook_contract::saml::assertion::Assertion;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = serde_json::from_slice(bytes) else { return };
    if let Ok(assertion) = Assertion::from_json(&value) {
        let json = serde_json::to_value(&assertion).expect("an assertion is JSON");
        assert_eq!(Assertion::from_json(&json).expect("and back"), assertion);
    }
});
