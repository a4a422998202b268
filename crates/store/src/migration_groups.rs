//! The step that adds groups, their members, and the assignments of apps to users and groups.

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbBackend, DbErr, prelude::async_trait::async_trait};

use crate::migrator::Step;

/// Makes the tables.
pub(crate) struct Groups;

/// Rows go with what they belong to: a user, a group, an app. Foreign keys remove them in the same statement, also when a node of
/// the version before, which knows none of these tables, deletes a user or a client.
///
/// The group of every user has a row in no table, so `own_group_id` is null where an app is assigned to that group.
fn statements(text: &str) -> [String; 9] {
    [
        format!(
            "CREATE TABLE user_groups (org_id VARCHAR NOT NULL, id VARCHAR NOT NULL, name_key {text} NOT NULL, \
             name TEXT NOT NULL, description TEXT, created_us BIGINT NOT NULL, updated_us BIGINT NOT NULL, \
             members_changed_us BIGINT NOT NULL, PRIMARY KEY (org_id, id))"
        ),
        "CREATE UNIQUE INDEX user_groups_name ON user_groups (org_id, name_key)".to_owned(),
        "CREATE TABLE group_members (org_id VARCHAR NOT NULL, group_id VARCHAR NOT NULL, user_id VARCHAR NOT NULL, \
         PRIMARY KEY (org_id, group_id, user_id), \
         FOREIGN KEY (org_id, group_id) REFERENCES user_groups (org_id, id) ON DELETE CASCADE, \
         FOREIGN KEY (org_id, user_id) REFERENCES users (org_id, id) ON DELETE CASCADE)"
            .to_owned(),
        "CREATE INDEX group_members_user ON group_members (org_id, user_id, group_id)".to_owned(),
        "CREATE TABLE app_users (org_id VARCHAR NOT NULL, app_id VARCHAR NOT NULL, user_id VARCHAR NOT NULL, \
         document TEXT NOT NULL, PRIMARY KEY (org_id, app_id, user_id), \
         FOREIGN KEY (org_id, app_id) REFERENCES configuration_objects (org_id, id) ON DELETE CASCADE, \
         FOREIGN KEY (org_id, user_id) REFERENCES users (org_id, id) ON DELETE CASCADE)"
            .to_owned(),
        "CREATE INDEX app_users_user ON app_users (org_id, user_id, app_id)".to_owned(),
        "CREATE TABLE app_groups (org_id VARCHAR NOT NULL, app_id VARCHAR NOT NULL, group_id VARCHAR NOT NULL, \
         own_group_id VARCHAR, document TEXT NOT NULL, PRIMARY KEY (org_id, app_id, group_id), \
         FOREIGN KEY (org_id, app_id) REFERENCES configuration_objects (org_id, id) ON DELETE CASCADE, \
         FOREIGN KEY (org_id, own_group_id) REFERENCES user_groups (org_id, id) ON DELETE CASCADE)"
            .to_owned(),
        "CREATE INDEX app_groups_group ON app_groups (org_id, group_id, app_id)".to_owned(),
        // For the foreign key: a group that is deleted takes its rows with it.
        "CREATE INDEX app_groups_own_group ON app_groups (org_id, own_group_id)".to_owned(),
    ]
}

#[async_trait]
impl Step for Groups {
    fn name(&self) -> &'static str {
        "m0014_groups"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        // Keys are compared by bytes, so that keys with the same prefix are a range of the index.
        let text = match database.get_database_backend() {
            DbBackend::Postgres => "VARCHAR COLLATE \"C\"",
            _ => "VARCHAR",
        };
        for statement in statements(text) {
            database.execute_unprepared(&statement).await?;
        }
        Ok(())
    }
}
