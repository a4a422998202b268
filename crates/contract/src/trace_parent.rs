//! The place of a request in a distributed trace (W3C Trace Context, section 3.2).

use std::{fmt, str::FromStr};

/// Characters of a `traceparent` of version 00.
const CHARACTERS: usize = 55;

/// The `traceparent` of a request, of version 00: the id of its trace, the id of the caller's span, and flags.
///
/// ```
/// use tenterhook_contract::TraceParent;
/// let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let parent: TraceParent = text.parse().unwrap();
/// assert_eq!((parent.as_str(), parent.trace_id()), (text, "0af7651916cd43dd8448eb211c80319c"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TraceParent([u8; CHARACTERS]);

/// A text that is not a `traceparent` of version 00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be `00-TRACE_ID-PARENT_ID-FLAGS` in lower-case hexadecimal digits (W3C Trace Context), with 32, 16 and 2 of \
     them, and no id of zeros only"
)]
pub struct TraceParentError;

impl TraceParent {
    /// The text, as it is sent.
    pub fn as_str(&self) -> &str {
        // Only `from_str` makes one, of ASCII.
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The id of the trace: 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        self.as_str().get(3..35).unwrap_or_default()
    }
}

impl FromStr for TraceParent {
    type Err = TraceParentError;

    /// Reads version 00. A later version may have more fields, whose meaning nobody here knows, so that it cannot be sent on.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes: [u8; CHARACTERS] = text.as_bytes().try_into().map_err(|_| TraceParentError)?;
        let mut fields = text.split('-');
        let mut field = || fields.next().unwrap_or_default();
        let is_hexadecimal = |field: &str, digits: usize| {
            field.len() == digits && field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_id = |field: &str, digits| is_hexadecimal(field, digits) && field.bytes().any(|byte| byte != b'0');
        let fits = field() == "00" && is_id(field(), 32) && is_id(field(), 16) && is_hexadecimal(field(), 2);
        if fits { Ok(Self(bytes)) } else { Err(TraceParentError) }
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// W3C Trace Context, sections 3.2.2 and 3.2.2.1 to 3.2.2.5.
    #[test]
    fn version_00_is_read_and_nothing_else() {
        const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
        const SPAN: &str = "b7ad6b7169203331";
        for (text, is_one) in [
            (format!("00-{TRACE}-{SPAN}-01"), true),
            (format!("00-{TRACE}-{SPAN}-00"), true),
            (format!("00-{TRACE}-{SPAN}-ff"), true),
            (format!("01-{TRACE}-{SPAN}-01"), false),
            (format!("ff-{TRACE}-{SPAN}-01"), false),
            (format!("00-{TRACE}-{SPAN}-01-x"), false),
            (format!("00-{TRACE}-{SPAN}-1"), false),
            (format!("00-{TRACE}-{SPAN}-0g"), false),
            (format!("00-{}-{SPAN}-01", TRACE.to_uppercase()), false),
            (format!("00-{}-{SPAN}-01", "0".repeat(32)), false),
            (format!("00-{TRACE}-{}-01", "0".repeat(16)), false),
            (format!("00-{SPAN}-{TRACE}-01"), false),
            (format!("00_{TRACE}-{SPAN}-01"), false),
            (format!(" 00-{TRACE}-{SPAN}-01"), false),
            (format!("00-{TRACE}-{SPAN}-0\u{e9}"), false),
            (String::new(), false),
        ] {
            assert_eq!(text.parse::<TraceParent>().is_ok(), is_one, "{text}");
        }
    }
}
