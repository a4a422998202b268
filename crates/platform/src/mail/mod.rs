//! Mail: a message with a link, the queue that sends it, and the port to the server that takes it.
//!
//! A flow composes a [`Mail`], reserves a place in the queue ([`Mailer::reserve`]) before it changes anything, and hands
//! the mail over with [`MailPlace::send`], which never waits. The bodies of a mail hold a secret, the link, so they are in
//! no log, event, error or `Debug`. Start reading at [`Mailer`].

mod letter;
mod mailer;
mod smtp;

use std::fmt;

use tenterhook_contract::Secret;
use tenterhook_engine::BoxFuture;

pub use self::{
    letter::{Letter, LetterLink},
    mailer::{MAILS_MAX, MAILS_PER_ORG_MAX, MailPlace, MailRefused, Mailer, Posting},
    smtp::{Smtp, SmtpError, SmtpLogin, SmtpSecurity, SmtpSettings},
};

/// Most characters of a subject.
const SUBJECT_CHARACTERS_MAX: usize = 200;

/// What a mail is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// A link that sets a new password.
    PasswordReset,
    /// A link that verifies the address of a person who signed up.
    EmailVerification,
    /// Tells the owner of an address that somebody tried to sign up with it.
    AccountExists,
    /// A link that sets the first password.
    Activation,
    /// A link that sets a new password, for somebody who asked for it.
    Recovery,
    /// A link that ends a lock, for somebody who asked for it.
    Unlock,
}

impl MailKind {
    /// The name in events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PasswordReset => "PASSWORD_RESET",
            Self::EmailVerification => "EMAIL_VERIFICATION",
            Self::AccountExists => "ACCOUNT_EXISTS",
            Self::Activation => "ACTIVATION",
            Self::Recovery => "RECOVERY",
            Self::Unlock => "UNLOCK",
        }
    }
}

/// An address that a mail can be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailAddress(lettre::Address);

/// The text is no address that a mail can be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a mail address: write `NAME@DOMAIN`")]
pub struct AddressError;

impl MailAddress {
    /// Reads an address (RFC 5321 section 4.1.2, RFC 6531). A domain of other letters than ASCII is put into its ASCII
    /// form, so that only a name of such letters needs a mail server with `SMTPUTF8`.
    ///
    /// # Errors
    /// When it is none: also with a line break, another control character, a blank or an address of the network as domain.
    ///
    /// ```
    /// use tenterhook_platform::mail::MailAddress;
    /// assert_eq!(MailAddress::parse("ada@b\u{fc}cher.example").unwrap().to_string(), "ada@xn--bcher-kva.example");
    /// assert!(MailAddress::parse("ada@example.com\r\nBcc: eve@example.com").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.chars().any(|character| character.is_control() || character.is_whitespace()) {
            return Err(AddressError);
        }
        let (name, domain) = text.rsplit_once('@').ok_or(AddressError)?;
        let Ok(url::Host::Domain(domain)) = url::Host::parse(domain) else { return Err(AddressError) };
        lettre::Address::new(name, domain).map(Self).map_err(|_| AddressError)
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A mail to one recipient.
#[derive(Clone, Debug)]
pub struct Mail {
    /// What it is for.
    pub kind: MailKind,
    /// The recipient.
    pub to: MailAddress,
    /// One line.
    subject: String,
    /// The plain text.
    pub text: Secret,
    /// The same as HTML.
    pub html: Secret,
}

impl Mail {
    /// A mail. Line breaks and other control characters of the subject become blanks, because a header has one line, and
    /// a subject of more than 200 characters is cut.
    pub fn new(kind: MailKind, to: MailAddress, subject: &str, text: Secret, html: Secret) -> Self {
        let subject = tenterhook_contract::without_controls(subject.into());
        let subject = subject.chars().take(SUBJECT_CHARACTERS_MAX).collect();
        Self { kind, to, subject, text, html }
    }

    /// The subject, without control characters.
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

/// Why an attempt to hand a mail over has failed. Reasons are codes of ours and numbers of SMTP: the texts of a server could
/// repeat the mail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// A later attempt may succeed: a reply with 4xx, no connection, no answer in time.
    #[error("{0}")]
    ForNow(String),
    /// No later attempt succeeds: a reply with 5xx, a certificate that is not trusted, a server that lacks what is needed.
    #[error("{0}")]
    ForGood(String),
}

/// The port to what takes mails. The queue bounds how long an attempt may take and how many run at the same time.
pub trait MailCarrier: Send + Sync {
    /// Hands a mail over. `id` is unique, and the same for every attempt of the mail.
    fn carry<'a>(&'a self, id: &'a str, mail: &'a Mail) -> BoxFuture<'a, Result<(), Undelivered>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_that_mail_can_be_sent_to() {
        for (text, address) in [
            ("ada@example.com", Some("ada@example.com")),
            ("Ada.B+tag@Example.COM", Some("Ada.B+tag@example.com")),
            ("zo\u{eb}@example.com", Some("zo\u{eb}@example.com")),
            ("ada@b\u{fc}cher.example", Some("ada@xn--bcher-kva.example")),
            ("", None),
            ("ada", None),
            ("ada@", None),
            ("@example.com", None),
            ("ada@192.0.2.1", None),
            ("ada@[192.0.2.1]", None),
            ("ada b@example.com", None),
            ("\"ada b\"@example.com", None),
            ("ada@exa mple.com", None),
            ("ada@example.com\r\nRCPT TO:<eve@example.com>", None),
            ("ada\r\n@example.com", None),
            ("ada\u{0}@example.com", None),
            ("ada@example.com,eve@example.com", None),
            ("ada@example.com>", None),
            ("<ada@example.com>", None),
            ("Ada <ada@example.com>", None),
        ] {
            assert_eq!(
                MailAddress::parse(text).ok().map(|address| address.to_string()).as_deref(),
                address,
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_subject_is_one_line_and_bodies_are_not_shown() {
        let Ok(to) = MailAddress::parse("ada@example.com") else { panic!("it is an address") };
        let secret = || Secret::new("https://id.example.com/?token=marked");
        let subject = format!("Reset\r\nBcc: eve@example.com{}", "x".repeat(300));
        let mail = Mail::new(MailKind::PasswordReset, to, &subject, secret(), secret());
        assert!(mail.subject().starts_with("Reset  Bcc: eve@example.com"), "{}", mail.subject());
        assert_eq!(mail.subject().chars().count(), SUBJECT_CHARACTERS_MAX);
        let shown = format!("{mail:?}");
        assert!(!shown.contains("marked"), "{shown}");
    }
}
