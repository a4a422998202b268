//! What differs between the hook types and can be said without code, one [`Description`] per type: the row that every
//! other crate asks instead of matching on the type. Plain data; what needs code is a
//! [`HookKind`](crate::hook_kind::HookKind)'s.

use std::{borrow::Cow, fmt};

use crate::{BUILT_IN_DESCRIPTIONS, HookTypeName};

/// A list of names: one that is written in the source, or one that a declared type brings.
///
/// ```
/// use tenterhook_contract::description::Names;
/// const FIXED: Names = Names::fixed(&["status", "provider"]);
/// let declared = Names::from(vec!["status".to_owned(), "provider".to_owned()]);
/// assert_eq!(FIXED, declared);
/// assert!(FIXED.contains("status") && !FIXED.contains("op"));
/// ```
#[derive(Clone)]
pub struct Names(List);

#[derive(Clone)]
enum List {
    Fixed(&'static [&'static str]),
    Own(Vec<String>),
}

impl Names {
    /// No names.
    pub const NONE: Self = Self::fixed(&[]);

    /// Names that are written in the source.
    pub const fn fixed(names: &'static [&'static str]) -> Self {
        Self(List::Fixed(names))
    }

    /// The names in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let (fixed, own): (&[&str], &[String]) = match &self.0 {
            List::Fixed(names) => (names, &[]),
            List::Own(names) => (&[], names),
        };
        fixed.iter().copied().chain(own.iter().map(String::as_str))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Whether `name` is one of them.
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|own| own == name)
    }

    /// `name` as one of these, without memory of its own where the list is written in the source.
    pub(crate) fn interned(&self, name: &str) -> Option<Cow<'static, str>> {
        match &self.0 {
            List::Fixed(names) => names.iter().find(|own| **own == name).map(|own| Cow::Borrowed(*own)),
            List::Own(_) => None,
        }
    }
}

impl From<Vec<String>> for Names {
    fn from(names: Vec<String>) -> Self {
        Self(List::Own(names))
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Names {}

impl fmt::Debug for Names {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

/// Whether a failed attempt is made once more (`overview.md` 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Never: token and telephony.
    Never,
    /// Once, after a 5xx or a failure to connect, send or receive.
    Once,
}

/// What an answer without commands means (`overview.md` section 2, column "Empty 204").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyAnswer {
    /// The type's default action.
    DefaultAction,
    /// A malformed answer: a technical failure when there is no body, else invalid commands.
    Malformed,
}

/// What the flow does when the service could not be asked or understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureDefault {
    /// Open: the flow goes on with the unchanged subject.
    Continue,
    /// Closed: the flow is refused.
    Stop,
    /// Open: a built-in provider does the work.
    FallBack,
}

/// What the flow does when the service answers with an `error` (`overview.md` section 6, column 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorDefault {
    /// The flow is refused with the service's summary.
    Refuse,
    /// The flow goes on with the default action; the summary is logged.
    Continue,
    /// A built-in provider does the work.
    FallBack,
    /// As after a technical failure; the summary is for the log alone.
    Failure,
}

/// How many hooks of the type an org may have (`overview.md` section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerOrg {
    /// As many as fit the org's limit.
    Many,
    /// One, whatever its status.
    One,
    /// One that is ACTIVE.
    OneActive,
}

/// The JSON shape of a command's operand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An array of objects, and what the log says when it is something else.
    Items(Cow<'static, str>),
    /// An object.
    Object,
}

impl Shape {
    /// What the log says when the operand has another shape.
    pub(crate) fn wanted(&self) -> &str {
        match self {
            Self::Items(wanted) => wanted,
            Self::Object => "value must be an object",
        }
    }
}

/// `eventTypeVersion` of the built-in types.
pub(crate) const EVENT_TYPE_VERSION: Cow<'static, str> = Cow::Borrowed("1.0");

/// The budget of one attempt at a hook of a built-in type, in milliseconds (`overview.md` section 5).
pub(crate) const TIMEOUT_MS_DEFAULT: u32 = 3_000;

/// The members of an operation on a token or an assertion.
pub(crate) const OPERATION_MEMBERS: Names = Names::fixed(&["op", "path", "value"]);

/// Words that services put into the names of the built-in types' commands, or leave out of them.
pub(crate) const FILLER_WORDS: Names = Names::fixed(&["com", "okta", "tokens", "token", "import"]);

/// One command of a type.
///
/// ```
/// use tenterhook_contract::description::{CommandRule, Names, Shape};
/// let score = CommandRule {
///     name: "com.example.score.set".into(),
///     shape: Shape::Object,
///     members: Names::fixed(&["score"]),
///     misnamed: Names::NONE,
/// };
/// assert!(!score.sets_attributes());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRule {
    /// Its type string.
    pub name: Cow<'static, str>,
    /// The shape of its operand.
    pub shape: Shape,
    /// The members of its operand, or of each item; none when they are the attributes of a profile.
    pub members: Names,
    /// Wrong names for it that real services use (`observed.md` section 3).
    pub misnamed: Names,
}

impl CommandRule {
    /// Whether its operand holds the attributes of a profile under their names.
    pub fn sets_attributes(&self) -> bool {
        self.shape == Shape::Object && self.members.is_empty()
    }

    /// The shape of the operand as an example, for messages.
    pub(crate) fn example(&self) -> String {
        let members = self.members.iter().map(|name| format!("\"{name}\": …")).collect::<Vec<_>>().join(", ");
        match &self.shape {
            Shape::Items(_) => format!("`value` is an array: `[{{{members}}}]`"),
            Shape::Object if members.is_empty() => {
                "`value` is an object of attributes: `{\"firstName\": …}`".to_owned()
            }
            Shape::Object => format!("`value` is an object: `{{{members}}}`"),
        }
    }
}

