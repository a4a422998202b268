//! A row of the System Log, and the event that is read from it.
//!
//! Attributes that people filter by are columns. All others are in one JSON array, the rest. It repeats no column, and a text that
//! occurs in other events too is replaced by its number (`log_names`), as are `null`, `true` and `false` ([`SHORT`]). Its members, by
//! position:
//!
//! | | |
//! |---|---|
//! | 0 | the version of this form: 2 |
//! | 1 | the actor: type unless it is `User`, alternate id, display name |
//! | 2 | the client's user agent |
//! | 3 | its address; an array when proxies follow; null when no request caused the event |
//! | 4, 5 | the external session id; the API token's id |
//! | 6 | the reason of the outcome |
//! | 7 | the names of the debug data; as many values follow, as `log_pieces` describes them |
//! | then | the targets: id, type, alternate id, display name, and details if any; the first inline hook without its id, which is a column |
//!
//! An event that waits to be written has the form of `log_pieces`.

use std::{borrow::Cow, fmt::Write as _};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use tenterhook_contract::{
    Timestamp,
    id::OrgId,
    party::{Actor, Target},
};
use tenterhook_model::{DebugData, DebugValue, LogClient, LogEvent, LogResult, PHASES, Severity};

use crate::{
    StoreError,
    log_ids::{id_of_bytes, uuid_of_bits},
    log_pieces::{Head, Piece, USER, number_of, read, text_of},
};

/// The version of the form of the rest. In version 1 `null`, `true` and `false` are written as in JSON, and every actor has its type.
const VERSION: u64 = 2;
/// Members that occur in nearly every event, and the numbers that are written for them: no text has these.
const SHORT: [(&str, i64); 3] = [("null", 0), ("true", -1), ("false", -2)];

/// A row that was read. `name` gives the text of a number.
pub(crate) struct Row<'a, N> {
    pub(crate) org_id: OrgId,
    pub(crate) published: Timestamp,
    pub(crate) result: i16,
    pub(crate) actor: &'a str,
    pub(crate) id: &'a [u8],
    pub(crate) transaction: &'a [u8],
    /// JSON texts.
    pub(crate) kind: &'a str,
    pub(crate) hook: Option<&'a str>,
    pub(crate) client: Option<&'a str>,
    pub(crate) failure: Option<&'a str>,
    pub(crate) rest: Vec<Value>,
    pub(crate) name: N,
}

/// The event that was written as these pieces.
pub(crate) fn event_of_pieces(head: &Head, text: &str) -> Result<LogEvent<'static>, StoreError> {
    let (columns, pieces) = read(text);
    let pieces = pieces.map(|piece| match piece {
        Piece::Inline(piece) | Piece::Often(piece) => serde_json::from_str(piece).map_err(|_| unreadable("a piece")),
    });
    let rest = std::iter::once(Ok(VERSION.into())).chain(pieces).collect::<Result<Vec<Value>, _>>()?;
    Row {
        org_id: head.org_id.clone(),
        published: head.published,
        result: head.result,
        actor: &columns.actor_id(),
        id: &columns.id_bytes(head),
        transaction: &columns.transaction_bytes(head),
        kind: columns.kind,
        hook: columns.hook,
        client: columns.client,
        failure: columns.failure,
        rest,
        name: |_: i64| None::<&str>,
    }
    .event()
}

/// The numbers of texts in a rest.
pub(crate) fn numbers_of(rest: &[Value]) -> impl Iterator<Item = i64> {
    rest.iter().skip(1).filter_map(Value::as_i64).filter(|number| *number > 0)
}

/// Writes the version of a rest. Its members follow, and a bracket.
pub(crate) fn begin_rest(text: &mut String) {
    // Writing to a text does not fail.
    let _ = write!(text, "[{VERSION}");
}

/// Writes the next member of a rest, a piece.
pub(crate) fn push_member(text: &mut String, piece: &str) {
    if let Some((_, number)) = SHORT.iter().find(|(long, _)| *long == piece) {
        push_number(text, *number);
    } else {
        text.push(',');
        text.push_str(piece);
    }
}

