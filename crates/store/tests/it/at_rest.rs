//! What is on the disk: no secret, and everything that was acknowledged.

use std::{fs, path::Path};

use tenterhook_contract::Secret;
use tenterhook_model::{ConfigurationObject, ConfigurationWrite, SigningAlgorithm, SigningKey, Status};
use tenterhook_store::{Keyring, Store, StoreConfig, StoreError};

use crate::{
    configuration::{hook, put_hook, secret_header},
    databases::{at, code, open, org},
};

fn config(folder: &Path) -> StoreConfig {
    StoreConfig::Sqlite { path: folder.join("store.sqlite") }
}

#[tokio::test]
async fn secrets_are_not_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&config(folder.path())).await;
    let key = SigningKey {
        kid: "kid".into(),
        authorization_server_id: tenterhook_contract::id::AuthorizationServerId::from_parts(1, [0; 8]),
        algorithm: SigningAlgorithm::RS256,
        private_key_pem: Secret::new("private-marked-secret"),
        public_jwk: serde_json::Map::new(),
        status: Status::Active,
        created: at(0),
    };
    let writes = [
        ConfigurationObject::Hook(Box::new(hook("named-in-clear", secret_header("header-marked-secret")))),
        ConfigurationObject::SigningKey(key),
    ];
    let version = store.configuration_version(&org()).await.unwrap();
    let writes = writes.into_iter().map(ConfigurationWrite::put).collect();
    store.commit_configuration(&org(), version, writes).await.unwrap();
    crate::databases::insert_code(&store, &code("c", at(60))).await;
    let mut bytes = Vec::new();
    for file in fs::read_dir(folder.path()).unwrap() {
        bytes.extend(fs::read(file.unwrap().path()).unwrap());
    }
    let there = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(there("named-in-clear"), "the files were read");
    for secret in ["header-marked-secret", "private-marked-secret", "frozen-marked-secret"] {
        assert!(!there(secret), "{secret}");
    }
}

#[tokio::test]
async fn another_key_reads_no_secret_and_the_right_one_reads_all_again() {
    let folder = tempfile::tempdir().unwrap();
    let key = Keyring::generate_text();
    let with = |text: &Secret| {
        let (config, keyring) = (config(folder.path()), Keyring::from_text(text).unwrap());
        async move { Store::open(&config, keyring).await.unwrap() }
    };
    let store = with(&key).await;
    let org_row = tenterhook_model::Org::new(org(), None, "Org", at(0));
    store.insert_org(&org_row).await.unwrap();
    let kept = hook("kept", secret_header("value"));
    let writes = vec![ConfigurationWrite::put(ConfigurationObject::Hook(Box::new(kept.clone()))), put_hook("second")];
    let version = store.configuration_version(&org()).await.unwrap();
    store.commit_configuration(&org(), version, writes).await.unwrap();
    drop(store);
    let other = with(&Keyring::generate_text()).await.load_configuration(&org()).await;
    assert!(matches!(other, Err(StoreError::KeyMissing { .. })), "{other:?}");
    let again = with(&key).await;
    assert_eq!(again.load_configuration(&org()).await.unwrap().hooks.iter().next(), Some(&kept));
    drop(again);
    let rotated = Secret::new(format!("{}\n{}", Keyring::generate_text().expose(), key.expose()));
    assert_eq!(with(&rotated).await.load_configuration(&org()).await.unwrap().hooks.iter().next(), Some(&kept));
}

#[test]
fn database_urls_are_read_and_never_printed() {
    let read = |text: &str| text.parse::<StoreConfig>();
    assert_eq!(read("sqlite:///var/x.sqlite").unwrap(), StoreConfig::Sqlite { path: "/var/x.sqlite".into() });
    assert_eq!(read("sqlite::memory:").unwrap(), StoreConfig::Ephemeral);
    assert!(!format!("{:?}", read("postgres://u:marked@h/d").unwrap()).contains("marked"));
    for bad in ["", "sqlite://", "mysql://x", "/var/x.sqlite"] {
        assert!(read(bad).is_err(), "{bad}");
    }
}
