//! The eight applicants of the demo, and how each of them must end: the demo's specification.

use crate::{Faults, Request};

/// An applicant, what a person decides about the request if asked, and how it must end.
#[derive(Clone, Debug)]
pub struct Applicant {
    /// What this applicant shows.
    pub story: &'static str,
    /// The input of the saga.
    pub request: Request,
    /// What the reviewer says, if the request comes before one.
    pub approved: Option<bool>,
    /// How it must end.
    pub expected: Expected,
}

/// How an execution must end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its status.
    pub status: &'static str,
    /// Its error, if it fails.
    pub error: Option<&'static str>,
    /// The status of its compensation.
    pub compensation: &'static str,
    /// The states that were undone, in order.
    pub undone: &'static [&'static str],
    /// Whether an operator must have helped.
    pub operator: bool,
}

/// The eight applicants.
pub fn applicants() -> Vec<Applicant> {
    let refused = faults(|faults| faults.transfer_is_refused = true);
    vec![
        Applicant::new("ada", "approved", SUCCEEDED),
        Applicant::new("bob", "high risk, approved by a person", SUCCEEDED)
            .asks(GRAND)
            .reviewed(true),
        Applicant::new(
            "cleo",
            "the credit bureau fails twice, then answers",
            SUCCEEDED,
        )
        .meets(faults(|faults| faults.bureau_fails = 2)),
        Applicant::new("dan", "high risk, declined by a person", DECLINED)
            .asks(GRAND)
            .reviewed(false),
        Applicant::new("eve", "invalid", failed("Application.Invalid", "NONE", &[])).asks(0),
        Applicant::new(
            "fay",
            "the reservation answers too late",
            failed("States.Timeout", "COMPENSATED", &ALL[1..]),
        )
        .meets(faults(|faults| faults.reservation_is_late = true)),
        Applicant::new(
            "gus",
            "the transfer is refused",
            failed("Transfer.Refused", "COMPENSATED", ALL),
        )
        .meets(refused.clone()),
        Applicant::new(
            "hal",
            "the transfer is refused and releasing the funds fails too",
            Expected {
                operator: true,
                ..failed("Transfer.Refused", "COMPENSATED", ALL)
            },
        )
        .meets(Faults {
            release_fails: RELEASE_ATTEMPTS,
            ..refused
        }),
    ]
}

impl Applicant {
    /// Asks for a modest loan, and nothing goes wrong.
    fn new(name: &str, story: &'static str, expected: Expected) -> Self {
        let request = Request {
            applicant: name.to_owned(),
            amount: MODEST,
            income: INCOME,
            faults: Faults::default(),
        };
        Self {
            story,
            request,
            approved: None,
            expected,
        }
    }

    fn asks(mut self, amount: u64) -> Self {
        self.request.amount = amount;
        self
    }

    fn reviewed(mut self, approved: bool) -> Self {
        self.approved = Some(approved);
        self
    }

    fn meets(mut self, faults: Faults) -> Self {
        self.request.faults = faults;
        self
    }
}

fn faults(set: impl FnOnce(&mut Faults)) -> Faults {
    let mut faults = Faults::default();
    set(&mut faults);
    faults
}

fn failed(
    error: &'static str,
    compensation: &'static str,
    undone: &'static [&'static str],
) -> Expected {
    Expected {
        status: "FAILED",
        error: Some(error),
        compensation,
        undone,
        operator: false,
    }
}

const SUCCEEDED: Expected = Expected {
    status: "SUCCEEDED",
    error: None,
    compensation: "NONE",
    undone: &[],
    operator: false,
};
const DECLINED: Expected = Expected {
    compensation: "COMPENSATED",
    undone: &["CheckCredit", "OpenApplication"],
    ..SUCCEEDED
};
/// Every state that has an undo, in the order in which they are undone.
const ALL: &[&str] = &[
    "RegisterLoan",
    "ReserveFunds",
    "CheckCredit",
    "OpenApplication",
];
const INCOME: u64 = 3_000;
const MODEST: u64 = 20_000;
/// More than twelve months' income.
const GRAND: u64 = 50_000;
/// How often the saga tries by itself to release the funds: all of them fail.
const RELEASE_ATTEMPTS: u32 = 3;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::funds::LATE;
    use crate::submission::{DEFINITION, DISBURSEMENT_DEFINITION};

    fn state(name: &str) -> Value {
        let machine: Value = serde_json::from_str(DEFINITION).unwrap();
        machine["States"][name].clone()
    }

    #[test]
    fn the_late_reservation_is_later_than_its_timeout() {
        let timeout = state("ReserveFunds")["TimeoutSeconds"].as_u64().unwrap();
        assert!(LATE.as_secs() > timeout);
    }

    #[test]
    fn the_saga_alone_does_not_get_the_funds_released() {
        let retries = &state("ReserveFunds")["Compensate"]["Retry"][0]["MaxAttempts"];
        assert_eq!(retries.as_u64().unwrap() + 1, u64::from(RELEASE_ATTEMPTS));
    }

    #[test]
    fn what_is_undone_has_an_undo() {
        let machines = [DEFINITION, DISBURSEMENT_DEFINITION];
        let machines = machines.map(|it| serde_json::from_str::<Value>(it).unwrap());
        let text: String = machines.iter().map(Value::to_string).collect();
        for state in ALL {
            assert!(
                text.contains(&format!("\"{state}\":{{\"Type\":\"Task\"")),
                "{state}"
            );
        }
        assert_eq!(text.matches("\"Compensate\":{").count(), ALL.len());
    }
}
