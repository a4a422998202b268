//! Authorization servers, their scopes, claims, policies and rules, and OAuth clients: what the management API does.

mod reader;
mod rule;

use reader::{BLANK, INVALID, Reader};
use rule::read_rule;
use serde_json::{Value, json};
use tenterhook_contract::{
    Secret,
    id::{ClaimId, ClientId},
    system_log::Target,
    token::reserved::BOTH,
};
use tenterhook_jose::{KeyError, SigningAlgorithm};
use tenterhook_store::{
    StoreError,
    model::{
        AccessPolicy, AuthorizationServer, ClaimDefinition, ClaimTarget, ClientAuthenticationMethod,
        ConfigurationObject, ConfigurationWrite, OAuthClient, PolicyRule, Scope, SigningKey, Status,
    },
};

use crate::{
    OrgSnapshot, Platform,
    entropy::{random_token, sha256_hex},
    management::{Administrator, ManagementError},
    oauth::{is_expression, issuer, keys::generate_key_pair},
    provision::{client_of, policy_of, rule_of, scope_of, server_objects},
};

/// Objects of one kind that an org may have.
const OBJECTS_MAX: usize = 1_000;

/// What an administrator may create below an authorization server.
#[derive(Clone, Copy, Debug)]
pub enum Creation<'a> {
    /// A scope.
    Scope,
    /// A claim.
    Claim,
    /// An access policy.
    Policy,
    /// A rule of the policy with this id.
    Rule(&'a str),
}

impl Platform {
    /// Creates an authorization server with a signing key and the scopes of OpenID Connect.
    pub async fn create_authorization_server(
        &self,
        administrator: &Administrator,
        body: &Value,
    ) -> Result<Value, ManagementError> {
        let mut reader = Reader::new(body, "authorizationServer");
        let (name, description) = (reader.text("name"), reader.optional_text("description").unwrap_or_default());
        let audiences = reader.texts("audiences");
        if audiences.len() != 1 {
            reader.cause("audiences", "Exactly one audience is supported");
        }
        reader.objects(&["/credentials", "/credentials/signing"]);
        let algorithm = read_algorithm(&mut reader);
        reader.finish()?;
        let failed = |error: KeyError| ManagementError::Store(StoreError::Database(error.to_string()));
        let pair = generate_key_pair(algorithm).await.map_err(failed)?;
        let (server, key, writes) =
            server_objects(self, (&name, &description, &audiences.concat()), (algorithm, &pair), false);
        let shown = self
            .change(&administrator.token.org_id, |org| {
                let servers = &org.configuration.authorization_servers;
                check_new("name", servers.len(), servers.iter().any(|known| known.name == name))?;
                Ok::<_, ManagementError>((writes.clone(), server_to_json(org, &server, Some(&key))))
            })
            .await?;
        let target = target(server.id.as_str(), "AuthorizationServer", &server.name);
        self.log_change(administrator, "oauth2.as.created", "Authorization server has been created", target);
        Ok(shown)
    }

    /// Creates an object below an authorization server.
    pub async fn create_below_server(
        &self,
        administrator: &Administrator,
        server: &str,
        creation: Creation<'_>,
        body: &Value,
    ) -> Result<Value, ManagementError> {
        let (shown, id) = self
            .change(&administrator.token.org_id, |org| {
                let server = find_server(org, server)?;
                let (object, shown) = match creation {
                    Creation::Scope => self.new_scope(org, server, body)?,
                    Creation::Claim => self.new_claim(org, server, body)?,
                    Creation::Policy => self.new_policy(org, server, body)?,
                    Creation::Rule(policy) => self.new_rule(org, server, policy, body)?,
                };
                let id = text_of(&shown, "id");
                Ok::<_, ManagementError>((vec![ConfigurationWrite::put(object)], (shown, id)))
            })
            .await?;
        let (event_type, message, kind) = match creation {
            Creation::Scope => ("oauth2.scope.created", "OAuth2 scope has been created", "Scope"),
            Creation::Claim => ("oauth2.claim.created", "OAuth2 claim has been created", "Claim"),
            Creation::Policy => ("policy.lifecycle.create", "Create policy", "PolicyEntity"),
            Creation::Rule(_) => ("policy.rule.add", "Add policy rule", "PolicyRule"),
        };
        self.log_change(administrator, event_type, message, target(&id, kind, &text_of(&shown, "name")));
        Ok(shown)
    }

