//! The profile of a user: base attributes in the vendor's spellings, and custom ones that the org's schema defines.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use tenterhook_contract::{
    id::UserId,
    problem::shown,
    profile::{ProfileSchema, TIME_ZONE, spelled},
    saml::assertion::is_xml_text,
};

/// Longest text of a base attribute in characters.
pub const ATTRIBUTE_CHARACTERS_MAX: usize = 1_000;
/// Longest login in bytes, in lower case: it is a key of an index, whose rows have a bound on every database.
pub const LOGIN_BYTES_MAX: usize = 2_000;
/// Most attributes of a profile, not counting those that every user has, locale and time zone.
pub const CUSTOM_ATTRIBUTES_MAX: usize = 100;
/// Most bytes of those attributes as JSON, because they become part of tokens and hook documents.
pub const CUSTOM_BYTES_MAX: usize = 64 * 1_024;
/// The name in URLs of the user of the API tokens; no login may be equal to it.
pub const USER_OF_THE_TOKEN: &str = "me";

/// Most unknown attributes of one profile that are named in an error.
const UNKNOWN_NAMED_MAX: usize = 20;

const LOCALE: &str = "locale";
/// The attribute with the languages that the user prefers.
const PREFERRED_LANGUAGE: &str = "preferredLanguage";
const EXTERNAL_ID: &str = "externalId";
const BLANK: &str = "The field cannot be left blank";
const INVALID: &str = "The field has an invalid value";
/// Of login, email and names, which pages, lists and mails show on one line.
const NOT_ONE_LINE: &str =
    "The field cannot have line breaks, other control characters, or characters that XML 1.0 does not allow";
/// Of the others: an address may have lines.
const NOT_TEXT: &str = "The field cannot have control characters other than line breaks and tabs, or characters that XML 1.0 does not allow";

/// The attributes of a user. Those that every user has are texts; other attributes exist only if they were set.
///
/// ```
/// use tenterhook_model::Profile;
/// let profile = Profile::new("ada@example.com", "ada@example.com", "Ada", "Okoye").with("timeZone", "Africa/Lagos");
/// assert_eq!(profile.time_zone(), Some("Africa/Lagos"));
/// assert_eq!(profile.attribute("timezone"), profile.attribute("timeZone"), "two spellings of one attribute");
/// assert_eq!(profile.attribute("locale"), None);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Unique in the org, compared in lower case.
    pub login: String,
    /// The mail address.
    pub email: String,
    /// The given name.
    pub first_name: String,
    /// The family name.
    pub last_name: String,
    /// The others, never null, each under its one spelling.
    others: Map<String, Value>,
}

impl Profile {
    /// A profile with the attributes that every user has.
    pub fn new(
        login: impl Into<String>,
        email: impl Into<String>,
        first_name: impl Into<String>,
        last_name: impl Into<String>,
    ) -> Self {
        Self {
            login: login.into(),
            email: email.into(),
            first_name: first_name.into(),
            last_name: last_name.into(),
            others: Map::new(),
        }
    }

