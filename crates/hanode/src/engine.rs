//! The engine: feeds the core one input after another and carries out its effects in their order. It runs on a
//! thread of its own, so that no other task delays a step.

use crate::aborts;
use crate::beats;
use crate::file::ClusterFile;
use crate::journal;
use crate::kept;
use crate::life;
use crate::refused::Refused;
use crate::store::Layout;
use crate::vital;
use crate::watchdog::Watchdog;
use crate::work::Work;
use ha_agent::Gate;
use ha_core::{Effect, Input, Node, PeerMessage};
use ha_model::{AdminReply, BootNs, Level, NodeId, Notice};
use ha_storage::StoreWriter;
use ha_transport::beats::{Ages, BeatReceiver, BeatsControl};
use ha_transport::streams::{StreamEvent, Streams};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Longest decoded message: a snapshot.
const MESSAGE_LIMIT: usize = 64 << 20;

/// A step is made at least so often, so that the age of the core is small on an idle node.
const IDLE_STEP: Duration = Duration::from_millis(100);

/// How often counters are looked at.
const LOOK: Duration = Duration::from_secs(60);

/// How often it is told what was refused at the heartbeat port and what is new of the cluster file: soon enough for
/// whoever watches, and a flood of datagrams is no flood of lines.
const LOOK_OFTEN: Duration = Duration::from_secs(5);

/// An operator's request with the place for its answer.
pub struct Ask {
    /// Who.
    pub who: String,
    /// What.
    pub request: ha_model::AdminRequest,
    /// Answer.
    pub reply: oneshot::Sender<AdminReply>,
}

/// Everything that brings inputs.
pub struct Sources {
    /// Shells' results.
    pub inputs: mpsc::Receiver<Input>,
    /// Streams.
    pub streams: mpsc::Receiver<StreamEvent>,
    /// Heartbeats.
    pub beats: BeatReceiver,
    /// Operators.
    pub asks: mpsc::Receiver<Ask>,
    /// Ends of processes.
    pub exits: mpsc::Receiver<ha_agent::ProcessExited>,
    /// The order to end.
    pub end: oneshot::Receiver<()>,
}

/// Everything that carries effects out.
pub struct Sinks {
    /// Store.
    pub writer: StoreWriter,
    /// Its layout.
    pub layout: Layout,
    /// Streams.
    pub streams: Arc<Streams>,
    /// Heartbeats.
    pub beats: BeatsControl,
    /// Directory of the store.
    pub data: PathBuf,
    /// Agents.
    pub work: Work,
    /// Grant.
    pub gate: Gate,
    /// Signs of life.
    pub ages: Ages,
    /// The watchdog.
    pub watchdog: Watchdog,
    /// Where what became of it is told.
    pub inputs: mpsc::Sender<Input>,
}

/// The running engine.
pub struct Engine {
    /// First, so that a panic ends the process before anything is dropped that waits (for the disk, say).
    vital: vital::Guard,
    node: Node,
    sinks: Sinks,
    asks: BTreeMap<u64, oneshot::Sender<AdminReply>>,
    next_ask: u64,
    deadline: Option<BootNs>,
    looked: BootNs,
    looked_often: BootNs,
    refused: Refused,
    file: ClusterFile,
    failed_write: FailedWrite,
    /// The entry at which the core failed before, until it is passed.
    aborted_at: Option<u64>,
}

enum Woken {
    Input(Input),
    Beats(Vec<ha_transport::beats::Beat>),
    Stream(StreamEvent),
    Ask(Ask),
    Exit(ha_agent::ProcessExited),
    Time,
    End,
}

impl Engine {
    /// An engine around a core.
    pub fn new(node: Node, sinks: Sinks, vital: vital::Guard) -> Self {
        let (path, text) = node.cluster_file();
        Self {
            vital,
            file: ClusterFile::watch(path, text),
            aborted_at: aborts::noted(&sinks.data),
            node,
            sinks,
            asks: BTreeMap::new(),
            next_ask: 1,
            deadline: None,
            looked: BootNs(0),
            looked_often: BootNs(0),
            refused: Refused::default(),
            failed_write: FailedWrite::default(),
        }
    }

