//! The management API's error body and code catalogue (`management-api.md` section 1).

use serde::Serialize;

macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:ident $code:literal $status:literal $summary:literal;)*) => {
        /// A code of the vendor's catalogue. Clients branch on it alone.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
        }

        impl ErrorCode {
            /// Every code, in the order of the catalogue.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code's text.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The summary; `{0}` stands for a detail.
            const fn template(self) -> &'static str {
                match self { $(Self::$name => $summary,)* }
            }
        }
    };
}

catalogue! {
    /// Field validation, uniqueness, limits, wrong state.
    ValidationFailed "E0000001" 400 "Api validation failed: {0}";
    /// Unparsable JSON.
    MalformedBody "E0000003" 400 "The request body was not well-formed.";
    /// Authentication failed.
    AuthenticationFailed "E0000004" 401 "Authentication failed";
    /// The session is not valid.
    InvalidSession "E0000005" 403 "Invalid session";
    /// The role or scope does not allow it.
    Forbidden "E0000006" 403 "You do not have permission to perform the requested action";
    /// Unknown id.
    NotFound "E0000007" 404 "Not found: {0}";
    /// Unknown route.
    UnknownPath "E0000008" 404 "The requested path was not found";
    /// A defect or a failure of ours.
    Internal "E0000009" 500 "Internal Server Error";
    /// The database does not take writes.
    ReadOnly "E0000010" 503 "Service is in read only mode";
    /// Missing or unknown token.
    InvalidToken "E0000011" 401 "Invalid token provided";
    /// A change of credentials that is refused.
    CredentialsNotUpdated "E0000014" 403 "Update of credentials failed";
    /// Bad Accept or Content-Type.
    BadMediaType "E0000019" 400 "Bad request. Accept and/or Content-Type headers are likely not set.";
    /// The method is not supported there.
    MethodNotAllowed "E0000022" 405 "The endpoint does not support the provided HTTP method";
    /// The filter's operator does not fit its field.
    UnsupportedFilter "E0000031" 400 "Invalid search criteria.";
    /// Too many requests.
    RateLimited "E0000047" 429 "API call exceeded rate limit due to too many requests.";
    /// Bad filter, unknown field, `since` too old.
    InvalidFilter "E0000053" 400 "Invalid filter: {0}";
    /// An app in use cannot be deleted.
    DeleteAppForbidden "E0000056" 403 "Delete application forbidden.";
    /// A passcode that is wrong, was used, or has expired.
    WrongPasscode "E0000068" 403 "Invalid Passcode/Answer";
    /// Too many passcodes were wrong.
    FactorLocked "E0000069" 403 "User Locked";
    /// A new password that does not follow the rules.
    PasswordUnfit "E0000080" 403 "The password does not meet the complexity requirements of the current password policy.";
    /// A text message was sent to the phone a moment ago.
    SmsTooSoon "E0000109" 429 "A text message was sent a moment ago. Wait 30 seconds and try again.";
    /// The phone was called a moment ago.
    CallTooSoon "E0000133" 429 "A call was made a moment ago. Wait 30 seconds and try again.";
    /// The hook was unreachable or its answer unusable.
    HookUnusable "E0000134" 502 "Okta could not communicate correctly with an inline hook.";
    /// The hook answered with an error.
    HookRefused "E0000135" 400 "An inline hook responded with an error.";
    /// The hook did not answer in time.
    HookTimeout "E0000137" 504 "Okta did not receive a response from an inline hook.";
    /// Neither a telephony hook nor a provider has sent a passcode.
    PasscodeNotSent "E0000226" 400 "The passcode could not be sent: no telephony hook or provider has taken it.";
}

impl ErrorCode {
    /// The summary with its detail filled in.
    ///
    /// ```
    /// use tenterhook_model::ErrorCode;
    /// assert_eq!(ErrorCode::ValidationFailed.summary("name"), "Api validation failed: name");
    /// ```
    pub fn summary(self, detail: &str) -> String {
        self.template().replace("{0}", detail)
    }
}

/// The error body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorBody {
    #[serde(rename = "errorCode")]
    code: &'static str,
    #[serde(rename = "errorSummary")]
    summary: String,
    #[serde(rename = "errorLink")]
    link: &'static str,
    #[serde(rename = "errorId")]
    id: String,
    #[serde(rename = "errorCauses")]
    causes: Vec<ErrorCause>,
}

/// A cause in an error body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorCause {
    #[serde(rename = "errorSummary")]
    summary: String,
    /// What kind of cause it is, where a client has to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location_type: Option<&'static str>,
    /// The member of the request's body that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
}

impl ErrorCause {
    /// A cause that is about a member of the request's body, for clients that show it there.
    pub fn at(location: String, summary: String) -> Self {
        Self { location_type: Some("body"), location: Some(location), ..Self::from(summary) }
    }

    /// A cause of a kind that a client has to know.
    pub fn with_reason(reason: &'static str, summary: String) -> Self {
        Self { reason: Some(reason), ..Self::from(summary) }
    }
}

impl From<String> for ErrorCause {
    fn from(summary: String) -> Self {
        Self { summary, reason: None, location_type: None, location: None }
    }
}

impl ErrorBody {
    /// The body of `code`; `error_id` is unique per error, `oae` and 22 characters of base64url.
    pub fn new(code: ErrorCode, detail: &str, error_id: String, causes: Vec<ErrorCause>) -> Self {
        Self { code: code.as_str(), summary: code.summary(detail), link: code.as_str(), id: error_id, causes }
    }
}
