//! Login by tokens of an OpenID Connect issuer: a real one, on this machine.

use std::process::Stdio;

use minimcp::http::Bounds;
use minimcp::store::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::daemon::{Answer, Daemon};
use crate::ground::{PATIENCE, node};

/// An issuer in a process of its own, which ends with this.
struct Issuer {
    url: String,
    process: Child,
    client: reqwest::Client,
}

impl Issuer {
    async fn start() -> Self {
        crate::daemon::clients_can_be_built();
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/mcp-servers/issuer/index.mjs");
        let mut command = Command::new(node());
        command.arg(program).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let mut out = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let line = tokio::time::timeout(PATIENCE, out.next_line()).await.expect("it starts in time").unwrap();
        let line: Value = serde_json::from_str(&line.expect("it says where it is")).unwrap();
        let url = line["issuer"].as_str().unwrap().to_owned();
        Self { url, process, client: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    /// A token for this client, as the standard gives it.
    async fn token(&self, client: &str) -> String {
        let request = self.client.post(format!("{}/token", self.url)).basic_auth(client, Some("secret"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body("grant_type=client_credentials").send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// A token with these claims over good ones, and this header over a good one.
    async fn forged(&self, header: Value, claims: Value) -> String {
        let now = chrono::Utc::now().timestamp();
        let mut whole = json!({
            "iss": self.url, "aud": "urn:minimcp", "sub": "mallory", "exp": now + 600, "iat": now,
            "preferred_username": "mallory", "realm_access": {"roles": ["people"]}
        });
        for (name, value) in claims.as_object().unwrap() {
            whole[name] = value.clone();
        }
        whole.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let body = json!({"header": header, "claims": whole});
        let answer = self.client.post(format!("{}/forge", self.url)).body(body.to_string());
        answer.send().await.unwrap().text().await.unwrap()
    }

    async fn rotate(&self, alg: &str) {
        let request = self.client.post(format!("{}/rotate", self.url)).body(json!({"alg": alg}).to_string());
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    }

    /// A daemon that trusts this issuer.
    async fn daemon(&self, more: &[&str]) -> Daemon {
        let issuer = format!("oidc.issuer={}", self.url);
        let mut set = vec![
            issuer.as_str(),
            "oidc.audience=urn:minimcp",
            "oidc.role-claim=realm_access.roles",
            "oidc.role-map=platform=admin,people=user",
        ];
        set.extend(more);
        Daemon::with(&set, Bounds::default()).await
    }
}

async fn me(daemon: &Daemon, token: &str) -> Answer {
    daemon.get("/v1/me", token).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_the_issuer_vouches_for_is_let_in_as_the_same_user_each_time() {
    let issuer = Issuer::start().await;
    let daemon = issuer.daemon(&[]).await;
    let first = issuer.token("una").await;
    let (one, two) = tokio::join!(me(&daemon, &first), me(&daemon, &first));
    assert_eq!((one.status, two.status), (StatusCode::OK, StatusCode::OK), "{one:?} {two:?}");
    let una = one.json();
    assert_eq!((&una["name"], &una["role"]), (&json!("una"), &json!("user")));
    let again = me(&daemon, &issuer.token("una").await).await.json();
    assert_eq!((&una["id"], &two.json()["id"]), (&again["id"], &again["id"]));
    assert_eq!(daemon.get("/v1/users", &first).await.code(), "forbidden");

    let ada = issuer.token("ada").await;
    assert_eq!(me(&daemon, &ada).await.json()["role"], "admin", "the strongest of her roles");
    let users = daemon.get("/v1/users", &ada).await.json();
    assert_eq!(users["items"].as_array().unwrap().len(), 3, "the two of them and root");
    let nobody = me(&daemon, &issuer.token("nobody").await).await;
    assert_eq!((nobody.status, nobody.code().as_str()), (StatusCode::FORBIDDEN, "forbidden"));
    assert!(nobody.json()["detail"].as_str().unwrap().contains("no role here"), "{nobody:?}");

    let logins = daemon.get("/v1/audit?action=user.login", &daemon.admin).await.json();
    let logins = logins["items"].as_array().unwrap();
    let of = |user: &Value| logins.iter().filter(|one| one["actor"]["user_id"] == user["id"]).count();
    assert!(
        (1..=2).contains(&of(&una)),
        "recorded when the account came to be, and not at each login: {logins:?}"
    );
    assert_eq!(logins[0]["detail"]["role"], "admin");

    // API tokens are for programs that cannot log in, and go on working beside.
    let path = format!("/v1/users/{}/tokens", una["id"].as_str().unwrap());
    let own = daemon.post(&path, &first, &json!({"name": "ci"})).await.json();
    assert_eq!(me(&daemon, own["token"].as_str().unwrap()).await.json()["id"], una["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_follow_the_issuer_and_names_give_nobody_anybodys_account() {
    let issuer = Issuer::start().await;
    let daemon = issuer.daemon(&[]).await;
    let root = daemon.owner(&daemon.admin).await;
    // Somebody there is called as somebody here.
    let claims = json!({"sub": "s-7", "preferred_username": "root"});
    let other = me(&daemon, &issuer.forged(json!({}), claims).await).await.json();
    assert_ne!(other["id"], root.to_string().as_str());
    assert!(other["name"].as_str().unwrap().starts_with("root ("), "{other}");

    let promoted = json!({"sub": "s-7", "preferred_username": "x", "realm_access": {"roles": ["platform"]}});
    let promoted = issuer.forged(json!({}), promoted).await;
    let now = me(&daemon, &promoted).await.json();
    assert_eq!((&now["id"], &now["role"]), (&other["id"], &json!("admin")));
    let mut stream = daemon.request(Method::GET, "/v1/events", &promoted).send().await.unwrap();
    let demoted = json!({"sub": "s-7", "realm_access": {"roles": ["people"]}});
    let demoted = issuer.forged(json!({}), demoted).await;
    assert_eq!(daemon.get("/v1/users", &demoted).await.code(), "forbidden");
    let path = format!("/v1/users/{}", other["id"].as_str().unwrap());
    assert_eq!(daemon.get(&path, &daemon.admin).await.json()["role"], "user");

    // Deleted, they lose what is open; if the issuer lets them in again, they begin anew.
    daemon.send(daemon.request(Method::DELETE, &path, &daemon.admin)).await;
    let rest = async { while stream.chunk().await.unwrap().is_some() {} };
    assert!(tokio::time::timeout(PATIENCE, rest).await.is_ok(), "the stream went on");
    assert_ne!(me(&daemon, &demoted).await.json()["id"], other["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_does_not_hold_is_refused_with_the_reason() {
    let issuer = Issuer::start().await;
    let daemon = issuer.daemon(&[]).await;
    let elsewhere = Issuer::start().await;
    let now = chrono::Utc::now().timestamp();
    let good = issuer.forged(json!({}), json!({})).await;
    assert_eq!(me(&daemon, &good).await.status, StatusCode::OK, "what is changed below is all that is wrong");
    let mut tampered = good.clone();
    let payload = good.split('.').nth(1).unwrap();
    tampered = tampered
        .replace(payload, issuer.forged(json!({}), json!({"sub": "root"})).await.split('.').nth(1).unwrap());
    let cases = [
        ("issuer", issuer.forged(json!({}), json!({"iss": "https://evil.example"})).await),
        ("audience", issuer.forged(json!({}), json!({"aud": "urn:other"})).await),
        ("expired", issuer.forged(json!({}), json!({"exp": now - 60})).await),
        ("not valid yet", issuer.forged(json!({}), json!({"nbf": now + 600})).await),
        ("lacks a claim", issuer.forged(json!({}), json!({"aud": null})).await),
        ("lacks a claim", issuer.forged(json!({}), json!({"exp": null})).await),
        ("lacks a claim", issuer.forged(json!({}), json!({"sub": ""})).await),
        ("does not have", issuer.forged(json!({"kid": "unknown"}), json!({})).await),
        ("does not have", elsewhere.forged(json!({}), json!({"iss": issuer.url})).await),
        ("no JWT that is signed", issuer.forged(json!({"alg": "none"}), json!({})).await),
        ("no JWT that is signed", issuer.forged(json!({"alg": "HS256"}), json!({})).await),
        ("does not hold", tampered),
        ("no JWT that is signed", "a.b.c".into()),
    ];
    for (n, (reason, token)) in cases.into_iter().enumerate() {
        // Each from an address of its own, because an address may fail only so often.
        let address: std::net::IpAddr = format!("127.0.2.{}", n + 1).parse().unwrap();
        let client = reqwest::Client::builder().no_proxy().local_address(address).build().unwrap();
        let response = client.get(daemon.url("/v1/me")).bearer_auth(&token).send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{reason}: {text}");
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{reason}: {problem}");
        assert!(!text.contains("mallory") && !text.contains(&token), "{text}");
    }
    let mut last = me(&daemon, "a.b.c").await;
    for _ in 0..10 {
        last = me(&daemon, "a.b.c").await;
    }
    assert_eq!(last.code(), "too_many_requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_are_found_and_old_ones_forgotten() {
    let issuer = Issuer::start().await;
    let daemon = issuer.daemon(&[]).await;
    let old = issuer.token("una").await;
    assert_eq!(me(&daemon, &old).await.status, StatusCode::OK);
    for alg in ["ES256", "EdDSA", "RS256"] {
        issuer.rotate(alg).await;
        let new = me(&daemon, &issuer.token("una").await).await;
        assert_eq!(new.status, StatusCode::OK, "{alg}: {new:?}");
    }
    assert_eq!(me(&daemon, &old).await.status, StatusCode::UNAUTHORIZED, "its key is gone");
    // However many keys are made up, the issuer is asked only so often, and who has a good token does not notice.
    let good = issuer.token("una").await;
    for n in 0..20 {
        let unknown = issuer.forged(json!({"kid": format!("made-up-{n}")}), json!({})).await;
        assert!(me(&daemon, &unknown).await.status.is_client_error());
    }
    assert_eq!(me(&daemon, &good).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_issuer_known_keys_go_on_and_nobody_new_is_let_in() {
    let mut issuer = Issuer::start().await;
    let (warm, cold) = (issuer.daemon(&[]).await, issuer.daemon(&[]).await);
    let token = issuer.token("una").await;
    assert_eq!(me(&warm, &token).await.status, StatusCode::OK);
    issuer.process.kill().await.unwrap();
    assert_eq!(me(&warm, &token).await.status, StatusCode::OK, "its keys are known");
    let answer = me(&cold, &token).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    assert!(answer.headers.contains_key("retry-after"));
    assert!(!answer.text.contains("127.0.0.1"), "what was asked for is nobody's business: {answer:?}");
    assert_eq!(me(&cold, &cold.admin).await.status, StatusCode::OK, "API tokens go on working");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_issuer_in_the_settings_no_jwt_is_looked_at() {
    let issuer = Issuer::start().await;
    let daemon = Daemon::start().await;
    let answer = me(&daemon, &issuer.token("ada").await).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNAUTHORIZED, "unauthorized"));
    let default = issuer.daemon(&["oidc.default-role=operator"]).await;
    let nobody = me(&default, &issuer.token("nobody").await).await.json();
    assert_eq!(nobody["role"], Role::Operator.as_str());
}
