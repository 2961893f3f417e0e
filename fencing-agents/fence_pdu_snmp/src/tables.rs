//! The outlet tables of APC power switches: object identifiers, and what each number means in each table.
//!
//! Source: PowerNet-MIB 4.5.8. The numbers differ by table within the one vendor, so each table has its own
//! decoder and a test with its own recorded answers.
//!
//! Must not know: how objects are fetched.
//!
//! Invariant: only the documented number for off, together with "nothing pending", decodes as off (`// S7`).

use ha_fence_agent::{Power, Reading};

/// `1.3.6.1.4.1.318`
const APC: [u32; 7] = [1, 3, 6, 1, 4, 1, 318];
/// Where APC's rack products identify themselves: `….318.1.3.4.N`.
const APC_RACK_PRODUCTS: [u32; 10] = [1, 3, 6, 1, 4, 1, 318, 1, 3, 4];

/// An outlet table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// First-generation Switched Rack PDU, `rPDUOutlet…`.
    Rpdu,
    /// Second generation, `rPDU2OutletSwitched…`.
    Rpdu2,
    /// `sPDUOutletControlTable`, served by all.
    MasterSwitch,
}

impl Table {
    /// The table of a `model` option; `None` for `auto`.
    pub(crate) fn from_model(model: &str) -> Option<Self> {
        match model {
            "apc_rpdu" => Some(Self::Rpdu),
            "apc_rpdu2" => Some(Self::Rpdu2),
            "apc_masterswitch" => Some(Self::MasterSwitch),
            _ => None,
        }
    }

    /// The table for what a device says it is.
    pub(crate) fn from_object_id(arcs: &[u32]) -> Option<Self> {
        match arcs.strip_prefix(APC_RACK_PRODUCTS.as_slice())? {
            [5, ..] => Some(Self::Rpdu),
            [6, ..] => Some(Self::Rpdu2),
            [_, ..] => Some(Self::MasterSwitch),
            [] => None,
        }
    }

