//! Re-encryption of every stored secret under the current master key, while the store is in use.

use std::collections::BTreeMap;

use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, sea_query::Expr,
};

use crate::{
    Store, StoreError,
    entity::{authorization_code, configuration_object, factor, refresh_token, session_app},
    factors::SECRET,
    grants::{FROZEN_TOKENS, SUCCESSOR},
    keyring::SecretOwner,
    saml_sessions::{SUBJECT, row_of},
    store::{from_text, to_text},
};

/// Rows read at a time.
const BATCH: u64 = 100;
/// Rounds over rows that servers change concurrently; those rows are then encrypted under the server's current key.
const ROUNDS_MAX: usize = 5;

/// The progress of a re-encryption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Number of rows.
    pub rows: u64,
    /// Rows processed so far.
    pub seen: u64,
    /// Secrets that were re-encrypted.
    pub secrets: u64,
    /// Rows that were changed concurrently; they are processed again.
    pub contended: u64,
}

impl Store {
    /// Re-encrypts every secret that is not under the current master key. Each row is updated separately, and only if
    /// it was not changed in the meantime, so this can run while servers run, be interrupted, and be run again: secrets
    /// under the current key are skipped. `progress` is called after each batch.
    ///
    /// # Errors
    /// When the database fails, or a secret is under a key that is not available. Secrets re-encrypted until then stay
    /// so.
    pub async fn rotate_secrets(&self, mut progress: impl FnMut(Rotation)) -> Result<Rotation, StoreError> {
        let reader = &self.connections.reader;
        let objects = configuration_object::Entity::find().count(reader).await?;
        let successors = refresh_token::Entity::find().filter(refresh_token::Column::Successor.is_not_null());
        let apps = session_app::Entity::find().count(reader).await?;
        let factors = factor::Entity::find().filter(factor::Column::Secret.is_not_null()).count(reader).await?;
        let codes = authorization_code::Entity::find().count(reader).await?;
        let rows = objects + apps + factors + codes + successors.count(reader).await?;
        let mut done = Rotation { rows, ..Rotation::default() };
        for _ in 0..ROUNDS_MAX {
            (done.seen, done.contended) = (0, 0);
            self.rotate_objects(&mut done, &mut progress).await?;
            self.rotate_codes(&mut done, &mut progress).await?;
            self.rotate_successors(&mut done, &mut progress).await?;
            self.rotate_session_apps(&mut done, &mut progress).await?;
            self.rotate_factors(&mut done, &mut progress).await?;
            if done.contended == 0 {
                break;
            }
        }
        Ok(done)
    }

    async fn rotate_objects(&self, done: &mut Rotation, progress: &mut impl FnMut(Rotation)) -> Result<(), StoreError> {
        use configuration_object::{Column, Entity};
        let mut after: Option<(String, String)> = None;
        loop {
            let mut rows = Entity::find().order_by_asc(Column::OrgId).order_by_asc(Column::Id).limit(BATCH);
            if let Some((org, id)) = &after {
                let same_org = Condition::all().add(Column::OrgId.eq(org)).add(Column::Id.gt(id));
                rows = rows.filter(Condition::any().add(Column::OrgId.gt(org)).add(same_org));
            }
            let rows = rows.all(&self.connections.reader).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = Some((last.org_id.clone(), last.id.clone()));
            for row in &rows {
                done.seen += 1;
                let mut secrets: BTreeMap<String, String> = from_text("secret", &row.secrets)?;
                let mut changed = 0;
                for (field, stored) in &mut secrets {
                    let owner = SecretOwner { org: &row.org_id, row: &row.id, field };
                    if let Some(renewed) = self.keyring().renew(owner, stored)? {
                        *stored = renewed;
                        changed += 1;
                    }
                }
                if changed == 0 {
                    continue;
                }
                let updated = Entity::update_many()
                    .col_expr(Column::Secrets, Expr::value(to_text("secret", &secrets)?))
                    .filter(Column::OrgId.eq(&row.org_id))
                    .filter(Column::Id.eq(&row.id))
                    .filter(Column::Secrets.eq(&row.secrets))
                    .exec(&self.connections.writer)
                    .await?;
                done.count(updated.rows_affected, changed);
            }
            progress(*done);
        }
    }

    async fn rotate_codes(&self, done: &mut Rotation, progress: &mut impl FnMut(Rotation)) -> Result<(), StoreError> {
        use authorization_code::{Column, Entity};
        let mut after = String::new();
        loop {
            let rows = Entity::find().filter(Column::CodeSha256.gt(&after)).order_by_asc(Column::CodeSha256);
            let rows = rows.limit(BATCH).all(&self.connections.reader).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after.clone_from(&last.code_sha256);
            for row in &rows {
                done.seen += 1;
                let owner = SecretOwner { org: &row.org_id, row: &row.code_sha256, field: FROZEN_TOKENS };
                let Some(renewed) = self.keyring().renew(owner, &row.frozen_tokens)? else { continue };
                let updated = Entity::update_many()
                    .col_expr(Column::FrozenTokens, Expr::value(renewed))
                    .filter(Column::OrgId.eq(&row.org_id))
                    .filter(Column::CodeSha256.eq(&row.code_sha256))
                    .filter(Column::FrozenTokens.eq(&row.frozen_tokens))
                    .exec(&self.connections.writer)
                    .await?;
                // A code that was removed in the meantime needs nothing.
                done.count(updated.rows_affected, 1);
            }
            progress(*done);
        }
    }

