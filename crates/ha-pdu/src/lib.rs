//! A simulated power switch: HTTP and SNMP faces over a relay that the caller supplies.
