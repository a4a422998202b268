//! A claim definition: its body, and how it is shown.

use serde_json::{Value, json};
use tenterhook_contract::{members::Members, token::reserved::BOTH};
use tenterhook_model::{ClaimDefinition, ClaimTarget, is_expression};
use tenterhook_platform::OrgSnapshot;

use super::reader::Reader;
use crate::administrator::ManagementError;

const MEMBERS: Members = Members {
    taken: &["name", "status", "claimType", "valueType", "value", "alwaysIncludeInToken", "conditions.scopes"],
    read_only: &["id", "system", "_links"],
    refused: &[
        ("group_filter_type", "Claims of groups are not supported"),
        ("groupFilterType", "Claims of groups are not supported"),
    ],
};

/// Reads a body over `claim`. A member that is absent keeps its default or its stored value, but for those that every
/// claim has.
pub(super) fn read_claim(body: &Value, claim: ClaimDefinition) -> Result<ClaimDefinition, ManagementError> {
    let mut reader = Reader::new(body, "claim", &MEMBERS);
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
    reader.only("valueType", "EXPRESSION", "Only `EXPRESSION` is supported");
    if !is_expression(&expression) {
        reader.cause("value", "Write `user.ATTRIBUTE`, `app.clientId`, `app.name` or a text in double quotes");
    }
    let always_include_in_token = reader.flag("alwaysIncludeInToken", claim.always_include_in_token);
    if target == ClaimTarget::Access && !always_include_in_token {
        reader.cause("alwaysIncludeInToken", "The claims of an access token are always in it");
    }
    let scopes = reader.listed("/conditions/scopes").unwrap_or(claim.scopes);
    let status = reader.status(claim.status);
    reader.finish()?;
    let id = claim.id;
    let authorization_server_id = claim.authorization_server_id;
    Ok(ClaimDefinition {
        id,
        authorization_server_id,
        name,
        target,
        expression,
        always_include_in_token,
        scopes,
        status,
    })
}

pub(super) fn claim_to_json(org: &OrgSnapshot, claim: &ClaimDefinition) -> Value {
    let server = &claim.authorization_server_id;
    json!({
        "id": claim.id,
        "name": claim.name,
        "status": claim.status,
        "claimType": claim.target,
        "valueType": "EXPRESSION",
        "value": claim.expression,
        "conditions": { "scopes": claim.scopes },
        "system": false,
        "alwaysIncludeInToken": claim.always_include_in_token,
        "_links": { "self": {
            "href": format!("{}/api/v1/authorizationServers/{server}/claims/{}", org.base_url, claim.id),
        } },
    })
}
