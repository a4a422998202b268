//! An authorization server itself: its body, and how it is shown.

use serde_json::{Value, json};
use tenterhook_contract::members::Members;
use tenterhook_jose::SigningAlgorithm;
use tenterhook_model::{AuthorizationServer, KeyRotation, SigningKey, Status};
use tenterhook_platform::{OrgSnapshot, issuer};

use super::reader::Reader;
use crate::{administrator::ManagementError, signing_keys::next_rotation};

const MEMBERS: Members = Members {
    taken: &[
        "name",
        "description",
        "audiences",
        "issuerMode",
        "status",
        "credentials.signing.alg",
        "credentials.signing.rotationMode",
    ],
    read_only: &[
        "id",
        "issuer",
        "default",
        "created",
        "lastUpdated",
        "_links",
        "credentials.signing.kid",
        "credentials.signing.use",
        "credentials.signing.status",
        "credentials.signing.lastRotated",
        "credentials.signing.nextRotation",
    ],
    refused: &[
        ("accessTokenEncryptedResponseAlgorithm", "Tokens are not encrypted"),
        ("jwks", "Tokens are not encrypted"),
        ("jwks_uri", "Tokens are not encrypted"),
    ],
};

/// What a body says of a server.
pub(super) struct ServerBody {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) audience: String,
    pub(super) status: Status,
    pub(super) algorithm: SigningAlgorithm,
    pub(super) rotation: KeyRotation,
}

impl ServerBody {
    /// Reads a body. `stored` is the server that it replaces and the algorithm of that one's key.
    pub(super) fn read(
        body: &Value,
        stored: Option<(&AuthorizationServer, SigningAlgorithm)>,
    ) -> Result<Self, ManagementError> {
        let mut reader = Reader::new(body, "authorizationServer", &MEMBERS);
        let (name, description) = (reader.text("name"), reader.optional_text("description").unwrap_or_default());
        let audiences = reader.texts("audiences");
        if audiences.len() != 1 {
            reader.cause("audiences", "Exactly one audience is supported");
        }
        reader.constant("issuerMode", "ORG_URL");
        let status = reader.status(stored.map_or(Status::Active, |(server, _)| server.status));
        let algorithm = match reader.optional_text("/credentials/signing/alg").as_deref() {
            None => stored.map_or(SigningAlgorithm::RS256, |(_, algorithm)| algorithm),
            // The vendor knows RS256 only and has no such member; the name is that of JWKs (RFC 7517 section 4.4).
            Some("RS256") => SigningAlgorithm::RS256,
            Some("ES256") => SigningAlgorithm::ES256,
            Some(_) => {
                reader.cause("/credentials/signing/alg", "Write `RS256` or `ES256`");
                SigningAlgorithm::default()
            }
        };
        if stored.is_some_and(|(_, stored)| stored != algorithm) {
            reader.cause("/credentials/signing/alg", "The algorithm of an authorization server cannot be changed");
        }
        let rotation = match reader.optional_text("/credentials/signing/rotationMode").as_deref() {
            None => stored.map_or(KeyRotation::Auto, |(server, _)| server.key_rotation),
            Some("AUTO") => KeyRotation::Auto,
            Some("MANUAL") => KeyRotation::Manual,
            Some(_) => {
                reader.cause("/credentials/signing/rotationMode", "Write `AUTO` or `MANUAL`");
                KeyRotation::Auto
            }
        };
        reader.finish()?;
        Ok(Self { name, description, audience: audiences.concat(), status, algorithm, rotation })
    }

    /// The server with what the body says.
    pub(super) fn over(self, server: AuthorizationServer) -> AuthorizationServer {
        AuthorizationServer {
            name: self.name,
            description: self.description,
            audiences: vec![self.audience],
            status: self.status,
            key_rotation: self.rotation,
            ..server
        }
    }
}

/// `key` is the one that signs the server's tokens now.
pub(super) fn server_to_json(org: &OrgSnapshot, server: &AuthorizationServer, key: Option<&SigningKey>) -> Value {
    let signing = key.map(|key| {
        let mut signing = json!({
            "kid": key.kid,
            "use": "sig",
            "alg": key.algorithm,
            "rotationMode": server.key_rotation,
            "lastRotated": key.created,
        });
        if let (Some(next), Some(members)) = (next_rotation(server, key), signing.as_object_mut()) {
            members.insert("nextRotation".to_owned(), json!(next));
        }
        signing
    });
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
