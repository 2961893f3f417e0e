//! What a fence agent says of itself (`action=metadata`): a tolerant scan of its XML.
//!
//! Pure. Must not know: how the agent is run. Invariant: what is not understood is left out, never guessed.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::collections::BTreeMap;

/// Longest description of a parameter that is kept.
const DESCRIPTION_CHARS: usize = 300;

/// One parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameter {
    /// Whether the agent needs it.
    pub is_required: bool,
    /// Whether the agent calls it outdated.
    pub is_deprecated: bool,
    /// `string`, `boolean`, `integer`, `second`, `select`; empty if not said.
    pub kind: String,
    /// Used when it is not given.
    pub default: Option<String>,
    /// One sentence, as the agent has it.
    pub description: String,
}

/// One action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionInfo {
    /// To be executed on the fenced node itself.
    pub is_on_target: bool,
    /// `on` that is to be run when a node joins (unfencing).
    pub is_automatic: bool,
}

/// An agent's description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The agent's name.
    pub name: String,
    /// One line.
    pub short_description: String,
    /// By name, `-` written as `_`.
    pub parameters: BTreeMap<String, Parameter>,
    /// By name.
    pub actions: BTreeMap<String, ActionInfo>,
}

/// One spelling for `snmp-version` and `snmp_version`, which mean the same.
pub(crate) fn spelling(name: &str) -> String {
    name.replace('-', "_")
}

impl Metadata {
    /// Whether the agent knows this parameter.
    #[must_use]
    pub fn has_parameter(&self, name: &str) -> bool {
        self.parameters.contains_key(&spelling(name))
    }

    /// Reads the XML.
    ///
    /// # Errors
    /// When it is not XML or describes no agent.
    pub fn parse(xml: &str) -> Result<Self, String> {
        let mut found = Self::default();
        let mut reader = Reader::from_str(xml);
        let (mut parameter, mut is_description) = (String::new(), false);
        loop {
            match reader
                .read_event()
                .map_err(|e| format!("not XML at byte {}: {e}", reader.error_position()))?
            {
                Event::Eof => break,
                Event::Start(tag) => {
                    found.take(&tag, &mut parameter);
                    is_description = tag.name().as_ref() == b"shortdesc";
                }
                Event::Empty(tag) => {
                    found.take(&tag, &mut parameter);
                    if tag.name().as_ref() == b"parameter" {
                        parameter.clear();
                    }
                }
                Event::Text(text) if is_description => {
                    if let (Some(at), Ok(text)) = (found.parameters.get_mut(&parameter), text.decode()) {
                        at.description.extend(text.trim().chars().take(DESCRIPTION_CHARS));
                    }
                }
                Event::End(tag) => {
                    is_description = false;
                    if tag.name().as_ref() == b"parameter" {
                        parameter.clear();
                    }
                }
                _ => {}
            }
        }
        if found.name.is_empty() && found.parameters.is_empty() {
            return Err("it describes no agent (no <resource-agent>, no <parameter>)".into());
        }
        Ok(found)
    }

    fn take(&mut self, tag: &BytesStart<'_>, parameter: &mut String) {
        match tag.name().as_ref() {
            b"resource-agent" => {
                self.name = attribute(tag, "name").unwrap_or_default();
                self.short_description = attribute(tag, "shortdesc").unwrap_or_default();
            }
            b"parameter" => {
                *parameter = spelling(&attribute(tag, "name").unwrap_or_default());
                let is_required = is_one(tag, "required");
                let is_deprecated = is_one(tag, "deprecated");
                let new = Parameter { is_required, is_deprecated, ..Parameter::default() };
                if !parameter.is_empty() {
                    self.parameters.insert(parameter.clone(), new);
                }
            }
            b"content" => {
                if let Some(at) = self.parameters.get_mut(parameter.as_str()) {
                    at.kind = attribute(tag, "type").unwrap_or_default();
                    at.default = attribute(tag, "default");
                }
            }
            b"action" => {
                // `required` is the old name of `automatic`.
                let is_automatic = is_one(tag, "automatic") || is_one(tag, "required");
                let action = ActionInfo { is_on_target: is_one(tag, "on_target"), is_automatic };
                self.actions.extend(attribute(tag, "name").map(|name| (name, action)));
            }
            _ => {}
        }
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = tag.attributes().flatten().find(|a| a.key.as_ref() == name.as_bytes())?;
    let raw = String::from_utf8_lossy(&attribute.value).into_owned();
    Some(quick_xml::escape::unescape(&raw).map_or(raw.clone(), |text| text.into_owned()))
}

fn is_one(tag: &BytesStart<'_>, name: &str) -> bool {
    attribute(tag, name).is_some_and(|v| v == "1" || v == "true")
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = r#"<?xml version="1.0" ?>
<!DOCTYPE x>
<resource-agent name="fence_x" shortdesc="Fence &quot;X&quot;">
<longdesc>Long &amp; boring</longdesc>
<parameters>
  <parameter name="plug" unique="0" required="1" obsoletes="port">
    <getopt mixed="-n, --plug=[id]" />
    <content type="string" />
    <shortdesc lang="en">Outlet of the node</shortdesc>
  </parameter>
  <parameter name="snmp-version" required="0" deprecated="1"><content type="select" default="2c"><option value="1"/></content></parameter>
</parameters>
<actions>
  <action name="on" automatic="1"/><action name="off"></action><action name="status"/>
</actions>
</resource-agent>"#;

    #[test]
    fn reads_what_the_contract_names() {
        let metadata = Metadata::parse(XML).unwrap();
        assert_eq!((metadata.name.as_str(), metadata.short_description.as_str()), ("fence_x", "Fence \"X\""));
        assert!(metadata.has_parameter("plug") && !metadata.has_parameter("port"));
        let plug = &metadata.parameters["plug"];
        assert!(plug.is_required && plug.kind == "string" && plug.description == "Outlet of the node");
        assert!(metadata.has_parameter("snmp_version") && metadata.has_parameter("snmp-version"));
        let version = &metadata.parameters["snmp_version"];
        assert!(version.is_deprecated && version.default.as_deref() == Some("2c"));
        assert!(metadata.actions["on"].is_automatic && !metadata.actions["off"].is_automatic);
        assert_eq!(metadata.actions.len(), 3);
    }

    #[test]
    fn refuses_what_is_no_description() {
        assert!(Metadata::parse("usage: fence_x [options]").is_err());
        assert!(Metadata::parse("<resource-agent name='x'><parameters></actions>").is_err());
    }
}
