//! Telephony in the configuration: who sends passcodes when an org's hook has not, how much may be sent, and what messages say.

use std::{fmt, path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};
use tenterhook_contract::{MASK, Secret};
use tenterhook_model::{NumberRange, NumberRangeError, is_region};
use tenterhook_platform::telephony::{
    MessageTexts, OperatorEndpoint, PasscodeChannel, PasscodeProvider, SendLimits, TWILIO_URL, TelephonyParts, Twilio,
    TwilioError, TwilioSettings, has_user_information,
};
use tenterhook_transport::HttpTransport;

use super::{Config, ConfigError, setting};
use crate::{Error, key_file};

/// The word for the Twilio-compatible provider in `telephony.fallback`.
const TWILIO: &str = "twilio";
/// The word for the endpoint that speaks the contract of telephony hooks.
const ENDPOINT: &str = "endpoint";
/// Shortest segment of a URL's path that may be a secret, in characters.
const SECRET_SEGMENT_CHARACTERS_MIN: usize = 16;

/// The delivery of passcodes.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Telephony {
    /// The providers, in order.
    pub(crate) fallback: Vec<String>,
    /// Messages of the providers for one org in a minute.
    pub(crate) fallback_per_minute: u32,
    /// Base URL of the Twilio-compatible API.
    pub(crate) twilio_url: Option<String>,
    /// Its account.
    pub(crate) twilio_account: Option<String>,
    /// The account's secret, from the environment.
    pub(crate) twilio_secret: Option<String>,
    /// Or a file that holds it.
    pub(crate) twilio_secret_file: Option<PathBuf>,
    /// The sender.
    pub(crate) twilio_from: Option<String>,
    /// URL of the endpoint.
    pub(crate) endpoint_url: Option<String>,
    /// The header that authenticates us there.
    pub(crate) endpoint_header: Option<String>,
    /// Its value, from the environment.
    pub(crate) endpoint_secret: Option<String>,
    /// Or a file that holds it.
    pub(crate) endpoint_secret_file: Option<PathBuf>,
    /// The country of numbers without a country code.
    pub(crate) default_region: Option<String>,
    /// The only countries and ranges that are sent to.
    pub(crate) allow: Vec<String>,
    /// Countries and ranges that are not sent to.
    pub(crate) deny: Vec<String>,
    /// Messages to one number in an hour.
    pub(crate) per_number_per_hour: u32,
    /// Messages to numbers that differ in their last four digits, in an hour.
    pub(crate) per_block_per_hour: u32,
    /// Messages for requests of one address without an API token, in an hour.
    pub(crate) per_address_per_hour: u32,
    /// Messages of one org in a day.
    pub(crate) per_org_per_day: u32,
    /// Text messages by language.
    pub(crate) sms_texts: Vec<String>,
    /// What is said in calls by language.
    pub(crate) voice_texts: Vec<String>,
}

impl Default for Telephony {
    fn default() -> Self {
        let SendLimits {
            per_number_per_hour,
            per_block_per_hour,
            per_address_per_hour,
            per_org_per_day,
            fallback_per_minute,
        } = SendLimits::default();
        Self {
            fallback: Vec::new(),
            fallback_per_minute,
            twilio_url: None,
            twilio_account: None,
            twilio_secret: None,
            twilio_secret_file: None,
            twilio_from: None,
            endpoint_url: None,
            endpoint_header: None,
            endpoint_secret: None,
            endpoint_secret_file: None,
            default_region: None,
            allow: Vec::new(),
            deny: Vec::new(),
            per_number_per_hour,
            per_block_per_hour,
            per_address_per_hour,
            per_org_per_day,
            sms_texts: Vec::new(),
            voice_texts: Vec::new(),
        }
    }
}

