//! Names and numbers that identify things. Every id is a type of its own, so that none is passed for another.
//!
//! Ids are ordered and cheap to clone; collections that are iterated are keyed by them.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Longest accepted name in bytes: a host name label (RFC 1035 §2.3.4).
pub const NAME_MAX: usize = 63;

/// So many bytes of a name are its head.
const HEAD: usize = 8;

/// The first bytes of a name as a number that orders as they do; shorter names are filled up with zeros.
fn head(name: &str) -> u64 {
    let mut head = [0; HEAD];
    head.iter_mut().zip(name.bytes()).for_each(|(to, byte)| *to = byte);
    u64::from_be_bytes(head)
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Serialize, Deserialize)]
        #[serde(from = "Arc<str>", into = "Arc<str>")]
        pub struct $name {
            head: u64,
            name: Arc<str>,
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.cmp(other) == Ordering::Equal
            }
        }

        impl Eq for $name {}

        // Names are compared more often than anything else is done, and most are told apart, or are one, by their heads.
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                self.head.cmp(&other.head).then_with(|| match (self.name.len(), other.name.len()) {
                    (a, b) if a == b && a <= HEAD => Ordering::Equal,
                    _ if Arc::ptr_eq(&self.name, &other.name) => Ordering::Equal,
                    _ => self.name.cmp(&other.name),
                })
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.name.hash(state);
            }
        }

        impl $name {
            /// The name as written in the cluster file.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.name
            }
        }

        impl From<Arc<str>> for $name {
            fn from(name: Arc<str>) -> Self {
                Self { head: head(&name), name }
            }
        }

        impl From<$name> for Arc<str> {
            fn from(id: $name) -> Self {
                id.name
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Arc::<str>::from(name).into()
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Arc::<str>::from(name).into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.name)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.name)
            }
        }
    };
}

name_id!(
    /// A node of the cluster, by its configured name.
    NodeId
);
name_id!(
    /// A resource as configured.
    ResourceId
);
name_id!(
    /// One instance of a resource: the resource's name, or `name:0` for a clone's instance.
    InstanceId
);
name_id!(
    /// A group of resources.
    GroupId
);
name_id!(
    /// A fence device.
    DeviceId
);
name_id!(
    /// A thing that must have one owner: `address/10.0.0.100`, `lock/name`, `disk/…`.
    ObjectId
);
name_id!(
    /// An agent by its name in the cluster file (`vip`, `exec`, `fence_pdu_snmp`).
    AgentName
);

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl $name {
            /// The number after this one.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }
    };
}

number_id!(
    /// An election term (Raft). Grows; one leader at most per term.
    Term
);
number_id!(
    /// A position in the replicated log, from 1; 0 is "before the first".
    Index
);
number_id!(
    /// One plan of one leader; grows within a term.
    PlanId
);
number_id!(
    /// One effect that the core asked a shell to carry out; unique within a session.
    EffectId
);
number_id!(
    /// A fence request, numbered by the log.
    FenceId
);

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// As text (JSON) 32 hexadecimal digits, because JSON numbers of 128 bits survive neither other
        /// programs nor a tagged enum; in binary forms the plain number.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(&format_args!("{:032x}", self.0))
                } else {
                    serializer.serialize_u128(self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = String::deserialize(deserializer)?;
                    u128::from_str_radix(&text, 16).map(Self).map_err(D::Error::custom)
                } else {
                    u128::deserialize(deserializer).map(Self)
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:08x}", (self.0 >> 96) as u32)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:08x}", (self.0 >> 96) as u32)
            }
        }
    };
}

random_id!(
    /// One boot of one node: the kernel's boot id; in the lab, issued by the power switch at power-on.
    Incarnation
);
random_id!(
    /// One start of the daemon. A new session in the same incarnation inherits what is open.
    SessionId
);
random_id!(
    /// One creation of a node's store. A voter is (node, store): a wiped disk is another voter.
    StoreId
);
random_id!(
    /// A cluster, created once; members of another refuse to talk.
    ClusterId
);

/// What every order to a node carries; compared by (term, plan). A node refuses an order that is older than
/// the newest it acted on, or meant for another incarnation or session (S6).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct OrderStamp {
    /// Term of the leader that ordered.
    pub term: Term,
    /// Plan within that term.
    pub plan: PlanId,
    /// Boot of the node the order is for.
    pub incarnation: Incarnation,
    /// Daemon start the order is for.
    pub session: SessionId,
}

impl OrderStamp {
    /// The part that is ordered: a higher (term, plan) is newer.
    #[must_use]
    pub fn age_key(&self) -> (Term, PlanId) {
        (self.term, self.plan)
    }
}
