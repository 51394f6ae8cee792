//! The machine, its blocks and its states, as parsed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Catcher, Compensation, CompensationPolicy, Condition, ItemBatcher, ItemReader, ResultWriter,
    Retrier, Task,
};
use crate::query::{Expression, Jsonata, Path, ReferencePath, Template};

/// The name of a state: 1 to 80 characters, unique in the whole machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StateName(Arc<str>);

impl StateName {
    /// Wraps a name; whether a machine has such a state is for the machine to say.
    pub fn new(name: &str) -> StateName {
        StateName(name.into())
    }

    /// The bare name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for StateName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Which `States` object of the machine: 0 is the top level, each branch of a Parallel and each processor of a Map has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlockId(pub(crate) u32);

impl BlockId {
    /// The top level of every machine.
    pub const TOP: BlockId = BlockId(0);
}

/// One `StartAt` with its `States`.
#[derive(Debug)]
pub struct Block {
    /// The first state.
    pub start_at: StateName,
    /// Whether it is what a distributed Map does here, which nobody has written: it starts a child execution and waits for
    /// it, or reads the items, or writes the results.
    pub is_hidden: bool,
}

/// What a machine's executions promise. Source: Step Functions, "Choosing workflow type".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MachineKind {
    /// Durable, with a history; up to a year.
    Standard,
    /// Fast, without a history; up to five minutes.
    Express,
}

/// A validated state machine.
#[derive(Debug)]
pub struct Machine {
    pub(crate) blocks: Vec<Block>,
    pub(crate) states: HashMap<StateName, State>,
    /// Whether some Task waits for an execution that it starts.
    pub(crate) has_children: bool,
    /// The states that some `Through` names.
    pub(crate) marks: HashSet<StateName>,
    /// `TimeoutSeconds` of the machine; `None` is no limit.
    pub timeout: Option<SignedDuration>,
    /// `CompensationPolicy`.
    pub policy: CompensationPolicy,
}

impl Machine {
    /// The block that a [`Parallel`], a [`Map`] or the top level refers to.
    pub fn block(&self, block: BlockId) -> &Block {
        &self.blocks[block.0 as usize]
    }

    /// A state by its name; `None` only for a name that is not of this machine.
    pub fn state(&self, name: &StateName) -> Option<&State> {
        self.states.get(name)
    }

    /// All states that are written in the definition, in no particular order.
    pub fn states(&self) -> impl Iterator<Item = &State> {
        let states = self.states.values();
        states.filter(|state| !self.block(state.block).is_hidden)
    }
}

/// The language in which a state reads and shapes its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryLanguage {
    /// Paths, payload templates and intrinsic functions.
    JsonPath,
    /// Expressions between `{%` and `%}`.
    Jsonata,
}

/// What is handed over where a state is left: the fields that a state, a catcher and a rule of Choices share.
#[derive(Debug, Default)]
pub struct Handover {
    /// `Output`, of JSONata.
    pub output: Option<Template>,
    /// `Assign`: the variables that are set.
    pub assign: Option<Template>,
}

/// One state: what all types share, and what its type adds.
#[derive(Debug)]
pub struct State {
    /// Its name.
    pub name: StateName,
    /// The block it stands in.
    pub block: BlockId,
    /// `QueryLanguage`: its own, or the machine's.
    pub language: QueryLanguage,
    /// `Output` and `Assign`.
    pub handover: Handover,
    /// `InputPath`; `None` is the language's `null`: the state sees `{}`.
    pub input_path: Option<Path>,
    /// `OutputPath`; `None` is the language's `null`: the state yields `{}`.
    pub output_path: Option<Path>,
    /// What its `Type` adds.
    pub kind: StateKind,
}

/// The type of a state with its fields.
#[derive(Debug)]
pub enum StateKind {
    /// Work done by somebody else.
    Task(Box<Task>),
    /// Data shaped in passing.
    Pass(Pass),
    /// A fork in the road.
    Choice(Choice),
    /// A pause.
    Wait(Wait),
    /// Branches side by side.
    Parallel(Box<Parallel>),
    /// The same for each item of an array.
    Map(Box<Map>),
    /// The scope ends well.
    Succeed,
    /// The scope ends with an error.
    Fail(Fail),
    /// What was done in this scope is undone, by decision of the business. Source: the saga extension.
    Compensate(Compensate),
}

/// Where a state leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// `Next`: a state of the same block.
    Next(StateName),
    /// `End: true`.
    End,
}

/// A `Pass` state.
#[derive(Debug)]
pub struct Pass {
    /// `Result`: the literal output; keys that end in `.$` are not evaluated.
    pub result: Option<Value>,
    /// `Parameters`.
    pub parameters: Option<Template>,
    /// `ResultPath`; `None` is `null`: the result is dropped.
    pub result_path: Option<ReferencePath>,
    /// `Next` or `End`.
    pub transition: Transition,
}

/// A `Choice` state.
#[derive(Debug)]
pub struct Choice {
    /// `Choices`, in order; never empty.
    pub rules: Vec<Rule>,
    /// `Default`: where to go when no rule matches; without it that is `States.NoChoiceMatched`.
    pub default: Option<StateName>,
}

