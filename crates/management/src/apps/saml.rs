//! What requests say of SAML apps.

use std::collections::HashSet;

use tenterhook_contract::{BuiltInType, binding::HookBinding, hook::InlineHook};
use tenterhook_model::{
    AcsEndpoint, AttributeSource, AttributeStatement, ContentCipher, Encryption, GroupFilter, GroupFilterKind,
    NameIdFormat, SamlApp, SingleLogout, Template,
};
use tenterhook_platform::OrgSnapshot;
use tenterhook_saml::Certificate;

use super::{
    general::{General, bounded, choice, named, of_user_name, required, required_url, template, url},
    request::{AcsEndpointRequest, AppRequest, AttributeStatementRequest, EncryptionRequest, SignOnRequest},
};
use crate::{
    bindings::BindingPlace,
    patterns::Named,
    request::{BLANK, Causes, Given, INVALID},
};

/// `name` of a request for a SAML app that the vendor's documentation writes.
pub(super) const TEMPLATE_NAME: &str = "template_saml_2_0";
/// Assertion consumer services that an app may have in addition to `ssoAcsUrl`.
pub const ACS_ENDPOINTS_MAX: usize = 100;
/// Attribute statements of an app.
pub const ATTRIBUTE_STATEMENTS_MAX: usize = 100;
/// Expressions of an attribute statement.
pub const STATEMENT_VALUES_MAX: usize = 20;
/// Certificates of a service provider.
pub const SP_CERTIFICATES_MAX: usize = 4;
/// Seconds that an assertion may be valid.
pub const ASSERTION_LIFETIME_SECONDS: std::ops::RangeInclusive<u32> = 60..=86_400;
/// The same of an app that says nothing of it.
const ASSERTION_LIFETIME_SECONDS_DEFAULT: u32 = 300;
const NAME_ID: &str = "settings.signOn.subjectNameIdTemplate";
const STATEMENTS: &str = "settings.signOn.attributeStatements";
const LIFETIME: &str = "settings.signOn.samlAssertionLifetimeSeconds";
const PASSWORD_PROTECTED: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified";
const NAME_FORMATS: [&str; 3] = [
    UNSPECIFIED,
    "urn:oasis:names:tc:SAML:2.0:attrname-format:uri",
    "urn:oasis:names:tc:SAML:2.0:attrname-format:basic",
];

