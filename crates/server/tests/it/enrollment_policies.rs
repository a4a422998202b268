//! Profile enrollment policies (`clients.md` section 6): their life, their rule, the hook that they keep, the apps that have them.

use serde_json::{Value, json};
use tenterhook_contract::BuiltInType;

use crate::harness::{World, hook_body};

const POLICIES: &str = "/api/v1/policies";
const OF_TYPE: &str = "/api/v1/policies?type=PROFILE_ENROLLMENT";

/// The causes of a refusal.
async fn causes(world: &World, method: &str, path: &str, body: &Value) -> Vec<String> {
    let answer = world.api(method, path, Some(body)).await;
    assert_eq!(answer.status, 400, "{method} {path} {body}: {}", answer.text());
    let error = answer.json();
    assert_eq!(error["errorCode"], "E0000001", "{body}");
    let causes = error["errorCauses"].as_array().unwrap().iter();
    causes.map(|cause| cause["errorSummary"].as_str().unwrap().to_owned()).collect()
}

async fn created(world: &World, path: &str, body: &Value) -> Value {
    let created = world.api("POST", path, Some(body)).await;
    assert!(created.status.is_success(), "{path}: {}", created.text());
    created.json()
}

fn path_of(policy: &Value) -> String {
    format!("{POLICIES}/{}", policy["id"].as_str().unwrap())
}

async fn policy(world: &World, name: &str) -> Value {
    let policy = json!({ "name": name, "status": "ACTIVE", "type": "PROFILE_ENROLLMENT" });
    let created = world.api("POST", POLICIES, Some(&policy)).await;
    assert_eq!(created.status, 200, "{}", created.text());
    created.json()
}

/// The one rule of a policy, and its path.
async fn rule(world: &World, policy: &Value) -> (Value, String) {
    let path = format!("{}/rules", path_of(policy));
    let rules = world.api("GET", &path, None).await.json();
    let [rule] = rules.as_array().unwrap().as_slice() else { panic!("{rules}") };
    (rule.clone(), format!("{path}/{}", rule["id"].as_str().unwrap()))
}

/// A hook of this type.
async fn hook(world: &World, hook_type: BuiltInType, name: &str) -> String {
    let mut body = hook_body(name, world.address);
    body["type"] = json!(hook_type.name());
    created(world, "/api/v1/inlineHooks", &body).await["id"].as_str().unwrap().to_owned()
}

async fn app(world: &World, label: &str) -> Value {
    let body = json!({
        "name": "oidc_client", "label": label, "signOnMode": "OPENID_CONNECT",
        "credentials": { "oauthClient": { "token_endpoint_auth_method": "client_secret_basic" } },
        "settings": { "oauthClient": {
            "redirect_uris": ["https://shop.example.com/cb"], "response_types": ["code"],
            "grant_types": ["authorization_code"], "application_type": "web",
        } },
    });
    created(world, "/api/v1/apps", &body).await
}

/// A rule by which people sign up.
fn registering(more: &Value) -> Value {
    let mut action = json!({ "unknownUserAction": "REGISTER" });
    for (name, value) in more.as_object().unwrap() {
        action[name] = value.clone();
    }
    json!({ "actions": { "profileEnrollment": action } })
}

/// The policy that an app's link names.
async fn policy_of(world: &World, app: &Value) -> String {
    let app = world.api("GET", &format!("/api/v1/apps/{}", app["id"].as_str().unwrap()), None).await.json();
    let href = app["_links"]["profileEnrollment"]["href"].as_str().unwrap();
    href.rsplit_once('/').unwrap().1.to_owned()
}

/// The ids of the apps that a policy has.
async fn apps_of(world: &World, policy: &Value) -> Vec<Value> {
    let apps = world.api("GET", &format!("{}/app", path_of(policy)), None).await;
    assert_eq!(apps.status, 200, "{}", apps.text());
    apps.json().as_array().unwrap().iter().map(|app| app["id"].clone()).collect()
}

