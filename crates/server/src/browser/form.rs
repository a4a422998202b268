//! The building blocks of forms on hosted pages: a field with its label, hint, rules and error, and the message above a form.
//!
//! A page holds them as members, and its template writes them with the filter `safe`, because they are HTML:
//!
//! ```html
//! {% if let Some(message) = message %}{{ message|safe }}{% endif %}
//! <form method="post" action="{{ action }}">
//!   {% for field in fields %}{{ field|safe }}{% endfor %}
//!   <button type="submit" class="primary">Create account</button>
//! </form>
//! ```
//!
//! When a form is shown again, every field keeps what was typed, except passwords; a field that was refused has its `error`, and
//! [`FormMessage::fields`] repeats all errors with links to their fields. At most one field has `autofocus`: the first one that was
//! refused, or else the first one that is required and empty. A page with a password loads [`super::pages::SHOW_PASSWORD_PATH`].

use askama::Template;
use tenterhook_flows::password_reset::PASSWORD_CHARACTERS_MIN;

/// What the names of the fields of a policy's form begin with, except the password's. So no attribute is taken for a member of ours.
pub(crate) const ATTRIBUTE_PREFIX: &str = "userProfile.";
/// The id of the message in the page.
const FORM_MESSAGE_ID: &str = "form-message";
/// Characters of a login that fit into a line of any phone.
const UNBROKEN_CHARACTERS_MAX: usize = 24;

/// A field of a form.
#[derive(Clone, Copy, Debug, Template)]
#[template(path = "field.html")]
pub(crate) struct Field<'a> {
    /// The name in the form, and the id in the page, of checkboxes that of the first one: letters, digits, `-`, `_` and `.`.
    pub(crate) name: &'a str,
    /// What is above it; it is no placeholder, because that is gone when somebody types.
    pub(crate) label: &'a str,
    pub(crate) input: Input<'a>,
    /// What it is, for browsers and password managers (HTML, "autofill"): `username`, `given-name`, `new-password`, `off`.
    pub(crate) autocomplete: &'a str,
    /// What to write, in a sentence.
    pub(crate) hint: Option<&'a str>,
    /// What a password must have, each in a few words.
    pub(crate) rules: &'a [String],
    /// What is wrong with what was sent, and what to do.
    pub(crate) error: Option<&'a str>,
    /// Whether the form has a [`FormMessage`] that is about this field too.
    pub(crate) has_message: bool,
    /// A field that is not required says so.
    pub(crate) required: bool,
    /// Whether it has the focus when the page is shown.
    pub(crate) autofocus: bool,
}

/// What one types into.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Input<'a> {
    /// A line of text with what was typed before, and the keyboard for a phone (HTML, `inputmode`): `text`, `email`, `tel`,
    /// `numeric`.
    Text {
        /// What was typed before.
        value: &'a str,
        /// The keyboard.
        inputmode: &'a str,
    },
    /// One of several values, or none, with what was chosen before.
    Choice {
        /// What was chosen before.
        value: &'a str,
        /// What is sent and what people read, for each.
        choices: &'a [(String, String)],
    },
    /// Several of these values, or none, with those that were chosen before: a group of checkboxes, whose name is sent once for each that
    /// is checked.
    Choices {
        /// What was chosen before.
        chosen: &'a [String],
        /// What is sent and what people read, for each.
        choices: &'a [(String, String)],
    },
    /// A password, which a page never repeats.
    Password,
}

/// What a password must have, for people.
pub(crate) fn password_rules() -> [String; 2] {
    [format!("At least {PASSWORD_CHARACTERS_MIN} characters"), "Not your username".to_owned()]
}

impl<'a> Field<'a> {
    /// The field of a page that asks for a passcode alone.
    pub(crate) const fn passcode(
        name: &'a str,
        hint: Option<&'a str>,
        error: Option<&'a str>,
        has_message: bool,
    ) -> Self {
        Self {
            name,
            label: "Code",
            input: Input::Text { value: "", inputmode: "numeric" },
            autocomplete: "one-time-code",
            hint,
            rules: &[],
            error,
            has_message,
            required: true,
            autofocus: true,
        }
    }

