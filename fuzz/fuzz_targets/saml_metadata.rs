//! Metadata of service providers and their certificates: total, and a service provider has a place for assertions.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenterhook_saml::{Certificate, metadata::ServiceProvider};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(provider) = ServiceProvider::parse(bytes) {
        assert!(provider.default_assertion_consumer_service().is_some());
    }
    let _ = Certificate::from_der(bytes);
    let _ = std::str::from_utf8(bytes).map(Certificate::from_text);
});
