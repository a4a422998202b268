//! The telephony type, `com.okta.telephony.provider` (`telephony.md`).

mod interpreter;

use std::{borrow::Cow, fmt, sync::Arc};

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    ExtensionPoint, Secret, Timestamp,
    answer::Answer,
    context::RequestContext,
    description::{
        CommandRule, Description, EVENT_TYPE_VERSION, EmptyAnswer, ErrorDefault, FILLER_WORDS, FailureDefault, Names,
        PerOrg, Retry, Shape, TIMEOUT_MS_DEFAULT,
    },
    hook_kind::{HookKind, Rehearsal, Rehearse, rehearse},
    hook_type::{BUILT_IN_DESCRIPTIONS, HookTypeName},
    id::UserId,
    preview::{Document, DocumentError, Inputs},
    problem::{Change, Problem},
    profile::ProfileSchema,
};

pub(crate) const TELEPHONY_ACTION: CommandRule = CommandRule {
    name: Cow::Borrowed("com.okta.telephony.action"),
    shape: Shape::Items(Cow::Borrowed("value must be an array with one object")),
    members: Names::fixed(&["status", "provider", "transactionId", "transactionMetadata"]),
    misnamed: Names::fixed(&["com.okta.telephony.provider.action"]),
};

/// The type's row.
pub(crate) static DESCRIPTION: Description = Description {
    event_type: HookTypeName::fixed("com.okta.telephony.provider"),
    event_type_version: EVENT_TYPE_VERSION,
    title: Cow::Borrowed("Telephony"),
    commands: Cow::Borrowed(&[TELEPHONY_ACTION]),
    default_outcome: Cow::Borrowed(
        "none: an answer without a command is malformed, and the built-in provider sends the passcode",
    ),
    timeout_ms: TIMEOUT_MS_DEFAULT,
    retry: Retry::Never,
    empty_answer: EmptyAnswer::Malformed,
    failure: FailureDefault::FallBack,
    error: ErrorDefault::FallBack,
    per_org: PerOrg::OneActive,
    authentication_required: true,
    secret_members: Names::fixed(&["/messageProfile/otpCode", "/messageProfile/phoneNumber"]),
    unsent_members: Names::NONE,
    relatives: Cow::Borrowed(&BUILT_IN_DESCRIPTIONS),
    filler_words: FILLER_WORDS,
    preview_inputs: Names::fixed(&["user", "requestType"]),
    sample_dates: Names::fixed(&["/data/messageProfile/otpExpires"]),
};

/// The telephony extension point.
///
/// ```
/// use tenterhook_contract::{ExtensionPoint, answer::Answer, telephony::{Telephony, TelephonySubject}};
/// let mut subject = TelephonySubject::default();
/// let answer = br#"{"commands": [{"type": "com.okta.telephony.action", "value": [{"status": "PENDING"}]}]}"#;
/// Telephony.interpret(&mut subject, Answer::parse(answer).unwrap()).unwrap();
/// assert!(!subject.falls_back());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Telephony;

/// The flow that sends a passcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TelephonyFlow {
    /// Enrolling the phone.
    PreEnrollment,
    /// Authentication.
    MfaVerification,
    /// Self-service unlock.
    AccountUnlock,
    /// Self-service password reset.
    PasswordReset,
}

/// How the code is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryChannel {
    /// A text message.
    Sms,
    /// A voice call, with the wire name that the operator chose.
    Voice(VoiceLabel),
}

/// The wire name of a voice call; the sources differ (`open-questions.md` I1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VoiceLabel {
    /// `Voice`.
    #[default]
    Voice,
    /// `voice call`.
    VoiceCall,
    /// `CALL`.
    Call,
}

/// The data for the service. Commands cannot change it; its `Debug` shows neither the code, nor the text, nor the number.
#[derive(Clone, Debug)]
pub struct TelephonyContext {
    /// The flow.
    pub flow: TelephonyFlow,
    /// The flow's request.
    pub request: RequestContext,
    /// The owner of the phone.
    pub user: TelephonyUser,
    /// The message and its destination.
    pub message: Message,
}

