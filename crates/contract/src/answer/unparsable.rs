//! Describes bodies that are not an answer: how they begin, what they look like, what to write instead. No text quotes a
//! body.

use crate::json_text::{Broken, Fault};

/// A body that is not a JSON object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Could not deserialize inline hook response due to error at Line {line} Column {column}")]
pub struct Unparsable {
    /// Line of the first error, from 1.
    pub line: usize,
    /// Column of the first error, in bytes from 1.
    pub column: usize,
    /// The kind of the body's first character: a character of JSON's or HTML's structure, or a class such as `a letter`.
    pub begins: &'static str,
    /// What the body is and what to do: whole sentences without the last full stop.
    pub hint: &'static str,
}

impl Unparsable {
    /// The whole text for people: the vendor's sentence, how the body begins, and the hint. `sent_as` is what the service
    /// says that the body is; it is shown as it is.
    ///
    /// ```
    /// use tenterhook_contract::answer::Answer;
    /// let text = Answer::parse(b"<html>").unwrap_err().explained(Some("text/html"));
    /// assert!(text.contains("The body begins with `<`, text/html. It is HTML or XML"), "{text}");
    /// ```
    pub fn explained(&self, sent_as: Option<&str>) -> String {
        let sent_as = sent_as.map(|sent_as| format!(", {sent_as}")).unwrap_or_default();
        format!("{self}. The body begins with {}{sent_as}. {}", self.begins, self.hint)
    }
}

/// A body whose first value is JSON of another kind than an object.
pub(super) fn no_object(text: &str) -> Unparsable {
    let hint = match text.trim_ascii_start().as_bytes().first() {
        Some(b'[') => {
            "It is a JSON array. Write an object, with the commands in its member `commands`: `{\"commands\": […]}`"
        }
        Some(b'"') if holds_json(text) => {
            "It is a JSON string with JSON inside: the answer was encoded twice. Encode the object once"
        }
        Some(b'"') => "It is a JSON string. Write an object, such as `{\"commands\": []}`",
        Some(b't' | b'f') => "It is a JSON boolean. Write an object, such as `{\"commands\": []}`",
        _ => "It is a JSON number. Write an object, such as `{\"commands\": []}`",
    };
    Unparsable { line: 1, column: 1, begins: begins(text.as_bytes()), hint }
}

/// Whether the string of a JSON text contains what looks like a JSON object or array.
fn holds_json(text: &str) -> bool {
    let inside: Option<String> = serde_json::from_str(text).ok();
    inside.is_some_and(|inside| inside.trim_ascii_start().starts_with(['{', '[']))
}

/// A body that breaks the grammar of RFC 8259.
pub(super) fn broken(text: &str, broken: Broken) -> Unparsable {
    let Broken { at, fault } = broken;
    let (line, column) = place(text.as_bytes(), at);
    let start = text.trim_ascii_start();
    let hint = match of_another_language(start) {
        _ if start.contains('\0') && start.len() > 1 => UTF_16,
        Some(hint) => hint,
        None if fault == Fault::NoValue && at <= text.len() - start.len() => {
            "It is text, not JSON. Write one JSON object, such as `{\"commands\": []}`, or answer 204 with no body where \
             the hook type allows it"
        }
        None => of_fault(fault, text.get(at..).unwrap_or_default()),
    };
    Unparsable { line, column, begins: begins(text.as_bytes()), hint }
}

