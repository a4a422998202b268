//! Notices: parts of an answer that have no effect and look like mistakes (`open-questions.md` C13).

use std::fmt;

use serde::Serialize;

/// Most notices of one answer.
pub const NOTICES_MAX: usize = 10;

/// A part of an answer that looks like a mistake but is valid by the contract; it does not change the outcome.
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
    pub hint: &'static str,
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
}

impl fmt::Display for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}. {}", self.message, self.hint)?;
        if self.pointer.is_empty() { Ok(()) } else { write!(formatter, " [{}]", self.pointer) }
    }
}

/// Collects members with similar names while an answer is read.
#[derive(Default)]
pub(super) struct Watch {
    notices: Vec<Notice>,
    /// `type` and `value`.
    command: Pair,
    /// `statusCode` and `body`.
    response: Pair,
    errors: usize,
    commands: usize,
}

/// Which of two related members were seen.
#[derive(Default)]
struct Pair(bool, bool);

/// The classification of an ignored member.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ignored {
    /// Not notable: its value need not be read.
    Unremarkable,
    /// A near miss, unless its value is empty.
    NearMiss(&'static str),
}

const WRITE_ERROR: &str = "Write `error`: an answer with it refuses";
const WRITE_COMMANDS: &str = "Write `commands`, an array of commands";

/// Names that services use by mistake, in lower case and without separators, and what to write instead.
const NEAR_MISSES: &[(&str, &str)] = &[
    ("error", WRITE_ERROR),
    ("errors", "Write `error`, one object: an answer with it refuses"),
    ("errorsummary", "Put it into `error`: an answer with `{\"error\": {\"errorSummary\": …}}` refuses"),
    ("errorcauses", "Put them into `error`: an answer with `{\"error\": {\"errorCauses\": […]}}` refuses"),
    ("commands", WRITE_COMMANDS),
    ("command", WRITE_COMMANDS),
    ("debugcontext", "Write `debugContext`: the System Log shows it"),
];

/// Longest name that is compared.
const NAME_BYTES_MAX: usize = 16;

impl Watch {
    /// Takes the name of a member that the contract does not have.
    pub(super) fn ignored(&mut self, name: &str) -> Ignored {
        match name {
            "type" => self.command.0 = true,
            "value" => self.command.1 = true,
            "statusCode" => self.response.0 = true,
            "body" => self.response.1 = true,
            _ if name.len() <= NAME_BYTES_MAX => {
                let letters =
                    || name.bytes().filter(|byte| !matches!(byte, b'_' | b'-')).map(|b| b.to_ascii_lowercase());
                let near = NEAR_MISSES.iter().find(|(wrong, _)| letters().eq(wrong.bytes()));
                return near.map_or(Ignored::Unremarkable, |(_, hint)| Ignored::NearMiss(hint));
            }
            _ => {}
        }
        Ignored::Unremarkable
    }

    /// Records a near miss with a value that is not empty.
    pub(super) fn near_miss(&mut self, name: &str, hint: &'static str) {
        let message = format!("`{name}` has no effect");
        self.put(NoticeCode::MisnamedMember, format!("/{name}"), message, hint);
    }

    /// Records that `error` was read, possibly again.
    pub(super) fn error(&mut self) {
        self.errors += 1;
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
                let hint = "Write it once";
                self.put(NoticeCode::DuplicateMember, format!("/{name}"), message, hint);
            }
        }
        if matches!(self.command, Pair(true, true)) && self.commands == 0 {
            let message = "A command at the top of the answer has no effect".to_owned();
            let hint = "Put it into an array: `{\"commands\": [{\"type\": …, \"value\": …}]}`";
            self.put(NoticeCode::BareCommand, String::new(), message, hint);
        }
        if matches!(self.response, Pair(true, true)) && self.errors == 0 && self.commands == 0 {
            let message =
                "`statusCode` and `body` have no effect: they are a function's response to its gateway".to_owned();
            let hint = "Let the gateway take them (a proxy integration), or answer what `body` holds, as an object";
            self.put(NoticeCode::GatewayResponse, "/body".to_owned(), message, hint);
        }
        self.notices
    }

    fn put(&mut self, code: NoticeCode, pointer: String, message: String, hint: &'static str) {
        if self.notices.len() < NOTICES_MAX {
            self.notices.push(Notice { code, pointer, message, hint });
        }
    }
}

/// The notice that a text had a lone surrogate.
pub(super) fn text_replaced((line, column): (usize, usize)) -> Notice {
    Notice {
        code: NoticeCode::TextReplaced,
        pointer: String::new(),
        message: format!("A text has half of a character at Line {line} Column {column}; U+FFFD stands in its place"),
        hint: "Cut texts between characters, not inside of a surrogate pair",
    }
}
