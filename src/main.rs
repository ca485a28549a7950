//! The `minimcp` program.

fn main() {
    let _gate = minimcp_actors::launch::gate::entry();
}
