//! Lists in pages: `Link` headers, and the links in them.

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, header::LINK},
    response::{IntoResponse as _, Response},
};
use serde_json::Value;
use tenterhook_platform::Caller;

use super::given;
use crate::error::ApiError;

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

/// Objects of a page.
pub(super) const LIMIT_MAX: usize = 200;

/// The parameters that lists of the vendor's API take, one or another.
const OF_LISTS: [&str; 9] = ["q", "search", "filter", "limit", "after", "cursor", "sortBy", "sortOrder", "expand"];

/// Refuses parameters of the vendor's lists that this one does not evaluate; without a value one asks for nothing.
pub(super) fn only(raw: Option<&str>, evaluated: &[&str]) -> Result<(), ApiError> {
    match OF_LISTS.into_iter().filter(|name| !evaluated.contains(name)).find(|name| given(raw, name).is_some()) {
        None => Ok(()),
        Some("q") => Err(ApiError::InvalidFilter("`q` is not evaluated here")),
        Some("search") => Err(ApiError::InvalidFilter("`search` is not evaluated here")),
        Some("filter") => Err(ApiError::InvalidFilter("`filter` is not evaluated here")),
        Some(name) => {
            let cause = format!("{name}: The parameter is not supported here");
            Err(ApiError::Validation { subject: "query", causes: vec![cause] })
        }
    }
}

/// `limit` of a query, from 1 to [`LIMIT_MAX`].
pub(super) fn limit(raw: Option<&str>) -> Result<Option<usize>, String> {
    let Some(text) = given(raw, "limit") else { return Ok(None) };
    let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.map(Some).ok_or_else(|| format!("limit: must be a number from 1 to {LIMIT_MAX}."))
}

/// Answers with a list that is in memory, or what the query wants of it: `limit` and `after`, by the member `id`, and
/// with `searched` also `q`, a text that one of these members contains, whatever its case. Without `limit` all of it.
pub(super) fn list(
    caller: &Caller,
    raw: Option<&str>,
    (id, searched): (&str, &[&str]),
    objects: &Value,
) -> Result<Response, ApiError> {
    let evaluated: &[&str] = if searched.is_empty() { &["limit", "after"] } else { &["q", "limit", "after"] };
    only(raw, evaluated)?;
    let parameter = |name: &str| given(raw, name);
    let limit = limit(raw).map_err(|cause| ApiError::Validation { subject: "query", causes: vec![cause] })?;
    let (q, after) = (parameter("q").map(|q| q.to_lowercase()), parameter("after"));
    let id_of = |object: &Value| object.get(id).and_then(Value::as_str).unwrap_or_default().to_owned();
    let contains = |value: &Value, q: &str| value.as_str().is_some_and(|text| text.to_lowercase().contains(q));
    let found = |object: &Value, q: &str| {
        searched.iter().filter_map(|member| object.get(member)).any(|value| match value {
            Value::Array(items) => items.iter().any(|item| contains(item, q)),
            value => contains(value, q),
        })
    };
    let all = objects.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut page: Vec<&Value> = all.iter().filter(|object| q.as_deref().is_none_or(|q| found(object, q))).collect();
    let base = format!("{}{}", caller.base_url, caller.path);
    let mut headers = HeaderMap::new();
    add_link(&mut headers, &self_link(&base, raw), "self");
    if limit.is_some() || after.is_some() {
        // Ids are in the order of creation, but for those of one millisecond. The object behind `after` may be gone.
        page.sort_by_key(|object| id_of(object));
        page.retain(|object| after.as_ref().is_none_or(|after| id_of(object) > *after));
    }
    if let Some(limit) = limit.filter(|limit| *limit < page.len()) {
        page.truncate(limit);
        let last = page.last().map(|object| id_of(object)).unwrap_or_default();
        add_link(&mut headers, &next_link(&base, raw, &[("after", last)]), "next");
    }
    Ok((headers, Json(page)).into_response())
}
