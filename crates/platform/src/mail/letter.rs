//! What mails say: one form for every kind, a sentence and, for most of them, a link, as plain text and as HTML.

use askama::Template;
use tenterhook_contract::Secret;

use super::{Mail, MailAddress, MailKind};

/// A mail before it is composed.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// What it is for.
    pub kind: MailKind,
    /// The name of the org.
    pub org_name: &'a str,
    /// The login of the user whom it is for.
    pub login: &'a str,
    /// The link, except in a mail that only tells something.
    pub link: Option<LetterLink<'a>>,
}

/// The link of a mail.
#[derive(Clone, Copy, Debug)]
pub struct LetterLink<'a> {
    /// Its address.
    pub address: &'a Secret,
    /// How long it is good, in words: `one hour`.
    pub good_for: &'a str,
}

/// The words of a kind.
struct Words {
    subject: &'static str,
    sentence: &'static str,
    /// The text of the link.
    action: &'static str,
    unexpected: &'static str,
}

#[derive(Template)]
#[template(path = "letter.txt")]
struct PlainText<'a> {
    letter: &'a Letter<'a>,
    words: &'a Words,
}

#[derive(Template)]
#[template(path = "letter.html")]
struct Html<'a> {
    letter: &'a Letter<'a>,
    words: &'a Words,
}

impl Letter<'_> {
    /// The mail to `to`.
    pub fn compose(&self, to: MailAddress) -> Mail {
        let words = words(self.kind);
        let text = PlainText { letter: self, words: &words }.render();
        let html = Html { letter: self, words: &words }.render();
        // Writing to a text does not fail.
        let (text, html) = (Secret::new(text.unwrap_or_default()), Secret::new(html.unwrap_or_default()));
        Mail::new(self.kind, to, &format!("{} ({})", words.subject, self.org_name), text, html)
    }
}

fn words(kind: MailKind) -> Words {
    match kind {
        MailKind::PasswordReset => Words {
            subject: "Set a new password",
            sentence: "An administrator has reset your password. Until you set a new one with the link below, you cannot sign in.",
            action: "Set a new password",
            unexpected: "If you did not expect this mail, ask your administrator before you open the link.",
        },
        MailKind::EmailVerification => Words {
            subject: "Verify your email address",
            sentence: "Somebody has signed up with this email address. Verify it with the link below, then you can sign in.",
            action: "Verify my email address",
            unexpected: "If you have not signed up, do not open the link: without it the account cannot be used.",
        },
        MailKind::AccountExists => Words {
            subject: "You already have an account",
            sentence: "Somebody has tried to sign up with your username. You already have an account, so nothing was changed: go to the application and sign in.",
            action: "",
            unexpected: "If it was not you, you need not do anything.",
        },
        MailKind::Activation => Words {
            subject: "Activate your account",
            sentence: "An administrator has made an account for you. Set a password with the link below, then you can sign in.",
            action: "Activate my account",
            unexpected: "If you did not expect this mail, ask your administrator before you open the link.",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_says_the_same_as_text_and_as_html_and_no_name_becomes_markup() {
        let link = Secret::new("https://id.example.com/reset_password?token=abc-_1");
        let letter = Letter {
            kind: MailKind::PasswordReset,
            org_name: "R&D <b>\r\nBcc: eve@example.com",
            login: "ada<script>@example.com",
            link: Some(LetterLink { address: &link, good_for: "one hour" }),
        };
        let Ok(to) = MailAddress::parse("ada@example.com") else { panic!("it is an address") };
        let mail = letter.compose(to);
        assert_eq!(mail.subject(), "Set a new password (R&D <b>  Bcc: eve@example.com)");
        let (text, html) = (mail.text.expose(), mail.html.expose());
        assert!(text.contains("\nhttps://id.example.com/reset_password?token=abc-_1\n"), "{text}");
        assert!(html.contains("<a href=\"https://id.example.com/reset_password?token=abc-_1\">"), "{html}");
        assert!(
            text.contains("ada<script>@example.com") && !html.contains("<script>") && !html.contains("<b>"),
            "{html}"
        );
        for body in [text, html] {
            assert!(body.contains("one hour") && body.contains("An administrator has reset your password."), "{body}");
        }
        let Ok(to) = MailAddress::parse("ada@example.com") else { panic!("it is an address") };
        let mail = Letter { kind: MailKind::AccountExists, link: None, ..letter }.compose(to);
        for body in [mail.text.expose(), mail.html.expose()] {
            assert!(body.contains("You already have an account") && !body.contains("link"), "{body}");
        }
    }
}