    /// The profile with one of the other attributes set; replaces an earlier value; null removes it.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        let (name, value) = (spelled(name), value.into());
        if value.is_null() {
            self.others.shift_remove(name);
        } else {
            self.others.insert(name.to_owned(), value);
        }
        self
    }

    /// The attributes except login, email, first name and last name.
    pub fn others(&self) -> &Map<String, Value> {
        &self.others
    }

    /// The value of the attribute with this name, if it is set.
    pub fn attribute(&self, name: &str) -> Option<Value> {
        self.always(name).map(Value::from).or_else(|| self.other(name).cloned())
    }

    /// Whether the attribute with this name has no value: it is not set, or is a blank text or an empty list.
    ///
    /// ```
    /// use tenterhook_model::Profile;
    /// let profile = Profile::new("ada@example.com", "ada@example.com", "Ada", "Okoye").with("city", " ");
    /// assert!(profile.lacks("city") && profile.lacks("department") && !profile.lacks("email"));
    /// ```
    pub fn lacks(&self, name: &str) -> bool {
        match self.other(name) {
            None => self.always(name).is_none(),
            Some(Value::String(text)) => text.trim().is_empty(),
            Some(Value::Array(items)) => items.is_empty(),
            Some(_) => false,
        }
    }

    /// The attribute with this name if it is one that every user has.
    pub(crate) fn always(&self, name: &str) -> Option<&str> {
        match name {
            "login" => Some(&self.login),
            "email" => Some(&self.email),
            "firstName" => Some(&self.first_name),
            "lastName" => Some(&self.last_name),
            _ => None,
        }
    }

    /// The value of one of the other attributes, if it is set.
    pub(crate) fn other(&self, name: &str) -> Option<&Value> {
        self.others.get(spelled(name))
    }

    /// The name for people: given name, family name.
    pub fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }

    /// The languages that the user prefers, such as `de` or `fr-CA, en;q=0.5` (RFC 7643 section 4.1.1).
    pub fn preferred_language(&self) -> Option<&str> {
        self.text(PREFERRED_LANGUAGE)
    }

    /// A locale such as `en_US`.
    pub fn locale(&self) -> Option<&str> {
        self.text(LOCALE)
    }

    /// An IANA time zone.
    pub fn time_zone(&self) -> Option<&str> {
        self.text(TIME_ZONE)
    }

    /// The user's id in another system, if the org's schema has an attribute `externalId` of type string.
    pub fn external_id(&self) -> Option<&str> {
        self.text(EXTERNAL_ID)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.others.get(name).and_then(Value::as_str)
    }

    /// The attributes by name, in the vendor's order.
    pub fn to_map(&self) -> Map<String, Value> {
        let mut members = Map::from_iter([
            ("firstName".to_owned(), Value::from(self.first_name.as_str())),
            ("lastName".to_owned(), Value::from(self.last_name.as_str())),
            ("email".to_owned(), Value::from(self.email.as_str())),
            ("login".to_owned(), Value::from(self.login.as_str())),
        ]);
        members.extend(self.others.clone());
        members
    }

    /// The attributes in hook documents in addition to login, names, locale and time zone: without the email address
    /// and attributes that the schema marks as sensitive.
    pub fn told(&self, schema: &ProfileSchema) -> Map<String, Value> {
        let told = self
            .others
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), LOCALE | TIME_ZONE) && schema.may_send(name));
        told.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Reads a whole profile. Null means that an attribute is not set. `stored` is the profile that it replaces: equal
    /// values are not validated again, so a schema that became stricter makes no user immutable.
    ///
    /// # Errors
    /// One text per problem, `name: problem`, never with the value.
    pub fn read(
        members: Map<String, Value>,
        schema: &ProfileSchema,
        stored: Option<&Self>,
    ) -> Result<Self, Vec<String>> {
        Reader { members, schema, stored, causes: Vec::new() }.read()
    }

    /// The members of this profile merged with those of a partial one; null removes an attribute.
    pub fn merged(&self, members: Map<String, Value>) -> Map<String, Value> {
        let mut merged = self.to_map();
        let both = members.contains_key(TIME_ZONE)
            && members.keys().any(|name| name != TIME_ZONE && spelled(name) == TIME_ZONE);
        for (name, value) in members {
            // If both spellings are present, reading the result reports it.
            let name = if both { name } else { spelled(&name).to_owned() };
            merged.insert(name, value);
        }
        merged
    }
}

struct Reader<'a> {
    members: Map<String, Value>,
    schema: &'a ProfileSchema,
    stored: Option<&'a Profile>,
    causes: Vec<String>,
}

