//! What is asked for by type, result, actor, hook, client, request and failure code: exactly that, in every order.

use std::{borrow::Cow, collections::BTreeSet};

use tenterhook_contract::party::{Actor, Target};
use tenterhook_model::{DebugData, LogClient, LogCursor, LogEvent, LogFilter, LogQuery, LogResult};
use tenterhook_store::Store;

use crate::{
    databases::{at, on_every_database, org},
    log::{event, everything},
};

on_every_database! {
    a_filter_finds_what_it_names_in_every_order
    pages_of_a_filter_walk_every_event_once
    a_filter_that_few_events_match_looks_at_a_bounded_number_of_rows
}

const HOOK: &str = "cal00000000000000001";

/// Event number `number`: its members differ by different divisors.
fn numbered(number: i64) -> LogEvent<'static> {
    let of = |divisor: i64, some: &str, other: &str| if number % divisor == 0 { some } else { other }.to_owned();
    let hook = Target {
        id: of(3, HOOK, "cal00000000000000002"),
        kind: "InlineHook".into(),
        alternate_id: Some("unknown".into()),
        // A hook that was renamed is the same one.
        display_name: Some(format!("Hook {}", number % 7)),
        detail: None,
    };
    let mut debug_data = DebugData::default();
    debug_data.put("failureCode", of(4, "TIMEOUT", "HTTP_STATUS"));
    LogEvent {
        // Epochs of the log's texts pass meanwhile, and not in the order of writing.
        published: at((number * 7_919) % 1_000 * 6_000),
        event_type: of(5, "user.session.start", "inline_hook.executed").into(),
        actor: Cow::Owned(Actor {
            id: of(6, "00uada", "00ubob"),
            kind: "User".into(),
            alternate_id: Some(format!("ada{number}@example.com")),
            display_name: None,
        }),
        client: Some(LogClient {
            user_agent: Some("Mozilla/5.0".into()),
            ip_address: "192.0.2.1".into(),
            proxies: Cow::default(),
            id: Some(of(7, "storefront", "backoffice").into()),
        }),
        result: if number % 8 == 0 { LogResult::Failure } else { LogResult::Success },
        debug_data,
        transaction_id: format!("{number:032x}").into(),
        targets: vec![Cow::Owned(hook)],
        ..event(&number.to_string(), at(0))
    }
}

/// A filter, and by what a number is divided whose event it finds.
fn filters() -> Vec<(LogFilter, i64)> {
    let some = |text: &str| Some(text.to_owned());
    let none = LogFilter::default;
    vec![
        (LogFilter { hook_id: some(HOOK), ..none() }, 3),
        (LogFilter { failure_code: some("TIMEOUT"), ..none() }, 4),
        (LogFilter { event_type: some("user.session.start"), ..none() }, 5),
        (LogFilter { actor_id: some("00uada"), ..none() }, 6),
        (LogFilter { client_id: some("storefront"), ..none() }, 7),
        (LogFilter { result: Some(LogResult::Failure), ..none() }, 8),
        (LogFilter { hook_id: some(HOOK), actor_id: some("00uada"), result: Some(LogResult::Failure), ..none() }, 24),
        (LogFilter { actor_id: some("00uada"), event_type: some("user.session.start"), ..none() }, 30),
        (LogFilter { result: Some(LogResult::Failure), failure_code: some("TIMEOUT"), ..none() }, 8),
        (LogFilter { hook_id: some("cal00000000000000009"), ..none() }, i64::MAX),
        (LogFilter { event_type: some("user.session"), ..none() }, i64::MAX),
    ]
}

/// Follows pages to their end; numbers of the events in the order in which they came.
async fn walk(store: &Store, query: LogQuery) -> Vec<i64> {
    let (mut after, mut seen): (Option<LogCursor>, Vec<i64>) = (query.after, Vec::new());
    loop {
        let page = store.query_log(&LogQuery { after, ..query.clone() }).await.unwrap();
        seen.extend(page.events.iter().map(|event| event.uuid.parse::<i64>().unwrap()));
        if !page.more {
            return seen;
        }
        assert!(page.next != after, "it goes on");
        after = page.next;
    }
}

fn orders() -> impl Iterator<Item = LogQuery> {
    let of = |(descending, polling)| LogQuery { descending, polling, ..everything() };
    [(false, false), (true, false), (false, true)].into_iter().map(of)
}

async fn filled(store: &Store, events: i64) {
    let log = store.log_writer();
    for number in 1..=events {
        log.append(&numbered(number));
    }
    log.append(&LogEvent { org_id: crate::databases::other_org(), ..numbered(0) });
    log.flush().await;
}

async fn a_filter_finds_what_it_names_in_every_order(store: Store) {
    filled(&store, 400).await;
    for (filter, divisor) in filters() {
        let wanted: Vec<i64> = (1..=400).filter(|number| number % divisor == 0).collect();
        for query in orders() {
            let query = LogQuery { filter: filter.clone(), limit: 1_000, ..query };
            let page = store.query_log(&query).await.unwrap();
            let seen: BTreeSet<i64> = page.events.iter().map(|event| event.uuid.parse().unwrap()).collect();
            assert_eq!((seen.into_iter().collect::<Vec<_>>(), page.more), (wanted.clone(), false), "{query:?}");
            for event in &page.events {
                assert_eq!(event, &numbered(event.uuid.parse().unwrap()));
            }
        }
    }
    let one = LogFilter { transaction_id: Some(format!("{:032x}", 77)), ..LogFilter::default() };
    assert_eq!(walk(&store, LogQuery { filter: one, ..everything() }).await, [77]);
}

async fn pages_of_a_filter_walk_every_event_once(store: Store) {
    filled(&store, 400).await;
    for (filter, divisor) in filters() {
        for query in orders() {
            let query = LogQuery { filter: filter.clone(), limit: 7, ..query };
            let seen = walk(&store, query.clone()).await;
            let mut wanted: Vec<i64> = (1..=400).filter(|number| number % divisor == 0).collect();
            if !query.polling {
                wanted.sort_by_key(|number| (numbered(*number).published, *number));
            }
            if query.descending {
                wanted.reverse();
            }
            assert_eq!(seen, wanted, "{query:?}");
        }
    }
}

async fn a_filter_that_few_events_match_looks_at_a_bounded_number_of_rows(store: Store) {
    const EVENTS: i64 = 5_600;
    filled(&store, EVENTS).await;
    for number in [1, EVENTS] {
        let filter = LogFilter { transaction_id: Some(format!("{number:032x}")), ..LogFilter::default() };
        for query in orders() {
            let query = LogQuery { filter: filter.clone(), ..query };
            let first = store.query_log(&query).await.unwrap();
            assert!(first.more && first.next.is_some(), "5,000 of them were looked at");
            assert_eq!(walk(&store, query).await, [number]);
        }
    }
    assert_eq!(store.count_log_events(&org(), "user.session").await.unwrap(), u64::try_from(EVENTS / 5).unwrap());
}
