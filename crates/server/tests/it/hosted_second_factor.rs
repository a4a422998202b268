//! The second step of the hosted sign-in page: a code that a hook's service receives, or that an app shows.

use serde_json::json;

use crate::{
    factors::{PASSWORD, active_app, active_phone, another, last_code, reports, service, shown, user_with_password},
    harness::{Answer, Behaviour, World},
    oauth::{VERIFIER, authorization_path, cookie_of, redeem, redirect_parameter},
    saml::{Provider, form_body, form_of},
};

const LOGIN: &str = "mei@pages.example";

fn path(world: &World, extra: &str) -> String {
    authorization_path(world, world.org.public_client_id.as_str(), "openid offline_access", extra)
}

/// A tab of a browser at a sign-in page, and the cookie that the browser has of it.
struct Tab<'a> {
    world: &'a World,
    cookie: String,
    page: Answer,
}

impl<'a> Tab<'a> {
    async fn open(world: &'a World, path: &str, cookie: &str) -> Self {
        let page = world.send("GET", path, &[("cookie", cookie)], b"").await;
        assert_eq!(page.status, 200, "{}", page.text());
        let cookie = format!("{}; {cookie}", cookie_of(&page));
        Self { world, cookie, page }
    }

    /// Sends the form of the page with these fields instead of its own ones.
    async fn answer(&self, fields: &[(&str, &str)]) -> Answer {
        let (action, own) = form_of(&self.page);
        let hidden = ["csrf", "state", "factor"].into_iter().filter_map(|name| Some((name, own.get(name)?.as_str())));
        let kept = hidden.filter(|(name, _)| !fields.iter().any(|(field, _)| field == name));
        let form: Vec<_> = kept.chain(fields.iter().copied()).filter(|(_, value)| *value != "-").collect();
        let headers = [("cookie", self.cookie.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        self.world.send("POST", &action, &headers, form_body(&form).as_bytes()).await
    }

    /// The same, and shows the page that comes back.
    async fn send(&mut self, fields: &[(&str, &str)]) -> u16 {
        self.page = self.answer(fields).await;
        let is_csrf = |cookie: &str| cookie.starts_with("tenterhook_csrf");
        if is_csrf(cookie_of_or_none(&self.page)) {
            cookie_of(&self.page).clone_into(&mut self.cookie);
        }
        self.page.status.as_u16()
    }

    /// The password is right.
    async fn past_password(&mut self) {
        assert_eq!(self.send(&[("login", LOGIN), ("password", PASSWORD)]).await, 200, "{}", self.page.text());
        assert_eq!(cookie_of_or_none(&self.page), "", "no session yet");
    }

    #[track_caller]
    fn says(&self, text: &str) {
        assert!(self.page.text().contains(text), "{text}: {}", self.page.text());
    }
}

fn cookie_of_or_none(answer: &Answer) -> &str {
    answer.header("set-cookie").split(';').next().unwrap()
}

#[tokio::test]
async fn a_phone_gets_a_code_that_signs_in_once() {
    let world = World::start().await;
    let service = service(&world).await;
    let user = user_with_password(&world, LOGIN).await;
    active_phone(&world, &user, "sms").await;
    let mut tab = Tab::open(&world, &path(&world, ""), "").await;
    tab.past_password().await;
    for text in [
        "<h1>Enter the code</h1>",
        "sent to the number ending in 67",
        r#"inputmode="numeric""#,
        r#"autocomplete="one-time-code""#,
        "Send another text message",
        "mei@pages.example",
    ] {
        tab.says(text);
    }
    let page = tab.page.text();
    assert!(!page.contains("8031234") && !page.contains("Use another way") && !page.contains("<script"), "{page}");
    assert!(tab.page.header("content-security-policy").contains("default-src 'none'"));
    assert_eq!(service.received().len(), 1, "one message");
    assert_eq!(service.received()[0]["requestType"], "com.okta.user.telephony.mfa-verification");
    let code = last_code(&service);
    assert!(!page.contains(&code));

    assert_eq!(tab.send(&[("passcode", "")]).await, 400);
    tab.says("Enter the code.");
    assert_eq!(tab.send(&[("passcode", &another(&code))]).await, 401);
    tab.says("The code is wrong, was used already, or has expired.");
    assert!(tab.page.text().contains("<title>Error: Enter the code"), "{}", tab.page.text());
    assert_eq!(tab.answer(&[("csrf", "guessed"), ("passcode", &code)]).await.status, 400, "forged");

    let sent = [("passcode", code.as_str())];
    let (one, other) = tokio::join!(tab.answer(&sent), tab.answer(&sent));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 401], "one of two wins");
    let done = if one.status == 303 { one } else { other };
    let cookie = cookie_of(&done).to_owned();
    let session = world.send("GET", "/api/v1/sessions/me", &[("cookie", &cookie)], b"").await.json();
    assert_eq!((&session["amr"], &session["mfaActive"]), (&json!(["pwd", "sms", "mfa"]), &json!(true)));

