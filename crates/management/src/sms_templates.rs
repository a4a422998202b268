//! Templates of text messages with passcodes (`/api/v1/templates/sms`).

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tenterhook_contract::{id::SmsTemplateId, problem::shown};
use tenterhook_model::{
    SMS_TEMPLATE_CHARACTERS_MAX, SMS_TEMPLATE_NAME_CHARACTERS_MAX, SMS_TRANSLATIONS_MAX, SmsTemplate, SmsTemplateKind,
    check_message_text, is_language, normalised_language,
};
use tenterhook_platform::{OrgSnapshot, Platform};

use crate::{
    administrator::{Administrator, ManagementError, org_of},
    request::{Causes, Given, INVALID, Submitted},
    resource::{Change, Done, Resource, changed, find_below},
};

/// The subject of an error's summary.
const MODEL: &str = "smsTemplate";
/// The member with the translations.
const TRANSLATIONS: &str = "translations";

/// What a request says of a template.
#[derive(Clone, Debug, Default)]
pub struct SmsTemplateRequest {
    /// For people.
    pub name: Given<String>,
    /// `SMS_VERIFY_CODE`.
    pub kind: Given<String>,
    /// The text for languages without a translation.
    pub template: Given<String>,
    /// Texts by language; a null or empty one is none.
    pub translations: Given<Map<String, Value>>,
}

impl Resource for SmsTemplate {
    const KIND: &'static str = "SmsTemplate";
    const TARGET: &'static str = "SmsTemplate";

    fn name(&self) -> &str {
        &self.name
    }

    fn event(done: Done) -> (String, String) {
        (format!("system.sms.template.{}", done.verb()), done.sentence("SMS template"))
    }
}

/// Every template of the org that is of this type; with `None` of any type.
///
/// # Errors
/// When the org is out of service.
pub fn list(
    platform: &Platform,
    administrator: &Administrator,
    kind: Option<&str>,
) -> Result<Vec<SmsTemplate>, ManagementError> {
    let org = org_of(platform, administrator)?;
    let templates = org.configuration.sms_templates.iter();
    Ok(templates.filter(|template| kind.is_none_or(|kind| template.kind.as_str() == kind)).cloned().collect())
}

/// One template.
///
/// # Errors
/// When there is none with this id.
pub fn get(platform: &Platform, administrator: &Administrator, id: &str) -> Result<SmsTemplate, ManagementError> {
    find(&*org_of(platform, administrator)?, id).cloned()
}

/// Adds a template.
///
/// # Errors
/// What is wrong with it; when the org has one of its type.
pub async fn create(
    platform: &Platform,
    administrator: &Administrator,
    submitted: &Submitted<SmsTemplateRequest>,
) -> Result<SmsTemplate, ManagementError> {
    changed(platform, administrator, Done::Created, |org| {
        let (unix_ms, random) = platform.id_parts();
        let now = platform.now().whole_seconds();
        let new = SmsTemplate {
            id: SmsTemplateId::from_parts(unix_ms, random),
            name: String::new(),
            kind: SmsTemplateKind::VerifyCode,
            template: String::new(),
            translations: BTreeMap::new(),
            created: now,
            last_updated: now,
        };
        let template = read(submitted, new)?;
        if org.configuration.sms_templates.iter().any(|known| known.kind == template.kind) {
            return Err(ManagementError::field("type", "The org has a template of this type. Update that one"));
        }
        Ok(Change::put(template))
    })
    .await
}

/// Replaces a template; a translation that the request does not have is removed.
///
/// # Errors
/// What is wrong with it; when there is none with this id.
pub async fn replace(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    submitted: &Submitted<SmsTemplateRequest>,
) -> Result<SmsTemplate, ManagementError> {
    changed(platform, administrator, Done::Updated, |org| {
        let stored = find(org, id)?.clone();
        let last_updated = platform.now().whole_seconds();
        read(submitted, SmsTemplate { translations: BTreeMap::new(), last_updated, ..stored }).map(Change::put)
    })
    .await
}

