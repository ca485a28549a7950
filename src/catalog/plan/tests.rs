use super::{Host, NoPlan, Subject, directories, node_flags, plan};
use crate::catalog::credentials::Credentials;
use crate::catalog::program::{Program, Runtime};
use crate::catalog::{CredentialFields, CredentialHandover, TypeDefinition, variables};
use minimcp_actors::launch::{Launch, Plan};
use minimcp_actors::state::Run;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

fn definition() -> TypeDefinition {
    serde_json::from_value(json!({
        "name": "github", "display_name": "GitHub", "server_script": "dist/github.mjs", "args": ["--strict"],
        "config_template": {"timeout_ms": 30_000},
        "credential_fields": {"required": ["token"], "optional": ["app"], "field_types": {"app": "number"}},
        "env": {"GITHUB_API_URL": "https://api.github.com"},
        "env_map": {"token": "API_KEY", "app": "APP_ID"},
    }))
    .unwrap()
}

fn host() -> Host {
    Host {
        program: Program {
            path: "/opt/node".into(),
            script: Some("/srv/dist/github.mjs".into()),
            runtime: Runtime::Node,
        },
        servers_dir: "/srv".into(),
        search_path: "/usr/bin:/bin".into(),
        home: "/var/home".into(),
        log_dir: "/var/logs".into(),
        preload: "/var/preload.cjs".into(),
    }
}

fn launch() -> Launch {
    Launch { id: Uuid::from_u128(1), run: Run(3), port: Some(4_321), nonce: "n0nce".into() }
}

fn planned(config: Value, credentials: Option<Value>, debug: bool) -> Result<Plan, NoPlan> {
    planned_as(definition(), config, credentials, debug)
}

fn planned_as(
    definition: TypeDefinition,
    config: Value,
    credentials: Option<Value>,
    debug: bool,
) -> Result<Plan, NoPlan> {
    let credentials = credentials.map(|given| {
        Credentials::check(given.as_object().unwrap().clone(), &definition.credential_fields).unwrap()
    });
    let subject = Subject {
        user_id: Uuid::from_u128(2),
        definition: &definition,
        config: config.as_object().unwrap(),
        credentials: credentials.as_ref(),
        debug,
    };
    plan(&subject, &host(), &launch())
}

fn environment(plan: &Plan) -> BTreeMap<&str, &str> {
    shown(&plan.env)
}

fn shown(variables: &[(String, SecretString)]) -> BTreeMap<&str, &str> {
    let shown: BTreeMap<_, _> =
        variables.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
    assert_eq!(shown.len(), variables.len(), "no variable twice");
    shown
}

