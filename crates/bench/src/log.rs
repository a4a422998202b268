//! `bench log`: what an event of the System Log takes on disk, and how long a page takes among many.

use std::{borrow::Cow, fs, path::Path};

use clap::Args;
use tenterhook_contract::{
    Timestamp,
    id::{EventId, OrgId, RequestId, SessionId, UserId},
    party::{Actor, Target},
};
use tenterhook_engine::Entropy as _;
use tenterhook_model::{DebugData, DebugValue, LogClient, LogEvent, LogFilter, LogQuery, LogResult, Severity};
use tenterhook_platform::entropy::SystemEntropy;
use tenterhook_store::{Keyring, Store, StoreConfig};
use tenterhook_testkit::postgres;
use tokio::time::Instant;

use crate::{Error, cpu, figure, statistics, subject};

/// Number of days that the events are spread over.
const DAYS: u64 = 7;
/// Number of orgs, of hooks of each org, and of people that events name as actors.
const ORGS: u64 = 10;
const HOOKS: u64 = 20;
const PEOPLE: u64 = 100_000;
/// One event in this many is of a failed call.
const FAILED_EVERY: u64 = 20;
/// Events of a page.
const PAGE: u64 = 100;
/// Number of events that may be queued before the benchmark waits until the earlier ones are written.
const AHEAD: u64 = 20_000;

/// Options of `bench log`.
#[derive(Args)]
pub(crate) struct Options {
    /// Events that the database is filled with.
    #[arg(long, default_value_t = 10_000_000)]
    events: u64,
    /// Pages of each query.
    #[arg(long, default_value_t = 500)]
    pages: u64,
}

/// Runs the benchmark on SQLite, and on PostgreSQL where there is a server.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("bench.sqlite");
        measure("sqlite", &StoreConfig::Sqlite { path: path.clone() }, Some(&path), options).await?;
        drop(folder);
        let Ok(server) = std::env::var(postgres::URL_VARIABLE) else {
            println!("No PostgreSQL server: only SQLite (`cargo xtask postgres cargo xtask bench log` starts one).");
            return Ok(());
        };
        let url = postgres::create_database(&server, &format!("bench_log_{}", std::process::id())).await?;
        let config = StoreConfig::Postgres { url: tenterhook_contract::Secret::new(url), max_connections: 10 };
        measure("postgres", &config, None, options).await
    })
}

async fn measure(name: &str, config: &StoreConfig, file: Option<&Path>, options: &Options) -> Result<(), Error> {
    let store = Store::open(config, Keyring::from_text(&Keyring::generate_text())?).await?;
    let entropy = SystemEntropy;
    let (log, began, cpu) = (store.log_writer(), Instant::now(), cpu::time()?);
    let step = DAYS * 86_400_000_000 / options.events.max(1);
    for number in 0..options.events {
        log.append(&event(number, step, entropy));
        if number % AHEAD == AHEAD - 1 {
            log.flush().await;
        }
    }
    log.flush().await;
    let (took, cpu) = (began.elapsed(), cpu::time()?.saturating_sub(cpu));
    if log.lost() > 0 {
        return Err(format!("{} events were lost", log.lost()).into());
    }
    let bytes = match (file, config) {
        (Some(file), _) => {
            let wal = file.with_extension("sqlite-wal");
            fs::metadata(file)?.len() + fs::metadata(wal).map_or(0, |file| file.len())
        }
        (None, StoreConfig::Postgres { url, .. }) => postgres::database_bytes(url.expose()).await?,
        (None, _) => return Err("the database has no size".into()),
    };
    #[expect(clippy::cast_precision_loss, reason = "counts of events and bytes")]
    let (events, bytes) = (options.events.max(1) as f64, bytes as f64);
    println!("\n{name}: {events} events of {ORGS} orgs in {took:.0?}; pages of {PAGE}.");
    println!("{:<28}{:>10}{:>10}", "query", "p50 ms", "p99 ms");
    let mut figures = vec![
        (format!("log_bytes_{name}"), bytes / events, "B"),
        (format!("log_append_cpu_{name}"), cpu.as_secs_f64() * 1e6 / events, "us"),
    ];
    for (query, number) in ["first_poll", "poll", "time", "time_back", "hook", "outcome", "actor"].iter().zip(0..) {
        let mut millis = Vec::new();
        for page in 0..options.pages {
            let query = asked(number, page, step, options.events);
            let began = Instant::now();
            let page = store.query_log(&query).await?;
            millis.push(began.elapsed().as_secs_f64() * 1e3);
            if page.events.is_empty() {
                return Err(format!("no event is found: {query:?}").into());
            }
        }
        let (p50, p99) = statistics::median_and_p99(&mut millis);
        println!("{query:<28}{p50:>10.2}{p99:>10.2}");
        figures.push((format!("log_{query}_p50_{name}"), p50, "ms"));
        figures.push((format!("log_{query}_p99_{name}"), p99, "ms"));
    }
    log.close().await;
    println!();
    for (figure_name, value, unit) in figures {
        figure(&figure_name, value, unit);
    }
    Ok(())
}

