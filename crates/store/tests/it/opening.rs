//! Opening a database that is not available.

use sea_orm::ConnectionTrait as _;
use tenterhook_contract::Secret;
use tenterhook_store::{Keyring, Store, StoreConfig, StoreError};
use tokio::{net::TcpListener, time::Instant};

use crate::databases;

/// Fails to open it; returns the error and the seconds until then.
async fn refusal(url: &str) -> (String, u64) {
    let began = Instant::now();
    let config = StoreConfig::Postgres { url: Secret::new(url), max_connections: 2 };
    let keyring = Keyring::from_text(&Keyring::generate_text()).unwrap();
    let said = Store::open(&config, keyring).await.unwrap_err().to_string();
    (said, began.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn a_postgres_that_is_down_is_given_up_soon_and_the_cause_is_said() {
    // A port that was free a moment ago, where no process listens.
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

/// The error for a tool that runs while servers run; empty if it is allowed.
async fn tool_is_told(config: &StoreConfig) -> String {
    let keyring = Keyring::from_text(&Keyring::generate_text()).unwrap();
    match Store::open_beside_servers(config, keyring).await {
        Ok(_) => String::new(),
        Err(StoreError::NotMigrated(why)) => {
            assert!(why.ends_with(&format!("({})", config.place())), "it says where: {why}");
            why
        }
        Err(other) => panic!("{other}"),
    }
}

/// A tool of a newer version would change the database under older servers.
#[tokio::test]
async fn a_tool_migrates_nothing_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    a_tool_migrates_nothing(&StoreConfig::Sqlite { path: folder.path().join("store.sqlite") }).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_tool_migrates_nothing_on_postgres() {
    a_tool_migrates_nothing(&databases::postgres().await).await;
}

async fn a_tool_migrates_nothing(config: &StoreConfig) {
    assert!(tool_is_told(config).await.starts_with("The database is empty"));
    if let StoreConfig::Sqlite { path } = config {
        assert!(!path.exists(), "nor is a file made");
    }
    databases::open(config).await;
    assert_eq!(tool_is_told(config).await, "");
    let connection = match config {
        StoreConfig::Sqlite { path } => sea_orm::Database::connect(format!("sqlite://{}", path.display())).await,
        config => Ok(databases::connect(config).await),
    };
    let connection = connection.unwrap();
    for (statement, told) in [
        ("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 0)", "Servers of a newer version"),
        ("DELETE FROM seaql_migrations WHERE version = 'm9999_later'", ""),
        ("DELETE FROM seaql_migrations WHERE version > 'm0001_foundation'", "The servers have not migrated"),
    ] {
        connection.execute_unprepared(statement).await.unwrap();
        let said = tool_is_told(config).await;
        assert!(said.starts_with(told) && said.is_empty() == told.is_empty(), "{statement}: {said}");
        if statement.contains("m9999_later") && !told.is_empty() {
            let keyring = Keyring::from_text(&Keyring::generate_text()).unwrap();
            let refused = Store::open(config, keyring).await.unwrap_err().to_string();
            assert!(refused.starts_with("A newer version has migrated the database: start that version"), "{refused}");
            assert!(refused.ends_with(&format!("({})", config.place())), "it says where: {refused}");
        }
    }
    connection.close().await.unwrap();
}

/// A role may have fewer connections than the nodes want; a pool alone would only report a timeout.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_server_without_a_connection_left_is_said_to_have_none() {
    const LIMIT: usize = 3;
    let StoreConfig::Postgres { url, max_connections } = databases::postgres().await else {
        panic!("it is PostgreSQL")
    };
    let role = format!("few_{}_{}", std::process::id(), databases::number());
    let make = format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT {LIMIT}; GRANT ALL ON SCHEMA public TO {role}");
    tenterhook_testkit::postgres::execute(url.expose(), &make).await.unwrap();
    let url = format!("postgres://{role}@{}", url.expose().split_once('@').unwrap().1);
    let store = databases::open(&StoreConfig::Postgres { url: Secret::new(url.as_str()), max_connections }).await;
    let mut taken = Vec::new();
    while taken.len() < LIMIT
        && let Ok(connection) = sea_orm::Database::connect(&url).await
    {
        assert_eq!(taken.is_empty().then_some(store.exhausted().await).flatten(), None, "there are some left");
        taken.push(connection);
    }
    let said = store.exhausted().await.unwrap();
    assert!(said.contains("53300") && said.contains("store.connections_max"), "{said}");
}

/// A proxy without a server behind it accepts connections and closes them, before or after the request for TLS.
#[tokio::test(start_paused = true)]
async fn a_proxy_that_ends_connections_half_way_is_tried_for_as_long_as_a_server_that_starts() {
    for reads in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                if reads {
                    let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 64]).await;
                }
            }
        });
        for query in ["", "?sslmode=require", "?sslmode=disable"] {
            let (said, seconds) = refusal(&format!("postgres://u:marked-secret@127.0.0.1:{port}/x{query}")).await;
            assert!(
                said.contains("cannot connect to PostgreSQL") && said.contains("tried for 10 s"),
                "{query}: {said}"
            );
            assert!(!said.contains("marked-secret"), "{said}");
            assert!((1..=11).contains(&seconds), "{query}: {seconds} s");
        }
    }
}

/// Secrets in it are encrypted, but logins and the System Log must not be readable by others either.
#[cfg(unix)]
#[tokio::test]
async fn an_embedded_database_and_its_folder_are_made_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data").join("db.sqlite");
    let store = databases::open(&StoreConfig::Sqlite { path: path.clone() }).await;
    store.log_writer().flush().await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for name in ["db.sqlite", "db.sqlite-wal", "db.sqlite-shm"] {
        assert_eq!(mode(&path.with_file_name(name)), 0o600, "{name}");
    }
    assert_eq!(mode(path.parent().unwrap()), 0o700);
}
