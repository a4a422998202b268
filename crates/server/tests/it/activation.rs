//! The activation of a user without a password: the link in the answer or by mail, and the page that it opens.

use std::sync::Arc;

use serde_json::{Value, json};
use tenterhook_platform::mail::{Smtp, SmtpSecurity, SmtpSettings};
use tenterhook_testkit::{
    smtp::{SmtpScript, SmtpServer},
    wait::found,
};

use crate::{
    harness::{Answer, World},
    oauth::{authorization_path, sign_in},
};

const LOGIN: &str = "ada@activation.example";
const FIRST: &str = "First-1-lantern";

async fn create(world: &World, email: &str, query: &str, credentials: &Value) -> Answer {
    let profile = json!({ "login": LOGIN, "email": email, "firstName": "Ada", "lastName": "Okoye" });
    let body = json!({ "profile": profile, "credentials": credentials });
    world.api("POST", &format!("/api/v1/users{query}"), Some(&body)).await
}

/// The path of a user who is not activated.
async fn staged(world: &World, credentials: &Value) -> String {
    let created = create(world, LOGIN, "?activate=false", credentials).await;
    assert_eq!((created.status.as_u16(), &created.json()["status"]), (200, &json!("STAGED")), "{}", created.text());
    format!("/api/v1/users/{}", created.json()["id"].as_str().unwrap())
}

async fn activate(world: &World, user: &str, query: &str) -> Answer {
    world.api("POST", &format!("{user}/lifecycle/activate{query}"), None).await
}

async fn status(world: &World, user: &str) -> Value {
    world.api("GET", user, None).await.json()["status"].clone()
}

async fn submit(world: &World, link: &str, password: &str) -> Answer {
    let (path, query) = link.split_once('?').unwrap();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    world.send("POST", path, &headers, format!("{query}&password={password}").as_bytes()).await
}

async fn sign_in_status(world: &World, password: &str) -> u16 {
    let path = authorization_path(world, world.org.public_client_id.as_str(), "openid", "");
    let page = world.send("GET", &path, &[], b"").await;
    sign_in(world, &page, LOGIN, password).await.status.as_u16()
}

#[tokio::test]
async fn a_link_in_the_answer_sets_the_first_password_once() {
    let world = World::start().await;
    let user = staged(&world, &json!({})).await;
    let link = async || {
        let answer = activate(&world, &user, "?sendEmail=false").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let (url, token) = (answer.json()["activationUrl"].clone(), answer.json()["activationToken"].clone());
        let path = format!("/welcome?token={}", token.as_str().unwrap());
        assert_eq!(url, json!(format!("http://{}{path}", world.address)));
        path
    };
    let first = link().await;
    assert_eq!(status(&world, &user).await, "PROVISIONED");
    let second = link().await;
    assert_eq!(world.send("GET", &first, &[], b"").await.status, 404, "the next link replaces the one before");
    let page = world.send("GET", &second, &[], b"").await;
    assert!(page.status == 200 && page.text().contains("Activate your account"), "{}", page.text());
    assert!(page.text().contains("<title>Activate your account"), "{}", page.text());
    let refused = submit(&world, &second, "short").await;
    assert!(refused.status == 400 && refused.text().contains("at least 8"), "{}", refused.text());
    let as_reset = second.replace("/welcome", "/reset_password");
    assert_eq!(world.send("GET", &as_reset, &[], b"").await.status, 404, "a link of one purpose is none of another");
    assert_eq!(submit(&world, &as_reset, FIRST).await.status, 404);
    let set = submit(&world, &second, FIRST).await;
    assert_eq!((set.status.as_u16(), set.header("set-cookie")), (200, ""), "nobody is signed in");
    assert_eq!(status(&world, &user).await, "ACTIVE");
    assert_eq!((sign_in_status(&world, FIRST).await, submit(&world, &second, FIRST).await.status.as_u16()), (303, 404));
    let answer = activate(&world, &user, "?sendEmail=false").await;
    assert!(answer.status == 400 && answer.text().contains("`activate` is not possible"), "{}", answer.text());
    let activations = world.events("user.lifecycle.activate").await;
    assert_eq!(activations.len(), 2);
}

