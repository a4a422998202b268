//! The registration type, `com.okta.user.pre-registration` (`registration.md`): two flows, two extension points.

mod interpreter;
pub mod message;

use std::{borrow::Cow, sync::Arc};

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Value, json};

use crate::{
    ExtensionPoint,
    answer::Answer,
    context::{RequestContext, UserContext, UserLinks},
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

pub(crate) const ACTION_UPDATE: CommandRule = CommandRule {
    name: Cow::Borrowed("com.okta.action.update"),
    shape: Shape::Object,
    members: Names::fixed(&["registration"]),
    misnamed: Names::fixed(&["com.okta.action.update.import", "com.action.update"]),
};
pub(crate) const PROFILE_UPDATE: CommandRule = CommandRule {
    name: Cow::Borrowed("com.okta.user.profile.update"),
    shape: Shape::Object,
    members: Names::NONE,
    misnamed: Names::NONE,
};
pub(crate) const PROGRESSIVE_UPDATE: CommandRule = CommandRule {
    name: Cow::Borrowed("com.okta.user.progressive.profile.update"),
    shape: Shape::Object,
    members: Names::NONE,
    misnamed: Names::NONE,
};

/// The type's row.
pub(crate) static DESCRIPTION: Description = Description {
    event_type: HookTypeName::fixed("com.okta.user.pre-registration"),
    event_type_version: EVENT_TYPE_VERSION,
    title: Cow::Borrowed("Registration"),
    commands: Cow::Borrowed(&[PROFILE_UPDATE, PROGRESSIVE_UPDATE, ACTION_UPDATE]),
    default_outcome: Cow::Borrowed("`data.action`: the registration or update is allowed"),
    timeout_ms: TIMEOUT_MS_DEFAULT,
    retry: Retry::Once,
    empty_answer: EmptyAnswer::DefaultAction,
    failure: FailureDefault::Stop,
    error: ErrorDefault::Refuse,
    per_org: PerOrg::Many,
    authentication_required: false,
    secret_members: Names::NONE,
    unsent_members: Names::NONE,
    relatives: Cow::Borrowed(&BUILT_IN_DESCRIPTIONS),
    filler_words: FILLER_WORDS,
    preview_inputs: Names::fixed(&["user", "requestType", "profile"]),
    sample_dates: Names::fixed(&["/data/context/user/passwordChanged"]),
};

/// The flow that submitted a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationFlow {
    /// A new user submits the enrollment form.
    SelfService,
    /// An existing user is asked for more attributes at sign-in.
    Progressive,
}

/// The extension point of self-service registration.
///
/// ```
/// use serde_json::json;
/// use tenterhook_contract::{ExtensionPoint, answer::Answer, profile::ProfileSchema};
/// use tenterhook_contract::registration::{RegistrationAction, RegistrationSubject, SelfService};
/// let profile = json!({ "login": "noor@partner.example" }).as_object().unwrap().clone();
/// let mut form = RegistrationSubject { action: RegistrationAction::Allow, profile, schema: ProfileSchema::base() };
/// let answer = br#"{"commands": [{"type": "com.okta.user.profile.update", "value": {"department": "Partners"}}]}"#;
/// SelfService.interpret(&mut form, Answer::parse(answer).unwrap()).unwrap();
/// assert_eq!(form.profile["department"], "Partners");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SelfService;

/// The extension point of progressive profile.
///
/// ```
/// use tenterhook_contract::{ExtensionPoint, answer::Answer, profile::{Profile, ProfileSchema}};
/// use tenterhook_contract::registration::{RegistrationAction, Progressive, RegistrationSubject};
/// let schema = ProfileSchema::base();
/// let mut form = RegistrationSubject { action: RegistrationAction::Allow, profile: Profile::new(), schema };
/// let answer = br#"{"commands": [{"type": "com.okta.action.update", "value": {"registration": "DENY"}}]}"#;
/// Progressive.interpret(&mut form, Answer::parse(answer).unwrap()).unwrap();
/// assert_eq!(form.action, RegistrationAction::Deny);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Progressive;

/// Whether the attempt goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RegistrationAction {
    /// The attempt continues; the default.
    Allow,
    /// The attempt is denied.
    Deny,
}

/// A submitted form, which commands may change.
#[derive(Clone, PartialEq)]
pub struct RegistrationSubject {
    /// Whether the attempt goes on.
    pub action: RegistrationAction,
    /// The submitted attributes; for progressive profile those that differ from the user's profile.
    pub profile: Profile,
    /// The user profile schema.
    pub schema: Arc<ProfileSchema>,
}

