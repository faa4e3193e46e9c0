//! openraft bound to core and storage: peer transport, read barrier, membership.
