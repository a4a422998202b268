//! Queries of users.

use tenterhook_contract::id::UserId;

/// Most characters of a search key; longer attributes are truncated to it.
pub const USER_KEY_CHARACTERS_MAX: usize = 200;

/// A page of users: those for which every condition holds, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserQuery {
    /// All of them must hold.
    pub conditions: Vec<UserCondition>,
    /// Only users after this one.
    pub after: Option<UserId>,
    /// Most users of the page.
    pub limit: usize,
}

/// A case-insensitive condition on an indexed attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserCondition {
    /// Login, email, first name or last name begins with the text.
    AnyBegins(SearchText),
    /// The attribute begins with the text.
    Begins(SearchedAttribute, SearchText),
    /// The attribute equals the text.
    Is(SearchedAttribute, SearchText),
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
