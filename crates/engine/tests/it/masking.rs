//! What a watcher, a record and a test call are shown of an answer that repeats a secret.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::{Value, json};
use tenterhook_contract::{
    BuiltInType, Description, ExtensionPoint, HookKind, MASK, Secret,
    answer::{Answer, Item, Operand},
    description::Names,
    hook::ChannelAuthentication,
    hook_kind::Rehearsal,
    preview::{Document, DocumentError, Inputs},
    problem::{Change, Problem, ProblemCode},
    profile::ProfileSchema,
};
use tenterhook_engine::{
    BoxFuture, Call, CallPhase, Endpoint, Engine, Exchange, Invocation, Outcome, PhaseTimings, Purpose, RawAnswer,
    ReadyHook, Sent, TestCall, Witness, Witnessed,
};

use crate::rig::{Rig, SAME};
use tenterhook_testkit::origin::origin;
use tenterhook_testkit::records::Records;

const SECRET: &str = "channel-secret";
const TOKEN: &str = "access-token-marked";
/// A value that the management API shows.
const PLAIN: &str = "key-of-a-function";

/// Sends an access token, and repeats it and the channel's secret.
struct Repeating;

impl Endpoint for Repeating {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Exchange> {
        call.progress.authenticate_with(Secret::new(TOKEN));
        let body = format!(
            r#"{{"commands":[{{"type":"set","value":2}},{{"type":"set","value":["{SECRET}"]}}],"debugContext":{{"got":"{SECRET} {TOKEN}"}}}}"#
        );
        let media_type = Some(SECRET.into());
        let result = Ok(RawAnswer { status: 200, body: Bytes::from(body), media_type, redirects_to: None });
        let headers = vec![("X-Key".to_owned(), PLAIN.to_owned()), ("X-Other".to_owned(), "other".to_owned())];
        call.progress.sends(Sent { uri: format!("https://service.example/hook?code={PLAIN}"), headers });
        Box::pin(std::future::ready(Exchange { result, timings: PhaseTimings::default() }))
    }
}

/// Sends its request and never answers.
struct Silent;

impl Endpoint for Silent {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Exchange> {
        let headers = vec![("Authorization".to_owned(), SECRET.to_owned())];
        call.progress.sends(Sent { uri: "https://service.example/hook".to_owned(), headers });
        call.progress.reach(CallPhase::Wait);
        Box::pin(std::future::pending())
    }
}

#[derive(Default)]
struct Watching(Mutex<Vec<Witnessed>>);

impl Witness for Watching {
    fn witness(&self, witnessed: Witnessed) {
        self.0.lock().unwrap().push(witnessed);
    }
}

/// An invocation of the hook from a flow.
fn invocation<'a>(hook: &'a ReadyHook, subject: &'a mut i64) -> Invocation<'a, tenterhook_testkit::point::Numbers> {
    Invocation {
        point: &tenterhook_testkit::point::Numbers(BuiltInType::Token),
        hook,
        origin: origin(),
        source: "https://org.example.com/x",
        context: &(),
        subject,
        deadline: None,
    }
}

#[tokio::test]
async fn a_secret_that_comes_back_is_masked_for_a_watcher_a_record_and_a_test_call() {
    let mut registered = Rig::new(BuiltInType::Token, &[]).hook.hook;
    registered.channel.authentication =
        ChannelAuthentication::Header { key: "Authorization".into(), value: Secret::new(SECRET) };
    registered.channel.uri = format!("https://service.example/hook?code={PLAIN}");
    let hook = ReadyHook::new(registered, BuiltInType::Token.kind().clone(), Arc::new(Repeating));
    let (records, watching) = (Arc::new(Records::default()), Arc::new(Watching::default()));
    let engine = Engine::builder().recorder(records.clone()).entropy(Arc::new(SAME)).witness(watching.clone()).build();
    let mut subject = 1;
    let resumption = engine.invoke(invocation(&hook, &mut subject)).await;
    assert!(matches!(resumption.outcome, Outcome::Invalid(_)), "the second command is no number");
    let record = records.take().pop().unwrap();
    assert_eq!(record.debug_context.unwrap(), "{got=•••• ••••}");
    let witnessed = watching.0.lock().unwrap().pop().unwrap();
    let answer = witnessed.answer.unwrap();
    assert_eq!(answer.media_type, None);
    let answer = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(answer.contains("••••") && !answer.contains(SECRET) && !answer.contains(TOKEN), "{answer}");

    assert_eq!(witnessed.sent.uri, "https://service.example/hook?code=••••");
    let values = witnessed.sent.headers.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>();
    assert_eq!(values, ["••••", "other"]);

    // Nothing is applied after a test call: its commands are masked too.
    let call = TestCall {
        origin: origin(),
        purpose: Purpose::Preview,
        event_id: None,
        body: Bytes::new(),
        unsent: None,
        problems: |_: &_| vec![],
    };
    let execution = engine.test_call(&hook, call).await;
    let raw = String::from_utf8(execution.raw.unwrap().body.to_vec()).unwrap();
    assert!(!raw.contains(SECRET) && !raw.contains(TOKEN), "{raw}");
    let commands = execution.outcome.unwrap().commands;
    let Some(Operand::Items(items)) = commands.last().map(|command| &command.operand) else { panic!("an array") };
    assert!(matches!(items.first(), Some(Item::Other(value)) if value == "••••"));
}

