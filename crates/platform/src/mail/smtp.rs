//! The mail server: one connection for each attempt, over TLS unless it is on this machine.

use std::{error::Error as _, fmt, io, net::IpAddr, time::Duration};

use lettre::{
    Message,
    message::{
        Mailbox, MultiPart,
        header::{Header, HeaderName, HeaderValue},
    },
    transport::smtp::{
        self,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        extension::ClientId,
    },
};
use tenterhook_contract::Secret;
use tenterhook_engine::BoxFuture;
use tokio::time::timeout;

use super::{Mail, MailAddress, MailCarrier, Undelivered};

/// How long one address of the server may take to accept a connection.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long the farewell may take: the mail has been accepted by then.
const QUIT_TIME_MAX: Duration = Duration::from_secs(1);
/// How long [`Smtp::probe`] may take.
const PROBE_TIME_MAX: Duration = Duration::from_secs(20);

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// It begins in clear and must change to TLS before anything else (RFC 3207). A server without it gets no mail.
    StartTls,
    /// It begins with TLS (RFC 8314).
    Tls,
    /// None: only to a server on this machine.
    Plain,
}

impl SmtpSecurity {
    /// The port that servers listen on for it.
    pub fn default_port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::Plain => 25,
        }
    }
}

/// User and password at the mail server.
#[derive(Clone, Debug)]
pub struct SmtpLogin {
    /// The user.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// The mail server of an operator.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    /// Its name, which its certificate must have, or its address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: SmtpSecurity,
    /// How we sign in there, with AUTH PLAIN or LOGIN; not at all when absent.
    pub login: Option<SmtpLogin>,
    /// The sender: `no-reply@example.com` or `Example <no-reply@example.com>`.
    pub from: String,
    /// Trust anchors in addition to those of the machine, PEM.
    pub extra_ca_pem: Vec<Vec<u8>>,
}

/// Why the settings of a mail server cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SmtpError {
    /// The sender is no address.
    #[error("write the sender as `no-reply@example.com` or `Example <no-reply@example.com>`")]
    From,
    /// Mails would cross a network in clear.
    #[error("a connection without TLS is for a mail server on this machine only: `localhost` or a loopback address")]
    Plain,
    /// A PEM file has no usable certificate.
    #[error("file {0} of the list has no usable certificate in PEM form")]
    TrustAnchor(usize),
    /// The name cannot be that of a server.
    #[error("not a name or an address of a server")]
    Host,
}

/// Hands mails to a mail server.
pub struct Smtp {
    host: String,
    port: u16,
    security: Security,
    credentials: Option<Credentials>,
    from: Mailbox,
    hello: ClientId,
}

/// [`SmtpSecurity`] with what it needs.
enum Security {
    StartTls(TlsParameters),
    Tls(TlsParameters),
    Plain,
}

/// Where a connection to the mail server has got to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Connect,
    StartTls,
    Login,
    Send,
}