/// Reads a request over `app`: its ids, its dates, its status and, where the request says nothing of it, its key stay.
pub(super) fn read(org: &OrgSnapshot, causes: &mut Causes, request: &AppRequest, app: SamlApp) -> SamlApp {
    let none = SignOnRequest::default();
    let sign_on = request.settings.sign_on.as_deref().unwrap_or(&none);
    let General { label, implicit_assignment, hide, user_name, told } = General::read(causes, request);
    check_name(causes, request, &app.name);
    for (member, is_given) in [
        ("credentials.oauthClient", request.oauth_credentials.is_some()),
        ("settings.oauthClient", request.settings.oauth_client.is_some()),
    ] {
        if is_given {
            causes.add(member, "Only apps with the sign-on mode `OPENID_CONNECT` have it");
        }
    }
    let signing_kid = bounded(causes, "credentials.signing.kid", &request.signing_kid).unwrap_or_else(|| {
        // The key of a new app is made when the request is in order.
        app.signing_kid.clone()
    });
    if request.signing_kid.is_given() && !org.configuration.app_keys.below(&app.id).any(|key| key.kid == signing_kid) {
        causes.add("credentials.signing.kid", "The app has no key with this id");
    }
    for (member, given) in &sign_on.overrides {
        if given.value().is_none_or(|text| !text.is_empty()) && given.is_given() {
            causes.add(member, "Only apps of a catalogue have it: leave it out");
        }
    }
    let acs_url = required_url(causes, "settings.signOn.ssoAcsUrl", &sign_on.sso_acs_url);
    let mut or_acs = |member: &str, given: &Given<String>| url(causes, member, given).unwrap_or(acs_url.clone());
    let recipient = or_acs("settings.signOn.recipient", &sign_on.recipient);
    let destination = or_acs("settings.signOn.destination", &sign_on.destination);
    let response_signed = causes.plain("settings.signOn.responseSigned", &sign_on.response_signed, true);
    let assertion_signed = causes.plain("settings.signOn.assertionSigned", &sign_on.assertion_signed, true);
    if !response_signed && !assertion_signed {
        causes.add("settings.signOn.assertionSigned", "Sign the assertion, the response, or both");
    }
    let only = |algorithm: &str| format!("Only `{algorithm}` is supported: SHA-1 is no longer allowed");
    for (member, given, algorithm) in [
        ("settings.signOn.signatureAlgorithm", &sign_on.signature_algorithm, "RSA_SHA256"),
        ("settings.signOn.digestAlgorithm", &sign_on.digest_algorithm, "SHA256"),
    ] {
        causes.only(member, given, algorithm, &only(algorithm));
    }
    if causes.plain("settings.signOn.participateSlo.enabled", &sign_on.participate_slo, false) {
        let text = "Logout that another app begins is not supported: leave it out, or write false";
        causes.add("settings.signOn.participateSlo.enabled", text);
    }
    let sp_certificates =
        certificates(causes, "settings.signOn.spCertificate.x5c", &sign_on.sp_certificates, SP_CERTIFICATES_MAX);
    let signed_requests = causes.plain("settings.signOn.samlSignedRequestEnabled", &sign_on.signed_requests, false);
    let single_logout = read_slo(causes, sign_on);
    if (signed_requests || single_logout.is_some()) && sp_certificates.is_empty() {
        let text = "Signed requests and single logout need the certificate of the service provider";
        if !causes.is_about("settings.signOn.spCertificate.x5c") {
            causes.add("settings.signOn.spCertificate.x5c", text);
        }
    }
    let lifetime = &sign_on.assertion_lifetime_seconds;
    let assertion_lifetime_seconds = causes.plain(LIFETIME, lifetime, ASSERTION_LIFETIME_SECONDS_DEFAULT);
    if !ASSERTION_LIFETIME_SECONDS.contains(&assertion_lifetime_seconds) {
        causes.add(LIFETIME, "Write 60 to 86400 seconds");
    }
    SamlApp {
        label,
        implicit_assignment,
        hide,
        user_name,
        told,
        signing_kid,
        recipient,
        destination,
        acs_endpoints: read_acs_endpoints(causes, sign_on),
        audience: required(causes, "settings.signOn.audience", &sign_on.audience),
        sp_issuer: bounded(causes, "settings.signOn.spIssuer", &sign_on.sp_issuer),
        idp_issuer: bounded(causes, "settings.signOn.idpIssuer", &sign_on.idp_issuer),
        default_relay_state: bounded(causes, "settings.signOn.defaultRelayState", &sign_on.default_relay_state),
        subject_name_id_template: read_name_id(causes, sign_on),
        subject_name_id_format: read_name_id_format(causes, sign_on),
        response_signed,
        assertion_signed,
        honor_force_authn: causes.plain("settings.signOn.honorForceAuthn", &sign_on.honor_force_authn, true),
        authn_context_class_ref: bounded(
            causes,
            "settings.signOn.authnContextClassRef",
            &sign_on.authn_context_class_ref,
        )
        .unwrap_or_else(|| PASSWORD_PROTECTED.to_owned()),
        request_compressed: causes.plain("settings.signOn.requestCompressed", &sign_on.request_compressed, false),
        assertion_lifetime_seconds,
        attribute_statements: read_statements(causes, &sign_on.attribute_statements),
        single_logout,
        sp_certificates,
        signed_requests,
        encryption: read_encryption(causes, &sign_on.assertion_encryption),
        hooks: read_hooks(org, causes, sign_on),
        acs_url,
        ..app
    }
}

/// The regular expressions of an app in whose request nothing else is wrong, so that its expressions have the places that they have in
/// the request.
pub(super) fn patterns(app: &SamlApp) -> Vec<Named<'_>> {
    let mut patterns = of_user_name(&app.user_name);
    patterns.extend(named(NAME_ID, &app.subject_name_id_template));
    for (place, statement) in app.attribute_statements.iter().enumerate() {
        let member = format!("{STATEMENTS}[{place}]");
        match &statement.source {
            AttributeSource::Expression { values } => {
                for (place, value) in values.iter().enumerate() {
                    patterns.extend(named(&format!("{member}.values[{place}]"), value));
                }
            }
            AttributeSource::Group(filter) => {
                patterns.extend(filter.pattern().map(|pattern| (format!("{member}.filterValue"), pattern)));
            }
        }
    }
    patterns
}

/// The server makes the name of an app. A client may send it back.
fn check_name(causes: &mut Causes, request: &AppRequest, name: &str) {
    match &request.name {
        Given::Is(given) if given != name && given != TEMPLATE_NAME && !given.is_empty() => {
            causes.add("name", "Apps of a catalogue are not supported, and the server makes the name: leave it out");
        }
        given => drop(causes.given("name", given)),
    }
}

fn read_name_id(causes: &mut Causes, sign_on: &SignOnRequest) -> Template {
    let text = bounded(causes, NAME_ID, &sign_on.subject_name_id_template);
    let template = template(causes, NAME_ID, text.as_deref().unwrap_or("${user.userName}"));
    template.unwrap_or_else(Template::login)
}

