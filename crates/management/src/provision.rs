//! What an org begins with: the first admin token, the default authorization server, the development org.

use tenterhook_contract::{
    HookTypeName, Secret,
    id::{AuthorizationServerId, ClaimId, ClientId, OrgId, PolicyId, RuleId, ScopeId, UserId},
};
use tenterhook_jose::{Generated, KeyError};
use tenterhook_model::{
    AccessPolicy, ApiToken, AppHide, AppTold, AuthorizationServer, ClaimDefinition, ClaimSource, ClaimTarget,
    ClientAuthenticationMethod, ConfigurationObject, ConfigurationWrite, Expression, KeyRotation, OAuthClient, Org,
    PolicyRule, Profile, RuleHooks, RulePeople, Scope, SigningAlgorithm, SigningKey, Status, TokenRole,
    UserNameTemplate,
};
use tenterhook_platform::{
    ChangeError, OrgError, OrgSnapshot, Platform,
    entropy::{random_token, sha256_hex},
    keys::{generate_key_pairs, signing_key},
};
use tenterhook_store::StoreError;

use crate::{
    api_tokens::{ApiTokenChange, api_token, api_token_event},
    users::{self, NewPassword},
};

/// Scopes of OpenID Connect that every server has.
const SYSTEM_SCOPES: &[(&str, &str)] = &[
    ("openid", "Signals that a request is an OpenID request"),
    ("profile", "Access to the user's profile"),
    ("email", "Access to the user's email address"),
    ("address", "Access to the user's address"),
    ("phone", "Access to the user's phone number"),
    ("offline_access", "Allows a refresh token"),
];
/// Names that the development org is recognised by.
const DEV_POLICY: &str = "Development policy";
const DEV_CONFIDENTIAL_CLIENT: &str = "Development service";
const DEV_PUBLIC_CLIENT: &str = "Development app";
const DEV_USERS: [(&str, &str, &str); 2] =
    [("ada@example.com", "Ada", "Okoye"), ("grace@example.com", "Grace", "Lindqvist")];
/// Where the development clients may redirect to: an application of the developer, and the page of `tenterhook dev`, whose
/// port may be any (RFC 8252 section 7.3).
const DEV_REDIRECT_URIS: [&str; 3] = ["http://127.0.0.1:3000/callback", "http://localhost:3000/callback", DEV_CALLBACK];
/// The page of `tenterhook dev` that receives authorization codes, with any port.
const DEV_CALLBACK: &str = "http://127.0.0.1/dev/callback";

/// Why an org cannot be provisioned.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A signing key could not be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The org cannot be served: its configuration cannot be read.
    #[error("the org is out of service: its configuration cannot be read")]
    OutOfService,
    /// Others change the configuration at the same time.
    #[error("the configuration is being changed by too many others at once; start again")]
    Contended,
}

impl From<OrgError> for ProvisionError {
    fn from(error: OrgError) -> Self {
        match error {
            OrgError::Unreadable => Self::OutOfService,
            OrgError::Store(error) => Self::Store(error),
        }
    }
}

impl From<ChangeError<KeyError>> for ProvisionError {
    fn from(error: ChangeError<KeyError>) -> Self {
        match error {
            ChangeError::Refused(error) => Self::Key(error),
            ChangeError::NoOrg(_) => Self::OutOfService,
            ChangeError::Contended => Self::Contended,
            ChangeError::Store(error) => Self::Store(error),
        }
    }
}

/// Secrets of the development org. The caller chooses and keeps them.
pub struct DemonstrationSecrets {
    /// The admin API token.
    pub admin_token: Secret,
    /// The confidential client's secret.
    pub client_secret: Secret,
    /// Both users' password.
    pub user_password: Secret,
}

/// The development org.
#[derive(Clone, Debug)]
pub struct DemonstrationOrg {
    /// Its authorization server.
    pub authorization_server_id: AuthorizationServerId,
    /// The policy.
    pub policy_id: PolicyId,
    /// The policy's rule.
    pub rule_id: RuleId,
    /// The confidential client.
    pub confidential_client_id: ClientId,
    /// The public client.
    pub public_client_id: ClientId,
    /// The users' logins.
    pub user_logins: Vec<String>,
}

