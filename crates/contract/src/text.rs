//! Texts from outside, cut to what is shown of them.

/// The first `count` characters of `text`; all of it when it has no more.
pub(crate) fn beginning(text: &str, count: usize) -> &str {
    if text.len() <= count {
        // No character has less than a byte.
        return text;
    }
    text.char_indices().nth(count).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
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