    /// Replaces a rule: the place where a token hook is associated (`management-api.md` section 5).
    pub async fn replace_rule(
        &self,
        administrator: &Administrator,
        (server, policy, rule): (&str, &str, &str),
        body: &Value,
    ) -> Result<Value, ManagementError> {
        let now = self.now().whole_seconds();
        let (shown, rule) = self
            .change(&administrator.token.org_id, |org| {
                let server = find_server(org, server)?;
                let stored = find_rule(org, server, policy, rule)?;
                let read = read_rule(org, body, stored.clone())?;
                let mut others = org.configuration.rules.iter().filter(|rule| rule.id != stored.id);
                let duplicate = others.any(|rule| rule.policy_id == stored.policy_id && rule.name == read.name);
                check_new("name", 0, duplicate)?;
                let changed = PolicyRule { last_updated: now, ..read };
                let shown = rule_to_json(org, &changed);
                Ok::<_, ManagementError>((
                    vec![ConfigurationWrite::put(ConfigurationObject::Rule(changed.clone()))],
                    (shown, changed),
                ))
            })
            .await?;
        self.log_rule_update(administrator, &rule);
        Ok(shown)
    }

    /// Logs that a rule was changed.
    pub(crate) fn log_rule_update(&self, administrator: &Administrator, rule: &PolicyRule) {
        let target = target(rule.id.as_str(), "PolicyRule", &rule.name);
        self.log_change(administrator, "policy.rule.update", "Update policy rule", target);
    }

    /// Creates an OAuth client; its secret is in the answer and nowhere else.
    pub async fn create_client(&self, administrator: &Administrator, body: &Value) -> Result<Value, ManagementError> {
        let (client, secret) = read_client(self, body)?;
        let write = ConfigurationWrite::put(ConfigurationObject::Client(client.clone()));
        self.change(&administrator.token.org_id, |org| {
            check_new("client_name", org.configuration.clients.len(), false)?;
            Ok::<_, ManagementError>((vec![write.clone()], ()))
        })
        .await?;
        let target = target(client.id.as_str(), "PublicClientApp", &client.name);
        self.log_change(administrator, "oauth2.client.lifecycle.create", "OAuth client created", target);
        let mut shown = client_to_json(&client);
        if let (Some(secret), Some(members)) = (secret, shown.as_object_mut()) {
            members.insert("client_secret".to_owned(), json!(secret.expose()));
        }
        Ok(shown)
    }

    fn new_scope(
        &self,
        org: &OrgSnapshot,
        server: &AuthorizationServer,
        body: &Value,
    ) -> Result<(ConfigurationObject, Value), ManagementError> {
        let mut reader = Reader::new(body, "scope");
        let (name, description) = (reader.text("name"), reader.optional_text("description").unwrap_or_default());
        let default = reader.flag("default");
        // A scope-token of RFC 6749 section 3.3.
        let legal = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        if !name.bytes().all(legal) {
            reader.cause("name", INVALID);
        }
        reader.finish()?;
        let scopes: Vec<_> =
            org.configuration.scopes.iter().filter(|s| s.authorization_server_id == server.id).collect();
        check_new("name", scopes.len(), scopes.iter().any(|scope| scope.name == name))?;
        let scope = Scope { default, ..scope_of(self, &server.id, &name, &description) };
        let shown = scope_to_json(&scope);
        Ok((ConfigurationObject::Scope(scope), shown))
    }

