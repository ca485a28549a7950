//! The document, the contract and the routes say the same.

use reqwest::{Method, StatusCode};

use crate::daemon::Daemon;

/// The routes of the contract that this version serves, but for the gateway, which is no part of the document.
const ROUTES: [&str; 56] = [
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /docs",
    "GET /v1/me",
    "GET /v1/users",
    "POST /v1/users",
    "GET /v1/users/{id}",
    "PATCH /v1/users/{id}",
    "DELETE /v1/users/{id}",
    "GET /v1/users/{id}/tokens",
    "POST /v1/users/{id}/tokens",
    "DELETE /v1/tokens/{id}",
    "GET /v1/types",
    "POST /v1/types",
    "GET /v1/types/{name}",
    "PUT /v1/types/{name}",
    "DELETE /v1/types/{name}",
    "POST /v1/types/import",
    "POST /v1/types/{name}/install",
    "GET /v1/credentials",
    "POST /v1/credentials",
    "GET /v1/credentials/{id}",
    "PUT /v1/credentials/{id}",
    "DELETE /v1/credentials/{id}",
    "GET /v1/instances",
    "POST /v1/instances",
    "GET /v1/instances/{id}",
    "DELETE /v1/instances/{id}",
    "GET /v1/instances/{id}/wait",
    "POST /v1/instances/{id}/stop",
    "POST /v1/instances/{id}/restart",
    "POST /v1/instances/{id}/restore",
    "POST /v1/instances/{id}/extend",
    "POST /v1/instances/{id}/token",
    "GET /v1/instances/{id}/logs",
    "GET /v1/instances/{id}/stats",
    "GET /v1/instances/{id}/diagnose",
    "GET /v1/instances/{id}/client-config",
    "GET /v1/webhooks",
    "POST /v1/webhooks",
    "GET /v1/webhooks/{id}",
    "PATCH /v1/webhooks/{id}",
    "DELETE /v1/webhooks/{id}",
    "POST /v1/webhooks/{id}/test",
    "GET /v1/webhooks/{id}/deliveries",
    "GET /v1/instances/{id}/transitions",
    "GET /v1/keys",
    "POST /v1/keys/rotate",
    "GET /v1/events",
    "GET /v1/audit",
    "GET /v1/actors",
    "GET /v1/actors/{path}",
    "GET /v1/system/isolation",
    "GET /docs/page.js",
];

#[tokio::test(flavor = "multi_thread")]
async fn document_contract_and_routes_agree() {
    let daemon = Daemon::start().await;
    let document = daemon.get("/openapi.json", "").await.json();
    let paths = document["paths"].as_object().unwrap();
    let mut described: Vec<String> = Vec::new();
    for (path, item) in paths {
        for method in item.as_object().unwrap().keys() {
            described.push(format!("{} {path}", method.to_ascii_uppercase()));
        }
    }
    described.sort();
    let mut contract: Vec<&str> = ROUTES.into_iter().filter(|route| !route.ends_with(".js")).collect();
    contract.sort_unstable();
    assert_eq!(described, contract);

    for route in ROUTES {
        let (method, template) = route.split_once(' ').unwrap();
        let path = template
            .replace("{id}", "0190b2a0-7c3e-7000-8000-000000000000")
            .replace("{name}", "nothing")
            .replace("{path}", "supervisor");
        let method: Method = method.parse().unwrap();
        let response = daemon.request(method, &path, &daemon.admin).send().await.unwrap();
        assert_ne!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{route}");
        // A stream has no end to read to.
        if response.status() == StatusCode::NOT_FOUND {
            let problem: serde_json::Value = response.json().await.unwrap();
            assert_ne!(problem["code"], "route_not_found", "{route}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_asks_nobody_else_for_anything() {
    let daemon = Daemon::start().await;
    let page = daemon.get("/docs", "").await;
    assert_eq!(page.status, StatusCode::OK);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.headers["x-content-type-options"], "nosniff");
    for part in ["/docs/page.js", "/docs/page.css"] {
        let part = daemon.get(part, "").await;
        assert_eq!(part.status, StatusCode::OK);
        assert!(!part.text.contains("://"), "nothing is fetched from elsewhere");
    }
    assert_eq!(daemon.get("/docs/secret", "").await.status, StatusCode::NOT_FOUND);
}
