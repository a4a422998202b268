//! What a message with a passcode says, by language. An operator's texts replace ours.

use std::collections::BTreeMap;

use tenterhook_contract::Secret;
use tenterhook_model::{
    CODE_PLACEHOLDER, MessageTextProblem, ORG_NAME_PLACEHOLDER, Passcode, SmsTemplate, check_message_text, is_language,
    normalised_language,
};

use super::PasscodeChannel;
use crate::LANGUAGE_DEFAULT;

/// Most characters of a text with its placeholders.
pub const TEXT_CHARACTERS_MAX: usize = 500;
/// Languages that a list of an operator can have.
const LANGUAGES_MAX: usize = 200;

/// Our own texts: language, text message, what is said in a call.
const OWN: [(&str, &str, &str); 7] = [
    ("de", "${org.name}: Ihr Code ist ${code}.", "Ihr Code von ${org.name} ist ${code}."),
    ("en", "${org.name}: your code is ${code}.", "Your code from ${org.name} is ${code}."),
    ("es", "${org.name}: su código es ${code}.", "Su código de ${org.name} es ${code}."),
    ("fr", "${org.name} : votre code est ${code}.", "Votre code de ${org.name} est ${code}."),
    ("it", "${org.name}: il suo codice è ${code}.", "Il suo codice di ${org.name} è ${code}."),
    ("nl", "${org.name}: uw code is ${code}.", "Uw code van ${org.name} is ${code}."),
    ("pt", "${org.name}: o seu código é ${code}.", "O seu código de ${org.name} é ${code}."),
];

/// The texts of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageTexts {
    sms: BTreeMap<String, String>,
    voice: BTreeMap<String, String>,
}

/// A message that is ready to be sent.
#[derive(Clone, Debug)]
pub struct RenderedText {
    /// The language that it was found for, such as `de` or `pt-br`.
    pub language: String,
    /// The text with the code in it.
    pub text: Secret,
}

/// Why an operator's text cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageTextError {
    /// It does not begin with a language.
    #[error("write the language, a colon and the text, such as `de: Ihr Code ist ${{code}}`")]
    Language,
    /// It has no place for the code.
    #[error("the text for `{0}` has no `${{code}}`")]
    NoCode(String),
    /// It has another placeholder.
    #[error("the text for `{0}` has a placeholder that is neither `${{code}}` nor `${{org.name}}`")]
    Placeholder(String),
    /// It is too long, or has control characters.
    #[error("the text for `{0}` is longer than {TEXT_CHARACTERS_MAX} characters, or has more than one line")]
    Form(String),
    /// There are too many, or one language has two.
    #[error("the language `{0}` has two texts, or there are more than {LANGUAGES_MAX}")]
    Again(String),
}

impl Default for MessageTexts {
    fn default() -> Self {
        let own = |pick: fn(&(&str, &'static str, &'static str)) -> &'static str| {
            OWN.iter().map(|row| (row.0.to_owned(), pick(row).to_owned())).collect()
        };
        Self { sms: own(|row| row.1), voice: own(|row| row.2) }
    }
}

impl MessageTexts {
    /// Our texts, with those of an operator in their place: each a language, a colon and a text, such as
    /// `de: Ihr Code ist ${code}`.
    ///
    /// # Errors
    /// What is wrong with the first one that cannot be used.
    pub fn with(mut self, channel: PasscodeChannel, texts: &[String]) -> Result<Self, MessageTextError> {
        let mut read = BTreeMap::new();
        for text in texts {
            let (language, text) = text.split_once(':').ok_or(MessageTextError::Language)?;
            let language = normalised_language(language.trim());
            if !is_language(&language) {
                return Err(MessageTextError::Language);
            }
            let text = text.trim();
            check(&language, text)?;
            if read.len() >= LANGUAGES_MAX || read.insert(language.clone(), text.to_owned()).is_some() {
                return Err(MessageTextError::Again(language));
            }
        }
        match channel {
            PasscodeChannel::Sms => self.sms.extend(read),
            PasscodeChannel::Voice => self.voice.extend(read),
        }
        Ok(self)
    }

    /// Whether there is a text in this language, such as `de` or `de-AT`: of a region, or of the language alone.
    pub fn has(&self, channel: PasscodeChannel, language: &str) -> bool {
        self.of_language(channel, language).is_some()
    }

    /// The text in the user's language, else in English.
    pub fn render(&self, channel: PasscodeChannel, locale: &str, org_name: &str, passcode: &Passcode) -> RenderedText {
        RenderedText::of(self.find(channel, locale), org_name, passcode.expose())
    }

    /// The text message of an org's own template in the user's language, else with the text that the template has for others.
    pub fn render_template(template: &SmsTemplate, locale: &str, org_name: &str, passcode: &Passcode) -> RenderedText {
        let text = template.translation(locale).unwrap_or((LANGUAGE_DEFAULT, &template.template));
        RenderedText::of(text, org_name, passcode.expose())
    }

