//! `/api/v1/extensionPoints`: where process flows pause, and the hooks that are put there. Ours, in the vendor's style.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenterhook_contract::{
    Description, ErrorDefault, FailureDefault, Retry,
    binding::HookBinding,
    declared::{self, AllowedOperation, Decisions, DeclaredRetry},
    limits::POINT_OPERATIONS_MAX,
};
use tenterhook_management::{
    extension_points::{
        self as points, DecisionsRequest, ExtensionPointRequest, OperationRequest, OwnPoint, Point,
        bindings::{self, BindingsRequest},
    },
    request::Given,
};

use super::{
    answer::{Created, Date, Link, List, NoContent},
    bindings::{BINDING_MEMBERS, BindingAnswer, BindingBody},
    call::{Body, Call, ResourceBody, below, objects},
    members::Members,
    paging::{Listed, listed},
    route::Routes,
};
use crate::error::ApiError;

pub(super) fn routes() -> Routes {
    const POINTS: &str = "/api/v1/extensionPoints";
    const POINT: &str = "/api/v1/extensionPoints/{typeOrId}";
    const BINDINGS: &str = "/api/v1/extensionPoints/{typeOrId}/bindings";
    Routes::of("Extension points", "okta.extensionPoints")
        .get(POINTS, "listExtensionPoints", list)
        .post(POINTS, "createExtensionPoint", create)
        .get(POINT, "getExtensionPoint", retrieve)
        .put(POINT, "replaceExtensionPoint", replace)
        .delete(POINT, "deleteExtensionPoint", delete)
        .get(BINDINGS, "getBindings", retrieve_bindings)
        .put(BINDINGS, "replaceBindings", replace_bindings)
}

/// An extension point as it is written.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ExtensionPointRequest"))]
#[serde(rename_all = "camelCase")]
pub(super) struct PointBody {
    /// A reverse domain name that is not below `com.okta`, unique in the org. It cannot be changed.
    #[serde(rename = "type", default)]
    #[cfg_attr(feature = "schema", schemars(length(max = 128)))]
    point_type: Given<String>,
    /// What people call it.
    title: Given<String>,
    /// For people.
    #[serde(default)]
    description: Given<String>,
    /// `eventTypeVersion` of its documents; `1.0` when absent.
    #[serde(default)]
    version: Given<String>,
    /// JSON Schema (2020-12) of the facts that a service gets and that no command changes.
    context_schema: Given<Value>,
    /// JSON Schema (2020-12) of what commands may change.
    subject_schema: Given<Value>,
    /// What commands may do to the subject; nothing when absent.
    #[serde(default, deserialize_with = "objects")]
    operations: Given<Vec<OperationBody>>,
    /// The decisions that a service may make; none when absent.
    #[serde(default, deserialize_with = "below")]
    decisions: DecisionsBody,
    /// Members that are left out of documents and logs: patterns of pointers below `/context` and `/subject`.
    #[serde(default)]
    sensitive: Given<Vec<String>>,
    /// Members that the service gets and that are never logged or shown: patterns like those of `sensitive`.
    #[serde(default)]
    masked: Given<Vec<String>>,
    /// What the host does without a usable answer; `CONTINUE` when absent.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<declared::OnFailure>"))]
    on_failure: Given<String>,
    /// What the host does after a service's `error`; `STOP` when absent.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<declared::OnRefusal>"))]
    on_refusal: Given<String>,
    /// Whether a failed attempt is made once more; `NEVER` when absent.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<DeclaredRetry>"))]
    retry: Given<String>,
    /// The budget of one attempt where the policy of a hook says nothing; 3000 when absent.
    #[serde(default)]
    timeout_ms: Given<u32>,
    /// Questions for previews: objects with `context` and `subject`. Without any, one is made from the schemas.
    #[serde(default)]
    samples: Given<Vec<Value>>,
}

/// An operation that commands may do.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ExtensionPointOperationRequest"))]
struct OperationBody {
    #[cfg_attr(feature = "schema", schemars(with = "Option<tenterhook_contract::OperationKind>"))]
    op: Given<String>,
    /// A JSON Pointer into the subject, in which `*` stands for any one member or element, and `-` for the end of an array.
    path: Given<String>,
}

/// The members that an operation may have.
const OPERATION_MEMBERS: Members = Members { taken: &["op", "path"], read_only: &[], refused: &[] };

/// The decisions that a service may make.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ExtensionPointDecisionsRequest"))]
struct DecisionsBody {
    /// Their names, such as `ALLOW` and `DENY`.
    #[serde(default)]
    names: Given<Vec<String>>,
    /// The one that stands when no service decides.
    #[serde(default)]
    default: Given<String>,
}

impl ResourceBody for PointBody {
    const MEMBERS: Members = Members {
        taken: &[
            "type",
            "title",
            "description",
            "version",
            "contextSchema",
            "subjectSchema",
            "operations",
            "decisions.names",
            "decisions.default",
            "sensitive",
            "masked",
            "onFailure",
            "onRefusal",
            "retry",
            "timeoutMs",
            "samples",
        ],
        read_only: &["id", "system", "created", "lastUpdated", "_links"],
        refused: &[],
    };
    type Request = ExtensionPointRequest;

