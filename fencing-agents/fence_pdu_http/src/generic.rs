//! Any other power switch, by a template of requests and rules.
//!
//! Must not know: logins.
//!
//! Invariant: a status answer counts only with a success status; what it means is decided by two explicit rules.

use ha_fence_agent::{DeviceError, Outlet, Power, Reading, Settings};
use reqwest::StatusCode;

use crate::rule::{Plug, Rule, reading};
use crate::web::{Answer, Body, Web};

/// Most outlets that option `outlets` may list.
const MAX_OUTLETS: u64 = 512;

struct Request {
    method: String,
    target: String,
    body: Option<Body>,
}

/// What the options say about the device.
pub(crate) struct Template {
    status: Request,
    on_rule: Rule,
    off_rule: Rule,
    pending_rule: Option<Rule>,
    off: Request,
    on: Option<Request>,
    monitor: Option<String>,
    outlets: Vec<String>,
}

impl Template {
    /// Reads the template; every part that could not be used is an error now, not when a node must be fenced.
    pub(crate) fn read(settings: &Settings) -> Result<Self, DeviceError> {
        let needed = |name: &str| settings.required(name, "model generic needs it");
        let parsed = |name: &str, text: &str| {
            Rule::parse(text).map_err(|why| DeviceError::Config(format!("option '{name}': {why}")))
        };
        let rule = |name: &str| parsed(name, needed(name)?);
        let pending = "status_pending";
        let template = Self {
            status: request(settings, "status", needed("status_url")?),
            on_rule: rule("status_on")?,
            off_rule: rule("status_off")?,
            pending_rule: settings.get(pending).map(|text| parsed(pending, text)).transpose()?,
            off: request(settings, "off", needed("off_url")?),
            on: settings.get("on_url").map(|url| request(settings, "on", url)),
            monitor: settings.get("monitor_url").map(str::to_owned),
            outlets: settings.get("outlets").map(outlets).transpose()?.unwrap_or_default(),
        };
        if template.on_rule == template.off_rule {
            return Err(DeviceError::Config("options 'status_on' and 'status_off' are the same rule".into()));
        }
        Ok(template)
    }

    /// Reads one outlet.
    pub(crate) async fn status(&self, web: &mut Web, name: &str) -> Result<Reading, DeviceError> {
        let plug = plug(name)?;
        let answer = self.status.send(web, &plug).await?;
        found(&answer, name)?;
        let body = answer.success("status request")?;
        Ok(reading(&self.on_rule, &self.off_rule, self.pending_rule.as_ref(), &body, &plug))
    }

    /// Commands one outlet.
    pub(crate) async fn set(&self, web: &mut Web, name: &str, power: Power) -> Result<(), DeviceError> {
        let plug = plug(name)?;
        let request = match power {
            Power::Off => &self.off,
            Power::On => self
                .on
                .as_ref()
                .ok_or_else(|| DeviceError::NotSupported("on: option 'on_url' is not set".into()))?,
        };
        let answer = request.send(web, &plug).await?;
        found(&answer, name)?;
        answer.success("command").map(|_| ())
    }

    /// Lists what option `outlets` says.
    pub(crate) fn list(&self) -> Result<Vec<Outlet>, DeviceError> {
        if self.outlets.is_empty() {
            return Err(DeviceError::NotSupported("list: option 'outlets' is not set".into()));
        }
        Ok(self.outlets.iter().map(|plug| Outlet { plug: plug.clone(), name: String::new() }).collect())
    }

    /// Proves that the device answers: by `monitor_url`, or by reading outlets.
    pub(crate) async fn monitor(&self, web: &mut Web, plugs: &[String]) -> Result<(), DeviceError> {
        if let Some(target) = &self.monitor {
            return web.send("GET", target, &[], None).await?.success("monitor request").map(|_| ());
        }
        let first = self.outlets.get(..1).unwrap_or_default();
        let asked = if plugs.is_empty() { first } else { plugs };
        if asked.is_empty() {
            let reason = "monitor without an outlet: set option 'monitor_url' or 'outlets'";
            return Err(DeviceError::NotSupported(reason.into()));
        }
        for name in asked {
            if let Reading::Unknown(why) = self.status(web, name).await? {
                return Err(DeviceError::Failed { what: format!("status of outlet {name}"), detail: why });
            }
        }
        Ok(())
    }
}

impl Request {
    async fn send(&self, web: &mut Web, plug: &Plug) -> Result<Answer, DeviceError> {
        let text = self.body.as_ref().map_or("", |body| &body.text);
        if !plug.fits(&self.target) || !plug.fits(text) {
            return Err(DeviceError::Config("{plug0} needs outlets that are numbered from 1".into()));
        }
        let body = self
            .body
            .as_ref()
            .map(|body| Body { content_type: body.content_type.clone(), text: plug.fill(&body.text) });
        web.send(&self.method, &plug.fill(&self.target), &[], body).await
    }
}

fn request(settings: &Settings, verb: &str, url: &str) -> Request {
    let get = |part: &str| settings.get(&format!("{verb}_{part}")).map(str::to_owned);
    let body = get("body").map(|text| {
        let json =
            serde_json::from_str::<serde_json::Value>(&text.replace("{plug}", "1").replace("{plug0}", "0"))
                .is_ok_and(|value| value.is_object() || value.is_array());
        let guessed = if json { "application/json" } else { "application/x-www-form-urlencoded" };
        Body { content_type: settings.get("content_type").unwrap_or(guessed).to_owned(), text }
    });
    Request { method: get("method").unwrap_or_else(|| "GET".into()), target: url.to_owned(), body }
}

/// `1-8` or `1,2,5` or a mix.
fn outlets(text: &str) -> Result<Vec<String>, DeviceError> {
    let wrong = || DeviceError::Config(format!("option 'outlets': '{text}' is not like 1-8 or 1,2,5"));
    let mut all = Vec::new();
    for part in text.split(',').map(str::trim) {
        let range = part.split_once('-').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
        match range {
            Some((from, to)) if from <= to && to - from < MAX_OUTLETS => {
                all.extend((from..=to).map(|n: u64| n.to_string()));
            }
            Some(_) => return Err(wrong()),
            None => all.push(Plug::new(part).map(|_| part.to_owned()).ok_or_else(wrong)?),
        }
    }
    Ok(all)
}

fn plug(name: &str) -> Result<Plug, DeviceError> {
    Plug::new(name).ok_or_else(|| DeviceError::NoSuchOutlet {
        plug: name.to_owned(),
        detail: "a name has letters, digits, '.', '_' and '-' only".into(),
    })
}

fn found(answer: &Answer, plug: &str) -> Result<(), DeviceError> {
    if answer.status == StatusCode::NOT_FOUND {
        return Err(DeviceError::NoSuchOutlet { plug: plug.to_owned(), detail: "HTTP status 404".into() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::outlets;

    #[test]
    fn outlet_lists() {
        assert_eq!(outlets("1-3,7,rack-b").unwrap(), ["1", "2", "3", "7", "rack-b"]);
        for wrong in ["3-1", "1-99999999", "1,,2", "a b"] {
            assert!(outlets(wrong).is_err(), "{wrong}");
        }
    }
}