/// What to do about a fault inside of JSON; `rest` is the text from the fault on.
fn of_fault(fault: Fault, rest: &str) -> &'static str {
    match fault {
        Fault::EndsEarly => {
            "The JSON ends before it is complete. Look whether the service ends early or sends a wrong `Content-Length`"
        }
        Fault::AfterTheEnd if rest.starts_with(['{', '[']) => {
            "Something follows the JSON: more JSON, as in newline-delimited JSON (NDJSON), or as from a service that \
             answers twice. Answer one JSON object, with all commands in its `commands`"
        }
        Fault::AfterTheEnd if rest.starts_with('<') => {
            "Something follows the JSON: HTML or XML, such as a page of errors that the service's framework adds. Answer one \
             JSON object and nothing behind it"
        }
        Fault::AfterTheEnd => "Something follows the JSON. Answer one JSON object and nothing behind it",
        Fault::NoValue => "A value is due here. JSON has objects, arrays, strings, numbers, `true`, `false` and `null`",
        Fault::SingleQuotes => {
            "Strings and names stand in double quotes. Write the body with a JSON encoder (`json.dumps` in Python, \
             `JSON.stringify` in JavaScript), not as a text of the programming language"
        }
        Fault::NoQuotes => "A name in double quotes is due here. Write the body with a JSON encoder",
        Fault::Comment => "JSON has no comments. Leave them out",
        Fault::TrailingComma => "The last element has no comma behind it. Leave the comma out",
        Fault::NoColon if rest.starts_with("=>") => {
            "JSON writes a colon, where Ruby and PHP write `=>`. Write the body with a JSON encoder (`to_json`, `json_encode`)"
        }
        Fault::NoColon => "A colon is due here, between a name and its value",
        Fault::NoComma => "A comma or a closing bracket is due here",
        Fault::NoNumber => "JSON has neither `NaN` nor `Infinity`. Write null or a string, or leave the member out",
        Fault::Word if rest.starts_with("undefined") => {
            "JSON writes `null`, `true` and `false`; `undefined` is JavaScript. Write the body with `JSON.stringify`"
        }
        Fault::Word => {
            "JSON writes `null`, `true` and `false`; `None`, `True` and `False` are Python. Write the body with `json.dumps`"
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
    }
}

/// What a body is that is another format, or the way in which a programming language shows an object.
fn of_another_language(start: &str) -> Option<&'static str> {
    let begins = |beginnings: &[&str]| beginnings.iter().any(|beginning| start.starts_with(beginning));
    // Without the bracket or brace in front of it.
    let inner = start.get(1..).unwrap_or_default();
    let word_end = inner.find(|character: char| !is_of_a_word(character)).unwrap_or(inner.len());
    let after_word = inner.get(word_end..).filter(|_| word_end > 0).unwrap_or_default();
    Some(if start.starts_with('<') {
        "It is HTML or XML. Look whether a proxy, a gateway or a sign-in page answers in place of the service, or its \
         framework with a page of errors"
    } else if begins(&["[object "]) {
        "It is what JavaScript makes of an object that is joined to a text. Write the body with `JSON.stringify`"
    } else if begins(&["b'", "b\"{"]) {
        "It is what Python shows of bytes. Send the bytes themselves, or their text (`decode`)"
    } else if begins(&[
        "dict(",
        "OrderedDict(",
        "map[",
        "Array\n",
        "Array (",
        "array(",
        "stdClass",
        "#<",
        "&{",
        "Some(",
    ]) || (start.starts_with('{') && after_word.starts_with('=') && !after_word.starts_with("=>"))
    {
        "It is what a programming language shows of an object, not JSON. Write the body with a JSON encoder"
    } else if begins(&["```"]) {
        "The JSON stands in a code block of Markdown. Send the JSON alone"
    } else if begins(&["ey"]) && start.len() >= BASE64_BYTES_MIN && is_base64(start) {
        "It is JSON in Base64, or a token (JWT). Send the JSON itself; of a function behind a gateway the gateway decodes it"
    } else if begins(&["data:", "event:"]) {
        "It is a stream of server-sent events. Answer one JSON object"
    } else if begins(&["HTTP/1.", "HTTP/2 "]) {
        "It is a whole HTTP answer, status line included. Send its body alone"
    } else if begins(&["--"]) {
        "It is a multipart form or another format with dividing lines. Answer one JSON object"
    } else if is_form(start) {
        "It is a form (`name=value&…`). Answer one JSON object"
    } else if is_call(start) {
        "It is JSON in a call of a function (JSONP). Send the JSON alone"
    } else {
        return None;
    })
}

fn is_of_a_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '$')
}

/// Shortest text that is taken for Base64: the head of a token, or a small object.
const BASE64_BYTES_MIN: usize = 16;

fn is_base64(text: &str) -> bool {
    text.trim_ascii_end().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/-_=.".contains(&byte))
}

