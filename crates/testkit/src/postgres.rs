//! Databases of their own for tests on a PostgreSQL server, and a way to them that can be cut.

use std::io;

use sea_orm::{ConnectionTrait as _, Database, DbErr};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Makes the database `name` on the server of `url` and answers with its URL.
///
/// # Errors
/// When the server cannot be reached or the database exists.
pub async fn create_database(url: &str, name: &str) -> Result<String, DbErr> {
    let server = Database::connect(url).await?;
    server.execute_unprepared(&format!("CREATE DATABASE {name}")).await?;
    server.close().await?;
    let base = url.rsplit_once('/').map_or(url, |(base, _)| base);
    Ok(format!("{base}/{name}"))
}

/// A way to a server that ends, with every connection on it, when it is cut or dropped.
#[derive(Debug)]
pub struct Way(JoinHandle<()>);

impl Way {
    /// A way to the server of `url`, and the URL of the same database by that way.
    ///
    /// # Errors
    /// When `url` has no host and port, or loopback has no free port.
    pub async fn to(url: &str) -> io::Result<(Self, String)> {
        let strange = || io::Error::other("a URL with user, host, port and database is needed");
        let (before, rest) = url.split_once('@').ok_or_else(strange)?;
        let (server, database) = rest.split_once('/').ok_or_else(strange)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let by_way = format!("{before}@{}/{database}", listener.local_addr()?);
        let server = server.to_owned();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let server = server.clone();
                connections.spawn(async move {
                    let mut far = TcpStream::connect(server).await?;
                    tokio::io::copy_bidirectional(&mut near, &mut far).await
                });
            }
        });
        Ok((Self(task), by_way))
    }

    /// Cuts it: nobody listens any more, and no connection is left.
    pub async fn cut(mut self) {
        self.0.abort();
        // Aborted tasks end with an error that says so.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.0.abort();
    }
}
