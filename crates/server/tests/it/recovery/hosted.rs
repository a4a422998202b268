//! The pages on which people recover a password or unlock themselves.

use tenterhook_testkit::wait::until;

use super::{LOGIN, NEW, OLD, Scene, another, text};
use crate::{
    harness::{Answer, World},
    oauth::{authorization_path, cookie_of, sign_in},
};

/// The value of a hidden field, or the address of a link.
fn between<'a>(page: &'a str, before: &str) -> &'a str {
    let (_, rest) = page.split_once(before).unwrap_or_else(|| panic!("{before} is not in {page}"));
    rest.split('"').next().unwrap()
}

fn plain(html: &str) -> String {
    html.replace("&#38;", "&")
}

/// Sends the form of a page that has this button, with fields filled in.
async fn submit(scene: &Scene, (page, cookie): (&Answer, &str), path: &str, fields: &[(&str, &str)]) -> Answer {
    let html = page.text();
    let form = html.split(&format!("action=\"{path}\"")).nth(1).unwrap_or_else(|| panic!("{path}: {html}"));
    let form = form.split("</form>").next().unwrap();
    let hidden = ["csrf", "purpose", "back", "state"].into_iter().filter_map(|name| {
        let before = format!("name=\"{name}\" value=\"");
        form.contains(&before).then(|| (name, plain(between(form, &before))))
    });
    let hidden: Vec<_> = hidden.collect();
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(hidden).extend_pairs(fields);
    let headers = [("cookie", cookie), ("content-type", "application/x-www-form-urlencoded")];
    scene.world.send("POST", path, &headers, body.finish().as_bytes()).await
}

async fn sign_in_page(world: &World) -> Answer {
    let path = authorization_path(world, world.org.public_client_id.as_str(), "openid", "");
    world.send("GET", &path, &[], b"").await
}

async fn look(scene: &Scene, path: &str) -> Answer {
    scene.world.send("GET", path, &[], b"").await
}

/// The first page, as the sign-in page leads to it.
async fn start(scene: &Scene) -> Answer {
    let page = sign_in_page(&scene.world).await.text();
    let link = plain(between(&page, "<p class=\"other\"><a href=\""));
    assert!(link.starts_with("/recovery?back=%2Foauth2%2F") && page.contains("Forgot your password?"), "{page}");
    let first = look(scene, &link).await;
    assert_eq!(first.status, 200, "{}", first.text());
    assert!(first.header("content-security-policy").contains("form-action 'self'"));
    first
}

#[tokio::test]
async fn a_password_is_recovered_by_code_and_the_way_back_is_kept() {
    let scene = Scene::start(&["sms", "call"]).await;
    let first = start(&scene).await;
    let cookie = cookie_of(&first).to_owned();
    assert!(
        ["A link by mail", "A code by text message", "A code by phone call"]
            .iter()
            .all(|way| first.text().contains(way))
    );
    let empty = submit(&scene, (&first, &cookie), "/recovery", &[("login", ""), ("method", "")]).await;
    assert!(empty.status == 400 && empty.text().contains("Enter your username."), "{}", empty.text());
    let page = submit(&scene, (&first, &cookie), "/recovery", &[("login", LOGIN), ("method", "sms")]).await;
    assert!(page.status == 200 && page.text().contains("Enter your code"), "{}", page.text());
    assert!(!page.text().contains("8031234567") && !page.text().contains("4567"), "a number tells who it is");
    let code = scene.code_after(0).await;
    let wrong = submit(&scene, (&page, &cookie), "/recovery/code", &[("passcode", another(&code))]).await;
    assert!(wrong.status == 400 && wrong.text().contains("The code is wrong"), "{}", wrong.text());
    let soon = submit(&scene, (&wrong, &cookie), "/recovery/resend", &[]).await;
    assert!(soon.status == 429 && soon.text().contains("Wait 30 seconds"), "{}", soon.text());
    scene.passes(31).await;
    let resent = submit(&scene, (&soon, &cookie), "/recovery/resend", &[]).await;
    assert_eq!(resent.status, 200);
    let code = scene.code_after(1).await;
    let set = submit(&scene, (&resent, &cookie), "/recovery/code", &[("passcode", &format!(" {code} "))]).await;
    assert!(
        set.status == 200 && set.text().contains("Set a new password") && set.text().contains(LOGIN),
        "{}",
        set.text()
    );
    let twice = submit(&scene, (&resent, &cookie), "/recovery/code", &[("passcode", &code)]).await;
    assert!(
        twice.status == 200 && twice.text().contains("Set a new password"),
        "a form may be sent twice: {}",
        twice.text()
    );
    let unfit = submit(&scene, (&set, &cookie), "/recovery/password", &[("password", "short")]).await;
    assert!(unfit.status == 400 && unfit.text().contains("at least 8"), "{}", unfit.text());
    assert!(!unfit.text().contains("value=\"short"), "a password is not repeated");
    let done = submit(&scene, (&unfit, &cookie), "/recovery/password", &[("password", NEW)]).await;
    assert!(done.status == 200 && done.text().contains("Your password is set"), "{}", done.text());
    assert_eq!(done.header("set-cookie"), "", "nobody is signed in");
    let again = submit(&scene, (&set, &cookie), "/recovery/password", &[("password", "Other-3-lantern")]).await;
    assert!(again.status == 400 && again.text().contains("Begin again"), "{}", again.text());
    let back = plain(between(&done.text(), "<p class=\"other\"><a href=\""));
    let page = look(&scene, &back).await;
    assert_eq!(sign_in(&scene.world, &page, LOGIN, OLD).await.status, 401);
    scene.forget_factors().await;
    let signed_in = sign_in(&scene.world, &page, LOGIN, NEW).await;
    assert_eq!(signed_in.status, 303);
    let arrived =
        scene.world.send("GET", signed_in.header("location"), &[("cookie", cookie_of(&signed_in))], b"").await;
    assert!(
        arrived.header("location").contains("code="),
        "the request is the one of the beginning: {}",
        arrived.text()
    );
}

