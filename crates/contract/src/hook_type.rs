//! The six hook types and the rules that differ between them, in one table.

use std::fmt;

use serde::Serialize;

/// A hook type: `eventType` on the wire and `type` in the management API (`overview.md` section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HookType {
    /// Tokens minted by a custom authorization server.
    Token,
    /// A SAML assertion before it goes to the app.
    Saml,
    /// Self-service registration and progressive profile.
    Registration,
    /// The first sign-in of a user whose password has not been imported.
    PasswordImport,
    /// Each user imported from an app.
    UserImport,
    /// A one-time passcode about to be sent by SMS or voice.
    Telephony,
}

/// Whether a failed attempt is made once more (`overview.md` 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Never: token and telephony.
    Never,
    /// Once, after a 5xx or a failure to connect, send or receive.
    Once,
}

/// What an answer without a body means (`overview.md` section 2, column "Empty 204").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyAnswer {
    /// The type's default action.
    DefaultAction,
    /// A malformed answer: a technical failure.
    Malformed,
}

/// What the flow does when the service could not be asked or understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureDefault {
    /// Open: the flow goes on with the unchanged subject.
    Continue,
    /// Closed: the flow is refused.
    Stop,
    /// Open: a built-in provider does the work.
    FallBack,
}

/// The rules of one type, a row of the table in `overview.md` section 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeRules {
    /// The retry rule.
    pub retry: Retry,
    /// The empty-answer rule.
    pub empty_answer: EmptyAnswer,
    /// The default failure policy.
    pub failure: FailureDefault,
}

/// A text that names none of the six types.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown inline hook type `{0}`")]
pub struct UnknownHookType(pub String);

impl HookType {
    /// All six, in the order of `overview.md` section 2.
    pub const ALL: [Self; 6] =
        [Self::Token, Self::Saml, Self::Registration, Self::PasswordImport, Self::UserImport, Self::Telephony];

    /// The type string.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The rules that differ between the types.
    pub const fn rules(self) -> TypeRules {
        self.row().1
    }

    const fn row(self) -> (&'static str, TypeRules) {
        use {EmptyAnswer as Empty, FailureDefault as Failure};
        const fn rules(retry: Retry, empty_answer: Empty, failure: Failure) -> TypeRules {
            TypeRules { retry, empty_answer, failure }
        }
        match self {
            Self::Token => {
                ("com.okta.oauth2.tokens.transform", rules(Retry::Never, Empty::DefaultAction, Failure::Continue))
            }
            Self::Saml => {
                ("com.okta.saml.tokens.transform", rules(Retry::Once, Empty::DefaultAction, Failure::Continue))
            }
            Self::Registration => {
                ("com.okta.user.pre-registration", rules(Retry::Once, Empty::DefaultAction, Failure::Stop))
            }
            Self::PasswordImport => {
                ("com.okta.user.credential.password.import", rules(Retry::Once, Empty::DefaultAction, Failure::Stop))
            }
            Self::UserImport => {
                ("com.okta.import.transform", rules(Retry::Once, Empty::DefaultAction, Failure::Continue))
            }
            Self::Telephony => {
                ("com.okta.telephony.provider", rules(Retry::Never, Empty::Malformed, Failure::FallBack))
            }
        }
    }
}

impl std::str::FromStr for HookType {
    type Err = UnknownHookType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownHookType(text.to_owned()))
    }
}

impl fmt::Display for HookType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for HookType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
