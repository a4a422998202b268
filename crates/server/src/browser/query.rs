//! Queries in their original encoding: nothing is decoded and encoded again (`observed.md` section 2).

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::form_urlencoded::{byte_serialize, parse};

/// ASCII characters that a URI does not contain. Bytes beyond ASCII are escaped in any case.
const NOT_IN_URIS: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

/// The query without the parameters of these names; the rest stays byte for byte.
pub(crate) fn without(query: &str, names: &[&str]) -> String {
    let cut = |piece: &&str| parse(piece.as_bytes()).next().is_some_and(|(name, _)| names.contains(&&*name));
    query.split('&').filter(|piece| !cut(piece)).collect::<Vec<_>>().join("&")
}

/// Form-encoded bytes as the query of a URL; only bytes that a URL cannot contain are escaped.
pub(crate) fn of_bytes(bytes: &[u8]) -> String {
    let legal = |byte: u8| byte.is_ascii_graphic() && !b"\"#<>".contains(&byte);
    let mut query = String::with_capacity(bytes.len());
    for byte in bytes {
        if legal(*byte) {
            query.push(char::from(*byte));
        } else {
            query.extend(byte_serialize(&[*byte]));
        }
    }
    query
}

/// A URL with characters that a URI cannot contain (RFC 3986 section 2) escaped by their bytes; the rest, escapes included, stays.
pub(crate) fn uri_of(url: &str) -> Cow<'_, str> {
    utf8_percent_encode(url, NOT_IN_URIS).into()
}

#[cfg(test)]
mod tests {
    use super::{of_bytes, uri_of, without};

    #[test]
    fn what_a_uri_cannot_hold_is_escaped_by_its_bytes() {
        for (url, uri) in [
            ("/a?b=c%20d%7e~&x='()'#[1]@;,!$*+", "/a?b=c%20d%7e~&x='()'#[1]@;,!$*+"),
            ("/caf\u{e9}?n=\u{1f600}", "/caf%C3%A9?n=%F0%9F%98%80"),
            ("com.example.app:/cb?a={b}|\\^`\"<> ", "com.example.app:/cb?a=%7Bb%7D%7C%5C%5E%60%22%3C%3E%20"),
        ] {
            assert_eq!(uri_of(url), uri, "{url}");
        }
    }

    #[test]
    fn parameters_are_cut_out_by_their_decoded_names_and_the_rest_is_untouched() {
        for (query, rest) in [
            ("", ""),
            ("prompt=login", ""),
            ("a=1&prompt=login&b=2", "a=1&b=2"),
            ("max_age=0&a=b+c%20d%7e~&flag&=&&e=f%3D", "a=b+c%20d%7e~&flag&=&&e=f%3D"),
            ("%70rompt=login&max%5Fage=1&a=1", "a=1"),
            ("prompt&max_age=&a", "a"),
            ("prompted=1&xmax_age=2&a=prompt", "prompted=1&xmax_age=2&a=prompt"),
        ] {
            assert_eq!(without(query, &["prompt", "max_age"]), rest, "{query}");
        }
    }

    #[test]
    fn only_what_a_url_cannot_hold_is_encoded() {
        for (bytes, query) in [
            (&b"a=b+c%20d%7e~&x='{}'"[..], "a=b+c%20d%7e~&x='{}'"),
            (b"a=1#b", "a=1%23b"),
            (b"a=b c\r\n", "a=b+c%0D%0A"),
            ("a=é\"<>".as_bytes(), "a=%C3%A9%22%3C%3E"),
            (b"a=\xff", "a=%FF"),
        ] {
            assert_eq!(of_bytes(bytes), query);
        }
    }
}
