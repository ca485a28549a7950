use proptest::prelude::*;

use super::*;

/// JSON as somebody might write it: any spelling of numbers and strings, white space, repeated members.
fn any_json() -> impl Strategy<Value = String> {
    let number = prop::sample::select(vec![
        "0",
        "-0",
        "1.0",
        "1e0",
        "1E+2",
        "-1.50",
        "18446744073709551616",
        "0.1e-7",
        "12345678901234567890.5",
    ]);
    let string = prop::sample::select(vec![
        "\"\"",
        "\"\\u0041\\n\"",
        "\"\\\"id\\\":7\"",
        "\"\u{e9}\\/\"",
        "\"\\ud800\"",
        "\"}{][\"",
        "\"\\\\\"",
    ]);
    let other = prop::sample::select(vec!["null", "true", "false"]);
    let leaf = prop_oneof![number, string, other].prop_map(str::to_owned);
    leaf.prop_recursive(3, 24, 4, |inner| {
        let list = (space(), prop::collection::vec(inner.clone(), 0..4))
            .prop_map(|(space, items)| format!("[{space}{}]", items.join(&format!("{space},"))));
        let object =
            (space(), prop::collection::vec((any_name(), inner), 0..4)).prop_map(|(space, members)| {
                let members: Vec<String> = members
                    .into_iter()
                    .map(|(name, value)| format!("{name}{space}:{space}{value}"))
                    .collect();
                format!("{{{}{space}}}", members.join(","))
            });
        prop_oneof![list, object]
    })
}

fn any_name() -> impl Strategy<Value = &'static str> {
    // Names that matter elsewhere mean nothing here, and none of them is what is replaced.
    prop::sample::select(vec![
        "\"x\"",
        "\"\\u0069dx\"",
        "\"_meta\"",
        "\"ID\"",
        "\"\"",
        "\"a\\\"b\"",
        "\"\\ud800\"",
    ])
}

fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", " ", "\n\t", "\r\n "])
}

/// Members that are none of those that are replaced.
fn others() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec((any_name(), any_json()).prop_map(|(name, value)| format!("{name}: {value}")), 0..4)
}

fn object(space: &str, members: &[String]) -> String {
    format!("{{{space}{}{space}}}", members.join(&format!("{space},")))
}

fn any_id() -> impl Strategy<Value = String> {
    let odd = ["\"\"", "\"\\u0031\"", "-7", "0", "18446744073709551616", "\"a\\\"}\""].map(str::to_owned);
    prop_oneof![prop::sample::select(odd.to_vec()), any::<u32>().prop_map(|id| id.to_string())]
}

proptest! {
    #[test]
    fn only_the_id_and_the_token_change_and_every_other_byte_stays(
        (before, between, after) in (others(), others(), others()),
        (inside, meta) in (others(), others()),
        (id, token) in (any_id(), any_id()),
        (space, id_name) in (space(), prop::sample::select(vec!["\"id\"", "\"\\u0069d\"", "\"i\\u0064\""])),
    ) {
        let message = |id: &str, token: &str| {
            let meta = object(space, &[&meta[..], &[format!("\"progressToken\"{space}:{space}{token}")]].concat());
            let params = object(space, &[&inside[..], &[format!("\"_meta\":{meta}")]].concat());
            let fixed = ["\"jsonrpc\":\"2.0\"".to_owned(), "\"method\":\"tools\\/call\"".to_owned()];
            let parts = [
                &before[..], &fixed[..], &[format!("{id_name}{space}:{id}")], &between[..],
                &[format!("\"params\":{space}{params}")], &after[..],
            ];
            object(space, &parts.concat())
        };
        let text = message(&id, &token);
        let outline = Outline::of(&text).unwrap();
        prop_assert_eq!((outline.kind, outline.method.as_str(), outline.repeated), (Kind::Request, "tools/call", None));
        prop_assert_eq!(outline.id(&text), Some(id.as_str()));
        let params = outline.params.clone().unwrap();
        let place = at(&text, &params, &["_meta", "progressToken"]).unwrap();
        prop_assert_eq!(&text[place.clone()], token.as_str());
        let edits = vec![(place, "4711".to_owned()), (outline.ids[0].clone(), "42".to_owned())];
        prop_assert_eq!(replaced(&text, edits), message("42", "4711"));
    }

    #[test]
    fn an_answer_gets_the_id_of_its_client_back_and_is_otherwise_what_the_server_wrote(
        (before, after) in (others(), others()),
        result in any_json(),
        (ours, theirs) in (any_id(), any_id()),
        space in space(),
    ) {
        let message = |id: &str| {
            let parts = [
                &before[..], &[format!("\"id\": {id}"), "\"jsonrpc\":\"2.0\"".to_owned()],
                &[format!("\"result\":{space}{result}")], &after[..], &[format!("\"id\":{space}{id}")],
            ];
            object(space, &parts.concat())
        };
        let text = message(&ours);
        let outline = Outline::of(&text).unwrap();
        prop_assert_eq!((outline.kind, outline.ids.len(), outline.repeated), (Kind::Response, 2, Some("id")));
        prop_assert_eq!(&text[outline.result.unwrap()], result.as_str());
        let edits = outline.ids.into_iter().map(|span| (span, theirs.clone())).collect();
        prop_assert_eq!(replaced(&text, edits), message(&theirs));
    }

    #[test]
    fn whatever_is_read_nothing_panics(bytes in ".{0,64}", cut in 0usize..80) {
        let _ = Outline::of(&bytes);
        let whole = r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"progressToken":1}}}"#;
        let cut = cut.min(whole.len() - 1);
        prop_assert_eq!(Outline::of(&whole[..cut]), Err(NoMessage::Malformed));
    }
}

#[test]
fn what_is_no_message_is_told_apart() {
    for (text, expected) in [
        ("", NoMessage::Malformed),
        ("hello", NoMessage::Malformed),
        ("{\"jsonrpc\":\"2.0\"", NoMessage::Malformed),
        ("[]", NoMessage::Batch),
        (" [{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]", NoMessage::Batch),
        ("7", NoMessage::Invalid),
        ("{}", NoMessage::Invalid),
        ("{\"level\":\"info\"}", NoMessage::Invalid),
        ("{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", NoMessage::Invalid),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}", NoMessage::Invalid),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"result\":1}", NoMessage::Invalid),
        ("{\"jsonrpc\":\"2.0\",\"result\":1}", NoMessage::Invalid),
    ] {
        assert_eq!(Outline::of(text), Err(expected), "{text}");
    }
}

#[test]
fn ids_are_strings_and_integers() {
    for id in ["\"\"", "\"a\"", "0", "-1", "18446744073709551616"] {
        assert!(is_id(id), "{id}");
    }
    for id in ["null", "true", "1.0", "1e3", "[]", "{}", ""] {
        assert!(!is_id(id), "{id}");
    }
}
