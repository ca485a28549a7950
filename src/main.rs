//! The `minimcp` program.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gate = minimcp_actors::launch::gate::entry();
    let loaded = minimcp::config::load(&minimcp::config::Flags::default())?;
    tokio::runtime::Runtime::new()?.block_on(minimcp::runtime::serve(loaded, gate, |_, _| {}))?;
    Ok(())
}
