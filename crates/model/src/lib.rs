//! The domain's records: an org and its configuration, users, grants and tokens, events of the System Log, the errors
//! of the management API. Records have rules of their own; they know no SQL and no HTTP.
//!
//! Start reading at [`Configuration`]: the objects of one org that every node holds in memory.

mod api_error;
mod api_token;
mod app_key;
mod app_members;
mod assignment;
mod authentication_method;
mod authn_token;
mod authorization_server;
mod client;
mod configuration;
mod configuration_kind;
mod enrollment_policy;
mod expression;
mod extension_point;
mod factor;
pub mod form;
mod grant;
mod group;
mod group_filter;
mod group_pattern;
mod group_query;
mod log;
mod objects;
mod operator_token;
mod org;
mod passcode;
mod phone_number;
mod policy;
mod profile;
mod recovery;
mod saml_app;
mod saml_session;
mod search;
mod single_use_link;
mod sms_template;
mod stored_hook;
mod stored_hook_key;
mod user;
mod user_name;
mod user_query;
mod user_schema;
mod user_status;

use tenterhook_contract::Secret;

pub use api_error::{ErrorBody, ErrorCause, ErrorCode};
pub use api_token::{ApiToken, HOST_POINTS_MAX, TokenRole};
pub use app_key::AppKey;
pub use app_members::{AppHide, AppTold, UserNameTemplate};
pub use assignment::{AppGroup, AppUser, Assigned};
pub use authentication_method::AuthenticationMethod;
pub use authn_token::{AuthnPurpose, AuthnToken};
pub use authorization_server::{
    AuthorizationServer, ClaimDefinition, ClaimSource, ClaimTarget, KeyRotation, Scope, SigningKey,
};
pub use client::{ApplicationType, ClientAuthenticationMethod, OAuthClient, RefreshRotation, RotationKind};
pub use configuration::{Configuration, ConfigurationObject, ConfigurationVersion, ConfigurationWrite};
pub use configuration_kind::{ConfigurationRecord, StoredForm, StoredObject, UnreadableObject};
pub use enrollment_policy::{
    EnrollmentAccess, EnrollmentHook, EnrollmentPolicy, EnrollmentRule, FORM_ATTRIBUTE_CHARACTERS_MAX,
    FORM_ATTRIBUTES_MAX, FormAttribute, HookRunsFor, TARGET_GROUPS_MAX, UnknownUserAction, is_form_attribute_name,
    names_an_identifier,
};
pub use expression::{
    AppInput, EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX, EXPRESSION_ELEMENTS_MAX, EXPRESSION_PARTS_MAX,
    EXPRESSION_PATTERN_CHARACTERS_MAX, EXPRESSION_PATTERNS_MAX, EXPRESSION_RESULT_BYTES_MAX, Expression,
    ExpressionProblem, GROUPS_RETURNED_MAX, Inputs, Template, suggestion,
};
pub use extension_point::ExtensionPoint;
pub use factor::{
    CodePurpose, FACTOR_ATTEMPTS_MAX, FACTOR_CODE_SECONDS, FACTOR_LOCK_SECONDS, FACTOR_LOCK_SECONDS_MAX,
    FACTOR_RESEND_SECONDS, Factor, FactorCode, FactorMethod, FactorStatus, FactorType, MalformedTotpSecret, NewFactor,
    TOTP_SECRET_BYTES, TotpSecret, VerifiedFactor, factor_lock_seconds,
};
pub use grant::{AuthorizationCode, CodeState, IssuedAccessToken, RefreshToken, RefreshTokenState, Session};
pub use group::{
    EVERYONE_NAME, GROUP_DESCRIPTION_CHARACTERS_MAX, GROUP_NAME_CHARACTERS_MAX, GROUPS_MAX, Group, GroupKind,
    everyone_id, group_key,
};
pub use group_filter::{GROUP_NAMES_MAX, GroupFilter, GroupFilterKind, GroupFilterProblem, TooManyGroups};
pub use group_pattern::GroupPattern;
pub use group_query::{GroupCondition, GroupQuery, GroupTime, Narrowed, TextMatch, TimeMatch};
pub use log::{
    DebugData, DebugValue, LogClient, LogCursor, LogCursorError, LogEvent, LogFilter, LogPage, LogQuery, LogResult,
    PHASES, Severity, cap_reason,
};
pub use objects::{Iter, Objects};
pub use operator_token::OperatorToken;
pub use org::{Org, OrgHost, OrgHostError, OrgLimits, OrgStatus, Status};
pub use passcode::{PASSCODE_DIGITS, Passcode};
pub use phone_number::{
    NumberBlock, NumberRange, NumberRangeError, PHONE_EXTENSION_DIGITS_MAX, PHONE_NUMBER_BYTES_MAX, PhoneNumber,
    PhoneNumberError, is_region,
};
pub use policy::{AccessPolicy, EVERYONE, PolicyRule, RuleHooks, RulePeople};
pub use profile::{
    ATTRIBUTE_CHARACTERS_MAX, CUSTOM_ATTRIBUTES_MAX, CUSTOM_BYTES_MAX, LOGIN_BYTES_MAX, Profile, USER_OF_THE_TOKEN,
};
pub use recovery::{
    RECOVERY_ATTEMPTS_MAX, RECOVERY_ATTEMPTS_OF_LOGIN_MAX, RECOVERY_LINKS_MAX, RECOVERY_RESEND_SECONDS,
    RECOVERY_SECONDS, RecoveryMethod, RecoveryPurpose, RecoveryStage, RecoverySubject, RecoveryToken,
};
pub use saml_app::{
    AcsEndpoint, AttributeSource, AttributeStatement, ContentCipher, Encryption, NameIdFormat, SamlApp, SingleLogout,
};
pub use saml_session::{AppSubject, AskedApp, AskingApp, SamlLogout, SessionApp};
pub use search::{
    Comparison, SEARCH_BYTES_MAX, SEARCH_CONDITIONS_MAX, SEARCH_DEPTH_MAX, SearchCondition, SearchOperator,
    SearchProblem, Term, read_search,
};
pub use single_use_link::{LinkPurpose, SingleUseLink};
pub use sms_template::{
    CODE_PLACEHOLDER, MessageTextProblem, ORG_NAME_PLACEHOLDER, SMS_TEMPLATE_CHARACTERS_MAX,
    SMS_TEMPLATE_NAME_CHARACTERS_MAX, SMS_TRANSLATIONS_MAX, SmsTemplate, SmsTemplateKind, check_message_text,
    is_language, normalised_language,
};
pub use tenterhook_jose::SigningAlgorithm;
pub use user::{Password, SignInCounts, User};
pub use user_name::user_name_at;
pub use user_query::{
    SearchText, SearchedAttribute, USER_KEY_CHARACTERS_MAX, UserCondition, UserPage, UserQuery, UserTime, user_key,
};
pub use user_schema::{AttributeType, Choice, Choices, CustomAttribute, ItemType, SelfPermission, UserSchema};
pub use user_status::{UserStatus, UserTransition};

/// A placeholder for a secret that a document does not contain; the store replaces it by the decrypted one.
fn no_secret() -> Secret {
    Secret::new("")
}
