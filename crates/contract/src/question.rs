//! What a host asks when it pauses its process at an extension point: the body of its call, and of a batch of calls.
//!
//! Reading fails only on a body that is not JSON. Whatever else is wrong is in the question's problems, all of it, so that a host
//! gets every cause at once. Whether context and subject fit an extension point is not decided here.

use std::{cell::OnceCell, collections::HashSet, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

use crate::{
    TraceParent,
    answer::integers::{suspects, unfit_integers},
    distinct_json::DistinctJson,
    id::{HookId, RequestId},
    limits::{
        HOST_BATCH_MAX, HOST_DEADLINE_MS_MAX, HOST_SOURCE_CHARACTERS_MAX, HOST_TEXT_CHARACTERS_MAX, PROBLEMS_SHOWN_MAX,
    },
    party::Actor,
    plain_json,
    pointer::escape,
    problem::shown,
};

/// The `type` of an actor whose host does not say what it is.
const ACTOR_TYPE: &str = "User";
const NO_OBJECT: &str = "must be a JSON object";
/// How JSON writes the character that no database stores.
const NUL_ESCAPE: &[u8] = b"\\u0000";

/// Something wrong with a question.
///
/// ```
/// use tenterhook_contract::question::Question;
/// let question = Question::read(br#"{"subject": {}, "deadlineMs": 0}"#).unwrap();
/// let problem = question.problems.iter().next().unwrap();
/// assert_eq!(problem.to_string(), "/deadlineMs: must be an integer from 1 to 60000");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuestionProblem {
    /// Where: a JSON Pointer (RFC 6901) into the body.
    pub pointer: String,
    /// What, and what to write instead. Names members, never values.
    pub message: String,
}

impl fmt::Display for QuestionProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            return formatter.write_str(&self.message);
        }
        write!(formatter, "{}: {}", shown(&self.pointer), self.message)
    }
}

/// Everything wrong with a question; beyond [`PROBLEMS_SHOWN_MAX`] problems the others are counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuestionProblems {
    kept: Vec<QuestionProblem>,
    more: usize,
}

impl QuestionProblems {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The problems that are shown.
    pub fn iter(&self) -> impl Iterator<Item = &QuestionProblem> {
        self.kept.iter()
    }

    /// Adds one.
    pub fn add(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        if self.kept.len() < PROBLEMS_SHOWN_MAX {
            self.kept.push(QuestionProblem { pointer: pointer.into(), message: message.into() });
        } else {
            self.more += 1;
        }
    }

    /// One text for each problem, and one that counts those that are not shown.
    ///
    /// ```
    /// let mut problems = tenterhook_contract::question::QuestionProblems::default();
    /// (0..102).for_each(|_| problems.add("/subject/total", "must be a number"));
    /// let texts = problems.texts();
    /// assert_eq!((texts[0].as_str(), texts[100].as_str()), ("/subject/total: must be a number", "and 2 more problems"));
    /// ```
    pub fn texts(&self) -> Vec<String> {
        let more = (self.more > 0).then(|| format!("and {} more problems", self.more));
        self.kept.iter().map(ToString::to_string).chain(more).collect()
    }
}

/// What a host asks, as far as it can be read, and everything wrong with it.
#[derive(Clone, Default, PartialEq)]
pub struct Question {
    /// At a declared extension point: what commands may change.
    pub subject: Option<Value>,
    /// At a declared extension point: the facts that no command changes.
    pub context: Option<Value>,
    /// At a built-in type: the document's `data`.
    pub data: Option<Value>,
    /// At a built-in type: the document's `requestType`.
    pub request_type: Option<String>,
    /// The time for the whole answer in milliseconds, from 1 to [`HOST_DEADLINE_MS_MAX`].
    pub deadline_ms: Option<u32>,
    /// The one hook that is called, in place of the extension point's bindings.
    pub hook_id: Option<HookId>,
    /// The document's `source`.
    pub source: Option<String>,
    /// Who the process is for.
    pub actor: Option<Actor>,
    /// The host's id of its own request, when it has a form that a request id can have.
    pub request_id: Option<RequestId>,
    /// The host's place in a trace.
    pub trace_parent: Option<TraceParent>,
    /// What is wrong.
    pub problems: QuestionProblems,
}