    fn into_request(self) -> ExtensionPointRequest {
        let operations = |operations: Vec<OperationBody>| {
            operations.into_iter().map(|OperationBody { op, path }| OperationRequest { op, path }).collect()
        };
        ExtensionPointRequest {
            point_type: self.point_type,
            title: self.title,
            description: self.description,
            version: self.version,
            context_schema: self.context_schema,
            subject_schema: self.subject_schema,
            operations: self.operations.map(operations),
            decisions: DecisionsRequest { names: self.decisions.names, default: self.decisions.default },
            sensitive: self.sensitive,
            masked: self.masked,
            on_failure: self.on_failure,
            on_refusal: self.on_refusal,
            retry: self.retry,
            timeout_ms: self.timeout_ms,
            samples: self.samples,
        }
    }

    fn unsupported(body: &Value) -> Vec<String> {
        let mut problems = Self::MEMBERS.problems(body);
        let operations = body.get("operations").and_then(Value::as_array).map_or(0, Vec::len);
        if operations <= POINT_OPERATIONS_MAX {
            problems.extend(OPERATION_MEMBERS.problems_of_items(body, "/operations"));
        }
        problems
    }
}

/// An extension point as it is shown.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ExtensionPoint"))]
#[serde(rename_all = "camelCase")]
pub(super) struct PointAnswer {
    /// The type, for one of the system's.
    id: String,
    #[serde(rename = "type")]
    point_type: String,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    version: String,
    /// Absent for one of the system's.
    #[serde(flatten)]
    declared: Option<DeclaredAnswer>,
    on_failure: OnFailure,
    on_refusal: OnRefusal,
    retry: DeclaredRetry,
    timeout_ms: u32,
    /// One of those that every org has; it cannot be changed or deleted.
    system: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_updated: Option<Date>,
    #[serde(rename = "_links")]
    links: PointLinks,
}

/// What an org declares of an extension point.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct DeclaredAnswer {
    context_schema: Value,
    subject_schema: Value,
    operations: Vec<AllowedOperation>,
    /// Absent where no service decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    decisions: Option<Decisions>,
    sensitive: Vec<String>,
    masked: Vec<String>,
    samples: Vec<Value>,
}

/// What a host does without a usable answer.
#[derive(Clone, Copy, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ExtensionPointOnFailure"))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum OnFailure {
    /// It goes on with the unchanged subject.
    Continue,
    /// It stops.
    Stop,
    /// A provider of the host's own does the work. No declared point has this.
    FallBack,
}

/// What a host does after a service's `error`.
#[derive(Clone, Copy, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ExtensionPointOnRefusal"))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum OnRefusal {
    /// It stops.
    Stop,
    /// It goes on; the error is logged.
    Continue,
    /// A provider of the host's own does the work. No declared point has this.
    FallBack,
}

/// The links of an extension point.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ExtensionPointLinks"))]
struct PointLinks {
    /// The extension point itself.
    #[serde(rename = "self")]
    itself: Link,
    /// The hooks that are put there.
    bindings: Link,
    /// Where a host pauses.
    invocations: Link,
}

impl PointAnswer {
    fn of(base_url: &str, point: Point) -> Self {
        match point {
            Point::Own(own) => Self::of_own(base_url, *own),
            Point::System(kind) => Self::of_system(base_url, kind.description()),
        }
    }

    fn of_own(base_url: &str, OwnPoint { id, declaration, created, last_updated }: OwnPoint) -> Self {
        Self {
            id: id.to_string(),
            point_type: declaration.name.to_string(),
            title: declaration.title,
            description: declaration.description,
            version: declaration.version,
            declared: Some(DeclaredAnswer {
                context_schema: declaration.context_schema,
                subject_schema: declaration.subject_schema,
                operations: declaration.operations,
                decisions: declaration.decisions,
                sensitive: declaration.sensitive,
                masked: declaration.masked,
                samples: declaration.samples,
            }),
            on_failure: match declaration.on_failure {
                declared::OnFailure::Continue => OnFailure::Continue,
                declared::OnFailure::Stop => OnFailure::Stop,
            },
            on_refusal: match declaration.on_refusal {
                declared::OnRefusal::Continue => OnRefusal::Continue,
                declared::OnRefusal::Stop => OnRefusal::Stop,
            },
            retry: declaration.retry,
            timeout_ms: declaration.timeout_ms,
            system: false,
            created: Some(Date(created)),
            last_updated: Some(Date(last_updated)),
            links: PointLinks::of(base_url, id.as_str(), &["GET", "PUT", "DELETE"]),
        }
    }

