//! A whole daemon in this process: store, vault, actors on real processes, journal and HTTP on a port of its
//! own, in a directory that goes with the test.

use std::path::Path;
use std::sync::{Arc, Once};
use std::time::Duration;

use actix::Actor;
use chrono::{DateTime, Utc};
use minimcp::archive::Keeper;
use minimcp::audit::{Options, Trail, anchor};
use minimcp::catalog::TypeDefinition;
use minimcp::config::{Flags, Settings};
use minimcp::gateway::{AccessTable, Gateway, Servers};
use minimcp::http::{Bounds, Context, Loops, Parts};
use minimcp::instances::Instances;
use minimcp::journal::{Journal, JournalState};
use minimcp::provision::Provisioner;
use minimcp::stdio::Stdio;
use minimcp::store::{Location, NewToken, NewUser, Quota, Role, Store};
use minimcp::traces::Traces;
use minimcp::trends::Trends;
use minimcp::vault::{KeyRotation, KeySource, TokenKind, Vault, unlock};
use minimcp::webhooks::{Lookup, Sources, SystemLookup, Webhooks};
use minimcp_actors::launch::cgroup::Cgroups;
use minimcp_actors::launch::gate::Gate;
use minimcp_actors::launch::local::LocalLauncher;
use minimcp_actors::launch::logs::{LogKeeper, Rotation};
use minimcp_actors::launch::record::RunDir;
use minimcp_actors::{ActorThread, Config, Supervision};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::ground::{own_ports, private_dir};

/// Chooses the TLS of this program, once: without, no HTTP client can be built.
pub(crate) fn clients_can_be_built() {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        rustls::crypto::ring::default_provider().install_default().expect("nobody was faster");
    });
}

/// A daemon of its own for one test.
pub(crate) struct Daemon {
    pub(crate) settings: Arc<Settings>,
    pub(crate) store: Store,
    pub(crate) supervision: Supervision,
    pub(crate) trail: Trail,
    /// An administrator's token.
    pub(crate) admin: String,
    pub(crate) vault: Vault,
    pub(crate) rotation: KeyRotation,
    client: reqwest::Client,
    /// Whether the daemon counts as restored.
    pub(crate) restored: watch::Sender<bool>,
    stop: CancellationToken,
    serving: Option<tokio::task::JoinHandle<()>>,
    actors: Option<ActorThread>,
    _dir: TempDir,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON in {self:?}"))
    }

    /// The code of a problem, and that it is one.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let document = self.json();
        assert_eq!(document["status"], self.status.as_u16(), "{self:?}");
        assert!(document["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{self:?}");
        document["code"].as_str().expect("every problem has a code").to_owned()
    }
}

impl Daemon {
    pub(crate) async fn start() -> Self {
        Self::with(&[], Bounds::default()).await
    }

    /// A daemon with these settings, written as `key=value`, and bounds of connections.
    pub(crate) async fn with(set: &[&str], bounds: Bounds) -> Self {
        Self::resolving(set, bounds, Arc::new(SystemLookup)).await
    }

