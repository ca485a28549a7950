//! The daemon as a person runs it: the program itself as a process, with a data directory of its own, and the
//! command line beside it as further processes.

mod answers;
mod audit;
mod backup;
mod canary;
mod chatter;
mod clocks;
mod corruption;
mod crashes;
mod crowd;
mod cut_off;
mod disk;
mod endings;
mod expiring;
mod half_made;
mod hostile;
mod journal;
mod keys;
mod lacking;
mod leftovers;
mod pipes;
mod postgres;
mod power_cut;
mod privacy;
mod restoring;
mod rotation;
mod servers;
mod shutdown;
mod storm;
mod story;
mod transcript;
mod unreadable;
mod webhooks;

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) use answers::{Answer, Caller, Said};
pub(crate) use leftovers::is_free;

use crate::ground::{PATIENCE, clear_cgroups, eventually, is_alive, own_ports, signal};

/// The program under test.
pub(crate) const MINIMCP: &str = env!("CARGO_BIN_EXE_minimcp");

/// A data directory and, most of the time, the daemon on it.
pub(crate) struct Daemon {
    /// Holds the data directory and what the daemon says.
    pub(crate) dir: TempDir,
    settings: Vec<String>,
    environment: Vec<(String, String)>,
    listen: SocketAddr,
    /// What starts the daemon in a place of its own, if anything.
    around: Vec<String>,
    child: Option<Child>,
}

impl Daemon {
    pub(crate) async fn start() -> Self {
        Self::with(&[], &[]).await
    }

    /// A daemon with these settings, written as `key=value`, and these variables in its environment.
    pub(crate) async fn with(settings: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut daemon = Self::unstarted(settings, environment);
        daemon.serve().await;
        daemon
    }

