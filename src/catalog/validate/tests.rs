use super::super::TypeDefinition;
use serde_json::json;

fn faults_of(change: serde_json::Value) -> Vec<String> {
    let mut definition = json!({"name": "x", "display_name": "X", "server_script": "x.mjs"});
    for (key, value) in change.as_object().unwrap() {
        definition[key] = value.clone();
    }
    let definition: TypeDefinition = serde_json::from_value(definition).unwrap();
    match definition.check() {
        Ok(()) => Vec::new(),
        Err(invalid) => invalid.faults.into_iter().map(|fault| fault.pointer).collect(),
    }
}

#[test]
fn all_faults_are_told_at_once_each_with_its_place() {
    let faults = faults_of(json!({
        "name": "No", "display_name": " ", "server_script": "../x", "mcp_path": "mcp", "warm": 65,
        "config_locked": ["a"], "env": {"LD_PRELOAD": "x"}, "env_map": {"key": "PATH"},
        "health_check": {"kind": "http", "interval_seconds": 0},
        "resource_limits": {"max_memory_mb": 1, "max_cpu_percent": 0},
        "credential_fields": {"required": ["a", "a", "b c"], "field_types": {"z": "number"}, "primary": "q"},
    }));
    assert_eq!(
        faults,
        [
            "/name",
            "/display_name",
            "/server_script",
            "/mcp_path",
            "/config_locked/0",
            "/credential_fields/required/1",
            "/credential_fields/required/2",
            "/credential_fields/field_types/z",
            "/credential_fields/primary",
            "/resource_limits/max_memory_mb",
            "/resource_limits/max_cpu_percent",
            "/warm",
            "/health_check/endpoint",
            "/health_check/interval_seconds",
            "/env/LD_PRELOAD",
            "/env_map/key",
            "/env_map/key",
        ]
    );
}

#[test]
fn names_that_could_be_paths_are_refused() {
    let long = "a".repeat(64);
    for name in ["", "-a", "A", "a_b", "a/b", "..", "a\0", "a.b", "%2e", "ä", "a ", long.as_str()] {
        assert_eq!(faults_of(json!({"name": name})), ["/name"], "{name}");
    }
    for name in ["a", "0", "git-hub-2", "con", &long[..63]] {
        assert_eq!(faults_of(json!({"name": name})), [""; 0], "{name}");
    }
}

#[test]
fn scripts_that_could_leave_the_servers_directory_are_refused() {
    for script in ["", "/etc/x.js", "../x.js", "a/../../x.js", "./x.js", "a\\b.js", "a\0.js", ".."] {
        assert_eq!(faults_of(json!({"server_script": script})), ["/server_script"], "{script}");
    }
    assert_eq!(faults_of(json!({"server_script": "node_modules/@a/b/dist/i.js"})), [""; 0]);
}

#[test]
fn a_type_has_either_a_script_or_a_command() {
    assert_eq!(faults_of(json!({"command": "node"})), ["/command"]);
    assert_eq!(faults_of(json!({"server_script": null})), ["/server_script"]);
    for command in ["node", "/usr/bin/python3"] {
        assert_eq!(faults_of(json!({"server_script": null, "command": command})), [""; 0]);
    }
    for command in ["", "bin/x", "../x", "a\nb"] {
        assert_eq!(faults_of(json!({"server_script": null, "command": command})), ["/command"], "{command}");
    }
}

#[test]
fn a_package_stands_alone_and_every_place_has_something_to_fill_it() {
    let package = json!({"registry": "npm", "name": "x", "version": "1.0.0"});
    assert_eq!(faults_of(json!({"package": package})), ["/package"]);
    assert_eq!(faults_of(json!({"server_script": null, "package": package})), [""; 0]);
    let template = json!({"root": null});
    for (args, env, faults) in [
        (json!(["{config.root}", "{home}", "{port}"]), json!({"A": "{config.root}"}), vec![]),
        (json!(["{config.other}"]), json!({}), vec!["/args/0"]),
        (json!([]), json!({"A": "{config.other}"}), vec!["/env/A"]),
    ] {
        assert_eq!(faults_of(json!({"config_template": template, "args": args, "env": env})), faults);
    }
    let check = json!({"kind": "mcp"});
    assert_eq!(faults_of(json!({"lane": "stdio", "health_check": check, "args": ["{port}"]})), ["/args/0"]);
}

#[test]
fn fields_are_about_declared_keys_and_say_nothing_that_contradicts_itself() {
    for (field, faults) in [
        (json!({"kind": "directory", "below": ["/srv/a"]}), vec![]),
        (json!({"kind": "directory", "below": ["srv"]}), vec!["/config_fields/a/below"]),
        (json!({"kind": "file", "below": ["/srv/../etc"]}), vec!["/config_fields/a/below"]),
        (json!({"below": ["/srv"]}), vec!["/config_fields/a/below"]),
        (json!({"kind": "file", "choices": ["x"]}), vec!["/config_fields/a/choices"]),
    ] {
        assert_eq!(faults_of(json!({"config_template": {"a": null}, "config_fields": {"a": field}})), faults);
    }
    assert_eq!(faults_of(json!({"config_fields": {"b": {}}})), ["/config_fields/b"]);
}

#[test]
fn a_health_check_fits_its_lane() {
    for kind in ["tcp", "http"] {
        let endpoint = if kind == "http" { json!("/health") } else { json!(null) };
        let check = json!({"kind": kind, "endpoint": endpoint});
        assert_eq!(faults_of(json!({"lane": "stdio", "health_check": check})), ["/health_check/kind"]);
        assert_eq!(faults_of(json!({"lane": "http", "health_check": check})), [""; 0]);
    }
    for kind in ["mcp", "process"] {
        assert_eq!(faults_of(json!({"lane": "stdio", "health_check": {"kind": kind}})), [""; 0]);
    }
    for endpoint in ["health", "/a b", "/../x", "/x?y", "http://elsewhere/", "/%2e%2e"] {
        let check = json!({"endpoint": endpoint});
        assert_eq!(faults_of(json!({"health_check": check})), ["/health_check/endpoint"], "{endpoint}");
    }
}
