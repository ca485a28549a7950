//! Who may call what: every route of the served document for every kind of caller. What is expected is what the
//! document itself says in `security`, so a route that is not in it, or says nothing, fails.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use minimcp::http::Bounds;
use minimcp::store::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::daemon::{Answer, Daemon};

/// One operation of the document.
struct Operation {
    method: Method,
    template: String,
    /// Any one of these is enough; none for everybody.
    roles: BTreeSet<String>,
}

impl Operation {
    fn admits(&self, role: &str) -> bool {
        self.roles.contains(role)
    }

    /// Whether there is something in the path that belongs to somebody.
    fn has_owner(&self) -> bool {
        self.admits("owner")
    }

    fn changes(&self) -> bool {
        self.method != Method::GET
    }

    fn path(&self, things: &Things) -> String {
        let id = match self.template.split('/').nth(2) {
            Some("instances") => things.instance.as_str(),
            Some("credentials") => &things.credential,
            Some("tokens") => &things.token,
            Some("users") => &things.user,
            Some("webhooks") => &things.webhook,
            _ => "",
        };
        let path =
            self.template.replace("{id}", id).replace("{name}", "keyed").replace("{path}", "supervisor");
        match self.template.as_str() {
            template if template.ends_with("/wait") => format!("{path}?timeout_seconds=0"),
            _ => path,
        }
    }
}

/// What one user has.
#[derive(Clone)]
struct Things {
    user: String,
    instance: String,
    credential: String,
    token: String,
    webhook: String,
}

impl Things {
    /// Ids of nothing.
    fn missing() -> Self {
        let id = || Uuid::now_v7().to_string();
        Self { user: id(), instance: id(), credential: id(), token: id(), webhook: id() }
    }

    async fn of(daemon: &Daemon, token: &str) -> (Self, String) {
        let user = daemon.get("/v1/me", token).await.json()["id"].as_str().unwrap().to_owned();
        let credential =
            json!({"mcp_type": "keyed", "name": "mine", "fields": {"api_key": "a-secret-of-some-length"}});
        let credential = daemon.post("/v1/credentials", token, &credential).await.json();
        let create = json!({"mcp_type": "keyed", "credential_id": credential["id"]});
        let instance = daemon.post("/v1/instances", token, &create).await.json();
        let spare =
            daemon.post(&format!("/v1/users/{user}/tokens"), token, &json!({"name": "spare"})).await.json();
        let id = |thing: &Value| thing["id"].as_str().unwrap_or_else(|| panic!("{thing}")).to_owned();
        let webhook = json!({"url": "http://127.0.0.1:9/"});
        let webhook = daemon.post("/v1/webhooks", token, &webhook).await.json();
        let access = instance["access_token"].as_str().unwrap().to_owned();
        let (instance, credential, token) = (id(&instance), id(&credential), id(&spare));
        (Self { user, instance, credential, token, webhook: id(&webhook) }, access)
    }
}

/// Every operation, those that delete last and users at the very end.
async fn operations(daemon: &Daemon) -> Vec<Operation> {
    let document = daemon.get("/openapi.json", "").await.json();
    let known = ["owner", "user", "operator", "admin"];
    let mut operations = Vec::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let named = operation["security"].as_array();
            let named = named.unwrap_or_else(|| panic!("{method} {template} does not say who may call it"));
            let roles: BTreeSet<String> =
                named.iter().filter_map(|choice| choice["token"][0].as_str()).map(str::to_owned).collect();
            let open = *named == [json!({})];
            assert!(
                open != roles.iter().any(|role| known.contains(&role.as_str())),
                "{method} {template}: {named:?}"
            );
            let method = method.to_ascii_uppercase().parse().unwrap();
            operations.push(Operation { method, template: template.clone(), roles });
        }
    }
    operations.sort_by_key(|operation| {
        (operation.method == Method::DELETE, operation.template.starts_with("/v1/users"))
    });
    operations
}

/// Requests from addresses of this machine, each of which may fail only so often.
struct Callers<'a> {
    daemon: &'a Daemon,
    next: u32,
}