/// Makes the default org, its default authorization server and its first admin token, whichever is missing. Nodes that
/// start at once do it in turn, so that all have the same ones.
///
/// Answers with the token when it was made just now: it can never be shown again.
pub async fn bootstrap(platform: &Platform) -> Result<Option<Secret>, ProvisionError> {
    bootstrap_with(platform, |_| Ok(())).await
}

/// The same; `keep` gets the new token before the database has it, so that a token that could not be kept is never valid.
///
/// # Errors
/// With the error of `keep`. After any other error but [`StoreError::Unknown`] a token that was kept is not valid.
pub async fn bootstrap_with<E: From<ProvisionError>>(
    platform: &Platform,
    keep: impl FnOnce(&Secret) -> Result<(), E>,
) -> Result<Option<Secret>, E> {
    let store = |error: StoreError| E::from(error.into());
    let _turn = platform.store().start_turn().await.map_err(store)?;
    let Some(org) = initial_content(platform).await? else { return Ok(None) };
    if platform.store().count_administrator_tokens(&org).await.map_err(store)? > 0 {
        return Ok(None);
    }
    let token = random_token(platform.entropy());
    keep(&token)?;
    add_admin_token(platform, &org, "Bootstrap token", &token).await.map_err(store)?;
    Ok(Some(token))
}

/// Makes the default org and its default authorization server, whichever is missing, in turn with nodes that start. Answers
/// whether both are there now: not when the default org is out of service.
pub async fn without_token(platform: &Platform) -> Result<bool, ProvisionError> {
    let _turn = platform.store().start_turn().await?;
    Ok(initial_content(platform).await?.is_some())
}

/// What a database begins with, but for a token. The default org, unless it is out of service.
async fn initial_content(platform: &Platform) -> Result<Option<OrgId>, ProvisionError> {
    // Reads what another node has just made in its turn.
    platform.follow_now().await?;
    let org = match default_org(platform).await {
        Err(ProvisionError::OutOfService) => return Ok(None),
        org => org?,
    };
    match platform.load_org(&org).await {
        Ok(_) => {}
        // It is there, with all that it began with, and out of service.
        Err(OrgError::Unreadable) => return Ok(None),
        Err(OrgError::Store(error)) => return Err(error.into()),
    }
    default_server(platform, &org).await?;
    Ok(Some(org))
}

/// Creates the development org, or the parts of it that are missing.
pub async fn demonstration(
    platform: &Platform,
    secrets: &DemonstrationSecrets,
) -> Result<DemonstrationOrg, ProvisionError> {
    let org = default_org(platform).await?;
    let admin_hash = sha256_hex(secrets.admin_token.expose());
    if platform.store().find_api_token(&org, &admin_hash).await?.is_none() {
        add_admin_token(platform, &org, "Development token", &secrets.admin_token).await?;
    }
    let server = default_server(platform, &org).await?;
    for (login, first_name, last_name) in DEV_USERS {
        add_user(platform, &org, (login, first_name, last_name), &secrets.user_password).await?;
    }
    let secret_sha256 = sha256_hex(secrets.client_secret.expose());
    platform
        .change(&org, |snapshot| Ok::<_, KeyError>(development_objects(platform, snapshot, &server, &secret_sha256)))
        .await
        .map_err(ProvisionError::from)
}

/// Gives the development org a token of the role HOST, unless it has this one.
///
/// # Errors
/// When the store fails.
pub async fn host_token(
    platform: &Platform,
    name: &str,
    token: &Secret,
    extension_points: &[HookTypeName],
) -> Result<(), ProvisionError> {
    let org = default_org(platform).await?;
    if platform.store().find_api_token(&org, &sha256_hex(token.expose())).await?.is_none() {
        let role = TokenRole::Host { extension_points: extension_points.to_vec() };
        let token = ApiToken { role, ..api_token(platform.entropy(), platform.now(), &org, name, token) };
        add_token(platform, &token).await?;
    }
    Ok(())
}

