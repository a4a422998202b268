//! `/openapi.json`: the description of this API.

use axum::{
    http::header,
    response::{IntoResponse as _, Response},
};

use super::{
    answer::Answer,
    call::{Anybody, Call, NoBody},
    route::Routes,
};
use crate::error::ApiError;

/// The OpenAPI document, as `cargo xtask generate` writes it.
pub(crate) const DOCUMENT: &str = include_str!("../../../../openapi/management.openapi.json");

/// The routes that need no token.
pub(super) fn public_routes() -> Routes {
    Routes::of("Description", "okta.orgs").get("/openapi.json", "getDescription", description)
}

/// The document, byte for byte.
struct Document;

impl Answer for Document {
    fn respond(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
    }

    #[cfg(feature = "schema")]
    fn describe(generator: &mut schemars::SchemaGenerator) -> super::openapi::AnswerDescription {
        let schema = super::openapi::described::<serde_json::Map<String, serde_json::Value>>(generator);
        super::openapi::AnswerDescription::of(200, Some(schema))
    }
}

async fn description(_: Call<NoBody, Anybody>) -> Result<Document, ApiError> {
    Ok(Document)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::super::table;

    #[test]
    fn every_route_is_in_the_document_and_everything_in_the_document_is_a_route() {
        let document: Value = serde_json::from_str(super::DOCUMENT).unwrap();
        let paths = document["paths"].as_object().unwrap().iter();
        let described = paths.flat_map(|(path, operations)| {
            operations.as_object().unwrap().iter().map(move |(method, operation)| {
                let security = operation["security"].as_array().unwrap().first();
                let scope = security.map(|security| security["apiToken"][0].as_str().unwrap().to_owned());
                let text = |member: &Value| member.as_str().unwrap().to_owned();
                let named = (text(&operation["operationId"]), text(&operation["tags"][0]));
                (path.clone(), method.to_uppercase(), named, scope)
            })
        });
        let routes = table().into_iter().map(|route| {
            let named = (route.operation.to_owned(), route.tag.to_owned());
            (route.path.to_owned(), route.method.to_string(), named, route.scope)
        });
        assert_eq!(described.collect::<BTreeSet<_>>(), routes.collect());
    }

    #[test]
    fn a_parameter_of_a_route_replaces_the_one_of_every_list_and_every_org_can_be_suspended() {
        let document: Value = serde_json::from_str(super::DOCUMENT).unwrap();
        for (path, name, text) in [
            ("/api/v1/logs", "limit", "from 0 to 1000"),
            ("/api/v1/users", "limit", "from 1 to 200"),
            ("/api/v1/users", "q", "begins with"),
            ("/api/v1/authorizationServers", "q", "in its name"),
        ] {
            let parameters = document["paths"][path]["get"]["parameters"].as_array().unwrap();
            let named = parameters.iter().filter(|parameter| parameter["name"] == json!(name));
            let texts = named.map(|parameter| parameter["description"].as_str().unwrap()).collect::<Vec<_>>();
            assert!(texts.len() == 1 && texts[0].contains(text), "{path} {name}: {texts:?}");
        }
        for route in table() {
            let described = &document["paths"][route.path][route.method.as_str().to_lowercase()];
            let (responses, has_body) = (&described["responses"], described.get("requestBody").is_some());
            for (status, is_answered) in [
                (401, route.scope.is_some()),
                (403, true),
                (404, route.path.contains('{')),
                (405, true),
                (408, has_body),
                (413, has_body),
                (429, true),
                (500, true),
                (503, true),
            ] {
                let is_documented = responses.get(status.to_string()).is_some();
                assert_eq!(is_documented, is_answered, "{} {status}", route.operation);
            }
        }
    }

    #[test]
    fn operations_have_names_of_their_own_and_describe_every_parameter() {
        let mut operations = BTreeSet::new();
        let document: Value = serde_json::from_str(super::DOCUMENT).unwrap();
        for route in table() {
            assert!(operations.insert(route.operation), "{} is the name of two operations", route.operation);
            let described = &document["paths"][route.path][route.method.as_str().to_lowercase()]["parameters"];
            for parameter in &route.parameters {
                let known = described.as_array().unwrap().iter().any(|known| known["name"] == json!(parameter.name));
                assert!(known, "{}: {}", route.operation, parameter.name);
            }
        }
    }
}
