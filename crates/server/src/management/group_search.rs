//! Search parameters of lists of groups: `q`, `filter` and `search`.

use tenterhook_contract::Timestamp;
use tenterhook_model::{GroupCondition, GroupKind, GroupTime, TextMatch, TimeMatch};

use super::{given, query::FilterProblem, user_search::quoted};
use crate::error::ApiError;

/// Conditions of one `filter` or `search`.
const CONDITIONS_MAX: usize = 20;
/// Parentheses inside each other.
const DEPTH_MAX: usize = 5;

/// The condition that every parameter of a query holds.
pub(super) fn condition(raw: Option<&str>) -> Result<Option<GroupCondition>, ApiError> {
    let mut all = Vec::new();
    if let Some(q) = given(raw, "q") {
        all.push(GroupCondition::Name(TextMatch::Begins, q));
    }
    for name in ["filter", "search"] {
        if let Some(text) = given(raw, name) {
            all.push(read(&text).ok_or(ApiError::Filter(FilterProblem::Groups(name)))?);
        }
    }
    Ok((!all.is_empty()).then_some(GroupCondition::All(all)))
}

/// Conditions joined by `and` and `or`, of which `and` binds more tightly; `None` when there is anything else.
fn read(text: &str) -> Option<GroupCondition> {
    let mut reader = Reader { rest: text, conditions: 0 };
    let condition = reader.any(0)?;
    reader.rest.trim().is_empty().then_some(condition)
}

struct Reader<'a> {
    rest: &'a str,
    conditions: usize,
}

impl<'a> Reader<'a> {
    fn any(&mut self, depth: usize) -> Option<GroupCondition> {
        let mut any = vec![self.all(depth)?];
        while self.takes_word("or") {
            any.push(self.all(depth)?);
        }
        one_or(any, GroupCondition::Any)
    }

    fn all(&mut self, depth: usize) -> Option<GroupCondition> {
        let mut all = vec![self.one(depth)?];
        while self.takes_word("and") {
            all.push(self.one(depth)?);
        }
        one_or(all, GroupCondition::All)
    }

    fn one(&mut self, depth: usize) -> Option<GroupCondition> {
        self.rest = self.rest.trim_start();
        if let Some(inner) = self.rest.strip_prefix('(') {
            if depth == DEPTH_MAX {
                return None;
            }
            self.rest = inner;
            let condition = self.any(depth + 1)?;
            self.rest = self.rest.trim_start().strip_prefix(')')?;
            return Some(condition);
        }
        self.conditions += 1;
        if self.conditions > CONDITIONS_MAX {
            return None;
        }
        let (attribute, operator) = (self.word()?, self.word()?.to_ascii_lowercase());
        let (value, after) = quoted(self.rest.trim_start())?;
        self.rest = after;
        of(attribute, &operator, value)
    }

    /// The next word, up to a space.
    fn word(&mut self) -> Option<&'a str> {
        let (word, after) = self.rest.trim_start().split_once(' ')?;
        self.rest = after;
        Some(word)
    }

    /// Whether the next word is this one, which is then behind.
    fn takes_word(&mut self, wanted: &str) -> bool {
        let rest = self.rest.trim_start();
        let (Some(word), Some(after)) = (rest.get(..wanted.len()), rest.get(wanted.len()..)) else { return false };
        let ends = after.starts_with([' ', '(']);
        if word.eq_ignore_ascii_case(wanted) && ends {
            self.rest = after;
            return true;
        }
        false
    }
}

fn one_or(
    mut conditions: Vec<GroupCondition>,
    join: impl Fn(Vec<GroupCondition>) -> GroupCondition,
) -> Option<GroupCondition> {
    if conditions.len() == 1 { conditions.pop() } else { Some(join(conditions)) }
}

