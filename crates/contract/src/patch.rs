//! Operations in the contract's dialect of JSON Patch (RFC 6902), shared by token and SAML.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::{
    answer::{Command, Item, Operand},
    description::CommandRule,
    limits::{OPERATIONS_MAX, PATH_BYTES_MAX, VALUE_DEPTH_MAX},
    plain_json, pointer,
    problem::{Change, Problem, ProblemCode, Refused, shown},
};

/// An operation of the dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Add,
    Replace,
    Remove,
}

/// The operations of a command, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operations {
    /// `add`, `replace` and `remove`.
    All,
    /// Without `remove`, which an assertion does not allow (`open-questions.md` E5).
    NoRemove,
}

/// The hint for a `remove` that is not allowed.
const NO_REMOVE: &str = "An assertion takes `add` and `replace` only";

impl Operations {
    fn named(self) -> &'static str {
        match self {
            Self::All => "`add`, `replace` or `remove`",
            Self::NoRemove => "`add` or `replace`",
        }
    }
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

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Remove => "remove",
        }
    }
}

/// The change of an operation at its path: `add` and `replace` always have a value, `remove` never.
#[derive(Debug)]
pub(crate) enum Edit {
    Add(Value),
    Replace(Value),
    Remove,
}

/// An operation and its path, for messages.
#[derive(Clone, Copy)]
pub(crate) struct Location<'a> {
    pub(crate) op: Op,
    pub(crate) path: &'a str,
    /// The first reference token of paths, such as `claims`.
    pub(crate) root: &'static str,
}

impl Location<'_> {
    /// A text with the vendor's form of an operation behind it: `Path not found(op=replace, path=/claims/x)`.
    pub(crate) fn message(self, what: &str) -> String {
        format!("{what}(op={}, path={})", self.op.name(), shown(self.path))
    }

    pub(crate) fn refused(self, code: ProblemCode, what: &str) -> Refused {
        Refused { code, message: self.message(what), hint: None }
    }

    pub(crate) fn not_found(self) -> Refused {
        self.missing(false)
    }

    /// The problem that the name after the root does not exist. The hint assumes that everything after the root may
    /// have been meant as one name.
    pub(crate) fn name_not_found(self) -> Refused {
        self.missing(true)
    }

    fn missing(self, one_name: bool) -> Refused {
        let hint = self.writing_hint(one_name).unwrap_or_else(|| match self.op {
            Op::Remove => "Nothing is there. Leave the operation out".to_owned(),
            Op::Replace => "Nothing is there. Write `add` to set what the request does not have".to_owned(),
            Op::Add => "What it is added to is not there. Add that first, whole".to_owned(),
        });
        self.refused(ProblemCode::PathNotFound, "Path not found").hint(hint)
    }

    pub(crate) fn bad_path(self) -> Refused {
        let root = self.root;
        self.bad_path_or(&format!(
            "A path is a JSON Pointer without empty names, such as `/{root}/<name>`; `~` stands before `0` or `1` only"
        ))
    }

    /// The problem of a path that cannot exist. `hint` describes valid paths; a usual mistake in the way the path is
    /// written has its own hint.
    pub(crate) fn bad_path_or(self, hint: &str) -> Refused {
        let hint = self.writing_hint(false).unwrap_or_else(|| hint.to_owned());
        self.refused(ProblemCode::BadPath, "Invalid path").hint(hint)
    }

    /// Refuses a value that would be nested too deep at its position, which is inside `above` arrays and objects.
    ///
    /// Operations only insert and remove values, so checking the depth of each operation bounds the depth of the
    /// result.
    pub(crate) fn check_depth(self, edit: &Edit, above: usize) -> Result<(), Refused> {
        let (Edit::Add(value) | Edit::Replace(value)) = edit else { return Ok(()) };
        if plain_json::is_nested_at_most(value, VALUE_DEPTH_MAX.saturating_sub(above)) {
            return Ok(());
        }
        let hint = format!("At most {VALUE_DEPTH_MAX} arrays and objects can be inside each other");
        Err(self.refused(ProblemCode::BadValue, "Value nested too deep").hint(hint))
    }

    pub(crate) fn bad_index(self) -> Refused {
        let hint = match self.op {
            Op::Add => "An array takes an index up to its length, from 0 and without leading zeros, or `-` for its end",
            Op::Replace | Op::Remove => "An array takes the index of an element, from 0 and without leading zeros",
        };
        self.refused(ProblemCode::BadIndex, "Invalid array index").hint(hint.to_owned())
    }

    /// The path's reference tokens, one by one.
    pub(crate) fn tokens<'a>(self) -> Result<impl Iterator<Item = Result<Cow<'a, str>, Refused>>, Refused>
    where
        Self: 'a,
    {
        if self.path.len() > PATH_BYTES_MAX {
            let hint = format!("A path has {PATH_BYTES_MAX} bytes at most");
            return Err(self.refused(ProblemCode::BadPath, "Path too long").hint(hint));
        }
        let tokens = pointer::split(self.path).map_err(|_| self.bad_path())?;
        Ok(tokens.map(move |token| token.map_err(|_| self.bad_path())))
    }

    /// The hint for the usual mistakes (`observed.md` section 3): an unescaped name such as a URI (`one_name` forces
    /// this reading), or a missing slash at the start.
    fn writing_hint(self, one_name: bool) -> Option<String> {
        let root = self.root;
        let path = self.path.strip_prefix('/').unwrap_or(self.path);
        if let Some(name) = path.strip_prefix(root).and_then(|rest| rest.strip_prefix('/'))
            && !name.contains("~1")
            && !name.contains("~0")
            && (name.contains("//") || name.contains('~') || (one_name && name.contains('/')))
        {
            let escaped = pointer::escape(&shown(name)).into_owned();
            return Some(format!("Write `/` in a claim name as `~1` and `~` as `~0`: `/{root}/{escaped}`"));
        }
        (!self.path.starts_with('/')).then(|| format!("A path begins with `/`: `/{}`", shown(path)))
    }
}

