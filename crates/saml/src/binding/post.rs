//! The POST binding: a message in a form, with a signature inside of the message.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{BindingError, MessageKind, Parameters};

/// A message from a form.
#[derive(Clone, PartialEq, Eq)]
pub struct PostMessage {
    /// The message.
    pub xml: Vec<u8>,
    /// Whether it asks or answers.
    pub kind: MessageKind,
    /// `RelayState`, decoded; to be given back as it is.
    pub relay_state: Option<String>,
}

impl fmt::Debug for PostMessage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PostMessage").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The message in a form, which is given as it was sent (`application/x-www-form-urlencoded`).
///
/// # Errors
/// [`BindingError`].
pub fn decode(form: &str) -> Result<PostMessage, BindingError> {
    let parameters = Parameters::of(form)?;
    let (kind, message) = parameters.message()?;
    Ok(PostMessage { xml: message.bytes()?, kind, relay_state: parameters.relay_state()? })
}

/// The value of the form's field for a message.
///
/// ```
/// assert_eq!(tenterhook_saml::binding::post::encode("<a></a>"), "PGE+PC9hPg==");
/// ```
pub fn encode(xml: &str) -> String {
    STANDARD.encode(xml)
}
