//! The conditions of hooks: reading, evaluating and comparing with schemas is total; what is written again is the same; a reason
//! names a test that is there; `not` and De Morgan's laws hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tenterhook_contract::condition::{Condition, Found};

fuzz_target!(|bytes: &[u8]| {
    let Ok(input) = serde_json::from_slice::<Value>(bytes) else { return };
    let [when, data] = ["when", "data"].map(|name| input.get(name).cloned().unwrap_or_default());
    let condition = match Condition::parse(&when) {
        Ok(condition) => condition,
        Err(problems) => {
            assert!(!problems.is_empty(), "a refusal says why");
            assert!(problems.iter().all(|problem| !problem.message.is_empty()));
            return;
        }
    };
    condition.check(&input["context"], &input["subject"]);
    let again = Condition::parse(&condition.to_json()).expect("what was read can be read again");
    assert_eq!(again.to_json(), condition.to_json());
    let unmet = condition.why_not(&data);
    if let Some(unmet) = &unmet {
        let deciding = condition.to_json().pointer(&unmet.at).cloned().expect("the reason is in the condition");
        assert_eq!((&deciding["pointer"], &deciding["is"]), (&json!(unmet.pointer), &json!(unmet.is.as_str())));
        let alone = Condition::parse(&deciding).expect("a test is a condition");
        assert_eq!(alone.why_not(&data).is_none(), unmet.found == Found::Excluded);
    }
    // Where a level and a node are left for `not`.
    if let Ok(not) = Condition::parse(&json!({ "not": when })) {
        assert_eq!(not.why_not(&data).is_none(), unmet.is_some());
    }
    let negated = |name: &str| Some(when.get(name)?.as_array()?.iter().map(|below| json!({ "not": below })).collect::<Vec<_>>());
    for (name, other) in [("all", "any"), ("any", "all")] {
        if let Some(below) = negated(name)
            && let Ok(morgan) = Condition::parse(&json!({ other: below }))
        {
            assert_eq!(morgan.why_not(&data).is_none(), unmet.is_some());
        }
    }
});
