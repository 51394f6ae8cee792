//! The chains of the ledger: entries join at the end, and leave it once they are settled.

use crate::definition::BlockId;
use crate::execution::{Activity, Broken, Cursor, Entry, Execution, Phase, Scope, Subject};
use crate::history::{Payload, Target};
use crate::ids::{EntryId, ScopeId, Sequence};

impl Execution {
    /// Adds an entry at the end of its scope's chain.
    pub(super) fn push_entry(
        &mut self,
        sequence: Sequence,
        scope: ScopeId,
        subject: Subject,
    ) -> Result<(), Broken> {
        let id = EntryId(sequence);
        let chain = self.scope(scope)?;
        chain.had_entries = true;
        let before = chain.last_entry.replace(id);
        self.ledger.insert(
            id,
            Entry {
                id,
                scope,
                before,
                subject,
            },
        );
        self.touched.entry(id);
        Ok(())
    }

    /// Puts a settled entry that must be undone after all back into its place, or says that there is no chain.
    pub(super) fn rejoin(&mut self, id: EntryId) -> Result<bool, Broken> {
        let entry = self.entry(id)?;
        let scope = entry.scope;
        let Some(chain) = self.scopes.get(&scope) else {
            return Ok(false);
        };
        let group = chain.group;
        let (mut after, mut before) = (None, chain.last_entry);
        while let Some(later) = before.filter(|before| *before > id) {
            after = Some(later);
            before = self.entry(later)?.before;
        }
        if before != Some(id) {
            self.entry(id)?.before = before;
            match after {
                Some(after) => self.entry(after)?.before = Some(id),
                None => self.scope(scope)?.last_entry = Some(id),
            }
        }
        match group {
            Some(group) => {
                self.cursors.0.remove(&group);
                self.rejoin(group)
            }
            None => Ok(true),
        }
    }

    /// Notes that what was armed before this record is being undone: an effect that shows late is undone, too.
    pub(super) fn mark_undone(
        &mut self,
        scope: ScopeId,
        target: Target,
        sequence: Sequence,
    ) -> Result<(), Broken> {
        let scopes = match target {
            Target::Scope => vec![scope],
            Target::Since(since) => return self.mark_undone_between(scope, since, sequence),
            Target::Group(None) => Vec::new(),
            Target::Group(Some(group)) => self.entry(group)?.subject.inner().to_vec(),
        };
        for scope in scopes {
            let scope = self.scope(scope)?;
            scope.undone_before = sequence;
            scope.undone_between.clear();
        }
        Ok(())
    }

    fn mark_undone_between(
        &mut self,
        scope: ScopeId,
        mut since: Sequence,
        before: Sequence,
    ) -> Result<(), Broken> {
        let mut between = std::mem::take(&mut self.scope(scope)?.undone_between);
        // One that reaches further back takes the place of those it holds.
        between.retain(|(other, _)| *other < since);
        // A loop undoes each pass of its own: with nothing armed in between it is one stretch that grows.
        if let Some((start, end)) = between.last().copied()
            && (end >= since
                || self
                    .ledger
                    .range(EntryId(end)..EntryId(since))
                    .next()
                    .is_none())
        {
            between.pop();
            since = start;
        }
        between.push((since, before));
        self.scope(scope)?.undone_between = between;
        Ok(())
    }

    /// Whether the entry was, or is, to be undone by a compensation of its scope or of one around it.
    pub(super) fn was_undone_around(&self, entry: EntryId) -> bool {
        self.scopes_around(entry)
            .any(|scope| scope.was_undone(entry))
    }

    /// The outermost of the scopes that are not through yet with undoing this entry, among others.
    pub(crate) fn undone_by(&self, entry: EntryId) -> Option<ScopeId> {
        // The entry through which it stands in the chain of the scope at hand.
        let mut link = Some(entry);
        let undoing = self.scopes_around(entry).filter(|scope| {
            let from = std::mem::replace(&mut link, scope.group);
            match &scope.phase {
                Phase::Compensating(goal) => goal.target.holds(from),
                Phase::Between
                | Phase::At(_)
                | Phase::Yielding { .. }
                | Phase::Iterating(_)
                | Phase::Ended(_)
                | Phase::Closed => false,
            }
        });
        undoing.last().map(|scope| scope.id)
    }

    /// The scopes that go on undoing, though cut off, inside of what a compensation of `scope` takes over.
    pub(super) fn undone_inside(&self, scope: ScopeId, target: Target) -> Vec<ScopeId> {
        let is_inside = |inner: &ScopeId| {
            let mut link = None;
            let mut next = self.scopes.get(inner);
            while let Some(at) = next.filter(|at| at.id != scope) {
                link = at.group;
                next = at.parent.and_then(|parent| self.scopes.get(&parent));
            }
            *inner != scope && next.is_some() && target.holds(link)
        };
        let inside = self.undoing.iter().copied();
        inside.filter(is_inside).collect()
    }

