//! Apps: what users sign on to. A SAML app is a record of its own; an OpenID Connect app is an OAuth client, which
//! [`clients`](crate::clients) shows too.

pub mod access_policy;
pub mod assigned_policy;
pub mod assignments;
mod general;
pub mod keys;
pub mod oidc;
pub mod request;
pub mod saml;

use std::collections::HashSet;

use tenterhook_contract::{
    Secret, Timestamp,
    id::{AppId, GroupId, PolicyId, UserId},
    party::Target,
};
use tenterhook_model::{
    AppHide, AppInput, AppKey, AppTold, ClientAuthenticationMethod, ConfigurationObject, ConfigurationRecord as _,
    ConfigurationWrite, EnrollmentPolicy, GroupPattern, NameIdFormat, OAuthClient, SamlApp, Status, Template,
    UserNameTemplate,
};
use tenterhook_platform::{
    OrgSnapshot, Platform,
    entropy::{random_token, sha256_hex},
    events::named_target,
};

pub use self::general::{LABEL_CHARACTERS_MAX, NOTE_CHARACTERS_MAX, PROFILE_BYTES_MAX};
use self::request::AppRequest;
use crate::{
    administrator::{Administrator, ManagementError, log_change, org_of},
    associations::{Association, OnDeactivate, OnDelete},
    orgs::check_room_for_app,
    patterns,
    provision::client_of,
    request::{BLANK, Causes, Given, Submitted},
    resource::Done,
};

/// The subject of an error's summary.
const MODEL: &str = "app";
/// The kind, as errors and targets of log events say it.
pub(crate) const KIND: &str = "AppInstance";
/// Begins what is said of too many regular expressions.
const AN_APP: &str = "An app has";
/// Years that the key of a new SAML app is valid.
const KEY_YEARS: u32 = 10;
/// Characters of a label that its name in URLs takes.
const SLUG_CHARACTERS_MAX: usize = 40;

/// An app.
#[derive(Clone, Debug, PartialEq)]
pub enum App {
    /// `SAML_2_0`
    Saml(Box<SamlApp>),
    /// `OPENID_CONNECT`
    OpenIdConnect(Box<OAuthClient>),
}

/// How users sign on to an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignOnMode {
    /// With an assertion.
    Saml,
    /// With a code.
    OpenIdConnect,
}

impl SignOnMode {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Saml, Self::OpenIdConnect];

    /// As the vendor calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Saml => "SAML_2_0",
            Self::OpenIdConnect => "OPENID_CONNECT",
        }
    }
}

impl App {
    /// The id.
    pub fn id(&self) -> AppId {
        match self {
            Self::Saml(app) => app.id.clone(),
            Self::OpenIdConnect(client) => client.app_id(),
        }
    }

    /// The name in URLs.
    pub fn name(&self) -> &str {
        match self {
            Self::Saml(app) => &app.name,
            Self::OpenIdConnect(_) => oidc::NAME,
        }
    }

    /// The name for people.
    pub fn label(&self) -> &str {
        match self {
            Self::Saml(app) => &app.label,
            Self::OpenIdConnect(client) => &client.name,
        }
    }

    /// Whether it is in use.
    pub fn status(&self) -> Status {
        match self {
            Self::Saml(app) => app.status,
            Self::OpenIdConnect(client) => client.status,
        }
    }

    /// It as expressions see it.
    pub(crate) fn input(&self) -> AppInput<'_> {
        match self {
            Self::Saml(app) => AppInput::Saml(app),
            Self::OpenIdConnect(client) => AppInput::OAuth(client),
        }
    }

    /// How users sign on to it.
    pub fn sign_on_mode(&self) -> SignOnMode {
        match self {
            Self::Saml(_) => SignOnMode::Saml,
            Self::OpenIdConnect(_) => SignOnMode::OpenIdConnect,
        }
    }

    fn with_status(self, status: Status, last_updated: Timestamp) -> Self {
        match self {
            Self::Saml(app) => Self::Saml(Box::new(SamlApp { status, last_updated, ..*app })),
            Self::OpenIdConnect(client) => {
                Self::OpenIdConnect(Box::new(OAuthClient { status, last_updated, ..*client }))
            }
        }
    }

    /// The profile enrollment policy that it names as its own; the org's default one is its policy when there is none, or it was
    /// deleted.
    pub fn enrollment_policy(&self) -> Option<&PolicyId> {
        match self {
            Self::Saml(app) => app.enrollment_policy.as_ref(),
            Self::OpenIdConnect(client) => client.enrollment_policy.as_ref(),
        }
    }

    fn with_enrollment_policy(self, enrollment_policy: Option<PolicyId>, last_updated: Timestamp) -> Self {
        match self {
            Self::Saml(app) => Self::Saml(Box::new(SamlApp { enrollment_policy, last_updated, ..*app })),
            Self::OpenIdConnect(client) => {
                Self::OpenIdConnect(Box::new(OAuthClient { enrollment_policy, last_updated, ..*client }))
            }
        }
    }

    fn put(&self) -> ConfigurationWrite {
        ConfigurationWrite::put(match self {
            Self::Saml(app) => ConfigurationObject::SamlApp(app.clone()),
            Self::OpenIdConnect(client) => OAuthClient::clone(client).into_object(),
        })
    }

    /// It as the target of a log event.
    pub(crate) fn target(&self) -> Target {
        named_target(self.id().as_str(), KIND, self.label())
    }
}

