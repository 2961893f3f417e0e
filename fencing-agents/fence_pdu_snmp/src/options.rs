//! The options of this agent, in words.
//!
//! Must not know: what they do.

use ha_fence_agent::{AgentDescription, Kind, OptionSpec};

/// Accepted values of `snmp_auth_prot`.
const AUTH_PROTOCOLS: &[&str] = &["MD5", "SHA", "SHA224", "SHA256", "SHA384", "SHA512"];
/// Accepted values of `snmp_priv_prot`.
const PRIV_PROTOCOLS: &[&str] = &["DES", "AES", "AES192", "AES256"];

/// Describes the agent.
pub(crate) fn description() -> AgentDescription {
    let string = |name, help| OptionSpec::new(name, Kind::String, help);
    let select = |name, choices, help| OptionSpec::new(name, Kind::Select(choices), help);
    AgentDescription::new(
        "fence_pdu_snmp",
        "Fence agent for power switches over SNMP",
        "fence_pdu_snmp cuts power through a rack power switch (PDU) that speaks SNMP v1, v2c or v3: APC Switched \
         Rack PDUs of the first (rPDU) and second (rPDU2) generation, and every other APC switch through the \
         MasterSwitch table. An outlet counts as off only when the switch explicitly says so after the command, \
         with no command pending; an unknown, missing or pending outlet is a failure.",
    )
    .vendor_url("https://www.apc.com")
    .option(OptionSpec::new("ipport", Kind::Integer, "UDP port of the device").shorts("u").default("161"))
    .option(
        select("model", &["auto", "apc_rpdu", "apc_rpdu2", "apc_masterswitch"], "Table to use; auto asks sysObjectID")
            .default("auto"),
    )
    .option(select("snmp_version", &["1", "2c", "3"], "SNMP version").shorts("d").default("2c"))
    .secret(
        string("community", "Community with write access (v1, v2c)").shorts("c"),
        string("community_script", "Program that prints the community"),
        string("community_file", "File that holds the community (mode 0600, owner root or self)"),
    )
    .option(
        select("snmp_sec_level", &["noAuthNoPriv", "authNoPriv", "authPriv"], "Security level (v3)").shorts("E"),
    )
    .option(select("snmp_auth_prot", AUTH_PROTOCOLS, "Authentication protocol (v3)").shorts("b").default("SHA"))
    .option(select("snmp_priv_prot", PRIV_PROTOCOLS, "Privacy protocol (v3)").shorts("B").default("AES"))
    .secret(
        string("snmp_priv_passwd", "Privacy pass phrase (v3)").shorts("P"),
        string("snmp_priv_passwd_script", "Program that prints the privacy pass phrase").shorts("R"),
        string("snmp_priv_passwd_file", "File that holds the privacy pass phrase (mode 0600, owner root or self)"),
    )
}
