//! The environment that an OCF agent is given.
//!
//! Source: Resource Agent API 1.1, "Parameters"; the variables of `OCF_RESKEY_CRM_meta_…` are what agents in use read beside it.

use crate::child::DEFAULT_PATH;
use ha_model::{InstanceId, OcfName};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// What an agent puts before the reason of a failure, on standard error.
pub const REASON_PREFIX: &str = "ocf-exit-reason:";

/// One call.
pub(super) struct Call<'a> {
    pub name: &'a OcfName,
    pub instance: &'a InstanceId,
    pub root: &'a Path,
    pub parameters: &'a BTreeMap<String, String>,
    pub action: &'a str,
    pub timeout: Duration,
    /// Pause between two monitors; zero for a probe and for all else.
    pub interval: Duration,
}

impl Call<'_> {
    /// The whole environment: agents see nothing of the daemon's own.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let mut env: BTreeMap<String, String> = self
            .parameters
            .iter()
            .map(|(name, value)| (format!("OCF_RESKEY_{name}"), value.clone()))
            .collect();
        let ms = |d: Duration| d.as_millis().to_string();
        let fixed = [
            ("PATH", DEFAULT_PATH.to_owned()),
            ("LC_ALL", "C".to_owned()),
            ("OCF_ROOT", self.root.display().to_string()),
            ("OCF_RA_VERSION_MAJOR", "1".to_owned()),
            ("OCF_RA_VERSION_MINOR", "1".to_owned()),
            ("OCF_RESOURCE_INSTANCE", self.instance.to_string()),
            ("OCF_RESOURCE_TYPE", self.name.kind.clone()),
            ("OCF_RESOURCE_PROVIDER", self.name.provider.clone()),
            ("OCF_CHECK_LEVEL", "0".to_owned()),
            ("OCF_EXIT_REASON_PREFIX", REASON_PREFIX.to_owned()),
            ("OCF_RESKEY_CRM_meta_name", self.action.to_owned()),
            ("OCF_RESKEY_CRM_meta_timeout", ms(self.timeout)),
            ("OCF_RESKEY_CRM_meta_interval", ms(self.interval)),
        ];
        env.extend(fixed.map(|(name, value)| (name.to_owned(), value)));
        env
    }
}
