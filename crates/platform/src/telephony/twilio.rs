//! Passcodes through a provider with Twilio's API: text messages and calls in which a voice reads the code.

use std::{borrow::Cow, fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Deserialize;
use tenterhook_contract::Secret;
use tenterhook_engine::{BoxFuture, Deadline, FormRequest, FormTransport, RawAnswer};
use url::form_urlencoded;

use super::{HandedOver, PasscodeCarrier, PasscodeChannel, PasscodeMessage, Undelivered};

/// Where Twilio itself is.
pub const TWILIO_URL: &str = "https://api.twilio.com";
/// What the id of a messaging service begins with; hexadecimal digits follow.
const MESSAGING_SERVICE: &str = "MG";
/// How many hexadecimal digits.
const MESSAGING_SERVICE_DIGITS: usize = 32;
/// The voices that read our own languages; the provider chooses for others.
const VOICES: [(&str, &str); 7] = [
    ("de", "de-DE"),
    ("en", "en-US"),
    ("es", "es-ES"),
    ("fr", "fr-FR"),
    ("it", "it-IT"),
    ("nl", "nl-NL"),
    ("pt", "pt-PT"),
];
/// What is dialled before an extension: each `w` waits half a second.
const PAUSE_BEFORE_EXTENSION: &str = "wwww";
/// Most characters of the provider's id of a message.
const ID_CHARACTERS_MAX: usize = 64;

/// The settings of such a provider.
#[derive(Clone, Debug)]
pub struct TwilioSettings {
    /// The base URL of its API, without a trailing slash.
    pub url: String,
    /// The account: the user of the API too.
    pub account: String,
    /// Its secret.
    pub secret: Secret,
    /// The sender: a number or name, or for text messages the id of a messaging service.
    pub from: String,
}

/// Why settings cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TwilioError {
    /// The account has another form than an id.
    #[error("write the id of the account: letters and digits")]
    Account,
    /// The sender is empty.
    #[error("write the sender: a phone number with `+`, or the id of a messaging service")]
    From,
    /// The URL has another form than that of an API.
    #[error("write scheme and host, such as `https://api.twilio.com`")]
    Url,
}

/// A provider with Twilio's API.
pub struct Twilio {
    settings: TwilioSettings,
    authorization: Secret,
    transport: Arc<dyn FormTransport>,
}

/// What an answer says about the new message or call.
#[derive(Debug, Deserialize)]
struct Created {
    sid: Option<String>,
    status: Option<String>,
}

/// What an answer says about a refusal.
#[derive(Debug, Deserialize)]
struct Refused {
    code: Option<u32>,
}

impl Twilio {
    /// A provider with these settings, reached through `transport`. Connects to nothing.
    ///
    /// # Errors
    /// When a setting has another form.
    pub fn new(settings: TwilioSettings, transport: Arc<dyn FormTransport>) -> Result<Self, TwilioError> {
        let TwilioSettings { url, account, secret, from } = &settings;
        if account.is_empty() || !account.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(TwilioError::Account);
        }
        if from.trim().is_empty() {
            return Err(TwilioError::From);
        }
        if !(url.starts_with("https://") || url.starts_with("http://"))
            || url.ends_with('/')
            || url.contains(['?', '#'])
            || has_user_information(url)
        {
            return Err(TwilioError::Url);
        }
        let authorization = Secret::new(format!("Basic {}", STANDARD.encode(format!("{account}:{}", secret.expose()))));
        Ok(Self { settings, authorization, transport })
    }

    /// The resource and the form of a message. `None` for a call when there is only a messaging service.
    fn form(&self, message: &PasscodeMessage<'_>) -> Option<(&'static str, String)> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("To", message.to.as_e164());
        let from = &self.settings.from;
        let is_service = is_messaging_service(from);
        match message.channel {
            PasscodeChannel::Sms => {
                form.append_pair(if is_service { "MessagingServiceSid" } else { "From" }, from);
                form.append_pair("Body", message.text.text.expose());
                Some(("Messages", form.finish()))
            }
            PasscodeChannel::Voice if is_service => None,
            PasscodeChannel::Voice => {
                form.append_pair("From", from);
                form.append_pair("Twiml", &spoken(message));
                if let Some(extension) = message.to.extension() {
                    form.append_pair("SendDigits", &format!("{PAUSE_BEFORE_EXTENSION}{extension}"));
                }
                Some(("Calls", form.finish()))
            }
        }
    }

    async fn post(&self, message: &PasscodeMessage<'_>, deadline: Deadline) -> Result<HandedOver, Undelivered> {
        let nobody_calls = || Undelivered { reason: "NO_NUMBER_TO_CALL_FROM".into(), is_unsent: true };
        let (resource, body) = self.form(message).ok_or_else(nobody_calls)?;
        let TwilioSettings { url, account, .. } = &self.settings;
        let uri = format!("{url}/2010-04-01/Accounts/{account}/{resource}.json");
        let form = FormRequest { uri: &uri, authorization: &self.authorization, body: Bytes::from(body), deadline };
        match self.transport.post_form(form).await {
            Ok(answer) => read(&answer),
            Err(failure) => {
                // For the operator: the org's event has the code alone.
                let (provider, code) = (self.name(), failure.code.to_string());
                tracing::warn!(provider, code, detail = failure.detail, "passcode_provider.failed");
                Err(Undelivered { reason: failure.code.log_reason().into(), is_unsent: failure.is_unsent() })
            }
        }
    }
}

