//! The tree of an expression.

use serde_json::Number;

use super::function::{Function, Shape};
use crate::GroupPattern;

/// A part of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Literal(Literal),
    Array(Vec<Node>),
    Reference(Reference),
    Not(Box<Node>),
    Minus(Box<Node>),
    Binary(Operator, Box<(Node, Node)>),
    /// A condition, the value if it holds, the value if not.
    Conditional(Box<(Node, Node, Node)>),
    Call(Function, Vec<Node>),
    /// `isMemberOfGroupNameRegex`.
    GroupMatching(GroupPattern),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Null,
    Boolean(bool),
    Number(Number),
    Text(Box<str>),
}

/// What a name refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// `user`, `appuser`, `app`: only to be compared with null.
    Whole(Root),
    UserId,
    /// The user's name at the app.
    UserName,
    UserAttribute(Box<str>),
    AppId,
    AppName,
    AppLabel,
    /// `app.profile.`
    AppAttribute(Box<str>),
    AppUserAttribute(Box<str>),
    /// `idpuser.`: the profile at an external identity provider, which no user has.
    Nothing(Box<str>),
    OrgName,
    OrgSubdomain,
    SessionMethods,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    User,
    AppUser,
    App,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
}

impl Operator {
    /// As it is written.
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Plus => "+",
            Self::Minus => "-",
        }
    }

    /// The operators by how tightly they bind, the loosest first.
    pub(super) const LEVELS: [&[Self]; 5] = [
        &[Self::Or],
        &[Self::And],
        &[Self::Equal, Self::NotEqual],
        &[Self::LessOrEqual, Self::GreaterOrEqual, Self::Less, Self::Greater],
        &[Self::Plus, Self::Minus],
    ];
}

impl Node {
    /// Whether `test` is true of it or of a part of it.
    pub(super) fn any<'a>(&'a self, test: &mut impl FnMut(&'a Self) -> bool) -> bool {
        test(self)
            || match self {
                Self::Literal(_) | Self::Reference(_) | Self::GroupMatching(_) => false,
                Self::Array(items) | Self::Call(_, items) => items.iter().any(|item| item.any(test)),
                Self::Not(inner) | Self::Minus(inner) => inner.any(test),
                Self::Binary(_, sides) => sides.0.any(test) || sides.1.any(test),
                Self::Conditional(parts) => parts.0.any(test) || parts.1.any(test) || parts.2.any(test),
            }
    }

    /// Whether it looks at the groups itself.
    pub(super) fn is_of_groups(&self) -> bool {
        match self {
            Self::GroupMatching(_) => true,
            Self::Call(function, _) => function.is_of_groups(),
            _ => false,
        }
    }

    /// Whether it is of the user as the app knows it.
    pub(super) fn is_of_app_user(&self) -> bool {
        let Self::Reference(reference) = self else { return false };
        matches!(reference, Reference::UserName | Reference::AppUserAttribute(_) | Reference::Whole(Root::AppUser))
    }

    /// The profile attribute that it is.
    pub(super) fn user_attribute(&self) -> Option<&str> {
        match self {
            Self::Reference(Reference::UserAttribute(name)) => Some(name),
            _ => None,
        }
    }

    /// The regular expression of `isMemberOfGroupNameRegex`.
    pub(super) fn pattern(&self) -> Option<&GroupPattern> {
        if let Self::GroupMatching(pattern) = self { Some(pattern) } else { None }
    }

    /// What is known of its value before it is evaluated.
    pub(super) fn shape(&self) -> Shape {
        match self {
            Self::Literal(literal) => match literal {
                Literal::Null => Shape::Null,
                Literal::Boolean(_) => Shape::Boolean,
                Literal::Number(_) => Shape::Number,
                Literal::Text(_) => Shape::Text,
            },
            Self::Reference(reference) => reference.shape(),
            Self::Array(_) => Shape::Array,
            Self::Not(_) | Self::GroupMatching(_) => Shape::Boolean,
            Self::Minus(_) => Shape::Number,
            Self::Binary(operator, sides) => match operator {
                Operator::Plus => match (sides.0.shape(), sides.1.shape()) {
                    (Shape::Text, _) | (_, Shape::Text) => Shape::Text,
                    (Shape::Number, Shape::Number) => Shape::Number,
                    _ => Shape::Any,
                },
                Operator::Minus => Shape::Number,
                _ => Shape::Boolean,
            },
            Self::Conditional(parts) => match (parts.1.shape(), parts.2.shape()) {
                (one, other) if one == other => one,
                (Shape::Null, one) | (one, Shape::Null) => one,
                _ => Shape::Any,
            },
            // A function of texts is applied to each element of an array.
            Self::Call(function, arguments) => match (function.maps(), arguments.first().map(Self::shape)) {
                (true, Some(Shape::Array)) => Shape::Array,
                (true, Some(Shape::Any)) => Shape::Any,
                _ => function.rule().result,
            },
        }
    }
}

impl Reference {
    fn shape(&self) -> Shape {
        match self {
            Self::Whole(_) => Shape::Whole,
            Self::UserAttribute(_) | Self::AppAttribute(_) | Self::AppUserAttribute(_) => Shape::Any,
            Self::Nothing(_) => Shape::Null,
            Self::SessionMethods => Shape::Array,
            Self::UserId
            | Self::UserName
            | Self::AppId
            | Self::AppName
            | Self::AppLabel
            | Self::OrgName
            | Self::OrgSubdomain => Shape::Text,
        }
    }
}

/// A text in quotes.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}