fn read_name_id_format(causes: &mut Causes, sign_on: &SignOnRequest) -> NameIdFormat {
    let uris = NameIdFormat::ALL.map(NameIdFormat::uri);
    let uri = choice(causes, "settings.signOn.subjectNameIdFormat", &sign_on.subject_name_id_format, &uris);
    uri.and_then(NameIdFormat::of_uri).unwrap_or(NameIdFormat::Unspecified)
}

fn read_acs_endpoints(causes: &mut Causes, sign_on: &SignOnRequest) -> Vec<AcsEndpoint> {
    const ENDPOINTS: &str = "settings.signOn.acsEndpoints";
    const SEVERAL: &str = "settings.signOn.allowMultipleAcsEndpoints";
    let requests = causes.given(ENDPOINTS, &sign_on.acs_endpoints).map(Vec::as_slice).unwrap_or_default();
    if requests.len() > ACS_ENDPOINTS_MAX {
        causes.add(ENDPOINTS, &format!("An app can have at most {ACS_ENDPOINTS_MAX} endpoints"));
        return Vec::new();
    }
    let allowed = causes.plain(SEVERAL, &sign_on.allow_multiple_acs_endpoints, !requests.is_empty());
    if allowed == requests.is_empty() {
        causes.add(SEVERAL, "Write true with `acsEndpoints`, and false without");
    }
    let (mut indexes, mut endpoints) = (HashSet::new(), Vec::with_capacity(requests.len()));
    for (place, AcsEndpointRequest { url, index }) in requests.iter().enumerate() {
        let url = required_url(causes, &format!("{ENDPOINTS}[{place}].url"), url);
        let member = format!("{ENDPOINTS}[{place}].index");
        match index {
            Given::Is(index) if indexes.insert(*index) => endpoints.push(AcsEndpoint { url, index: *index }),
            Given::Is(_) => causes.add(&member, "Another endpoint has this index"),
            Given::Absent => causes.add(&member, BLANK),
            Given::Wrong => causes.add(&member, "Write 0 to 65535"),
        }
    }
    endpoints
}

fn read_statements(causes: &mut Causes, given: &Given<Vec<AttributeStatementRequest>>) -> Vec<AttributeStatement> {
    let requests = causes.given(STATEMENTS, given).map(Vec::as_slice).unwrap_or_default();
    if requests.len() > ATTRIBUTE_STATEMENTS_MAX {
        causes.add(STATEMENTS, &format!("An app can have at most {ATTRIBUTE_STATEMENTS_MAX} statements"));
        return Vec::new();
    }
    let mut names = HashSet::new();
    let mut read = |(place, request)| {
        let member = format!("{STATEMENTS}[{place}]");
        let statement = read_statement(causes, request, &member);
        if !names.insert(statement.name.clone()) && !statement.name.is_empty() {
            causes.add(&format!("{member}.name"), "Another statement has this name");
        }
        statement
    };
    requests.iter().enumerate().map(&mut read).collect()
}

fn read_statement(causes: &mut Causes, request: &AttributeStatementRequest, member: &str) -> AttributeStatement {
    let name = required(causes, &format!("{member}.name"), &request.name);
    let format = choice(causes, &format!("{member}.namespace"), &request.namespace, &NAME_FORMATS);
    let kind = choice(causes, &format!("{member}.type"), &request.kind, &["EXPRESSION", "GROUP"]);
    let source = match kind {
        Some("GROUP") => read_group_source(causes, request, member),
        _ => read_expressions(causes, request, member),
    };
    AttributeStatement { name, name_format: format.unwrap_or(UNSPECIFIED).to_owned(), source }
}

fn read_expressions(causes: &mut Causes, request: &AttributeStatementRequest, member: &str) -> AttributeSource {
    for (name, given) in [("filterType", &request.filter_type), ("filterValue", &request.filter_value)] {
        if given.value().is_some_and(|text| !text.is_empty()) {
            causes.add(&format!("{member}.{name}"), "Only statements of the type `GROUP` have it");
        }
    }
    let path = format!("{member}.values");
    let values = causes.texts(&path, &request.values);
    if values.is_empty() && !causes.has(&path) {
        causes.add(&path, "Write an expression such as `user.email`");
    } else if values.len() > STATEMENT_VALUES_MAX {
        causes.add(&path, &format!("A statement can have at most {STATEMENT_VALUES_MAX} expressions"));
    }
    let values = values.iter().enumerate().take(STATEMENT_VALUES_MAX);
    let values = values.filter_map(|(place, value)| template(causes, &format!("{path}[{place}]"), value));
    AttributeSource::Expression { values: values.collect() }
}