impl PasscodeCarrier for Twilio {
    fn name(&self) -> &'static str {
        "TWILIO"
    }

    fn dials_extensions(&self, channel: PasscodeChannel) -> bool {
        channel == PasscodeChannel::Voice
    }

    fn deliver<'a>(
        &'a self,
        message: &'a PasscodeMessage<'a>,
        deadline: Deadline,
    ) -> BoxFuture<'a, Result<HandedOver, Undelivered>> {
        Box::pin(self.post(message, deadline))
    }
}

impl fmt::Debug for Twilio {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Twilio").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The TwiML document of a call: the text, twice.
fn spoken(message: &PasscodeMessage<'_>) -> String {
    let language = message.text.language.split('-').next().unwrap_or_default();
    let voice = VOICES.iter().find(|(own, _)| *own == language);
    let attribute = voice.map(|(_, voice)| format!(" language=\"{voice}\"")).unwrap_or_default();
    let text = escaped(message.text.text.expose());
    format!("<Response><Say{attribute}>{text}</Say><Pause length=\"1\"/><Say{attribute}>{text}</Say></Response>")
}

/// Whether a URL may name a user before its host: somebody who configures a password there would see it in the log. A password can have
/// a `/`, so any `@` counts.
pub fn has_user_information(url: &str) -> bool {
    url.split_once("://").map_or(url, |(_, rest)| rest).contains('@')
}

/// Whether a sender is the id of a messaging service: a name may begin with the same letters.
fn is_messaging_service(from: &str) -> bool {
    let digits = from.strip_prefix(MESSAGING_SERVICE).unwrap_or_default();
    digits.len() == MESSAGING_SERVICE_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A text as the content of an XML element.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn refused(reason: impl Into<Cow<'static, str>>) -> Undelivered {
    Undelivered { reason: reason.into(), is_unsent: false }
}

fn read(answer: &RawAnswer) -> Result<HandedOver, Undelivered> {
    if !matches!(answer.status, 200 | 201) {
        let code = serde_json::from_slice::<Refused>(&answer.body).ok().and_then(|refused| refused.code);
        let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
        return Err(refused(format!("HTTP {}{code}", answer.status)));
    }
    let created: Created = serde_json::from_slice(&answer.body).map_err(|_| refused("BODY_UNPARSABLE"))?;
    if matches!(created.status.as_deref(), Some("failed" | "undelivered" | "canceled")) {
        return Err(refused("DELIVERY_FAILED"));
    }
    let transaction_id = created.sid.map(|sid| sid.chars().take(ID_CHARACTERS_MAX).collect());
    Ok(HandedOver { transaction_id })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use tenterhook_engine::CallFailure;
    use tenterhook_model::{Passcode, PhoneNumber};

    use super::*;
    use crate::telephony::MessageTexts;

    struct Nowhere;

    impl FormTransport for Nowhere {
        fn post_form<'a>(&'a self, _: FormRequest<'a>) -> BoxFuture<'a, Result<RawAnswer, CallFailure>> {
            Box::pin(std::future::pending())
        }
    }

    fn twilio(from: &str) -> Twilio {
        Twilio::new(settings(from), Arc::new(Nowhere)).unwrap()
    }

    fn settings(from: &str) -> TwilioSettings {
        let secret = Secret::new("marked-secret");
        TwilioSettings { url: TWILIO_URL.to_owned(), account: "AC1".to_owned(), secret, from: from.to_owned() }
    }

    fn pairs(form: &str) -> Vec<(String, String)> {
        form_urlencoded::parse(form.as_bytes()).into_owned().collect()
    }

    #[test]
    fn a_message_and_a_call_have_the_forms_of_the_api() {
        let to = PhoneNumber::parse("+1 202 555 0173", None).unwrap();
        let passcode = Passcode::parse("048213").unwrap();
        let texts = MessageTexts::default();
        let text = texts.render(PasscodeChannel::Sms, "en", "R&D", &passcode);
        let message = PasscodeMessage { channel: PasscodeChannel::Sms, to: &to, text: &text };
        let service = "MG0123456789abcdef0123456789abcdef";
        let short = "MG0123456789abcdef0123456789abcde";
        for (from, name) in [
            ("+12025550100", "From"),
            (service, "MessagingServiceSid"),
            ("MGM Resorts", "From"),
            ("MG7", "From"),
            (short, "From"),
        ] {
            let (resource, form) = twilio(from).form(&message).unwrap();
            let expected = [("To", "+12025550173"), (name, from), ("Body", "R&D: your code is 048213.")];
            let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!((resource, pairs(&form)), ("Messages", expected.to_vec()));
        }
        let (to, text) = (to.with_extension("42").unwrap(), texts.render_spoken("de_CH", "R&D", &passcode));
        let call = PasscodeMessage { channel: PasscodeChannel::Voice, to: &to, text: &text };
        let (resource, form) = twilio("+12025550100").form(&call).unwrap();
        let say = "<Say language=\"de-DE\">Ihr Code von R&amp;D ist 0, 4, 8, 2, 1, 3.</Say>";
        let twiml = format!("<Response>{say}<Pause length=\"1\"/>{say}</Response>");
        let expected = [("To", "+12025550173"), ("From", "+12025550100"), ("Twiml", &twiml), ("SendDigits", "wwww42")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!((resource, pairs(&form)), ("Calls", expected.to_vec()));
        assert!(twilio(service).form(&call).is_none(), "a messaging service makes no calls");
        assert!(twilio("MGM").form(&call).is_some(), "a name is left to the provider");
    }

    #[test]
    fn an_answer_says_whether_the_message_was_taken() {
        let taken = |id: &str| Ok(HandedOver { transaction_id: Some(id.to_owned()) });
        let not = |why: &'static str| Err(refused(why));
        for (status, body, expected) in [
            (201, r#"{"sid":"SM1","status":"queued","error_code":null}"#, taken("SM1")),
            (200, r#"{"sid":"SM1","status":"sent"}"#, taken("SM1")),
            (201, "{}", Ok(HandedOver::default())),
            (201, r#"{"sid":"SM1","status":"failed","error_code":30008}"#, not("DELIVERY_FAILED")),
            (201, "<html>", not("BODY_UNPARSABLE")),
            (
                400,
                r#"{"code":21211,"message":"The 'To' number +12025550173 is not valid","status":400}"#,
                not("HTTP 400 (21211)"),
            ),
            (401, "", not("HTTP 401")),
            (302, "", not("HTTP 302")),
            (503, "busy", not("HTTP 503")),
        ] {
            let answer = RawAnswer { status, body: Bytes::from(body), media_type: None, redirects_to: None };
            assert_eq!(read(&answer), expected, "{status} {body}");
        }
    }

    #[test]
    fn unusable_settings_are_refused_and_the_secret_is_not_shown() {
        let one = |settings| Twilio::new(settings, Arc::new(Nowhere)).err();
        let good = || settings("+12025550100");
        assert_eq!(one(TwilioSettings { account: "AC/../1".to_owned(), ..good() }), Some(TwilioError::Account));
        assert_eq!(one(TwilioSettings { from: " ".to_owned(), ..good() }), Some(TwilioError::From));
        for url in
            ["api.twilio.com", "https://api.twilio.com/", "https://api.twilio.com?x", "https://u:marked@api.twilio.com"]
        {
            assert_eq!(one(TwilioSettings { url: url.to_owned(), ..good() }), Some(TwilioError::Url), "{url}");
        }
        let shown = format!("{:?} {:?}", good(), twilio("+12025550100"));
        assert!(!shown.contains("marked-secret"), "{shown}");
    }
}
