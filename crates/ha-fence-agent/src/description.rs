//! What an agent says about itself: name, texts and options.
//!
//! Must not know: how options are read or printed.
//!
//! Invariant: option names are written with `_`; the command line shows them with `-`; both are accepted.

/// The type of an option's value, as the fence-agent metadata names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    String,
    /// `1/yes/on/true` or `0/no/off/false`.
    Boolean,
    /// A whole number.
    Integer,
    /// A time: seconds (decimals allowed), or with the suffix `s` or `ms`.
    Second,
    /// One of a list.
    Select(&'static [&'static str]),
}

/// One option of an agent.
#[derive(Debug, Clone)]
pub struct OptionSpec {
    /// Current name, with `_`.
    pub name: &'static str,
    /// The name that older configurations use, still accepted.
    pub old_name: Option<&'static str>,
    /// Short letters on the command line; the first is the documented one.
    pub shorts: &'static str,
    /// Type of the value.
    pub kind: Kind,
    /// Value when none is given.
    pub default: Option<&'static str>,
    /// Whether the metadata calls it required.
    pub required: bool,
    /// Whether the value must never be shown.
    pub secret: bool,
    /// One sentence for people.
    pub help: &'static str,
}

impl OptionSpec {
    /// An optional option of type `kind`.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, old_name: None, shorts: "", kind, default: None, required: false, secret: false, help }
    }

    /// Adds the name that older configurations use.
    #[must_use]
    pub const fn old_name(mut self, name: &'static str) -> Self {
        self.old_name = Some(name);
        self
    }

    /// Adds short letters for the command line.
    #[must_use]
    pub const fn shorts(mut self, letters: &'static str) -> Self {
        self.shorts = letters;
        self
    }

    /// Sets the value that holds when none is given.
    #[must_use]
    pub const fn default(mut self, value: &'static str) -> Self {
        self.default = Some(value);
        self
    }

    /// Marks the option as required in the metadata.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Marks the value as never to be shown.
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// The long option on the command line, without the dashes.
    #[must_use]
    pub fn long(&self) -> String {
        self.name.replace('_', "-")
    }
}

/// A fence agent's description.
#[derive(Debug, Clone)]
pub struct AgentDescription {
    /// Name of the program, `fence_…`.
    pub name: &'static str,
    /// One line.
    pub shortdesc: &'static str,
    /// A paragraph.
    pub longdesc: &'static str,
    /// Where the device's maker is found.
    pub vendor_url: &'static str,
    /// Version printed by `-V`.
    pub version: &'static str,
    /// All options, the standard ones included.
    pub options: Vec<OptionSpec>,
}

impl AgentDescription {
    /// A description with the options that every agent has.
    #[must_use]
    pub fn new(name: &'static str, shortdesc: &'static str, longdesc: &'static str) -> Self {
        Self {
            name,
            shortdesc,
            longdesc,
            vendor_url: "",
            version: env!("CARGO_PKG_VERSION"),
            options: standard_options(),
        }
    }

    /// Sets the vendor's address.
    #[must_use]
    pub fn vendor_url(mut self, url: &'static str) -> Self {
        self.vendor_url = url;
        self
    }

    /// Adds an option, or replaces the standard one of that name.
    #[must_use]
    pub fn option(mut self, spec: OptionSpec) -> Self {
        self.options.retain(|known| known.name != spec.name);
        self.options.push(spec);
        self
    }

    /// Adds a secret option together with its `_script` and `_file` companions.
    #[must_use]
    pub fn secret(self, value: OptionSpec, script: OptionSpec, file: OptionSpec) -> Self {
        self.option(value.secret()).option(script).option(file)
    }

    /// The option called `name`, whether by its current or old name, with `-` or `_`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&OptionSpec> {
        let name = name.replace('-', "_");
        self.options.iter().find(|spec| spec.name == name || spec.old_name == Some(name.as_str()))
    }
}

fn standard_options() -> Vec<OptionSpec> {
    use Kind::{Boolean, Integer, Second, String};
    vec![
        OptionSpec::new("action", String, "Fencing action")
            .old_name("option")
            .shorts("o")
            .default("reboot")
            .required(),
        OptionSpec::new("ip", String, "IP address or host name of the device").old_name("ipaddr").shorts("a"),
        OptionSpec::new("ipport", Integer, "TCP or UDP port of the device").shorts("u"),
        OptionSpec::new("plug", String, "Outlet number or name; several separated by commas")
            .old_name("port")
            .shorts("n")
            .required(),
        OptionSpec::new("username", String, "Login name").old_name("login").shorts("l"),
        OptionSpec::new("password", String, "Password or passphrase").old_name("passwd").shorts("p").secret(),
        OptionSpec::new("password_script", String, "Program that prints the password")
            .old_name("passwd_script")
            .shorts("S"),
        OptionSpec::new(
            "password_file",
            String,
            "File that holds the password (mode 0600, owner root or self)",
        )
        .old_name("passwd_file"),
        OptionSpec::new("quiet", Boolean, "Print no messages to standard error").shorts("q"),
        OptionSpec::new("verbose", Boolean, "Print what is asked of the device").shorts("v"),
        OptionSpec::new("version", Boolean, "Print the version and exit").shorts("V"),
        OptionSpec::new("help", Boolean, "Print the options and exit").shorts("h"),
        OptionSpec::new("plug_separator", String, "What separates several outlets").default(","),
        OptionSpec::new("delay", Second, "Wait this long before off or reboot").default("0"),
        OptionSpec::new("power_timeout", Second, "How long an outlet may take to read as commanded")
            .default("20"),
        OptionSpec::new("power_wait", Second, "Wait this long after a command, before it is read back")
            .default("0"),
        OptionSpec::new("shell_timeout", Second, "How long the device may take for an answer").default("3"),
        OptionSpec::new("login_timeout", Second, "How long the device may take to let us in").default("5"),
        OptionSpec::new("stonith_status_sleep", Second, "Longest pause between two readings after a command")
            .default("1"),
        OptionSpec::new("retry_on", Integer, "How many times switching on is tried").default("1"),
        OptionSpec::new(
            "disable_timeout",
            Boolean,
            "Wait for ever: the caller ends us (the default under Pacemaker)",
        ),
    ]
}
