//! Reads the metadata of a service provider from standard input and writes what an app needs of it as JSON. The suite of
//! `interop/saml.test.mjs` sets apps up by it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a developer's tool")]

use std::{
    io::{Read as _, stdin},
    process::ExitCode,
};

use serde_json::{Value, json};
use tenterhook_saml::{Certificate, metadata::ServiceProvider};

fn main() -> ExitCode {
    let mut xml = Vec::new();
    let read = stdin().read_to_end(&mut xml).map_err(|error| error.to_string());
    match read.and_then(|_| ServiceProvider::parse(&xml).map_err(|error| error.to_string())) {
        Ok(provider) => {
            println!("{}", described(&provider));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn described(provider: &ServiceProvider) -> Value {
    let consumers = provider.assertion_consumer_services.iter();
    let logouts = provider.single_logout_services.iter();
    let base64 = |certificates: &[Certificate]| certificates.iter().map(Certificate::base64).collect::<Vec<_>>();
    json!({
        "entityId": provider.entity_id,
        "consumers": consumers.map(|one| json!({"binding": one.binding, "location": one.location})).collect::<Value>(),
        "logouts": logouts.map(|one| json!({"binding": one.binding, "location": one.location})).collect::<Value>(),
        "signingCertificates": base64(&provider.signing_certificates),
        "encryptionCertificates": base64(&provider.encryption_certificates),
        "authnRequestsSigned": provider.authn_requests_signed,
        "wantAssertionsSigned": provider.want_assertions_signed,
    })
}
