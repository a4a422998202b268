//! Lists in pages: `Link` headers, and the links in them.

use axum::http::{HeaderMap, HeaderValue, header::LINK};

/// Adds a link to the headers of an answer.
pub(super) fn add_link(headers: &mut HeaderMap, url: &str, relation: &str) {
    if let Ok(value) = HeaderValue::from_str(&format!("<{url}>; rel=\"{relation}\"")) {
        headers.append(LINK, value);
    }
}

/// The URL of the query itself.
pub(super) fn self_link(base: &str, raw: Option<&str>) -> String {
    raw.map_or_else(|| base.to_owned(), |raw| format!("{base}?{raw}"))
}

/// The same query, continued behind `after`.
pub(super) fn next_link(base: &str, raw: Option<&str>, after: &str) -> String {
    let mut serializer = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in url::form_urlencoded::parse(raw.unwrap_or_default().as_bytes()) {
        if name != "after" {
            serializer.append_pair(&name, &value);
        }
    }
    serializer.append_pair("after", after);
    format!("{base}?{}", serializer.finish())
}