    /// What is given up with a whole phase: all that some compensation has yet to undo, and what waits for the decision.
    pub(crate) fn rest_of_all(&self) -> Vec<EntryId> {
        let mut rest = self.held_undos();
        let open = self.ledger.values().filter(|entry| entry.is_open());
        let open = open.map(|entry| entry.id);
        rest.extend(open.filter(|entry| self.undone_by(*entry).is_some()));
        rest.sort_unstable();
        rest.dedup();
        rest
    }

    /// What is given up with this entry: all that its compensation has yet to undo.
    pub(crate) fn rest_of(&self, entry: EntryId) -> Vec<EntryId> {
        let Some(scope) = self.undone_by(entry) else {
            return vec![entry];
        };
        let open = self.ledger.values().filter(|other| other.is_open());
        open.map(|other| other.id)
            .filter(|other| self.undone_by(*other) == Some(scope))
            .collect()
    }

    /// Whether the entry is undone, if at all, with a Parallel or Map around it.
    pub(super) fn is_covered(&self, entry: EntryId) -> bool {
        !self.was_undone_around(entry) && self.scopes_around(entry).any(|scope| scope.is_covered)
    }

    /// The scope of the entry and those around it.
    fn scopes_around(&self, entry: EntryId) -> impl Iterator<Item = &Scope> {
        let scope = self
            .ledger
            .get(&entry)
            .and_then(|entry| self.scopes.get(&entry.scope));
        std::iter::successors(scope, |scope| {
            scope.parent.and_then(|parent| self.scopes.get(&parent))
        })
    }

    /// When the Parallel or Map that `scope` stands in is over: keeps those of its branches or iterations that did what can be
    /// undone, and takes the outcome of all others away.
    pub(super) fn gather(&mut self, scope: ScopeId, sequence: Sequence) -> Result<(), Broken> {
        let branches = match &mut self.scope(scope)?.phase {
            Phase::At(position) => match &mut position.activity {
                Activity::Branches(branches) => std::mem::take(branches),
                Activity::Running
                | Activity::Task(_)
                | Activity::Backoff { .. }
                | Activity::Waiting { .. }
                | Activity::Suspended(_) => return Ok(()),
            },
            Phase::Between
            | Phase::Yielding { .. }
            | Phase::Compensating(_)
            | Phase::Iterating(_)
            | Phase::Ended(_)
            | Phase::Closed => return Ok(()),
        };
        self.position(scope)?.activity = Activity::Running;
        let runs = branches.iter().filter_map(|run| self.scopes.get(run));
        let concurrency = runs.filter_map(|run| run.concurrency).next();
        let mut kept = Vec::new();
        let iterations: Vec<ScopeId> = branches
            .iter()
            .flat_map(|run| self.inside_of(*run))
            .collect();
        for branch in iterations.into_iter().chain(branches) {
            self.items.0.remove(&branch);
            let Some(state) = self.scopes.get(&branch) else {
                continue;
            };
            // What was left to undo by itself goes on.
            if !matches!(state.phase, Phase::Compensating(_)) {
                self.close_scope(branch)?;
            }
            let state = self.scope(branch)?;
            state.concurrency = None;
            // The scope that held an iteration goes with its Map.
            state.parent = Some(scope);
            self.prune_chain(branch);
            if let Some(state) = self.scopes.get_mut(&branch) {
                state.group = Some(EntryId(sequence));
                kept.push(branch);
            }
        }
        if kept.is_empty() {
            return Ok(());
        }
        let subject = match concurrency {
            None => Subject::Group(kept),
            Some(concurrency) => Subject::Iterations {
                scopes: kept,
                concurrency,
            },
        };
        self.push_entry(sequence, scope, subject)?;
        self.prune(scope);
        Ok(())
    }

    /// Whether anything was ever armed in the scope, or in the Parallel or Map it is in.
    pub(crate) fn had_entries(&self, scope: ScopeId) -> bool {
        let Some(scope) = self.scopes.get(&scope) else {
            return false;
        };
        let position = scope.position();
        let branches = match position.map(|position| &position.activity) {
            Some(Activity::Branches(branches)) => branches.as_slice(),
            _ => &[],
        };
        scope.had_entries
            || branches.iter().any(|branch| {
                self.had_entries(*branch)
                    || self
                        .inside_of(*branch)
                        .into_iter()
                        .any(|it| self.had_entries(it))
            })
    }

