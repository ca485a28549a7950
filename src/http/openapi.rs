//! The OpenAPI document, made from the handlers and the types they read and answer.

mod answers;

use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::audited::FailsClosed;
use super::call::{Answer, Call, with_body};
use super::{
    actors, audit, credentials, docs, events, health, instances, keys, logs, me, metrics, stats, system,
    tokens, types, users, webhooks,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "MiniMCP", description = "Supervised Model Context Protocol servers, for every user their own."),
    paths(
        health::lives, health::ready, metrics::show, show, docs::page,
        me::show,
        users::list, users::create, users::show, users::change, users::delete,
        tokens::list, tokens::create, tokens::delete,
        types::list, types::show, types::create, types::replace, types::delete, types::install, types::import,
        credentials::list, credentials::create, credentials::show, credentials::replace, credentials::delete,
        instances::list, instances::create, instances::show, instances::wait, instances::stop, instances::restart,
        instances::restore, instances::extend, instances::token, instances::delete, logs::show, stats::show,
        instances::diagnose, instances::client_config,
        keys::list, keys::rotate,
        events::follow, events::transitions, actors::list, actors::show, audit::show, system::isolation,
        webhooks::list, webhooks::create, webhooks::show, webhooks::change, webhooks::delete, webhooks::test,
        webhooks::deliveries,
    ),
    components(schemas(crate::api::event::Event)),
    modifiers(&Token, &FailsClosed),
)]
struct Document;

/// The way callers show who they are. The roles of an operation's `security`, any one of which is enough: `user`,
/// `operator` and `admin` are those of the caller; `owner` is whoever the object in the path belongs to.
struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "reading", security(()), responses((status = 200)))]
pub(super) async fn show(call: Call) -> Answer {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(document().to_string()));
    call.no_query()?;
    let mut response = with_body(StatusCode::OK, "application/json", TEXT.clone());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// The whole document.
fn document() -> Value {
    let mut document = serde_json::to_value(Document::openapi()).expect("the document is plain data");
    answers::complete(&mut document);
    document
}

/// Every path with its methods.
pub(super) fn methods() -> Vec<(String, Vec<&'static str>)> {
    let methods = |item: utoipa::openapi::PathItem| {
        let present = [
            ("GET", item.get.is_some()),
            ("POST", item.post.is_some()),
            ("PUT", item.put.is_some()),
            ("PATCH", item.patch.is_some()),
            ("DELETE", item.delete.is_some()),
        ];
        present.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
    };
    Document::openapi().paths.paths.into_iter().map(|(path, item)| (path, methods(item))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_3_1_and_every_operation_says_what_it_does_and_who_may() {
        let document = document();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                assert!(operation["summary"].is_string(), "{method} {path}");
                for (status, response) in operation["responses"].as_object().unwrap() {
                    assert_ne!(response["description"].as_str(), Some(""), "{method} {path} {status}");
                    let json = response["content"]["application/json"]["schema"]["$ref"].as_str();
                    let problem = json.is_some_and(|name| name.ends_with("ProblemDocument"));
                    assert!(!problem, "{method} {path} {status} is a problem under the wrong media type");
                }
                let open = operation["security"] == serde_json::json!([{}]);
                let private = path.starts_with("/v1/") || path == "/metrics";
                assert_eq!(open, !private, "{method} {path}");
            }
        }
        let wanted = &document["components"]["schemas"]["WantedLimits"]["properties"]["max_running"];
        assert!(wanted["format"].is_null() && wanted["maximum"] == u32::MAX, "{wanted}");
        let text = document.to_string();
        for word in ["CreateInstance", "ProblemDocument", "\"expiration_minutes\""] {
            assert!(text.contains(word), "{word}");
        }
    }
}
