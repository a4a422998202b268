//! Search parameters of lists of groups: `q`, `filter` and `search`.

use tenterhook_contract::Timestamp;
use tenterhook_model::{
    Comparison, GroupCondition, GroupKind, GroupTime, SearchOperator, SearchProblem, Term, TextMatch, TimeMatch,
    read_search,
};

use super::{
    given,
    query::FilterProblem,
    user_search::{DATE, DATES},
};
use crate::error::ApiError;

/// The attributes by which groups are searched.
const POSSIBLE: &str = "`id`, `type`, `profile.name`, `created`, `lastUpdated` or `lastMembershipUpdated`";

/// The condition that every parameter of a query holds.
pub(super) fn condition(raw: Option<&str>) -> Result<Option<GroupCondition>, ApiError> {
    let mut all = Vec::new();
    if let Some(q) = given(raw, "q") {
        all.push(GroupCondition::Name(TextMatch::Begins, q));
    }
    for name in ["filter", "search"] {
        if let Some(text) = given(raw, name) {
            let refused = |problem| ApiError::Filter(FilterProblem::Search(name, problem));
            all.push(read_search(&text, of).map_err(refused)?);
        }
    }
    Ok((!all.is_empty()).then_some(GroupCondition::All(all)))
}

/// The condition of a term.
fn of(term: &Term<'_>) -> Result<GroupCondition, SearchProblem> {
    use SearchOperator::{Contains, Equals, StartsWith};
    let operator = term.comparison.as_str();
    let not_possible = |attribute, possible| SearchProblem::NotPossible { attribute, operator, possible };
    match (term.attribute, term.comparison.clone()) {
        ("id", Comparison::With(Equals, value)) => Ok(GroupCondition::Id(value)),
        ("id", _) => Err(not_possible("id", "`eq`")),
        ("type", Comparison::With(Equals, value)) => match value.as_str() {
            "OKTA_GROUP" => Ok(GroupCondition::Kind(GroupKind::Own)),
            "BUILT_IN" => Ok(GroupCondition::Kind(GroupKind::BuiltIn)),
            "APP_GROUP" => Ok(GroupCondition::OtherKind),
            _ => Err(SearchProblem::Value { attribute: "type", wanted: "`OKTA_GROUP`, `BUILT_IN` or `APP_GROUP`" }),
        },
        ("type", _) => Err(not_possible("type", "`eq`")),
        ("profile.name", Comparison::With(Equals, value)) => Ok(GroupCondition::Name(TextMatch::Is, value)),
        ("profile.name", Comparison::With(StartsWith, value)) => Ok(GroupCondition::Name(TextMatch::Begins, value)),
        ("profile.name", Comparison::With(Contains, value)) => Ok(GroupCondition::Name(TextMatch::Contains, value)),
        ("profile.name", _) => Err(not_possible("profile.name", "`eq`, `sw` or `co`")),
        (name, comparison) => {
            let (time, attribute) = match name {
                "created" => (GroupTime::Created, "created"),
                "lastUpdated" => (GroupTime::LastUpdated, "lastUpdated"),
                "lastMembershipUpdated" => (GroupTime::MembersChanged, "lastMembershipUpdated"),
                _ => return Err(SearchProblem::attribute(term, POSSIBLE)),
            };
            let Comparison::With(operator, value) = comparison else { return Err(not_possible(attribute, DATES)) };
            let how = TimeMatch::of(operator).ok_or_else(|| not_possible(attribute, DATES))?;
            let moment = value.parse::<Timestamp>();
            let moment = moment.map_err(|_| SearchProblem::Value { attribute, wanted: DATE })?;
            Ok(GroupCondition::Time(time, how, moment))
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
            assert_eq!(read_search(filter, of).ok(), wanted, "{filter}");
        }
    }
}
