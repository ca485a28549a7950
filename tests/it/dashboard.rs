//! The dashboard as the daemon serves it. What it does in a browser is tested in `dashboard/tests`.

use reqwest::{Method, StatusCode};

use crate::daemon::Daemon;

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_is_for_anyone_is_never_stored_and_runs_nothing_but_its_own_parts() {
    let daemon = Daemon::start().await;
    let page = daemon.get("/", "").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers["cache-control"], "no-store");
    assert_eq!(page.headers["x-content-type-options"], "nosniff");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"), "{policy}");
    for inline in ["<script>", "<style", " style=", " onclick", "://"] {
        assert!(!page.text.contains(inline), "{inline} in {}", page.text);
    }
    // Every part that the page names is there, for ever; a program without a dashboard names none and says so.
    let named: Vec<&str> = page.text.split('"').filter(|word| word.starts_with("/assets/")).collect();
    assert_ne!(named.is_empty(), !page.text.contains("make dashboard"), "{}", page.text);
    for name in named {
        let part = daemon.get(name, "").await;
        assert_eq!(part.status, StatusCode::OK, "{name}");
        assert_eq!(part.headers["cache-control"], "public, max-age=31536000, immutable", "{name}");
        assert_eq!(part.headers["x-content-type-options"], "nosniff", "{name}");
        let small = daemon.request(Method::GET, name, "").header("accept-encoding", "gzip").send().await;
        let small = small.unwrap();
        assert_eq!(small.headers()["content-encoding"], "gzip", "{name}");
        assert!(small.bytes().await.unwrap().len() < part.text.len(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_answers_under_our_names_only_and_has_no_other_parts() {
    let daemon = Daemon::start().await;
    let elsewhere = daemon.request(Method::GET, "/", "").header("host", "evil.example").send().await.unwrap();
    assert_eq!(elsewhere.status(), StatusCode::FORBIDDEN);
    for path in
        ["/assets/", "/assets/nothing.js", "/assets/..%2findex.html", "/assets/.gitignore", "/index.html"]
    {
        assert_eq!(daemon.get(path, "").await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(daemon.get("/?token=x", "").await.status, StatusCode::BAD_REQUEST);
}
