//! Phone numbers in E.164 form. A number is personal: everything but the document of a hook, the message of a provider and the
//! owner's own profile shows its masked form.

use std::fmt;

use phonelib::{ParseError, PhoneNumber as Parsed, PhoneNumberType, country_by_code};

/// Most bytes of a text that is read as a number.
pub const PHONE_NUMBER_BYTES_MAX: usize = 64;
/// Most digits of an extension.
pub const PHONE_EXTENSION_DIGITS_MAX: usize = 15;
/// Digits of E.164, at least and at most.
const E164_DIGITS: std::ops::RangeInclusive<usize> = 4..=15;
/// Last digits of a number that its block does not have: numbers that differ only in these are mostly given to one operator.
const BLOCK_DIGITS: usize = 4;
/// Most digits of a block, the calling code among them. In an open numbering plan whoever has a block can make its numbers longer, and
/// every further digit would be a block of its own.
const BLOCK_DIGITS_MAX: usize = 9;
/// Last digits that a masked number shows.
const SHOWN_DIGITS: usize = 2;

/// A phone number in E.164 form, with an optional extension. `Debug` shows its last two digits.
///
/// ```
/// use tenterhook_model::PhoneNumber;
/// let number = PhoneNumber::parse("(202) 555-0173 ext. 12", Some("US")).unwrap();
/// assert_eq!((number.as_e164(), number.extension()), ("+12025550173", Some("12")));
/// assert_eq!(number.masked(), "+XXXXXXXXX73");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PhoneNumber {
    e164: String,
    extension: Option<String>,
}

/// The numbers that differ from one another in their last four digits only, and in longer numbers in what follows the first nine digits.
/// Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct NumberBlock(String);

/// Countries or number ranges that an operator allows or denies.
///
/// ```
/// use tenterhook_model::{NumberRange, PhoneNumber};
/// let number = PhoneNumber::parse("+1 876 555 0173", None).unwrap();
/// let contains = |range: &str| range.parse::<NumberRange>().unwrap().contains(&number);
/// assert!(contains("JM") && contains("+1876") && contains("+1") && !contains("US") && !contains("+44"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NumberRange {
    /// A country or territory, by its ISO 3166-1 alpha-2 code; `001` for numbers of no country, such as those of satellites.
    Country(String),
    /// Numbers that begin with these digits, the calling code first.
    Prefix(String),
}

/// Why a text is not a phone number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhoneNumberError {
    /// The country is unknown: neither the text nor the default has one.
    #[error("write the number with `+` and its country code, such as `+12025550173`")]
    NoCountry,
    /// No number of its country has this form.
    #[error("this is not a phone number of its country")]
    NoNumber,
    /// The default region is not a code of ISO 3166-1.
    #[error("the default region is not a country")]
    NoRegion,
    /// The extension is not a number of up to fifteen digits.
    #[error("write the extension in digits")]
    Extension,
}

/// Why a text names no range of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write the two letters of a country, such as `NG`, or `+` and the first digits of its numbers, such as `+1876`"
)]
pub struct NumberRangeError;

impl PhoneNumber {
    /// Reads a number as people write it: with `+` and its country code, or as it is dialled in `default_region`, an ISO 3166-1
    /// alpha-2 code.
    ///
    /// # Errors
    /// When it is no number. A number whose range nobody has opened yet is one: only the lengths of each country's plan are
    /// known for certain.
    pub fn parse(text: &str, default_region: Option<&str>) -> Result<Self, PhoneNumberError> {
        if text.len() > PHONE_NUMBER_BYTES_MAX {
            return Err(PhoneNumberError::NoNumber);
        }
        let parsed = match default_region {
            None => Parsed::try_parse(text),
            Some(region) => Parsed::try_parse_with_country(text, &region.to_ascii_uppercase()),
        };
        let parsed = parsed.map_err(|error| match error {
            ParseError::MissingCallingCode | ParseError::UnknownCountryCode => PhoneNumberError::NoCountry,
            ParseError::UnknownCountry => PhoneNumberError::NoRegion,
            _ => PhoneNumberError::NoNumber,
        })?;
        let number = Self::of_stored(parsed.e164(), None).ok_or(PhoneNumberError::NoNumber)?;
        match parsed.extension() {
            Some(extension) => number.with_extension(extension),
            None => Ok(number),
        }
    }

