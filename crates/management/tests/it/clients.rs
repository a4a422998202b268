//! OAuth clients.

use tenterhook_contract::{Secret, id::ClientId};
use tenterhook_management::{
    administrator::ManagementError,
    clients::{self, ClientRequest},
    orgs::{self, OrgUpdate},
    request::Given,
};
use tenterhook_model::{ConfigurationObject, OAuthClient, OrgLimits, Status};
use tenterhook_platform::entropy::sha256_hex;
use tenterhook_testkit::rig::Rig;

use crate::support::{causes, not_found, submitted, text, texts};

const OBJECTS_MAX: usize = 1_000;

fn request(name: &str, method: &str) -> ClientRequest {
    ClientRequest {
        name: text(name),
        redirect_uris: texts(&["https://shop.example.com/cb"]),
        grant_types: texts(&["authorization_code"]),
        token_endpoint_auth_method: text(method),
        ..ClientRequest::default()
    }
}

async fn create(rig: &Rig, request: ClientRequest) -> Result<(OAuthClient, Option<Secret>), ManagementError> {
    clients::create(&rig.platform, &rig.administrator().await, &submitted(request)).await
}

/// The hash of the client's secret in the database.
async fn stored_secret(rig: &Rig, id: &ClientId) -> Option<String> {
    rig.stored().await.configuration.clients.get(id).unwrap().secret_sha256.clone()
}

fn hash(secret: &Secret) -> String {
    sha256_hex(secret.expose())
}

#[tokio::test]
async fn a_confidential_client_has_a_secret_that_is_told_once_and_a_public_one_has_none() {
    let rig = Rig::start().await;
    let (client, secret) = create(&rig, request("Shop", "client_secret_basic")).await.unwrap();
    let (id, secret) = (client.id.as_str(), secret.unwrap());
    assert_eq!(stored_secret(&rig, &client.id).await, Some(hash(&secret)));
    let replace = async |method: &str| {
        let administrator = rig.administrator().await;
        clients::replace(&rig.platform, &administrator, id, &submitted(request("Shop", method))).await.unwrap().1
    };
    assert!(replace("client_secret_post").await.is_none(), "its secret stays");
    assert_eq!(stored_secret(&rig, &client.id).await, Some(hash(&secret)));
    assert!(replace("none").await.is_none());
    assert_eq!(stored_secret(&rig, &client.id).await, None);
    let renewed = clients::renew_secret(&rig.platform, &rig.administrator().await, id).await;
    assert_eq!(causes(renewed), ["token_endpoint_auth_method: A public client has no secret"]);
    let new = replace("client_secret_basic").await.unwrap();
    assert_ne!(hash(&new), hash(&secret));
    assert_eq!(stored_secret(&rig, &client.id).await, Some(hash(&new)));
    let (_, renewed) = clients::renew_secret(&rig.platform, &rig.administrator().await, id).await.unwrap();
    assert_eq!(stored_secret(&rig, &client.id).await, Some(hash(&renewed)));
    assert_eq!(rig.events("oauth2.client.lifecycle.create").await.len(), 1);
    assert_eq!(rig.events("oauth2.client.lifecycle.update").await.len(), 4, "the refusal is not logged");
}

#[tokio::test]
async fn a_client_asks_for_what_its_grants_need() {
    let rig = Rig::start().await;
    for (changed, cause) in [
        (ClientRequest { redirect_uris: Given::Absent, ..request("a", "none") }, "redirect_uris: The field cannot"),
        (
            ClientRequest { redirect_uris: texts(&["javascript:alert(1)"]), ..request("a", "none") },
            "redirect_uris: Write absolute URIs",
        ),
        (ClientRequest { grant_types: Given::Absent, ..request("a", "none") }, "grant_types: Write"),
        (ClientRequest { grant_types: texts(&["implicit"]), ..request("a", "none") }, "grant_types: Write"),
        (
            ClientRequest { grant_types: texts(&["client_credentials"]), ..request("a", "none") },
            "grant_types: A public client cannot use `client_credentials`",
        ),
        (ClientRequest { response_types: texts(&["token"]), ..request("a", "none") }, "response_types: Write"),
        (request("a", "private_key_jwt"), "token_endpoint_auth_method: The field has an invalid value"),
    ] {
        let causes = causes(create(&rig, changed).await);
        assert!(causes.iter().any(|text| text.starts_with(cause)), "{cause}: {causes:?}");
    }
    assert!(rig.events("oauth2.client.lifecycle.create").await.is_empty());
}

#[tokio::test]
async fn an_org_has_as_many_clients_as_its_own_limit_and_the_servers_allow() {
    let rig = Rig::start().await;
    let (like, _) = create(&rig, request("like", "none")).await.unwrap();
    let limit = async |clients: Option<u32>| {
        let update = OrgUpdate { limits: Some(OrgLimits { clients, ..OrgLimits::default() }), ..OrgUpdate::default() };
        orgs::update(&rig.platform, None, rig.org_id.as_str(), update).await.unwrap();
    };
    // The two of the development org, and this one.
    limit(Some(4)).await;
    create(&rig, request("like", "none")).await.unwrap();
    let refused = causes(create(&rig, request("one more", "none")).await);
    assert_eq!(refused, ["client_name: This org can have at most 4 clients"]);
    limit(None).await;
    let copies = (4..OBJECTS_MAX - 1).map(|number| {
        let id = ClientId::from_parts(1, u64::try_from(number).unwrap().to_be_bytes());
        ConfigurationObject::Client(Box::new(OAuthClient { id, ..like.clone() }))
    });
    rig.put(copies).await;
    create(&rig, request("the last", "none")).await.unwrap();
    let refused = causes(create(&rig, request("one more", "none")).await);
    assert_eq!(refused, ["client_name: This org can have at most 1000 clients"]);
}

/// With an empty list a policy would be for every client.
#[tokio::test]
async fn a_policy_goes_on_naming_a_client_that_is_deleted() {
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let id = rig.org.confidential_client_id.as_str();
    for _ in 0..2 {
        clients::deactivate(platform, &administrator, id).await.unwrap();
    }
    assert_eq!(clients::get(platform, &administrator, id).unwrap().status, Status::Inactive);
    clients::delete(platform, &administrator, id).await.unwrap();
    assert_eq!(not_found(clients::delete(platform, &administrator, id).await), (id.to_owned(), "Client"));
    drop(administrator);
    let stored = rig.stored().await;
    let policy = stored.configuration.policies.get(&rig.org.policy_id).unwrap();
    assert!(policy.clients.contains(&rig.org.confidential_client_id));
    for event in ["deactivate", "delete"] {
        assert_eq!(rig.events(&format!("oauth2.client.lifecycle.{event}")).await.len(), 1, "{event}");
    }
}