/// Changes the members that the request has, and adds, changes and removes the translations that it names.
///
/// # Errors
/// What is wrong with it; when there is none with this id.
pub async fn merge(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    submitted: &Submitted<SmsTemplateRequest>,
) -> Result<SmsTemplate, ManagementError> {
    changed(platform, administrator, Done::Updated, |org| {
        let stored = find(org, id)?.clone();
        let given = &submitted.request;
        let kept = |given: &Given<String>, stored: &str| match given {
            Given::Absent => Given::Is(stored.to_owned()),
            given => given.clone(),
        };
        let request = SmsTemplateRequest {
            name: kept(&given.name, &stored.name),
            kind: kept(&given.kind, stored.kind.as_str()),
            template: kept(&given.template, &stored.template),
            translations: given.translations.clone(),
        };
        let unsupported = submitted.unsupported.clone();
        let submitted = Submitted { request, is_object: submitted.is_object, unsupported };
        let last_updated = platform.now().whole_seconds();
        read(&submitted, SmsTemplate { last_updated, ..stored }).map(Change::put)
    })
    .await
}

/// Deletes a template: messages have the operator's texts again, or ours.
///
/// # Errors
/// When there is none with this id.
pub async fn delete(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(), ManagementError> {
    let deleted =
        changed(platform, administrator, Done::Deleted, |org| Ok(Change::delete(find(org, id)?.clone(), []))).await;
    deleted.map(drop)
}

fn find<'a>(org: &'a OrgSnapshot, id: &str) -> Result<&'a SmsTemplate, ManagementError> {
    find_below(org, &(), id)
}

/// Reads a request over `template`, whose translations are kept unless the request names them.
fn read(submitted: &Submitted<SmsTemplateRequest>, template: SmsTemplate) -> Result<SmsTemplate, ManagementError> {
    let (request, mut causes) = (&submitted.request, Causes::of(MODEL, submitted));
    let name = causes.line("name", &request.name);
    if name.chars().count() > SMS_TEMPLATE_NAME_CHARACTERS_MAX {
        causes.add("name", &format!("The field cannot be longer than {SMS_TEMPLATE_NAME_CHARACTERS_MAX} characters"));
    }
    let kind = causes.required("type", &request.kind).and_then(|text| {
        let kind = SmsTemplateKind::parse(&text);
        if kind.is_none() {
            causes.add("type", &format!("Only `{}` is supported", SmsTemplateKind::VerifyCode.as_str()));
        }
        kind
    });
    let text = causes.required("template", &request.template).unwrap_or_default();
    if !text.is_empty() {
        check_text(&mut causes, "template", &text);
    }
    let mut translations = template.translations;
    for (language, text) in causes.given(TRANSLATIONS, &request.translations).into_iter().flatten() {
        let member = format!("{TRANSLATIONS}.{}", shown(language));
        translations.retain(|known, _| normalised_language(known) != normalised_language(language));
        match text {
            Value::Null => {}
            Value::String(text) if text.is_empty() => {}
            Value::String(_) if !is_language(language) => {
                causes.add(&member, "Write the language as in `de` or `pt-BR`");
            }
            Value::String(text) => {
                check_text(&mut causes, &member, text);
                translations.insert(language.clone(), text.clone());
            }
            _ => causes.add(&member, INVALID),
        }
    }
    if translations.len() > SMS_TRANSLATIONS_MAX {
        causes.add(TRANSLATIONS, &format!("A template can have at most {SMS_TRANSLATIONS_MAX} translations"));
    }
    causes.finish()?;
    Ok(SmsTemplate { name, kind: kind.unwrap_or(template.kind), template: text, translations, ..template })
}

fn check_text(causes: &mut Causes, member: &str, text: &str) {
    if text.chars().count() > SMS_TEMPLATE_CHARACTERS_MAX {
        causes.add(member, &format!("The field cannot be longer than {SMS_TEMPLATE_CHARACTERS_MAX} characters"));
    }
    if let Err(problem) = check_message_text(text) {
        causes.add(member, &problem.to_string());
    }
}
