//! The form of a policy: its fields, and how what was written becomes the values of the profile schema.

use serde_json::{Map, Number, Value};
use tenterhook_contract::{
    profile::{Attribute, AttributeKind, Profile as Attributes, ProfileSchema, spelled},
    registration::message::FormMessages,
};

use crate::{ATTRIBUTE_CHARACTERS_MAX, FormAttribute, Profile};

/// The attribute that mails go to.
pub const EMAIL: &str = "email";
/// The attribute that people sign in with.
pub const LOGIN: &str = "login";
/// The name of the password in requests. No attribute has it.
pub const PASSWORD: &str = "password";
/// Of a field that must be filled in.
const BLANK: &str = "The field cannot be left blank";
/// Of a field that was sent several times and is no list.
const ONE_VALUE: &str = "The field can have one value";
const NOT_ON_FORM: &str = "The field is not on the form";
/// What is between the values of a list in a text.
const ITEM_SEPARATOR: char = ',';
/// What stands for the attributes that every user has and that the form does not ask for, while its other attributes are
/// validated.
const STAND_INS: [&str; 4] = [LOGIN, EMAIL, "firstName", "lastName"];
/// Most unknown members of a request that are named in its refusal.
const UNKNOWN_NAMED_MAX: usize = 10;

/// A form as people and own front ends see it.
#[derive(Clone, Debug)]
pub struct Form<'a> {
    /// Its fields in their order, without the password.
    pub fields: Vec<FormField<'a>>,
    schema: &'a ProfileSchema,
    is_address: fn(&str) -> bool,
}

/// A field.
#[derive(Clone, Debug)]
pub struct FormField<'a> {
    /// The attribute, with its label.
    pub asked: FormAttribute,
    /// Its definition; a field that the profile schema does not have is a text, which is sent to the hook and not stored.
    pub attribute: Option<&'a Attribute>,
}

/// What was written, read: the values of the fields that are not blank, by the names of the form.
#[derive(Clone)]
pub struct Submitted {
    /// The values.
    pub profile: Attributes,
}

/// Shows the names alone.
impl std::fmt::Debug for Submitted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Submitted").field(&self.profile.keys().collect::<Vec<_>>()).finish()
    }
}

impl FormField<'_> {
    /// The type of its values; a text for an attribute that the schema does not have.
    pub fn kind(&self) -> &AttributeKind {
        const TEXT: &AttributeKind = &AttributeKind::Text { min: 0, max: ATTRIBUTE_CHARACTERS_MAX };
        self.attribute.map_or(TEXT, |attribute| &attribute.kind)
    }

    /// The values that it is limited to; empty when it is not. Those of a list are not among them, as it may have several.
    pub fn choices(&self) -> Vec<Value> {
        let listed = self.attribute.map(|attribute| attribute.one_of.clone()).unwrap_or_default();
        if *self.kind() == AttributeKind::Boolean { vec![true.into(), false.into()] } else { listed }
    }

    /// The values that the items of a list are limited to; empty when they are not, and for what is no list.
    pub fn item_choices(&self) -> &[Value] {
        match self.kind() {
            AttributeKind::List { one_of, .. } => one_of,
            _ => &[],
        }
    }

    /// A text as a value; `None` for a blank one, and for a list of no values.
    fn value_of(&self, text: &str) -> Option<Result<Value, &'static str>> {
        if text.trim().is_empty() {
            return None;
        }
        // A listed value is sent as it is shown: its blanks are its own, and it may be a number of any size.
        let is_it = |listed: &&Value| shown_choice(listed) == text;
        let of_list = || self.item_choices().iter().find(is_it).map(|item| Value::Array(vec![item.clone()]));
        let listed = self.choices().iter().find(is_it).cloned().or_else(of_list);
        let value = listed.map_or_else(|| value_of(self.kind(), text.trim()), Ok);
        let is_empty = matches!(&value, Ok(Value::Array(items)) if items.is_empty());
        (!is_empty).then_some(value)
    }
}

