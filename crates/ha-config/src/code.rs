//! The kinds of diagnostics. Their words are stable: scripts may test for them.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// What kind of diagnostic it is.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The stable word, shown in brackets.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Code::$name => $word,)* }
            }
        }
    };
}

codes! {
    /// The file is too large.
    FileTooLarge = "file-too-large",
    /// The text is not TOML.
    Syntax = "syntax",
    /// A key that does not exist there.
    UnknownKey = "unknown-key",
    /// A key that must be there.
    MissingKey = "missing-key",
    /// A value of another type.
    WrongType = "wrong-type",
    /// A value outside its range or form.
    BadValue = "bad-value",
    /// A name that breaks the rule for names.
    BadName = "bad-name",
    /// A name that nothing has.
    UnknownName = "unknown-name",
    /// The same thing twice.
    Duplicate = "duplicate",
    /// Too many of something.
    TooMany = "too-many",
    /// An address that is none, or cannot be used there.
    BadAddress = "bad-address",
    /// Links of nodes that do not fit together.
    LinksDiffer = "links-differ",
    /// A secret typed into the file.
    SecretInFile = "secret-in-file",
    /// An agent that cannot be executed yet.
    UnknownAgent = "unknown-agent",
    /// Two settings that exclude each other.
    Contradiction = "contradiction",
    /// Two members without a witness.
    TwoMembers = "two-members",
    /// An even number of voters was forced.
    EvenVoters = "even-voters",
    /// A node follows the log without a vote.
    Learner = "learner",
    /// A member that can run something exclusive cannot be fenced.
    NoFencePath = "no-fence-path",
    /// One outlet, two nodes.
    SharedOutlet = "shared-outlet",
    /// Two devices may be two ways to one supply, or two supplies.
    AmbiguousLevels = "ambiguous-levels",
    /// Two resources, one object.
    SharedObject = "shared-object",
    /// A relation between times does not hold.
    UnsoundTiming = "unsound-timing",
    /// A waiver that waives nothing.
    NeedlessWaiver = "needless-waiver",
    /// Accepted, and without effect or probably not meant.
    Suspicious = "suspicious",
}
