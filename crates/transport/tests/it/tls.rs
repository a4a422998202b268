//! TLS settings of one hook: authorities of its own, a client certificate.

use std::time::Duration;

use bytes::Bytes;
use tenterhook_contract::{
    Secret,
    hook::{ClientCertificate, HookTls, InlineHook},
};
use tenterhook_engine::{Deadline, FailureCode, FormRequest, FormTransport as _, Transport as _};
use tenterhook_testkit::{
    pki::{Authority, Certificate},
    service::{Service, Step},
};

use tenterhook_transport::{EgressPolicy, TransportConfig};

use crate::rig::{call, hook, made, strict};

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

/// A certificate that was listed itself needs nobody who vouches for it; its name and its dates count all the same.
#[tokio::test]
async fn a_listed_certificate_is_accepted_as_the_services_own() {
    let (authority, other) = (Authority::new().unwrap(), Authority::new().unwrap());
    let machine = strict(None, &["127.0.0.0/8"], vec!["127.0.0.1"]);
    for (certificate, wanted) in [
        (Certificate::Good, None),
        (Certificate::SelfSigned, None),
        (Certificate::SelfSignedAuthority, None),
        (Certificate::WithIntermediate, None),
        (Certificate::WithoutIntermediate, None),
        (Certificate::WithExpiredIntermediate, None),
        (Certificate::ClientAuthority, Some(FailureCode::TlsCertUntrusted)),
        (Certificate::WrongName, Some(FailureCode::TlsCertWrongName)),
        (Certificate::Expired, Some(FailureCode::TlsCertExpired)),
        (Certificate::ExpiredSelfSignedAuthority, Some(FailureCode::TlsCertExpired)),
        (Certificate::NotYetValid, Some(FailureCode::TlsCertUntrusted)),
    ] {
        let shown = authority.shown(certificate).unwrap();
        let service = Service::start(vec![Step::answer(200, "{}")], Some(shown.config)).await.unwrap();
        let settings = HookTls { ca_certificates: Some(own(&other) + &shown.pem), client: None };
        let result = call(&*machine.endpoint(&secured(&service, settings), None)).await.result;
        assert_eq!(result.err().map(|failure| failure.code), wanted, "{certificate:?}, listed by the hook");

        let config = TransportConfig {
            policy: EgressPolicy::new(vec!["127.0.0.0/8".parse().unwrap()], vec![]),
            extra_ca_pem: vec![shown.pem.into_bytes()],
            ..TransportConfig::default()
        };
        let operator = made(config);
        let result = call(&*operator.endpoint(&secured(&service, HookTls::default()), None)).await.result;
        assert_eq!(result.err().map(|failure| failure.code), wanted, "{certificate:?}, listed by the operator");
    }
    let (listed, shown) =
        (authority.shown(Certificate::SelfSignedAuthority), authority.shown(Certificate::SelfSignedAuthority));
    let service = Service::start(vec![Step::answer(200, "{}")], Some(shown.unwrap().config)).await.unwrap();
    let settings = HookTls { ca_certificates: Some(listed.unwrap().pem), client: None };
    let failure = call(&*machine.endpoint(&secured(&service, settings), None)).await.result.unwrap_err();
    assert_eq!(failure.code, FailureCode::TlsCertUntrusted, "another one of the same name: {failure}");
}

/// Only authorities vouch for others, not whoever holds the key of a certificate that was listed as a service's own.
#[tokio::test]
async fn a_listed_certificate_of_a_service_vouches_for_no_other() {
    let authority = Authority::new().unwrap();
    let transport = strict(None, &["127.0.0.0/8"], vec!["127.0.0.1"]);
    for (certificate, reached) in [(Certificate::ByLeaf, false), (Certificate::WithIntermediate, true)] {
        let shown = authority.shown(certificate).unwrap();
        let service = Service::start(vec![Step::answer(200, "{}")], Some(shown.config)).await.unwrap();
        let settings = HookTls { ca_certificates: shown.issuer_pem, client: None };
        transport.check_tls(&settings).unwrap();
        let result = call(&*transport.endpoint(&secured(&service, settings), None)).await.result;
        assert_eq!(result.is_ok(), reached, "{certificate:?}: {result:?}");
        if let Err(failure) = result {
            assert_eq!(failure.code, FailureCode::TlsCertUntrusted);
        }
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_says_why() {
    let (authority, other) = (Authority::new().unwrap(), Authority::new().unwrap());
    let transport = strict(None, &["127.0.0.0/8"], vec!["127.0.0.1"]);
    for (certificate, listed, wanted) in [
        (Certificate::SelfSigned, &authority, "`CN=localhost` is self-signed"),
        (Certificate::SelfSignedAuthority, &authority, "`CN=localhost` is a CA certificate (CA:TRUE)"),
        (Certificate::WithoutIntermediate, &authority, "the issuer `CN=Lab Intermediate` is neither sent nor trusted"),
        (Certificate::NotYetValid, &authority, "not valid yet"),
        (Certificate::WithIntermediate, &authority, ""),
        // Another authority of the same name: its signature is another one.
        (Certificate::WithIntermediate, &other, "which has not signed it"),
    ] {
        let service = Service::start(vec![Step::answer(200, "{}")], Some(authority.server(certificate).unwrap()));
        let service = service.await.unwrap();
        let settings = HookTls { ca_certificates: Some(own(listed)), client: None };
        let result = call(&*transport.endpoint(&secured(&service, settings), None)).await.result;
        match result {
            Ok(_) => assert_eq!(wanted, ""),
            Err(failure) => {
                assert_eq!(failure.code, FailureCode::TlsCertUntrusted, "{certificate:?}");
                assert!(!wanted.is_empty() && failure.detail.contains(wanted), "{certificate:?}: {failure}");
            }
        }
    }
    let tls = authority.server(Certificate::WithIntermediate).unwrap();
    let service = Service::start(vec![Step::answer(200, "{}")], Some(tls)).await.unwrap();
    let unknown = transport.endpoint(&secured(&service, HookTls::default()), None);
    let failure = call(&*unknown).await.result.unwrap_err();
    assert!(failure.detail.contains("the issuer `CN=Lab Root` is neither sent nor trusted"), "{failure}");
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

/// A service that has the form may break the connection nevertheless: the message may be on its way.
#[tokio::test]
async fn an_alert_after_the_form_was_sent_does_not_say_that_nothing_was() {
    let (authority, stranger) = (Authority::new().unwrap(), Authority::new().unwrap());
    let transport = strict(Some(&authority), &["127.0.0.0/8"], vec!["127.0.0.1"]);
    let authorization = Secret::new("Basic marked-secret");
    for (shown_by, code, unsent) in
        [(&authority, FailureCode::TlsFailed, false), (&stranger, FailureCode::TlsCertUntrusted, true)]
    {
        // A fatal alert, "internal error" (RFC 8446 section 6).
        let alert = Step::WriteBelowTls(vec![21, 3, 3, 0, 2, 2, 80]);
        let service = Service::start(vec![alert], Some(shown_by.server(Certificate::Good).unwrap())).await.unwrap();
        let uri = format!("https://localhost:{}/", service.address().port());
        let deadline = Deadline::after(Duration::from_secs(20));
        let form =
            FormRequest { uri: &uri, authorization: &authorization, body: Bytes::from_static(b"To=1"), deadline };
        let failure = transport.post_form(form).await.unwrap_err();
        assert_eq!((failure.code, failure.is_unsent()), (code, unsent));
        assert_eq!(service.received().len(), usize::from(!unsent));
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