    /// Name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rpdu => "apc_rpdu",
            Self::Rpdu2 => "apc_rpdu2",
            Self::MasterSwitch => "apc_masterswitch",
        }
    }

    /// The column that carries commands; it reads as the outlet's state.
    pub(crate) fn command_column(self) -> Vec<u32> {
        match self {
            Self::Rpdu => column(&[1, 1, 12, 3, 3, 1, 1, 4]),
            Self::Rpdu2 => column(&[1, 1, 26, 9, 2, 4, 1, 5]),
            Self::MasterSwitch => column(&[1, 1, 4, 4, 2, 1, 3]),
        }
    }

    /// The columns that a reading needs, in the order in which [`Self::decode`] takes them: pending, then states.
    pub(crate) fn status_columns(self) -> Vec<Vec<u32>> {
        match self {
            Self::Rpdu => vec![column(&[1, 1, 12, 3, 5, 1, 1, 5]), column(&[1, 1, 12, 3, 5, 1, 1, 4])],
            // Two states of one outlet, with opposite numbering: both must agree.
            Self::Rpdu2 => vec![
                column(&[1, 1, 26, 9, 2, 3, 1, 6]),
                column(&[1, 1, 26, 9, 2, 3, 1, 5]),
                self.command_column(),
            ],
            Self::MasterSwitch => vec![column(&[1, 1, 4, 4, 2, 1, 2]), self.command_column()],
        }
    }

    /// The column of the outlets' names.
    pub(crate) fn name_column(self) -> Vec<u32> {
        match self {
            Self::Rpdu => column(&[1, 1, 12, 3, 5, 1, 1, 2]),
            Self::Rpdu2 => column(&[1, 1, 26, 9, 2, 3, 1, 3]),
            Self::MasterSwitch => column(&[1, 1, 4, 4, 2, 1, 4]),
        }
    }

    /// The number that commands immediate power, or no power.
    pub(crate) fn command(self, power: Power) -> i32 {
        match (self, power) {
            (Self::Rpdu | Self::Rpdu2 | Self::MasterSwitch, Power::On) => 1,
            (Self::Rpdu | Self::Rpdu2 | Self::MasterSwitch, Power::Off) => 2,
        }
    }

    /// The number that cancels a pending command; the MasterSwitch table has none.
    pub(crate) fn cancel(self) -> Option<i32> {
        match self {
            Self::Rpdu => Some(7),
            Self::Rpdu2 => Some(8),
            Self::MasterSwitch => None,
        }
    }

    /// Whether the pending column explicitly says that nothing is pending.
    pub(crate) fn nothing_pending(self, pending: i32) -> bool {
        pending == 2
    }

    /// What the values of [`Self::status_columns`] say.
    pub(crate) fn decode(self, values: &[i32]) -> Reading {
        let Some((&pending, states)) = values.split_first() else {
            return Reading::Unknown("no value".into());
        };
        match pending {
            2 => {}
            1 => return Reading::Changing("a command is pending".into()),
            other => return Reading::Unknown(format!("cannot tell whether a command is pending ({other})")),
        }
        let shown = || format!("{} outlet state {states:?}", self.name());
        match (self, states) {
            (Self::Rpdu, [1]) | (Self::Rpdu2, [2, 1]) | (Self::MasterSwitch, [1]) => Reading::On,
            (Self::Rpdu, [2]) | (Self::Rpdu2, [1, 2]) | (Self::MasterSwitch, [2]) => Reading::Off,
            // One of the two is written before the other.
            (Self::Rpdu2, [2, 2] | [1, 1]) => {
                Reading::Changing(format!("{}: its two states do not agree", shown()))
            }
            // A reboot or a delayed command, by its verb; the state of the first generation has no such numbers.
            (Self::Rpdu2, [1 | 2, 3 | 5..=7]) | (Self::MasterSwitch, [3 | 5..=7]) => {
                Reading::Changing(shown())
            }
            (Self::Rpdu | Self::Rpdu2 | Self::MasterSwitch, _) => Reading::Unknown(shown()),
        }
    }
}

