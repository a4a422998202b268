//! What `tracing` gets of a record.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Value, json};
use tenterhook_contract::{BuiltInType, hook::HookStatus};
use tenterhook_engine::{FailureCode, InvocationRecord, Limits, Recorder as _, TracingRecorder};
use tracing_subscriber::{filter::LevelFilter, fmt::MakeWriter};

use crate::rig::{Rig, Step};

/// Lines of JSON, in memory.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The events of one record, one line each.
fn events_of(record: InvocationRecord) -> String {
    let lines = Lines::default();
    let subscriber =
        tracing_subscriber::fmt().json().with_max_level(LevelFilter::TRACE).with_writer(lines.clone()).finish();
    tracing::subscriber::with_default(subscriber, || TracingRecorder.record(record));
    lines.text()
}

#[tokio::test]
async fn each_outcome_is_one_event_at_its_level_without_a_value() {
    const MARKED: &str = "marked-secret";
    let set = r#"{"commands":[{"type":"set","value":2}],"debugContext":{"note":"marked-secret"}}"#;
    let error = r#"{"error":{"errorSummary":"marked-secret"}}"#;
    let invalid = r#"{"commands":[{"type":"set","value":"marked-secret"}]}"#;
    for (status, step, level, outcome, code, problem) in [
        (HookStatus::Active, Step::Answer(200, set), "DEBUG", "applied", "", Value::Null),
        (HookStatus::Active, Step::Answer(204, ""), "DEBUG", "unchanged", "", Value::Null),
        (HookStatus::Inactive, Step::Answer(200, set), "DEBUG", "skipped", "", Value::Null),
        (HookStatus::Active, Step::Answer(200, error), "INFO", "refused", "", Value::Null),
        (HookStatus::Active, Step::Answer(200, invalid), "WARN", "invalid", "COMMANDS_INVALID", json!("/commands/0")),
        (HookStatus::Active, Step::Answer(500, "marked-secret"), "WARN", "failed", "STATUS_500", Value::Null),
        (
            HookStatus::Active,
            Step::Fail(FailureCode::ConnectionRefused),
            "WARN",
            "failed",
            "CONNECTION_REFUSED",
            Value::Null,
        ),
    ] {
        let rig = Rig::with(BuiltInType::Token, status, &[step], Limits::default());
        rig.invoke(None).await;
        let record = rig.only_record();
        let event_id = record.event_id.to_string();
        let text = events_of(record);
        assert!(!text.contains(MARKED), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        let event: Value = serde_json::from_str(&text).unwrap();
        let fields = &event["fields"];
        assert_eq!(
            (&event["level"], &event["target"], &fields["outcome"], &fields["code"], &fields["event_id"]),
            (&json!(level), &json!("tenterhook::invocation"), &json!(outcome), &json!(code), &json!(event_id)),
            "{text}"
        );
        assert_eq!(fields["problem"], problem, "{text}");
        assert_eq!((&fields["hook"], &fields["hook_type"]), (&json!("Numbers"), &json!(BuiltInType::Token.as_str())));
        let phases = ["admit_ms", "token_ms", "connect_ms", "wait_ms", "apply_ms"];
        let sum = phases.iter().map(|name| fields[name].as_f64().unwrap()).sum::<f64>();
        assert!(sum <= fields["total_ms"].as_f64().unwrap() + 0.001, "{text}");
    }
}