impl Telephony {
    /// Checks the settings together.
    ///
    /// # Errors
    /// When one needs another that is not given, or excludes one that is.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, why: &str| Err(ConfigError::Setting { key, why: why.to_owned() });
        for (number, word) in self.fallback.iter().enumerate() {
            if ![TWILIO, ENDPOINT].contains(&word.as_str()) {
                return refuse(
                    "telephony.fallback",
                    "write `twilio`, `endpoint`, or both in the order in which they are asked",
                );
            }
            if self.fallback.iter().skip(number + 1).any(|other| other == word) {
                return refuse("telephony.fallback", "name each provider once");
            }
        }
        let twilio = [
            ("telephony.twilio_url", self.twilio_url.is_some()),
            ("telephony.twilio_account", self.twilio_account.is_some()),
            ("telephony.twilio_secret", self.twilio_secret.is_some()),
            ("telephony.twilio_secret_file", self.twilio_secret_file.is_some()),
            ("telephony.twilio_from", self.twilio_from.is_some()),
        ];
        let endpoint = [
            ("telephony.endpoint_url", self.endpoint_url.is_some()),
            ("telephony.endpoint_header", self.endpoint_header.is_some()),
            ("telephony.endpoint_secret", self.endpoint_secret.is_some()),
            ("telephony.endpoint_secret_file", self.endpoint_secret_file.is_some()),
        ];
        for (word, settings) in [(TWILIO, &twilio[..]), (ENDPOINT, &endpoint[..])] {
            if let Some((key, _)) = settings.iter().find(|(_, is_given)| *is_given && !self.names(word)) {
                return refuse(key, &format!("it has no effect unless `telephony.fallback` names `{word}`"));
            }
        }
        if self.names(TWILIO) {
            if self.twilio_account.is_none() {
                return refuse("telephony.twilio_account", "write the id of the account");
            }
            if self.twilio_from.is_none() {
                return refuse(
                    "telephony.twilio_from",
                    "write the sender: a phone number, or the id of a messaging service",
                );
            }
            match (&self.twilio_secret, &self.twilio_secret_file) {
                (Some(_), Some(_)) => {
                    return refuse(
                        "telephony.twilio_secret",
                        "give either `twilio_secret` or `twilio_secret_file`, not both",
                    );
                }
                (None, None) => {
                    return refuse("telephony.twilio_secret_file", "name the file that holds the account's secret");
                }
                _ => {}
            }
        }
        if self.names(ENDPOINT) {
            if self.endpoint_url.is_none() {
                return refuse("telephony.endpoint_url", "write the URL of the endpoint");
            }
            match (&self.endpoint_secret, &self.endpoint_secret_file) {
                (Some(_), Some(_)) => {
                    let why = "give either `endpoint_secret` or `endpoint_secret_file`, not both";
                    return refuse("telephony.endpoint_secret", why);
                }
                (None, None) => {
                    let why = "name the file that holds the header's value: the contract asks for authentication";
                    return refuse("telephony.endpoint_secret_file", why);
                }
                _ => {}
            }
        }
        if self.default_region.as_deref().is_some_and(|region| !is_region(region)) {
            return refuse("telephony.default_region", "write the two letters of a country, such as `US`");
        }
        for (key, limit) in [
            ("telephony.fallback_per_minute", self.fallback_per_minute),
            ("telephony.per_number_per_hour", self.per_number_per_hour),
            ("telephony.per_block_per_hour", self.per_block_per_hour),
            ("telephony.per_address_per_hour", self.per_address_per_hour),
            ("telephony.per_org_per_day", self.per_org_per_day),
        ] {
            if limit == 0 {
                return refuse(key, "must be at least 1");
            }
        }
        Ok(())
    }

    fn names(&self, word: &str) -> bool {
        self.fallback.iter().any(|own| own == word)
    }

    /// The same with secrets masked.
    pub(super) fn masked(&self) -> Self {
        let masked = |secret: &Option<String>| secret.as_ref().map(|_| MASK.to_owned());
        Self {
            twilio_url: self.twilio_url.as_deref().map(masked_url),
            twilio_secret: masked(&self.twilio_secret),
            endpoint_url: self.endpoint_url.as_deref().map(masked_url),
            endpoint_secret: masked(&self.endpoint_secret),
            ..self.clone()
        }
    }
}

