//! The newer era: one process for all clients, and every message as it was written.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Events, Scene, code_of, modern, text_of};
use crate::ground::PATIENCE;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_arrives_byte_for_byte_but_for_its_id_and_its_token() {
    let scene = Scene::new("modern").await;
    let body = concat!(
        "{ \"jsonrpc\":\"2.0\",\n\"vendorX\":[1.0,1e2,12345678901234567890123,\"\\u00e9\\/\"], \"id\" : \"\\u0061\",",
        "\"method\":\"tools\\/call\",\"params\":{\"name\":\"echo\",\"arguments\":{\"id\":7,\"a\":1,\"a\":2},",
        "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"progressToken\":\"\\u0074\",",
        "\"io.modelcontextprotocol/clientCapabilities\":{ },\"future\":{\"z\":1,\"b\":2}}},\"after\":null}"
    );
    let request = scene.post(body).header("mcp-protocol-version", "2026-07-28");
    let request = request.header("mcp-method", "tools/call").header("mcp-name", "echo");
    let answer = scene.daemon.send(request).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert!(answer.text.contains(r#""id":"\u0061""#), "its id as it was spelled: {}", answer.text);
    let seen = text_of(&answer.json());
    let ours: String =
        seen.split("\"id\" : ").nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect();
    let expected = body.replace('\n', " ");
    let expected = expected.replacen("\"id\" : \"\\u0061\"", &format!("\"id\" : {ours}"), 1);
    assert_eq!(
        seen,
        expected.replacen("\"progressToken\":\"\\u0074\"", &format!("\"progressToken\":{ours}"), 1)
    );
    assert!(!seen.contains("mmcp_inst_"));
    let environment = scene.says("env", &json!({})).await;
    assert!(!environment.contains("PORT"), "it has none: {environment}");
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_makes_a_stream_and_an_answer_alone_does_not() {
    let scene = Scene::new("modern").await;
    let params = json!({"name": "progress", "arguments": {"count": 3}, "_meta": {"progressToken": 1.5}});
    let stream = Events::of(scene.modern(&json!(-3), "tools/call", &params)).await;
    let messages = stream.rest().await;
    let progress: Vec<&Value> = messages.iter().map(|message| &message["params"]["progressToken"]).collect();
    assert_eq!(progress, [&json!(1.5), &json!(1.5), &json!(1.5), &Value::Null]);
    assert_eq!((&messages[3]["id"], messages.len()), (&json!(-3), 4));
    let plain = scene.daemon.send(scene.tool("state", &json!({}))).await;
    assert_eq!(plain.headers["content-type"], "application/json");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_clients_with_the_same_id_each_get_their_own_answer_from_one_process() {
    let scene = Scene::with("modern", "per_session", &["gateway.max-in-flight=200"]).await;
    let calls = (0..100).map(|n| {
        let request = scene.tool("echo", &json!({"n": n}));
        async { scene.daemon.send(request).await }
    });
    let answers = futures::future::join_all(calls).await;
    for (n, answer) in answers.iter().enumerate() {
        let seen: Value = serde_json::from_str(&text_of(&answer.json())).unwrap();
        assert_eq!((&answer.json()["id"], &seen["params"]["arguments"]["n"]), (&json!(1), &json!(n)));
    }
    let state = scene.state().await;
    assert_eq!(state["initialized"], 0);
    assert_eq!(state["pid"], scene.shown().await["process_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_with_the_codes_of_the_revision() {
    let scene = Scene::new("modern").await;
    let list = modern(&json!(9), "tools/list", &json!({})).to_string();
    let version = ("mcp-protocol-version", "2026-07-28");
    let method = ("mcp-method", "tools/list");
    let later = list.replace("2026-07-28", "2099-01-01");
    for (body, headers, expected) in [
        (&list, vec![version, method], (200, 0)),
        (&list, vec![version], (400, -32_020)),
        (&list, vec![method], (400, -32_020)),
        (&list, vec![version, ("mcp-method", "tools/call")], (400, -32_020)),
        (&later, vec![("mcp-protocol-version", "2099-01-01"), method], (400, -32_022)),
        (
            &"{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"tools/list\"}".to_owned(),
            vec![version, method],
            (400, -32_602),
        ),
        (&"{".to_owned(), vec![version, method], (400, -32_700)),
        (&"[]".to_owned(), vec![version, method], (400, -32_600)),
        (&list.replace("tools/list", "no/such"), vec![version, ("mcp-method", "no/such")], (404, -32_601)),
        (
            &list.replace("tools/list", "initialize"),
            vec![version, ("mcp-method", "initialize")],
            (404, -32_601),
        ),
    ] {
        let request =
            headers.iter().fold(scene.post(body), |request, (name, value)| request.header(*name, *value));
        let answer = scene.daemon.send(request).await;
        assert_eq!(code_of(&answer), expected, "{body} {headers:?} {answer:?}");
        if body.starts_with("{\"") {
            assert_eq!(answer.json()["id"], 9, "{answer:?}");
        }
    }
    // A client of the older era learns which versions there are.
    let answer = scene.initialize().await;
    assert_eq!(code_of(&answer), (400, -32_022), "{answer:?}");
    assert_eq!(answer.json()["error"]["data"]["supported"], json!(["2026-07-28"]));
    for method in [Method::GET, Method::DELETE, Method::PUT] {
        let answer = scene.daemon.send(scene.request(method.clone())).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(answer.headers["allow"], "POST");
    }
    let plain = scene.request(Method::POST).header("content-type", "text/plain").body("{}");
    assert_eq!(scene.daemon.send(plain).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let state = scene.state().await;
    assert!(!state["methods"].to_string().contains("initialize"), "it never heard of it: {state}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_argument_that_is_repeated_in_a_header_has_to_be_the_same_there() {
    let scene = Scene::new("modern").await;
    let call = || scene.tool("echo", &json!({"region": "eu"}));
    let answer = scene.daemon.send(call()).await;
    assert_eq!(code_of(&answer), (400, -32_020), "{answer:?}");
    let answer = scene.daemon.send(call().header("mcp-param-region", "us")).await;
    assert_eq!(code_of(&answer), (400, -32_020), "{answer:?}");
    let answer = scene.daemon.send(call().header("mcp-param-region", "=?base64?ZXU=?=")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_cancels_its_request_and_no_other() {
    let scene = Scene::new("modern").await;
    let mut stream = Events::of(scene.tool("print", &json!({"lines": [
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":$ID,"progress":1}}"#
    ]}))
    .body(with_token("print", r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":$ID,"progress":1}}"#)))
    .await;
    stream.next().await.unwrap();
    // A second one that has heard nothing yet.
    let calls = async || {
        let state = scene.state().await;
        state["methods"].as_array().unwrap().iter().filter(|method| *method == "tools/call").count()
    };
    let before = calls().await;
    let silent = tokio::spawn(scene.tool("never", &json!({})).send());
    let begun = tokio::time::Instant::now();
    // Beside the looks themselves there is one call more once it has arrived.
    for looks in 1.. {
        if calls().await == before + looks + 1 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "it arrives");
    }
    assert!(!silent.is_finished(), "there is no answer to wait for");
    silent.abort();
    drop(stream);
    loop {
        let state = scene.state().await;
        let cancelled = state["cancelled"].as_array().unwrap().clone();
        if cancelled.len() == 2 {
            assert_ne!(cancelled[0], cancelled[1]);
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{state}");
    }
}

fn with_token(tool: &str, line: &str) -> String {
    let params = json!({"name": tool, "arguments": {"lines": [line]}, "_meta": {"progressToken": "t"}});
    modern(&json!(1), "tools/call", &params).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_hear_with_their_own_ids_until_the_server_or_they_end_it() {
    let scene = Scene::new("modern").await;
    let listen = |id: &str| scene.modern(&json!(id), "subscriptions/listen", &json!({"notifications": {}}));
    let (mut one, mut other) = (Events::of(listen("L")).await, Events::of(listen("L")).await);
    let subscription =
        |message: &Value| message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"].clone();
    for stream in [&mut one, &mut other] {
        let first = stream.next().await.unwrap();
        assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
        assert_eq!(subscription(&first), "L");
    }
    assert_eq!(scene.says("poke", &json!({})).await, "done");
    for stream in [&mut one, &mut other] {
        let changed = stream.next().await.unwrap();
        assert_eq!(
            (&changed["method"], subscription(&changed)),
            (&json!("notifications/tools/list_changed"), json!("L"))
        );
    }
    let begun = tokio::time::Instant::now();
    while !scene.shown().await["stats"]["processes"].is_u64() {
        assert!(begun.elapsed() < PATIENCE, "it is measured while they listen");
    }
    assert_eq!(scene.says("unlisten", &json!({})).await, "done");
    assert_eq!((one.next().await, other.next().await), (None, None), "the server ended both");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_the_older_era_sends_clients_of_both_to_initialize() {
    let scene = Scene::new("legacy").await;
    let answer = scene.daemon.send(scene.modern(&json!(4), "server/discover", &json!({}))).await;
    assert_eq!(code_of(&answer), (400, -32_600), "none of the codes that mean the newer era: {answer:?}");
    assert_eq!(answer.json()["id"], 4);
    assert!(!answer.headers.contains_key("mcp-session-id"));
}
