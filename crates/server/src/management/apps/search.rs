//! The conditions of a list of apps.

use tenterhook_management::apps::AppCondition;
use tenterhook_model::Status;

use super::super::{answer::Parameter, given, query::FilterProblem, user_search::joined};
use crate::error::ApiError;

/// Conditions of one `filter`.
const CONDITIONS_MAX: usize = 5;

pub(super) const FILTER: Parameter = Parameter {
    name: "filter",
    description: "Only apps for which every condition holds, joined by `and`: `status eq \"ACTIVE\"`, `name eq \"NAME\"`, \
                  `user.id eq \"ID\"`, `group.id eq \"ID\"`, `credentials.signing.kid eq \"ID\"`",
};

/// The conditions of a query.
pub(super) fn conditions(raw: Option<&str>) -> Result<Vec<AppCondition>, ApiError> {
    let Some(text) = given(raw, "filter") else { return Ok(Vec::new()) };
    let read = read(&text).filter(|read| read.len() <= CONDITIONS_MAX);
    read.ok_or(ApiError::Filter(FilterProblem::Apps))
}

/// Conditions joined by `and`; `None` when there is anything else.
fn read(text: &str) -> Option<Vec<AppCondition>> {
    joined(text, |attribute, operator, value| {
        if !operator.eq_ignore_ascii_case("eq") {
            return None;
        }
        match attribute {
            "status" if value == "ACTIVE" => Some(AppCondition::Status(Status::Active)),
            "status" if value == "INACTIVE" => Some(AppCondition::Status(Status::Inactive)),
            "name" => Some(AppCondition::Name(value)),
            "credentials.signing.kid" => Some(AppCondition::Key(value)),
            "user.id" => value.parse().ok().map(AppCondition::User),
            "group.id" => value.parse().ok().map(AppCondition::Group),
            _ => None,
        }
    })
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
            assert_eq!(read(filter), wanted, "{filter}");
        }
        let user = "00u4k9wq7XbTz2RmN1d7";
        let wanted = user.parse().ok().map(|user| vec![AppCondition::User(user)]);
        assert_eq!(read(&format!("user.id eq \"{user}\"")), wanted);
    }
}
