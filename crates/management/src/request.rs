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
pub(crate) const ITEMS_MAX: usize = 100;
/// Bytes of an item of a list in a body.
const ITEM_BYTES_MAX: usize = 1_024;

/// A required member is absent, null or blank.
pub const BLANK: &str = "The field cannot be left blank";
/// A member has the wrong type, or a value that it cannot have.
pub const INVALID: &str = "The field has an invalid value";
/// A text that people read on one line has a line break or another control character.
pub(crate) const NOT_ONE_LINE: &str = "The field cannot have control characters";
/// The body is JSON of another kind.
pub(crate) const NO_OBJECT: &str = "The body must be a JSON object";
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

    /// Converts the value, if there is one.
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

/// What a request says of one member, and whether it names it: an update in part keeps a member that it does not name, and null
/// clears one. A struct of such members is read with `#[serde(default)]`.
///
/// ```
/// use serde::Deserialize;
/// use serde_json::json;
/// use tenterhook_management::request::{Given, Named};
/// #[derive(Default, Deserialize)]
/// #[serde(default)]
/// struct Update {
///     name: Named<String>,
/// }
/// let read = |value| serde_json::from_value::<Update>(value).unwrap().name;
/// assert_eq!(read(json!({})), Named(None));
/// assert_eq!(read(json!({ "name": null })), Named(Some(Given::Absent)));
/// assert_eq!(read(json!({ "name": "Ada" })), Named(Some(Given::Is("Ada".to_owned()))));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<T>(pub Option<Given<T>>);

impl<T> Named<T> {
    /// This value.
    pub fn is(value: impl Into<T>) -> Self {
        Self(Some(Given::Is(value.into())))
    }

    /// This value, or null.
    pub(crate) fn nullable(value: Option<T>) -> Self {
        Self(Some(value.map_or(Given::Absent, Given::Is)))
    }

    /// What is said of the member; nothing when it is not named.
    pub fn given(&self) -> &Given<T> {
        self.0.as_ref().unwrap_or(&Given::Absent)
    }

    /// Converts the value, if there is one.
    pub fn map<U>(self, of: impl FnOnce(T) -> U) -> Named<U> {
        Named(self.0.map(|given| given.map(of)))
    }
}

impl<T: Clone> Named<T> {
    /// Replaces the value by that of `update`, if `update` names the member.
    pub(crate) fn put(&mut self, update: &Self) {
        if update.0.is_some() {
            *self = update.clone();
        }
    }

    /// Like [`put`](Self::put), but if both values are objects, `members` merges them.
    pub(crate) fn merge(&mut self, update: &Self, members: impl FnOnce(&mut T, &T)) {
        match (&mut self.0, &update.0) {
            (Some(Given::Is(own)), Some(Given::Is(update))) => members(own, update),
            _ => self.put(update),
        }
    }
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Given::deserialize(deserializer).map(|given| Self(Some(given)))
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

/// The text for a member that has a value which is not one of these, its only ones.
pub(crate) fn none_of<'a>(choices: impl IntoIterator<Item = &'a str>) -> String {
    let choices = choices.into_iter().collect::<Vec<_>>();
    let one_of = if choices.len() > 1 { "one of " } else { "" };
    format!("{INVALID}. Write {one_of}{}", choices.join(", "))
}

/// A request as it was submitted.
#[derive(Clone, Debug)]
pub struct Submitted<T> {
    /// The members that the resource takes.
    pub request: T,
    /// Whether the body is a JSON object. Another body has no members.
    pub is_object: bool,
    /// One text for each member that the resource does not take.
    pub unsupported: Vec<String>,
}

impl<T> Submitted<T> {
    /// An object without members that the resource does not take.
    pub fn of(request: T) -> Self {
        Self { request, is_object: true, unsupported: Vec::new() }
    }

    /// Refuses members that the resource does not take. Only the first one is named.
    pub(crate) fn refuse_unsupported(&self, subject: &str) -> Result<(), ManagementError> {
        match self.unsupported.first() {
            None => Ok(()),
            Some(problem) => {
                Err(ManagementError::Invalid { subject: subject.to_owned(), causes: vec![problem.clone()] })
            }
        }
    }
}

/// Everything wrong with a request, in the order in which its members are looked at.
pub(crate) struct Causes {
    model: &'static str,
    /// What the first text is about: a member, or the model.
    first: Option<String>,
    texts: Vec<String>,
}

impl Causes {
    /// Nothing is wrong yet. `model` is what the summary names.
    pub(crate) fn none(model: &'static str) -> Self {
        Self { model, first: None, texts: Vec::new() }
    }