impl Reader<'_> {
    fn read(mut self) -> Result<Profile, Vec<String>> {
        if self.members.shift_remove("password").is_some() {
            self.cause("profile.password", "The password is not an attribute of the profile");
        }
        let (login, email) = (self.required("login"), self.required("email"));
        let (first_name, last_name) = (self.required("firstName"), self.required("lastName"));
        let others = self.others();
        let login = login.and_then(|login| self.judge_login(login));
        match (login, email, first_name, last_name) {
            (Some(login), Some(email), Some(first_name), Some(last_name)) if self.causes.is_empty() => {
                Ok(Profile { login, email, first_name, last_name, others })
            }
            _ => Err(self.causes),
        }
    }

    fn cause(&mut self, name: &str, text: &str) {
        self.causes.push(format!("{name}: {text}"));
    }

    fn required(&mut self, name: &str) -> Option<String> {
        match self.members.shift_remove(name) {
            Some(Value::String(text)) if is_text(&text) => {
                let is_stored = self.stored.and_then(|stored| stored.always(name)) == Some(text.as_str());
                if is_stored || is_shown_as_it_is(&text, false) {
                    return Some(text);
                }
                self.cause(name, NOT_ONE_LINE);
            }
            None | Some(Value::Null) => self.cause(name, BLANK),
            Some(_) => self.cause(name, INVALID),
        }
        None
    }

    fn judge_login(&mut self, login: String) -> Option<String> {
        // In URLs such a login would name another user.
        let is_of_others = login.eq_ignore_ascii_case(USER_OF_THE_TOKEN) || login.parse::<UserId>().is_ok();
        if is_of_others {
            let text =
                format!("Nobody is found by `{USER_OF_THE_TOKEN}`, which is the user of the API token, nor by an id");
            self.cause("login", &text);
        } else if login.to_lowercase().len() > LOGIN_BYTES_MAX {
            self.cause("login", INVALID);
        } else {
            return Some(login);
        }
        None
    }

    fn others(&mut self) -> Map<String, Value> {
        let mut others = Map::new();
        let mut unknown = 0;
        for (name, value) in std::mem::take(&mut self.members) {
            let own = spelled(&name);
            if others.contains_key(own) {
                self.cause(&name, "Give either `timezone` or `timeZone`, which are the same");
            } else if value.is_null() {
            } else if self.is_stored(own, &value) || self.judge(&name, own, &value, &mut unknown) {
                others.insert(own.to_owned(), value);
            }
        }
        if unknown > UNKNOWN_NAMED_MAX {
            let text = format!("{} more attributes are not in the profile schema", unknown - UNKNOWN_NAMED_MAX);
            self.cause("profile", &text);
        }
        self.judge_required(&others);
        let names: BTreeSet<&str> = others.keys().map(String::as_str).filter(|name| !is_named(name)).collect();
        if names.len() > CUSTOM_ATTRIBUTES_MAX {
            let text = format!("At most {CUSTOM_ATTRIBUTES_MAX} custom attributes are supported");
            self.causes.push(format!("profile: {text}"));
        }
        let bounded: Map<_, _> =
            others.iter().filter(|(name, _)| !is_named(name)).map(|(n, v)| (n.clone(), v.clone())).collect();
        if Value::Object(bounded).to_string().len() > CUSTOM_BYTES_MAX {
            self.cause("profile", &format!("The custom attributes can have {CUSTOM_BYTES_MAX} bytes together"));
        }
        others
    }

    fn is_stored(&self, name: &str, value: &Value) -> bool {
        self.stored.is_some_and(|stored| stored.others.get(name) == Some(value))
    }

    /// Whether one of the other attributes may have this value.
    fn judge(&mut self, name: &str, own: &str, value: &Value, unknown: &mut usize) -> bool {
        let Some(attribute) = self.schema.attribute(own) else {
            *unknown += 1;
            if *unknown <= UNKNOWN_NAMED_MAX {
                self.cause(&shown(name), "The attribute is not in the profile schema; add it there first");
            }
            return false;
        };
        let fits = match (ProfileSchema::is_base(own), value) {
            (true, Value::String(text)) if is_named(own) => {
                is_text(text).then_some(()).ok_or_else(|| INVALID.to_owned())
            }
            (true, Value::String(text)) if text.chars().count() <= ATTRIBUTE_CHARACTERS_MAX => Ok(()),
            (true, _) => Err(INVALID.to_owned()),
            (false, value) => attribute.judge(value).map_err(|wanted| format!("The field {wanted}")),
        };
        let fits = fits.and_then(|()| if has_only_texts(value) { Ok(()) } else { Err(NOT_TEXT.to_owned()) });
        if let Err(text) = &fits {
            self.cause(name, text);
        }
        fits.is_ok()
    }

    /// Checks required custom attributes; an attribute that the stored user lacked before is not required now.
    fn judge_required(&mut self, others: &Map<String, Value>) {
        let missing =
            self.schema.attributes().filter(|attribute| attribute.required && !ProfileSchema::is_base(&attribute.name));
        let missing = missing.filter(|attribute| !others.contains_key(&attribute.name));
        let lacked = |name: &str| self.stored.is_some_and(|stored| !stored.others.contains_key(name));
        let missing: Vec<String> =
            missing.filter(|attribute| !lacked(&attribute.name)).map(|attribute| attribute.name.clone()).collect();
        for name in missing {
            self.cause(&name, BLANK);
        }
    }
}