/// A value that a field is limited to, as it is sent.
pub fn shown_choice(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A text as a value of a type. Whether the value is one of those that the attribute may have is judged later.
fn value_of(kind: &AttributeKind, text: &str) -> Result<Value, &'static str> {
    match kind {
        AttributeKind::Text { .. } => Ok(text.into()),
        AttributeKind::Number => text.parse::<Number>().map(Value::Number).map_err(|_| "Enter a number."),
        AttributeKind::Integer => text.parse::<i64>().map(Value::from).map_err(|_| "Enter a whole number."),
        AttributeKind::Boolean => match text {
            "true" => Ok(true.into()),
            "false" => Ok(false.into()),
            _ => Err("Choose one of the answers."),
        },
        AttributeKind::List { items, one_of } => {
            if let Some(listed) = listed_items(text, one_of) {
                return Ok(Value::Array(listed));
            }
            let items_of = text.split(ITEM_SEPARATOR).map(str::trim).filter(|item| !item.is_empty());
            items_of.map(|item| value_of(items, item)).collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
    }
}

/// The items of a text all of which are listed, of which some may have commas of their own: the longest one counts.
fn listed_items(text: &str, listed: &[Value]) -> Option<Vec<Value>> {
    let is_between = |character: char| character == ITEM_SEPARATOR || character.is_whitespace();
    let mut rest = text.trim_start_matches(is_between);
    let mut items = Vec::new();
    while !rest.is_empty() {
        let after = |value: &Value| {
            let after = rest.strip_prefix(shown_choice(value).trim())?.trim_start();
            (after.is_empty() || after.starts_with(ITEM_SEPARATOR)).then_some(after)
        };
        let found = listed.iter().filter_map(|value| Some((value, after(value)?)));
        let (value, after) = found.min_by_key(|(_, after)| after.len())?;
        items.push(value.clone());
        rest = after.trim_start_matches(is_between);
    }
    Some(items)
}

impl<'a> Form<'a> {
    /// A form that asks for these attributes, some of which the schema may not have. `is_address` says whether mails can be sent to an
    /// address.
    pub fn new(schema: &'a ProfileSchema, asked: Vec<FormAttribute>, is_address: fn(&str) -> bool) -> Self {
        let field = |asked: FormAttribute| FormField { attribute: schema.attribute(&asked.name), asked };
        Self { fields: asked.into_iter().map(field).collect(), schema, is_address }
    }

    fn field(&self, name: &str) -> Option<&FormField<'a>> {
        self.fields.iter().find(|field| field.asked.name == name)
    }

    /// The field of an attribute, in either spelling of its name.
    pub fn field_of(&self, attribute: &str) -> Option<&FormField<'a>> {
        self.fields.iter().find(|field| spelled(&field.asked.name) == spelled(attribute))
    }

    /// Reads what was written into the fields of a page: names without prefix, and texts. The name of a list may be there several times,
    /// as checkboxes send it.
    ///
    /// # Errors
    /// What is wrong with each field.
    pub fn read_texts<'t>(&self, texts: impl Iterator<Item = (&'t str, &'t str)>) -> Result<Submitted, FormMessages> {
        let mut reading = Reading { form: self, profile: Map::new(), messages: FormMessages::default(), unknown: 0 };
        for (name, text) in texts {
            match self.field(name) {
                None => reading.unknown(name),
                Some(field) => {
                    if let Some(read) = field.value_of(text) {
                        reading.take(name, read);
                    }
                }
            }
        }
        reading.ended()
    }

    /// Reads the values of a JSON request. Null, and a text of blanks alone, are no value.
    ///
    /// # Errors
    /// What is wrong with each member.
    pub fn read_values(&self, values: Attributes) -> Result<Submitted, FormMessages> {
        let mut reading = Reading { form: self, profile: Map::new(), messages: FormMessages::default(), unknown: 0 };
        for (name, value) in values {
            let Some(field) = self.field(&name) else {
                reading.unknown(&name);
                continue;
            };
            match value {
                Value::Null => {}
                Value::String(text) if text.trim().is_empty() => {}
                Value::String(text) if !field.choices().iter().any(|listed| *listed == text) => {
                    drop(reading.profile.insert(name, text.trim().into()));
                }
                // The schema judges the others.
                Value::Object(_) | Value::Array(_) if field.attribute.is_none() => {
                    reading.messages.fields.push((name, "The field must be a string".to_owned()));
                }
                value => drop(reading.profile.insert(name, value)),
            }
        }
        reading.ended()
    }
}

/// A form that is being read.
struct Reading<'f, 'a> {
    form: &'f Form<'a>,
    profile: Attributes,
    messages: FormMessages,
    unknown: usize,
}