    /// The field of a page that asks for a new password alone; `rules` are [`password_rules`].
    pub(crate) const fn new_password(
        (name, label): (&'a str, &'a str),
        rules: &'a [String],
        error: Option<&'a str>,
        has_message: bool,
    ) -> Self {
        Self {
            name,
            label,
            input: Input::Password,
            autocomplete: "new-password",
            hint: None,
            rules,
            error,
            has_message,
            required: true,
            autofocus: true,
        }
    }
}

impl Field<'_> {
    /// The ids of what describes it, in the order of reading.
    fn described_by(&self) -> Option<String> {
        let Self { name, .. } = self;
        let ids = [
            self.has_message.then(|| FORM_MESSAGE_ID.to_owned()),
            self.hint.map(|_| format!("{name}-hint")),
            (!self.rules.is_empty()).then(|| format!("{name}-rules")),
            self.error.map(|_| format!("{name}-error")),
        ];
        let ids: Vec<_> = ids.into_iter().flatten().collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }
}

/// A login or an address on a page. A long one may be broken after its signs, so that no line ends in the middle of a word.
#[derive(Clone, Copy, Debug, Template)]
#[template(path = "login.html")]
pub(crate) struct Login<'a>(pub(crate) &'a str);

impl Login<'_> {
    /// The texts between which a line may end.
    fn pieces(&self) -> Vec<&str> {
        let Self(text) = self;
        if text.chars().count() <= UNBROKEN_CHARACTERS_MAX {
            return vec![text];
        }
        text.split_inclusive(['@', '.', '_', '+']).collect()
    }
}

