//! Extension points that an org declares.

use std::sync::Arc;

use serde_json::json;
use tenterhook_contract::{declared::DeclaredPoint, id::ExtensionPointId};
use tenterhook_management::administrator::ManagementError;
use tenterhook_model::{ConfigurationObject, ConfigurationWrite, ExtensionPoint};
use tenterhook_platform::PointOf;
use tenterhook_testkit::rig::Rig;

/// To compile schemas may take a while, and changes of an org queue.
#[tokio::test]
async fn what_a_change_has_compiled_is_not_compiled_again_for_the_snapshot() {
    let rig = Rig::start().await;
    let declaration = json!({
        "type": "com.example.order.checkout", "title": "Order checkout", "version": "1.0",
        "contextSchema": { "type": "object" }, "subjectSchema": { "type": "object" },
        "operations": [], "sensitive": [], "masked": [],
        "onFailure": "CONTINUE", "onRefusal": "STOP", "retry": "NEVER", "timeoutMs": 3000,
    });
    let point = Arc::new(DeclaredPoint::compile(serde_json::from_value(declaration).unwrap()).unwrap());
    let (declaration, now, (unix_ms, random)) =
        (point.declaration().clone(), rig.platform.now(), rig.platform.id_parts());
    let record = ExtensionPoint {
        id: ExtensionPointId::from_parts(unix_ms, random),
        name: declaration.name.clone(),
        declaration: Some(declaration),
        bindings: Vec::new(),
        created: now,
        last_updated: now,
    };
    let changed = rig.platform.change(&rig.org_id, |org| {
        org.offer_compiled(Arc::clone(&point));
        let write = ConfigurationWrite::put(ConfigurationObject::ExtensionPoint(Box::new(record.clone())));
        Ok::<_, ManagementError>((vec![write], ()))
    });
    changed.await.unwrap();
    let org = rig.platform.org_by_host(None).unwrap();
    let Some(PointOf::Declared { point: kept, .. }) = org.extension_point(&record.name) else { panic!("declared") };
    assert!(Arc::ptr_eq(kept, &point));
}
