//! What the authorization endpoint accepts, and what becomes of a request on its way through the sign-in page.

use serde_json::json;

use crate::{
    harness::{Behaviour, Service, World},
    oauth::{VERIFIER, redeem, redirect_parameter, sign_in_and_authorize},
};

/// OpenID Connect core 3.1.2.1: `max_age=0` asks again, once; then the user has been asked.
#[tokio::test]
async fn a_request_for_a_fresh_sign_in_ends_after_it_and_keeps_the_rest_of_its_query() {
    let world = World::start().await;
    let service = Service::start(Behaviour::json(&json!({}))).await;
    world.hook(service.address).await;
    let client_id = world.org.public_client_id.to_string();
    for extra in ["&max_age=0", "&prompt=login", "&max%5Fage=0&%70rompt=login"] {
        let kept = "&region=b+c%20d%7e~&flag&=&&note=%e2%82%AC";
        let answer = sign_in_and_authorize(&world, &client_id, "openid", &format!("{extra}{kept}")).await;
        assert_eq!(answer.status, 303, "{extra}: {}", answer.text());
        let code = redirect_parameter(&answer, "code").unwrap();
        let tokens = redeem(&world, &client_id, &code, VERIFIER).await.json();
        let identity = world.verified(tokens["id_token"].as_str().unwrap()).await;
        let age = identity["iat"].as_i64().unwrap() - identity["auth_time"].as_i64().unwrap();
        assert!((0..60).contains(&age), "{extra}: the client can check it: {identity}");

        let request = service.received().pop().unwrap();
        let url = request["data"]["context"]["request"]["url"]["value"].as_str().unwrap().to_owned();
        assert!(url.contains("redirect_uri=http%3A%2F%2F127.0.0.1%3A3000%2Fcallback&"), "{url}");
        assert!(url.ends_with(&format!("&code_challenge_method=S256{kept}")), "{url}");
    }
}
