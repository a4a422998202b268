//! An event of the System Log as a row: from the event, and back to it.
//!
//! What people filter by has a column. The rest is one JSON array, in which nothing stands that a column says already, and
//! in which a number stands for a text that other events have too (`log_names`). Its members, by position:
//!
//! | | |
//! |---|---|
//! | 0 | the version of this form: 1 |
//! | 1 | the actor: type, alternate id, display name |
//! | 2 | the client's user agent |
//! | 3 | its address; an array when proxies follow; null when no request caused the event |
//! | 4, 5 | the external session id; the API token's id |
//! | 6 | the reason of the outcome |
//! | 7 | the names of the debug data; as many [values](write_debug_value) follow |
//! | then | the targets: id, type, alternate id, display name, and details if any; the first inline hook without its id, which is a column |
//!
//! On its way to the writer an event is [pieces](write): one JSON text a line, each with a mark that says whether it may be
//! replaced by a number.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::Value;
use tenterhook_contract::{
    Timestamp,
    id::OrgId,
    party::{Actor, Target},
};
use tenterhook_model::{DebugData, DebugValue, LogClient, LogEvent, LogResult, PHASES, Severity};

use crate::{
    StoreError,
    log_ids::{as_uuid, bits_of_hexadecimal, bits_of_uuid, bytes_of_id, id_of_bytes, uuid_of_bits},
};

/// The version of the form of the rest.
const VERSION: u64 = 1;
/// Shorter texts are not worth a number.
const NAME_BYTES_MIN: usize = 10;
/// Longer texts are seldom said twice.
const NAME_BYTES_MAX: usize = 1_024;
/// What a hook target's type is.
const HOOK: &str = "InlineHook";
/// The debug data whose value is a column.
const FAILURE_CODE: &str = "failureCode";
/// The debug data that tells the event's id in another form.
const EVENT_ID: &str = "eventId";
/// The mark of a piece that stands in the rest as it is.
const INLINE: u8 = b' ';
/// The mark of a piece that gets a number when it is said often.
const OFTEN: u8 = b'?';

/// What an event has that is neither long nor on the heap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) org_id: OrgId,
    pub(crate) published: Timestamp,
    pub(crate) result: i16,
    /// The event's id, when it is a UUID.
    id: Option<u128>,
    /// The transaction's id, when it is 32 hexadecimal characters.
    transaction: Option<u128>,
}

/// The head of an event, and its pieces appended to `text`.
pub(crate) fn write(event: &LogEvent<'_>, text: &mut Vec<u8>) -> Result<Head, serde_json::Error> {
    let uuid = bits_of_uuid(&event.uuid);
    let told = event.debug_data.get(EVENT_ID).and_then(bits_of_event_id);
    // The id of an invocation has six bits that its UUID has not.
    let id = told.filter(|bits| Some(as_uuid(*bits)) == uuid).or(uuid).filter(|bits| Some(as_uuid(*bits)) == uuid);
    let transaction = bits_of_hexadecimal(&event.transaction_id);
    let mut pieces = Pieces(text);
    pieces.line(&event.actor.id)?;
    pieces.line_if(id.is_none().then_some(&event.uuid))?;
    pieces.line_if(transaction.is_none().then_some(&event.transaction_id))?;
    pieces.line(&(&event.event_type, &event.display_message, event.severity))?;
    let hook = event.targets.iter().position(|target| target.kind == HOOK && target.detail.is_none());
    pieces.line_if(hook.and_then(|place| event.targets.get(place)).map(|target| &target.id))?;
    pieces.line_if(event.client.as_ref().and_then(|client| client.id.as_ref()))?;
    let failure = match event.debug_data.get(FAILURE_CODE) {
        Some(DebugValue::Text(code)) => Some(&**code),
        _ => None,
    };
    pieces.line_if(failure)?;
    let actor = &event.actor;
    pieces.marked(OFTEN, &(&actor.kind, &actor.alternate_id, &actor.display_name))?;
    pieces.marked(OFTEN, &event.client.as_ref().and_then(|client| client.user_agent.as_ref()))?;
    match &event.client {
        Some(client) if client.proxies.is_empty() => pieces.marked(INLINE, &client.ip_address)?,
        Some(client) => {
            let all = std::iter::once(&*client.ip_address).chain(client.proxies.iter().map(String::as_str));
            pieces.marked(INLINE, &all.collect::<Vec<_>>())?;
        }
        None => pieces.marked(INLINE, &())?,
    }
    pieces.marked(INLINE, &event.external_session_id)?;
    pieces.marked(INLINE, &event.request_api_token_id)?;
    pieces.marked(OFTEN, &event.reason)?;
    pieces.names(event.debug_data.members().map(|(name, _)| name))?;
    let mut before = None;
    for (name, value) in event.debug_data.members() {
        let known = Known { id, transaction: &event.transaction_id, failure, before };
        write_debug_value(&mut pieces, name, value, &known)?;
        before = match value {
            DebugValue::Text(text) => Some(&**text),
            _ => None,
        };
    }
    for (place, target) in event.targets.iter().enumerate() {
        let Target { id, kind, alternate_id, display_name, detail } = &**target;
        match detail {
            _ if hook == Some(place) => pieces.marked(OFTEN, &(kind, alternate_id, display_name))?,
            None => pieces.marked(OFTEN, &(id, kind, alternate_id, display_name))?,
            Some(detail) => pieces.marked(OFTEN, &(id, kind, alternate_id, display_name, detail))?,
        }
    }
    Ok(Head {
        org_id: event.org_id.clone(),
        published: event.published,
        result: number_of(event.result),
        id,
        transaction,
    })
}

