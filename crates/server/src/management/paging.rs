//! Lists in pages: `Link` headers, and the links in them.

use std::str::FromStr;

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, header::LINK},
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use serde_json::Value;

use super::{
    answer::{Answer, Described, List, Parameter},
    call::Call,
    given,
};
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

/// A text that one of the searched members contains.
pub(super) const Q: Parameter = Parameter { name: "q", description: "Only what has this text in its name" };
/// Where a page begins.
pub(super) const AFTER: Parameter =
    Parameter { name: "after", description: "Taken from the `next` link of the page before" };
/// The length of a page.
pub(super) const LIMIT: Parameter = Parameter { name: "limit", description: "Objects of a page, from 1 to 200" };

/// A resource in a list.
pub(super) trait Listed {
    /// Whether lists of it evaluate `q`.
    const IS_SEARCHED: bool = false;

    /// By which `after` continues a list.
    fn id(&self) -> &str;

    /// The texts that `q` is looked for in.
    fn searched(&self) -> Vec<&str> {
        Vec::new()
    }
}

impl Listed for Value {
    fn id(&self) -> &str {
        self.get("id").and_then(Self::as_str).unwrap_or_default()
    }
}

impl<T: Listed + Serialize + Described + Send + 'static> Answer for List<T> {
    const PARAMETERS: &'static [Parameter] = if T::IS_SEARCHED { &[Q, LIMIT, AFTER] } else { &[LIMIT, AFTER] };

    fn respond(self) -> Response {
        (self.headers, Json(self.items)).into_response()
    }

    #[cfg(feature = "schema")]
    fn describe(generator: &mut schemars::SchemaGenerator) -> super::openapi::AnswerDescription {
        super::openapi::AnswerDescription { status: 200, schema: Some(super::openapi::described::<Vec<T>>(generator)) }
    }
}

/// Answers with a list that is in memory, or what the query wants of it: `limit` and `after`, by the id, and where the
/// resource is searched also `q`, a text that one of its members contains, whatever its case. Without `limit` all of it.
pub(super) fn listed<T: Listed, B>(call: &Call<B>, items: impl Iterator<Item = T>) -> Result<List<T>, ApiError> {
    let raw = call.query();
    only(raw, if T::IS_SEARCHED { &["q", "limit", "after"] } else { &["limit", "after"] })?;
    let limit = limit(raw).map_err(|cause| ApiError::Validation { subject: "query", causes: vec![cause] })?;
    let (q, after) = (given(raw, "q").map(|q| q.to_lowercase()), given(raw, "after"));
    let found = |item: &T, q: &str| item.searched().iter().any(|text| text.to_lowercase().contains(q));
    let mut items: Vec<T> = items.filter(|item| q.as_deref().is_none_or(|q| found(item, q))).collect();
    let base = format!("{}{}", call.base_url(), call.administrator().caller.path);
    let mut headers = HeaderMap::new();
    add_link(&mut headers, &self_link(&base, raw), "self");
    if limit.is_some() || after.is_some() {
        // Ids are in the order of creation, but for those of one millisecond. The object behind `after` may be gone.
        items.sort_by(|one, other| one.id().cmp(other.id()));
        items.retain(|item| after.as_deref().is_none_or(|after| item.id() > after));
    }
    if let Some(limit) = limit.filter(|limit| *limit < items.len()) {
        items.truncate(limit);
        let last = items.last().map(|item| item.id().to_owned()).unwrap_or_default();
        add_link(&mut headers, &next_link(&base, raw, &[("after", last)]), "next");
    }
    Ok(List { headers, items })
}

/// The id behind which a page from the database begins, and its length. `searched` are the parameters that the list evaluates
/// besides.
pub(super) fn read_page<I: FromStr>(
    raw: Option<&str>,
    subject: &'static str,
    searched: &[&str],
) -> Result<(Option<I>, usize), ApiError> {
    only(raw, &[&["limit", "after"], searched].concat())?;
    let mut causes = Vec::new();
    let limit = limit(raw).map_err(|cause| causes.push(cause));
    let after = given(raw, "after").map(|text| text.parse::<I>()).transpose();
    if after.is_err() {
        causes.push("after: must be taken from a next link.".to_owned());
    }
    match (after, limit) {
        (Ok(after), Ok(limit)) => Ok((after, limit.unwrap_or(LIMIT_MAX))),
        _ => Err(ApiError::Validation { subject, causes }),
    }
}

/// Answers with a page from the database, of which one item more than `limit` was read where there are that many.
pub(super) fn page<T: Listed, B>(call: &Call<B>, mut items: Vec<T>, limit: usize) -> List<T> {
    let (raw, more) = (call.query(), items.len() > limit);
    items.truncate(limit);
    let base = format!("{}{}", call.base_url(), call.administrator().caller.path);
    let mut headers = HeaderMap::new();
    add_link(&mut headers, &self_link(&base, raw), "self");
    if let Some(last) = items.last().filter(|_| more) {
        add_link(&mut headers, &next_link(&base, raw, &[("after", last.id().to_owned())]), "next");
    }
    List { headers, items }
}
