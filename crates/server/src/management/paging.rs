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

/// The same query with these parameters instead of its own of their names: `after`, to continue it, and others.
pub(super) fn next_link(base: &str, raw: Option<&str>, parameters: &[(&str, String)]) -> String {
    let mut serializer = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in url::form_urlencoded::parse(raw.unwrap_or_default().as_bytes()) {
        if parameters.iter().all(|(own, _)| *own != name) {
            serializer.append_pair(&name, &value);
        }
    }
    serializer.extend_pairs(parameters);
    format!("{base}?{}", serializer.finish())
}