/// The default org, which is created if there is none.
///
/// # Errors
/// [`ProvisionError::OutOfService`] when none can be found and there may be one: another one with its own admin token would
/// take its place.
async fn default_org(platform: &Platform) -> Result<OrgId, ProvisionError> {
    if let Some(id) = platform.org_id_by_host(None) {
        return Ok(id);
    }
    if let Some(why) = platform.store().why_default_org_is_lost().await? {
        tracing::error!(
            why,
            "org.default_lost: no default org is made; it is out of service until its row is repaired"
        );
        platform.put_default_org_out_of_service();
        return Err(ProvisionError::OutOfService);
    }
    let (unix_ms, random) = platform.id_parts();
    let org = Org::new(OrgId::from_parts(unix_ms, random), None, "Default", platform.now());
    platform.add_org(&org).await?;
    Ok(org.id)
}

pub(crate) async fn add_admin_token(
    platform: &Platform,
    org: &OrgId,
    name: &str,
    token: &Secret,
) -> Result<(), StoreError> {
    add_token(platform, &api_token(platform.entropy(), platform.now(), org, name, token)).await
}

async fn add_token(platform: &Platform, token: &ApiToken) -> Result<(), StoreError> {
    platform.store().insert_api_token(token).await?;
    platform.log().append(&api_token_event(platform.entropy(), platform.now(), token, ApiTokenChange::Created));
    Ok(())
}

async fn add_user(
    platform: &Platform,
    org: &OrgId,
    (login, first_name, last_name): (&str, &str, &str),
    password: &Secret,
) -> Result<(), StoreError> {
    if platform.store().find_user_by_login(org, login).await?.is_some() {
        return Ok(());
    }
    let profile = Profile::new(login, login, first_name, last_name).with("department", "Logistics");
    let (unix_ms, random) = platform.id_parts();
    let id = UserId::from_parts(unix_ms, random);
    let password = Some(NewPassword::Value(password.clone()));
    let user = users::new_user(platform, org.clone(), id, profile, password, true).await?;
    platform.store().insert_user(&user).await
}

/// The org's default authorization server, which is created if there is none.
pub(crate) async fn default_server(platform: &Platform, org: &OrgId) -> Result<AuthorizationServerId, ProvisionError> {
    let snapshot = platform.load_org(org).await?.ok_or(ProvisionError::OutOfService)?;
    let mut servers = snapshot.configuration.authorization_servers.iter();
    if let Some(known) = servers.find(|server| server.is_default) {
        return Ok(known.id.clone());
    }
    let algorithm = SigningAlgorithm::default();
    let pairs = generate_key_pairs(algorithm).await?;
    let made = platform.change(org, |snapshot| {
        let known = snapshot.configuration.authorization_servers.iter().find(|server| server.is_default);
        if let Some(server) = known {
            return Ok((Vec::new(), server.id.clone()));
        }
        let name = ("default", "The default authorization server", "api://default");
        let server = server_of(platform, name, true);
        let (_, mut writes) = server_objects(platform, &server, (algorithm, &pairs));
        let policy = policy_of(platform, &server.id, "Default Policy", 1);
        let rule = rule_of(platform, &policy, "Default Policy Rule", 1);
        writes.push(ConfigurationWrite::put(ConfigurationObject::Policy(policy)));
        writes.push(ConfigurationWrite::put(ConfigurationObject::Rule(rule)));
        Ok::<_, KeyError>((writes, server.id))
    });
    made.await.map_err(ProvisionError::from)
}

/// An active authorization server whose keys are rotated by themselves.
pub(crate) fn server_of(
    platform: &Platform,
    (name, description, audience): (&str, &str, &str),
    is_default: bool,
) -> AuthorizationServer {
    let (unix_ms, random) = platform.id_parts();
    let now = platform.now().whole_seconds();
    AuthorizationServer {
        id: AuthorizationServerId::from_parts(unix_ms, random),
        name: name.to_owned(),
        description: description.to_owned(),
        audiences: vec![audience.to_owned()],
        is_default,
        status: Status::Active,
        key_rotation: KeyRotation::Auto,
        created: now,
        last_updated: now,
    }
}

