//! What mails say: one form for every kind, a sentence and a link, as plain text and as HTML.

use askama::Template;
use tenterhook_contract::Secret;

use super::{Mail, MailAddress, MailKind};

/// A mail with a link, before it is composed.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// What it is for.
    pub kind: MailKind,
    /// The name of the org.
    pub org_name: &'a str,
    /// The login of the user whom the link is for.
    pub login: &'a str,
    /// The link.
    pub link: &'a Secret,
    /// How long the link is good, in words: `one hour`.
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
            link: &link,
            good_for: "one hour",
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
    }
}