    fn new_claim(
        &self,
        org: &OrgSnapshot,
        server: &AuthorizationServer,
        body: &Value,
    ) -> Result<(ConfigurationObject, Value), ManagementError> {
        let mut reader = Reader::new(body, "claim");
        let (name, expression) = (reader.text("name"), reader.text("value"));
        let target = match reader.text("claimType").as_str() {
            "IDENTITY" => ClaimTarget::Identity,
            "RESOURCE" => ClaimTarget::Access,
            _ => {
                reader.cause("claimType", "Write `IDENTITY` or `RESOURCE`");
                ClaimTarget::Access
            }
        };
        // `groups` is reserved for hooks only: whose it is a definition says.
        if BOTH.contains(&name.as_str()) && name != "groups" {
            reader.cause("name", "The claim is one of the token's own");
        }
        if !is_expression(&expression) {
            reader.cause("value", "Write `user.ATTRIBUTE`, `app.clientId`, `app.name` or a text in double quotes");
        }
        reader.objects(&["/conditions"]);
        let scopes = reader.texts("/conditions/scopes");
        let status = reader.status(Status::Active);
        reader.finish()?;
        let claims: Vec<_> =
            org.configuration.claims.iter().filter(|c| c.authorization_server_id == server.id).collect();
        check_new("name", claims.len(), claims.iter().any(|claim| claim.name == name && claim.target == target))?;
        let (unix_ms, random) = self.id_parts();
        let claim = ClaimDefinition {
            id: ClaimId::from_parts(unix_ms, random),
            authorization_server_id: server.id.clone(),
            name,
            target,
            expression,
            scopes,
            status,
        };
        let shown = claim_to_json(&claim);
        Ok((ConfigurationObject::Claim(claim), shown))
    }

    fn new_policy(
        &self,
        org: &OrgSnapshot,
        server: &AuthorizationServer,
        body: &Value,
    ) -> Result<(ConfigurationObject, Value), ManagementError> {
        let mut reader = Reader::new(body, "policy");
        let (name, description) = (reader.text("name"), reader.optional_text("description").unwrap_or_default());
        reader.objects(&["/conditions", "/conditions/clients"]);
        let clients = reader.texts("/conditions/clients/include");
        let status = reader.status(Status::Active);
        let everyone = clients.is_empty() || clients == ["ALL_CLIENTS"];
        let clients: Option<Vec<ClientId>> =
            if everyone { Some(Vec::new()) } else { clients.iter().map(|id| id.parse().ok()).collect() };
        if clients.is_none() {
            reader.cause("conditions", "Name client ids, or `ALL_CLIENTS`");
        }
        let policies: Vec<_> =
            org.configuration.policies.iter().filter(|p| p.authorization_server_id == server.id).collect();
        let last = policies.iter().map(|policy| policy.priority).max().unwrap_or(0);
        let priority = reader.number("priority", last.saturating_add(1));
        reader.finish()?;
        check_new("name", policies.len(), policies.iter().any(|policy| policy.name == name))?;
        let policy = AccessPolicy {
            description,
            clients: clients.unwrap_or_default(),
            status,
            ..policy_of(self, &server.id, &name, priority)
        };
        let shown = policy_to_json(&policy);
        Ok((ConfigurationObject::Policy(policy), shown))
    }

    fn new_rule(
        &self,
        org: &OrgSnapshot,
        server: &AuthorizationServer,
        policy: &str,
        body: &Value,
    ) -> Result<(ConfigurationObject, Value), ManagementError> {
        let policy = find_policy(org, server, policy)?;
        let rules: Vec<_> = org.configuration.rules.iter().filter(|rule| rule.policy_id == policy.id).collect();
        let last = rules.iter().map(|rule| rule.priority).max().unwrap_or(0);
        let rule = read_rule(org, body, rule_of(self, policy, "", last.saturating_add(1)))?;
        check_new("name", rules.len(), rules.iter().any(|known| known.name == rule.name))?;
        let shown = rule_to_json(org, &rule);
        Ok((ConfigurationObject::Rule(rule), shown))
    }
}

