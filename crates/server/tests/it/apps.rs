//! Apps (`clients.md` section 4): what clients of the vendor send is taken or refused by name, and what they read is there.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    harness::{ADMIN_TOKEN, World, hook_body},
    server_objects::{has_all, set},
};

pub(crate) const APPS: &str = "/api/v1/apps";

/// What the Terraform provider 6.12 sends for `okta_app_saml`, as its recorded requests show it, with SHA-256.
pub(crate) fn of_terraform() -> Value {
    let unspecified = "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified";
    json!({
        "accessibility": { "selfService": false },
        "credentials": { "userNameTemplate": { "template": "${source.login}", "type": "BUILT_IN" } },
        "label": "Benefits portal",
        "settings": {
            "app": {},
            "implicitAssignment": false,
            "notes": { "admin": null, "enduser": null },
            "signOn": {
                "acsEndpoints": [{ "index": 0, "url": "https://example.com" }, { "index": 1, "url": "https://okta.com" }],
                "allowMultipleAcsEndpoints": true,
                "assertionSigned": true,
                "attributeStatements": [
                    { "name": "Attr One", "namespace": unspecified, "type": "EXPRESSION", "values": ["user.email"] },
                    {
                        "filterType": "STARTS_WITH", "filterValue": "test", "name": "Attr Two", "namespace": unspecified,
                        "type": "GROUP",
                    },
                ],
                "audience": "http://audience.com",
                "audienceOverride": "",
                "authnContextClassRef": "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
                "defaultRelayState": "",
                "destination": "http://its-about-the-journey.com",
                "destinationOverride": "",
                "digestAlgorithm": "SHA256",
                "honorForceAuthn": true,
                "recipient": "http://here.com",
                "recipientOverride": "",
                "responseSigned": true,
                "samlSignedRequestEnabled": false,
                "signatureAlgorithm": "RSA_SHA256",
                "slo": { "enabled": false },
                "ssoAcsUrl": "http://google.com",
                "ssoAcsUrlOverride": "",
                "subjectNameIdFormat": "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
                "subjectNameIdTemplate": "${source.login}",
            },
        },
        "signOnMode": "SAML_2_0",
        "visibility": { "autoSubmitToolbar": false, "hide": { "iOS": false, "web": false } },
    })
}

/// What the Terraform provider 6.12 sends for `okta_app_oauth` of a web app.
fn oauth_of_terraform() -> Value {
    json!({
        "accessibility": {},
        "credentials": {
            "oauthClient": {
                "autoKeyRotation": true, "pkce_required": false, "token_endpoint_auth_method": "client_secret_basic",
            },
            "userNameTemplate": { "template": "${source.login}", "type": "BUILT_IN" },
        },
        "label": "Shop",
        "name": "oidc_client",
        "profile": { "team": "blue" },
        "settings": {
            "notes": {},
            "oauthClient": {
                "application_type": "web",
                "client_uri": "https://shop.example.com",
                "consent_method": "TRUSTED",
                "grant_types": ["authorization_code", "refresh_token"],
                "idp_initiated_login": { "default_scope": [], "mode": "DISABLED" },
                "issuer_mode": "ORG_URL",
                "logo_uri": "https://shop.example.com/logo.png",
                "post_logout_redirect_uris": ["https://shop.example.com/bye"],
                "redirect_uris": ["https://shop.example.com/cb"],
                "refresh_token": { "leeway": 0, "rotation_type": "ROTATE" },
                "response_types": ["code"],
                "wildcard_redirect": "DISABLED",
            },
        },
        "signOnMode": "OPENID_CONNECT",
        "visibility": { "autoSubmitToolbar": false, "hide": { "iOS": true, "web": true } },
    })
}

pub(crate) async fn created(world: &World, body: &Value) -> Value {
    let answer = world.api("POST", APPS, Some(body)).await;
    assert_eq!(answer.status, 200, "{body}: {}", answer.text());
    answer.json()
}

pub(crate) fn path_of(app: &Value) -> String {
    format!("{APPS}/{}", app["id"].as_str().unwrap())
}

/// A SAML hook; answers with its id.
pub(crate) async fn saml_hook(world: &World, name: &str) -> String {
    let mut body = hook_body(name, world.address);
    body["type"] = json!("com.okta.saml.tokens.transform");
    let hook = world.api("POST", "/api/v1/inlineHooks", Some(&body)).await;
    assert_eq!(hook.status, 200, "{}", hook.text());
    hook.json()["id"].as_str().unwrap().to_owned()
}