    /// A place for a daemon that does not run yet.
    pub(crate) fn unstarted(settings: &[&str], environment: &[(&str, &str)]) -> Self {
        let ports: RangeInclusive<u16> = own_ports();
        let mut all = vec![
            format!("ports={}-{}", ports.start(), ports.end()),
            "sample-interval=500ms".to_owned(),
            "log.format=json".to_owned(),
            // What is tried here is tried as fast as it goes.
            "http.max-rate=0".to_owned(),
            "http.max-creations=0".to_owned(),
        ];
        all.extend(settings.iter().map(ToString::to_string));
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            dir: tempfile::tempdir().unwrap(),
            settings: all,
            environment: environment.iter().map(owned).collect(),
            listen: SocketAddr::from(([127, 0, 0, 1], port_below_those_of_connections())),
            around: Vec::new(),
            child: None,
        }
    }

    /// Has this program start the daemon, whose own command line comes behind these words.
    pub(crate) fn around(&mut self, words: &[&str]) {
        self.around = words.iter().map(ToString::to_string).collect();
    }

    /// Has the daemon listen on a port that the kernel chooses, at the starts that follow.
    pub(crate) fn any_port(&mut self) {
        self.listen.set_port(0);
    }

    /// Changes the environment for the starts that follow.
    pub(crate) fn environment(&mut self, name: &str, value: Option<&str>) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// What `minimcp serve` is started with.
    pub(crate) fn serve_command(&self) -> Command {
        let mut command = self.command();
        command.args(["serve", "--listen", &self.listen.to_string()]).envs(self.environment.clone());
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        let Some((program, words)) = self.around.split_first() else { return command };
        let mut around = Command::new(program);
        around.args(words).arg(command.get_program()).args(command.get_args()).env_clear();
        around.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        around.current_dir(self.dir.path());
        around
    }

    /// Starts the daemon and waits until it answers at all, or says in its log why it ended.
    async fn try_serve(&mut self) -> Result<(), String> {
        let logged = self.log().len();
        let pid = self.spawn();
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(10));
        let answers = async {
            while is_alive(pid) {
                let address = self.address();
                let base = address.map(|address| format!("http://{address}")).unwrap_or_default();
                let caller = Caller { base, token: String::new() };
                if caller.send("GET", "/healthz", None).await.is_ok_and(|answer| answer.status == 200) {
                    return true;
                }
                ticks.tick().await;
            }
            false
        };
        let answers = tokio::time::timeout(PATIENCE, answers).await.expect("it answers or ends");
        if answers { Ok(()) } else { Err(self.log().split_off(logged)) }
    }

    /// Where the daemon says that it listens.
    fn address(&self) -> Option<SocketAddr> {
        let url = std::fs::read_to_string(self.data().join("daemon.url")).ok()?;
        url.trim().strip_prefix("http://")?.parse().ok()
    }

    fn spawn(&mut self) -> u32 {
        let log = File::options().create(true).append(true).open(self.dir.path().join("stderr")).unwrap();
        let mut command = self.serve_command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child.insert(command.spawn().unwrap()).id()
    }

    /// Starts the daemon and waits until it can serve.
    pub(crate) async fn serve(&mut self) {
        let pid = self.spawn();
        let said = || self.address().is_some() || !is_alive(pid);
        eventually("the daemon says where it listens, or ends", said).await;
        self.listen = self.address().unwrap_or_else(|| panic!("the daemon did not start: {}", self.log()));
        self.until_ready().await;
    }

    /// Waits until `/readyz` says so.
    pub(crate) async fn until_ready(&self) {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(5));
        let ready = async {
            // Right after its start nobody may listen yet.
            while !self.caller().send("GET", "/readyz", None).await.is_ok_and(|answer| answer.status == 200) {
                assert!(is_alive(self.pid()), "the daemon ended: {}", self.log());
                ticks.tick().await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, ready).await.is_ok(), "never ready: {}", self.log());
    }

    /// The process of the daemon.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("the daemon runs").id()
    }

    /// Ends the daemon as a power cut would end it, but for what the kernel already has.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("the daemon runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sends the daemon a signal, named as kill(1) names it.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits for the end of the daemon.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the daemon runs");
        let waiting = tokio::task::spawn_blocking(move || child.wait().unwrap());
        tokio::time::timeout(PATIENCE, waiting).await.expect("the daemon ends").unwrap()
    }

    /// Asks the daemon to end, as Ctrl-C and a service manager do.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Everything that the daemons here have logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("stderr")).unwrap_or_default()
    }

    /// Waits until the daemon has logged these words, which it does behind its answers.
    pub(crate) async fn logged(&self, words: &str) {
        eventually(&format!("the log says: {words}"), || self.log().contains(words)).await;
    }

    fn command(&self) -> Command {
        let mut command = Command::new(MINIMCP);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.dir.path()).current_dir(self.dir.path());
        command.env("MINIMCP_DATA_DIR", self.data());
        command.env("MINIMCP_SERVERS_DIR", Path::new(env!("CARGO_MANIFEST_DIR")).join("mcp-servers"));
        command
    }

    /// Runs a command of the command line to its end.
    pub(crate) async fn cli(&self, args: &[&str]) -> Said {
        self.cli_with(&[], args).await
    }

    /// The same with more variables in its environment.
    pub(crate) async fn cli_with(&self, environment: &[(&str, &str)], args: &[&str]) -> Said {
        let mut command = tokio::process::Command::from(self.command());
        command.args(args).envs(environment.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output()).await;
        let output = output.unwrap_or_else(|_| panic!("{args:?} did not end")).unwrap();
        Said {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Who can send requests while the daemon is killed.
    pub(crate) fn caller(&self) -> Caller {
        let token = std::fs::read_to_string(self.data().join("admin.token")).unwrap();
        Caller { base: format!("http://{}", self.listen), token: token.trim().to_owned() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    /// A request with the administrator's token.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let answer = self.caller().send(method, path, body).await;
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}; {}", self.log()))
    }

    /// Registers a type, as an administrator does.
    pub(crate) async fn add_type(&self, toml: &str) {
        let file = self.dir.path().join("type.toml");
        std::fs::write(&file, toml).unwrap();
        self.cli(&["types", "add", file.to_str().unwrap()]).await.done();
    }

    /// Registers a type of servers that misbehave in this way.
    pub(crate) async fn faulty(&self, name: &str, mode: &[&str]) {
        self.add_type(&format!(
            "name = {name:?}\ndisplay_name = \"Faulty\"\nserver_script = \"faulty/index.mjs\"\nargs = {mode:?}\n\
             [health_check]\nkind = \"http\"\nendpoint = \"/health\"\ninterval_seconds = 1\n"
        ))
        .await;
    }

    /// Registers a type of servers that cost nearly nothing and cannot be called.
    pub(crate) async fn light(&self) {
        self.add_type(
            "name = 'light'\ndisplay_name = 'Light'\ncommand = 'perl'\nargs = ['-MSocket', '-e', '\
             socket(S, PF_INET, SOCK_STREAM, 0); setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1); \
             bind(S, sockaddr_in($ENV{PORT}, INADDR_LOOPBACK)) or die $!; listen(S, 16); \
             accept(C, S) while 1']\n[health_check]\nkind = 'tcp'\ninterval_seconds = 60\n",
        )
        .await;
    }

    /// A write that is nothing but that: an administrator registers a type that nobody uses.
    async fn write(&self, name: &str) -> Answer {
        self.send("POST", "/v1/types", Some(written(name))).await
    }

    /// Which of these were written, and can be read.
    async fn lost<'a>(&self, acknowledged: impl IntoIterator<Item = &'a String>) -> Vec<&'a String> {
        let mut lost = Vec::new();
        for name in acknowledged {
            if self.get(&format!("/v1/types/{name}")).await.status != 200 {
                lost.push(name);
            }
        }
        lost
    }

    /// What `/readyz` says about its parts that are not ready.
    async fn unready(&self) -> Vec<String> {
        let parts = self.get("/readyz").await.json()["parts"].as_array().unwrap().clone();
        let unready = parts.iter().filter(|part| part["ready"] == false);
        unready.map(|part| part["name"].as_str().unwrap().to_owned()).collect()
    }

    /// A line of `/proc/PID/status` of the daemon, in KiB.
    fn memory(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let found = status.lines().find_map(|one| one.strip_prefix(line)?.strip_prefix(':'));
        found.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// A running instance of the type, with this name.
    pub(crate) async fn running(&self, mcp_type: &str, name: &str) -> Value {
        self.cli(&["create", mcp_type, "--name", name, "--wait", "--json"]).await.json()
    }

    /// The instance as the API shows it, once it is as asked.
    pub(crate) async fn until(&self, id: &str, reached: impl Fn(&Value) -> bool) -> Value {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(10));
        let mut last = Value::Null;
        let waiting = async {
            loop {
                last = self.get(&format!("/v1/instances/{id}")).await.json();
                if reached(&last) {
                    break;
                }
                ticks.tick().await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, waiting).await.is_ok();
        assert!(in_time, "not reached; it is {last:#}");
        last
    }

    /// The instance once it has this status.
    pub(crate) async fn status(&self, id: &str, status: &str) -> Value {
        self.until(id, |now| now["status"] == status).await
    }
}

