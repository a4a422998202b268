//! Writes a tree as an expression, every operation in parentheses.

use std::fmt::{Display, Formatter, Result};

use crate::expression::syntax::{Literal, Node, Reference, Root, quoted};

impl Display for Node {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        let list = |items: &[Self]| items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::Literal(Literal::Null) => formatter.write_str("null"),
            Self::Literal(Literal::Boolean(flag)) => write!(formatter, "{flag}"),
            Self::Literal(Literal::Number(number)) => write!(formatter, "{number}"),
            Self::Literal(Literal::Text(text)) => formatter.write_str(&quoted(text)),
            Self::Array(items) => write!(formatter, "{{{}}}", list(items)),
            Self::Reference(reference) => write!(formatter, "{reference}"),
            Self::Not(inner) => write!(formatter, "!({inner})"),
            Self::Minus(inner) => write!(formatter, "-({inner})"),
            Self::Binary(operator, sides) => write!(formatter, "({}) {} ({})", sides.0, operator.symbol(), sides.1),
            Self::Conditional(parts) => write!(formatter, "({}) ? ({}) : ({})", parts.0, parts.1, parts.2),
            Self::Call(function, arguments) => {
                write!(formatter, "{}({})", function.rule().names.first().unwrap_or(&""), list(arguments))
            }
            Self::GroupMatching(pattern) => write!(formatter, "isMemberOfGroupNameRegex({})", quoted(pattern.as_str())),
        }
    }
}

impl Display for Reference {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        match self {
            Self::Whole(Root::User) => formatter.write_str("user"),
            Self::Whole(Root::App) => formatter.write_str("app"),
            Self::Whole(Root::AppUser) => formatter.write_str("appuser"),
            Self::UserId => formatter.write_str("user.id"),
            Self::UserName => formatter.write_str("user.userName"),
            Self::UserAttribute(name) => write!(formatter, "user.{name}"),
            Self::AppId => formatter.write_str("app.id"),
            Self::AppName => formatter.write_str("app.name"),
            Self::AppLabel => formatter.write_str("app.label"),
            Self::AppAttribute(name) => write!(formatter, "app.profile.{name}"),
            Self::AppUserAttribute(name) => write!(formatter, "appuser.{name}"),
            Self::Nothing(name) => write!(formatter, "idpuser.{name}"),
            Self::OrgName => formatter.write_str("org.name"),
            Self::OrgSubdomain => formatter.write_str("org.subDomain"),
            Self::SessionMethods => formatter.write_str("session.amr"),
        }
    }
}
