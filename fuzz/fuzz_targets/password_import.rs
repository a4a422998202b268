//! The password import interpreter: the laws.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenterhook_contract::password_import::{Credential, PasswordImport};
use tenterhook_fuzz::laws;

fuzz_target!(|bytes: &[u8]| {
    laws(&PasswordImport, &Credential::Unverified, bytes);
});