/// The header of a mail that nobody has written (RFC 3834 section 5), so that no robot answers it.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Smtp").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Smtp {
    /// A mail server with these settings. Reads the trust anchors of the machine; connects to nothing.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub fn new(settings: SmtpSettings) -> Result<Self, SmtpError> {
        let SmtpSettings { host, port, security, login, from, extra_ca_pem } = settings;
        let (name, address) = sender(&from).ok_or(SmtpError::From)?;
        if host.is_empty() || host.chars().any(|character| character.is_control() || character.is_whitespace()) {
            return Err(SmtpError::Host);
        }
        let security = match security {
            SmtpSecurity::Plain if is_this_machine(&host) => Security::Plain,
            SmtpSecurity::Plain => return Err(SmtpError::Plain),
            SmtpSecurity::StartTls => Security::StartTls(tls(&host, &extra_ca_pem)?),
            SmtpSecurity::Tls => Security::Tls(tls(&host, &extra_ca_pem)?),
        };
        Ok(Self {
            host,
            port,
            security,
            credentials: login.map(|SmtpLogin { user, password }| Credentials::new(user, password.expose().to_owned())),
            hello: ClientId::Domain(address.0.domain().to_owned()),
            from: Mailbox::new(name, address.0),
        })
    }

    /// Connects, changes to TLS and signs in, as for a mail, and sends none. Says what has been reached.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub async fn probe(&self) -> Result<String, String> {
        let probed = timeout(PROBE_TIME_MAX, async {
            let mut connection = self.connect().await?;
            // The answer changes nothing.
            let _ = timeout(QUIT_TIME_MAX, connection.quit()).await;
            Ok::<_, (Step, smtp::Error)>(())
        });
        match probed.await {
            Ok(Ok(())) => Ok(match (&self.security, &self.credentials) {
                (Security::Plain, None) => "it answers, without TLS and without a login",
                (Security::Plain, Some(_)) => "it accepts the login, without TLS",
                (_, None) => "it answers over TLS, without a login",
                (_, Some(_)) => "it accepts the login over TLS",
            }
            .to_owned()),
            Ok(Err((step, error))) => Err(told(step, &error)),
            Err(_) => Err(format!("no answer within {} seconds", PROBE_TIME_MAX.as_secs())),
        }
    }

    /// A connection that a mail can be sent on.
    async fn connect(&self) -> Result<AsyncSmtpConnection, (Step, smtp::Error)> {
        let at = |step: Step| move |error| (step, error);
        let wrapper = match &self.security {
            Security::Tls(tls) => Some(tls.clone()),
            Security::StartTls(_) | Security::Plain => None,
        };
        let server = (self.host.as_str(), self.port);
        let connecting =
            AsyncSmtpConnection::connect_tokio1(server, Some(CONNECT_TIME_MAX), &self.hello, wrapper, None);
        let mut connection = connecting.await.map_err(at(Step::Connect))?;
        if let Security::StartTls(tls) = &self.security {
            connection.starttls(tls.clone(), &self.hello).await.map_err(at(Step::StartTls))?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await.map_err(at(Step::Login))?;
        }
        Ok(connection)
    }

    fn message(&self, id: &str, mail: &Mail) -> Result<Message, Undelivered> {
        let (text, html) = (mail.text.expose().to_owned(), mail.html.expose().to_owned());
        Message::builder()
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .from(self.from.clone())
            .to(Mailbox::new(None, mail.to.0.clone()))
            .subject(mail.subject())
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(text, html))
            .map_err(|_| Undelivered::ForGood("NO_MESSAGE".to_owned()))
    }
}

impl MailCarrier for Smtp {
    fn carry<'a>(&'a self, id: &'a str, mail: &'a Mail) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            let message = self.message(id, mail)?;
            let undelivered = |(step, error): (Step, smtp::Error)| undelivered(step, &error);
            let mut connection = self.connect().await.map_err(undelivered)?;
            let sent = connection.send(message.envelope(), &message.formatted()).await;
            sent.map_err(|error| undelivered((Step::Send, error)))?;
            // The server has taken the mail: whatever comes now, it must not be sent again.
            let _ = timeout(QUIT_TIME_MAX, connection.quit()).await;
            Ok(())
        })
    }
}

/// Name and address of a sender.
fn sender(text: &str) -> Option<(Option<String>, MailAddress)> {
    let (name, address) = match text.strip_suffix('>').map(|text| text.split_once('<')) {
        Some(named) => {
            let (name, address) = named?;
            let name = name.trim().trim_matches('"').trim();
            (Some(name.to_owned()).filter(|name| !name.is_empty()), address)
        }
        None => (None, text.trim()),
    };
    let is_one_line = name.as_ref().is_none_or(|name| !name.contains(char::is_control));
    is_one_line.then_some(())?;
    Some((name, MailAddress::parse(address).ok()?))
}

