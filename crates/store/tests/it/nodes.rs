//! Several nodes on one database.

use tenterhook_store::{Keyring, Store};

#[tokio::test]
async fn nodes_that_start_at_once_migrate_in_turn() {
    let Some(config) = crate::databases::postgres().await else { return };
    let keys = Keyring::generate_text();
    let nodes: Vec<_> = (0..4)
        .map(|_| {
            let (config, keyring) = (config.clone(), Keyring::from_text(&keys).unwrap());
            tokio::spawn(async move { Store::open(&config, keyring).await })
        })
        .collect();
    for node in nodes {
        node.await.unwrap().unwrap().ping().await.unwrap();
    }
}
