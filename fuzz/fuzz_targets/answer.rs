//! The answer parser: total, accepts exactly the objects of RFC 8259's grammar, an `error` refuses, and its output
//! equals what it read.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::{Value, value::RawValue};
use tenterhook_contract::{BuiltInType, answer::Answer};

fuzz_target!(|bytes: &[u8]| {
    let text = std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    // Where a value is ignored, `serde_json` looks at the grammar alone.
    let grammatical = text.ok().filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    let wanted = grammatical.is_some_and(|text| text.trim_start().starts_with(['{', 'n']));
    let Ok(answer) = Answer::parse(bytes) else {
        assert!(!wanted, "an object is an answer");
        return;
    };
    assert!(wanted, "only an object is an answer");
    // The last member of a name counts. A name with a lone surrogate keeps this reader out.
    if let Some(members) = text.ok().and_then(|text| serde_json::from_str::<HashMap<String, &RawValue>>(text).ok()) {
        let refuses = members.get("error").is_some_and(|error| error.get() != "null");
        assert_eq!(answer.error.is_some(), refuses, "an error refuses");
    }
    for hook_type in BuiltInType::ALL {
        let _ = answer.shape_problems(hook_type.description());
    }
    let text = answer.normalised().to_string();
    let again = Answer::parse(text.as_bytes()).expect("a normalised answer is an answer");
    // A `debugContext` that is no object is shown inside of one, which may be one too many.
    if serde_json::from_str::<Value>(&text).is_ok() {
        assert_eq!(again.normalised().to_string(), text, "normalising twice changes nothing");
    }
});