/// Whether a connection to this host does not leave the machine.
fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn tls(host: &str, extra_ca_pem: &[Vec<u8>]) -> Result<TlsParameters, SmtpError> {
    let mut builder = TlsParameters::builder(host.to_owned());
    for (index, pem) in extra_ca_pem.iter().enumerate() {
        let not_usable = || SmtpError::TrustAnchor(index + 1);
        if !pem.windows(PEM_BEGIN.len()).any(|bytes| bytes == PEM_BEGIN) {
            return Err(not_usable());
        }
        builder = builder.add_root_certificate(Certificate::from_pem(pem).map_err(|_| not_usable())?);
    }
    // It fails for certificates that cannot be anchors only: without any of ours there is nothing to refuse.
    builder.build().map_err(|_| SmtpError::TrustAnchor(extra_ca_pem.len()))
}

/// The beginning of a certificate in PEM form.
const PEM_BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

fn undelivered(step: Step, error: &smtp::Error) -> Undelivered {
    if let Some(code) = error.status() {
        let at = if step == Step::Login { " (login)" } else { "" };
        let reason = format!("SMTP {code}{at}");
        return if error.is_transient() { Undelivered::ForNow(reason) } else { Undelivered::ForGood(reason) };
    }
    if is_of_certificate(error) {
        return Undelivered::ForGood("TLS".to_owned());
    }
    if error.is_client() {
        let lacks = match step {
            Step::Connect => "NO_SMTP",
            Step::StartTls => "NO_STARTTLS",
            Step::Login => "NO_LOGIN_MECHANISM",
            Step::Send => "NO_SMTPUTF8",
        };
        return Undelivered::ForGood(lacks.to_owned());
    }
    Undelivered::ForNow(if error.is_response() { "PROTOCOL" } else { "CONNECTION" }.to_owned())
}

/// Whether TLS itself has failed, such as over the server's certificate.
fn is_of_certificate(error: &smtp::Error) -> bool {
    error.is_tls() || io_error(error).is_some_and(|cause| cause.kind() == io::ErrorKind::InvalidData)
}

/// The error of the connection below.
fn io_error(error: &smtp::Error) -> Option<&io::Error> {
    let mut cause = error.source();
    while let Some(this) = cause {
        if let Some(error) = this.downcast_ref() {
            return Some(error);
        }
        cause = this.source();
    }
    None
}