/// One rule of a [`Choice`].
#[derive(Debug)]
pub struct Rule {
    /// What must hold.
    pub condition: Condition,
    /// Where it leads.
    pub next: StateName,
    /// Its own `Output` and `Assign`, in place of the state's.
    pub handover: Handover,
}

/// A `Wait` state.
#[derive(Debug)]
pub struct Wait {
    /// For how long, or until when.
    pub until: WaitFor,
    /// `Next` or `End`.
    pub transition: Transition,
}

/// The four ways to say how long a [`Wait`] lasts.
#[derive(Debug)]
pub enum WaitFor {
    /// `Seconds`: 0 to 99,999,999.
    Seconds(u32),
    /// `SecondsPath`.
    SecondsPath(Path),
    /// `Timestamp`.
    Timestamp(Timestamp),
    /// `TimestampPath`.
    TimestampPath(Path),
    /// `Seconds` of JSONata.
    SecondsExpression(Jsonata),
    /// `Timestamp` of JSONata.
    TimestampExpression(Jsonata),
}

/// A `Parallel` state.
#[derive(Debug)]
pub struct Parallel {
    /// `Branches`, in order; never empty.
    pub branches: Vec<BlockId>,
    /// `Parameters`, or `Arguments` of JSONata.
    pub parameters: Option<Template>,
    /// `ResultSelector`.
    pub result_selector: Option<Template>,
    /// `ResultPath`; `None` is `null`: the result is dropped.
    pub result_path: Option<ReferencePath>,
    /// `Retry`, in order.
    pub retry: Vec<Retrier>,
    /// `Catch`, in order.
    pub catch: Vec<Catcher>,
    /// `Compensate`: one undo for the whole, once it has completed.
    pub compensate: Option<Box<Compensation>>,
    /// `Next` or `End`.
    pub transition: Transition,
}

/// A `Map` state.
#[derive(Debug)]
pub struct Map {
    /// `ItemProcessor`, or the older `Iterator`: what is done with each item.
    pub processor: BlockId,
    /// What an iteration runs in this execution: the processor, or of a distributed Map a Task that starts one for it.
    pub runs: BlockId,
    /// Whether each iteration is an execution of its own: `Mode` is `DISTRIBUTED`.
    pub is_distributed: bool,
    /// `ItemReader`: the items come from a file.
    pub reader: Option<ItemReader>,
    /// `ItemBatcher`: several of them go to one execution.
    pub batcher: Option<ItemBatcher>,
    /// `ResultWriter`: what becomes of the results.
    pub writer: Option<ResultWriter>,
    /// `ItemsPath`: where the items are; `None` takes the whole input.
    pub items_path: Option<Path>,
    /// `Items` of JSONata: what they are; `None` takes the whole input.
    pub items: Option<Template>,
    /// `ItemSelector`, or the older `Parameters`: what an iteration gets; `None` gives it its item.
    pub item_selector: Option<Template>,
    /// `MaxConcurrency` or `MaxConcurrencyPath`: iterations at a time; 0 is no limit of its own.
    pub max_concurrency: Count,
    /// `ToleratedFailureCount` or its path: how many iterations may fail.
    pub tolerated_count: Option<Count>,
    /// `ToleratedFailurePercentage` or its path: which share of them may.
    pub tolerated_percentage: Option<Percentage>,
    /// `ResultSelector`.
    pub result_selector: Option<Template>,
    /// `ResultPath`; `None` is `null`: the result is dropped.
    pub result_path: Option<ReferencePath>,
    /// `Retry`, in order.
    pub retry: Vec<Retrier>,
    /// `Catch`, in order.
    pub catch: Vec<Catcher>,
    /// `Compensate`: one undo for the whole, once it has completed.
    pub compensate: Option<Box<Compensation>>,
    /// `Next` or `End`.
    pub transition: Transition,
}

/// A whole number that stands in the definition, or that a path yields.
#[derive(Debug)]
pub enum Count {
    /// As written.
    Literal(u32),
    /// `…Path`.
    Path(Path),
    /// As an expression of JSONata yields it.
    Jsonata(Jsonata),
}

/// A share of a hundred that stands in the definition, or that a path yields.
#[derive(Debug)]
pub enum Percentage {
    /// As written: 0 to 100.
    Literal(f64),
    /// `…Path`.
    Path(Path),
    /// As an expression of JSONata yields it.
    Jsonata(Jsonata),
}

/// A `Compensate` state. Source: the saga extension.
#[derive(Debug)]
pub struct Compensate {
    /// `Through`: back to and including the latest visit of this state; `None` undoes the whole scope.
    pub through: Option<StateName>,
    /// `Next` or `End`.
    pub transition: Transition,
}

/// A `Fail` state.
#[derive(Debug)]
pub struct Fail {
    /// `Error` or `ErrorPath`.
    pub error: Option<Text>,
    /// `Cause` or `CausePath`.
    pub cause: Option<Text>,
}

/// A text that stands in the definition, or that a path or an intrinsic yields.
#[derive(Debug)]
pub enum Text {
    /// As written.
    Literal(String),
    /// `ErrorPath`, `CausePath`.
    Path(Expression),
    /// As an expression of JSONata yields it.
    Jsonata(Jsonata),
}
