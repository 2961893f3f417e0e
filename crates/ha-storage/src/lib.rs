//! Durable state of one node in redb.