    /// The same with another way from names to addresses.
    pub(crate) async fn resolving(set: &[&str], bounds: Bounds, lookup: Arc<dyn Lookup>) -> Self {
        clients_can_be_built();
        let dir = private_dir();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let servers = Path::new(env!("CARGO_MANIFEST_DIR")).join("mcp-servers");
        let ports = own_ports();
        let mut flags = Flags {
            data_dir: Some(dir.path().to_owned()),
            listen: Some(listener.local_addr().unwrap().to_string()),
            set: vec![
                format!("servers-dir={}", servers.display()),
                format!("ports={}-{}", ports.start(), ports.end()),
                "sample-interval=200ms".into(),
                "grace=500ms".into(),
            ],
            ..Flags::default()
        };
        flags.set.extend(set.iter().map(ToString::to_string));
        let settings = Arc::new(minimcp::config::load(&flags).unwrap().settings);
        let location = Location::parse(secrecy::ExposeSecret::expose_secret(&settings.database_url)).unwrap();
        let key = KeySource::file(dir.path().join("master.key"));
        let (store, vault) = unlock(&location, &key).await.unwrap();

        let log = slog::Logger::root(slog::Discard, slog::o!());
        let config = Config {
            ports: settings.ports.clone(),
            sample_interval: settings.sample_interval,
            corner: settings.cpu_corner,
            ..Config::default()
        };
        let gate = Gate::in_program(env!("CARGO_BIN_EXE_minimcp"));
        let logs = LogKeeper::start(Rotation::default(), log.clone()).unwrap();
        let runs = RunDir::open(settings.data_dir.join("run")).unwrap();
        let (told, by) = (Arc::clone(&settings), gate.clone());
        let isolation =
            tokio::task::spawn_blocking(move || minimcp::isolation::open(&told, &by)).await.unwrap().unwrap();
        let kept_apart = isolation.report().clone();
        let cgroups = Cgroups::open(settings.cgroups, None, runs.path());
        let limited = cgroups.report();
        let bounds_of_sessions = minimcp::stdio::Bounds::of(&settings.gateway);
        let stdio = Stdio::new(bounds_of_sessions, store.clone(), log.clone());
        let launcher = LocalLauncher::new(gate, runs, logs, log.clone()).with_wiring(stdio.wiring());
        let launcher = launcher.in_cgroups(cgroups).isolated(isolation);
        let (supervision, actors) = ActorThread::spawn(config, Arc::new(launcher)).await.unwrap();
        stdio.supervised_by(supervision.clone());

        let audit = settings.data_dir.join("audit");
        let head = anchor::known(&store, &audit).await.unwrap();
        let trail = Trail::start(Options::new(audit, vault.audit_key(), head, log.clone())).unwrap();
        let stop = CancellationToken::new();
        let access = Arc::new(AccessTable::new(settings.gateway.max_rate));
        let (tell_restored, restored) = watch::channel(true);
        let gateway = Gateway::new(
            settings.gateway,
            vault.clone(),
            Arc::clone(&access),
            Servers { supervision: supervision.clone(), stdio },
            trail.clone(),
            restored.clone(),
            stop.clone(),
        );
        let search_path = std::env::var("PATH").unwrap();
        let provisioner = Provisioner::new(&settings, vault.clone(), trail.clone(), search_path).unwrap();
        let instances = Instances::new(
            Arc::clone(&settings),
            store.clone(),
            vault.clone(),
            provisioner.clone(),
            supervision.clone(),
            access,
            log.clone(),
        );
        let journal = Arc::new(JournalState::default());
        start_journal(&actors, &store, &supervision, &journal, &log).await;
        let keeper = Keeper::new(
            instances.archives().clone(),
            store.clone(),
            supervision.clone(),
            provisioner,
            log.clone(),
        );
        tokio::spawn(keeper.run(restored.clone(), stop.clone()));
        let trends = Trends::new(store.clone(), supervision.clone(), log.clone());
        tokio::spawn(trends.run(settings.sample_interval, stop.clone()));
        let webhooks = settings.webhooks.clone();
        let webhooks = Webhooks::new(store.clone(), vault.clone(), webhooks, lookup, log.clone()).unwrap();
        let sources =
            Sources { journal: Arc::clone(&journal), instances: instances.clone(), trail: trail.clone() };
        tokio::spawn(webhooks.clone().run(sources, stop.clone()));
        let rotation = KeyRotation::new(store.clone(), vault.clone(), key, log.clone());
        let context = Context::new(Parts {
            settings: Arc::clone(&settings),
            store: store.clone(),
            vault: vault.clone(),
            rotation: rotation.clone(),
            supervision: supervision.clone(),
            instances,
            gateway: Arc::new(gateway),
            isolation: kept_apart,
            cgroups: limited,
            trail: trail.clone(),
            webhooks,
            traces: Traces::off(),
            journal,
            restored,
            stop: stop.clone(),
            log,
        });
        let loops = Loops::start().unwrap();
        let serving =
            Some(tokio::spawn(async move { minimcp::http::run(listener, bounds, &loops, context).await }));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut daemon = Self {
            settings,
            store,
            supervision,
            trail,
            admin: String::new(),
            vault,
            rotation,
            client,
            restored: tell_restored,
            stop,
            serving,
            actors: Some(actors),
            _dir: dir,
        };
        daemon.admin = daemon.user("root", Role::Admin).await;
        daemon
    }

    /// A new user's token.
    pub(crate) async fn user(&self, name: &str, role: Role) -> String {
        let now = chrono::Utc::now();
        let user =
            NewUser { id: Uuid::now_v7(), name: name.into(), role, quota: Quota::default(), created_at: now };
        let user = self.store.create_user(user).await.unwrap();
        self.token(user.id, None).await.1
    }

