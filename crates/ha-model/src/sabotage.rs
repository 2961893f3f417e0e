//! Rules broken on purpose, one at a time, to see the simulator's checkers fire.
//!
//! Only a build with the feature `sabotage` has any of it; the daemon refuses to be built with it. Which rule is broken is
//! chosen at run time, once for the process.

/// Whether this build can break rules.
pub const IS_BUILT_IN: bool = cfg!(feature = "sabotage");

/// Declares the sabotages: name, the rules of which one must be seen broken, and what is done.
macro_rules! sabotages {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal breaks $rules:expr;)+) => {
        /// A rule that can be broken.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Sabotage {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Sabotage {
            /// All of them.
            pub const ALL: &[Sabotage] = &[$(Sabotage::$variant),+];

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Sabotage::$variant => $name),+ }
            }

            /// The rules of which one must be seen broken.
            #[must_use]
            pub fn breaks(self) -> &'static [&'static str] {
                match self { $(Sabotage::$variant => &$rules),+ }
            }
        }
    };
}

sabotages! {
    /// What a lost node had is free as soon as it is lost.
    SkipFenceWait = "skip-fence-wait" breaks ["S2"];
    /// A start is permitted while another permission for its object is open.
    StartOverPermission = "start-over-permission" breaks ["S2"];
    /// A condemned or lost boot is granted like any other.
    GrantToEnded = "grant-to-ended" breaks ["S18"];
    /// A boot that is over takes part again: it is told to have joined (S8), and granted (S18), whichever is seen first.
    RejoinOldBoot = "rejoin-old-boot" breaks ["S18", "S8"];
    /// Orders for another life, or older than what was acted on, are carried out.
    AcceptOldOrder = "accept-old-order" breaks ["S6"];
    /// An order is carried out before its stamp is durable.
    ActBeforeWrite = "act-before-write" breaks ["S16"];
    /// A grant counts from when its answer came, not from when the question was sent.
    GrantFromReceipt = "grant-from-receipt" breaks ["S4"];
    /// What runs is not stopped when its grant is over.
    OutliveGrant = "outlive-grant" breaks ["S4"];
    /// A leader takes its own proof for true before it is committed.
    UncommittedProof = "uncommitted-proof" breaks ["S15"];
    /// A start leaves before its permission is committed.
    StartBeforePermission = "start-before-permission" breaks ["S17"];
    /// A voter votes for whoever asks, twice in a term.
    VoteTwice = "vote-twice" breaks ["S5"];
    /// A vote is not written down.
    ForgetVote = "forget-vote" breaks ["S16"];
    /// A candidate with a shorter log is voted for.
    ShorterLogWins = "shorter-log-wins" breaks ["S5", "abort S5"];
    /// Half of the voters are a majority: sets without a common member.
    MinorityDecides = "minority-decides" breaks ["S5"];
    /// A follower acknowledges entries before they are durable.
    AckBeforeWrite = "ack-before-write" breaks ["S16"];
    /// A leader counts its lease three times as long as its voters promised.
    LongLease = "long-lease" breaks ["S3"];
    /// Learners vote: the set is even.
    LearnersVote = "learners-vote" breaks ["abort S10", "abort S5"];
    /// An outlet whose state is unknown counts as off.
    UnknownIsOff = "unknown-is-off" breaks ["S7"];
    /// A reading that timed out or failed counts as off.
    TimeoutIsOff = "timeout-is-off" breaks ["S7"];
    /// A switch that says it switched off is believed without being read.
    NoReadBack = "no-read-back" breaks ["S7"];
    /// One reading suffices, and nothing settles before it.
    NoSettle = "no-settle" breaks ["S7"];
    /// A node is fenced as often as it likes.
    EndlessFences = "endless-fences" breaks ["S9"];
    /// A configuration may remove a node whatever it may run.
    ForgetObligation = "forget-obligation" breaks ["S19"];
    /// Applying an entry depends on the clock of the node.
    ClockInState = "clock-in-state" breaks ["S15"];
    /// Members of a group start without waiting for one another.
    IgnoreOrder = "ignore-order" breaks ["S11"];
    /// An instance is started without a look whether it runs already.
    SkipProbe = "skip-probe" breaks ["S8"];
    /// What was being started when the grant ended is left as it is.
    KeepLateStart = "keep-late-start" breaks ["S4"];
    /// A node is cut before its fence request is committed, on the strength of a lease.
    CutWithoutRequest = "cut-without-request" breaks ["S3"];
    /// An agent does not wait for the end of the one before it.
    AgentsOverlap = "agents-overlap" breaks ["S11"];
    /// A stop that failed has stopped what it was to stop.
    FailedStopIsStopped = "failed-stop-is-stopped" breaks ["S17"];
    /// A new session of a daemon forgets what the one before was permitted.
    ForgetOnRestart = "forget-on-restart" breaks ["S17"];
    /// A leader grants without a lease of its own.
    GrantWithoutLease = "grant-without-lease" breaks ["S18"];
    /// The grant is not looked at before an agent starts something.
    StartWithoutGrant = "start-without-grant" breaks ["S4"];
    /// What a condemned boot reports counts.
    HearTheCondemned = "hear-the-condemned" breaks ["S18"];
    /// A boot to which an off was sent is not condemned, and its fence may be withdrawn.
    WithdrawAfterOff = "withdraw-after-off" breaks ["S18"];
    /// A host without its daemon is lost at once.
    NoDaemonGrace = "no-daemon-grace" breaks ["S9"];
    /// What runs may be configured to be something else.
    ChangeUnderIt = "change-under-it" breaks ["S17", "S19"];
    /// An off counts of outlets that were never read on.
    NoEvidence = "no-evidence" breaks ["S7"];
    /// An outlet that was read on before its path was configured anew counts as read on.
    EvidenceOfAnotherPath = "evidence-of-another-path" breaks ["S7"];
    /// One outlet of several off suffices.
    OneOutletSuffices = "one-outlet-suffices" breaks ["S7"];
    /// Readings of off count that another reading parted.
    ForgetFlicker = "forget-flicker" breaks ["S7"];
    /// An agent that calls an impossible outlet off, or on, is believed.
    BelieveImpossible = "believe-impossible" breaks ["S7"];
    /// A node whose outlets were never read on takes what is exclusive.
    UntestedTakesExclusive = "untested-takes-exclusive" breaks ["S7"];
    /// Power is given back at once after a proof.
    NoDwell = "no-dwell" breaks ["S7"];
    /// A human's word counts while the node is heard.
    ConfirmWhileHeard = "confirm-while-heard" breaks ["S7"];
    /// Executors obey a leader that was deposed.
    ObeyDeposed = "obey-deposed" breaks ["S3"];
    /// A watchdog is written to without a grant, whatever runs on.
    PetForEver = "pet-for-ever" breaks ["S4"];
    /// A watchdog is written to although the core stands still.
    PetTheDead = "pet-the-dead" breaks ["S4"];
    /// A watchdog is disarmed before the log says that nobody counts on it.
    DisarmUnasked = "disarm-unasked" breaks ["S7"];
    /// The log is never compacted, and takes whatever comes.
    NeverCompact = "never-compact" breaks ["S13"];
    /// The planner panics while a node is lost, and its panic stops what runs.
    PanicStops = "panic-stops" breaks ["S20"];
    /// Nobody stands for election after the third term.
    StandNoMore = "stand-no-more" breaks ["L1"];
    /// A node that was proven off is not switched on again.
    NeverSwitchOn = "never-switch-on" breaks ["L2"];
    /// A node that is silent is not lost.
    NeverLost = "never-lost" breaks ["L2"];
    /// A fence that failed is not tried again.
    NoFenceRetry = "no-fence-retry" breaks ["L3"];
    /// What waited for the end of an agent is not begun then.
    ForgetWaiting = "forget-waiting" breaks ["L4"];
    /// A leader that misses a node hands over to whoever, also to one that misses it as well.
    HandOverToTheDeaf = "hand-over-to-the-deaf" breaks ["L5"];
    /// What runs well for ten seconds is started anew.
    Restless = "restless" breaks ["L6"];
    /// A node reports at each heartbeat.
    Chatter = "chatter" breaks ["L7"];
    /// A leader that alone loses a node does not hand over.
    NoHandOver = "no-hand-over" breaks ["L5"];
    /// A voter votes as soon as its daemon has started, whatever it promised before.
    NoStartWait = "no-start-wait" breaks ["S3"];
    /// A node stands without having asked whether it would be elected.
    NoPreVote = "no-pre-vote" breaks ["L5", "L1"];
    /// A leader that no quorum answers leads on.
    NoCheckQuorum = "no-check-quorum" breaks ["L1", "L2", "L5"];
    /// A voter votes although it has just promised another leader not to.
    BreakPromise = "break-promise" breaks ["S3"];
    /// Voters change in one step.
    SwapInOneStep = "swap-in-one-step" breaks ["S10", "S5"];
    /// A voter that is lost, and not proven off, makes room for another.
    SwapUnproven = "swap-unproven" breaks ["S10"];
    /// A store that was put back from a copy votes.
    PutBackVotes = "put-back-votes" breaks ["S10", "S5", "abort S5"];
}

#[cfg(feature = "sabotage")]
static CHOSEN: std::sync::OnceLock<Sabotage> = std::sync::OnceLock::new();

/// Breaks this rule from now on, in this process.
///
/// # Errors
/// The names there are, where none is `name`.
#[cfg(feature = "sabotage")]
pub fn choose(name: &str) -> Result<Sabotage, String> {
    let found = Sabotage::ALL.iter().copied().find(|s| s.name() == name);
    let Some(sabotage) = found else {
        let names: Vec<_> = Sabotage::ALL.iter().map(|s| s.name()).collect();
        return Err(format!("`{name}` is none of: {}", names.join(", ")));
    };
    Ok(*CHOSEN.get_or_init(|| sabotage))
}

/// Whether this rule is to be broken; never without the feature.
#[must_use]
#[inline]
pub fn is(sabotage: Sabotage) -> bool {
    #[cfg(feature = "sabotage")]
    return CHOSEN.get() == Some(&sabotage);
    #[cfg(not(feature = "sabotage"))]
    {
        let _ = sabotage;
        false
    }
}
