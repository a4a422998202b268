//! Hook keys (`management-api.md` section 4).

use tenterhook_contract::{
    hook_key::HookKey,
    id::HookKeyId,
    limits::{HOOK_KEYS_PER_ORG_MAX, HOOK_NAME_CHARACTERS_MAX},
};
use tenterhook_management::{
    administrator::ManagementError,
    hook_keys::{self, HookKeyRequest},
    hooks::{self, ChannelRequest, ConfigRequest, HookChange, HookRequest},
    request::{Given, Named},
};
use tenterhook_model::ConfigurationObject;
use tenterhook_testkit::rig::{Rig, hook_request};

use crate::support::{causes, not_found, submitted, text};

async fn create(rig: &Rig, name: Given<String>) -> Result<HookKey, ManagementError> {
    let request = submitted(HookKeyRequest { name });
    hook_keys::create(&rig.platform, &rig.administrator().await, &request).await
}

async fn rename(rig: &Rig, id: &str, name: Given<String>) -> Result<HookKey, ManagementError> {
    let request = submitted(HookKeyRequest { name });
    let renamed = hook_keys::rename(&rig.platform, &rig.administrator().await, id, &request).await;
    renamed.map(|(key, _)| key)
}

#[tokio::test]
async fn names_are_judged() {
    let rig = Rig::start().await;
    let key = create(&rig, text("Signer")).await.unwrap();
    create(&rig, text("Other")).await.unwrap();
    let too_long = text(&"x".repeat(HOOK_NAME_CHARACTERS_MAX + 1));
    for name in [Given::Absent, text(""), text(" "), Given::Wrong, too_long, text("Other")] {
        for refused in [create(&rig, name.clone()).await, rename(&rig, key.id.as_str(), name.clone()).await] {
            let causes = causes(refused);
            assert!(causes.len() == 1 && causes.concat().starts_with("name: "), "{name:?}: {causes:?}");
        }
    }
    rename(&rig, key.id.as_str(), text("Signer")).await.unwrap();
    rename(&rig, key.id.as_str(), text(&"x".repeat(HOOK_NAME_CHARACTERS_MAX))).await.unwrap();
    let unknown = "HKY00000000000000000";
    assert_eq!(not_found(rename(&rig, unknown, text("x")).await), (unknown.to_owned(), "HookKey"));
    assert_eq!(rig.stored().await.configuration.hook_keys.len(), 2);
}

#[tokio::test]
async fn a_key_that_has_the_name_already_stays_as_it_is() {
    let rig = Rig::start().await;
    let key = create(&rig, text("Signer")).await.unwrap();
    let version = rig.stored().await.configuration.version;
    assert_eq!(rename(&rig, key.id.as_str(), text("Signer")).await.unwrap(), key);
    assert_eq!(rig.stored().await.configuration.version, version, "nothing is written");
    assert!(rig.events("system.hook.key.updated").await.is_empty(), "and nothing logged");
    rename(&rig, key.id.as_str(), text("Other")).await.unwrap();
    assert_eq!(rig.events("system.hook.key.updated").await.len(), 1);
}

#[tokio::test]
async fn an_org_has_fifty_hook_keys() {
    let rig = Rig::start().await;
    let first = create(&rig, text("0")).await.unwrap();
    // Making key pairs takes long.
    let copy = |number: usize| HookKey {
        id: HookKeyId::from_parts(1, u64::try_from(number).unwrap().to_be_bytes()),
        key_id: number.to_string(),
        name: number.to_string(),
        ..first.clone()
    };
    rig.put((1..HOOK_KEYS_PER_ORG_MAX - 1).map(|number| ConfigurationObject::HookKey(copy(number)))).await;
    create(&rig, text("the last")).await.unwrap();
    let refused = causes(create(&rig, text("one more")).await).concat();
    assert!(refused.contains("at most 50 hook keys"), "{refused}");
    assert_eq!(rig.stored().await.configuration.hook_keys.len(), HOOK_KEYS_PER_ORG_MAX);
    rename(&rig, first.id.as_str(), text("Renamed")).await.unwrap();
}

#[tokio::test]
async fn a_key_that_a_hook_uses_stays() {
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let key = create(&rig, text("Signer")).await.unwrap();
    let id = key.id.as_str();
    let config = ConfigRequest {
        uri: Named::is("https://service.example/hook"),
        method: Named::is("POST"),
        auth_type: Named::is("private_key_jwt"),
        client_id: Named::is("tenterhook"),
        token_url: Named::is("https://service.example/token"),
        scope: Named::is("hooks"),
        hook_key_id: Named::is(id),
        ..ConfigRequest::default()
    };
    let channel = ChannelRequest { kind: Named::is("OAUTH"), version: Named::is("1.0.0"), config: Named::is(config) };
    let hook = HookRequest { channel: Named::is(channel), ..hook_request("Hook", "") };
    let hook = hooks::create(platform, &administrator, &submitted(hook)).await.unwrap();
    assert!(hook_keys::get(platform, &administrator, id).unwrap().1, "it is used");
    let refused = causes(hook_keys::delete(platform, &administrator, id).await);
    assert_eq!(refused, ["hookKey: The hook key is used by an inline hook"]);
    hooks::change(platform, &administrator, hook.id.as_str(), HookChange::Deactivate).await.unwrap();
    causes(hook_keys::delete(platform, &administrator, id).await);
    hooks::delete(platform, &administrator, hook.id.as_str()).await.unwrap();
    assert!(!hook_keys::get(platform, &administrator, id).unwrap().1);
    hook_keys::delete(platform, &administrator, id).await.unwrap();
    assert_eq!(not_found(hook_keys::get(platform, &administrator, id)).1, "HookKey");
    assert_eq!(not_found(hook_keys::get_by_key_id(platform, &administrator, &key.key_id)).0, key.key_id);
    assert_eq!(rig.events("system.hook.key.deleted").await.len(), 1, "what was refused is not logged");
}
