//! Copies of an embedded database.

use std::{fs, path::Path};

use tenterhook_store::{Store, StoreError, back_up_embedded};

use crate::{
    database_file::{add, at, keyring},
    databases::{first_users, open, org},
};

/// How many users the database at `path` has.
async fn users(path: &Path) -> usize {
    let store = Store::open(&at(path), keyring()).await.unwrap();
    store.list_users(&org(), &first_users(100)).await.unwrap().users.len()
}

#[tokio::test]
async fn a_copy_is_whole_while_the_server_goes_on_changing_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("db.sqlite"), folder.path().join("copy.sqlite"));
    let store = open(&at(&path)).await;
    add(&store).await.unwrap();
    assert!(
        fs::metadata(folder.path().join("db.sqlite-wal")).unwrap().len() > 0,
        "the last change is not in the file yet"
    );
    let bytes = back_up_embedded(&path, &copy).await.unwrap();
    add(&store).await.unwrap();
    assert_eq!(bytes, fs::metadata(&copy).unwrap().len());
    assert_eq!((users(&copy).await, store.list_users(&org(), &first_users(100)).await.unwrap().users.len()), (1, 2));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(
            fs::metadata(&copy).unwrap().permissions().mode() & 0o777,
            0o600,
            "it has secrets, if encrypted ones"
        );
    }
}

#[tokio::test]
async fn a_file_that_is_there_stays_and_a_copy_that_fails_leaves_none() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("db.sqlite"), folder.path().join("copy.sqlite"));
    let refused = back_up_embedded(&path, &copy).await.unwrap_err();
    assert!(matches!(refused, StoreError::Database(_)), "{refused:?}");
    assert!(!path.exists() && fs::read_dir(folder.path()).unwrap().count() == 0, "no database, and none was made");
    drop(open(&at(&path)).await);
    fs::write(&copy, "precious").unwrap();
    assert!(back_up_embedded(&path, &copy).await.unwrap_err().to_string().contains("exists already"));
    assert_eq!(fs::read_to_string(&copy).unwrap(), "precious");
    fs::remove_file(&copy).unwrap();
    // Two at a time: one copy is made, whole, and nothing else.
    let names = || {
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("copy")).collect::<Vec<_>>()
    };
    let (one, other) = tokio::join!(back_up_embedded(&path, &copy), back_up_embedded(&path, &copy));
    let copied = [one, other].into_iter().flatten().collect::<Vec<_>>();
    assert_eq!(copied, [fs::metadata(&copy).unwrap().len()], "the other finds the file of the first");
    assert_eq!(names(), ["copy.sqlite"], "no unfinished copy is left");
}
