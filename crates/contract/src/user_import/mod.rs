//! The user import type, `com.okta.import.transform` (`user-import.md`).

mod interpreter;

use std::{borrow::Cow, sync::Arc};

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    ExtensionPoint,
    answer::Answer,
    description::{
        CommandRule, Description, EVENT_TYPE_VERSION, EmptyAnswer, ErrorDefault, FILLER_WORDS, FailureDefault, Names,
        PerOrg, Retry, Shape, TIMEOUT_MS_DEFAULT,
    },
    hook_kind::{HookKind, Rehearsal, Rehearse, rehearse},
    hook_type::{BUILT_IN_DESCRIPTIONS, HookTypeName},
    preview::{Document, DocumentError, Inputs},
    problem::{Change, Problem},
    profile::{Profile, ProfileSchema},
};

pub(crate) const APP_USER_UPDATE: CommandRule = CommandRule {
    name: Cow::Borrowed("com.okta.appUser.profile.update"),
    shape: Shape::Object,
    members: Names::NONE,
    misnamed: Names::fixed(&["com.okta.appUser.profile.update.import", "com.okta.app.user.profile.update"]),
};
pub(crate) const PROFILE_UPDATE: CommandRule = CommandRule {
    name: Cow::Borrowed("com.okta.user.profile.update"),
    shape: Shape::Object,
    members: Names::NONE,
    misnamed: Names::fixed(&["com.okta.user.profile.update.import"]),
};
pub(crate) const ACTION_UPDATE: CommandRule = CommandRule {
    name: Cow::Borrowed("com.okta.action.update"),
    shape: Shape::Object,
    members: Names::fixed(&["result"]),
    misnamed: Names::fixed(&["com.okta.action.update.import", "com.action.update"]),
};
pub(crate) const USER_UPDATE: CommandRule = CommandRule {
    name: Cow::Borrowed("com.okta.user.update"),
    shape: Shape::Object,
    members: Names::fixed(&["id"]),
    misnamed: Names::fixed(&["com.okta.user.update.import"]),
};

/// The type's row.
pub(crate) static DESCRIPTION: Description = Description {
    event_type: HookTypeName::fixed("com.okta.import.transform"),
    event_type_version: EVENT_TYPE_VERSION,
    title: Cow::Borrowed("User import"),
    commands: Cow::Borrowed(&[APP_USER_UPDATE, PROFILE_UPDATE, ACTION_UPDATE, USER_UPDATE]),
    default_outcome: Cow::Borrowed("`data.action.result`: the user is created, or linked to the match"),
    timeout_ms: TIMEOUT_MS_DEFAULT,
    retry: Retry::Once,
    empty_answer: EmptyAnswer::DefaultAction,
    failure: FailureDefault::Continue,
    error: ErrorDefault::Continue,
    per_org: PerOrg::Many,
    authentication_required: false,
    secret_members: Names::NONE,
    unsent_members: Names::NONE,
    relatives: Cow::Borrowed(&BUILT_IN_DESCRIPTIONS),
    filler_words: FILLER_WORDS,
    preview_inputs: Names::fixed(&["user", "app", "profile"]),
    sample_dates: Names::NONE,
};

/// The user import extension point.
///
/// ```
/// use std::sync::Arc;
/// use tenterhook_contract::{ExtensionPoint, answer::Answer, profile::{Profile, ProfileSchema}};
/// use tenterhook_contract::user_import::{ImportAction, ImportSubject, UserImport};
/// let mut user = ImportSubject {
///     action: ImportAction::CreateUser,
///     target: None,
///     app_profile: Profile::new(),
///     user_profile: Profile::new(),
///     app_schema: None,
///     user_schema: ProfileSchema::base(),
///     mapping: Arc::default(),
/// };
/// let answer = br#"{"commands": [
///     {"type": "com.okta.action.update", "value": {"result": "LINK_USER"}},
///     {"type": "com.okta.user.update", "value": {"id": "00u3gk5nPzX7wQaYs1d7"}}
/// ]}"#;
/// UserImport.interpret(&mut user, Answer::parse(answer).unwrap()).unwrap();
/// assert_eq!((user.action, user.target.as_deref()), (ImportAction::LinkUser, Some("00u3gk5nPzX7wQaYs1d7")));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct UserImport;

/// The action for an imported user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ImportAction {
    /// A new user is created.
    CreateUser,
    /// The app user is linked to an existing user.
    LinkUser,
}

/// Pairs of an app user's attribute and the platform user's attribute that it fills.
pub type AttributeMapping = Vec<(String, String)>;

/// An imported user before the profile is written; commands may change it.
#[derive(Clone, PartialEq)]
pub struct ImportSubject {
    /// The action for the user.
    pub action: ImportAction,
    /// The existing user to link to: a match, or a user that the hook named. The flow checks that a user that the hook
    /// named exists.
    pub target: Option<String>,
    /// The app user's attributes.
    pub app_profile: Profile,
    /// The platform user's attributes, after mapping.
    pub user_profile: Profile,
    /// The schema of the app user; `None` when the app has none and every attribute is allowed.
    pub app_schema: Option<Arc<ProfileSchema>>,
    /// The schema of the platform user.
    pub user_schema: Arc<ProfileSchema>,
    /// Applied again to app attributes that a command changed.
    pub mapping: Arc<AttributeMapping>,
}