    /// The same for a voice that reads the code digit by digit.
    pub fn render_spoken(&self, locale: &str, org_name: &str, passcode: &Passcode) -> RenderedText {
        let digits: Vec<_> = passcode.expose().chars().map(String::from).collect();
        RenderedText::of(self.find(PasscodeChannel::Voice, locale), org_name, &digits.join(", "))
    }

    fn find(&self, channel: PasscodeChannel, locale: &str) -> (&str, &str) {
        let found = self.of_language(channel, locale).or_else(|| self.of_language(channel, LANGUAGE_DEFAULT));
        // The texts of a server always have the default language.
        found.unwrap_or((LANGUAGE_DEFAULT, CODE_PLACEHOLDER))
    }

    fn of_language(&self, channel: PasscodeChannel, locale: &str) -> Option<(&str, &str)> {
        let texts = match channel {
            PasscodeChannel::Sms => &self.sms,
            PasscodeChannel::Voice => &self.voice,
        };
        let whole = normalised_language(locale);
        let language = whole.split('-').next().unwrap_or_default();
        let found = [&whole, language].into_iter().find_map(|key| texts.get_key_value(key));
        found.map(|(language, text)| (language.as_str(), text.as_str()))
    }
}

impl RenderedText {
    /// A text of a language with its placeholders filled in: the name of the org first, so that a name cannot show the code twice.
    fn of((language, text): (&str, &str), org_name: &str, code: &str) -> Self {
        let parts = text.split(CODE_PLACEHOLDER).map(|part| part.replace(ORG_NAME_PLACEHOLDER, org_name));
        let text = Secret::new(parts.collect::<Vec<_>>().join(code));
        Self { language: language.to_owned(), text }
    }
}

fn check(language: &str, text: &str) -> Result<(), MessageTextError> {
    if text.chars().count() > TEXT_CHARACTERS_MAX || text.contains(char::is_control) {
        return Err(MessageTextError::Form(language.to_owned()));
    }
    check_message_text(text).map_err(|problem| match problem {
        MessageTextProblem::NoCode => MessageTextError::NoCode(language.to_owned()),
        MessageTextProblem::Placeholder => MessageTextError::Placeholder(language.to_owned()),
        MessageTextProblem::Control => MessageTextError::Form(language.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn code() -> Passcode {
        Passcode::parse("048213").unwrap()
    }

    #[test]
    fn a_text_is_in_the_users_language_or_in_english() {
        let texts = MessageTexts::default().with(PasscodeChannel::Sms, &["pt_BR: Código ${code}".to_owned()]).unwrap();
        for (locale, expected) in [
            ("en_US", ("en", "Acme: your code is 048213.")),
            ("de-AT", ("de", "Acme: Ihr Code ist 048213.")),
            ("pt-br", ("pt-br", "Código 048213")),
            ("pt_PT", ("pt", "Acme: o seu código é 048213.")),
            ("ja", ("en", "Acme: your code is 048213.")),
            ("", ("en", "Acme: your code is 048213.")),
        ] {
            let rendered = texts.render(PasscodeChannel::Sms, locale, "Acme", &code());
            assert_eq!((rendered.language.as_str(), rendered.text.expose()), expected, "{locale}");
            assert!(!format!("{rendered:?}").contains("048213"));
        }
        let spoken = texts.render_spoken("fr_CA", "Acme", &code());
        assert_eq!(spoken.text.expose(), "Votre code de Acme est 0, 4, 8, 2, 1, 3.");
    }

    #[test]
    fn a_name_of_an_org_is_no_placeholder() {
        let rendered = MessageTexts::default().render(PasscodeChannel::Sms, "en", "${code} ${org.name}", &code());
        assert_eq!(rendered.text.expose(), "${code} ${org.name}: your code is 048213.");
    }

    #[test]
    fn a_text_without_the_code_or_with_another_placeholder_is_refused() {
        let again = MessageTextError::Again("de".to_owned());
        for (texts, expected) in [
            (vec!["Your code is ${code}".to_owned()], MessageTextError::Language),
            (vec!["d!: ${code}".to_owned()], MessageTextError::Language),
            (vec!["de: Ihr Code".to_owned()], MessageTextError::NoCode("de".to_owned())),
            (vec!["de: ${code} ${user.login}".to_owned()], MessageTextError::Placeholder("de".to_owned())),
            (vec!["de: ${code}\n${code}".to_owned()], MessageTextError::Form("de".to_owned())),
            (vec![format!("de: ${{code}}{}", "x".repeat(494))], MessageTextError::Form("de".to_owned())),
            (vec!["de: ${code}".to_owned(), "DE: ${code}".to_owned()], again),
        ] {
            assert_eq!(MessageTexts::default().with(PasscodeChannel::Voice, &texts), Err(expected), "{texts:?}");
        }
        let longest = vec![format!("de: ${{code}}{}", "x".repeat(493))];
        assert!(MessageTexts::default().with(PasscodeChannel::Voice, &longest).is_ok());
    }
}
