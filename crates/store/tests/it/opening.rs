//! Opening a database that is not there.

use tenterhook_contract::Secret;
use tenterhook_store::{Keyring, Store, StoreConfig};
use tokio::{net::TcpListener, time::Instant};

/// Opens it in vain; what was said, and after how many seconds.
async fn refusal(url: &str) -> (String, u64) {
    let began = Instant::now();
    let config = StoreConfig::Postgres { url: Secret::new(url), max_connections: 2 };
    let keyring = Keyring::from_text(&Keyring::generate_text()).unwrap();
    let said = Store::open(&config, keyring).await.unwrap_err().to_string();
    (said, began.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn a_postgres_that_is_down_is_given_up_soon_and_the_cause_is_said() {
    // A port that was free a moment ago: nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let (said, seconds) = refusal(&format!("postgres://u:marked-secret@127.0.0.1:{port}/x")).await;
    assert!(said.contains("cannot connect to PostgreSQL") && said.contains("refused"), "{said}");
    assert!(!said.contains("marked-secret"), "{said}");
    assert!((1..=11).contains(&seconds), "it may be starting, so it is waited for, not for long: {seconds} s");
}

#[tokio::test]
async fn a_url_that_cannot_be_right_is_not_tried_again() {
    let (said, seconds) = refusal("postgres://u:marked-secret@127.0.0.1:99999/x").await;
    assert!(said.contains("cannot connect to PostgreSQL") && !said.contains("marked-secret"), "{said}");
    assert_eq!(seconds, 0, "{said}");
}