    /// Begins with a body that is no object, and with the members of a request that are not supported.
    pub(crate) fn of<T>(model: &'static str, submitted: &Submitted<T>) -> Self {
        let mut causes = Self::none(model);
        causes.add_unsupported(submitted);
        causes
    }

    /// Adds that the body is no object, and the members of a request that are not supported.
    pub(crate) fn add_unsupported<T>(&mut self, submitted: &Submitted<T>) {
        if !submitted.is_object {
            self.add(self.model, NO_OBJECT);
        }
        if !submitted.unsupported.is_empty() {
            self.first.get_or_insert_with(|| self.model.to_owned());
            self.texts.extend_from_slice(&submitted.unsupported);
        }
    }

    /// Adds a problem of a member. Names below others are written with dots: `credentials.signing.alg`.
    pub(crate) fn add(&mut self, member: &str, text: &str) {
        self.first.get_or_insert_with(|| member.to_owned());
        self.texts.push(format!("{member}: {text}"));
    }

    /// How many problems there are.
    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    /// Adds the problems of an object below another one. `path` is the name of that object.
    pub(crate) fn append_below(&mut self, path: &str, below: Self) {
        if !below.is_empty() {
            self.first.get_or_insert_with(|| path.to_owned());
        }
        self.texts.extend(below.texts.into_iter().map(|text| format!("{path}.{text}")));
    }

    /// The value of a member, or nothing where it is absent.
    pub(crate) fn given<'a, T>(&mut self, member: &str, given: &'a Given<T>) -> Option<&'a T> {
        if matches!(given, Given::Wrong) {
            self.add(member, INVALID);
        }
        given.value()
    }

    /// Adds that a member has a value that is not one of these, its only ones.
    pub(crate) fn none_of<'a>(&mut self, member: &str, choices: impl IntoIterator<Item = &'a str>) {
        self.add(member, &none_of(choices));
    }

    /// Whether something is wrong with a member.
    pub(crate) fn has(&self, member: &str) -> bool {
        self.texts.iter().any(|cause| cause.strip_prefix(member).is_some_and(|rest| rest.starts_with(": ")))
    }

    /// Whether something is wrong with a member or with something below it.
    pub(crate) fn is_about(&self, member: &str) -> bool {
        let begins = |rest: &str| rest.starts_with([':', '.', '[', '/']);
        self.texts.iter().any(|cause| cause.strip_prefix(member).is_some_and(begins))
    }

    /// The texts.
    pub(crate) fn into_texts(self) -> Vec<String> {
        self.texts
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

    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// A required text of any length; `None` is a problem that has been noted.
    pub(crate) fn required(&mut self, member: &str, given: &Given<String>) -> Option<String> {
        self.required_text_of(member, given, String::as_str)
    }

    /// The same of a value that `text` reads, such as a secret, so that its text is not copied.
    pub(crate) fn required_text_of<T: Clone>(
        &mut self,
        member: &str,
        given: &Given<T>,
        text: impl FnOnce(&T) -> &str,
    ) -> Option<T> {
        match given {
            Given::Is(value) if !text(value).trim().is_empty() => Some(value.clone()),
            Given::Is(_) | Given::Absent => {
                self.add(member, BLANK);
                None
            }
            Given::Wrong => {
                self.add(member, INVALID);
                None
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

    /// A required text on one line, such as a name, which lists, pages and logs show.
    pub(crate) fn line(&mut self, member: &str, given: &Given<String>) -> String {
        let text = self.text(member, given);
        self.one_line(member, &text);
        text
    }

    /// Refuses control characters in a text that people read on one line.
    pub(crate) fn one_line(&mut self, member: &str, text: &str) {
        if text.contains(char::is_control) {
            self.add(member, NOT_ONE_LINE);
        }
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

    /// Like [`texts`](Self::texts), but `None` when the member is absent.
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
        self.given(member, given).copied().unwrap_or(default)
    }

    /// A member that has one value, or is absent.
    pub(crate) fn constant(&mut self, member: &str, given: &Given<String>, value: &str) {
        self.only(member, given, value, &format!("Only `{value}` is supported"));
    }

    /// Like [`constant`](Self::constant), with `why` as the text of the problem.
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
        if self.texts.is_empty() {
            return Ok(());
        }
        Err(ManagementError::Invalid { subject: self.model.to_owned(), causes: self.texts })
    }

    /// The error; its summary names a member if every cause is about that one, and the model if not.
    pub(crate) fn into_error(self) -> ManagementError {
        let Self { model, first, texts: causes } = self;
        let one = first.filter(|first| causes.iter().all(|cause| cause.starts_with(first)));
        ManagementError::Invalid { subject: one.unwrap_or_else(|| model.to_owned()), causes }
    }
}
