//! How an entry stands, how many stand where, and the one word that sums it up. Source: the saga extension, "The ledger".
//!
//! `Armed → Committed | NotExecuted | Unknown`, then `Released`, or `Compensating → Compensated | Suspended | Skipped | Resolved |
//! Abandoned`. Settled are NotExecuted, Released, Compensated, Skipped, Resolved and Abandoned; a success that shows after that begins the
//! next round.

use serde::{Deserialize, Serialize};

use crate::history::Outcome;

/// How an entry stands. Source: the saga extension, "The ledger".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the specification's own")]
pub enum Disposition {
    Armed,
    Committed,
    NotExecuted,
    Unknown,
    Released,
    Compensating,
    Compensated,
    Suspended,
    Skipped,
    Resolved,
    Abandoned,
}

impl Disposition {
    /// Whether nothing more happens to it in this round.
    pub fn is_settled(self) -> bool {
        match self {
            Disposition::NotExecuted
            | Disposition::Released
            | Disposition::Compensated
            | Disposition::Skipped
            | Disposition::Resolved
            | Disposition::Abandoned => true,
            Disposition::Armed
            | Disposition::Committed
            | Disposition::Unknown
            | Disposition::Compensating
            | Disposition::Suspended => false,
        }
    }

    /// Whether it is undone once its turn comes.
    pub fn awaits_undo(self) -> bool {
        matches!(self, Disposition::Committed | Disposition::Unknown)
    }

    /// Whether the effect is gone, be it that an operator says so.
    pub fn is_undone(self) -> bool {
        matches!(self, Disposition::Compensated | Disposition::Resolved)
    }
}

impl From<Outcome> for Disposition {
    fn from(outcome: Outcome) -> Disposition {
        match outcome {
            Outcome::Committed => Disposition::Committed,
            Outcome::NotExecuted => Disposition::NotExecuted,
            Outcome::Unknown => Disposition::Unknown,
        }
    }
}

/// Counts of the ledger's entries, kept so that nobody has to read the ledger for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Entries that are not settled.
    pub pending: u32,
    /// The open incidents.
    pub incidents: u32,
    /// Entries that were compensated, or resolved by hand.
    pub compensated: u32,
    /// Entries that an operator left as they are.
    #[serde(default)]
    pub skipped: u32,
    /// Entries that were given up with all the rest.
    #[serde(default)]
    pub abandoned: u32,
}

/// `compensation.status` of DescribeExecution. Source: the saga extension, "Status".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CompensationStatus {
    /// Nothing was undone.
    None,
    /// Something is being undone.
    Compensating,
    /// An undo failed for good: an operator decides.
    Suspended,
    /// All that was to be undone is.
    Compensated,
    /// All but what an operator left as it is.
    Incomplete,
    /// What was left was given up.
    Abandoned,
}

impl CompensationStatus {
    /// The status as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            CompensationStatus::None => "NONE",
            CompensationStatus::Compensating => "COMPENSATING",
            CompensationStatus::Suspended => "SUSPENDED",
            CompensationStatus::Compensated => "COMPENSATED",
            CompensationStatus::Incomplete => "INCOMPLETE",
            CompensationStatus::Abandoned => "ABANDONED",
        }
    }
}

impl Tally {
    /// Counts an entry that moves from one disposition (`None`: it is new) to another.
    pub(crate) fn shift(&mut self, from: Option<Disposition>, to: Disposition) {
        if let Some(from) = from {
            self.count(from, false);
        }
        self.count(to, true);
    }

    fn count(&mut self, disposition: Disposition, up: bool) {
        let step = |counter: &mut u32| {
            *counter = if up {
                *counter + 1
            } else {
                counter.saturating_sub(1)
            }
        };
        if !disposition.is_settled() {
            step(&mut self.pending);
        }
        if disposition.is_undone() {
            step(&mut self.compensated);
        }
        if disposition == Disposition::Skipped {
            step(&mut self.skipped);
        }
        if disposition == Disposition::Abandoned {
            step(&mut self.abandoned);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ledger with one entry: pending, compensated, skipped, abandoned.
    #[track_caller]
    fn check(path: &[Disposition], expected: [u32; 4]) {
        let mut tally = Tally::default();
        let mut from = None;
        for to in path {
            tally.shift(from, *to);
            from = Some(*to);
        }
        let counts = [
            tally.pending,
            tally.compensated,
            tally.skipped,
            tally.abandoned,
        ];
        assert_eq!(counts, expected);
    }

    #[test]
    fn an_entry_counts_where_it_stands() {
        use Disposition::{
            Abandoned, Armed, Committed, Compensated, Compensating, Released, Resolved, Skipped,
            Suspended,
        };
        check(&[Armed], [1, 0, 0, 0]);
        check(&[Armed, Committed, Released], [0, 0, 0, 0]);
        let suspended = [Armed, Committed, Compensating, Suspended];
        check(&suspended, [1, 0, 0, 0]);
        let settled = |to| [suspended.as_slice(), &[to]].concat();
        check(&settled(Compensated), [0, 1, 0, 0]);
        check(&settled(Resolved), [0, 1, 0, 0]);
        check(&settled(Skipped), [0, 0, 1, 0]);
        check(&settled(Abandoned), [0, 0, 0, 1]);
        check(
            &[Armed, Committed, Compensating, Compensated, Committed],
            [1, 0, 0, 0],
        );
    }
}
