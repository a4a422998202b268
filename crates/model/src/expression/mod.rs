//! Expressions: the vendor's expression language, as claims, attribute statements and templates of names use it.
//!
//! Pure: an expression is parsed once, when it is set or read from the store, and kept with its record; its regular expressions
//! are compiled when one of the same text is first needed. Evaluating it cannot
//! fail and is bounded: a step whose values do not fit, or whose result is too large, gives null.
//!
//! Start reading at [`Expression`]. `token.rs` splits a text, `parse.rs` builds the tree of `syntax.rs` and checks its
//! types, `function.rs` is the table of functions, `evaluate.rs` and `call.rs` evaluate, `item.rs` has the values.

mod call;
mod evaluate;
mod function;
mod inputs;
mod item;
mod parse;
mod suggest;
mod syntax;
mod token;

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

pub use self::{
    inputs::{AppInput, Inputs},
    suggest::suggestion,
};
use self::{
    item::Item,
    syntax::{Literal, Node, Reference},
};
use crate::GroupPattern;

/// Most bytes of an expression or a template.
pub const EXPRESSION_BYTES_MAX: usize = 4_096;
/// Most levels of parentheses, arguments, arrays, conditions and signs inside each other.
pub const EXPRESSION_DEPTH_MAX: usize = 32;
/// Most parts of an expression: texts, numbers, references, operators, calls.
pub const EXPRESSION_PARTS_MAX: usize = 256;
/// Most bytes of a text that evaluating makes, and of all texts of an array that it makes.
pub const EXPRESSION_RESULT_BYTES_MAX: usize = 64 * 1_024;
/// Most elements of an array that evaluating makes.
pub const EXPRESSION_ELEMENTS_MAX: usize = 1_000;
/// Most regular expressions of an expression.
pub const EXPRESSION_PATTERNS_MAX: usize = 4;
/// Longest regular expression of an expression in characters.
pub const EXPRESSION_PATTERN_CHARACTERS_MAX: usize = 256;
/// Most groups that a group function returns.
pub const GROUPS_RETURNED_MAX: usize = 100;

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at character {at})")]
pub struct ExpressionProblem {
    /// The character at which it is wrong, from 1.
    pub at: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// An expression, such as `String.toLowerCase(user.department)`.
///
/// Two expressions are equal when they are written alike. serde reads and writes the text; a stored text that is no expression
/// of this version evaluates to null.
///
/// ```
/// use tenterhook_model::{Expression, Inputs};
/// let expression = Expression::parse("String.join('-', 'a', 'b') + 1").unwrap();
/// assert_eq!(expression.evaluate(&Inputs::default()), Some("a-b1".into()));
/// let problem = Expression::parse("String.touppercase(user.city)").unwrap_err();
/// assert_eq!(problem.to_string(), "There is no function `String.touppercase`; did you mean `String.toUpperCase`? (at character 1)");
/// ```
#[derive(Clone)]
pub struct Expression(Text);

/// A text with expressions in `${…}`, such as `${user.email}` or `${source.firstName}.${source.lastName}`. A text without any is
/// an expression, or else, if it cannot be meant as one, a constant text.
///
/// ```
/// use tenterhook_model::{Inputs, Template};
/// let evaluate = |text: &str| Template::parse(text).unwrap().evaluate(&Inputs::default());
/// assert_eq!(evaluate("a-${1 + 1}-${null}"), Some("a-2-".into()));
/// assert_eq!(evaluate("${1 + 1}"), Some(2.into()));
/// assert_eq!(evaluate("String.len('abc')"), Some(3.into()));
/// assert_eq!(evaluate("urn:example:staff"), Some("urn:example:staff".into()));
/// assert!(Template::parse("String.len(").is_err());
/// ```
#[derive(Clone)]
pub struct Template(Text);

/// A text and what it was parsed to. A stored text that cannot be parsed has no node.
#[derive(Clone)]
struct Text {
    written: Box<str>,
    node: Option<Box<Node>>,
    /// Whether it has regular expressions.
    has_patterns: bool,
}

impl Text {
    fn new(text: &str, parse: impl FnOnce(&str) -> Result<Node, ExpressionProblem>) -> Result<Self, ExpressionProblem> {
        Ok(Self::of(text, Some(parse(text)?)))
    }

    fn stored(text: String, parse: impl FnOnce(&str) -> Result<Node, ExpressionProblem>) -> Self {
        let node = parse(&text).ok();
        Self::of(text, node)
    }

    fn of(text: impl Into<Box<str>>, node: Option<Node>) -> Self {
        let has_patterns = node.as_ref().is_some_and(|node| node.any(&mut |node| node.pattern().is_some()));
        Self { written: text.into(), node: node.map(Box::new), has_patterns }
    }