/// The data for the service that commands cannot change.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ImportContext {
    /// Names of user profile attributes in conflict.
    pub conflicts: Vec<String>,
    /// The app.
    pub application: Application,
    /// The import job.
    pub job: Job,
    /// Ids of platform users that matched.
    pub matches: Vec<String>,
    /// Import matching policies that apply: `EMAIL`, `FIRST_AND_LAST_NAME`.
    pub policy: Vec<String>,
}

/// `data.context.application`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Application {
    /// The catalogue key.
    pub name: String,
    /// The id.
    pub id: String,
    /// The display name.
    pub label: String,
    /// `ACTIVE` or `INACTIVE`.
    pub status: String,
}

/// `data.context.job`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Job {
    /// The id.
    pub id: String,
    /// Always `import:users` (`open-questions.md` H5).
    #[serde(rename = "type")]
    pub kind: &'static str,
}

/// `data` of a user import hook, borrowed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ImportData<'a> {
    context: &'a ImportContext,
    #[serde(flatten)]
    subject: SubjectData<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct SubjectData<'a> {
    action: ActionData,
    app_user: AppUserData<'a>,
    user: UserData<'a>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct ActionData {
    result: ImportAction,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct AppUserData<'a> {
    profile: &'a Profile,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct UserData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    profile: &'a Profile,
}

impl std::fmt::Debug for ImportSubject {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ImportSubject")
            .field("action", &self.action)
            .field("target", &self.target)
            .field("app_profile", &self.app_profile.keys().collect::<Vec<_>>())
            .field("user_profile", &self.user_profile.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl ImportAction {
    fn parse(value: &Value) -> Option<Self> {
        match value.as_str() {
            Some("CREATE_USER") => Some(Self::CreateUser),
            Some("LINK_USER") => Some(Self::LinkUser),
            _ => None,
        }
    }
}

impl ImportSubject {
    fn data(&self) -> SubjectData<'_> {
        SubjectData {
            action: ActionData { result: self.action },
            app_user: AppUserData { profile: &self.app_profile },
            user: UserData { id: self.target.as_deref(), profile: &self.user_profile },
        }
    }
}

impl ExtensionPoint for UserImport {
    type Context = ImportContext;
    type Subject = ImportSubject;
    type Data<'a> = ImportData<'a>;

    fn description(&self) -> &Description {
        &DESCRIPTION
    }

    fn data<'a>(&self, context: &'a ImportContext, subject: &'a ImportSubject) -> ImportData<'a> {
        ImportData { context, subject: subject.data() }
    }

    fn interpret(&self, subject: &mut ImportSubject, answer: Answer) -> Result<Vec<Change>, Vec<Problem>> {
        interpreter::interpret(subject, answer)
    }
}

impl Rehearse for UserImport {
    fn subject_of(&self, document: &Document, schema: &Arc<ProfileSchema>) -> Result<ImportSubject, DocumentError> {
        const ACTION: &str = "/data/action/result";
        let action = ImportAction::parse(document.get(ACTION)?)
            .ok_or_else(|| DocumentError::wrong(ACTION, "must be CREATE_USER or LINK_USER"))?;
        Ok(ImportSubject {
            action,
            target: document.find("/data/user/id").and_then(Value::as_str).map(str::to_owned),
            app_profile: document.object("/data/appUser/profile")?.clone(),
            user_profile: document.object("/data/user/profile")?.clone(),
            app_schema: None,
            user_schema: Arc::clone(schema),
            mapping: Arc::default(),
        })
    }

    fn show(&self, subject: &ImportSubject) -> Value {
        json!(subject.data())
    }
}

/// Everything that differs by type.
pub(crate) struct Kind;

impl HookKind for Kind {
    fn description(&self) -> &Description {
        &DESCRIPTION
    }

    fn sample_requests(&self) -> Vec<&str> {
        vec![include_str!("../../samples/user_import_request_1.json")]
    }

    fn sample_answers(&self) -> Vec<&str> {
        vec![
            include_str!("../../samples/user_import_answer_1.json"),
            include_str!("../../samples/user_import_answer_2.json"),
            include_str!("../../samples/user_import_answer_3.json"),
        ]
    }

    fn fill(&self, inputs: &Inputs, document: &mut Document) -> Result<(), DocumentError> {
        if let Some(user) = &inputs.user {
            document.set("/data/user/profile", json!(user.profile));
            document.set("/data/user/id", json!(user.id));
            document.set("/data/action/result", json!(ImportAction::LinkUser));
            document.set("/data/context/matches", json!([user.id]));
        }
        if let Some(profile) = &inputs.profile {
            document.set("/data/appUser/profile", json!(profile));
        }
        if let Some(app) = &inputs.app {
            document.set("/data/context/application/id", json!(app.id));
            document.set("/data/context/application/name", json!(app.name));
            document.set("/data/context/application/label", json!(app.name));
        }
        Ok(())
    }

    fn rehearse(
        &self,
        document: &Document,
        schema: &Arc<ProfileSchema>,
        answer: Answer,
    ) -> Result<Rehearsal, DocumentError> {
        rehearse(&UserImport, document, schema, answer)
    }

    #[cfg(feature = "schema")]
    fn schemas(&self, generator: &mut schemars::SchemaGenerator) -> crate::type_schemas::TypeSchemas {
        let profile = generator.subschema_for::<Profile>();
        let action = crate::type_schemas::object_of::<ImportAction>(generator, "result");
        let user = crate::type_schemas::object_of::<String>(generator, "id");
        crate::type_schemas::TypeSchemas::new::<ImportData<'static>>(
            generator,
            &[],
            vec![profile.clone(), profile, action, user],
        )
    }
}
