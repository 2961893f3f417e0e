//! Votes, terms, log, voter changes (Raft, sans-I/O).
