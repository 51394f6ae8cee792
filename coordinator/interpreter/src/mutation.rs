//! Ways to break this crate, for the tests that must notice: one for each invariant of the saga extension.
//!
//! Only the feature `mutations` makes them possible, and then a thread has to ask for one. Without it `is` is never true, and nothing is
//! left of them.

/// One way to break it, named after what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// 1: a step is armed after its dispatch.
    ArmAfterDispatch,
    /// 2: an effect that shows late reopens a settled round instead of beginning the next.
    ReopenRound,
    /// 3: an undo starts before its successor is settled.
    UndoOutOfOrder,
    /// 4: branches go on while their scope undoes.
    GoOnWhileUndoing,
    /// 5: an execution ends before its entries are settled.
    EndEarly,
    /// 6: each attempt has a key of its own.
    KeyPerAttempt,
    /// 7: a pivot that had its effect is none.
    ForgetPivot,
    /// 8: a success that comes late is dropped.
    DropLateSuccess,
    /// 9: the error of an undo is taken for its success.
    SwallowUndoError,
    /// 10: a step that timed out is taken for not executed.
    TimeoutMeansNothingDone,
    /// 11: the next attempt of an undo has no timer.
    ForgetTimer,
}

impl Mutation {
    /// All of them, in the order of the invariants.
    pub const ALL: [Mutation; 11] = [
        Mutation::ArmAfterDispatch,
        Mutation::ReopenRound,
        Mutation::UndoOutOfOrder,
        Mutation::GoOnWhileUndoing,
        Mutation::EndEarly,
        Mutation::KeyPerAttempt,
        Mutation::ForgetPivot,
        Mutation::DropLateSuccess,
        Mutation::SwallowUndoError,
        Mutation::TimeoutMeansNothingDone,
        Mutation::ForgetTimer,
    ];
}

#[cfg(feature = "mutations")]
mod switch {
    use std::cell::Cell;

    use super::Mutation;

    thread_local! {
        static BROKEN: Cell<Option<Mutation>> = const { Cell::new(None) };
    }

    /// Breaks the crate for this thread, or mends it.
    pub fn break_by(mutation: Option<Mutation>) {
        BROKEN.set(mutation);
    }

    /// Whether this thread asked for it.
    pub(crate) fn is(mutation: Mutation) -> bool {
        BROKEN.get() == Some(mutation)
    }
}

#[cfg(feature = "mutations")]
pub use switch::break_by;
#[cfg(feature = "mutations")]
pub(crate) use switch::is;

/// Never: the feature `mutations` is off.
#[cfg(not(feature = "mutations"))]
pub(crate) const fn is(_: Mutation) -> bool {
    false
}
