//! A text that must never be printed.

use std::fmt;

/// Shown in place of a secret.
pub const MASK: &str = "••••";

/// A secret text: a header value, a client secret, a private key.
///
/// `Debug` shows nothing of it and there is no `Display`; code that needs the text calls [`Secret::expose`].
///
/// ```
/// let secret = tenterhook_contract::Secret::new("s3cret");
/// assert_eq!(format!("{secret:?}"), "Secret(…)");
/// assert_eq!(secret.expose(), "s3cret");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that must send or encrypt it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}