/// The condition of an attribute.
fn of(attribute: &str, operator: &str, value: String) -> Option<GroupCondition> {
    match (attribute, operator) {
        ("id", "eq") => Some(GroupCondition::Id(value)),
        ("type", "eq") => match value.as_str() {
            "OKTA_GROUP" => Some(GroupCondition::Kind(GroupKind::Own)),
            "BUILT_IN" => Some(GroupCondition::Kind(GroupKind::BuiltIn)),
            "APP_GROUP" => Some(GroupCondition::OtherKind),
            _ => None,
        },
        ("profile.name", operator) => {
            let how = match operator {
                "eq" => TextMatch::Is,
                "sw" => TextMatch::Begins,
                "co" => TextMatch::Contains,
                _ => return None,
            };
            Some(GroupCondition::Name(how, value))
        }
        (time, operator) => {
            let time = match time {
                "created" => GroupTime::Created,
                "lastUpdated" => GroupTime::LastUpdated,
                "lastMembershipUpdated" => GroupTime::MembersChanged,
                _ => return None,
            };
            let how = match operator {
                "eq" => TimeMatch::Is,
                "gt" => TimeMatch::After,
                "ge" => TimeMatch::From,
                "lt" => TimeMatch::Before,
                "le" => TimeMatch::Until,
                _ => return None,
            };
            Some(GroupCondition::Time(time, how, value.parse::<Timestamp>().ok()?))
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_filter_is_conditions_with_and_before_or() {
        use GroupCondition::{All, Any};
        let name = |how, text: &str| GroupCondition::Name(how, text.to_owned());
        let own = || GroupCondition::Kind(GroupKind::Own);
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let moment = "2026-01-01T00:00:00.000Z";
        for (filter, wanted) in [
            ("type eq \"OKTA_GROUP\"", Some(own())),
            ("type eq \"APP_GROUP\"", Some(GroupCondition::OtherKind)),
            ("id eq \"00g1\"", Some(GroupCondition::Id("00g1".to_owned()))),
            ("profile.name sw \"Eng\"", Some(name(TextMatch::Begins, "Eng"))),
            (
                "type eq \"OKTA_GROUP\" and profile.name co \"a b\" OR profile.name eq \"or\"",
                Some(Any(vec![All(vec![own(), name(TextMatch::Contains, "a b")]), name(TextMatch::Is, "or")])),
            ),
            (
                "type eq \"OKTA_GROUP\" and(profile.name eq \"a\" or profile.name eq \"b\")",
                Some(All(vec![own(), Any(vec![name(TextMatch::Is, "a"), name(TextMatch::Is, "b")])])),
            ),
            (
                "lastMembershipUpdated gt \"2026-01-01T00:00:00.000Z\"",
                Some(GroupCondition::Time(GroupTime::MembersChanged, TimeMatch::After, at(moment))),
            ),
            (
                "(lastUpdated le \"2026-01-01T00:00:00.000Z\")",
                Some(GroupCondition::Time(GroupTime::LastUpdated, TimeMatch::Until, at(moment))),
            ),
            ("lastUpdated gt \"yesterday\"", None),
            ("type eq \"OTHER\"", None),
            ("type ne \"OKTA_GROUP\"", None),
            ("profile.name pr", None),
            ("profile.name eq a", None),
            ("profile.team eq \"a\"", None),
            ("profile.name eq \"a\" and", None),
            ("profile.name eq \"a\" profile.name eq \"b\"", None),
            ("(profile.name eq \"a\"", None),
            ("", None),
        ] {
            assert_eq!(read(filter), wanted, "{filter}");
        }
        let many = |count: usize| vec!["id eq \"a\""; count].join(" or ");
        assert!(read(&many(CONDITIONS_MAX)).is_some() && read(&many(CONDITIONS_MAX + 1)).is_none());
        let deep = |depth: usize| format!("{}id eq \"a\"{}", "(".repeat(depth), ")".repeat(depth));
        assert!(read(&deep(DEPTH_MAX)).is_some() && read(&deep(DEPTH_MAX + 1)).is_none());
    }
}
