//! A scope: its body, and how it is shown.

use serde_json::{Value, json};
use tenterhook_contract::members::Members;
use tenterhook_model::Scope;
use tenterhook_platform::OrgSnapshot;

use super::reader::{INVALID, Reader};
use crate::administrator::ManagementError;

const MEMBERS: Members = Members {
    taken: &["name", "description", "displayName", "consent", "metadataPublish", "default", "optional"],
    read_only: &["id", "system", "_links"],
    refused: &[],
};

/// Reads a body over `scope`. Texts are replaced; any other member that is absent keeps its default or its stored value.
pub(super) fn read_scope(body: &Value, scope: Scope) -> Result<Scope, ManagementError> {
    let mut reader = Reader::new(body, "scope", &MEMBERS);
    let name = reader.text("name");
    // A scope-token of RFC 6749 section 3.3.
    let legal = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    if !name.bytes().all(legal) {
        reader.cause("name", INVALID);
    }
    if scope.system && name != scope.name {
        reader.cause("name", "The scope is one of the system's, whose names cannot be changed");
    }
    let description = reader.optional_text("description").unwrap_or_default();
    let display_name = reader.optional_text("displayName");
    reader.only("consent", "IMPLICIT", "Only `IMPLICIT` is supported: users are not asked for their consent");
    let published = match reader.optional_text("metadataPublish").as_deref() {
        None => scope.published,
        Some("ALL_CLIENTS") => true,
        Some("NO_CLIENTS") => false,
        Some(_) => {
            reader.cause("metadataPublish", "Write `ALL_CLIENTS` or `NO_CLIENTS`");
            false
        }
    };
    let default = reader.flag("default", scope.default);
    let optional = reader.flag("optional", scope.optional);
    reader.finish()?;
    Ok(Scope { name, description, display_name, published, default, optional, ..scope })
}

pub(super) fn scope_to_json(org: &OrgSnapshot, scope: &Scope) -> Value {
    let server = &scope.authorization_server_id;
    let mut shown = json!({
        "id": scope.id,
        "name": scope.name,
        "description": scope.description,
        "system": scope.system,
        "metadataPublish": if scope.published { "ALL_CLIENTS" } else { "NO_CLIENTS" },
        "consent": "IMPLICIT",
        "default": scope.default,
        "optional": scope.optional,
        "_links": { "self": {
            "href": format!("{}/api/v1/authorizationServers/{server}/scopes/{}", org.base_url, scope.id),
        } },
    });
    if let (Some(name), Some(members)) = (&scope.display_name, shown.as_object_mut()) {
        members.insert("displayName".to_owned(), json!(name));
    }
    shown
}
