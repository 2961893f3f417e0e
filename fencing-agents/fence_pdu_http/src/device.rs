//! A power switch of one of the models, as the contract wants it.
//!
//! Must not know: what any model sends.

use ha_fence_agent::{Device, DeviceError, Outlet, Power, Reading, Settings};

use crate::generic::Template;
use crate::web::Web;
use crate::{dli, netio};

enum Model {
    Dli,
    Netio,
    Generic(Box<Template>),
}

/// The device of this agent.
pub(crate) struct PduHttp {
    web: Web,
    model: Model,
}

impl PduHttp {
    /// Makes the device from the options, without asking it anything.
    pub(crate) fn build(settings: &Settings) -> Result<Self, DeviceError> {
        let model = settings.required("model", "dli, netio or generic")?;
        let (model, login) = match model {
            "dli" => (Model::Dli, "digest"),
            "netio" => (Model::Netio, "basic"),
            _ => {
                let login = if settings.get("username").is_some() { "basic" } else { "none" };
                (Model::Generic(Box::new(Template::read(settings)?)), login)
            }
        };
        if !matches!(model, Model::Generic(_)) {
            settings.required("ip", "the address of the power switch")?;
        }
        Ok(Self { web: Web::new(settings, login)?, model })
    }
}

impl Device for PduHttp {
    async fn status(&mut self, plug: &str) -> Result<Reading, DeviceError> {
        match &self.model {
            Model::Dli => dli::status(&mut self.web, plug).await,
            Model::Netio => netio::status(&mut self.web, plug).await,
            Model::Generic(template) => template.status(&mut self.web, plug).await,
        }
    }

    async fn set(&mut self, plug: &str, power: Power) -> Result<Option<Reading>, DeviceError> {
        match &self.model {
            Model::Dli => dli::set(&mut self.web, plug, power).await.map(|()| None),
            Model::Netio => netio::set(&mut self.web, plug, power).await.map(Some),
            Model::Generic(template) => template.set(&mut self.web, plug, power).await.map(|()| None),
        }
    }

    async fn list(&mut self) -> Result<Vec<Outlet>, DeviceError> {
        match &self.model {
            Model::Dli => dli::list(&mut self.web).await,
            Model::Netio => netio::list(&mut self.web).await,
            Model::Generic(template) => template.list(),
        }
    }

    async fn monitor(&mut self, plugs: &[String]) -> Result<(), DeviceError> {
        if let Model::Generic(template) = &self.model {
            return template.monitor(&mut self.web, plugs).await;
        }
        // An outlet that cannot be told is not a sound path to its power.
        for plug in plugs {
            self.status(plug).await?;
        }
        match &self.model {
            Model::Dli if plugs.is_empty() => dli::status(&mut self.web, "1").await.map(|_| ()),
            Model::Netio if plugs.is_empty() => netio::list(&mut self.web).await.map(|_| ()),
            _ => Ok(()),
        }
    }
}
