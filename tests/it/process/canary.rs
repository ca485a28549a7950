//! A planted secret, looked for wherever it must not be.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde_json::{Value, json};

use super::{Caller, Daemon, id, pid};
use crate::ground::{eventually, signal};

/// Put together while the test runs, so that it is in no program text.
fn canary(name: &str) -> String {
    format!("{}-{name}-{:032x}", ["CAN", "ARY"].concat(), fastrand::u128(..))
}

/// How the secret could be written: as it is, or in base64 at any of its three alignments.
fn shapes(canary: &str) -> Vec<Vec<u8>> {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    let inner = |lead: usize| {
        let text = STANDARD_NO_PAD.encode([&vec![0; lead], canary.as_bytes()].concat());
        // The ends depend on what stands beside it.
        text.as_bytes()[4..text.len() - 4].to_vec()
    };
    vec![canary.as_bytes().to_vec(), inner(0), inner(1), inner(2)]
}

fn holds(bytes: &[u8], shapes: &[Vec<u8>]) -> bool {
    shapes.iter().any(|shape| memchr::memmem::find(bytes, shape).is_some())
}

/// Files below the directory that hold the secret.
fn files_with(dir: &Path, shapes: &[Vec<u8>], found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        // Temporary files go while we look.
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            files_with(&path, shapes, found);
        } else if kind.is_file() && std::fs::read(&path).is_ok_and(|bytes| holds(&bytes, shapes)) {
            found.push(path.display().to_string());
        }
    }
}

/// Processes with the secret in their arguments (`cmdline`) or environment (`environ`).
fn processes_with(file: &str, shapes: &[Vec<u8>]) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let with =
        |pid: &u32| std::fs::read(format!("/proc/{pid}/{file}")).is_ok_and(|bytes| holds(&bytes, shapes));
    pids.filter(|pid| *pid != std::process::id()).filter(with).collect()
}

/// Writable memory regions of the process that hold the secret.
fn memory_with(pid: u32, shapes: &[Vec<u8>]) -> Vec<String> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let held = |line: &str| {
        let (range, rest) = line.split_once(' ').unwrap();
        let (from, to) = range.split_once('-').unwrap();
        let (from, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        rest.starts_with("rw") && memory.read_exact_at(&mut bytes, from).is_ok() && holds(&bytes, shapes)
    };
    maps.lines().filter(|line| held(line)).map(ToOwned::to_owned).collect()
}

/// What every route that reads answers, with the ids of these things in it.
async fn read_everything(daemon: &Daemon, ids: &[(&str, &str)]) -> Vec<(String, String)> {
    let document = daemon.get("/openapi.json").await.json();
    let mut answers = Vec::new();
    for (template, methods) in document["paths"].as_object().unwrap() {
        // An event stream has no end; what it would tell is asked of the command line below.
        if methods.get("get").is_none() || template == "/v1/events" {
            continue;
        }
        for (about, id) in ids {
            let path = template.split('/').map(|part| if part.starts_with('{') { id } else { part });
            let path = path.collect::<Vec<_>>().join("/");
            let answer = daemon.get(&path).await;
            assert!(answer.status < 500, "{path} ({about}): {answer:?}");
            answers.push((path, answer.text));
        }
    }
    answers
}

