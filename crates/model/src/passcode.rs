//! A one-time passcode: what a user reads on a phone and types back.

use std::fmt;

use tenterhook_contract::Secret;

/// Number of digits.
pub const PASSCODE_DIGITS: usize = 6;

/// A one-time passcode of six digits, leading zeros included. `Debug` shows nothing of it and there is no `Display`.
///
/// ```
/// use tenterhook_model::Passcode;
/// let passcode = Passcode::parse("048213").unwrap();
/// assert_eq!(passcode.expose(), "048213");
/// assert_eq!(format!("{passcode:?}"), "Passcode(…)");
/// ```
#[derive(Clone)]
pub struct Passcode(Secret);

impl Passcode {
    /// The passcode that these random bytes choose. Each one is as likely as any other, to one part in 10^13.
    pub fn from_entropy(bytes: [u8; 8]) -> Self {
        let number = u64::from_le_bytes(bytes) % 10_u64.pow(6);
        Self(Secret::new(format!("{number:0PASSCODE_DIGITS$}")))
    }

    /// The passcode that a user submits; white space around it does not count. `None` for anything but six digits.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_one = text.len() == PASSCODE_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
        is_one.then(|| Self(Secret::new(text)))
    }

    /// The digits, for the one place that must send or hash them.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for Passcode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Passcode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passcode_has_six_digits_whatever_was_drawn() {
        for (number, digits) in
            [(0, "000000"), (48_213, "048213"), (999_999, "999999"), (1_000_000, "000000"), (u64::MAX, "551615")]
        {
            assert_eq!(Passcode::from_entropy(number.to_le_bytes()).expose(), digits);
        }
    }

    #[test]
    fn only_six_ascii_digits_are_a_passcode() {
        for (text, expected) in [
            ("048213", Some("048213")),
            (" 048213\n", Some("048213")),
            ("48213", None),
            ("0482131", None),
            ("04821x", None),
            ("+48213", None),
            ("\u{660}\u{661}\u{662}", None),
            ("", None),
        ] {
            assert_eq!(Passcode::parse(text).as_ref().map(Passcode::expose), expected, "{text:?}");
        }
    }
}