/// The query for page number `page` of the kind `kind`, at a place of the log that depends on both.
fn asked(kind: u64, page: u64, step: u64, events: u64) -> LogQuery {
    let place = spread(page) % (events * 9 / 10).max(1);
    // The org, the hook and the actor of an event that is there.
    let org = spread(place) % ORGS;
    let end = at(events, step);
    let query = LogQuery {
        org_id: org_id(org),
        since: Some(at(place, step)),
        until: None,
        after: None,
        descending: false,
        polling: true,
        filter: LogFilter::default(),
        limit: PAGE,
    };
    let bounded = |filter, descending| LogQuery {
        until: Some(end),
        since: Some(if descending { at(0, step) } else { at(place, step) }),
        polling: false,
        descending,
        filter,
        ..query.clone()
    };
    let (user, hook) = (user(spread(place / 2), org), spread(place / 3) % HOOKS);
    match kind {
        0 => query,
        1 => {
            let sequence = i64::try_from(place).unwrap_or_default();
            let after = tenterhook_model::LogCursor { published_micros: at(place, step).as_micros(), sequence };
            LogQuery { since: None, after: Some(after), ..query }
        }
        2 => bounded(LogFilter::default(), false),
        3 => bounded(LogFilter::default(), true),
        4 => bounded(LogFilter { hook_id: Some(hook_id(hook, org)), ..LogFilter::default() }, true),
        5 => bounded(LogFilter { result: Some(LogResult::Failure), ..LogFilter::default() }, false),
        _ => bounded(LogFilter { actor_id: Some(user_id(user)), ..LogFilter::default() }, true),
    }
}

/// A number that depends on `number` and looks like any other.
fn spread(number: u64) -> u64 {
    number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
}

fn at(number: u64, step: u64) -> Timestamp {
    Timestamp::from_micros(1_770_800_000_000_000 + i64::try_from(number * step).unwrap_or_default())
}

fn org_id(number: u64) -> OrgId {
    OrgId::from_parts(number, [1; 8])
}

/// One of the people of an org.
fn user(number: u64, org: u64) -> u64 {
    number % (PEOPLE / ORGS) * ORGS + org
}

fn user_id(user: u64) -> String {
    UserId::from_parts(user, [2; 8]).to_string()
}

fn hook_id(hook: u64, org: u64) -> String {
    tenterhook_contract::id::HookId::from_parts(hook * ORGS + org, [3; 8]).to_string()
}

fn bytes(entropy: SystemEntropy) -> [u8; 16] {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    bytes
}

/// The event of an invocation, as `bench call` causes it, of somebody with a hook of theirs.
fn event(number: u64, step: u64, entropy: SystemEntropy) -> LogEvent<'static> {
    let org = spread(number) % ORGS;
    let (user, failed) = (user(spread(number / 2), org), number.is_multiple_of(FAILED_EVERY));
    let event_id = EventId::from_entropy(bytes(entropy));
    let (request, original) = (RequestId::from_entropy(bytes(entropy)), subject::request());
    let uri = "/oauth2/aus00000000100000001/v1/authorize";
    let url = original.url.value.split_once('?').map_or(String::new(), |(_, query)| format!("{uri}?{query}"));
    let mut data = DebugData::default();
    data.put("requestId", request.to_string()).put("requestUri", uri).put("url", url);
    data.put("inlineHookType", "com.okta.oauth2.tokens.transform").put("eventId", event_id.to_string());
    if failed {
        data.put("errorMessage", "No response within 3000 ms").put("failureCode", "TIMEOUT_RESPONSE");
    } else {
        let changes = "add /claims/loyalty_id, replace /claims/preferred_airports, replace /claims/tier, add /claims/region, \
             replace /token/lifetime/expiration";
        data.put("changes", changes);
    }
    let wait = 200 + spread(number) % 3_000;
    data.put("attempts", 1_u64).put("timings", DebugValue::Timings([4, 0, 0, wait, 21, wait + 40]));
    let hook = Target {
        id: hook_id(spread(number / 3) % HOOKS, org),
        kind: "InlineHook".to_owned(),
        alternate_id: Some("unknown".to_owned()),
        display_name: Some("Bench".to_owned()),
        detail: None,
    };
    LogEvent {
        uuid: event_id.uuid().into(),
        org_id: org_id(org),
        published: at(number, step),
        event_type: if failed { "inline_hook.executed" } else { "inline_hook.response.processed" }.into(),
        severity: if failed { Severity::Warn } else { Severity::Info },
        display_message: if failed { "Inline hook execution" } else { "Inline hook response processed" }.into(),
        actor: Cow::Owned(Actor {
            id: user_id(user),
            kind: "User".to_owned(),
            alternate_id: Some(format!("user{user}@example.com")),
            display_name: Some("Ada Okoye".to_owned()),
        }),
        client: Some(LogClient {
            user_agent: Some("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36".into()),
            ip_address: original.ip_address.into(),
            proxies: Cow::default(),
            id: Some("storefront".into()),
        }),
        external_session_id: Some(SessionId::from_parts(user, [4; 8]).to_string().into()),
        result: if failed { LogResult::Failure } else { LogResult::Success },
        reason: failed.then(|| "TIMEOUT".into()),
        debug_data: data,
        transaction_id: request.to_string().into(),
        request_api_token_id: None,
        targets: vec![Cow::Owned(hook)],
    }
}