/// The algorithm of the server's signing key, as JWKs name it (RFC 7517 section 4.4). The vendor knows RS256 only and has
/// no such member.
fn read_algorithm(reader: &mut Reader<'_>) -> SigningAlgorithm {
    match reader.optional_text("/credentials/signing/alg").as_deref() {
        None | Some("RS256") => SigningAlgorithm::RS256,
        Some("ES256") => SigningAlgorithm::ES256,
        Some(_) => {
            reader.cause("/credentials/signing/alg", "Write `RS256` or `ES256`");
            SigningAlgorithm::default()
        }
    }
}

/// Every authorization server.
pub fn list_servers(org: &OrgSnapshot) -> Value {
    let shown = |server| server_to_json(org, server, signing_key_of(org, server));
    org.configuration.authorization_servers.iter().map(shown).collect()
}

/// One authorization server.
pub fn get_server(org: &OrgSnapshot, server: &str) -> Result<Value, ManagementError> {
    let server = find_server(org, server)?;
    Ok(server_to_json(org, server, signing_key_of(org, server)))
}

/// Every scope of a server.
pub fn list_scopes(org: &OrgSnapshot, server: &str) -> Result<Value, ManagementError> {
    let server = find_server(org, server)?;
    let scopes = org.configuration.scopes.iter().filter(|scope| scope.authorization_server_id == server.id);
    Ok(scopes.map(scope_to_json).collect())
}

/// Every claim of a server.
pub fn list_claims(org: &OrgSnapshot, server: &str) -> Result<Value, ManagementError> {
    let server = find_server(org, server)?;
    let claims = org.configuration.claims.iter().filter(|claim| claim.authorization_server_id == server.id);
    Ok(claims.map(claim_to_json).collect())
}

/// Every policy of a server.
pub fn list_policies(org: &OrgSnapshot, server: &str) -> Result<Value, ManagementError> {
    let server = find_server(org, server)?;
    let policies = org.configuration.policies.iter().filter(|policy| policy.authorization_server_id == server.id);
    Ok(policies.map(policy_to_json).collect())
}

/// Every rule of a policy.
pub fn list_rules(org: &OrgSnapshot, server: &str, policy: &str) -> Result<Value, ManagementError> {
    let policy = find_policy(org, find_server(org, server)?, policy)?;
    let rules = org.configuration.rules.iter().filter(|rule| rule.policy_id == policy.id);
    Ok(rules.map(|rule| rule_to_json(org, rule)).collect())
}

/// One rule.
pub fn get_rule(org: &OrgSnapshot, server: &str, policy: &str, rule: &str) -> Result<Value, ManagementError> {
    Ok(rule_to_json(org, find_rule(org, find_server(org, server)?, policy, rule)?))
}

/// Every OAuth client, without secrets.
pub fn list_clients(org: &OrgSnapshot) -> Value {
    org.configuration.clients.iter().map(client_to_json).collect()
}

/// The newest active key, which signs.
fn signing_key_of<'a>(org: &'a OrgSnapshot, server: &AuthorizationServer) -> Option<&'a SigningKey> {
    let mut keys = org.configuration.signing_keys.iter();
    keys.rfind(|key| key.authorization_server_id == server.id && key.status == Status::Active)
}

fn find_server<'a>(org: &'a OrgSnapshot, id: &str) -> Result<&'a AuthorizationServer, ManagementError> {
    org.authorization_server(id)
        .ok_or_else(|| ManagementError::NotFound { id: id.to_owned(), kind: "AuthorizationServer" })
}

fn find_policy<'a>(
    org: &'a OrgSnapshot,
    server: &AuthorizationServer,
    id: &str,
) -> Result<&'a AccessPolicy, ManagementError> {
    let mut policies = org.configuration.policies.iter();
    policies
        .find(|policy| policy.authorization_server_id == server.id && policy.id.as_str() == id)
        .ok_or_else(|| ManagementError::NotFound { id: id.to_owned(), kind: "AuthorizationServerPolicy" })
}