/// The signing key of a new authorization server, and the writes of the server, its signing key, its next key and its
/// system scopes.
pub(crate) fn server_objects(
    platform: &Platform,
    server: &AuthorizationServer,
    (algorithm, [signs, next]): (SigningAlgorithm, &[Generated; 2]),
) -> (SigningKey, Vec<ConfigurationWrite>) {
    let key = |pair| signing_key((algorithm, pair), &server.id, platform.entropy(), server.created);
    let (key, next) = (key(signs), SigningKey { status: Status::Inactive, ..key(next) });
    let mut objects = vec![
        ConfigurationObject::AuthorizationServer(server.clone()),
        ConfigurationObject::SigningKey(key.clone()),
        ConfigurationObject::SigningKey(next),
    ];
    for (name, description) in SYSTEM_SCOPES {
        objects.push(ConfigurationObject::Scope(Scope {
            system: true,
            ..scope_of(platform, &server.id, name, description)
        }));
    }
    (key, objects.into_iter().map(ConfigurationWrite::put).collect())
}

pub(crate) fn scope_of(platform: &Platform, server: &AuthorizationServerId, name: &str, description: &str) -> Scope {
    let (unix_ms, random) = platform.id_parts();
    Scope {
        id: ScopeId::from_parts(unix_ms, random),
        authorization_server_id: server.clone(),
        name: name.to_owned(),
        description: description.to_owned(),
        display_name: None,
        default: false,
        optional: false,
        system: false,
        published: true,
    }
}

/// An active claim of access tokens.
pub(crate) fn claim_of(
    platform: &Platform,
    server: &AuthorizationServerId,
    name: &str,
    expression: Expression,
) -> ClaimDefinition {
    let (unix_ms, random) = platform.id_parts();
    ClaimDefinition {
        id: ClaimId::from_parts(unix_ms, random),
        authorization_server_id: server.clone(),
        name: name.to_owned(),
        target: ClaimTarget::Access,
        source: ClaimSource::Expression(expression),
        always_include_in_token: true,
        scopes: Vec::new(),
        status: Status::Active,
    }
}

pub(crate) fn policy_of(
    platform: &Platform,
    server: &AuthorizationServerId,
    name: &str,
    priority: u32,
) -> AccessPolicy {
    let (unix_ms, random) = platform.id_parts();
    let now = platform.now().whole_seconds();
    AccessPolicy {
        id: PolicyId::from_parts(unix_ms, random),
        authorization_server_id: server.clone(),
        name: name.to_owned(),
        description: name.to_owned(),
        priority,
        clients: Vec::new(),
        status: Status::Active,
        created: now,
        last_updated: now,
    }
}

pub(crate) fn rule_of(platform: &Platform, policy: &AccessPolicy, name: &str, priority: u32) -> PolicyRule {
    let (unix_ms, random) = platform.id_parts();
    let now = platform.now().whole_seconds();
    PolicyRule {
        id: RuleId::from_parts(unix_ms, random),
        policy_id: policy.id.clone(),
        authorization_server_id: policy.authorization_server_id.clone(),
        name: name.to_owned(),
        priority,
        status: Status::Active,
        grant_types: ["authorization_code", "client_credentials"].map(ToOwned::to_owned).to_vec(),
        scopes: vec!["*".to_owned()],
        people: RulePeople::everyone(),
        access_token_lifetime_minutes: 60,
        refresh_token_lifetime_minutes: 0,
        refresh_token_window_minutes: 7 * 24 * 60,
        hooks: RuleHooks::default(),
        created: now,
        last_updated: now,
    }
}

pub(crate) fn client_of(
    platform: &Platform,
    name: &str,
    authentication: ClientAuthenticationMethod,
    secret_sha256: Option<String>,
) -> OAuthClient {
    let (unix_ms, random) = platform.id_parts();
    let now = platform.now().whole_seconds();
    OAuthClient {
        id: ClientId::from_parts(unix_ms, random),
        name: name.to_owned(),
        application_type: None,
        authentication,
        secret_sha256,
        redirect_uris: Vec::new(),
        grant_types: Vec::new(),
        response_types: Vec::new(),
        implicit_assignment: true,
        pkce_required: false,
        refresh_rotation: None,
        hide: AppHide::default(),
        user_name: UserNameTemplate::default(),
        told: AppTold::default(),
        enrollment_policy: None,
        status: Status::Active,
        created: now,
        last_updated: now,
    }
}

