//! The System Log: what was appended is found, each event once, in every order.

use std::{borrow::Cow, collections::BTreeSet};

use sea_orm::ConnectionTrait as _;
use tenterhook_contract::{Timestamp, party::Actor};
use tenterhook_model::{LogCursor, LogEvent, LogFilter, LogQuery, LogResult, Org, Severity};
use tenterhook_store::Store;

use crate::databases::{self, at, on_every_database, org, other_org};

on_every_database! {
    flushed_events_are_found_as_they_were
    paging_walks_every_event_once_in_every_order
    followers_see_events_at_once
    more_than_a_batch_is_written
    old_events_are_purged
    a_closed_log_has_written_everything
}

pub(crate) fn event(uuid: &str, published: Timestamp) -> LogEvent<'static> {
    LogEvent {
        uuid: uuid.to_owned().into(),
        org_id: org(),
        published,
        event_type: "inline_hook.executed".into(),
        severity: Severity::Warn,
        display_message: "Inline hook execution".into(),
        actor: Cow::Owned(Actor {
            id: "00u".into(),
            kind: "User".into(),
            alternate_id: None,
            display_name: Some("Ada".into()),
        }),
        client: None,
        external_session_id: None,
        result: LogResult::Failure,
        reason: Some("TIMEOUT".into()),
        debug_data: [("z", 1.into()), ("a", "2".into())].into(),
        transaction_id: "t".into(),
        request_api_token_id: None,
        targets: vec![],
    }
}

pub(crate) fn everything() -> LogQuery {
    LogQuery {
        org_id: org(),
        since: None,
        until: None,
        after: None,
        descending: false,
        polling: false,
        filter: LogFilter::default(),
        limit: 100,
    }
}

async fn flushed_events_are_found_as_they_were(store: Store) {
    let log = store.log_writer();
    let written = event("u1", at(0));
    log.append(&written);
    log.append(&LogEvent { org_id: other_org(), ..event("u2", at(0)) });
    log.flush().await;
    let page = store.query_log(&everything()).await.unwrap();
    assert_eq!(page.events, [written], "members keep their order, other orgs keep their events");
    assert!(!page.more);
    assert_eq!(log.lost(), 0);
    for (family, count) in [("inline_hook.", 1), ("inline_hook.executed", 1), ("hook.", 0), ("core.", 0)] {
        assert_eq!(store.count_log_events(&org(), family).await.unwrap(), count, "{family}");
    }
}

async fn paging_walks_every_event_once_in_every_order(store: Store) {
    let log = store.log_writer();
    // Several events share a moment, and they do not arrive in order.
    for (number, seconds) in [3, 1, 1, 2, 1, 3, 0].into_iter().enumerate() {
        log.append(&event(&number.to_string(), at(seconds)));
    }
    log.flush().await;
    for (descending, polling) in [(false, false), (true, false), (false, true)] {
        let (mut after, mut seen): (Option<LogCursor>, Vec<LogEvent>) = (None, Vec::new());
        loop {
            let query = LogQuery { after, descending, polling, limit: 2, ..everything() };
            let page = store.query_log(&query).await.unwrap();
            seen.extend(page.events);
            // The cursor travels as text.
            after = page.next.map(|next| next.to_string().parse().unwrap());
            if !page.more {
                break;
            }
        }
        let unique: BTreeSet<_> = seen.iter().map(|event| event.uuid.clone()).collect();
        assert_eq!((seen.len(), unique.len()), (7, 7), "descending {descending}, polling {polling}");
        if polling {
            assert!(seen.iter().map(|event| &event.uuid).is_sorted(), "by persistence");
            log.append(&event("7", at(0)));
            log.flush().await;
            let later = store.query_log(&LogQuery { after, polling, ..everything() }).await.unwrap();
            assert_eq!(later.events.len(), 1, "polling goes on where it stopped");
        } else {
            let by_date = seen.iter().map(|event| event.published);
            assert!(if descending { by_date.rev().is_sorted() } else { by_date.is_sorted() });
        }
    }
    let bounded = LogQuery { since: Some(at(1)), until: Some(at(3)), ..everything() };
    assert_eq!(store.query_log(&bounded).await.unwrap().events.len(), 4, "since is included, until is not");
    let none = store.query_log(&LogQuery { limit: 0, ..everything() }).await.unwrap();
    assert!(none.events.is_empty() && none.more);
    assert!("x".parse::<LogCursor>().is_err() && "1_".parse::<LogCursor>().is_err());
}

