//! Dates of messages.

use tenterhook_contract::Timestamp;

/// An `xs:dateTime` (XML Schema 1.1 part 2, 3.3.7). One without an offset is UTC, as SAML has all its dates (SAML core
/// 1.3.3). `None` for one that is not valid, or is outside of the years that [`Timestamp`] holds.
pub(crate) fn date_time(text: &str) -> Option<Timestamp> {
    let text = crate::xml::tree::trim(text);
    // Laxer forms of the reader, such as a space for the `T`, are no `xs:dateTime`.
    if !text.is_ascii() || text.len() > 64 || text.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    let time = text.get(11..)?;
    let valid = time.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.' | b'+' | b'-' | b'Z'));
    if !valid {
        return None;
    }
    let has_offset = time.ends_with('Z') || time.contains(['+', '-']);
    if has_offset { text.parse().ok() } else { format!("{text}Z").parse().ok() }
}
