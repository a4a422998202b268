//! Operations in the contract's dialect of JSON Patch (RFC 6902), shared by token, SAML and declared extension points.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    answer::{Command, Item, Operand},
    description::CommandRule,
    limits::{OPERATIONS_MAX, PATH_BYTES_MAX, VALUE_DEPTH_MAX},
    plain_json, pointer,
    problem::{Change, Problem, ProblemCode, Refused, shown},
};

/// An operation of a patch (RFC 6902 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum OperationKind {
    /// Sets a member, or inserts an element.
    Add,
    /// Sets a member or an element that is there.
    Replace,
    /// Removes it.
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

impl OperationKind {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "add" => Some(Self::Add),
            "replace" => Some(Self::Replace),
            "remove" => Some(Self::Remove),
            _ => None,
        }
    }

    /// As it is written.
    pub const fn name(self) -> &'static str {
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

/// Where the paths of a command begin, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// At the claims of a token or an assertion: `/claims/<name>`.
    Claims,
    /// At the subject of a declared extension point: `/<name>`.
    Subject,
}

impl Root {
    /// The first name of paths; none where they begin at the subject.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Claims => "claims",
            Self::Subject => "",
        }
    }

    /// What the first name after the root names.
    const fn noun(self) -> &'static str {
        match self {
            Self::Claims => "claim",
            Self::Subject => "member",
        }
    }

    /// The pointer of the root.
    const fn pointer(self) -> &'static str {
        match self {
            Self::Claims => "/claims",
            Self::Subject => "",
        }
    }

    /// Names of a path that lead to the value that [`edit_below`] walks from: the root and the claim, or none.
    const fn names_above(self) -> usize {
        match self {
            Self::Claims => 2,
            Self::Subject => 0,
        }
    }
}

/// An operation and its path, for messages.
#[derive(Clone, Copy)]
pub(crate) struct Location<'a> {
    pub(crate) op: OperationKind,
    pub(crate) path: &'a str,
    pub(crate) root: Root,
}

