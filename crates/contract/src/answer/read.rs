//! From bytes to an answer, straight into its own types: a tree of the whole document would cost more than the rest
//! of an invocation's interpretation.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{
    Answer, Command, ErrorCause, Item, Members, Operand, ServiceError, Unparsable, integers, lenient,
    misnamed::right_member,
    notice::{self, Found, Place, Watch},
    unparsable,
    vocabulary::Vocabulary,
};
use crate::{
    limits::{COMMANDS_MAX, PROBLEMS_SHOWN_MAX},
    plain_json::{self, PlainJson},
    problem::{Problem, ProblemCode, Refused, shown},
};

/// The body behind its byte order mark, where it has one.
pub(super) fn without_mark(body: &[u8]) -> &[u8] {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)
}

pub(super) fn answer(body: &[u8], vocabulary: Vocabulary<'_>) -> Result<Answer, Unparsable> {
    let body = without_mark(body);
    // Checked once for the whole, so that no string is checked on its own.
    let body = std::str::from_utf8(body).map_err(|error| unparsable::not_utf8(body, error))?;
    let mut deserializer = serde_json::Deserializer::from_str(body);
    let read = Shape::<Option<Answer>>::of(vocabulary).deserialize(&mut deserializer);
    let mut answer = match read.and_then(|answer| deserializer.end().map(|()| answer)) {
        Ok(answer) => answer,
        // It may be JSON all the same.
        Err(_) => lenient::answer(body, vocabulary)?,
    }
    .ok_or_else(|| unparsable::no_object(body))?;
    let lost = integers::problems(&answer, body, vocabulary);
    answer.problems.extend(lost);
    notice::of_commands(&mut answer, vocabulary);
    Ok(answer)
}

/// What is made of JSON of any shape: never an error of its own, only those of the syntax.
trait AnyShape<'de>: Sized {
    fn of_object<A: MapAccess<'de>>(members: A, _: Vocabulary<'_>) -> Result<Self, A::Error> {
        plain_json::object(members).map(Value::Object).map(Self::of_other)
    }

    fn of_array<A: SeqAccess<'de>>(items: A, _: Vocabulary<'_>) -> Result<Self, A::Error> {
        plain_json::array(items).map(Value::Array).map(Self::of_other)
    }

    fn of_text(text: &str, _: Vocabulary<'_>) -> Self {
        Self::of_other(text.into())
    }

    fn of_other(value: Value) -> Self;

    /// Of a value that is there and that no [`Value`] can hold.
    fn of_lost() -> Self {
        Self::of_other(Value::Bool(false))
    }
}

/// Deserialises through [`AnyShape`].
pub(super) struct Shape<'a, T>(Vocabulary<'a>, PhantomData<T>);

impl<'a, T> Shape<'a, T> {
    pub(super) fn of(vocabulary: Vocabulary<'a>) -> Self {
        Self(vocabulary, PhantomData)
    }
}

impl<'de, T: AnyShape<'de>> DeserializeSeed<'de> for Shape<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: AnyShape<'de>> Visitor<'de> for Shape<'_, T> {
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
        Ok(T::of_text(value, self.0))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<T, A::Error> {
        T::of_array(items, self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::of_object(members, self.0)
    }
}

/// A member's name, as the vocabulary has it.
struct Name<'a>(Vocabulary<'a>);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Cow<'static, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Cow<'static, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.0.name(text))
    }
}

