//! A hook type that is none of the built-in ones: registered, stored, previewed, executed and invoked as they are, with no
//! change of the engine.

use std::sync::Arc;

use serde_json::{Value, json};
use tenterhook_contract::{
    Description, EmptyAnswer, ErrorDefault, ExtensionPoint, FailureDefault, HookKind, HookTypes, PerOrg, Retry,
    answer::{Answer, ErrorCause, Operand, unknown_command},
    binding::HookBinding,
    description::{CommandRule, Names, Shape},
    hook_kind::{Rehearsal, Rehearse, rehearse},
    id::{HookId, OrgId},
    preview::{Document, DocumentError, Inputs},
    problem::{Change, Problem, ProblemCode},
    profile::ProfileSchema,
};
use tenterhook_engine::Origin;
use tenterhook_platform::{Pause, Resumed};

use crate::harness::{Behaviour, Service, World, hook_body};

const NAME: &str = "com.example.order.approval";
const SET_LIMIT: &str = "com.example.order.limit.set";

/// The type, with lists of its own as one that an org declares has them: nothing of it lives for the whole program.
struct OrderApproval(Description);

/// What commands may change: how much the order may cost.
type Limit = i64;

impl OrderApproval {
    fn new() -> Self {
        Self(Description {
            event_type: NAME.parse().unwrap(),
            event_type_version: "1.0".to_owned().into(),
            title: "Order approval".to_owned().into(),
            commands: vec![CommandRule {
                name: SET_LIMIT.to_owned().into(),
                shape: Shape::Object,
                members: Names::from(vec!["limit".to_owned()]),
                misnamed: Names::from(vec!["com.example.limit".to_owned()]),
            }]
            .into(),
            default_outcome: "the order keeps its limit".to_owned().into(),
            timeout_ms: 2_000,
            retry: Retry::Once,
            empty_answer: EmptyAnswer::DefaultAction,
            failure: FailureDefault::Stop,
            error: ErrorDefault::Refuse,
            per_org: PerOrg::One,
            authentication_required: true,
            secret_members: Names::from(vec!["/card".to_owned()]),
            unsent_members: Names::NONE,
            relatives: Vec::new().into(),
            filler_words: Names::from(vec!["com".to_owned(), "example".to_owned()]),
            preview_inputs: Names::from(vec!["profile".to_owned()]),
            sample_dates: Names::NONE,
        })
    }

    fn types() -> HookTypes {
        HookTypes::built_in().with(Arc::new(Self::new())).unwrap()
    }
}

impl ExtensionPoint for OrderApproval {
    type Context = &'static str;
    type Subject = Limit;
    type Data<'a> = Value;

    fn description(&self) -> &Description {
        &self.0
    }

    fn data<'a>(&'a self, card: &'a &'static str, limit: &'a Limit) -> Value {
        json!({ "card": card, "limit": limit })
    }

    fn interpret(&self, subject: &mut Limit, answer: Answer) -> Result<Vec<Change>, Vec<Problem>> {
        let mut problems = answer.problems;
        let (mut limit, mut changes) = (*subject, Vec::new());
        for command in answer.commands {
            let place = command.place;
            let Some(rule) = self.0.command(&command.kind) else {
                problems.push(unknown_command(&self.0, place, &command.kind));
                continue;
            };
            let Operand::Members(members) = &command.operand else {
                problems.push(command.wrong_shape(place, rule));
                continue;
            };
            match members.get("limit").and_then(Value::as_i64) {
                Some(given) => {
                    limit = given;
                    changes.push(Change { command: rule.name.clone(), op: "set", path: "/limit".to_owned() });
                }
                None => problems.push(Problem {
                    code: ProblemCode::BadValue,
                    pointer: format!("/commands/{place}/value/limit"),
                    message: "Invalid limit".to_owned(),
                    hint: None,
                }),
            }
        }
        if problems.is_empty() {
            *subject = limit;
            Ok(changes)
        } else {
            Err(problems)
        }
    }
}

impl Rehearse for OrderApproval {
    fn subject_of(&self, document: &Document, _: &Arc<ProfileSchema>) -> Result<Limit, DocumentError> {
        let limit = document.get("/data/limit")?.as_i64();
        limit.ok_or_else(|| DocumentError::wrong("/data/limit", "must be an integer"))
    }

    fn show(&self, limit: &Limit) -> Value {
        json!({ "limit": limit })
    }
}

