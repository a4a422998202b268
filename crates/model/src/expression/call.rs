//! What functions do. Each takes time in proportion to its arguments and to the bound of its result.

use std::{borrow::Cow, collections::HashSet};

use serde_json::Number;

use super::{EXPRESSION_RESULT_BYTES_MAX, GROUPS_RETURNED_MAX, Inputs, function::Function, item::Item};
use crate::{Group, User};

/// The name of the directory that the org's own groups are in.
const OWN_GROUPS: &str = "OKTA";

/// The value of a call.
pub(super) fn call<'a>(function: Function, arguments: Vec<Item<'a>>, inputs: &Inputs<'a>) -> Item<'a> {
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next().unwrap_or(Item::Null);
    let first = next();
    match (function.maps(), first) {
        (true, Item::Array(items)) => {
            let others: Vec<Item<'a>> = arguments.collect();
            map(items, |item| text_function(function, item, others.clone().into_iter()))
        }
        (true, first) => text_function(function, first, arguments),
        (false, first) if function.is_of_groups() => group_function(function, first, arguments, inputs),
        (false, first) => other_function(function, first, arguments, inputs),
    }
}

/// The function's values for each element. It stops when they take too much room.
fn map<'a>(items: Vec<Item<'a>>, function: impl Fn(Item<'a>) -> Item<'a>) -> Item<'a> {
    let mut room = EXPRESSION_RESULT_BYTES_MAX;
    let mut mapped = Vec::with_capacity(items.len());
    for item in items {
        let item = function(item);
        if let Item::Text(text) = &item {
            match room.checked_sub(text.len()) {
                Some(left) => room = left,
                None => return Item::Null,
            }
        }
        mapped.push(item);
    }
    Item::array(mapped)
}

/// Functions from a text to a text; null stays null.
fn text_function<'a>(function: Function, first: Item<'a>, mut others: impl Iterator<Item = Item<'a>>) -> Item<'a> {
    let mut other = || others.next().unwrap_or(Item::Null);
    if function == Function::Append {
        let (first, suffix) = (first.into_text(), other().into_text());
        return match (first, suffix) {
            (Some(first), Some(suffix)) => Item::made(first.into_owned() + &suffix),
            (Some(one), None) | (None, Some(one)) => Item::Text(one),
            (None, None) => Item::Null,
        };
    }
    let Some(text) = first.into_text() else { return Item::Null };
    match function {
        Function::RemoveSpaces => Item::made(text.chars().filter(|character| *character != ' ').collect()),
        Function::LowerCase => Item::made(text.to_lowercase()),
        Function::UpperCase => Item::made(text.to_uppercase()),
        Function::Replace | Function::ReplaceFirst => {
            let (Some(wanted), replacement) = (other().into_text(), other()) else { return Item::Text(text) };
            let replacement = replacement.into_text().unwrap_or_default();
            let most = if function == Function::Replace { usize::MAX } else { 1 };
            replaced(text, &wanted, &replacement, most)
        }
        Function::SubstringBefore => parted(text, other(), |before, _| before, None),
        Function::SubstringAfter => parted(text, other(), |_, after| after, Some("")),
        Function::Substring => {
            let (begin, end) = (other().integer(), other().integer());
            let index = |index: Option<i64>| index.and_then(|index| usize::try_from(index).ok());
            match index(begin).zip(index(end)) {
                Some((begin, end)) => substring(text, begin, end),
                None => Item::Null,
            }
        }
        _ => Item::Null,
    }
}

/// The characters from `begin` to before `end`, or to the end of the text; null if there is no such part.
fn substring(text: Cow<'_, str>, begin: usize, end: usize) -> Item<'_> {
    let boundary = |index: usize| {
        let boundaries = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        boundaries.take(index.saturating_add(1)).enumerate().last()
    };
    match (boundary(begin), boundary(end)) {
        (Some((reached, begin_at)), Some((_, end_at))) if reached == begin && begin <= end => {
            cut(text, begin_at, end_at)
        }
        _ => Item::Null,
    }
}

/// A part of a text, borrowed if the text is.
fn cut(text: Cow<'_, str>, begin: usize, end: usize) -> Item<'_> {
    match text {
        Cow::Borrowed(text) => Item::text(text.get(begin..end).unwrap_or_default()),
        Cow::Owned(text) => Item::Text(text.get(begin..end).unwrap_or_default().to_owned().into()),
    }
}

/// A part of the text before or after what is searched. `without` is the value when it is not found; the whole text if it is
/// `None`.
fn parted<'a>(
    text: Cow<'a, str>,
    wanted: Item<'a>,
    part: impl Fn((usize, usize), (usize, usize)) -> (usize, usize),
    without: Option<&'static str>,
) -> Item<'a> {
    let found = wanted.into_text().and_then(|wanted| text.find(wanted.as_ref()).map(|at| (at, wanted.len())));
    match (found, without) {
        (Some((at, length)), _) => {
            let (begin, end) = part((0, at), (at + length, text.len()));
            cut(text, begin, end)
        }
        (None, Some(without)) => Item::text(without),
        (None, None) => Item::Text(text),
    }
}