    fn of_system(base_url: &str, description: &Description) -> Self {
        let on_failure = match description.failure {
            FailureDefault::Continue => OnFailure::Continue,
            FailureDefault::Stop => OnFailure::Stop,
            FailureDefault::FallBack => OnFailure::FallBack,
        };
        let name = &description.event_type;
        Self {
            id: name.to_string(),
            point_type: name.to_string(),
            title: description.title.to_string(),
            description: None,
            version: description.event_type_version.to_string(),
            declared: None,
            on_failure,
            on_refusal: match (description.error, on_failure) {
                (ErrorDefault::Refuse, _) | (ErrorDefault::Failure, OnFailure::Stop) => OnRefusal::Stop,
                (ErrorDefault::Continue, _) | (ErrorDefault::Failure, OnFailure::Continue) => OnRefusal::Continue,
                (ErrorDefault::FallBack, _) | (ErrorDefault::Failure, OnFailure::FallBack) => OnRefusal::FallBack,
            },
            retry: match description.retry {
                Retry::Never => DeclaredRetry::Never,
                Retry::Once => DeclaredRetry::Once,
            },
            timeout_ms: description.timeout_ms,
            system: true,
            created: None,
            last_updated: None,
            links: PointLinks::of(base_url, name, &["GET"]),
        }
    }
}

impl PointLinks {
    fn of(base_url: &str, id: &str, allowed: &[&'static str]) -> Self {
        let href = format!("{base_url}/api/v1/extensionPoints/{id}");
        Self {
            bindings: Link::allowing(format!("{href}/bindings"), &["GET", "PUT"]),
            invocations: Link::allowing(format!("{href}/invocations"), &["POST"]),
            itself: Link::allowing(href, allowed),
        }
    }
}

impl Listed for PointAnswer {
    const IS_SEARCHED: bool = true;

    fn id(&self) -> &str {
        &self.id
    }

    fn searched(&self) -> Vec<&str> {
        vec![&self.point_type, &self.title]
    }
}

async fn list(call: Call) -> Result<List<PointAnswer>, ApiError> {
    let points = points::list(call.platform(), call.administrator())?;
    listed(&call, points.into_iter().map(|point| PointAnswer::of(call.base_url(), point)))
}

async fn create(call: Call<Body<PointBody>>) -> Result<Created<PointAnswer>, ApiError> {
    let point = points::create(call.platform(), call.administrator(), &call.body.0).await?;
    Ok(Created(PointAnswer::of_own(call.base_url(), point)))
}

async fn retrieve(call: Call) -> Result<Json<PointAnswer>, ApiError> {
    let point = points::get(call.platform(), call.administrator(), call.id("typeOrId"))?;
    Ok(Json(PointAnswer::of(call.base_url(), point)))
}

async fn replace(call: Call<Body<PointBody>>) -> Result<Json<PointAnswer>, ApiError> {
    let point = points::replace(call.platform(), call.administrator(), call.id("typeOrId"), &call.body.0).await?;
    Ok(Json(PointAnswer::of_own(call.base_url(), point)))
}

async fn delete(call: Call) -> Result<NoContent, ApiError> {
    points::delete(call.platform(), call.administrator(), call.id("typeOrId")).await?;
    Ok(NoContent)
}

/// The bindings of an extension point as they are written.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "BindingsRequest"))]
pub(super) struct BindingsBody {
    /// All of them, in the order in which the hooks are called; at most 20.
    #[serde(deserialize_with = "objects")]
    #[cfg_attr(feature = "schema", schemars(length(max = 20)))]
    bindings: Given<Vec<BindingBody>>,
}

impl ResourceBody for BindingsBody {
    const MEMBERS: Members = Members { taken: &["bindings"], read_only: &[], refused: &[] };
    type Request = BindingsRequest;

    fn into_request(self) -> BindingsRequest {
        BindingsRequest { bindings: BindingBody::into_requests(self.bindings) }
    }

    fn unsupported(body: &Value) -> Vec<String> {
        let mut problems = Self::MEMBERS.problems(body);
        problems.extend(BINDING_MEMBERS.problems_of_items(body, "/bindings"));
        problems
    }
}

/// The bindings of an extension point as they are shown.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Bindings"))]
pub(super) struct BindingsAnswer {
    /// In the order in which the hooks are called.
    bindings: Vec<BindingAnswer>,
}

impl BindingsAnswer {
    fn of(bindings: Vec<HookBinding>) -> Self {
        Self { bindings: bindings.into_iter().map(BindingAnswer::of).collect() }
    }
}

async fn retrieve_bindings(call: Call) -> Result<Json<BindingsAnswer>, ApiError> {
    let bindings = bindings::get(call.platform(), call.administrator(), call.id("typeOrId"))?;
    Ok(Json(BindingsAnswer::of(bindings)))
}

async fn replace_bindings(call: Call<Body<BindingsBody>>) -> Result<Json<BindingsAnswer>, ApiError> {
    let (platform, administrator, name_or_id) = (call.platform(), call.administrator(), call.id("typeOrId"));
    let bindings = bindings::replace(platform, administrator, name_or_id, &call.body.0).await?;
    Ok(Json(BindingsAnswer::of(bindings)))
}
