//! Patterns of pointers, and the paths that they stand for: a text of two lines is a pattern and a path.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use tenterhook_contract::{declared::DeclaredPoint, pointer::tokens, pointer_pattern::PointerPattern};
use tenterhook_fuzz::{laws, order_check};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (pattern, path) = text.split_once('\n').unwrap_or((text, text));
    let read = pattern.parse::<PointerPattern>();
    if let Ok(read) = &read {
        assert_eq!(read.to_string().parse(), Ok(read.clone()), "it can be written and read again");
        assert!(read.can_be_at_or_below(read), "it is at its own places");
        let document = json!({ "a": [{ "b": 1, "*": 2, "-": 3 }, [4]], "": 5, "0": { "a": 6 } });
        for value in read.find(&document) {
            assert!(value.is_object() || value.is_array() || value.is_number());
        }
        if let Ok(names) = tokens(path) {
            assert!(!read.matches(&names) || names.len() == read.names().len());
        }
    }
    for op in ["add", "replace", "remove"] {
        let mut declared = order_check();
        declared["operations"] = json!([{ "op": op, "path": pattern }]);
        let declaration = serde_json::from_value(declared).expect("a declaration");
        let Ok(point) = DeclaredPoint::compile(declaration) else { continue };
        assert!(read.is_ok(), "what is declared is a pattern");
        let before = point.subject(json!({ "a": [1, { "b": 2 }], "b": { "-": 1 } })).expect("any subject");
        let mut operation = json!({ "op": op, "path": path });
        if op != "remove" {
            operation["value"] = json!(7);
        }
        let answer = json!({ "commands": [{ "type": "com.example.order.check.patch", "value": [operation] }] });
        if laws(&point, &before, answer.to_string().as_bytes()).is_some() {
            let names = tokens(path).expect("an applied path is a pointer");
            assert!(read.as_ref().is_ok_and(|pattern| pattern.matches(&names)), "only what is allowed is applied");
        }
    }
});