/// What a value of the debug data may be told by.
struct Known<'a> {
    id: Option<u128>,
    transaction: &'a str,
    failure: Option<&'a str>,
    /// The value before it, a text.
    before: Option<&'a str>,
}

/// A value of the debug data: null is the transaction's id, `true` the event's id in base64url, `false` the failure code, an
/// array of one text what follows on the value before, one of a number a count, one of several numbers timings in
/// microseconds. Everything else is a text.
fn write_debug_value(
    pieces: &mut Pieces<'_>,
    name: &str,
    value: &DebugValue<'_>,
    known: &Known<'_>,
) -> Result<(), serde_json::Error> {
    let text = match value {
        DebugValue::Number(number) => return pieces.marked(INLINE, &[number]),
        DebugValue::Timings(micros) => return pieces.marked(INLINE, micros),
        DebugValue::Text(text) => &**text,
    };
    if text == known.transaction {
        return pieces.marked(INLINE, &());
    }
    if name == FAILURE_CODE && known.failure == Some(text) {
        return pieces.marked(INLINE, &false);
    }
    if name == EVENT_ID && known.id.is_some() && bits_of_event_id(value) == known.id {
        return pieces.marked(INLINE, &true);
    }
    match known.before.filter(|before| before.len() >= NAME_BYTES_MIN).and_then(|before| text.strip_prefix(before)) {
        Some(rest) => pieces.marked(INLINE, &[rest]),
        None => pieces.marked(OFTEN, text),
    }
}

/// Writes pieces, each on a line of its own: JSON has no line breaks.
struct Pieces<'a>(&'a mut Vec<u8>);

impl Pieces<'_> {
    fn end(&mut self) {
        self.0.push(b'\n');
    }

    fn line(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), serde_json::Error> {
        serde_json::to_writer(&mut *self.0, value)?;
        self.end();
        Ok(())
    }

    /// An empty line where there is none.
    fn line_if(&mut self, value: Option<impl Serialize>) -> Result<(), serde_json::Error> {
        match value {
            Some(value) => self.line(&value)?,
            None => self.end(),
        }
        Ok(())
    }

    fn marked(&mut self, mark: u8, value: &(impl Serialize + ?Sized)) -> Result<(), serde_json::Error> {
        let begin = self.0.len();
        self.0.push(mark);
        serde_json::to_writer(&mut *self.0, value)?;
        let is_worth_it = (NAME_BYTES_MIN..=NAME_BYTES_MAX).contains(&(self.0.len() - begin - 1));
        if let Some(mark) = self.0.get_mut(begin).filter(|mark| **mark == OFTEN && !is_worth_it) {
            *mark = INLINE;
        }
        self.end();
        Ok(())
    }

    /// The names of the debug data: the same few lists again and again.
    fn names<'n>(&mut self, names: impl ExactSizeIterator<Item = &'n str>) -> Result<(), serde_json::Error> {
        if names.len() == 0 {
            return self.marked(INLINE, &[(); 0]);
        }
        self.marked(OFTEN, &names.collect::<Vec<_>>())
    }
}

/// An event's pieces, read. What is `None` it has not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns<'a> {
    /// JSON texts.
    pub(crate) actor: &'a str,
    uuid: &'a str,
    transaction: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) hook: Option<&'a str>,
    pub(crate) client: Option<&'a str>,
    pub(crate) failure: Option<&'a str>,
}

/// A piece of the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// It stands there as it is.
    Inline(&'a str),
    /// It has a number when it is said often.
    Often(&'a str),
}

/// The pieces of an event, as they were written.
pub(crate) fn read(text: &str) -> (Columns<'_>, impl Iterator<Item = Piece<'_>>) {
    let mut lines = text.split_terminator('\n');
    let mut next = || lines.next().unwrap_or_default();
    let some = |line| Some(line).filter(|line: &&str| !line.is_empty());
    let columns = Columns {
        actor: next(),
        uuid: next(),
        transaction: next(),
        kind: next(),
        hook: some(next()),
        client: some(next()),
        failure: some(next()),
    };
    let rest = lines.map(|line| match line.split_at_checked(1) {
        Some(("?", piece)) => Piece::Often(piece),
        Some((_, piece)) => Piece::Inline(piece),
        None => Piece::Inline("null"),
    });
    (columns, rest)
}

impl Columns<'_> {
    /// The actor's id.
    pub(crate) fn actor_id(&self) -> String {
        text_of(self.actor).into_owned()
    }

    /// The event's id as bytes.
    pub(crate) fn id_bytes(&self, head: &Head) -> Vec<u8> {
        bytes_of_id(head.id, || text_of(self.uuid))
    }

    /// The transaction's id as bytes.
    pub(crate) fn transaction_bytes(&self, head: &Head) -> Vec<u8> {
        bytes_of_id(head.transaction, || text_of(self.transaction))
    }
}

