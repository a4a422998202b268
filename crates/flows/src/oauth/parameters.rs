//! Parameters of OAuth requests: decoded once, none twice, all bounded.

use super::error::OAuthError;

/// Bytes of a whole query or form.
pub const PARAMETERS_BYTES_MAX: usize = 64 * 1_024;
/// Parameters of a request.
const PARAMETERS_MAX: usize = 100;
/// Bytes of one parameter's value.
const VALUE_BYTES_MAX: usize = 16 * 1_024;

/// The parameters of a request (`application/x-www-form-urlencoded`).
#[derive(Clone, Debug, Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Decodes a query or a form.
    ///
    /// # Errors
    /// `invalid_request` when a parameter appears twice (RFC 6749 section 3.1), has a NUL character, or a bound is exceeded.
    pub fn parse(text: &[u8]) -> Result<Self, OAuthError> {
        if text.len() > PARAMETERS_BYTES_MAX {
            return Err(OAuthError::invalid_request("The request is too large."));
        }
        let mut parameters: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(text) {
            if parameters.iter().any(|(known, _)| *known == name) {
                return Err(OAuthError::invalid_request(format!("The parameter `{}` appears twice.", shown(&name))));
            }
            if name.contains('\0') || value.contains('\0') {
                let text = format!("The parameter `{}` has a character that is not allowed.", shown(&name));
                return Err(OAuthError::invalid_request(text));
            }
            if parameters.len() == PARAMETERS_MAX || value.len() > VALUE_BYTES_MAX {
                return Err(OAuthError::invalid_request("The request has too many or too long parameters."));
            }
            parameters.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(parameters))
    }

    /// A parameter; one without a value counts as absent (RFC 6749 section 3.1).
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A parameter that must be there.
    pub(crate) fn require(&self, name: &str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| OAuthError::invalid_request(format!("The parameter `{name}` is missing.")))
    }

    pub(crate) fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(ToOwned::to_owned)
    }
}

fn shown(name: &str) -> String {
    name.chars().filter(char::is_ascii_graphic).take(50).collect()
}
