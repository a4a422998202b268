//! Search parameters of lists of users: `q`, `filter` and `search`.

use tenterhook_contract::Timestamp;
use tenterhook_model::{
    Comparison, SearchOperator, SearchProblem, SearchText, SearchedAttribute, Term, TimeMatch, UserCondition,
    UserStatus, UserTime, read_search,
};

use super::{
    given,
    query::{FilterProblem, QueryProblem},
};
use crate::error::ApiError;

/// The attributes by which users are searched: those that have an index.
const POSSIBLE: &str = "`id`, `status`, `created`, `activated`, `statusChanged`, `lastUpdated`, `profile.login`, `profile.email`, \
                        `profile.firstName`, `profile.lastName` or `profile.externalId`";
/// The operators of texts. What a text contains would take a look at every user.
const TEXTS: &str = "`eq`, `sw` or `pr`";
/// The operators of dates.
pub(super) const DATES: &str = "`eq`, `gt`, `ge`, `lt` or `le`";
/// The operators of dates that a user may not have.
const OPTIONAL_DATES: &str = "`eq`, `gt`, `ge`, `lt`, `le` or `pr`";
/// What dates are compared with.
pub(super) const DATE: &str = "a date such as `2026-01-01T00:00:00.000Z`";
const TEXT: &str = "a text of 1 to 199 characters";
const STATUSES: &str = "`STAGED`, `PROVISIONED`, `ACTIVE`, `RECOVERY`, `PASSWORD_EXPIRED`, `LOCKED_OUT`, `SUSPENDED` or \
                        `DEPROVISIONED`";

/// The condition that every parameter of a query holds.
pub(super) fn condition(raw: Option<&str>) -> Result<Option<UserCondition>, ApiError> {
    let mut all = Vec::new();
    if let Some(q) = given(raw, "q") {
        let text = SearchText::new(&q)
            .ok_or_else(|| ApiError::Query { subject: "users", problems: vec![QueryProblem::SearchTooLong] })?;
        all.push(UserCondition::AnyBegins(text));
    }
    for name in ["filter", "search"] {
        if let Some(text) = given(raw, name) {
            let refused = |problem| ApiError::Filter(FilterProblem::Search(name, problem));
            all.push(read_search(&text, of).map_err(refused)?);
        }
    }
    Ok(if all.len() > 1 { Some(UserCondition::All(all)) } else { all.pop() })
}

/// The condition of a term.
fn of(term: &Term<'_>) -> Result<UserCondition, SearchProblem> {
    let operator = term.comparison.as_str();
    let not_possible = |attribute, possible| SearchProblem::NotPossible { attribute, operator, possible };
    match (term.attribute, &term.comparison) {
        ("id", Comparison::With(SearchOperator::Equals, value)) => {
            // No user has an id of another form.
            Ok(value.parse().map_or_else(|_| UserCondition::Any(Vec::new()), UserCondition::Id))
        }
        ("id", _) => Err(not_possible("id", "`eq`")),
        ("status", Comparison::With(SearchOperator::Equals, value)) => {
            let status = UserStatus::ALL.into_iter().find(|status| status.as_str() == value);
            status.map(UserCondition::Status).ok_or(SearchProblem::Value { attribute: "status", wanted: STATUSES })
        }
        ("status", _) => Err(not_possible("status", "`eq`")),
        (name, comparison) => {
            if let Some(time) = UserTime::ALL.into_iter().find(|time| time.as_str() == name) {
                return of_time(time, comparison);
            }
            let attribute = SearchedAttribute::ALL.into_iter().find(|attribute| path(*attribute) == name);
            of_text(attribute.ok_or_else(|| SearchProblem::attribute(term, POSSIBLE))?, comparison)
        }
    }
}

fn of_time(time: UserTime, comparison: &Comparison) -> Result<UserCondition, SearchProblem> {
    let is_optional = matches!(time, UserTime::Activated | UserTime::StatusChanged);
    let possible = if is_optional { OPTIONAL_DATES } else { DATES };
    let refused = SearchProblem::NotPossible { attribute: time.as_str(), operator: comparison.as_str(), possible };
    match comparison {
        Comparison::Present if is_optional => Ok(UserCondition::HasTime(time)),
        Comparison::Present => Err(refused),
        Comparison::With(operator, value) => {
            let how = TimeMatch::of(*operator).ok_or(refused)?;
            let moment = value.parse::<Timestamp>();
            let moment = moment.map_err(|_| SearchProblem::Value { attribute: time.as_str(), wanted: DATE })?;
            Ok(UserCondition::Time(time, how, moment))
        }
    }
}

