//! All that decides what a reference does from now on, as a text: where two are equal, so is what becomes of them.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::boundary::Label;
use super::ledger::{Disposition, Entry};
use super::run::{Doing, Reference, Scope, Visit};
use super::undoing::Compensation;

impl Reference {
    /// Everything but the machine and the data, which is for the caller to compare or not.
    ///
    /// What was heard of a visit that is over matters only where something may be heard yet: of the `late` ones, and of
    /// any that has returned nothing when messages `may_be_doubled`.
    pub fn standing(&self, may_be_doubled: bool, late: &BTreeSet<&Label>) -> String {
        let mut text = format!(
            "{:?} {:?} {} {:?}",
            self.ending, self.committed_pivot, self.phase_is_suspended, self.is_over,
        );
        let may_be_heard = may_be_doubled || !late.is_empty();
        if may_be_heard {
            let _ = write!(text, "\n{:?}", self.owed);
        }
        for compensation in &self.compensations {
            let Compensation {
                region,
                covers,
                then,
                runs,
            } = compensation;
            // What is through tells only of what shows late whether it was undone.
            let _ = match (runs, may_be_heard) {
                (true, _) => write!(text, "\n{region:?} {covers:?} {then:?}"),
                (false, true) => write!(text, "\n{covers:?}"),
                (false, false) => Ok(()),
            };
        }
        for scope in &self.scopes {
            let Scope {
                machine: _,
                parent,
                visits,
                condition,
            } = scope;
            let _ = write!(text, "\n{parent:?} {visits:?} {condition:?}");
        }
        let is_silent = |visit: &Visit| {
            let may_be_heard = may_be_doubled && !visit.has_result || late.contains(&visit.label);
            // Whether a pivot happened is asked of its attempts for as long as it takes.
            visit.doing == Doing::Over && !may_be_heard && !visit.state.is_pivot
        };
        for visit in &self.visits {
            let has_entry = self
                .entries
                .iter()
                .any(|entry| self.visits[entry.visit.0].label == visit.label);
            write_visit(
                &mut text,
                visit,
                is_silent(visit) || visit.doing == Doing::Over && !has_entry,
            );
        }
        for entry in &self.entries {
            write_entry(&mut text, entry, is_silent(&self.visits[entry.visit.0]));
        }
        text
    }
}

fn write_visit(text: &mut String, visit: &Visit, is_silent: bool) {
    let Visit {
        label,
        scope,
        state: _,
        input: _,
        doing,
        uses,
        attempts,
        nothing,
        has_result,
        children,
        tries,
        first_child,
        waiting,
    } = visit;
    let _ = write!(
        text,
        "\n{label} {scope:?} {doing:?} {children:?} {tries:?} {first_child}"
    );
    if !is_silent {
        let _ = write!(
            text,
            " {uses:?} {attempts:?} {nothing:?} {has_result} {}",
            waiting.len()
        );
    }
}

fn write_entry(text: &mut String, entry: &Entry, is_silent: bool) {
    let Entry {
        visit,
        round,
        disposition,
        undo,
        is_stray,
        showed_late,
    } = entry;
    let _ = match disposition {
        _ if !is_silent => write!(
            text,
            "\n{visit:?} {round} {disposition:?} {:?} {is_stray} {showed_late}",
            undo.doing
        ),
        disposition if disposition.is_settled() => write!(text, "\n{visit:?}"),
        Disposition::Committed | Disposition::Unknown => {
            write!(text, "\n{visit:?} to be undone {is_stray}")
        }
        _ => write!(
            text,
            "\n{visit:?} {disposition:?} {:?} {is_stray} {showed_late}",
            undo.doing
        ),
    };
}
