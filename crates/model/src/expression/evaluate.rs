//! Evaluating a tree: references and operators.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use crate::UserNameTemplate;

use super::{
    AppInput, Inputs, call,
    item::Item,
    syntax::{Literal, Node, Operator, Reference, Root},
};

impl Node {
    /// Its value.
    pub(super) fn evaluate<'a>(&'a self, inputs: &Inputs<'a>) -> Item<'a> {
        match self {
            Self::Literal(Literal::Null) => Item::Null,
            Self::Literal(Literal::Boolean(flag)) => Item::Boolean(*flag),
            Self::Literal(Literal::Number(number)) => Item::Number(number.clone()),
            Self::Literal(Literal::Text(text)) => Item::text(text),
            Self::Array(items) => Item::array(items.iter().map(|item| item.evaluate(inputs)).collect()),
            Self::Reference(reference) => reference.evaluate(inputs),
            Self::Not(inner) => Item::Boolean(!inner.evaluate(inputs).holds()),
            Self::Minus(inner) => match inner.evaluate(inputs) {
                Item::Number(number) => subtracted(&0.into(), &number),
                _ => Item::Null,
            },
            Self::Binary(operator, sides) => operator.evaluate(&sides.0, &sides.1, inputs),
            Self::Conditional(parts) => {
                let (condition, yes, no) = &**parts;
                if condition.evaluate(inputs).holds() { yes.evaluate(inputs) } else { no.evaluate(inputs) }
            }
            Self::Call(function, arguments) => {
                let arguments = arguments.iter().map(|argument| argument.evaluate(inputs)).collect();
                call::call(*function, arguments, inputs)
            }
            Self::GroupMatching(pattern) => {
                let groups = inputs.groups.unwrap_or_default();
                Item::Boolean(groups.iter().any(|group| pattern.matches(&group.name)))
            }
        }
    }
}

impl Operator {
    fn evaluate<'a>(self, left: &'a Node, right: &'a Node, inputs: &Inputs<'a>) -> Item<'a> {
        let left = left.evaluate(inputs);
        match self {
            Self::Or if left.holds() => return Item::Boolean(true),
            Self::And if !left.holds() => return Item::Boolean(false),
            _ => {}
        }
        let right = right.evaluate(inputs);
        let compared = |wanted: fn(Ordering) -> bool| Item::Boolean(left.order(&right).is_some_and(wanted));
        match self {
            Self::Or | Self::And => Item::Boolean(right.holds()),
            Self::Equal => Item::Boolean(left.equals(&right)),
            Self::NotEqual => Item::Boolean(!left.equals(&right)),
            Self::Less => compared(Ordering::is_lt),
            Self::LessOrEqual => compared(Ordering::is_le),
            Self::Greater => compared(Ordering::is_gt),
            Self::GreaterOrEqual => compared(Ordering::is_ge),
            Self::Plus => plus(left, right),
            Self::Minus => match (&left, &right) {
                (Item::Number(left), Item::Number(right)) => subtracted(left, right),
                _ => Item::Null,
            },
        }
    }
}

/// Joins if a side is a text, where null is the empty text; else adds.
fn plus<'a>(left: Item<'a>, right: Item<'a>) -> Item<'a> {
    match (left, right) {
        (Item::Number(left), Item::Number(right)) => {
            calculated(&left, &right, i64::checked_add, |left, right| left + right)
        }
        (Item::Text(text), Item::Null) | (Item::Null, Item::Text(text)) => Item::Text(text),
        (left @ Item::Text(_), right) | (left, right @ Item::Text(_)) => match (left.into_text(), right.into_text()) {
            (Some(left), Some(right)) => {
                let mut joined = left.into_owned();
                joined.push_str(&right);
                Item::made(joined)
            }
            _ => Item::Null,
        },
        _ => Item::Null,
    }
}

fn subtracted<'a>(left: &Number, right: &Number) -> Item<'a> {
    calculated(left, right, i64::checked_sub, |left, right| left - right)
}

/// Integers stay integers while they can.
fn calculated<'a>(
    left: &Number,
    right: &Number,
    integers: fn(i64, i64) -> Option<i64>,
    numbers: fn(f64, f64) -> f64,
) -> Item<'a> {
    if let (Some(left), Some(right)) = (left.as_i64(), right.as_i64())
        && let Some(result) = integers(left, right)
    {
        return Item::Number(result.into());
    }
    let result = left.as_f64().zip(right.as_f64()).and_then(|(left, right)| Number::from_f64(numbers(left, right)));
    result.map_or(Item::Null, Item::Number)
}

impl Reference {
    fn evaluate<'a>(&self, inputs: &Inputs<'a>) -> Item<'a> {
        let attribute = |profile: Option<&'a Map<String, Value>>, name: &str| {
            profile.and_then(|profile| profile.get(name)).map_or(Item::Null, Item::of)
        };
        let text = |text: Option<&'a str>| text.map_or(Item::Null, Item::text);
        match self {
            Self::Whole(root) => {
                let is_there = match root {
                    Root::User => inputs.user.is_some(),
                    Root::App => inputs.app.is_some(),
                    Root::AppUser => inputs.app_user.is_some(),
                };
                if is_there { Item::Boolean(true) } else { Item::Null }
            }
            Self::UserId => text(inputs.user.map(|user| user.id.as_str())),
            Self::UserName => text(inputs.user_name.or_else(|| inputs.user.map(|user| user.profile.login.as_str()))),
            Self::UserAttribute(name) => match inputs.user {
                Some(user) => match user.profile.always(name) {
                    Some(text) => Item::text(text),
                    None => user.profile.other(name).map_or(Item::Null, Item::of),
                },
                None => Item::Null,
            },
            Self::AppId => text(inputs.app.map(AppInput::id)),
            Self::AppName => text(inputs.app.map(AppInput::name)),
            Self::AppLabel => text(inputs.app.map(AppInput::label)),
            Self::AppAttribute(name) => attribute(inputs.app.map(AppInput::profile), name),
            Self::AppUserAttribute(name) => attribute(inputs.app_user, name),
            Self::Nothing(_) => Item::Null,
            Self::OrgName => text(inputs.org.map(|org| org.name.as_str())),
            Self::OrgSubdomain => {
                let host = inputs.org.and_then(|org| org.host.as_deref());
                text(host.and_then(|host| host.split('.').next()))
            }
            Self::SessionMethods => match inputs.amr {
                Some(methods) => Item::Array(methods.iter().map(|method| Item::text(method.code())).collect()),
                None => Item::Null,
            },
        }
    }
}

impl<'a> AppInput<'a> {
    fn id(self) -> &'a str {
        match self {
            Self::OAuth(client) => client.id.as_str(),
            Self::Saml(app) => app.id.as_str(),
        }
    }

    fn name(self) -> &'a str {
        match self {
            Self::OAuth(client) => &client.name,
            Self::Saml(app) => &app.name,
        }
    }

    fn label(self) -> &'a str {
        match self {
            Self::OAuth(client) => &client.name,
            Self::Saml(app) => &app.label,
        }
    }

    /// How users are named at it.
    pub(crate) fn user_name(self) -> &'a UserNameTemplate {
        match self {
            Self::OAuth(client) => &client.user_name,
            Self::Saml(app) => &app.user_name,
        }
    }

    /// `profile` of the resource.
    fn profile(self) -> &'a Map<String, Value> {
        match self {
            Self::OAuth(client) => &client.told.profile,
            Self::Saml(app) => &app.told.profile,
        }
    }
}
