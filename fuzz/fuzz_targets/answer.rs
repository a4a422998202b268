//! The answer parser: total, and what it shows again is what it read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenterhook_contract::{HookType, answer::Answer};

fuzz_target!(|bytes: &[u8]| {
    let plain = serde_json::from_slice::<serde_json::Value>(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    match Answer::parse(bytes) {
        Ok(answer) => {
            for hook_type in HookType::ALL {
                let _ = answer.shape_problems(*hook_type);
            }
            let text = answer.normalised().to_string();
            let again = Answer::parse(text.as_bytes()).expect("a normalised answer is an answer");
            assert_eq!(again.normalised().to_string(), text, "normalising twice changes nothing");
        }
        Err(_) => assert!(!plain.is_ok_and(|value| value.is_object() || value.is_null()), "an object is an answer"),
    }
});