fn of_text(attribute: SearchedAttribute, comparison: &Comparison) -> Result<UserCondition, SearchProblem> {
    let name = path(attribute);
    let text = |value| SearchText::new(value).ok_or(SearchProblem::Value { attribute: name, wanted: TEXT });
    match comparison {
        Comparison::Present => Ok(UserCondition::Has(attribute)),
        Comparison::With(SearchOperator::Equals, value) => Ok(UserCondition::Is(attribute, text(value)?)),
        Comparison::With(SearchOperator::StartsWith, value) => Ok(UserCondition::Begins(attribute, text(value)?)),
        Comparison::With(operator, _) => {
            Err(SearchProblem::NotPossible { attribute: name, operator: operator.as_str(), possible: TEXTS })
        }
    }
}

/// The attribute as a search names it.
const fn path(attribute: SearchedAttribute) -> &'static str {
    match attribute {
        SearchedAttribute::Login => "profile.login",
        SearchedAttribute::Email => "profile.email",
        SearchedAttribute::FirstName => "profile.firstName",
        SearchedAttribute::LastName => "profile.lastName",
        SearchedAttribute::ExternalId => "profile.externalId",
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_search_is_conditions_that_have_an_index() {
        use SearchedAttribute::{Email, ExternalId, FirstName};
        use UserCondition::{All, Any};
        let text = |text: &str| SearchText::new(text).unwrap();
        let at = "2026-01-01T00:00:00.000Z".parse::<Timestamp>().unwrap();
        let active = || UserCondition::Status(UserStatus::Active);
        for (search, wanted) in [
            ("profile.email eq \"A@x\"", UserCondition::Is(Email, text("a@x"))),
            ("profile.email sw \"A\"", UserCondition::Begins(Email, text("a"))),
            ("profile.externalId pr", UserCondition::Has(ExternalId)),
            ("id eq \"00u4k9wq7XbTz2RmN1d7\"", UserCondition::Id("00u4k9wq7XbTz2RmN1d7".parse().unwrap())),
            ("id eq \"00g4k9wq7XbTz2RmN1d7\"", Any(Vec::new())),
            ("status eq \"DEPROVISIONED\"", UserCondition::Status(UserStatus::Deprovisioned)),
            ("activated pr", UserCondition::HasTime(UserTime::Activated)),
            (
                "lastUpdated gt \"2026-01-01T00:00:00.000Z\"",
                UserCondition::Time(UserTime::LastUpdated, TimeMatch::After, at),
            ),
            (
                "status eq \"ACTIVE\" and (profile.firstName eq \"Ada\" or created le \"2026-01-01T01:00:00+01:00\")",
                All(vec![
                    active(),
                    Any(vec![
                        UserCondition::Is(FirstName, text("ada")),
                        UserCondition::Time(UserTime::Created, TimeMatch::Until, at),
                    ]),
                ]),
            ),
        ] {
            assert_eq!(read_search(search, of), Ok(wanted), "{search}");
        }
    }

    #[test]
    fn what_is_not_possible_is_refused_with_what_is() {
        for (search, problem) in [
            ("profile.city eq \"Lagos\"", "`profile.city` is not searched, because it has no index: search by `id`"),
            ("email eq \"a\"", "`email` is not searched"),
            ("profile.email co \"a\"", "`co` is not possible on `profile.email`: use `eq`, `sw` or `pr`"),
            ("profile.login gt \"a\"", "`gt` is not possible on `profile.login`: use `eq`, `sw` or `pr`"),
            ("profile.login eq \"\"", "`profile.login` is compared with a text of 1 to 199 characters"),
            ("id sw \"00u\"", "`sw` is not possible on `id`: use `eq`"),
            ("status pr", "`pr` is not possible on `status`: use `eq`"),
            ("status eq \"active\"", "`status` is compared with `STAGED`, "),
            ("status ne \"ACTIVE\"", "`ne` is no operator here: write `eq`"),
            ("created pr", "`pr` is not possible on `created`: use `eq`, `gt`, `ge`, `lt` or `le`"),
            ("activated sw \"2026\"", "`sw` is not possible on `activated`: use `eq`, `gt`, `ge`, `lt`, `le` or `pr`"),
            ("created gt \"yesterday\"", "`created` is compared with a date such as"),
            ("profile.email eq a", "it cannot be read from `a` on: write conditions such as"),
            ("", "it cannot be read to its end"),
        ] {
            let refused = read_search(search, of).unwrap_err().to_string();
            assert!(refused.starts_with(problem), "{search}: {refused}");
        }
        for name in ["filter", "search"] {
            let query = format!("{name}=status+pr");
            let Err(ApiError::Filter(refused)) = condition(Some(&query)) else { panic!("{name}") };
            assert!(refused.to_string().starts_with(&format!("`{name}` is refused: `pr` is not possible on `status`")));
        }
    }

    #[test]
    fn every_parameter_holds_together_with_the_others() {
        let both = condition(Some("q=ada&filter=activated+pr&search=statusChanged+pr")).unwrap();
        let Some(UserCondition::All(all)) = both else { panic!("{both:?}") };
        assert_eq!(all.len(), 3);
        assert_eq!(condition(Some("search=activated+pr")).unwrap(), Some(UserCondition::HasTime(UserTime::Activated)));
        assert_eq!(condition(Some("q=")).unwrap(), None);
    }
}
