//! TLS streams between peers and the heartbeat thread.