/// `None`: neither an object nor null.
impl<'de> AnyShape<'de> for Option<Answer> {
    fn of_object<A: MapAccess<'de>>(mut members: A, vocabulary: Vocabulary<'_>) -> Result<Self, A::Error> {
        let mut answer = Answer::default();
        let mut commands = Commands::Absent;
        let mut watch = Watch::default();
        while let Some(name) = members.next_key_seed(Name(vocabulary))? {
            match name.as_ref() {
                "commands" => {
                    commands = members.next_value_seed(Shape::<Commands>::of(vocabulary))?;
                    watch.commands();
                }
                "error" => {
                    let ErrorMember(error, found) = members.next_value_seed(Shape::of(vocabulary))?;
                    answer.error = error;
                    watch.error(found);
                }
                "debugContext" => answer.debug_context = debug_context(members.next_value::<PlainJson>()?.0),
                other => {
                    let SaysSomething(says) = members.next_value_seed(Shape::of(vocabulary))?;
                    watch.ignored(other, says);
                }
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

/// An `error`, `None` only when it is null, and the members in it that have no effect.
struct ErrorMember(Option<ServiceError>, Found);

impl AnyShape<'_> for ErrorMember {
    fn of_other(value: Value) -> Self {
        let mut found = Found::default();
        Self(error(value, &mut found), found)
    }
}

/// Whether a value is more than null or an empty array; nothing of it is kept.
struct SaysSomething(bool);

impl<'de> AnyShape<'de> for SaysSomething {
    fn of_object<A: MapAccess<'de>>(mut members: A, _: Vocabulary<'_>) -> Result<Self, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self(true))
    }

    fn of_array<A: SeqAccess<'de>>(mut items: A, _: Vocabulary<'_>) -> Result<Self, A::Error> {
        let mut says = false;
        while items.next_element::<IgnoredAny>()?.is_some() {
            says = true;
        }
        Ok(Self(says))
    }

    fn of_text(_: &str, _: Vocabulary<'_>) -> Self {
        Self(true)
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
    fn of_array<A: SeqAccess<'de>>(mut items: A, vocabulary: Vocabulary<'_>) -> Result<Self, A::Error> {
        let (mut commands, mut problems) = (Vec::new(), Vec::new());
        let mut index = 0;
        while let Some(command) = items.next_element_seed(Shape::<ReadCommand>::of(vocabulary))? {
            match command {
                ReadCommand::Command(command) => commands.push(Command { place: index, ..command }),
                ReadCommand::NoObject => {
                    let hint = "Write `{\"type\": …, \"value\": …}`";
                    problems.push(wrong_shape(&format!("/commands/{index}"), "A command must be an object", hint));
                }
                ReadCommand::NoType(members) => {
                    let pointer = format!("/commands/{index}/type");
                    let mut misnamed = members.iter().filter(|name| right_member(&["type"], name).is_some());
                    let hint = match misnamed.next() {
                        Some(name) => format!("Write `type`: `{}` has no effect", shown(name)),
                        None => vocabulary.names_of_commands(),
                    };
                    problems.push(wrong_shape(&pointer, "A command must have a type, a string", &hint));
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
    /// It has these other members.
    NoType(Vec<String>),
}

impl<'de> AnyShape<'de> for ReadCommand {
    fn of_object<A: MapAccess<'de>>(mut members: A, vocabulary: Vocabulary<'_>) -> Result<Self, A::Error> {
        let mut kind = None;
        let mut operand = Operand::Absent;
        let mut stray_members = Vec::new();
        while let Some(member) = members.next_key_seed(Name(vocabulary))? {
            match member.as_ref() {
                "type" => kind = members.next_value_seed(Shape::<Kind>::of(vocabulary))?.0,
                "value" => operand = members.next_value_seed(Shape::<Operand>::of(vocabulary))?,
                _ => {
                    let SaysSomething(says) = members.next_value_seed(Shape::of(vocabulary))?;
                    if says {
                        stray_members.push(member.into_owned());
                    }
                }
            }
        }
        Ok(match kind {
            Some(kind) => Self::Command(Command { kind, operand, stray_members, place: 0 }),
            None => Self::NoType(stray_members),
        })
    }

    fn of_other(_: Value) -> Self {
        Self::NoObject
    }
}

/// A command's `type`; `None` when it is no text.
struct Kind(Option<Cow<'static, str>>);

impl AnyShape<'_> for Kind {
    fn of_text(text: &str, vocabulary: Vocabulary<'_>) -> Self {
        Self(Some(vocabulary.name(text)))
    }

    fn of_other(_: Value) -> Self {
        Self(None)
    }
}

impl<'de> AnyShape<'de> for Operand {
    fn of_object<A: MapAccess<'de>>(members: A, vocabulary: Vocabulary<'_>) -> Result<Self, A::Error> {
        read_members(members, vocabulary).map(Self::Members)
    }

    fn of_array<A: SeqAccess<'de>>(mut items: A, vocabulary: Vocabulary<'_>) -> Result<Self, A::Error> {
        let mut read = Vec::new();
        while let Some(item) = items.next_element_seed(Shape::of(vocabulary))? {
            read.push(item);
        }
        Ok(Self::Items(read))
    }

    fn of_other(value: Value) -> Self {
        if value.is_null() { Self::Absent } else { Self::Other(value) }
    }
}

impl<'de> AnyShape<'de> for Item {
    fn of_object<A: MapAccess<'de>>(members: A, vocabulary: Vocabulary<'_>) -> Result<Self, A::Error> {
        read_members(members, vocabulary).map(Self::Members)
    }

    fn of_other(value: Value) -> Self {
        Self::Other(value)
    }
}

fn read_members<'de, A: MapAccess<'de>>(mut members: A, vocabulary: Vocabulary<'_>) -> Result<Members, A::Error> {
    // An operation has three members.
    let mut read = Vec::with_capacity(3);
    while let Some(name) = members.next_key_seed(Name(vocabulary))? {
        let PlainJson(value) = members.next_value()?;
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

fn error(value: Value, found: &mut Found) -> Option<ServiceError> {
    match value {
        Value::Null => None,
        Value::Object(mut members) => {
            let summary = members.remove("errorSummary").and_then(text);
            let causes = members.remove("errorCauses");
            found.members(Place::Error, || "/error".to_owned(), &members);
            let causes = match causes {
                Some(Value::Array(causes)) => first_causes(causes, found),
                _ => Vec::new(),
            };
            Some(ServiceError { summary, causes })
        }
        summary @ Value::String(_) => Some(ServiceError { summary: text(summary), causes: Vec::new() }),
        // It refuses, yet says nothing that a person could read.
        _ => Some(ServiceError::default()),
    }
}

/// The first causes, and one more that counts the rest: a cause of a few bytes is shown with all its members.
fn first_causes(given: Vec<Value>, found: &mut Found) -> Vec<ErrorCause> {
    let more = given.len().saturating_sub(PROBLEMS_SHOWN_MAX);
    let shown = given.into_iter().take(PROBLEMS_SHOWN_MAX).enumerate();
    let mut causes = shown.map(|(index, given)| cause(given, index, found)).collect::<Vec<_>>();
    if more > 0 {
        causes.push(ErrorCause { summary: Some(format!("and {more} more causes")), ..ErrorCause::default() });
    }
    causes
}

fn cause(value: Value, index: usize, found: &mut Found) -> ErrorCause {
    match value {
        Value::Object(mut members) => {
            let mut take = |name: &str| members.remove(name).and_then(text);
            let cause = ErrorCause {
                summary: take("errorSummary"),
                reason: take("reason"),
                location_type: take("locationType"),
                location: take("location"),
                domain: take("domain"),
            };
            found.members(Place::Cause, || format!("/error/errorCauses/{index}"), &members);
            cause
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