/// The member of a SAML app that names hooks. Deactivating a hook leaves it there: the flow runs without the hook until it is
/// active again.
pub const SAML_APP: Association = Association {
    kind: "app",
    member: "settings.signOn.inlineHooks[].id",
    on_deactivate: OnDeactivate::RunsWithout,
    on_delete: OnDelete::Cleared,
    cleared: |configuration, hook, now| {
        let named = configuration.saml_apps.iter().filter(|app| app.hooks.iter().any(|known| known.hook == *hook));
        let left = named.map(|app| {
            let hooks = app.hooks.iter().filter(|known| known.hook != *hook).cloned().collect();
            SamlApp { hooks, last_updated: now, ..app.clone() }
        });
        left.map(|app| ConfigurationObject::SamlApp(Box::new(app))).collect()
    },
    log_update: |platform, administrator, object| {
        if let ConfigurationObject::SamlApp(app) = object {
            log(platform, administrator, &App::Saml(app.clone()), Done::Updated);
        }
    },
};

/// Which apps a list has. An app is in it when every condition holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppCondition {
    /// It has this status.
    Status(Status),
    /// It has this name.
    Name(String),
    /// It has a key with this id.
    Key(String),
    /// It is assigned to this user, or to a group of the user.
    User(UserId),
    /// It is assigned to this group.
    Group(GroupId),
    /// It has this profile enrollment policy.
    EnrollmentPolicy(PolicyId),
}

/// The apps of an org for which every condition holds.
pub async fn list(
    platform: &Platform,
    administrator: &Administrator,
    conditions: &[AppCondition],
) -> Result<Vec<App>, ManagementError> {
    let org = org_of(platform, administrator)?;
    let mut apps: Vec<App> = all(&org).collect();
    for condition in conditions {
        match condition {
            AppCondition::Status(status) => apps.retain(|app| app.status() == *status),
            AppCondition::Name(name) => apps.retain(|app| app.name() == name),
            AppCondition::Key(kid) => {
                let owner = org.configuration.app_keys.get(kid).map(|key| key.app_id.clone());
                apps.retain(|app| Some(app.id()) == owner);
            }
            AppCondition::User(user) => {
                let assigned = platform.store().app_ids_of_user(&org.org.id, user).await?;
                apps.retain(|app| assigned.contains(&app.id()));
            }
            AppCondition::Group(group) => {
                let assigned = platform.store().app_ids_of_group(&org.org.id, group).await?;
                apps.retain(|app| assigned.contains(&app.id()));
            }
            AppCondition::EnrollmentPolicy(policy) => apps.retain(|app| {
                let own = EnrollmentPolicy::of_app(&org.configuration, &org.org, app.enrollment_policy());
                own.id == *policy
            }),
        }
    }
    Ok(apps)
}

fn all(org: &OrgSnapshot) -> impl Iterator<Item = App> {
    let saml = org.configuration.saml_apps.iter().map(|app| App::Saml(Box::new(app.clone())));
    saml.chain(org.configuration.clients.iter().map(|client| App::OpenIdConnect(Box::new(client.clone()))))
}

/// One app.
pub fn get(platform: &Platform, administrator: &Administrator, id: &str) -> Result<App, ManagementError> {
    find(&*org_of(platform, administrator)?, id)
}

