//! From bytes to an answer, straight into its own types: a tree of the whole document would cost more than the rest
//! of an invocation's interpretation.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{
    Answer, Command, ErrorCause, Item, Members, Operand, ServiceError, Unparsable, integers, lenient,
    notice::{Ignored, Watch},
    unparsable,
};
use crate::{
    limits::{COMMANDS_MAX, PROBLEMS_SHOWN_MAX},
    plain_json::{self, PlainJson},
    problem::{Problem, ProblemCode, Refused},
};

/// Member names of the contract, which need no memory of their own.
const KNOWN_NAMES: &[&str] = &[
    "type",
    "value",
    "op",
    "path",
    "status",
    "provider",
    "transactionId",
    "transactionMetadata",
    "credential",
    "registration",
    "result",
    "id",
    "com.okta.identity.patch",
    "com.okta.access.patch",
    "com.okta.assertion.patch",
    "com.okta.action.update",
    "com.okta.user.profile.update",
    "com.okta.telephony.action",
];

/// The body behind its byte order mark, where it has one.
pub(super) fn without_mark(body: &[u8]) -> &[u8] {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)
}

pub(super) fn answer(body: &[u8]) -> Result<Answer, Unparsable> {
    let body = without_mark(body);
    // Checked once for the whole, so that no string is checked on its own.
    let body = std::str::from_utf8(body).map_err(|error| unparsable::not_utf8(body, error))?;
    let mut answer = match serde_json::from_str(body) {
        Ok(Shaped(answer)) => answer,
        // It may be JSON all the same.
        Err(_) => lenient::answer(body)?,
    }
    .ok_or_else(|| unparsable::no_object(body))?;
    let lost = integers::problems(&answer, body);
    answer.problems.extend(lost);
    Ok(answer)
}

/// What is made of JSON of any shape: never an error of its own, only those of the syntax.
trait AnyShape<'de>: Sized {
    fn of_object<A: MapAccess<'de>>(members: A) -> Result<Self, A::Error> {
        plain_json::object(members).map(Value::Object).map(Self::of_other)
    }

    fn of_array<A: SeqAccess<'de>>(items: A) -> Result<Self, A::Error> {
        plain_json::array(items).map(Value::Array).map(Self::of_other)
    }

    fn of_other(value: Value) -> Self;

    /// Of a value that is there and that no [`Value`] can hold.
    fn of_lost() -> Self {
        Self::of_other(Value::Bool(false))
    }
}

/// Deserialises through [`AnyShape`].
pub(super) struct Shaped<T>(pub(super) T);

struct ShapeVisitor<T>(PhantomData<T>);

impl<'de, T: AnyShape<'de>> Deserialize<'de> for Shaped<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor(PhantomData)).map(Self)
    }
}

