//! Templates of the text messages with passcodes that an org sends (`/api/v1/templates/sms`), and the rules of such texts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tenterhook_contract::{Timestamp, id::SmsTemplateId};

/// The placeholder of the code.
pub const CODE_PLACEHOLDER: &str = "${code}";
/// The placeholder of the org's name.
pub const ORG_NAME_PLACEHOLDER: &str = "${org.name}";
/// Most characters of a template's name, as the vendor has it.
pub const SMS_TEMPLATE_NAME_CHARACTERS_MAX: usize = 50;
/// Most characters of a template's text, with its placeholders, as the vendor has it.
pub const SMS_TEMPLATE_CHARACTERS_MAX: usize = 161;
/// Most translations of a template.
pub const SMS_TRANSLATIONS_MAX: usize = 200;
/// Shortest and longest name of a language in bytes; RFC 5646 section 4.4.1 asks for room for the longest.
const LANGUAGE_BYTES: std::ops::RangeInclusive<usize> = 2..=35;

/// The texts of an org's messages, in place of the operator's and of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SmsTemplate {
    /// The id.
    pub id: SmsTemplateId,
    /// For people.
    pub name: String,
    /// What the messages are for. An org has one template of each.
    pub kind: SmsTemplateKind,
    /// The text for languages without a translation.
    pub template: String,
    /// The texts by language, such as `de` or `pt-BR`.
    pub translations: BTreeMap<String, String>,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
}

/// What the messages of a template are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmsTemplateKind {
    /// Passcodes.
    VerifyCode,
}

/// Why a text cannot be that of a message with a passcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageTextProblem {
    /// It has no place for the code.
    #[error("Write `${{code}}` where the code is put in")]
    NoCode,
    /// It has another placeholder.
    #[error("Only the placeholders `${{code}}` and `${{org.name}}` are supported")]
    Placeholder,
    /// It has control characters other than line feeds.
    #[error("The text cannot have control characters")]
    Control,
}

impl SmsTemplateKind {
    /// The wire text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyCode => "SMS_VERIFY_CODE",
        }
    }

    /// The one with this wire text.
    pub fn parse(text: &str) -> Option<Self> {
        (text == Self::VerifyCode.as_str()).then_some(Self::VerifyCode)
    }
}

impl SmsTemplate {
    /// The language and the text of the translation for a locale: of its region, else of the language alone.
    ///
    /// ```
    /// use tenterhook_contract::{Timestamp, id::SmsTemplateId};
    /// use tenterhook_model::{SmsTemplate, SmsTemplateKind};
    /// let now = Timestamp::from_micros(0);
    /// let template = SmsTemplate {
    ///     id: SmsTemplateId::from_parts(1, [0; 8]),
    ///     name: "Custom".to_owned(),
    ///     kind: SmsTemplateKind::VerifyCode,
    ///     template: "${code}".to_owned(),
    ///     translations: [("de".to_owned(), "Code: ${code}".to_owned())].into(),
    ///     created: now,
    ///     last_updated: now,
    /// };
    /// assert_eq!(template.translation("de_AT"), Some(("de", "Code: ${code}")));
    /// assert_eq!(template.translation("fr"), None);
    /// ```
    pub fn translation(&self, locale: &str) -> Option<(&str, &str)> {
        let whole = normalised_language(locale);
        let language = whole.split('-').next().unwrap_or_default();
        [whole.as_str(), language].into_iter().find_map(|wanted| {
            let mut translations = self.translations.iter();
            let found = translations.find(|(own, _)| normalised_language(own) == wanted);
            found.map(|(own, text)| (own.as_str(), text.as_str()))
        })
    }
}

/// `pt_BR` and `pt-BR` are one language.
pub fn normalised_language(locale: &str) -> String {
    locale.to_ascii_lowercase().replace('_', "-")
}

/// Whether a text has the form of a language's name, such as `de`, `pt-BR` or `pt_BR`.
pub fn is_language(text: &str) -> bool {
    LANGUAGE_BYTES.contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.split(['-', '_']).all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Judges the text of a message.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check_message_text(text: &str) -> Result<(), MessageTextProblem> {
    // A message may have lines: some devices find the code by the last one.
    if text.contains(|character: char| character.is_control() && character != '\n') {
        return Err(MessageTextProblem::Control);
    }
    if !text.contains(CODE_PLACEHOLDER) {
        return Err(MessageTextProblem::NoCode);
    }
    if text.replace(CODE_PLACEHOLDER, " ").replace(ORG_NAME_PLACEHOLDER, " ").contains("${") {
        return Err(MessageTextProblem::Placeholder);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_the_code_and_no_other_placeholder() {
        for (text, expected) in [
            ("${code}", Ok(())),
            ("${org.name}: ${code}\n@example.com #${code}", Ok(())),
            ("${org.name}", Err(MessageTextProblem::NoCode)),
            ("", Err(MessageTextProblem::NoCode)),
            ("${code} ${user.login}", Err(MessageTextProblem::Placeholder)),
            ("${code} ${", Err(MessageTextProblem::Placeholder)),
            ("$${code}{code}", Ok(())),
            ("${code}\t", Err(MessageTextProblem::Control)),
            ("${code}\u{7f}", Err(MessageTextProblem::Control)),
        ] {
            assert_eq!(check_message_text(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_language_has_a_name() {
        for (text, expected) in [
            ("de", true),
            ("pt_BR", true),
            ("zh-Hant-TW", true),
            ("d", false),
            ("de-", false),
            ("1a", false),
            ("de AT", false),
            ("", false),
        ] {
            assert_eq!(is_language(text), expected, "{text}");
        }
    }
}