/// Only an activation that was begun and not completed is begun anew.
#[tokio::test]
async fn a_provisioned_user_is_reactivated_with_a_new_link() {
    let world = World::start().await;
    let user = staged(&world, &json!({})).await;
    let reactivate = async |query: &str| world.api("POST", &format!("{user}/lifecycle/reactivate{query}"), None).await;
    let refused = reactivate("").await;
    let why = "status: `reactivate` is not possible: the user is STAGED";
    assert!(refused.status == 400 && refused.text().contains(why), "{}", refused.text());
    assert_eq!(status(&world, &user).await, "STAGED");
    let first = activate(&world, &user, "?sendEmail=false").await.json()["activationUrl"].clone();
    for (query, why) in [
        ("?sendEmail=1", "sendEmail: must be true or false"),
        ("?sendEmail=true", "sendEmail: No mail server is configured"),
    ] {
        let refused = reactivate(query).await;
        assert!(refused.status == 400 && refused.text().contains(why), "{}", refused.text());
    }
    let path_of = |link: &Value| link.as_str().unwrap().replace(&format!("http://{}", world.address), "");
    assert_eq!(world.send("GET", &path_of(&first), &[], b"").await.status, 200, "what is refused changes nothing");
    let answer = reactivate("").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let second = path_of(&answer.json()["activationUrl"]);
    assert!(second.ends_with(answer.json()["activationToken"].as_str().unwrap()));
    assert_eq!(world.send("GET", &path_of(&first), &[], b"").await.status, 404, "it was replaced");
    assert_eq!(status(&world, &user).await, "PROVISIONED");
    assert_eq!(submit(&world, &second, FIRST).await.status, 200);
    assert_eq!((status(&world, &user).await, sign_in_status(&world, FIRST).await), (json!("ACTIVE"), 303));
    let refused = reactivate("?sendEmail=false").await;
    assert!(refused.status == 400 && refused.text().contains("the user is ACTIVE"), "{}", refused.text());
    assert_eq!(world.events("user.lifecycle.reactivate").await.len(), 1);
}

#[tokio::test]
async fn a_user_with_a_password_needs_no_link_and_without_a_mail_server_nothing_is_mailed() {
    let world = World::start().await;
    let user = staged(&world, &json!({ "password": { "value": FIRST } })).await;
    let refused = activate(&world, &user, "?sendEmail=yes").await;
    assert!(refused.status == 400 && refused.text().contains("sendEmail: must be true or false"), "{}", refused.text());
    let activated = activate(&world, &user, "?sendEmail=true").await;
    assert_eq!((activated.status.as_u16(), activated.json()), (200, json!({})));
    assert_eq!((status(&world, &user).await, sign_in_status(&world, FIRST).await), (json!("ACTIVE"), 303));

    let world = World::start().await;
    let user = staged(&world, &json!({})).await;
    let refused = activate(&world, &user, "?sendEmail=true").await;
    assert!(
        refused.status == 400 && refused.text().contains("sendEmail: No mail server is configured"),
        "{}",
        refused.text()
    );
    assert_eq!(status(&world, &user).await, "STAGED");
    assert_eq!(activate(&world, &user, "").await.json(), json!({}));
    assert_eq!(status(&world, &user).await, "ACTIVE");
}

#[tokio::test]
async fn a_link_by_mail_activates_also_a_user_who_is_created_active() {
    let server = SmtpServer::start(SmtpScript::default()).await.unwrap();
    let settings = SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port: server.address().port(),
        security: SmtpSecurity::Plain,
        login: None,
        from: "Example <no-reply@example.com>".to_owned(),
        extra_ca_pem: Vec::new(),
    };
    let world = World::with_mail(Arc::new(Smtp::new(settings).unwrap())).await;
    let refused = create(&world, "no address", "", &json!({})).await;
    assert!(refused.status == 400 && refused.text().contains("email: The address of the user"), "{}", refused.text());
    let created = create(&world, LOGIN, "", &json!({})).await;
    assert_eq!(created.json()["status"], "PROVISIONED", "{}", created.text());
    let taken = create(&world, LOGIN, "", &json!({})).await;
    assert!(taken.status == 400 && taken.text().contains("login: An object"), "{}", taken.text());
    let user = format!("/api/v1/users/{}", created.json()["id"].as_str().unwrap());
    let first = found("the first mail arrives", async || server.taken().into_iter().next()).await;
    let again = world.api("POST", &format!("{user}/lifecycle/reactivate?sendEmail=true"), None).await;
    assert_eq!(again.json(), json!({}), "the link goes by mail again");
    let second = found("the second mail arrives", async || server.taken().into_iter().nth(1)).await;
    let base = format!("http://{}", world.address);
    let link_of = |text: String| text.split(&base).nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    assert!(second.to == LOGIN && second.decoded().contains("An administrator has made an account for you."));
    assert_eq!(submit(&world, &link_of(first.decoded()), FIRST).await.status, 404, "it was replaced");
    assert_eq!(submit(&world, &link_of(second.decoded()), FIRST).await.status, 200);
    assert_eq!((status(&world, &user).await, sign_in_status(&world, FIRST).await), (json!("ACTIVE"), 303));
}
