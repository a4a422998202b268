//! The body of a host's call: read like JSON, each member as JSON has it, and no problem shows a value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenterhook_contract::{
    plain_json::PlainJson,
    question::{Question, QuestionBatch},
};

fuzz_target!(|bytes: &[u8]| {
    let json = serde_json::from_slice::<PlainJson>(bytes).map(|PlainJson(json)| json);
    let question = Question::read(bytes);
    let batch = QuestionBatch::read(bytes);
    assert!(json.is_err() || (question.is_ok() && batch.is_ok()), "whatever is JSON can be read");
    if let (Err(_), Ok(question)) = (&json, &question) {
        // Only the value of a member that is refused is not read: it may have bytes that are no text.
        assert!(!question.problems.is_empty(), "nothing else is accepted");
    }
    let (Ok(json), Ok(question), Ok(batch)) = (json, question, batch) else { return };
    for (name, value) in [("subject", &question.subject), ("context", &question.context), ("data", &question.data)] {
        assert_eq!(json.get(name), value.as_ref(), "{name}");
    }
    assert!(batch.questions.len() <= 100);
    for problems in batch.questions.iter().map(|question| &question.problems).chain([&question.problems, &batch.problems]) {
        let texts = problems.texts();
        assert!(texts.len() <= 101 && texts.iter().all(|text| text.len() < 2_000 && !text.contains('\0')));
    }
    if question.problems.is_empty() {
        let again = Question::read(json.to_string().as_bytes()).expect("it is JSON");
        assert_eq!(again, question, "written and read again, it says the same");
    }
});
