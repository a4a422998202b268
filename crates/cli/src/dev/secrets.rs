//! The secrets that `tenterhook dev` shows: generated at the first start, stored in an owner-only file, and reused.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use tenterhook_contract::Secret;
use tenterhook_management::provision::DemonstrationSecrets;
use tenterhook_platform::entropy::{SystemEntropy, random_bytes, random_token};

use crate::{Error, key_file};

/// The file in the data folder.
pub(super) const FILE: &str = "dev-secrets.json";
/// The member that a file of an earlier version does not have.
const HOST_TOKEN: &str = "hostToken";

/// The secrets of a development org.
pub(crate) struct DevSecrets {
    pub(crate) admin_token: Secret,
    pub(crate) client_secret: Secret,
    pub(crate) user_password: Secret,
    pub(crate) service_authorization: Secret,
    /// The token of a host of the org's own extension point.
    pub(crate) host_token: Secret,
}

impl DevSecrets {
    /// Reads them from `folder`, or generates them; without a folder they live as long as the process.
    pub(crate) fn load(folder: Option<&Path>) -> Result<Self, Error> {
        let Some(folder) = folder else { return Self::parse(&generate()) };
        let path = folder.join(FILE);
        let text = key_file::read_or_create(&path, generate)
            .map_err(|error| format!("Cannot use `{}`: {error}", path.display()))?;
        let damaged =
            || format!("`{}` is damaged. Delete the folder `{}` to start anew", path.display(), folder.display());
        let text = match with_host_token(&text).map_err(|_| damaged())? {
            Some(completed) => {
                key_file::replace(&path, &completed)
                    .map_err(|error| format!("Cannot complete `{}`: {error}", path.display()))?;
                completed
            }
            None => text,
        };
        Self::parse(&text).map_err(|_| damaged().into())
    }

    /// The secrets with which the org is provisioned.
    pub(crate) fn provisioned(&self) -> DemonstrationSecrets {
        DemonstrationSecrets {
            admin_token: self.admin_token.clone(),
            client_secret: self.client_secret.clone(),
            user_password: self.user_password.clone(),
        }
    }

    fn parse(text: &Secret) -> Result<Self, Error> {
        let object: Value = serde_json::from_str(text.expose())?;
        let member = |name: &str| {
            object.get(name).and_then(Value::as_str).map(Secret::new).ok_or_else(|| format!("`{name}` is missing"))
        };
        Ok(Self {
            admin_token: member("adminToken")?,
            client_secret: member("clientSecret")?,
            user_password: member("userPassword")?,
            service_authorization: member("serviceAuthorization")?,
            host_token: member(HOST_TOKEN)?,
        })
    }
}

fn generate() -> Secret {
    let password = URL_SAFE_NO_PAD.encode(random_bytes::<9>(&SystemEntropy));
    let text = |secret: &Secret| secret.expose().to_owned();
    Secret::new(
        json!({
            "adminToken": text(&random_token(&SystemEntropy)),
            "clientSecret": text(&random_token(&SystemEntropy)),
            "userPassword": password,
            "serviceAuthorization": format!("Bearer {}", random_token(&SystemEntropy).expose()),
            HOST_TOKEN: text(&random_token(&SystemEntropy)),
        })
        .to_string(),
    )
}

/// The text of a file of an earlier version with a host token; `None` when it has one.
fn with_host_token(text: &Secret) -> Result<Option<Secret>, Error> {
    let mut members: Map<String, Value> = serde_json::from_str(text.expose())?;
    if members.contains_key(HOST_TOKEN) {
        return Ok(None);
    }
    members.insert(HOST_TOKEN.to_owned(), json!(random_token(&SystemEntropy).expose()));
    Ok(Some(Secret::new(Value::Object(members).to_string())))
}