    /// What this scope holds, in order: iterations of a Map, the Task that reads its items, the one that writes its results.
    /// Of a branch there is nothing.
    pub(crate) fn inside_of(&self, run: ScopeId) -> Vec<ScopeId> {
        let holder = self.scopes.get(&run);
        if holder.is_none_or(|holder| holder.concurrency.is_none()) {
            return Vec::new();
        }
        let inside = self.scopes.range(run..).map(|(_, scope)| scope);
        inside
            // What is gathered already stands in the scope around its Map.
            .filter(|scope| scope.parent == Some(run) && scope.group.is_none())
            .map(|scope| scope.id)
            .collect()
    }

    /// What came of the Task that a Map runs besides, in this block.
    pub(crate) fn outcome_besides(&self, run: ScopeId, block: BlockId) -> Option<&Payload> {
        let inside = self.scopes.range(run..).map(|(_, scope)| scope);
        let mut tasks = inside.filter(|scope| scope.parent == Some(run) && scope.block == block);
        match &tasks.next()?.phase {
            Phase::Ended(output) => Some(output),
            _ => None,
        }
    }

    /// Lets settled entries leave the end of the scope's chain, and of the chains around it.
    pub(super) fn prune(&mut self, scope: ScopeId) {
        let mut next = Some(scope);
        while let Some(scope) = next {
            next = self.scopes.get(&scope).and_then(|scope| scope.parent);
            self.prune_chain(scope);
        }
    }

    fn prune_chain(&mut self, id: ScopeId) {
        let Some(mut last) = self.scopes.get(&id).map(|scope| scope.last_entry) else {
            return;
        };
        while let Some(entry) = last.filter(|last| self.is_settled(*last)) {
            last = self.ledger.get(&entry).and_then(|entry| entry.before);
        }
        let Some(scope) = self.scopes.get(&id) else {
            return;
        };
        if last != scope.last_entry {
            self.touched.scope(id);
        }
        // What holds iterations is needed until they are gathered.
        let is_needed = scope.had_entries || scope.concurrency.is_some();
        if !is_needed && scope.phase == Phase::Closed {
            self.forget_variables(id);
            self.scopes.remove(&id);
            self.touched.scope(id);
        } else if let Some(scope) = self.scopes.get_mut(&id) {
            scope.last_entry = last;
        }
    }

    fn is_settled(&mut self, id: EntryId) -> bool {
        let mut cursors = std::mem::take(&mut self.cursors);
        let is_settled = self
            .ledger
            .get(&id)
            .is_some_and(|entry| match &entry.subject {
                Subject::Step(step) => step.disposition.is_settled(),
                Subject::Group(branches) => branches.iter().all(|branch| self.is_undone(*branch)),
                Subject::Iterations { scopes, .. } => {
                    let cursor = cursors
                        .0
                        .entry(id)
                        .or_insert_with(|| self.find_cursor(scopes));
                    self.move_cursor(cursor, scopes);
                    cursor.settled == scopes.len()
                }
            });
        self.cursors = cursors;
        is_settled
    }

    /// Where the undoing of these iterations is.
    pub(crate) fn find_cursor(&self, scopes: &[ScopeId]) -> Cursor {
        let is_begun = |scope: &ScopeId| crate::compensation::is_busy(self, *scope);
        let mut cursor = Cursor {
            settled: 0,
            begun: scopes.iter().rposition(is_begun).map_or(0, |last| last + 1),
        };
        self.move_cursor(&mut cursor, scopes);
        cursor
    }

    /// Leaves behind what is settled.
    pub(crate) fn move_cursor(&self, cursor: &mut Cursor, scopes: &[ScopeId]) {
        let settled = scopes[cursor.settled..].iter();
        cursor.settled += settled.take_while(|scope| self.is_undone(**scope)).count();
        cursor.begun = cursor.begun.max(cursor.settled);
    }

    /// Whether nothing is left to be settled in a branch or iteration.
    fn is_undone(&self, scope: ScopeId) -> bool {
        let scope = self.scopes.get(&scope);
        scope.is_none_or(|scope| scope.last_entry.is_none())
    }

    /// What is not settled inside a Parallel or Map that is over.
    pub(crate) fn open_inside(&self, group: EntryId) -> Vec<EntryId> {
        let mut open = Vec::new();
        let mut groups = vec![group];
        while let Some(group) = groups.pop() {
            let inner = self.ledger.get(&group).map(|group| group.subject.inner());
            for scope in inner.into_iter().flatten() {
                let last = self.scopes.get(scope).and_then(|scope| scope.last_entry);
                let mut next = last.and_then(|last| self.ledger.get(&last));
                while let Some(entry) = next {
                    if entry.is_open() {
                        open.push(entry.id);
                    } else if entry.step().is_none() {
                        groups.push(entry.id);
                    }
                    next = entry.before.and_then(|before| self.ledger.get(&before));
                }
            }
        }
        open
    }
}
