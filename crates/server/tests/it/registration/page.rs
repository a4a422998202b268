//! The hosted sign-up page: its form, its messages, and the way back to the request for which the person signs up.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Enrollment, LOGIN, PASSWORD, sign_in_status, verification::Kept};
use crate::{
    harness::{Answer, Behaviour, Service, World},
    oauth::authorization_path,
    user_schema::define,
};

/// The CSRF token of a page, and its cookie.
pub(super) fn csrf(page: &Answer) -> (String, String) {
    let html = page.text();
    let token = html.split("name=\"csrf\" value=\"").nth(1).unwrap_or_else(|| panic!("{html}"));
    let cookie = page.header("set-cookie").split(';').next().unwrap().to_owned();
    (token.split('"').next().unwrap().to_owned(), cookie)
}

/// Fills in the form of a page, and sends it.
pub(crate) async fn submit(world: &World, path: &str, page: &Answer, fields: &[(&str, &str)]) -> Answer {
    let (token, cookie) = csrf(page);
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("csrf", &token).extend_pairs(fields);
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("cookie", cookie.as_str())];
    world.send("POST", path, &headers, form.finish().as_bytes()).await
}

/// What Noor writes into the fields of the page.
pub(crate) const NOOR: [(&str, &str); 5] = [
    ("userProfile.firstName", "Noor"),
    ("userProfile.lastName", "Haddad"),
    ("userProfile.email", LOGIN),
    ("userProfile.inviteCode", "SPRING-44"),
    ("password", PASSWORD),
];

/// The form with one field changed.
fn with<'a>(name: &'a str, text: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut fields = NOOR.to_vec();
    fields.retain(|(known, _)| *known != name);
    fields.push((name, text));
    fields
}

#[tokio::test]
async fn the_page_asks_for_what_the_policy_says_and_leaves_the_person_signed_in() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    define(&world, &json!({ "terms": { "title": "Terms", "type": "boolean", "required": true } })).await;
    let path = format!("/signup/{}", enrollment.policy);
    let page = world.send("GET", &path, &[], b"").await;
    let html = page.text();
    assert_eq!(page.status, 200, "{html}");
    assert!(page.header("content-security-policy").contains("form-action 'self'; frame-ancestors 'none'"));
    for part in [
        "<title>Create your account",
        r#"<label for="userProfile.inviteCode">Invitation code <span class="optional">(optional)</span></label>"#,
        r#"id="userProfile.email" name="userProfile.email" type="text" inputmode="email" autocapitalize="none" spellcheck="false" autocomplete="username""#,
        r#"autocomplete="given-name""#,
        r#"<option value="true">Yes</option>"#,
        "<li>At least 8 characters</li>",
        r#"type="password" autocomplete="new-password""#,
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert_eq!(html.matches(" autofocus").count(), 1, "{html}");
    let refused = submit(&world, &path, &page, &NOOR).await;
    assert!(refused.status == 400 && refused.text().contains("userProfile.terms-error"), "{}", refused.text());
    let mut fields = NOOR.to_vec();
    fields.push(("userProfile.terms", "true"));
    let done = submit(&world, &path, &page, &fields).await;
    assert!(done.status == 200 && done.text().contains("Your account is ready"), "{}", done.text());
    assert!(done.header("set-cookie").starts_with("tenterhook_session="), "{:?}", done.headers);
    assert_eq!(enrollment.user(LOGIN).await.unwrap()["profile"]["terms"], true);
    assert_eq!(world.events("user.session.start").await.len(), 1);
}

