//! Mails to a mail server.

use std::time::Duration;

use tenterhook_contract::Secret;
use tenterhook_platform::mail::{
    Mail, MailAddress, MailCarrier as _, MailKind, Smtp, SmtpLogin, SmtpSecurity, SmtpSettings, Undelivered,
};
use tenterhook_testkit::{
    pki::{Authority, Certificate},
    raw::{Connection, RawService},
    smtp::{SmtpScript, SmtpServer},
};

const LINK: &str = "https://id.example.com/reset_password?token=marked-link";
const PASSWORD: &str = "marked-password";

fn settings(server: &SmtpServer, security: SmtpSecurity) -> SmtpSettings {
    SmtpSettings {
        host: "localhost".to_owned(),
        port: server.address().port(),
        security,
        login: None,
        from: "Ex\u{e4}mple <no-reply@example.com>".to_owned(),
        extra_ca_pem: Vec::new(),
    }
}

fn mail_to(address: &str) -> Mail {
    let (text, html) = (format!("Hello\r\n.\r\n{LINK}\r\n"), format!("<p><a href=\"{LINK}\">Hello</a></p>"));
    let to = MailAddress::parse(address).unwrap();
    Mail::new(MailKind::PasswordReset, to, "Set a new password (\u{fc})", Secret::new(text), Secret::new(html))
}

fn mail() -> Mail {
    mail_to("ada@example.com")
}

async fn carry(settings: SmtpSettings, mail: &Mail) -> Result<(), Undelivered> {
    Smtp::new(settings).unwrap().carry("id-1", mail).await
}

fn login(password: &str) -> SmtpLogin {
    SmtpLogin { user: "mailer".to_owned(), password: Secret::new(password) }
}

fn for_now(reason: &str) -> Result<(), Undelivered> {
    Err(Undelivered::ForNow(reason.to_owned()))
}

fn for_good(reason: &str) -> Result<(), Undelivered> {
    Err(Undelivered::ForGood(reason.to_owned()))
}

#[tokio::test]
async fn a_mail_arrives_over_starttls_and_over_tls_with_a_login() {
    let authority = Authority::new().unwrap();
    let good = authority.server(Certificate::Good).unwrap();
    for mechanisms in ["PLAIN LOGIN", "LOGIN"] {
        for security in [SmtpSecurity::StartTls, SmtpSecurity::Tls] {
            let mut script = SmtpScript { login: Some((mechanisms, "mailer", PASSWORD)), ..SmtpScript::default() };
            let place = if security == SmtpSecurity::Tls { &mut script.tls } else { &mut script.starttls };
            *place = Some(good.clone());
            let server = SmtpServer::start(script).await.unwrap();
            let mut settings = settings(&server, security);
            settings.extra_ca_pem = vec![authority.pem()];
            settings.login = Some(login(PASSWORD));
            assert_eq!(Smtp::new(settings.clone()).unwrap().probe().await.unwrap(), "it accepts the login over TLS");
            assert_eq!(server.taken(), [], "a probe sends nothing");
            carry(settings, &mail()).await.unwrap();
            let taken = server.taken();
            let [taken] = taken.as_slice() else { panic!("{taken:?}") };
            assert_eq!((taken.from.as_str(), taken.to.as_str()), ("no-reply@example.com", "ada@example.com"));
            assert!(taken.is_encrypted && taken.user.as_deref() == Some("mailer"), "{taken:?}");
            assert_eq!(taken.decoded().matches(LINK).count(), 2, "{}", taken.message);
            assert!(taken.message.contains("\r\n.\r\n"), "a line with a dot does not end it: {}", taken.message);
        }
    }
}

#[tokio::test]
async fn nothing_is_sent_in_clear_or_to_a_server_that_is_not_the_one() {
    let authority = Authority::new().unwrap();
    let none = SmtpServer::start(SmtpScript { login: Some(("PLAIN", "mailer", PASSWORD)), ..SmtpScript::default() });
    let none = none.await.unwrap();
    let mut without_tls = settings(&none, SmtpSecurity::StartTls);
    without_tls.login = Some(login(PASSWORD));
    assert_eq!(carry(without_tls.clone(), &mail()).await, for_good("NO_STARTTLS"));
    let told = Smtp::new(without_tls).unwrap().probe().await.unwrap_err();
    assert!(told.contains("does not offer STARTTLS"), "{told}");
    assert!(none.lines().iter().all(|line| line.starts_with("EHLO") || line == "QUIT"), "{:?}", none.lines());

    for certificate in [Certificate::WrongName, Certificate::Expired, Certificate::SelfSigned] {
        for security in [SmtpSecurity::StartTls, SmtpSecurity::Tls] {
            let tls = authority.server(certificate).unwrap();
            let script = match security {
                SmtpSecurity::Tls => SmtpScript { tls: Some(tls), ..SmtpScript::default() },
                _ => SmtpScript { starttls: Some(tls), ..SmtpScript::default() },
            };
            let server = SmtpServer::start(script).await.unwrap();
            let mut settings = settings(&server, security);
            settings.extra_ca_pem = vec![authority.pem()];
            assert_eq!(carry(settings.clone(), &mail()).await, for_good("TLS"), "{certificate:?} {security:?}");
            let told = Smtp::new(settings).unwrap().probe().await.unwrap_err();
            assert!(told.contains("certificate"), "{told}");
            assert_eq!(server.taken(), [], "{certificate:?} {security:?}");
        }
    }
}