/// The text with the first `most` occurrences replaced; null if it becomes too long.
fn replaced<'a>(text: Cow<'a, str>, wanted: &str, replacement: &str, most: usize) -> Item<'a> {
    if wanted.is_empty() || !text.contains(wanted) {
        return Item::Text(text);
    }
    let mut made = String::new();
    let mut rest = text.as_ref();
    for _ in 0..most {
        let Some((before, after)) = rest.split_once(wanted) else { break };
        made.push_str(before);
        made.push_str(replacement);
        rest = after;
        if made.len() > EXPRESSION_RESULT_BYTES_MAX {
            return Item::Null;
        }
    }
    made.push_str(rest);
    Item::made(made)
}

/// The other functions of texts, arrays and numbers.
fn other_function<'a>(
    function: Function,
    first: Item<'a>,
    mut others: impl Iterator<Item = Item<'a>>,
    inputs: &Inputs<'a>,
) -> Item<'a> {
    let mut other = || others.next().unwrap_or(Item::Null);
    match function {
        Function::Length => Item::count(first.into_text().map_or(0, |text| text.chars().count())),
        Function::StartsWith => both_texts(first, other(), |text, wanted| text.starts_with(wanted)),
        Function::TextContains => both_texts(first, other(), |text, wanted| text.contains(wanted)),
        Function::Join => joined(&first.into_text().unwrap_or_default(), others),
        Function::CommaSeparated => match first.into_array() {
            Some(items) => joined(",", items.into_iter()),
            None => Item::Null,
        },
        Function::Switch => switched(first, other(), others),
        Function::ArrayAdd => {
            let mut items = first.into_array().unwrap_or_default();
            items.push(other());
            Item::array(items)
        }
        Function::ArrayClear => Item::Array(Vec::new()),
        Function::ArrayContains => {
            let wanted = other();
            let items = first.into_array().unwrap_or_default();
            Item::Boolean(items.iter().any(|item| item.equals(&wanted)))
        }
        Function::ArrayRemove => {
            let (wanted, mut items) = (other(), first.into_array().unwrap_or_default());
            items.retain(|item| !item.equals(&wanted));
            Item::Array(items)
        }
        Function::Flatten => {
            let mut flat = Vec::new();
            for item in std::iter::once(first).chain(others) {
                flatten(item, &mut flat);
            }
            Item::array(flat)
        }
        Function::Element => {
            let index = other().integer().and_then(|index| usize::try_from(index).ok());
            let items = first.into_array().unwrap_or_default();
            index.and_then(|index| items.into_iter().nth(index)).unwrap_or(Item::Null)
        }
        Function::IsEmpty => Item::Boolean(match first {
            Item::Null => true,
            Item::Array(items) => items.is_empty(),
            Item::Text(text) => text.is_empty(),
            Item::Boolean(_) | Item::Number(_) => false,
        }),
        Function::Size => Item::count(first.into_array().map_or(0, |items| items.len())),
        Function::ToInteger => number(first, true),
        Function::ToNumber => number(first, false),
        Function::InternalProperty => match (inputs.user, first.into_text()) {
            (Some(user), Some(name)) => internal_property(user, &name),
            _ => Item::Null,
        },
        _ => Item::Null,
    }
}

fn both_texts<'a>(text: Item<'a>, wanted: Item<'a>, meets: impl Fn(&str, &str) -> bool) -> Item<'a> {
    let both = text.into_text().zip(wanted.into_text());
    Item::Boolean(both.is_some_and(|(text, wanted)| meets(&text, &wanted)))
}

/// The texts with the separator between them. Null is left out; of an array each element is joined.
fn joined<'a>(separator: &str, items: impl Iterator<Item = Item<'a>>) -> Item<'a> {
    let mut flat = Vec::new();
    for item in items {
        flatten(item, &mut flat);
    }
    let texts: Vec<_> = flat.into_iter().filter_map(Item::into_text).collect();
    let length = texts.iter().map(|text| text.len()).sum::<usize>();
    let separators = separator.len().saturating_mul(texts.len().saturating_sub(1));
    if length.saturating_add(separators) > EXPRESSION_RESULT_BYTES_MAX {
        return Item::Null;
    }
    Item::made(texts.join(separator))
}

/// The value of the first key that the text contains, else the default.
fn switched<'a>(text: Item<'a>, default: Item<'a>, mut pairs: impl Iterator<Item = Item<'a>>) -> Item<'a> {
    if let Some(text) = text.into_text() {
        while let (Some(key), Some(value)) = (pairs.next(), pairs.next()) {
            if key.into_text().is_some_and(|key| text.contains(key.as_ref())) {
                return value;
            }
        }
    }
    default
}

