//! Queries and forms: total, bounded, and what was decoded is decoded again when it is encoded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenterhook_saml::{
    binding::{RELAY_STATE_BYTES_MAX, post, redirect},
    read::DOCUMENT_BYTES_MAX,
};

fuzz_target!(|text: &str| {
    if let Ok(message) = redirect::decode(text) {
        assert!(message.xml.len() <= DOCUMENT_BYTES_MAX);
        assert!(message.relay_state.as_ref().is_none_or(|state| state.len() <= RELAY_STATE_BYTES_MAX));
        if let Ok(xml) = std::str::from_utf8(&message.xml) {
            let query = redirect::encode(message.kind, xml, message.relay_state.as_deref(), None).expect("no key");
            let again = redirect::decode(&query).expect("what is encoded is decoded");
            assert_eq!((again.xml, again.relay_state), (message.xml, message.relay_state));
        }
    }
    let _ = post::decode(text);
});