    /// Runs until told to end, or until a source is gone.
    pub async fn run(mut self, mut sources: Sources) {
        self.step(Input::Tick);
        loop {
            let now = ha_transport::boot_now();
            let wait = self.deadline.map_or(IDLE_STEP, |d| d.since(now)).min(IDLE_STEP);
            let woken = tokio::select! {
                biased;
                _ = &mut sources.end => Woken::End,
                beats = sources.beats.recv() => match beats {
                    Ok(beats) => Woken::Beats(beats),
                    Err(_) => Woken::End,
                },
                Some(input) = sources.inputs.recv() => Woken::Input(input),
                Some(event) = sources.streams.recv() => Woken::Stream(event),
                Some(exit) = sources.exits.recv() => Woken::Exit(exit),
                Some(ask) = sources.asks.recv() => Woken::Ask(ask),
                () = tokio::time::sleep(wait) => Woken::Time,
            };
            // Nobody is judged before everything that was heard is known.
            if !matches!(woken, Woken::Beats(_)) {
                self.beats(sources.beats.try_recv());
            }
            match woken {
                Woken::Input(input) => {
                    if let Input::PersistFailed { .. } = &input {
                        self.failed_write.happened(ha_transport::boot_now());
                    }
                    self.step(input);
                }
                Woken::Beats(list) => self.beats(list),
                Woken::Stream(event) => self.stream(event),
                Woken::Ask(ask) => self.ask(ask),
                Woken::Exit(exit) => self.step(crate::work::exited(exit)),
                Woken::Time => self.step(Input::Tick),
                Woken::End => return,
            }
            self.look();
        }
    }

    fn beats(&mut self, list: Vec<ha_transport::beats::Beat>) {
        let beats: Vec<_> = list.into_iter().filter_map(beats::received).collect();
        if !beats.is_empty() {
            self.step(Input::Beats(beats));
        }
    }

    fn ask(&mut self, ask: Ask) {
        let id = self.next_ask;
        self.next_ask += 1;
        self.asks.retain(|_, reply| !reply.is_closed());
        self.asks.insert(id, ask.reply);
        self.step(Input::Admin { id, who: ask.who, request: ask.request });
    }

    fn stream(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::PeerUp { node, hello, link } => {
                tracing::debug!("stream to {node} is up on link {link}");
                let sha = hello.config_sha256;
                self.step(Input::PeerUp {
                    node,
                    incarnation: hello.incarnation,
                    session: hello.session,
                    config: [sha[0], sha[1], sha[2], sha[3]],
                });
            }
            StreamEvent::PeerDown { node, why } => {
                tracing::debug!("stream to {node} is down: {why}");
                self.step(Input::PeerDown { node });
            }
            StreamEvent::PeerReset { node } => self.step(Input::PeerReset { node }),
            StreamEvent::Frame { from, bytes } => {
                match ha_codec::decode::<PeerMessage>(&bytes, MESSAGE_LIMIT) {
                    Ok(message) => self.step(Input::Message { from, message: Box::new(message) }),
                    Err(error) => {
                        tracing::warn!(
                            "a message of {from} cannot be read ({error}): it runs another version"
                        );
                    }
                }
            }
            StreamEvent::Refused { at, why } => tracing::warn!("refused {at}: {why}"),
            StreamEvent::Warning(warning) => {
                self.step(Input::Warning { level: Level::Warning, text: warning.to_string() });
            }
        }
    }

    fn step(&mut self, input: Input) {
        let effects = self.effects(input);
        self.deadline = None;
        for effect in effects {
            self.carry_out(effect);
        }
        Ages::mark(&self.sinks.ages.core_step, ha_transport::boot_now());
        self.failed_write.stand(&self.sinks.ages);
    }

    /// What the core wants. Its panic ends the daemon; where it was is noted first.
    fn effects(&mut self, input: Input) -> Vec<Effect> {
        let node = &mut self.node;
        let stepped = catch_unwind(AssertUnwindSafe(|| node.step(life::now(), input)));
        stepped.unwrap_or_else(|panic| {
            if let Err(error) = aborts::note(&self.sinks.data, self.node.applied().0) {
                tracing::error!("that the core failed cannot be noted: {error}");
            }
            resume_unwind(panic)
        })
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Persist { id, votes, acted } => {
                let batch = self.sinks.layout.batch(votes.as_deref(), acted);
                if let Err(error) = self.sinks.writer.submit(id, batch) {
                    self.failed_write.happened(ha_transport::boot_now());
                    tracing::error!("the store takes no writes: {error}");
                    let failed = self.effects(Input::PersistFailed { id, why: error.to_string() });
                    for effect in failed {
                        self.carry_out(effect);
                    }
                }
            }
            Effect::Send { to, message } => self.send(&to, &message),
            Effect::SaidToSelf { .. } => {}
            Effect::Beat { valid_until, bodies, is_urgent } => {
                self.sinks.beats.publish(beats::contents(valid_until, &bodies));
                if is_urgent {
                    self.sinks.beats.beat_now();
                }
            }
            Effect::Grant { until } => self.sinks.gate.set(until),
            Effect::Pet { until } => self.sinks.watchdog.set_limit(until),
            Effect::Watchdog(plan) => self.sinks.watchdog.carry_out(plan, self.sinks.inputs.clone()),
            Effect::RunAgent(run) => self.sinks.work.agent(run),
            Effect::RunFence(run) => self.sinks.work.fence(run),
            Effect::CancelAgent { id } | Effect::CancelFence { id } => self.sinks.work.cancel(id),
            Effect::AdminReply { id, mut reply } => {
                self.add_own_note(&mut reply);
                if let Some(to) = self.asks.remove(&id) {
                    // Whoever asked may have hung up.
                    let _ = to.send(*reply);
                }
            }
            Effect::ConfigInForce(config) => self.sinks.streams.set_config_sha256(config.sha256),
            Effect::Tell(event) => journal::tell(&event.notice),
            Effect::TellLocal(notice) => journal::tell(&notice),
            Effect::KeepPlannerInput(input) => kept::keep_soon(&self.sinks.data, input),
            Effect::Deadline(at) => self.deadline = Some(at),
            Effect::Halt { why } => self.vital.halt(why),
        }
    }

    /// What only this node knows of its own file stands in the status that it hands out, whoever answered.
    fn add_own_note(&self, reply: &mut AdminReply) {
        if let (AdminReply::Status(view), Some(config)) = (reply, &self.node.state().config)
            && let Some((level, text)) = self.file.note(config)
        {
            view.warnings.push((self.node.me().clone(), level, text));
        }
    }

    fn send(&self, to: &NodeId, message: &PeerMessage) {
        if let Err(error) = self.sinks.streams.send(to, ha_codec::encode(message)) {
            tracing::debug!("not sent to {to}: {error}");
        }
    }

    /// What was refused since the last look, and what is new of the cluster file.
    fn look_often(&mut self, now: BootNs) {
        if now.since(self.looked_often) < LOOK_OFTEN {
            return;
        }
        self.looked_often = now;
        if self.aborted_at.is_some_and(|at| self.node.applied().0 > at) {
            self.aborted_at = None;
            aborts::forget(&self.sinks.data);
        }
        let refused = Refused::of(&self.sinks.beats.stats());
        if let Some(text) = refused.since(&self.refused) {
            journal::tell(&Notice::Local { level: Level::Info, text });
        }
        self.refused = refused;
        if let Some((level, text)) = self.file.news(self.node.state().config.as_ref()) {
            journal::tell(&Notice::Local { level, text });
        }
    }

    /// Now and then: what was counted.
    fn look(&mut self) {
        let now = ha_transport::boot_now();
        self.look_often(now);
        if now.since(self.looked) < LOOK {
            return;
        }
        self.looked = now;
        let gap = self.node.take_longest_gap();
        let stats = self.sinks.beats.stats();
        if !gap.is_zero() {
            let text = format!(
                "longest gap between heartbeats {} ms, latest own beat {} ms late",
                gap.as_millis(),
                stats.late_max_ns / 1_000_000,
            );
            journal::tell(&Notice::Local { level: Level::Info, text });
        }
    }
}