fn read_group_source(causes: &mut Causes, request: &AttributeStatementRequest, member: &str) -> AttributeSource {
    if request.values.value().is_some_and(|values| !values.is_empty()) {
        causes.add(&format!("{member}.values"), "Only statements of the type `EXPRESSION` have it");
    }
    let path = format!("{member}.filterType");
    let kind = choice(causes, &path, &request.filter_type, &GroupFilterKind::ALL.map(GroupFilterKind::as_str));
    if kind.is_none() && !causes.has(&path) {
        causes.add(&path, BLANK);
    }
    let path = format!("{member}.filterValue");
    let value = causes.given(&path, &request.filter_value).map(String::as_str).unwrap_or_default();
    let kind = kind.and_then(GroupFilterKind::of_name).unwrap_or(GroupFilterKind::Equals);
    match GroupFilter::new(kind, value) {
        Ok(filter) => AttributeSource::Group(filter),
        Err(problem) => {
            if !causes.has(&path) {
                causes.add(&path, &problem.to_string());
            }
            AttributeSource::Expression { values: Vec::new() }
        }
    }
}

fn read_slo(causes: &mut Causes, sign_on: &SignOnRequest) -> Option<SingleLogout> {
    let slo = &sign_on.slo;
    if causes.plain("settings.signOn.slo.enabled", &slo.enabled, false) {
        return Some(SingleLogout {
            issuer: required(causes, "settings.signOn.slo.issuer", &slo.issuer),
            logout_url: required_url(causes, "settings.signOn.slo.logoutUrl", &slo.logout_url),
        });
    }
    for (member, given) in
        [("settings.signOn.slo.issuer", &slo.issuer), ("settings.signOn.slo.logoutUrl", &slo.logout_url)]
    {
        if given.value().is_some_and(|text| !text.is_empty()) {
            causes.add(member, "Only with `enabled: true`");
        }
    }
    None
}

fn read_encryption(causes: &mut Causes, request: &EncryptionRequest) -> Option<Encryption> {
    const CERTIFICATE: &str = "settings.signOn.assertionEncryption.x5c";
    const ALGORITHM: &str = "settings.signOn.assertionEncryption.encryptionAlgorithm";
    const TRANSPORT: &str = "settings.signOn.assertionEncryption.keyTransportAlgorithm";
    let is_enabled = causes.plain("settings.signOn.assertionEncryption.enabled", &request.enabled, false);
    if !is_enabled {
        for (member, is_given) in [
            (ALGORITHM, request.encryption_algorithm.is_given()),
            (TRANSPORT, request.key_transport_algorithm.is_given()),
            (
                CERTIFICATE,
                request.certificates.value().is_none_or(|list| !list.is_empty()) && request.certificates.is_given(),
            ),
        ] {
            if is_given {
                causes.add(member, "Only with `enabled: true`");
            }
        }
        return None;
    }
    let algorithm =
        choice(causes, ALGORITHM, &request.encryption_algorithm, &ContentCipher::ALL.map(ContentCipher::as_str));
    causes.constant(TRANSPORT, &request.key_transport_algorithm, "RSA_OAEP");
    let certificate = certificates(causes, CERTIFICATE, &request.certificates, 1).pop();
    match certificate.as_deref().map(Certificate::from_text) {
        None if !causes.is_about(CERTIFICATE) => causes.add(CERTIFICATE, BLANK),
        Some(Ok(certificate)) if !certificate.is_rsa() => {
            causes.add(
                &format!("{CERTIFICATE}[0]"),
                &format!("{INVALID}: its key is not RSA, the only kind for `RSA_OAEP`"),
            );
        }
        _ => {}
    }
    let algorithm = algorithm.and_then(ContentCipher::of_name).unwrap_or(ContentCipher::Aes256Gcm);
    Some(Encryption { algorithm, certificate: certificate.unwrap_or_default() })
}

/// Certificates, DER in base64, as they were written.
fn certificates(causes: &mut Causes, member: &str, given: &Given<Vec<String>>, most: usize) -> Vec<String> {
    let Some(texts) = causes.given(member, given) else { return Vec::new() };
    if texts.len() > most {
        causes.add(member, &format!("Name at most {most}"));
        return Vec::new();
    }
    for (place, text) in texts.iter().enumerate() {
        if let Err(error) = Certificate::from_text(text) {
            causes.add(&format!("{member}[{place}]"), &format!("{INVALID}: it {error}"));
        }
    }
    texts.clone()
}

fn read_hooks(org: &OrgSnapshot, causes: &mut Causes, sign_on: &SignOnRequest) -> Vec<HookBinding> {
    const HOOKS: &str = "settings.signOn.inlineHooks";
    let Some(requests) = causes.given(HOOKS, &sign_on.inline_hooks) else { return Vec::new() };
    let place = BindingPlace {
        org,
        member: HOOKS,
        id: "id",
        in_words: ("An app", "inline hooks"),
        hook_type: BuiltInType::Saml.name(),
        declaration: None,
        refuses: |_: &InlineHook| None,
    };
    place.read(causes, requests)
}
