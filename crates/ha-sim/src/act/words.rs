//! Acts as lines of words, both ways.

use super::{Act, Agents, Disk, Fault, Moment, Order, Switch, Way, Who};
use std::fmt;
use std::str::FromStr;

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Node(name) => f.write_str(name),
            Who::Leader => f.write_str("@leader"),
            Who::Owner(instance) => write!(f, "@owner:{instance}"),
            Who::Starter => f.write_str("@starter"),
            Who::Bystander => f.write_str("@bystander"),
        }
    }
}

struct OrAll<'a>(&'a Option<Who>);

impl fmt::Display for OrAll<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(who) => who.fmt(f),
            None => f.write_str("all"),
        }
    }
}

/// Whom the path leads to.
struct Others<'a>(&'a Option<Vec<Who>>);

impl fmt::Display for Others<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str(" all"),
            Some(others) => others.iter().try_for_each(|w| write!(f, " {w}")),
        }
    }
}

struct Link(Option<u8>);

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |l| write!(f, " link {l}"))
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Act::PowerOff(w) => write!(f, "power-off {w}"),
            Act::PowerOn(w) => write!(f, "power-on {}", OrAll(w)),
            Act::Freeze(w) => write!(f, "freeze {w}"),
            Act::Pause(w) => write!(f, "pause {w}"),
            Act::Stall(w) => write!(f, "stall {w}"),
            Act::Thaw(w) => write!(f, "thaw {}", OrAll(w)),
            Act::KillDaemon(w) => write!(f, "kill-daemon {w}"),
            Act::EndDaemon(w) => write!(f, "end-daemon {w}"),
            Act::StartDaemon(w) => write!(f, "start-daemon {w}"),
            Act::Kill(what, w) => write!(f, "kill {what} {w}"),
            Act::Cut(one, others, way, link) => {
                let way = match way {
                    Way::Both => '|',
                    Way::Out => '>',
                    Way::In => '<',
                };
                write!(f, "cut {one} {way}{}{}", Others(others), Link(*link))
            }
            Act::Lossy(one, others, percent, link) => {
                write!(f, "cut {one} ~{percent}%{}{}", Others(others), Link(*link))
            }
            Act::Doubled(one, others, percent, link) => {
                write!(f, "cut {one} x{percent}%{}{}", Others(others), Link(*link))
            }
            Act::Late(one, others, ms, link) => {
                write!(f, "cut {one} +{ms}ms{}{}", Others(others), Link(*link))
            }
            Act::Flap(a, b, ms, link) => write!(f, "flap {a} {b} {ms}{}", Link(*link)),
            Act::Heal => f.write_str("heal"),
            Act::Net { loss, double, late_ms } => write!(f, "net loss {loss} double {double} late {late_ms}"),
            Act::Disk(w, how) => write!(f, "disk {w} {how}"),
            Act::Drift(w, ppm) => write!(f, "drift {w} {ppm}"),
            Act::Wall(w, s) => write!(f, "wall {w} {s}"),
            Act::Switch(how) => write!(f, "switch {how}"),
            Act::Device(device, how) => write!(f, "switch {device} {how}"),
            Act::Agent(resource, how) => write!(f, "agent {resource} {how}"),
            Act::Agents(Agents::Sound) => f.write_str("agents sound"),
            Act::Agents(Agents::Failing(p)) => write!(f, "agents failing {p}"),
            Act::Agents(Agents::Hanging(p)) => write!(f, "agents hanging {p}"),
            Act::Agents(Agents::Lying(p)) => write!(f, "agents lying {p}"),
            Act::Ask(w, order) => write!(f, "ask {w} {order}"),
            Act::Transfer(w) => write!(f, "transfer {w}"),
            Act::When(moment, act) => write!(f, "when {moment} {act}"),
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Order::Standby(w) => write!(f, "standby {w}"),
            Order::Online(w) => write!(f, "online {w}"),
            Order::Start(r) => write!(f, "start {r}"),
            Order::Stop(r) => write!(f, "stop {r}"),
            Order::Restart(r) => write!(f, "restart {r}"),
            Order::Move(r, w) => write!(f, "move {r} {w}"),
            Order::MoveAway(r) => write!(f, "move {r}"),
            Order::Cleanup(r) => write!(f, "cleanup {r}"),
            Order::FenceOff(w) => write!(f, "fence-off {w}"),
            Order::FenceOn(w) => write!(f, "fence-on {w}"),
            Order::FenceTest => f.write_str("fence-test"),
            Order::Confirm(w) => write!(f, "confirm {w}"),
            Order::ConfirmUnseen(w) => write!(f, "confirm-unseen {w}"),
            Order::Apply(file) => write!(f, "apply {file}"),
            Order::Status => f.write_str("status"),
            Order::Timeline => f.write_str("timeline"),
            Order::FenceHistory => f.write_str("fence-history"),
            Order::ConfigShow => f.write_str("config-show"),
            Order::Address(n) => write!(f, "address {n}"),
            Order::FencePath(n) => write!(f, "fence-path {n}"),
            Order::Remove(w) => write!(f, "remove {w}"),
            Order::Rename(w) => write!(f, "rename {w}"),
        }
    }
}

