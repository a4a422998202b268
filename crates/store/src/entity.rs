//! The tables. Times are microseconds, ids and documents are texts; every row carries its org.

/// Tenants.
pub(crate) mod org {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "orgs")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        pub(crate) host: Option<String>,
        pub(crate) name: String,
        pub(crate) created_us: i64,
        pub(crate) configuration_version: i64,
        /// Drawn for each version.
        pub(crate) configuration_mark: i64,
        /// `ACTIVE` or `SUSPENDED`.
        pub(crate) status: String,
        /// A JSON object of the limits that are not the server's.
        #[sea_orm(column_type = "Text", nullable)]
        pub(crate) limits: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Management API tokens.
pub(crate) mod api_token {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "api_tokens")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) org_id: String,
        /// The hash; for a token of another role than an administrator's with the role before it (`api_tokens.rs`).
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) token_sha256: String,
        pub(crate) id: String,
        pub(crate) name: String,
        pub(crate) created_us: i64,
        /// When it was last used, to the minute.
        pub(crate) last_used_us: Option<i64>,
        /// When it ceases to be valid.
        pub(crate) expires_us: Option<i64>,
        /// The name of its role.
        pub(crate) role: String,
        /// The types of a host's extension points, a JSON array.
        pub(crate) extension_points: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Tokens of the operator.
pub(crate) mod operator_token {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "operator_tokens")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) token_sha256: String,
        pub(crate) id: String,
        pub(crate) name: String,
        pub(crate) created_us: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Everything that the configuration snapshot holds.
pub(crate) mod configuration_object {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "configuration_objects")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        pub(crate) kind: String,
        /// Order of creation.
        pub(crate) position: i64,
        #[sea_orm(column_type = "Text")]
        pub(crate) document: String,
        /// JSON object of secret names to ciphertexts.
        #[sea_orm(column_type = "Text")]
        pub(crate) secrets: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// One row: the number of the last change. Whoever counts it further holds it until the commit, so that changes become
/// visible in the order of their numbers.
pub(crate) mod change_counter {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "change_counter")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: i64,
        pub(crate) number: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The last changes of orgs and their configurations.
pub(crate) mod change {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "changes")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) number: i64,
        /// Drawn anew with each change; that of the configuration's version, where it has one.
        pub(crate) mark: i64,
        pub(crate) org_id: String,
        /// The number of the configuration's version; none when only the org's own row changed.
        pub(crate) version: Option<i64>,
        /// JSON array of the ids that were written and deleted; none when there were too many.
        #[sea_orm(column_type = "Text", nullable)]
        pub(crate) objects: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Users.
pub(crate) mod user {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "users")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        /// The login in lower case.
        pub(crate) login_key: String,
        #[sea_orm(column_type = "Text")]
        pub(crate) document: String,
        pub(crate) password_hash: Option<String>,
        /// Counts the changes.
        pub(crate) version: i64,
        /// The beginnings of attributes in lower case; null when an older version wrote the row.
        pub(crate) email_key: Option<String>,
        pub(crate) first_name_key: Option<String>,
        pub(crate) last_name_key: Option<String>,
        /// Null also when the user has none.
        pub(crate) external_id_key: Option<String>,
        /// Of the document, to search by; null when an older version wrote the row.
        pub(crate) status: Option<String>,
        pub(crate) created_us: Option<i64>,
        /// Null also when the user was never activated.
        pub(crate) activated_us: Option<i64>,
        /// Null also when the status is the first one.
        pub(crate) status_changed_us: Option<i64>,
        pub(crate) last_updated_us: Option<i64>,
        /// The version of the row that keys, status and times are of. An older version leaves it behind.
        pub(crate) keyed_version: i64,
        /// Counts new passwords and endings of access.
        pub(crate) proofs_ended: i64,
        /// Wrong passwords in a row.
        pub(crate) wrong_passwords: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Groups of users. The group of every user has no row.
pub(crate) mod user_group {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "user_groups")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        /// The name in lower case.
        pub(crate) name_key: String,
        #[sea_orm(column_type = "Text")]
        pub(crate) name: String,
        #[sea_orm(column_type = "Text", nullable)]
        pub(crate) description: Option<String>,
        pub(crate) created_us: i64,
        /// When the profile was last changed.
        pub(crate) updated_us: i64,
        pub(crate) members_changed_us: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Members of groups.
pub(crate) mod group_member {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "group_members")]
    #[expect(clippy::struct_field_names, reason = "the names of columns")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) group_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) user_id: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Users to whom apps are assigned.
pub(crate) mod app_user {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "app_users")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) app_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) user_id: String,
        #[sea_orm(column_type = "Text")]
        pub(crate) document: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Groups to whose members apps are assigned.
pub(crate) mod app_group {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "app_groups")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) app_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) group_id: String,
        /// The same id, unless it is the group of every user, which has no row.
        pub(crate) own_group_id: Option<String>,
        #[sea_orm(column_type = "Text")]
        pub(crate) document: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Sessions.
