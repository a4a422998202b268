//! Queries of users.

use tenterhook_contract::{Timestamp, id::UserId};

use crate::{SearchCondition, TimeMatch, User, UserStatus};

/// Most characters of a search key; longer attributes are truncated to it.
pub const USER_KEY_CHARACTERS_MAX: usize = 200;

/// A page of users: those for whom a condition holds, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserQuery {
    /// What must hold of a user; every user when absent.
    pub condition: Option<UserCondition>,
    /// Only users after this one.
    pub after: Option<UserId>,
    /// Most users of the page.
    pub limit: usize,
}

/// What a query of users finds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UserPage {
    /// The users, by id. They may be fewer than the limit although there are more: a page looks at a bounded number of users.
    pub users: Vec<User>,
    /// Where the query goes on: the next page has the users after this one.
    pub next: Option<UserId>,
}

/// A condition on a user. Texts are compared in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserCondition {
    /// Every one holds.
    All(Vec<UserCondition>),
    /// One holds at least.
    Any(Vec<UserCondition>),
    /// Login, email, first name or last name begins with the text.
    AnyBegins(SearchText),
    /// The attribute begins with the text.
    Begins(SearchedAttribute, SearchText),
    /// The attribute equals the text.
    Is(SearchedAttribute, SearchText),
    /// The attribute has a value.
    Has(SearchedAttribute),
    /// The user has this id.
    Id(UserId),
    /// The user has this status.
    Status(UserStatus),
    /// One of the user's times and a moment.
    Time(UserTime, TimeMatch, Timestamp),
    /// The user has this time.
    HasTime(UserTime),
}

/// A time of a user that has an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserTime {
    /// When the user was created.
    Created,
    /// When the user was first activated.
    Activated,
    /// When the status last changed.
    StatusChanged,
    /// When the user was last changed.
    LastUpdated,
}

/// An attribute that has an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchedAttribute {
    /// `login`.
    Login,
    /// `email`.
    Email,
    /// `firstName`.
    FirstName,
    /// `lastName`.
    LastName,
    /// `externalId`, if the org's schema has it.
    ExternalId,
}

/// A text to find users by: not empty, in lower case, shorter than [`USER_KEY_CHARACTERS_MAX`], so that it is compared whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchText(String);

impl SearchedAttribute {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Login, Self::Email, Self::FirstName, Self::LastName, Self::ExternalId];

    /// The attribute's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Email => "email",
            Self::FirstName => "firstName",
            Self::LastName => "lastName",
            Self::ExternalId => "externalId",
        }
    }

    /// The key of a user's attribute; `None` when the user does not have it.
    pub fn key_of(self, user: &User) -> Option<String> {
        let profile = &user.profile;
        match self {
            // Logins are unique, so their keys are whole.
            Self::Login => Some(profile.login.to_lowercase()),
            Self::Email => Some(user_key(&profile.email)),
            Self::FirstName => Some(user_key(&profile.first_name)),
            Self::LastName => Some(user_key(&profile.last_name)),
            Self::ExternalId => profile.external_id().map(user_key),
        }
    }
}

impl UserTime {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Created, Self::Activated, Self::StatusChanged, Self::LastUpdated];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Activated => "activated",
            Self::StatusChanged => "statusChanged",
            Self::LastUpdated => "lastUpdated",
        }
    }

    /// That time of a user.
    pub fn of(self, user: &User) -> Option<Timestamp> {
        match self {
            Self::Created => Some(user.created),
            Self::Activated => user.activated,
            Self::StatusChanged => user.status_changed,
            Self::LastUpdated => Some(user.last_updated),
        }
    }
}

impl UserCondition {
    /// Whether it holds.
    pub fn holds(&self, user: &User) -> bool {
        use SearchedAttribute::{Email, FirstName, LastName, Login};
        let key = |attribute: SearchedAttribute| attribute.key_of(user).unwrap_or_default();
        match self {
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(user)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(user)),
            Self::AnyBegins(text) => {
                [Login, Email, FirstName, LastName].into_iter().any(|one| key(one).starts_with(text.as_str()))
            }
            Self::Begins(attribute, text) => key(*attribute).starts_with(text.as_str()),
            Self::Is(attribute, text) => key(*attribute) == text.as_str(),
            Self::Has(attribute) => !key(*attribute).is_empty(),
            Self::Id(id) => user.id == *id,
            Self::Status(status) => user.status == *status,
            Self::Time(time, how, moment) => time.of(user).is_some_and(|time| how.holds(time, *moment)),
            Self::HasTime(time) => time.of(user).is_some(),
        }
    }
}

impl SearchCondition for UserCondition {
    fn all(conditions: Vec<Self>) -> Self {
        Self::All(conditions)
    }

    fn any(conditions: Vec<Self>) -> Option<Self> {
        Some(Self::Any(conditions))
    }
}

impl SearchText {
    /// A text of a query; `None` when it is empty or too long.
    ///
    /// ```
    /// use tenterhook_model::{SearchText, USER_KEY_CHARACTERS_MAX};
    /// assert_eq!(SearchText::new("Ada").unwrap().as_str(), "ada");
    /// assert!(SearchText::new("").is_none() && SearchText::new(&"x".repeat(USER_KEY_CHARACTERS_MAX)).is_none());
    /// ```
    pub fn new(text: &str) -> Option<Self> {
        let folded = text.to_lowercase();
        let fits = !folded.is_empty() && folded.chars().count() < USER_KEY_CHARACTERS_MAX;
        fits.then_some(Self(folded))
    }

    /// The text, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The key of an attribute: its beginning in lower case.
///
/// ```
/// assert_eq!(tenterhook_model::user_key("Åsa"), "åsa");
/// ```
pub fn user_key(text: &str) -> String {
    text.to_lowercase().chars().take(USER_KEY_CHARACTERS_MAX).collect()
}