/// `data.userProfile`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TelephonyUser {
    /// The given name.
    pub first_name: String,
    /// The family name.
    pub last_name: String,
    /// The username.
    pub login: String,
    /// The user's id.
    pub user_id: UserId,
}

/// `data.messageProfile`. Its `Debug` shows neither the code nor the number.
#[derive(Clone)]
pub struct Message {
    /// The text, with the code in it.
    pub text: Secret,
    /// The number in E.164 form, with its `+`.
    pub phone_number: String,
    /// When the code expires.
    pub expires: Timestamp,
    /// SMS or voice.
    pub channel: DeliveryChannel,
    /// The code.
    pub code: Secret,
    /// The locale, such as `EN-US`.
    pub locale: String,
}

/// The service's report on the delivery; `None` until there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TelephonySubject {
    /// The delivery that the service reports.
    pub delivery: Option<Delivery>,
}

/// A reported delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Delivery {
    /// How it went.
    pub status: DeliveryStatus,
    /// The provider that delivered it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The provider's id for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// Free text about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction_metadata: Option<String>,
}

/// How a delivery went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum DeliveryStatus {
    /// Delivered.
    Successful,
    /// Not confirmed yet.
    Pending,
    /// It could not be delivered.
    Failed,
}

/// `data` of a telephony hook, borrowed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TelephonyData<'a> {
    context: ContextData<'a>,
    user_profile: &'a TelephonyUser,
    message_profile: MessageData<'a>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct ContextData<'a> {
    request: &'a RequestContext,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct MessageData<'a> {
    msg_template: &'a str,
    phone_number: &'a str,
    otp_expires: Timestamp,
    delivery_channel: &'static str,
    otp_code: &'a str,
    locale: &'a str,
}

impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { expires, channel, locale, .. } = self;
        let mut shown = formatter.debug_struct("Message");
        shown.field("expires", expires).field("channel", channel).field("locale", locale).finish_non_exhaustive()
    }
}

impl TelephonyFlow {
    /// All four.
    pub const ALL: [Self; 4] = [Self::PreEnrollment, Self::MfaVerification, Self::AccountUnlock, Self::PasswordReset];

    /// The `requestType`.
    ///
    /// ```
    /// use tenterhook_contract::telephony::TelephonyFlow;
    /// assert_eq!(TelephonyFlow::AccountUnlock.request_type(), "com.okta.user.telephony.account-unlock");
    /// ```
    pub const fn request_type(self) -> &'static str {
        match self {
            Self::PreEnrollment => "com.okta.user.telephony.pre-enrollment",
            Self::MfaVerification => "com.okta.user.telephony.mfa-verification",
            Self::AccountUnlock => "com.okta.user.telephony.account-unlock",
            Self::PasswordReset => "com.okta.user.telephony.password-reset",
        }
    }
}

impl VoiceLabel {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Voice, Self::VoiceCall, Self::Call];

    /// The wire text.
    ///
    /// ```
    /// use tenterhook_contract::telephony::VoiceLabel;
    /// assert_eq!(VoiceLabel::ALL.map(VoiceLabel::as_str), ["Voice", "voice call", "CALL"]);
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Voice => "Voice",
            Self::VoiceCall => "voice call",
            Self::Call => "CALL",
        }
    }
}

impl DeliveryChannel {
    /// The wire text.
    ///
    /// ```
    /// use tenterhook_contract::telephony::{DeliveryChannel, VoiceLabel};
    /// assert_eq!(DeliveryChannel::Voice(VoiceLabel::default()).as_str(), "Voice");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "SMS",
            Self::Voice(label) => label.as_str(),
        }
    }
}

impl TelephonySubject {
    /// Whether the built-in provider must send the code: the service failed to, or did not report a delivery.
    ///
    /// ```
    /// assert!(tenterhook_contract::telephony::TelephonySubject::default().falls_back());
    /// ```
    pub fn falls_back(&self) -> bool {
        self.delivery.as_ref().is_none_or(|delivery| delivery.status == DeliveryStatus::Failed)
    }
}

impl ExtensionPoint for Telephony {
    type Context = TelephonyContext;
    type Subject = TelephonySubject;
    type Data<'a> = TelephonyData<'a>;

    fn description(&self) -> &Description {
        &DESCRIPTION
    }