/// The body without members that mean the same as none.
fn meaningful(mut body: Value) -> Value {
    let sign_on = body["settings"]["signOn"].as_object_mut().unwrap();
    sign_on.retain(|name, value| !name.ends_with("Override") && *value != json!(""));
    body
}

async fn xml(world: &World, path: &str) -> (u16, String) {
    let token = format!("SSWS {ADMIN_TOKEN}");
    let headers = [("authorization", token.as_str()), ("accept", "application/xml")];
    let answer = world.send("GET", path, &headers, b"").await;
    (answer.status.as_u16(), answer.text())
}

/// A certificate with a key on P-256, DER in base64.
const EC_CERTIFICATE: &str = "MIIBcTCCARegAwIBAgIUPANrLN2bmuztwD2noQfeufPtBwQwCgYIKoZIzj0EAwIwDTELMAkGA1UEAwwCZWMwIBcNMjYxMTI3MjI0\
     NjU0WhgPMjEyNjExMDMyMjQ2NTRaMA0xCzAJBgNVBAMMAmVjMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfPPcEdN33Wq6y789\
     8R7OT7uoIitEd1lvHT/aTnuDVHu5nB4zXsXV1XzTaUiJCJzEowtSShbRbkFlyUHdTy74JqNTMFEwHQYDVR0OBBYEFMELPP1FZw5Z\
     4PRBkRePvMiMUc/zMB8GA1UdIwQYMBaAFMELPP1FZw5Z4PRBkRePvMiMUc/zMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwID\
     SAAwRQIgXAIRxPzcg/YPYCaayrRclu4oa9prOfC/vtXp+CpPoL8CIQDpsCOvjoSmovB9+aVsySylZfIGS7/vLNO7PiFLYd5a9g==";

#[tokio::test]
async fn a_saml_app_lives_as_the_terraform_provider_has_it() {
    let world = World::start().await;
    let answer = world.api("POST", "/api/v1/apps?activate=true", Some(&of_terraform())).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let app = answer.json();
    assert!(has_all(&app, &meaningful(of_terraform())), "{app}");
    assert_eq!((&app["status"], &app["name"]), (&json!("ACTIVE"), &json!("benefitsportal_1")));
    let path = path_of(&app);
    assert_eq!(world.api("GET", &path, None).await.json(), app);
    // It gives the app the default policy, and reads that from the link.
    let policies = world.api("GET", "/api/v1/policies?type=ACCESS_POLICY", None).await.json();
    let [policy] = policies.as_array().unwrap().as_slice() else { panic!("{policies}") };
    assert_eq!(policy["system"], true);
    let policy = policy["id"].as_str().unwrap();
    assert!(app["_links"]["accessPolicy"]["href"].as_str().unwrap().ends_with(&format!("/api/v1/policies/{policy}")));
    assert_eq!(world.api("PUT", &format!("{path}/policies/{policy}"), None).await.status, 204);
    assert_eq!(world.api("PUT", &format!("{path}/policies/{policy}x"), None).await.status, 404);
    let rules = world.api("GET", &format!("/api/v1/policies/{policy}/rules"), None).await.json();
    let rule = format!("/api/v1/policies/{policy}/rules/{}", rules[0]["id"].as_str().unwrap());
    assert_eq!(world.api("GET", &rule, None).await.json(), rules[0]);
    assert_eq!(world.api("GET", "/api/v1/policies?type=PASSWORD", None).await.status, 400);
    // The metadata of the key, and the keys.
    let kid = app["credentials"]["signing"]["kid"].as_str().unwrap();
    let keys = world.api("GET", &format!("{path}/credentials/keys"), None).await.json();
    assert_eq!((keys.as_array().unwrap().len(), &keys[0]["kid"]), (1, &json!(kid)));
    let certificate = keys[0]["x5c"][0].as_str().unwrap();
    let (status, metadata) = xml(&world, &format!("{path}/sso/saml/metadata?kid={kid}")).await;
    assert_eq!(status, 200, "{metadata}");
    for part in ["entityID=", "IDPSSODescriptor", certificate, "SingleSignOnService", "/app/benefitsportal_1/exk"] {
        assert!(metadata.contains(part), "{part}: {metadata}");
    }
    assert_eq!(xml(&world, &format!("{path}/sso/saml/metadata?kid=none")).await.0, 404);
    // Another key, which signs when the app names it.
    let key = world.api("POST", &format!("{path}/credentials/keys/generate?validityYears=3"), None).await;
    assert_eq!(key.status, 201, "{}", key.text());
    let mut rotated = of_terraform();
    set(&mut rotated, "/name", app["name"].clone());
    set(&mut rotated, "/credentials/signing", json!({ "kid": key.json()["kid"] }));
    let answer = world.api("PUT", &path, Some(&rotated)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["credentials"]["signing"], rotated["credentials"]["signing"]);
    let (_, metadata) = xml(&world, &format!("{path}/sso/saml/metadata")).await;
    assert!(!metadata.contains(certificate) && metadata.contains(key.json()["x5c"][0].as_str().unwrap()));
    // It deactivates an app before it deletes it.
    let refused = world.api("DELETE", &path, None).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["errorCode"]), (403, &json!("E0000056")));
    assert_eq!(world.api("POST", &format!("{path}/lifecycle/deactivate"), None).await.status, 204);
    let inactive = world.api("GET", &path, None).await.json();
    assert_eq!(inactive["status"], "INACTIVE");
    assert!(inactive["_links"]["activate"].is_object() && inactive["_links"].get("deactivate").is_none());
    assert_eq!(world.api("DELETE", &path, None).await.status, 204);
    assert_eq!(world.api("GET", &path, None).await.status, 404);
    let configuration =
        world.platform.org(&world.platform.org_id_by_host(None).unwrap()).unwrap().configuration.clone();
    assert!(configuration.saml_apps.is_empty() && configuration.app_keys.is_empty());
    for (event, count) in [("create", 1), ("update", 1), ("deactivate", 1), ("delete", 1), ("activate", 0)] {
        assert_eq!(world.events(&format!("application.lifecycle.{event}")).await.len(), count, "{event}");
    }
    assert_eq!(world.events("app.keys.generate").await.len(), 1);
}

