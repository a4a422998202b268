//! An extension point made of two types with serde.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenterhook_contract::{
    Description, ExtensionPoint, HookKind, SerdePoint,
    answer::Answer,
    limits::OPERATIONS_MAX,
    preview::{Document, Inputs},
    problem::{Problem, ProblemCode},
    profile::ProfileSchema,
};

#[derive(Serialize)]
struct Customer {
    country: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Cart {
    total_cents: u64,
    lines: Vec<Line>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<Note>,
    review: Review,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    price: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Review {
    Automatic,
    Manual,
}

/// At most ten characters: a rule of the type, whose error shows the value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String")]
struct Note(String);

impl TryFrom<String> for Note {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len() <= 10 { Ok(Self(text)) } else { Err(format!("{text} is too long, expected {text}")) }
    }
}

const NAME: &str = "com.example.order.checkout";

fn checkout() -> SerdePoint<Customer, Cart> {
    SerdePoint::of(NAME.parse().unwrap()).with_rule(|before: &Cart, after| {
        if after.total_cents <= before.total_cents { Ok(()) } else { Err("The total cannot grow") }
    })
}

fn cart() -> Cart {
    Cart {
        total_cents: 4_000,
        lines: vec![Line { price: 1_500 }, Line { price: 2_500 }],
        note: None,
        review: Review::Automatic,
    }
}

fn patch(operations: &Value) -> Value {
    json!({ "commands": [{ "type": format!("{NAME}.patch"), "value": operations }] })
}

/// The cart after `answer`, or the problems of the answer; it is then unchanged.
fn after(answer: &Value) -> Result<Cart, Vec<Problem>> {
    let (point, mut cart) = (checkout(), cart());
    let read = Answer::parse_for(answer.to_string().as_bytes(), ExtensionPoint::description(&point)).unwrap();
    match point.interpret(&mut cart, read) {
        Ok(_) => Ok(cart),
        Err(problems) => {
            assert_eq!(cart, self::cart(), "commands are applied all or not at all");
            Err(problems)
        }
    }
}

#[test]
fn operations_change_the_subject_as_its_type_reads_it() {
    let operations = json!([
        { "op": "replace", "path": "/totalCents", "value": 3_600 },
        { "op": "add", "path": "/lines/-", "value": { "price": 0 } },
        { "op": "remove", "path": "/lines/0" },
        { "op": "add", "path": "/note", "value": "10 % off" },
        { "op": "replace", "path": "/review", "value": "MANUAL" },
    ]);
    let wanted = Cart {
        total_cents: 3_600,
        lines: vec![Line { price: 2_500 }, Line { price: 0 }],
        note: Some(Note("10 % off".to_owned())),
        review: Review::Manual,
    };
    assert_eq!(after(&patch(&operations)), Ok(wanted));
    // Only the result has to fit.
    let through_nothing = json!([
        { "op": "remove", "path": "/totalCents" },
        { "op": "add", "path": "/totalCents", "value": 1 },
    ]);
    assert_eq!(after(&patch(&through_nothing)).unwrap().total_cents, 1);
}

#[test]
fn what_does_not_fit_has_the_pointer_of_its_operation_and_no_value() {
    const MARKED: &str = "marked-secret";
    let good = json!({ "op": "replace", "path": "/totalCents", "value": 1 });
    let more = json!({ "op": "add", "path": "/lines/-", "value": { "price": 1 } });
    for (op, path, value, message, hint) in [
        ("replace", "/totalCents", json!(MARKED), "The subject would not fit its type", Some("Expected u64")),
        ("replace", "/totalCents", json!(-1), "The subject would not fit its type", Some("Expected u64")),
        (
            "add",
            "/lines/0",
            json!({ "cost": MARKED }),
            "The subject would not fit its type",
            Some("`price` is missing"),
        ),
        ("replace", "/lines/1/price", json!(MARKED), "The subject would not fit its type", Some("Expected u32")),
        (
            "replace",
            "/review",
            json!(MARKED),
            "The subject would not fit its type",
            Some("Expected `AUTOMATIC` or `MANUAL`"),
        ),
        (
            "add",
            "/noted",
            json!(MARKED),
            "The subject would not fit its type",
            Some("Expected one of `totalCents`, `lines`, `note`, `review`"),
        ),
        (
            "add",
            "/note",
            json!(MARKED),
            "The subject would not fit its type",
            Some("A rule of its type does not allow it"),
        ),
        ("replace", "/totalCents", json!(4_001), "The subject would break a rule: The total cannot grow", None),
    ] {
        let wrong = json!({ "op": op, "path": path, "value": value });
        for (place, operations) in
            [(0, json!([wrong, more])), (1, json!([good, wrong])), (2, json!([good, more, wrong, more, more]))]
        {
            let problems = after(&patch(&operations)).unwrap_err();
            let [problem] = problems.as_slice() else { panic!("{problems:?}") };
            assert_eq!(
                (problem.code, problem.pointer.as_str(), problem.message.as_str(), problem.hint.as_deref()),
                (ProblemCode::SchemaViolation, format!("/commands/0/value/{place}").as_str(), message, hint),
                "{operations}"
            );
            assert!(!problem.sentence().contains(MARKED), "{problem:?}");
        }
    }
}

#[test]
fn problems_of_the_dialect_are_all_found_at_once() {
    let answer = json!({ "commands": [
        { "type": format!("{NAME}.update"), "value": [] },
        { "type": format!("{NAME}.patch"), "value": [
            { "op": "replace", "path": "/totalcents", "value": 1 },
            { "op": "replace", "path": "totalCents", "value": 1 },
            { "op": "add", "path": "", "value": {} },
            { "op": "remove", "path": "/lines/7" },
        ] },
        { "type": format!("{NAME}.patch"), "value": {} },
    ] });
    let problems = after(&answer).unwrap_err();
    let found = problems.iter().map(|problem| (problem.code, problem.pointer.as_str())).collect::<Vec<_>>();
    assert_eq!(
        found,
        [
            (ProblemCode::UnknownCommand, "/commands/0/type"),
            (ProblemCode::PathNotFound, "/commands/1/value/0/path"),
            (ProblemCode::BadPath, "/commands/1/value/1/path"),
            (ProblemCode::BadPath, "/commands/1/value/2/path"),
            (ProblemCode::BadIndex, "/commands/1/value/3/path"),
            (ProblemCode::WrongShape, "/commands/2/value"),
        ],
        "{problems:#?}"
    );
    assert_eq!(problems[0].hint.as_deref(), Some("Write `com.example.order.checkout.patch`"));
}

#[test]
fn as_many_operations_as_an_answer_may_have_and_one_more() {
    let operations = |count: usize| {
        let operation = json!({ "op": "replace", "path": "/totalCents", "value": 1 });
        patch(&Value::Array(vec![operation; count]))
    };
    assert_eq!(after(&operations(OPERATIONS_MAX)).unwrap().total_cents, 1);
    assert_eq!(after(&operations(OPERATIONS_MAX + 1)).unwrap_err()[0].code, ProblemCode::TooMany);
}

#[test]
fn the_document_has_context_and_subject_and_a_server_can_preview_it() {
    let customer = Customer { country: "SE".to_owned() };
    let point = checkout().with_sample(&customer, &cart());
    let data = serde_json::to_value(point.data(&customer, &cart())).unwrap();
    let subject =
        json!({ "totalCents": 4_000, "lines": [{ "price": 1_500 }, { "price": 2_500 }], "review": "AUTOMATIC" });
    assert_eq!(data, json!({ "context": { "country": "SE" }, "subject": subject }));

    let kind: Arc<dyn HookKind> = Arc::new(point);
    let document = kind.sample(&Inputs::default()).unwrap();
    assert_eq!(document.get("/eventType").unwrap(), NAME);
    let answer = patch(&json!([{ "op": "replace", "path": "/totalCents", "value": 1 }]));
    let read = || Answer::parse_for(answer.to_string().as_bytes(), kind.description()).unwrap();
    let rehearsal = kind.rehearse(&document, &ProfileSchema::base(), read()).unwrap();
    assert_eq!(rehearsal.before["subject"], subject);
    assert_eq!(rehearsal.result.unwrap().0["subject"]["totalCents"], 1);

    let given = json!({ "data": { "context": {}, "subject": { "totalCents": "marked-secret" } } });
    let wrong = Document::given(&given, kind.description()).unwrap();
    let error = kind.rehearse(&wrong, &ProfileSchema::base(), read()).unwrap_err();
    assert_eq!(error.to_string(), "/data/subject: Expected u64");
}

/// `Debug` of a point and of its description holds nothing of samples.
#[test]
fn a_point_is_described_by_its_name() {
    let description = Description::of(NAME.parse().unwrap());
    assert_eq!((&*description.title, &*description.event_type_version, description.timeout_ms), (NAME, "1.0", 3_000));
    assert!(format!("{:?}", checkout().with_sample(&Customer { country: "SE".into() }, &cart())).contains(NAME));
}