#[tokio::test]
async fn a_reply_says_whether_to_try_again_and_is_not_repeated() {
    for (reply, expected) in [
        ("451 4.7.1 marked-link Later", for_now("SMTP 451")),
        ("421 marked-link", for_now("SMTP 421")),
        ("550 5.1.1 marked-link", for_good("SMTP 550")),
        ("nonsense marked-link", for_now("PROTOCOL")),
    ] {
        let server = SmtpServer::start(SmtpScript { replies: vec![reply], ..SmtpScript::default() }).await.unwrap();
        let result = carry(settings(&server, SmtpSecurity::Plain), &mail()).await;
        assert!(!format!("{result:?}").contains("marked"), "{result:?}");
        assert_eq!(result, expected, "{reply}");
        assert_eq!(carry(settings(&server, SmtpSecurity::Plain), &mail()).await, Ok(()), "the next one is taken");
        assert_eq!(server.taken().len(), 1);
    }
}

#[tokio::test]
async fn a_login_that_is_refused_or_not_offered_is_told_without_the_password() {
    for (mechanisms, expected) in [("PLAIN LOGIN", "SMTP 535 (login)"), ("CRAM-MD5", "NO_LOGIN_MECHANISM")] {
        let script = SmtpScript { login: Some((mechanisms, "mailer", "another")), ..SmtpScript::default() };
        let server = SmtpServer::start(script).await.unwrap();
        let mut settings = settings(&server, SmtpSecurity::Plain);
        settings.login = Some(login(PASSWORD));
        let smtp = Smtp::new(settings).unwrap();
        let told = smtp.probe().await.unwrap_err();
        let result = smtp.carry("id-1", &mail()).await;
        let shown = format!("{told} {result:?} {smtp:?}");
        assert!(told.contains("mail.user") && !shown.contains("marked"), "{shown}");
        assert_eq!(result, for_good(expected));
        assert_eq!(server.taken(), []);
    }
}

#[tokio::test]
async fn a_name_of_other_letters_needs_a_server_for_it_and_a_domain_does_not() {
    let server = SmtpServer::start(SmtpScript::default()).await.unwrap();
    let plain = || settings(&server, SmtpSecurity::Plain);
    assert_eq!(carry(plain(), &mail_to("zo\u{eb}@example.com")).await, for_good("NO_SMTPUTF8"));
    carry(plain(), &mail_to("zoe@b\u{fc}cher.example")).await.unwrap();
    assert_eq!(server.taken().iter().map(|mail| mail.to.clone()).collect::<Vec<_>>(), ["zoe@xn--bcher-kva.example"]);
    let server = SmtpServer::start(SmtpScript { smtputf8: true, ..SmtpScript::default() }).await.unwrap();
    carry(settings(&server, SmtpSecurity::Plain), &mail_to("zo\u{eb}@example.com")).await.unwrap();
    assert_eq!(server.taken().iter().map(|mail| mail.to.clone()).collect::<Vec<_>>(), ["zo\u{eb}@example.com"]);
}

#[tokio::test]
async fn a_server_that_is_not_there_or_is_none_is_tried_again() {
    let server = SmtpServer::start(SmtpScript::default()).await.unwrap();
    let gone = settings(&server, SmtpSecurity::Plain);
    drop(server);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = SmtpSettings { port: listener.local_addr().unwrap().port(), ..gone };
    drop(listener);
    assert_eq!(carry(nobody.clone(), &mail()).await, for_now("CONNECTION"));
    let closes = RawService::start(Connection::Close).await.unwrap();
    let result = carry(SmtpSettings { port: closes.address().port(), ..nobody.clone() }, &mail()).await;
    assert!(matches!(result, Err(Undelivered::ForNow(_))), "{result:?}");
}

/// The queue bounds an attempt, and the probe itself; the connection ends with the attempt.
#[tokio::test]
async fn a_server_that_never_answers_holds_nobody_longer_than_he_waits() {
    let silent = RawService::start(Connection::Hang).await.unwrap();
    let server = SmtpServer::start(SmtpScript { hangs: true, ..SmtpScript::default() }).await.unwrap();
    let stuck = settings(&server, SmtpSecurity::Plain);
    let mail = mail();
    for port in [silent.address().port(), stuck.port] {
        let smtp = Smtp::new(SmtpSettings { port, ..stuck.clone() }).unwrap();
        let waited = tokio::time::timeout(Duration::from_millis(200), smtp.carry("id-1", &mail)).await;
        assert!(waited.is_err(), "{waited:?}");
    }
    tokio::time::pause();
    let told = Smtp::new(SmtpSettings { port: silent.address().port(), ..stuck }).unwrap().probe().await;
    assert!(told.clone().unwrap_err().contains("no"), "{told:?}");
}

#[tokio::test]
async fn a_mail_that_was_taken_is_sent_whatever_the_server_does_then() {
    let server = SmtpServer::start(SmtpScript { hangs_at_quit: true, ..SmtpScript::default() }).await.unwrap();
    assert_eq!(carry(settings(&server, SmtpSecurity::Plain), &mail()).await, Ok(()));
    assert_eq!(server.taken().len(), 1);
}
