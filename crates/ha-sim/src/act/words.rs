//! Acts as lines of words, both ways.

use super::{Act, Agents, Disk, Moment, Order, Switch, Way, Who};
use std::fmt;
use std::str::FromStr;

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Node(name) => f.write_str(name),
            Who::Leader => f.write_str("@leader"),
            Who::Owner(instance) => write!(f, "@owner:{instance}"),
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

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Act::PowerOff(w) => write!(f, "power-off {w}"),
            Act::PowerOn(w) => write!(f, "power-on {}", OrAll(w)),
            Act::Freeze(w) => write!(f, "freeze {w}"),
            Act::Pause(w) => write!(f, "pause {w}"),
            Act::Thaw(w) => write!(f, "thaw {}", OrAll(w)),
            Act::KillDaemon(w) => write!(f, "kill-daemon {w}"),
            Act::Kill(what, w) => write!(f, "kill {what} {w}"),
            Act::Cut(one, others, way, link) => {
                let way = match way {
                    Way::Both => '|',
                    Way::Out => '>',
                    Way::In => '<',
                };
                write!(f, "cut {one} {way}")?;
                match others {
                    None => f.write_str(" all")?,
                    Some(others) => others.iter().try_for_each(|w| write!(f, " {w}"))?,
                }
                link.map_or(Ok(()), |l| write!(f, " link {l}"))
            }
            Act::Flap(a, b, ms) => write!(f, "flap {a} {b} {ms}"),
            Act::Heal => f.write_str("heal"),
            Act::Net { loss, double, late_ms } => write!(f, "net loss {loss} double {double} late {late_ms}"),
            Act::Disk(w, how) => write!(f, "disk {w} {how}"),
            Act::Drift(w, ppm) => write!(f, "drift {w} {ppm}"),
            Act::Wall(w, s) => write!(f, "wall {w} {s}"),
            Act::Switch(how) => write!(f, "switch {how}"),
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
            Order::Cleanup(r) => write!(f, "cleanup {r}"),
            Order::FenceOff(w) => write!(f, "fence-off {w}"),
            Order::FenceOn(w) => write!(f, "fence-on {w}"),
            Order::FenceTest => f.write_str("fence-test"),
            Order::Confirm(w) => write!(f, "confirm {w}"),
            Order::Address(n) => write!(f, "address {n}"),
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
    Cycling = "cycling", Miswired = "miswired",
    Lying = "lying",
});
words!(Moment {
    OffDone = "off-done", Lost = "lost", StartBegun = "start-begun", FenceRequested = "fence-requested", Joined = "joined",
});

impl FromStr for Who {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Ok(match word.strip_prefix('@') {
            None if word.is_empty() => return Err("a node is missing".into()),
            None => Who::Node(word.into()),
            Some("leader") => Who::Leader,
            Some("bystander") => Who::Bystander,
            Some(other) => match other.strip_prefix("owner:") {
                Some(instance) => Who::Owner(instance.into()),
                None => return Err(format!("`{word}` is none of: @leader, @bystander, @owner:RESOURCE")),
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
            ["thaw", w] => Act::Thaw(or_all(w)?),
            ["kill-daemon", w] => Act::KillDaemon(w.parse()?),
            ["kill", what, w] => Act::Kill((*what).into(), w.parse()?),
            ["cut", one, way, others @ ..] => cut(one, way, others)?,
            ["flap", a, b, ms] => Act::Flap(a.parse()?, b.parse()?, number(ms)?),
            ["heal"] => Act::Heal,
            ["net", "loss", l, "double", d, "late", ms] => {
                Act::Net { loss: number(l)?, double: number(d)?, late_ms: number(ms)? }
            }
            ["disk", w, how] => Act::Disk(w.parse()?, how.parse()?),
            ["drift", w, ppm] => Act::Drift(w.parse()?, number(ppm)?),
            ["wall", w, s] => Act::Wall(w.parse()?, number(s)?),
            ["switch", how] => Act::Switch(how.parse()?),
            ["agents", "sound"] => Act::Agents(Agents::Sound),
            ["agents", "failing", p] => Act::Agents(Agents::Failing(number(p)?)),
            ["agents", "hanging", p] => Act::Agents(Agents::Hanging(number(p)?)),
            ["agents", "lying", p] => Act::Agents(Agents::Lying(number(p)?)),
            ["ask", w, order @ ..] => Act::Ask(w.parse()?, self::order(order)?),
            ["transfer", w] => Act::Transfer(w.parse()?),
            ["when", moment, rest @ ..] => Act::When(moment.parse()?, Box::new(rest.join(" ").parse()?)),
            _ => return Err(format!("`{line}` is no act; they are listed in crates/ha-sim/src/act.rs")),
        })
    }
}

fn cut(one: &str, way: &str, others: &[&str]) -> Result<Act, String> {
    let way = match way {
        "|" => Way::Both,
        ">" => Way::Out,
        "<" => Way::In,
        _ => return Err(format!("`{way}` is none of: |, >, <")),
    };
    let (others, link) = match others {
        [others @ .., "link", link] => (others, Some(number(link)?)),
        others => (others, None),
    };
    let others = match others {
        [] => return Err("from whom is missing: nodes, or `all`".into()),
        ["all"] => None,
        others => Some(others.iter().map(|w| w.parse()).collect::<Result<_, _>>()?),
    };
    Ok(Act::Cut(one.parse()?, others, way, link))
}

fn order(words: &[&str]) -> Result<Order, String> {
    Ok(match words {
        ["standby", w] => Order::Standby(w.parse()?),
        ["online", w] => Order::Online(w.parse()?),
        ["start", r] => Order::Start((*r).into()),
        ["stop", r] => Order::Stop((*r).into()),
        ["restart", r] => Order::Restart((*r).into()),
        ["move", r, w] => Order::Move((*r).into(), w.parse()?),
        ["cleanup", r] => Order::Cleanup((*r).into()),
        ["fence-off", w] => Order::FenceOff(w.parse()?),
        ["fence-on", w] => Order::FenceOn(w.parse()?),
        ["fence-test"] => Order::FenceTest,
        ["confirm", w] => Order::Confirm(w.parse()?),
        ["address", n] => Order::Address(number(n)?),
        ["remove", w] => Order::Remove(w.parse()?),
        ["rename", w] => Order::Rename(w.parse()?),
        _ => return Err(format!("`{}` is no order of an operator", words.join(" "))),
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
            "agents hanging 3",
            "ask n1 move web @bystander",
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
            ("disk n1 wet", "none of: sound"),
            ("freeze @boss", "@leader"),
            ("net loss 300 double 0 late 1", "`300`"),
        ] {
            let error = line.parse::<Act>().expect_err(line);
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