    fn request_type(&self, context: &TelephonyContext) -> Option<&'static str> {
        Some(context.flow.request_type())
    }

    fn falls_back(&self, subject: &TelephonySubject) -> bool {
        subject.falls_back()
    }

    /// A claimed delivery that did not happen would keep the built-in provider from sending the passcode.
    fn known_to_the_service_alone(&self, subject: &TelephonySubject) -> Option<&'static str> {
        (!subject.falls_back()).then_some(
            "They would report a passcode as sent that nobody has sent. Leave them out: the built-in provider sends it",
        )
    }

    fn data<'a>(&self, context: &'a TelephonyContext, _: &'a TelephonySubject) -> TelephonyData<'a> {
        let Message { text, phone_number, expires, channel, code, locale } = &context.message;
        TelephonyData {
            context: ContextData { request: &context.request },
            user_profile: &context.user,
            message_profile: MessageData {
                msg_template: text.expose(),
                phone_number,
                otp_expires: *expires,
                delivery_channel: channel.as_str(),
                otp_code: code.expose(),
                locale,
            },
        }
    }

    fn interpret(&self, subject: &mut TelephonySubject, answer: Answer) -> Result<Vec<Change>, Vec<Problem>> {
        interpreter::interpret(subject, answer)
    }
}

impl Rehearse for Telephony {
    fn subject_of(&self, _: &Document, _: &Arc<ProfileSchema>) -> Result<TelephonySubject, DocumentError> {
        Ok(TelephonySubject::default())
    }

    fn show(&self, subject: &TelephonySubject) -> Value {
        json!({ "delivery": subject.delivery })
    }
}

/// Everything that differs by type.
pub(crate) struct Kind;

impl HookKind for Kind {
    fn description(&self) -> &Description {
        &DESCRIPTION
    }

    fn sample_requests(&self) -> Vec<&str> {
        vec![include_str!("../../samples/telephony_request_1.json")]
    }

    fn sample_answers(&self) -> Vec<&str> {
        vec![
            include_str!("../../samples/telephony_answer_1.json"),
            include_str!("../../samples/telephony_answer_2.json"),
        ]
    }

    fn request_types(&self) -> Vec<&str> {
        TelephonyFlow::ALL.map(TelephonyFlow::request_type).to_vec()
    }

    fn fill(&self, inputs: &Inputs, document: &mut Document) -> Result<(), DocumentError> {
        if let Some(wanted) = &inputs.request_type {
            if !TelephonyFlow::ALL.iter().any(|flow| flow.request_type() == wanted) {
                let known = TelephonyFlow::ALL.map(TelephonyFlow::request_type).join(", ");
                return Err(DocumentError::wrong("inputs.requestType", &format!("must be one of {known}")));
            }
            document.set("/requestType", json!(wanted));
        }
        if let Some(user) = &inputs.user {
            let profile = &user.profile;
            document.set(
            "/data/userProfile",
            json!({ "firstName": profile.first_name, "lastName": profile.last_name, "login": profile.login, "userId": user.id }),
        );
        }
        // A code and a number that belong to no user (`telephony.md` section 7).
        document.set("/data/messageProfile/otpCode", json!("11111"));
        document.set("/data/messageProfile/msgTemplate", json!("Your code is 11111"));
        document.set("/data/messageProfile/phoneNumber", json!("9876543210"));
        Ok(())
    }

    fn knows_near_misses(&self) -> bool {
        true
    }

    fn lenient(&self, answer: Answer) -> Answer {
        interpreter::lenient(answer)
    }

    fn rehearse(
        &self,
        document: &Document,
        schema: &Arc<ProfileSchema>,
        answer: Answer,
    ) -> Result<Rehearsal, DocumentError> {
        rehearse(&Telephony, document, schema, answer)
    }

    #[cfg(feature = "schema")]
    fn schemas(&self, generator: &mut schemars::SchemaGenerator) -> crate::type_schemas::TypeSchemas {
        let deliveries = generator.subschema_for::<Vec<Delivery>>();
        let flows = TelephonyFlow::ALL.map(TelephonyFlow::request_type);
        crate::type_schemas::TypeSchemas::new::<TelephonyData<'static>>(generator, &flows, vec![deliveries])
    }
}
