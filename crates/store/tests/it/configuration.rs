//! Configuration objects: read in one version, changed all or not at all, by exactly one of several racing changes.

use sea_orm::ConnectionTrait as _;
use tenterhook_contract::{
    OperationKind, Secret,
    binding::HookBinding,
    condition::Condition,
    declared::{AllowedOperation, Decisions, Declaration, DeclaredRetry, OnFailure, OnRefusal},
    hook::{
        Channel, ChannelAuthentication, ChannelHeader, ClientCertificate, ClientCredential, HookStatus, HookTls,
        InlineHook, SigningScheme, SigningSecret,
    },
    id::{
        AppId, AuthorizationServerId, ClaimId, ClientId, ExtensionPointId, GroupId, HookId, OrgId, PolicyId, RuleId,
        ScopeId, SmsTemplateId, UserId,
    },
};
use tenterhook_model::{
    AccessPolicy, AcsEndpoint, AppHide, AppKey, AppTold, ApplicationType, AttributeSource, AttributeStatement,
    AuthorizationServer, ClaimDefinition, ClaimSource, ClaimTarget, ClientAuthenticationMethod, Configuration,
    ConfigurationObject, ConfigurationRecord, ConfigurationVersion, ConfigurationWrite, ContentCipher, Encryption,
    EnrollmentAccess, EnrollmentHook, EnrollmentPolicy, EnrollmentRule, ExtensionPoint, FormAttribute, GroupFilter,
    GroupFilterKind, HookRunsFor, KeyRotation, NameIdFormat, OAuthClient, Objects, Org, PolicyRule, RefreshRotation,
    RotationKind, RuleHooks, RulePeople, SamlApp, Scope, SigningAlgorithm, SigningKey, SingleLogout, SmsTemplate,
    SmsTemplateKind, Status, Template, UnknownUserAction, UserNameTemplate,
};
use tenterhook_store::{Changes, CommitError, Store};

use crate::databases::{self, Random, at, number, on_every_database, org, other_org};

on_every_database! {
    every_kind_of_object_comes_back_as_it_was
    objects_keep_the_order_of_their_creation
    one_of_two_who_race_wins_and_nothing_of_the_other_is_there
    a_deleted_object_is_gone
    what_is_read_since_a_version_is_what_is_read_anew_and_nothing_else_is_read
    a_follower_of_the_counter_misses_no_change
    orgs_do_not_see_each_other
}

pub(crate) fn hook(name: &str, authentication: ChannelAuthentication) -> InlineHook {
    InlineHook {
        id: HookId::from_parts(number(), [0; 8]),
        status: HookStatus::Active,
        name: name.into(),
        hook_type: tenterhook_contract::BuiltInType::Token.name().clone(),
        version: "1.0.1".into(),
        channel: Channel {
            uri: "https://service.example/hook?x=1".into(),
            headers: vec![ChannelHeader { key: "X-Tenant".into(), value: "north".into() }],
            authentication,
        },
        policy: tenterhook_contract::hook::HookPolicy::default(),
        signing: vec![
            SigningSecret::new(SigningScheme::Ed25519 { public_key: [3; 32] }, [4; 32], at(0)),
            SigningSecret::new(SigningScheme::Hmac, [5; 32], at(0)),
        ],
        tls: HookTls {
            ca_certificates: Some("ca".into()),
            client: Some(ClientCertificate { certificates: "certificate".into(), key: Secret::new("key") }),
        },
        created: at(0),
        last_updated: at(1),
    }
}

pub(crate) fn secret_header(value: &str) -> ChannelAuthentication {
    ChannelAuthentication::Header { key: "Authorization".into(), value: Secret::new(value) }
}

pub(crate) fn put_hook(name: &str) -> ConfigurationWrite {
    ConfigurationWrite::put(ConfigurationObject::Hook(Box::new(hook(name, secret_header("value")))))
}

pub(crate) async fn commit(
    store: &Store,
    writes: Vec<ConfigurationWrite>,
) -> Result<ConfigurationVersion, CommitError> {
    let version = store.configuration_version(&org()).await.unwrap();
    store.commit_configuration(&org(), version, writes).await
}