impl HookKind for OrderApproval {
    fn description(&self) -> &Description {
        &self.0
    }

    fn sample_requests(&self) -> Vec<&str> {
        vec![
            r#"{"eventId":"x","eventTime":"2026-02-11T09:30:15.000Z","eventType":"com.example.order.approval",
            "data":{"card":"4000","limit":100}}"#,
        ]
    }

    fn sample_answers(&self) -> Vec<&str> {
        vec![r#"{"commands":[{"type":"com.example.order.limit.set","value":{"limit":5}}]}"#]
    }

    fn fill(&self, inputs: &Inputs, document: &mut Document) -> Result<(), DocumentError> {
        if let Some(limit) = inputs.profile.as_ref().and_then(|profile| profile.get("limit")) {
            document.set("/data/limit", limit.clone());
        }
        Ok(())
    }

    fn rehearse(
        &self,
        document: &Document,
        schema: &Arc<ProfileSchema>,
        answer: Answer,
    ) -> Result<Rehearsal, DocumentError> {
        rehearse(self, document, schema, answer)
    }
}

fn body(service: &Service) -> Value {
    let mut body = hook_body("Approvals", service.address);
    body["type"] = json!(NAME);
    body
}

fn command(limit: &Value) -> Value {
    json!({ "commands": [{ "type": SET_LIMIT, "value": { "limit": limit } }] })
}

fn origin(org_id: &OrgId) -> Origin {
    Origin { org_id: org_id.clone(), ..Origin::clone(&tenterhook_testkit::origin::origin()) }
}

/// Pauses a flow of `world` that has the limit 100 at the extension point; answers how it goes on, and with which limit.
async fn pause(world: &World, hook: &HookId) -> (Resumed, Limit) {
    let (point, mut limit) = (OrderApproval::new(), 100);
    let org = world.platform.org_by_host(None).unwrap();
    let hooks = &[HookBinding::always(hook.clone())];
    let subject = &mut limit;
    let pause = Pause { point: &point, org: &org, hooks, issuer: None, source: "x", subject, deadline: None };
    let resumed = world.platform.pause(pause, || (origin(&org.org.id), "4000123412341234")).await;
    (resumed, limit)
}

/// Registers a hook of the type; answers its id and its path.
async fn register(world: &World, body: &Value) -> (HookId, String) {
    let created = world.api("POST", "/api/v1/inlineHooks", Some(body)).await;
    assert_eq!((created.status.as_u16(), &created.json()["type"]), (200, &json!(NAME)), "{}", created.text());
    let id = created.json()["id"].as_str().unwrap().to_owned();
    (id.parse().unwrap(), format!("/api/v1/inlineHooks/{id}"))
}