/// Many questions under one deadline.
#[derive(Clone, Default, PartialEq)]
pub struct QuestionBatch {
    /// The time for all answers together, in milliseconds.
    pub deadline_ms: Option<u32>,
    /// The questions in order, [`HOST_BATCH_MAX`] at most.
    pub questions: Vec<Question>,
    /// What is wrong with the batch itself. What is wrong with a question is in the question.
    pub problems: QuestionProblems,
}

/// Shows no values: they are the host's data.
impl fmt::Debug for Question {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Question").field("problems", &self.problems).finish_non_exhaustive()
    }
}

impl fmt::Debug for QuestionBatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("QuestionBatch");
        shown.field("questions", &self.questions.len()).field("problems", &self.problems).finish_non_exhaustive()
    }
}

impl Question {
    /// Reads the body of a call.
    ///
    /// # Errors
    /// When it is not JSON.
    ///
    /// ```
    /// use tenterhook_contract::question::Question;
    /// let question = Question::read(br#"{"subject": {"total": 7}, "deadlineMs": 800}"#).unwrap();
    /// assert_eq!((question.subject.unwrap()["total"].as_i64(), question.deadline_ms), (Some(7), Some(800)));
    /// assert!(question.problems.is_empty());
    /// ```
    pub fn read(body: &[u8]) -> Result<Self, serde_json::Error> {
        let mut question: Self = serde_json::from_slice(body)?;
        question.refuse_values(&Written::of(body));
        Ok(question)
    }

    /// Refuses values that would not be what the host wrote. No database stores the character U+0000, and a text that a service
    /// returns may reach one; a longer integer would be rounded.
    fn refuse_values(&mut self, written: &Written<'_>) {
        for (pointer, value) in [("/subject", &self.subject), ("/context", &self.context), ("/data", &self.data)] {
            let Some(value) = value else { continue };
            if let Some(place) = written.place_of_nul(value) {
                self.problems.add(format!("{pointer}{place}"), "must not contain the character U+0000");
            }
            if let Some(place) = written.place_of_rounded(value) {
                self.problems.add(
                    format!("{pointer}{place}"),
                    "does not fit 64 bits: write it as a string, or with an exponent if a rounded number will do",
                );
            }
        }
    }
}

impl QuestionBatch {
    /// Reads the body of a batch.
    ///
    /// # Errors
    /// When it is not JSON.
    ///
    /// ```
    /// use tenterhook_contract::question::QuestionBatch;
    /// let batch = QuestionBatch::read(br#"{"deadlineMs": 800, "invocations": [{"subject": 1}, 5]}"#).unwrap();
    /// assert!(batch.problems.is_empty() && batch.questions[0].problems.is_empty());
    /// assert_eq!(batch.questions[1].problems.texts(), ["must be a JSON object"]);
    /// ```
    pub fn read(body: &[u8]) -> Result<Self, serde_json::Error> {
        let mut batch: Self = serde_json::from_slice(body)?;
        if batch.questions.is_empty() && batch.problems.is_empty() {
            batch.problems.add("/invocations", "is missing");
        }
        let written = Written::of(body);
        batch.questions.iter_mut().for_each(|question| question.refuse_values(&written));
        Ok(batch)
    }
}

/// A body as the host wrote it.
struct Written<'a> {
    body: &'a [u8],
    /// It may hold the character U+0000: JSON has no other way to write it.
    has_nul_escape: bool,
    /// Its integers that do not fit 64 bits, once something may be one of them.
    unfit: OnceCell<HashSet<u64>>,
}

impl<'a> Written<'a> {
    fn of(body: &'a [u8]) -> Self {
        let has_nul_escape = body.windows(NUL_ESCAPE.len()).any(|window| window == NUL_ESCAPE);
        Self { body, has_nul_escape, unfit: OnceCell::new() }
    }