/// An extension point with every member.
fn extension_point() -> ExtensionPoint {
    let declaration = Declaration {
        name: "com.example.order.checkout".parse().unwrap(),
        title: "Order checkout".into(),
        description: Some("Before an order is placed".into()),
        version: "1.0".into(),
        context_schema: serde_json::json!({ "type": "object", "properties": { "country": { "minLength": 2 } } }),
        subject_schema: serde_json::json!(true),
        operations: vec![AllowedOperation { op: OperationKind::Replace, path: "/lines/*/price".into() }],
        decisions: Some(Decisions { names: vec!["ALLOW".into(), "DENY".into()], default: "ALLOW".into() }),
        sensitive: vec!["/context/card/number".into()],
        masked: vec!["/subject/email".into()],
        on_failure: OnFailure::Stop,
        on_refusal: OnRefusal::Continue,
        retry: DeclaredRetry::Once,
        timeout_ms: 800,
        samples: vec![serde_json::json!({ "context": { "country": "SE" }, "subject": { "total": 12.5 } })],
    };
    let condition = serde_json::json!({ "pointer": "/context/country", "is": "in", "value": ["SE"] });
    let condition = Condition::parse(&condition);
    ExtensionPoint {
        id: ExtensionPointId::from_parts(number(), [0; 8]),
        name: declaration.name.clone(),
        declaration: Some(declaration),
        bindings: vec![
            HookBinding::always(HookId::from_parts(number(), [2; 8])),
            HookBinding { hook: HookId::from_parts(number(), [3; 8]), when: Some(condition.unwrap()), enabled: false },
        ],
        created: at(0),
        last_updated: at(1),
    }
}

fn list<T: ConfigurationRecord + Clone>(objects: &Objects<T>) -> Vec<T> {
    objects.iter().cloned().collect()
}

async fn names(store: &Store) -> Vec<String> {
    store.load_configuration(&org()).await.unwrap().hooks.iter().map(|hook| hook.name.clone()).collect()
}

