//! Forms and queries that browsers send: reading any bytes is total and bounded, what was read is the same when it is written and read
//! again, and a form of a policy takes or refuses what was written field by field.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};
use tenterhook_contract::{profile::ProfileSchema, registration::message::FormMessages};
use tenterhook_flows::{
    oauth::parameters::{PARAMETERS_BYTES_MAX, Parameters},
    registration::form::{Form, Submitted},
};
use tenterhook_model::FormAttribute;
use url::form_urlencoded::{Serializer, parse};

#[path = "../../crates/server/src/browser/query.rs"]
mod query;

/// Characters of a refusal: it repeats a bounded part of what was sent.
const DESCRIPTION_CHARACTERS_MAX: usize = 1_000;
/// Members that a form does not have and a refusal names.
const UNKNOWN_NAMED_MAX: usize = 10;
/// Attributes of each type, two that every user has, and one that the schema does not have.
const ASKED: [&str; 9] = ["email", "login", "age", "weight", "member", "tags", "tier", "pin", "inviteCode"];

static SCHEMA: LazyLock<ProfileSchema> = LazyLock::new(|| {
    let document = json!({ "properties": {
        "age": { "type": "integer" }, "weight": { "type": "number" }, "member": { "type": "boolean" },
        "tags": { "type": "array", "items": { "type": "string" } },
        "tier": { "type": "string", "enum": ["gold", "silver"] },
        "pin": { "type": "string", "sensitive": true, "maxLength": 4 },
    } });
    let custom = ProfileSchema::parse(&document).expect("it is a schema");
    ProfileSchema::base().as_ref().clone().with(custom.attributes().cloned())
});

fn form() -> Form<'static> {
    let asked = |name: &str| FormAttribute { name: name.to_owned(), label: name.to_owned(), required: name == "email" };
    Form::with(&SCHEMA, ASKED.map(asked).into())
}

/// Names and values of a form or a query, as any reader of the standard has them.
fn pairs(text: &[u8]) -> Vec<(String, String)> {
    parse(text).into_owned().collect()
}

fn parameters(bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let parameters = match Parameters::parse(bytes) {
        Ok(parameters) => parameters,
        Err(error) => {
            assert!(error.description.chars().count() <= DESCRIPTION_CHARACTERS_MAX, "{}", error.description);
            return None;
        }
    };
    assert!(bytes.len() <= PARAMETERS_BYTES_MAX);
    let read: Vec<_> = parameters.pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert_eq!(read, pairs(bytes));
    assert!(!read.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')));
    for (index, (name, value)) in read.iter().enumerate() {
        assert!(!read[..index].iter().any(|(known, _)| known == name), "{name} is there twice");
        assert_eq!(parameters.get(name), Some(value.as_str()).filter(|value| !value.is_empty()));
    }
    let written = Serializer::new(String::new()).extend_pairs(&read).finish();
    if written.len() <= PARAMETERS_BYTES_MAX {
        let again = Parameters::parse(written.as_bytes()).expect("what was read can be written");
        assert!(again.pairs().eq(read.iter().map(|(name, value)| (name.as_str(), value.as_str()))));
    }
    Some(read)
}

fn queries(bytes: &[u8]) {
    let query = query::of_bytes(bytes);
    assert!(query.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"#<>".contains(&byte)));
    assert_eq!(query::of_bytes(query.as_bytes()), query);
    assert_eq!(pairs(query.as_bytes()), pairs(bytes));
    let all = pairs(query.as_bytes());
    let named: Vec<&str> = all.iter().step_by(2).map(|(name, _)| name.as_str()).collect();
    let rest = query::without(&query, &named);
    assert!(rest.len() <= query.len());
    let kept = all.iter().filter(|(name, _)| !named.contains(&name.as_str()));
    assert!(pairs(rest.as_bytes()).iter().eq(kept));
    let uri = query::uri_of(&query);
    assert_eq!(query::uri_of(&uri), uri);
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
    queries(bytes);
    let form = form();
    if let Some(read) = parameters(bytes) {
        let texts = || read.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        assert_eq!(judged(form.read_texts(texts())), judged(form.read_texts(texts())));
        // A front end of its own sends the same texts as JSON. Only texts mean the same in both.
        let is_text = |name: &str| ["email", "login", "tier", "pin", "inviteCode"].contains(&name);
        if read.iter().all(|(name, _)| is_text(name)) {
            let values: Map<_, _> = texts().map(|(name, text)| (name.to_owned(), Value::from(text))).collect();
            assert_eq!(judged(form.read_texts(texts())), judged(form.read_values(values)));
        }
    }
    if let Ok(values) = serde_json::from_slice::<Map<String, Value>>(bytes) {
        assert_eq!(judged(form.read_values(values.clone())), judged(form.read_values(values)));
    }
});