/// Words of an enum without contents, both ways.
macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($type::$variant => $word),+ })
            }
        }
        impl FromStr for $type {
            type Err = String;
            fn from_str(word: &str) -> Result<Self, String> {
                match word {
                    $($word => Ok($type::$variant),)+
                    _ => Err(format!("`{word}` is none of: {}", [$($word),+].join(", "))),
                }
            }
        }
    };
}

words!(Disk {
    Sound = "sound", Slow = "slow", Hanging = "hanging", Failing = "failing", Wiped = "wiped", Older = "older", Copied = "copied",
});
words!(Switch {
    Sound = "sound", Dead = "dead", Slow = "slow", Failing = "failing", Blind = "blind", Mute = "mute",
    Cycling = "cycling", Vouching = "vouching", Miswired = "miswired",
    Lying = "lying",
});
words!(Fault {
    Sound = "sound", StartFails = "start-fails", StartHangs = "start-hangs", NoProgram = "no-program",
    StopFails = "stop-fails", StopHangs = "stop-hangs", StopLies = "stop-lies", CheckFails = "check-fails",
    SeemsAlive = "seems-alive", SeemsDead = "seems-dead",
});
words!(Moment {
    OffAsked = "off-asked", OffDone = "off-done", Lost = "lost", StartBegun = "start-begun",
    FenceRequested = "fence-requested", FenceProven = "fence-proven", Joined = "joined",
});

impl FromStr for Who {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Ok(match word.strip_prefix('@') {
            None if word.is_empty() => return Err("a node is missing".into()),
            None => Who::Node(word.into()),
            Some("leader") => Who::Leader,
            Some("starter") => Who::Starter,
            Some("bystander") => Who::Bystander,
            Some(other) => match other.strip_prefix("owner:") {
                Some(instance) => Who::Owner(instance.into()),
                None => {
                    return Err(format!(
                        "`{word}` is none of: @leader, @bystander, @starter, @owner:RESOURCE"
                    ));
                }
            },
        })
    }
}

fn or_all(word: &str) -> Result<Option<Who>, String> {
    if word == "all" { Ok(None) } else { word.parse().map(Some) }
}

fn number<T: FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("`{word}` is no number that fits here"))
}