#[expect(clippy::too_many_lines, reason = "one object of every kind, written out")]
async fn every_kind_of_object_comes_back_as_it_was(store: Store) {
    let server_id = AuthorizationServerId::from_parts(number(), [0; 8]);
    let client_id = ClientId::from_parts(number(), [0; 8]);
    let server = AuthorizationServer {
        id: server_id.clone(),
        name: "default".into(),
        description: "d".into(),
        audiences: vec!["api://default".into()],
        is_default: true,
        status: Status::Active,
        key_rotation: KeyRotation::Manual,
        created: at(0),
        last_updated: at(0),
    };
    let key = SigningKey {
        kid: "kid-1".into(),
        authorization_server_id: server_id.clone(),
        algorithm: SigningAlgorithm::ES256,
        private_key_pem: Secret::new("-----BEGIN PRIVATE KEY-----"),
        public_jwk: serde_json::Map::from_iter([("kid".to_owned(), "kid-1".into())]),
        status: Status::Active,
        created: at(0),
    };
    let scope = Scope {
        id: ScopeId::from_parts(number(), [0; 8]),
        authorization_server_id: server_id.clone(),
        name: "openid".into(),
        description: String::new(),
        display_name: Some("Sign in".into()),
        default: true,
        optional: true,
        system: true,
        published: true,
    };
    let claim = ClaimDefinition {
        id: ClaimId::from_parts(number(), [0; 8]),
        authorization_server_id: server_id.clone(),
        name: "tier".into(),
        target: ClaimTarget::Identity,
        source: ClaimSource::Groups(GroupFilter::new(GroupFilterKind::Regex, "eng.*").unwrap()),
        always_include_in_token: false,
        scopes: vec!["openid".into()],
        status: Status::Inactive,
    };
    let policy = AccessPolicy {
        id: PolicyId::from_parts(number(), [0; 8]),
        authorization_server_id: server_id.clone(),
        name: "p".into(),
        description: String::new(),
        priority: 1,
        clients: vec![client_id.clone()],
        status: Status::Active,
        created: at(0),
        last_updated: at(0),
    };
    let hook_with_secret = hook("With secret", secret_header("secret value"));
    let oauth = hook(
        "OAuth",
        ChannelAuthentication::OAuth {
            client_id: "c".into(),
            token_url: "https://idp.example/token".into(),
            scope: None,
            credential: ClientCredential::SecretPost(Secret::new("client secret")),
        },
    );
    let rule = PolicyRule {
        id: RuleId::from_parts(number(), [0; 8]),
        policy_id: policy.id.clone(),
        authorization_server_id: server_id,
        name: "r".into(),
        priority: 1,
        status: Status::Active,
        grant_types: vec!["client_credentials".into()],
        scopes: vec!["*".into()],
        people: RulePeople {
            users: vec![UserId::from_parts(number(), [0; 8])],
            users_exclude: vec![UserId::from_parts(number(), [1; 8])],
            groups: Vec::new(),
        },
        access_token_lifetime_minutes: 60,
        refresh_token_lifetime_minutes: 0,
        refresh_token_window_minutes: 10,
        hooks: RuleHooks::one(hook_with_secret.id.clone()),
        created: at(0),
        last_updated: at(0),
    };
    let client = OAuthClient {
        id: client_id,
        name: "c".into(),
        application_type: Some(ApplicationType::Web),
        authentication: ClientAuthenticationMethod::ClientSecretPost,
        secret_sha256: Some("00".into()),
        redirect_uris: vec!["https://shop.example.com/cb".into()],
        grant_types: vec!["authorization_code".into()],
        response_types: vec!["code".into()],
        implicit_assignment: false,
        pkce_required: true,
        refresh_rotation: Some(RefreshRotation { kind: RotationKind::Static, leeway_seconds: Some(7) }),
        hide: AppHide { ios: true, web: false },
        user_name: UserNameTemplate { suffix: Some("@example.com".into()), ..UserNameTemplate::default() },
        told: AppTold { admin_note: Some("ours".into()), ..AppTold::default() },
        enrollment_policy: Some(PolicyId::from_parts(number(), [4; 8])),
        status: Status::Active,
        created: at(0),
        last_updated: at(0),
    };
    let app = saml_app(vec![HookBinding::always(hook_with_secret.id.clone())]);
    let app_key = AppKey {
        kid: "app key".into(),
        app_id: app.id.clone(),
        private_key_pem: Secret::new("PEM of an app"),
        public: serde_json::Map::from_iter([("kty".to_owned(), "RSA".into())]),
        certificate: "MIIB".into(),
        created: at(0),
        expires: at(9),
    };
    let own_point = extension_point();
    let built_in_point = ExtensionPoint {
        id: ExtensionPointId::from_parts(number(), [1; 8]),
        name: tenterhook_contract::BuiltInType::Saml.name().clone(),
        declaration: None,
        ..extension_point()
    };
    let enrollment = enrollment_policy(&hook_with_secret.id);
    let template = SmsTemplate {
        id: SmsTemplateId::from_parts(number(), [0; 8]),
        name: "Custom".into(),
        kind: SmsTemplateKind::VerifyCode,
        template: "${org.name}: ${code}".into(),
        translations: [("pt-BR".to_owned(), "Seu ${code}".to_owned())].into(),
        created: at(0),
        last_updated: at(1),
    };
    let objects = vec![
        ConfigurationObject::AuthorizationServer(server.clone()),
        ConfigurationObject::SigningKey(key.clone()),
        ConfigurationObject::Scope(scope.clone()),
        ConfigurationObject::Claim(claim.clone()),
        ConfigurationObject::Policy(policy.clone()),
        ConfigurationObject::Rule(rule.clone()),
        ConfigurationObject::Client(Box::new(client.clone())),
        ConfigurationObject::SamlApp(Box::new(app.clone())),
        ConfigurationObject::AppKey(app_key.clone()),
        ConfigurationObject::Hook(Box::new(hook_with_secret.clone())),
        ConfigurationObject::Hook(Box::new(oauth.clone())),
        ConfigurationObject::ExtensionPoint(Box::new(own_point.clone())),
        ConfigurationObject::ExtensionPoint(Box::new(built_in_point.clone())),
        ConfigurationObject::EnrollmentPolicy(Box::new(enrollment.clone())),
        ConfigurationObject::SmsTemplate(template.clone()),
    ];
    commit(&store, objects.into_iter().map(ConfigurationWrite::put).collect()).await.unwrap();
    let read = store.load_configuration(&org()).await.unwrap();
    assert_eq!(read.version.number, 1);
    assert_eq!(list(&read.authorization_servers), [server]);
    assert_eq!(list(&read.signing_keys), [key]);
    assert_eq!((list(&read.scopes), list(&read.claims)), (vec![scope], vec![claim]));
    assert_eq!(
        (list(&read.policies), list(&read.rules), list(&read.clients)),
        (vec![policy], vec![rule], vec![client])
    );
    assert_eq!((list(&read.saml_apps), list(&read.app_keys)), (vec![app], vec![app_key]));
    assert_eq!(list(&read.hooks), [hook_with_secret, oauth]);
    assert_eq!(list(&read.extension_points), [own_point, built_in_point]);
    assert_eq!(list(&read.enrollment_policies), [enrollment]);
    assert_eq!(list(&read.sms_templates), [template]);
}

