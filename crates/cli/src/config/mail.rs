//! The mail server of the configuration: the settings, what is wrong with them together, and the carrier made of them.

use std::{fmt, fs, path::PathBuf};

use serde::{Deserialize, Serialize};
use tenterhook_contract::{MASK, Secret};
use tenterhook_platform::mail::{Smtp, SmtpError, SmtpLogin, SmtpSecurity, SmtpSettings};

use super::{Config, ConfigError, setting};
use crate::{Error, key_file};

/// The mail server.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Mail {
    /// Its name, which its certificate must have; no mail without it.
    pub(crate) host: Option<String>,
    /// Its port; that of `security` when absent.
    pub(crate) port: Option<u32>,
    /// How the connection is protected.
    pub(crate) security: Security,
    /// The user at the mail server; no login when absent.
    pub(crate) user: Option<String>,
    /// The password itself, from the environment.
    pub(crate) password: Option<String>,
    /// Or a file that holds it.
    pub(crate) password_file: Option<PathBuf>,
    /// The sender.
    pub(crate) from: Option<String>,
    /// PEM files with further trust anchors.
    pub(crate) ca_files: Vec<PathBuf>,
}

/// `mail.security`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Security {
    /// The connection must change to TLS.
    #[default]
    StartTls,
    /// The connection begins with TLS.
    Tls,
    /// No TLS, on this machine only.
    None,
}

impl From<Security> for SmtpSecurity {
    fn from(security: Security) -> Self {
        match security {
            Security::StartTls => Self::StartTls,
            Security::Tls => Self::Tls,
            Security::None => Self::Plain,
        }
    }
}

impl Mail {
    /// Checks the settings together.
    ///
    /// # Errors
    /// When one needs another that is not given, or excludes one that is.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, why: &str| Err(ConfigError::Setting { key, why: why.to_owned() });
        if self.host.is_none() {
            let given = [
                ("mail.port", self.port.is_some()),
                ("mail.user", self.user.is_some()),
                ("mail.password", self.password.is_some()),
                ("mail.password_file", self.password_file.is_some()),
                ("mail.from", self.from.is_some()),
            ];
            return match given.into_iter().find(|(_, is_given)| *is_given) {
                Some((key, _)) => refuse(key, "it has no effect without `mail.host`"),
                None => Ok(()),
            };
        }
        if self.port.is_some_and(|port| port == 0 || u16::try_from(port).is_err()) {
            return refuse("mail.port", "must be from 1 to 65535");
        }
        if self.from.is_none() {
            return refuse("mail.from", "a sender is required, such as `Example <no-reply@example.com>`");
        }
        match (&self.user, self.password.is_some(), self.password_file.is_some()) {
            (_, true, true) => refuse("mail.password", "give either `password` or `password_file`, not both"),
            (None, true, _) | (None, _, true) => refuse("mail.user", "a password needs a user"),
            (Some(_), false, false) => {
                refuse("mail.password_file", "a user needs a password: name the file that holds it")
            }
            _ => Ok(()),
        }
    }

    /// The port; that of `security` unless there is another one.
    fn port(&self) -> u16 {
        let given = self.port.and_then(|port| u16::try_from(port).ok());
        given.unwrap_or_else(|| SmtpSecurity::from(self.security).default_port())
    }

    pub(super) fn masked_password(&self) -> Option<String> {
        self.password.as_ref().map(|_| MASK.to_owned())
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, security, user, password: _, password_file, from, ca_files } = self;
        formatter
            .debug_struct("Mail")
            .field("host", host)
            .field("port", port)
            .field("security", security)
            .field("user", user)
            .field("password", &self.masked_password())
            .field("password_file", password_file)
            .field("from", from)
            .field("ca_files", ca_files)
            .finish()
    }
}