#[test]
fn the_environment_is_exactly_what_the_design_lists() {
    let plan = planned(json!({"timeout_ms": 5}), Some(json!({"token": "t0k", "app": 7})), false).unwrap();
    let wanted = [
        ("CONFIG", r#"{"timeout_ms":5}"#),
        ("GITHUB_API_URL", "https://api.github.com"),
        ("HOME", "/var/home"),
        ("LANG", "C.UTF-8"),
        ("LOG_DIR", "/var/logs"),
        ("LOG_LEVEL", "info"),
        ("MCP_ID", "00000000-0000-0000-0000-000000000001"),
        ("MCP_NONCE", "n0nce"),
        ("MCP_TYPE", "github"),
        ("NODE_ENV", "production"),
        ("PATH", "/usr/bin:/bin"),
        ("PORT", "4321"),
        ("USER_ID", "00000000-0000-0000-0000-000000000002"),
    ];
    assert_eq!(environment(&plan), BTreeMap::from(wanted));
    let sealed = [("API_KEY", "t0k"), ("APP_ID", "7"), ("CREDENTIALS", r#"{"app":7,"token":"t0k"}"#)];
    assert_eq!(shown(&plan.sealed), BTreeMap::from(sealed));
    assert_eq!(plan.program.to_str(), Some("/opt/node"));
    let preloaded = ["--max-semi-space-size=1", "--require", "/var/preload.cjs"];
    assert_eq!(plan.args, [&preloaded[..], &["/srv/dist/github.mjs", "--strict"]].concat());
    assert_eq!(plan.cwd.to_str(), Some("/srv"));
    assert_eq!(plan.log_dir.to_str(), Some("/var/logs.output"));
}

#[test]
fn debug_adds_the_variables_of_the_integration_guide_but_none_that_prints_credentials() {
    let (quiet, loud) =
        [false, true].map(|debug| planned(json!({}), Some(json!({"token": "t"})), debug).unwrap()).into();
    let (quiet, mut loud) = (environment(&quiet), environment(&loud));
    assert_eq!(loud.insert("LOG_LEVEL", "info"), Some("debug"));
    assert_eq!(loud.remove("DEBUG"), Some("mcp:*"));
    assert_eq!(loud, quiet);

    let plain = TypeDefinition { credential_fields: CredentialFields::default(), ..definition() };
    let loud = planned_as(plain, json!({}), None, true).unwrap();
    assert_eq!(environment(&loud)["NODE_DEBUG"], "http,net,stream");
}

#[test]
fn nothing_secret_is_in_the_arguments_or_in_debug() {
    let plan = planned(json!({}), Some(json!({"token": "CANARY"})), true).unwrap();
    assert!(!plan.args.iter().any(|arg| arg.contains("CANARY")));
    assert!(!format!("{plan:?}").contains("CANARY"));
}

#[test]
fn a_program_that_node_does_not_run_and_one_whose_type_asks_for_it_find_credentials_in_the_environment() {
    let asked = TypeDefinition { credential_handover: CredentialHandover::Environment, ..definition() };
    let other = TypeDefinition { server_script: None, command: Some("tool".into()), ..definition() };
    for definition in [asked, other] {
        let plan = planned_as(definition, json!({}), Some(json!({"token": "t0k"})), false).unwrap();
        assert_eq!(environment(&plan)["CREDENTIALS"], r#"{"token":"t0k"}"#);
        assert_eq!(environment(&plan)["API_KEY"], "t0k");
        assert!(plan.sealed.is_empty() && !plan.args.iter().any(|arg| arg == "--require"));
    }
}

#[test]
fn a_server_without_a_port_gets_none_and_a_command_runs_in_its_home() {
    let definition: TypeDefinition =
        serde_json::from_value(json!({"name": "x", "display_name": "X", "command": "tool", "args": ["-v"]}))
            .unwrap();
    let config = Map::new();
    let subject = Subject {
        user_id: Uuid::nil(),
        definition: &definition,
        config: &config,
        credentials: None,
        debug: false,
    };
    let host =
        Host { program: Program { path: "/bin/tool".into(), script: None, runtime: Runtime::Own }, ..host() };
    let plan = plan(&subject, &host, &Launch { port: None, ..launch() }).unwrap();
    assert!(!environment(&plan).contains_key("PORT"));
    assert_eq!(environment(&plan)["CREDENTIALS"], "{}");
    assert_eq!(plan.args, ["-v"]);
    assert_eq!(plan.cwd.to_str(), Some("/var/home"));
}

#[test]
fn an_instance_that_no_longer_fits_its_type_is_refused() {
    let error = planned(json!({"NODE_OPTIONS": "-r x"}), Some(json!({"token": "t"})), false).unwrap_err();
    assert!(matches!(error, NoPlan::Config(_)));
    assert_eq!(planned(json!({}), None, false).unwrap_err(), NoPlan::Credential("token".into()));
}

#[test]
fn no_variable_the_daemon_sets_can_be_set_by_a_type() {
    let plan = planned(json!({}), Some(json!({"token": "t"})), true).unwrap();
    let definition = definition();
    let own = plan.env.iter().map(|(name, _)| name.as_str()).filter(|name| {
        !definition.env.contains_key(*name) && !definition.env_map.values().any(|mapped| mapped == name)
    });
    for name in own {
        assert!(variables::refusal(name).is_some(), "{name}");
    }
}

#[test]
fn a_memory_limit_leaves_room_beside_the_heap_of_node() {
    assert_eq!(node_flags(Some(512)), ["--max-semi-space-size=1", "--max-old-space-size=384"]);
    assert_eq!(node_flags(Some(1)), ["--max-semi-space-size=1", "--max-old-space-size=16"]);
}

fn packaged(registry: &str, program: Program) -> Plan {
    let definition: TypeDefinition = serde_json::from_value(json!({
        "name": "x", "display_name": "X", "package": {"registry": registry, "name": "x", "version": "1.0.0"},
        "args": ["{config.root}", "--level={config.level}", "--port={port}"],
        "env": {"STATE": "{home}/state.json", "LEVEL": "{config.level}", "TAGS": "{config.tags}"},
        "config_template": {"root": ".", "level": null, "tags": ["a", "b"]},
        "config_fields": {"root": {"kind": "directory"}},
    }))
    .unwrap();
    definition.check().unwrap();
    let config = json!({"root": "mine"});
    let subject = Subject {
        user_id: Uuid::nil(),
        definition: &definition,
        config: config.as_object().unwrap(),
        credentials: None,
        debug: false,
    };
    assert_eq!(directories(&definition, subject.config).unwrap(), [std::path::Path::new("mine")]);
    plan(&subject, &Host { program, ..host() }, &launch()).unwrap()
}

#[test]
fn a_package_is_run_directly_in_the_home_of_its_instance_with_its_places_filled() {
    let of = |path: &str, runtime| Program { path: path.into(), script: Some("/p/start".into()), runtime };
    let node = packaged("npm", of("/opt/node", Runtime::Node));
    assert_eq!(node.args, ["--max-semi-space-size=1", "/p/start", "/var/home/mine", "--port=4321"]);
    let python = packaged("pypi", of("/p/venv/bin/python", Runtime::Python("x.cli:main".into())));
    assert_eq!(python.args, ["-I", "-B", "/p/start", "x.cli:main", "/var/home/mine", "--port=4321"]);
    for plan in [node, python] {
        assert_eq!(plan.cwd.to_str(), Some("/var/home"));
        let environment = environment(&plan);
        assert_eq!(environment["STATE"], "/var/home/state.json");
        assert_eq!(environment["TAGS"], "a,b");
        assert!(!environment.contains_key("LEVEL"), "a variable without a value is not set");
    }
}