/// Writes the next member of a rest, the number of a text.
pub(crate) fn push_number(text: &mut String, number: i64) {
    // Writing to a text does not fail.
    let _ = write!(text, ",{number}");
}

impl<'n, N: Fn(i64) -> Option<&'n str>> Row<'_, N> {
    /// The event.
    ///
    /// # Errors
    /// When it is not of this form, or a text of it is not there.
    pub(crate) fn event(self) -> Result<LogEvent<'static>, StoreError> {
        let Row { org_id, published, result, actor, id, transaction, kind, hook, client, failure, rest, name } = self;
        let mut rest = rest.into_iter();
        let version = rest.next().as_ref().and_then(Value::as_u64);
        if !version.is_some_and(|version| (1..=VERSION).contains(&version)) {
            return Err(unreadable("its form is of another version"));
        }
        let id = id_of_bytes(id);
        let transaction_id = id_of_bytes(transaction).map_or_else(|text| text, |bits| format!("{bits:032x}"));
        let failure = failure.map(text_of);
        let mut next = || resolved(rest.next().ok_or_else(|| unreadable("it is too short"))?, &name);
        let [kind_of_actor, alternate_id, display_name] = match next()? {
            Value::Array(members) if members.len() == 2 => {
                let [alternate_id, display_name] = array(Value::Array(members))?;
                [USER.into(), alternate_id, display_name]
            }
            members => array(members)?,
        };
        let user_agent = text_or_none(next()?)?;
        let mut addresses = match next()? {
            Value::Null => None,
            Value::Array(addresses) => Some(addresses.into_iter().map(text).collect::<Result<Vec<_>, _>>()?),
            one => Some(vec![text(one)?]),
        };
        let (session, token) = (text_or_none(next()?)?, text_or_none(next()?)?);
        let reason = text_or_none(next()?)?;
        let Value::Array(names) = next()? else { return Err(unreadable("its debug data")) };
        let mut debug_data = DebugData::with_capacity(names.len());
        let mut before = String::new();
        for named in names {
            let value = match next()? {
                Value::Null => DebugValue::from(transaction_id.clone()),
                Value::Bool(true) => match id {
                    Ok(bits) => DebugValue::from(URL_SAFE_NO_PAD.encode(bits.to_be_bytes())),
                    Err(_) => return Err(unreadable("its id")),
                },
                Value::Bool(false) => DebugValue::from(failure.as_deref().unwrap_or_default().to_owned()),
                Value::String(text) => DebugValue::from(text),
                Value::Array(items) => debug_array(&items, &before)?,
                _ => return Err(unreadable("its debug data")),
            };
            before.clear();
            if let DebugValue::Text(text) = &value {
                before.push_str(text);
            }
            debug_data.put(text(named)?, value);
        }
        let mut targets = Vec::new();
        for value in rest {
            targets.push(Cow::Owned(target(resolved(value, &name)?, hook)?));
        }
        let (event_type, display_message, severity): (String, String, Severity) =
            serde_json::from_str(kind).map_err(|_| unreadable("its type"))?;
        let client = match &mut addresses {
            None => None,
            Some(addresses) if addresses.is_empty() => return Err(unreadable("its client")),
            Some(addresses) => Some(LogClient {
                user_agent: user_agent.map(Cow::Owned),
                ip_address: addresses.remove(0).into(),
                proxies: std::mem::take(addresses).into(),
                id: client.map(|id| text_of(id).into_owned().into()),
            }),
        };
        Ok(LogEvent {
            uuid: id.map_or_else(|text| text, uuid_of_bits).into(),
            org_id,
            published,
            event_type: event_type.into(),
            severity,
            display_message: display_message.into(),
            actor: Cow::Owned(Actor {
                id: actor.to_owned(),
                kind: text(kind_of_actor)?,
                alternate_id: text_or_none(alternate_id)?,
                display_name: text_or_none(display_name)?,
            }),
            client,
            external_session_id: session.map(Cow::Owned),
            result: result_of(result)?,
            reason: reason.map(Cow::Owned),
            debug_data,
            transaction_id: transaction_id.into(),
            request_api_token_id: token.map(Cow::Owned),
            targets,
        })
    }
}

