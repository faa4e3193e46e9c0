//! The services that clients call: authenticate, authorize, propose or read, present.