/// Whether tokens and hook documents have a dedicated member for it.
fn is_named(name: &str) -> bool {
    matches!(name, LOCALE | TIME_ZONE)
}

fn is_text(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= ATTRIBUTE_CHARACTERS_MAX
}

/// Whether every text of a value can be shown, and written into an assertion.
fn has_only_texts(value: &Value) -> bool {
    match value {
        Value::String(text) => is_shown_as_it_is(text, true),
        Value::Array(items) => items.iter().all(has_only_texts),
        _ => true,
    }
}

/// Whether a text has no character that moves the cursor, ends a line or cannot be in XML. With `lines`, line breaks and tabs are taken.
fn is_shown_as_it_is(text: &str, lines: bool) -> bool {
    let is_refused = |character: char| match character {
        '\t' | '\n' | '\r' => !lines,
        '\u{2028}' | '\u{2029}' => true,
        character => character.is_control(),
    };
    !text.contains(is_refused) && is_xml_text(text)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use serde_json::json;

    use super::*;

    fn read(members: &Value, stored: Option<&Profile>) -> Result<Profile, Vec<String>> {
        let schema = ProfileSchema::parse(&json!({ "properties": {
            "motto": { "type": "string" }, "tags": { "type": "array", "items": { "type": "string" } },
        } }));
        let custom = schema.unwrap().attributes().cloned().collect::<Vec<_>>();
        let schema = ProfileSchema::base().as_ref().clone().with(custom);
        Profile::read(members.as_object().unwrap().clone(), &schema, stored)
    }

    fn ada() -> Value {
        json!({ "login": "ada@example.com", "email": "ada@example.com", "firstName": "Ada", "lastName": "Okoye" })
    }

    fn with(name: &str, value: impl Into<Value>) -> Value {
        let mut members = ada();
        members.as_object_mut().unwrap().insert(name.to_owned(), value.into());
        members
    }

    /// A user with such a character could not sign on with SAML, and would move the cursor of whoever lists users.
    #[test]
    fn characters_that_move_the_cursor_or_cannot_be_in_xml_are_refused_by_the_name_of_their_attribute() {
        let refused =
            ["a\u{0}", "a\u{1b}[2J", "a\u{7f}", "a\u{9b}", "a\u{2028}b", "a\u{2029}b", "a\u{fffe}", "a\u{ffff}"];
        for text in refused {
            for name in ["login", "email", "firstName", "lastName"] {
                assert_eq!(read(&with(name, text), None), Err(vec![format!("{name}: {NOT_ONE_LINE}")]), "{text:?}");
            }
            for name in ["city", "locale", "motto"] {
                assert_eq!(read(&with(name, text), None), Err(vec![format!("{name}: {NOT_TEXT}")]), "{text:?}");
            }
            assert_eq!(read(&with("tags", json!(["x", text])), None), Err(vec![format!("tags: {NOT_TEXT}")]));
        }
        for text in ["a\nb", "a\tb", "a\r\nb"] {
            assert_eq!(read(&with("lastName", text), None), Err(vec![format!("lastName: {NOT_ONE_LINE}")]), "{text:?}");
            assert!(read(&with("postalAddress", text), None).is_ok(), "{text:?}");
        }
        for text in ["Ad\u{e1}", "\u{1f469}\u{200d}\u{1f4bb}", "\u{5e2}\u{5d3}\u{5d4}", "O'Brien <&>", "\u{fffd}"] {
            assert!(read(&with("lastName", text), None).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn what_a_stored_profile_has_already_is_taken_with_it() {
        let stored = Profile::new("a\u{1}@example.com", "ada@example.com", "Ada", "Oko\nye").with("city", "L\u{7}agos");
        let mut members = stored.to_map();
        members.insert("firstName".to_owned(), json!("Adaeze"));
        let read_again = read(&Value::Object(members.clone()), Some(&stored)).unwrap();
        assert_eq!((read_again.login.as_str(), read_again.first_name.as_str()), ("a\u{1}@example.com", "Adaeze"));
        members.insert("lastName".to_owned(), json!("Ok\noye"));
        assert_eq!(read(&Value::Object(members), Some(&stored)), Err(vec![format!("lastName: {NOT_ONE_LINE}")]));
    }
}
