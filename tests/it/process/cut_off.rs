//! PostgreSQL that is cut off, stalls, or ends at once and comes back.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use minimcp::store::Location;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Caller, Daemon, id};
use crate::store::scratch::Place;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    Fair,
    /// Connections break, and none can be made.
    Cut,
    /// Nothing arrives, in either direction.
    Still,
}

/// What is between the daemon and its database.
struct Wire {
    url: String,
    weather: watch::Sender<Weather>,
}

impl Wire {
    async fn to(url: &str) -> Self {
        let mut url = url::Url::parse(url).unwrap();
        let server = (url.host_str().unwrap().to_owned(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let (weather, seen) = watch::channel(Weather::Fair);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if *seen.borrow() == Weather::Cut {
                    continue;
                }
                let Ok(far) = TcpStream::connect((server.0.as_str(), server.1)).await else { continue };
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                tokio::spawn(carry(near_in, far_out, seen.clone()));
                tokio::spawn(carry(far_in, near_out, seen.clone()));
            }
        });
        Self { url: url.into(), weather }
    }
}

/// Ends, and with it the connection, when either side does or the wire is cut.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut weather: watch::Receiver<Weather>) {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let read = tokio::select! {
            read = from.read(&mut bytes) => read,
            cut = weather.wait_for(|now| *now == Weather::Cut) => {
                drop(cut);
                return;
            }
        };
        let Ok(length @ 1..) = read else { return };
        if weather.wait_for(|now| *now != Weather::Still).await.is_err()
            || to.write_all(&bytes[..length]).await.is_err()
        {
            return;
        }
    }
}

struct Scene {
    daemon: Daemon,
    instance: serde_json::Value,
    acknowledged: Vec<String>,
}

impl Scene {
    async fn on(url: &str) -> Self {
        let daemon = Daemon::with(&[], &[("MINIMCP_DATABASE_URL", url)]).await;
        daemon.faulty("plain", &["ok"]).await;
        let instance = daemon.running("plain", "one").await;
        let mut scene = Self { daemon, instance, acknowledged: Vec::new() };
        scene.writes().await;
        scene.is_served().await;
        scene
    }

    async fn writes(&mut self) {
        let name = format!("written-{}", self.acknowledged.len());
        let answer = self.daemon.write(&name).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        self.acknowledged.push(name);
    }

    /// The gateway goes on, whatever the database does.
    async fn is_served(&self) {
        let token = self.instance["access_token"].as_str().unwrap().to_owned();
        let caller = Caller { base: self.daemon.caller().base, token };
        let answer = caller.send("POST", &format!("/i/{}/mcp", id(&self.instance)), None).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    async fn is_whole(&mut self) {
        self.daemon.until_ready().await;
        self.writes().await;
        assert_eq!(self.daemon.lost(&self.acknowledged).await, [""; 0]);
        let now = self.daemon.status(&id(&self.instance), "running").await;
        assert_eq!(now["process_id"], self.instance["process_id"]);
    }
}

#[tokio::test]
async fn while_postgresql_is_cut_off_or_stalls_writes_are_refused_in_time_and_afterwards_all_is_there() {
    let place = Place::postgres().await;
    let Location::Postgres(url) = place.location.clone() else { panic!("{:?}", place.location) };
    let wire = Wire::to(&url).await;
    let mut scene = Scene::on(&wire.url).await;
    for weather in [Weather::Cut, Weather::Still] {
        wire.weather.send_replace(weather);
        let begun = Instant::now();
        let refused = scene.daemon.write("refused").await;
        assert_eq!(refused.status, 503, "{weather:?}: {refused:?}");
        assert!(refused.retry_after.is_some(), "{refused:?}");
        assert!(begun.elapsed() < Duration::from_secs(12), "{weather:?}: after {:?}", begun.elapsed());
        scene.is_served().await;
        assert!(scene.daemon.unready().await.contains(&"store".to_owned()), "{weather:?}");
        wire.weather.send_replace(Weather::Fair);
        scene.is_whole().await;
    }
    assert!(scene.daemon.terminate().await.success());
    place.remove().await;
}

#[tokio::test]
async fn postgresql_that_ends_at_once_and_comes_back_is_found_again() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/postgres");
    let dir = tempfile::Builder::new().prefix("minimcp-postgres").tempdir_in("/tmp").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o711);
    std::fs::set_permissions(dir.path(), mode).unwrap();
    let place = dir.path().join("own");
    let run = |what: &'static str| {
        let mut command = Command::new(&script);
        command.arg(what).arg(&place);
        async move {
            let said = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
            assert!(said.status.success(), "{said:?}");
            String::from_utf8(said.stdout).unwrap().trim().to_owned()
        }
    };
    let url = run("start").await;
    let mut scene = Scene::on(&url).await;
    for _ in 0..2 {
        assert_eq!(run("crash").await, url);
        scene.is_served().await;
        scene.is_whole().await;
    }
    assert!(scene.daemon.terminate().await.success());
    run("stop").await;
}
