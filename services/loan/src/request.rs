//! What an applicant asks for: the input of the saga, and so of most of its steps.

use serde::{Deserialize, Serialize};

/// A request for a loan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Who asks.
    pub applicant: String,
    /// How much, in whole euros; 0 is invalid.
    pub amount: u64,
    /// What the applicant earns in a month, in whole euros.
    pub income: u64,
    /// What goes wrong on the way.
    pub faults: Faults,
}

/// What goes wrong on the way, so that the demo can show what becomes of it. Each is counted or plain: no chance, no clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Faults {
    /// How often the credit bureau fails before it answers.
    pub bureau_fails: u32,
    /// Whether the reservation is made but answered too late.
    pub reservation_is_late: bool,
    /// Whether the transfer is refused.
    pub transfer_is_refused: bool,
    /// How often releasing the funds fails before it works: once more than the saga tries by itself takes an operator.
    pub release_fails: u32,
}