fn enrollment_policy(hook: &HookId) -> EnrollmentPolicy {
    EnrollmentPolicy {
        id: PolicyId::from_parts(number(), [4; 8]),
        name: "e".into(),
        description: "d".into(),
        status: Status::Inactive,
        system: false,
        rule: EnrollmentRule {
            id: RuleId::from_parts(number(), [4; 8]),
            name: "r".into(),
            access: EnrollmentAccess::Deny,
            unknown_user_action: UnknownUserAction::Register,
            email_verification: false,
            profile_attributes: vec![FormAttribute { name: "email".into(), label: "Mail".into(), required: true }],
            pre_registration_hook: Some(EnrollmentHook { hook: hook.clone(), run_for: HookRunsFor::ExistingUsers }),
            target_group_ids: vec![GroupId::from_parts(number(), [4; 8])],
            progressive_profiling: true,
            created: at(0),
            last_updated: at(1),
        },
        created: at(0),
        last_updated: at(1),
    }
}

fn saml_app(hooks: Vec<HookBinding>) -> SamlApp {
    SamlApp {
        id: AppId::from_parts(3, [3; 8]),
        external_key: "exk00000000000000003".into(),
        name: "benefits_1".into(),
        label: "Benefits".into(),
        status: Status::Active,
        implicit_assignment: false,
        hide: AppHide::default(),
        user_name: UserNameTemplate::default(),
        signing_kid: "app key".into(),
        idp_issuer: Some("https://idp.example.com/${org.externalKey}".into()),
        acs_url: "https://sp.example.com/acs".into(),
        recipient: "https://sp.example.com/acs".into(),
        destination: "https://sp.example.com/acs".into(),
        acs_endpoints: vec![AcsEndpoint { url: "https://sp.example.com/other".into(), index: 7 }],
        audience: "urn:example:sp".into(),
        sp_issuer: None,
        default_relay_state: Some("/home".into()),
        subject_name_id_template: Template::parse("${user.login}").unwrap(),
        subject_name_id_format: NameIdFormat::EmailAddress,
        response_signed: true,
        assertion_signed: true,
        honor_force_authn: true,
        authn_context_class_ref: "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport".into(),
        request_compressed: false,
        assertion_lifetime_seconds: 300,
        attribute_statements: vec![
            AttributeStatement {
                name: "mail".into(),
                name_format: "urn:oasis:names:tc:SAML:2.0:attrname-format:basic".into(),
                source: AttributeSource::Expression { values: vec![Template::parse("user.email").unwrap()] },
            },
            AttributeStatement {
                name: "groups".into(),
                name_format: "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified".into(),
                source: AttributeSource::Group(GroupFilter::new(GroupFilterKind::StartsWith, "app-").unwrap()),
            },
        ],
        single_logout: Some(SingleLogout {
            issuer: "urn:example:sp".into(),
            logout_url: "https://sp.example.com/slo".into(),
        }),
        sp_certificates: vec!["MIIC".into()],
        signed_requests: true,
        encryption: Some(Encryption { algorithm: ContentCipher::Aes256Gcm, certificate: "MIID".into() }),
        hooks,
        told: AppTold { self_service: true, ..AppTold::default() },
        enrollment_policy: None,
        created: at(0),
        last_updated: at(0),
    }
}

