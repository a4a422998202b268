//! The fields of a form as pages show them, with what was written before and the messages at them.

use serde_json::Value;
use tenterhook_contract::{profile::AttributeKind, registration::message::FormMessages};
use tenterhook_flows::{
    oauth::parameters::Parameters,
    registration::form::{Form, FormField, PASSWORD, shown_choice},
};

use crate::browser::form::{ATTRIBUTE_PREFIX, Field, FormMessage, Input};

/// Most choices of a list that are shown as checkboxes: of more the person writes those that apply.
const CHECKBOXES_MAX: usize = 50;
/// Above a form whose fields have messages.
const REVIEW: &str = "We found some errors. Please review the form and make corrections.";

/// The texts of a form, by their fields.
pub(super) type Texts = Vec<(String, String)>;

/// What was written into the fields of a page.
pub(super) fn texts_of(form: &Parameters) -> Texts {
    form.pairs()
        .filter_map(|(name, text)| Some((name.strip_prefix(ATTRIBUTE_PREFIX)?.to_owned(), text.to_owned())))
        .collect()
}

/// What a page shows of a form: its fields, and the message above them if it is shown again.
pub(super) struct ShownForm {
    shown: Vec<Shown>,
    above: Option<String>,
    rules: Vec<String>,
}

impl ShownForm {
    pub(super) fn new(shown: Vec<Shown>, messages: Option<&FormMessages>, rules: impl Into<Vec<String>>) -> Self {
        let above = messages.map(|messages| {
            let form = messages.form.join(" ");
            if form.is_empty() { REVIEW.to_owned() } else { form }
        });
        Self { shown, above, rules: rules.into() }
    }

    /// Name and error of the fields that have one.
    pub(super) fn errors(&self) -> Vec<(&str, &str)> {
        self.shown.iter().filter_map(|it| Some((it.name.as_str(), it.error.as_deref()?))).collect()
    }

    /// The message above the fields, which repeats these errors.
    pub(super) fn message<'a>(&'a self, errors: &'a [(&'a str, &'a str)]) -> Option<FormMessage<'a>> {
        self.above.as_deref().map(|text| FormMessage { text, fields: errors })
    }

    /// The fields. What is to be corrected has the focus, else what is to be filled in: never an optional field that somebody has left
    /// empty on purpose.
    pub(super) fn fields(&self) -> Vec<Field<'_>> {
        let refused = self.shown.iter().position(|it| it.error.is_some());
        let focus = refused.or_else(|| self.shown.iter().position(|it| it.required && it.text.is_empty()));
        self.shown
            .iter()
            .enumerate()
            .map(|(place, it)| it.field(&self.rules, self.above.is_some(), focus == Some(place)))
            .collect()
    }
}

/// A field as it is shown: what was written into it and what is wrong with it. A password is never shown again.
pub(super) struct Shown {
    name: String,
    label: String,
    /// Value and label of each choice; empty for a field to write into.
    choices: Vec<(String, String)>,
    hint: Option<String>,
    inputmode: &'static str,
    autocomplete: &'static str,
    is_password: bool,
    required: bool,
    text: String,
    /// The choices of a list that are chosen, where it has some to choose from.
    chosen: Option<Vec<String>>,
    error: Option<String>,
}

impl Shown {
    /// The fields of a form.
    pub(super) fn all(form: &Form<'_>, texts: &Texts, messages: Option<&FormMessages>) -> Vec<Self> {
        let has_login = form.fields.iter().any(|field| field.asked.name == "login");
        form.fields
            .iter()
            .map(|field| {
                let name = &field.asked.name;
                let written = texts.iter().filter(|(of, _)| of == name).map(|(_, text)| text.clone());
                let written: Vec<_> = written.collect();
                let (inputmode, autocomplete, hint) = purposes(field, has_login);
                Self {
                    name: format!("{ATTRIBUTE_PREFIX}{name}"),
                    label: field.asked.label.clone(),
                    choices: choices(field),
                    hint,
                    inputmode,
                    autocomplete,
                    is_password: false,
                    required: field.asked.required,
                    text: written.join(", "),
                    chosen: has_checkboxes(field).then_some(written),
                    error: error_of(name, messages),
                }
            })
            .collect()
    }