#[tokio::test]
async fn a_policy_lives_as_the_terraform_provider_has_it() {
    let world = World::start().await;
    let hook = hook(&world, BuiltInType::Registration, "Sign-up").await;
    let group = json!({ "profile": { "name": "Customers" } });
    let group = created(&world, "/api/v1/groups", &group).await["id"].clone();
    let policy = policy(&world, "Customers").await;
    assert_eq!((&policy["system"], &policy["priority"]), (&json!(false), &json!(1)));
    let path = path_of(&policy);
    assert_eq!(world.api("GET", &path, None).await.json(), policy);
    // It gets the rule that came with the policy, and puts it back with what its configuration says.
    let (mut wanted, rule_path) = rule(&world, &policy).await;
    assert_eq!(wanted["type"], "PROFILE_ENROLLMENT");
    assert_eq!(
        wanted["actions"]["profileEnrollment"],
        json!({
            "access": "ALLOW", "unknownUserAction": "DENY", "activationRequirements": { "emailVerification": true },
            "profileAttributes": [], "preRegistrationInlineHooks": [], "targetGroupIds": [],
            "progressiveProfilingAction": "DISABLED",
        })
    );
    wanted["actions"]["profileEnrollment"] = json!({
        "access": "ALLOW", "unknownUserAction": "REGISTER", "activationRequirements": { "emailVerification": false },
        "profileAttributes": [
            { "name": "email", "label": "Email", "required": true },
            { "name": "t-shirt", "label": "T-Shirt Size", "required": false },
        ],
        "preRegistrationInlineHooks": [{ "inlineHookId": hook }], "targetGroupIds": [group],
        "progressiveProfilingAction": "ENABLED",
    });
    let put = world.api("PUT", &rule_path, Some(&wanted)).await;
    assert_eq!(put.status, 200, "{}", put.text());
    wanted["lastUpdated"] = put.json()["lastUpdated"].clone();
    assert_eq!(put.json(), wanted, "every member that was accepted comes back");
    assert_eq!(world.api("GET", &rule_path, None).await.json(), wanted);
    // A policy that is put back as it was got, with another name.
    let mut renamed = policy.clone();
    (renamed["name"], renamed["description"]) = (json!("Partners"), json!("Who resells"));
    let put = world.api("PUT", &path, Some(&renamed)).await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!((&put.json()["name"], &put.json()["description"]), (&json!("Partners"), &json!("Who resells")));
    assert_eq!(rule(&world, &policy).await.0, wanted, "the rule stays");
    for (lifecycle, status) in [("deactivate", "INACTIVE"), ("deactivate", "INACTIVE"), ("activate", "ACTIVE")] {
        assert_eq!(world.api("POST", &format!("{path}/lifecycle/{lifecycle}"), None).await.status, 204);
        assert_eq!(world.api("GET", &path, None).await.json()["status"], status);
    }
    let listed = world.api("GET", OF_TYPE, None).await.json();
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|policy| &policy["name"]).collect();
    assert_eq!(names, ["Default Policy", "Partners"]);
    assert_eq!(world.api("DELETE", &path, None).await.status, 204);
    for path in [&path, &rule_path, &format!("{path}/rules"), &format!("{path}/app")] {
        assert_eq!(world.api("GET", path, None).await.status, 404, "{path}");
    }
    for (event, count) in [
        ("policy.lifecycle.create", 1),
        ("policy.lifecycle.update", 1),
        ("policy.lifecycle.deactivate", 1),
        ("policy.lifecycle.activate", 1),
        ("policy.lifecycle.delete", 1),
        ("policy.rule.add", 1),
        ("policy.rule.update", 1),
    ] {
        let events = world.events(event).await;
        assert_eq!(events.len(), count, "{event}");
        let target = if event.contains("rule") { "PolicyRule" } else { "PolicyEntity" };
        assert_eq!(events[0]["target"][0]["type"], target, "{event}");
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one row for each refusal")]
async fn everything_that_is_wrong_with_a_rule_is_named_and_changes_nothing() {
    let world = World::start().await;
    let (_, path) = rule(&world, &policy(&world, "Customers").await).await;
    let token_hook = hook(&world, BuiltInType::Token, "Token").await;
    let off = hook(&world, BuiltInType::Registration, "Off").await;
    let deactivated = world.api("POST", &format!("/api/v1/inlineHooks/{off}/lifecycle/deactivate"), None).await;
    assert_eq!(deactivated.status, 200);
    let everyone = world.api("GET", "/api/v1/groups?q=Everyone", None).await.json()[0]["id"].clone();
    let before = world.api("GET", &path, None).await.json();
    let attribute = |name: &str| json!({ "name": name, "label": name });
    let attributes = |count: usize| (0..count).map(|number| attribute(&format!("a{number}"))).collect::<Vec<_>>();
    let many: Vec<_> = (0..21).map(|number| format!("00g000000000000000{number:02}")).collect();
    for (action, wanted) in [
        (json!({ "unknownUserAction": null }), "unknownUserAction: The field cannot be left blank"),
        (
            json!({ "unknownUserAction": "ASK" }),
            "unknownUserAction: The field has an invalid value. Write one of REGISTER, DENY",
        ),
        (json!({ "access": "MAYBE" }), "access: The field has an invalid value. Write one of ALLOW, DENY"),
        (
            json!({ "activationRequirements": { "emailVerification": "yes" } }),
            "activationRequirements.emailVerification: The field has an invalid value",
        ),
        (
            json!({ "progressiveProfilingAction": true }),
            "progressiveProfilingAction: The field has an invalid value. Write one of ENABLED, DISABLED",
        ),
        (json!({ "profileAttributes": "email" }), "profileAttributes: The field has an invalid value"),
        (json!({ "profileAttributes": ["email"] }), "profileAttributes: The field has an invalid value"),
        (json!({ "profileAttributes": attributes(11) }), "profileAttributes: A form can have at most 10 attributes"),
        (
            json!({ "profileAttributes": attributes(10) }),
            "profileAttributes: Name `email` or `login`: somebody who signs up needs one of them",
        ),
        (
            json!({ "profileAttributes": [attribute("email"), { "label": "No name" }] }),
            "profileAttributes[1].name: The field cannot be left blank",
        ),
        (
            json!({ "profileAttributes": [{ "name": "email" }] }),
            "profileAttributes[0].label: The field cannot be left blank",
        ),
        (
            json!({ "profileAttributes": [{ "name": "email", "label": "x".repeat(256) }] }),
            "profileAttributes[0].label: The field cannot be longer than 255 characters",
        ),
        (
            json!({ "profileAttributes": [{ "name": "email", "label": "Email", "required": "yes" }] }),
            "profileAttributes[0].required: The field has an invalid value",
        ),
        (
            json!({ "profileAttributes": [{ "name": "email", "label": "Email", "type": "text" }] }),
            "profileAttributes[0].type: The member is not supported",
        ),
        (
            json!({ "profileAttributes": [attribute("email"), attribute("password")] }),
            "profileAttributes[1].name: The form has a field for the password already",
        ),
        (
            json!({ "profileAttributes": [attribute("email"), attribute("a.b")] }),
            "profileAttributes[1].name: A name has letters, digits, `_` and `-`, a letter first, and at most 100 characters",
        ),
        (
            json!({ "profileAttributes": [attribute("email"), attribute("timeZone"), attribute("timezone")] }),
            "profileAttributes[2].name: The attribute is named twice",
        ),
        (
            json!({ "preRegistrationInlineHooks": [{ "inlineHookId": "cal0000000000000000x" }] }),
            "preRegistrationInlineHooks[0].inlineHookId: There is no inline hook with this id",
        ),
        (
            json!({ "preRegistrationInlineHooks": [{ "inlineHookId": token_hook }] }),
            "preRegistrationInlineHooks[0].inlineHookId: The inline hook is not of the type com.okta.user.pre-registration",
        ),
        (
            json!({ "preRegistrationInlineHooks": [{ "inlineHookId": off }] }),
            "preRegistrationInlineHooks[0].inlineHookId: The inline hook is not active. Activate it first",
        ),
        (
            json!({ "preRegistrationInlineHooks": [{}] }),
            "preRegistrationInlineHooks[0].inlineHookId: The field cannot be left blank",
        ),
        (
            json!({ "preRegistrationInlineHooks": [{ "inlineHookId": off }, { "inlineHookId": off }] }),
            "preRegistrationInlineHooks: A policy can have at most one inline hook",
        ),
        (
            json!({ "targetGroupIds": ["00g0000000000000000x"] }),
            "targetGroupIds: There is no group `00g0000000000000000x`. Name ids of groups",
        ),
        (json!({ "targetGroupIds": [everyone] }), "targetGroupIds: Every user is in the group Everyone: leave it out"),
        (json!({ "targetGroupIds": many }), "targetGroupIds: New users can be put into at most 20 groups"),
        (json!({ "targetGroupIds": [7] }), "targetGroupIds: The field has an invalid value"),
        (json!({ "uiSchemaId": "uis1" }), "uiSchemaId: There is one form, without a schema of its own: leave it out"),
        (
            json!({ "enrollAuthenticatorTypes": ["password"] }),
            "enrollAuthenticatorTypes: Who signs up chooses a password: leave it out",
        ),
        (
            json!({ "allowedIdentifiers": ["login"] }),
            "allowedIdentifiers: A user signs in with the login: leave it out",
        ),
        (json!({ "colour": "red" }), "colour: The member is not supported"),
    ] {
        let refused = causes(&world, "PUT", &path, &registering(&action)).await;
        assert_eq!(refused, [format!("actions.profileEnrollment.{wanted}")], "{action}");
    }
    let run_for = json!({ "preRegistrationInlineHooks": [{ "inlineHookId": off, "runFor": "NOBODY" }] });
    let refused = causes(&world, "PUT", &path, &registering(&run_for)).await;
    assert_eq!(refused.len(), 2, "all problems at once: {refused:?}");
    assert!(
        refused[0].ends_with("runFor: The field has an invalid value. Write one of NEW_USERS, EXISTING_USERS, BOTH")
    );
    for (member, value, cause) in [
        ("type", json!("ACCESS_POLICY"), "type: Only `PROFILE_ENROLLMENT` is supported"),
        ("status", json!("INACTIVE"), "status: The rule of a policy is always active: deactivate the policy"),
        ("priority", json!(1), "priority: Only 99 is supported: an app says which policy is its own"),
        ("conditions", json!({ "people": { "users": {} } }), "conditions: The member is not supported"),
        ("actions", json!([]), "actions: The field has an invalid value"),
    ] {
        let mut body = registering(&json!({}));
        body[member] = value;
        let refused = causes(&world, "PUT", &path, &body).await;
        assert_eq!(refused.first().map(String::as_str), Some(cause), "{body}");
    }
    assert_eq!(world.api("GET", &path, None).await.json(), before, "nothing was changed");
    // At the limit, and without a form's own attributes.
    let at_the_limit = [vec![attribute("login")], attributes(9)].concat();
    for attributes in [at_the_limit, Vec::new()] {
        let put = world.api("PUT", &path, Some(&registering(&json!({ "profileAttributes": attributes })))).await;
        assert_eq!(put.status, 200, "{}", put.text());
    }
    // Nobody signs up by such a rule, so that nobody needs a login.
    let closed = json!({ "unknownUserAction": "DENY", "profileAttributes": [attribute("department")] });
    assert_eq!(world.api("PUT", &path, Some(&registering(&closed))).await.status, 200);
}

#[tokio::test]
async fn a_hook_in_use_stays_active_and_says_for_whom_it_is_called() {
    let world = World::start().await;
    let id = hook(&world, BuiltInType::Registration, "Sign-up").await;
    let (_, path) = rule(&world, &policy(&world, "Customers").await).await;
    let hooks = |body: Value| registering(&json!({ "preRegistrationInlineHooks": [body] }));
    let shown = async || {
        let rule = world.api("GET", &path, None).await.json();
        rule["actions"]["profileEnrollment"]["preRegistrationInlineHooks"].clone()
    };
    for (put, wanted) in [
        (json!({ "inlineHookId": id, "runFor": "NEW_USERS" }), json!({ "inlineHookId": id, "runFor": "NEW_USERS" })),
        // As a client puts it back that knows the vendor's member alone.
        (json!({ "inlineHookId": id }), json!({ "inlineHookId": id, "runFor": "NEW_USERS" })),
        (
            json!({ "inlineHookId": id, "runFor": "EXISTING_USERS" }),
            json!({ "inlineHookId": id, "runFor": "EXISTING_USERS" }),
        ),
        (json!({ "inlineHookId": id, "runFor": "BOTH" }), json!({ "inlineHookId": id })),
    ] {
        let answer = world.api("PUT", &path, Some(&hooks(put.clone()))).await;
        assert_eq!(answer.status, 200, "{put}: {}", answer.text());
        assert_eq!(shown().await, json!([wanted]), "{put}");
    }
    let hook_path = format!("/api/v1/inlineHooks/{id}");
    let deactivate = format!("{hook_path}/lifecycle/deactivate");
    let refused = causes(&world, "POST", &deactivate, &json!({})).await;
    assert!(
        refused[0].starts_with("status: ") && refused[0].contains("preRegistrationInlineHooks[].inlineHookId"),
        "{refused:?}"
    );
    assert_eq!(world.api("DELETE", &hook_path, None).await.status, 400);
    assert_eq!(world.api("GET", &hook_path, None).await.json()["status"], "ACTIVE");
    // A rule that names it no more lets it go.
    assert_eq!(world.api("PUT", &path, Some(&registering(&json!({})))).await.status, 200);
    assert_eq!(world.api("POST", &deactivate, None).await.status, 200);
    assert_eq!(world.api("DELETE", &hook_path, None).await.status, 204);
}

#[tokio::test]
async fn a_policy_that_is_deleted_lets_its_hook_go() {
    let world = World::start().await;
    let id = hook(&world, BuiltInType::Registration, "Sign-up").await;
    let policy = policy(&world, "Customers").await;
    let (_, path) = rule(&world, &policy).await;
    let body = registering(&json!({ "preRegistrationInlineHooks": [{ "inlineHookId": id }] }));
    assert_eq!(world.api("PUT", &path, Some(&body)).await.status, 200);
    let deactivate = format!("/api/v1/inlineHooks/{id}/lifecycle/deactivate");
    // A policy that is not in use may be again.
    assert_eq!(world.api("POST", &format!("{}/lifecycle/deactivate", path_of(&policy)), None).await.status, 204);
    assert_eq!(world.api("POST", &deactivate, None).await.status, 400);
    assert_eq!(world.api("DELETE", &path_of(&policy), None).await.status, 204);
    assert_eq!(world.api("POST", &deactivate, None).await.status, 200);
}

#[tokio::test]
async fn the_default_policy_is_there_from_the_beginning_and_only_its_rule_and_its_description_change() {
    let world = World::start().await;
    let listed = world.api("GET", OF_TYPE, None).await.json();
    let [default] = listed.as_array().unwrap().as_slice() else { panic!("{listed}") };
    assert_eq!((&default["system"], &default["name"]), (&json!(true), &json!("Default Policy")));
    let path = path_of(default);
    assert_eq!(world.api("GET", &path, None).await.json(), *default);
    let renamed = json!({ "name": "Mine", "status": "INACTIVE" });
    assert_eq!(
        causes(&world, "PUT", &path, &renamed).await,
        [
            "name: The name of the default policy cannot be changed",
            "status: The default policy cannot be deactivated. Write `DENY` into `access` of its rule instead"
        ]
    );
    let taken = json!({ "name": "Default Policy", "type": "PROFILE_ENROLLMENT" });
    assert_eq!(causes(&world, "POST", POLICIES, &taken).await, ["name: An object with this field already exists"]);
    assert_eq!(world.api("POST", &format!("{path}/lifecycle/deactivate"), None).await.status, 400);
    assert_eq!(world.api("POST", &format!("{path}/lifecycle/activate"), None).await.status, 204);
    assert_eq!(world.api("DELETE", &path, None).await.status, 400);
    let (_, rule_path) = rule(&world, default).await;
    let put = world.api("PUT", &rule_path, Some(&registering(&json!({})))).await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(world.api("GET", &rule_path, None).await.json(), put.json());
    let mut described = default.clone();
    described["description"] = json!("For everybody");
    assert_eq!(world.api("PUT", &path, Some(&described)).await.status, 200);
    assert_eq!(world.api("GET", &rule_path, None).await.json(), put.json(), "the rule stays");
    assert_eq!(world.api("GET", OF_TYPE, None).await.json().as_array().unwrap().len(), 1, "it is one policy still");
    // Once more, now that it is stored.
    assert_eq!(world.api("DELETE", &path, None).await.status, 400);
    assert_eq!(causes(&world, "POST", POLICIES, &taken).await, ["name: An object with this field already exists"]);
}

#[tokio::test]
async fn an_app_has_the_policy_that_it_was_given_or_the_default_one() {
    let world = World::start().await;
    let default = world.api("GET", OF_TYPE, None).await.json()[0].clone();
    let (customers, partners) = (policy(&world, "Customers").await, policy(&world, "Partners").await);
    let (shop, portal) = (app(&world, "Shop").await, app(&world, "Portal").await);
    let id = |policy: &Value| policy["id"].as_str().unwrap().to_owned();
    assert_eq!(policy_of(&world, &shop).await, id(&default));
    let give = async |app: &Value, policy: &str| {
        let path = format!("/api/v1/apps/{}/policies/{policy}", app["id"].as_str().unwrap());
        world.api("PUT", &path, None).await.status.as_u16()
    };
    assert_eq!(give(&shop, &id(&customers)).await, 204);
    assert_eq!(give(&portal, &id(&customers)).await, 204);
    assert_eq!(give(&portal, &id(&partners)).await, 204);
    assert_eq!(give(&shop, "00p0000000000000000x").await, 404);
    assert_eq!((policy_of(&world, &shop).await, policy_of(&world, &portal).await), (id(&customers), id(&partners)));
    assert_eq!(apps_of(&world, &customers).await, [shop["id"].clone()]);
    assert!(!apps_of(&world, &default).await.contains(&shop["id"]));
    // The access policy is another one, and a change of the app leaves both as they are.
    let access = world.api("GET", "/api/v1/policies?type=ACCESS_POLICY", None).await.json()[0].clone();
    assert_eq!(give(&shop, &id(&access)).await, 204);
    assert!(apps_of(&world, &access).await.contains(&shop["id"]), "every app has it");
    let mut changed = shop.clone();
    changed["label"] = json!("Shop, renamed");
    let put = world.api("PUT", &format!("/api/v1/apps/{}", shop["id"].as_str().unwrap()), Some(&changed)).await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(policy_of(&world, &shop).await, id(&customers));
    // Back to the default one: by itself, and because its policy is gone.
    assert_eq!(give(&shop, &id(&default)).await, 204);
    assert_eq!(policy_of(&world, &shop).await, id(&default));
    assert_eq!(world.api("DELETE", &path_of(&partners), None).await.status, 204);
    assert_eq!(policy_of(&world, &portal).await, id(&default));
    assert_eq!(give(&portal, &id(&customers)).await, 204);
    assert_eq!(policy_of(&world, &portal).await, id(&customers));
}

#[tokio::test]
async fn other_types_of_policies_are_refused_by_name() {
    let world = World::start().await;
    for (body, cause) in [
        (json!({ "name": "No type" }), "type: The field cannot be left blank"),
        (json!({ "name": "Password", "type": "PASSWORD" }), "type: Only `PROFILE_ENROLLMENT` is supported"),
        (json!({ "type": "PROFILE_ENROLLMENT" }), "name: The field cannot be left blank"),
        (
            json!({ "name": "First", "type": "PROFILE_ENROLLMENT", "priority": 2 }),
            "priority: Only 1 is supported: an app says which policy is its own",
        ),
        (
            json!({ "name": "Off", "type": "PROFILE_ENROLLMENT", "status": "OFF" }),
            "status: Write `ACTIVE` or `INACTIVE`",
        ),
        (
            json!({ "name": "Some", "type": "PROFILE_ENROLLMENT", "conditions": { "people": { "groups": 1 } } }),
            "conditions: The member is not supported",
        ),
    ] {
        assert_eq!(causes(&world, "POST", POLICIES, &body).await, [cause], "{body}");
    }
    for query in ["", "?type=", "?type=PASSWORD"] {
        let answer = world.api("GET", &format!("{POLICIES}{query}"), None).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().contains("`ACCESS_POLICY` and `PROFILE_ENROLLMENT`"), "{}", answer.text());
    }
    let access = world.api("GET", "/api/v1/policies?type=ACCESS_POLICY", None).await.json()[0].clone();
    let path = path_of(&access);
    let (_, rule_path) = rule(&world, &access).await;
    for (method, path, body) in [
        ("PUT", &path, Some(&access)),
        ("DELETE", &path, None),
        ("POST", &format!("{path}/lifecycle/deactivate"), None),
        ("PUT", &rule_path, Some(&registering(&json!({})))),
    ] {
        let answer = world.api(method, path, body).await;
        assert_eq!(answer.status, 400, "{method} {path}: {}", answer.text());
        assert!(answer.text().contains("type"), "{method} {path}: {}", answer.text());
    }
    assert_eq!(world.api("GET", &path, None).await.json(), access);
    for path in
        [format!("{path}/rules/0pr0000000000000000x"), format!("{POLICIES}/none"), format!("{POLICIES}/none/rules")]
    {
        assert_eq!(world.api("GET", &path, None).await.status, 404, "{path}");
    }
    let inactive = json!({ "name": "Later", "type": "PROFILE_ENROLLMENT" });
    let inactive = created(&world, "/api/v1/policies?activate=false", &inactive).await;
    assert_eq!(inactive["status"], "INACTIVE");
    assert_eq!(world.api("POST", "/api/v1/policies?activate=maybe", Some(&json!({}))).await.status, 400);
}