/// A member of the rest, with the text that a number stands for.
fn resolved<'n>(value: Value, name: &impl Fn(i64) -> Option<&'n str>) -> Result<Value, StoreError> {
    let Value::Number(number) = value else { return Ok(value) };
    let number = number.as_i64();
    let short = SHORT.iter().find(|(_, short)| number == Some(*short)).map(|(long, _)| *long);
    let text = short.or_else(|| number.and_then(name)).ok_or_else(|| unreadable("a text of it is not there"))?;
    serde_json::from_str(text).map_err(|_| unreadable("a text of it"))
}

/// A target; one of three members is the hook whose id is a column.
fn target(value: Value, hook: Option<&str>) -> Result<Target, StoreError> {
    let Value::Array(members) = value else { return Err(unreadable("a target")) };
    let is_hook = members.len() == 3;
    let mut members = members.into_iter();
    let id = if is_hook {
        hook.map(text_of).map(Cow::into_owned).ok_or_else(|| unreadable("its hook"))?
    } else {
        text(members.next().unwrap_or_default())?
    };
    let mut next = || members.next().unwrap_or_default();
    let (kind, alternate_id, display_name) = (text(next())?, text_or_none(next())?, text_or_none(next())?);
    let detail = match next() {
        Value::Null => None,
        Value::Object(detail) => Some(detail),
        _ => return Err(unreadable("the detail of a target")),
    };
    Ok(Target { id, kind, alternate_id, display_name, detail })
}

/// A value of the debug data that stands in an array.
fn debug_array(items: &[Value], before: &str) -> Result<DebugValue<'static>, StoreError> {
    match items {
        [Value::String(rest)] => Ok(format!("{before}{rest}").into()),
        [number] => number.as_u64().map(DebugValue::Number).ok_or_else(|| unreadable("a count")),
        several => {
            let mut micros = [0; PHASES.len()];
            if several.len() != micros.len() {
                return Err(unreadable("its timings"));
            }
            for (place, item) in micros.iter_mut().zip(several) {
                *place = item.as_u64().ok_or_else(|| unreadable("its timings"))?;
            }
            Ok(DebugValue::Timings(micros))
        }
    }
}

fn array<const N: usize>(value: Value) -> Result<[Value; N], StoreError> {
    let Value::Array(items) = value else { return Err(unreadable("a member")) };
    items.try_into().map_err(|_| unreadable("a member"))
}

fn text(value: Value) -> Result<String, StoreError> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(unreadable("a text")),
    }
}

fn text_or_none(value: Value) -> Result<Option<String>, StoreError> {
    match value {
        Value::Null => Ok(None),
        value => text(value).map(Some),
    }
}

/// The error of an event that cannot be read or written. `why` repeats nothing of its content.
pub(crate) fn unreadable(why: impl Into<String>) -> StoreError {
    StoreError::Unreadable { what: "log event", why: why.into() }
}

