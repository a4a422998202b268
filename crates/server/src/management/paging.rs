//! Lists in pages: the parameters of their queries, and the `Link` headers of their answers.

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
    query::{self, FilterProblem, QueryProblem},
};
use crate::error::ApiError;

/// The URL of a list as it was asked for. Every `Link` header of a list is made here.
pub(super) struct ListUrl<'a> {
    base: String,
    query: Option<&'a str>,
}

impl<'a> ListUrl<'a> {
    /// The URL of a request.
    pub(super) fn of<B>(call: &'a Call<B>) -> Self {
        Self { base: format!("{}{}", call.base_url(), call.administrator().caller.path), query: call.query() }
    }

    /// The same URL.
    pub(super) fn itself(&self) -> String {
        self.query.map_or_else(|| self.base.clone(), |query| format!("{}?{query}", self.base))
    }

    /// The URL with these parameters instead of its own of their names: `after`, to continue the list, and others.
    pub(super) fn with(&self, parameters: &[(&str, String)]) -> String {
        let mut serializer = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in url::form_urlencoded::parse(self.query.unwrap_or_default().as_bytes()) {
            if parameters.iter().all(|(own, _)| *own != name) {
                serializer.append_pair(&name, &value);
            }
        }
        serializer.extend_pairs(parameters);
        format!("{}?{}", self.base, serializer.finish())
    }

    /// A list with the links to itself and, where there is one, to its `next` page.
    pub(super) fn list<T>(&self, items: Vec<T>, next: Option<String>) -> List<T> {
        let mut headers = HeaderMap::new();
        for (url, relation) in [(self.itself(), "self")].into_iter().chain(next.map(|next| (next, "next"))) {
            if let Ok(value) = HeaderValue::from_str(&format!("<{url}>; rel=\"{relation}\"")) {
                headers.append(LINK, value);
            }
        }
        List { headers, items }
    }
}

/// Objects of a page.
pub(super) const LIMIT_MAX: usize = 200;

/// The parameters that lists of the vendor's API take, one or another.
const OF_LISTS: [&str; 9] = ["q", "search", "filter", "limit", "after", "cursor", "sortBy", "sortOrder", "expand"];

/// Refuses parameters of the vendor's lists that this one does not evaluate; without a value one asks for nothing.
pub(super) fn only(raw: Option<&str>, evaluated: &[&str]) -> Result<(), ApiError> {
    match OF_LISTS.into_iter().filter(|name| !evaluated.contains(name)).find(|name| given(raw, name).is_some()) {
        None => Ok(()),
        Some(name @ ("q" | "search" | "filter")) => Err(ApiError::Filter(FilterProblem::NotEvaluated(name))),
        Some(name) => query::check("query", vec![QueryProblem::Unsupported(name)]),
    }
}

/// `limit` of a query, from 1 to `most`.
fn limit(raw: Option<&str>, most: usize) -> Result<Option<usize>, QueryProblem> {
    let Some(text) = given(raw, "limit") else { return Ok(None) };
    let limit = text.parse().ok().filter(|limit| (1..=most).contains(limit));
    limit.map(Some).ok_or(QueryProblem::Limit { least: 1, most: most as u64 })
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

    /// Whether `q`, in lower case, finds it: one of the texts contains it.
    fn is_found(&self, q: &str) -> bool {
        self.searched().iter().any(|text| text.to_lowercase().contains(q))
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
        super::openapi::AnswerDescription::of(200, Some(super::openapi::described::<Vec<T>>(generator)))
    }
}

/// Answers with the part of a list in memory that the query asks for: `limit` and `after`, by the id, and where the resource is
/// searched also `q`, a text that one of its members contains in any case. Without `limit` the list is complete.
pub(super) fn listed<T: Listed, B>(call: &Call<B>, items: impl Iterator<Item = T>) -> Result<List<T>, ApiError> {
    listed_with(call, items, &[])
}

/// Like [`listed`], of items that the caller has already chosen by these parameters.
pub(super) fn listed_with<T: Listed, B>(
    call: &Call<B>,
    items: impl Iterator<Item = T>,
    evaluated: &[&str],
) -> Result<List<T>, ApiError> {
    let raw = call.query();
    only(raw, &[if T::IS_SEARCHED { &["q", "limit", "after"] } else { &["limit", "after"][..] }, evaluated].concat())?;
    let limit =
        limit(raw, LIMIT_MAX).map_err(|problem| ApiError::Query { subject: "query", problems: vec![problem] })?;
    let (q, after) = (given(raw, "q").map(|q| q.to_lowercase()), given(raw, "after"));
    let mut items: Vec<T> = items.filter(|item| q.as_deref().is_none_or(|q| item.is_found(q))).collect();
    if limit.is_some() || after.is_some() {
        // Ids are in the order of creation, but for those of one millisecond. The object behind `after` may be gone.
        items.sort_by(|one, other| one.id().cmp(other.id()));
        items.retain(|item| after.as_deref().is_none_or(|after| item.id() > after));
    }
    Ok(page(call, items, limit.unwrap_or(usize::MAX)))
}

/// `after` and `limit` of a page from the database: the id behind which it begins, and its length. `searched` are the other
/// parameters that the list evaluates.
pub(super) fn read_page<I: FromStr>(
    raw: Option<&str>,
    subject: &'static str,
    searched: &[&str],
) -> Result<(Option<I>, usize), ApiError> {
    read_page_of(raw, subject, searched, LIMIT_MAX)
}

/// The same of a list whose `limit` can be up to `limit_max`; without it a page has [`LIMIT_MAX`] objects.
pub(super) fn read_page_of<I: FromStr>(
    raw: Option<&str>,
    subject: &'static str,
    searched: &[&str],
    limit_max: usize,
) -> Result<(Option<I>, usize), ApiError> {
    only(raw, &[&["limit", "after"], searched].concat())?;
    let mut problems = Vec::new();
    let limit = limit(raw, limit_max).map_err(|problem| problems.push(problem));
    let after = given(raw, "after").map(|text| text.parse::<I>()).transpose();
    if after.is_err() {
        problems.push(QueryProblem::After);
    }
    match (after, limit) {
        (Ok(after), Ok(limit)) => Ok((after, limit.unwrap_or(LIMIT_MAX))),
        _ => Err(ApiError::Query { subject, problems }),
    }
}

/// Answers with at most `limit` of the items, and with a link to the next page where there are more.
pub(super) fn page<T: Listed, B>(call: &Call<B>, mut items: Vec<T>, limit: usize) -> List<T> {
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| has_more).map(|last| last.id().to_owned());
    page_until(call, items, next)
}

/// Answers with these items, and with a link to the page after `next` where there is one.
pub(super) fn page_until<T, B>(call: &Call<B>, items: Vec<T>, next: Option<String>) -> List<T> {
    let url = ListUrl::of(call);
    let next = next.map(|next| url.with(&[("after", next)]));
    url.list(items, next)
}