fn find_rule<'a>(
    org: &'a OrgSnapshot,
    server: &AuthorizationServer,
    policy: &str,
    id: &str,
) -> Result<&'a PolicyRule, ManagementError> {
    let policy = find_policy(org, server, policy)?;
    let mut rules = org.configuration.rules.iter();
    rules
        .find(|rule| rule.policy_id == policy.id && rule.id.as_str() == id)
        .ok_or_else(|| ManagementError::NotFound { id: id.to_owned(), kind: "AuthorizationServerPolicyRule" })
}

fn check_new(field: &str, known: usize, duplicate: bool) -> Result<(), ManagementError> {
    if duplicate {
        return Err(ManagementError::field(field, "An object with this field already exists"));
    }
    if known >= OBJECTS_MAX {
        return Err(ManagementError::field(field, &format!("At most {OBJECTS_MAX} objects are supported")));
    }
    Ok(())
}

fn read_client(platform: &Platform, body: &Value) -> Result<(OAuthClient, Option<Secret>), ManagementError> {
    let mut reader = Reader::new(body, "client");
    let name = reader.text("client_name");
    let method = reader.optional_text("token_endpoint_auth_method");
    let authentication = match method.as_deref() {
        None | Some("client_secret_basic") => ClientAuthenticationMethod::ClientSecretBasic,
        Some("client_secret_post") => ClientAuthenticationMethod::ClientSecretPost,
        Some("none") => ClientAuthenticationMethod::None,
        Some(_) => {
            reader.cause("token_endpoint_auth_method", INVALID);
            ClientAuthenticationMethod::None
        }
    };
    let redirect_uris = reader.texts("redirect_uris");
    if !redirect_uris.iter().all(|uri| is_redirect_uri(uri)) {
        reader.cause(
            "redirect_uris",
            "Write absolute URIs such as `https://app.example.com/callback` or `com.example.app:/callback`, without a \
             fragment, spaces or a user name",
        );
    }
    let grant_types = reader.texts("grant_types");
    let known = ["authorization_code", "client_credentials", "refresh_token"];
    if grant_types.is_empty() || grant_types.iter().any(|grant_type| !known.contains(&grant_type.as_str())) {
        reader.cause("grant_types", "Write `authorization_code`, `client_credentials`, `refresh_token`");
    }
    let credentials = grant_types.iter().any(|grant_type| grant_type == "client_credentials");
    if credentials && authentication == ClientAuthenticationMethod::None {
        reader.cause("grant_types", "A public client cannot use `client_credentials`");
    }
    let code = grant_types.iter().any(|grant_type| grant_type == "authorization_code");
    if code && redirect_uris.is_empty() {
        reader.cause("redirect_uris", BLANK);
    }
    reader.finish()?;
    let secret = (authentication != ClientAuthenticationMethod::None).then(|| random_token(platform.entropy()));
    let secret_sha256 = secret.as_ref().map(|secret| sha256_hex(secret.expose()));
    let client = OAuthClient {
        redirect_uris,
        grant_types,
        response_types: if code { vec!["code".to_owned()] } else { Vec::new() },
        ..client_of(platform, &name, authentication, secret_sha256)
    };
    Ok((client, secret))
}

/// Whether a browser may be sent there: an absolute URI without a fragment (RFC 6749 section 3.1.2) of a scheme that leads to
/// a web server or an app, written without what the URL parser would drop in silence.
fn is_redirect_uri(text: &str) -> bool {
    /// Schemes that a browser runs, reads or shows by itself.
    const OF_THE_BROWSER: [&str; 10] =
        ["about", "blob", "chrome", "data", "file", "filesystem", "ftp", "javascript", "vbscript", "view-source"];
    let Ok(uri) = url::Url::parse(text) else { return false };
    let of_the_web = matches!(uri.scheme(), "http" | "https");
    text.bytes().all(|byte| byte.is_ascii_graphic())
        && !text.contains(['#', '\\'])
        && !OF_THE_BROWSER.contains(&uri.scheme())
        && uri.username().is_empty()
        && uri.password().is_none()
        && (!of_the_web
            || text.get(uri.scheme().len()..).is_some_and(|rest| rest.starts_with("://") && !rest.starts_with(":///")))
}

