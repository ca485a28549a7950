//! Credentials on their way into Node programs: there for the program, and nowhere else.

use std::path::PathBuf;
use std::sync::Arc;

use minimcp::catalog::plan::PRELOAD;
use minimcp_actors::launch::{Launch, NoPlan, Plan, Planner, Probe, Reach, Spec};
use minimcp_actors::policy::Policy;
use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::ground::{Ground, eventually, node};

const CANARY: &str = "CANARY-b7d1e0f2";

/// What each kind of program says of itself, in one line of JSON, before it goes on living.
const ACCOUNT: &str = r"
const account = async ({ spawnSync, fork }, { Worker }, { readdirSync, readlinkSync }) => {
  const told = (emitter) => new Promise((resolve) => emitter.once('message', resolve));
  const forked = told(fork(process.argv[1], ['forked']));
  const report = 'require(`node:worker_threads`).parentPort.postMessage(process.env.TOKEN)';
  const thread = told(new Worker(report, { eval: true }));
  const open = readdirSync('/proc/self/fd').map((fd) => { try { return readlinkSync(`/proc/self/fd/${fd}`); } catch { return ''; } });
  console.log(JSON.stringify({
    token: process.env.TOKEN,
    has: 'TOKEN' in process.env,
    listed: Object.keys(process.env).includes('TOKEN') || 'TOKEN' in { ...process.env },
    plain: process.env.GREETING,
    execArgv: process.execArgv,
    memoryFiles: open.filter((target) => target.startsWith('/memfd:')),
    child: spawnSync('env').stdout.toString(),
    forked: await forked,
    thread: await thread,
    removed: delete process.env.TOKEN && process.env.TOKEN === undefined,
  }));
  setInterval(() => {}, 1e6);
};
if (process.argv[2] === 'forked') {
  process.send({ token: process.env.TOKEN ?? null, execArgv: process.execArgv });
  process.disconnect();
}
";

#[derive(Debug)]
struct Sealing(Plan);

impl Planner for Sealing {
    fn plan(&self, _: &Launch) -> Result<Plan, NoPlan> {
        Ok(self.0.clone())
    }
}

/// A Node program with these lines after the account, launched with a sealed canary.
fn spec(ground: &Ground, name: &str, lines: &str) -> Spec {
    let (script, preload) = (ground.path(name), ground.path("preload.cjs"));
    std::fs::write(&script, format!("{ACCOUNT}\n{lines}\n")).unwrap();
    std::fs::write(&preload, PRELOAD).unwrap();
    let shown = |path: PathBuf| path.to_str().unwrap().to_owned();
    let plan = Plan {
        program: node(),
        args: vec!["--require".into(), shown(preload), shown(script)],
        env: vec![
            ("GREETING".into(), "hello".to_owned().into()),
            ("PATH".into(), std::env::var("PATH").unwrap().into()),
        ],
        sealed: vec![("TOKEN".into(), CANARY.to_owned().into())],
        cwd: ground.path("home"),
        log_dir: ground.path("logs"),
        reach: Reach::default(),
    };
    Spec::new("node", Policy::default(), Probe::Process, Arc::new(Sealing(plan)))
}

/// Launches the program and answers what it said of itself, and its environment as others see it.
async fn accounted(name: &str, lines: &str) -> (Value, String) {
    let ground = Ground::new().await;
    let snapshot = ground.running(spec(&ground, name, lines)).await;
    eventually("the account is there", || ground.log("stdout.log").ends_with('\n')).await;
    let account = serde_json::from_str(ground.log("stdout.log").trim()).unwrap();
    let environ = std::fs::read(format!("/proc/{}/environ", snapshot.pid.unwrap())).unwrap();
    ground.leave(false).await;
    (account, String::from_utf8(environ).unwrap())
}

fn check(account: &Value, environ: &str) {
    assert_eq!(account["token"], CANARY);
    assert_eq!(account["has"], true);
    assert_eq!(account["listed"], false, "not for whoever lists or copies all variables");
    assert_eq!(account["plain"], "hello");
    assert_eq!(account["removed"], true, "a program can take it out of its environment");
    assert_eq!(account["thread"], CANARY, "a thread is the same program");
    assert_eq!(account["memoryFiles"], json!([]), "the file is closed");
    assert_eq!(account["execArgv"], json!([]));
    assert_eq!(account["forked"], json!({"token": null, "execArgv": []}));
    let child = account["child"].as_str().unwrap();
    assert!(child.contains("GREETING=hello") && !child.contains("TOKEN"), "{child}");
    assert!(!environ.contains(CANARY) && environ.contains("GREETING=hello"), "{environ}");
}

#[tokio::test]
async fn a_commonjs_program_has_its_secrets_and_neither_proc_nor_its_children_do() {
    let run = "if (process.argv[2] !== 'forked') account(require('node:child_process'), require('node:worker_threads'), require('node:fs'));";
    let (account, environ) = accounted("server.cjs", run).await;
    check(&account, &environ);
}

#[tokio::test]
async fn an_es_module_has_its_secrets_and_neither_proc_nor_its_children_do() {
    let run = "import * as processes from 'node:child_process';
        import * as threads from 'node:worker_threads';
        import * as files from 'node:fs';
        if (process.argv[2] !== 'forked') account(processes, threads, files);";
    let (account, environ) = accounted("server.mjs", run).await;
    check(&account, &environ);
}

#[tokio::test]
async fn an_instance_says_where_its_credentials_can_be_seen() {
    let daemon = Daemon::start().await;
    for (name, handover, exposure) in [("quiet", "auto", "sealed"), ("open", "environment", "environment")] {
        let faulty = json!({
            "name": name, "display_name": name, "server_script": "faulty/index.mjs", "args": ["env"],
            "credential_fields": {"required": ["token"]}, "env_map": {"token": "TOKEN"},
            "credential_handover": handover,
        });
        daemon.add_type(&faulty).await;
        let set = json!({"mcp_type": name, "name": "work", "fields": {"token": CANARY}});
        let credential = daemon.post("/v1/credentials", &daemon.admin, &set).await.json();
        let wanted = json!({"mcp_type": name, "credential_id": credential["id"]});
        let instance = daemon.post("/v1/instances?wait=running", &daemon.admin, &wanted).await.json();
        assert_eq!(instance["credentials_exposure"], exposure, "{instance}");
        let environ = std::fs::read(format!("/proc/{}/environ", instance["process_id"])).unwrap();
        let shows = String::from_utf8(environ).unwrap().contains(CANARY);
        assert_eq!(shows, exposure == "environment");
        let port = u16::try_from(instance["assigned_port"].as_u64().unwrap()).unwrap();
        let said = crate::ground::get(port, "/env").await;
        assert_eq!(said["env"].to_string().contains(CANARY), exposure == "environment", "{said}");
    }
}