    /// The pointer to the first text or name with the character U+0000.
    fn place_of_nul(&self, value: &Value) -> Option<String> {
        let has_nul = |text: &str| text.contains('\0');
        self.has_nul_escape.then(|| place_of(value, &|value| value.as_str().is_some_and(has_nul), &has_nul))?
    }

    /// The pointer to the first number that was written as an integer and is rounded.
    fn place_of_rounded(&self, value: &Value) -> Option<String> {
        let mut doubles = Vec::new();
        suspects(value, &mut doubles);
        if doubles.is_empty() {
            return None;
        }
        let unfit = self.unfit.get_or_init(|| unfit_integers(&String::from_utf8_lossy(self.body)));
        let is_rounded =
            |value: &Value| value.is_f64() && value.as_f64().is_some_and(|number| unfit.contains(&number.to_bits()));
        place_of(value, &is_rounded, &|_| false)
    }
}

/// The pointer to the first value or name of this kind.
fn place_of(value: &Value, is_value: &dyn Fn(&Value) -> bool, is_name: &dyn Fn(&str) -> bool) -> Option<String> {
    let below = |name: &str, value: &Value| {
        let clean = name.replace('\0', "\u{fffd}");
        let rest = if is_name(name) { String::new() } else { place_of(value, is_value, is_name)? };
        Some(format!("/{}{rest}", escape(&clean)))
    };
    match value {
        value if is_value(value) => Some(String::new()),
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| below(&index.to_string(), item)),
        Value::Object(members) => members.iter().find_map(|(name, value)| below(name, value)),
        _ => None,
    }
}

/// What is read of an object whose members are known.
trait Members: Default {
    /// Their names.
    const NAMES: &'static [&'static str];

    /// Where problems are kept.
    fn problems(&mut self) -> &mut QuestionProblems;

    /// Reads the member with one of the names.
    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error>;
}

impl Members for Question {
    const NAMES: &'static [&'static str] = &[
        "subject",
        "context",
        "data",
        "requestType",
        "deadlineMs",
        "hookId",
        "source",
        "actor",
        "requestId",
        "traceparent",
    ];

    fn problems(&mut self) -> &mut QuestionProblems {
        &mut self.problems
    }

    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "subject" => self.subject = Some(self.read_value(name, map.next_value()?)),
            "context" => self.context = Some(self.read_value(name, map.next_value()?)),
            "data" => self.data = Some(self.read_value(name, map.next_value()?)).filter(|data| !data.is_null()),
            "deadlineMs" => self.deadline_ms = deadline(&mut self.problems, &map.next_value()?),
            "actor" => {
                let Some(ActorMembers { actor, problems }) = map.next_value()? else { return Ok(()) };
                if actor.id.is_empty() && problems.is_empty() {
                    self.problems.add("/actor/id", "is missing");
                }
                for QuestionProblem { pointer, message } in problems.kept {
                    self.problems.add(format!("/actor{pointer}"), message);
                }
                self.actor = Some(actor);
            }
            _ => self.read_text(name, map.next_value()?),
        }
        Ok(())
    }
}

impl Question {
    /// Reads a member that is the host's own JSON.
    fn read_value(&mut self, name: &str, given: DistinctJson) -> Value {
        for pointer in given.repeated {
            self.problems.add(format!("/{name}{pointer}"), "is given twice");
        }
        given.value
    }

    /// Reads a member that is a text.
    fn read_text(&mut self, name: &str, given: Scalar) {
        let pointer = format!("/{name}");
        let most = if name == "source" { HOST_SOURCE_CHARACTERS_MAX } else { HOST_TEXT_CHARACTERS_MAX };
        let text = text(&mut self.problems, &pointer, given, most);
        match name {
            "requestType" => self.request_type = text,
            "source" => self.source = text,
            // An id of another form cannot be that of a request here, which then gets one of ours.
            "requestId" => self.request_id = text.as_deref().and_then(RequestId::of_caller),
            "hookId" => {
                self.hook_id = text.as_deref().and_then(|text| text.parse().ok());
                if text.is_some() && self.hook_id.is_none() {
                    self.problems.add(pointer, "must be the id of an inline hook");
                }
            }
            _ => match text.as_deref().map(str::parse::<TraceParent>) {
                Some(Err(error)) => self.problems.add(pointer, error.to_string()),
                parent => self.trace_parent = parent.and_then(Result::ok),
            },
        }
    }
}

