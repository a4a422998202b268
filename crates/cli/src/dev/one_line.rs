//! Texts from outside on the terminal: the one place that makes them harmless. Names of users, apps and hooks, texts of services and
//! answers come from outside.

use std::{borrow::Cow, fmt::Write as _};

/// A text with each character escaped that would end the line, move the cursor or turn the direction in which the rest of the line is
/// shown: control characters (C0, DEL, C1), separators of lines and paragraphs, and Unicode's marks, overrides and isolates of
/// directions (UAX 9 section 2). The escapes are those of JSON, so that a text of JSON stays one.
pub(super) fn of_one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_escaped) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            // All of them have four hexadecimal digits at most.
            character if is_escaped(character) => {
                // Writing into a text cannot fail.
                let _ = write!(escaped, "\\u{:04x}", u32::from(character));
            }
            character => escaped.push(character),
        }
    }
    escaped.into()
}

fn is_escaped(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_change_the_rest_of_the_screen_is_escaped_and_nothing_else() {
        for (text, shown) in [
            ("Ada\nOkoye", r"Ada\nOkoye"),
            ("a\r\n\tb", r"a\r\n\tb"),
            ("\u{1b}[2Jx\u{7f}", r"\u001b[2Jx\u007f"),
            ("\u{9b}31m", r"\u009b31m"),
            ("user\u{202e}nimda", r"user\u202enimda"),
            ("\u{2066}a\u{2069}\u{200f}", r"\u2066a\u2069\u200f"),
            ("a\u{2028}b\u{2029}c", r"a\u2028b\u2029c"),
        ] {
            assert_eq!(of_one_line(text), shown);
        }
        for text in ["Ad\u{e1} \u{5e2}\u{5d3}\u{5d4}", "\u{1f469}\u{200d}\u{1f4bb}", r#"{"a": "\n"}"#] {
            assert!(matches!(of_one_line(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn json_stays_json() {
        let value = serde_json::json!({ "name": "a\u{202e}b\u{9b}\n" });
        let line = value.to_string();
        assert!(!of_one_line(&line).contains(is_escaped));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&of_one_line(&line)).ok(), Some(value));
    }
}