async fn objects_keep_the_order_of_their_creation(store: Store) {
    let first = hook("first", ChannelAuthentication::None);
    commit(
        &store,
        vec![ConfigurationWrite::put(ConfigurationObject::Hook(Box::new(first.clone()))), put_hook("second")],
    )
    .await
    .unwrap();
    commit(&store, vec![put_hook("third")]).await.unwrap();
    let renamed = InlineHook { name: "first, renamed".into(), ..first };
    commit(&store, vec![ConfigurationWrite::put(ConfigurationObject::Hook(Box::new(renamed)))]).await.unwrap();
    assert_eq!(names(&store).await, ["first, renamed", "second", "third"]);
}

async fn one_of_two_who_race_wins_and_nothing_of_the_other_is_there(store: Store) {
    let version = store.configuration_version(&org()).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for racer in 0..4 {
        let store = store.clone();
        tasks.spawn(async move {
            let writes = vec![put_hook(&format!("{racer} a")), put_hook(&format!("{racer} b"))];
            (racer, store.commit_configuration(&org(), version, writes).await)
        });
    }
    let results = tasks.join_all().await;
    let winners: Vec<_> = results.iter().filter(|(_, result)| result.is_ok()).map(|(racer, _)| racer).collect();
    assert_eq!(winners.len(), 1);
    assert!(results.iter().all(|(_, result)| matches!(result, Ok(_) | Err(CommitError::Conflict))));
    assert_eq!(names(&store).await, [format!("{} a", winners[0]), format!("{} b", winners[0])]);
    assert_eq!(store.configuration_version(&org()).await.unwrap().number, version.number + 1);
}

/// A serializable database aborts the losers with an error of its own; they get the same result as elsewhere.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn one_of_two_who_race_wins_also_where_transactions_are_serialised() {
    let config = databases::postgres().await;
    let serialise = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', \
                     current_database()); END $$";
    databases::connect(&config).await.execute_unprepared(serialise).await.unwrap();
    let store = databases::open(&config).await;
    for _ in 0..10 {
        one_of_two_who_race_wins_and_nothing_of_the_other_is_there(store.clone()).await;
        let hooks = store.load_configuration(&org()).await.unwrap().hooks;
        commit(&store, hooks.into_iter().map(|hook| ConfigurationWrite::Delete(hook.id.to_string())).collect())
            .await
            .unwrap();
    }
}

async fn a_deleted_object_is_gone(store: Store) {
    let kept = hook("kept", ChannelAuthentication::None);
    let gone = hook("gone", ChannelAuthentication::None);
    let id = gone.id.to_string();
    let puts = [kept, gone].map(|hook| ConfigurationWrite::put(ConfigurationObject::Hook(Box::new(hook))));
    commit(&store, puts.into()).await.unwrap();
    commit(&store, vec![ConfigurationWrite::Delete(id)]).await.unwrap();
    assert_eq!(names(&store).await, ["kept"]);
}

async fn orgs_do_not_see_each_other(store: Store) {
    let second = Org::new(other_org(), Some("b.example".into()), "B", at(1));
    store.insert_org(&second).await.unwrap();
    assert!(store.insert_org(&second).await.is_err(), "an org is made once");
    commit(&store, vec![put_hook("mine")]).await.unwrap();
    assert!(store.load_configuration(&other_org()).await.unwrap().hooks.is_empty());
    assert_eq!(store.configuration_version(&other_org()).await.unwrap(), ConfigurationVersion::default());
    assert_eq!(store.list_orgs(None, 10).await.unwrap()[1], second);
    let default = store.default_org().await.unwrap();
    assert_eq!(default.map(|default| default.id), Some(org()), "it has no host");
}