/// What an operator is told about a probe. Texts of the server are shown only before the login: a later one may repeat it.
fn told(step: Step, error: &smtp::Error) -> String {
    match (step, error.status()) {
        (Step::Login, Some(code)) => {
            format!("it refuses the login (SMTP {code}): look at `mail.user` and `mail.password`")
        }
        (Step::Login, None) => {
            "it offers neither AUTH PLAIN nor AUTH LOGIN: remove `mail.user`, or use another port".to_owned()
        }
        (Step::StartTls, None) if error.is_client() => {
            "it does not offer STARTTLS: set `mail.security` to `tls` if it expects TLS from the beginning".to_owned()
        }
        _ => {
            let cause = io_error(error).map_or_else(|| error.to_string(), ToString::to_string);
            tenterhook_contract::without_controls(cause.into()).chars().take(200).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn settings(host: &str, security: SmtpSecurity, from: &str) -> SmtpSettings {
        let login = Some(SmtpLogin { user: "user".to_owned(), password: Secret::new("marked-password") });
        SmtpSettings {
            host: host.to_owned(),
            port: 25,
            security,
            login,
            from: from.to_owned(),
            extra_ca_pem: Vec::new(),
        }
    }

    #[test]
    fn a_sender_is_an_address_with_or_without_a_name() {
        for (text, name, address) in [
            ("no-reply@example.com", None, Some("no-reply@example.com")),
            ("Example <no-reply@example.com>", Some("Example"), Some("no-reply@example.com")),
            ("\"Example, Inc.\" <no-reply@example.com>", Some("Example, Inc."), Some("no-reply@example.com")),
            ("B\u{fc}cher <no-reply@b\u{fc}cher.example>", Some("B\u{fc}cher"), Some("no-reply@xn--bcher-kva.example")),
            ("<no-reply@example.com>", None, Some("no-reply@example.com")),
            ("Example\r\nBcc: eve@example.com <no-reply@example.com>", None, None),
            ("Example <no-reply@example.com\r\nBcc: eve@example.com>", None, None),
            ("Example <a@example.com> <no-reply@example.com>", None, None),
            ("no-reply@example.com>", None, None),
            ("Example", None, None),
            ("", None, None),
        ] {
            let read = sender(text);
            let read = read.map(|(name, address)| (name, address.to_string()));
            assert_eq!(read, address.map(|address| (name.map(ToOwned::to_owned), address.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn mails_go_in_clear_to_this_machine_only() {
        for (host, is_allowed) in [
            ("localhost", true),
            ("LOCALHOST", true),
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("192.0.2.1", false),
            ("localhost.example.com", false),
            ("mail.example.com", false),
        ] {
            let plain = Smtp::new(settings(host, SmtpSecurity::Plain, "a@example.com"));
            assert_eq!(plain.err(), (!is_allowed).then_some(SmtpError::Plain), "{host}");
            assert!(Smtp::new(settings(host, SmtpSecurity::StartTls, "a@example.com")).is_ok(), "{host}");
        }
    }

    #[test]
    fn unusable_settings_are_named_and_the_password_is_not_shown() {
        let one = |settings: SmtpSettings| Smtp::new(settings).err();
        assert_eq!(one(settings("mail.example.com", SmtpSecurity::Tls, "nobody")), Some(SmtpError::From));
        assert_eq!(one(settings("", SmtpSecurity::Tls, "a@example.com")), Some(SmtpError::Host));
        assert_eq!(one(settings("a\r\nb", SmtpSecurity::Tls, "a@example.com")), Some(SmtpError::Host));
        let mut with_file = settings("mail.example.com", SmtpSecurity::Tls, "a@example.com");
        with_file.extra_ca_pem = vec![b"not a certificate".to_vec()];
        assert_eq!(one(with_file), Some(SmtpError::TrustAnchor(1)));
        let good = settings("mail.example.com", SmtpSecurity::Tls, "a@example.com");
        let shown = format!("{good:?} {:?}", Smtp::new(good.clone()).unwrap());
        assert!(!shown.contains("marked-password"), "{shown}");
    }

    #[test]
    fn a_message_has_both_forms_and_no_header_of_a_name() {
        let smtp = Smtp::new(settings("localhost", SmtpSecurity::Plain, "Ex\u{e4}mple, Inc. <no-reply@example.com>"));
        let to = MailAddress::parse("zo\u{eb}@example.com").unwrap();
        let subject = "Set a new password (R\u{e9}sum\u{e9}\r\nBcc: eve@example.com)";
        let (text, html) = (Secret::new("text\r\n.\r\nMAIL FROM"), Secret::new("<p>html</p>"));
        let mail = Mail::new(super::super::MailKind::PasswordReset, to, subject, text, html);
        let message = smtp.unwrap().message("id-1", &mail).unwrap();
        assert_eq!(
            message.envelope().to().iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["zo\u{eb}@example.com"]
        );
        let formatted = String::from_utf8(message.formatted()).unwrap();
        let head = formatted.split("\r\n\r\n").next().unwrap();
        let names: Vec<_> =
            head.lines().filter(|line| !line.starts_with(' ')).filter_map(|line| line.split(':').next()).collect();
        assert_eq!(
            names,
            ["Message-ID", "From", "To", "Subject", "Auto-Submitted", "MIME-Version", "Date", "Content-Type"],
            "{head}"
        );
        assert!(
            head.contains("Message-ID: <id-1@example.com>") && head.contains("Auto-Submitted: auto-generated"),
            "{head}"
        );
        assert!(formatted.contains("text/plain") && formatted.contains("text/html"), "{formatted}");
    }
}
