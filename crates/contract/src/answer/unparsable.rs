//! Describes bodies that are not an answer, with hints.

use crate::json_text::{Broken, Fault};

/// A body that is not a JSON object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Could not deserialize inline hook response due to error at Line {line} Column {column}")]
pub struct Unparsable {
    /// Line of the first error, from 1.
    pub line: usize,
    /// Column of the first error, in bytes from 1.
    pub column: usize,
    /// A description of the body and a hint: whole sentences without the last full stop.
    pub hint: &'static str,
}

/// A body whose first value is JSON of another kind than an object.
pub(super) fn no_object(text: &str) -> Unparsable {
    let hint = match text.trim_ascii_start().as_bytes().first() {
        Some(b'[') => "The body is a JSON array. Answer one JSON object: commands belong into its member `commands`",
        Some(b'"') if holds_json(text) => {
            "The body is a JSON string with JSON inside: the answer was encoded twice. Encode the object once"
        }
        Some(b'"') => "The body is a JSON string. Answer one JSON object, such as `{\"commands\": []}`",
        Some(b't' | b'f') => "The body is a JSON boolean. Answer one JSON object, such as `{\"commands\": []}`",
        _ => "The body is a JSON number. Answer one JSON object, such as `{\"commands\": []}`",
    };
    Unparsable { line: 1, column: 1, hint }
}

/// Whether the string of a JSON text contains what looks like a JSON object or array.
fn holds_json(text: &str) -> bool {
    let inside: Option<String> = serde_json::from_str(text).ok();
    inside.is_some_and(|inside| inside.trim_ascii_start().starts_with(['{', '[']))
}

/// A body that breaks the grammar of RFC 8259.
pub(super) fn broken(text: &str, Broken { at, fault }: Broken) -> Unparsable {
    let (line, column) = place(text.as_bytes(), at);
    let start = text.trim_ascii_start();
    let is_at_start = at <= text.len() - start.len();
    let hint = match fault {
        _ if start.contains('\0') && start.len() > 1 => UTF_16,
        Fault::NoValue if is_at_start && start.starts_with('<') => {
            "The body is HTML or XML. Look whether a proxy, a gateway or a sign-in page answers at the hook's URI in \
             place of the service; the service answers one JSON object"
        }
        Fault::NoValue if is_at_start => {
            "The body is text, not JSON. Answer one JSON object, such as `{\"commands\": []}`, or 204 with no body where \
             the hook type allows it"
        }
        Fault::EndsEarly => {
            "The JSON ends before it is complete. Look whether the service ends early or sends a wrong `Content-Length`"
        }
        Fault::AfterTheEnd => "Something follows the JSON. Answer one JSON object and nothing behind it",
        Fault::NoValue => "A value is due here. JSON has objects, arrays, strings, numbers, `true`, `false` and `null`",
        Fault::SingleQuotes => {
            "Strings and names stand in double quotes. Write the body with a JSON encoder, not as a text of the \
             programming language"
        }
        Fault::NoQuotes => "A name in double quotes is due here",
        Fault::Comment => "JSON has no comments. Leave them out",
        Fault::TrailingComma => "The last element has no comma behind it. Leave the comma out",
        Fault::NoColon => "A colon is due here, between a name and its value",
        Fault::NoComma => "A comma or a closing bracket is due here",
        Fault::NoNumber => "JSON has neither `NaN` nor `Infinity`. Write null or a string, or leave the member out",
        Fault::Word => {
            "JSON writes `null`, `true` and `false`. Write the body with a JSON encoder, not as a text of the \
             programming language"
        }
        Fault::NumberForm => {
            "JSON writes numbers such as `0.5`, `-12` and `1e6`: no leading zeros, digits around the point"
        }
        Fault::ControlCharacter => {
            "A string has a line break or another control character. Write it as an escape: `\\n`"
        }
        Fault::Escape => {
            "JSON has the escapes `\\\"`, `\\\\`, `\\/`, `\\b`, `\\f`, `\\n`, `\\r`, `\\t` and `\\u` with four hexadecimal digits"
        }
    };
    Unparsable { line, column, hint }
}

const UTF_16: &str = "The body is in UTF-16 or UTF-32. Encode it in UTF-8 (RFC 8259, section 8.1)";

/// A body that is not UTF-8 from the byte `at` on.
pub(super) fn not_utf8(body: &[u8], error: std::str::Utf8Error) -> Unparsable {
    let at = error.valid_up_to();
    let (line, column) = place(body, at);
    let bad = body.get(at..).unwrap_or_default();
    let hint = match (body, bad) {
        ([0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 0, 0xfe, 0xff, ..], _) => UTF_16,
        _ if body.get(..at).unwrap_or_default().contains(&0) => UTF_16,
        ([0x1f, 0x8b, ..], _) => {
            "The body is compressed, which its headers do not say and the call did not ask for. Answer without compression"
        }
        (_, [0xed, 0xa0..=0xbf, ..]) => {
            "The body has half of a character here, encoded on its own (CESU-8). Encode whole characters in UTF-8"
        }
        // An incomplete character.
        _ if error.error_len() != Some(1) => {
            "The body is not UTF-8: a character is cut off here. Cut texts between characters, not between bytes"
        }
        _ => {
            "The body is not UTF-8 here: it looks like ISO 8859-1 (Latin-1) or Windows-1252. Encode it in UTF-8, whatever \
             charset `Content-Type` names"
        }
    };
    Unparsable { line, column, hint }
}

/// Line and column of a byte, both from 1.
pub(super) fn place(text: &[u8], at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or_default();
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    (before.split(|byte| *byte == b'\n').count(), at - line_start + 1)
}