fn target(id: &str, kind: &str, name: &str) -> Target {
    Target {
        id: id.to_owned(),
        kind: kind.to_owned(),
        alternate_id: Some("unknown".to_owned()),
        display_name: Some(name.to_owned()),
        detail: None,
    }
}

/// `key` is the one that signs the server's tokens now.
fn server_to_json(org: &OrgSnapshot, server: &AuthorizationServer, key: Option<&SigningKey>) -> Value {
    let signing = key.map(|key| json!({ "kid": key.kid, "use": "sig", "alg": key.algorithm }));
    json!({
        "id": server.id,
        "name": server.name,
        "description": server.description,
        "audiences": server.audiences,
        "issuer": issuer(org, server),
        "issuerMode": "ORG_URL",
        "status": server.status,
        "default": server.is_default,
        "credentials": { "signing": signing },
        "created": server.created,
        "lastUpdated": server.last_updated,
        "_links": { "self": { "href": format!("{}/api/v1/authorizationServers/{}", org.base_url, server.id) } },
    })
}

fn scope_to_json(scope: &Scope) -> Value {
    json!({
        "id": scope.id,
        "name": scope.name,
        "description": scope.description,
        "system": scope.system,
        "metadataPublish": if scope.published { "ALL_CLIENTS" } else { "NO_CLIENTS" },
        "consent": "IMPLICIT",
        "default": scope.default,
    })
}

fn claim_to_json(claim: &ClaimDefinition) -> Value {
    json!({
        "id": claim.id,
        "name": claim.name,
        "status": claim.status,
        "claimType": claim.target,
        "valueType": "EXPRESSION",
        "value": claim.expression,
        "conditions": { "scopes": claim.scopes },
        "system": false,
        "alwaysIncludeInToken": true,
    })
}

fn policy_to_json(policy: &AccessPolicy) -> Value {
    let clients = if policy.clients.is_empty() { json!(["ALL_CLIENTS"]) } else { json!(policy.clients) };
    json!({
        "id": policy.id,
        "type": "OAUTH_AUTHORIZATION_POLICY",
        "name": policy.name,
        "description": policy.description,
        "priority": policy.priority,
        "status": policy.status,
        "system": false,
        "conditions": { "clients": { "include": clients } },
        "created": policy.created,
        "lastUpdated": policy.last_updated,
    })
}

fn rule_to_json(org: &OrgSnapshot, rule: &PolicyRule) -> Value {
    let hook = rule.inline_hook.as_ref().map(|id| {
        json!({
            "id": id,
            "_links": { "self": {
                "href": format!("{}/api/v1/inlineHooks/{id}", org.base_url),
                "hints": { "allow": ["GET", "PUT", "DELETE"] },
            } },
        })
    });
    // Who is named is all who match.
    let groups = if rule.users.is_empty() { json!(["EVERYONE"]) } else { json!([]) };
    json!({
        "id": rule.id,
        "type": "RESOURCE_ACCESS",
        "name": rule.name,
        "priority": rule.priority,
        "status": rule.status,
        "system": false,
        "conditions": {
            "people": { "users": { "include": rule.users }, "groups": { "include": groups } },
            "grantTypes": { "include": rule.grant_types },
            "scopes": { "include": rule.scopes },
        },
        "actions": { "token": {
            "accessTokenLifetimeMinutes": rule.access_token_lifetime_minutes,
            "refreshTokenLifetimeMinutes": rule.refresh_token_lifetime_minutes,
            "refreshTokenWindowMinutes": rule.refresh_token_window_minutes,
            "inlineHook": hook,
        } },
        "created": rule.created,
        "lastUpdated": rule.last_updated,
    })
}

fn client_to_json(client: &OAuthClient) -> Value {
    json!({
        "client_id": client.id,
        "client_name": client.name,
        "client_id_issued_at": client.created.as_seconds(),
        "redirect_uris": client.redirect_uris,
        "grant_types": client.grant_types,
        "response_types": client.response_types,
        "token_endpoint_auth_method": client.authentication,
    })
}

fn text_of(object: &Value, member: &str) -> String {
    object.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
}
