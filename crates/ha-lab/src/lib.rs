//! Hosts in namespaces, a simulated power switch, and outside observers.
