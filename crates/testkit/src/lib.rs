//! Test tools: deterministic clock, entropy, disk.
