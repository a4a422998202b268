//! The policies of an app: the access policy, which every app has, and a profile enrollment policy.

use tenterhook_platform::Platform;

use super::{access_policy, commit, find};
use crate::{
    administrator::{Administrator, ManagementError},
    enrollment_policies,
    resource::Done,
};

/// Gives an app a policy in place of the one of the same type that it has. The access policy is that of every app already.
///
/// # Errors
/// [`ManagementError::NotFound`] for an app or a policy that there is not.
pub async fn assign(
    platform: &Platform,
    administrator: &Administrator,
    (app, policy): (&str, &str),
) -> Result<(), ManagementError> {
    let now = platform.now().whole_seconds();
    commit(platform, administrator, Done::Updated, |org| {
        let app = find(org, app)?;
        if access_policy::of(org).id == policy {
            return Ok((Vec::new(), app));
        }
        let policy = enrollment_policies::find(org, policy)?;
        // An app without a policy of its own has the default one, also when that is changed or the app is older.
        let own = (!policy.system).then(|| policy.id.clone());
        if app.enrollment_policy() == own.as_ref() {
            return Ok((Vec::new(), app));
        }
        let app = app.with_enrollment_policy(own, now);
        Ok((vec![app.put()], app))
    })
    .await
    .map(drop)
}
