//! Signatures: only one message was ever signed with this key, and its private half is gone. So whatever is accepted says
//! what that message says.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tenterhook_saml::{Certificate, read::AuthnRequest, verify::enveloped};

static CERTIFICATE: LazyLock<Certificate> =
    LazyLock::new(|| Certificate::from_text(include_str!("../src/certificate.pem")).expect("a certificate"));
static SIGNED: LazyLock<AuthnRequest> = LazyLock::new(|| {
    let xml = include_bytes!("../seeds/signed_request.xml");
    enveloped(xml, std::slice::from_ref(&CERTIFICATE)).expect("the message is signed");
    AuthnRequest::parse(xml).expect("the message is a request")
});

fuzz_target!(|bytes: &[u8]| {
    if enveloped(bytes, std::slice::from_ref(&CERTIFICATE)).is_ok() {
        assert_eq!(AuthnRequest::parse(bytes).as_ref(), Ok(&*SIGNED));
    }
});