    /// The field for a new password.
    pub(super) fn password(messages: Option<&FormMessages>) -> Self {
        Self {
            name: PASSWORD.to_owned(),
            label: "Password".to_owned(),
            choices: Vec::new(),
            hint: None,
            inputmode: "text",
            autocomplete: "new-password",
            is_password: true,
            required: true,
            text: String::new(),
            chosen: None,
            error: error_of(PASSWORD, messages),
        }
    }

    fn field<'a>(&'a self, rules: &'a [String], has_message: bool, autofocus: bool) -> Field<'a> {
        Field {
            name: &self.name,
            label: &self.label,
            input: if self.is_password {
                Input::Password
            } else if let Some(chosen) = &self.chosen {
                Input::Choices { chosen, choices: &self.choices }
            } else if self.choices.is_empty() {
                Input::Text { value: &self.text, inputmode: self.inputmode }
            } else {
                Input::Choice { value: &self.text, choices: &self.choices }
            },
            autocomplete: self.autocomplete,
            hint: self.hint.as_deref(),
            rules: if self.is_password { rules } else { &[] },
            error: self.error.as_deref(),
            has_message,
            required: self.required,
            autofocus,
        }
    }
}

/// What is wrong with a field.
fn error_of(name: &str, messages: Option<&FormMessages>) -> Option<String> {
    let of_field = messages.iter().flat_map(|messages| &messages.fields).filter(|(of, _)| of == name);
    let text = of_field.map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}

/// The choices of a field: what is sent, and what people read.
fn choices(field: &FormField<'_>) -> Vec<(String, String)> {
    let choice = |value: Value| match value {
        Value::Bool(true) => ("true".to_owned(), "Yes".to_owned()),
        Value::Bool(false) => ("false".to_owned(), "No".to_owned()),
        value => (shown_choice(&value), shown_choice(&value)),
    };
    let listed = if has_checkboxes(field) { field.item_choices().to_vec() } else { field.choices() };
    listed.into_iter().map(choice).collect()
}

/// Whether the values of a list are chosen from checkboxes.
fn has_checkboxes(field: &FormField<'_>) -> bool {
    (1..=CHECKBOXES_MAX).contains(&field.item_choices().len())
}

/// How a list is written, and what may be in it.
fn list_hint(choices: &[Value]) -> String {
    let listed: Vec<_> = choices.iter().map(shown_choice).collect();
    if listed.is_empty() {
        "Write commas between several values.".to_owned()
    } else {
        format!("Write commas between several of these values: {}", listed.join(", "))
    }
}

/// The keyboard of a field, what it is for browsers and password managers (HTML, "autofill"), and what to write.
fn purposes(field: &FormField<'_>, has_login: bool) -> (&'static str, &'static str, Option<String>) {
    let of_kind = match field.kind() {
        AttributeKind::Integer => ("numeric", None),
        AttributeKind::Number => ("decimal", None),
        AttributeKind::List { .. } if has_checkboxes(field) => ("text", Some("Choose all that apply.".to_owned())),
        AttributeKind::List { .. } => ("text", Some(list_hint(field.item_choices()))),
        AttributeKind::Text { .. } | AttributeKind::Boolean => ("text", None),
    };
    let (inputmode, hint) = of_kind;
    let (inputmode, autocomplete) = match field.asked.name.as_str() {
        "login" => ("email", "username"),
        // Password managers keep the password with this.
        "email" if !has_login => ("email", "username"),
        "email" => ("email", "email"),
        "firstName" => ("text", "given-name"),
        "middleName" => ("text", "additional-name"),
        "lastName" => ("text", "family-name"),
        "nickName" => ("text", "nickname"),
        "honorificPrefix" => ("text", "honorific-prefix"),
        "honorificSuffix" => ("text", "honorific-suffix"),
        "title" => ("text", "organization-title"),
        "organization" => ("text", "organization"),
        "mobilePhone" | "primaryPhone" => ("tel", "tel"),
        "streetAddress" => ("text", "street-address"),
        "city" => ("text", "address-level2"),
        "state" => ("text", "address-level1"),
        "zipCode" => ("text", "postal-code"),
        "countryCode" => ("text", "country"),
        "profileUrl" => ("url", "url"),
        _ => (inputmode, "off"),
    };
    (inputmode, autocomplete, hint)
}
