//! The password import type, `com.okta.user.credential.password.import` (`password-import.md`).

use std::{borrow::Cow, sync::Arc};

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    ExtensionPoint, Secret,
    answer::{Answer, Operand, unknown_command},
    context::RequestContext,
    description::{
        CommandRule, Description, EVENT_TYPE_VERSION, EmptyAnswer, ErrorDefault, FILLER_WORDS, FailureDefault, Names,
        PerOrg, Retry, Shape, TIMEOUT_MS_DEFAULT,
    },
    hook_kind::{HookKind, Rehearsal, Rehearse, rehearse},
    hook_type::{BUILT_IN_DESCRIPTIONS, HookTypeName},
    preview::{Document, DocumentError, Inputs},
    problem::{Change, Problem, ProblemCode, Refused, in_answers_order},
    profile::ProfileSchema,
};

const ACTION_UPDATE: CommandRule = CommandRule {
    name: Cow::Borrowed("com.okta.action.update"),
    shape: Shape::Object,
    members: Names::fixed(&["credential"]),
    misnamed: Names::fixed(&["com.okta.action.update.import", "com.action.update"]),
};

/// The type's row.
pub(crate) static DESCRIPTION: Description = Description {
    event_type: HookTypeName::fixed("com.okta.user.credential.password.import"),
    event_type_version: EVENT_TYPE_VERSION,
    title: Cow::Borrowed("Password import"),
    commands: Cow::Borrowed(&[ACTION_UPDATE]),
    default_outcome: Cow::Borrowed("`data.action.credential`: the password is not verified and the sign-in fails"),
    timeout_ms: TIMEOUT_MS_DEFAULT,
    retry: Retry::Once,
    empty_answer: EmptyAnswer::DefaultAction,
    failure: FailureDefault::Stop,
    error: ErrorDefault::Failure,
    per_org: PerOrg::One,
    authentication_required: false,
    secret_members: Names::fixed(&["/context/credential/password"]),
    unsent_members: Names::NONE,
    relatives: Cow::Borrowed(&BUILT_IN_DESCRIPTIONS),
    filler_words: FILLER_WORDS,
    preview_inputs: Names::fixed(&["user"]),
    sample_dates: Names::NONE,
};

/// The password import extension point.
///
/// ```
/// use tenterhook_contract::{ExtensionPoint, answer::Answer, password_import::{Credential, PasswordImport}};
/// let mut credential = Credential::Unverified;
/// let answer = br#"{"commands": [{"type": "com.okta.action.update", "value": {"credential": "VERIFIED"}}]}"#;
/// PasswordImport.interpret(&mut credential, Answer::parse(answer).unwrap()).unwrap();
/// assert_eq!(credential, Credential::Verified);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PasswordImport;

/// Whether the submitted password is the user's; commands may change this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Credential {
    /// It is not, or that is unknown: the default action.
    Unverified,
    /// It is: the password is stored, and the hook is not called for this user again.
    Verified,
}

/// What the service is told.
#[derive(Clone, Debug)]
pub struct PasswordImportContext {
    /// The sign-in's request.
    pub request: RequestContext,
    /// The username as it was typed.
    pub username: String,
    /// The password as it was typed.
    pub password: Secret,
}

