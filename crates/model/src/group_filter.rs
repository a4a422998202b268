//! Which groups of a user a claim or an attribute names: the same filter for tokens and assertions.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Group, GroupPattern, group_pattern::COMPILED_BYTES_MAX};

/// Names of groups that one claim or attribute has at most.
pub const GROUP_NAMES_MAX: usize = 100;
/// Characters of the text with which names are compared.
const VALUE_CHARACTERS_MAX: usize = 1_024;

/// How the names of groups are compared. Case matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum GroupFilterKind {
    /// The name begins with the text.
    StartsWith,
    /// The name is the text.
    Equals,
    /// The name contains the text.
    Contains,
    /// The whole name matches the regular expression.
    Regex,
}

impl GroupFilterKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::StartsWith, Self::Equals, Self::Contains, Self::Regex];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StartsWith => "STARTS_WITH",
            Self::Equals => "EQUALS",
            Self::Contains => "CONTAINS",
            Self::Regex => "REGEX",
        }
    }

    /// The kind of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A filter of the names of groups.
///
/// ```
/// use tenterhook_model::{GroupFilter, GroupFilterKind};
/// let filter = GroupFilter::new(GroupFilterKind::Regex, "eng-.*|ops").unwrap();
/// assert!(filter.matches("eng-data") && filter.matches("ops"));
/// assert!(!filter.matches("my-eng-data") && !filter.matches("devops"), "the whole name");
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "StoredGroupFilter", into = "StoredGroupFilter")]
pub struct GroupFilter {
    kind: GroupFilterKind,
    value: String,
    /// Of the kind that needs it.
    pattern: Option<GroupPattern>,
}

/// The stored form.
#[derive(Serialize, Deserialize)]
struct StoredGroupFilter {
    filter: GroupFilterKind,
    value: String,
}

/// Why a text cannot be a filter, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupFilterProblem {
    /// It is empty.
    #[error("The field cannot be left blank")]
    Blank,
    /// It is too long.
    #[error("The field is too long: at most {VALUE_CHARACTERS_MAX} characters")]
    TooLong,
    /// It is no regular expression.
    #[error(
        "It is no regular expression that can be evaluated in linear time: look-around and back references are not supported"
    )]
    NoPattern,
    /// The compiled expression needs too much memory.
    #[error("The regular expression is too large: compiled it may have {} KB", COMPILED_BYTES_MAX / 1_024)]
    PatternTooLarge,
}

/// More groups pass the filter than one claim or attribute may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {GROUP_NAMES_MAX} groups of the user pass the filter")]
pub struct TooManyGroups;

impl GroupFilter {
    /// A filter. A regular expression is not compiled yet ([`GroupPattern::compile`]).
    ///
    /// # Errors
    /// Why `value` cannot be the text of such a filter.
    pub fn new(kind: GroupFilterKind, value: impl Into<String>) -> Result<Self, GroupFilterProblem> {
        let value = value.into();
        if value.is_empty() {
            return Err(GroupFilterProblem::Blank);
        }
        if value.chars().count() > VALUE_CHARACTERS_MAX {
            return Err(GroupFilterProblem::TooLong);
        }
        let pattern = match kind {
            GroupFilterKind::Regex => Some(GroupPattern::new(&value)?),
            _ => None,
        };
        Ok(Self { kind, value, pattern })
    }

    /// How names are compared.
    pub fn kind(&self) -> GroupFilterKind {
        self.kind
    }

    /// With what.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The regular expression that names are compared with.
    pub fn pattern(&self) -> Option<&GroupPattern> {
        self.pattern.as_ref()
    }

    /// Whether the name of a group passes.
    pub fn matches(&self, name: &str) -> bool {
        match (self.kind, &self.pattern) {
            (GroupFilterKind::StartsWith, _) => name.starts_with(&self.value),
            (GroupFilterKind::Equals, _) => name == self.value,
            (GroupFilterKind::Contains, _) => name.contains(&self.value),
            (GroupFilterKind::Regex, pattern) => pattern.as_ref().is_some_and(|pattern| pattern.matches(name)),
        }
    }