async fn followers_see_events_at_once(store: Store) {
    let log = store.log_writer();
    let mut follower = log.subscribe();
    log.append(&event("u", at(0)));
    assert_eq!(follower.recv().await.unwrap().uuid, "u");
}

async fn more_than_a_batch_is_written(store: Store) {
    let log = store.log_writer();
    for number in 0..1_201 {
        log.append(&event(&number.to_string(), at(number)));
    }
    log.flush().await;
    let page = store.query_log(&LogQuery { limit: 2_000, ..everything() }).await.unwrap();
    assert_eq!(page.events.len(), 1_201);
}

async fn old_events_are_purged(store: Store) {
    // On PostgreSQL a day is dropped when all of it is old, and its events are not counted.
    const DAY: i64 = 86_400;
    let other = LogEvent { org_id: other_org(), ..event("old", at(0)) };
    store.insert_org(&Org::new(other_org(), Some("b".into()), "B", at(0))).await.unwrap();
    let log = store.log_writer();
    // More than one batch of removals.
    for _ in 0..1_500 {
        log.append(&event("old", at(0)));
    }
    log.append(&other);
    log.append(&event("new", at(2 * DAY)));
    log.flush().await;
    // SQLite removes an event in the second in which it becomes old.
    let (now, removed) = if store.has_other_nodes() { (at(91 * DAY), 0) } else { (at(90 * DAY + 1), 1_501) };
    assert_eq!(store.purge_expired(at(90 * DAY)).await.unwrap(), 0);
    assert_eq!(store.purge_expired(at(90 * DAY)).await.unwrap(), 0, "an event is kept for 90 days");
    assert_eq!(store.purge_expired(now).await.unwrap(), 0, "it is not known yet whether the clock is right");
    assert_eq!(store.count_log_events(&org(), "").await.unwrap(), 1_501);
    assert_eq!(store.purge_expired(now).await.unwrap(), removed);
    let kept = store.query_log(&everything()).await.unwrap().events;
    assert_eq!(kept.iter().map(|event| &*event.uuid).collect::<Vec<_>>(), ["new"]);
    let other = LogQuery { org_id: other_org(), ..everything() };
    assert!(store.query_log(&other).await.unwrap().events.is_empty());
    assert_eq!(store.purge_expired(now).await.unwrap(), 0);
    // What is new is written again after the texts of the old events are gone too.
    store.purge_expired(at(200 * DAY)).await.unwrap();
    store.purge_expired(at(200 * DAY)).await.unwrap();
    log.append(&event("newer", at(200 * DAY)));
    log.flush().await;
    assert_eq!(store.query_log(&everything()).await.unwrap().events, [event("newer", at(200 * DAY))]);
}

async fn a_closed_log_has_written_everything(store: Store) {
    let log = store.log_writer();
    log.append(&event("u", at(0)));
    log.close().await;
    assert_eq!(store.query_log(&everything()).await.unwrap().events.len(), 1);
    log.flush().await;
    log.append(&event("late", at(0)));
    assert_eq!(log.lost(), 1, "what comes after is counted");
}

/// After a failover marks may be lost with other commits, and an older node writes none.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_first_poll_misses_nothing_where_marks_were_lost() {
    let config = databases::postgres().await;
    let store = databases::open(&config).await;
    let by_hand = databases::connect(&config).await;
    let log = store.log_writer();
    let since = async |seconds: i64| {
        let query = LogQuery { since: Some(at(seconds)), polling: true, ..everything() };
        store
            .query_log(&query)
            .await
            .unwrap()
            .events
            .into_iter()
            .map(|event| event.uuid.into_owned())
            .collect::<Vec<_>>()
    };
    log.append(&event("u1", at(0)));
    log.flush().await;
    by_hand.execute_unprepared("DELETE FROM log_marks").await.unwrap();
    assert_eq!(since(0).await, ["u1"], "no mark tells of it");
    assert!(since(1).await.is_empty());
    log.append(&event("u2", at(1)));
    log.flush().await;
    by_hand.execute_unprepared("DELETE FROM log_marks").await.unwrap();
    for (uuid, seconds) in [("u3", 2), ("u4", 3_600)] {
        log.append(&event(uuid, at(seconds)));
        log.flush().await;
    }
    assert_eq!(since(2).await, ["u3", "u4"], "the stretch was marked again");
    assert_eq!(since(3_600).await, ["u4"]);
}
