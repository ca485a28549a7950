use futures::FutureExt;
use serde_json::{Value, json};

use super::super::outbox::Next;
use super::*;

const FIRST: u64 = 1_000;

fn switch(audience: Audience) -> Switch {
    Switch { audience, ..Switch::new(FIRST) }
}

fn one_session(shared: bool, ids: &[&str]) -> Audience {
    let all = ids.iter().map(|id| (SessionId::from(*id), Session::new(Instant::now()))).collect();
    Audience::Sessions { shared, all }
}

/// Begins a request; answers our id, what the child reads, and where the client waits.
fn begin(switch: &mut Switch, text: &str, session: Option<&str>) -> (u64, String, Arc<Outbox>) {
    let outbox = Arc::new(Outbox::default());
    let outline = Outline::of(text).unwrap();
    let (id, line) = switch.begin(text, &outline, Arc::clone(&outbox), session.map(Into::into), None);
    (id, line, outbox)
}

fn call(id: &str, meta: &Value) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"t","_meta":{meta}}}}}"#)
}

fn result(id: u64) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"n":1.0}}}}"#)
}

fn told(outbox: &Outbox) -> Vec<String> {
    std::iter::from_fn(|| match outbox.next().now_or_never() {
        Some(Next::Message(_, message)) => Some(String::from_utf8(message.to_vec()).unwrap()),
        _ => None,
    })
    .collect()
}

fn hear(switch: &mut Switch, text: &str) -> Heard {
    switch.hear(text, Instant::now())
}

#[test]
fn clients_with_the_same_id_and_token_get_their_own_answers_and_progress() {
    let mut switch = switch(Audience::Modern);
    let text = call("\"1\"", &json!({"progressToken": "\u{e9}"}));
    let (one, line, first) = begin(&mut switch, &text, None);
    let (other, _, second) = begin(&mut switch, &text, None);
    assert_ne!(one, other);
    assert_eq!(
        line,
        text.replace("\"id\":\"1\"", &format!("\"id\":{one}")).replace("\"\u{e9}\"", &one.to_string())
    );

    let progress = |token: u64| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":1.0}}}}"#
        )
    };
    assert!(hear(&mut switch, &progress(other)).odd.is_none());
    assert_eq!(told(&second), [progress(other).replace(&other.to_string(), "\"\u{e9}\"")]);
    assert!(hear(&mut switch, &result(one)).odd.is_none());
    assert_eq!(told(&first), [r#"{"jsonrpc":"2.0","id":"1","result":{"n":1.0}}"#]);
    assert_eq!(hear(&mut switch, &progress(one)).odd, Some(Odd::Undeliverable), "after its end");
    assert_eq!(told(&second), [""; 0]);
}

#[test]
fn answers_twice_to_nobody_and_noise_are_counted_and_dropped() {
    let mut switch = switch(Audience::Modern);
    let (id, _, outbox) = begin(&mut switch, &call("1", &json!({})), None);
    for text in ["hello", "{}", "[1]", "{\"level\":\"info\"}"] {
        assert_eq!(hear(&mut switch, text).odd, Some(Odd::Noise), "{text}");
    }
    assert_eq!(hear(&mut switch, &result(id + 7)).odd, Some(Odd::UnknownAnswer));
    assert_eq!(hear(&mut switch, r#"{"jsonrpc":"2.0","id":"1","result":{}}"#).odd, Some(Odd::UnknownAnswer));
    assert_eq!(
        hear(&mut switch, r#"{"jsonrpc":"2.0","id":null,"error":{"code":1}}"#).odd,
        Some(Odd::UnknownAnswer)
    );
    assert_eq!(hear(&mut switch, &result(id)).odd, None);
    assert_eq!(hear(&mut switch, &result(id)).odd, Some(Odd::UnknownAnswer), "once is enough");
    assert_eq!(told(&outbox).len(), 1);
}

#[test]
fn a_child_of_the_newer_era_may_not_ask_and_is_told_so() {
    for audience in [Audience::Modern, Audience::Nobody, one_session(true, &["a"])] {
        let mut switch = switch(audience);
        let asked = r#"{"jsonrpc":"2.0","id":"x","method":"sampling/createMessage","params":{}}"#;
        let heard = hear(&mut switch, asked);
        let answer: Value = serde_json::from_str(&heard.answer.unwrap()).unwrap();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("x"), &json!(-32_601)));
        assert_eq!(heard.odd, Some(Odd::Request));
        let ping = hear(&mut switch, r#"{"jsonrpc":"2.0","id":5,"method":"ping"}"#);
        assert_eq!(ping.answer.unwrap(), r#"{"jsonrpc":"2.0","id":5,"result":{}}"#);
    }
}

#[test]
fn a_log_message_is_told_only_where_there_is_no_doubt_whose_it_is() {
    let mut switch = switch(Audience::Modern);
    let log =
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"secret"}}"#;
    let (_, _, quiet) = begin(&mut switch, &call("1", &json!({})), None);
    assert_eq!(hear(&mut switch, log).odd, Some(Odd::Undeliverable));
    let (id, _, wanting) = begin(&mut switch, &call("2", &json!({LOG_LEVEL: "info"})), None);
    assert_eq!(hear(&mut switch, log).odd, None);
    let (_, _, too) = begin(&mut switch, &call("3", &json!({LOG_LEVEL: "info"})), None);
    assert_eq!(hear(&mut switch, log).odd, Some(Odd::Undeliverable), "either could be meant");
    assert!(switch.abandon(id));
    assert_eq!(hear(&mut switch, log).odd, None);
    assert_eq!([told(&quiet).len(), told(&wanting).len(), told(&too).len()], [0, 1, 1]);
}

#[test]
fn a_subscription_carries_its_clients_id_to_the_end() {
    let mut switch = switch(Audience::Modern);
    let listen = r#"{"jsonrpc":"2.0","id":"L","method":"subscriptions/listen","params":{}}"#;
    let (id, _, outbox) = begin(&mut switch, listen, None);
    let (other, _, elsewhere) = begin(&mut switch, &call("\"L\"", &json!({})), None);
    let notify = |id: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{{"_meta":{{"{SUBSCRIPTION}":{id}}}}}}}"#
        )
    };
    let heard = hear(&mut switch, &notify(&id.to_string()));
    assert!(heard.odd.is_none() && heard.tools_changed);
    assert_eq!(
        hear(&mut switch, &notify(&other.to_string())).odd,
        Some(Odd::Undeliverable),
        "that one listens to nothing"
    );
    let end = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"_meta":{{"{SUBSCRIPTION}":{id}}}}}}}"#);
    hear(&mut switch, &end);
    assert_eq!(told(&outbox), [notify("\"L\""), end.replace(&id.to_string(), "\"L\"")]);
    assert_eq!(told(&elsewhere), [""; 0]);

    let (id, _, outbox) = begin(&mut switch, listen, None);
    hear(&mut switch, &rpc::cancelled(id));
    assert_eq!(outbox.next().now_or_never(), Some(Next::End(End::Done)));
}

