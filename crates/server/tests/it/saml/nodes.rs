//! Two nodes on one database.

use super::Provider;
use crate::harness::World;

/// The app is served by a node that has not read it yet, and a request that one node has answered is answered by no other.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn an_app_is_on_every_node_at_once_and_a_request_is_answered_by_one_of_them() {
    tenterhook_testkit::postgres::server();
    let one = World::start().await;
    let other = one.beside().await;
    for round in 0..5 {
        let name = format!("benefits_{round}");
        let here = Provider::with(&one, &name, |_| ()).await;
        let there = Provider { world: &other, app: here.app.clone() };
        let path = here.redirect(&here.request("_n1", "", ""), None);
        let page = there.get(&path, "").await;
        assert!(page.status == 200 && page.text().contains("name=\"password\""), "{}", page.text());
        let metadata = other.send("GET", &format!("/app/{}/sso/saml/metadata", here.app.external_key), &[], b"").await;
        assert_eq!(metadata.status, 200);
        let cookie = there.session().await;
        let (first, second) = tokio::join!(here.get(&path, &cookie), there.get(&path, &cookie));
        let mut statuses = [first.status.as_u16(), second.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 400], "{} {}", first.text(), second.text());
        assert_eq!(there.get(&path, &cookie).await.status, 400);
    }
}
