//! The daemon's own log: slog for a terminal or as JSON, with what libraries say through `log` in it.
//!
//! What children write never passes through here.

use std::io;

use slog::{Drain, Level, Logger, o};
use slog_async::OverflowStrategy;

use crate::config::{Log, LogFormat};

/// Records that may wait for a slow terminal or pipe; more are dropped and counted.
const WAITING: usize = 8_192;

/// The daemon's log to stderr. Records are written for as long as the guard lives.
pub fn start(settings: Log) -> (Logger, slog_async::AsyncGuard) {
    let (drain, guard) = match settings.format {
        LogFormat::Terminal => {
            let decorator = slog_term::TermDecorator::new().stderr().build();
            asynchronous(slog_term::FullFormat::new(decorator).use_utc_timestamp().build().fuse())
        }
        LogFormat::Json => asynchronous(slog_json::Json::default(io::stderr()).fuse()),
    };
    let log = Logger::root(drain.filter_level(settings.level).fuse(), o!());
    // Libraries may log until the very end, so their way in is never taken down.
    slog_scope::set_global_logger(log.clone()).cancel_reset();
    // An error means that an embedding program has a logger of its own, which is as well.
    let _ = slog_stdlog::init_with_level(stdlog_level(settings.level));
    (log, guard)
}

fn asynchronous<D>(drain: D) -> (slog_async::Async, slog_async::AsyncGuard)
where
    D: Drain<Err = slog::Never, Ok = ()> + Send + 'static,
{
    slog_async::Async::new(drain)
        .chan_size(WAITING)
        .overflow_strategy(OverflowStrategy::DropAndReport)
        .build_with_guard()
}

/// Libraries are a level quieter than we are.
fn stdlog_level(level: Level) -> log::Level {
    match level {
        Level::Critical | Level::Error => log::Level::Error,
        Level::Warning | Level::Info => log::Level::Warn,
        Level::Debug => log::Level::Info,
        Level::Trace => log::Level::Debug,
    }
}
