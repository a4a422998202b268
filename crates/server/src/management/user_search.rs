//! Search parameters of user lists: `q`, and the conditions of `filter` and `search` that have an index.

use tenterhook_model::{SearchText, SearchedAttribute, UserCondition};

use super::{
    given,
    query::{FilterProblem, QueryProblem},
};
use crate::error::ApiError;

/// Conditions of one `filter` or `search`.
const CONDITIONS_MAX: usize = 5;

/// The conditions of a query.
pub(super) fn conditions(raw: Option<&str>) -> Result<Vec<UserCondition>, ApiError> {
    let mut conditions = Vec::new();
    if let Some(q) = given(raw, "q") {
        let text = SearchText::new(&q)
            .ok_or_else(|| ApiError::Query { subject: "users", problems: vec![QueryProblem::SearchTooLong] })?;
        conditions.push(UserCondition::AnyBegins(text));
    }
    for (name, with_beginnings, refused) in
        [("filter", false, FilterProblem::Filter), ("search", true, FilterProblem::Search)]
    {
        if let Some(text) = given(raw, name) {
            let read = read(&text, with_beginnings).filter(|read| read.len() <= CONDITIONS_MAX);
            conditions.extend(read.ok_or(ApiError::Filter(refused))?);
        }
    }
    Ok(conditions)
}

/// Conditions joined by `and`; `None` when there is anything else.
fn read(text: &str, with_beginnings: bool) -> Option<Vec<UserCondition>> {
    joined(text, |attribute, operator, value| {
        let name = attribute.strip_prefix("profile.")?;
        let attribute = SearchedAttribute::ALL.into_iter().find(|attribute| attribute.as_str() == name)?;
        let text = SearchText::new(&value)?;
        match operator.to_ascii_lowercase().as_str() {
            "eq" => Some(UserCondition::Is(attribute, text)),
            "sw" if with_beginnings => Some(UserCondition::Begins(attribute, text)),
            _ => None,
        }
    })
}

/// Conditions joined by `and`, each of an attribute, an operator and a text, as `read` reads them; `None` when there is anything
/// else.
pub(super) fn joined<T>(mut rest: &str, read: impl Fn(&str, &str, String) -> Option<T>) -> Option<Vec<T>> {
    let mut conditions = Vec::new();
    loop {
        let (attribute, after) = rest.trim_start().split_once(' ')?;
        let (operator, after) = after.trim_start().split_once(' ')?;
        let (value, after) = quoted(after.trim_start())?;
        conditions.push(read(attribute, operator, value)?);
        let after = after.trim();
        if after.is_empty() {
            return Some(conditions);
        }
        let (word, next) = after.split_once(' ')?;
        rest = word.eq_ignore_ascii_case("and").then_some(next)?;
    }
}

/// A quoted text, written as in JSON, and the rest of the input.
pub(super) fn quoted(text: &str) -> Option<(String, &str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let value = values.next()?.ok()?;
    Some((value, text.get(values.byte_offset()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Option<SearchText> {
        SearchText::new(text)
    }

    #[test]
    fn a_filter_is_conditions_that_have_an_index() {
        use SearchedAttribute::{Email, FirstName, LastName};
        let is = |attribute, value| UserCondition::Is(attribute, text(value).unwrap_or_else(|| panic!("{value}")));
        for (filter, wanted) in [
            ("profile.email eq \"A@x\"", Some(vec![is(Email, "a@x")])),
            (
                "profile.firstName eq \"Ada \\\"A\\\"\" AND profile.lastName eq \"O k\"",
                Some(vec![is(FirstName, "ada \"a\""), is(LastName, "o k")]),
            ),
            ("profile.email sw \"a\"", None),
            ("profile.city eq \"Lagos\"", None),
            ("status eq \"ACTIVE\"", None),
            ("profile.email eq \"a\" or profile.email eq \"b\"", None),
            ("profile.email eq a", None),
            ("profile.email eq \"\"", None),
            ("profile.email eq \"a\" and", None),
            ("profile.email", None),
            ("", None),
        ] {
            assert_eq!(read(filter, false), wanted, "{filter}");
        }
        let begins = read("profile.email sw \"A\"", true);
        assert_eq!(begins, text("a").map(|text| vec![UserCondition::Begins(Email, text)]));
    }
}
