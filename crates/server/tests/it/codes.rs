//! Authorization codes when the database fails while one is redeemed: its client presents it again.

use tenterhook_testkit::postgres::{URL_VARIABLE, execute};

use crate::{
    harness::World,
    oauth::{VERIFIER, redeem, redirect_parameter, refresh, sign_in_and_authorize},
};

/// Until `DROP`, no access token of a code is kept: the last thing that is written when one is redeemed.
const REFUSE_ON_SQLITE: &str =
    "CREATE TRIGGER refuse BEFORE INSERT ON access_tokens BEGIN SELECT RAISE(ABORT, 'refused'); END";
/// The same, with the error of a disk that is full.
const REFUSE_ON_POSTGRES: &str = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
     $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '53100'; END $$; \
     CREATE TRIGGER refuse BEFORE INSERT ON access_tokens FOR EACH ROW EXECUTE FUNCTION refuse()";

#[tokio::test]
async fn a_code_whose_tokens_were_not_kept_can_be_presented_again() {
    let world = World::start().await;
    let client_id = world.org.public_client_id.to_string();
    let answer = sign_in_and_authorize(&world, &client_id, "openid offline_access", "").await;
    let code = redirect_parameter(&answer, "code").unwrap();
    let is_postgres = std::env::var_os(URL_VARIABLE).is_some();
    let (url, refuse, accept, status) = if is_postgres {
        (world.database_url(), REFUSE_ON_POSTGRES, "DROP TRIGGER refuse ON access_tokens", 503)
    } else {
        let url = format!("sqlite://{}", world.folder.path().join("test.sqlite").display());
        (url, REFUSE_ON_SQLITE, "DROP TRIGGER refuse", 500)
    };
    execute(&url, refuse).await.unwrap();
    for _ in 0..2 {
        let failed = redeem(&world, &client_id, &code, VERIFIER).await;
        assert_eq!(failed.status, status, "{}", failed.text());
    }
    execute(&url, accept).await.unwrap();
    let tokens = redeem(&world, &client_id, &code, VERIFIER).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text());
    let renewed = refresh(&world, &client_id, tokens.json()["refresh_token"].as_str().unwrap()).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text());
}