#[tokio::test]
async fn a_list_of_policies_comes_in_pages_that_keep_its_type() {
    let world = World::start().await;
    for number in 0..3 {
        policy(&world, &format!("Number {number}")).await;
    }
    let (mut path, mut names) = (format!("{OF_TYPE}&limit=1"), Vec::new());
    loop {
        let page = world.api("GET", &path, None).await;
        assert_eq!(page.status, 200, "{}", page.text());
        names.extend(page.json().as_array().unwrap().iter().map(|policy| policy["name"].as_str().unwrap().to_owned()));
        match page.next() {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(names, ["Default Policy", "Number 0", "Number 1", "Number 2"]);
}

/// Two nodes on one database: the change of a policy on one node shows on the other node at once.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_policy_that_one_node_has_changed_is_on_the_other_at_once() {
    tenterhook_testkit::postgres::server();
    let one = World::start().await;
    let other = one.beside().await;
    for round in 0..5 {
        let (one, other) = if round % 2 == 0 { (&one, &other) } else { (&other, &one) };
        let policy = policy(one, &format!("Round {round}")).await;
        assert_eq!(other.api("GET", &path_of(&policy), None).await.json()["name"], policy["name"]);
        let (_, path) = rule(other, &policy).await;
        let put = other.api("PUT", &path, Some(&registering(&json!({})))).await.json();
        assert_eq!(one.api("GET", &path, None).await.json()["actions"], put["actions"]);
    }
}
