//! The user import interpreter: the laws, and a link has a target.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tenterhook_contract::{
    profile::{Profile, ProfileSchema},
    user_import::{ImportAction, ImportSubject, UserImport},
};
use tenterhook_fuzz::laws;

fuzz_target!(|bytes: &[u8]| {
    let before = ImportSubject {
        action: ImportAction::CreateUser,
        target: None,
        app_profile: Profile::new(),
        user_profile: Profile::new(),
        app_schema: None,
        user_schema: ProfileSchema::base(),
        mapping: Arc::new(vec![("userName".into(), "login".into())]),
    };
    if let Some(after) = laws(&UserImport, &before, bytes) {
        assert!(after.action == ImportAction::CreateUser || after.target.is_some());
    }
});