/// The message above a form that is shown again. It is announced to people who cannot see it.
#[derive(Clone, Copy, Debug, Template)]
#[template(path = "form_message.html")]
pub(crate) struct FormMessage<'a> {
    /// What happened and what to do.
    pub(crate) text: &'a str,
    /// Name and error of the fields that were refused, in the order of the form.
    pub(crate) fields: &'a [(&'a str, &'a str)],
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    const FIELD: Field<'static> = Field {
        name: "userProfile.email",
        label: "Email",
        input: Input::Text { value: "", inputmode: "email" },
        autocomplete: "email",
        hint: None,
        rules: &[],
        error: None,
        has_message: false,
        required: true,
        autofocus: false,
    };

    fn squeezed(template: &impl Template) -> String {
        template.render().unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_long_login_may_be_broken_after_its_signs_and_is_no_markup() {
        for (login, html) in [
            ("", ""),
            ("ada@example.com", "ada@example.com"),
            ("a.b@abcdefghijklmnop.com", "a.b@abcdefghijklmnop.com"),
            ("a.b@abcdefghijklmnopq.com", "a.<wbr>b@<wbr>abcdefghijklmnopq.<wbr>com"),
            ("<b>.</b>&\"'abcdefghijklmnop", "&#60;b&#62;.<wbr>&#60;/b&#62;&#38;&#34;&#39;abcdefghijklmnop"),
        ] {
            assert_eq!(Login(login).render().unwrap(), html);
        }
    }

    #[test]
    fn a_field_is_described_by_its_message_hint_rules_and_error() {
        assert_eq!(
            squeezed(&FIELD),
            r#"<div class="field"> <label for="userProfile.email">Email</label> <input id="userProfile.email" name="userProfile.email" type="text" inputmode="email" autocapitalize="none" spellcheck="false" autocomplete="email" value="" required> </div>"#
        );
        let html = squeezed(&Field {
            name: "password",
            input: Input::Password,
            autocomplete: "new-password",
            hint: Some("Choose one that you use nowhere else."),
            rules: &["At least 8 characters".to_owned()],
            error: Some("The password is too short."),
            has_message: true,
            autofocus: true,
            ..FIELD
        });
        assert!(
            html.contains(
                r#"type="password" autocomplete="new-password" aria-describedby="form-message password-hint password-rules password-error" aria-invalid="true" required autofocus></div>"#
            ),
            "{html}"
        );
        for id in ["hint", "rules", "error"] {
            assert_eq!(html.matches(&format!(r#"id="password-{id}""#)).count(), 1, "{html}");
        }
        assert!(!html.contains("value="), "a password is not repeated: {html}");
    }

    #[test]
    fn a_field_that_may_stay_empty_says_so() {
        let html = squeezed(&Field { required: false, ..FIELD });
        assert!(html.contains("(optional)</span></label>") && !html.contains("required"), "{html}");
    }

    #[test]
    fn one_of_several_values_is_chosen_from_a_list() {
        let choices = [("true".to_owned(), "Yes".to_owned()), ("false".to_owned(), "No <b>".to_owned())];
        let input = Input::Choice { value: "false", choices: &choices };
        let html = squeezed(&Field { input, error: Some("Choose one."), ..FIELD });
        assert!(
            html.contains(
                r#"<select id="userProfile.email" name="userProfile.email" autocomplete="email" aria-describedby="userProfile.email-error" aria-invalid="true" required> <option value="">Choose one</option> <option value="true">Yes</option> <option value="false" selected>No &#60;b&#62;</option> </select>"#
            ),
            "{html}"
        );
    }

    #[test]
    fn several_values_are_chosen_with_checkboxes_in_a_group_with_a_name() {
        let choices = ["red", "blue", "gr\"een"].map(|choice| (choice.to_owned(), format!("<{choice}>")));
        let chosen = ["blue".to_owned(), "other".to_owned()];
        let input = Input::Choices { chosen: &chosen, choices: &choices };
        let field = Field { input, hint: Some("Choose all."), required: false, autofocus: true, ..FIELD };
        assert_eq!(
            squeezed(&field),
            r#"<fieldset class="field" aria-describedby="userProfile.email-hint"> <legend>Email <span class="optional">(optional)</span></legend> <p class="hint" id="userProfile.email-hint">Choose all.</p> <div class="check"><input id="userProfile.email" name="userProfile.email" type="checkbox" value="red" autofocus> <label for="userProfile.email">&#60;red&#62;</label></div> <div class="check"><input id="userProfile.email-2" name="userProfile.email" type="checkbox" value="blue" checked> <label for="userProfile.email-2">&#60;blue&#62;</label></div> <div class="check"><input id="userProfile.email-3" name="userProfile.email" type="checkbox" value="gr&#34;een"> <label for="userProfile.email-3">&#60;gr&#34;een&#62;</label></div> </fieldset>"#
        );
        let html = squeezed(&Field { error: Some("Choose one."), has_message: true, required: true, ..field });
        assert!(
            html.contains(r#"aria-describedby="form-message userProfile.email-hint userProfile.email-error""#),
            "{html}"
        );
        assert!(html.contains(r#"<p class="error" id="userProfile.email-error">Choose one.</p>"#), "{html}");
        let wrong = r#"aria-describedby="userProfile.email-error" aria-invalid="true""#;
        assert_eq!((html.matches(wrong).count(), html.matches("required").count()), (3, 0), "{html}");
    }

    #[test]
    fn markup_in_a_text_is_text() {
        let marked = r#""><script>alert('1')</script>"#;
        let field = Field {
            name: marked,
            label: marked,
            input: Input::Text { value: marked, inputmode: marked },
            autocomplete: marked,
            hint: Some(marked),
            rules: &[marked.to_owned()],
            error: Some(marked),
            ..FIELD
        };
        let message = FormMessage { text: marked, fields: &[(marked, marked)] };
        for html in [squeezed(&field), squeezed(&message)] {
            assert!(!html.contains("<script") && !html.contains(r#"""#.repeat(2).as_str()), "{html}");
        }
    }

    #[test]
    fn a_message_is_an_alert_and_leads_to_the_fields() {
        let message = FormMessage { text: "Check the form.", fields: &[("login", "Enter your username.")] };
        assert_eq!(
            squeezed(&message),
            r##"<div class="message" id="form-message" role="alert"> <p>Check the form.</p> <ul> <li><a href="#login">Enter your username.</a></li> </ul> </div>"##
        );
    }
}
