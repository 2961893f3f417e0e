//! Who is present: heartbeats per link, leases, grants.
