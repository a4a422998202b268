//! Queries of groups.

use tenterhook_contract::{Timestamp, id::GroupId};

use crate::{Group, GroupKind, SearchCondition, SearchOperator, group_key};

/// A page of an org's own groups, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupQuery {
    /// What must hold of a group; every group when absent.
    pub condition: Option<GroupCondition>,
    /// Only groups after this one.
    pub after: Option<GroupId>,
    /// Most groups of the page.
    pub limit: usize,
}

/// A condition on a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupCondition {
    /// Every one holds.
    All(Vec<GroupCondition>),
    /// One holds at least.
    Any(Vec<GroupCondition>),
    /// It is of this kind.
    Kind(GroupKind),
    /// It is of a kind that no group here has, such as one that an application keeps.
    OtherKind,
    /// It has this id.
    Id(String),
    /// Its name, in any case, and a text.
    Name(TextMatch, String),
    /// One of its times and a moment.
    Time(GroupTime, TimeMatch, Timestamp),
}

/// How a text is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextMatch {
    /// It is the other text.
    Is,
    /// It begins with the other text.
    Begins,
    /// It contains the other text.
    Contains,
}

/// A time of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupTime {
    /// When it was created.
    Created,
    /// When its profile was last changed.
    LastUpdated,
    /// When its members last changed.
    MembersChanged,
}

/// How a time is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeMatch {
    /// It is the moment.
    Is,
    /// It is later.
    After,
    /// It is later, or the moment.
    From,
    /// It is earlier.
    Before,
    /// It is earlier, or the moment.
    Until,
}

impl TimeMatch {
    /// The match that an operator of a search asks for; `None` for one of texts.
    pub const fn of(operator: SearchOperator) -> Option<Self> {
        match operator {
            SearchOperator::Equals => Some(Self::Is),
            SearchOperator::Greater => Some(Self::After),
            SearchOperator::GreaterOrSame => Some(Self::From),
            SearchOperator::Less => Some(Self::Before),
            SearchOperator::LessOrSame => Some(Self::Until),
            SearchOperator::StartsWith | SearchOperator::Contains => None,
        }
    }

    /// Whether it holds of a time and a moment.
    pub fn holds(self, time: Timestamp, moment: Timestamp) -> bool {
        match self {
            Self::Is => time == moment,
            Self::After => time > moment,
            Self::From => time >= moment,
            Self::Before => time < moment,
            Self::Until => time <= moment,
        }
    }
}

impl SearchCondition for GroupCondition {
    fn all(conditions: Vec<Self>) -> Self {
        Self::All(conditions)
    }

    fn any(conditions: Vec<Self>) -> Option<Self> {
        Some(Self::Any(conditions))
    }
}

/// The groups that an index finds, among which are all those for which a condition holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Narrowed {
    /// The one with this id.
    Id(String),
    /// The one with this key of its name.
    Name(String),
    /// Those whose keys begin with this text.
    NameBegins(String),
}

impl GroupCondition {
    /// Whether it holds.
    ///
    /// ```
    /// use tenterhook_contract::{Timestamp, id::OrgId};
    /// use tenterhook_model::{Group, GroupCondition, TextMatch};
    /// let everyone = Group::everyone(&OrgId::from_parts(1, [1; 8]), Timestamp::from_micros(0));
    /// let begins = GroupCondition::Name(TextMatch::Begins, "EVERY".to_owned());
    /// assert!(begins.holds(&everyone) && !GroupCondition::OtherKind.holds(&everyone));
    /// ```
    pub fn holds(&self, group: &Group) -> bool {
        match self {
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(group)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(group)),
            Self::Kind(kind) => group.kind == *kind,
            Self::OtherKind => false,
            Self::Id(id) => group.id.as_str() == id,
            Self::Name(how, text) => {
                let (name, text) = (group_key(&group.name), group_key(text));
                match how {
                    TextMatch::Is => name == text,
                    TextMatch::Begins => name.starts_with(&text),
                    TextMatch::Contains => name.contains(&text),
                }
            }
            Self::Time(time, how, moment) => {
                let time = match time {
                    GroupTime::Created => group.created,
                    GroupTime::LastUpdated => group.last_updated,
                    GroupTime::MembersChanged => group.members_changed,
                };
                how.holds(time, *moment)
            }
        }
    }

    /// Groups that an index finds and that are enough to look at; `None` when all must be looked at.
    pub fn narrowed(&self) -> Option<Narrowed> {
        match self {
            Self::All(conditions) => conditions.iter().find_map(Self::narrowed),
            Self::Id(id) => Some(Narrowed::Id(id.clone())),
            Self::Name(TextMatch::Is, text) => Some(Narrowed::Name(group_key(text))),
            Self::Name(TextMatch::Begins, text) => Some(Narrowed::NameBegins(group_key(text))),
            _ => None,
        }
    }
}
