//! Progressive profile: which users are asked at sign-in, the page, its bounds, and what happens meanwhile.

use serde_json::{Value, json};

use super::{Enrollment, page::csrf};
use crate::{
    harness::{Answer, Behaviour, PASSWORD, Service, World},
    oauth::{authorization_path, cookie_of, redirect_parameter, sign_in},
    saml::{Provider, codes, form_of},
    user_schema::define,
    while_asked::Asked,
};

pub(super) const CITY: (&str, &str) = ("userProfile.city", "Lagos");
pub(super) const CODE: (&str, &str) = ("userProfile.inviteCode", "SPRING-44");

/// Ada at a client whose policy asks existing users for a city and an invitation code, which is not in the schema.
pub(super) struct Asking<'w> {
    pub(super) world: &'w World,
    pub(super) enrollment: Enrollment<'w>,
    /// Ada's session.
    pub(super) cookie: String,
}

impl<'w> Asking<'w> {
    pub(super) async fn new(world: &'w World) -> Self {
        let enrollment = Enrollment::new(world).await;
        let page = world.send("GET", &path_of(world, ""), &[], b"").await;
        let signed_in = sign_in(world, &page, &world.org.user_logins[0], PASSWORD).await;
        let asking = Self { world, enrollment, cookie: cookie_of(&signed_in).to_owned() };
        asking.set(&json!({})).await;
        let assign = format!("/api/v1/apps/{}/policies/{}", world.org.public_client_id, asking.enrollment.policy);
        assert_eq!(world.api("PUT", &assign, None).await.status, 204);
        asking
    }

    /// Replaces the rule: that of [`Self::new`] with other members.
    pub(super) async fn set(&self, members: &Value) {
        let attribute =
            |name: &str, label: &str, required| json!({ "name": name, "label": label, "required": required });
        let mut all = json!({
            "unknownUserAction": "DENY", "progressiveProfilingAction": "ENABLED",
            "profileAttributes": [
                attribute("email", "Email", true), attribute("city", "City <b>", true),
                attribute("department", "Department", false), attribute("inviteCode", "Invitation code", true),
            ],
        });
        for (name, value) in members.as_object().unwrap() {
            all[name] = value.clone();
        }
        self.enrollment.set(&all).await;
    }

    /// Has the rule ask `service`.
    async fn set_hook(&self, service: &Service) {
        let hook = self.enrollment.hook(service.address).await;
        self.set(&json!({ "preRegistrationInlineHooks": [{ "inlineHookId": hook }] })).await;
    }

    pub(super) async fn get(&self, extra: &str) -> Answer {
        self.world.send("GET", &path_of(self.world, extra), &[("cookie", &self.cookie)], b"").await
    }

    /// Fills in the form of a page, and sends it.
    pub(super) async fn submit(&self, page: &Answer, fields: &[(&str, &str)]) -> Answer {
        submit_as(self.world, &self.cookie, page, fields).await
    }

    pub(super) async fn ada(&self) -> Value {
        self.enrollment.user(&self.world.org.user_logins[0]).await.unwrap()["profile"].clone()
    }

    /// An administrator changes Ada.
    pub(super) async fn change_ada(&self, body: &Value) {
        let path = format!("/api/v1/users/{}", self.world.org.user_logins[0]);
        let changed = self.world.api("POST", &path, Some(body)).await;
        assert_eq!(changed.status, 200, "{}", changed.text());
    }

    /// The reasons of the refused forms in the log, oldest first.
    pub(super) async fn reasons(&self) -> Vec<String> {
        let events = self.world.events("user.account.update_profile").await;
        let failed = events.iter().filter(|event| event["outcome"]["result"] == "FAILURE");
        failed.map(|event| event["outcome"]["reason"].as_str().unwrap().to_owned()).collect()
    }
}

pub(super) fn path_of(world: &World, extra: &str) -> String {
    authorization_path(world, world.org.public_client_id.as_str(), "openid", extra)
}

/// Sends the form of a page with this session.
pub(super) async fn submit_as(world: &World, session: &str, page: &Answer, fields: &[(&str, &str)]) -> Answer {
    let (token, csrf_cookie) = csrf(page);
    let (action, hidden) = form_of(page);
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("csrf", &token).append_pair("user", &hidden["user"]).extend_pairs(fields);
    let cookie = format!("{csrf_cookie}; {session}");
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("cookie", cookie.as_str())];
    world.send("POST", &action, &headers, form.finish().as_bytes()).await
}

