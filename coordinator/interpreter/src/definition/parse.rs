//! From the document to a [`Machine`]: the top level, its blocks and the names of their states.
//!
//! The checks of one state are in `states`, `task`, `recovery`, `condition` and `compensation`; what holds between
//! states is in `graph`.

use std::collections::{HashMap, HashSet};

use jiff::SignedDuration;

use super::compensation::warn_of_kept_effects;
use super::document::Node;
use super::fault::{Fault, FaultCode, Faults, excerpt};
use super::fields::{Fields, wrong_type};
use super::graph::check_block;
use super::reader::read;
use super::spelling::did_you_mean;
use super::states::parse_state;
use super::vocabulary::{BRANCH, MACHINE};
use super::{Block, BlockId, Machine, Seconds, State, StateName};
use crate::limits::STATE_NAME_CHARACTERS_MAX;

impl Machine {
    /// A machine from its definition, with what is allowed but hardly meant.
    ///
    /// # Errors
    /// All that is wrong with the definition, in the order of its text; of a text that is not JSON the first fault.
    /// At most [`DEFINITION_FAULTS_MAX`](crate::limits::DEFINITION_FAULTS_MAX) errors are told, and as many warnings.
    pub fn parse(text: &str) -> Result<(Machine, Vec<Fault>), Vec<Fault>> {
        let mut parser = Parser::default();
        let machine = read(text, &mut parser.faults)
            .and_then(|(document, root)| parser.machine(document.node(root)));
        let refused = parser.faults.any_errors();
        let (errors, warnings) = parser.faults.located(text);
        match machine {
            Some(machine) if !refused => Ok((machine, warnings)),
            _ => Err(errors),
        }
    }
}

/// The parts of the machine found so far.
#[derive(Default)]
pub(super) struct Parser {
    pub(super) faults: Faults,
    blocks: Vec<Option<Block>>,
    states: HashMap<StateName, State>,
    names: HashSet<String>,
}

impl Parser {
    fn machine(&mut self, root: Node<'_>) -> Option<Machine> {
        if !root.is_object() {
            self.faults.schema(
                root.spot(),
                "Definition must be a valid JSON object",
                "write an object with 'StartAt' and 'States'",
            );
            return None;
        }
        report_duplicates(root, Role::Block, &mut self.faults);
        let fields = Fields::open(root, &MACHINE, &mut self.faults)?;
        if let Some(version) = fields.string("Version", &mut self.faults)
            && version != "1.0"
            && let Some(node) = fields.get("Version")
        {
            let problem = format!(
                "Version '{}' of the States Language is not known",
                excerpt(version)
            );
            self.faults
                .schema(node.spot(), problem, "write \"1.0\", or leave it out");
        }
        let timeout = fields.integer("TimeoutSeconds", 1..=Seconds::MAX, &mut self.faults);
        let whole = QueryLanguage::of(root, &mut self.faults);
        if whole == QueryLanguage::JsonPath {
            self.block(fields, root);
        } else {
            refuse_downgrades(root, &mut self.faults);
        }
        warn_of_kept_effects(root, &mut self.faults);
        let blocks = std::mem::take(&mut self.blocks)
            .into_iter()
            .collect::<Option<Vec<_>>>()?;
        Some(Machine {
            blocks,
            states: std::mem::take(&mut self.states),
            timeout: timeout.map(|seconds| SignedDuration::from_secs(seconds.into())),
        })
    }

    /// Reads one branch of a Parallel.
    pub(super) fn branch(&mut self, node: Node<'_>) -> Option<BlockId> {
        let fields = Fields::open(node, &BRANCH, &mut self.faults)?;
        Some(self.block(fields, node))
    }

    fn block(&mut self, fields: Fields<'_>, node: Node<'_>) -> BlockId {
        // The number is taken before the block's own branches take theirs, so that the top level is 0.
        let index = self.blocks.len();
        let id = BlockId(u32::try_from(index).unwrap_or(u32::MAX));
        self.blocks.push(None);
        fields.require(&["States", "StartAt"], &mut self.faults);
        let start_at = fields.string("StartAt", &mut self.faults);
        if let Some(states) = fields.get("States") {
            self.block_states(states, id);
            check_block(node, &mut self.faults);
        }
        self.blocks[index] = start_at.map(|name| Block {
            start_at: StateName::new(name),
        });
        id
    }