#[tokio::test]
async fn the_pages_say_the_same_whoever_has_the_username_and_forms_of_others_are_refused() {
    let scene = Scene::start(&["sms"]).await;
    let first = start(&scene).await;
    let cookie = cookie_of(&first).to_owned();
    let mut pages = Vec::new();
    for login in [LOGIN, "nobody@recovery.example"] {
        for method in ["sms", "call", "email"] {
            let answer = submit(&scene, (&first, &cookie), "/recovery", &[("login", login), ("method", method)]).await;
            let html = answer.text();
            let state = if method == "email" { "" } else { between(&html, "name=\"state\" value=\"") };
            let wrong = if method == "email" {
                String::new()
            } else {
                let wrong = submit(&scene, (&answer, &cookie), "/recovery/code", &[("passcode", "12345")]).await;
                assert_eq!(wrong.status, 400);
                wrong.text().replace(state, "STATE")
            };
            pages.push((
                method,
                answer.status,
                if state.is_empty() { html.clone() } else { html.replace(state, "STATE") },
                wrong,
            ));
        }
    }
    let (known, unknown) = pages.split_at(3);
    assert_eq!(known, unknown);
    scene.mails.all(1).await;
    // Without the cookie of the page, or with another one.
    let forged = submit(&scene, (&first, ""), "/recovery", &[("login", LOGIN), ("method", "sms")]).await;
    assert_eq!(forged.status, 400, "{}", forged.text());
    for path in ["/recovery/code", "/recovery/resend", "/recovery/password"] {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let forged = scene.world.send("POST", path, &headers, b"state=x&csrf=y").await;
        assert_eq!(forged.status, 400, "{path}");
    }
    // The way back leads to this server only.
    for back in ["//evil.example", "https://evil.example/", "javascript:alert(1)", "/\\evil.example"] {
        let query: String = url::form_urlencoded::byte_serialize(back.as_bytes()).collect();
        let page = look(&scene, &format!("/recovery?back={query}")).await.text();
        assert!(!page.contains("evil.example") && !page.contains("alert(1)"), "{page}");
    }
}

#[tokio::test]
async fn who_is_locked_out_unlocks_themselves_on_the_pages() {
    let scene = Scene::start(&["call"]).await;
    scene.lock().await;
    let page = sign_in_page(&scene.world).await;
    let refused = sign_in(&scene.world, &page, LOGIN, OLD).await;
    assert!(refused.status == 401 && !refused.text().to_lowercase().contains("lock"), "{}", refused.text());
    let first = start(&scene).await.text();
    let unlock = plain(first.split("Unlock my account").next().unwrap().rsplit("href=\"").next().unwrap());
    let unlock = look(&scene, unlock.trim_end_matches("\">")).await;
    assert!(unlock.text().contains("Unlock your account"), "{}", unlock.text());
    let cookie = cookie_of(&unlock).to_owned();
    let page = submit(&scene, (&unlock, &cookie), "/recovery", &[("login", LOGIN), ("method", "call")]).await;
    let code = scene.code_after(0).await;
    assert_eq!(text(&scene.service.received()[0]["requestType"]), "com.okta.user.telephony.account-unlock");
    let done = submit(&scene, (&page, &cookie), "/recovery/code", &[("passcode", &code)]).await;
    assert!(done.status == 200 && done.text().contains("Your account is unlocked"), "{}", done.text());
    assert_eq!((done.header("set-cookie"), scene.status().await.as_str()), ("", "ACTIVE"));
    let back = look(&scene, &plain(between(&done.text(), "<p class=\"other\"><a href=\""))).await;
    scene.forget_factors().await;
    assert_eq!(sign_in(&scene.world, &back, LOGIN, OLD).await.status, 303);
}

#[tokio::test]
async fn nothing_leads_to_recovery_where_it_is_not_offered() {
    let world = World::start().await;
    assert!(!sign_in_page(&world).await.text().contains("/recovery"));
    let page = world.send("GET", "/recovery", &[], b"").await;
    assert!(page.status == 404 && page.text().contains("Ask your administrator"), "{}", page.text());
    until("nothing is being sent", || world.platform.recoveries_underway() == 0).await;
}