impl Location<'_> {
    /// A text with the vendor's form of an operation behind it: `Path not found(op=replace, path=/claims/x)`.
    pub(crate) fn message(self, what: &str) -> String {
        format!("{what}(op={}, path={})", self.op.name(), shown(self.path))
    }

    pub(crate) fn refused(self, code: ProblemCode, what: &str) -> Refused {
        Refused { code, message: self.message(what), hint: None }
    }

    /// The problem that a path ends with a claim that does not exist.
    pub(crate) fn no_claim(self, claim: &str) -> Refused {
        let claim = shown(claim);
        self.not_found(match self.op {
            OperationKind::Remove => format!("There is no claim `{claim}`: leave the operation out"),
            OperationKind::Add | OperationKind::Replace => {
                format!("There is no claim `{claim}`: use `add`, which sets a claim whether it is there or not")
            }
        })
    }

    /// The problem that a path leads into a claim that does not exist. `nesting` says what may be inside of a claim;
    /// `one_name` also explains how to write the path if everything after the root was meant as one name.
    pub(crate) fn no_claim_to_enter(self, claim: &str, nesting: &str, one_name: bool) -> Refused {
        let as_one_name = match self.escaped_name() {
            Some(escaped) if one_name => {
                format!(
                    ". If `/` belongs to the name of the claim, write it as `~1`: `{}/{escaped}`",
                    self.root.pointer()
                )
            }
            _ => String::new(),
        };
        self.not_found(format!("There is no claim `{}`{nesting}{as_one_name}", shown(claim)))
    }

    /// What `nesting` of [`no_claim_to_enter`](Self::no_claim_to_enter) says where the claim can be added.
    pub(crate) fn add_first(self, claim: &str, what: &str) -> String {
        match self.op {
            OperationKind::Remove => ": leave the operation out".to_owned(),
            OperationKind::Add | OperationKind::Replace => {
                format!(": `add` it first, as {what}, at `{}/{}`", self.root.pointer(), pointer::escape(&shown(claim)))
            }
        }
    }

    /// The problem that the object at the first `depth` names of the path has no member `name`.
    fn no_member(self, depth: usize, name: &str) -> Refused {
        let (parent, name) = (self.parent("object", depth), shown(name));
        let is_last = self.beginning(depth + 1).len() == self.path.len();
        self.not_found(match self.op {
            OperationKind::Remove => format!("{parent} has no `{name}`: leave the operation out"),
            OperationKind::Replace if is_last => format!("{parent} has no `{name}`: use `add`"),
            OperationKind::Add | OperationKind::Replace => {
                format!("{parent} has no `{name}`: `add` that first, as an object")
            }
        })
    }

    /// The array or object at the first `depth` names of the path.
    fn parent(&self, kind: &str, depth: usize) -> String {
        match self.beginning(depth) {
            "" => "The subject".to_owned(),
            parent => format!("The {kind} at `{}`", shown(parent)),
        }
    }

    /// The problem that the array at the first `depth` names of the path has no element with this index.
    fn no_element(self, depth: usize, index: &str) -> Refused {
        self.not_found(format!("{} has no element `{}`", self.parent("array", depth), shown(index)))
    }

    /// The problem that the path leads into `value`, at its first `depth` names, which is neither object nor array.
    fn no_parent(self, depth: usize, value: &Value) -> Refused {
        let kind = plain_json::kind(value);
        let parent = match self.beginning(depth) {
            "" => "The subject".to_owned(),
            parent => format!("`{}`", shown(parent)),
        };
        self.not_found(match self.op {
            OperationKind::Remove => format!("{parent} is {kind}, which has no members: leave the operation out"),
            OperationKind::Add | OperationKind::Replace => {
                format!("{parent} is {kind}, which has no members: replace it as a whole, by an object")
            }
        })
    }

    /// The first `names` names of the path.
    fn beginning(&self, names: usize) -> &str {
        let end = self.path.match_indices('/').nth(names).map(|(at, _)| at);
        end.and_then(|end| self.path.get(..end)).unwrap_or(self.path)
    }

    fn not_found(self, hint: String) -> Refused {
        let hint = self.writing_hint().unwrap_or(hint);
        self.refused(ProblemCode::PathNotFound, "Path not found").hint(hint)
    }

    pub(crate) fn bad_path(self) -> Refused {
        let root = self.root.pointer();
        self.bad_path_or(&format!(
            "A path is a JSON Pointer without empty names, such as `{root}/<name>`; `~` stands before `0` or `1` only"
        ))
    }

    /// The problem of a path that cannot exist. `hint` describes valid paths; a usual mistake in the way the path is
    /// written has its own hint.
    pub(crate) fn bad_path_or(self, hint: &str) -> Refused {
        let hint = self.writing_hint().unwrap_or_else(|| hint.to_owned());
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
            OperationKind::Add => {
                "An array takes an index up to its length, from 0 and without leading zeros, or `-` for its end"
            }
            OperationKind::Replace | OperationKind::Remove => {
                "An array takes the index of an element, from 0 and without leading zeros"
            }
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

    /// The path's reference tokens: one at least, none of them empty.
    pub(crate) fn names<'a>(self) -> Result<Vec<Cow<'a, str>>, Refused>
    where
        Self: 'a,
    {
        let names = self.tokens()?.collect::<Result<Vec<_>, _>>()?;
        if names.is_empty() || names.iter().any(|name| name.is_empty()) { Err(self.bad_path()) } else { Ok(names) }
    }

    /// The hint for the usual mistakes (`observed.md` section 3): an unescaped name that cannot be meant as several, such
    /// as a URI, or a missing slash at the start.
    fn writing_hint(self) -> Option<String> {
        let (noun, root) = (self.root.noun(), self.root.pointer());
        let below = self.below_root().unwrap_or_default();
        match (self.root, self.escaped_name()) {
            (Root::Claims, Some(escaped)) if below.contains("//") || below.contains('~') => {
                return Some(format!("Write `/` in a {noun} name as `~1` and `~` as `~0`: `{root}/{escaped}`"));
            }
            // Where in the path the name begins is not known.
            (Root::Subject, _) if below.contains("://") => {
                return Some(format!("Write `/` in a {noun} name as `~1` and `~` as `~0`"));
            }
            _ => {}
        }
        let is_empty = self.root == Root::Subject && self.path.is_empty();
        (!is_empty && !self.path.starts_with('/'))
            .then(|| format!("A path begins with `/`: `/{}`", shown(&self.slashed())))
    }

    /// A path without its first slash as it was probably meant: `claims.x`, `$.claims.x` and `x` are below the root.
    fn slashed(self) -> String {
        let path = self.path.trim_start_matches(['$', '.']);
        if path.contains('/') {
            return path.to_owned();
        }
        match self.root {
            Root::Claims => {
                // A claim's name may contain dots.
                let root = self.root.name();
                let below = path.strip_prefix(root).and_then(|below| below.strip_prefix('.')).unwrap_or(path);
                format!("{root}/{below}")
            }
            Root::Subject => path.replace('.', "/"),
        }
    }

    /// Everything after the root, as it is written.
    pub(crate) fn below_root(&self) -> Option<&str> {
        let path = self.path.strip_prefix('/').unwrap_or(self.path);
        match self.root {
            Root::Claims => path.strip_prefix(self.root.name())?.strip_prefix('/'),
            Root::Subject => Some(path),
        }
    }

    /// Everything after the root as one escaped name; `None` when it is one already, or has escapes.
    fn escaped_name(self) -> Option<String> {
        let name = self.below_root()?;
        let needs_escapes = name.contains(['/', '~']) && !name.contains("~0") && !name.contains("~1");
        needs_escapes.then(|| pointer::escape(&shown(name)).into_owned())
    }
}