/// Reads the operations of `command` and passes each to `apply`; collects changes and problems.
///
/// Returns the number of operations, so that the caller can bound it.
pub(crate) fn each_operation(
    index: usize,
    command: Command,
    rule: &CommandRule,
    (root, operations): (&'static str, Operations),
    (changes, problems): (&mut Vec<Change>, &mut Vec<Problem>),
    mut apply: impl FnMut(Location<'_>, Edit) -> Result<(), (&'static str, Refused)>,
) -> usize {
    let Command { operand: Operand::Items(items), .. } = command else {
        problems.push(command.wrong_shape(index, rule));
        return 0;
    };
    let count = items.len();
    changes.reserve(count);
    for (number, operation) in items.into_iter().enumerate().take(OPERATIONS_MAX + 1) {
        let problem = |member: &str, refused: Refused| refused.at(format!("/commands/{index}/value/{number}{member}"));
        match read(operation, operations) {
            Err((member, refused)) => problems.push(problem(member, refused)),
            Ok((op @ Op::Remove, path, _)) if operations == Operations::NoRemove => {
                let refused =
                    Location { op, path: &path, root }.refused(ProblemCode::UnknownOperation, "Unsupported operation");
                problems.push(problem("/op", refused.hint(NO_REMOVE.to_owned())));
            }
            Ok((op, path, edit)) => match apply(Location { op, path: &path, root }, edit) {
                Ok(()) => changes.push(Change { command: rule.name.clone(), op: op.name(), path }),
                Err((member, refused)) => problems.push(problem(member, refused)),
            },
        }
    }
    count
}

/// The problem that an answer has more operations than [`OPERATIONS_MAX`].
pub(crate) fn too_many_operations(index: usize) -> Problem {
    Problem {
        code: ProblemCode::TooMany,
        pointer: format!("/commands/{index}/value"),
        message: format!("More than {OPERATIONS_MAX} operations"),
        hint: Some("Set a claim as a whole, with one operation".to_owned()),
    }
}

/// The parts of an operation, or the member that is wrong.
fn read(operation: Item, operations: Operations) -> Result<(Op, String, Edit), (&'static str, Refused)> {
    let Item::Members(mut members) = operation else {
        let refused = Refused::new(ProblemCode::WrongShape, "An operation must be an object");
        return Err(("", refused.hint("Write `{\"op\": \"add\", \"path\": …, \"value\": …}`".to_owned())));
    };
    let Some(Value::String(op)) = members.get("op") else {
        let hint = format!("`op` is {}, a string", operations.named());
        return Err(("/op", Refused::new(ProblemCode::UnknownOperation, "op is required").hint(hint)));
    };
    let op = Op::parse(op).ok_or_else(|| ("/op", unknown_op(op, operations)))?;
    let Some(Value::String(path)) = members.take("path") else {
        let hint = "`path` is a JSON Pointer (RFC 6901), a string such as `/claims/<name>`";
        return Err(("/path", Refused::new(ProblemCode::BadPath, "path is required").hint(hint.to_owned())));
    };
    let location = Location { op, path: &path, root: "" };
    let edit = match (op, members.take("value")) {
        (Op::Add, Some(value)) => Edit::Add(value),
        (Op::Replace, Some(value)) => Edit::Replace(value),
        (Op::Remove, None) => Edit::Remove,
        (Op::Add | Op::Replace, None) => {
            let text = "Value is required for add/replace operation";
            let hint = "`value` is missing or null. Leave the operation out when there is nothing to set";
            return Err(("/value", location.refused(ProblemCode::ValueRequired, text).hint(hint.to_owned())));
        }
        (Op::Remove, Some(_)) => {
            let text = "Value is not allowed for remove operation";
            let hint = match operations {
                Operations::All => "Leave `value` out: the path alone says what is removed",
                Operations::NoRemove => NO_REMOVE,
            };
            return Err(("/value", location.refused(ProblemCode::ValueNotAllowed, text).hint(hint.to_owned())));
        }
    };
    Ok((op, path, edit))
}

fn unknown_op(op: &str, operations: Operations) -> Refused {
    Refused::new(ProblemCode::UnknownOperation, format!("Unknown operation(op={})", shown(op)))
        .hint(format!("`op` is {}, in lower case", operations.named()))
}

/// Walks from `value` down `names` to a parent, and edits `last` there.
pub(crate) fn edit_below(
    location: Location<'_>,
    value: &mut Value,
    names: &[Cow<'_, str>],
    last: &str,
    edit: Edit,
) -> Result<(), Refused> {
    let mut parent = value;
    for name in names {
        parent = match parent {
            Value::Object(members) => members.get_mut(name.as_ref()).ok_or_else(|| location.not_found())?,
            Value::Array(items) => {
                let index = pointer::index(name).ok_or_else(|| location.bad_index())?;
                items.get_mut(index).ok_or_else(|| location.not_found())?
            }
            _ => return Err(location.not_found()),
        };
    }
    match parent {
        Value::Object(members) => edit_member(location, members, last, edit),
        Value::Array(items) => edit_element(location, items, last, edit, Ok),
        _ => Err(location.not_found()),
    }
}

fn edit_member(
    location: Location<'_>,
    members: &mut Map<String, Value>,
    name: &str,
    edit: Edit,
) -> Result<(), Refused> {
    match edit {
        Edit::Add(value) => drop(members.insert(name.to_owned(), value)),
        Edit::Replace(value) => *members.get_mut(name).ok_or_else(|| location.not_found())? = value,
        // `shift_remove` keeps the order of the other members.
        Edit::Remove => drop(members.shift_remove(name).ok_or_else(|| location.not_found())?),
    }
    Ok(())
}

/// Edits the element `name` of `items`: an index, or `-` to `add` after the last one; `make` turns the operation's
/// value into an element.
pub(crate) fn edit_element<T>(
    location: Location<'_>,
    items: &mut Vec<T>,
    name: &str,
    edit: Edit,
    make: impl FnOnce(Value) -> Result<T, Refused>,
) -> Result<(), Refused> {
    let length = items.len();
    let index = match (name, &edit) {
        ("-", Edit::Add(_)) => length,
        _ => pointer::index(name).ok_or_else(|| location.bad_index())?,
    };
    match edit {
        Edit::Add(value) if index <= length => items.insert(index, make(value)?),
        Edit::Replace(value) => *items.get_mut(index).ok_or_else(|| location.bad_index())? = make(value)?,
        Edit::Remove if index < length => drop(items.remove(index)),
        _ => return Err(location.bad_index()),
    }
    Ok(())
}
