//! The mail server of `tenterhook dev`: nothing is sent. A mail's link is shown in the terminal, and the mail on a page.
//!
//! The link is a secret, and every program on this machine can read the pages, so the page of a mail has an address that
//! cannot be guessed, and only the terminal tells it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse as _, Response},
};
use tenterhook_engine::BoxFuture;
use tenterhook_platform::mail::{Mail, MailCarrier, Undelivered};

use super::{code_flow::unguessable, shown};

/// The pages of mails begin with it.
pub(super) const MAIL_PATH: &str = "/dev/mail";
/// Mails whose pages are kept; the oldest ones are forgotten.
const MAILS_MAX: usize = 32;
/// What the HTML of a mail may do on its page: nothing but look.
const MAIL_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/// Mails that were sent, by the secret part of their addresses.
#[derive(Clone, Default)]
pub(super) struct Mails(Arc<Shared>);

#[derive(Default)]
struct Shared {
    kept: Mutex<VecDeque<(String, Mail)>>,
    screen: OnceLock<Showing>,
}

/// How mails are shown in the terminal.
#[derive(Debug)]
struct Showing {
    json: bool,
    base_url: String,
}

impl Mails {
    /// From now on mails are shown, with pages of this base URL.
    pub(super) fn show(&self, json: bool, base_url: String) {
        // Called once.
        let _ = self.0.screen.set(Showing { json, base_url });
    }

    fn keep(&self, mail: &Mail) -> String {
        let place = unguessable();
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAILS_MAX {
            kept.pop_front();
        }
        kept.push_back((place.clone(), mail.clone()));
        place
    }

    /// The mail whose page this is.
    pub(super) fn find(&self, place: &str) -> Option<Mail> {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| known == place).map(|(_, mail)| mail.clone())
    }
}

impl MailCarrier for Mails {
    fn carry<'a>(&'a self, _: &'a str, mail: &'a Mail) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            let place = self.keep(mail);
            if let Some(Showing { json, base_url }) = self.0.screen.get() {
                let page = format!("{base_url}{MAIL_PATH}/{place}");
                shown::mail(*json, mail, link_of(mail), &page);
            }
            Ok(())
        })
    }
}

/// The link of a mail: the line of its text that is one.
fn link_of(mail: &Mail) -> &str {
    mail.text.expose().lines().find(|line| line.starts_with("http")).unwrap_or_default()
}

/// The HTML of a mail as a mail program would show it.
pub(super) fn as_html(mail: &Mail) -> Response {
    let mut response = (StatusCode::OK, Html(mail.html.expose().to_owned())).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(MAIL_POLICY));
    response
}

#[cfg(test)]
mod tests {
    use tenterhook_contract::Secret;
    use tenterhook_platform::mail::{MailAddress, MailKind};

    use super::*;

    #[test]
    fn the_newest_mails_are_kept_at_places_that_only_the_terminal_tells() {
        let mails = Mails::default();
        let Ok(to) = MailAddress::parse("ada@example.com") else { panic!("it is an address") };
        let body = || Secret::new("Hello\n\nhttps://id.example.com/?token=t\n\nBye");
        let mail = Mail::new(MailKind::PasswordReset, to, "Subject", body(), body());
        assert_eq!(link_of(&mail), "https://id.example.com/?token=t");
        let places: Vec<_> = (0..=MAILS_MAX).map(|_| mails.keep(&mail)).collect();
        let kept: Vec<_> = places.iter().map(|place| mails.find(place).is_some()).collect();
        assert_eq!(kept.iter().filter(|kept| **kept).count(), MAILS_MAX);
        assert_eq!(kept.first(), Some(&false), "the oldest one is forgotten");
        assert!(mails.find("").is_none() && places.iter().all(|place| place.len() > 20));
    }
}