fn result_of(number: i16) -> Result<LogResult, StoreError> {
    let all = [LogResult::Success, LogResult::Failure, LogResult::Skipped, LogResult::RateLimit];
    all.into_iter().find(|result| number_of(*result) == number).ok_or_else(|| unreadable("its result"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use proptest::{collection::vec, option, prelude::*};
    use tenterhook_contract::id::{EventId, RequestId};

    use super::*;
    use crate::log_pieces::{EVENT_ID, FAILURE_CODE, HOOK, pieces};

    /// Texts with what JSON escapes, what separates pieces, and what other members say.
    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z\"\\\\\n\u{0}é{}?= ]{0,24}",
            Just("/oauth2/default/v1/token".to_owned()),
            Just("TIMEOUT".to_owned())
        ]
    }

    fn results() -> impl Strategy<Value = (LogResult, Severity)> {
        let results = [LogResult::Success, LogResult::Failure, LogResult::Skipped, LogResult::RateLimit];
        let severities = [Severity::Debug, Severity::Info, Severity::Warn, Severity::Error];
        (prop::sample::select(results.to_vec()), prop::sample::select(severities.to_vec()))
    }

    fn targets() -> impl Strategy<Value = Target> {
        let kinds = prop_oneof![Just(HOOK.to_owned()), Just("User".to_owned()), texts()];
        let details = option::of(vec((texts(), texts()), 0..3));
        (texts(), kinds, option::of(texts()), option::of(texts()), details).prop_map(
            |(id, kind, alternate_id, display_name, detail)| {
                let members = |(name, value): (String, String)| (name, Value::from(value));
                let detail = detail.map(|detail| detail.into_iter().map(members).collect());
                Target { id, kind, alternate_id, display_name, detail }
            },
        )
    }

    fn debug_data() -> impl Strategy<Value = Vec<DebugValue<'static>>> {
        let text = || texts().prop_map(DebugValue::from);
        let value = prop_oneof![
            text(),
            text(),
            any::<u64>().prop_map(DebugValue::Number),
            any::<[u64; PHASES.len()]>().prop_map(DebugValue::Timings),
        ];
        vec(value, 0..8)
    }

    fn clients() -> impl Strategy<Value = LogClient<'static>> {
        (option::of(texts()), texts(), vec(texts(), 0..3), option::of(texts())).prop_map(
            |(user_agent, ip_address, proxies, id)| LogClient {
                user_agent: user_agent.map(Cow::Owned),
                ip_address: ip_address.into(),
                proxies: proxies.into(),
                id: id.map(Cow::Owned),
            },
        )
    }

    prop_compose! {
        fn events()(
            uuid in prop_oneof![any::<[u8; 16]>().prop_map(tenterhook_contract::id::uuid), texts(), "[a-f0-9-]{36}", "[a-z]{14,16}"],
            event_id in option::of(any::<[u8; 16]>()),
            published in any::<i64>(),
            (result, severity) in results(),
            actor in (texts(), prop_oneof![texts(), Just(USER.to_owned())], option::of(texts()), option::of(texts())),
            client in option::of(clients()),
            session in option::of(texts()),
            reason in option::of(texts()),
            token in option::of(texts()),
            transaction in prop_oneof![
                any::<[u8; 16]>().prop_map(|bytes| RequestId::from_entropy(bytes).to_string()),
                texts(),
                "[A-F0-9]{32}"
            ],
            values in debug_data(),
            says_more in any::<bool>(),
            targets in vec(targets(), 0..4),
            (event_type, message) in (texts(), texts()),
        ) -> LogEvent<'static> {
            let event_id = event_id.map(EventId::from_entropy);
            let mut data = DebugData::default();
            for (place, value) in values.into_iter().enumerate() {
                data.put(format!("member {place}"), value);
            }
            if says_more {
                data.put("requestId", transaction.clone()).put("requestUri", "/oauth2/v1/token");
                data.put("url", "/oauth2/v1/token?a=\u{e9}").put(FAILURE_CODE, "TIMEOUT");
                if let Some(id) = &event_id {
                    data.put(EVENT_ID, id.to_string());
                }
            }
            let (id, kind, alternate_id, display_name) = actor;
            LogEvent {
                uuid: event_id.map_or(uuid, |id| id.uuid()).into(),
                org_id: OrgId::from_parts(1, [1; 8]),
                published: Timestamp::from_micros(published),
                event_type: event_type.into(),
                severity,
                display_message: message.into(),
                actor: Cow::Owned(Actor { id, kind, alternate_id, display_name }),
                client,
                external_session_id: session.map(Cow::Owned),
                result,
                reason: reason.map(Cow::Owned),
                debug_data: data,
                transaction_id: transaction.into(),
                request_api_token_id: token.map(Cow::Owned),
                targets: targets.into_iter().map(Cow::Owned).collect(),
            }
        }
    }

    /// The event of a row, each text of which that may have a number has one.
    fn through_a_row(event: &LogEvent<'_>) -> LogEvent<'static> {
        let (head, text) = pieces(event).unwrap();
        let (columns, rest) = read(&text);
        let mut names = Vec::new();
        let mut text = String::new();
        begin_rest(&mut text);
        for piece in rest {
            match piece {
                Piece::Inline(piece) => push_member(&mut text, piece),
                Piece::Often(piece) => {
                    names.push(piece);
                    push_number(&mut text, i64::try_from(names.len()).unwrap());
                }
            }
        }
        text.push(']');
        let (actor, id, transaction) = (columns.actor_id(), columns.id_bytes(&head), columns.transaction_bytes(&head));
        let row = Row {
            org_id: head.org_id.clone(),
            published: head.published,
            result: head.result,
            actor: &actor,
            id: &id,
            transaction: &transaction,
            kind: columns.kind,
            hook: columns.hook,
            client: columns.client,
            failure: columns.failure,
            rest: serde_json::from_str(&text).unwrap(),
            name: |number: i64| names.get(usize::try_from(number).unwrap() - 1).copied(),
        };
        row.event().unwrap()
    }

    /// Rows of the version before are read as they were.
    #[test]
    fn a_rest_of_the_version_before_is_read() {
        let event_of = |rest: &str| {
            let names = ["[\"eventId\",\"failureCode\",\"requestId\"]", "\"TIMEOUT\""];
            let row = Row {
                org_id: OrgId::from_parts(1, [1; 8]),
                published: Timestamp::from_micros(0),
                result: 0,
                actor: "00u",
                id: &[7; 16],
                transaction: &[9; 16],
                kind: "[\"a\",\"b\",\"INFO\"]",
                hook: None,
                client: None,
                failure: Some("\"TIMEOUT\""),
                rest: serde_json::from_str(rest).unwrap(),
                name: |number: i64| names.get(usize::try_from(number).unwrap() - 1).copied(),
            };
            row.event().unwrap()
        };
        let before = event_of(r#"[1,["User",null,null],null,"192.0.2.1",null,null,2,1,true,false,null]"#);
        assert_eq!(before, event_of(r#"[2,[null,null],0,"192.0.2.1",0,0,2,1,-1,-2,0]"#));
        assert_eq!((before.debug_data.members().count(), before.reason.as_deref()), (3, Some("TIMEOUT")));
        assert_eq!(numbers_of(&serde_json::from_str::<Vec<Value>>("[2,0,-1,-2,5]").unwrap()).collect::<Vec<_>>(), [5]);
    }

    proptest! {
        #[test]
        fn an_event_is_the_same_after_it_was_a_row(event in events()) {
            let (head, text) = pieces(&event).unwrap();
            prop_assert_eq!(&event_of_pieces(&head, &text).unwrap(), &event);
            prop_assert_eq!(&through_a_row(&event), &event);
            prop_assert_eq!(serde_json::to_string(&through_a_row(&event)).unwrap(), serde_json::to_string(&event).unwrap());
        }

        /// A row that was damaged is an error, not a panic.
        #[test]
        fn whatever_is_in_a_row_is_read_or_refused(rest in "[\\[\\]{}0-9a-z,\" :]{0,40}") {
            let rest = serde_json::from_str(&format!("[1,{rest}]")).unwrap_or_default();
            let row = Row {
                org_id: OrgId::from_parts(1, [1; 8]),
                published: Timestamp::from_micros(0),
                result: 0,
                actor: "",
                id: &[],
                transaction: &[],
                kind: "[\"a\",\"b\",\"INFO\"]",
                hook: None,
                client: None,
                failure: None,
                rest,
                name: |_: i64| Some("\"name\""),
            };
            let _ = row.event();
        }
    }
}
