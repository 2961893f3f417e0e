//! The clusters that chaos is made in: three members; two members and a witness, which may lead; four members, of
//! which one is a learner.

/// Nodes of each kind of cluster, in order of their outlets.
const NODES: [&[(&str, &str)]; 3] = [
    &[("alpha", "member"), ("beta", "member"), ("gamma", "member")],
    &[("alpha", "member"), ("beta", "member"), ("gamma", "witness")],
    &[("alpha", "member"), ("beta", "member"), ("delta", "member"), ("gamma", "member")],
];

/// Number of kinds.
pub const KINDS: u64 = NODES.len() as u64;

/// The cluster file of a kind.
pub fn text(kind: u64, address: u64) -> String {
    let nodes = NODES[kind as usize];
    let mut text = String::from("name = \"test\"\nstickiness = 100\n[timing]\noff_settle = \"0ms\"\n");
    for (i, (name, role)) in nodes.iter().enumerate() {
        text += &format!("[[node]]\nname = \"{name}\"\nrole = \"{role}\"\nlinks = [\"10.0.0.{}\"]\n", i + 11);
    }
    let outlets: Vec<_> = (1..)
        .zip(nodes.iter())
        .filter(|(_, (_, role))| *role == "member")
        .map(|(i, (name, _))| format!("{name} = [\"{i}\"]"))
        .collect();
    text += &format!(
        "[[fence]]\nname = \"pdu\"\nagent = \"fence_pdu_snmp\"\ntimeout = \"2s\"\n\
         options = {{ ip = \"10.0.9.1\" }}\noutlets = {{ {} }}\n",
        outlets.join(", ")
    );
    text += &format!(
        "[[resource]]\nname = \"vip\"\nagent = \"vip\"\n\
         options = {{ address = \"10.0.0.{address}/24\", interface = \"eth0\" }}\n"
    );
    for name in ["web", "db"] {
        text += &format!(
            "[[resource]]\nname = \"{name}\"\nagent = \"exec\"\noptions = {{ start = \"/bin/{name}\" }}\n\
             monitor = {{ interval = \"1s\", timeout = \"3s\" }}\n"
        );
    }
    text + "[[group]]\nname = \"front\"\nmembers = [\"vip\", \"web\"]\nprefer = { alpha = 10 }\n"
}

/// Names, in order of outlets.
pub fn names(kind: u64) -> Vec<&'static str> {
    NODES[kind as usize].iter().map(|(name, _)| *name).collect()
}

/// Whether the node runs resources and has an outlet.
pub fn is_member(kind: u64, name: &str) -> bool {
    NODES[kind as usize].contains(&(name, "member"))
}