#[tokio::test]
async fn a_refused_form_is_shown_again_with_messages_at_its_fields_and_without_the_password() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    let path = format!("/signup/{}", enrollment.policy);
    let page = world.send("GET", &path, &[], b"").await;
    let marked = "\"><script>alert('marked')</script>";
    let refused = submit(&world, &path, &page, &with("userProfile.email", marked)).await;
    let html = refused.text();
    assert_eq!(refused.status, 400);
    assert!(html.contains("<title>Error: Create your account"), "{html}");
    assert!(html.contains("We found some errors. Please review the form and make corrections."), "{html}");
    assert!(html.contains(r#"id="userProfile.email-error">Enter an email address"#), "{html}");
    assert!(html.contains(r##"<a href="#userProfile.email">Enter an email address"##), "{html}");
    assert!(
        html.contains(r#"value="Noor""#) && html.contains(r#"value="SPRING-44""#),
        "what was typed is kept: {html}"
    );
    assert!(!html.contains("<script>") && !html.contains(PASSWORD), "{html}");

    let cause =
        |location: &str, text: &str| json!({ "errorSummary": text, "location": location, "domain": "end-user" });
    let causes =
        [cause("data.userProfile.inviteCode", "Expired <b>."), cause("data.userProfile.department", "Elsewhere.")];
    let error = json!({ "error": { "errorSummary": "marked-summary", "errorCauses": causes } });
    let service = Service::start(Behaviour::json(&error)).await;
    let hook = enrollment.hook(service.address).await;
    enrollment.set(&json!({ "preRegistrationInlineHooks": [{ "inlineHookId": hook }] })).await;
    let html = submit(&world, &path, &page, &NOOR).await.text();
    assert!(html.contains(r#"id="userProfile.inviteCode-error">Expired &#60;b&#62;.</p>"#), "{html}");
    assert!(html.contains("<p>Elsewhere.</p>"), "{html}");
    assert!(!html.contains("marked-summary") && !html.contains("end-user") && !html.contains(PASSWORD), "{html}");
    let denied = json!({ "commands": [{ "type": "com.okta.action.update", "value": { "registration": "DENY" } }] });
    service.behave(Behaviour::json(&denied));
    assert!(submit(&world, &path, &page, &NOOR).await.text().contains("<p>Registration denied.</p>"));
    service.behave(Behaviour::json(&json!({})));
    assert_eq!(submit(&world, &path, &page, &NOOR).await.status, 200);
    let taken = submit(&world, &path, &page, &NOOR).await;
    assert!(taken.status == 400 && taken.text().contains("This username is taken."), "{}", taken.text());
}

/// The field of a page that has the focus when the page is shown.
fn focused(page: &Answer) -> String {
    let html = page.text();
    let mut fields = html.split("<input ").skip(1).map(|field| field.split('>').next().unwrap());
    let field = fields.find(|field| field.contains(" autofocus")).unwrap_or_else(|| panic!("{html}"));
    field.split("name=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_focus_is_where_something_is_to_be_written_not_at_an_optional_field() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    let attribute = |name: &str, required| json!({ "name": name, "label": name, "required": required });
    let names = [attribute("nickName", false), attribute("firstName", true), attribute("lastName", true)];
    let attributes = [&names[..], &[attribute("email", true), attribute("inviteCode", false)]].concat();
    enrollment.set(&json!({ "profileAttributes": attributes })).await;
    let path = format!("/signup/{}", enrollment.policy);
    let page = world.send("GET", &path, &[], b"").await;
    assert_eq!(focused(&page), "userProfile.firstName");
    for (name, text, focus) in [
        ("userProfile.email", "noor", "userProfile.email"),
        ("userProfile.lastName", "", "userProfile.lastName"),
        ("password", "short", "password"),
    ] {
        let refused = submit(&world, &path, &page, &with(name, text)).await;
        assert_eq!((refused.status.as_u16(), focused(&refused).as_str()), (400, focus), "{}", refused.text());
    }
}

#[tokio::test]
async fn only_a_form_of_a_page_that_this_browser_got_signs_up() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    let path = format!("/signup/{}", enrollment.policy);
    let page = world.send("GET", &path, &[], b"").await;
    let (token, cookie) = csrf(&page);
    let form = |token: &str| {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("csrf", token).extend_pairs(NOOR).finish()
    };
    let large = format!("{}&userProfile.inviteCode={}", form(&token), "x".repeat(70_000));
    let many = (0..200).fold(form(&token), |form, number| format!("{form}&a{number}=b"));
    let twice = format!("{}&password=a", form(&token));
    let media_type = "application/x-www-form-urlencoded";
    for (body, cookie, media_type) in [
        (form("other"), cookie.as_str(), media_type),
        (form(&token), "", media_type),
        (form(&token), "tenterhook_csrf=", media_type),
        (form(""), "tenterhook_csrf=", media_type),
        (large, cookie.as_str(), media_type),
        (many, cookie.as_str(), media_type),
        (twice, cookie.as_str(), media_type),
        (form(&token), cookie.as_str(), "text/plain"),
    ] {
        let headers = [("content-type", media_type), ("cookie", cookie)];
        let answer = world.send("POST", &path, &headers, body.as_bytes()).await;
        assert!(answer.status.is_client_error() && !answer.text().contains("name=\"csrf\""), "{}", answer.text());
    }
    assert_eq!(enrollment.user(LOGIN).await, None);
    for path in ["/signup/00p00000000000000001", "/signup/x"] {
        let nobody = world.send("GET", path, &[], b"").await;
        assert!(nobody.status == 404 && nobody.text().contains("You cannot sign up here"), "{}", nobody.text());
    }
}

#[tokio::test]
async fn the_sign_in_page_leads_to_the_sign_up_page_and_back_into_the_request() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    let client = world.org.public_client_id.as_str();
    let path = authorization_path(&world, client, "openid", "");
    let before = world.send("GET", &path, &[], b"").await.text();
    assert!(!before.contains("sign-up"), "nobody signs up by the default policy: {before}");
    let assign = format!("/api/v1/apps/{client}/policies/{}", enrollment.policy);
    let assigned = world.api("PUT", &assign, None).await;
    assert_eq!(assigned.status, 204, "{}", assigned.text());
    let sign_in = world.send("GET", &path, &[], b"").await.text();
    let link = sign_in.split("No account yet? <a href=\"").nth(1).unwrap_or_else(|| panic!("{sign_in}"));
    let link = link.split('"').next().unwrap().replace("&#38;", "&");
    let page = world.send("GET", &link, &[], b"").await;
    assert!(page.status == 200 && page.text().contains("to continue to <strong>"), "{}", page.text());
    assert!(page.text().contains("Already have an account? <a href="), "{}", page.text());
    let done = submit(&world, &link, &page, &NOOR).await;
    assert_eq!(done.status, 303, "{}", done.text());
    assert_eq!(done.header("location"), path);
    let cookie = done.header("set-cookie").split(';').next().unwrap();
    let code = world.send("GET", done.header("location"), &[("cookie", cookie)], b"").await;
    assert!(code.status == 303 && code.header("location").contains("code="), "{} {:?}", code.status, code.headers);
    let other = link.replace(client, "0oa00000000000000001");
    assert_eq!(world.send("GET", &other, &[], b"").await.status, 404, "the client is the one of the request");
}

#[tokio::test]
async fn with_verification_everybody_is_told_to_look_for_a_mail() {
    let mails = Kept::default();
    let world = World::with_mail(Arc::new(mails.clone())).await;
    let enrollment = Enrollment::new(&world).await;
    enrollment.set(&json!({ "activationRequirements": { "emailVerification": true } })).await;
    let path = format!("/signup/{}", enrollment.policy);
    let page = world.send("GET", &path, &[], b"").await;
    let new = submit(&world, &path, &page, &NOOR).await;
    assert!(
        new.status == 200 && new.text().contains("Check your mail") && new.text().contains(LOGIN),
        "{}",
        new.text()
    );
    assert_eq!(new.header("set-cookie"), "", "nobody is signed in");
    assert!(new.text().contains(&format!("<a href=\"{path}\">sign up again</a>")), "{}", new.text());
    let taken = submit(&world, &path, &page, &with("userProfile.email", "ada@example.com")).await;
    assert_eq!(taken.text().replace("ada@example.com", LOGIN), new.text());
    assert_eq!(mails.all(2).await.len(), 2);
    assert_eq!(sign_in_status(&world, LOGIN, PASSWORD).await, 401);
}

/// A form that asks for the username alone: it may be an address, and the hook may set one.
#[tokio::test]
async fn the_page_after_a_mail_names_the_address_of_the_form_where_it_has_one() {
    let world = World::with_mail(Arc::new(Kept::default())).await;
    let enrollment = Enrollment::new(&world).await;
    let sets = |profile: &Value| {
        let command = json!({ "type": "com.okta.user.profile.update", "value": profile });
        Behaviour::json(&json!({ "commands": [command] }))
    };
    let service = Service::start(sets(&json!({ "lastName": "Haddad" }))).await;
    let hooks = json!([{ "inlineHookId": enrollment.hook(service.address).await }]);
    let attribute = |name: &str| json!({ "name": name, "label": name, "required": true });
    let rule = json!({
        "activationRequirements": { "emailVerification": true }, "preRegistrationInlineHooks": hooks,
        "profileAttributes": [attribute("login"), attribute("firstName")],
    });
    enrollment.set(&rule).await;
    let path = format!("/signup/{}", enrollment.policy);
    let page = world.send("GET", &path, &[], b"").await;
    let sent = async |login: &str| {
        let fields = [("userProfile.login", login), ("userProfile.firstName", "Noor"), ("password", PASSWORD)];
        let answer = submit(&world, &path, &page, &fields).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    };
    let of_form = sent(LOGIN).await;
    assert!(of_form.contains("a mail to <strong>") && of_form.contains("partner"), "{of_form}");
    service.behave(sets(&json!({ "lastName": "Haddad", "email": "hook@home.example" })));
    let of_hook = sent("noor").await;
    assert!(of_hook.contains("We have sent you a mail.") && !of_hook.contains("home.example"), "{of_hook}");
}

#[tokio::test]
async fn the_values_of_a_list_are_chosen_with_checkboxes_and_stay_chosen_when_the_form_is_refused() {
    let world = World::start().await;
    let enrollment = Enrollment::new(&world).await;
    let listed = ["red", "green, light", "blue"];
    let colours = json!({
        "title": "Colours", "type": "array", "required": true, "items": { "type": "string", "enum": listed },
    });
    let size = json!({ "title": "Size", "type": "string", "enum": ["S", "M"] });
    define(&world, &json!({ "colours": colours, "size": size })).await;
    let attribute = |name: &str, required| json!({ "name": name, "label": name, "required": required });
    let attributes = json!([
        attribute("email", true),
        attribute("firstName", true),
        attribute("lastName", true),
        attribute("colours", true),
        attribute("size", false),
    ]);
    enrollment.set(&json!({ "profileAttributes": attributes })).await;
    let path = format!("/signup/{}", enrollment.policy);
    let page = world.send("GET", &path, &[], b"").await;
    let html = page.text();
    assert_eq!(html.matches(r#"name="userProfile.colours" type="checkbox""#).count(), 3, "{html}");
    assert!(html.contains("<legend>colours</legend>") && !html.contains(" checked"), "{html}");
    assert!(html.contains(r#"<select id="userProfile.size""#), "one of several stays a list: {html}");
    let noor = |more: &[(&'static str, &'static str)]| {
        let mut fields = NOOR.to_vec();
        fields.retain(|(name, _)| *name != "userProfile.inviteCode");
        fields.extend(more);
        fields
    };
    let (light, blue) = (("userProfile.colours", "green, light"), ("userProfile.colours", "blue"));
    let none = submit(&world, &path, &page, &noor(&[])).await;
    let text = none.text();
    assert!(none.status == 400 && text.contains(r#"id="userProfile.colours-error">The field cannot be left blank"#));
    assert!(text.contains(r##"<a href="#userProfile.colours">"##) && text.contains(r#"aria-invalid="true""#), "{text}");
    // Of another field the password is none, so that the form is refused.
    let mut wrong = noor(&[light, blue]);
    wrong.retain(|(name, _)| *name != "password");
    let refused = submit(&world, &path, &none, &wrong).await;
    let text = refused.text();
    assert_eq!((refused.status.as_u16(), text.matches(" checked").count()), (400, 2), "{text}");
    for value in ["green, light", "blue"] {
        assert!(text.contains(&format!(r#"value="{value}" checked"#)), "{value}: {text}");
    }
    for more in [("userProfile.colours", "pink"), ("userProfile.email", "other@partner.example")] {
        let refused = submit(&world, &path, &refused, &noor(&[light, more])).await;
        assert!(refused.status == 400 && refused.text().contains(&format!("{}-error", more.0)), "{}", refused.text());
    }
    let twice = submit(&world, &path, &refused, &noor(&[light, ("password", "Other-7-harbour")])).await;
    assert_eq!(twice.status, 400, "only fields may be there several times: {}", twice.text());
    let done = submit(&world, &path, &refused, &noor(&[light, blue])).await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(enrollment.user(LOGIN).await.unwrap()["profile"]["colours"], json!(["green, light", "blue"]));
}