    async fn rotate_successors(
        &self,
        done: &mut Rotation,
        progress: &mut impl FnMut(Rotation),
    ) -> Result<(), StoreError> {
        use refresh_token::{Column, Entity};
        let mut after = String::new();
        loop {
            let rows = Entity::find().filter(Column::Successor.is_not_null()).filter(Column::Id.gt(&after));
            let rows = rows.order_by_asc(Column::Id).limit(BATCH).all(&self.connections.reader).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after.clone_from(&last.id);
            for row in &rows {
                done.seen += 1;
                let Some(stored) = &row.successor else { continue };
                let owner = SecretOwner { org: &row.org_id, row: &row.id, field: SUCCESSOR };
                let Some(renewed) = self.keyring().renew(owner, stored)? else { continue };
                let updated = Entity::update_many()
                    .col_expr(Column::Successor, Expr::value(renewed))
                    .filter(Column::OrgId.eq(&row.org_id))
                    .filter(Column::Id.eq(&row.id))
                    .filter(Column::Successor.eq(stored))
                    .exec(&self.connections.writer)
                    .await?;
                done.count(updated.rows_affected, 1);
            }
            progress(*done);
        }
    }

    async fn rotate_factors(&self, done: &mut Rotation, progress: &mut impl FnMut(Rotation)) -> Result<(), StoreError> {
        use factor::{Column, Entity};
        let mut after = (String::new(), String::new());
        loop {
            let (org, id) = &after;
            let same_org = Condition::all().add(Column::OrgId.eq(org)).add(Column::Id.gt(id));
            let rest = Condition::any().add(Column::OrgId.gt(org)).add(same_org);
            let rows = Entity::find().filter(rest).filter(Column::Secret.is_not_null());
            let rows = rows.order_by_asc(Column::OrgId).order_by_asc(Column::Id).limit(BATCH);
            let rows = rows.all(&self.connections.reader).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = (last.org_id.clone(), last.id.clone());
            for row in &rows {
                done.seen += 1;
                let Some(stored) = &row.secret else { continue };
                let owner = SecretOwner { org: &row.org_id, row: &row.id, field: SECRET };
                let Some(renewed) = self.keyring().renew(owner, stored)? else { continue };
                let updated = Entity::update_many()
                    .col_expr(Column::Secret, Expr::value(renewed))
                    .filter(Column::OrgId.eq(&row.org_id))
                    .filter(Column::Id.eq(&row.id))
                    .filter(Column::Secret.eq(stored))
                    .exec(&self.connections.writer)
                    .await?;
                done.count(updated.rows_affected, 1);
            }
            progress(*done);
        }
    }

    async fn rotate_session_apps(
        &self,
        done: &mut Rotation,
        progress: &mut impl FnMut(Rotation),
    ) -> Result<(), StoreError> {
        use session_app::{Column, Entity};
        let mut after = (String::new(), String::new());
        loop {
            let (session, app) = &after;
            let same_session = Condition::all().add(Column::SessionId.eq(session)).add(Column::AppId.gt(app));
            let rest = Condition::any().add(Column::SessionId.gt(session)).add(same_session);
            let rows = Entity::find().filter(rest).order_by_asc(Column::SessionId).order_by_asc(Column::AppId);
            let rows = rows.limit(BATCH).all(&self.connections.reader).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = (last.session_id.clone(), last.app_id.clone());
            for row in &rows {
                done.seen += 1;
                let name = row_of(&row.session_id, &row.app_id);
                let owner = SecretOwner { org: &row.org_id, row: &name, field: SUBJECT };
                let Some(renewed) = self.keyring().renew(owner, &row.subject)? else { continue };
                let updated = Entity::update_many()
                    .col_expr(Column::Subject, Expr::value(renewed))
                    .filter(Column::OrgId.eq(&row.org_id))
                    .filter(Column::SessionId.eq(&row.session_id))
                    .filter(Column::AppId.eq(&row.app_id))
                    .filter(Column::Subject.eq(&row.subject))
                    .exec(&self.connections.writer)
                    .await?;
                done.count(updated.rows_affected, 1);
            }
            progress(*done);
        }
    }
}

impl Rotation {
    fn count(&mut self, rows: u64, secrets: u64) {
        if rows == 0 { self.contended += 1 } else { self.secrets += secrets }
    }
}