impl Callers<'_> {
    async fn send(
        &mut self,
        operation: &Operation,
        things: &Things,
        token: &str,
    ) -> (StatusCode, Option<Answer>) {
        self.next += 1;
        let [_, _, high, low] = (self.next / 8).to_be_bytes();
        let address = IpAddr::from(Ipv4Addr::new(127, 1, high, low));
        let client = reqwest::Client::builder().no_proxy().local_address(address).build().unwrap();
        let url = self.daemon.url(&operation.path(things));
        let mut request = client.request(operation.method.clone(), url);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        // An answer that streams has no end to read to.
        if status.is_success() {
            return (status, None);
        }
        (status, Some(Answer { status, headers, text: response.text().await.unwrap() }))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_every_kind_of_caller_as_the_document_says() {
    let daemon = Daemon::with(
        &["http.max-rate=0", "http.max-creations=0", "webhooks.allow=127.0.0.1"],
        Bounds::default(),
    )
    .await;
    daemon
        .add_type(&json!({
            "name": "keyed", "display_name": "Keyed", "server_script": "faulty/index.mjs", "args": ["ok"],
            "credential_fields": {"required": ["api_key"]}, "health_check": {"endpoint": "/health"}
        }))
        .await;
    let owner = daemon.user("una", Role::User).await;
    let other = daemon.user("ugo", Role::User).await;
    let operator = daemon.user("otto", Role::Operator).await;
    let (things, access) = Things::of(&daemon, &owner).await;
    let refused = [
        ("no token", String::new()),
        ("garbage", "mmcp_api_garbage".into()),
        ("something like a JWT", "e30.e30.c2ln".into()),
        ("the token of an instance", access),
        ("an expired token", daemon.expired(&owner).await),
        ("a revoked token", daemon.revoked(&owner).await),
    ];
    let mut callers = Callers { daemon: &daemon, next: 0 };
    let operations = operations(&daemon).await;
    assert!(operations.len() > 35, "the document is whole");

    for operation in operations.iter().filter(|operation| !operation.roles.is_empty()) {
        let name = format!("{} {}", operation.method, operation.template);
        for (kind, token) in &refused {
            let (status, answer) = callers.send(operation, &things, token).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{name} with {kind}: {answer:?}");
            assert_eq!(answer.unwrap().code(), "unauthorized", "{name} with {kind}");
        }

        let (status, answer) = callers.send(operation, &things, &other).await;
        if operation.admits("user") {
            assert!(may(status), "{name} as a user: {answer:?}");
        } else if operation.has_owner() && operation.template.ends_with("/restore") {
            assert_eq!(
                status,
                StatusCode::FORBIDDEN,
                "{name} as another user: the integration guide asks for 403"
            );
        } else if operation.has_owner() {
            assert_eq!(status, StatusCode::NOT_FOUND, "{name} as another user: {answer:?}");
            let (_, missing) = callers.send(operation, &Things::missing(), &other).await;
            assert_eq!(
                answer.unwrap().text,
                missing.unwrap().text,
                "{name}: another's looks like a missing one"
            );
        } else {
            assert_eq!(status, StatusCode::FORBIDDEN, "{name} as a user: {answer:?}");
        }

        let (status, answer) = callers.send(operation, &things, &operator).await;
        if operation.admits("operator") {
            assert!(may(status), "{name} as an operator: {answer:?}");
        } else {
            let denied = matches!(status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND);
            assert!(
                denied && (operation.has_owner() || status == StatusCode::FORBIDDEN),
                "{name}: {answer:?}"
            );
        }
    }

    // Nobody who was refused has changed anything, so everything is there for those who may.
    for operation in &operations {
        let name = format!("{} {}", operation.method, operation.template);
        if operation.roles.is_empty() {
            let (status, answer) = callers.send(operation, &things, "").await;
            assert!(may(status), "{name} is for everybody: {answer:?}");
            continue;
        }
        let token = if operation.has_owner() { &owner } else { &daemon.admin };
        let (status, answer) = callers.send(operation, &things, token).await;
        assert!(may(status), "{name} as the one who may: {answer:?}");
        if operation.has_owner() && operation.admits("admin") && !operation.changes() {
            let (status, answer) = callers.send(operation, &things, &daemon.admin).await;
            assert!(may(status), "{name} as an administrator: {answer:?}");
        }
    }
}

/// Whether the caller was let in, whatever became of the request then.
fn may(status: StatusCode) -> bool {
    let refused = [401, 403, 404, 405, 429].contains(&status.as_u16());
    !refused && !status.is_server_error()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lists_of_all_users_together_are_everything_and_share_nothing() {
    let daemon = Daemon::with(&["webhooks.allow=127.0.0.1"], Bounds::default()).await;
    daemon
        .add_type(&json!({
            "name": "keyed", "display_name": "Keyed", "server_script": "faulty/index.mjs", "args": ["ok"],
            "credential_fields": {"required": ["api_key"]}
        }))
        .await;
    let mut users = Vec::new();
    for name in ["una", "ugo", "uwe"] {
        let token = daemon.user(name, Role::User).await;
        let (things, _) = Things::of(&daemon, &token).await;
        users.push((token, things));
    }
    for list in ["/v1/instances", "/v1/credentials", "/v1/webhooks"] {
        let mut seen = BTreeSet::new();
        for (token, things) in &users {
            // One at a time, so that the cursor is followed too.
            let mut cursor = String::new();
            loop {
                let page = daemon.get(&format!("{list}?limit=1{cursor}"), token).await.json();
                for item in page["items"].as_array().unwrap() {
                    assert_eq!(item["user_id"], things.user.as_str());
                    assert!(seen.insert(item["id"].as_str().unwrap().to_owned()), "{list} shares {item}");
                }
                let Some(next) = page["next_cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
        }
        let of = |things: &Things| {
            match list {
                "/v1/instances" => &things.instance,
                "/v1/credentials" => &things.credential,
                _ => &things.webhook,
            }
            .clone()
        };
        let made: BTreeSet<String> = users.iter().map(|(_, things)| of(things)).collect();
        assert_eq!(seen, made, "{list}");
    }
    let page = daemon.get("/v1/instances", &daemon.admin).await.json();
    assert_eq!(page["items"].as_array().unwrap().len(), users.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_names_a_program_an_argument_or_a_variable_but_those_of_administrators() {
    let daemon = Daemon::start().await;
    let document = daemon.get("/openapi.json", "").await.json();
    let schemas = &document["components"]["schemas"];
    for operation in operations(&daemon).await.iter().filter(|operation| operation.changes()) {
        let method = operation.method.as_str().to_ascii_lowercase();
        let body =
            &document["paths"][&operation.template][&method]["requestBody"]["content"]["application/json"];
        let Some(name) = body["schema"]["$ref"].as_str().and_then(|name| name.rsplit('/').next()) else {
            continue;
        };
        let schema = &schemas[name];
        assert_eq!(schema["additionalProperties"], false, "{name} takes fields that nobody knows");
        if operation.roles.iter().all(|role| role == "admin") {
            continue;
        }
        for field in schema["properties"].as_object().unwrap().keys() {
            let runs = ["command", "args", "path", "env", "script", "program", "cwd"];
            assert!(!runs.iter().any(|word| field.contains(word)), "{name} has {field}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_carry_no_cors_header_no_cookie_and_are_not_stored() {
    let daemon = Daemon::start().await;
    let own = daemon.url("");
    for path in ["/v1/me", "/v1/credentials", "/v1/users", "/metrics", "/healthz", "/openapi.json", "/docs"] {
        for method in [Method::GET, Method::OPTIONS] {
            let request = daemon.request(method.clone(), path, &daemon.admin).header("origin", &own);
            let answer = daemon.send(request.header("access-control-request-method", "POST")).await;
            let names: Vec<&str> = answer.headers.keys().map(reqwest::header::HeaderName::as_str).collect();
            assert!(
                !names.iter().any(|name| name.starts_with("access-control")),
                "{method} {path}: {names:?}"
            );
            assert!(
                !names.contains(&"set-cookie") && !names.contains(&"server"),
                "{method} {path}: {names:?}"
            );
            assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{method} {path}");
            if path.starts_with("/v1") {
                assert_eq!(answer.headers["cache-control"], "no-store", "{method} {path}");
            }
        }
    }
    // A token in the URL is none.
    let in_url = daemon.get(&format!("/v1/me?access_token={}", daemon.admin), "").await;
    assert_eq!(in_url.status, StatusCode::UNAUTHORIZED);
    let in_cookie =
        daemon.request(Method::GET, "/v1/me", "").header("cookie", format!("token={}", daemon.admin));
    assert_eq!(daemon.send(in_cookie).await.status, StatusCode::UNAUTHORIZED);
}