    /// A number that was stored. It is not judged again: another release may know other number plans. `None` when it does not
    /// have the form of E.164.
    pub fn of_stored(e164: &str, extension: Option<&str>) -> Option<Self> {
        let digits = e164.strip_prefix('+')?;
        let is_one = E164_DIGITS.contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_one.then(|| Self { e164: e164.to_owned(), extension: extension.map(str::to_owned) })
    }

    /// The same number with this extension; an empty one is none.
    ///
    /// # Errors
    /// When it has anything but digits, or too many.
    pub fn with_extension(self, extension: &str) -> Result<Self, PhoneNumberError> {
        let extension = extension.trim();
        if extension.len() > PHONE_EXTENSION_DIGITS_MAX || !extension.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PhoneNumberError::Extension);
        }
        Ok(Self { extension: (!extension.is_empty()).then(|| extension.to_owned()), ..self })
    }

    /// The number in E.164 form, with its `+`.
    pub fn as_e164(&self) -> &str {
        &self.e164
    }

    /// The extension.
    pub fn extension(&self) -> Option<&str> {
        self.extension.as_deref()
    }

    /// The number for logs and for people who must recognise it: its last two digits.
    pub fn masked(&self) -> String {
        let (hidden, shown) = self.e164.split_at(self.e164.len().saturating_sub(SHOWN_DIGITS));
        format!("+{}{shown}", "X".repeat(hidden.len().saturating_sub(1)))
    }

    /// The ISO 3166-1 alpha-2 code of its country, `001` when it belongs to none. `None` when no plan has the number any more.
    pub fn region(&self) -> Option<&'static str> {
        self.parsed().map(|parsed| parsed.country().code)
    }

    /// Whether whoever calls it, or writes to it, pays more than for other numbers of the country, as far as its plan tells.
    pub fn is_premium(&self) -> bool {
        let kind = self.parsed().map(|parsed| parsed.phone_type());
        matches!(kind, Some(PhoneNumberType::PremiumRate | PhoneNumberType::SharedCost))
    }

    /// The block that it belongs to.
    pub fn block(&self) -> NumberBlock {
        // One more for the `+`.
        let end = self.e164.len().saturating_sub(BLOCK_DIGITS).min(BLOCK_DIGITS_MAX + 1);
        NumberBlock(self.e164.chars().take(end).collect())
    }

    fn parsed(&self) -> Option<Parsed> {
        Parsed::parse(&self.e164)
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PhoneNumber({})", self.masked())
    }
}

impl fmt::Debug for NumberBlock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("NumberBlock(…)")
    }
}

impl NumberRange {
    /// Whether the number is one of these.
    pub fn contains(&self, number: &PhoneNumber) -> bool {
        match self {
            Self::Country(code) => number.region() == Some(code),
            Self::Prefix(digits) => number.as_e164().starts_with(digits),
        }
    }
}

impl std::str::FromStr for NumberRange {
    type Err = NumberRangeError;

    fn from_str(text: &str) -> Result<Self, NumberRangeError> {
        let text = text.trim();
        if let Some(digits) = text.strip_prefix('+') {
            let is_one = (1..=*E164_DIGITS.end()).contains(&digits.len());
            return if is_one && digits.bytes().all(|byte| byte.is_ascii_digit()) {
                Ok(Self::Prefix(text.to_owned()))
            } else {
                Err(NumberRangeError)
            };
        }
        let code = text.to_ascii_uppercase();
        country_by_code(&code).map(|_| Self::Country(code)).ok_or(NumberRangeError)
    }
}

