//! What a service of a declared point gets, and the samples of it.

use serde_json::{Value, json};
use tenterhook_contract::{
    EmptyAnswer, ErrorDefault, ExtensionPoint as _, FailureDefault, HookKind, PerOrg, Retry,
    answer::Answer,
    condition::Condition,
    declared::DeclaredPoint,
    limits::POINT_SAMPLE_BYTES_MAX,
    pointer_pattern::PointerPattern,
    preview::{Document, Inputs},
    profile::ProfileSchema,
};

use super::{cart, point};

fn data(point: &DeclaredPoint, context: &Value, subject: &Value) -> Value {
    let subject = point.subject(subject.clone()).unwrap();
    serde_json::to_value(point.data(context, &subject)).unwrap()
}

#[test]
fn a_document_says_what_the_service_may_do_and_leaves_sensitive_members_out() {
    let context = json!({ "country": "SE", "card": { "number": "4000", "brand": "x" } });
    let mut subject = cart();
    for line in subject["lines"].as_array_mut().unwrap() {
        line.as_object_mut().unwrap().shift_remove("cost");
    }
    let point = point(&[]);
    let sent = data(&point, &context, &cart());
    assert_eq!(
        sent,
        json!({
            "context": { "country": "SE", "card": { "brand": "x" } },
            "subject": subject,
            "decision": "ALLOW",
            "allowed": { "operations": super::checkout()["operations"], "decisions": ["ALLOW", "REVIEW", "DENY"] },
        })
    );
    let members = sent.as_object().unwrap().keys().collect::<Vec<_>>();
    assert_eq!(members, ["context", "subject", "decision", "allowed"]);

    let mut decided = point.subject(cart()).unwrap();
    decided.decision = Some("DENY".to_owned());
    assert_eq!(serde_json::to_value(point.data(&context, &decided)).unwrap()["decision"], "DENY", "as it stands");
}

#[test]
fn without_decisions_a_document_has_none() {
    let sent = data(&point(&[("decisions", Value::Null), ("operations", json!([]))]), &json!({}), &cart());
    assert_eq!((sent.get("decision"), &sent["allowed"]), (None, &json!({ "operations": [] })));
}

#[test]
fn a_sensitive_element_is_null_so_that_the_others_keep_their_indexes() {
    let declared = [
        ("sensitive", json!(["/context/*/x", "/subject/tags/*", "/subject/*/*/deep/y"])),
        ("operations", json!([])),
        ("subjectSchema", json!(true)),
    ];
    let subject = json!({ "tags": [1, { "a": 2 }], "a": [{ "deep": { "y": 1, "z": 2 } }], "y": 1 });
    let sent = data(&point(&declared), &json!([{ "x": 1, "y": 2 }, { "x": [] }, 7]), &subject);
    assert_eq!(sent["context"], json!([{ "y": 2 }, {}, 7]));
    assert_eq!(sent["subject"], json!({ "tags": [null, null], "a": [{ "deep": { "z": 2 } }], "y": 1 }));
}

#[test]
fn the_description_says_what_was_declared() {
    let declared = point(&[
        ("version", json!("2.1")),
        ("onFailure", json!("STOP")),
        ("onRefusal", json!("CONTINUE")),
        ("retry", json!("ONCE")),
        ("timeoutMs", json!(800)),
    ]);
    let description = HookKind::description(&declared);
    assert_eq!((&*description.event_type, &*description.event_type_version), ("com.example.order.checkout", "2.1"));
    assert_eq!((&*description.title, description.timeout_ms, description.retry), ("Order checkout", 800, Retry::Once));
    assert_eq!((description.failure, description.error), (FailureDefault::Stop, ErrorDefault::Continue));
    assert_eq!((description.empty_answer, description.per_org), (EmptyAnswer::DefaultAction, PerOrg::Many));
    assert!(!description.authentication_required && description.secret_members.contains("/subject/customer/email"));
    let named = description.commands.iter().map(|rule| &*rule.name).collect::<Vec<_>>();
    assert_eq!(named, ["com.example.order.checkout.patch", "com.example.order.checkout.decide"]);
    let other = point(&[("decisions", Value::Null)]);
    let description = HookKind::description(&other);
    assert_eq!((description.failure, description.error), (FailureDefault::Continue, ErrorDefault::Refuse));
    assert_eq!((description.retry, description.commands.len()), (Retry::Never, 1));
    assert!(!other.falls_back(&other.subject(cart()).unwrap()));
}