/// A URL without what may be a secret: user information, the query, the fragment, and long segments of the path.
fn masked_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return MASK.to_owned() };
    if rest.contains('@') {
        // A password may contain the characters that end a host. Such a URL is refused anyway.
        return format!("{scheme}://{MASK}");
    }
    let (path, rest) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    let mut masked = format!("{scheme}://");
    for (number, segment) in path.split('/').enumerate() {
        let is_long = number > 0 && segment.chars().count() >= SECRET_SEGMENT_CHARACTERS_MIN;
        masked.extend([if number > 0 { "/" } else { "" }, if is_long { MASK } else { segment }]);
    }
    if let Some(mark) = rest.chars().next() {
        masked.push(mark);
        masked.push_str(MASK);
    }
    masked
}

impl fmt::Debug for Telephony {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every member has a TOML form.
        formatter.debug_tuple("Telephony").field(&toml::to_string(&self.masked()).unwrap_or_default()).finish()
    }
}

impl Config {
    /// How passcodes reach phones; providers are called through `transport`. Connects to nothing.
    ///
    /// # Errors
    /// When a setting is not usable, or a file cannot be read; the text names the setting.
    pub(crate) fn telephony(&self, transport: &Arc<HttpTransport>) -> Result<TelephonyParts, Error> {
        let own = &self.telephony;
        let ranges = |key: &str, texts: &[String]| {
            let ranges = texts.iter().map(|text| text.parse::<NumberRange>()).collect::<Result<Vec<_>, _>>();
            ranges.map_err(|error: NumberRangeError| setting(key, &error))
        };
        let texts = MessageTexts::default()
            .with(PasscodeChannel::Sms, &own.sms_texts)
            .map_err(|error| setting("telephony.sms_texts", &error))?
            .with(PasscodeChannel::Voice, &own.voice_texts)
            .map_err(|error| setting("telephony.voice_texts", &error))?;
        let mut providers = Vec::with_capacity(own.fallback.len());
        for word in &own.fallback {
            providers.push(if word == TWILIO { own.twilio(transport)? } else { own.endpoint(transport)? });
        }
        Ok(TelephonyParts {
            texts,
            providers,
            limits: SendLimits {
                per_number_per_hour: own.per_number_per_hour,
                per_block_per_hour: own.per_block_per_hour,
                per_address_per_hour: own.per_address_per_hour,
                per_org_per_day: own.per_org_per_day,
                fallback_per_minute: own.fallback_per_minute,
            },
            allow: ranges("telephony.allow", &own.allow)?,
            deny: ranges("telephony.deny", &own.deny)?,
            default_region: own.default_region.as_deref().map(str::to_ascii_uppercase),
        })
    }
}

impl Telephony {
    fn twilio(&self, transport: &Arc<HttpTransport>) -> Result<PasscodeProvider, Error> {
        let settings = TwilioSettings {
            url: self.twilio_url.clone().unwrap_or_else(|| TWILIO_URL.to_owned()),
            account: self.twilio_account.clone().unwrap_or_default(),
            secret: secret(
                "telephony.twilio_secret_file",
                self.twilio_secret.as_deref(),
                self.twilio_secret_file.as_ref(),
            )?,
            from: self.twilio_from.clone().unwrap_or_default(),
        };
        let twilio = Twilio::new(settings, Arc::clone(transport) as _).map_err(|error| {
            let key = match error {
                TwilioError::Account => "telephony.twilio_account",
                TwilioError::From => "telephony.twilio_from",
                TwilioError::Url => "telephony.twilio_url",
            };
            setting(key, &error)
        })?;
        Ok(PasscodeProvider::Carrier(Arc::new(twilio)))
    }

