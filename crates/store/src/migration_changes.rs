//! The step that gives a database one counter of changes, whatever the number of orgs.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null, string, text_null},
};

use crate::migration::index;

/// What was changed, in one order for all orgs, so that a node asks for it with one query.
pub(crate) struct Changes;

impl MigrationName for Changes {
    fn name(&self) -> &'static str {
        "m0010_changes"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Changes {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut counter = Table::create();
        counter.table("change_counter").col(big_integer("id").primary_key()).col(big_integer("number"));
        manager.create_table(counter).await?;
        let mut changes = Table::create();
        changes
            .table("changes")
            .col(big_integer("number").primary_key())
            .col(big_integer("mark"))
            .col(string("org_id"))
            .col(big_integer_null("version"))
            .col(text_null("objects"));
        manager.create_table(changes).await?;
        manager.create_index(index("changes_of_org", "changes", &["org_id", "version"])).await?;
        let begin = "INSERT INTO change_counter (id, number) VALUES (1, 0)";
        manager.get_connection().execute_unprepared(begin).await.map(drop)
    }
}
