//! An event of the System Log that waits to be written: a head, and pieces of text.
//!
//! A piece is one JSON text on a line of its own. The first seven are columns of the row, or what a column is made from; an empty
//! line is an attribute that the event does not have. The others are the members of the rest after its version (`log_row`). Each of
//! these begins with a mark that says whether a number may replace the piece.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use tenterhook_contract::{Timestamp, id::OrgId, party::Target};
use tenterhook_model::{DebugValue, LogEvent, LogResult};

use crate::{
    StoreError,
    log_ids::{as_uuid, bits_of_hexadecimal, bits_of_uuid, bytes_of_id},
    log_row::unreadable,
};

/// Room for the pieces of an ordinary event.
pub(crate) const PIECES_BYTES: usize = 1_280;
/// Shorter texts are not worth a number.
const NAME_BYTES_MIN: usize = 10;
/// Longer texts seldom occur twice.
const NAME_BYTES_MAX: usize = 1_024;
/// The type of nearly every actor, which is not written.
pub(crate) const USER: &str = "User";
/// The type of a target that is an inline hook.
pub(crate) const HOOK: &str = "InlineHook";
/// The name of the debug data whose value is a column.
pub(crate) const FAILURE_CODE: &str = "failureCode";
/// The name of the debug data whose value is another form of the event's id.
pub(crate) const EVENT_ID: &str = "eventId";
/// The mark of a piece that is stored as it is.
const INLINE: u8 = b' ';
/// The mark of a piece that is replaced by its number when it occurs again.
const OFTEN: u8 = b'?';

/// The attributes of an event that are kept apart from its pieces, because they are small and have a fixed size.
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

/// The head and the pieces of an event.
///
/// # Errors
/// [`StoreError::Unreadable`] when a part of it has no JSON text.
pub(crate) fn pieces(event: &LogEvent<'_>) -> Result<(Head, String), StoreError> {
    let mut text = Vec::with_capacity(PIECES_BYTES);
    let head = write(event, &mut text).map_err(|error| unreadable(error.to_string()))?;
    Ok((head, String::from_utf8(text).map_err(|error| unreadable(error.to_string()))?))
}

fn write(event: &LogEvent<'_>, text: &mut Vec<u8>) -> Result<Head, serde_json::Error> {
    let uuid = bits_of_uuid(&event.uuid);
    let told = event.debug_data.get(EVENT_ID).and_then(bits_of_event_id);
    // The UUID of an invocation lacks six bits of the invocation's id.
    let id = [told, uuid].into_iter().flatten().find(|bits| Some(as_uuid(*bits)) == uuid);
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
    if actor.kind == USER {
        pieces.marked(OFTEN, &(&actor.alternate_id, &actor.display_name))?;
    } else {
        pieces.marked(OFTEN, &(&actor.kind, &actor.alternate_id, &actor.display_name))?;
    }
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
    // The same few lists of names again and again.
    pieces.marked(OFTEN, &event.debug_data.members().map(|(name, _)| name).collect::<Vec<_>>())?;
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

/// What is stored before a value of the debug data, which the value need not repeat.
struct Known<'a> {
    id: Option<u128>,
    transaction: &'a str,
    failure: Option<&'a str>,
    /// The value before it, when that is a text.
    before: Option<&'a str>,
}

/// Writes a value of the debug data. `null` stands for the transaction's id, `true` for the event's id in base64url, `false` for the
/// failure code. An array of one text is the end of a text that begins with the value before it; an array of one number is a count;
/// an array of several numbers is timings in microseconds. Every other value is a text.
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

    /// Writes the value as a line, or an empty line when there is none.
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
}

/// The pieces of an event that are columns; `None` where the event has no such attribute.
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
    /// It is stored as it is.
    Inline(&'a str),
    /// It is replaced by its number when it occurs again.
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

/// The value of a JSON text that is a string.
pub(crate) fn text_of(json: &str) -> Cow<'_, str> {
    match json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => plain.into(),
        _ => serde_json::from_str::<String>(json).unwrap_or_default().into(),
    }
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
