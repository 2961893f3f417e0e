//! What every command needs: the daemon, the longest wait, colours; and the words for answers that are none.

use crate::cli::Global;
use crate::names;
use crate::outcome::{Exit, Failure, Success};
use ha_api::{Answer, Client, Health};
use ha_model::{AdminReply, AdminRequest, NodeId, ResourceId, StatusView};
use serde_json::json;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Longest wait for an answer unless told otherwise: longer than a node waits for its leader (10 s), whose words
/// say more.
const TIMEOUT: Duration = Duration::from_secs(15);

/// What every command needs.
pub(crate) struct Context {
    client: Client,
    runtime: Runtime,
    timeout: Option<Duration>,
    /// Colours on standard output.
    pub(crate) color: bool,
    /// The answer is wanted as JSON.
    pub(crate) json: bool,
}

impl Context {
    pub(crate) fn new(global: &Global) -> Result<Context, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::new(Exit::Failed, "system", format!("cannot start: {error}"), None))?;
        Ok(Context {
            client: Client::new(&global.socket),
            runtime,
            timeout: global.timeout.map(|span| span.0),
            color: !global.json && global.color.wanted(&std::io::stdout()),
            json: global.json,
        })
    }

    /// Asks the daemon. An answer that says no is a failure.
    pub(crate) fn ask(&self, request: &AdminRequest) -> Result<Answer, Failure> {
        self.ask_within(request, TIMEOUT)
    }

    /// Asks something that takes longer.
    pub(crate) fn ask_within(&self, request: &AdminRequest, limit: Duration) -> Result<Answer, Failure> {
        let limit = self.timeout.unwrap_or(limit);
        let answer = self.runtime.block_on(self.client.request(request, limit))?;
        match answer.reply {
            AdminReply::Refused { why, help } => {
                Err(Failure::new(Exit::Failed, "refused", why, help).answered_by(&answer.node))
            }
            AdminReply::Unavailable { why } => {
                let help = Some("see who is missing with: hactl status".to_owned());
                Err(Failure::new(Exit::NoLeader, "no-leader", why, help).answered_by(&answer.node))
            }
            _ => Ok(answer),
        }
    }

    /// Asks for something that is done or refused.
    pub(crate) fn order(&self, request: &AdminRequest) -> Result<Success, Failure> {
        let answer = self.ask(request)?;
        match answer.reply {
            AdminReply::Done { message } => Ok(Success {
                text: format!("{}\n", crate::text::harmless(&message)),
                data: json!({ "message": message }),
                node: Some(answer.node),
                at: Some(answer.at),
                exit: Exit::Done,
            }),
            _ => Err(unexpected(&answer)),
        }
    }

    /// The status.
    pub(crate) fn status(&self) -> Result<(Answer, StatusView), Failure> {
        let answer = self.ask(&AdminRequest::Status)?;
        match &answer.reply {
            AdminReply::Status(view) => {
                let view = (**view).clone();
                Ok((answer, view))
            }
            _ => Err(unexpected(&answer)),
        }
    }

    /// Which daemon answers.
    pub(crate) fn health(&self) -> Result<Health, Failure> {
        Ok(self.runtime.block_on(self.client.health(self.timeout.unwrap_or(TIMEOUT)))?)
    }

    /// The status, after making sure that the node exists.
    pub(crate) fn known_node(&self, node: &NodeId) -> Result<StatusView, Failure> {
        let (_, view) = self.status()?;
        if view.nodes.iter().any(|row| row.name == *node) {
            return Ok(view);
        }
        let names: Vec<&str> = view.nodes.iter().map(|row| row.name.as_str()).collect();
        let near = names::suggestion(node.as_str(), &names);
        Err(Failure::usage(format!("cluster {} has no node \"{node}\"{near}", view.cluster)))
    }

    /// The status, after making sure that the resource exists.
    pub(crate) fn known_resource(&self, resource: &ResourceId) -> Result<StatusView, Failure> {
        let (_, view) = self.status()?;
        let mut names: Vec<&str> = view.resources.iter().map(|row| base(row.name.as_str())).collect();
        names.dedup();
        if names.contains(&resource.as_str()) {
            return Ok(view);
        }
        let in_group = view.resources.iter().filter(|row| row.group.as_deref() == Some(resource.as_str()));
        let members: Vec<&str> = in_group.map(|row| base(row.name.as_str())).collect();
        if let Some(first) = members.first() {
            return Err(Failure::usage(format!(
                "{resource} is a group: name one of its resources ({}), for instance {first}",
                members.join(", ")
            )));
        }
        let near = names::suggestion(resource.as_str(), &names);
        Err(Failure::usage(format!("cluster {} has no resource \"{resource}\"{near}", view.cluster)))
    }
}

/// The resource of an instance: `web:0` is one of `web`.
fn base(instance: &str) -> &str {
    instance.split_once(':').map_or(instance, |(name, _)| name)
}

/// An answer to something else.
pub(crate) fn unexpected(answer: &Answer) -> Failure {
    let message = format!("hanode on {} answered something else than was asked", answer.node);
    let help = "hactl and hanode must come from the same release; compare with: hactl version";
    Failure::new(Exit::Unreachable, "wrong-protocol", message, Some(help.to_owned()))
        .answered_by(&answer.node)
}