/// Adds the elements of arrays inside each other, and what is no array itself; null is left out.
fn flatten<'a>(item: Item<'a>, flat: &mut Vec<Item<'a>>) {
    match item {
        Item::Null => {}
        Item::Array(items) => items.into_iter().for_each(|item| flatten(item, flat)),
        item => flat.push(item),
    }
}

/// The texts, those in arrays too.
fn texts<'a>(items: impl Iterator<Item = Item<'a>>) -> HashSet<Cow<'a, str>> {
    let mut flat = Vec::new();
    items.for_each(|item| flatten(item, &mut flat));
    flat.into_iter().filter_map(Item::into_text).collect()
}

/// A number as it is or as a text has it, rounded to an integer if that is wanted; null for what is none.
fn number(item: Item<'_>, rounded: bool) -> Item<'_> {
    let number = match item {
        Item::Number(number) => number,
        Item::Text(text) => {
            let text = text.trim();
            let integer = text.parse::<i64>().ok().map(Number::from);
            match integer.or_else(|| text.parse().ok().and_then(Number::from_f64)) {
                Some(number) => number,
                None => return Item::Null,
            }
        }
        Item::Null | Item::Boolean(_) | Item::Array(_) => return Item::Null,
    };
    if !rounded || number.is_i64() || number.is_u64() {
        return Item::Number(number);
    }
    let whole = number.as_f64().map(f64::round);
    // Rounded, it has no fraction to write; one that is too large for an integer is none.
    whole
        .and_then(|whole| format!("{whole:.0}").parse::<i64>().ok())
        .map_or(Item::Null, |whole| Item::Number(whole.into()))
}

fn internal_property<'a>(user: &'a User, name: &str) -> Item<'a> {
    match name {
        "id" => Item::text(user.id.as_str()),
        "status" => Item::text(user.status.as_str()),
        "created" => Item::made(user.created.to_string()),
        "lastUpdated" => Item::made(user.last_updated.to_string()),
        "passwordChanged" => user.password.changed().map_or(Item::Null, |changed| Item::made(changed.to_string())),
        _ => Item::Null,
    }
}

/// The functions that look at the user's groups.
fn group_function<'a>(
    function: Function,
    first: Item<'a>,
    mut others: impl Iterator<Item = Item<'a>>,
    inputs: &Inputs<'a>,
) -> Item<'a> {
    let groups: &'a [Group] = inputs.groups.unwrap_or_default();
    let mut other = || others.next().unwrap_or(Item::Null);
    let any = |first: Item<'a>, test: fn(&Group, &str) -> bool| {
        let wanted = first.into_text();
        Item::Boolean(wanted.is_some_and(|wanted| groups.iter().any(|group| test(group, &wanted))))
    };
    match function {
        Function::IsMember => any(first, |group, id| group.id.as_str() == id),
        Function::IsMemberNamed => any(first, |group, name| group.name == name),
        Function::IsMemberStartingWith => any(first, |group, name| group.name.starts_with(name)),
        Function::IsMemberContaining => any(first, |group, name| group.name.contains(name)),
        Function::IsMemberOfAny => {
            let ids = texts(std::iter::once(first).chain(others));
            Item::Boolean(groups.iter().any(|group| ids.contains(group.id.as_str())))
        }
        Function::FilteredGroups => {
            let ids = texts(std::iter::once(first));
            let property = other().into_text().unwrap_or_default();
            let is_listed = |group: &&Group| ids.contains(group.id.as_str());
            listed(groups.iter().filter(is_listed), &other(), |group| match property.as_ref() {
                "group.id" => Some(group.id.as_str()),
                "group.description" => group.description.as_deref(),
                _ => Some(&group.name),
            })
        }
        Function::GroupsStartingWith | Function::GroupsEndingWith | Function::GroupsContaining => {
            let (directory, wanted) = (first.into_text(), other().into_text());
            let (Some(OWN_GROUPS), Some(wanted)) = (directory.as_deref(), wanted) else { return Item::Null };
            let is_wanted = |group: &&Group| match function {
                Function::GroupsStartingWith => group.name.starts_with(wanted.as_ref()),
                Function::GroupsEndingWith => group.name.ends_with(wanted.as_ref()),
                _ => group.name.contains(wanted.as_ref()),
            };
            listed(groups.iter().filter(is_wanted), &other(), |group| Some(&group.name))
        }
        _ => Item::Null,
    }
}

/// What is said of the first groups; null if there is none, or the count is not one that may be written.
fn listed<'a>(
    groups: impl Iterator<Item = &'a Group>,
    count: &Item<'_>,
    property: impl Fn(&'a Group) -> Option<&'a str>,
) -> Item<'a> {
    let count = count.integer().and_then(|count| usize::try_from(count).ok());
    let Some(count) = count.filter(|count| (1..=GROUPS_RETURNED_MAX).contains(count)) else { return Item::Null };
    let items: Vec<_> = groups.filter_map(property).take(count).map(Item::text).collect();
    if items.is_empty() { Item::Null } else { Item::array(items) }
}
