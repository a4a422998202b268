//! Signing keys and TLS settings of a hook.

use tenterhook_contract::Secret;
use tenterhook_management::{
    hook_security::{self, SigningRequest, TlsRequest},
    hooks,
    request::Given,
};
use tenterhook_testkit::{
    pki::Authority,
    rig::{Rig, hook_request},
};

use crate::support::{causes, submitted, text};

/// A hook; its id.
async fn hook(rig: &Rig) -> String {
    let request = submitted(hook_request("Hook", "https://service.example/hook"));
    let hook = hooks::create(&rig.platform, &rig.administrator().await, &request).await.unwrap();
    hook.id.as_str().to_owned()
}

#[tokio::test]
async fn what_changes_nothing_is_neither_written_nor_logged() {
    let rig = Rig::start().await;
    let (id, platform, administrator) = (hook(&rig).await, &rig.platform, rig.administrator().await);
    let state = async || (rig.snapshot().configuration.version, rig.events("inline_hook.updated").await.len());
    let fresh = state().await;
    hook_security::stop_signing(platform, &administrator, &id).await.unwrap();
    hook_security::retire_signing_key(platform, &administrator, &id).await.unwrap();
    hook_security::reset_tls(platform, &administrator, &id).await.unwrap();
    assert_eq!(state().await, fresh, "there is neither a key nor a setting");

    let rotation = submitted(SigningRequest::default());
    hook_security::rotate_signing_key(platform, &administrator, &id, &rotation).await.unwrap();
    let signed = state().await;
    assert_ne!(signed, fresh);
    hook_security::retire_signing_key(platform, &administrator, &id).await.unwrap();
    assert_eq!(state().await, signed, "there is no older key");
    hook_security::stop_signing(platform, &administrator, &id).await.unwrap();
    let unsigned = state().await;
    assert_ne!(unsigned, signed);

    let (certificate, key) = Authority::new().unwrap().client().unwrap();
    let tls = submitted(TlsRequest {
        client_certificate: Given::Is(certificate),
        client_key: Given::Is(Secret::new(key)),
        ..TlsRequest::default()
    });
    let set = hook_security::set_tls(platform, &administrator, &id, &tls).await.unwrap();
    let secured = state().await;
    assert_ne!(secured, unsigned);
    assert_eq!(hook_security::set_tls(platform, &administrator, &id, &tls).await.unwrap(), set);
    assert_eq!(state().await, secured, "it has these settings");
    hook_security::reset_tls(platform, &administrator, &id).await.unwrap();
    assert_ne!(state().await, secured);
}

#[tokio::test]
async fn the_version_of_a_signature_is_one_of_two() {
    let rig = Rig::start().await;
    let (id, administrator) = (hook(&rig).await, rig.administrator().await);
    let request = submitted(SigningRequest { version: text("v2") });
    let refused = hook_security::rotate_signing_key(&rig.platform, &administrator, &id, &request).await;
    assert_eq!(causes(refused), ["version: The field has an invalid value. Write one of v1, v1a"]);
}