    fn endpoint(&self, transport: &Arc<HttpTransport>) -> Result<PasscodeProvider, Error> {
        let url = self.endpoint_url.as_deref().unwrap_or_default();
        if !url.starts_with("https://") {
            return Err(setting("telephony.endpoint_url", &"must begin with `https://`").into());
        }
        if has_user_information(url) {
            let why =
                "write no user before the host: `endpoint_header` and `endpoint_secret_file` authenticate the call";
            return Err(setting("telephony.endpoint_url", &why).into());
        }
        let uri = url.parse::<http::Uri>().ok();
        if uri.as_ref().and_then(http::Uri::host).is_none_or(str::is_empty) || url.contains('#') {
            return Err(setting("telephony.endpoint_url", &"write a URL such as `https://sms.example.com/send`").into());
        }
        let header = self.endpoint_header.as_deref().unwrap_or("Authorization");
        if !tenterhook_contract::hook::is_header_name(header) {
            return Err(
                setting("telephony.endpoint_header", &"write the name of a header, such as `Authorization`").into()
            );
        }
        let file = self.endpoint_secret_file.as_ref();
        let value = secret("telephony.endpoint_secret_file", self.endpoint_secret.as_deref(), file)?;
        let endpoint = OperatorEndpoint::new(&**transport, url, (header, value), self.fallback.len());
        Ok(PasscodeProvider::Endpoint(Box::new(endpoint)))
    }
}