/// The permission of an attribute that users are asked for.
pub(super) fn written_by_users() -> Value {
    json!([{ "principal": "SELF", "action": "READ_WRITE" }])
}

pub(super) fn is_form(answer: &Answer) -> bool {
    answer.text().contains("<h1>Complete your profile</h1>")
}

pub(super) fn has_code(answer: &Answer) -> bool {
    answer.status == 303 && redirect_parameter(answer, "code").is_some()
}

#[tokio::test]
async fn a_user_who_lacks_what_the_policy_requires_is_asked_and_then_goes_on() {
    let world = World::start().await;
    let asking = Asking::new(&world).await;
    let silent = asking.get("&prompt=none").await;
    assert_eq!(redirect_parameter(&silent, "error").as_deref(), Some("interaction_required"));
    assert_eq!(redirect_parameter(&silent, "code"), None);
    let page = asking.get("&region=eu").await;
    let html = page.text();
    assert!(page.status == 200 && is_form(&page), "{html}");
    for part in [
        "<title>Complete your profile",
        "to continue to <strong>",
        r#"<label for="userProfile.city">City &#60;b&#62;</label>"#,
        r#"autocomplete="address-level2" value="" required autofocus"#,
        r#"<label for="userProfile.inviteCode">Invitation code</label>"#,
        "You are signed in as ada@example.com.",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!html.contains("userProfile.email") && !html.contains("userProfile.department"), "{html}");
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"), "{page:?}");
    let blank = asking.submit(&page, &[CITY]).await;
    assert!(blank.status == 400 && is_form(&blank), "{}", blank.text());
    assert!(blank.text().contains(r#"id="userProfile.inviteCode-error">The field cannot be left blank"#));
    assert!(blank.text().contains(r#"value="Lagos""#), "what was typed is kept: {}", blank.text());
    assert!(is_form(&asking.get("").await), "nobody is let through");
    let done = asking.submit(&blank, &[CITY, CODE]).await;
    assert_eq!(done.status, 303, "{}", done.text());
    assert_eq!(done.header("location"), path_of(&world, "&region=eu"));
    assert!(has_code(&world.send("GET", done.header("location"), &[("cookie", &asking.cookie)], b"").await));
    assert!(has_code(&asking.get("&prompt=none").await), "nothing is lacking any more");
    let ada = asking.ada().await;
    assert_eq!((&ada["city"], ada.get("inviteCode")), (&json!("Lagos"), None));
    let events = world.events("user.account.update_profile").await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(
        (&event["outcome"]["result"], &event["actor"]["alternateId"]),
        (&json!("SUCCESS"), &json!("ada@example.com"))
    );
    assert_eq!(event["target"][0]["alternateId"], "ada@example.com");
    assert!(!event.to_string().contains("Lagos") && !event.to_string().contains("SPRING-44"), "{event}");
    let late = asking.submit(&page, &[("userProfile.city", "Kano"), CODE]).await;
    assert_eq!(
        (late.status.as_u16(), &asking.ada().await["city"]),
        (303, &json!("Lagos")),
        "it is not asked for any more"
    );
}

#[tokio::test]
async fn nobody_is_asked_without_a_policy_in_force_or_something_that_is_required_and_lacking() {
    let world = World::start().await;
    let asking = Asking::new(&world).await;
    let attribute = |name: &str, required| json!({ "name": name, "label": name, "required": required });
    for members in [
        json!({ "progressiveProfilingAction": "DISABLED" }),
        json!({ "access": "DENY" }),
        json!({ "profileAttributes": [] }),
        json!({ "profileAttributes": [attribute("email", true), attribute("city", false), attribute("inviteCode", true)] }),
    ] {
        asking.set(&members).await;
        assert!(has_code(&asking.get("").await), "{members}");
    }
    asking.set(&json!({})).await;
    assert!(is_form(&asking.get("").await));
    let policy = format!("/api/v1/policies/{}/lifecycle", asking.enrollment.policy);
    assert!(world.api("POST", &format!("{policy}/deactivate"), None).await.status.is_success());
    assert!(has_code(&asking.get("").await));
    assert!(world.api("POST", &format!("{policy}/activate"), None).await.status.is_success());
    asking.change_ada(&json!({ "profile": { "city": "  " } })).await;
    assert!(is_form(&asking.get("").await), "a blank text is no city");
    asking.change_ada(&json!({ "profile": { "city": "Lagos" } })).await;
    assert!(has_code(&asking.get("").await));
    // The schema requires it, whatever the form says; a list of nothing is no list.
    define(
        &world,
        &json!({
            "colours": {
                "title": "Colours", "type": "array", "items": { "type": "string" }, "required": true,
                "permissions": written_by_users(),
            },
        }),
    )
    .await;
    asking.set(&json!({ "profileAttributes": [attribute("colours", false)] })).await;
    let page = asking.get("").await;
    assert!(is_form(&page) && !page.text().contains("(optional)"), "{}", page.text());
    let none = asking.submit(&page, &[("userProfile.colours", " , ")]).await;
    assert!(none.status == 400 && none.text().contains("The field cannot be left blank"), "{}", none.text());
    assert_eq!(asking.submit(&page, &[("userProfile.colours", "red, blue")]).await.status, 303);
    assert_eq!(asking.ada().await["colours"], json!(["red", "blue"]));
    assert!(has_code(&asking.get("").await));
}

#[tokio::test]
async fn markup_in_a_value_is_a_text_and_what_is_not_on_the_form_is_refused() {
    let world = World::start().await;
    let asking = Asking::new(&world).await;
    let page = asking.get("").await;
    let marked = "\"><script>alert('marked')</script>";
    for name in ["userProfile.department", "userProfile.login", "userProfile.status", "userProfile.firstName"] {
        let refused = asking.submit(&page, &[("userProfile.city", marked), CODE, (name, marked)]).await;
        assert!(refused.status == 400 && is_form(&refused), "{}", refused.text());
        assert!(!refused.text().contains("<script>") && refused.text().contains("Please review the form"), "{name}");
    }
    assert_eq!(asking.ada().await.get("city"), None);
    let stored = asking.submit(&page, &[("userProfile.city", marked), CODE]).await;
    assert_eq!((stored.status.as_u16(), &asking.ada().await["city"]), (303, &json!(marked)));
}

#[tokio::test]
async fn only_a_form_of_a_page_that_this_user_got_in_this_browser_is_taken() {
    let world = World::start().await;
    let asking = Asking::new(&world).await;
    let page = asking.get("").await;
    let forged = page.text().replace("name=\"csrf\" value=\"", "name=\"csrf\" value=\"x");
    let forged = Answer { bytes: forged.into_bytes().into(), ..page.clone() };
    let answer = asking.submit(&forged, &[CITY, CODE]).await;
    assert!(answer.status == 400 && !is_form(&answer), "{}", answer.text());
    // Grace has signed in since: the form is not hers.
    let sign_in_page = world.send("GET", &path_of(&world, "&prompt=login"), &[], b"").await;
    let grace = sign_in(&world, &sign_in_page, &world.org.user_logins[1], PASSWORD).await;
    for session in [cookie_of(&grace), "tenterhook_session=x", "a=b"] {
        let answer = submit_as(&world, session, &page, &[CITY, CODE]).await;
        assert_eq!(answer.header("location"), path_of(&world, ""), "{}", answer.text());
    }
    for login in &world.org.user_logins {
        assert_eq!(asking.enrollment.user(login).await.unwrap()["profile"].get("city"), None);
    }
    let (action, _) = form_of(&page);
    let shown_again = world.send("GET", &action, &[("cookie", &asking.cookie)], b"").await;
    assert_eq!((shown_again.status.as_u16(), shown_again.header("location")), (303, path_of(&world, "").as_str()));
}

#[tokio::test]
async fn the_app_must_be_one_that_the_user_may_use() {
    let world = World::start().await;
    let asking = Asking::new(&world).await;
    let page = asking.get("").await;
    let path = format!("/api/v1/apps/{}", world.org.public_client_id);
    let mut app = world.api("GET", &path, None).await.json();
    app["settings"]["implicitAssignment"] = json!(false);
    let changed = world.api("PUT", &path, Some(&app)).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(redirect_parameter(&asking.get("").await, "error").as_deref(), Some("access_denied"));
    assert_eq!(asking.submit(&page, &[CITY, CODE]).await.status, 303);
    assert_eq!(asking.ada().await.get("city"), None);
}

#[tokio::test]
async fn a_user_sends_the_form_ten_times_in_five_minutes() {
    let world = World::start().await;
    let asking = Asking::new(&world).await;
    let service = Service::start(Behaviour::json(&json!({ "error": {} }))).await;
    asking.set_hook(&service).await;
    let page = asking.get("").await;
    for _ in 0..10 {
        assert_eq!(asking.submit(&page, &[CITY, CODE]).await.status, 400);
    }
    let refused = asking.submit(&page, &[CITY, CODE]).await;
    assert!(refused.status == 429 && refused.text().contains("sent this form too often"), "{}", refused.text());
    assert_eq!(asking.submit(&page, &[]).await.status, 400, "a form that is wrong costs nothing");
    assert_eq!(service.received().len(), 10);
    let sign_in_page = world.send("GET", &path_of(&world, "&prompt=login"), &[], b"").await;
    let grace = sign_in(&world, &sign_in_page, &world.org.user_logins[1], PASSWORD).await;
    let page = world.send("GET", &path_of(&world, ""), &[("cookie", cookie_of(&grace))], b"").await;
    assert_eq!(submit_as(&world, cookie_of(&grace), &page, &[CITY, CODE]).await.status, 400, "others go on");
    assert_eq!(asking.reasons().await.last().unwrap(), "REFUSED_BY_HOOK");
    assert!(asking.reasons().await.contains(&"TOO_MANY_ATTEMPTS".to_owned()));
}

#[tokio::test]
async fn strangers_cannot_keep_the_forms_of_users_out_of_the_log() {
    let world = World::start().await;
    let asking = Asking::new(&world).await;
    let service = Service::start(Behaviour::json(&json!({ "error": {} }))).await;
    asking.set_hook(&service).await;
    let page = asking.get("").await;
    let wrong = authorization_path(&world, world.org.public_client_id.as_str(), "unheard-of", "");
    for _ in 0..70 {
        let refused = world.send("GET", &wrong, &[], b"").await;
        assert_eq!(redirect_parameter(&refused, "error").as_deref(), Some("invalid_scope"));
    }
    let logged = world.events("app.oauth2.as.authorize").await.len();
    assert!((1..70).contains(&logged), "the bound of the network is used up: {logged}");
    assert_eq!(asking.submit(&page, &[CITY, CODE]).await.status, 400);
    assert_eq!(asking.reasons().await, ["REFUSED_BY_HOOK"]);
}

/// What happens while the hook is asked, and what the form is answered with.
#[tokio::test]
async fn what_changes_while_the_hook_is_asked_counts() {
    let policy_off =
        |asking: &Asking<'_>| format!("/api/v1/policies/{}/lifecycle/deactivate", asking.enrollment.policy);
    for (what, status, city, reason) in [
        ("nothing", 303, Some("Lagos"), None),
        ("password", 303, Some("Lagos"), None),
        ("profile", 409, None, Some("PROFILE_CHANGED")),
        ("city", 303, Some("Kano"), Some("PROFILE_CHANGED")),
        ("suspend", 303, None, Some("SIGN_IN_ENDED")),
        ("sign out", 303, None, Some("SIGN_IN_ENDED")),
        ("policy", 303, None, Some("POLICY_CHANGED")),
        ("app off", 303, None, Some("APP_CHANGED")),
        ("other policy", 303, None, Some("APP_CHANGED")),
    ] {
        let world = World::start().await;
        let asking = Asking::new(&world).await;
        let asked = Asked::start().await;
        let hook = asking.enrollment.hook(asked.address()).await;
        let path = format!("/api/v1/inlineHooks/{hook}");
        assert_eq!(world.api("POST", &path, Some(&json!({ "policy": { "timeoutMs": 10_000 } }))).await.status, 200);
        asking.set(&json!({ "preRegistrationInlineHooks": [{ "inlineHookId": hook }] })).await;
        let page = asking.get("").await;
        let meanwhile = async {
            match what {
                "nothing" => {}
                "password" => {
                    let credentials = json!({ "password": { "value": "Another-one-7-times" } });
                    asking.change_ada(&json!({ "credentials": credentials })).await;
                }
                "profile" => asking.change_ada(&json!({ "profile": { "title": "Admiral" } })).await,
                "city" => asking.change_ada(&json!({ "profile": { "city": "Kano" } })).await,
                "sign out" => {
                    let out = world.send("GET", "/login/signout", &[("cookie", &asking.cookie)], b"").await;
                    assert_eq!(out.status, 200);
                }
                "app off" => {
                    let path = format!("/api/v1/apps/{}/lifecycle/deactivate", world.org.public_client_id);
                    assert!(world.api("POST", &path, None).await.status.is_success());
                }
                "other policy" => {
                    let other = Enrollment::named(&world, "Others").await;
                    let assign = format!("/api/v1/apps/{}/policies/{}", world.org.public_client_id, other.policy);
                    assert_eq!(world.api("PUT", &assign, None).await.status, 204);
                }
                "policy" => assert!(world.api("POST", &policy_off(&asking), None).await.status.is_success()),
                lifecycle => {
                    let path = format!("/api/v1/users/{}/lifecycle/{lifecycle}", world.org.user_logins[0]);
                    assert!(world.api("POST", &path, None).await.status.is_success());
                }
            }
        };
        let answer = asked.during(asking.submit(&page, &[CITY, CODE]), meanwhile).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        let ada = asking.ada().await;
        assert_eq!(ada.get("city").and_then(Value::as_str), city, "{what}: {ada}");
        assert_eq!(asking.reasons().await.first().map(String::as_str), reason, "{what}");
        if what == "profile" {
            assert!(is_form(&answer) && answer.text().contains("Your profile was changed in the meantime."));
            assert!(answer.text().contains(r#"value="Lagos""#), "{}", answer.text());
            assert_eq!(ada["title"], "Admiral", "nothing is overwritten");
            let again = asked.during(asking.submit(&answer, &[CITY, CODE]), async {}).await;
            assert_eq!(again.status, 303, "{}", again.text());
            let ada = asking.ada().await;
            assert_eq!((&ada["title"], &ada["city"]), (&json!("Admiral"), &json!("Lagos")));
        }
    }
}

#[tokio::test]
async fn a_sign_in_for_another_user_than_the_hinted_one_ends_and_one_for_the_hinted_one_asks() {
    let world = World::start().await;
    let asking = Asking::new(&world).await;
    let hint = {
        asking.set(&json!({ "progressiveProfilingAction": "DISABLED" })).await;
        let code = redirect_parameter(&asking.get("").await, "code").unwrap();
        let client = world.org.public_client_id.as_str();
        let tokens = crate::oauth::redeem(&world, client, &code, crate::oauth::VERIFIER).await.json();
        asking.set(&json!({})).await;
        tokens["id_token"].as_str().unwrap().to_owned()
    };
    let page = world.send("GET", &path_of(&world, &format!("&id_token_hint={hint}")), &[], b"").await;
    for (login, is_asked) in world.org.user_logins.iter().zip([true, false]) {
        let signed_in = sign_in(&world, &page, login, PASSWORD).await;
        let cookie = [("cookie", cookie_of(&signed_in))];
        let answer = world.send("GET", signed_in.header("location"), &cookie, b"").await;
        assert_eq!(is_form(&answer), is_asked, "{login}: {}", answer.text());
        if !is_asked {
            assert_eq!(redirect_parameter(&answer, "error").as_deref(), Some("login_required"));
        }
    }
}

#[tokio::test]
async fn users_are_not_asked_for_attributes_that_they_may_not_change() {
    let world = World::start().await;
    let asking = Asking::new(&world).await;
    let tier = |action: &str| json!({ "tier": { "title": "Tier", "type": "string", "permissions": [{ "principal": "SELF", "action": action }] } });
    let attributes = json!([{ "name": "tier", "label": "Tier", "required": true }]);
    for action in ["HIDE", "READ_ONLY"] {
        define(&world, &tier(action)).await;
        let rule = json!({
            "unknownUserAction": "DENY", "progressiveProfilingAction": "ENABLED", "profileAttributes": attributes,
        });
        let refused = asking.enrollment.put(&rule).await;
        assert!(refused.status == 400 && refused.json()["errorCode"] == "E0000001", "{}", refused.text());
        assert!(refused.text().contains("actions.profileEnrollment.profileAttributes[0].name"), "{}", refused.text());
        assert!(refused.text().contains("Users may not change `tier`"), "{}", refused.text());
        // Those who sign up may be asked.
        asking.set(&json!({ "progressiveProfilingAction": "DISABLED", "profileAttributes": attributes })).await;
    }
    define(&world, &tier("READ_WRITE")).await;
    asking.set(&json!({ "profileAttributes": attributes })).await;
    let page = asking.get("").await;
    assert!(is_form(&page), "{}", page.text());
    define(&world, &tier("READ_ONLY")).await;
    assert_eq!(asking.submit(&page, &[("userProfile.tier", "gold")]).await.status, 303);
    assert_eq!(asking.ada().await.get("tier"), None);
    assert!(has_code(&asking.get("").await), "what was forbidden later is not asked for");
}

#[tokio::test]
async fn the_forms_of_two_tabs_work() {
    let world = World::start().await;
    let asking = Asking::new(&world).await;
    let first = asking.get("").await;
    let (token, csrf_cookie) = csrf(&first);
    let cookie = format!("{csrf_cookie}; {}", asking.cookie);
    let second = world.send("GET", &path_of(&world, ""), &[("cookie", &cookie)], b"").await;
    assert_eq!(csrf(&second), (token, csrf_cookie));
    assert_eq!(asking.submit(&first, &[CITY, CODE]).await.status, 303);
}

#[tokio::test]
async fn who_signs_out_at_the_page_can_sign_in_again() {
    let world = World::start().await;
    let asking = Asking::new(&world).await;
    let long = asking.get(&format!("&region={}", "%20".repeat(7_000))).await;
    assert!(is_form(&long) && long.text().contains(r#"<a href="/login/signout">"#), "{}", long.text());
    let page = asking.get("&prompt=signed_in&region=eu").await;
    let html = page.text();
    let (_, link) = html.split_once("<a href=\"/login/signout").unwrap();
    let (link, _) = link.split_once('"').unwrap();
    let link = format!("/login/signout{}", link.replace("&#38;", "&"));
    let out = world.send("GET", &link, &[("cookie", &asking.cookie)], b"").await;
    assert_eq!((out.status.as_u16(), out.header("location")), (303, path_of(&world, "&region=eu").as_str()));
    let again = world.send("GET", out.header("location"), &[], b"").await;
    assert!(again.status == 200 && again.text().contains("name=\"password\""), "{}", again.text());
}

#[tokio::test]
async fn a_user_who_signs_on_to_a_saml_app_is_asked_too() {
    let world = World::start().await;
    let asking = Asking::new(&world).await;
    let service = Service::start(Behaviour::json(&json!({ "error": { "errorCauses": [
        { "errorSummary": "We deliver nothing there.", "location": "data.userProfileUpdate.city" },
    ] } })))
    .await;
    asking.set_hook(&service).await;
    let mut provider = Provider::new(&world).await;
    let policy = asking.enrollment.policy.parse().unwrap();
    provider.change(|app| app.enrollment_policy = Some(policy)).await;
    let path = provider.redirect(&provider.request("_p1", "", ""), Some("state & more"));
    let page = provider.get(&path, &asking.cookie).await;
    assert!(is_form(&page) && page.text().contains("Benefits &#38; more"), "{}", page.text());
    let passive = provider.redirect(&provider.request("_p2", "IsPassive=\"true\"", ""), None);
    assert_eq!(codes(&provider.response(&passive, &asking.cookie).await.xml), ["Responder", "NoPassive"]);
    let refused = asking.submit(&page, &[CITY, CODE]).await;
    assert!(
        refused.status == 400 && refused.text().contains(r#"id="userProfile.city-error">We deliver nothing there."#)
    );
    assert!(is_form(&provider.get(&path, &asking.cookie).await));
    assert!(world.events("user.authentication.sso").await.is_empty());
    service.behave(Behaviour::json(&json!({})));
    let done = asking.submit(&refused, &[CITY, CODE]).await;
    assert_eq!((done.status.as_u16(), done.header("location")), (303, path.as_str()));
    let posted = provider.response(done.header("location"), &asking.cookie).await;
    assert_eq!(codes(&posted.xml), ["Success"]);
    assert_eq!(posted.relay_state.as_deref(), Some("state & more"));
    provider.response(&passive, &asking.cookie).await;
    // From the identity provider, where there is no request.
    asking.change_ada(&json!({ "profile": { "city": null } })).await;
    let page = provider.get(&provider.path(), &asking.cookie).await;
    assert!(is_form(&page), "{}", page.text());
    let (action, _) = form_of(&page);
    assert_eq!(provider.get(&action, &asking.cookie).await.header("location"), provider.path());
    let done = asking.submit(&page, &[CITY, CODE]).await;
    assert_eq!((done.status.as_u16(), done.header("location")), (303, provider.path().as_str()));
    provider.change(|app| app.status = tenterhook_model::Status::Inactive).await;
    asking.change_ada(&json!({ "profile": { "city": null } })).await;
    assert_eq!(asking.submit(&page, &[CITY, CODE]).await.status, 303);
    assert_eq!(asking.ada().await.get("city"), None, "nobody signs on to the app");
}