    fn block_states(&mut self, states: Node<'_>, block: BlockId) {
        if !states.is_object() {
            wrong_type(
                states,
                "Object",
                "'States' is an object of states by their names",
                &mut self.faults,
            );
            return;
        }
        if states.members().next().is_none() {
            self.faults.schema(
                states.spot(),
                "Value cannot be empty",
                "'States' holds at least one state",
            );
        }
        let mut here = HashSet::new();
        for (name, node) in states.members() {
            self.check_name(name, node);
            // A name twice in one object is reported with the duplicate keys.
            if here.insert(name) && !self.names.insert(name.to_owned()) {
                self.faults.error(
                    node.key_spot(),
                    FaultCode::DuplicateStateName,
                    format!("Duplicate State name: {}", excerpt(name)),
                    "give it a name that no other state of the whole machine has",
                );
            }
            if let Some(state) = parse_state(name, node, block, self) {
                self.states.insert(state.name.clone(), state);
            }
        }
    }

    fn check_name(&mut self, name: &str, node: Node<'_>) {
        let length = name.chars().count();
        if length == 0 || length > STATE_NAME_CHARACTERS_MAX {
            self.faults.error(
                node.key_spot(),
                FaultCode::InvalidStateName,
                format!("The name of this state has {length} characters"),
                format!("give it a name of 1 to {STATE_NAME_CHARACTERS_MAX} characters"),
            );
        }
    }
}

/// The language in which a machine or a state is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueryLanguage {
    /// JSONPath, also where the fault of another one has been reported.
    JsonPath,
    /// JSONata, which has been reported.
    Jsonata,
}

impl QueryLanguage {
    /// Reads `QueryLanguage` of a machine or a state.
    pub(super) fn of(node: Node<'_>, faults: &mut Faults) -> QueryLanguage {
        let Some(field) = node.get("QueryLanguage") else {
            return QueryLanguage::JsonPath;
        };
        match field.as_str() {
            Some("JSONPath") => QueryLanguage::JsonPath,
            Some("JSONata") => {
                faults.schema(
                    field.spot(),
                    "This version does not run JSONata",
                    "write the definition with JSONPath: 'Parameters' for 'Arguments', 'ResultPath' for 'Output'",
                );
                QueryLanguage::Jsonata
            }
            Some(other) => {
                let problem = format!("There is no query language '{}'", excerpt(other));
                let remedy = did_you_mean(other, ["JSONPath"], || {
                    "write \"JSONPath\", or leave it out".to_owned()
                });
                faults.schema(field.spot(), problem, remedy);
                QueryLanguage::JsonPath
            }
            None => {
                wrong_type(
                    field,
                    "String",
                    "write \"JSONPath\", or leave it out",
                    faults,
                );
                QueryLanguage::JsonPath
            }
        }
    }
}

/// In a machine of JSONata no state may return to JSONPath.
fn refuse_downgrades(root: Node<'_>, faults: &mut Faults) {
    for (_, state) in root.get("States").into_iter().flat_map(Node::members) {
        let language = state.get("QueryLanguage").and_then(Node::as_str);
        if language == Some("JSONPath") {
            faults.schema(
                state.spot(),
                "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine",
                "leave 'QueryLanguage' out at the top level",
            );
        }
    }
}

/// What an object is, as far as its duplicate keys are concerned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Block,
    States,
    State,
    Branches,
    Other,
}

/// Reports each key that an object has before. Readers of JSON differ on which counts, so neither may.
fn report_duplicates(node: Node<'_>, role: Role, faults: &mut Faults) {
    let mut seen = HashSet::new();
    for (key, member) in node.members() {
        if !seen.insert(key) {
            let shown = excerpt(key);
            if role == Role::States {
                let problem = format!("Duplicate State name: {shown}");
                let remedy = "give it a name that no other state of the whole machine has";
                faults.error(
                    member.key_spot(),
                    FaultCode::DuplicateStateName,
                    problem,
                    remedy,
                );
            } else {
                let problem = format!("Duplicate field '{shown}'");
                let remedy = "keep one of the two";
                faults.error(
                    member.key_spot(),
                    FaultCode::InvalidJsonDescription,
                    problem,
                    remedy,
                );
            }
        }
        let role = match (role, key) {
            (Role::Block, "States") => Role::States,
            (Role::States, _) => Role::State,
            (Role::State, "Branches") => Role::Branches,
            _ => Role::Other,
        };
        report_duplicates(member, role, faults);
    }
    let role = if role == Role::Branches {
        Role::Block
    } else {
        Role::Other
    };
    for element in node.elements() {
        report_duplicates(element, role, faults);
    }
}