/// Whether it is `name=value`, once or joined by `&`, without white space.
fn is_form(text: &str) -> bool {
    let text = text.trim_ascii_end();
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| is_of_a_word(c) || "-.[]%+".contains(c));
    let named = |pair: &str| pair.split_once('=').is_some_and(|(name, _)| is_name(name));
    text.starts_with(is_of_a_word) && !text.contains(char::is_whitespace) && text.split('&').all(named)
}

/// Whether it is a name and an object or array in parentheses.
fn is_call(text: &str) -> bool {
    let name_end = text.find(|c| !is_of_a_word(c) && c != '.').filter(|end| *end > 0);
    let arguments = name_end.and_then(|end| text.get(end..)).and_then(|rest| rest.strip_prefix('('));
    arguments.is_some_and(|arguments| arguments.trim_ascii_start().starts_with(['{', '[']))
}

const UTF_16: &str = "It is in UTF-16 or UTF-32. Encode it in UTF-8 (RFC 8259, section 8.1)";

/// Magic numbers of the formats of compression.
const COMPRESSED: &[&[u8]] = &[
    // gzip (RFC 1952), zlib (RFC 1950) at its usual levels, Zstandard (RFC 8878).
    &[0x1f, 0x8b],
    &[0x78, 0x01],
    &[0x78, 0x9c],
    &[0x78, 0xda],
    &[0x28, 0xb5, 0x2f, 0xfd],
];

fn is_compressed(body: &[u8]) -> bool {
    COMPRESSED.iter().any(|magic| body.starts_with(magic))
}

fn has_mark_of_utf_16(body: &[u8]) -> bool {
    matches!(body, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 0, 0xfe, 0xff, ..])
}

/// A body that is not UTF-8 from the byte `at` on.
pub(super) fn not_utf8(body: &[u8], error: std::str::Utf8Error) -> Unparsable {
    let at = error.valid_up_to();
    let (line, column) = place(body, at);
    let bad = body.get(at..).unwrap_or_default();
    let hint = match bad {
        _ if has_mark_of_utf_16(body) || body.get(..at).unwrap_or_default().contains(&0) => UTF_16,
        _ if is_compressed(body) => {
            "It is compressed, which its headers do not say and the call did not ask for. Answer without compression"
        }
        [0xed, 0xa0..=0xbf, ..] => {
            "It has half of a character here, encoded on its own (CESU-8). Encode whole characters in UTF-8"
        }
        // An incomplete character.
        _ if error.error_len() != Some(1) => {
            "It is not UTF-8: a character is cut off here. Cut texts between characters, not between bytes"
        }
        _ => {
            "It is not UTF-8 here: it looks like ISO 8859-1 (Latin-1) or Windows-1252. Encode it in UTF-8, whatever \
             charset `Content-Type` names"
        }
    };
    Unparsable { line, column, begins: begins(body), hint }
}

/// The first character of a body that is no white space, or its class: letters and digits may be of a secret.
fn begins(body: &[u8]) -> &'static str {
    if has_mark_of_utf_16(body) {
        return "a byte order mark of UTF-16 or UTF-32";
    }
    if is_compressed(body) {
        return "the mark of compressed data";
    }
    match body.trim_ascii_start().first() {
        None => "nothing but white space",
        Some(b'<') => "`<`",
        Some(b'{') => "`{`",
        Some(b'[') => "`[`",
        Some(b'(') => "`(`",
        Some(b'"') => "`\"`",
        Some(b'\'') => "`'`",
        Some(b'`') => "a backtick",
        Some(b'-') => "`-`",
        Some(b'0'..=b'9') => "a digit",
        Some(byte) if byte.is_ascii_alphabetic() => "a letter",
        Some(byte) if byte.is_ascii_graphic() => "a sign that no JSON begins with",
        Some(byte) if byte.is_ascii() => "a control character",
        Some(_) => "a character beyond ASCII",
    }
}

/// Line and column of a byte, both from 1.
pub(super) fn place(text: &[u8], at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or_default();
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    (before.split(|byte| *byte == b'\n').count(), at - line_start + 1)
}