/// One hook type: a row of the table in `overview.md` section 2, with everything that hangs on it.
///
/// ```
/// use tenterhook_contract::{BuiltInType, Retry};
/// assert_eq!(BuiltInType::Token.description().retry, Retry::Never);
/// assert!(BuiltInType::Saml.description().command("com.okta.assertion.patch").is_some());
/// ```
pub struct Description {
    /// `eventType` on the wire and `type` in the management API.
    pub event_type: HookTypeName,
    /// `eventTypeVersion` on the wire.
    pub event_type_version: Cow<'static, str>,
    /// What people call the type.
    pub title: Cow<'static, str>,
    /// Its commands.
    pub commands: Cow<'static, [CommandRule]>,
    /// What happens when nothing is returned, in words.
    pub default_outcome: Cow<'static, str>,
    /// The budget of one attempt in milliseconds that a hook of the type starts with.
    pub timeout_ms: u32,
    /// The retry rule.
    pub retry: Retry,
    /// The empty-answer rule.
    pub empty_answer: EmptyAnswer,
    /// The default failure policy.
    pub failure: FailureDefault,
    /// What an `error` does.
    pub error: ErrorDefault,
    /// How many an org may have.
    pub per_org: PerOrg,
    /// Whether the channel must authenticate itself.
    pub authentication_required: bool,
    /// Where the document holds what must never be kept or shown: JSON Pointers (RFC 6901) into `data`, in which `*` stands
    /// for any one member or element. Everything below such a place is meant too.
    pub secret_members: Names,
    /// Where [`submitted_data`](crate::ExtensionPoint::submitted_data) holds what no document has and nobody may see: pointers
    /// like those of `secret_members`. A service may know such a value from elsewhere and repeat it.
    pub unsent_members: Names,
    /// The types, its own among them or not, whose commands a service may send by mistake: hints name them.
    pub relatives: Cow<'static, [&'static Description]>,
    /// Words, in lower case, that services put into the names of its commands or leave out of them.
    pub filler_words: Names,
    /// Which preview inputs make sense.
    pub preview_inputs: Names,
    /// Where its samples hold dates that move with the time of a preview: JSON Pointers (RFC 6901) to texts (RFC 3339) or
    /// integers (`NumericDate`, RFC 7519 section 2).
    pub sample_dates: Names,
}

/// Without the relatives, which are in each other's.
impl fmt::Debug for Description {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Description").field("event_type", &self.event_type).finish_non_exhaustive()
    }
}

impl Description {
    /// The description of a type whose only command, `NAME.patch`, is a patch of the subject, with every default: version 1.0, a
    /// title that is the name, three seconds for the one attempt; the flow goes on without a usable answer, and a service's
    /// `error` refuses it.
    ///
    /// ```
    /// use tenterhook_contract::{Description, FailureDefault};
    /// let checkout = Description::of("com.example.order.checkout".parse()?);
    /// assert!(checkout.command("com.example.order.checkout.patch").is_some());
    /// let strict = Description { title: "Order checkout".into(), failure: FailureDefault::Stop, ..checkout };
    /// assert_eq!(strict.timeout_ms, 3_000);
    /// # Ok::<(), tenterhook_contract::HookTypeNameError>(())
    /// ```
    pub fn of(name: HookTypeName) -> Self {
        let misnamed = ["update", "change", "modify", "set", "apply", "subject.patch", "subject.update"];
        let patch = CommandRule {
            name: format!("{name}.patch").into(),
            shape: Shape::Items("value must be an array of operations".into()),
            members: OPERATION_MEMBERS,
            misnamed: Names::from(misnamed.map(|word| format!("{name}.{word}")).to_vec()),
        };
        let words = name.split(|character: char| !character.is_ascii_alphanumeric()).map(str::to_ascii_lowercase);
        // The words of the type say nothing about which of its commands is meant.
        let filler_words = words.filter(|word| !matches!(word.as_str(), "" | "patch" | "decide")).collect::<Vec<_>>();
        Self {
            title: name.to_string().into(),
            event_type: name,
            event_type_version: EVENT_TYPE_VERSION,
            commands: vec![patch].into(),
            default_outcome: "the subject stays as it is".into(),
            timeout_ms: TIMEOUT_MS_DEFAULT,
            retry: Retry::Never,
            empty_answer: EmptyAnswer::DefaultAction,
            failure: FailureDefault::Continue,
            error: ErrorDefault::Refuse,
            per_org: PerOrg::Many,
            authentication_required: false,
            secret_members: Names::NONE,
            unsent_members: Names::NONE,
            relatives: (&BUILT_IN_DESCRIPTIONS).into(),
            filler_words: Names::from(filler_words),
            // A preview of it takes a whole document.
            preview_inputs: Names::NONE,
            sample_dates: Names::NONE,
        }
    }

    /// The rule of the command with this type string.
    ///
    /// ```
    /// let description = tenterhook_contract::BuiltInType::Saml.description();
    /// assert!(description.command("com.okta.access.patch").is_none());
    /// ```
    pub fn command(&self, name: &str) -> Option<&CommandRule> {
        self.commands.iter().find(|rule| rule.name == name)
    }

    /// It and its relatives, each once.
    pub(crate) fn family(&self) -> impl Iterator<Item = &Self> {
        let relatives = self.relatives.iter().copied().filter(|other| other.event_type != self.event_type);
        std::iter::once(self).chain(relatives)
    }
}
