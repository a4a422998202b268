//! Requests of the management API as operations get them: what a body says of each member, and everything wrong with it.
//!
//! The server reads a body into a [`Submitted`] request without an error: a member that cannot be read is [`Given::Wrong`].
//! The operation looks at each member with [`Causes`], which collects one text per problem, so that a client gets all of them
//! at once. This is the only reader of fields with causes.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;
use tenterhook_model::Status;

use crate::administrator::ManagementError;

/// Characters of a name or a description.
pub const TEXT_CHARACTERS_MAX: usize = 255;
/// Items of a list in a body.
const ITEMS_MAX: usize = 100;
/// Bytes of an item of a list in a body.
const ITEM_BYTES_MAX: usize = 1_024;

/// A required member is absent, null or blank.
pub const BLANK: &str = "The field cannot be left blank";
/// A member has the wrong type, or a value that it cannot have.
pub const INVALID: &str = "The field has an invalid value";
pub(crate) const NAME_ONE: &str = "Name at least one";

/// What a request says of one member.
///
/// ```
/// use serde_json::json;
/// use tenterhook_management::request::Given;
/// let read = |value| serde_json::from_value::<Given<u32>>(value).unwrap();
/// assert_eq!(read(json!(5)), Given::Is(5));
/// assert_eq!(read(json!(null)), Given::Absent);
/// assert_eq!(read(json!("five")), Given::Wrong);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Given<T> {
    /// Nothing: the member is absent or null.
    #[default]
    Absent,
    /// This value.
    Is(T),
    /// Something that is not a value of its type.
    Wrong,
}

impl<T> Given<T> {
    /// Whether the request has the member.
    pub fn is_given(&self) -> bool {
        !matches!(self, Self::Absent)
    }

    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Absent | Self::Wrong => None,
        }
    }

    /// The same of another type.
    pub fn map<U>(self, of: impl FnOnce(T) -> U) -> Given<U> {
        match self {
            Self::Absent => Given::Absent,
            Self::Is(value) => Given::Is(of(value)),
            Self::Wrong => Given::Wrong,
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // An absent member is read as an absent option, so that no field of this type needs a default.
        Ok(match Option::<Value>::deserialize(deserializer)? {
            None | Some(Value::Null) => Self::Absent,
            Some(value) => serde_json::from_value(value).map_or(Self::Wrong, Self::Is),
        })
    }
}

#[cfg(feature = "schema")]
impl<T: schemars::JsonSchema> schemars::JsonSchema for Given<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Option::<T>::json_schema(generator)
    }
}

/// Whether a text can be a name that commands and logs show: it has one line and is not blank. The only rule of the names of
/// orgs and tokens.
///
/// # Errors
/// What to write instead, for people.
///
/// ```
/// use tenterhook_management::request::check_name;
/// assert!(check_name("ada").is_ok());
/// for name in [" ", "a\nb", &"x".repeat(256)] {
///     assert_eq!(check_name(name).unwrap_err(), "write 1 to 255 characters on one line");
/// }
/// ```
pub fn check_name(name: &str) -> Result<(), String> {
    let is_name =
        !name.trim().is_empty() && name.chars().count() <= TEXT_CHARACTERS_MAX && !name.contains(char::is_control);
    if is_name { Ok(()) } else { Err(format!("write 1 to {TEXT_CHARACTERS_MAX} characters on one line")) }
}

/// A request as it was submitted.
#[derive(Clone, Debug)]
pub struct Submitted<T> {
    /// The members that the resource takes.
    pub request: T,
    /// One text for each member that the resource does not take.
    pub unsupported: Vec<String>,
}

/// Everything wrong with a request, in the order in which its members are looked at.
pub(crate) struct Causes {
    model: &'static str,
    causes: Vec<String>,
}

impl Causes {
    /// Begins with the members of a request that are not supported. `model` is what the summary names.
    pub(crate) fn of<T>(model: &'static str, submitted: &Submitted<T>) -> Self {
        Self { model, causes: submitted.unsupported.clone() }
    }

    /// Adds a problem of a member. Names below others are written with dots: `credentials.signing.alg`.
    pub(crate) fn add(&mut self, member: &str, text: &str) {
        self.causes.push(format!("{member}: {text}"));
    }

    /// How many problems there are.
    pub(crate) fn len(&self) -> usize {
        self.causes.len()
    }