#[tokio::test]
async fn what_a_child_asks_its_one_client_goes_to_the_newest_request_or_waits_for_a_listener() {
    let mut switch = switch(one_session(false, &["s"]));
    let ask = r#"{"jsonrpc":"2.0","id":0,"method":"roots/list"}"#;
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    assert!(hear(&mut switch, ask).odd.is_none());
    assert!(hear(&mut switch, changed).odd.is_none());
    assert!(hear(&mut switch, changed).odd.is_none(), "told once");
    let stream = switch.session("s").unwrap().listen(Instant::now()).unwrap();
    assert!(switch.session("s").unwrap().listen(Instant::now()).is_none(), "one at a time");
    assert_eq!(told(&stream), [ask, changed]);

    let (_, _, older) = begin(&mut switch, &call("1", &json!({})), Some("s"));
    let (_, _, newer) = begin(&mut switch, &call("2", &json!({})), Some("s"));
    hear(&mut switch, ask);
    hear(&mut switch, changed);
    assert_eq!(
        (told(&older).len(), told(&newer), told(&stream)),
        (0, vec![ask.to_owned()], vec![changed.to_owned()])
    );
}

#[tokio::test]
async fn sessions_that_share_a_child_hear_nothing_of_each_other() {
    let mut switch = switch(one_session(true, &["a", "b"]));
    assert!(switch.session("a").unwrap().subscribe("file:///x"));
    let updated =
        r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///x"}}"#;
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}"#;
    let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"secret of a"}}"#;
    assert_eq!(hear(&mut switch, log).odd, Some(Odd::Undeliverable));
    hear(&mut switch, updated);
    hear(&mut switch, changed);
    let listen =
        |switch: &mut Switch, id: &str| told(&switch.session(id).unwrap().listen(Instant::now()).unwrap());
    assert_eq!(listen(&mut switch, "a"), [updated, changed]);
    assert_eq!(listen(&mut switch, "b"), [changed]);

    let (one, _, _) = begin(&mut switch, &call("7", &json!({})), Some("a"));
    begin(&mut switch, &call("7", &json!({})), Some("b"));
    assert_eq!(switch.call_of("a", "7"), Some(one));
    assert_eq!(switch.call_of("a", "8"), None);
    assert!(switch.is_busy("a"));
    assert!(switch.end_session("a"));
    assert!(!switch.is_busy("a") && switch.is_busy("b"));
    assert_eq!(hear(&mut switch, &result(one)).odd, Some(Odd::UnknownAnswer));
}

#[tokio::test]
async fn whoever_waits_hears_that_the_child_is_gone() {
    let mut switch = switch(one_session(false, &["s"]));
    let (_, _, outbox) = begin(&mut switch, &call("1", &json!({})), Some("s"));
    let (tell, told) = oneshot::channel();
    switch.begin_own(tell);
    let stream = switch.session("s").unwrap().listen(Instant::now()).unwrap();
    switch.lose();
    assert!(switch.lost);
    assert_eq!(outbox.next().await, Next::End(End::Lost));
    assert_eq!(stream.next().await, Next::End(End::Done));
    assert!(told.await.is_err());
}

#[test]
fn a_task_keeps_its_instance_in_use_until_it_expires() {
    for (answer, expected) in [
        (r#"{"resultType":"task","taskId":"t","ttlMs":60000}"#, Some(60_000)),
        (r#"{"resultType":"task","taskId":"t","ttlMs":null}"#, Some(LONGEST_TASK_MS)),
        (r#"{"resultType":"task","ttlMs":99999999999999}"#, Some(LONGEST_TASK_MS)),
        (r#"{"resultType":"complete","ttlMs":60000}"#, None),
        (r#"{"content":[]}"#, None),
    ] {
        let text = rpc::result("1", answer);
        assert_eq!(task_ms(&text, &Outline::of(&text).unwrap()), expected, "{answer}");
    }
}
