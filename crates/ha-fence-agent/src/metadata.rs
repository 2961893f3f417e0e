//! The metadata that cluster managers read: XML of the fence-agent RelaxNG shape.
//!
//! Must not know: option values.

use std::fmt::Write as _;

use crate::actions::Action;
use crate::description::{AgentDescription, Kind, OptionSpec};

/// The metadata document of an agent.
#[must_use]
pub fn metadata_xml(description: &AgentDescription) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
    let _ = writeln!(
        xml,
        "<resource-agent name=\"{}\" shortdesc=\"{}\">\n<longdesc>{}</longdesc>\n<vendor-url>{}</vendor-url>\n<parameters>",
        escape(description.name),
        escape(description.shortdesc),
        escape(description.longdesc),
        escape(description.vendor_url),
    );
    for spec in &description.options {
        parameter(&mut xml, spec, spec.name, spec.old_name, false);
        if let Some(old) = spec.old_name {
            parameter(&mut xml, spec, old, None, true);
        }
    }
    xml.push_str("</parameters>\n<actions>\n");
    for (action, name) in Action::ALL {
        let extra = if action == Action::On { " automatic=\"0\"" } else { "" };
        let _ = writeln!(xml, "\t<action name=\"{name}\"{extra}/>");
    }
    xml.push_str("</actions>\n</resource-agent>\n");
    xml
}

fn parameter(xml: &mut String, spec: &OptionSpec, name: &str, obsoletes: Option<&str>, deprecated: bool) {
    let _ = write!(xml, "\t<parameter name=\"{name}\" unique=\"0\" required=\"{}\"", u8::from(spec.required));
    if deprecated {
        xml.push_str(" deprecated=\"1\"");
    }
    if let Some(old) = obsoletes {
        let _ = write!(xml, " obsoletes=\"{old}\"");
    }
    let _ = write!(xml, ">\n\t\t<getopt mixed=\"{}\"/>\n\t\t<content type=\"", escape(&getopt(spec)));
    xml.push_str(match spec.kind {
        Kind::String => "string",
        Kind::Boolean => "boolean",
        Kind::Integer => "integer",
        Kind::Second => "second",
        Kind::Select(_) => "select",
    });
    xml.push('"');
    if let Some(default) = spec.default {
        let _ = write!(xml, " default=\"{}\"", escape(default));
    }
    if let Kind::Select(choices) = spec.kind {
        xml.push_str(">\n");
        for choice in choices {
            let _ = writeln!(xml, "\t\t\t<option value=\"{}\"/>", escape(choice));
        }
        xml.push_str("\t\t</content>\n");
    } else {
        xml.push_str("/>\n");
    }
    let _ = writeln!(xml, "\t\t<shortdesc lang=\"en\">{}</shortdesc>\n\t</parameter>", escape(spec.help));
}

/// `-a, --ip=[ip]`
pub(crate) fn getopt(spec: &OptionSpec) -> String {
    let mut text = String::new();
    for letter in spec.shorts.chars() {
        let _ = write!(text, "-{letter}, ");
    }
    let _ = write!(text, "--{}", spec.long());
    if spec.kind != Kind::Boolean {
        let _ = write!(text, "=[{}]", spec.name);
    }
    text
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
