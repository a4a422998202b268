//! What administrators and users do while a hook is asked counts: the flow answers as it would have at the start.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    harness::{Answer, World},
    oauth::{authorization_path, redirect_parameter, refresh, tokens_for_long},
    saml::{Provider, codes},
};

/// A service that is asked once at a time.
pub(crate) struct Asked(TcpListener);

impl Asked {
    pub(crate) async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// Waits for a call of the hook, lets `event` happen, and answers without commands.
    async fn meanwhile(&self, event: impl Future<Output = ()>) {
        self.meanwhile_answering(event, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
    }

    /// The same with this answer.
    pub(crate) async fn meanwhile_answering(&self, event: impl Future<Output = ()>, answer: &str) {
        let (mut stream, _) = self.0.accept().await.unwrap();
        let mut bytes = Vec::new();
        loop {
            let mut chunk = [0; 4_096];
            let read = stream.read(&mut chunk).await.unwrap();
            assert_ne!(read, 0, "the call is not cut off");
            bytes.extend_from_slice(&chunk[..read]);
            let text = String::from_utf8_lossy(&bytes).to_lowercase();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
            if body.len() >= length.parse().unwrap() {
                break;
            }
        }
        event.await;
        stream.write_all(answer.as_bytes()).await.unwrap();
    }

    /// The answer to a request during whose hook call `event` happens.
    pub(crate) async fn during(
        &self,
        request: impl Future<Output = Answer>,
        event: impl Future<Output = ()>,
    ) -> Answer {
        let (answer, ()) = tokio::join!(request, self.meanwhile(event));
        answer
    }
}

/// A change of Ada, or of her session.
async fn change_ada(world: &World, what: &str, cookie: &str) {
    let ada = format!("/api/v1/users/{}", world.org.user_logins[0]);
    match what {
        "signs out" => {
            assert_eq!(world.send("GET", "/login/signout", &[("cookie", cookie)], b"").await.status, 200);
        }
        "is deleted" => {
            // The first deactivates.
            for _ in 0..2 {
                assert!(world.api("DELETE", &ada, None).await.status.is_success());
            }
        }
        lifecycle => {
            let done = world.api("POST", &format!("{ada}/lifecycle/{lifecycle}"), None).await;
            assert!(done.status.is_success(), "{}", done.text());
        }
    }
}

#[tokio::test]
async fn an_assertion_does_not_go_out_to_who_lost_the_right_to_it_while_the_hook_was_asked() {
    for (what, shown) in [
        ("nothing", "SAMLResponse"),
        ("signs out", "name=\"password\""),
        ("suspend", "user_inactive"),
        ("deactivate", "user_inactive"),
        ("is deleted", "name=\"password\""),
        ("is unassigned", "not_assigned"),
        ("the app is deactivated", "app_inactive"),
        ("the app is deleted", "E0000008"),
    ] {
        let world = World::start().await;
        let mut provider = Provider::with(&world, "benefits_1", |app| app["implicitAssignment"] = json!(false)).await;
        let app = format!("/api/v1/apps/{}", provider.app.id);
        let ada = world.api("GET", &format!("/api/v1/users/{}", world.org.user_logins[0]), None).await.json();
        let assignment = json!({ "id": ada["id"], "scope": "USER" });
        assert_eq!(world.api("POST", &format!("{app}/users"), Some(&assignment)).await.status, 200);
        let cookie = provider.session().await;
        let service = Asked::start().await;
        provider.hook(service.address()).await;
        let event = async {
            let (method, path) = match what {
                "nothing" => return,
                "is unassigned" => ("DELETE", format!("{app}/users/{}", ada["id"].as_str().unwrap())),
                "the app is deactivated" | "the app is deleted" => ("POST", format!("{app}/lifecycle/deactivate")),
                what => return change_ada(&world, what, &cookie).await,
            };
            assert!(world.api(method, &path, None).await.status.is_success(), "{what}");
            if what == "the app is deleted" {
                assert!(world.api("DELETE", &app, None).await.status.is_success());
            }
        };
        let path = provider.redirect(&provider.request("_r1", "", ""), None);
        let answer = service.during(provider.get(&path, &cookie), event).await;
        assert!(answer.text().contains(shown), "{what}: {}", answer.text());
        assert_eq!(answer.text().contains("SAMLResponse"), what == "nothing", "{what}: {}", answer.text());
        let signed_on = world.events("user.authentication.sso").await;
        let signed_on = signed_on.iter().filter(|event| event["outcome"]["result"] == "SUCCESS").count();
        assert_eq!(signed_on, usize::from(what == "nothing"), "{what}");
    }
}

#[tokio::test]
async fn a_passive_request_is_told_that_nobody_is_signed_in_any_more() {
    let world = World::start().await;
    let mut provider = Provider::new(&world).await;
    let cookie = provider.session().await;
    let service = Asked::start().await;
    provider.hook(service.address()).await;
    let path = provider.redirect(&provider.request("_r1", "IsPassive=\"true\"", ""), None);
    let event = change_ada(&world, "signs out", &cookie);
    let answer = service.during(provider.get(&path, &cookie), event).await;
    assert_eq!(codes(&Provider::posted(&answer).xml), ["Responder", "NoPassive"]);
}

#[tokio::test]
async fn a_code_is_not_issued_to_who_lost_the_right_to_it_while_the_hook_was_asked() {
    for (what, extra, error) in [
        ("nothing", "", None),
        ("signs out", "", Some("")),
        ("signs out", "&prompt=none", Some("login_required")),
        ("suspend", "", Some("")),
        ("is deleted", "&prompt=none", Some("login_required")),
        ("the client is deactivated", "", Some("page")),
    ] {
        let world = World::start().await;
        let cookie = Provider::new(&world).await.session().await;
        let service = Asked::start().await;
        world.hook(service.address()).await;
        let client_id = world.org.public_client_id.to_string();
        let path = authorization_path(&world, &client_id, "openid", extra);
        let event = async {
            match what {
                "nothing" => {}
                "the client is deactivated" => deactivate_client(&world, &client_id).await,
                what => change_ada(&world, what, &cookie).await,
            }
        };
        let headers = [("cookie", cookie.as_str())];
        let answer = service.during(world.send("GET", &path, &headers, b""), event).await;
        if error == Some("page") {
            assert_eq!(answer.status, 400, "{}", answer.text());
            assert!(answer.text().contains("client_id"), "{what}: {}", answer.text());
            continue;
        }
        if error == Some("") {
            assert!(answer.text().contains("name=\"password\""), "{what}: {}", answer.text());
            continue;
        }
        assert_eq!(redirect_parameter(&answer, "error").as_deref(), error, "{what}");
        assert_eq!(redirect_parameter(&answer, "code").is_some(), error.is_none(), "{what}");
    }
}

async fn deactivate_client(world: &World, id: &str) {
    let path = format!("/oauth2/v1/clients/{id}/lifecycle/deactivate");
    assert!(world.api("POST", &path, None).await.status.is_success());
}

/// A refusal leaves the refresh token as it was.
#[tokio::test]
async fn a_token_is_not_issued_to_who_lost_the_right_to_it_while_the_hook_was_asked() {
    let world = World::start().await;
    let client_id = world.org.public_client_id.to_string();
    let tokens = tokens_for_long(&world, &client_id).await;
    let token = tokens["refresh_token"].as_str().unwrap();
    let service = Asked::start().await;
    world.hook(service.address()).await;
    let event = change_ada(&world, "suspend", "");
    let refused = service.during(refresh(&world, &client_id, token), event).await;
    assert_eq!(refused.json(), json!({ "error": "invalid_grant", "error_description": "The user is not active." }));
    change_ada(&world, "unsuspend", "").await;
    let kept = service.during(refresh(&world, &client_id, token), async {}).await;
    assert_eq!(kept.status, 200, "{}", kept.text());
    let next = kept.json()["refresh_token"].as_str().unwrap().to_owned();
    let refused = service.during(refresh(&world, &client_id, &next), deactivate_client(&world, &client_id)).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]), (401, &json!("invalid_client")));
    let confidential = world.org.confidential_client_id.to_string();
    let refused = service.during(world.client_credentials(), deactivate_client(&world, &confidential)).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]), (401, &json!("invalid_client")));
}
