//! The claims of tokens before a hook sees them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use tenterhook_contract::{Timestamp, token::TokenDraft};
use tenterhook_engine::Entropy;
use tenterhook_model::{
    AppInput, AuthenticationMethod, ClaimDefinition, ClaimSource, ClaimTarget, FactorType, Group, Inputs, OAuthClient,
    Org, Status, TooManyGroups, User, user_name_at,
};
use tenterhook_platform::entropy::random_bytes;
use tenterhook_store::{Store, StoreError};

use super::error::{OAuthError, OAuthErrorCode};

/// Seconds that an ID token lives.
pub(crate) const ID_TOKEN_LIFETIME_SECONDS: u32 = 3_600;

/// The user as the client's app knows it, for claims that look at that.
#[derive(Debug, Default)]
pub(crate) struct UserAtApp {
    user_name: Option<String>,
    /// `None` without an assignment.
    profile: Option<Map<String, Value>>,
}

impl UserAtApp {
    /// Reads how the app is assigned to the user, if one of these claims looks at it.
    pub(crate) async fn read(
        store: &Store,
        (client, user): (&OAuthClient, Option<&User>),
        definitions: &[&ClaimDefinition],
        granted: &[String],
    ) -> Result<Self, StoreError> {
        let Some(user) = user.filter(|_| definitions.iter().any(|claim| names_app_user(claim, granted))) else {
            return Ok(Self::default());
        };
        let assigned = store.assignment(&user.org_id, &client.app_id(), &user.id).await?;
        let user_name = Some(user_name_at(AppInput::OAuth(client), user, assigned.as_ref()));
        Ok(Self { user_name, profile: assigned.map(|assigned| assigned.profile().into_owned()) })
    }

    /// What expressions of claims can look at.
    pub(crate) fn inputs<'a>(
        &'a self,
        org: &'a Org,
        (client, user): (&'a OAuthClient, Option<&'a User>),
        groups: &'a [Group],
        factor: Option<FactorType>,
    ) -> Inputs<'a> {
        Inputs {
            user,
            app: Some(AppInput::OAuth(client)),
            app_user: self.profile.as_ref(),
            user_name: self.user_name.as_deref(),
            groups: Some(groups),
            org: Some(org),
            amr: user.map(|_| AuthenticationMethod::of_sign_in(factor)),
        }
    }
}

/// The inputs of claims.
#[derive(Clone, Copy)]
pub(crate) struct ClaimsSource<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) audience: &'a str,
    pub(crate) org: &'a Org,
    pub(crate) client: &'a OAuthClient,
    pub(crate) user: Option<&'a User>,
    /// The groups of the user, where a claim names some ([`names_groups`]).
    pub(crate) groups: &'a [Group],
    pub(crate) at_app: &'a UserAtApp,
    pub(crate) scopes: &'a [String],
    pub(crate) nonce: Option<&'a str>,
    pub(crate) auth_time: Option<Timestamp>,
    /// The factor that was verified at the sign-in.
    pub(crate) factor: Option<FactorType>,
    pub(crate) definitions: &'a [&'a ClaimDefinition],
    pub(crate) entropy: &'a dyn Entropy,
}

