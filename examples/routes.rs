//! Serves the runtime and routes of one's own on one port: `cargo run --example routes`
//! The routes are filters of warp. They come behind those of MiniMCP, on the same connections and by the same rules.

mod greeter;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use minimcp::Runtime;
use minimcp::config::OnShutdown;
use minimcp::http::OwnRoutes;
use minimcp_actors::launch::gate::{self, Gate};
use warp::Filter;

use greeter::{Admin, say};

fn main() -> Result<()> {
    let gate = gate::entry(); // has to come first: servers are spawned through this program
    if greeter::is_asked_for() {
        return greeter::serve();
    }
    let dir = tempfile::tempdir()?;
    tokio::runtime::Runtime::new()?.block_on(serve(gate, dir.path().join("data")))
}

async fn serve(gate: Gate, dir: PathBuf) -> Result<()> {
    let about = warp::path!("about").and(warp::get()).map(|| "a program with servers in it\n");
    let echo = warp::path!("echo").and(warp::post()).and(warp::body::json());
    let echo = echo.map(|said: serde_json::Value| warp::reply::json(&said));
    // Below /v1 there are none but MiniMCP's, so this one is never asked.
    let back_door = warp::path!("v1" / "back-door").map(|| "open");
    let runtime = Runtime::with(greeter::settings(&dir)?, gate)
        .types([greeter::definition()?])
        .routes(OwnRoutes::new(about.or(echo).or(back_door)))
        .start()
        .await?;

    let client = reqwest::Client::builder().no_proxy().build()?;
    let get = async |path: &str| {
        let answer = client.get(format!("{}{path}", runtime.url())).send().await?;
        anyhow::Ok((answer.status().as_u16(), answer.text().await?))
    };
    let (status, words) = get("/about").await?;
    say(words.trim());
    ensure!(status == 200 && words.contains("servers in it"), "our route answers: {status} {words}");
    let said = client.post(format!("{}/echo", runtime.url())).body("[1]");
    let said = said.header("content-type", "application/json").send().await?.text().await?;
    ensure!(said == "[1]", "it is given the body: {said}");
    ensure!(get("/healthz").await?.0 == 200, "so do those of MiniMCP");
    ensure!(get("/v1/back-door").await?.0 == 401, "nobody gets below /v1 without a token");
    let (status, problem) = get("/nowhere").await?;
    ensure!(
        status == 404 && problem.contains("route_not_found"),
        "the rest is a problem: {status} {problem}"
    );

    let admin = Admin::of(&runtime)?;
    let greeter = admin.greeter().await?;
    say(admin.greet(&greeter, "neighbour").await?);
    runtime.shutdown(OnShutdown::Stop).await;
    Ok(())
}
