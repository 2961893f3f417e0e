//! The off rule: from what an executor reports to a proof, or to why there is none.

use crate::attempt::{AttemptReport, READINGS};
use crate::call::LevelPlan;
use ha_model::sabotage::{self, Sabotage};
use ha_model::{
    ClusterConfig, DeviceId, Evidence, FenceProof, Incarnation, NodeId, PathEvidence, ProofScope, WallMs,
};

/// Why an outlet's off proves nothing where there is no evidence: the end of a sentence about the outlet.
#[must_use]
pub fn never_read_on(target: &NodeId) -> String {
    format!("was never read on while {target} was up: it may be another machine's outlet")
}

/// What a report claims to have cut, and who says so.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The node.
    pub target: NodeId,
    /// Its boot; `None`: it was never seen.
    pub incarnation: Option<Incarnation>,
    /// Who ran the agents.
    pub executor: NodeId,
    /// When the leader judges (display).
    pub at: WallMs,
}

/// Judges a report. `evidence` is what makes an off count that the claim's executor read on a device: the target's
/// outlets were read on while it lived, and nothing speaks against that since; or why there is none.
///
/// # Errors
/// One sentence that names device and outlet: why this is no proof.
pub fn judge<'a>(
    config: &ClusterConfig,
    levels: &[LevelPlan],
    report: &AttemptReport,
    claim: &Claim,
    evidence: impl Fn(&DeviceId) -> Result<&'a PathEvidence, String>,
) -> Result<FenceProof, String> {
    let failures = || {
        let each = report.levels.iter().filter_map(|l| {
            let why = l.result.as_ref().err()?;
            Some(if levels.len() > 1 { format!("level {}: {why}", l.level) } else { why.clone() })
        });
        each.collect::<Vec<_>>().join("; ")
    };
    let Some((level, readings)) =
        report.levels.last().and_then(|l| Some((l.level, *l.result.as_ref().ok()?)))
    else {
        let why = failures();
        return Err(if why.is_empty() { "no fence level was tried".to_owned() } else { why });
    };
    if readings < READINGS {
        return Err(format!("level {level}: only {readings} of {READINGS} readings"));
    }
    let Some(plan) = levels.iter().find(|l| l.level == level) else {
        return Err(format!("level {level} is not in the configuration any more"));
    };
    if plan.devices.is_empty() || plan.devices.iter().any(|d| d.plugs.is_empty()) {
        return Err(format!("level {level} names no outlet of {}", claim.target)); // S7: nothing read, nothing proven
    }
    let is_any = sabotage::is(Sabotage::EvidenceOfAnotherPath);
    for part in plan.devices.iter().filter(|_| !sabotage::is(Sabotage::NoEvidence)) {
        let hash = config.devices.get(&part.device).map(|d| d.path_hash);
        let is_of_it = |e: &PathEvidence| {
            e.target == claim.target && e.device == part.device && (Some(e.path_hash) == hash || is_any)
        };
        let doubt = match evidence(&part.device) {
            Ok(evidence) if is_of_it(evidence) => continue,
            Ok(_) => never_read_on(&claim.target),
            Err(why) => why,
        };
        return Err(format!("{} outlet {} reads off, but {doubt}", part.device, part.plugs.join(", ")));
    }
    Ok(FenceProof {
        target: claim.target.clone(),
        incarnation: claim.incarnation,
        scope: ProofScope::Everything,
        by: claim.executor.clone(),
        evidence: Evidence::ReadOff {
            level,
            devices: plan.devices.iter().map(|d| d.device.clone()).collect(),
            readings,
        },
        at: claim.at,
    })
}
