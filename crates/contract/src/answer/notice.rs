//! Notices: parts of an answer that have no effect (`open-questions.md` C13).

use std::{borrow::Cow, fmt};

use serde::Serialize;
use serde_json::Value;

use super::{Answer, Item, Members, Operand, misnamed::right_member, vocabulary::Vocabulary};
use crate::{
    description::{CommandRule, Shape},
    limits::OPERATIONS_MAX,
    pointer,
    problem::shown,
};

/// Most notices of one answer.
pub const NOTICES_MAX: usize = 10;

/// A part of an answer that the contract allows and that has no effect; it does not change the outcome.
///
/// ```
/// use tenterhook_contract::answer::{Answer, NoticeCode};
/// let answer = Answer::parse(br#"{"Error": {"errorSummary": "Account is on hold"}}"#).unwrap();
/// assert_eq!(answer.error, None);
/// assert_eq!((answer.notices[0].code, answer.notices[0].pointer.as_str()), (NoticeCode::MisnamedMember, "/Error"));
/// assert_eq!(answer.notices[0].to_string(), "`Error` has no effect. Write `error`: an answer with it refuses [/Error]");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Notice {
    /// A stable code.
    pub code: NoticeCode,
    /// Where in the answer: a JSON Pointer (RFC 6901); empty for the answer itself.
    pub pointer: String,
    /// What was found. Names members, never values.
    pub message: String,
    /// What to write instead.
    pub hint: Cow<'static, str>,
}

/// A stable code for a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NoticeCode {
    /// A member's name is similar to one of the contract's names.
    MisnamedMember,
    /// A command stands where the answer should.
    BareCommand,
    /// The answer is inside of a function gateway's response.
    GatewayResponse,
    /// A member is there more than once; the last one counts.
    DuplicateMember,
    /// A text had a lone surrogate, which was replaced by U+FFFD.
    TextReplaced,
    /// The contract has no member with this name.
    UnknownMember,
}

impl fmt::Display for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}. {}", self.message, self.hint)?;
        if self.pointer.is_empty() { Ok(()) } else { write!(formatter, " [{}]", self.pointer) }
    }
}

/// Notices that are being collected.
#[derive(Default)]
pub(super) struct Found {
    /// Those that are probably mistakes.
    likely: Vec<Notice>,
    /// Of members whose names are similar to none.
    unknown: Vec<Notice>,
}

/// An object of an answer, to say which members it has.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// The answer itself.
    Answer,
    /// A command.
    Command,
    /// The operand of a command, or an element of it.
    Operand(&'a CommandRule),
    /// The `error`.
    Error,
    /// One of its causes.
    Cause,
}

const WRITE_ERROR: &str = "Write `error`: an answer with it refuses";
const WRITE_COMMANDS: &str = "Write `commands`, an array of commands";
const WRITE_DEBUG_CONTEXT: &str = "Write `debugContext`: the System Log shows it";

/// Names that services give to members of the answer by mistake, in lower case and without separators, and what to write
/// instead.
const NEAR_MISSES: &[(&str, &str)] = &[
    ("errors", "Write `error`, one object: an answer with it refuses"),
    ("errorsummary", "Put it into `error`: an answer with `{\"error\": {\"errorSummary\": …}}` refuses"),
    ("errorcauses", "Put them into `error`: an answer with `{\"error\": {\"errorCauses\": […]}}` refuses"),
    ("command", WRITE_COMMANDS),
    ("actions", WRITE_COMMANDS),
    ("ops", WRITE_OPERATIONS),
    ("operations", WRITE_OPERATIONS),
    ("debug", WRITE_DEBUG_CONTEXT),
];
const WRITE_OPERATIONS: &str =
    "Put them into the `value` of a command: `{\"commands\": [{\"type\": …, \"value\": [{\"op\": …}]}]}`";

/// Longest name that is compared with those of [`NEAR_MISSES`].
const NAME_BYTES_MAX: usize = 16;