impl ClaimsSource<'_> {
    /// The access token's claims, without `iat`, `exp`, `scp` (`open-questions.md` D14).
    pub(crate) fn access(&self, lifetime_seconds: u32) -> Result<TokenDraft, OAuthError> {
        let mut claims = Map::new();
        claims.insert("ver".to_owned(), json!(1));
        claims.insert("jti".to_owned(), json!(self.token_id("AT")));
        claims.insert("iss".to_owned(), json!(self.issuer));
        claims.insert("aud".to_owned(), json!(self.audience));
        claims.insert("cid".to_owned(), json!(self.client.id));
        if let Some(user) = self.user {
            claims.insert("uid".to_owned(), json!(user.id));
        }
        let subject = self.user.map_or(self.client.id.as_str(), |user| user.profile.login.as_str());
        claims.insert("sub".to_owned(), json!(subject));
        self.custom(ClaimTarget::Access, &mut claims)?;
        Ok(TokenDraft { claims, lifetime_seconds })
    }

    /// The ID token's claims, without `iat`, `exp`, `at_hash`.
    pub(crate) fn identity(&self, user: &User) -> Result<TokenDraft, OAuthError> {
        let granted = |scope: &str| self.scopes.iter().any(|granted| granted == scope);
        let mut claims = Map::new();
        claims.insert("sub".to_owned(), json!(user.id));
        if granted("profile") {
            claims.insert("name".to_owned(), json!(user.profile.full_name()));
        }
        if granted("email") {
            claims.insert("email".to_owned(), json!(user.profile.email));
        }
        claims.insert("ver".to_owned(), json!(1));
        claims.insert("iss".to_owned(), json!(self.issuer));
        claims.insert("aud".to_owned(), json!(self.client.id));
        claims.insert("jti".to_owned(), json!(self.token_id("ID")));
        let methods: Vec<_> =
            AuthenticationMethod::of_sign_in(self.factor).iter().map(|method| method.code()).collect();
        claims.insert("amr".to_owned(), json!(methods));
        claims.insert("idp".to_owned(), json!(self.org.id));
        if let Some(nonce) = self.nonce {
            claims.insert("nonce".to_owned(), json!(nonce));
        }
        if let Some(auth_time) = self.auth_time {
            claims.insert("auth_time".to_owned(), json!(auth_time.as_seconds()));
        }
        if granted("profile") {
            claims.insert("preferred_username".to_owned(), json!(user.profile.login));
        }
        self.custom(ClaimTarget::Identity, &mut claims)?;
        Ok(TokenDraft { claims, lifetime_seconds: ID_TOKEN_LIFETIME_SECONDS })
    }

    fn token_id(&self, prefix: &str) -> String {
        format!("{prefix}.{}", URL_SAFE_NO_PAD.encode(random_bytes::<32>(self.entropy)))
    }

    fn custom(&self, target: ClaimTarget, claims: &mut Map<String, Value>) -> Result<(), OAuthError> {
        let of_token =
            |definition: &&ClaimDefinition| definition.target == target && definition.always_include_in_token;
        let definitions = self.definitions.iter().copied().filter(of_token);
        let inputs = self.at_app.inputs(self.org, (self.client, self.user), self.groups, self.factor);
        add_defined(definitions, self.scopes, &inputs, claims)
    }
}

/// Adds the claims that `granted` scopes allow; existing claims stay.
///
/// # Errors
/// When more groups pass the filter of a claim than it can name.
pub(crate) fn add_defined<'a>(
    definitions: impl Iterator<Item = &'a ClaimDefinition>,
    granted: &[String],
    inputs: &Inputs<'_>,
    claims: &mut Map<String, Value>,
) -> Result<(), OAuthError> {
    for definition in definitions.filter(|definition| applies(definition, granted)) {
        if claims.contains_key(&definition.name) {
            continue;
        }
        if let Some(value) = value_of(definition, inputs)? {
            claims.insert(definition.name.clone(), value);
        }
    }
    Ok(())
}

/// The value of a claim; none where its expression has none, and where no group passes its filter.
fn value_of(definition: &ClaimDefinition, inputs: &Inputs<'_>) -> Result<Option<Value>, OAuthError> {
    match &definition.source {
        ClaimSource::Expression(expression) => Ok(expression.evaluate(inputs)),
        ClaimSource::Groups(filter) => {
            // A part of the groups would be taken for all of them.
            let names = filter.names(inputs.groups.unwrap_or_default()).map_err(|TooManyGroups| {
                let text = "The groups claim matched too many groups and must be configured to match fewer groups.";
                OAuthError::of_configuration(OAuthErrorCode::ServerError, text)
            })?;
            Ok((!names.is_empty()).then(|| json!(names)))
        }
    }
}

/// Whether a claim is in use, allowed by the `granted` scopes, and made of the groups of the user.
pub(crate) fn names_groups(definition: &ClaimDefinition, granted: &[String]) -> bool {
    applies(definition, granted)
        && match &definition.source {
            ClaimSource::Expression(expression) => expression.names_groups(),
            ClaimSource::Groups(_) => true,
        }
}

/// Whether a claim is in use, allowed by the `granted` scopes, and made of the user as the app knows it.
fn names_app_user(definition: &ClaimDefinition, granted: &[String]) -> bool {
    let ClaimSource::Expression(expression) = &definition.source else { return false };
    applies(definition, granted) && expression.names_app_user()
}

/// Whether a claim is in use and one of the scopes that it is for is granted.
fn applies(definition: &ClaimDefinition, granted: &[String]) -> bool {
    let scoped = definition.scopes.is_empty() || definition.scopes.iter().any(|scope| granted.contains(scope));
    definition.status == Status::Active && scoped
}