/// Creates an app; a SAML app gets a key. The secret of an OpenID Connect app, if it has one, is in the answer and nowhere else.
pub async fn create(
    platform: &Platform,
    administrator: &Administrator,
    status: Status,
    submitted: &Submitted<AppRequest>,
) -> Result<(App, Option<Secret>), ManagementError> {
    let mode =
        read_mode(&submitted.request.sign_on_mode)?.ok_or_else(|| ManagementError::field("signOnMode", BLANK))?;
    match mode {
        SignOnMode::Saml => {
            let app = new_saml_app(platform, status);
            // So that no key is made for a request that is refused.
            let org = org_of(platform, administrator)?;
            let _compiled = compiled(&org, submitted, App::Saml(Box::new(app.clone()))).await;
            let label = read_saml(&org, submitted, app.clone())?.label;
            check_room_for_app(&org)?;
            let key = keys::new_key(platform, &org, &app.id, KEY_YEARS).await?;
            let app = SamlApp { signing_kid: key.kid.clone(), ..app };
            let commit = commit(platform, administrator, Done::Created, |org| {
                check_room_for_app(org)?;
                let name = free_name(org, &label);
                let app = SamlApp { name, ..read_saml(org, submitted, app.clone())? };
                let app = App::Saml(Box::new(app));
                let key = ConfigurationWrite::put(ConfigurationObject::AppKey(AppKey::clone(&key)));
                Ok((vec![app.put(), key], app))
            });
            Ok((commit.await?, None))
        }
        SignOnMode::OpenIdConnect => {
            let method = ClientAuthenticationMethod::ClientSecretBasic;
            let client = OAuthClient { status, implicit_assignment: false, ..client_of(platform, "", method, None) };
            let secret = random_token(platform.entropy());
            let org = org_of(platform, administrator)?;
            let _compiled = compiled(&org, submitted, App::OpenIdConnect(Box::new(client.clone()))).await;
            let commit = commit(platform, administrator, Done::Created, |org| {
                check_room_for_app(org)?;
                let client = read_client(submitted, client.clone(), true)?;
                let app = App::OpenIdConnect(Box::new(with_secret(client, &secret)));
                Ok((vec![app.put()], app))
            });
            let app = commit.await?;
            let has_secret = matches!(&app, App::OpenIdConnect(client) if client.secret_sha256.is_some());
            Ok((app, has_secret.then_some(secret)))
        }
    }
}

/// Replaces an app. An OpenID Connect app keeps its secret, unless the way in which it authenticates needs another one; a secret
/// that is new, or that the request has, is in the answer.
pub async fn replace(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    submitted: &Submitted<AppRequest>,
) -> Result<(App, Option<Secret>), ManagementError> {
    let (now, secret) = (platform.now().whole_seconds(), random_token(platform.entropy()));
    let mode = read_mode(&submitted.request.sign_on_mode)?;
    let org = org_of(platform, administrator)?;
    let _compiled = compiled(&org, submitted, find(&org, id)?).await;
    let app = commit(platform, administrator, Done::Updated, |org| {
        let app = find(org, id)?;
        if mode.is_some_and(|mode| mode != app.sign_on_mode()) {
            return Err(ManagementError::field("signOnMode", "The sign-on mode of an app stays: make another app"));
        }
        let app = match app {
            App::Saml(app) => App::Saml(Box::new(SamlApp { last_updated: now, ..read_saml(org, submitted, *app)? })),
            App::OpenIdConnect(client) => {
                let client = OAuthClient { last_updated: now, ..read_client(submitted, *client, false)? };
                App::OpenIdConnect(Box::new(with_secret(client, &secret)))
            }
        };
        Ok((vec![app.put()], app))
    })
    .await?;
    let told = match &app {
        App::OpenIdConnect(client) => {
            let credentials = submitted.request.oauth_credentials.as_ref();
            let given = credentials.and_then(|credentials| credentials.client_secret.value());
            let given = given.filter(|given| client.secret_sha256.as_ref() == Some(&sha256_hex(given)));
            let is_new = client.secret_sha256.as_ref() == Some(&sha256_hex(secret.expose()));
            given.map(|given| Secret::new(given.clone())).or(is_new.then_some(secret))
        }
        App::Saml(_) => None,
    };
    Ok((app, told))
}

