//! Exit codes of `server` and `dev`; those of the verbs are in `conclave_cli::exit`, and agree.

/// Done; for a server: stopped as asked.
pub const DONE: u8 = 0;
/// Refused or failed: port in use, data directory of another node, demonstration not equal.
pub const FAILED: u8 = 1;
/// Wrong usage or configuration.
pub const USAGE: u8 = 2;
/// Something could not be made durable, a record is damaged, consensus ended, or a self-test failed
/// (`EX_SOFTWARE` of `sysexits.h`): the node stopped instead of pretending. A supervisor restarts it.
pub const FATAL: u8 = 70;
