//! What hosted pages look like: the brand of the default org, names of other orgs, and forms that are shown again.

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tenterhook_contract::id::OrgId;
use tenterhook_engine::{Clock as _, SystemClock};
use tenterhook_model::Org;
use tenterhook_server::{Brand, BrandName, Hosted, Image, Logo, ServerLimits, TrustedProxies, router_with};
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::{
    harness::World,
    oauth::{authorization_path, sign_in},
};

const NORTH: &str = "north.example.com";
const SIGN_OUT: &str = "/login/signout";
const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";

/// The routes of a server with a brand, on the platform of `world`.
fn branded(world: &World) -> Router {
    let brand = Brand {
        name: Some(BrandName::new("Acme & Sons").unwrap()),
        color: "#ffb81c".parse().unwrap(),
        logo: Some(Logo { light: Image::new(SVG.into()).unwrap(), dark: None }),
        ..Brand::default()
    };
    let (_, stopping) = watch::channel(false);
    let hosted = Hosted { brand, ..Hosted::default() };
    let (platform, limits) = (world.platform.clone(), ServerLimits::default());
    router_with(platform, limits, TrustedProxies::default(), stopping, hosted)
}

async fn get(router: &Router, host: &str, path: &str) -> (Response<()>, String) {
    let request = Request::builder().uri(path).header("host", host).body(Body::empty()).unwrap();
    let (head, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let bytes: Bytes = body.collect().await.unwrap().to_bytes();
    (Response::from_parts(head, ()), String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn the_brand_is_that_of_the_default_org_and_another_org_has_its_own_name() {
    let world = World::start().await;
    let org = Org::new(OrgId::from_parts(1, [7; 8]), Some(NORTH.to_owned()), "North <Ltd>", SystemClock.now());
    world.platform.add_org(&org).await.unwrap();
    let router = branded(&world);
    let default = world.address.to_string();

    let (answer, page) = get(&router, &default, SIGN_OUT).await;
    assert!(page.contains("<title>Signed out · Acme &#38; Sons</title>"), "{page}");
    assert!(page.contains("<img src=\"/assets/logo?v=") && page.contains("alt=\"Acme &#38; Sons\""), "{page}");
    let policy = answer.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'; img-src 'self'; form-action"), "{policy}");
    let (_, page) = get(&router, NORTH, SIGN_OUT).await;
    assert!(page.contains("<title>Signed out · North &#60;Ltd&#62;</title>"), "{page}");
    assert!(page.contains("<p class=\"brand\">North &#60;Ltd&#62;</p>") && !page.contains("<img"), "{page}");
    let (_, page) = get(&router, NORTH, "/oauth2/default/v1/authorize/sign-out").await;
    assert!(!page.contains("<html"), "an answer that is no page gets no frame: {page}");

    for (host, is_branded) in [(default.as_str(), true), (NORTH, false)] {
        let (answer, text) = get(&router, host, "/assets/brand.css").await;
        assert_eq!((answer.status().as_u16(), text.contains("--brand: #ffb81c;")), (200, is_branded), "{host}: {text}");
        let (answer, text) = get(&router, host, "/assets/logo").await;
        assert_eq!((answer.status().as_u16(), text == SVG), (if is_branded { 200 } else { 404 }, is_branded), "{host}");
        let (answer, _) = get(&router, host, "/assets/logo-dark").await;
        assert_eq!(answer.status(), 404, "{host}");
    }
    let plain = world.send("GET", SIGN_OUT, &[], b"").await.text();
    assert!(plain.contains("<title>Signed out</title>") && !plain.contains("class=\"brand\""), "{plain}");
}

#[tokio::test]
async fn an_svg_that_is_opened_by_itself_runs_no_script() {
    let world = World::start().await;
    let (answer, _) = get(&branded(&world), &world.address.to_string(), "/assets/logo").await;
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "image/svg+xml");
    assert_eq!(header("content-security-policy"), "default-src 'none'; style-src 'unsafe-inline'; sandbox");
    assert_eq!(header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn the_sign_in_page_names_the_application_and_asks_for_what_is_missing() {
    let world = World::start().await;
    let path = authorization_path(&world, world.org.public_client_id.as_str(), "openid", "");
    let page = world.send("GET", &path, &[], b"").await;
    assert!(page.text().contains("to continue to <strong>Development app</strong>"), "{}", page.text());
    assert!(page.text().contains("autocomplete=\"username\" value=\"\" required autofocus>"), "{}", page.text());
    let [of_login, of_password] = ["login", "password"].map(|name| format!("id=\"{name}-error\""));
    for (login, password, wanted) in [("", "", [true, true]), ("ada", "", [false, true]), ("", "x", [true, false])] {
        let again = sign_in(&world, &page, login, password).await;
        let html = again.text();
        assert_eq!(again.status, 400, "{html}");
        assert_eq!([&of_login, &of_password].map(|error| html.contains(error)), wanted, "{html}");
        assert!(html.contains("<title>Error: Sign in</title>") && html.contains("role=\"alert\""), "{html}");
        assert_eq!(html.matches(" autofocus").count(), 1, "{html}");
    }
    assert!(world.events("user.session.start").await.is_empty(), "nobody tried a password");
}
