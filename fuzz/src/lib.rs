//! The laws that every interpreter keeps on any answer: total, deterministic, atomic.

use std::fmt::Debug;

use serde_json::Value;
use tenterhook_contract::{BuiltInType, ExtensionPoint, answer::Answer, saml::assertion::Assertion};

/// Interprets `bytes` as an answer, twice, and checks the laws.
pub fn laws<P: ExtensionPoint>(point: &P, before: &P::Subject, bytes: &[u8]) -> Option<P::Subject>
where
    P::Subject: Debug,
{
    let answer = Answer::parse(bytes).ok()?;
    let (mut after, mut again) = (before.clone(), before.clone());
    let first = point.interpret(&mut after, answer.clone());
    assert_eq!(first, point.interpret(&mut again, answer), "deterministic");
    assert_eq!(after, again, "deterministic");
    if let Err(problems) = first {
        assert!(!problems.is_empty());
        assert_eq!(&after, before, "atomic");
        return None;
    }
    Some(after)
}

/// The sample request of a type, as JSON.
pub fn sample(hook_type: BuiltInType) -> Value {
    let text = hook_type.kind().sample_requests()[0];
    serde_json::from_str(text).expect("the samples are JSON")
}

/// The assertion of the sample.
pub fn assertion() -> Assertion {
    Assertion::from_json(&sample(BuiltInType::Saml)["data"]["assertion"]).expect("the sample is an assertion")
}

/// A declared extension point without operations whose schemas allow everything.
pub fn order_check() -> Value {
    serde_json::json!({
        "type": "com.example.order.check", "title": "Order check", "version": "1.0",
        "contextSchema": true, "subjectSchema": true, "operations": [],
        "onFailure": "CONTINUE", "onRefusal": "STOP", "retry": "NEVER", "timeoutMs": 3000,
    })
}
