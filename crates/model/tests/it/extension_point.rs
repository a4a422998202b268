//! Records of extension points.

use serde_json::json;
use tenterhook_contract::{declared::DeclaredPoint, limits::SCHEMA_NESTING_MAX};
use tenterhook_model::ExtensionPoint;

/// A row that cannot be read again takes its org out of service.
#[test]
fn the_deepest_schema_can_be_stored_and_read_again() {
    let deepest = |levels: usize| (1..levels).fold(json!({}), |value, _| json!({ "default": value }));
    let record = |levels: usize| -> ExtensionPoint {
        serde_json::from_value(json!({
            "id": "ext00000000000000001", "name": "com.example.order.checkout",
            "declaration": {
                "type": "com.example.order.checkout", "title": "Order checkout", "version": "1.0",
                "contextSchema": deepest(levels), "subjectSchema": deepest(levels), "operations": [],
                "onFailure": "CONTINUE", "onRefusal": "STOP", "retry": "NEVER", "timeoutMs": 3000,
            },
            "created": "2026-02-11T09:30:15.000Z", "lastUpdated": "2026-02-11T09:30:15.000Z",
        }))
        .unwrap()
    };
    let stored = record(SCHEMA_NESTING_MAX);
    DeclaredPoint::compile(stored.declaration.clone().unwrap()).unwrap();
    let row = serde_json::to_string(&stored).unwrap();
    assert_eq!(serde_json::from_str::<ExtensionPoint>(&row).unwrap(), stored);
    // In an answer or an export it is in some more objects and arrays.
    let mut around = row;
    for _ in 0..10 {
        around = format!("[{around}]");
    }
    let read: serde_json::Value = serde_json::from_str(&around).unwrap();
    assert_eq!(read.pointer("/0/0/0/0/0/0/0/0/0/0").unwrap(), &serde_json::to_value(&stored).unwrap());
    let deeper = record(SCHEMA_NESTING_MAX + 1).declaration.unwrap();
    assert!(DeclaredPoint::compile(deeper).is_err());
}
