//! How many entries stand where, and the one word that sums it up.

use serde::{Deserialize, Serialize};

use crate::execution::Disposition;

/// Counts of the ledger's entries, kept so that nobody has to read the ledger for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Entries that are not settled.
    pub pending: u32,
    /// Entries whose undo is suspended: the open incidents.
    pub incidents: u32,
    /// Entries that were compensated.
    pub compensated: u32,
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
}

impl CompensationStatus {
    /// The status as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            CompensationStatus::None => "NONE",
            CompensationStatus::Compensating => "COMPENSATING",
            CompensationStatus::Suspended => "SUSPENDED",
            CompensationStatus::Compensated => "COMPENSATED",
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
        if disposition == Disposition::Suspended {
            step(&mut self.incidents);
        }
        if disposition == Disposition::Compensated {
            step(&mut self.compensated);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &[Disposition], pending: u32, incidents: u32, compensated: u32) {
        let mut tally = Tally::default();
        let mut from = None;
        for to in path {
            tally.shift(from, *to);
            from = Some(*to);
        }
        let expected = Tally {
            pending,
            incidents,
            compensated,
        };
        assert_eq!(tally, expected);
    }

    #[test]
    fn an_entry_counts_where_it_stands() {
        use Disposition::{Armed, Committed, Compensated, Compensating, Released, Suspended};
        check(&[Armed], 1, 0, 0);
        check(&[Armed, Committed, Released], 0, 0, 0);
        check(&[Armed, Committed, Compensating, Suspended], 1, 1, 0);
        check(
            &[
                Armed,
                Committed,
                Compensating,
                Suspended,
                Compensating,
                Compensated,
            ],
            0,
            0,
            1,
        );
        check(
            &[Armed, Committed, Compensating, Compensated, Committed],
            1,
            0,
            0,
        );
    }
}
