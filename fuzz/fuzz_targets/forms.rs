//! Forms that browsers send: reading any bytes is total and bounded, what was read is the same when it is written and read again, and a
//! form of a policy takes or refuses what was written field by field.
#![no_main]

use std::sync::LazyLock;

use form_urlencoded::{Serializer, parse};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};
use tenterhook_contract::{profile::ProfileSchema, registration::message::FormMessages};
use tenterhook_model::{
    FormAttribute,
    form::{Form, Submitted},
};

// The crate of this file needs the database.
#[path = "../../crates/flows/src/oauth/bounds.rs"]
mod bounds;

/// Bytes of a value.
const VALUE_BYTES_MAX: usize = 256;
/// Characters of a refusal: it repeats a bounded part of what was sent.
const DESCRIPTION_CHARACTERS_MAX: usize = 1_000;
/// Members that a form does not have and a refusal names.
const UNKNOWN_NAMED_MAX: usize = 10;
/// Attributes of each type, two that every user has, and one that the schema does not have.
const ASKED: [&str; 10] =
    ["email", "login", "age", "weight", "member", "tags", "colours", "tier", "pin", "inviteCode"];

static SCHEMA: LazyLock<ProfileSchema> = LazyLock::new(|| {
    let document = json!({ "properties": {
        "age": { "type": "integer" }, "weight": { "type": "number" }, "member": { "type": "boolean" },
        "tags": { "type": "array", "items": { "type": "string" } },
        "colours": { "type": "array", "items": { "type": "string", "enum": ["red", "red, light", " blue "] } },
        "tier": { "type": "string", "enum": ["gold", "silver"] },
        "pin": { "type": "string", "sensitive": true, "maxLength": 4 },
    } });
    let custom = ProfileSchema::parse(&document).expect("it is a schema");
    ProfileSchema::base().as_ref().clone().with(custom.attributes().cloned())
});

fn form() -> Form<'static> {
    let asked = |name: &str| FormAttribute { name: name.to_owned(), label: name.to_owned(), required: name == "email" };
    // The mailer, which is not built here, judges addresses.
    Form::new(&SCHEMA, ASKED.map(asked).into(), |text| text.contains('@'))
}

/// Names and values of a form or a query, as any reader of the standard has them.
fn pairs(text: &[u8]) -> Vec<(String, String)> {
    parse(text).into_owned().collect()
}

fn decode(bytes: &[u8]) -> Result<Vec<(String, String)>, String> {
    bounds::bounded(parse(bytes), |_| VALUE_BYTES_MAX, |name| ASKED.contains(&name))
}

fn parameters(bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let read = match decode(bytes) {
        Ok(read) => read,
        Err(description) => {
            assert!(description.chars().count() <= DESCRIPTION_CHARACTERS_MAX, "{description}");
            return None;
        }
    };
    assert!(read.len() <= bounds::PARAMETERS_MAX + bounds::REPEATED_MAX);
    assert_eq!(read, pairs(bytes));
    for (index, (name, value)) in read.iter().enumerate() {
        assert!(!name.contains('\0') && !value.contains('\0') && value.len() <= VALUE_BYTES_MAX);
        assert!(ASKED.contains(&name.as_str()) || is_first(&read[..=index]), "{name} is there twice");
    }
    let written = Serializer::new(String::new()).extend_pairs(&read).finish();
    assert_eq!(decode(written.as_bytes()).as_ref(), Ok(&read), "what was read can be written");
    Some(read)
}

/// Whether the last one is the first of its name.
fn is_first(read: &[(String, String)]) -> bool {
    read.split_last().is_none_or(|((name, _), before)| !before.iter().any(|(known, _)| known == name))
}

/// What was read of a form: names that it took, or what it has against which.
fn judged(read: Result<Submitted, FormMessages>) -> Result<String, Vec<(String, String)>> {
    match read {
        Ok(submitted) => Ok(format!("{submitted:?}")),
        Err(messages) => {
            assert!(!messages.fields.is_empty() && messages.fields.len() <= ASKED.len() + UNKNOWN_NAMED_MAX);
            assert!(messages.fields.iter().all(|(_, text)| !text.is_empty()));
            Err(messages.fields)
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let form = form();
    if let Some(read) = parameters(bytes) {
        let texts = || read.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        assert_eq!(judged(form.read_texts(texts())), judged(form.read_texts(texts())));
        // A front end of its own sends the same texts as JSON. Only texts mean the same in both, once each.
        let is_text = |name: &str| ["email", "login", "tier", "pin", "inviteCode"].contains(&name);
        let is_once = (1..=read.len()).all(|end| is_first(&read[..end]));
        if is_once && read.iter().all(|(name, _)| is_text(name)) {
            let values: Map<_, _> = texts().map(|(name, text)| (name.to_owned(), Value::from(text))).collect();
            assert_eq!(judged(form.read_texts(texts())), judged(form.read_values(values)));
        }
    }
    if let Ok(values) = serde_json::from_slice::<Map<String, Value>>(bytes) {
        assert_eq!(judged(form.read_values(values.clone())), judged(form.read_values(values)));
    }
});