/// Reads the operations of `command` and passes each to `apply`, with its number in the command; collects changes and problems.
///
/// Returns the number of operations, so that the caller can bound it.
pub(crate) fn each_operation(
    index: usize,
    command: Command,
    rule: &CommandRule,
    (root, operations): (Root, Operations),
    (changes, problems): (&mut Vec<Change>, &mut Vec<Problem>),
    mut apply: impl FnMut(usize, Location<'_>, Edit) -> Result<(), (&'static str, Refused)>,
) -> usize {
    let Command { operand: Operand::Items(items), .. } = command else {
        problems.push(command.wrong_shape(index, rule));
        return 0;
    };
    let count = items.len();
    changes.reserve(count);
    for (number, operation) in items.into_iter().enumerate().take(OPERATIONS_MAX + 1) {
        let problem = |member: &str, refused: Refused| refused.at(format!("/commands/{index}/value/{number}{member}"));
        match read(operation, root, operations) {
            Err((member, refused)) => problems.push(problem(member, refused)),
            Ok((op @ OperationKind::Remove, path, _)) if operations == Operations::NoRemove => {
                let refused =
                    Location { op, path: &path, root }.refused(ProblemCode::UnknownOperation, "Unsupported operation");
                problems.push(problem("/op", refused.hint(NO_REMOVE.to_owned())));
            }
            Ok((op, path, edit)) => match apply(number, Location { op, path: &path, root }, edit) {
                Ok(()) => changes.push(Change { command: rule.name.clone(), op: op.name(), path }),
                Err((member, refused)) => problems.push(problem(member, refused)),
            },
        }
    }
    count
}

/// The problem that an answer has more operations than [`OPERATIONS_MAX`].
pub(crate) fn too_many_operations(index: usize, root: Root) -> Problem {
    Problem {
        code: ProblemCode::TooMany,
        pointer: format!("/commands/{index}/value"),
        message: format!("More than {OPERATIONS_MAX} operations"),
        hint: Some(format!("Set a {} as a whole, with one operation", root.noun())),
    }
}

