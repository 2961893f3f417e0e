//! Rules that say what an answer means.
//!
//! `json:/pointer=value`: the JSON value at that pointer (RFC 6901) is `value` (a text, a number, true or false).
//! `text:part`: the answer contains `part`. `is:whole`: the answer, without space around it, is `whole`.
//!
//! Must not know: where an answer comes from.
//!
//! Invariant: on and off must be told apart explicitly: an answer that fits neither rule or both is unknown, one that
//! says a command is pending is neither on nor off (`// S7`).

use ha_fence_agent::Reading;
use serde_json::Value;

/// How much of an answer that was not understood is shown.
const SHOWN: usize = 100;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The value at a JSON pointer.
    Json { pointer: String, value: String },
    /// A part of the text.
    Text(String),
    /// The whole text.
    Is(String),
}

impl Rule {
    /// Reads a rule.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix("json:") {
            let (pointer, value) =
                rest.split_once('=').ok_or_else(|| format!("'{text}' has no '=': json:/pointer=value"))?;
            if !pointer.starts_with('/') {
                return Err(format!("the pointer of '{text}' does not start with '/'"));
            }
            return Ok(Self::Json { pointer: pointer.to_owned(), value: value.to_owned() });
        }
        match text.split_once(':') {
            Some(("text", part)) if !part.is_empty() => Ok(Self::Text(part.to_owned())),
            Some(("is", whole)) if !whole.is_empty() => Ok(Self::Is(whole.to_owned())),
            _ => Err(format!("'{text}' is none of json:/pointer=value, text:part, is:whole")),
        }
    }

    fn holds(&self, body: &str, plug: &Plug) -> bool {
        match self {
            Self::Json { pointer, value } => {
                let Ok(document) = serde_json::from_str::<Value>(body) else { return false };
                let value = plug.fill(value);
                match document.pointer(&plug.fill(pointer)) {
                    Some(Value::String(text)) => *text == value,
                    Some(Value::Number(number)) => number.to_string() == value,
                    Some(Value::Bool(truth)) => truth.to_string() == value,
                    _ => false,
                }
            }
            Self::Text(part) => body.contains(&plug.fill(part)),
            Self::Is(whole) => body.trim() == plug.fill(whole),
        }
    }
}

/// What an answer says by the rules.
pub(crate) fn reading(on: &Rule, off: &Rule, pending: Option<&Rule>, body: &str, plug: &Plug) -> Reading {
    if pending.is_some_and(|rule| rule.holds(body, plug)) {
        return Reading::Changing("status_pending fits the answer".into());
    }
    let why = match (on.holds(body, plug), off.holds(body, plug)) {
        (true, false) => return Reading::On,
        (false, true) => return Reading::Off,
        (true, true) => "both status_on and status_off fit",
        (false, false) => "neither status_on nor status_off fits",
    };
    let shown: String = body.trim().chars().take(SHOWN).filter(|c| !c.is_control()).collect();
    Reading::Unknown(format!("{why} the answer '{shown}'"))
}

/// An outlet's name for use in URLs, bodies and rules.
#[derive(Debug)]
pub(crate) struct Plug {
    name: String,
    zero_based: Option<u64>,
}

