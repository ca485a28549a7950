use super::*;

fn resolved(file: &str, env: &[(&str, &str)], flags: &Flags) -> Result<Loaded, ConfigError> {
    let surroundings = Surroundings {
        working_dir: "/srv/minimcp".into(),
        environment: env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        ..Surroundings::default()
    };
    let mut layers = Layers::read(&Flags::default(), &Surroundings::default()).unwrap();
    layers.file(file, &Origin::File("minimcp.toml".into()));
    layers.environment(&surroundings);
    layers.flags(flags);
    resolve(layers, &surroundings)
}

/// The settings that a file with this text leads to.
pub(crate) fn settings(file: &str) -> Settings {
    resolved(file, &[], &Flags::default()).unwrap().settings
}

/// What is told of a file with this text, which does not hold.
pub(crate) fn fault_of(file: &str) -> String {
    resolved(file, &[], &Flags::default()).unwrap_err().to_string()
}

#[test]
fn the_defaults_need_nothing() {
    let settings = settings("");
    assert_eq!(settings.listen.to_string(), "127.0.0.1:7878");
    assert_eq!(settings.public_url, "http://127.0.0.1:7878");
    assert_eq!(settings.data_dir, PathBuf::from("/srv/minimcp/data"));
    assert_eq!(settings.servers_dir, PathBuf::from("/srv/minimcp/mcp-servers"));
    assert_eq!(settings.ports, 20_000..=29_999);
    assert_eq!(settings.default_lease, Duration::from_secs(3_600));
    assert_eq!(settings.max_lease, Duration::from_secs(30 * 86_400));
    assert_eq!(settings.http.max_body, 262_144);
    assert_eq!(settings.gateway.max_body, 10_485_760);
    assert_eq!(
        secrecy::ExposeSecret::expose_secret(&settings.database_url),
        "sqlite:///srv/minimcp/data/minimcp.db"
    );
}

#[test]
fn flags_beat_the_environment_which_beats_the_file_and_each_value_says_where_it_came_from() {
    let flags = Flags { listen: Some("127.0.0.1:3".into()), ..Flags::default() };
    let file = "listen = '127.0.0.1:1'\ngrace = '1s'\nmax-concurrent-starts = 4\n[gateway]\nwait = '5s'";
    let env =
        [("MINIMCP_LISTEN", "127.0.0.1:2"), ("MINIMCP_GATEWAY_WAIT", "6s"), ("MINIMCP_PORT", "tcp://x")];
    let loaded = resolved(file, &env, &flags).unwrap();
    assert_eq!(loaded.settings.listen.port(), 3);
    assert_eq!(loaded.settings.gateway.wait, Duration::from_secs(6));
    assert_eq!(loaded.settings.max_concurrent_starts, 4);
    let text = loaded.report.to_string();
    for (key, origin) in [
        ("listen", "# flag"),
        ("gateway.wait", "# environment MINIMCP_GATEWAY_WAIT"),
        ("grace", "# minimcp.toml"),
        ("ports", "# default"),
    ] {
        let line = text.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
        assert!(line.ends_with(origin), "{line}");
    }
    // What is printed can be used as a file again and leads to the same.
    assert_eq!(
        resolved(&text, &[], &Flags::default()).unwrap().settings.gateway.wait,
        Duration::from_secs(6)
    );
}

#[test]
fn every_mistake_is_told_at_once_with_its_key() {
    let file = "listen = 'nowhere'\nports = '9-1'\nlogs = 1\ngrace = true\non-shutdown = 'explode'\n\
                default-lease = '31d'\n[gateway]\nwait = 'soon'\nmax-body = '1'";
    let faults = resolved(file, &[("MINIMCP_LOG_LEVEL", "loud")], &Flags::default()).unwrap_err().0;
    let mut keys: Vec<&str> = faults.iter().map(|fault| fault.key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "default-lease",
            "gateway.max-body",
            "gateway.wait",
            "grace",
            "listen",
            "log.level",
            "logs",
            "on-shutdown",
            "ports"
        ]
    );
    assert!(faults.iter().all(|fault| !fault.detail.is_empty()));
    assert!(resolved("not toml", &[], &Flags::default()).unwrap_err().to_string().contains("config"));
}

#[test]
fn what_other_machines_reach_needs_a_public_url() {
    let error = resolved("listen = '0.0.0.0:7878'", &[], &Flags::default()).unwrap_err();
    assert!(error.to_string().contains("public-url"), "{error}");
    let settings =
        settings("listen = '0.0.0.0:7878'\npublic-url = 'https://mcp.example.org/'\n[http]\ntls = 'proxy'");
    assert_eq!(settings.public_url, "https://mcp.example.org");
    assert!(settings.host_is_ours("mcp.example.org") && settings.host_is_ours("MCP.example.org:443"));
    assert!(!settings.host_is_ours("mcp.example.org:80"));
}

#[test]
fn what_other_machines_reach_needs_tls_in_front_or_a_word_that_it_has_none() {
    let fault = |listen: &str, url: &str, tls: &str| {
        let file = format!("listen = '{listen}'\npublic-url = '{url}'\n[http]\ntls = '{tls}'");
        resolved(&file, &[], &Flags::default()).err().map(|error| error.to_string())
    };
    for listen in ["0.0.0.0:7878", "[::]:7878", "10.0.0.1:7878"] {
        let refused = fault(listen, "https://mcp.example.org", "loopback").unwrap();
        assert!(refused.contains("proxy") && refused.contains("127.0.0.1"), "{refused}");
        assert!(fault(listen, "http://mcp.example.org", "proxy").unwrap().contains("https://"));
        assert_eq!(fault(listen, "https://mcp.example.org", "proxy"), None);
        assert_eq!(fault(listen, "http://mcp.example.org", "insecure"), None);
    }
    for listen in ["127.0.0.1:7878", "[::1]:7878"] {
        assert_eq!(fault(listen, "http://mcp.example.org", "loopback"), None);
    }
}

#[test]
fn the_password_of_the_database_is_masked() {
    let loaded =
        resolved("database-url = 'postgres://me:hunter2@db/x?password=hunter2'", &[], &Flags::default())
            .unwrap();
    assert!(!format!("{loaded:?} {}", loaded.report).contains("hunter2"));
    let error = resolved("database-url = 'mysql://me:hunter2@db'", &[], &Flags::default()).unwrap_err();
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn only_our_own_hosts_and_origins_pass() {
    let settings = settings("allowed-hosts = ['box.lan', 'one.lan:8080']");
    for host in ["127.0.0.1:7878", "localhost:7878", "LocalHost:7878", "[::1]:7878", "127.1.2.3:7878"] {
        assert!(settings.host_is_ours(host), "{host}");
        assert!(settings.origin_is_ours(&format!("http://{host}")), "{host}");
    }
    for host in ["box.lan", "box.lan:7878", "one.lan:8080"] {
        assert!(settings.host_is_ours(host), "{host}");
    }
    for host in [
        "",
        "127.0.0.1",
        "127.0.0.1:80",
        "127.0.0.1:+7878",
        "localhost:7878:7878",
        "localhost.evil.org:7878",
        "evil.org",
        "evil.org:7878",
        "127.0.0.1.evil.org:7878",
        "localhost:7878@evil.org",
        "10.0.0.1:7878",
        "one.lan",
        "one.lan:1",
    ] {
        assert!(!settings.host_is_ours(host), "{host}");
    }
    for origin in
        ["null", "", "file://", "ftp://localhost:7878", "http://a@localhost:7878", "http://localhost:7878/x"]
    {
        assert!(!settings.origin_is_ours(origin), "{origin}");
    }
}
