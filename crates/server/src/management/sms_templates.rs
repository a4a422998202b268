//! Templates of text messages with passcodes, in the vendor's shapes.

use std::collections::BTreeMap;

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenterhook_management::{
    request::Given,
    sms_templates::{self, SmsTemplateRequest},
};
use tenterhook_model::SmsTemplate;

use super::{
    answer::{Date, Id, List, NoContent, Parameter},
    call::{Body, Call, ResourceBody},
    given,
    members::Members,
    paging::{Listed, listed_with},
    route::Routes,
};
use crate::error::ApiError;

const TEMPLATE_TYPE: Parameter =
    Parameter { name: "templateType", description: "Only templates of this type: `SMS_VERIFY_CODE`" };

pub(super) fn routes() -> Routes {
    const TEMPLATES: &str = "/api/v1/templates/sms";
    const TEMPLATE: &str = "/api/v1/templates/sms/{templateId}";
    Routes::of("SMS templates", "okta.templates")
        .get(TEMPLATES, "listSmsTemplates", list)
        .with(&[TEMPLATE_TYPE])
        .post(TEMPLATES, "createSmsTemplate", create)
        .get(TEMPLATE, "getSmsTemplate", retrieve)
        .put(TEMPLATE, "replaceSmsTemplate", replace)
        .post(TEMPLATE, "updateSmsTemplate", merge)
        .delete(TEMPLATE, "deleteSmsTemplate", delete)
}

/// A template as it is written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "SmsTemplateRequest"))]
#[serde(default)]
pub(super) struct SmsTemplateBody {
    /// For people, 50 characters at most.
    name: Given<String>,
    /// What the messages are for. An org has one template of each type.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<SmsTemplateType>"))]
    kind: Given<String>,
    /// The text for languages without a translation, with `${code}` and 161 characters at most; `${org.name}` is the name of the org.
    template: Given<String>,
    /// Such texts by language: `{"de": "Ihr Code ist ${code}"}`. A null or empty one is removed.
    #[cfg_attr(feature = "schema", schemars(with = "Option<BTreeMap<String, Option<String>>>"))]
    translations: Given<Map<String, Value>>,
}

impl ResourceBody for SmsTemplateBody {
    const MEMBERS: Members = Members {
        taken: &["name", "type", "template", "translations"],
        read_only: &["id", "created", "lastUpdated"],
        refused: &[],
    };
    type Request = SmsTemplateRequest;

    fn into_request(self) -> SmsTemplateRequest {
        SmsTemplateRequest {
            name: self.name,
            kind: self.kind,
            template: self.template,
            translations: self.translations,
        }
    }
}

/// What the messages of a template are for.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
enum SmsTemplateType {
    #[serde(rename = "SMS_VERIFY_CODE")]
    VerifyCode,
}

/// A template as it is shown.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "SmsTemplate"))]
#[serde(rename_all = "camelCase")]
pub(super) struct SmsTemplateAnswer {
    id: Id,
    name: String,
    #[serde(rename = "type")]
    kind: SmsTemplateType,
    /// The text for languages without a translation.
    template: String,
    created: Date,
    last_updated: Date,
    /// Texts by language.
    translations: BTreeMap<String, String>,
}

impl SmsTemplateAnswer {
    fn of(template: SmsTemplate) -> Self {
        Self {
            id: Id::of(&template.id),
            name: template.name,
            kind: match template.kind {
                tenterhook_model::SmsTemplateKind::VerifyCode => SmsTemplateType::VerifyCode,
            },
            template: template.template,
            created: Date(template.created),
            last_updated: Date(template.last_updated),
            translations: template.translations,
        }
    }
}

impl Listed for SmsTemplateAnswer {
    fn id(&self) -> &str {
        &self.id.0
    }
}

async fn list(call: Call) -> Result<List<SmsTemplateAnswer>, ApiError> {
    let kind = given(call.query(), TEMPLATE_TYPE.name);
    let templates = sms_templates::list(call.platform(), call.administrator(), kind.as_deref())?;
    listed_with(&call, templates.into_iter().map(SmsTemplateAnswer::of), &[TEMPLATE_TYPE.name])
}

async fn create(call: Call<Body<SmsTemplateBody>>) -> Result<Json<SmsTemplateAnswer>, ApiError> {
    let template = sms_templates::create(call.platform(), call.administrator(), &call.body.0).await?;
    Ok(Json(SmsTemplateAnswer::of(template)))
}

async fn retrieve(call: Call) -> Result<Json<SmsTemplateAnswer>, ApiError> {
    let template = sms_templates::get(call.platform(), call.administrator(), call.id("templateId"))?;
    Ok(Json(SmsTemplateAnswer::of(template)))
}

async fn replace(call: Call<Body<SmsTemplateBody>>) -> Result<Json<SmsTemplateAnswer>, ApiError> {
    let id = call.id("templateId");
    let template = sms_templates::replace(call.platform(), call.administrator(), id, &call.body.0).await?;
    Ok(Json(SmsTemplateAnswer::of(template)))
}

async fn merge(call: Call<Body<SmsTemplateBody>>) -> Result<Json<SmsTemplateAnswer>, ApiError> {
    let id = call.id("templateId");
    let template = sms_templates::merge(call.platform(), call.administrator(), id, &call.body.0).await?;
    Ok(Json(SmsTemplateAnswer::of(template)))
}

async fn delete(call: Call) -> Result<NoContent, ApiError> {
    sms_templates::delete(call.platform(), call.administrator(), call.id("templateId")).await?;
    Ok(NoContent)
}