#[tokio::test]
async fn a_planted_secret_is_found_nowhere_it_must_not_be() {
    let daemon = Daemon::start().await;
    for (name, handover) in [("quiet", "auto"), ("open", "environment")] {
        daemon
            .add_type(&format!(
                "name = {name:?}\ndisplay_name = 'X'\nserver_script = 'faulty/index.mjs'\nargs = ['ok']\n\
                 credential_handover = {handover:?}\nenv_map = {{ token = 'TOKEN' }}\n\
                 [credential_fields]\nrequired = ['token']\n[health_check]\nendpoint = '/health'\ninterval_seconds = 1\n"
            ))
            .await;
    }
    // Long, so that whatever holds it whole lies where small things do not overwrite it soon.
    let long = |name| format!("{}{}", canary(name), ".".repeat(8_000));
    let (first, second, exposed) = (long("first"), long("second"), long("exposed"));
    let secret = |token: &str| json!({"mcp_type": "quiet", "name": "work", "fields": {"token": token}});
    let mut said: Vec<(String, String)> = Vec::new();
    let mut send = async |method: &str, path: &str, body: Value| {
        let answer = daemon.send(method, path, Some(body)).await;
        said.push((format!("{method} {path}"), answer.text.clone()));
        answer
    };

    let made = send("POST", "/v1/credentials", secret(&first)).await.json();
    let credential = id(&made);
    let place = format!("/v1/credentials/{credential}");
    // Refused requests hold it too: under another name, as another kind of value, twice, cut off.
    for fields in [json!({"tokn": first}), json!({"token": [first]}), json!({"token": {"x": first}})] {
        let body = json!({"mcp_type": "quiet", "name": "other", "fields": fields});
        assert_eq!(send("POST", "/v1/credentials", body).await.status, 422);
    }
    assert_eq!(send("POST", "/v1/credentials", secret(&first)).await.status, 409);
    assert_eq!(send("POST", &format!("/v1/credentials/{first}"), json!({})).await.status, 405);
    let wanted = json!({"mcp_type": "quiet", "name": "q", "credential_id": credential});
    let quiet = send("POST", "/v1/instances?wait=running", wanted).await.json();
    let kill = |instance: &Value| signal(pid(instance), "KILL");
    kill(&quiet);
    let quiet = daemon.until(&id(&quiet), |now| now["generation"] == 2 && now["status"] == "running").await;
    send("PUT", &place, json!({"fields": {"token": second}})).await;
    send("POST", &format!("/v1/instances/{}/restart", id(&quiet)), json!({})).await;
    let renewed = |now: &Value| now["generation"].as_u64() > Some(2) && now["status"] == "running";
    let quiet = daemon.until(&id(&quiet), renewed).await;
    let other = json!({"mcp_type": "open", "name": "work", "fields": {"token": exposed}});
    let other = send("POST", "/v1/credentials", other).await.json();
    let wanted = json!({"mcp_type": "open", "credential_id": other["id"]});
    let open = send("POST", "/v1/instances?wait=running", wanted).await.json();

    let (quiet_id, open_id) = (id(&quiet), id(&open));
    let ids = [("instance", &*quiet_id), ("instance", &*open_id), ("set", &*credential), ("type", "quiet")];
    said.extend(read_everything(&daemon, &ids).await);
    for args in [
        &["events", "--json"][..],
        &["show", "q", "--json"],
        &["logs", "q"],
        &["diagnose", "q"],
        &["credentials", "ls", "--json"],
        &["doctor"],
    ] {
        let told = daemon.cli(args).await;
        said.push((args.join(" "), told.out + &told.err));
    }
    let doctor = &said.last().expect("the doctor was asked last").1;
    assert!(doctor.contains("in their environment: open"), "{doctor}");
    said.push(("the daemon's log".to_owned(), daemon.log()));

    for (name, canary) in [("first", &first), ("second", &second), ("exposed", &exposed)] {
        let shapes = shapes(canary.trim_end_matches('.'));
        for (whence, text) in &said {
            assert!(!holds(text.as_bytes(), &shapes), "{name} in {whence}: {text}");
        }
        let mut files = Vec::new();
        files_with(daemon.dir.path(), &shapes, &mut files);
        assert_eq!(files, [""; 0], "{name}");
        assert_eq!(processes_with("cmdline", &shapes), [0; 0], "{name}");
        let shown = processes_with("environ", &shapes);
        assert_eq!(shown, if name == "exposed" { vec![pid(&open)] } else { vec![] }, "{name}");
        // The buffers of a connection are wiped when it closes, which is a moment after its last answer.
        eventually(&format!("{name} is wiped from the daemon's memory"), || {
            memory_with(daemon.pid(), &shapes).is_empty()
        })
        .await;
    }
    // The searches find what is there: the file with the caller's own token, and the name of an instance.
    let Caller { token, .. } = daemon.caller();
    let mut files = Vec::new();
    files_with(daemon.dir.path(), &shapes(&token), &mut files);
    assert_eq!(files.len(), 1, "{files:?}");
    assert_ne!(memory_with(daemon.pid(), &[quiet_id.into_bytes()]), [""; 0]);
}