    /// The names of those of the groups that pass, in their order.
    ///
    /// # Errors
    /// When more than [`GROUP_NAMES_MAX`] pass. A part of the names is not returned: a reader would take it for all of them.
    pub fn names<'a>(&self, groups: &'a [Group]) -> Result<Vec<&'a str>, TooManyGroups> {
        let passing = groups.iter().map(|group| group.name.as_str()).filter(|name| self.matches(name));
        let names: Vec<_> = passing.take(GROUP_NAMES_MAX + 1).collect();
        if names.len() > GROUP_NAMES_MAX { Err(TooManyGroups) } else { Ok(names) }
    }
}

impl PartialEq for GroupFilter {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, &self.value) == (other.kind, &other.value)
    }
}

impl Eq for GroupFilter {}

impl fmt::Debug for GroupFilter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GroupFilter")
            .field("kind", &self.kind)
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}

impl TryFrom<StoredGroupFilter> for GroupFilter {
    type Error = GroupFilterProblem;

    fn try_from(stored: StoredGroupFilter) -> Result<Self, GroupFilterProblem> {
        Self::new(stored.filter, stored.value)
    }
}

impl From<GroupFilter> for StoredGroupFilter {
    fn from(filter: GroupFilter) -> Self {
        Self { filter: filter.kind, value: filter.value }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use tenterhook_contract::{Timestamp, id::OrgId};

    use super::*;

    #[test]
    fn names_are_compared_as_the_kind_says() {
        use GroupFilterKind::{Contains, Equals, Regex, StartsWith};
        for (kind, value, passing) in [
            (StartsWith, "Eng", &["Eng", "Eng Data"][..]),
            (Equals, "Eng", &["Eng"]),
            (Contains, "Data", &["Eng Data"]),
            (Regex, ".*", &["Eng", "Eng Data", "eng", "a\nb"][..3]),
            (Regex, "Eng", &["Eng"]),
            (Regex, "Eng|eng", &["Eng", "eng"]),
            (Regex, "(?i)eng", &["Eng", "eng"]),
            (Regex, "^Eng.*$", &["Eng", "Eng Data"]),
        ] {
            let filter = GroupFilter::new(kind, value).unwrap();
            let found: Vec<_> =
                ["Eng", "Eng Data", "eng", "a\nb"].into_iter().filter(|name| filter.matches(name)).collect();
            assert_eq!(found, passing, "{filter:?}");
            let stored = serde_json::to_value(&filter).unwrap();
            assert_eq!(stored, serde_json::json!({ "filter": kind.as_str(), "value": value }));
            let read = serde_json::from_value::<GroupFilter>(stored).unwrap();
            assert_eq!((&read, read.matches("Eng")), (&filter, filter.matches("Eng")));
            assert_eq!(GroupFilterKind::of_name(kind.as_str()), Some(kind));
        }
    }

    #[test]
    fn a_text_that_is_no_filter_is_refused() {
        let new = |kind, value: &str| GroupFilter::new(kind, value).map(drop);
        for value in ["(", "a)(b", "(?=x)", r"(a)\1", "[z-a]"] {
            assert_eq!(new(GroupFilterKind::Regex, value), Err(GroupFilterProblem::NoPattern), "{value}");
        }
        assert_eq!(new(GroupFilterKind::Equals, ""), Err(GroupFilterProblem::Blank));
        assert_eq!(new(GroupFilterKind::Equals, &"x".repeat(VALUE_CHARACTERS_MAX)), Ok(()));
        let too_long = "x".repeat(VALUE_CHARACTERS_MAX + 1);
        assert_eq!(new(GroupFilterKind::Equals, &too_long), Err(GroupFilterProblem::TooLong));
    }

    #[test]
    fn as_many_names_as_the_bound_are_named_and_one_more_is_an_error() {
        let org = OrgId::from_parts(1, [1; 8]);
        let group =
            |number: usize| Group { name: format!("g{number}"), ..Group::everyone(&org, Timestamp::from_micros(0)) };
        let groups: Vec<_> = (0..=GROUP_NAMES_MAX).map(group).collect();
        let filter = GroupFilter::new(GroupFilterKind::StartsWith, "g").unwrap();
        assert_eq!(filter.names(groups.get(1..).unwrap_or_default()).map(|names| names.len()), Ok(GROUP_NAMES_MAX));
        assert_eq!(filter.names(&groups), Err(TooManyGroups));
    }
}
