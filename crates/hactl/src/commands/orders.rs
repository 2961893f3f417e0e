//! `hactl node …` and `hactl resource …`: orders that are done or refused.

use crate::cli::{Node, Resource};
use crate::context::Context;
use crate::outcome::{Failure, Success};
use crate::wall;
use ha_model::{AdminRequest, NodeId, ResourceId, WallMs};
use serde_json::json;

/// `hactl node …`.
pub(crate) fn node(context: &Context, command: Node) -> Result<Success, Failure> {
    let (node, request): (NodeId, fn(NodeId) -> AdminRequest) = match command {
        Node::Standby { node } => (node, |node| AdminRequest::NodeStandby { node }),
        Node::Online { node } => (node, |node| AdminRequest::NodeOnline { node }),
    };
    context.known_node(&node)?;
    context.order(&request(node))
}

/// `hactl resource …`.
pub(crate) fn resource(context: &Context, command: Resource) -> Result<Success, Failure> {
    let known = |resource: ResourceId| context.known_resource(&resource).map(|_| resource);
    match command {
        Resource::Start { resource } => {
            context.order(&AdminRequest::ResourceStart { resource: known(resource)? })
        }
        Resource::Stop { resource } => {
            context.order(&AdminRequest::ResourceStop { resource: known(resource)? })
        }
        Resource::Restart { resource } => {
            context.order(&AdminRequest::ResourceRestart { resource: known(resource)? })
        }
        Resource::Move { resource, node, lasts } => {
            let resource = known(resource)?;
            if let Some(node) = &node {
                context.known_node(node)?;
            }
            // Whole seconds go over the wire: never shorter than asked.
            let for_s = lasts.0.as_secs() + u64::from(lasts.0.subsec_nanos() > 0);
            let mut success = context.order(&AdminRequest::ResourceMove { resource, to: node, for_s })?;
            let from = success.at.unwrap_or_else(wall::now);
            let until = WallMs(from.0.saturating_add(i64::try_from(for_s * 1000).unwrap_or(i64::MAX)));
            success.text.push_str(&format!(
                "holds until {} ({lasts}); then it is forgotten, and preferences and stickiness decide again\n",
                wall::seconds(until)
            ));
            success.data["until"] = json!(until);
            Ok(success)
        }
        Resource::Cleanup { resource, node } => {
            if let Some(resource) = &resource {
                context.known_resource(resource)?;
            }
            if let Some(node) = &node {
                context.known_node(node)?;
            }
            context.order(&AdminRequest::ResourceCleanup { resource, node })
        }
    }
}