impl FromStr for Act {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Ok(match words.as_slice() {
            ["power-off", w] => Act::PowerOff(w.parse()?),
            ["power-on", w] => Act::PowerOn(or_all(w)?),
            ["freeze", w] => Act::Freeze(w.parse()?),
            ["pause", w] => Act::Pause(w.parse()?),
            ["stall", w] => Act::Stall(w.parse()?),
            ["thaw", w] => Act::Thaw(or_all(w)?),
            ["kill-daemon", w] => Act::KillDaemon(w.parse()?),
            ["end-daemon", w] => Act::EndDaemon(w.parse()?),
            ["start-daemon", w] => Act::StartDaemon(w.parse()?),
            ["kill", what, w] => Act::Kill((*what).into(), w.parse()?),
            ["cut", one, way, others @ ..] => cut(one, way, others)?,
            ["flap", a, b, ms] => Act::Flap(a.parse()?, b.parse()?, number(ms)?, None),
            ["flap", a, b, ms, "link", l] => Act::Flap(a.parse()?, b.parse()?, number(ms)?, Some(number(l)?)),
            ["heal"] => Act::Heal,
            ["net", "loss", l, "double", d, "late", ms] => {
                Act::Net { loss: number(l)?, double: number(d)?, late_ms: number(ms)? }
            }
            ["disk", w, how] => Act::Disk(w.parse()?, how.parse()?),
            ["drift", w, ppm] => Act::Drift(w.parse()?, number(ppm)?),
            ["wall", w, s] => Act::Wall(w.parse()?, number(s)?),
            ["switch", how] => Act::Switch(how.parse()?),
            ["switch", device, how] => Act::Device((*device).into(), how.parse()?),
            ["agent", resource, how] => Act::Agent((*resource).into(), how.parse()?),
            ["agents", "sound"] => Act::Agents(Agents::Sound),
            ["agents", "failing", p] => Act::Agents(Agents::Failing(number(p)?)),
            ["agents", "hanging", p] => Act::Agents(Agents::Hanging(number(p)?)),
            ["agents", "lying", p] => Act::Agents(Agents::Lying(number(p)?)),
            ["ask", w, order @ ..] => Act::Ask(w.parse()?, self::order(order)?),
            ["transfer", w] => Act::Transfer(w.parse()?),
            ["when", moment, rest @ ..] => Act::When(moment.parse()?, Box::new(rest.join(" ").parse()?)),
            _ => return Err(no_act(&words)),
        })
    }
}

/// Each kind of act once.
const EXAMPLES: [&str; 27] = [
    "power-off NODE",
    "power-on all",
    "freeze NODE",
    "pause NODE",
    "stall NODE",
    "thaw all",
    "kill-daemon NODE",
    "end-daemon NODE",
    "start-daemon NODE",
    "kill RESOURCE NODE",
    "cut NODE | all",
    "cut NODE > NODE NODE",
    "cut NODE ~50% NODE",
    "cut NODE x50% NODE",
    "cut NODE +200ms NODE",
    "flap NODE NODE 400",
    "heal",
    "net loss 20 double 10 late 400",
    "disk NODE failing",
    "drift NODE 200",
    "wall NODE 30",
    "switch dead",
    "switch DEVICE dead",
    "agents hanging 30",
    "agent RESOURCE stop-fails",
    "transfer NODE",
    "ask NODE standby NODE",
];

fn no_act(words: &[&str]) -> String {
    let first = words.first().copied().unwrap_or_default();
    let alike: Vec<_> = EXAMPLES.into_iter().filter(|e| e.split(' ').next() == Some(first)).collect();
    let like = if alike.is_empty() { EXAMPLES.to_vec() } else { alike };
    format!("`{}` is no act; right would be: {}", words.join(" "), like.join(", "))
}

fn cut(one: &str, way: &str, others: &[&str]) -> Result<Act, String> {
    let (others, link) = match others {
        [others @ .., "link", link] => (others, Some(number(link)?)),
        others => (others, None),
    };
    let others = match others {
        [] => return Err("from whom is missing: nodes, or `all`".into()),
        ["all"] => None,
        others => Some(others.iter().map(|w| w.parse()).collect::<Result<_, _>>()?),
    };
    let one = one.parse()?;
    let loss = way.strip_prefix('~').and_then(|w| w.strip_suffix('%'));
    let double = way.strip_prefix('x').and_then(|w| w.strip_suffix('%'));
    let late = way.strip_prefix('+').and_then(|w| w.strip_suffix("ms"));
    let way = match (way, loss, double, late) {
        ("|", ..) => Way::Both,
        (">", ..) => Way::Out,
        ("<", ..) => Way::In,
        (_, Some(percent), None, None) => return Ok(Act::Lossy(one, others, number(percent)?, link)),
        (_, None, Some(percent), None) => return Ok(Act::Doubled(one, others, number(percent)?, link)),
        (_, None, None, Some(ms)) => return Ok(Act::Late(one, others, number(ms)?, link)),
        _ => return Err(format!("`{way}` is none of: |, >, <, ~50%, +200ms, x50%")),
    };
    Ok(Act::Cut(one, others, way, link))
}