/// Whether a text is the ISO 3166-1 alpha-2 code of a country that has phone numbers.
pub fn is_region(text: &str) -> bool {
    text.len() == 2 && country_by_code(&text.to_ascii_uppercase()).is_some()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use proptest::{prelude::any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn a_number_is_kept_in_e164_with_its_extension() {
        for (text, region, expected) in [
            ("+1 (202) 555-0173", None, Ok(("+12025550173", None))),
            ("+1 202 555 0173 ext. 42", None, Ok(("+12025550173", Some("42")))),
            ("(202) 555-0173", Some("US"), Ok(("+12025550173", None))),
            ("030 901820", Some("de"), Ok(("+4930901820", None))),
            ("+2348012345678", Some("US"), Ok(("+2348012345678", None))),
            ("0801 234 5678", Some("NG"), Ok(("+2348012345678", None))),
            ("0801 234 5678", None, Err(PhoneNumberError::NoCountry)),
            ("030 901820", Some("XX"), Err(PhoneNumberError::NoRegion)),
            ("+1 202 555 017", None, Err(PhoneNumberError::NoNumber)),
            ("ada@example.com", Some("US"), Err(PhoneNumberError::NoNumber)),
            ("", Some("US"), Err(PhoneNumberError::NoNumber)),
        ] {
            let parsed = PhoneNumber::parse(text, region);
            let parsed = parsed.as_ref().map(|number| (number.as_e164(), number.extension()));
            assert_eq!(parsed, expected.as_ref().copied(), "{text}");
        }
        let long = format!("+1202555017{}3", " ".repeat(PHONE_NUMBER_BYTES_MAX));
        assert_eq!(PhoneNumber::parse(&long, None), Err(PhoneNumberError::NoNumber));
    }

    #[test]
    fn an_extension_is_digits() {
        let number = || PhoneNumber::parse("+12025550173", None).unwrap();
        for (text, expected) in [
            ("42", Ok(Some("42"))),
            (" 007 ", Ok(Some("007"))),
            ("", Ok(None)),
            ("4x", Err(PhoneNumberError::Extension)),
            ("1234567890123456", Err(PhoneNumberError::Extension)),
        ] {
            let with = number().with_extension(text);
            assert_eq!(with.as_ref().map(PhoneNumber::extension), expected.as_ref().copied(), "{text}");
        }
    }

    #[test]
    fn no_debug_print_has_the_number() {
        let number = PhoneNumber::parse("+12025550173", None).unwrap().with_extension("4242").unwrap();
        let shown = format!("{number:?} {:?} {}", number.block(), number.masked());
        assert!(!shown.contains("202555") && !shown.contains("4242"), "{shown}");
        assert_eq!(number.masked(), "+XXXXXXXXX73");
        assert_eq!(number.masked().len(), number.as_e164().len());
    }

    #[test]
    fn costly_numbers_are_known_where_their_plan_tells() {
        for (text, is_premium) in [
            ("+12025550173", false),
            ("+19005550173", true),
            ("+449098790000", true),
            ("+447400123456", false),
            ("+979123456789", true),
        ] {
            assert_eq!(PhoneNumber::parse(text, None).unwrap().is_premium(), is_premium, "{text}");
        }
    }

    #[test]
    fn a_block_is_what_differs_in_the_last_four_digits() {
        let block = |text: &str| PhoneNumber::of_stored(text, None).unwrap().block();
        assert_eq!(block("+2348012345678"), block("+2348012349999"));
        assert_ne!(block("+2348012345678"), block("+2348012355678"));
        assert_ne!(block("+12025550173"), block("+12025560173"));
    }

    #[test]
    fn further_digits_make_no_further_blocks() {
        let block = |text: &str| PhoneNumber::of_stored(text, None).unwrap().block();
        let blocks: std::collections::HashSet<_> =
            (0..100).map(|digits| block(&format!("+4930123451{digits:02}00"))).collect();
        assert_eq!(blocks.len(), 1);
        assert_eq!(block("+49301234510000"), block("+493012345100009"));
    }

    #[test]
    fn a_range_is_a_country_or_a_prefix() {
        for text in ["N", "XX", "NGA", "+", "+1x", "234", "+1234567890123456", ""] {
            assert_eq!(text.parse::<NumberRange>(), Err(NumberRangeError), "{text}");
        }
        assert_eq!(" ng".parse(), Ok(NumberRange::Country("NG".to_owned())));
        assert!(
            "001".parse::<NumberRange>().unwrap().contains(&PhoneNumber::of_stored("+881612345678", None).unwrap())
        );
        assert!(is_region("us") && !is_region("001") && !is_region("+1"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_number_of_that_form_or_none(text in any::<String>(), dialled in r"[+0-9 ()./x;#-]{0,40}") {
            for text in [&text, &dialled] {
                for region in [None, Some("US"), Some("DE"), Some("IT")] {
                    let Ok(number) = PhoneNumber::parse(text, region) else { continue };
                    prop_assert!(PhoneNumber::of_stored(number.as_e164(), number.extension()).is_some());
                    prop_assert_eq!(number.masked().len(), number.as_e164().len());
                    // Whatever it is, it can be asked about.
                    let _ = (number.region(), number.is_premium(), number.block());
                }
            }
        }
    }
}