#[tokio::test(start_paused = true)]
async fn a_watcher_also_sees_the_request_of_a_service_that_does_not_answer() {
    let mut registered = Rig::new(BuiltInType::Token, &[]).hook.hook;
    registered.channel.authentication =
        ChannelAuthentication::Header { key: "Authorization".into(), value: Secret::new(SECRET) };
    let hook = ReadyHook::new(registered, BuiltInType::Token.kind().clone(), Arc::new(Silent));
    let watching = Arc::new(Watching::default());
    let engine = Engine::builder()
        .recorder(Arc::new(Records::default()))
        .entropy(Arc::new(SAME))
        .witness(watching.clone())
        .build();
    let outcome = engine.invoke(invocation(&hook, &mut 1)).await.outcome;
    assert!(matches!(&outcome, Outcome::Failed(failure) if failure.code.is_timeout()), "{outcome:?}");
    let Some(witnessed) = watching.0.lock().unwrap().pop() else { panic!("nobody was shown the invocation") };
    assert_eq!(witnessed.sent.uri, "https://service.example/hook");
    assert_eq!(witnessed.sent.headers, [("Authorization".to_owned(), "••••".to_owned())]);
    let document: Value = serde_json::from_slice(&witnessed.body).unwrap();
    assert_eq!(document.get("source"), Some(&"https://org.example.com/x".into()));
    assert!(witnessed.answer.is_none());
}

/// A type with secret places, and a point of it that sends what it is given and takes no command.
struct Masking(Description);

impl Masking {
    fn new(places: &[&str]) -> Self {
        let places = places.iter().map(|place| (*place).to_owned()).collect::<Vec<_>>();
        Self(Description { secret_members: Names::from(places), ..Description::of(BuiltInType::Token.name().clone()) })
    }
}

impl HookKind for Masking {
    fn description(&self) -> &Description {
        &self.0
    }

    fn sample_requests(&self) -> Vec<&str> {
        vec!["{}"]
    }

    fn names_members(&self, name: &str) -> bool {
        name == "limit"
    }

    fn sample_answers(&self) -> Vec<&str> {
        Vec::new()
    }

    fn fill(&self, _: &Inputs, _: &mut Document) -> Result<(), DocumentError> {
        Ok(())
    }

    fn rehearse(&self, _: &Document, _: &Arc<ProfileSchema>, _: Answer) -> Result<Rehearsal, DocumentError> {
        Err(DocumentError::wrong("/data", "is not read"))
    }
}

impl ExtensionPoint for Masking {
    type Context = Value;
    type Subject = ();
    type Data<'a> = &'a Value;

    fn description(&self) -> &Description {
        &self.0
    }

    fn data<'a>(&'a self, context: &'a Value, (): &'a ()) -> &'a Value {
        context
    }

    fn interpret(&self, (): &mut (), answer: Answer) -> Result<Vec<Change>, Vec<Problem>> {
        let texts = answer.commands.iter().map(|command| command.kind.clone().into_owned());
        let problem = |message: String| {
            let pointer = if message.starts_with("/commands") { &message } else { "/commands/1/value/0" };
            Problem { code: ProblemCode::BadValue, pointer: pointer.to_owned(), message, hint: None }
        };
        Err(texts.map(problem).collect())
    }
}

/// Answers with this body.
struct Answering(String);

impl Endpoint for Answering {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Exchange> {
        call.progress.sends(Sent { uri: "https://service.example/hook".to_owned(), headers: Vec::new() });
        let body = Bytes::from(self.0.clone());
        let result = Ok(RawAnswer { status: 200, body, media_type: None, redirects_to: None });
        Box::pin(std::future::ready(Exchange { result, timings: PhaseTimings::default() }))
    }
}