/// The text that a JSON text is of.
fn text_of(json: &str) -> Cow<'_, str> {
    match json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => plain.into(),
        _ => serde_json::from_str::<String>(json).unwrap_or_default().into(),
    }
}

/// A row, as it is read; texts that have numbers are looked up by `name`.
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

/// The event of the pieces that were written of it.
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

/// The numbers that a rest names.
pub(crate) fn numbers_of(rest: &[Value]) -> impl Iterator<Item = i64> {
    rest.iter().skip(1).filter_map(Value::as_i64)
}

/// The beginning of a rest; pieces follow, each after a comma, and a bracket.
pub(crate) fn begin_rest(text: &mut String) {
    text.push_str("[1");
}

impl<'n, N: Fn(i64) -> Option<&'n str>> Row<'_, N> {
    /// The event.
    ///
    /// # Errors
    /// When it is not of this form, or a text of it is not there.
    pub(crate) fn event(self) -> Result<LogEvent<'static>, StoreError> {
        let Row { org_id, published, result, actor, id, transaction, kind, hook, client, failure, rest, name } = self;
        let mut rest = rest.into_iter();
        if rest.next().as_ref().and_then(Value::as_u64) != Some(VERSION) {
            return Err(unreadable("its form is of another version"));
        }
        let id = id_of_bytes(id);
        let transaction_id = id_of_bytes(transaction).map_or_else(|text| text, |bits| format!("{bits:032x}"));
        let failure = failure.map(text_of);
        let mut next = || resolved(rest.next().ok_or_else(|| unreadable("it is too short"))?, &name);
        let [kind_of_actor, alternate_id, display_name] = array(next()?)?;
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
    let text = number.as_i64().and_then(name).ok_or_else(|| unreadable("a text of it is not there"))?;
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

/// What is wrong, without what the event says.
fn unreadable(why: &str) -> StoreError {
    StoreError::Unreadable { what: "log event", why: why.to_owned() }
}

/// The number of a result; a number is never given to another one.
pub(crate) fn number_of(result: LogResult) -> i16 {
    match result {
        LogResult::Success => 0,
        LogResult::Failure => 1,
        LogResult::Skipped => 2,
        LogResult::RateLimit => 3,
    }
}

fn result_of(number: i16) -> Result<LogResult, StoreError> {
    let all = [LogResult::Success, LogResult::Failure, LogResult::Skipped, LogResult::RateLimit];
    all.into_iter().find(|result| number_of(*result) == number).ok_or_else(|| unreadable("its result"))
}

fn bits_of_event_id(value: &DebugValue<'_>) -> Option<u128> {
    let DebugValue::Text(text) = value else { return None };
    let mut bytes = [0; 16];
    let decoded = URL_SAFE_NO_PAD.decode_slice(text.as_bytes(), &mut bytes).ok()?;
    (text.len() == 22 && decoded == bytes.len()).then(|| u128::from_be_bytes(bytes))
}

#[cfg(test)]
impl Head {
    /// That of an event of which nothing is known.
    pub(crate) fn of(org_id: OrgId) -> Self {
        Self { org_id, published: Timestamp::from_micros(0), result: 0, id: None, transaction: None }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use proptest::{collection::vec, option, prelude::*};
    use tenterhook_contract::id::{EventId, RequestId};

    use super::*;

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
            actor in (texts(), texts(), option::of(texts()), option::of(texts())),
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
        let mut pieces = Vec::new();
        let head = write(event, &mut pieces).unwrap();
        let pieces = String::from_utf8(pieces).unwrap();
        let (columns, rest) = read(&pieces);
        let mut names = Vec::new();
        let mut text = String::new();
        begin_rest(&mut text);
        for piece in rest {
            text.push(',');
            match piece {
                Piece::Inline(piece) => text.push_str(piece),
                Piece::Often(piece) => {
                    text.push_str(&names.len().to_string());
                    names.push(piece);
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
            name: |number: i64| names.get(usize::try_from(number).unwrap()).copied(),
        };
        row.event().unwrap()
    }

    proptest! {
        #[test]
        fn an_event_is_the_same_after_it_was_a_row(event in events()) {
            let mut pieces = Vec::new();
            let head = write(&event, &mut pieces).unwrap();
            prop_assert_eq!(&event_of_pieces(&head, std::str::from_utf8(&pieces).unwrap()).unwrap(), &event);
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