impl Reading<'_, '_> {
    fn unknown(&mut self, name: &str) {
        self.unknown += 1;
        if self.unknown <= UNKNOWN_NAMED_MAX {
            let name = tenterhook_contract::problem::shown(name).into_owned();
            self.messages.fields.push((name, NOT_ON_FORM.to_owned()));
        }
    }

    /// Takes a value that was read; further ones of a list are added to those before.
    fn take(&mut self, name: &str, read: Result<Value, &'static str>) {
        let wanted = match (self.profile.get_mut(name), read) {
            (_, Err(wanted)) => wanted,
            (None, Ok(value)) => {
                self.profile.insert(name.to_owned(), value);
                return;
            }
            (Some(Value::Array(items)), Ok(Value::Array(more))) => {
                items.extend(more);
                return;
            }
            (Some(_), Ok(_)) => ONE_VALUE,
        };
        if !self.messages.fields.iter().any(|(of, _)| of == name) {
            self.messages.fields.push((name.to_owned(), wanted.to_owned()));
        }
    }

    fn ended(mut self) -> Result<Submitted, FormMessages> {
        let has_problem = |messages: &FormMessages, name: &str| messages.fields.iter().any(|(of, _)| of == name);
        for field in &self.form.fields {
            let name = &field.asked.name;
            if field.asked.required && !self.profile.contains_key(name) && !has_problem(&self.messages, name) {
                self.messages.fields.push((name.clone(), BLANK.to_owned()));
            }
        }
        for (name, text) in self.judged() {
            if !has_problem(&self.messages, &name) {
                self.messages.fields.push((name, text));
            }
        }
        if self.messages != FormMessages::default() {
            // In the order of the form, those that are not on it last.
            let fields = &self.form.fields;
            let place = |name: &str| fields.iter().position(|field| field.asked.name == name).unwrap_or(fields.len());
            self.messages.fields.sort_by_key(|(name, _)| place(name));
            return Err(self.messages);
        }
        Ok(Submitted { profile: self.profile })
    }

