//! The telephony interpreter: the laws, and an answer that is accepted says how the delivery went.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenterhook_contract::telephony::{Telephony, TelephonySubject};
use tenterhook_fuzz::laws;

fuzz_target!(|bytes: &[u8]| {
    if let Some(after) = laws(&Telephony, &TelephonySubject::default(), bytes) {
        assert!(after.delivery.is_some());
    }
});
