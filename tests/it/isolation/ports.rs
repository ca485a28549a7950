//! Whoever answers on an instance's port has to be the instance.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use minimcp_actors::launch::{Probe, Spec};
use minimcp_actors::policy::{Budget, Policy, Timing};
use minimcp_actors::state::{Run, Status};

use super::ground;

#[tokio::test]
async fn an_instance_whose_port_is_listened_on_by_somebody_else_never_gets_ready() {
    let ground = ground().await;
    let spec = ground.spec("/bin/sleep".into(), vec!["1000".into()], Probe::Tcp);
    let failed_starts = Budget::new(0, Duration::from_secs(60)).unwrap();
    let timing = Timing { start_timeout: Duration::from_secs(2), ..spec.policy.timing };
    let spec = Spec { policy: Policy { timing, failed_starts, ..spec.policy }, ..spec };
    let id = spec.id;
    let mut transitions = ground.actors.registry().subscribe();
    let created = ground.actors.create(spec).await.unwrap();
    // This process is another user's. The port was seen to be free when the run was begun.
    let squatter = loop {
        match ground.actors.registry().get(id).unwrap() {
            now if now.pid.is_some() => {
                break TcpListener::bind(("127.0.0.1", created.port.unwrap())).unwrap();
            }
            _ => tokio::task::yield_now().await,
        }
    };
    let accepting = Arc::new(squatter);
    let probed = tokio::task::spawn_blocking({
        let accepting = Arc::clone(&accepting);
        move || accepting.accept().is_ok()
    });
    assert!(probed.await.unwrap(), "it is asked whether it is ready");
    let failed = ground.status(id, Status::Failed).await;
    assert_eq!(failed.run, Run(1));
    while let Ok(moved) = transitions.try_recv() {
        assert_ne!(moved.snapshot.status, Status::Running, "nothing is forwarded to a stranger");
    }
    ground.leave(false).await;
}
