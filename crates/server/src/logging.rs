//! Log lines, to standard error.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Starts logging as the configuration says. The second call in a process does nothing.
pub fn start(log: &Log) {
    let level: LevelFilter = log.level.parse().unwrap_or(LevelFilter::INFO);
    // The libraries below speak much and of little use beneath their warnings.
    let quiet = ["h2", "hyper", "hyper_util", "tower", "tonic", "rustls", "openraft"];
    // These warn several times a second for as long as a member is down; the peer transport says once
    // that it is lost and once that it is back.
    let silent = ["openraft::core", "openraft::engine", "openraft::replication"];
    let mut filter = EnvFilter::default().add_directive(level.into());
    if level < LevelFilter::TRACE && level > LevelFilter::WARN {
        for library in quiet {
            let directive = format!("{library}=warn");
            filter = filter.add_directive(directive.parse().expect("a target and a level"));
        }
        for part in silent {
            let directive = format!("{part}=error");
            filter = filter.add_directive(directive.parse().expect("a target and a level"));
        }
    }
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Text => lines.with_ansi(is_terminal()).try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}

fn is_terminal() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal()
}
