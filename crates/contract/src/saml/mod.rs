//! The SAML assertion type, `com.okta.saml.tokens.transform` (`saml.md`).

pub mod assertion;
mod interpreter;
pub mod size;

use std::{borrow::Cow, sync::Arc};

use serde::Serialize;
use serde_json::{Value, json};

use self::assertion::Assertion;
use crate::{
    ExtensionPoint,
    answer::Answer,
    context::{RequestContext, SessionContext, UserContext},
    description::{
        CommandRule, Description, EVENT_TYPE_VERSION, EmptyAnswer, ErrorDefault, FILLER_WORDS, FailureDefault, Names,
        OPERATION_MEMBERS, PerOrg, Retry, Shape, TIMEOUT_MS_DEFAULT,
    },
    hook_kind::{HookKind, Rehearsal, Rehearse, rehearse},
    hook_type::{BUILT_IN_DESCRIPTIONS, HookTypeName},
    preview::{Document, DocumentError, Inputs},
    problem::{Change, Problem},
    profile::ProfileSchema,
};

pub(crate) const ASSERTION_PATCH: CommandRule = CommandRule {
    name: Cow::Borrowed("com.okta.assertion.patch"),
    shape: Shape::Items(Cow::Borrowed("value must be an array of operations")),
    members: OPERATION_MEMBERS,
    misnamed: Names::fixed(&[
        "com.okta.tokens.assertion.patch",
        "com.okta.saml.assertion.patch",
        "com.okta.assertion.update",
    ]),
};

/// The type's row.
pub(crate) static DESCRIPTION: Description = Description {
    event_type: HookTypeName::fixed("com.okta.saml.tokens.transform"),
    event_type_version: EVENT_TYPE_VERSION,
    title: Cow::Borrowed("SAML assertion"),
    commands: Cow::Borrowed(&[ASSERTION_PATCH]),
    default_outcome: Cow::Borrowed("the assertion goes out unchanged"),
    timeout_ms: TIMEOUT_MS_DEFAULT,
    retry: Retry::Once,
    empty_answer: EmptyAnswer::DefaultAction,
    failure: FailureDefault::Continue,
    error: ErrorDefault::Refuse,
    per_org: PerOrg::Many,
    authentication_required: false,
    secret_members: Names::NONE,
    unsent_members: Names::NONE,
    relatives: Cow::Borrowed(&BUILT_IN_DESCRIPTIONS),
    filler_words: FILLER_WORDS,
    preview_inputs: Names::fixed(&["user", "app"]),
    sample_dates: Names::fixed(&[
        "/data/context/session/createdAt",
        "/data/context/session/expiresAt",
        "/data/context/session/lastPasswordVerification",
        "/data/context/session/lastFactorVerification",
        "/data/context/user/passwordChanged",
    ]),
};

/// The SAML extension point.
///
/// ```
/// use tenterhook_contract::{ExtensionPoint, BuiltInType, answer::Answer, saml::{Saml, assertion::Assertion}};
/// let sample: serde_json::Value = serde_json::from_str(BuiltInType::Saml.kind().sample_requests()[0]).unwrap();
/// let mut assertion = Assertion::from_json(&sample["data"]["assertion"]).unwrap();
/// let answer = br#"{"commands": [{"type": "com.okta.assertion.patch", "value": [
///     {"op": "add", "path": "/authentication/sessionLifetime", "value": 900}
/// ]}]}"#;
/// Saml.interpret(&mut assertion, Answer::parse(answer).unwrap()).unwrap();
/// assert_eq!(assertion.authentication.session_lifetime, Some(900));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Saml;

/// `data.context`, which commands cannot change.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SamlContext {
    /// The SAML request.
    pub request: RequestContext,
    /// The protocol.
    pub protocol: SamlProtocol,
    /// The session; there is always one.
    pub session: SessionContext,
    /// The user.
    pub user: UserContext,
}

/// `data.context.protocol`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SamlProtocol {
    /// Always `SAML2.0`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The app, in its role for this assertion.
    pub issuer: SamlIssuer,
}

/// `data.context.protocol.issuer`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SamlIssuer {
    /// The app's id.
    pub id: String,
    /// The app's name.
    pub name: String,
    /// The identity provider's entity id for the app.
    pub uri: String,
}

/// `data` of a SAML hook, borrowed.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SamlData<'a> {
    context: &'a SamlContext,
    assertion: &'a Assertion,
}

impl ExtensionPoint for Saml {
    type Context = SamlContext;
    type Subject = Assertion;
    type Data<'a> = SamlData<'a>;

    fn description(&self) -> &Description {
        &DESCRIPTION
    }

    fn data<'a>(&self, context: &'a SamlContext, subject: &'a Assertion) -> SamlData<'a> {
        SamlData { context, assertion: subject }
    }

    fn interpret(&self, subject: &mut Assertion, answer: Answer) -> Result<Vec<Change>, Vec<Problem>> {
        interpreter::interpret(subject, answer)
    }
}

impl Rehearse for Saml {
    fn subject_of(&self, document: &Document, _: &Arc<ProfileSchema>) -> Result<Assertion, DocumentError> {
        const PATH: &str = "/data/assertion";
        Assertion::from_json(document.get(PATH)?).map_err(|error| DocumentError {
            field: format!("{PATH}{}", error.pointer),
            message: error.message.to_owned(),
        })
    }

    fn show(&self, subject: &Assertion) -> Value {
        json!({ "assertion": subject })
    }
}

/// Everything that differs by type.
pub(crate) struct Kind;

impl HookKind for Kind {
    fn description(&self) -> &Description {
        &DESCRIPTION
    }

    fn sample_requests(&self) -> Vec<&str> {
        vec![include_str!("../../samples/saml_request_1.json")]
    }

    fn sample_answers(&self) -> Vec<&str> {
        vec![include_str!("../../samples/saml_answer_1.json"), include_str!("../../samples/saml_answer_2.json")]
    }

    fn fill(&self, inputs: &Inputs, document: &mut Document) -> Result<(), DocumentError> {
        if let Some(user) = &inputs.user {
            document.set("/data/context/user", json!(user));
            document.set("/data/context/session/userId", json!(user.id));
            document.set("/data/context/session/login", json!(user.profile.login));
            document.set("/data/assertion/subject/nameId", json!(user.profile.login));
        }
        if let Some(app) = &inputs.app {
            document.set("/data/context/protocol/issuer/id", json!(app.id));
            document.set("/data/context/protocol/issuer/name", json!(app.name));
        }
        Ok(())
    }

    fn rehearse(
        &self,
        document: &Document,
        schema: &Arc<ProfileSchema>,
        answer: Answer,
    ) -> Result<Rehearsal, DocumentError> {
        rehearse(&Saml, document, schema, answer)
    }

    #[cfg(feature = "schema")]
    fn schemas(&self, generator: &mut schemars::SchemaGenerator) -> crate::type_schemas::TypeSchemas {
        let operations = generator.subschema_for::<Vec<crate::type_schemas::AssertionOperation>>();
        crate::type_schemas::TypeSchemas::new::<SamlData<'static>>(generator, &[], vec![operations])
    }
}