fn column(tail: &[u32]) -> Vec<u32> {
    [APC.as_slice(), tail].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(table: Table, values: &[i32]) -> bool {
        matches!(table.decode(values), Reading::Unknown(_))
    }

    fn changing(table: Table, values: &[i32]) -> bool {
        matches!(table.decode(values), Reading::Changing(_))
    }

    /// Every combination of small numbers: exactly one is off and one is on in each table.
    fn all(table: Table, width: usize) -> (Vec<Vec<i32>>, Vec<Vec<i32>>) {
        let numbers: Vec<i32> = (-1..=9).collect();
        let mut rows: Vec<Vec<i32>> = vec![vec![]];
        for _ in 0..width {
            rows = rows
                .iter()
                .flat_map(|row| numbers.iter().map(|n| [row.as_slice(), &[*n]].concat()))
                .collect();
        }
        let of = |wanted: &Reading| rows.iter().filter(|row| table.decode(row) == *wanted).cloned().collect();
        (of(&Reading::On), of(&Reading::Off))
    }

    #[test]
    fn rpdu_recorded_answers() {
        // AP7930: rPDUOutletStatusCommandPending, rPDUOutletStatusOutletState.
        assert_eq!(all(Table::Rpdu, 2), (vec![vec![2, 1]], vec![vec![2, 2]]));
        assert!(unknown(Table::Rpdu, &[2, 4]));
        assert!(changing(Table::Rpdu, &[1, 2]), "pending");
        assert!(unknown(Table::Rpdu, &[3, 2]));
        assert_eq!((Table::Rpdu.command(Power::On), Table::Rpdu.command(Power::Off)), (1, 2));
        assert_eq!(Table::Rpdu.cancel(), Some(7));
        assert_eq!(
            Table::Rpdu.status_columns(),
            [
                vec![1, 3, 6, 1, 4, 1, 318, 1, 1, 12, 3, 5, 1, 1, 5],
                vec![1, 3, 6, 1, 4, 1, 318, 1, 1, 12, 3, 5, 1, 1, 4]
            ]
        );
        assert_eq!(Table::Rpdu.command_column(), [1, 3, 6, 1, 4, 1, 318, 1, 1, 12, 3, 3, 1, 1, 4]);
    }

    #[test]
    fn rpdu2_recorded_answers_have_the_state_inverted() {
        // AP8941: CommandPending, SwitchedStatusState (off 1, on 2), SwitchedControlCommand (on 1, off 2).
        assert_eq!(all(Table::Rpdu2, 3), (vec![vec![2, 2, 1]], vec![vec![2, 1, 2]]));
        // Read with the other table's numbers, an outlet that is on would be off.
        assert!(changing(Table::Rpdu2, &[2, 2, 2]));
        assert!(changing(Table::Rpdu2, &[2, 1, 1]));
        assert!(changing(Table::Rpdu2, &[2, 1, 6]), "delayed off (6)");
        assert!(changing(Table::Rpdu2, &[1, 4, 4]), "pending");
        assert!(unknown(Table::Rpdu2, &[2, 4, 6]), "a state that is not documented");
        assert!(unknown(Table::Rpdu2, &[3, 1, 2]), "pending unknown(3)");
        assert!(unknown(Table::Rpdu2, &[2, 1, 4]), "state unknown(4)");
        assert_eq!((Table::Rpdu2.command(Power::On), Table::Rpdu2.command(Power::Off)), (1, 2));
        assert_eq!(Table::Rpdu2.cancel(), Some(8));
        assert_eq!(Table::Rpdu2.command_column(), [1, 3, 6, 1, 4, 1, 318, 1, 1, 26, 9, 2, 4, 1, 5]);
    }

    #[test]
    fn masterswitch_recorded_answers() {
        // AP9212: sPDUOutletPending, sPDUOutletCtl (on 1, off 2, unknown 4).
        assert_eq!(all(Table::MasterSwitch, 2), (vec![vec![2, 1]], vec![vec![2, 2]]));
        assert!(unknown(Table::MasterSwitch, &[2, 4]));
        assert!(unknown(Table::MasterSwitch, &[3, 2]));
        assert!(changing(Table::MasterSwitch, &[2, 6]), "off with delay (6)");
        assert!(changing(Table::MasterSwitch, &[1, 4]), "pending");
        assert_eq!((Table::MasterSwitch.command(Power::On), Table::MasterSwitch.command(Power::Off)), (1, 2));
        assert_eq!(Table::MasterSwitch.cancel(), None);
        assert_eq!(Table::MasterSwitch.command_column(), [1, 3, 6, 1, 4, 1, 318, 1, 1, 4, 4, 2, 1, 3]);
    }

    #[test]
    fn too_few_or_too_many_values_are_unknown() {
        for table in [Table::Rpdu, Table::Rpdu2, Table::MasterSwitch] {
            assert!(unknown(table, &[]));
            assert!(unknown(table, &[2]));
            assert!(unknown(table, &[2, 2, 2, 2]));
        }
    }

    #[test]
    fn a_device_is_known_by_its_object_id() {
        let id = |tail: &[u32]| Table::from_object_id(&[&[1, 3, 6, 1, 4, 1, 318, 1, 3], tail].concat());
        assert_eq!(id(&[4, 5]), Some(Table::Rpdu));
        assert_eq!(id(&[4, 6]), Some(Table::Rpdu2));
        assert_eq!(id(&[4, 4]), Some(Table::MasterSwitch));
        assert_eq!(id(&[4]), None);
        assert_eq!(id(&[2, 5]), None, "an APC device that is no power switch");
        assert_eq!(Table::from_object_id(&[1, 3, 6, 1, 4, 1, 8072, 3, 2, 10]), None, "net-snmp on Linux");
    }
}