/// A write that failed stays outstanding for the others: this node acknowledges nothing from then on, and takes no
/// orders. The writer keeps that only of a failing disk; what it refused, or never took, it forgets.
#[derive(Default)]
struct FailedWrite(Option<BootNs>);

impl FailedWrite {
    fn happened(&mut self, at: BootNs) {
        self.0.get_or_insert(at);
    }

    /// To be repeated: the writer says what it knows at each of its writes.
    fn stand(&self, ages: &Ages) {
        if let Some(at) = self.0
            && !(1..=at.0).contains(&ages.write_since.load(Ordering::Acquire))
        {
            Ages::mark(&ages.write_since, at);
        }
    }
}

/// A stamp that starts at the present.
pub fn stamp() -> Arc<AtomicU64> {
    Arc::new(AtomicU64::new(ha_transport::boot_now().0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The writer drained its full queue, or refused a batch: for it nothing is outstanding.
    #[test]
    fn a_failed_write_stays_outstanding_whatever_the_writer_says() {
        let (ages, mut failed) = (Ages::default(), FailedWrite::default());
        let age = |ages: &Ages| ages.at(BootNs::from_ms(20_000)).durable_write;
        failed.stand(&ages);
        assert_eq!(age(&ages), 0, "nothing failed yet");
        failed.happened(BootNs::from_ms(8_000));
        failed.happened(BootNs::from_ms(9_000));
        for said_by_the_writer in [0, 19_000] {
            ages.write_since.store(BootNs::from_ms(said_by_the_writer).0, Ordering::Release);
            failed.stand(&ages);
            assert_eq!(age(&ages), 12_000);
        }
        Ages::mark(&ages.write_since, BootNs::from_ms(1_000));
        failed.stand(&ages);
        assert_eq!(age(&ages), 19_000, "an older one counts");
    }
}
