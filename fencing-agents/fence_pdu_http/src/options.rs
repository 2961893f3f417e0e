//! The options of this agent, in words.
//!
//! Must not know: what they do.

use ha_fence_agent::{AgentDescription, Kind, OptionSpec};

/// Describes the agent.
pub(crate) fn description() -> AgentDescription {
    let string = |name, help| OptionSpec::new(name, Kind::String, help);
    let flag = |name, help| OptionSpec::new(name, Kind::Boolean, help);
    AgentDescription::new(
        "fence_pdu_http",
        "Fence agent for power switches over HTTP",
        "fence_pdu_http cuts power through a power switch with an HTTP interface: Digital Loggers (REST, model=dli), \
         NETIO (JSON, model=netio), or any other by a template of requests and matching rules (model=generic). An \
         outlet counts as off only when the switch explicitly says so after the command. In the options of the \
         generic model {plug} stands for the outlet, {plug0} for its number less one.",
    )
    .option(OptionSpec::new("ipport", Kind::Integer, "TCP port of the device (80, or 443 with TLS)").shorts("u"))
    .option(
        OptionSpec::new("model", Kind::Select(&["dli", "netio", "generic"]), "What the device speaks").required(),
    )
    .option(
        OptionSpec::new(
            "auth",
            Kind::Select(&["none", "basic", "digest"]),
            "Login (dli: digest, netio: basic, generic: basic where a username is given, else none)",
        ),
    )
    .option(flag("ssl", "Use TLS and check the device's certificate").shorts("zx"))
    .option(flag("ssl_secure", "The same as ssl"))
    .option(flag("ssl_insecure", "Use TLS without checking whom we talk to: anybody on the way can lie to us"))
    .option(string("ca_file", "Use TLS and check the device's certificate by the PEM certificates in this file"))
    .option(string("status_url", "generic: path or URL that tells the outlet's state"))
    .option(string("status_method", "generic: method of the status request").default("GET"))
    .option(string("status_body", "generic: body of the status request"))
    .option(string("status_on", "generic: rule that holds when the outlet is on: json:/pointer=value, text:part or is:whole"))
    .option(string("status_off", "generic: rule that holds when the outlet is off, of the same forms"))
    .option(string("status_pending", "generic: rule that holds while a command waits or is being done: neither on nor off, worth waiting for"))
    .option(string("off_url", "generic: path or URL that cuts power at once"))
    .option(string("off_method", "generic: method of the off request").default("POST"))
    .option(string("off_body", "generic: body of the off request"))
    .option(string("on_url", "generic: path or URL that gives power at once"))
    .option(string("on_method", "generic: method of the on request").default("POST"))
    .option(string("on_body", "generic: body of the on request"))
    .option(string("content_type", "generic: content type of the bodies (default: JSON for a body that is JSON, else a form)"))
    .option(string("monitor_url", "generic: path or URL that proves that the device answers (without {plug})"))
    .option(string("outlets", "generic: the outlets that list shows, such as 1-8 or 1,2,5"))
    .secret(
        string("headers", "generic: more header lines, separated by |"),
        string("headers_script", "Program that prints the header lines"),
        string("headers_file", "File that holds the header lines, one a line (mode 0600, owner root or self)"),
    )
}
