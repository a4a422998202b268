//! How messages travel: SAML bindings 3.4 (HTTP Redirect) and 3.5 (HTTP POST).

pub mod post;
pub mod redirect;

use percent_encoding::percent_decode_str;

/// Bytes of `RelayState` at most. The specification allows 80, and service providers send more.
pub const RELAY_STATE_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a query or a form at most: a message of the largest size in base64, with its line breaks escaped.
pub const FORM_BYTES_MAX: usize = 512 * 1024;

/// Whether a message asks or answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// `SAMLRequest`.
    Request,
    /// `SAMLResponse`.
    Response,
}

impl MessageKind {
    /// The parameter that contains the message.
    pub fn parameter(self) -> &'static str {
        match self {
            Self::Request => "SAMLRequest",
            Self::Response => "SAMLResponse",
        }
    }
}

/// Why a query or a form contains no message. The text contains nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// It is larger than [`FORM_BYTES_MAX`].
    #[error("the request is larger than 524288 bytes")]
    TooLarge,
    /// There is neither `SAMLRequest` nor `SAMLResponse`.
    #[error("there is neither `SAMLRequest` nor `SAMLResponse`")]
    NoMessage,
    /// There are both `SAMLRequest` and `SAMLResponse`.
    #[error("there are both `SAMLRequest` and `SAMLResponse`")]
    TwoMessages,
    /// A parameter is there more than once.
    #[error("`{0}` is there more than once")]
    Repeated(&'static str),
    /// A parameter is not UTF-8 when it is decoded.
    #[error("`{0}` is not UTF-8")]
    NotUtf8(&'static str),
    /// A parameter is not base64.
    #[error("`{0}` is not base64")]
    NotBase64(&'static str),
    /// The message is not compressed with DEFLATE.
    #[error("the message is not compressed with DEFLATE (RFC 1951)")]
    NotDeflate,
    /// The message is larger than [`DOCUMENT_BYTES_MAX`](crate::read::DOCUMENT_BYTES_MAX) when it is inflated.
    #[error("the message is larger than 131072 bytes when it is inflated")]
    InflatedTooLarge,
    /// `SAMLEncoding` is not DEFLATE.
    #[error("`SAMLEncoding` is not `urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE`")]
    UnknownEncoding,
    /// `RelayState` is larger than [`RELAY_STATE_BYTES_MAX`].
    #[error("`RelayState` is larger than 4096 bytes")]
    RelayStateTooLarge,
    /// There is one of `Signature` and `SigAlg`.
    #[error("there is one of `Signature` and `SigAlg`, and the other is missing")]
    HalfSigned,
}

/// The parameters of a query or a form, as they were sent.
struct Parameters<'a> {
    text: &'a str,
}

impl<'a> Parameters<'a> {
    fn of(text: &'a str) -> Result<Self, BindingError> {
        if text.len() > FORM_BYTES_MAX { Err(BindingError::TooLarge) } else { Ok(Self { text }) }
    }

    /// A parameter as it was sent: its name, `=`, and its encoded value.
    fn piece(&self, name: &'static str) -> Result<Option<Piece<'a>>, BindingError> {
        let pieces = self.text.split('&').map(|whole| (whole, whole.split_once('=').unwrap_or((whole, ""))));
        let mut own = pieces.filter(|(_, (own, _))| *own == name);
        let first = own.next().map(|(whole, (_, value))| Piece { name, whole, value });
        if own.next().is_some() { Err(BindingError::Repeated(name)) } else { Ok(first) }
    }

    /// The parameter with the message.
    fn message(&self) -> Result<(MessageKind, Piece<'a>), BindingError> {
        let request = self.piece(MessageKind::Request.parameter())?;
        let response = self.piece(MessageKind::Response.parameter())?;
        match (request, response) {
            (Some(request), None) => Ok((MessageKind::Request, request)),
            (None, Some(response)) => Ok((MessageKind::Response, response)),
            (Some(_), Some(_)) => Err(BindingError::TwoMessages),
            (None, None) => Err(BindingError::NoMessage),
        }
    }

    fn relay_state(&self) -> Result<Option<String>, BindingError> {
        let Some(piece) = self.piece("RelayState")? else { return Ok(None) };
        let state = piece.text()?;
        if state.len() > RELAY_STATE_BYTES_MAX { Err(BindingError::RelayStateTooLarge) } else { Ok(Some(state)) }
    }
}

#[derive(Clone, Copy)]
struct Piece<'a> {
    name: &'static str,
    whole: &'a str,
    value: &'a str,
}

impl Piece<'_> {
    /// The decoded value (URL Standard section 5.1).
    fn text(&self) -> Result<String, BindingError> {
        let value = self.value.replace('+', " ");
        let decoded = percent_decode_str(&value).decode_utf8().map_err(|_| BindingError::NotUtf8(self.name))?;
        Ok(decoded.into_owned())
    }

    /// The value decoded from base64. Line breaks are left out (RFC 2045 section 6.8); a space is a `+` that the sender
    /// did not escape.
    fn bytes(&self) -> Result<Vec<u8>, BindingError> {
        let text = percent_decode_str(self.value).decode_utf8().map_err(|_| BindingError::NotUtf8(self.name))?;
        let text = text.chars().filter(|character| !matches!(character, '\r' | '\n' | '\t'));
        let text = text.map(|character| if character == ' ' { '+' } else { character }).collect::<String>();
        crate::certificate::decode_base64(&text).ok_or(BindingError::NotBase64(self.name))
    }
}
