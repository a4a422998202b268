//! Prepares texts from outside for display.

use std::borrow::Cow;

/// The first `count` characters of `text`; all of it if it is not longer.
///
/// ```
/// assert_eq!(tenterhook_contract::beginning("caf\u{e9} noir", 4), "caf\u{e9}");
/// ```
pub fn beginning(text: &str, count: usize) -> &str {
    if text.len() <= count {
        // A character has at least one byte.
        return text;
    }
    text.char_indices().nth(count).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// `text` with a space in place of each control character (C0, DEL, C1) and of each line or paragraph separator
/// (U+2028, U+2029): for output on one line, where such a character would end the line, the header or the page, or move
/// a terminal's cursor.
///
/// ```
/// use tenterhook_contract::without_controls;
/// assert_eq!(without_controls("line one\nline two\u{0}\u{9b}\u{2028}x".into()), "line one line two   x");
/// assert_eq!(without_controls("caf\u{e9} \"on hold\" \\".into()), "caf\u{e9} \"on hold\" \\");
/// ```
pub fn without_controls(text: Cow<'_, str>) -> Cow<'_, str> {
    let ends_a_line = |character: char| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}');
    if text.contains(ends_a_line) { Cow::Owned(text.replace(ends_a_line, " ")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_not_bytes() {
        for (text, shown) in [("", ""), ("é", "é"), ("éé", "éé"), ("ééé", "éé")] {
            assert_eq!(beginning(text, 2), shown);
        }
        assert_eq!(beginning("x", 0), "");
    }
}