fn order(words: &[&str]) -> Result<Order, String> {
    Ok(match words {
        ["standby", w] => Order::Standby(w.parse()?),
        ["online", w] => Order::Online(w.parse()?),
        ["start", r] => Order::Start((*r).into()),
        ["stop", r] => Order::Stop((*r).into()),
        ["restart", r] => Order::Restart((*r).into()),
        ["move", r] => Order::MoveAway((*r).into()),
        ["move", r, w] => Order::Move((*r).into(), w.parse()?),
        ["cleanup", r] => Order::Cleanup((*r).into()),
        ["fence-off", w] => Order::FenceOff(w.parse()?),
        ["fence-on", w] => Order::FenceOn(w.parse()?),
        ["fence-test"] => Order::FenceTest,
        ["confirm", w] => Order::Confirm(w.parse()?),
        ["confirm-unseen", w] => Order::ConfirmUnseen(w.parse()?),
        ["apply", file] => Order::Apply((*file).into()),
        ["status"] => Order::Status,
        ["timeline"] => Order::Timeline,
        ["fence-history"] => Order::FenceHistory,
        ["config-show"] => Order::ConfigShow,
        ["address", n] => Order::Address(number(n)?),
        ["fence-path", n] => Order::FencePath(number(n)?),
        ["remove", w] => Order::Remove(w.parse()?),
        ["rename", w] => Order::Rename(w.parse()?),
        _ => {
            let words = words.join(" ");
            return Err(format!(
                "`{words}` is no order of an operator; right would be: standby NODE, online NODE, start RESOURCE, \
                 stop RESOURCE, restart RESOURCE, move RESOURCE NODE, move RESOURCE, cleanup RESOURCE, fence-off NODE, \
                 fence-on NODE, fence-test, confirm NODE, confirm-unseen NODE, apply FILE, status, timeline, \
                 fence-history, config-show, address NUMBER, fence-path NUMBER, remove NODE, rename NODE"
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_again_as_the_same() {
        for line in [
            "power-off n1",
            "power-on all",
            "kill web @owner:web",
            "cut @leader | all",
            "cut n1 > n2 n3 link 1",
            "net loss 20 double 10 late 400",
            "flap n1 n2 400",
            "disk n2 older",
            "drift n1 -200",
            "switch cycling",
            "switch vouching",
            "agents hanging 3",
            "ask n1 move web @bystander",
            "ask n1 move web",
            "ask n1 confirm-unseen n2",
            "ask n1 apply other.toml",
            "ask n1 config-show",
            "cut n1 ~50% n2",
            "cut n1 +200ms all",
            "cut n1 x30% n2 link 1",
            "cut n1 ~50% all link 0",
            "flap n1 n2 400 link 1",
            "stall n1",
            "agent db seems-dead",
            "ask n1 fence-path 3",
            "when start-begun freeze @starter",
            "end-daemon n1",
            "start-daemon n1",
            "switch pdu-a dead",
            "agent db stop-fails",
            "when off-done power-off @leader",
            "when start-begun freeze @owner:vip",
        ] {
            let act: Act = line.parse().expect(line);
            assert_eq!(act.to_string(), line);
        }
    }

    #[test]
    fn a_mistake_is_named() {
        for (line, part) in [
            ("explode n1", "no act"),
            ("cut n1 | ", "from whom"),
            ("cut n1 ~50 n2", "~50%"),
            ("cutt n1 | all", "right would be: power-off NODE"),
            ("flap n1 n2", "right would be: flap NODE NODE 400"),
            ("ask n1 dance n2", "no order of an operator; right would be: standby"),
            ("disk n1 wet", "none of: sound"),
            ("freeze @boss", "@leader"),
            ("net loss 300 double 0 late 1", "`300`"),
        ] {
            let error = line.parse::<Act>().expect_err(line);
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
