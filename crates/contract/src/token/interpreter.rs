//! What the commands of a token answer do (`token.md` section 3): in order, all or none.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    TokenDraft, TokenSubject,
    reserved::{TokenKind, is_reserved},
};
use crate::{
    HookType, Interpretation,
    answer::{Answer, Command, stray_hint, unknown_command},
    limits::{OPERATIONS_MAX, PATH_BYTES_MAX, TOKEN_LIFETIME_SECONDS_MAX, TOKEN_LIFETIME_SECONDS_MIN},
    pointer,
    problem::{Change, Problem, ProblemCode},
};

/// Acts on the ID token.
pub const IDENTITY_PATCH: &str = "com.okta.identity.patch";
/// Acts on the access token.
pub const ACCESS_PATCH: &str = "com.okta.access.patch";
/// The one path outside the claims.
const LIFETIME: &str = "/token/lifetime/expiration";
/// Characters of a path or a name that a log text shows.
const SHOWN_CHARACTERS: usize = 200;

/// An operation of the dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Add,
    Replace,
    Remove,
}

impl Op {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "add" => Some(Self::Add),
            "replace" => Some(Self::Replace),
            "remove" => Some(Self::Remove),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Remove => "remove",
        }
    }
}

/// Why an operation is not acceptable, before its place in the answer is known.
struct Refused {
    code: ProblemCode,
    message: String,
    hint: Option<String>,
}

/// Applies the commands to a copy of `subject`; one failing operation discards the whole answer.
pub(super) fn interpret(subject: &TokenSubject, answer: &Answer) -> Result<Interpretation<TokenSubject>, Vec<Problem>> {
    let mut problems = answer.problems.clone();
    let mut draft_subject = subject.clone();
    let mut changes = Vec::new();
    let mut operations = 0;
    for (index, command) in answer.commands.iter().enumerate() {
        let (kind, name, draft, absent) = match command.kind.as_str() {
            IDENTITY_PATCH => {
                (TokenKind::Identity, IDENTITY_PATCH, &mut draft_subject.identity, "ID Token not present")
            }
            ACCESS_PATCH => (TokenKind::Access, ACCESS_PATCH, &mut draft_subject.access, "Access Token not present"),
            unknown => {
                problems.push(unknown_command(HookType::Token, index, unknown));
                continue;
            }
        };
        let Some(draft) = draft else {
            problems.push(Problem {
                code: ProblemCode::TokenNotPresent,
                pointer: format!("/commands/{index}"),
                message: absent.to_owned(),
                hint: Some("Send this command only when the request has the token".to_owned()),
            });
            continue;
        };
        let patch = Patch { kind, command: name, dpop: subject.dpop, index };
        operations += patch.apply(command, draft, &mut changes, &mut problems);
        if operations > OPERATIONS_MAX {
            problems.push(Problem {
                code: ProblemCode::TooMany,
                pointer: format!("/commands/{index}/value"),
                message: format!("More than {OPERATIONS_MAX} operations"),
                hint: None,
            });
            break;
        }
    }
    if problems.is_empty() { Ok(Interpretation { subject: draft_subject, changes }) } else { Err(problems) }
}

/// One command on one token.
struct Patch {
    kind: TokenKind,
    command: &'static str,
    dpop: bool,
    index: usize,
}

impl Patch {
    /// Applies the operations of `command`; answers how many there were.
    fn apply(
        &self,
        command: &Command,
        draft: &mut TokenDraft,
        changes: &mut Vec<Change>,
        problems: &mut Vec<Problem>,
    ) -> usize {
        let Some(Value::Array(operations)) = &command.value else {
            problems.push(Problem {
                code: ProblemCode::WrongShape,
                pointer: format!("/commands/{}/value", self.index),
                message: format!("value must be an array of operations({})", self.command),
                hint: stray_hint(&command.stray_members),
            });
            return 0;
        };
        for (place, operation) in operations.iter().enumerate().take(OPERATIONS_MAX + 1) {
            match self.operation(operation, draft) {
                Ok((op, path)) => {
                    changes.push(Change { command: self.command, op: op.name(), path: path.to_owned() });
                }
                Err((member, refused)) => problems.push(Problem {
                    code: refused.code,
                    pointer: format!("/commands/{}/value/{place}{member}", self.index),
                    message: refused.message,
                    hint: refused.hint,
                }),
            }
        }
        operations.len()
    }

