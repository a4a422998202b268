//! Messages of service providers: total, and what is read has the members that every message has.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenterhook_saml::read::{AuthnRequest, LogoutRequest, LogoutResponse};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = AuthnRequest::parse(bytes) {
        assert!(!request.id.is_empty() && !request.issuer.is_empty());
    }
    if let Ok(request) = LogoutRequest::parse(bytes) {
        assert!(!request.id.is_empty() && !request.name_id.value.is_empty());
    }
    if let Ok(response) = LogoutResponse::parse(bytes) {
        assert!(!response.id.is_empty() && !response.issuer.is_empty());
    }
});