impl<'de, T: AnyShape<'de>> Visitor<'de> for ShapeVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::of_other(Value::Null))
    }

    /// What [`lenient`] makes of a value that is lost.
    fn visit_none<E: Error>(self) -> Result<T, E> {
        Ok(T::of_lost())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<T, E> {
        Ok(T::of_other(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        Ok(T::of_other(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        Ok(T::of_other(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<T, E> {
        Ok(T::of_other(value.into()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<T, E> {
        Ok(T::of_other(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<T, A::Error> {
        T::of_array(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::of_object(members)
    }
}

/// A member's name or a command's type, without memory of its own when it is a known one.
struct Name(Cow<'static, str>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl Visitor<'_> for NameVisitor {
            type Value = Name;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a name")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Name, E> {
                Ok(Name(name(text)))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

fn name(text: &str) -> Cow<'static, str> {
    match KNOWN_NAMES.iter().find(|known| **known == text) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(text.to_owned()),
    }
}

/// `None`: neither an object nor null.
impl<'de> AnyShape<'de> for Option<Answer> {
    fn of_object<A: MapAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        let mut answer = Answer::default();
        let mut commands = Commands::Absent;
        let mut watch = Watch::default();
        while let Some(Name(name)) = members.next_key()? {
            match name.as_ref() {
                "commands" => {
                    commands = members.next_value::<Shaped<Commands>>()?.0;
                    watch.commands();
                }
                "error" => {
                    let Shaped(Refusal(error)) = members.next_value()?;
                    answer.error = error;
                    watch.error();
                }
                "debugContext" => answer.debug_context = debug_context(members.next_value::<PlainJson>()?.0),
                other => match watch.ignored(other) {
                    Ignored::Unremarkable => drop(members.next_value::<IgnoredAny>()?),
                    Ignored::NearMiss(hint) => {
                        let Shaped(SaysSomething(says)) = members.next_value()?;
                        if says {
                            watch.near_miss(other, hint);
                        }
                    }
                },
            }
        }
        answer.notices = watch.finish();
        match commands {
            Commands::Absent => {}
            Commands::NoArray => {
                let hint = "Write `\"commands\": [{\"type\": …, \"value\": …}]`, also for one command";
                answer.problems.push(wrong_shape("/commands", "commands must be an array", hint));
            }
            Commands::TooMany => answer.problems.push(Problem {
                code: ProblemCode::TooMany,
                pointer: "/commands".to_owned(),
                message: format!("More than {COMMANDS_MAX} commands"),
                hint: Some("Put the operations of one kind into one command".to_owned()),
            }),
            Commands::Read(read, problems) => {
                answer.commands = read;
                answer.problems = problems;
            }
        }
        Ok(Some(answer))
    }

    fn of_other(value: Value) -> Self {
        value.is_null().then(Answer::default)
    }
}

/// An `error`: `None` only when it is null.
struct Refusal(Option<ServiceError>);

impl AnyShape<'_> for Refusal {
    fn of_other(value: Value) -> Self {
        Self(error(value))
    }
}

/// Whether a value is more than null or an empty array; nothing of it is kept.
struct SaysSomething(bool);

impl<'de> AnyShape<'de> for SaysSomething {
    fn of_object<A: MapAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self(true))
    }

    fn of_array<A: SeqAccess<'de>>(mut items: A) -> Result<Self, A::Error> {
        let mut says = false;
        while items.next_element::<IgnoredAny>()?.is_some() {
            says = true;
        }
        Ok(Self(says))
    }

    fn of_other(value: Value) -> Self {
        Self(!value.is_null())
    }
}

enum Commands {
    Absent,
    NoArray,
    TooMany,
    Read(Vec<Command>, Vec<Problem>),
}

impl<'de> AnyShape<'de> for Commands {
    fn of_array<A: SeqAccess<'de>>(mut items: A) -> Result<Self, A::Error> {
        let (mut commands, mut problems) = (Vec::new(), Vec::new());
        let mut index = 0;
        while let Some(Shaped(command)) = items.next_element::<Shaped<ReadCommand>>()? {
            match command {
                ReadCommand::Command(command) => commands.push(Command { place: index, ..command }),
                ReadCommand::NoObject => {
                    let hint = "Write `{\"type\": …, \"value\": …}`";
                    problems.push(wrong_shape(&format!("/commands/{index}"), "A command must be an object", hint));
                }
                ReadCommand::NoType => {
                    let pointer = format!("/commands/{index}/type");
                    let hint = "`type` names the command, such as `com.okta.access.patch`";
                    problems.push(wrong_shape(&pointer, "A command must have a type, a string", hint));
                }
            }
            index += 1;
            if index > COMMANDS_MAX {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(Self::TooMany);
            }
        }
        Ok(Self::Read(commands, problems))
    }

    fn of_other(value: Value) -> Self {
        if value.is_null() { Self::Absent } else { Self::NoArray }
    }
}

enum ReadCommand {
    Command(Command),
    NoObject,
    NoType,
}

impl<'de> AnyShape<'de> for ReadCommand {
    fn of_object<A: MapAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        let mut kind = None;
        let mut operand = Operand::Absent;
        let mut stray_members = Vec::new();
        while let Some(Name(member)) = members.next_key()? {
            match member.as_ref() {
                "type" => kind = members.next_value::<Shaped<Option<Name>>>()?.0,
                "value" => operand = members.next_value::<Shaped<Operand>>()?.0,
                _ => {
                    members.next_value::<IgnoredAny>()?;
                    stray_members.push(member.into_owned());
                }
            }
        }
        Ok(kind.map_or(Self::NoType, |Name(kind)| Self::Command(Command { kind, operand, stray_members, place: 0 })))
    }

    fn of_other(_: Value) -> Self {
        Self::NoObject
    }
}

impl AnyShape<'_> for Option<Name> {
    fn of_other(value: Value) -> Self {
        value.as_str().map(|text| Name(name(text)))
    }
}

impl<'de> AnyShape<'de> for Operand {
    fn of_object<A: MapAccess<'de>>(members: A) -> Result<Self, A::Error> {
        read_members(members).map(Self::Members)
    }

    fn of_array<A: SeqAccess<'de>>(mut items: A) -> Result<Self, A::Error> {
        let mut read = Vec::new();
        while let Some(Shaped(item)) = items.next_element()? {
            read.push(item);
        }
        Ok(Self::Items(read))
    }

    fn of_other(value: Value) -> Self {
        if value.is_null() { Self::Absent } else { Self::Other(value) }
    }
}

impl<'de> AnyShape<'de> for Item {
    fn of_object<A: MapAccess<'de>>(members: A) -> Result<Self, A::Error> {
        read_members(members).map(Self::Members)
    }

    fn of_other(value: Value) -> Self {
        Self::Other(value)
    }
}

fn read_members<'de, A: MapAccess<'de>>(mut members: A) -> Result<Members, A::Error> {
    // An operation has three members.
    let mut read = Vec::with_capacity(3);
    while let Some((Name(name), PlainJson(value))) = members.next_entry()? {
        read.push((name, value));
    }
    Ok(Members(read))
}

fn wrong_shape(pointer: &str, message: &str, hint: &str) -> Problem {
    Refused::new(ProblemCode::WrongShape, message).hint(hint.to_owned()).at(pointer.to_owned())
}

fn debug_context(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Null => None,
        Value::Object(debug) => Some(debug),
        other => Some(Map::from_iter([("debugContext".to_owned(), other)])),
    }
}

fn error(value: Value) -> Option<ServiceError> {
    match value {
        Value::Null => None,
        Value::Object(mut members) => Some(ServiceError {
            summary: members.remove("errorSummary").and_then(text),
            causes: match members.remove("errorCauses") {
                Some(Value::Array(causes)) => first_causes(causes),
                _ => Vec::new(),
            },
        }),
        summary @ Value::String(_) => Some(ServiceError { summary: text(summary), causes: Vec::new() }),
        // It refuses, yet says nothing that a person could read.
        _ => Some(ServiceError::default()),
    }
}

/// The first causes, and one more that counts the rest: a cause of a few bytes is shown with all its members.
fn first_causes(given: Vec<Value>) -> Vec<ErrorCause> {
    let more = given.len().saturating_sub(PROBLEMS_SHOWN_MAX);
    let mut causes = given.into_iter().take(PROBLEMS_SHOWN_MAX).map(cause).collect::<Vec<_>>();
    if more > 0 {
        causes.push(ErrorCause { summary: Some(format!("and {more} more causes")), ..ErrorCause::default() });
    }
    causes
}

fn cause(value: Value) -> ErrorCause {
    match value {
        Value::Object(mut members) => {
            let mut take = |name: &str| members.remove(name).and_then(text);
            ErrorCause {
                summary: take("errorSummary"),
                reason: take("reason"),
                location_type: take("locationType"),
                location: take("location"),
                domain: take("domain"),
            }
        }
        other => ErrorCause { summary: text(other), ..ErrorCause::default() },
    }
}

/// A text as it is; any other value but null and the empty text in its JSON form.
fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(text) => Some(text),
        Value::Array(items) if items.is_empty() => None,
        other => Some(other.to_string()),
    }
}
