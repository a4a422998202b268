//! The file of an embedded database: one server at a time uses it, and it stays in its place while it is open.

use std::{fs, path::Path, time::Duration};

use tenterhook_store::{Keyring, NotReady, Store, StoreConfig, StoreError};
use tokio::time::timeout;

use crate::databases::{first_users, number, open, org, user};

/// Far longer than anything here may take, so that a test that hangs fails.
const BOUND: Duration = Duration::from_mins(1);

pub(crate) fn keyring() -> Keyring {
    Keyring::from_text(&Keyring::generate_text()).unwrap()
}

pub(crate) fn at(path: &Path) -> StoreConfig {
    StoreConfig::Sqlite { path: path.to_owned() }
}

/// Waits until the result of the check changes.
pub(crate) async fn becomes(store: &Store, wanted: Result<(), NotReady>) {
    let waiting = async {
        while store.ready().await != wanted {
            tokio::task::yield_now().await;
        }
    };
    timeout(BOUND, waiting).await.unwrap();
}

pub(crate) async fn add(store: &Store) -> Result<(), StoreError> {
    store.insert_user(&user(&format!("user{}@example.com", number()))).await
}

#[tokio::test]
async fn a_second_server_on_the_same_file_is_refused_and_tools_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db.sqlite");
    let first = open(&at(&path)).await;
    let linked = folder.path().join("linked.sqlite");
    std::os::unix::fs::symlink(&path, &linked).unwrap();
    for name in [&path, &linked] {
        let refused = Store::open(&at(name), keyring()).await.unwrap_err();
        assert!(matches!(refused, StoreError::InUse { .. }), "{refused:?}");
        let said = refused.to_string();
        assert!(said.contains(&format!("uses the database `{}`: stop it first", path.display())), "{said}");
    }
    let tool = Store::open_beside_servers(&at(&path), keyring()).await.unwrap();
    add(&tool).await.unwrap();
    assert_eq!(first.list_users(&org(), &first_users(10)).await.unwrap().users.len(), 1);
    drop(first);
    Store::open(&at(&path), keyring()).await.unwrap();
}

/// SQLite keeps its companion files next to the target of the link.
#[tokio::test]
async fn a_database_is_in_its_place_behind_a_symbolic_link_until_that_leads_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (path, linked) = (folder.path().join("data").join("db.sqlite"), folder.path().join("linked.sqlite"));
    drop(open(&at(&path)).await);
    let link = |to: &Path| {
        let _ = fs::remove_file(&linked);
        std::os::unix::fs::symlink(to, &linked).unwrap();
    };
    link(&path);
    let store = Store::open(&at(&linked), keyring()).await.unwrap();
    add(&store).await.unwrap();
    becomes(&store, Ok(())).await;
    let other = folder.path().join("other.sqlite");
    fs::copy(&path, &other).unwrap();
    link(&other);
    assert!(matches!(add(&store).await, Err(StoreError::Unavailable(_))));
    becomes(&store, Err(NotReady::File)).await;
    link(&path);
    becomes(&store, Ok(())).await;
}

/// What is written to a file that was deleted is lost when the process ends.
#[tokio::test]
async fn a_database_file_that_is_deleted_or_replaced_takes_no_changes_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let (path, away) = (folder.path().join("db.sqlite"), folder.path().join("away.sqlite"));
    let store = open(&at(&path)).await;
    add(&store).await.unwrap();
    becomes(&store, Ok(())).await;
    for replaced in [false, true] {
        fs::rename(&path, &away).unwrap();
        if replaced {
            fs::copy(&away, &path).unwrap();
        }
        let refused = add(&store).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
        assert!(refused.to_string().contains("it was deleted or replaced"), "{refused}");
        becomes(&store, Err(NotReady::File)).await;
        fs::rename(&away, &path).unwrap();
        add(&store).await.unwrap();
        becomes(&store, Ok(())).await;
    }
    assert_eq!(store.list_users(&org(), &first_users(10)).await.unwrap().users.len(), 3);
}

/// The write-ahead log holds changes that are not in the file yet; without the lock file another server could start.
#[tokio::test]
async fn a_file_beside_the_database_that_is_deleted_or_replaced_is_noticed_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db.sqlite");
    let store = open(&at(&path)).await;
    for (name, takes_changes) in [("db.sqlite-wal", false), ("db.sqlite-lock", true)] {
        let (path, away) = (path.with_file_name(name), path.with_file_name("away"));
        for replaced in [false, true] {
            fs::rename(&path, &away).unwrap();
            if replaced {
                fs::copy(&away, &path).unwrap();
            }
            let added = add(&store).await;
            assert_eq!(added.is_ok(), takes_changes, "{name}: {added:?}");
            if let Err(refused) = added {
                assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
                assert!(refused.to_string().contains("`-wal` file beside the database"), "{refused}");
            }
            becomes(&store, Err(NotReady::File)).await;
            fs::rename(&away, &path).unwrap();
            add(&store).await.unwrap();
            becomes(&store, Ok(())).await;
        }
    }
}
