//! The route table of the management API. The router is built from it and the OpenAPI document describes it, so that no
//! route is without a description.
//!
//! A handler is a function from a [`Call`] to an [`Answer`]; its types say what it reads and what it answers.

use axum::{
    Router,
    extract::{Request, State},
    http::Method,
    response::{IntoResponse as _, Response},
    routing::{MethodFilter, MethodRouter, on},
};

use super::{
    answer::{Answer, Parameter},
    call::{Call, RequestBody, Who},
};
use crate::{App, error::ApiError};

/// One operation of the API.
#[cfg_attr(not(any(feature = "schema", test)), expect(dead_code, reason = "read where the API is described"))]
pub(crate) struct Route {
    pub(crate) method: Method,
    /// With the names of its ids in braces.
    pub(crate) path: &'static str,
    /// The name of the operation in the document, such as `createScope`.
    pub(crate) operation: &'static str,
    /// The resource, by which the document groups operations.
    pub(crate) tag: &'static str,
    /// The scope that a token must allow; `None` where no token is needed.
    pub(crate) scope: Option<String>,
    /// Whether tokens of hosts may use it.
    pub(crate) takes_hosts: bool,
    /// Parameters of the query.
    pub(crate) parameters: Vec<Parameter>,
    #[cfg(feature = "schema")]
    pub(crate) body: fn(&mut schemars::SchemaGenerator) -> Option<super::openapi::BodyDescription>,
    #[cfg(feature = "schema")]
    pub(crate) answer: fn(&mut schemars::SchemaGenerator) -> super::openapi::AnswerDescription,
    handler: MethodRouter<App>,
}

/// The routes of a resource.
pub(crate) struct Routes {
    tag: &'static str,
    scope: &'static str,
    table: Vec<Route>,
}

impl Routes {
    /// An empty table. `scope` is the beginning of the resource's scopes: `okta.inlineHooks`.
    pub(crate) fn of(tag: &'static str, scope: &'static str) -> Self {
        Self { tag, scope, table: Vec::new() }
    }

    pub(crate) fn get<B: RequestBody, W: Who, A: Answer>(
        self,
        path: &'static str,
        operation: &'static str,
        handler: impl AsyncHandler<B, W, A>,
    ) -> Self {
        self.route(Method::GET, path, operation, handler)
    }

    pub(crate) fn post<B: RequestBody, W: Who, A: Answer>(
        self,
        path: &'static str,
        operation: &'static str,
        handler: impl AsyncHandler<B, W, A>,
    ) -> Self {
        self.route(Method::POST, path, operation, handler)
    }

    pub(crate) fn put<B: RequestBody, W: Who, A: Answer>(
        self,
        path: &'static str,
        operation: &'static str,
        handler: impl AsyncHandler<B, W, A>,
    ) -> Self {
        self.route(Method::PUT, path, operation, handler)
    }

    pub(crate) fn patch<B: RequestBody, W: Who, A: Answer>(
        self,
        path: &'static str,
        operation: &'static str,
        handler: impl AsyncHandler<B, W, A>,
    ) -> Self {
        self.route(Method::PATCH, path, operation, handler)
    }

    pub(crate) fn delete<B: RequestBody, W: Who, A: Answer>(
        self,
        path: &'static str,
        operation: &'static str,
        handler: impl AsyncHandler<B, W, A>,
    ) -> Self {
        self.route(Method::DELETE, path, operation, handler)
    }

    fn route<B: RequestBody, W: Who, A: Answer>(
        mut self,
        method: Method,
        path: &'static str,
        operation: &'static str,
        handler: impl AsyncHandler<B, W, A>,
    ) -> Self {
        let scope = |right: &str| format!("{}.{right}", self.scope);
        let scope = W::NEEDS_TOKEN.then(|| scope(if method == Method::GET { "read" } else { "manage" }));
        // There is a filter for every method that this table has a function for.
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        self.table.push(Route {
            method,
            path,
            operation,
            tag: self.tag,
            scope,
            takes_hosts: W::TAKES_HOSTS,
            parameters: A::PARAMETERS.to_vec(),
            #[cfg(feature = "schema")]
            body: B::describe,
            #[cfg(feature = "schema")]
            answer: A::describe,
            handler: on(filter, move |State(app): State<App>, request: Request| {
                answered(handler.clone(), app, request)
            }),
        });
        self
    }

    /// The last route reads these parameters of its query too. One with the name of a parameter that every such answer has
    /// describes it instead.
    pub(crate) fn with(mut self, parameters: &[Parameter]) -> Self {
        if let Some(route) = self.table.last_mut() {
            for parameter in parameters {
                match route.parameters.iter_mut().find(|known| known.name == parameter.name) {
                    Some(known) => *known = *parameter,
                    None => route.parameters.push(*parameter),
                }
            }
        }
        self
    }

    pub(crate) fn into_vec(self) -> Vec<Route> {
        self.table
    }
}

/// A handler.
pub(crate) trait AsyncHandler<B, W, A>: Clone + Send + Sync + 'static {
    fn handle(self, call: Call<B, W>) -> impl Future<Output = Result<A, ApiError>> + Send;
}

impl<B, W, A, F, Handled> AsyncHandler<B, W, A> for F
where
    F: Fn(Call<B, W>) -> Handled + Clone + Send + Sync + 'static,
    Handled: Future<Output = Result<A, ApiError>> + Send,
{
    fn handle(self, call: Call<B, W>) -> impl Future<Output = Result<A, ApiError>> + Send {
        self(call)
    }
}

async fn answered<B: RequestBody, W: Who, A: Answer>(
    handler: impl AsyncHandler<B, W, A>,
    app: App,
    request: Request,
) -> Response {
    let answer = async {
        let (mut parts, body) = request.into_parts();
        let who = W::from_request_parts(&mut parts, &app).await?;
        let ids = Call::<B, W>::ids_of(&mut parts).await?;
        let query = parts.uri.query().map(ToOwned::to_owned);
        let body = B::read(Request::from_parts(parts, body)).await?;
        handler.handle(Call { app, who, ids, query, body }).await
    };
    match answer.await {
        Ok(answer) => answer.respond(),
        Err(error) => error.into_response(),
    }
}

/// The router of a table.
pub(crate) fn router(routes: Vec<Route>) -> Router<App> {
    routes.into_iter().fold(Router::new(), |router, route| router.route(route.path, route.handler))
}
