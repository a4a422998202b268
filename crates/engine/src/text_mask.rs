//! Masks secrets in texts that are taken from an applied answer. Its commands are applied as they are, so whoever logs or shows a
//! part of them masks it here.

use tenterhook_contract::Secret;

use crate::finder::Finder;

/// Masks a set of secrets in texts, whatever their encoding, as the engine does in everything that it records. It holds them, so it
/// has no `Debug`.
///
/// ```
/// use tenterhook_contract::Secret;
/// use tenterhook_engine::TextMask;
/// let mask = TextMask::of(&[Secret::new("048213"), Secret::new("+12025550173")]);
/// assert_eq!(mask.apply("sent 48213 to (202) 555-0173"), "sent •••• to (••••");
/// ```
pub struct TextMask(Finder);

impl TextMask {
    /// Of these secrets; one with `+` and digits alone is a phone number, which is also found as people write and dial it.
    pub fn of(secrets: &[Secret]) -> Self {
        Self(Finder::new(secrets.iter().map(Secret::expose)))
    }

    /// The text without them.
    pub fn apply(&self, text: &str) -> String {
        let masked = Finder::mask(&[&self.0], text.as_bytes(), None);
        masked.map_or_else(|| text.to_owned(), |masked| String::from_utf8_lossy(&masked).into_owned())
    }
}
