//! Running agents: processes, cgroups, addresses, fence agents.