    /// Applies one operation, or says which of its members is wrong.
    fn operation<'a>(
        &self,
        operation: &'a Value,
        draft: &mut TokenDraft,
    ) -> Result<(Op, &'a str), (&'static str, Refused)> {
        let Value::Object(members) = operation else {
            return Err(("", refused(ProblemCode::WrongShape, "An operation must be an object")));
        };
        let op = match members.get("op") {
            Some(Value::String(op)) => Op::parse(op).ok_or_else(|| ("/op", unknown_op(op)))?,
            _ => return Err(("/op", refused(ProblemCode::UnknownOperation, "op is required"))),
        };
        let Some(Value::String(path)) = members.get("path") else {
            return Err(("/path", refused(ProblemCode::BadPath, "path is required")));
        };
        let value = members.get("value").filter(|value| !value.is_null());
        match (op, value) {
            (Op::Add | Op::Replace, None) => {
                let text = format!("Value is required for add/replace operation{}", at(op, path));
                return Err(("/value", refused(ProblemCode::ValueRequired, text)));
            }
            (Op::Remove, Some(_)) => {
                let text = format!("Value is not allowed for remove operation{}", at(op, path));
                return Err(("/value", refused(ProblemCode::ValueNotAllowed, text)));
            }
            _ => {}
        }
        if path == LIFETIME {
            set_lifetime(op, path, value, draft).map_err(|refused| ("", refused))?;
        } else {
            let names = self.claim_path(op, path).map_err(|refused| ("/path", refused))?;
            change_claims(op, path, &names, value, &mut draft.claims).map_err(|refused| ("/path", refused))?;
        }
        Ok((op, path))
    }

    /// The reference tokens below `/claims`, at least one; the first is a claim that may be changed.
    fn claim_path<'a>(&self, op: Op, path: &'a str) -> Result<Vec<Cow<'a, str>>, Refused> {
        let bad = |what: &str, hint: Option<String>| Refused {
            code: ProblemCode::BadPath,
            message: format!("{what}{}", at(op, path)),
            hint,
        };
        if path.len() > PATH_BYTES_MAX {
            return Err(bad("Path too long", None));
        }
        let Ok(mut names) = pointer::tokens(path) else {
            return Err(bad("Invalid path", escaping_hint(path)));
        };
        if names.first().is_none_or(|root| root != "claims") || names.len() < 2 {
            let hint = format!("A path is `/claims/<name>` or `{LIFETIME}`");
            return Err(bad("Invalid path", Some(hint)));
        }
        names.remove(0);
        if names.iter().any(|name| name.is_empty()) {
            return Err(bad("Invalid path", escaping_hint(path)));
        }
        match names.first() {
            Some(claim) if is_reserved(self.kind, claim, self.dpop) => Err(Refused {
                code: ProblemCode::ReservedClaim,
                message: format!("Reserved claim{}", at(op, path)),
                hint: Some(format!("The claim `{}` cannot be changed by a hook", shown(claim))),
            }),
            _ => Ok(names),
        }
    }
}

fn set_lifetime(op: Op, path: &str, value: Option<&Value>, draft: &mut TokenDraft) -> Result<(), Refused> {
    if op != Op::Replace {
        return Err(Refused {
            code: ProblemCode::BadPath,
            message: format!("Invalid path{}", at(op, path)),
            hint: Some("The lifetime can only be replaced".to_owned()),
        });
    }
    let seconds = value.and_then(Value::as_u64).and_then(|seconds| u32::try_from(seconds).ok());
    match seconds {
        Some(seconds @ TOKEN_LIFETIME_SECONDS_MIN..=TOKEN_LIFETIME_SECONDS_MAX) => {
            draft.lifetime_seconds = seconds;
            Ok(())
        }
        _ => Err(Refused {
            code: ProblemCode::BadValue,
            message: format!("Invalid token lifetime{}", at(op, path)),
            hint: Some(format!(
                "The lifetime is an integer from {TOKEN_LIFETIME_SECONDS_MIN} to {TOKEN_LIFETIME_SECONDS_MAX} seconds"
            )),
        }),
    }
}