#[tokio::test]
async fn a_flow_pauses_at_a_declared_type_as_at_a_built_in_one() {
    let world = World::with_hook_types(OrderApproval::types()).await;
    let service = Service::start(Behaviour::json(&command(&json!(7)))).await;
    let (id, path) = register(&world, &body(&service)).await;

    assert_eq!(pause(&world, &id).await, (Resumed::On { missed: None }, 7));
    let sent = service.received().pop().unwrap();
    assert_eq!((&sent["eventType"], &sent["data"]["limit"]), (&json!(NAME), &json!(100)));

    let error = json!({ "error": { "errorSummary": "no: 4000123412341234", "errorCauses": [{ "reason": "R" }] } });
    service.behave(Behaviour::json(&error));
    let causes = vec![ErrorCause { reason: Some("R".to_owned()), ..ErrorCause::default() }];
    let (resumed, limit) = pause(&world, &id).await;
    let Resumed::Refused(refused) = resumed else { panic!("{resumed:?}") };
    assert_eq!((refused.causes, limit), (causes, 100));
    assert!(!refused.summary.unwrap().contains("4000123412341234"), "a member that the type calls secret is masked");

    let before = service.received().len();
    service.behave(Behaviour::Answer(503, String::new()));
    assert_eq!(pause(&world, &id).await, (Resumed::Stopped, 100), "its failures stop the flow");
    assert_eq!(service.received().len() - before, 2, "it is called twice");

    service.behave(Behaviour::json(&command(&json!("much"))));
    assert_eq!(pause(&world, &id).await, (Resumed::Stopped, 100), "commands are applied all or not at all");

    let policy =
        json!({ "policy": { "failurePolicy": "fallback", "fallbackCommands": command(&json!(1))["commands"] } });
    let merged = world.api("POST", &path, Some(&policy)).await;
    assert_eq!(merged.status, 200, "{}", merged.text());
    assert_eq!(pause(&world, &id).await.1, 1, "fallback commands of the type stand in");

    let metrics = world.platform.metrics_text();
    let applied = format!(r#"tenterhook_invocations_total{{hook_type="{NAME}",outcome="applied",code=""}} 1"#);
    assert!(metrics.contains(&applied), "{metrics}");
    let events = world.events("inline_hook.response.processed").await;
    assert!(events.iter().all(|event| event["debugContext"]["debugData"]["inlineHookType"] == NAME), "{events:?}");
}

#[tokio::test]
async fn a_hook_of_a_declared_type_is_a_resource_like_any_other() {
    let world = World::with_hook_types(OrderApproval::types()).await;
    let service = Service::start(Behaviour::json(&command(&json!(5)))).await;
    let causes = async |body: &Value| {
        let refused = world.api("POST", "/api/v1/inlineHooks", Some(body)).await;
        assert_eq!(refused.status, 400, "{}", refused.text());
        refused.json()["errorCauses"].to_string()
    };
    let mut open = body(&service);
    open["channel"]["config"]["authScheme"] = Value::Null;
    assert!(causes(&open).await.contains("An order approval inline hook needs an authScheme or an OAUTH channel"));
    let mut wrong = body(&service);
    wrong["policy"] = json!({ "failurePolicy": "fallback", "fallbackCommands": [{ "type": "com.example.limit" }] });
    let of_fallback = causes(&wrong).await;
    assert!(of_fallback.contains(&format!("Unknown command(com.example.limit) at /0/type. Write `{SET_LIMIT}`")));

    let (_, path) = register(&world, &body(&service)).await;
    let created = world.api("GET", &path, None).await.json();
    assert_eq!(created["policy"]["timeoutMs"], 2_000, "the budget that its type has");
    let mut second = body(&service);
    second["name"] = json!("Second");
    assert!(causes(&second).await.contains("type: An org can have only one order approval inline hook"));
    let listed = world.api("GET", &format!("/api/v1/inlineHooks?type={NAME}"), None).await.json();
    assert_eq!(listed.as_array().unwrap().len(), 1);

    world.platform.let_go_of_idle_orgs(0);
    assert!(world.platform.org_by_host(None).is_none());
    let stored = world.api("GET", &path, None).await;
    assert_eq!((stored.status.as_u16(), &stored.json()["type"]), (200, &json!(NAME)), "read from the database");

    let inputs = json!({ "inputs": { "profile": { "limit": 60 } } });
    let preview = world.api("POST", &format!("{path}/preview"), Some(&inputs)).await.json();
    assert_eq!(preview["outcome"], "APPLIED", "{preview:#}");
    assert_eq!(
        (&preview["subject"]["before"]["limit"], &preview["subject"]["after"]["limit"]),
        (&json!(60), &json!(5))
    );

    let document = json!({ "eventType": NAME, "data": {} });
    let executed = world.api("POST", &format!("{path}/execute"), Some(&document)).await;
    assert_eq!(executed.json()["commands"], command(&json!(5))["commands"]);
    service.behave(Behaviour::json(&json!({ "commands": [{ "type": "com.example.limit", "value": {} }] })));
    let refused = world.api("POST", &format!("{path}/execute"), Some(&document)).await;
    assert!(refused.text().contains(&format!("Write `{SET_LIMIT}`")), "{}", refused.text());
}

/// `management-api.md` 2: where nobody has declared it, it is as unknown as any other text.
#[tokio::test]
async fn a_type_that_is_not_declared_is_refused_as_before() {
    let world = World::start().await;
    let service = Service::start(Behaviour::Silent).await;
    let refused = world.api("POST", "/api/v1/inlineHooks", Some(&body(&service))).await;
    assert_eq!(refused.status, 400);
    let causes = refused.json()["errorCauses"].clone();
    let cause = causes[0]["errorSummary"].as_str().unwrap();
    assert!(cause.starts_with("type: The field has an invalid value. Write one of "), "{cause}");
    assert!(causes.as_array().unwrap().len() == 1 && !cause.contains(NAME), "{causes}");
}