    fn item<'a>(&'a self, inputs: &Inputs<'a>) -> Item<'a> {
        self.node
            .as_ref()
            .filter(|node| !self.has_patterns || is_compiled(node))
            .map_or(Item::Null, |node| node.evaluate(inputs))
    }
}

/// Whether every regular expression is compiled now. One that is too large was stored by another version: to say that no group
/// matches it would grant what is asked for with a `!` before it.
fn is_compiled(node: &Node) -> bool {
    !node.any(&mut |node| node.pattern().is_some_and(|pattern| pattern.compile().is_err()))
}

/// The methods that expressions and templates have.
macro_rules! parsed_texts {
    ($($name:ident by $parse:path),*) => {$(
        impl $name {
            /// Parses a text and checks the types of its parts as far as they are known.
            ///
            /// # Errors
            /// The first problem, with its place.
            pub fn parse(text: &str) -> Result<Self, ExpressionProblem> {
                Text::new(text, $parse).map(Self)
            }

            /// The text as it was written.
            pub fn as_str(&self) -> &str {
                &self.0.written
            }

            /// Whether it was parsed. A stored text that another version wrote may not be.
            pub fn is_readable(&self) -> bool {
                self.0.node.is_some()
            }

            /// Whether evaluating it looks at the user's groups: [`Inputs::groups`] must be there then.
            pub fn names_groups(&self) -> bool {
                self.0.node.as_ref().is_some_and(|node| node.any(&mut Node::is_of_groups))
            }

            /// Whether evaluating it looks at the user as the app knows it: [`Inputs::app_user`] and [`Inputs::user_name`] must be
            /// there then.
            pub fn names_app_user(&self) -> bool {
                self.0.node.as_ref().is_some_and(|node| node.any(&mut Node::is_of_app_user))
            }

            /// The attributes of the user's profile that it names.
            pub fn user_attributes(&self) -> BTreeSet<&str> {
                let mut names = BTreeSet::new();
                if let Some(node) = &self.0.node {
                    node.any(&mut |node| {
                        names.extend(node.user_attribute());
                        false
                    });
                }
                names
            }

            /// Its regular expressions. They are not compiled yet; one that turns out to be too large makes the value null.
            pub fn patterns(&self) -> Vec<&GroupPattern> {
                let mut patterns = Vec::new();
                if let Some(node) = &self.0.node {
                    node.any(&mut |node| {
                        patterns.extend(node.pattern());
                        false
                    });
                }
                patterns
            }

            /// Its value; `None` for null.
            pub fn evaluate(&self, inputs: &Inputs<'_>) -> Option<Value> {
                self.0.item(inputs).into_value()
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.written == other.0.written
            }
        }

        impl Eq for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0.written, formatter)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0.written)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0.written)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(Self(Text::stored(String::deserialize(deserializer)?, $parse)))
            }
        }
    )*};
}

parsed_texts!(Expression by parse::expression, Template by parse::template);

impl Expression {
    /// A constant text.
    ///
    /// ```
    /// use tenterhook_model::{Expression, Inputs};
    /// let expression = Expression::constant("say \"hi\"");
    /// assert_eq!(expression.as_str(), "\"say \"\"hi\"\"\"");
    /// assert_eq!(expression.evaluate(&Inputs::default()), Some("say \"hi\"".into()));
    /// ```
    pub fn constant(text: &str) -> Self {
        let node = Node::Literal(Literal::Text(text.into()));
        Self(Text::of(syntax::quoted(text), Some(node)))
    }
}

impl Template {
    /// The user's login: `${source.login}`.
    ///
    /// ```
    /// use tenterhook_model::Template;
    /// assert_eq!(Ok(Template::login()), Template::parse("${source.login}"));
    /// ```
    pub fn login() -> Self {
        let node = Node::Reference(Reference::UserAttribute("login".into()));
        Self(Text::of("${source.login}", Some(node)))
    }

    /// Its value as a text: of numbers and booleans their usual form. `None` for null, arrays and the empty text.
    ///
    /// ```
    /// use tenterhook_model::{Inputs, Template};
    /// let text = |text: &str| Template::parse(text).unwrap().text(&Inputs::default());
    /// assert_eq!((text("${1 + 1}"), text("${null}")), (Some("2".to_owned()), None));
    /// ```
    pub fn text(&self, inputs: &Inputs<'_>) -> Option<String> {
        let text = self.0.item(inputs).into_text()?;
        (!text.is_empty()).then(|| text.into_owned())
    }
}

#[cfg(test)]
mod tests;