#[tokio::test]
async fn a_saml_app_says_all_that_a_request_says() {
    let world = World::start().await;
    let hook = saml_hook(&world, "Hook").await;
    let keys = format!("{}/credentials/keys", path_of(&created(&world, &of_terraform()).await));
    let certificate = world.api("GET", &keys, None).await.json()[0]["x5c"][0].clone();
    let mut body = of_terraform();
    for (pointer, value) in [
        (
            "/accessibility",
            json!({ "selfService": true, "errorRedirectUrl": "https://a.example/e", "loginRedirectUrl": null }),
        ),
        ("/visibility/appLinks", json!({ "login": true })),
        ("/visibility/autoLaunch", json!(true)),
        ("/settings/notes", json!({ "admin": "For us\nonly", "enduser": "Ask" })),
        ("/settings/implicitAssignment", json!(true)),
        ("/settings/notifications", json!({ "vpn": { "network": { "connection": "DISABLED" }, "message": null } })),
        ("/profile", json!({ "cost": 7 })),
        ("/settings/signOn/idpIssuer", json!("https://idp.example.com/${org.externalKey}")),
        ("/settings/signOn/spIssuer", json!(" urn:sp ")),
        ("/settings/signOn/subjectNameIdTemplate", json!(" ${source.login} ")),
        ("/settings/signOn/authnContextClassRef", json!(" urn:example:strong ")),
        ("/settings/signOn/requestCompressed", json!(true)),
        ("/settings/signOn/defaultRelayState", json!("/start")),
        ("/settings/signOn/samlAssertionLifetimeSeconds", json!(60)),
        ("/settings/signOn/samlSignedRequestEnabled", json!(true)),
        ("/settings/signOn/spCertificate", json!({ "x5c": [certificate] })),
        ("/settings/signOn/slo", json!({ "enabled": true, "issuer": "urn:sp", "logoutUrl": "https://a.example/slo" })),
        (
            "/settings/signOn/assertionEncryption",
            json!({
                "enabled": true, "encryptionAlgorithm": "AES128_GCM", "keyTransportAlgorithm": "RSA_OAEP",
                "x5c": [certificate],
            }),
        ),
        (
            "/settings/signOn/inlineHooks",
            json!([{ "id": hook, "when": { "pointer": "/context/user/profile/login", "is": "exists", "value": true }, "enabled": false }]),
        ),
        ("/credentials/userNameTemplate/userSuffix", json!("@a")),
        ("/credentials/userNameTemplate/pushStatus", json!("DONT_PUSH")),
    ] {
        set(&mut body, pointer, value);
    }
    let app = created(&world, &body).await;
    assert!(has_all(&app, &meaningful(body.clone())), "{app}");
    // A client puts an app back as it got it.
    let path = path_of(&app);
    let answer = world.api("PUT", &path, Some(&app)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut again = answer.json();
    again["lastUpdated"] = app["lastUpdated"].clone();
    assert_eq!(again, app);
    let metadata = xml(&world, &format!("{path}/sso/saml/metadata")).await.1;
    assert!(metadata.contains("entityID=\"https://idp.example.com/exk"), "{metadata}");
    assert!(metadata.contains("SingleLogoutService") && metadata.contains("WantAuthnRequestsSigned=\"true\""));
}

#[tokio::test]
async fn an_app_that_says_only_what_it_must_gets_the_rest() {
    let world = World::start().await;
    let body = json!({
        "label": "Åäö", "signOnMode": "SAML_2_0",
        "settings": { "signOn": { "ssoAcsUrl": "https://sp.example.com/acs", "audience": "urn:sp" } },
    });
    let answer = world.api("POST", "/api/v1/apps?activate=false", Some(&body)).await;
    let app = answer.json();
    assert_eq!(
        (answer.status.as_u16(), &app["status"], &app["name"]),
        (200, &json!("INACTIVE"), &json!("app_1")),
        "{app}"
    );
    let sign_on = &app["settings"]["signOn"];
    for (member, value) in [
        ("recipient", json!("https://sp.example.com/acs")),
        ("destination", json!("https://sp.example.com/acs")),
        ("subjectNameIdTemplate", json!("${user.userName}")),
        ("subjectNameIdFormat", json!("urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified")),
        ("responseSigned", json!(true)),
        ("assertionSigned", json!(true)),
        ("signatureAlgorithm", json!("RSA_SHA256")),
        ("digestAlgorithm", json!("SHA256")),
        ("honorForceAuthn", json!(true)),
        ("samlAssertionLifetimeSeconds", json!(300)),
        ("inlineHooks", json!([])),
        ("slo", json!({ "enabled": false })),
        ("assertionEncryption", json!({ "enabled": false })),
        ("idpIssuer", json!(null)),
    ] {
        assert_eq!(sign_on[member], value, "{member}");
    }
    assert_eq!(app["settings"]["implicitAssignment"], false);
    assert_eq!(created(&world, &body).await["name"], "app_2");
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn everything_wrong_with_a_saml_app_is_named_at_once() {
    let world = World::start().await;
    let token_hook = world.hook(world.address).await;
    let rows = [
        ("/signOnMode", json!("BOOKMARK"), "signOnMode: Only the sign-on modes `SAML_2_0` and `OPENID_CONNECT`"),
        ("/signOnMode", json!("SAML_1_1"), "signOnMode: Only the sign-on modes"),
        ("/signOnMode", json!(null), "signOnMode: The field cannot be left blank"),
        ("/label", json!(" "), "label: The field cannot be left blank"),
        ("/label", json!("x".repeat(101)), "label: The field cannot be longer than 100 characters"),
        ("/name", json!("salesforce"), "name: Apps of a catalogue are not supported"),
        ("/status", json!("INACTIVE"), "status: The status is changed by"),
        ("/features", json!(["PUSH_NEW_USERS"]), "features: Provisioning is not supported"),
        ("/settings/app", json!({ "baseUrl": "https://x" }), "settings.app: Apps of a catalogue are not supported"),
        ("/settings/inlineHookId", json!("cal1"), "settings.inlineHookId: User import is not supported"),
        ("/settings/manualProvisioning", json!(true), "settings.manualProvisioning: Provisioning"),
        (
            "/settings/oauthClient",
            json!({ "grant_types": [] }),
            "settings.oauthClient: Only apps with the sign-on mode",
        ),
        ("/credentials/signing", json!({ "kid": "mine" }), "credentials.signing.kid: The app has no key with this id"),
        ("/credentials/userNameTemplate/type", json!("OTHER"), "credentials.userNameTemplate.type: The field has an"),
        ("/visibility/hide/web", json!("yes"), "visibility.hide.web: The field has an invalid value"),
        ("/visibility/appLinks", json!({ "login": "x" }), "visibility.appLinks: Write true or false"),
        (
            "/accessibility/errorRedirectUrl",
            json!("javascript:alert(1)"),
            "accessibility.errorRedirectUrl: Write a URL",
        ),
        ("/settings/signOn/ssoAcsUrl", json!(null), "settings.signOn.ssoAcsUrl: The field cannot be left blank"),
        ("/settings/signOn/ssoAcsUrl", json!("data:text/html,x"), "settings.signOn.ssoAcsUrl: Write a URL"),
        ("/settings/signOn/ssoAcsUrl", json!("https://a.example/#x"), "settings.signOn.ssoAcsUrl: Write a URL"),
        ("/settings/signOn/recipient", json!("x"), "settings.signOn.recipient: Write a URL"),
        ("/settings/signOn/audience", json!(""), "settings.signOn.audience: The field cannot be left blank"),
        ("/settings/signOn/audience", json!("x".repeat(1_025)), "settings.signOn.audience: The field cannot be longer"),
        ("/settings/signOn/audienceOverride", json!("x"), "settings.signOn.audienceOverride: Only apps of a catalogue"),
        ("/settings/signOn/subjectNameIdFormat", json!("urn:x"), "settings.signOn.subjectNameIdFormat: The field has"),
        (
            "/settings/signOn/signatureAlgorithm",
            json!("RSA_SHA1"),
            "settings.signOn.signatureAlgorithm: Only `RSA_SHA256`",
        ),
        ("/settings/signOn/digestAlgorithm", json!("SHA1"), "settings.signOn.digestAlgorithm: Only `SHA256`"),
        ("/settings/signOn/colour", json!("red"), "settings.signOn.colour: The member is not supported"),
        (
            "/settings/signOn/participateSlo",
            json!({ "enabled": true }),
            "settings.signOn.participateSlo.enabled: Logout",
        ),
        (
            "/settings/signOn/samlAssertionLifetimeSeconds",
            json!(59),
            "settings.signOn.samlAssertionLifetimeSeconds: Write",
        ),
        (
            "/settings/signOn/samlSignedRequestEnabled",
            json!(true),
            "settings.signOn.spCertificate.x5c: Signed requests",
        ),
        (
            "/settings/signOn/spCertificate",
            json!({ "x5c": ["bm8gY2VydGlmaWNhdGU="] }),
            "settings.signOn.spCertificate.x5c[0]: The field has an invalid value: it is not an X.509 certificate",
        ),
        (
            "/settings/signOn/slo",
            json!({ "enabled": true }),
            "settings.signOn.slo.issuer: The field cannot be left blank",
        ),
        ("/settings/signOn/slo", json!({ "issuer": "urn:x" }), "settings.signOn.slo.issuer: Only with `enabled: true`"),
        (
            "/settings/signOn/assertionEncryption",
            json!({ "enabled": true, "encryptionAlgorithm": "AES256_CBC" }),
            "settings.signOn.assertionEncryption.encryptionAlgorithm: The field has an invalid value. Write one of",
        ),
        (
            "/settings/signOn/assertionEncryption",
            json!({ "enabled": true, "x5c": [EC_CERTIFICATE] }),
            "settings.signOn.assertionEncryption.x5c[0]: The field has an invalid value: its key is not RSA",
        ),
        (
            "/settings/signOn/audience",
            json!("urn:a\u{fffe}"),
            "settings.signOn.audience: The field has a character that XML",
        ),
        (
            "/settings/signOn/subjectNameIdTemplate",
            json!("a\u{ffff}${user.email}"),
            "settings.signOn.subjectNameIdTemplate: The field has a character that XML",
        ),
        (
            "/settings/signOn/attributeStatements",
            json!([{ "name": "a", "values": ["user.email", "\"\u{ffff}\""] }]),
            "settings.signOn.attributeStatements[0].values[1]: The field has a character that XML",
        ),
        (
            "/settings/signOn/attributeStatements",
            json!([{ "name": "a", "values": ["user.email"] }, { "name": "b", "values": ["user.email"] },
                { "name": "a", "type": "GROUP", "filterType": "EQUALS", "filterValue": "x" }]),
            "settings.signOn.attributeStatements[2].name: Another statement has this name",
        ),
        (
            "/settings/signOn/acsEndpoints",
            json!([{ "url": "https://a.example/", "index": 0 }, { "url": "https://b.example/", "index": 0 }]),
            "settings.signOn.acsEndpoints[1].index: Another endpoint has this index",
        ),
        (
            "/settings/signOn/acsEndpoints",
            json!([{ "url": "https://a.example/", "index": 65_536, "isDefault": true }]),
            "settings.signOn.acsEndpoints[0].isDefault: The member is not supported",
        ),
        ("/label", json!("Pay\u{7}roll"), "label: The field cannot have control characters"),
        ("/settings/signOn/idpIssuer", json!("  "), "settings.signOn.idpIssuer: The field cannot be left blank"),
        (
            "/settings/signOn/subjectNameIdTemplate",
            json!(" "),
            "settings.signOn.subjectNameIdTemplate: The field cannot be left blank",
        ),
        (
            "/settings/signOn/authnContextClassRef",
            json!("\u{a0}"),
            "settings.signOn.authnContextClassRef: The field cannot be left blank",
        ),
        ("/settings/signOn/acsEndpoints", json!([]), "settings.signOn.allowMultipleAcsEndpoints: Write true with"),
        (
            "/settings/signOn/attributeStatements",
            json!([{ "name": "a", "namespace": "urn:x", "values": ["user.email"] }]),
            "settings.signOn.attributeStatements[0].namespace: The field has an invalid value",
        ),
        (
            "/settings/signOn/attributeStatements",
            json!([{ "name": "a", "type": "EXPRESSION", "values": [] }]),
            "settings.signOn.attributeStatements[0].values: Write an expression",
        ),
        (
            "/settings/signOn/attributeStatements",
            json!([{ "name": "a", "type": "GROUP", "filterType": "REGEX", "filterValue": "(" }]),
            "settings.signOn.attributeStatements[0].filterValue: It is no regular expression",
        ),
        (
            "/settings/signOn/attributeStatements",
            json!([{ "name": "a", "type": "GROUP", "values": ["user.email"], "filterType": "EQUALS", "filterValue": "x" }]),
            "settings.signOn.attributeStatements[0].values: Only statements of the type `EXPRESSION`",
        ),
        (
            "/settings/signOn/inlineHooks",
            json!([{ "id": "cal1" }]),
            "settings.signOn.inlineHooks[0].id: There is no inline",
        ),
        (
            "/settings/signOn/inlineHooks",
            json!([{ "id": token_hook }]),
            "settings.signOn.inlineHooks[0].id: The inline hook is not of the type com.okta.saml.tokens.transform",
        ),
    ];
    for (pointer, value, cause) in rows {
        let mut wrong = of_terraform();
        set(&mut wrong, pointer, value);
        let answer = world.api("POST", APPS, Some(&wrong)).await;
        assert_eq!(answer.status, 400, "{pointer}: {}", answer.text());
        assert!(answer.text().contains(&format!("\"errorSummary\":\"{cause}")), "{pointer} {cause}: {}", answer.text());
    }
    let mut wrong = of_terraform();
    for (pointer, value) in [
        ("/label", json!(7)),
        ("/settings/signOn/audience", json!("")),
        ("/settings/signOn/assertionSigned", json!(false)),
        ("/settings/signOn/responseSigned", json!(false)),
        ("/settings/signOn/colour", json!(1)),
    ] {
        set(&mut wrong, pointer, value);
    }
    let answer = world.api("POST", APPS, Some(&wrong)).await.json();
    assert_eq!(answer["errorCauses"].as_array().unwrap().len(), 4, "{answer}");
    assert_eq!(world.api("GET", APPS, None).await.json().as_array().unwrap().len(), 2, "the development clients");
}

#[tokio::test]
async fn an_openid_connect_app_is_an_oauth_client() {
    let world = World::start().await;
    let app = created(&world, &oauth_of_terraform()).await;
    let mut shown = oauth_of_terraform();
    shown["settings"]["notes"] = json!({ "admin": null, "enduser": null });
    assert!(has_all(&app, &shown), "{app}");
    let path = path_of(&app);
    let secret = app["credentials"]["oauthClient"]["client_secret"].clone();
    assert!(secret.is_string());
    let got = world.api("GET", &path, None).await.json();
    assert!(got["credentials"]["oauthClient"].get("client_secret").is_none());
    let client = world.api("GET", &format!("/oauth2/v1/clients/{}", app["id"].as_str().unwrap()), None).await.json();
    assert_eq!((&client["client_id"], &client["client_name"]), (&app["id"], &json!("Shop")));
    // Terraform sends the id and the secret that it got, and reads the secret again.
    let mut update = oauth_of_terraform();
    set(&mut update, "/credentials/oauthClient/client_id", app["id"].clone());
    set(&mut update, "/credentials/oauthClient/client_secret", secret.clone());
    set(&mut update, "/label", json!("Shop 2"));
    let answer = world.api("PUT", &path, Some(&update)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["credentials"]["oauthClient"]["client_secret"], secret);
    for (body, status) in [
        (json!({ "issuerMode": "DYNAMIC", "name": "", "value": "", "valueType": "" }), 204),
        (json!({ "name": "g" }), 400),
    ] {
        let settings = format!("/api/v1/internal/apps/{}/settings/oauth/idToken", app["id"].as_str().unwrap());
        assert_eq!(world.api("POST", &settings, Some(&body)).await.status, status, "{body}");
        assert_eq!(world.api("GET", &settings, None).await.status, 405);
    }
    assert_eq!(world.api("GET", &path, None).await.json()["settings"]["oauthClient"]["issuer_mode"], "DYNAMIC");
    // A client that was made as such is an app that every user may use.
    let id = world.org.public_client_id.to_string();
    let app = world.api("GET", &format!("{APPS}/{id}"), None).await.json();
    assert_eq!((&app["signOnMode"], &app["settings"]["implicitAssignment"]), (&json!("OPENID_CONNECT"), &json!(true)));
    for (pointer, value, cause) in [
        ("/name", json!("google"), "name: The name of an OpenID Connect app is `oidc_client`"),
        ("/credentials/oauthClient/client_id", json!("mine"), "credentials.oauthClient.client_id: The id is made"),
        (
            "/credentials/oauthClient/client_secret",
            json!("my own secret"),
            "credentials.oauthClient.client_secret: The",
        ),
        ("/credentials/oauthClient/autoKeyRotation", json!(false), "credentials.oauthClient.autoKeyRotation: Keys"),
        (
            "/credentials/oauthClient/token_endpoint_auth_method",
            json!("private_key_jwt"),
            "credentials.oauthClient.token_endpoint_auth_method: The field has an invalid value",
        ),
        ("/settings/oauthClient/grant_types", json!(["implicit"]), "settings.oauthClient.grant_types: Write"),
        ("/settings/oauthClient/redirect_uris", json!(["x"]), "settings.oauthClient.redirect_uris: Write absolute"),
        ("/settings/oauthClient/response_types", json!(["token"]), "settings.oauthClient.response_types: Write"),
        (
            "/settings/oauthClient/consent_method",
            json!("REQUIRED"),
            "settings.oauthClient.consent_method: Only `TRUSTED`",
        ),
        (
            "/settings/oauthClient/jwks",
            json!({ "keys": [{ "kty": "RSA" }] }),
            "settings.oauthClient.jwks.keys: Clients",
        ),
        (
            "/settings/oauthClient/refresh_token",
            json!({ "rotation_type": "NEVER" }),
            "settings.oauthClient.refresh_token.rotation_type: The field has an invalid value. Write one of ROTATE, STATIC",
        ),
        (
            "/settings/oauthClient/dpop_bound_access_tokens",
            json!(true),
            "settings.oauthClient.dpop_bound_access_tokens:",
        ),
        ("/settings/signOn", json!({}), "settings.signOn: Only apps with the sign-on mode `SAML_2_0`"),
    ] {
        let mut wrong = oauth_of_terraform();
        set(&mut wrong, pointer, value);
        let answer = world.api("POST", APPS, Some(&wrong)).await;
        assert_eq!(answer.status, 400, "{pointer}: {}", answer.text());
        assert!(answer.text().contains(&format!("\"errorSummary\":\"{cause}")), "{pointer}: {}", answer.text());
    }
    for refresh_token in [
        json!({ "rotation_type": "STATIC", "leeway": 0 }),
        json!({ "rotation_type": "STATIC" }),
        json!({ "rotation_type": "ROTATE" }),
        json!({ "rotation_type": "ROTATE", "leeway": 60 }),
    ] {
        let mut body = oauth_of_terraform();
        set(&mut body, "/settings/oauthClient/refresh_token", refresh_token.clone());
        let shown = world.api("PUT", &path, Some(&body)).await.json();
        assert_eq!(shown["settings"]["oauthClient"]["refresh_token"], refresh_token);
    }
    let answer = world.api("PUT", &path, Some(&of_terraform())).await;
    assert!(answer.status == 400 && answer.text().contains("signOnMode: The sign-on mode of an app stays"));
}

#[tokio::test]
async fn apps_are_listed_by_what_they_are_called_and_by_what_they_have() {
    let world = World::start().await;
    let mut apps = Vec::new();
    for label in ["Payroll", "Payments", "Wiki"] {
        let mut body = of_terraform();
        set(&mut body, "/label", json!(label));
        apps.push(created(&world, &body).await);
    }
    world.api("POST", &format!("{}/lifecycle/deactivate", path_of(&apps[2])), None).await;
    let kid = apps[1]["credentials"]["signing"]["kid"].as_str().unwrap();
    let labels = async |query: &str| {
        let answer = world.api("GET", &format!("{APPS}?{query}"), None).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        let apps = answer.json();
        let labels = apps.as_array().unwrap().iter().map(|app| app["label"].as_str().unwrap().to_owned());
        labels.collect::<Vec<_>>().join(" ")
    };
    for (query, wanted) in [
        ("q=pay", "Payroll Payments"),
        ("q=ayroll", ""),
        ("q=wiki_1", "Wiki"),
        ("filter=status+eq+%22INACTIVE%22", "Wiki"),
        ("filter=status+eq+%22ACTIVE%22&q=p", "Payroll Payments"),
        ("filter=name+eq+%22payroll_1%22", "Payroll"),
        (&format!("filter=credentials.signing.kid+eq+%22{kid}%22"), "Payments"),
    ] {
        assert_eq!(labels(query).await, wanted, "{query}");
    }
    assert_eq!(world.api("GET", &format!("{APPS}?filter=label+eq+%22Wiki%22"), None).await.status, 400);
    let mut page = world.api("GET", &format!("{APPS}?limit=2"), None).await;
    let mut seen = page.json().as_array().unwrap().len();
    while let Some(next) = page.next() {
        page = world.api("GET", &next, None).await;
        seen += page.json().as_array().unwrap().len();
    }
    assert_eq!(seen, 5, "with the development clients");
}

#[tokio::test]
async fn a_deleted_hook_is_gone_from_apps_and_an_inactive_one_stays() {
    let world = World::start().await;
    let (hook, other) = (saml_hook(&world, "One").await, saml_hook(&world, "Two").await);
    let mut body = of_terraform();
    set(&mut body, "/settings/signOn/inlineHooks", json!([{ "id": hook }, { "id": other }]));
    let app = created(&world, &body).await;
    assert_eq!(app["settings"]["signOn"]["inlineHooks"], body["settings"]["signOn"]["inlineHooks"]);
    let hook = format!("/api/v1/inlineHooks/{hook}");
    assert_eq!(world.api("POST", &format!("{hook}/lifecycle/deactivate"), None).await.status, 200);
    let hooks =
        async || world.api("GET", &path_of(&app), None).await.json()["settings"]["signOn"]["inlineHooks"].clone();
    assert_eq!(hooks().await, body["settings"]["signOn"]["inlineHooks"]);
    assert_eq!(world.api("DELETE", &hook, None).await.status, 204);
    assert_eq!(hooks().await, json!([{ "id": other }]));
    assert_eq!(world.events("application.lifecycle.update").await.len(), 1);
}

#[tokio::test]
async fn keys_are_valid_for_years_kept_up_to_a_bound_and_given_to_other_apps() {
    let world = World::start().await;
    let (one, other) = (created(&world, &of_terraform()).await, created(&world, &of_terraform()).await);
    let keys = format!("{}/credentials/keys", path_of(&one));
    for (query, status) in [
        ("", 400),
        ("?validityYears=1", 400),
        ("?validityYears=11", 400),
        ("?validityYears=x", 400),
        ("?validityYears=10", 201),
    ] {
        let answer = world.api("POST", &format!("{keys}/generate{query}"), None).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.text());
    }
    let list = world.api("GET", &keys, None).await.json();
    let key = &list[1];
    for member in ["kid", "kty", "use", "e", "n", "x5t#S256", "created", "lastUpdated", "expiresAt"] {
        assert!(key[member].is_string(), "{member}: {key}");
    }
    assert!(STANDARD.decode(key["x5c"][0].as_str().unwrap()).is_ok());
    let one_key = format!("{keys}/{}", key["kid"].as_str().unwrap());
    assert_eq!(world.api("GET", &one_key, None).await.json(), *key);
    let copy = world.api("POST", &format!("{one_key}/clone?targetAid={}", other["id"].as_str().unwrap()), None).await;
    assert_eq!((copy.status.as_u16(), &copy.json()["x5c"]), (201, &key["x5c"]), "{}", copy.text());
    assert_eq!(world.api("POST", &format!("{one_key}/clone?targetAid=0oa1"), None).await.status, 400);
    assert_eq!(world.api("POST", &format!("{one_key}/clone"), None).await.status, 400);
    assert_eq!(world.api("GET", &format!("{}/credentials/csrs", path_of(&one)), None).await.status, 404);
    let kid = one["credentials"]["signing"]["kid"].as_str().unwrap();
    assert_eq!(world.api("GET", &format!("{}/credentials/keys/{kid}", path_of(&other)), None).await.status, 404);
}
