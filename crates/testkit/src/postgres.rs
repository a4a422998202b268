//! Databases of their own for tests on a PostgreSQL server.

use sea_orm::{ConnectionTrait as _, Database, DbErr};

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
