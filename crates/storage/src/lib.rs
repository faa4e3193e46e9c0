//! Durable bytes: the Raft log file and the state file (redb).