impl Plug {
    /// Takes a name of letters, digits, `.`, `_` and `-`: nothing that could change a URL or a body's structure.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let usable = !name.is_empty() && name.chars().all(plain) && name.chars().any(|c| c != '.');
        let zero_based = name.parse::<u64>().ok().and_then(|number| number.checked_sub(1));
        usable.then(|| Self { name: name.to_owned(), zero_based })
    }

    /// Puts the outlet where `{plug}` and `{plug0}` stand.
    pub(crate) fn fill(&self, template: &str) -> String {
        let filled = template.replace("{plug}", &self.name);
        match self.zero_based {
            Some(number) => filled.replace("{plug0}", &number.to_string()),
            None => filled,
        }
    }

    /// Whether a template can be filled with this outlet.
    pub(crate) fn fits(&self, template: &str) -> bool {
        self.zero_based.is_some() || !template.contains("{plug0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(on: &str, off: &str, body: &str) -> Reading {
        reading(&Rule::parse(on).unwrap(), &Rule::parse(off).unwrap(), None, body, &Plug::new("3").unwrap())
    }

    fn unknown(on: &str, off: &str, body: &str) -> bool {
        matches!(read(on, off, body), Reading::Unknown(_))
    }

    #[test]
    fn json_values_of_each_type() {
        for (on, off) in [("\"on\"", "\"off\""), ("1", "0"), ("true", "false")] {
            let bare = |value: &str| value.trim_matches('"').to_owned();
            let (rule_on, rule_off) =
                (format!("json:/o/{{plug0}}/s={}", bare(on)), format!("json:/o/{{plug0}}/s={}", bare(off)));
            let body = |value: &str| format!("{{\"o\":[{{\"s\":{on}}},{{\"s\":{on}}},{{\"s\":{value}}}]}}");
            assert_eq!(read(&rule_on, &rule_off, &body(on)), Reading::On);
            assert_eq!(read(&rule_on, &rule_off, &body(off)), Reading::Off);
            for other in ["null", "2", "\"\"", "[]", "{}"] {
                assert!(unknown(&rule_on, &rule_off, &body(other)), "{other}");
            }
            assert!(unknown(&rule_on, &rule_off, "{\"o\":[]}"), "the outlet is missing");
            assert!(unknown(&rule_on, &rule_off, "<html>off</html>"), "no JSON");
            assert!(unknown(&rule_on, &rule_off, ""), "nothing");
        }
    }

    #[test]
    fn text_that_fits_neither_or_both_is_unknown() {
        let (on, off) = ("text:Outlet {plug} ON", "text:Outlet {plug} OFF");
        assert_eq!(read(on, off, "Outlet 2 ON\nOutlet 3 OFF\n"), Reading::Off);
        assert_eq!(read(on, off, "Outlet 2 OFF\nOutlet 3 ON\n"), Reading::On);
        assert!(unknown(on, off, "Outlet 3 ON, Outlet 3 OFF"));
        assert!(unknown(on, off, "please log in"));
    }

    #[test]
    fn pending_is_neither_on_nor_off_whatever_else_fits() {
        let rule = |text| Rule::parse(text).unwrap();
        let (on, off, pending) = (rule("json:/on=true"), rule("json:/on=false"), rule("json:/busy=true"));
        let read = |body| reading(&on, &off, Some(&pending), body, &Plug::new("3").unwrap());
        assert!(matches!(read(r#"{"on":false,"busy":true}"#), Reading::Changing(_)));
        assert!(matches!(read(r#"{"on":null,"busy":true}"#), Reading::Changing(_)));
        assert_eq!(read(r#"{"on":false,"busy":false}"#), Reading::Off);
        assert!(matches!(read(r#"{"on":null,"busy":false}"#), Reading::Unknown(_)));
    }

    #[test]
    fn the_whole_answer() {
        assert_eq!(read("is:1", "is:0", " 0\r\n"), Reading::Off);
        assert!(unknown("is:1", "is:0", "10"));
    }

    #[test]
    fn rules_without_a_known_form_are_refused() {
        for wrong in ["off", "text:", "is:", "json:state=off", "json:/state", "regex:off", ""] {
            assert!(Rule::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_outlet_name_cannot_change_a_request() {
        for wrong in ["", "1/../2", "1?x", "1\"", "a b", "..", "1\r\nX: y", "%31", "1&2"] {
            assert!(Plug::new(wrong).is_none(), "{wrong}");
        }
        let plug = Plug::new("8").unwrap();
        assert_eq!(plug.fill("/o/{plug}?z={plug0}"), "/o/8?z=7");
        assert!(!Plug::new("rack-a").unwrap().fits("/{plug0}"));
        assert!(!Plug::new("0").unwrap().fits("/{plug0}"));
    }
}
