//! The step that gives a database one counter of changes, whatever the number of orgs.

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, prelude::async_trait::async_trait, sea_query::Table};

use crate::{
    migration::index,
    migrator::{Step, big_integer, big_integer_null, string, text_null},
};

/// What was changed, in one order for all orgs, so that a node asks for it with one query.
pub(crate) struct Changes;

#[async_trait]
impl Step for Changes {
    fn name(&self) -> &'static str {
        "m0010_changes"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        let mut counter = Table::create();
        counter.table("change_counter").col(big_integer("id").primary_key()).col(big_integer("number"));
        database.execute(&counter).await?;
        let mut changes = Table::create();
        changes
            .table("changes")
            .col(big_integer("number").primary_key())
            .col(big_integer("mark"))
            .col(string("org_id"))
            .col(big_integer_null("version"))
            .col(text_null("objects"));
        database.execute(&changes).await?;
        database.execute(&index("changes_of_org", "changes", &["org_id", "version"])).await?;
        let begin = "INSERT INTO change_counter (id, number) VALUES (1, 0)";
        database.execute_unprepared(begin).await.map(drop)
    }
}
