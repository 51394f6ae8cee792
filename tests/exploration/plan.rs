//! A saga that is made up as it goes along.
//!
//! What nothing has looked at yet is left open, so that all sagas which agree in what was looked at so far are explored
//! as one. An engine that decides can't be swayed by what it does not read; `growth` says what a turn has read. That
//! this holds is checked, not believed: see `replay`.

use std::hash::Hash;

use serde_json::{Map, Value, json};

/// One saga, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Plan(Chain);

/// The top level, a branch or the processor of a Map.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Chain {
    /// The names of its states begin with it: T at the top level, A and B in branches, M in a Map.
    letter: char,
    states: Vec<State>,
    /// Whether it is known to end after these.
    is_whole: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct State {
    kind: Kind,
    undo: Option<Undo>,
    retries: Option<bool>,
    catches: Option<Catch>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kind {
    Task,
    Parallel([Chain; 2]),
    Map { concurrency: u8, processor: Chain },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Undo {
    No,
    Yes,
    Pivot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Catch {
    No,
    Plain,
    Compensating,
}

/// What can be open of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Whether that state is undone, or is the pivot.
    Undo(String),
    /// Whether that state is tried again.
    Retry(String),
    /// Whether that state catches, and how.
    Catch(String),
    /// What follows the last state of the chain of this letter.
    Follow(char),
}

/// What an execution of every plan is started with: for how long each item of a Map may take, so that one can time out
/// while the other is out.
pub fn input() -> Value {
    json!({ "items": [10, 20] })
}

impl Plan {
    /// Every way to begin.
    pub fn beginnings() -> Vec<Plan> {
        let kinds = [Kind::parallel(), Kind::map(2), Kind::map(1), Kind::Task];
        let plans = kinds.into_iter().map(|kind| {
            let mut top = Chain::of_task('T');
            top.states[0].kind = kind;
            Plan(top)
        });
        plans.collect()
    }

    /// How many Tasks it has.
    pub fn steps(&self) -> usize {
        self.chains().iter().map(|chain| chain.tasks()).sum()
    }

    /// How many visits of Tasks it makes when all goes well: two of each in a Map.
    pub fn visits(&self) -> usize {
        let weight = |chain: &&Chain| if chain.letter == 'M' { 2 } else { 1 };
        let chains = self.chains().into_iter();
        chains.map(|chain| weight(&chain) * chain.tasks()).sum()
    }

    /// How many Parallels and Maps it has.
    pub fn composites(&self) -> usize {
        let states = self.0.states.iter();
        states.filter(|state| state.kind != Kind::Task).count()
    }

    /// How many states its top level has.
    pub fn length(&self) -> usize {
        self.0.states.len()
    }

    /// Whether that is open.
    pub fn leaves_open(&self, question: &Question) -> bool {
        match question {
            Question::Undo(name) => self.state(name).undo.is_none(),
            Question::Retry(name) => self.state(name).retries.is_none(),
            Question::Catch(name) => self.state(name).catches.is_none(),
            Question::Follow(letter) => !self.chain(*letter).is_whole,
        }
    }

    /// Whether that state is known to be tried again.
    pub fn retries(&self, name: &str) -> bool {
        self.state(name).retries == Some(true)
    }

    /// Whether that state is a Parallel or a Map.
    pub fn is_composite(&self, name: &str) -> bool {
        self.state(name).kind != Kind::Task
    }

    /// Whether that state is known to catch.
    pub fn catches(&self, name: &str) -> bool {
        matches!(
            self.state(name).catches,
            Some(Catch::Plain | Catch::Compensating)
        )
    }

    /// Whether no state is known to follow that one.
    pub fn is_last(&self, name: &str) -> bool {
        let (letter, index) = place(name);
        self.chain(letter).states.len() == index + 1
    }

    /// Every answer to the question. The first is that of a definition which says nothing about it.
    pub fn answers(&self, question: &Question) -> Vec<Plan> {
        match question {
            Question::Undo(name) => self.undos(name),
            Question::Retry(name) => {
                let is_spent = self.any(|state| state.retries == Some(true));
                let ways = [false, true].into_iter().filter(|way| !way || !is_spent);
                ways.map(|way| self.with(name, |state| state.retries = Some(way)))
                    .collect()
            }
            Question::Catch(name) => {
                let is_spent = self.any(|state| !matches!(state.catches, None | Some(Catch::No)));
                let ways = [Catch::No, Catch::Plain, Catch::Compensating];
                let ways = ways.into_iter().take(if is_spent { 1 } else { 3 });
                ways.map(|way| self.with(name, |state| state.catches = Some(way)))
                    .collect()
            }
            Question::Follow(letter) => self.continuations(*letter),
        }
    }

    fn undos(&self, name: &str) -> Vec<Plan> {
        let state = self.state(name);
        let may_be_pivot = name.starts_with('T')
            && state.kind == Kind::Task
            && !self.any(|state| state.undo == Some(Undo::Pivot));
        let ways = [Undo::No, Undo::Yes, Undo::Pivot];
        let ways = ways.into_iter().take(if may_be_pivot { 3 } else { 2 });
        ways.map(|way| self.with(name, |state| state.undo = Some(way)))
            .collect()
    }

    fn continuations(&self, letter: char) -> Vec<Plan> {
        let mut whole = self.clone();
        whole.chain_mut(letter).is_whole = true;
        let mut found = vec![whole];
        let mut kinds = vec![Kind::Task];
        if letter == 'T' && !self.any(|state| matches!(state.kind, Kind::Map { .. })) {
            kinds.extend([Kind::map(1), Kind::map(2)]);
        }
        if letter == 'T' && !self.any(|state| matches!(state.kind, Kind::Parallel(_))) {
            kinds.push(Kind::parallel());
        }
        for kind in kinds {
            let mut longer = self.clone();
            longer.chain_mut(letter).states.push(State::new(kind));
            found.push(longer);
        }
        found
    }

    /// The composite around the chain of this letter.
    pub fn around(&self, letter: char) -> Option<String> {
        let holds = |state: &State| state.chains().iter().any(|chain| chain.letter == letter);
        let found = self.0.states.iter().position(holds);
        found.map(|index| self.0.name(index))
    }

    /// What can be looked at while the top level is in that state or after it: these states, and what of all there may
    /// be is used up.
    pub fn ahead(&self, name: &str) -> impl Hash {
        let (_, index) = place(name);
        let has = |is_so: fn(&State) -> bool| self.any(is_so);
        let used = [
            has(|state| state.retries == Some(true)),
            has(|state| matches!(state.catches, Some(Catch::Plain | Catch::Compensating))),
            has(|state| state.undo == Some(Undo::Pivot)),
            has(|state| matches!(state.kind, Kind::Parallel(_))),
            has(|state| matches!(state.kind, Kind::Map { .. })),
        ];
        let top = &self.0;
        (
            index,
            top.states[index..].to_vec(),
            top.is_whole,
            self.steps(),
            used,
        )
    }

    /// The definition, which says nothing about what is open.
    pub fn definition(&self) -> Value {
        self.0.definition()
    }

    fn with(&self, name: &str, change: impl FnOnce(&mut State)) -> Plan {
        let mut plan = self.clone();
        let (letter, index) = place(name);
        change(&mut plan.chain_mut(letter).states[index]);
        plan
    }

    fn state(&self, name: &str) -> &State {
        let (letter, index) = place(name);
        &self.chain(letter).states[index]
    }

    fn any(&self, is_so: impl Fn(&State) -> bool) -> bool {
        let chains = self.chains();
        let mut states = chains.iter().flat_map(|chain| &chain.states);
        states.any(is_so)
    }

    fn chains(&self) -> Vec<&Chain> {
        let inner = self.0.states.iter().flat_map(State::chains);
        std::iter::once(&self.0).chain(inner).collect()
    }

    fn chain(&self, letter: char) -> &Chain {
        let chains = self.chains().into_iter();
        let mut found = chains.filter(|chain| chain.letter == letter);
        found.next().expect("the letter is of a chain")
    }

    fn chain_mut(&mut self, letter: char) -> &mut Chain {
        if letter == 'T' {
            return &mut self.0;
        }
        let inner = self
            .0
            .states
            .iter_mut()
            .flat_map(|state| match &mut state.kind {
                Kind::Task => [].iter_mut(),
                Kind::Parallel(branches) => branches.iter_mut(),
                Kind::Map { processor, .. } => std::slice::from_mut(processor).iter_mut(),
            });
        let mut found = inner.filter(|chain| chain.letter == letter);
        found.next().expect("the letter is of a chain")
    }
}

impl Chain {
    fn of_task(letter: char) -> Chain {
        Chain {
            letter,
            states: vec![State::new(Kind::Task)],
            is_whole: false,
        }
    }

    fn tasks(&self) -> usize {
        let tasks = self.states.iter();
        tasks.filter(|state| state.kind == Kind::Task).count()
    }

    fn name(&self, index: usize) -> String {
        match index == self.states.len() {
            true => format!("End{}", self.letter),
            false => format!("{}{}", self.letter, index + 1),
        }
    }

    fn definition(&self) -> Value {
        let mut states = Map::new();
        for (index, state) in self.states.iter().enumerate() {
            let (name, next) = (self.name(index), self.name(index + 1));
            let mut fields = state.definition(self.letter, &name, &next);
            fields["Next"] = json!(next);
            states.insert(name, fields);
        }
        states.insert(self.name(self.states.len()), json!({ "Type": "Succeed" }));
        json!({ "StartAt": self.name(0), "States": states })
    }
}

impl Kind {
    fn parallel() -> Kind {
        Kind::Parallel([Chain::of_task('A'), Chain::of_task('B')])
    }

    fn map(concurrency: u8) -> Kind {
        Kind::Map {
            concurrency,
            processor: Chain::of_task('M'),
        }
    }
}

impl State {
    fn new(kind: Kind) -> State {
        State {
            kind,
            undo: None,
            retries: None,
            catches: None,
        }
    }

    fn chains(&self) -> &[Chain] {
        match &self.kind {
            Kind::Task => &[],
            Kind::Parallel(branches) => branches,
            Kind::Map { processor, .. } => std::slice::from_ref(processor),
        }
    }

    fn definition(&self, letter: char, name: &str, next: &str) -> Value {
        // The second branch may take longer, so that the first can time out while the second is out. The other way
        // round is that of the saga in which the branches are exchanged, which is explored as well.
        let timeout = if letter == 'B' { 20 } else { 10 };
        let mut fields = match &self.kind {
            Kind::Task => json!({ "Type": "Task", "Resource": format!("queue:{name}") }),
            Kind::Parallel(branches) => {
                json!({ "Type": "Parallel", "Branches": branches.each_ref().map(Chain::definition) })
            }
            Kind::Map {
                concurrency,
                processor,
            } => json!({
                "Type": "Map",
                "ItemsPath": "$$.Execution.Input.items",
                "ItemSelector": { "item.$": "$$.Map.Item.Value" },
                "MaxConcurrency": concurrency,
                "ItemProcessor": processor.definition(),
            }),
        };
        fields["ResultPath"] = Value::Null;
        match (&self.kind, letter) {
            (Kind::Task, 'M') => fields["TimeoutSecondsPath"] = json!("$.item"),
            (Kind::Task, _) => fields["TimeoutSeconds"] = json!(timeout),
            (Kind::Parallel(_) | Kind::Map { .. }, _) => {}
        }
        match self.undo {
            None | Some(Undo::No) => {}
            Some(Undo::Yes) => {
                fields["Compensate"] = json!({
                    "Resource": format!("queue:undo-{name}"),
                    "TimeoutSeconds": timeout,
                    "Retry": [],
                });
            }
            Some(Undo::Pivot) => fields["Pivot"] = json!(true),
        }
        if self.retries == Some(true) {
            fields["Retry"] = json!([
                { "ErrorEquals": ["States.ALL"], "MaxAttempts": 1, "IntervalSeconds": 1 }
            ]);
        }
        if let Some(catch @ (Catch::Plain | Catch::Compensating)) = self.catches {
            fields["Catch"] = json!([{
                "ErrorEquals": ["States.ALL"],
                "ResultPath": null,
                "Next": next,
                "Compensate": catch == Catch::Compensating,
            }]);
        }
        fields
    }
}

/// The chain's letter and the index of the state of this name.
fn place(name: &str) -> (char, usize) {
    let (letter, number) = name.split_at(1);
    let number: usize = number.parse().expect("a name is a letter and a number");
    (
        letter.chars().next().expect("a name has a letter"),
        number - 1,
    )
}