impl Drop for Daemon {
    /// Ends what was started here, also when a test failed.
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself; what counts is that it is gone.
            let _ = child.kill();
            let _ = child.wait();
        }
        for pid in self.servers() {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status();
        }
        if self.data().join("run").exists() {
            clear_cgroups(&self.data().join("run"));
        }
        if std::thread::panicking() {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "the daemon logged:\n{}", self.log());
        }
    }
}

/// A port that is free and stays so while a daemon is started anew: no outgoing connection is given it.
fn port_below_those_of_connections() -> u16 {
    let tries = std::iter::repeat_with(|| fastrand::u16(10_000..20_000)).take(1_000);
    let mut free = tries.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().expect("one of a thousand ports is free")
}

/// The type that [`Daemon::write`] registers.
fn written(name: &str) -> Value {
    serde_json::json!({"name": name, "display_name": "Written", "server_script": "faulty/index.mjs"})
}

/// Rounds of a test that can go on for longer; a soak sets more.
fn rounds(usual: u64) -> u64 {
    std::env::var("MINIMCP_TEST_ROUNDS").map_or(usual, |rounds| rounds.parse().unwrap())
}

/// Shows a figure that a test has measured.
fn show(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The process of an instance.
pub(crate) fn pid(instance: &Value) -> u32 {
    instance["process_id"].as_u64().unwrap_or_else(|| panic!("no process in {instance}")).try_into().unwrap()
}

/// The id of an instance.
pub(crate) fn id(instance: &Value) -> String {
    instance["id"].as_str().unwrap_or_else(|| panic!("no id in {instance}")).to_owned()
}