    // The state is used up: the page from before, by the button of the browser, begins with the password.
    assert_eq!(tab.send(&[("passcode", &code)]).await, 401);
    tab.says("This sign-in took too long, or was finished already. Sign in again.");
    tab.says(r#"name="password""#);

    let answer = world.send("GET", done.header("location"), &[("cookie", &cookie)], b"").await;
    let code = redirect_parameter(&answer, "code").unwrap();
    let tokens = redeem(&world, world.org.public_client_id.as_str(), &code, VERIFIER).await.json();
    let identity = world.verified(tokens["id_token"].as_str().unwrap()).await;
    assert_eq!(identity["amr"], json!(["pwd", "sms", "mfa"]));
}

#[tokio::test]
async fn of_several_factors_the_user_chooses_one_and_can_choose_again() {
    let world = World::start().await;
    let service = service(&world).await;
    let user = user_with_password(&world, LOGIN).await;
    let text = active_phone(&world, &user, "sms").await;
    let call = active_phone(&world, &user, "call").await;
    let (app, factor) = active_app(&world, &user).await;
    let mut tab = Tab::open(&world, &path(&world, ""), "").await;
    tab.past_password().await;
    for text in ["Text message", "Phone call", "Authenticator app", "to the number ending in 67", "Start again"] {
        tab.says(text);
    }
    assert_eq!(service.received(), Vec::<serde_json::Value>::new(), "nobody has asked for a message");

    assert_eq!(tab.send(&[("ask", &call)]).await, 200);
    tab.says("is being called");
    tab.says("Call again");
    assert_eq!(service.received().len(), 1);
    let state = form_of(&tab.page).1["state"].clone();
    assert_eq!(tab.send(&[("factor", "-"), ("state", &state)]).await, 200);
    tab.says("How do you want to get the code?");
    assert_eq!(tab.send(&[("ask", &app)]).await, 200);
    tab.says("Open your authenticator app");
    assert!(!tab.page.text().contains("Send another"), "{}", tab.page.text());
    assert_eq!(service.received().len(), 1, "an app gets no message");
    assert_eq!(tab.send(&[("passcode", &shown(&world, &factor, 0))]).await, 303, "{}", tab.page.text());

    // One that was removed meanwhile.
    let mut tab = Tab::open(&world, &path(&world, ""), "").await;
    tab.past_password().await;
    assert_eq!(world.api("DELETE", &format!("{user}/factors/{text}"), None).await.status, 204);
    assert_eq!(tab.send(&[("ask", &text)]).await, 409);
    tab.says("This way is not there any more.");
    assert_eq!(tab.send(&[("again", "1")]).await, 200);
    tab.says(r#"name="password""#);
}

#[tokio::test]
async fn what_went_wrong_is_said_in_plain_words() {
    let world = World::start().await;
    let service = service(&world).await;
    let user = user_with_password(&world, LOGIN).await;
    let id = active_phone(&world, &user, "sms").await;
    let again = [("ask", id.as_str())];
    let mut tab = Tab::open(&world, &path(&world, ""), "").await;
    service.behave(Behaviour::json(&json!({ "error": { "errorSummary": "Carrier rejected the message" } })));
    assert_eq!(tab.send(&[("login", LOGIN), ("password", PASSWORD)]).await, 502);
    tab.says("The code could not be sent: Carrier rejected the message");
    tab.says("Codes are sent as text messages to the number ending in 67");
    // Half a minute later.
    world.write("UPDATE factors SET sent_us = NULL").await;
    service.behave(Behaviour::Answer(500, String::new()));
    assert_eq!(tab.send(&again).await, 502);
    tab.says("The code could not be sent. Try again in a moment");
    world.write("UPDATE factors SET sent_us = NULL").await;
    service.behave(reports("SUCCESSFUL"));
    assert_eq!(tab.send(&again).await, 200, "{}", tab.page.text());
    let code = last_code(&service);
    assert_eq!(tab.send(&again).await, 429);
    tab.says("You asked for a code a moment ago: enter it if you have it, or ask for another one in ");
    tab.says(" seconds.");
    for _ in 0..5 {
        tab.send(&[("passcode", &another(&code))]).await;
    }
    assert_eq!(tab.send(&[("passcode", &code)]).await, 429, "also the right one");
    tab.says("Too many codes were wrong. Try again in ");
}

#[tokio::test]
async fn a_state_works_in_its_own_org_and_for_active_users_alone() {
    let world = World::start().await;
    let user = user_with_password(&world, LOGIN).await;
    let (_, factor) = active_app(&world, &user).await;
    let mut tab = Tab::open(&world, &path(&world, ""), "").await;
    tab.past_password().await;
    for state in ["unknown", &"x".repeat(10_000)] {
        let answer = tab.answer(&[("state", state), ("passcode", "123456")]).await;
        assert_eq!(answer.status, 401, "{state:.20}");
        assert!(answer.text().contains("Sign in again."), "{state:.20}");
    }
    assert_eq!(world.api("POST", &format!("{user}/lifecycle/suspend"), None).await.status, 204);
    assert_eq!(tab.send(&[("passcode", &shown(&world, &factor, 0))]).await, 401);
    tab.says("Sign in again.");
}

/// A session of before is not enough where the request asks for a new sign-in.
#[tokio::test]
async fn a_new_sign_in_asks_for_the_factor_again() {
    let world = World::start().await;
    let user = user_with_password(&world, LOGIN).await;
    let (_, factor) = active_app(&world, &user).await;
    let mut tab = Tab::open(&world, &path(&world, ""), "").await;
    tab.past_password().await;
    assert_eq!(tab.send(&[("passcode", &shown(&world, &factor, -30))]).await, 303, "{}", tab.page.text());
    let session = cookie_of(&tab.page).to_owned();
    let mut tab = Tab::open(&world, &path(&world, "&prompt=login"), &session).await;
    tab.past_password().await;
    tab.says("Enter the code");
    assert_eq!(tab.send(&[("passcode", &shown(&world, &factor, 0))]).await, 303, "{}", tab.page.text());

    let provider = Provider::new(&world).await;
    let request = provider.request("_f1", "ForceAuthn=\"true\"", "");
    let sign_on = provider.redirect(&request, None);
    let mut tab = Tab::open(&world, &sign_on, &session).await;
    tab.past_password().await;
    tab.says("Enter the code");
    tab.says("Benefits &#38; more");
    assert_eq!(tab.send(&[("passcode", &shown(&world, &factor, 30))]).await, 303, "{}", tab.page.text());
    let session = cookie_of(&tab.page).to_owned();
    provider.response(tab.page.header("location"), &session).await;
}