/// The read-only context of a progressive profile update.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProgressiveContext {
    /// The request.
    pub request: RequestContext,
    /// The user, with relative links.
    pub user: UserContext,
}

/// `data` of self-service registration, borrowed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SelfServiceData<'a> {
    context: RequestOnly<'a>,
    #[cfg_attr(feature = "schema", schemars(with = "Profile"))]
    user_profile: Told<'a>,
    action: RegistrationAction,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct RequestOnly<'a> {
    request: &'a RequestContext,
}

/// `data` of progressive profile, borrowed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProgressiveData<'a> {
    context: &'a ProgressiveContext,
    action: RegistrationAction,
    #[cfg_attr(feature = "schema", schemars(with = "Profile"))]
    user_profile_update: Told<'a>,
}

/// The attributes in the document for the service.
struct Told<'a>(&'a RegistrationSubject);

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let RegistrationSubject { profile, schema, .. } = self.0;
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in profile.iter().filter(|(name, _)| schema.may_send(name)) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl std::fmt::Debug for RegistrationSubject {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RegistrationSubject")
            .field("action", &self.action)
            .field("profile", &self.profile.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl RegistrationAction {
    fn parse(value: &Value) -> Option<Self> {
        match value.as_str() {
            Some("ALLOW") => Some(Self::Allow),
            Some("DENY") => Some(Self::Deny),
            _ => None,
        }
    }
}

impl RegistrationFlow {
    /// The `requestType`.
    ///
    /// ```
    /// use tenterhook_contract::registration::RegistrationFlow;
    /// assert_eq!(RegistrationFlow::SelfService.request_type(), "self.service.registration");
    /// ```
    pub const fn request_type(self) -> &'static str {
        match self {
            Self::SelfService => "self.service.registration",
            Self::Progressive => "progressive.profile",
        }
    }

    /// The member of `data` that holds the submitted attributes.
    const fn profile_member(self) -> &'static str {
        match self {
            Self::SelfService => "userProfile",
            Self::Progressive => "userProfileUpdate",
        }
    }

    fn of(request_type: &str) -> Option<Self> {
        [Self::SelfService, Self::Progressive].into_iter().find(|flow| flow.request_type() == request_type)
    }

    fn subject_of(
        self,
        document: &Document,
        schema: &Arc<ProfileSchema>,
    ) -> Result<RegistrationSubject, DocumentError> {
        const ACTION: &str = "/data/action";
        let action = RegistrationAction::parse(document.get(ACTION)?)
            .ok_or_else(|| DocumentError::wrong(ACTION, "must be ALLOW or DENY"))?;
        let profile = document.object(&format!("/data/{}", self.profile_member()))?.clone();
        Ok(RegistrationSubject { action, profile, schema: Arc::clone(schema) })
    }

    fn show(self, subject: &RegistrationSubject) -> Value {
        json!({ "action": subject.action, self.profile_member(): Told(subject) })
    }
}

impl ExtensionPoint for SelfService {
    type Context = RequestContext;
    type Subject = RegistrationSubject;
    type Data<'a> = SelfServiceData<'a>;

    fn description(&self) -> &Description {
        &DESCRIPTION
    }

    fn request_type(&self, _: &RequestContext) -> Option<&'static str> {
        Some(RegistrationFlow::SelfService.request_type())
    }

    fn data<'a>(&self, request: &'a RequestContext, subject: &'a RegistrationSubject) -> SelfServiceData<'a> {
        SelfServiceData { context: RequestOnly { request }, user_profile: Told(subject), action: subject.action }
    }

    fn interpret(&self, subject: &mut RegistrationSubject, answer: Answer) -> Result<Vec<Change>, Vec<Problem>> {
        interpreter::interpret(RegistrationFlow::SelfService, subject, answer)
    }
}

impl ExtensionPoint for Progressive {
    type Context = ProgressiveContext;
    type Subject = RegistrationSubject;
    type Data<'a> = ProgressiveData<'a>;

    fn description(&self) -> &Description {
        &DESCRIPTION
    }

