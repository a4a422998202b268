//! Checks texts for NUL characters, which PostgreSQL cannot store.

use percent_encoding::percent_decode_str;
use serde_json::Value;

/// The error text for a NUL character.
pub(crate) const NUL: &str = "The field cannot contain the character U+0000";

/// Whether a path, decoded, is UTF-8 without a NUL character.
pub(crate) fn path_is_plain(path: &str) -> bool {
    percent_decode_str(path).decode_utf8().is_ok_and(|text| !text.contains('\0'))
}

/// The name of a query's first parameter with a NUL character.
pub(crate) fn parameter_with_nul(query: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, value)| name.contains('\0') || value.contains('\0')).map(|(name, _)| name.into_owned())
}

/// The first member or element with a NUL character in its name or its text, as `a.b.0`.
pub(crate) fn member_with_nul(value: &Value) -> Option<String> {
    let below = |name: &str, value: &Value| {
        let found = if name.contains('\0') { String::new() } else { member_with_nul(value)? };
        Some(if found.is_empty() { name.to_owned() } else { format!("{name}.{found}") })
    };
    match value {
        Value::String(text) => text.contains('\0').then(String::new),
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| below(&index.to_string(), item)),
        Value::Object(members) => members.iter().find_map(|(name, value)| below(name, value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{member_with_nul, parameter_with_nul, path_is_plain};

    #[test]
    fn a_path_is_plain_when_it_decodes_to_text_without_nul() {
        for (path, plain) in [
            ("/a/b", true),
            ("/a%20b/%c3%a9", true),
            ("/a%", true),
            ("/a%zz", true),
            ("/%2500", true),
            ("/%ff", false),
            ("/%C3", false),
            ("/a%00", false),
        ] {
            assert_eq!(path_is_plain(path), plain, "{path}");
        }
    }

    #[test]
    fn the_place_of_a_nul_is_named() {
        for (value, place) in [
            (json!({ "a": { "b": ["x", "y\0"] } }), Some("a.b.1")),
            (json!({ "a": 1, "b\0": 2 }), Some("b\0")),
            (json!("\0"), Some("")),
            (json!({ "a": [null, true, "text"] }), None),
        ] {
            assert_eq!(member_with_nul(&value).as_deref(), place, "{value}");
        }
        assert_eq!(parameter_with_nul("a=1&b=x%00"), Some("b".to_owned()));
        assert_eq!(parameter_with_nul("a=%2500"), None);
    }
}
