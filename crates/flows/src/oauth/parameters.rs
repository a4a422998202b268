//! Parameters of OAuth requests: decoded once, without duplicates, bounded.

use std::fmt;

use tenterhook_platform::Caller;

use super::{bounds::bounded, error::OAuthError};

/// Bytes of a whole query or form.
pub const PARAMETERS_BYTES_MAX: usize = 64 * 1_024;
/// Bytes of one parameter's value.
const VALUE_BYTES_MAX: usize = 16 * 1_024;
/// Most bytes that a request can contribute to a hook's document, measured as JSON: its URL and the parameters of
/// [`SENT`]. A document may contain them twice, because a refresh also describes the first request; many services
/// accept at most 100 KB.
pub const SENT_BYTES_MAX: usize = 32 * 1_024;
/// Parameters that go into a hook's document (`token.md` section 2), with the claim `nonce`.
const SENT: [&str; 8] =
    ["scope", "state", "redirect_uri", "response_mode", "response_type", "client_id", "grant_type", "nonce"];
/// Most bytes of an access or ID token. No longer token is issued, and endpoints accept tokens of this size.
pub const TOKEN_BYTES_MAX: usize = 512 * 1_024;
/// Most bytes of a form that holds a token in addition to other parameters.
pub const TOKEN_FORM_BYTES_MAX: usize = TOKEN_BYTES_MAX + PARAMETERS_BYTES_MAX;

/// The parameters of a request (`application/x-www-form-urlencoded`). Secrets and codes are among them: `Debug` shows the names only.
#[derive(Clone, Default)]
pub struct Parameters(Vec<(String, String)>);

impl fmt::Debug for Parameters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Parameters {
    /// Decodes a query or a form.
    ///
    /// # Errors
    /// `invalid_request` when a parameter appears twice (RFC 6749 section 3.1), has a NUL character, or a bound is exceeded.
    pub fn parse(text: &[u8]) -> Result<Self, OAuthError> {
        Self::parse_within(text, PARAMETERS_BYTES_MAX, None, |_| false)
    }

    /// Decodes the form of a page, some of whose parameters may be there several times, such as those of checkboxes.
    ///
    /// # Errors
    /// As [`Parameters::parse`].
    pub fn parse_with_repeated(text: &[u8], may_repeat: impl Fn(&str) -> bool) -> Result<Self, OAuthError> {
        Self::parse_within(text, PARAMETERS_BYTES_MAX, None, may_repeat)
    }

    /// Decodes a form whose parameter `token` holds a token.
    ///
    /// # Errors
    /// As [`Parameters::parse`].
    pub fn parse_with_token(text: &[u8], token: &str) -> Result<Self, OAuthError> {
        Self::parse_within(text, TOKEN_FORM_BYTES_MAX, Some(token), |_| false)
    }

    fn parse_within(
        text: &[u8],
        bytes_max: usize,
        token: Option<&str>,
        may_repeat: impl Fn(&str) -> bool,
    ) -> Result<Self, OAuthError> {
        if text.len() > bytes_max {
            return Err(OAuthError::invalid_request("The request is too large."));
        }
        let value_bytes_max = |name: &str| if token == Some(name) { TOKEN_BYTES_MAX } else { VALUE_BYTES_MAX };
        let pairs = url::form_urlencoded::parse(text);
        bounded(pairs, value_bytes_max, may_repeat).map(Self).map_err(OAuthError::invalid_request)
    }

    /// A parameter, the first one of its name; one without a value counts as absent (RFC 6749 section 3.1).
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Names and values, in the order in which they came.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A parameter that must be there.
    pub(crate) fn require(&self, name: &str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| OAuthError::invalid_request(format!("The parameter `{name}` is missing.")))
    }

    /// Checks that the URL and the parameters for a hook's document are within [`SENT_BYTES_MAX`], with or without a
    /// hook.
    ///
    /// # Errors
    /// `invalid_request` when it is longer.
    pub(crate) fn check_sent(&self, caller: &Caller) -> Result<(), OAuthError> {
        let query = caller.query.as_deref().map_or(0, |query| 1 + escaped_bytes(query));
        let url = escaped_bytes(&caller.source()) + query;
        let sent = SENT.iter().filter_map(|name| self.get(name)).map(escaped_bytes);
        if url + sent.sum::<usize>() <= SENT_BYTES_MAX {
            return Ok(());
        }
        let names = SENT.map(|name| format!("`{name}`")).join(", ");
        Err(OAuthError::invalid_request(format!(
            "The request is too large: its URL and the parameters {names} may have {SENT_BYTES_MAX} bytes together, as JSON has them."
        )))
    }

    pub(crate) fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(ToOwned::to_owned)
    }
}

/// Bytes of a text in JSON, without its quotes.
fn escaped_bytes(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0x00..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use tenterhook_contract::{Timestamp, id::RequestId};
    use tenterhook_platform::Languages;

    use super::*;

    #[test]
    fn escaped_bytes_are_those_of_json() {
        let every: String = ('\0'..='\u{2ff}').chain("\u{2028}\u{fffd}\u{1f600}".chars()).collect();
        for character in every.chars() {
            let text = character.to_string();
            assert_eq!(escaped_bytes(&text), serde_json::to_string(&text).unwrap().len() - 2, "{character:?}");
        }
        assert_eq!(escaped_bytes(&every), serde_json::to_string(&every).unwrap().len() - 2);
    }

    #[test]
    fn debug_of_parameters_shows_names_only() {
        let parsed = Parameters::parse(b"client_secret=marked-secret&grant_type=marked-secret").unwrap();
        assert_eq!(format!("{parsed:?}"), "[\"client_secret\", \"grant_type\"]");
    }

    #[test]
    fn what_is_sent_on_is_bounded_together_and_counted_as_json_has_it() {
        let caller = |query: &str| Caller {
            request_id: RequestId::from_entropy([1; 16]),
            at: Timestamp::from_micros(0),
            method: "GET".into(),
            path: "/authorize".into(),
            query: Some(query.into()),
            ip_address: "192.0.2.1".into(),
            proxies: Vec::new(),
            user_agent: None,
            languages: Languages::default(),
            base_url: "https://id.example.com".into(),
        };
        let url = "https://id.example.com/authorize?".len();
        let left = SENT_BYTES_MAX - url;
        let check = |query: &str, parameters: &[(&str, String)]| {
            let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            Parameters(parameters).check_sent(&caller(query)).is_ok()
        };
        let some = |text: &str, bytes: usize| text.repeat(bytes);
        assert!(check("", &[("state", some("s", left))]));
        assert!(!check("", &[("state", some("s", left + 1))]));
        assert!(check("", &[("state", some("s", left / 2)), ("nonce", some("n", left - left / 2))]));
        assert!(!check("", &[("state", some("s", left / 2)), ("nonce", some("n", left - left / 2 + 1))]));
        assert!(check("", &[("scope", some("\u{1}", left / 6))]), "a control character takes six bytes");
        assert!(!check("", &[("scope", some("\u{1}", left / 6 + 1))]));
        assert!(check(&some("q", left), &[("code_verifier", some("v", left))]), "it is not sent on");
        assert!(!check(&some("q", left + 1), &[]));
    }
}