    /// A new token of a user, until this time: its id and its text.
    pub(crate) async fn token(&self, user_id: Uuid, expires_at: Option<DateTime<Utc>>) -> (Uuid, String) {
        let minted = self.vault.mint(TokenKind::Api).unwrap();
        let token = NewToken {
            id: Uuid::now_v7(),
            user_id,
            name: "test".into(),
            token_hash: minted.hash,
            hint: minted.hint,
            created_at: Utc::now(),
            expires_at,
        };
        let token = self.store.create_token(token).await.unwrap();
        (token.id, minted.token.expose().to_owned())
    }

    /// A token of the owner of this one that expired a moment ago.
    pub(crate) async fn expired(&self, token: &str) -> String {
        self.token(self.owner(token).await, Some(Utc::now())).await.1
    }

    /// A token of the owner of this one that was revoked a moment ago.
    pub(crate) async fn revoked(&self, token: &str) -> String {
        let (id, text) = self.token(self.owner(token).await, None).await;
        self.store.revoke_token(id, Utc::now()).await.unwrap();
        text
    }

    /// Whose token it is.
    pub(crate) async fn owner(&self, token: &str) -> Uuid {
        self.get("/v1/me", token).await.json()["id"].as_str().unwrap().parse().unwrap()
    }

    /// A type `faulty-<mode>` whose servers misbehave in that way.
    pub(crate) async fn faulty(&self, mode: &[&str]) -> String {
        let name = format!("faulty-{}", mode[0]);
        let definition = json!({
            "name": name, "display_name": "Faulty", "server_script": "faulty/index.mjs", "args": mode,
            "health_check": {"endpoint": "/health", "interval_seconds": 1, "start_timeout_seconds": 30}
        });
        self.add_type(&definition).await;
        name
    }

    pub(crate) async fn add_type(&self, definition: &Value) {
        let definition = TypeDefinition::from_json(&definition.to_string()).unwrap();
        definition.check().unwrap();
        self.store.create_type(definition.to_row(false, chrono::Utc::now())).await.unwrap();
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.settings.listen)
    }

    pub(crate) fn request(&self, method: Method, path: &str, token: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, self.url(path));
        if token.is_empty() { request } else { request.bearer_auth(token) }
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.send(self.request(Method::GET, path, token)).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path, token).json(body)).await
    }

    /// A running instance of this type: its JSON with the access token.
    pub(crate) async fn running(&self, mcp_type: &str, token: &str) -> Value {
        let answer = self.post("/v1/instances?wait=running", token, &json!({"mcp_type": mcp_type})).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let instance = answer.json();
        assert_eq!(instance["status"], "running", "{instance}");
        instance
    }

    /// A connection to write bytes on.
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.settings.listen).await.unwrap()
    }

    /// What comes back for these bytes until the daemon closes the connection.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The daemon may answer and close before everything is written.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Ends the daemon as a signal would, and says whether its HTTP side ended within this time.
    pub(crate) async fn stop_serving(&mut self, within: Duration) -> bool {
        self.stop.cancel();
        let serving = self.serving.take().expect("a daemon is stopped once");
        tokio::time::timeout(within, serving).await.is_ok_and(|ended| ended.is_ok())
    }
}

impl Drop for Daemon {
    /// Ends what it started, also when a test fails.
    fn drop(&mut self) {
        self.stop.cancel();
        let Some(actors) = self.actors.take() else { return };
        let supervision = self.supervision.clone();
        let ending = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime for the end").block_on(async {
                supervision.shutdown(false).await;
                actors.stop().await
            })
        });
        let ended = ending.join();
        if !std::thread::panicking() {
            ended.expect("the end does not panic").expect("the actors end well");
        }
    }
}

async fn start_journal(
    actors: &ActorThread,
    store: &Store,
    supervision: &Supervision,
    state: &Arc<JournalState>,
    log: &slog::Logger,
) {
    let base = store.last_seqs().await.unwrap();
    let runtime = tokio::runtime::Handle::current();
    let (state, log) = (Arc::clone(state), log.clone());
    let journal = Journal::new(store.clone(), base, supervision.clone(), runtime, state, log);
    let (tell, told) = oneshot::channel();
    actors.arbiter().spawn_fn(move || {
        let _ = tell.send(journal.start());
    });
    told.await.unwrap();
}