fn samples(point: &DeclaredPoint) -> Vec<Value> {
    point.sample_requests().iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

#[test]
fn declared_samples_are_sent_as_a_document_is() {
    let declared = json!([
        { "context": { "country": "SE", "card": { "number": "4000" } }, "subject": cart() },
        { "context": {}, "subject": { "lines": [] } },
    ]);
    let samples = samples(&point(&[("samples", declared), ("version", json!("2.0"))]));
    assert_eq!((samples.len(), &samples[0]["data"]["context"]["card"]), (2, &json!({})));
    assert_eq!(samples[1]["data"]["subject"], json!({ "lines": [] }));
    assert_eq!(
        (&samples[0]["eventType"], &samples[0]["eventTypeVersion"]),
        (&json!("com.example.order.checkout"), &json!("2.0"))
    );
    assert_ne!(samples[0]["eventId"], samples[1]["eventId"]);
}

/// The subject that is made for a schema, in a document.
fn made(schema: &Value) -> Value {
    let nowhere = ["operations", "sensitive", "masked"].map(|member| (member, json!([])));
    let point = point(&[vec![("subjectSchema", schema.clone())], nowhere.to_vec()].concat());
    samples(&point)[0]["data"]["subject"].clone()
}

#[test]
fn without_samples_one_is_made_that_satisfies_the_schema() {
    for schema in [
        json!({ "type": "string", "minLength": 30 }),
        json!({ "type": "string", "maxLength": 2 }),
        json!({ "type": "string", "format": "date-time", "minLength": 5 }),
        json!({ "type": "integer", "minimum": 3, "multipleOf": 4 }),
        json!({ "type": "integer", "exclusiveMinimum": 3 }),
        json!({ "type": "number", "maximum": -2.5 }),
        json!({ "type": "number", "exclusiveMaximum": 0 }),
        json!({ "type": "boolean" }),
        json!({ "type": ["null", "integer"] }),
        json!({ "const": { "a": 1 } }),
        json!({ "enum": ["B", "C"] }),
        json!({ "examples": [17], "type": "integer", "minimum": 10 }),
        json!({ "default": "d", "type": "string" }),
        json!({ "type": "array", "minItems": 3, "items": { "type": "string" } }),
        json!({ "type": "array", "maxItems": 0 }),
        json!({ "type": "array", "prefixItems": [{ "type": "string" }, { "type": "integer" }], "minItems": 2 }),
        json!({ "type": "object", "required": ["a", "b"], "properties": { "a": { "type": "integer" } } }),
        json!({ "required": ["a"], "additionalProperties": { "type": "boolean" } }),
        json!({ "type": "object", "properties": { "a": false, "b": { "type": "string" } } }),
        json!({ "$ref": "#/$defs/a", "$defs": { "a": { "type": "object", "required": ["x"], "properties": { "x": { "type": "integer" } } } } }),
        json!({ "allOf": [{ "required": ["a"], "properties": { "a": { "const": 1 } } }, { "required": ["b"] }] }),
        json!({ "oneOf": [{ "type": "integer" }, { "type": "string" }] }),
        super::checkout()["subjectSchema"].clone(),
        json!(true),
    ] {
        let made = made(&schema);
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        assert!(validator.is_valid(&made), "{schema}: {made}");
    }
    // One that asks for more still has a sample.
    assert_eq!(made(&json!({ "type": "string", "pattern": "^[0-9]{7}$" })), json!("text"));
}

#[test]
fn sample_answers_are_applied_to_the_first_sample() {
    let base = ProfileSchema::base();
    let declared = json!([{ "context": {}, "subject": cart() }]);
    for point in [point(&[]), point(&[("samples", declared)])] {
        let document = point.sample(&Inputs::default()).unwrap();
        let answers = point.sample_answers();
        assert_eq!(answers.len(), 2, "{answers:?}");
        for text in answers {
            let result = point.rehearse(&document, &base, Answer::parse(text.as_bytes()).unwrap()).unwrap().result;
            assert!(result.is_ok_and(|(_, changes)| !changes.is_empty()), "{text}");
        }
    }
    let nothing = point(&[("operations", json!([])), ("decisions", Value::Null)]);
    assert_eq!(nothing.sample_answers(), [r#"{"commands":[]}"#]);
}

#[test]
fn a_preview_reads_the_subject_and_the_decision_of_a_document() {
    let point = point(&[]);
    let document = |data: Value| Document::given(&json!({ "data": data }), HookKind::description(&point)).unwrap();
    let rehearse = |data: Value| point.rehearse(&document(data), &ProfileSchema::base(), Answer::default());
    let shown = rehearse(json!({ "subject": cart(), "decision": "DENY" })).unwrap();
    assert_eq!((&shown.before["decision"], shown.before["subject"]["lines"][0].get("cost")), (&json!("DENY"), None));
    assert_eq!(shown.before, shown.result.unwrap().0);
    let error = rehearse(json!({ "subject": cart(), "decision": "MAYBE" })).unwrap_err();
    assert_eq!(error.to_string(), "/data/decision: must be ALLOW or REVIEW or DENY");
    assert_eq!(rehearse(json!({})).unwrap_err().field, "/data/subject");
    let body = json!({ "user": "ada" });
    let error = Inputs::read(body.as_object().unwrap(), HookKind::description(&point)).unwrap_err();
    assert!(error.message.contains("Give a `document`"), "{error}");
}

/// Arrays in arrays and required members in required members would be as many values as no memory holds.
#[test]
fn what_is_made_from_a_schema_fits_the_bounds_of_a_sample() {
    let arrays = (0..8).fold(json!({ "const": 1 }), |schema, _| json!({ "minItems": 16, "items": schema }));
    let names = (0..160).map(|number| format!("member{number}")).collect::<Vec<_>>();
    let members =
        (0..8).fold(json!({ "const": 1 }), |schema, _| json!({ "required": names, "additionalProperties": schema }));
    let long = json!({ "minItems": 16, "items": { "default": "x".repeat(60_000) } });
    let text = json!({ "minItems": 16, "items": { "minItems": 16, "items": { "minItems": 16, "items": { "minItems": 16, "items": { "minLength": 256 } } } } });
    for schema in [arrays, members, long, text] {
        let point = point(&[("contextSchema", schema.clone()), ("subjectSchema", schema), ("operations", json!([]))]);
        let sample = samples(&point).remove(0);
        for member in ["context", "subject"] {
            let made = &sample["data"][member];
            let bytes = made.to_string().len();
            assert!(bytes <= POINT_SAMPLE_BYTES_MAX && (made.is_array() || made["member0"].is_object()), "{bytes}");
        }
    }
}

#[test]
fn conditions_see_what_services_do_not() {
    let point = point(&[]);
    let context = json!({ "card": { "number": "4000" } });
    let mut subject = point.subject(cart()).unwrap();
    subject.decision = Some("DENY".to_owned());
    let submitted = point.submitted_data(&context, &subject);
    assert_eq!((&submitted["context"], &submitted["subject"]), (&context, &cart()));
    for place in ["/context/card/number", "/subject/lines/*/cost", "/*/card", "/context/none"] {
        let place: PointerPattern = place.parse().unwrap();
        let found = point.submitted_values(&context, &subject, std::slice::from_ref(&place));
        let found: Vec<_> = found.iter().map(AsRef::as_ref).collect();
        assert_eq!(found, place.find(&submitted), "{place}");
    }
    let mut sent = serde_json::to_value(point.data(&context, &subject)).unwrap();
    let others =
        |data: &mut Value| ["context", "subject"].map(|name| data.as_object_mut().unwrap().remove(name).unwrap());
    let hidden = others(&mut sent);
    assert_ne!(hidden, others(&mut submitted.clone()));
    for (pointer, is, value) in [
        ("/context/card/number", "prefix", json!("40")),
        ("/subject/lines/1/cost", "equal", json!(9)),
        ("/decision", "equal", json!("DENY")),
    ] {
        let condition = Condition::parse(&json!({ "pointer": pointer, "is": is, "value": value })).unwrap();
        assert_eq!(condition.why_not(&submitted), None, "{pointer}");
    }
    assert_eq!(submitted["allowed"], sent["allowed"]);
}

/// The schemas of the documents know what the org has declared; what is sensitive is required by the declaration alone.
#[cfg(feature = "schema")]
#[test]
fn the_published_schemas_have_those_of_context_and_subject() {
    use tenterhook_contract::schema::json_schemas;
    let mut context = super::checkout()["contextSchema"].clone();
    context["properties"]["country"] = json!({ "$ref": "#/$defs/country" });
    context["$defs"] = json!({ "country": { "enum": ["SE", "NO"] } });
    context["properties"]["card"]["required"] = json!(["number"]);
    let sample = json!([{ "context": { "country": "SE", "card": { "number": "4" } }, "subject": cart() }]);
    let point = point(&[("contextSchema", context), ("samples", sample)]);
    let schemas = json_schemas(&point);
    let [request, answer] =
        [&schemas.request, &schemas.answer].map(|schema| jsonschema::draft202012::new(schema).unwrap());
    let document = point.sample(&Inputs::default()).unwrap().to_json();
    assert!(request.is_valid(&document), "{:?}", request.validate(&document).map_err(|error| error.to_string()));
    for (place, value) in
        [("/data/context/country", json!("DE")), ("/data/subject/lines", json!(7)), ("/data/decision", json!("X"))]
    {
        let mut wrong = document.clone();
        *wrong.pointer_mut(place).unwrap() = value;
        assert!(!request.is_valid(&wrong), "{place}");
    }
    for text in point.sample_answers() {
        assert!(answer.is_valid(&serde_json::from_str(text).unwrap()), "{text}");
    }
    let decide = |decision: &str| json!({ "commands": [super::command("decide", &json!({ "decision": decision }))] });
    assert!(answer.is_valid(&decide("DENY")) && !answer.is_valid(&decide("MAYBE")));
}