impl Place<'_> {
    /// Which members it has.
    fn hint(self) -> Cow<'static, str> {
        match self {
            Self::Answer => {
                "An answer has `commands`, `error` and `debugContext`. What only the log should show belongs into `debugContext`"
                    .into()
            }
            Self::Command => "A command has `type` and `value`. Its arguments belong into `value`".into(),
            Self::Operand(rule) => {
                let members = rule.members.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                let what = if rule.shape == Shape::Object { "The `value`" } else { "An element of the `value`" };
                format!("{what} of this command has {members}").into()
            }
            Self::Error => "An error has `errorSummary` and `errorCauses`".into(),
            Self::Cause => {
                "A cause has `errorSummary`, `reason`, `locationType`, `location` and `domain`".into()
            }
        }
    }

    /// What to write in place of a member that is probably meant for another.
    fn right_name(self, name: &str) -> Option<Cow<'static, str>> {
        let write = |right: &str| Cow::Owned(format!("Write `{right}`"));
        match self {
            Self::Answer => {
                let letters =
                    || name.bytes().filter(|byte| !matches!(byte, b'_' | b'-')).map(|byte| byte.to_ascii_lowercase());
                let listed = NEAR_MISSES.iter().filter(|_| name.len() <= NAME_BYTES_MAX);
                let listed = listed.clone().find(|(wrong, _)| letters().eq(wrong.bytes()));
                let hint = listed.map(|(_, hint)| *hint).or_else(|| {
                    Some(match right_member(&["commands", "error", "debugContext"], name)? {
                        "commands" => WRITE_COMMANDS,
                        "error" => WRITE_ERROR,
                        _ => WRITE_DEBUG_CONTEXT,
                    })
                });
                hint.map(Cow::Borrowed)
            }
            Self::Command => right_member(&["type", "value"], name).map(write),
            Self::Operand(rule) => {
                let names = rule.members.iter().collect::<Vec<_>>();
                right_member(&names, name).map(write)
            }
            Self::Error => right_member(&["errorSummary", "errorCauses"], name).map(write),
            Self::Cause => {
                let names = ["errorSummary", "reason", "locationType", "location", "domain"];
                right_member(&names, name).map(write)
            }
        }
    }
}

impl Found {
    /// A member that an object at the pointer `at` does not have. The same of another object is not noted again.
    pub(super) fn member(&mut self, place: Place<'_>, at: impl FnOnce() -> String, name: &str) {
        // Likely mistakes come first, so with enough of them no other notice is shown.
        if self.likely.len() >= NOTICES_MAX {
            return;
        }
        let right = place.right_name(name);
        if right.is_none() && self.unknown.len() >= NOTICES_MAX {
            return;
        }
        let (code, hint) = match right {
            Some(right) => (NoticeCode::MisnamedMember, right),
            None => (NoticeCode::UnknownMember, place.hint()),
        };
        let shown = shown(name);
        let message = format!("`{shown}` has no effect");
        if !self.all().any(|notice| notice.message == message && notice.hint == hint) {
            self.put(Notice { code, pointer: format!("{}/{}", at(), pointer::escape(&shown)), message, hint });
        }
    }

    /// The members of an object that are left when those that have an effect are taken.
    pub(super) fn members<'a>(
        &mut self,
        place: Place<'_>,
        at: impl Fn() -> String,
        left: impl IntoIterator<Item = (&'a String, &'a Value)>,
    ) {
        for (name, value) in left {
            if says_something(value) {
                self.member(place, &at, name);
            }
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        other.into_all().for_each(|notice| self.put(notice));
    }

    fn all(&self) -> impl Iterator<Item = &Notice> {
        self.likely.iter().chain(&self.unknown)
    }

    fn put(&mut self, notice: Notice) {
        let notices = if notice.code == NoticeCode::UnknownMember { &mut self.unknown } else { &mut self.likely };
        if notices.len() < NOTICES_MAX {
            notices.push(notice);
        }
    }

    /// All, the likely mistakes before the others.
    fn into_all(self) -> impl Iterator<Item = Notice> {
        self.likely.into_iter().chain(self.unknown)
    }
}

/// Whether a value is more than null or an empty array.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        _ => true,
    }
}

/// Adds the members of commands and of their operands that have no effect, and keeps the first [`NOTICES_MAX`] notices.
pub(super) fn of_commands(answer: &mut Answer, vocabulary: Vocabulary<'_>) {
    let mut found = Found::default();
    for notice in std::mem::take(&mut answer.notices) {
        found.put(notice);
    }
    for command in &answer.commands {
        let at = || format!("/commands/{}", command.place);
        // A command without an operand already has a problem, and its hint names the stray members.
        if command.operand != Operand::Absent {
            command.stray_members.iter().for_each(|name| found.member(Place::Command, at, name));
        }
        let Some(rule) = vocabulary.rules(&command.kind).next() else { continue };
        let takes = |rule: &CommandRule, name: &str| rule.members.is_empty() || rule.members.contains(name);
        // Of several types that have the command, each may have members of its own.
        let has = |name: &str| takes(rule, name) || vocabulary.rules(&command.kind).any(|other| takes(other, name));
        let mut operand = |members: &Members, at: &dyn Fn() -> String| {
            for (name, value) in &members.0 {
                if !has(name) && says_something(value) {
                    found.member(Place::Operand(rule), at, name);
                }
            }
        };
        match &command.operand {
            Operand::Items(items) if rule.shape != Shape::Object => {
                for (index, item) in items.iter().enumerate().take(OPERATIONS_MAX) {
                    if let Item::Members(members) = item {
                        operand(members, &|| format!("{}/value/{index}", at()));
                    }
                }
            }
            Operand::Members(members) if rule.shape == Shape::Object => {
                operand(members, &|| format!("{}/value", at()));
            }
            _ => {}
        }
    }
    answer.notices = found.into_all().take(NOTICES_MAX).collect();
}