    fn request_type(&self, _: &ProgressiveContext) -> Option<&'static str> {
        Some(RegistrationFlow::Progressive.request_type())
    }

    fn data<'a>(&self, context: &'a ProgressiveContext, subject: &'a RegistrationSubject) -> ProgressiveData<'a> {
        ProgressiveData { context, action: subject.action, user_profile_update: Told(subject) }
    }

    fn interpret(&self, subject: &mut RegistrationSubject, answer: Answer) -> Result<Vec<Change>, Vec<Problem>> {
        interpreter::interpret(RegistrationFlow::Progressive, subject, answer)
    }
}

impl Rehearse for SelfService {
    fn subject_of(
        &self,
        document: &Document,
        schema: &Arc<ProfileSchema>,
    ) -> Result<RegistrationSubject, DocumentError> {
        RegistrationFlow::SelfService.subject_of(document, schema)
    }

    fn show(&self, subject: &RegistrationSubject) -> Value {
        RegistrationFlow::SelfService.show(subject)
    }
}

impl Rehearse for Progressive {
    fn subject_of(
        &self,
        document: &Document,
        schema: &Arc<ProfileSchema>,
    ) -> Result<RegistrationSubject, DocumentError> {
        RegistrationFlow::Progressive.subject_of(document, schema)
    }

    fn show(&self, subject: &RegistrationSubject) -> Value {
        RegistrationFlow::Progressive.show(subject)
    }
}

fn unknown_request_type(field: &str) -> DocumentError {
    DocumentError::wrong(field, "must be self.service.registration or progressive.profile")
}

/// Everything that differs by type.
pub(crate) struct Kind;

impl HookKind for Kind {
    fn description(&self) -> &Description {
        &DESCRIPTION
    }

    fn sample_requests(&self) -> Vec<&str> {
        vec![
            include_str!("../../samples/registration_request_1.json"),
            include_str!("../../samples/registration_request_2.json"),
        ]
    }

    fn sample_answers(&self) -> Vec<&str> {
        vec![
            include_str!("../../samples/registration_answer_1.json"),
            include_str!("../../samples/registration_answer_2.json"),
            include_str!("../../samples/registration_answer_3.json"),
        ]
    }

    fn request_types(&self) -> Vec<&str> {
        vec![RegistrationFlow::SelfService.request_type(), RegistrationFlow::Progressive.request_type()]
    }

    fn fill(&self, inputs: &Inputs, document: &mut Document) -> Result<(), DocumentError> {
        let flow = match inputs.request_type.as_deref() {
            None => RegistrationFlow::SelfService,
            Some(request_type) => {
                RegistrationFlow::of(request_type).ok_or_else(|| unknown_request_type("inputs.requestType"))?
            }
        };
        if let Some(user) = &inputs.user {
            match flow {
                RegistrationFlow::SelfService => {
                    let email = inputs.email.as_ref().unwrap_or(&user.profile.login);
                    document.set("/data/userProfile", json!(user.profile));
                    document.set("/data/userProfile/email", json!(email));
                }
                RegistrationFlow::Progressive => {
                    let user = UserContext { links: UserLinks::of("", &user.id), ..user.clone() };
                    document.set("/data/context/user", json!(user));
                }
            }
        }
        if let Some(profile) = &inputs.profile {
            document.set(&format!("/data/{}", flow.profile_member()), json!(profile));
        }
        Ok(())
    }

    fn rehearse(
        &self,
        document: &Document,
        schema: &Arc<ProfileSchema>,
        answer: Answer,
    ) -> Result<Rehearsal, DocumentError> {
        // The request type of the document selects one of the two extension points.
        match RegistrationFlow::of(document.text("/requestType")?) {
            Some(RegistrationFlow::SelfService) => rehearse(&SelfService, document, schema, answer),
            Some(RegistrationFlow::Progressive) => rehearse(&Progressive, document, schema, answer),
            None => Err(unknown_request_type("/requestType")),
        }
    }

    #[cfg(feature = "schema")]
    fn schemas(&self, generator: &mut schemars::SchemaGenerator) -> crate::type_schemas::TypeSchemas {
        let profile = generator.subschema_for::<Profile>();
        let action = crate::type_schemas::object_of::<RegistrationAction>(generator, "registration");
        let operands = vec![profile.clone(), profile, action];
        let self_service = &[RegistrationFlow::SelfService.request_type()];
        let progressive = &[RegistrationFlow::Progressive.request_type()];
        crate::type_schemas::TypeSchemas::new::<SelfServiceData<'static>>(generator, self_service, operands)
            .or::<ProgressiveData<'static>>(generator, progressive)
    }
}