impl Members for QuestionBatch {
    const NAMES: &'static [&'static str] = &["deadlineMs", "invocations"];

    fn problems(&mut self) -> &mut QuestionProblems {
        &mut self.problems
    }

    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        if name == "deadlineMs" {
            self.deadline_ms = deadline(&mut self.problems, &map.next_value()?);
        } else {
            let Questions { kept, count } = map.next_value()?;
            if !(1..=HOST_BATCH_MAX).contains(&count) {
                self.problems.add("/invocations", format!("must be an array of 1 to {HOST_BATCH_MAX} questions"));
            }
            self.questions = kept;
        }
        Ok(())
    }
}

/// The actor as a question has it.
struct ActorMembers {
    actor: Actor,
    problems: QuestionProblems,
}

impl Default for ActorMembers {
    fn default() -> Self {
        let (id, kind) = (String::new(), ACTOR_TYPE.to_owned());
        let actor = Actor { id, kind, alternate_id: None, display_name: None };
        Self { actor, problems: QuestionProblems::default() }
    }
}

impl Members for ActorMembers {
    const NAMES: &'static [&'static str] = &["id", "type", "alternateId", "displayName"];

    fn problems(&mut self) -> &mut QuestionProblems {
        &mut self.problems
    }

    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let given = map.next_value()?;
        let text = text(&mut self.problems, &format!("/{name}"), given, HOST_TEXT_CHARACTERS_MAX);
        let actor = &mut self.actor;
        match (name, text) {
            ("id", Some(id)) => actor.id = id,
            ("type", Some(kind)) => actor.kind = kind,
            ("alternateId", text) => actor.alternate_id = text,
            ("displayName", text) => actor.display_name = text,
            (_, None | Some(_)) => {}
        }
        Ok(())
    }
}

/// The text of a member, if it has one that can be used.
fn text(problems: &mut QuestionProblems, pointer: &str, given: Scalar, most: usize) -> Option<String> {
    match given {
        Scalar::Null => return None,
        Scalar::Text(text) => {
            let fits = !text.trim().is_empty() && text.chars().count() <= most && !text.contains(char::is_control);
            if fits {
                return Some(text);
            }
        }
        Scalar::Number(_) | Scalar::Empty | Scalar::Other => {}
    }
    problems.add(pointer, format!("must be a text of 1 to {most} characters on one line"));
    None
}

fn deadline(problems: &mut QuestionProblems, given: &Scalar) -> Option<u32> {
    match given {
        Scalar::Null => return None,
        Scalar::Number(number) => {
            let number = u32::try_from(*number).ok().filter(|number| (1..=HOST_DEADLINE_MS_MAX).contains(number));
            if number.is_some() {
                return number;
            }
        }
        Scalar::Text(_) | Scalar::Empty | Scalar::Other => {}
    }
    problems.add("/deadlineMs", format!("must be an integer from 1 to {HOST_DEADLINE_MS_MAX}"));
    None
}

/// The name of a member.
enum Name {
    /// This one of the names.
    Known(usize),
    /// Another one, cut to what an error shows.
    Other(String),
}

/// Reads a name that is one of these, or another.
struct NameOf(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for NameOf {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameOf {
    type Value = Name;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
        let known = self.0.iter().position(|known| *known == name);
        Ok(known.map_or_else(|| Name::Other(shown(name).replace('\0', "\u{fffd}")), Name::Known))
    }
}

/// The visits of values that are neither arrays nor objects.
macro_rules! visit_scalars {
    ($of:ident: null $null:expr, else $other:expr) => {
        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("any value")
        }

        fn visit_unit<E: Error>($of) -> Result<Self::Value, E> {
            Ok($null)
        }

        fn visit_bool<E: Error>($of, _: bool) -> Result<Self::Value, E> {
            Ok($other)
        }

        fn visit_i64<E: Error>($of, _: i64) -> Result<Self::Value, E> {
            Ok($other)
        }
    };
}