/// `data` of a password import hook, borrowed.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PasswordImportData<'a> {
    context: ContextData<'a>,
    action: Action,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct ContextData<'a> {
    request: &'a RequestContext,
    credential: CredentialData<'a>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct CredentialData<'a> {
    username: &'a str,
    password: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Action {
    credential: Credential,
}

impl Credential {
    fn parse(value: &Value) -> Option<Self> {
        match value.as_str() {
            Some("VERIFIED") => Some(Self::Verified),
            Some("UNVERIFIED") => Some(Self::Unverified),
            _ => None,
        }
    }
}

impl ExtensionPoint for PasswordImport {
    type Context = PasswordImportContext;
    type Subject = Credential;
    type Data<'a> = PasswordImportData<'a>;

    fn description(&self) -> &Description {
        &DESCRIPTION
    }

    /// `overview.md` section 6: on a failure the sign-in is refused. Otherwise any typed password would become the
    /// user's.
    fn known_to_the_service_alone(&self, subject: &Credential) -> Option<&'static str> {
        (*subject == Credential::Verified)
            .then_some("They would verify a password that nobody has checked: only the service can. Leave them out")
    }

    fn data<'a>(&self, context: &'a PasswordImportContext, subject: &'a Credential) -> PasswordImportData<'a> {
        let credential = CredentialData { username: &context.username, password: context.password.expose() };
        PasswordImportData {
            context: ContextData { request: &context.request, credential },
            action: Action { credential: *subject },
        }
    }

    /// `password-import.md` section 3: the last command wins.
    fn interpret(&self, subject: &mut Credential, answer: Answer) -> Result<Vec<Change>, Vec<Problem>> {
        let mut problems = answer.problems;
        let mut changes = Vec::new();
        let mut decided = *subject;
        for command in answer.commands {
            let index = command.place;
            if command.kind != ACTION_UPDATE.name {
                problems.push(unknown_command(&DESCRIPTION, index, &command.kind));
                continue;
            }
            let Operand::Members(members) = &command.operand else {
                problems.push(command.wrong_shape(index, &ACTION_UPDATE));
                continue;
            };
            match members.get("credential").and_then(Credential::parse) {
                Some(credential) => {
                    decided = credential;
                    changes.push(Change { command: ACTION_UPDATE.name, op: "set", path: "/credential".to_owned() });
                }
                None => problems.push(
                    Refused::new(ProblemCode::BadValue, "Invalid credential(com.okta.action.update)")
                        .hint("`credential` is `VERIFIED` or `UNVERIFIED`".to_owned())
                        .at(format!("/commands/{index}/value/credential")),
                ),
            }
        }
        if !problems.is_empty() {
            return Err(in_answers_order(problems));
        }
        *subject = decided;
        Ok(changes)
    }
}

impl Rehearse for PasswordImport {
    fn subject_of(&self, document: &Document, _: &Arc<ProfileSchema>) -> Result<Credential, DocumentError> {
        const PATH: &str = "/data/action/credential";
        Credential::parse(document.get(PATH)?)
            .ok_or_else(|| DocumentError::wrong(PATH, "must be UNVERIFIED or VERIFIED"))
    }

    fn show(&self, subject: &Credential) -> Value {
        json!({ "action": Action { credential: *subject } })
    }
}

/// Everything that differs by type.
pub(crate) struct Kind;

impl HookKind for Kind {
    fn description(&self) -> &Description {
        &DESCRIPTION
    }

    fn sample_requests(&self) -> Vec<&str> {
        vec![include_str!("../samples/password_import_request_1.json")]
    }

    fn sample_answers(&self) -> Vec<&str> {
        vec![
            include_str!("../samples/password_import_answer_1.json"),
            include_str!("../samples/password_import_answer_2.json"),
        ]
    }

    fn fill(&self, inputs: &Inputs, document: &mut Document) -> Result<(), DocumentError> {
        if let Some(user) = &inputs.user {
            document.set("/data/context/credential/username", json!(user.profile.login));
            document.set("/data/context/credential/password", json!("a-preview-password"));
        }
        Ok(())
    }

    fn rehearse(
        &self,
        document: &Document,
        schema: &Arc<ProfileSchema>,
        answer: Answer,
    ) -> Result<Rehearsal, DocumentError> {
        rehearse(&PasswordImport, document, schema, answer)
    }

    #[cfg(feature = "schema")]
    fn schemas(&self, generator: &mut schemars::SchemaGenerator) -> crate::type_schemas::TypeSchemas {
        let action = crate::type_schemas::object_of::<Credential>(generator, "credential");
        crate::type_schemas::TypeSchemas::new::<PasswordImportData<'static>>(generator, &[], vec![action])
    }
}