    /// What the profile schema has against the values.
    fn judged(&self) -> Vec<(String, String)> {
        let Self { form, profile, .. } = self;
        let in_schema = profile.iter().filter(|(name, _)| form.schema.attribute(name).is_some());
        let mut members: Map<_, _> = in_schema.map(|(name, value)| (spelled(name).to_owned(), value.clone())).collect();
        for name in STAND_INS {
            members.entry(name).or_insert_with(|| "stand-in".into());
        }
        let causes = Profile::read(members, form.schema, None).err().unwrap_or_default();
        let causes = causes.iter().filter_map(|cause| cause.split_once(": "));
        // What is not on the form may be set by a hook; the result is validated again.
        let on_form = causes.filter_map(|(name, text)| Some((form.field_of(name)?, text)));
        let mut judged: Vec<_> = on_form
            .filter(|(field, _)| profile.contains_key(&field.asked.name))
            .map(|(field, text)| (field.asked.name.clone(), text.to_owned()))
            .collect();
        let out_of_schema = profile.iter().filter(|(name, _)| form.schema.attribute(name).is_none());
        for (name, value) in out_of_schema {
            let is_long = value.as_str().is_some_and(|text| text.chars().count() > ATTRIBUTE_CHARACTERS_MAX);
            if is_long {
                judged.push((name.clone(), format!("The field can have {ATTRIBUTE_CHARACTERS_MAX} characters")));
            }
        }
        if let Some(Value::String(address)) = profile.get(EMAIL)
            && !(form.is_address)(address)
        {
            judged.push((EMAIL.to_owned(), "Enter an email address, such as name@example.com.".to_owned()));
        }
        judged
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use serde_json::json;

    use super::*;

    fn schema() -> ProfileSchema {
        let document = json!({ "properties": {
            "age": { "type": "integer" }, "weight": { "type": "number" }, "member": { "type": "boolean" },
            "tags": { "type": "array", "items": { "type": "string" } },
            "colours": { "type": "array", "items": { "type": "string" } },
            "tier": { "type": "string", "enum": ["gold", "silver"] },
            "pin": { "type": "string", "sensitive": true, "maxLength": 4 },
        } });
        let custom = ProfileSchema::parse(&document).unwrap();
        ProfileSchema::base().as_ref().clone().with(custom.attributes().cloned())
    }

    fn form<'a>(schema: &'a ProfileSchema, names: &[(&str, bool)]) -> Form<'a> {
        let asked = |(name, required): &(&str, bool)| FormAttribute {
            name: (*name).to_owned(),
            label: (*name).to_owned(),
            required: *required,
        };
        Form::new(schema, names.iter().map(asked).collect(), |text| text.matches('@').count() == 1)
    }

    const NAMES: [(&str, bool); 9] = [
        ("email", true),
        ("age", false),
        ("weight", false),
        ("member", false),
        ("tags", false),
        ("tier", false),
        ("pin", false),
        ("timeZone", false),
        ("inviteCode", true),
    ];

    #[test]
    fn texts_become_values_of_the_schemas_types() {
        let schema = schema();
        let texts = [
            ("email", " ada@example.com "),
            ("age", "36"),
            ("weight", "61.5"),
            ("member", "true"),
            ("tags", "a, b,,c "),
            ("tier", "gold"),
            ("pin", "0042"),
            ("timeZone", "Africa/Lagos"),
            ("inviteCode", "SPRING-44"),
        ];
        let read = form(&schema, &NAMES).read_texts(texts.into_iter()).unwrap();
        let wanted = json!({
            "email": "ada@example.com", "age": 36, "weight": 61.5, "member": true, "tags": ["a", "b", "c"], "tier": "gold",
            "pin": "0042", "timeZone": "Africa/Lagos", "inviteCode": "SPRING-44",
        });
        assert_eq!(Value::Object(read.profile.clone()), wanted);
        assert!(!format!("{read:?}").contains("0042"));
    }

    #[test]
    fn a_listed_value_is_taken_as_it_is_shown() {
        let document = json!({ "properties": {
            "place": { "type": "string", "enum": [" Lagos, Nigeria "] },
            "number": { "type": "integer", "enum": [9_223_372_036_854_775_808_u64] },
            "places": { "type": "array", "items": { "type": "string", "enum": ["Lagos, Nigeria", "Lagos", " Kano "] } },
        } });
        let custom = ProfileSchema::parse(&document).unwrap();
        let schema = ProfileSchema::base().as_ref().clone().with(custom.attributes().cloned());
        let form = form(&schema, &[("place", true), ("number", true), ("places", false)]);
        assert_eq!(form.field("places").unwrap().item_choices().len(), 3);
        for name in ["place", "number"] {
            let listed = form.field(name).unwrap().choices().remove(0);
            let other = if name == "place" { "number" } else { "place" };
            let shown = shown_choice(&listed);
            let refused = form.read_texts([(name, shown.as_str())].into_iter()).unwrap_err();
            assert_eq!(refused.fields, [(other.to_owned(), BLANK.to_owned())], "{name}");
        }
        let values = json!({ "place": " Lagos, Nigeria ", "number": 9_223_372_036_854_775_808_u64 });
        assert_eq!(Value::Object(form.read_values(values.as_object().unwrap().clone()).unwrap().profile), values);
        let texts = [("place", " Lagos, Nigeria "), ("number", "9223372036854775808")];
        assert_eq!(Value::Object(form.read_texts(texts.into_iter()).unwrap().profile), values);
    }

    /// As checkboxes send them.
    #[test]
    fn a_list_may_be_there_several_times_and_nothing_else() {
        let document = json!({ "properties": {
            "places": { "type": "array", "items": { "type": "string", "enum": ["Lagos", "Lagos, Kano", "Kano", " Accra "] } },
            "tags": { "type": "array", "items": { "type": "integer" } },
            "age": { "type": "integer" },
        } });
        let custom = ProfileSchema::parse(&document).unwrap();
        let schema = ProfileSchema::base().as_ref().clone().with(custom.attributes().cloned());
        let form = form(&schema, &[("places", true), ("tags", false), ("age", false)]);
        let read = |texts: &[(&'static str, &'static str)]| form.read_texts(texts.iter().copied());
        let taken =
            read(&[("places", "Lagos, Kano"), ("tags", "1, 2"), ("places", " Accra "), ("tags", "3"), ("tags", "")]);
        assert_eq!(
            Value::Object(taken.unwrap().profile),
            json!({ "places": ["Lagos, Kano", " Accra "], "tags": [1, 2, 3] })
        );
        for (texts, refused) in [
            (&[("places", ""), ("places", " ")][..], ("places", BLANK)),
            (&[("places", "Kano"), ("age", "7"), ("age", "8"), ("age", "9")], ("age", ONE_VALUE)),
            (&[("places", "Kano"), ("tags", "1"), ("tags", "x"), ("tags", "y")], ("tags", "Enter a whole number.")),
        ] {
            let (name, text) = refused;
            assert_eq!(read(texts).unwrap_err().fields, [(name.to_owned(), text.to_owned())]);
        }
        let other = read(&[("places", "Kano"), ("places", "Paris")]).unwrap_err();
        assert!(matches!(other.fields.as_slice(), [(name, _)] if name == "places"), "{other:?}");
    }

    #[test]
    fn listed_items_may_have_commas_and_blanks() {
        let listed = [json!("Lagos, Nigeria"), json!("Lagos"), json!(" Kano "), json!(7)];
        for (text, items) in [
            ("Lagos, Nigeria", Some(json!(["Lagos, Nigeria"]))),
            ("Lagos, Nigeria , Lagos,,Kano,7,", Some(json!(["Lagos, Nigeria", "Lagos", " Kano ", 7]))),
            (" , ", Some(json!([]))),
            ("Lagos Nigeria", None),
            ("Lagos, Accra", None),
            ("77", None),
        ] {
            assert_eq!(listed_items(text, &listed).map(Value::Array), items, "{text}");
        }
    }

    #[test]
    fn each_field_is_refused_with_what_it_needs() {
        let schema = schema();
        let long = "x".repeat(ATTRIBUTE_CHARACTERS_MAX + 1);
        for (name, text, wanted) in [
            ("email", "", BLANK),
            ("email", "   ", BLANK),
            ("email", "ada", "Enter an email address, such as name@example.com."),
            ("email", "ada@example.com,b@example.com", "Enter an email address, such as name@example.com."),
            ("email", long.as_str(), "The field has an invalid value"),
            ("age", "36.5", "Enter a whole number."),
            ("age", "9223372036854775808", "Enter a whole number."),
            ("weight", "heavy", "Enter a number."),
            ("weight", "NaN", "Enter a number."),
            ("member", "yes", "Choose one of the answers."),
            ("tier", "bronze", "The field must be one of the values that the schema lists"),
            ("pin", "00421", "The field must be a string of 0 to 4 characters"),
            ("inviteCode", "", BLANK),
            ("colours", " , ", BLANK),
            ("inviteCode", long.as_str(), "The field can have 1000 characters"),
            ("status", "ACTIVE", NOT_ON_FORM),
            ("password", "x", NOT_ON_FORM),
            ("login", "ada", NOT_ON_FORM),
        ] {
            let mut texts = vec![("email", "ada@example.com"), ("inviteCode", "x")];
            texts.retain(|(known, _)| *known != name);
            texts.push((name, text));
            let names = if name == "colours" {
                vec![("email", true), ("inviteCode", true), ("colours", true)]
            } else {
                NAMES.to_vec()
            };
            let refused = form(&schema, &names).read_texts(texts.into_iter()).unwrap_err();
            assert_eq!(refused.fields, [(name.to_owned(), wanted.to_owned())], "{name}={text}");
        }
    }

    #[test]
    fn json_values_have_the_types_of_the_schema() {
        let schema = schema();
        let read = |value: Value| form(&schema, &NAMES).read_values(value.as_object().unwrap().clone());
        let given =
            json!({ "email": "a@b.example", "inviteCode": 7, "age": 36, "tags": ["x"], "member": null, "tier": "" });
        let wanted = json!({ "email": "a@b.example", "inviteCode": 7, "age": 36, "tags": ["x"] });
        assert_eq!(Value::Object(read(given).unwrap().profile), wanted);
        let wrong = json!({ "age": "36", "tags": "x", "inviteCode": { "a": 1 }, "email": ["a"], "x": 1 });
        let names: Vec<_> = read(wrong).unwrap_err().fields.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["email", "age", "tags", "inviteCode", "x"], "in the order of the form");
    }

    #[test]
    fn a_field_shows_the_values_that_it_is_limited_to() {
        let schema = schema();
        let form = form(&schema, &NAMES);
        let choices = |name: &str| form.field(name).unwrap().choices();
        assert_eq!(choices("member"), [json!(true), json!(false)]);
        assert_eq!(choices("tier"), [json!("gold"), json!("silver")]);
        assert!(choices("tags").is_empty() && choices("inviteCode").is_empty());
    }
}
