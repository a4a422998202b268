//! Hook keys (`management-api.md` section 4).

use serde_json::{Value, json};
use tenterhook_contract::{
    hook_key::HookKey,
    id::HookKeyId,
    limits::{HOOK_KEYS_PER_ORG_MAX, HOOK_NAME_CHARACTERS_MAX},
};
use tenterhook_management::{
    administrator::ManagementError,
    hook_keys,
    hooks::{self, HookChange},
};
use tenterhook_model::{ConfigurationObject, ConfigurationWrite};
use tenterhook_testkit::{hook::body, rig::Rig};

use crate::support::{causes, not_found};

async fn create(rig: &Rig, name: &Value) -> Result<HookKey, ManagementError> {
    hook_keys::create(&rig.platform, &rig.administrator().await, &json!({ "name": name })).await
}

async fn rename(rig: &Rig, id: &str, name: &Value) -> Result<HookKey, ManagementError> {
    let renamed = hook_keys::rename(&rig.platform, &rig.administrator().await, id, &json!({ "name": name })).await;
    renamed.map(|(key, _)| key)
}

#[tokio::test]
async fn names_are_judged() {
    let rig = Rig::start().await;
    let key = create(&rig, &json!("Signer")).await.unwrap();
    create(&rig, &json!("Other")).await.unwrap();
    let too_long = json!("x".repeat(HOOK_NAME_CHARACTERS_MAX + 1));
    for name in [Value::Null, json!(""), json!(" "), json!(7), too_long, json!("Other")] {
        for refused in [create(&rig, &name).await, rename(&rig, key.id.as_str(), &name).await] {
            let causes = causes(refused);
            assert!(causes.len() == 1 && causes.concat().starts_with("name: "), "{name}: {causes:?}");
        }
    }
    rename(&rig, key.id.as_str(), &json!("Signer")).await.unwrap();
    rename(&rig, key.id.as_str(), &json!("x".repeat(HOOK_NAME_CHARACTERS_MAX))).await.unwrap();
    let unknown = "HKY00000000000000000";
    assert_eq!(not_found(rename(&rig, unknown, &json!("x")).await), (unknown.to_owned(), "HookKey"));
    assert_eq!(rig.stored().await.configuration.hook_keys.len(), 2);
}

#[tokio::test]
async fn an_org_has_fifty_hook_keys() {
    let rig = Rig::start().await;
    let first = create(&rig, &json!("0")).await.unwrap();
    // Making key pairs takes long.
    let copy = |number: usize| HookKey {
        id: HookKeyId::from_parts(1, u64::try_from(number).unwrap().to_be_bytes()),
        key_id: number.to_string(),
        name: number.to_string(),
        ..first.clone()
    };
    let copies = (1..HOOK_KEYS_PER_ORG_MAX - 1).map(|number| ConfigurationObject::HookKey(copy(number)));
    let writes: Vec<_> = copies.map(ConfigurationWrite::put).collect();
    rig.platform.change(&rig.org_id, |_| Ok::<_, ()>((writes.clone(), ()))).await.unwrap();
    create(&rig, &json!("the last")).await.unwrap();
    let refused = causes(create(&rig, &json!("one more")).await).concat();
    assert!(refused.contains("at most 50 hook keys"), "{refused}");
    assert_eq!(rig.stored().await.configuration.hook_keys.len(), HOOK_KEYS_PER_ORG_MAX);
    rename(&rig, first.id.as_str(), &json!("Renamed")).await.unwrap();
}

#[tokio::test]
async fn a_key_that_a_hook_uses_stays() {
    let rig = Rig::start().await;
    let (platform, administrator) = (&rig.platform, rig.administrator().await);
    let key = create(&rig, &json!("Signer")).await.unwrap();
    let id = key.id.as_str();
    let mut hook = body("Hook", "https://service.example/hook");
    hook["channel"] = json!({
        "type": "OAUTH",
        "version": "1.0.0",
        "config": {
            "uri": "https://service.example/hook",
            "method": "POST",
            "authType": "private_key_jwt",
            "clientId": "tenterhook",
            "tokenUrl": "https://service.example/token",
            "scope": "hooks",
            "hookKeyId": id,
        },
    });
    let hook = hooks::create(platform, &administrator, &hook).await.unwrap();
    assert!(hook_keys::get(platform, &administrator, id).unwrap().1, "it is used");
    let refused = causes(hook_keys::delete(platform, &administrator, id).await);
    assert_eq!(refused, ["hookKey: The hook key is used by an inline hook"]);
    hooks::change(platform, &administrator, hook.id.as_str(), HookChange::Deactivate).await.unwrap();
    causes(hook_keys::delete(platform, &administrator, id).await);
    hooks::delete(platform, &administrator, hook.id.as_str()).await.unwrap();
    assert!(!hook_keys::get(platform, &administrator, id).unwrap().1);
    hook_keys::delete(platform, &administrator, id).await.unwrap();
    assert_eq!(not_found(hook_keys::get(platform, &administrator, id)).1, "HookKey");
    assert_eq!(not_found(hook_keys::get_public(platform, &administrator, &key.key_id)).0, key.key_id);
    assert_eq!(rig.events("system.hook.key.deleted").await.len(), 1, "what was refused is not logged");
}