pub(crate) mod session {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sessions")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        pub(crate) cookie_sha256: String,
        #[sea_orm(column_type = "Text")]
        pub(crate) document: String,
        pub(crate) expires_us: i64,
        /// The cookie of the session that this one has replaced, SHA-256 in hexadecimal.
        pub(crate) replaced_sha256: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Authorization codes.
pub(crate) mod authorization_code {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "authorization_codes")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) code_sha256: String,
        #[sea_orm(column_type = "Text")]
        pub(crate) document: String,
        /// Ciphertext of the frozen tokens.
        #[sea_orm(column_type = "Text")]
        pub(crate) frozen_tokens: String,
        pub(crate) consumed: bool,
        pub(crate) expires_us: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Refresh tokens.
pub(crate) mod refresh_token {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "refresh_tokens")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        pub(crate) token_sha256: String,
        pub(crate) family_id: String,
        pub(crate) code_sha256: Option<String>,
        /// `live`, `used` or `revoked`.
        pub(crate) state: String,
        #[sea_orm(column_type = "Text")]
        pub(crate) document: String,
        pub(crate) expires_us: i64,
        /// When it was rotated.
        pub(crate) used_us: Option<i64>,
        /// The id of its successor.
        pub(crate) successor_id: Option<String>,
        /// The encrypted text of its successor.
        #[sea_orm(column_type = "Text", nullable)]
        pub(crate) successor: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Access tokens that were issued to clients of users, and revoked ones.
pub(crate) mod access_token {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "access_tokens")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) jti: String,
        pub(crate) code_sha256: Option<String>,
        pub(crate) revoked: bool,
        pub(crate) expires_us: i64,
        /// Null when only its revocation is known, and in rows of older versions.
        pub(crate) user_id: Option<String>,
        /// The type of the factor that was verified at the sign-in.
        pub(crate) factor: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The System Log in the form of earlier versions.
pub(crate) mod log_event {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "log_events")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) sequence: i64,
        pub(crate) org_id: String,
        pub(crate) published_us: i64,
        #[sea_orm(column_type = "Text")]
        pub(crate) document: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The System Log: what is needed of it to remove rows.
pub(crate) mod log_entry {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "log_entries")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) sequence: i64,
        pub(crate) org: i64,
        pub(crate) published_us: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Texts of the System Log.
pub(crate) mod log_name {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "log_names")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) number: i64,
        /// The org's number; 0 for orgs themselves.
        pub(crate) org: i64,
        pub(crate) epoch: i64,
        #[sea_orm(column_type = "Text")]
        pub(crate) text: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Marks in the System Log, by the beginning of the stretch.
pub(crate) mod log_mark {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "log_marks")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) stretch_us: i64,
        pub(crate) sequence: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// SAML requests that were answered with an assertion.
pub(crate) mod saml_request {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "saml_requests")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) fingerprint: String,
        pub(crate) expires_us: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Service providers of sessions.
pub(crate) mod session_app {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "session_apps")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) session_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) app_id: String,
        /// Encrypted.
        #[sea_orm(column_type = "Text")]
        pub(crate) subject: String,
        pub(crate) expires_us: i64,
        /// Null when a hook has set the index, and in rows of older versions.
        pub(crate) index_sha256: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Links that work once.
pub(crate) mod single_use_link {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "single_use_links")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) token_sha256: String,
        pub(crate) purpose: String,
        pub(crate) user_id: String,
        pub(crate) expires_us: i64,
        /// The version of the user that was stored with it; none for a link that a node of a build before has added.
        pub(crate) user_version: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Tokens of primary authentication.
pub(crate) mod authn_token {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "authn_tokens")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) token_sha256: String,
        pub(crate) purpose: String,
        pub(crate) user_id: String,
        #[sea_orm(column_type = "Text", nullable)]
        pub(crate) relay_state: Option<String>,
        pub(crate) expires_us: i64,
        pub(crate) factor_type: Option<String>,
        pub(crate) factor_us: Option<i64>,
        pub(crate) challenged: Option<String>,
        pub(crate) proofs_ended: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Factors of users.
pub(crate) mod factor {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "factors")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        pub(crate) user_id: String,
        pub(crate) factor_type: String,
        pub(crate) status: String,
        /// Of a phone, in E.164 form.
        pub(crate) phone_number: Option<String>,
        pub(crate) phone_extension: Option<String>,
        /// Of an authenticator app, encrypted.
        pub(crate) secret: Option<String>,
        pub(crate) created_us: i64,
        pub(crate) last_updated_us: i64,
        /// When a code was last sent to the phone.
        pub(crate) sent_us: Option<i64>,
        /// The last time step of which a code was accepted (RFC 6238 section 5.2).
        pub(crate) last_step: Option<i64>,
        /// Attempts since the last one that was right.
        pub(crate) attempts: i64,
        pub(crate) attempted_us: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Passcodes that were sent to phones of factors.
pub(crate) mod factor_code {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "factor_codes")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) factor_id: String,
        /// What it is for, and whether it is still being sent.
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) purpose: String,
        /// Of the digits, keyed.
        pub(crate) hash: String,
        pub(crate) expires_us: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Logouts in progress.
pub(crate) mod saml_logout {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "saml_logouts")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) token_sha256: String,
        #[sea_orm(column_type = "Text")]
        pub(crate) document: String,
        pub(crate) step: i64,
        pub(crate) expires_us: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
