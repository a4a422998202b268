//! The step that adds what SAML keeps between two requests of a browser.

use sea_orm::{
    ConnectionTrait as _, DatabaseTransaction, DbErr,
    prelude::async_trait::async_trait,
    sea_query::{Index, Table},
};

use crate::{
    migration::index,
    migrator::{Step, big_integer, string, text},
};

/// Adds the tables.
pub(crate) struct SamlSessions;

#[async_trait]
impl Step for SamlSessions {
    fn name(&self) -> &'static str {
        "m0015_saml_sessions"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        let requests = Table::create()
            .table("saml_requests")
            .col(string("org_id"))
            .col(string("fingerprint"))
            .col(big_integer("expires_us"))
            .primary_key(Index::create().col("org_id").col("fingerprint"))
            .to_owned();
        let apps = Table::create()
            .table("session_apps")
            .col(string("org_id"))
            .col(string("session_id"))
            .col(string("app_id"))
            .col(text("subject"))
            .col(big_integer("expires_us"))
            .primary_key(Index::create().col("org_id").col("session_id").col("app_id"))
            .to_owned();
        let logouts = Table::create()
            .table("saml_logouts")
            .col(string("org_id"))
            .col(string("token_sha256"))
            .col(text("document"))
            .col(big_integer("step"))
            .col(big_integer("expires_us"))
            .primary_key(Index::create().col("org_id").col("token_sha256"))
            .to_owned();
        for table in [requests, apps, logouts] {
            database.execute(&table).await?;
        }
        for (name, table) in [
            ("saml_requests_expiry", "saml_requests"),
            ("session_apps_expiry", "session_apps"),
            ("saml_logouts_expiry", "saml_logouts"),
        ] {
            database.execute(&index(name, table, &["expires_us"])).await?;
        }
        Ok(())
    }
}
