//! The verbs of the conclave command line.
