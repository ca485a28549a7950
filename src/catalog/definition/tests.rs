use super::{CredentialFields, FieldType, HealthKind, Lane, TypeDefinition};

#[test]
fn toml_and_json_say_the_same() {
    let toml = TypeDefinition::from_toml(
        "name = 'x'\ndisplay_name = 'X'\ncommand = 'node'\n[resource_limits]\nmax_memory_mb = 512\n",
    );
    let json = TypeDefinition::from_json(
        r#"{"name": "x", "display_name": "X", "command": "node", "resource_limits": {"max_memory_mb": "512"}}"#,
    );
    let definition = toml.unwrap();
    assert_eq!(json.unwrap(), definition);
    assert_eq!(definition.lane, Lane::Http);
    assert_eq!(definition.mcp_path, "/mcp");
    assert_eq!(definition.health_check.kind, HealthKind::Http);
    assert_eq!(definition.health_check.interval_seconds, 30);
    assert_eq!(definition.resource_limits.max_memory_mb, Some(512));
}

#[test]
fn the_field_names_of_the_integration_guide_are_understood() {
    let definition = TypeDefinition::from_json(
        r#"{"name": "gmail", "display_name": "Gmail MCP", "server_script": "gmail-mcp-server.js",
            "scopes": ["gmail.readonly"],
            "credential_fields": {"required_fields": ["api_key"], "optional_fields": ["refresh_token"],
                "field_types": {"api_key": "string"}},
            "health_check": {"endpoint": "/health", "interval_seconds": 30}}"#,
    )
    .unwrap();
    assert_eq!(definition.required_scopes, ["gmail.readonly"]);
    assert_eq!(definition.credential_fields.required, ["api_key"]);
    assert_eq!(definition.credential_fields.optional, ["refresh_token"]);
}

#[test]
fn unknown_fields_are_refused_by_name() {
    let text = r#"{"name": "x", "display_name": "X", "uid": 0}"#;
    let error = TypeDefinition::from_json(text).unwrap_err().to_string();
    assert!(error.contains("`uid`"), "{error}");
    let text = "name = 'x'\ndisplay_name = 'X'\n[health_check]\nurl = '/'\n";
    let error = TypeDefinition::from_toml(text).unwrap_err().to_string();
    assert!(error.contains("`url`"), "{error}");
}

#[test]
fn the_primary_field_is_the_named_one_else_the_best_known_one_else_the_first() {
    let mut fields = CredentialFields {
        required: vec!["account".into(), "client_secret".into(), "api_key".into()],
        ..CredentialFields::default()
    };
    assert_eq!(fields.primary(), Some("api_key"));
    fields.required.truncate(1);
    assert_eq!(fields.primary(), Some("account"));
    fields.primary = Some("other".into());
    assert_eq!(fields.primary(), Some("other"));
    assert_eq!(CredentialFields::default().primary(), None);
    assert_eq!(fields.type_of("account"), FieldType::String);
}
