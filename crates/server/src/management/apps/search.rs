//! The conditions of a list of apps.

use tenterhook_management::apps::AppCondition;
use tenterhook_model::{Comparison, SearchCondition, SearchOperator, SearchProblem, Status, Term, read_search};

use super::super::{answer::Parameter, given, query::FilterProblem};
use crate::error::ApiError;

pub(super) const FILTER: Parameter = Parameter {
    name: "filter",
    description: "Only apps for which every condition holds, joined by `and`: `status eq \"ACTIVE\"`, `name eq \"NAME\"`, \
                  `user.id eq \"ID\"`, `group.id eq \"ID\"`, `credentials.signing.kid eq \"ID\"`",
};

/// What has no index is looked at in memory, where all apps of an org are.
const POSSIBLE: &str = "`status`, `name`, `user.id`, `group.id` or `credentials.signing.kid`";

/// Conditions that hold together.
#[derive(Debug, PartialEq)]
struct Together(Vec<AppCondition>);

impl SearchCondition for Together {
    fn all(conditions: Vec<Self>) -> Self {
        Self(conditions.into_iter().flat_map(|Self(conditions)| conditions).collect())
    }

    fn any(_: Vec<Self>) -> Option<Self> {
        None
    }
}

/// The conditions of a query.
pub(super) fn conditions(raw: Option<&str>) -> Result<Vec<AppCondition>, ApiError> {
    let Some(text) = given(raw, "filter") else { return Ok(Vec::new()) };
    read(&text).map_err(|problem| ApiError::Filter(FilterProblem::Search("filter", problem)))
}

/// Conditions joined by `and`.
fn read(text: &str) -> Result<Vec<AppCondition>, SearchProblem> {
    read_search(text, |term| of(term).map(|condition| Together(vec![condition]))).map(|Together(conditions)| conditions)
}

fn of(term: &Term<'_>) -> Result<AppCondition, SearchProblem> {
    let attribute = ["status", "name", "user.id", "group.id", "credentials.signing.kid"];
    let attribute = attribute.into_iter().find(|attribute| *attribute == term.attribute);
    let attribute = attribute.ok_or_else(|| SearchProblem::attribute(term, POSSIBLE))?;
    let Comparison::With(SearchOperator::Equals, value) = &term.comparison else {
        let operator = term.comparison.as_str();
        return Err(SearchProblem::NotPossible { attribute, operator, possible: "`eq`" });
    };
    let (condition, wanted) = match (attribute, value.as_str()) {
        ("status", "ACTIVE") => (Some(AppCondition::Status(Status::Active)), ""),
        ("status", "INACTIVE") => (Some(AppCondition::Status(Status::Inactive)), ""),
        ("status", _) => (None, "`ACTIVE` or `INACTIVE`"),
        ("user.id", _) => (value.parse().ok().map(AppCondition::User), "the id of a user"),
        ("group.id", _) => (value.parse().ok().map(AppCondition::Group), "the id of a group"),
        ("name", _) => (Some(AppCondition::Name(value.clone())), ""),
        _ => (Some(AppCondition::Key(value.clone())), ""),
    };
    condition.ok_or(SearchProblem::Value { attribute, wanted })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_conditions_that_are_evaluated() {
        let name = |name: &str| AppCondition::Name(name.to_owned());
        for (filter, wanted) in [
            ("status eq \"ACTIVE\"", Some(vec![AppCondition::Status(Status::Active)])),
            (
                "status eq \"INACTIVE\" AND name eq \"shop_1\"",
                Some(vec![AppCondition::Status(Status::Inactive), name("shop_1")]),
            ),
            ("credentials.signing.kid eq \"k\"", Some(vec![AppCondition::Key("k".to_owned())])),
            ("status eq \"DELETED\"", None),
            ("status eq ACTIVE", None),
            ("name sw \"shop\"", None),
            ("signOnMode eq \"SAML_2_0\"", None),
            ("user.id eq \"me\"", None),
            ("group.id eq \"00u4k9wq7XbTz2RmN1d7\"", None),
            ("status eq \"ACTIVE\" or status eq \"INACTIVE\"", None),
            ("name eq \"a\" and", None),
            ("", None),
        ] {
            assert_eq!(read(filter).ok(), wanted, "{filter}");
        }
        let user = "00u4k9wq7XbTz2RmN1d7";
        let wanted = user.parse().ok().map(|user| vec![AppCondition::User(user)]);
        assert_eq!(read(&format!("user.id eq \"{user}\"")).ok(), wanted);
    }
}