impl Config {
    /// The mail server; `None` when none is configured. Connects to nothing.
    ///
    /// # Errors
    /// When a setting is not usable, or a file cannot be read; the text names the setting.
    pub(crate) fn smtp(&self) -> Result<Option<Smtp>, Error> {
        let Mail { host: Some(host), port: _, security, user, password, password_file, from, ca_files } = &self.mail
        else {
            return Ok(None);
        };
        let unreadable = |key: &str, path: &PathBuf, error: std::io::Error| {
            setting(key, &format!("cannot read `{}`: {error}", path.display()))
        };
        let password = match (password, password_file) {
            (None, Some(path)) => {
                key_file::read(path).map_err(|error| unreadable("mail.password_file", path, error))?
            }
            (password, _) => Secret::new(password.as_deref().unwrap_or_default()),
        };
        let read = |path: &PathBuf| fs::read(path).map_err(|error| unreadable("mail.ca_files", path, error));
        let security = SmtpSecurity::from(*security);
        let settings = SmtpSettings {
            host: host.clone(),
            port: self.mail.port(),
            security,
            login: user.clone().map(|user| SmtpLogin { user, password }),
            from: from.clone().unwrap_or_default(),
            extra_ca_pem: ca_files.iter().map(read).collect::<Result<_, _>>()?,
        };
        let smtp = Smtp::new(settings).map_err(|error| {
            let key = match error {
                SmtpError::From => "mail.from",
                SmtpError::Plain => "mail.security",
                SmtpError::TrustAnchor(_) => "mail.ca_files",
                SmtpError::Host => "mail.host",
            };
            setting(key, &error)
        })?;
        Ok(Some(smtp))
    }

    /// Where the mail server is, as people write it.
    pub(crate) fn mail_place(&self) -> String {
        format!("{}:{}", self.mail.host.as_deref().unwrap_or_default(), self.mail.port())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    /// What is wrong with a configuration that has these settings of `[mail]`.
    fn problem(settings: &str) -> Option<String> {
        let config: Config = toml::from_str(&format!("[mail]\n{settings}")).unwrap();
        let checked = config.mail.check().map_err(|error| error.to_string());
        checked.and_then(|()| config.smtp().map(drop).map_err(|error| error.to_string())).err()
    }

    #[test]
    fn settings_that_do_not_fit_together_are_named() {
        let host = "host = \"mail.example.com\"\nfrom = \"no-reply@example.com\"\n";
        for (settings, wanted) in [
            (String::new(), None),
            (host.to_owned(), None),
            ("from = \"no-reply@example.com\"".to_owned(), Some("`mail.from` is not usable: it has no effect without")),
            ("host = \"mail.example.com\"".to_owned(), Some("`mail.from` is not usable: a sender is required")),
            (format!("{host}port = 0"), Some("`mail.port`")),
            (format!("{host}port = 65536"), Some("`mail.port`")),
            (format!("{host}user = \"u\""), Some("`mail.password_file` is not usable: a user needs a password")),
            (format!("{host}password = \"marked\""), Some("`mail.user` is not usable: a password needs a user")),
            (format!("{host}user = \"u\"\npassword = \"marked\""), None),
            (
                format!("{host}user = \"u\"\npassword = \"marked\"\npassword_file = \"f\""),
                Some("give either `password` or `password_file`"),
            ),
            (format!("{host}user = \"u\"\npassword_file = \"no-such-file\""), Some("`mail.password_file`")),
            (format!("{host}security = \"none\""), Some("`mail.security` is not usable: a connection without TLS")),
            (format!("{host}ca_files = [\"no-such-file\"]"), Some("`mail.ca_files`")),
            ("host = \"localhost\"\nsecurity = \"none\"\nfrom = \"nobody\"".to_owned(), Some("`mail.from`")),
            ("host = \"localhost\"\nsecurity = \"none\"\nfrom = \"a@example.com\"".to_owned(), None),
        ] {
            let said = problem(&settings);
            let fits = match (&said, wanted) {
                (Some(said), Some(wanted)) => said.contains(wanted) && !said.contains("marked"),
                (None, None) => true,
                _ => false,
            };
            assert!(fits, "{settings}: {said:?}");
        }
    }

    #[test]
    fn the_password_is_masked() {
        let text = "[mail]\nhost = \"mail.example.com\"\nuser = \"u\"\npassword = \"marked-secret\"";
        let config: Config = toml::from_str(text).unwrap();
        let shown = format!("{config:?} {config}");
        assert!(!shown.contains("marked-secret") && shown.contains("\u{2022}"), "{shown}");
    }
}
