//! Statuses of responses (SAML core 3.2.2).

/// How a response answers its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was done.
    Success,
    /// It was not done.
    Failure(Failure),
}

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Who is at fault: the top-level status code.
    pub fault: Fault,
    /// The second-level status code.
    pub reason: Option<Reason>,
    /// `StatusMessage`, for the operators of the service provider.
    pub message: Option<String>,
}

/// Who is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The service provider, or its user.
    Requester,
    /// The identity provider.
    Responder,
}

/// Second-level status codes that this identity provider answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The user could not be authenticated.
    AuthnFailed,
    /// `NameIDPolicy` cannot be met.
    InvalidNameIdPolicy,
    /// `RequestedAuthnContext` cannot be met.
    NoAuthnContext,
    /// `IsPassive`, and there is no session.
    NoPassive,
    /// Not every session was ended by a logout.
    PartialLogout,
    /// The request is understood and refused.
    RequestDenied,
    /// The request asks for what is not supported.
    RequestUnsupported,
    /// The principal of a request is not known, or is another one than the user of the session.
    UnknownPrincipal,
}

/// The prefix of all status codes (SAML core 3.2.2.2).
const PREFIX: &str = "urn:oasis:names:tc:SAML:2.0:status:";

impl Status {
    /// The status codes, the first level first.
    pub(crate) fn codes(&self) -> (String, Option<String>) {
        match self {
            Self::Success => (format!("{PREFIX}Success"), None),
            Self::Failure(failure) => {
                let fault = match failure.fault {
                    Fault::Requester => "Requester",
                    Fault::Responder => "Responder",
                };
                (format!("{PREFIX}{fault}"), failure.reason.map(|reason| format!("{PREFIX}{}", reason.name())))
            }
        }
    }

    /// `StatusMessage`.
    pub(crate) fn message(&self) -> Option<&str> {
        match self {
            Self::Success => None,
            Self::Failure(failure) => failure.message.as_deref(),
        }
    }
}

impl Reason {
    fn name(self) -> &'static str {
        match self {
            Self::AuthnFailed => "AuthnFailed",
            Self::InvalidNameIdPolicy => "InvalidNameIDPolicy",
            Self::NoAuthnContext => "NoAuthnContext",
            Self::NoPassive => "NoPassive",
            Self::PartialLogout => "PartialLogout",
            Self::RequestDenied => "RequestDenied",
            Self::RequestUnsupported => "RequestUnsupported",
            Self::UnknownPrincipal => "UnknownPrincipal",
        }
    }
}
