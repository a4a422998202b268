//! What the metrics say of a token request.

use tenterhook_platform::Platform;

use super::{
    error::{Fault, OAuthError},
    parameters::Parameters,
};

/// Results as the metrics show them; the others are codes of errors.
const ISSUED: &str = "issued";
const TURNED_AWAY: &str = "turned_away";

/// How a token request ended, as labels of the metrics. The request may be judged a second time, because another node may
/// just have created the missing object; so only the result of the final answer is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenResult {
    grant_type: &'static str,
    result: &'static str,
}

impl TokenResult {
    /// Tokens were issued.
    pub fn issued(parameters: &Parameters) -> Self {
        Self { grant_type: grant_type_label(parameters), result: ISSUED }
    }

    /// The request failed. `parameters` are those that were read until then.
    pub fn failed(parameters: &Parameters, error: &OAuthError) -> Self {
        Self { grant_type: grant_type_label(parameters), result: result_label(error) }
    }

    /// The same request, which ends with another error.
    #[must_use]
    pub fn with_error(self, error: &OAuthError) -> Self {
        Self { result: result_label(error), ..self }
    }

    /// Counts the request.
    pub fn count(self, platform: &Platform) {
        platform.count_token_request(self.grant_type, self.result);
    }
}

/// The grant type of a request: one of a few, whatever the client writes.
fn grant_type_label(parameters: &Parameters) -> &'static str {
    const KNOWN: [&str; 4] = ["client_credentials", "authorization_code", "refresh_token", "password"];
    let grant_type = parameters.get("grant_type").unwrap_or_default();
    KNOWN.into_iter().find(|known| *known == grant_type).unwrap_or("other")
}

fn result_label(error: &OAuthError) -> &'static str {
    if error.fault == Fault::TurnedAway { TURNED_AWAY } else { error.code.as_str() }
}