/// The parts of an operation, or the member that is wrong.
fn read(
    operation: Item,
    root: Root,
    operations: Operations,
) -> Result<(OperationKind, String, Edit), (&'static str, Refused)> {
    let Item::Members(mut members) = operation else {
        let refused = Refused::new(ProblemCode::WrongShape, "An operation must be an object");
        return Err(("", refused.hint("Write `{\"op\": \"add\", \"path\": …, \"value\": …}`".to_owned())));
    };
    let Some(Value::String(op)) = members.get("op") else {
        let hint = format!("`op` is {}, a string", operations.named());
        return Err(("/op", Refused::new(ProblemCode::UnknownOperation, "op is required").hint(hint)));
    };
    let op = OperationKind::parse(op).ok_or_else(|| ("/op", unknown_op(op, operations)))?;
    let Some(Value::String(path)) = members.take("path") else {
        let hint = format!("`path` is a JSON Pointer (RFC 6901), a string such as `{}/<name>`", root.pointer());
        return Err(("/path", Refused::new(ProblemCode::BadPath, "path is required").hint(hint)));
    };
    let location = Location { op, path: &path, root };
    let edit = match (op, members.take("value")) {
        (OperationKind::Add, Some(value)) => Edit::Add(value),
        (OperationKind::Replace, Some(value)) => Edit::Replace(value),
        (OperationKind::Remove, None) => Edit::Remove,
        (OperationKind::Add | OperationKind::Replace, None) => {
            let text = "Value is required for add/replace operation";
            let hint = "`value` is missing or null. Leave the operation out when there is nothing to set";
            return Err(("/value", location.refused(ProblemCode::ValueRequired, text).hint(hint.to_owned())));
        }
        (OperationKind::Remove, Some(_)) => {
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

/// Edits what is below `subject` at the path's `names`: one at least, for paths that begin at the subject.
pub(crate) fn edit_subject(
    location: Location<'_>,
    subject: &mut Value,
    names: &[Cow<'_, str>],
    edit: Edit,
) -> Result<(), Refused> {
    let Some((last, parents)) = names.split_last() else { return Err(location.bad_path()) };
    location.check_depth(&edit, names.len())?;
    edit_below(location, subject, parents, last, edit)
}

/// Walks from `value`, the claim or the subject, down `names` to a parent, and edits `last` there.
pub(crate) fn edit_below(
    location: Location<'_>,
    value: &mut Value,
    names: &[Cow<'_, str>],
    last: &str,
    edit: Edit,
) -> Result<(), Refused> {
    let above = location.root.names_above();
    let mut parent = value;
    for (depth, name) in (above..).zip(names) {
        parent = match parent {
            Value::Object(members) => members.get_mut(name.as_ref()).ok_or_else(|| location.no_member(depth, name))?,
            Value::Array(items) => {
                let index = pointer::index(name).ok_or_else(|| location.bad_index())?;
                items.get_mut(index).ok_or_else(|| location.no_element(depth, name))?
            }
            other => return Err(location.no_parent(depth, other)),
        };
    }
    let depth = above + names.len();
    match parent {
        Value::Object(members) => edit_member(members, last, edit).ok_or_else(|| location.no_member(depth, last)),
        Value::Array(items) => edit_element(location, items, last, edit, Ok),
        other => Err(location.no_parent(depth, other)),
    }
}

/// `None` when the member to replace or to remove does not exist.
fn edit_member(members: &mut Map<String, Value>, name: &str, edit: Edit) -> Option<()> {
    match edit {
        Edit::Add(value) => drop(members.insert(name.to_owned(), value)),
        Edit::Replace(value) => *members.get_mut(name)? = value,
        // `shift_remove` keeps the order of the other members.
        Edit::Remove => drop(members.shift_remove(name)?),
    }
    Some(())
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