/// Every kind of value is masked, the document stays JSON, and a short value is masked where a text is nothing else: it is a
/// digit of every other pointer.
#[tokio::test]
async fn a_document_is_masked_by_its_places_and_short_values_where_they_stand_for_themselves() {
    let point = Arc::new(Masking::new(&["/buyer", "/paid", "/count", "/none", "/lines/*/sku"]));
    let answer = json!({
        "commands": [{ "type": "Ada Lovelace at /lines/1/sku", "value": [] }, { "type": "1", "value": [1, "x/1"] }],
        "debugContext": { "got": "Ada Lovelace 1" },
    });
    let registered = Rig::new(BuiltInType::Token, &[]).hook.hook;
    let hook = ReadyHook::new(registered, point.clone(), Arc::new(Answering(answer.to_string())));
    let (records, watching) = (Arc::new(Records::default()), Arc::new(Watching::default()));
    let engine = Engine::builder().recorder(records.clone()).entropy(Arc::new(SAME)).witness(watching.clone()).build();
    // A name to which the parser gives a meaning where any crate of the build asks for that.
    let context = json!({
        "$serde_json::private::RawValue": "no JSON",
        "buyer": { "name": "Ada Lovelace", "vip": false }, "paid": true, "count": 1, "none": null,
        "lines": [{ "sku": 77.5, "name": "open" }, { "sku": [] }],
    });
    let invocation = Invocation {
        point: &*point,
        hook: &hook,
        origin: origin(),
        source: "https://org.example.com/x",
        context: &context,
        subject: &mut (),
        deadline: None,
    };
    let Outcome::Invalid(problems) = engine.invoke(invocation).await.outcome else { panic!("no command is taken") };
    let shown = problems.iter().map(|problem| (problem.pointer.as_str(), problem.message.as_str()));
    let shown = shown.collect::<Vec<_>>();
    assert_eq!(shown, [("/commands/1/value/0", "•••• at /lines/1/sku"), ("/commands/1/value/0", MASK)]);
    assert_eq!(records.take().pop().unwrap().debug_context.unwrap(), "{got=•••• 1}");

    let witnessed = watching.0.lock().unwrap().pop().unwrap();
    let document: tenterhook_contract::plain_json::PlainJson = serde_json::from_slice(&witnessed.body).unwrap();
    let masked = json!({
        "$serde_json::private::RawValue": "no JSON",
        "buyer": MASK, "paid": MASK, "count": MASK, "none": MASK,
        "lines": [{ "sku": MASK, "name": "open" }, { "sku": MASK }],
    });
    assert_eq!(document.0["data"], masked);
    assert_eq!(witnessed.data_after, masked);
    let raw: Value = serde_json::from_slice(&witnessed.answer.unwrap().body).unwrap();
    assert_eq!(raw["commands"][1], json!({ "type": MASK, "value": [MASK, "x/1"] }));
}

/// Inside of a masked member a name that the type does not give is as secret as a value. In a pointer each name is looked at for
/// itself, and an index of the answer's lists is no name: a masked 123 is not found in it.
#[tokio::test]
async fn names_in_a_masked_member_are_masked_and_indexes_of_a_pointer_are_not() {
    let point = Arc::new(Masking::new(&["/cards"]));
    let (list, object) = (json!([]), json!({}));
    let rows = [
        ("/commands/0/value/123/path", &list, "/commands/0/value/123/path"),
        ("/commands/1/value/123", &object, "/commands/1/value/••••"),
        ("/commands/123/value", &list, "/commands/123/value"),
        ("/commands/3/value/4111111111111111", &object, "/commands/3/value/••••"),
        ("/commands/4/value/se~1cret~0one", &object, "/commands/4/value/••••"),
        ("/commands/5/value/k9", &object, "/commands/5/value/••••"),
        ("/commands/6/value/limit", &object, "/commands/6/value/limit"),
        ("/commands/7/value/0/4111111111111111/k", &list, "/commands/7/value/0/••••/k"),
    ];
    let commands = rows.iter().map(|(pointer, value, _)| json!({ "type": pointer, "value": value }));
    let answer = json!({
        "commands": commands.collect::<Vec<_>>(),
        "debugContext": { "got": "4111111111111111 /se~1cret~0one limit" },
    });
    let registered = Rig::new(BuiltInType::Token, &[]).hook.hook;
    let hook = ReadyHook::new(registered, point.clone(), Arc::new(Answering(answer.to_string())));
    let records = Arc::new(Records::default());
    let engine = Engine::builder().recorder(records.clone()).entropy(Arc::new(SAME)).build();
    let context = json!({ "cards": { "4111111111111111": { "limit": 123 }, "se/cret~one": null, "k9": 7 } });
    let invocation = Invocation {
        point: &*point,
        hook: &hook,
        origin: origin(),
        source: "https://org.example.com/x",
        context: &context,
        subject: &mut (),
        deadline: None,
    };
    let Outcome::Invalid(problems) = engine.invoke(invocation).await.outcome else { panic!("no command is taken") };
    let shown = problems.iter().map(|problem| problem.pointer.as_str()).collect::<Vec<_>>();
    assert_eq!(shown, rows.map(|(_, _, shown)| shown));
    assert!(problems.iter().all(|problem| !problem.message.contains("4111") && !problem.message.contains("cret")));
    assert_eq!(records.take().pop().unwrap().debug_context.unwrap(), "{got=•••• /•••• limit}");
}
