//! A node whose database is away: `management-api.md` section 1 and `observed.md` 1, line 5.

use serde_json::json;

use crate::harness::{World, hook_body};

/// Only PostgreSQL can go away under a running node.
#[tokio::test]
async fn a_database_that_is_away_is_said_so_and_when_to_come_back() {
    let Some((world, way)) = World::on_postgres_by_way().await else { return };
    let before = world.api("POST", "/api/v1/inlineHooks", Some(&hook_body("Before", world.address))).await;
    assert_eq!(before.status, 200, "{}", before.text());
    way.cut().await;
    let body = hook_body("After", world.address);
    let answers = tokio::join!(
        world.api("POST", "/api/v1/inlineHooks", Some(&body)),
        world.api("GET", "/api/v1/logs", None),
        world.api("GET", "/api/v1/users", None),
    );
    for away in [answers.0, answers.1, answers.2] {
        assert_eq!((away.status.as_u16(), &away.json()["errorCode"]), (503, &json!("E0000010")), "{}", away.text());
        assert!(away.text().contains("The database is not available at present"), "{}", away.text());
        for header in ["x-rate-limit-reset", "date"] {
            assert_eq!(away.headers.get_all(header).iter().count(), 1, "{header}");
        }
    }
}