/// Deletes an app that is not in use, with its keys and its assignments.
///
/// # Errors
/// [`ManagementError::AppIsActive`] when it is in use.
pub async fn delete(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(), ManagementError> {
    commit(platform, administrator, Done::Deleted, |org| {
        let app = find(org, id)?;
        if app.status() == Status::Active {
            return Err(ManagementError::AppIsActive);
        }
        let keys = org.configuration.app_keys.below(&app.id()).map(|key| ConfigurationWrite::Delete(key.kid.clone()));
        let own = ConfigurationWrite::Delete(app.id().to_string());
        Ok(([own].into_iter().chain(keys).collect(), app))
    })
    .await
    .map(drop)
}

/// Activates or deactivates an app; one that has the status already stays as it is.
pub async fn set_status(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    status: Status,
) -> Result<(), ManagementError> {
    let now = platform.now().whole_seconds();
    let done = if status == Status::Active { Done::Activated } else { Done::Deactivated };
    commit(platform, administrator, done, |org| {
        let app = find(org, id)?;
        if app.status() == status {
            return Ok((Vec::new(), app));
        }
        let app = app.with_status(status, now);
        Ok((vec![app.put()], app))
    })
    .await
    .map(drop)
}

/// Sets the issuer mode of an OpenID Connect app, which is only told; absent, it stays.
pub async fn set_issuer_mode(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    submitted: &Submitted<Given<String>>,
) -> Result<(), ManagementError> {
    let now = platform.now().whole_seconds();
    commit(platform, administrator, Done::Updated, |org| {
        let mut causes = Causes::of(MODEL, submitted);
        let mode = general::choice(&mut causes, "issuerMode", &submitted.request, &oidc::ISSUER_MODES);
        causes.finish()?;
        let app = find(org, id)?;
        let App::OpenIdConnect(client) = &app else {
            return Err(ManagementError::field(
                "signOnMode",
                "Only apps with the sign-on mode `OPENID_CONNECT` have it",
            ));
        };
        let mut client = OAuthClient::clone(client);
        let told = &mut client.told.oauth_client;
        if mode.is_none_or(|mode| told.get("issuer_mode").and_then(|known| known.as_str()) == Some(mode)) {
            return Ok((Vec::new(), app));
        }
        told.extend(mode.map(|mode| ("issuer_mode".to_owned(), mode.into())));
        let app = App::OpenIdConnect(Box::new(OAuthClient { last_updated: now, ..client }));
        Ok((vec![app.put()], app))
    })
    .await
    .map(drop)
}

/// The app with this id.
pub(crate) fn find(org: &OrgSnapshot, id: &str) -> Result<App, ManagementError> {
    let saml = org.configuration.saml_apps.find(id).map(|app| App::Saml(Box::new(app.clone())));
    let client = || org.configuration.clients.find(id).map(|client| App::OpenIdConnect(Box::new(client.clone())));
    saml.or_else(client).ok_or_else(|| ManagementError::NotFound { id: id.to_owned(), kind: KIND })
}

/// Commits what `judge` decides on the newest snapshot, and logs what was done to the app; nothing where nothing is written.
async fn commit(
    platform: &Platform,
    administrator: &Administrator,
    done: Done,
    judge: impl Fn(&OrgSnapshot) -> Result<(Vec<ConfigurationWrite>, App), ManagementError>,
) -> Result<App, ManagementError> {
    let (app, is_written) = platform
        .change(&administrator.token.org_id, |org| {
            let (writes, app) = judge(org)?;
            let is_written = !writes.is_empty();
            Ok::<_, ManagementError>((writes, (app, is_written)))
        })
        .await?;
    if is_written {
        log(platform, administrator, &app, done);
    }
    Ok(app)
}

fn log(platform: &Platform, administrator: &Administrator, app: &App, done: Done) {
    let event_type = format!("application.lifecycle.{}", done.verb());
    log_change(platform, administrator, &event_type, &done.sentence("application"), app.target());
}

/// The sign-on mode of a request, if it names one.
fn read_mode(given: &Given<String>) -> Result<Option<SignOnMode>, ManagementError> {
    let text = match given {
        Given::Absent => return Ok(None),
        Given::Is(text) => SignOnMode::ALL.into_iter().find(|mode| mode.as_str() == text),
        Given::Wrong => None,
    };
    let why = "Only the sign-on modes `SAML_2_0` and `OPENID_CONNECT` are supported";
    text.map(Some).ok_or_else(|| ManagementError::field("signOnMode", why))
}

fn read_saml(org: &OrgSnapshot, submitted: &Submitted<AppRequest>, app: SamlApp) -> Result<SamlApp, ManagementError> {
    let mut causes = Causes::of(MODEL, submitted);
    check_status(&mut causes, &submitted.request, app.status);
    let app = saml::read(org, &mut causes, &submitted.request, app);
    if causes.is_empty() {
        patterns::check(&mut causes, AN_APP, [], &saml::patterns(&app));
    }
    causes.finish()?;
    Ok(app)
}

fn read_client(
    submitted: &Submitted<AppRequest>,
    client: OAuthClient,
    is_new: bool,
) -> Result<OAuthClient, ManagementError> {
    let mut causes = Causes::of(MODEL, submitted);
    check_status(&mut causes, &submitted.request, client.status);
    let client = oidc::read(&mut causes, &submitted.request, client, is_new);
    if causes.is_empty() {
        patterns::check(&mut causes, AN_APP, [], &general::of_user_name(&client.user_name));
    }
    causes.finish()?;
    Ok(client)
}

/// The regular expressions that `app` has when a request is read over it, compiled: the change, which other changes of the org wait for,
/// finds them so. What is wrong with the request is said there.
async fn compiled(org: &OrgSnapshot, submitted: &Submitted<AppRequest>, app: App) -> Vec<GroupPattern> {
    let mut unread = Causes::none(MODEL);
    let of = |named: Vec<patterns::Named<'_>>| named.into_iter().map(|(_, pattern)| pattern.clone()).collect();
    let named: Vec<_> = match app {
        App::Saml(app) => of(saml::patterns(&saml::read(org, &mut unread, &submitted.request, *app))),
        App::OpenIdConnect(client) => {
            of(general::of_user_name(&oidc::read(&mut unread, &submitted.request, *client, false).user_name))
        }
    };
    patterns::compiled(named).await
}

fn check_status(causes: &mut Causes, request: &AppRequest, status: Status) {
    if causes.status(&request.status, status) != status {
        let text = "The status is changed by `lifecycle` operations, and that of a new app by `activate` in the query";
        causes.add("status", text);
    }
}

/// The client with the secret that it needs: its own, the new one where it has none, or none where it is public.
fn with_secret(client: OAuthClient, new: &Secret) -> OAuthClient {
    let secret_sha256 = match (client.authentication, client.secret_sha256) {
        (ClientAuthenticationMethod::None, _) => None,
        (_, Some(known)) => Some(known),
        (_, None) => Some(sha256_hex(new.expose())),
    };
    OAuthClient { secret_sha256, ..client }
}

/// What a SAML app is before its request is read.
fn new_saml_app(platform: &Platform, status: Status) -> SamlApp {
    let ((unix_ms, random), (_, key)) = (platform.id_parts(), platform.id_parts());
    let now = platform.now().whole_seconds();
    let external_key = AppId::from_parts(unix_ms, key).as_str().replacen(AppId::PREFIX, "exk", 1);
    SamlApp {
        id: AppId::from_parts(unix_ms, random),
        external_key,
        name: String::new(),
        label: String::new(),
        status,
        implicit_assignment: false,
        hide: AppHide::default(),
        user_name: UserNameTemplate::default(),
        signing_kid: String::new(),
        idp_issuer: None,
        acs_url: String::new(),
        recipient: String::new(),
        destination: String::new(),
        acs_endpoints: Vec::new(),
        audience: String::new(),
        sp_issuer: None,
        default_relay_state: None,
        subject_name_id_template: Template::login(),
        subject_name_id_format: NameIdFormat::Unspecified,
        response_signed: true,
        assertion_signed: true,
        honor_force_authn: true,
        authn_context_class_ref: String::new(),
        request_compressed: false,
        assertion_lifetime_seconds: 0,
        attribute_statements: Vec::new(),
        single_logout: None,
        sp_certificates: Vec::new(),
        signed_requests: false,
        encryption: None,
        hooks: Vec::new(),
        told: AppTold::default(),
        enrollment_policy: None,
        created: now,
        last_updated: now,
    }
}

/// A name in URLs that no other SAML app of the org has: the letters and digits of the label, `_`, and a number.
fn free_name(org: &OrgSnapshot, label: &str) -> String {
    let slug: String = label
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(SLUG_CHARACTERS_MAX)
        .map(|character| character.to_ascii_lowercase())
        .collect();
    let slug = if slug.is_empty() { "app" } else { &slug };
    let taken: HashSet<_> = org.configuration.saml_apps.iter().map(|app| app.name.as_str()).collect();
    let mut names = (1..).map(|number: u64| format!("{slug}_{number}"));
    names.find(|name| !taken.contains(name.as_str())).unwrap_or_default()
}