/// The writes that complete the development org, and the completed org.
fn development_objects(
    platform: &Platform,
    org: &OrgSnapshot,
    server: &AuthorizationServerId,
    secret_sha256: &str,
) -> (Vec<ConfigurationWrite>, DemonstrationOrg) {
    let configuration = &org.configuration;
    let mut writes = Vec::new();
    let mut put = |object: ConfigurationObject| writes.push(ConfigurationWrite::put(object));
    for (name, description) in [("orders.read", "Read orders"), ("orders.write", "Change orders")] {
        if !configuration.scopes.iter().any(|s| s.authorization_server_id == *server && s.name == name) {
            put(ConfigurationObject::Scope(scope_of(platform, server, name, description)));
        }
    }
    for (name, target, expression) in [
        ("client_name", ClaimTarget::Access, "app.name"),
        ("department", ClaimTarget::Access, "user.department"),
        ("department", ClaimTarget::Identity, "user.department"),
        ("tier", ClaimTarget::Identity, "\"silver\""),
    ] {
        // Each of them is an expression.
        let Ok(expression) = Expression::parse(expression) else { continue };
        let known = |claim: &&ClaimDefinition| {
            claim.authorization_server_id == *server && claim.name == name && claim.target == target
        };
        if !configuration.claims.iter().any(|claim| known(&claim)) {
            let claim = claim_of(platform, server, name, expression);
            put(ConfigurationObject::Claim(ClaimDefinition { target, ..claim }));
        }
    }
    let client = |name: &str| configuration.clients.iter().find(|client| client.name == name).cloned();
    let text = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
    let confidential = match client(DEV_CONFIDENTIAL_CLIENT) {
        Some(client) if client.secret_sha256.as_deref() == Some(secret_sha256) => client,
        known => {
            let method = ClientAuthenticationMethod::ClientSecretBasic;
            let made = client_of(platform, DEV_CONFIDENTIAL_CLIENT, method, None);
            let client = OAuthClient {
                secret_sha256: Some(secret_sha256.to_owned()),
                grant_types: text(&["authorization_code", "client_credentials", "refresh_token"]),
                response_types: text(&["code"]),
                redirect_uris: text(&DEV_REDIRECT_URIS),
                ..known.unwrap_or(made)
            };
            put(ConfigurationObject::Client(Box::new(client.clone())));
            client
        }
    };
    let is_complete = |client: &OAuthClient| client.redirect_uris.iter().any(|uri| uri == DEV_CALLBACK);
    let public = match client(DEV_PUBLIC_CLIENT) {
        Some(client) if is_complete(&client) => client,
        known => {
            let made = || OAuthClient {
                grant_types: text(&["authorization_code", "refresh_token"]),
                response_types: text(&["code"]),
                redirect_uris: text(&DEV_REDIRECT_URIS),
                ..client_of(platform, DEV_PUBLIC_CLIENT, ClientAuthenticationMethod::None, None)
            };
            let client = known.map_or_else(made, |mut client| {
                // An older version made this client, without the redirect URI of the `dev` page.
                client.redirect_uris.push(DEV_CALLBACK.to_owned());
                client
            });
            put(ConfigurationObject::Client(Box::new(client.clone())));
            client
        }
    };
    let known = configuration.policies.iter().find(|policy| policy.name == DEV_POLICY);
    let known = known.and_then(|policy| {
        let rule = configuration.rules.iter().find(|rule| rule.policy_id == policy.id)?;
        Some((policy.id.clone(), rule.id.clone()))
    });
    let (policy_id, rule_id) = known.unwrap_or_else(|| {
        let clients = vec![confidential.id.clone(), public.id.clone()];
        // Before the default policy, so that the rule with the hook is the one that matches.
        let policy = AccessPolicy { clients, ..policy_of(platform, server, DEV_POLICY, 0) };
        let rule = rule_of(platform, &policy, "Development rule", 1);
        let ids = (policy.id.clone(), rule.id.clone());
        put(ConfigurationObject::Policy(policy));
        put(ConfigurationObject::Rule(rule));
        ids
    });
    let demonstration = DemonstrationOrg {
        authorization_server_id: server.clone(),
        policy_id,
        rule_id,
        confidential_client_id: confidential.id,
        public_client_id: public.id,
        user_logins: DEV_USERS.iter().map(|(login, ..)| (*login).to_owned()).collect(),
    };
    (writes, demonstration)
}
