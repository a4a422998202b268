//! Keys of SAML apps with their certificates.

use tenterhook_contract::id::AppId;
use tenterhook_model::{AppKey, ConfigurationObject, ConfigurationWrite, SamlApp};
use tenterhook_platform::{
    OrgSnapshot, Platform,
    keys::{generate_app_key, kid as new_kid},
    saml_apps,
};

use super::{App, find};
use crate::administrator::{Administrator, ManagementError, log_change, org_of};

/// Years that a certificate may be valid.
pub const YEARS: std::ops::RangeInclusive<u32> = 2..=10;
/// Keys of an app. The oldest one that does not sign makes room for another one: no client deletes keys.
pub const KEYS_MAX: usize = 20;
/// The kind, as errors say it.
const KIND: &str = "ApplicationKey";
/// Seconds of a year, a quarter of a leap day included.
const YEAR_SECONDS: i64 = 31_557_600;

/// The keys of an app, the oldest first. Only SAML apps have any.
pub fn list(platform: &Platform, administrator: &Administrator, app: &str) -> Result<Vec<AppKey>, ManagementError> {
    let org = org_of(platform, administrator)?;
    let id = find(&org, app)?.id();
    Ok(org.configuration.app_keys.below(&id).cloned().collect())
}

/// One key of an app.
pub fn get(
    platform: &Platform,
    administrator: &Administrator,
    app: &str,
    kid: &str,
) -> Result<AppKey, ManagementError> {
    let org = org_of(platform, administrator)?;
    find_key(&org, &find(&org, app)?.id(), kid).cloned()
}

/// Makes another key for a SAML app, whose certificate is valid for so many years. The app signs with it when a request names
/// it in `credentials.signing.kid`.
///
/// # Errors
/// [`ManagementError::Invalid`] for years that are not among [`YEARS`].
pub async fn generate(
    platform: &Platform,
    administrator: &Administrator,
    app: &str,
    years: u32,
) -> Result<AppKey, ManagementError> {
    if !YEARS.contains(&years) {
        return Err(ManagementError::field("validityYears", "Write 2 to 10"));
    }
    let org = org_of(platform, administrator)?;
    let key = new_key(platform, &org, &find_saml(&org, app)?.id, years).await?;
    add(platform, administrator, app, key, ("app.keys.generate", "Generate key of application")).await
}

/// Gives the key of one SAML app to another one too. There it has another id: ids of keys are unique in an org.
pub async fn clone_to(
    platform: &Platform,
    administrator: &Administrator,
    (app, kid): (&str, &str),
    target: &str,
) -> Result<AppKey, ManagementError> {
    let org = org_of(platform, administrator)?;
    let known = find_key(&org, &find_saml(&org, app)?.id, kid)?;
    let target = match find_saml(&org, target) {
        Ok(target) => target,
        Err(ManagementError::NotFound { .. }) => {
            return Err(ManagementError::field("targetAid", "There is no app with this id"));
        }
        Err(error) => return Err(error),
    };
    let key = AppKey {
        kid: new_kid(platform.entropy()),
        app_id: target.id.clone(),
        created: platform.now().whole_seconds(),
        ..known.clone()
    };
    add(platform, administrator, target.id.as_str(), key, ("app.keys.clone", "Clone key of application")).await
}

/// The metadata of the identity provider for a SAML app, with the certificate of this key, or of the one that signs.
pub fn metadata(
    platform: &Platform,
    administrator: &Administrator,
    app: &str,
    kid: Option<&str>,
) -> Result<String, ManagementError> {
    let org = org_of(platform, administrator)?;
    let app = find_saml(&org, app)?;
    let unknown = || ManagementError::NotFound { id: kid.unwrap_or(&app.signing_kid).to_owned(), kind: KIND };
    saml_apps::metadata(&org, app, kid).ok_or_else(unknown)
}

/// A key pair for an app, with a certificate that is valid from now on.
pub(super) async fn new_key(
    platform: &Platform,
    org: &OrgSnapshot,
    app: &AppId,
    years: u32,
) -> Result<AppKey, ManagementError> {
    let now = platform.now().whole_seconds();
    let expires = now.plus_seconds(i64::from(years) * YEAR_SECONDS);
    Ok(generate_app_key(platform.entropy(), (&org.org.name, app), (now, expires)).await?)
}

async fn add(
    platform: &Platform,
    administrator: &Administrator,
    app: &str,
    key: AppKey,
    (event_type, message): (&str, &str),
) -> Result<AppKey, ManagementError> {
    let app = platform
        .change(&administrator.token.org_id, |org| {
            let app = find_saml(org, app)?;
            let mut known: Vec<_> =
                org.configuration.app_keys.below(&app.id).filter(|key| key.kid != app.signing_kid).collect();
            // One place is that of the key that signs, one that of the new key.
            let too_many = (known.len() + 2).saturating_sub(KEYS_MAX);
            known.truncate(too_many);
            let gone = known.into_iter().map(|key| ConfigurationWrite::Delete(key.kid.clone()));
            let new = ConfigurationWrite::put(ConfigurationObject::AppKey(key.clone()));
            Ok::<_, ManagementError>((gone.chain([new]).collect(), App::Saml(Box::new(app.clone()))))
        })
        .await?;
    log_change(platform, administrator, event_type, message, app.target());
    Ok(key)
}

fn find_saml<'a>(org: &'a OrgSnapshot, id: &str) -> Result<&'a SamlApp, ManagementError> {
    if let Some(app) = org.configuration.saml_apps.find(id) {
        return Ok(app);
    }
    find(org, id)?;
    Err(ManagementError::field("signOnMode", "Only apps with the sign-on mode `SAML_2_0` have keys"))
}

fn find_key<'a>(org: &'a OrgSnapshot, app: &AppId, kid: &str) -> Result<&'a AppKey, ManagementError> {
    let key = org.configuration.app_keys.find(kid).filter(|key| key.app_id == *app);
    key.ok_or_else(|| ManagementError::NotFound { id: kid.to_owned(), kind: KIND })
}
