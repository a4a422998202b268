//! The table of functions.

use super::suggest::suggestion;

/// What is known of a value before it is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing.
    Any,
    Null,
    Boolean,
    Number,
    Text,
    Array,
    /// No value: `user`, `appuser` or `app`.
    Whole,
}

/// What an argument may be. Null may always be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    /// A text, or a number or a boolean in its usual form.
    Text,
    Number,
    Array,
    Any,
}

/// How often the last parameters may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arity {
    /// As often as they are listed.
    Fixed,
    /// The last one any number of times, but at least once.
    Repeated,
    /// The last two any number of times, or not at all.
    Pairs,
}

/// How a function is called.
pub(super) struct Rule {
    /// The names; the first one is today's.
    pub(super) names: &'static [&'static str],
    pub(super) parameters: &'static [Parameter],
    pub(super) arity: Arity,
    pub(super) result: Shape,
}

macro_rules! functions {
    ($($function:ident [$($name:literal),+] ($($parameter:ident),*) $arity:ident -> $result:ident;)*) => {
        /// A function.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Function {
            $($function,)*
        }

        impl Function {
            /// Every function.
            pub(super) const ALL: &'static [Self] = &[$(Self::$function),*];

            /// How it is called.
            pub(super) fn rule(self) -> &'static Rule {
                match self {
                    $(Self::$function => &Rule {
                        names: &[$($name),+],
                        parameters: &[$(Parameter::$parameter),*],
                        arity: Arity::$arity,
                        result: Shape::$result,
                    },)*
                }
            }
        }
    };
}

functions! {
    Append ["String.append"] (Text, Text) Fixed -> Text;
    Join ["String.join"] (Text, Any) Repeated -> Text;
    Length ["String.len", "fn:length"] (Text) Fixed -> Number;
    RemoveSpaces ["String.removeSpaces"] (Text) Fixed -> Text;
    Replace ["String.replace", "fn:replace"] (Text, Text, Text) Fixed -> Text;
    ReplaceFirst ["String.replaceFirst"] (Text, Text, Text) Fixed -> Text;
    StartsWith ["String.startsWith", "fn:startsWith"] (Text, Text) Fixed -> Boolean;
    TextContains ["String.stringContains", "fn:contains"] (Text, Text) Fixed -> Boolean;
    Switch ["String.stringSwitch"] (Text, Text, Text, Text) Pairs -> Text;
    Substring ["String.substring", "substring", "fn:substring"] (Text, Number, Number) Fixed -> Text;
    SubstringAfter ["String.substringAfter", "substringAfter", "fn:substringAfter"] (Text, Text) Fixed -> Text;
    SubstringBefore ["String.substringBefore", "substringBefore", "fn:substringBefore"] (Text, Text) Fixed -> Text;
    LowerCase ["String.toLowerCase", "toLowerCase", "fn:toLowerCase"] (Text) Fixed -> Text;
    UpperCase ["String.toUpperCase", "toUpperCase", "fn:toUpperCase"] (Text) Fixed -> Text;
    ArrayAdd ["Arrays.add"] (Array, Any) Fixed -> Array;
    ArrayClear ["Arrays.clear"] (Array) Fixed -> Array;
    ArrayContains ["Arrays.contains"] (Array, Any) Fixed -> Boolean;
    Flatten ["Arrays.flatten"] (Any) Repeated -> Array;
    Element ["Arrays.get"] (Array, Number) Fixed -> Any;
    IsEmpty ["Arrays.isEmpty"] (Any) Fixed -> Boolean;
    ArrayRemove ["Arrays.remove"] (Array, Any) Fixed -> Array;
    Size ["Arrays.size"] (Array) Fixed -> Number;
    CommaSeparated ["Arrays.toCsvString"] (Array) Fixed -> Text;
    ToInteger ["Convert.toInt"] (Any) Fixed -> Number;
    ToNumber ["Convert.toNum"] (Any) Fixed -> Number;
    InternalProperty ["user.getInternalProperty"] (Text) Fixed -> Text;
    GroupsStartingWith ["Groups.startsWith"] (Text, Text, Number) Fixed -> Array;
    GroupsEndingWith ["Groups.endsWith"] (Text, Text, Number) Fixed -> Array;
    GroupsContaining ["Groups.contains"] (Text, Text, Number) Fixed -> Array;
    FilteredGroups ["getFilteredGroups"] (Array, Text, Number) Fixed -> Array;
    IsMember ["isMemberOfGroup"] (Text) Fixed -> Boolean;
    IsMemberOfAny ["isMemberOfAnyGroup"] (Any) Repeated -> Boolean;
    IsMemberNamed ["isMemberOfGroupName"] (Text) Fixed -> Boolean;
    IsMemberStartingWith ["isMemberOfGroupNameStartsWith"] (Text) Fixed -> Boolean;
    IsMemberContaining ["isMemberOfGroupNameContains"] (Text) Fixed -> Boolean;
}

