//! The interpreter of a declared point: the laws, the schema holds, and nothing that no operation names is touched.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use tenterhook_contract::declared::DeclaredPoint;
use tenterhook_fuzz::{laws, order_check};

static POINT: LazyLock<DeclaredPoint> = LazyLock::new(|| {
    let mut declared = order_check();
    declared["subjectSchema"] = json!({
        "type": "object",
        "required": ["id", "lines"],
        "additionalProperties": false,
        "properties": {
            "id": { "type": "string" },
            "lines": { "type": "array", "maxItems": 3, "items": { "type": "object", "properties": { "price": { "type": "number", "minimum": 0 } } } },
            "labels": { "type": "object", "additionalProperties": { "type": "string", "maxLength": 5 } },
        },
    });
    declared["operations"] = json!([
        { "op": "replace", "path": "/lines/*/price" },
        { "op": "add", "path": "/lines/-" },
        { "op": "remove", "path": "/lines/*" },
        { "op": "add", "path": "/labels/*" },
        { "op": "remove", "path": "/labels/*" },
    ]);
    declared["decisions"] = json!({ "names": ["ALLOW", "DENY"], "default": "ALLOW" });
    DeclaredPoint::compile(serde_json::from_value(declared).expect("a declaration")).expect("a valid one")
});

fuzz_target!(|bytes: &[u8]| {
    let subject = json!({ "id": "7", "lines": [{ "price": 1, "sku": "a" }, { "price": 2 }], "labels": { "x": "y" } });
    let before = POINT.subject(subject).expect("it satisfies the schema");
    if let Some(after) = laws(&*POINT, &before, bytes) {
        assert!(POINT.subject(after.value.clone()).is_ok(), "the schema holds");
        assert_eq!(after.value["id"], before.value["id"], "no operation names it");
        assert!(matches!(after.decision.as_deref(), Some("ALLOW" | "DENY")));
    }
});
