//! TLS settings of one hook: authorities of its own, a client certificate.

use tenterhook_contract::{
    Secret,
    hook::{ClientCertificate, HookTls, InlineHook},
};
use tenterhook_engine::{FailureCode, Transport as _};
use tenterhook_testkit::{
    pki::{Authority, Certificate},
    service::{Service, Step},
};

use crate::rig::{call, hook, strict};

fn secured(service: &Service, tls: HookTls) -> InlineHook {
    InlineHook { tls, ..hook(&format!("https://localhost:{}/", service.address().port())) }
}

fn own(authority: &Authority) -> String {
    String::from_utf8(authority.pem()).unwrap()
}

fn client((certificates, key): (String, String)) -> ClientCertificate {
    ClientCertificate { certificates, key: Secret::new(key) }
}

#[tokio::test]
async fn a_hook_with_authorities_of_its_own_believes_only_them() {
    let (machine, private) = (Authority::new().unwrap(), Authority::new().unwrap());
    let transport = strict(Some(&machine), &["127.0.0.0/8"], vec!["127.0.0.1"]);
    for (shown_by, ca_certificates, reached) in [
        (&machine, None, true),
        (&private, None, false),
        (&private, Some(own(&private)), true),
        (&machine, Some(own(&private)), false),
    ] {
        let tls = shown_by.server(Certificate::Good).unwrap();
        let service = Service::start(vec![Step::answer(200, "{}")], Some(tls)).await.unwrap();
        let settings = HookTls { ca_certificates, client: None };
        let result = call(&*transport.endpoint(&secured(&service, settings), None)).await.result;
        assert_eq!(result.is_ok(), reached);
        if let Err(failure) = result {
            assert_eq!(failure.code, FailureCode::TlsCertUntrusted);
        }
    }
}

#[tokio::test]
async fn a_service_that_wants_a_client_certificate_gets_the_hooks_own() {
    let (authority, stranger) = (Authority::new().unwrap(), Authority::new().unwrap());
    let transport = strict(Some(&authority), &["127.0.0.0/8"], vec!["127.0.0.1"]);
    for (client, reached) in [
        (Some(client(authority.client().unwrap())), true),
        (Some(client(stranger.client().unwrap())), false),
        (None, false),
    ] {
        let tls = authority.mutual_server().unwrap();
        let service = Service::start(vec![Step::answer(200, "{}")], Some(tls)).await.unwrap();
        let settings = HookTls { ca_certificates: None, client };
        let result = call(&*transport.endpoint(&secured(&service, settings), None)).await.result;
        let wanted = if reached { None } else { Some(FailureCode::TlsFailed) };
        assert_eq!(result.err().map(|failure| failure.code), wanted);
        assert_eq!(service.received().len(), usize::from(reached), "nothing is sent without it");
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_named_before_and_refused_at_run_time() {
    let authority = Authority::new().unwrap();
    let transport = strict(None, &["127.0.0.0/8"], vec!["127.0.0.1"]);
    let ((certificate, key), (_, other_key)) = (authority.client().unwrap(), authority.client().unwrap());
    let marked = format!("-----BEGIN PRIVATE KEY-----\nmarked-secret\n-----END PRIVATE KEY-----\n{other_key}");
    let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    assert!(
        transport
            .check_tls(&HookTls {
                ca_certificates: Some(own(&authority)),
                client: Some(client((certificate.clone(), key.clone())))
            })
            .is_ok()
    );
    for settings in [
        HookTls { ca_certificates: Some(empty.clone()), client: None },
        HookTls { ca_certificates: Some("none".to_owned()), client: None },
        HookTls { ca_certificates: None, client: Some(client((certificate.clone(), other_key))) },
        HookTls { ca_certificates: None, client: Some(client((certificate.clone(), marked))) },
        HookTls { ca_certificates: None, client: Some(client((empty, key))) },
    ] {
        let failure = transport.check_tls(&settings).unwrap_err();
        assert_eq!(failure.code, FailureCode::ChannelUnusable);
        assert!(!format!("{failure:?} {settings:?}").contains("marked-secret"));
        let hook = InlineHook { tls: settings, ..hook("https://localhost/") };
        let called = call(&*transport.endpoint(&hook, None)).await.result.unwrap_err();
        assert_eq!(called, failure);
    }
}