    /// Adds the problems of an object below another one. `path` is the name of that object.
    pub(crate) fn append_below(&mut self, path: &str, below: Self) {
        self.causes.extend(below.causes.into_iter().map(|cause| format!("{path}.{cause}")));
    }

    /// The value of a member, or nothing where it is absent.
    pub(crate) fn given<'a, T>(&mut self, member: &str, given: &'a Given<T>) -> Option<&'a T> {
        if matches!(given, Given::Wrong) {
            self.add(member, INVALID);
        }
        given.value()
    }

    /// Whether something is wrong with a member.
    pub(crate) fn has(&self, member: &str) -> bool {
        self.causes.iter().any(|cause| cause.strip_prefix(member).is_some_and(|rest| rest.starts_with(": ")))
    }

    /// A name as [`check_name`] judges it, or nothing where the member is absent.
    pub(crate) fn name(&mut self, member: &str, given: &Given<String>) -> Option<String> {
        match given {
            Given::Absent => None,
            Given::Is(name) => {
                if let Err(why) = check_name(name) {
                    self.add(member, &format!("{INVALID}: {why}"));
                }
                Some(name.clone())
            }
            Given::Wrong => {
                self.add(member, INVALID);
                Some(String::new())
            }
        }
    }

    /// A required text.
    pub(crate) fn text(&mut self, member: &str, given: &Given<String>) -> String {
        self.optional_text(member, given).unwrap_or_else(|| {
            self.add(member, BLANK);
            String::new()
        })
    }

    /// A text, or nothing where it is blank.
    pub(crate) fn optional_text(&mut self, member: &str, given: &Given<String>) -> Option<String> {
        match given {
            Given::Is(text) if text.chars().count() > TEXT_CHARACTERS_MAX => {
                self.add(member, &format!("The field cannot be longer than {TEXT_CHARACTERS_MAX} characters"));
                Some(text.clone())
            }
            Given::Is(text) if !text.trim().is_empty() => Some(text.clone()),
            Given::Is(_) | Given::Absent => None,
            Given::Wrong => {
                self.add(member, INVALID);
                Some(String::new())
            }
        }
    }

    /// The items of a list of texts, none when the member is absent.
    pub(crate) fn texts(&mut self, member: &str, given: &Given<Vec<String>>) -> Vec<String> {
        self.listed(member, given).unwrap_or_default()
    }

    /// The same, where a member that is absent is something else than a list without items.
    pub(crate) fn listed(&mut self, member: &str, given: &Given<Vec<String>>) -> Option<Vec<String>> {
        match given {
            Given::Absent => None,
            Given::Is(items) if items.len() <= ITEMS_MAX && items.iter().all(|item| item.len() <= ITEM_BYTES_MAX) => {
                Some(items.clone())
            }
            Given::Is(_) | Given::Wrong => {
                self.add(member, INVALID);
                None
            }
        }
    }

    /// A number or a flag.
    pub(crate) fn plain<T: Copy>(&mut self, member: &str, given: &Given<T>, default: T) -> T {
        match given {
            Given::Absent => default,
            Given::Is(value) => *value,
            Given::Wrong => {
                self.add(member, INVALID);
                default
            }
        }
    }

    /// A member that has one value, or is absent.
    pub(crate) fn constant(&mut self, member: &str, given: &Given<String>, value: &str) {
        self.only(member, given, value, &format!("Only `{value}` is supported"));
    }

    /// The same, with why there is no other value.
    pub(crate) fn only(&mut self, member: &str, given: &Given<String>, value: &str, why: &str) {
        match given {
            Given::Absent => {}
            Given::Is(text) if text == value => {}
            Given::Is(_) | Given::Wrong => self.add(member, why),
        }
    }

    /// `status`: `ACTIVE` or `INACTIVE`.
    pub(crate) fn status(&mut self, given: &Given<String>, default: Status) -> Status {
        match given {
            Given::Absent => default,
            Given::Is(text) if text == "ACTIVE" => Status::Active,
            Given::Is(text) if text == "INACTIVE" => Status::Inactive,
            Given::Is(_) | Given::Wrong => {
                self.add("status", "Write `ACTIVE` or `INACTIVE`");
                default
            }
        }
    }

    /// Refuses the request if anything is wrong with it.
    ///
    /// # Errors
    /// [`ManagementError::Invalid`] with every cause.
    pub(crate) fn finish(self) -> Result<(), ManagementError> {
        if self.causes.is_empty() {
            return Ok(());
        }
        Err(ManagementError::Invalid { subject: self.model.to_owned(), causes: self.causes })
    }
}