/// The function whose argument is a regular expression, which is compiled with the expression.
pub(super) const GROUP_MATCHING: &str = "isMemberOfGroupNameRegex";

/// The vendor's functions that are not supported, by how their names begin.
const UNSUPPORTED: [&str; 10] = [
    "Time.",
    "Iso3166Convert.",
    "Iso8601Convert.",
    "user.getLinkedObject",
    "user.getGroups",
    "user.isMemberOf",
    "getManager",
    "getAssistant",
    "hasDirectoryUser",
    "findDirectoryUser",
];

impl Function {
    /// The function with this name.
    ///
    /// # Errors
    /// What is wrong with the name.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        let names =
            || Self::ALL.iter().flat_map(|function| function.rule().names.iter().map(move |name| (*name, *function)));
        if let Some((_, function)) = names().find(|(known, _)| *known == name) {
            return Ok(function);
        }
        if UNSUPPORTED.iter().any(|known| name.starts_with(known)) {
            return Err(format!("The function `{name}` is not supported"));
        }
        // `user.email.toLowerCase()` is the other spelling of `String.toLowerCase(user.email)`.
        let last = name.rsplit('.').next().unwrap_or(name);
        let of_last = |known: &&str| known.rsplit('.').next() == Some(last);
        let known = || names().map(|(name, _)| name).chain([GROUP_MATCHING]);
        let meant = suggestion(name, known()).or_else(|| known().find(of_last));
        let meant = meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
        Err(format!("There is no function `{}`{meant}", tenterhook_contract::problem::shown(name)))
    }

    /// Whether it looks at the user's groups.
    pub(super) fn is_of_groups(self) -> bool {
        matches!(
            self,
            Self::GroupsStartingWith
                | Self::GroupsEndingWith
                | Self::GroupsContaining
                | Self::FilteredGroups
                | Self::IsMember
                | Self::IsMemberOfAny
                | Self::IsMemberNamed
                | Self::IsMemberStartingWith
                | Self::IsMemberContaining
        )
    }

    /// Whether it is applied to each element when its first argument is an array.
    pub(super) fn maps(self) -> bool {
        matches!(
            self,
            Self::Append
                | Self::RemoveSpaces
                | Self::Replace
                | Self::ReplaceFirst
                | Self::Substring
                | Self::SubstringAfter
                | Self::SubstringBefore
                | Self::LowerCase
                | Self::UpperCase
        )
    }
}

impl Rule {
    /// The parameter of the argument at `index`, of `count` arguments.
    pub(super) fn parameter(&self, index: usize) -> Option<Parameter> {
        let fixed = self.parameters.get(index).copied();
        match self.arity {
            Arity::Fixed => fixed,
            Arity::Repeated | Arity::Pairs => fixed.or_else(|| self.parameters.last().copied()),
        }
    }

    /// Whether it may be called with so many arguments.
    pub(super) fn takes(&self, count: usize) -> bool {
        let listed = self.parameters.len();
        match self.arity {
            Arity::Fixed => count == listed,
            Arity::Repeated => count >= listed,
            Arity::Pairs => count + 2 >= listed && (count + listed).is_multiple_of(2),
        }
    }

    /// How many arguments it takes, in words.
    pub(super) fn wanted(&self) -> String {
        let listed = self.parameters.len();
        let plural = if listed == 1 { "" } else { "s" };
        match self.arity {
            Arity::Fixed => format!("{listed} argument{plural}"),
            Arity::Repeated => format!("{listed} or more arguments"),
            Arity::Pairs => format!("{} arguments and any number of pairs", listed - 2),
        }
    }
}

impl Parameter {
    /// Whether an argument of this shape may be given.
    pub(super) fn accepts(self, shape: Shape) -> bool {
        match (self, shape) {
            (_, Shape::Whole) => false,
            (_, Shape::Any | Shape::Null) | (Self::Any, _) => true,
            (Self::Text, shape) => matches!(shape, Shape::Text | Shape::Number | Shape::Boolean),
            (Self::Number, shape) => shape == Shape::Number,
            (Self::Array, shape) => shape == Shape::Array,
        }
    }

    /// In words.
    pub(super) fn wanted(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Array => "an array",
            Self::Any => "a value",
        }
    }
}