/// A secret that is given itself, or in a file.
fn secret(key: &str, text: Option<&str>, file: Option<&PathBuf>) -> Result<Secret, Error> {
    match (text, file) {
        (None, Some(path)) => Ok(key_file::read(path)
            .map_err(|error| setting(key, &format!("cannot read `{}`: {error}", path.display())))?),
        (text, _) => Ok(Secret::new(text.unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use tenterhook_transport::TransportConfig;

    use super::*;

    const TWILIO_SETTINGS: &str = "fallback = [\"twilio\"]\ntwilio_account = \"AC1\"\ntwilio_from = \"+12025550100\"\n";

    fn config(settings: &str) -> Config {
        toml::from_str(&format!("[telephony]\n{settings}")).unwrap()
    }

    /// What is wrong with a configuration that has these settings of `[telephony]`.
    fn problem(settings: &str) -> Option<String> {
        let config = config(settings);
        let transport = Arc::new(HttpTransport::with_config(TransportConfig::default()).unwrap());
        let checked = config.telephony.check().map_err(|error| error.to_string());
        checked.and_then(|()| config.telephony(&transport).map(drop).map_err(|error| error.to_string())).err()
    }

    #[test]
    fn settings_that_do_not_fit_together_are_named() {
        let endpoint = "fallback = [\"endpoint\"]\nendpoint_secret = \"marked\"\n";
        for (settings, wanted) in [
            (String::new(), None),
            (format!("{TWILIO_SETTINGS}twilio_secret = \"marked\""), None),
            (format!("{endpoint}endpoint_url = \"https://sms.example.com/send\"\nendpoint_header = \"X-Key\""), None),
            ("fallback = [\"nexmo\"]".to_owned(), Some("`telephony.fallback` is not usable: write `twilio`")),
            ("fallback = [\"twilio\", \"twilio\"]".to_owned(), Some("name each provider once")),
            ("twilio_account = \"AC1\"".to_owned(), Some("`telephony.twilio_account` is not usable: it has no effect")),
            ("endpoint_header = \"X\"".to_owned(), Some("unless `telephony.fallback` names `endpoint`")),
            (TWILIO_SETTINGS.to_owned(), Some("`telephony.twilio_secret_file` is not usable: name the file")),
            (format!("{TWILIO_SETTINGS}twilio_secret = \"marked\"\ntwilio_secret_file = \"f\""), Some("not both")),
            (format!("{TWILIO_SETTINGS}twilio_secret_file = \"/no/such/file\""), Some("cannot read `/no/such/file`")),
            (format!("{TWILIO_SETTINGS}twilio_secret = \"m\"\ntwilio_url = \"x\""), Some("`telephony.twilio_url`")),
            ("fallback = [\"twilio\"]".to_owned(), Some("`telephony.twilio_account` is not usable: write the id")),
            (endpoint.to_owned(), Some("`telephony.endpoint_url` is not usable: write the URL")),
            (format!("{endpoint}endpoint_url = \"http://sms.example.com\""), Some("must begin with `https://`")),
            (
                "fallback = [\"endpoint\"]\nendpoint_url = \"https://sms.example.com\"".to_owned(),
                Some("`telephony.endpoint_secret_file` is not usable: name the file"),
            ),
            (
                format!("{endpoint}endpoint_url = \"https://sms.example.com\"\nendpoint_header = \"a b\""),
                Some("`telephony.endpoint_header`"),
            ),
            (
                format!("{endpoint}endpoint_url = \"https://u:marked@sms.example.com/send\""),
                Some("`telephony.endpoint_url` is not usable: write no user"),
            ),
            (
                format!("{endpoint}endpoint_url = \"https://u:mar/ked@sms.example.com/send\""),
                Some("`telephony.endpoint_url` is not usable: write no user"),
            ),
            (
                format!("{endpoint}endpoint_url = \"https://sms example.com/send\""),
                Some("`telephony.endpoint_url` is not usable: write a URL"),
            ),
            (
                format!("{endpoint}endpoint_url = \"https://:443/send\""),
                Some("`telephony.endpoint_url` is not usable: write a URL"),
            ),
            (
                format!("{TWILIO_SETTINGS}twilio_secret = \"m\"\ntwilio_url = \"https://u:marked@api.example.com\""),
                Some("`telephony.twilio_url` is not usable: write scheme and host"),
            ),
            ("default_region = \"Germany\"".to_owned(), Some("`telephony.default_region`")),
            ("allow = [\"US\", \"+44\"]\ndeny = [\"+4470\"]".to_owned(), None),
            ("deny = [\"Germany\"]".to_owned(), Some("`telephony.deny` is not usable: write the two letters")),
            (
                "per_number_per_hour = 0".to_owned(),
                Some("`telephony.per_number_per_hour` is not usable: must be at least 1"),
            ),
            (
                "sms_texts = [\"de: Ihr Code\"]".to_owned(),
                Some("`telephony.sms_texts` is not usable: the text for `de`"),
            ),
            (
                "voice_texts = [\"Your code\"]".to_owned(),
                Some("`telephony.voice_texts` is not usable: write the language"),
            ),
        ] {
            let said = problem(&settings);
            assert_eq!(said.is_some(), wanted.is_some(), "{settings}: {said:?}");
            if let (Some(said), Some(wanted)) = (said, wanted) {
                assert!(said.contains(wanted) && !said.contains("marked"), "{settings}: {said}");
            }
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let text = format!("{TWILIO_SETTINGS}twilio_secret = \"marked-secret\"\nendpoint_secret = \"marked-secret\"\n");
        let config = config(&text);
        let shown = format!("{config:?} {config}");
        assert!(!shown.contains("marked-secret") && shown.contains("AC1"), "{shown}");
        for (url, expected) in [
            ("https://sms.example.com/send", "https://sms.example.com/send"),
            ("https://sms.example.com:8443/a/marked-secret-2026/b", "https://sms.example.com:8443/a/••••/b"),
            ("https://sms.example.com/send?key=marked-secret&x", "https://sms.example.com/send?••••"),
            ("https://sms.example.com/send#marked-secret", "https://sms.example.com/send#••••"),
            ("https://u:marked-secret@sms.example.com/send", "https://••••"),
            ("https://u:marked-secret/x@sms.example.com", "https://••••"),
            ("u:marked-secret@sms.example.com", "••••"),
        ] {
            assert_eq!(masked_url(url), expected, "{url}");
            let settings = format!("{TWILIO_SETTINGS}twilio_url = \"{url}\"\nendpoint_url = \"{url}\"");
            let config = self::config(&settings);
            assert_eq!(format!("{config}").matches(&format!("\"{expected}\"")).count(), 2, "{config}");
        }
    }
}
