//! What mails say: one form for every kind, a sentence and, for most of them, a link, as plain text and as HTML.
//!
//! Anybody can choose a login and let a mail go to somebody else's address. So a mail has no text of a stranger that could tell its
//! reader something or lead them elsewhere: see [`Letter::login`].

use askama::Template;
use tenterhook_contract::Secret;

use super::{Mail, MailAddress, MailKind};

/// Longest login that a mail shows, in characters.
const LOGIN_CHARACTERS_MAX: usize = 100;

/// A mail before it is composed.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// What it is for.
    pub kind: MailKind,
    /// The name of the org.
    pub org_name: &'a str,
    /// The login of the user whom it is for. It is shown if it is the address that the mail goes to. A mail that an administrator has
    /// caused also shows another address, or a login of letters, digits, `_` and `-`, which no mail program makes a link of. Any other
    /// login is left out.
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
    login: Option<&'a str>,
    words: &'a Words,
}

#[derive(Template)]
#[template(path = "letter.html")]
struct Html<'a> {
    letter: &'a Letter<'a>,
    login: Option<&'a str>,
    words: &'a Words,
}

impl Letter<'_> {
    /// The mail to `to`.
    pub fn compose(&self, to: MailAddress) -> Mail {
        let (words, login) = (words(self.kind), self.shown_login(&to));
        let text = PlainText { letter: self, login, words: &words }.render();
        let html = Html { letter: self, login, words: &words }.render();
        // Writing to a text does not fail.
        let (text, html) = (Secret::new(text.unwrap_or_default()), Secret::new(html.unwrap_or_default()));
        Mail::new(self.kind, to, &format!("{} ({})", words.subject, self.org_name), text, html)
    }

    fn shown_login(&self, to: &MailAddress) -> Option<&str> {
        let is_plain = |character: char| character.is_alphanumeric() || "._-+@'".contains(character);
        let is_short = self.login.chars().nth(LOGIN_CHARACTERS_MAX).is_none();
        if !is_short || !self.login.chars().all(is_plain) {
            return None;
        }
        let address = MailAddress::parse(self.login).ok();
        let is_own = address.as_ref().is_some_and(|login| login.to_string().eq_ignore_ascii_case(&to.to_string()));
        let is_shown = match self.kind {
            MailKind::EmailVerification | MailKind::AccountExists | MailKind::Recovery | MailKind::Unlock => is_own,
            MailKind::PasswordReset | MailKind::Activation => {
                address.is_some() || !self.login.contains(['.', '+', '@', '\''])
            }
        };
        is_shown.then_some(self.login)
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
        MailKind::Recovery => Words {
            subject: "Forgot your password?",
            sentence: "Somebody has asked for a new password for your account. Set one with the link below; until then nothing is changed.",
            action: "Set a new password",
            unexpected: "If it was not you, do not open the link: your password stays as it is.",
        },
        MailKind::Unlock => Words {
            subject: "Unlock your account",
            sentence: "Somebody has asked to unlock your account, which was locked after too many wrong passwords. Unlock it with the link below, then you can sign in with your password.",
            action: "Unlock my account",
            unexpected: "If it was not you, do not open the link. Somebody else may have tried to guess your password.",
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
        for body in [text, html] {
            assert!(body.contains("Hello,") && !body.contains("script") && !html.contains("<b>"), "{body}");
        }
        for body in [text, html] {
            assert!(body.contains("one hour") && body.contains("An administrator has reset your password."), "{body}");
        }
        let Ok(to) = MailAddress::parse("ada@example.com") else { panic!("it is an address") };
        let mail = Letter { kind: MailKind::AccountExists, link: None, ..letter }.compose(to);
        for body in [mail.text.expose(), mail.html.expose()] {
            assert!(body.contains("You already have an account") && !body.contains("link"), "{body}");
        }
    }

    #[test]
    fn a_login_is_shown_only_where_it_can_mislead_nobody() {
        const OF_STRANGERS: &[MailKind] =
            &[MailKind::EmailVerification, MailKind::AccountExists, MailKind::Recovery, MailKind::Unlock];
        const OF_ADMINISTRATORS: &[MailKind] = &[MailKind::PasswordReset, MailKind::Activation];
        let long = format!("{}@example.com", "a".repeat(LOGIN_CHARACTERS_MAX));
        for (login, by_strangers, by_administrators) in [
            ("ada@example.com", true, true),
            ("ADA@Example.com", true, true),
            ("ada.b+tag_1-2'3@example.com", false, true),
            ("ada", false, true),
            ("Zo\u{eb}_okoye-2", false, true),
            ("www.evil.example", false, false),
            ("evil.example", false, false),
            ("evil.example/ada@example.com", false, false),
            ("http://evil.example", false, false),
            ("Your account is locked. Call +1 555 0100", false, false),
            ("Ada\nVisit evil.example", false, false),
            ("<b>Ada</b>", false, false),
            ("[Ada](evil)", false, false),
            ("\u{202e}ada", false, false),
            (long.as_str(), false, false),
        ] {
            for (kinds, is_shown) in [(OF_STRANGERS, by_strangers), (OF_ADMINISTRATORS, by_administrators)] {
                for kind in kinds {
                    let Ok(to) = MailAddress::parse("ada@example.com") else { panic!("it is an address") };
                    let mail = Letter { kind: *kind, org_name: "Org", login, link: None }.compose(to);
                    let hello = if is_shown { format!("\nHello {login},\n") } else { "\nHello,\n".to_owned() };
                    assert!(mail.text.expose().contains(&hello), "{kind:?} {login}: {}", mail.text.expose());
                    let is_in_html = mail.html.expose().contains(&login.replace('\'', "&#39;"));
                    assert_eq!(is_in_html, is_shown, "{kind:?} {login}: {}", mail.html.expose());
                }
            }
        }
    }
}
