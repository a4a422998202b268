//! `GET /api/v1/logs` (`system-log.md` section 1).

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::Value;
use tenterhook_contract::Timestamp;
use tenterhook_model::{LogCursor, LogEvent, LogQuery};
use tenterhook_store::LOG_RETENTION_SECONDS;

use super::{
    Admin, given,
    paging::{add_link, next_link, only, self_link},
};
use crate::{App, error::ApiError};

/// Events of a page when the query does not say.
const LIMIT_DEFAULT: u64 = 100;
/// Events of a page.
const LIMIT_MAX: u64 = 1_000;
/// Without `since`, a query begins this long before `until`.
const SINCE_DEFAULT_SECONDS: i64 = 7 * 86_400;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/api/v1/logs", get(list))
}

/// A query as it was written, and as it is run.
struct Asked {
    query: LogQuery,
    /// The lower bound where the query does not say one.
    since_by_default: Option<Timestamp>,
    self_link: String,
}

async fn list(State(app): State<App>, admin: Admin, RawQuery(raw): RawQuery) -> Result<Response, ApiError> {
    let base = format!("{}/api/v1/logs", admin.0.caller.base_url);
    let Asked { query, since_by_default, self_link } = read(&admin, raw.as_deref(), app.platform.now(), &base)?;
    let page = app.platform.store().query_log(&query).await?;
    let mut headers = HeaderMap::new();
    add_link(&mut headers, &self_link, "self");
    // Polling always has a next page; a bounded query has one while there is more.
    if let Some(next) = page.next.filter(|_| query.polling || page.more) {
        let mut parameters = vec![("after", next.to_string())];
        // Polling needs no lower bound behind a cursor; elsewhere older events would follow.
        parameters.extend(since_by_default.filter(|_| !query.polling).map(|since| ("since", since.to_string())));
        add_link(&mut headers, &next_link(&base, raw.as_deref(), &parameters), "next");
    } else if query.polling {
        add_link(&mut headers, &self_link, "next");
    }
    let events: Vec<Value> = page.events.iter().map(LogEvent::to_json).collect();
    Ok((headers, Json(events)).into_response())
}

fn read(admin: &Admin, raw: Option<&str>, now: Timestamp, base: &str) -> Result<Asked, ApiError> {
    let parameter = |name: &str| given(raw, name);
    only(raw, &["limit", "after", "sortOrder"])?;
    let mut causes = Vec::new();
    let mut date = |name: &str| match parameter(name).map(|text| text.parse::<Timestamp>()) {
        None => None,
        Some(Ok(date)) => Some(date),
        Some(Err(error)) => {
            causes.push(format!("{name}: {error} or empty."));
            None
        }
    };
    let (since, until) = (date("since"), date("until"));
    let limit = match parameter("limit").map(|text| text.parse::<u64>()) {
        None => LIMIT_DEFAULT,
        Some(Ok(limit)) if limit <= LIMIT_MAX => limit,
        Some(_) => {
            causes.push(format!("limit: must be a number from 0 to {LIMIT_MAX}."));
            LIMIT_DEFAULT
        }
    };
    let descending = match parameter("sortOrder").as_deref() {
        None | Some("ASCENDING") => false,
        Some("DESCENDING") => true,
        Some(_) => {
            causes.push("sortOrder: must be ASCENDING or DESCENDING.".to_owned());
            false
        }
    };
    let after = match parameter("after").map(|text| text.parse::<LogCursor>()) {
        None => None,
        Some(Ok(cursor)) => Some(cursor),
        Some(Err(_)) => {
            causes.push("after: must be taken from a next link.".to_owned());
            None
        }
    };
    if !causes.is_empty() {
        return Err(ApiError::Validation { subject: "logs", causes });
    }
    // The vendor's own clients ask for times long ago, and expect what there is.
    let since = since.map(|since| since.max(now.plus_seconds(-LOG_RETENTION_SECONDS)));
    let polling = until.is_none() && !descending;
    // A cursor continues a query whose bounds its link repeats; alone it needs no lower bound. To the second, so that the
    // link can say it exactly.
    let since_by_default = (since.is_none() && after.is_none())
        .then(|| until.unwrap_or(now).whole_seconds().plus_seconds(-SINCE_DEFAULT_SECONDS));
    let since = since.or(since_by_default);
    let query = LogQuery { org_id: admin.0.token.org_id.clone(), since, until, after, descending, polling, limit };
    Ok(Asked { query, since_by_default, self_link: self_link(base, raw) })
}