/// Reads an object into what has members, and finds everything wrong with anything else.
struct Object<T>(PhantomData<T>);

impl<T: Members> Object<T> {
    fn instead() -> T {
        let mut members = T::default();
        members.problems().add("", NO_OBJECT);
        members
    }
}

impl<'de, T: Members> Visitor<'de> for Object<T> {
    type Value = T;

    visit_scalars! { self: null Self::instead(), else Self::instead() }

    fn visit_u64<E: Error>(self, _: u64) -> Result<T, E> {
        Ok(Self::instead())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<T, E> {
        Ok(Self::instead())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<T, E> {
        Ok(Self::instead())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<T, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::instead())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut members = T::default();
        let mut seen = vec![false; T::NAMES.len()];
        while let Some(name) = map.next_key_seed(NameOf(T::NAMES))? {
            match name {
                Name::Known(index) => {
                    let name = T::NAMES.get(index).copied().unwrap_or_default();
                    if seen.get_mut(index).is_some_and(|seen| std::mem::replace(seen, true)) {
                        members.problems().add(format!("/{name}"), "is given twice");
                    }
                    members.read(name, &mut map)?;
                }
                Name::Other(name) => {
                    let given = map.next_value::<Scalar>()?;
                    // What says nothing has no effect, as in every body of the API.
                    if !matches!(given, Scalar::Null | Scalar::Empty) {
                        members.problems().add(format!("/{}", escape(&name)), "is not supported");
                    }
                }
            }
        }
        Ok(members)
    }
}

macro_rules! read_as_objects {
    ($($name:ident)*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Object(PhantomData))
            }
        }
    )*};
}

read_as_objects! { Question QuestionBatch ActorMembers }

/// The questions of a batch.
#[derive(Default)]
struct Questions {
    /// The first [`HOST_BATCH_MAX`] ones.
    kept: Vec<Question>,
    /// How many there are; none when it is no array.
    count: usize,
}

impl<'de> Deserialize<'de> for Questions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfBatch)
    }
}

struct OfBatch;

impl<'de> Visitor<'de> for OfBatch {
    type Value = Questions;

    visit_scalars! { self: null Questions::default(), else Questions::default() }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Questions, E> {
        Ok(Questions::default())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Questions, E> {
        Ok(Questions::default())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Questions, E> {
        Ok(Questions::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Questions, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Questions::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Questions, A::Error> {
        let mut questions = Questions::default();
        while questions.count < HOST_BATCH_MAX
            && let Some(mut question) = items.next_element::<Question>()?
        {
            if question.deadline_ms.take().is_some() {
                question.problems.add("/deadlineMs", "belongs to the batch: its questions have one deadline");
            }
            questions.kept.push(question);
            questions.count += 1;
        }
        while items.next_element::<IgnoredAny>()?.is_some() {
            questions.count += 1;
        }
        Ok(questions)
    }
}

/// A member whose value is a text or a number, in whatever form it comes.
#[derive(Debug, PartialEq)]
enum Scalar {
    /// Null, which says nothing.
    Null,
    Text(String),
    /// An integer that is not negative.
    Number(u64),
    /// An empty object or array.
    Empty,
    Other,
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfScalar)
    }
}

struct OfScalar;

impl<'de> Visitor<'de> for OfScalar {
    type Value = Scalar;

    visit_scalars! { self: null Scalar::Null, else Scalar::Other }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
        Ok(plain_json::integer(&number.into()).map_or(Scalar::Other, Scalar::Number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Scalar, A::Error> {
        let is_empty = items.next_element::<IgnoredAny>()?.is_none();
        while !is_empty && items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(if is_empty { Scalar::Empty } else { Scalar::Other })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        let is_empty = map.next_entry::<IgnoredAny, IgnoredAny>()?.is_none();
        while !is_empty && map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(if is_empty { Scalar::Empty } else { Scalar::Other })
    }
}