async fn what_is_read_since_a_version_is_what_is_read_anew_and_nothing_else_is_read(store: Store) {
    let mut random = Random::new(1);
    let mut hooks: Vec<_> = (0..5).map(|number| hook(&format!("{number}"), secret_header("value"))).collect();
    let put = |hook: &InlineHook| ConfigurationWrite::put(ConfigurationObject::Hook(Box::new(hook.clone())));
    commit(&store, hooks.iter().map(put).collect()).await.unwrap();
    let mut known = store.load_configuration(&org()).await.unwrap();
    for round in 0..20 {
        let mut written = Vec::new();
        for _ in 0..random.below(4) {
            let place = usize::try_from(random.below(hooks.len() as u64)).unwrap();
            let write = match random.below(3) {
                0 if hooks.len() > 2 => ConfigurationWrite::Delete(hooks.remove(place).id.to_string()),
                1 => {
                    hooks[place].name = format!("{round}");
                    put(&hooks[place])
                }
                _ => {
                    hooks.push(hook(&format!("new {round}"), secret_header("value")));
                    put(&hooks[hooks.len() - 1])
                }
            };
            written.push(match &write {
                ConfigurationWrite::Delete(id) => id.clone(),
                ConfigurationWrite::Put(object) => object.id(),
            });
            commit(&store, vec![write]).await.unwrap();
        }
        let read = store.load_configuration_since(&org(), &known).await.unwrap();
        assert_eq!(read, store.load_configuration(&org()).await.unwrap(), "round {round}");
        assert_eq!(list(&read.hooks), hooks, "round {round}");
        for kept in read.hooks.iter_shared().filter(|hook| !written.contains(&hook.id.to_string())) {
            assert!(std::sync::Arc::ptr_eq(kept, known.hooks.get_shared(&kept.id).unwrap()), "round {round}");
        }
        known = read;
    }
    // A version of another history is not counted on.
    let strange =
        Configuration { version: ConfigurationVersion { mark: 1, ..known.version }, ..Configuration::default() };
    assert_eq!(store.load_configuration_since(&org(), &strange).await.unwrap(), known);
}

async fn a_follower_of_the_counter_misses_no_change(store: Store) {
    const ORGS: u8 = 6;
    const CHANGES: i64 = 8;
    let begin = store.change_position().await.unwrap();
    let ids: Vec<_> = (10..10 + ORGS).map(|number| OrgId::from_parts(1, [number; 8])).collect();
    let mut changing = tokio::task::JoinSet::new();
    for id in ids.clone() {
        let store = store.clone();
        changing.spawn(async move {
            let host = Some(format!("{id}.example.com"));
            store.insert_org(&Org::new(id.clone(), host, "Org", at(0))).await.unwrap();
            let mut version = ConfigurationVersion::default();
            for number in 0..CHANGES {
                let writes = vec![put_hook(&number.to_string())];
                version = store.commit_configuration(&id, version, writes).await.unwrap();
            }
            (id, version)
        });
    }
    let (mut position, mut seen) = (begin, std::collections::BTreeMap::new());
    let mut follow = async || {
        let Changes::Orgs(changed, next) = store.changes_since(position).await.unwrap() else { panic!("it is known") };
        for (org, version) in store.orgs_by_id(&changed).await.unwrap() {
            seen.insert(org.id, version);
        }
        position = next;
        changed.is_empty()
    };
    let mut done = Vec::new();
    while done.len() < ids.len() {
        tokio::select! {
            changed = changing.join_next() => done.extend(changed.map(Result::unwrap)),
            _ = async { follow().await } => {}
        }
    }
    while !follow().await {}
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), {
        done.sort_by(|(one, _), (other, _)| one.cmp(other));
        done
    });
    assert!(
        matches!(store.changes_since(begin).await.unwrap(), Changes::Orgs(changed, _) if changed.len() == usize::from(ORGS))
    );
    // Another number, and a mark that was never drawn: not a position of this database.
    let other = databases::open(&tenterhook_store::StoreConfig::Ephemeral).await;
    let strange = other.change_position().await.unwrap();
    assert_eq!(store.changes_since(strange).await.unwrap(), Changes::Unknown);
}