/// Walks to the parent of the path's last name and changes it there.
fn change_claims(
    op: Op,
    path: &str,
    names: &[Cow<'_, str>],
    value: Option<&Value>,
    claims: &mut Map<String, Value>,
) -> Result<(), Refused> {
    let Some((last, parents)) = names.split_last() else {
        return Err(refused(ProblemCode::BadPath, format!("Invalid path{}", at(op, path))));
    };
    let Some((claim, below)) = parents.split_first() else {
        return change_member(op, path, last, value, claims);
    };
    let missing = || Refused {
        code: ProblemCode::PathNotFound,
        message: format!("Path not found{}", at(op, path)),
        hint: escaping_hint(path),
    };
    let mut parent = claims.get_mut(claim.as_ref()).ok_or_else(missing)?;
    for name in below {
        parent = match parent {
            Value::Object(members) => members.get_mut(name.as_ref()).ok_or_else(missing)?,
            Value::Array(items) => {
                let index = pointer::index(name).ok_or_else(|| bad_index(op, path))?;
                items.get_mut(index).ok_or_else(missing)?
            }
            _ => return Err(missing()),
        };
    }
    match parent {
        Value::Object(members) => change_member(op, path, last, value, members),
        Value::Array(items) => change_element(op, path, last, value, items),
        _ => Err(missing()),
    }
}

fn change_member(
    op: Op,
    path: &str,
    name: &str,
    value: Option<&Value>,
    members: &mut Map<String, Value>,
) -> Result<(), Refused> {
    match (op, value) {
        (Op::Add, Some(value)) => {
            members.insert(name.to_owned(), value.clone());
            return Ok(());
        }
        (Op::Replace, Some(value)) => {
            if let Some(member) = members.get_mut(name) {
                *member = value.clone();
                return Ok(());
            }
        }
        _ => {
            // `shift_remove` keeps the order of the claims that stay.
            if members.shift_remove(name).is_some() {
                return Ok(());
            }
        }
    }
    Err(refused(ProblemCode::PathNotFound, format!("Path not found{}", at(op, path))))
}

fn change_element(
    op: Op,
    path: &str,
    name: &str,
    value: Option<&Value>,
    items: &mut Vec<Value>,
) -> Result<(), Refused> {
    if name == "-" {
        return match (op, value) {
            (Op::Add, Some(value)) => {
                items.push(value.clone());
                Ok(())
            }
            _ => Err(bad_index(op, path)),
        };
    }
    let index = pointer::index(name).ok_or_else(|| bad_index(op, path))?;
    match (op, value) {
        (Op::Add, Some(value)) if index <= items.len() => items.insert(index, value.clone()),
        (Op::Replace, Some(value)) if index < items.len() => {
            if let Some(item) = items.get_mut(index) {
                *item = value.clone();
            }
        }
        (Op::Remove, None) if index < items.len() => drop(items.remove(index)),
        _ => return Err(bad_index(op, path)),
    }
    Ok(())
}

fn refused(code: ProblemCode, message: impl Into<String>) -> Refused {
    Refused { code, message: message.into(), hint: None }
}

fn bad_index(op: Op, path: &str) -> Refused {
    refused(ProblemCode::BadIndex, format!("Invalid array index{}", at(op, path)))
}

fn unknown_op(op: &str) -> Refused {
    Refused {
        code: ProblemCode::UnknownOperation,
        message: format!("Unknown operation(op={})", shown(op)),
        hint: Some("The operations are `add`, `replace` and `remove`, in lower case".to_owned()),
    }
}

/// The vendor's form of an operation in log texts: `(op=replace, path=/claims/x)`.
fn at(op: Op, path: &str) -> String {
    format!("(op={}, path={})", op.name(), shown(path))
}

fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
    }
}

/// How the path would be written if everything after `/claims/` were one claim name: the usual mistake.
fn escaping_hint(path: &str) -> Option<String> {
    let path = path.strip_prefix('/').unwrap_or(path);
    match path.split_once("claims/") {
        Some(("", name)) if name.contains(['/', '~']) && !name.contains("~1") && !name.contains("~0") => {
            let name = shown(name);
            Some(format!("Write `/` in a claim name as `~1` and `~` as `~0`: `/claims/{}`", pointer::escape(&name)))
        }
        Some(("", name)) if !name.is_empty() => Some(format!("A path begins with `/`: `/claims/{}`", shown(name))),
        _ => None,
    }
}
