//! `GET /api/v1/logs` (`system-log.md` section 1).

use tenterhook_contract::{Timestamp, id::OrgId};
use tenterhook_management::logs::{self, LOG_RETENTION_SECONDS};
use tenterhook_model::{LogCursor, LogFilter, LogQuery};

use super::{
    answer::{List, Parameter},
    call::Call,
    given,
    log_event::ShownLogEvent,
    paging::{ListUrl, only},
    query::{self, QueryProblem},
    route::Routes,
};
use crate::error::ApiError;

/// Events of a page when the query does not say.
const LIMIT_DEFAULT: u64 = 100;
/// Events of a page.
const LIMIT_MAX: u64 = 1_000;
/// Without `since`, a query begins this long before `until`.
const SINCE_DEFAULT_SECONDS: i64 = 7 * 86_400;

const PARAMETERS: [Parameter; 4] = [
    Parameter { name: "since", description: "Only events from this date on; seven days before `until` when absent" },
    Parameter { name: "until", description: "Only events before this date; without it the list can be polled" },
    Parameter { name: "limit", description: "Events of a page, from 0 to 1000; 100 when absent" },
    Parameter { name: "sortOrder", description: "`ASCENDING` or `DESCENDING`" },
];

pub(super) fn routes() -> Routes {
    Routes::of("System Log", "okta.logs").get("/api/v1/logs", "listLogEvents", list).with(&PARAMETERS)
}

/// A query as it is run.
struct Asked {
    query: LogQuery,
    /// The lower bound that applies because the query has none.
    since_by_default: Option<Timestamp>,
}

async fn list(call: Call) -> Result<List<ShownLogEvent<'static>>, ApiError> {
    let url = ListUrl::of(&call);
    let org = &call.administrator().token.org_id;
    let Asked { query, since_by_default } = read(org, call.query(), call.platform().now())?;
    let page = logs::query(call.platform(), &query).await?;
    // Polling always has a next page; a bounded query has one while there is more.
    let next = page.next.filter(|_| query.polling || page.more).map(|next| {
        let mut parameters = vec![("after", next.to_string())];
        // Polling needs no lower bound behind a cursor; elsewhere older events would follow.
        parameters.extend(since_by_default.filter(|_| !query.polling).map(|since| ("since", since.to_string())));
        url.with(&parameters)
    });
    let next = next.or_else(|| query.polling.then(|| url.itself()));
    Ok(url.list(page.events.into_iter().map(Into::into).collect(), next))
}

fn read(org: &OrgId, raw: Option<&str>, now: Timestamp) -> Result<Asked, ApiError> {
    let parameter = |name: &str| given(raw, name);
    only(raw, &["limit", "after", "sortOrder"])?;
    let mut problems = Vec::new();
    let mut date = |name: &'static str| match parameter(name).map(|text| text.parse::<Timestamp>()) {
        None => None,
        Some(Ok(date)) => Some(date),
        Some(Err(error)) => {
            problems.push(QueryProblem::Date { name, error });
            None
        }
    };
    let (since, until) = (date("since"), date("until"));
    let limit = match parameter("limit").map(|text| text.parse::<u64>()) {
        None => LIMIT_DEFAULT,
        Some(Ok(limit)) if limit <= LIMIT_MAX => limit,
        Some(_) => {
            problems.push(QueryProblem::Limit { least: 0, most: LIMIT_MAX });
            LIMIT_DEFAULT
        }
    };
    let descending = match parameter("sortOrder").as_deref() {
        None | Some("ASCENDING") => false,
        Some("DESCENDING") => true,
        Some(_) => {
            problems.push(QueryProblem::SortOrder);
            false
        }
    };
    let after = match parameter("after").map(|text| text.parse::<LogCursor>()) {
        None => None,
        Some(Ok(cursor)) => Some(cursor),
        Some(Err(_)) => {
            problems.push(QueryProblem::After);
            None
        }
    };
    query::check("logs", problems)?;
    // The vendor's own clients ask for times long ago, and expect what there is.
    let since = since.map(|since| since.max(now.plus_seconds(-LOG_RETENTION_SECONDS)));
    let polling = until.is_none() && !descending;
    // A cursor continues a query whose bounds its link repeats; alone it needs no lower bound. To the second, so that the
    // link can say it exactly.
    let since_by_default = (since.is_none() && after.is_none())
        .then(|| until.unwrap_or(now).whole_seconds().plus_seconds(-SINCE_DEFAULT_SECONDS));
    let since = since.or(since_by_default);
    let (org_id, filter) = (org.clone(), LogFilter::default());
    let query = LogQuery { org_id, since, until, after, descending, polling, filter, limit };
    Ok(Asked { query, since_by_default })
}
