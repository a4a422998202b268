//! Re-encryption under a new master key, on every database, while the store is in use.

use tenterhook_contract::Secret;
use tenterhook_model::CodeState;
use tenterhook_store::{Keyring, Store, StoreError};

use crate::{
    configuration::{commit, put_hook},
    databases::{at, code, on_every_database, org},
};

on_every_database! {
    everything_moves_to_the_current_key_and_the_old_one_can_go
    a_rotation_without_the_old_key_changes_nothing
}

fn ring(texts: &[&Secret]) -> Keyring {
    let lines: Vec<_> = texts.iter().map(|text| text.expose()).collect();
    Keyring::from_text(&Secret::new(lines.join("\n"))).unwrap()
}

async fn filled(store: &Store, key: &Secret) {
    store.replace_keyring(ring(&[key]));
    // More than one batch.
    for number in 0..120 {
        commit(store, vec![put_hook(&format!("Hook {number}"))]).await.unwrap();
    }
    crate::databases::insert_code(store, &code("c1", at(60))).await;
}

async fn all_readable(store: &Store) {
    assert_eq!(store.load_configuration(&org()).await.unwrap().hooks.len(), 120);
    let found = store.find_authorization_code(&org(), "c1", at(1)).await.unwrap();
    let CodeState::Live(code) = found else { panic!("{found:?}") };
    assert_eq!(code.frozen_tokens, Secret::new("frozen-marked-secret"));
}

async fn everything_moves_to_the_current_key_and_the_old_one_can_go(store: Store) {
    let (old, new) = (Keyring::generate_text(), Keyring::generate_text());
    filled(&store, &old).await;
    store.replace_keyring(ring(&[&new, &old]));
    all_readable(&store).await;
    let mut told = Vec::new();
    // Changes continue in the meantime, under the new key.
    let busy = async {
        for number in 0..20 {
            commit(&store, vec![put_hook(&format!("Late {number}"))]).await.unwrap();
        }
    };
    let (rotated, ()) = tokio::join!(store.rotate_secrets(|progress| told.push(progress)), busy);
    let rotated = rotated.unwrap();
    assert_eq!((rotated.secrets, rotated.contended), (120 * 4 + 1, 0), "each hook has four secrets");
    assert!(told.len() >= 3 && told.iter().all(|progress| progress.rows >= 121), "{told:?}");
    let again = store.rotate_secrets(|_| ()).await.unwrap();
    assert_eq!(again.secrets, 0, "it can be run again");
    store.replace_keyring(ring(&[&new]));
    assert_eq!(store.load_configuration(&org()).await.unwrap().hooks.len(), 140);
    store.replace_keyring(ring(&[&old]));
    let gone = store.load_configuration(&org()).await;
    assert!(matches!(gone, Err(StoreError::KeyMissing { .. })), "nothing is left under the old key");
}

async fn a_rotation_without_the_old_key_changes_nothing(store: Store) {
    let (old, new) = (Keyring::generate_text(), Keyring::generate_text());
    filled(&store, &old).await;
    store.replace_keyring(ring(&[&new]));
    assert!(matches!(store.rotate_secrets(|_| ()).await, Err(StoreError::KeyMissing { .. })));
    store.replace_keyring(ring(&[&old]));
    all_readable(&store).await;
}