/// Collects members of the answer itself that have no effect while it is read.
#[derive(Default)]
pub(super) struct Watch {
    found: Found,
    /// `type` and `value`.
    command: Pair,
    /// `statusCode` and `body`.
    response: Pair,
    errors: usize,
    commands: usize,
}

/// Which of two related members were seen.
#[derive(Default)]
struct Pair([Seen; 2]);

/// Whether a member was there, and with a value.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Seen {
    #[default]
    Absent,
    Empty,
    WithValue,
}

impl Seen {
    fn with(says: bool) -> Self {
        if says { Self::WithValue } else { Self::Empty }
    }
}

impl Pair {
    /// Both were there, and one at least with a value.
    fn is_whole(&self) -> bool {
        self.0.contains(&Seen::WithValue) && !self.0.contains(&Seen::Absent)
    }

    /// Those of the two names that had a value.
    fn with_value(&self, names: [&'static str; 2]) -> impl Iterator<Item = &'static str> {
        self.0.into_iter().zip(names).filter(|(seen, _)| *seen == Seen::WithValue).map(|(_, name)| name)
    }
}

impl Watch {
    /// Records a member that the contract does not have, and whether it has a value. One of a pair is judged at the end.
    pub(super) fn ignored(&mut self, name: &str, says: bool) {
        let ([kind, value], [status, body]) = (&mut self.command.0, &mut self.response.0);
        match name {
            "type" => *kind = Seen::with(says),
            "value" => *value = Seen::with(says),
            "statusCode" => *status = Seen::with(says),
            "body" => *body = Seen::with(says),
            _ if says => self.found.member(Place::Answer, String::new, name),
            _ => {}
        }
    }

    /// Records that `error` was read, possibly again, with the members in it that have no effect.
    pub(super) fn error(&mut self, found: Found) {
        self.errors += 1;
        self.found.append(found);
    }

    /// Records that `commands` was read, possibly again.
    pub(super) fn commands(&mut self) {
        self.commands += 1;
    }

    /// All notices.
    pub(super) fn finish(mut self) -> Vec<Notice> {
        for (count, name) in [(self.errors, "error"), (self.commands, "commands")] {
            if count > 1 {
                let message = format!("`{name}` is there {count} times; only the last one counts");
                self.put(NoticeCode::DuplicateMember, format!("/{name}"), message, "Write it once");
            }
        }
        if self.command.is_whole() && self.commands == 0 {
            let message = "A command at the top of the answer has no effect".to_owned();
            let hint = "Put it into an array: `{\"commands\": [{\"type\": …, \"value\": …}]}`";
            self.put(NoticeCode::BareCommand, String::new(), message, hint);
        } else {
            let seen = self.command.with_value(["type", "value"]);
            seen.for_each(|name| self.found.member(Place::Answer, String::new, name));
        }
        if self.response.is_whole() && self.errors == 0 && self.commands == 0 {
            let message =
                "`statusCode` and `body` have no effect: they are a function's response to its gateway".to_owned();
            let hint = "Let the gateway take them (a proxy integration), or answer what `body` holds, as an object";
            self.put(NoticeCode::GatewayResponse, "/body".to_owned(), message, hint);
        } else {
            let seen = self.response.with_value(["statusCode", "body"]);
            seen.for_each(|name| self.found.member(Place::Answer, String::new, name));
        }
        self.found.into_all().collect()
    }

    fn put(&mut self, code: NoticeCode, pointer: String, message: String, hint: &'static str) {
        self.found.put(Notice { code, pointer, message, hint: hint.into() });
    }
}

/// The notice that a text had a lone surrogate.
pub(super) fn text_replaced((line, column): (usize, usize)) -> Notice {
    Notice {
        code: NoticeCode::TextReplaced,
        pointer: String::new(),
        message: format!("A text has half of a character at Line {line} Column {column}; U+FFFD stands in its place"),
        hint: "Cut texts between characters, not inside of a surrogate pair".into(),
    }
}
