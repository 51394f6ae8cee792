//! From the document to a [`Machine`]: the top level, its blocks and the names of their states.
//!
//! The checks of one state are in `states`, `task`, `recovery`, `condition` and `compensation`; what holds between
//! states is in `graph`.

use std::collections::{HashMap, HashSet};

use jiff::SignedDuration;

use super::compensation::{parse_policy, warn_of_kept_effects};
use super::distributed::hidden_state;
use super::document::Node;
use super::duplicates::report_duplicates;
use super::express::check_express;
use super::fault::{Fault, FaultCode, Faults, excerpt};
use super::fields::{Fields, wrong_type};
use super::flow::check_flow;
use super::graph::check_graph;
use super::reader::read;
use super::references::warn_of_unassigned;
use super::spelling::did_you_mean;
use super::states::parse_state;
use super::vocabulary::{BRANCH, MACHINE};
use super::{
    Block, BlockId, Machine, MachineKind, QueryLanguage, Resource, Seconds, State, StateKind,
    StateName,
};
use crate::limits::STATE_NAME_CHARACTERS_MAX;

impl Machine {
    /// A machine of type STANDARD; see [`Machine::parse_as`].
    ///
    /// # Errors
    /// All that is wrong with the definition.
    pub fn parse(text: &str) -> Result<(Machine, Vec<Fault>), Vec<Fault>> {
        Machine::parse_as(text, MachineKind::Standard)
    }

    /// A machine from its definition, with what is allowed but hardly meant.
    ///
    /// # Errors
    /// All that is wrong with the definition, in the order of its text; of a text that is not JSON the first fault.
    /// At most [`DEFINITION_FAULTS_MAX`](crate::limits::DEFINITION_FAULTS_MAX) errors are told, and as many warnings.
    pub fn parse_as(text: &str, kind: MachineKind) -> Result<(Machine, Vec<Fault>), Vec<Fault>> {
        let mut parser = Parser::new();
        let machine = read(text, &mut parser.faults)
            .and_then(|(document, root)| parser.machine(document.node(root), kind));
        let refused = parser.faults.any_errors();
        let (errors, warnings) = parser.faults.located(text);
        match machine {
            Some(machine) if !refused => Ok((machine, warnings)),
            _ => Err(errors),
        }
    }
}

/// The parts of the machine found so far.
pub(super) struct Parser {
    pub(super) faults: Faults,
    language: QueryLanguage,
    blocks: Vec<Option<Block>>,
    states: HashMap<StateName, State>,
    names: HashSet<String>,
}

impl Parser {
    fn new() -> Parser {
        Parser {
            faults: Faults::default(),
            language: QueryLanguage::JsonPath,
            blocks: Vec::new(),
            states: HashMap::new(),
            names: HashSet::new(),
        }
    }

    fn machine(&mut self, root: Node<'_>, kind: MachineKind) -> Option<Machine> {
        if !root.is_object() {
            self.faults.schema(
                root.spot(),
                "Definition must be a valid JSON object",
                "write an object with 'StartAt' and 'States'",
            );
            return None;
        }
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
        let policy = parse_policy(fields, &mut self.faults);
        self.language = query_language(root, &mut self.faults).unwrap_or(QueryLanguage::JsonPath);
        self.block(fields);
        check_graph(root, &mut self.faults);
        check_flow(root, &mut self.faults);
        if kind == MachineKind::Express {
            check_express(root, &mut self.faults);
        }
        warn_of_kept_effects(root, &mut self.faults);
        warn_of_unassigned(root, &mut self.faults);
        // The last, so that a flood of keys drowns no other fault.
        report_duplicates(root, &mut self.faults);
        let blocks = std::mem::take(&mut self.blocks)
            .into_iter()
            .collect::<Option<Vec<_>>>()?;
        let states = std::mem::take(&mut self.states);
        let marks = states.values().filter_map(|state| match &state.kind {
            StateKind::Compensate(compensate) => compensate.through.clone(),
            _ => None,
        });
        let has_children = states.values().any(|state| match &state.kind {
            StateKind::Task(task) => task.resource.waits_for_child(),
            _ => false,
        });
        Some(Machine {
            blocks,
            has_children,
            marks: marks.collect(),
            states,
            timeout: timeout.map(|seconds| SignedDuration::from_secs(seconds.into())),
            policy,
        })
    }

    /// The language of a state: its own, or the machine's. In a machine of JSONata no state may return to JSONPath.
    pub(super) fn language_of(&mut self, state: Node<'_>) -> QueryLanguage {
        let own = query_language(state, &mut self.faults);
        if own == Some(QueryLanguage::JsonPath) && self.language == QueryLanguage::Jsonata {
            self.faults.schema(
                state.spot(),
                "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine",
                "leave 'QueryLanguage' out at the top level",
            );
        }
        own.unwrap_or(self.language)
    }

    /// Reads one branch of a Parallel.
    pub(super) fn branch(&mut self, node: Node<'_>) -> Option<BlockId> {
        let fields = Fields::open(node, &BRANCH, &mut self.faults)?;
        Some(self.block(fields))
    }

    /// Reads the states of a block.
    pub(super) fn block(&mut self, fields: Fields<'_>) -> BlockId {
        // The number is taken before the block's own branches take theirs, so that the top level is 0.
        let index = self.blocks.len();
        let id = BlockId(u32::try_from(index).unwrap_or(u32::MAX));
        self.blocks.push(None);
        fields.require(&["States", "StartAt"], &mut self.faults);
        let start_at = fields.string("StartAt", &mut self.faults);
        if let Some(states) = fields.get("States") {
            self.block_states(states, id);
        }
        self.blocks[index] = start_at.map(|name| Block {
            start_at: StateName::new(name),
            is_hidden: false,
        });
        id
    }

    /// A block of one Task that nobody has written: what a distributed Map does besides, named after it.
    pub(super) fn hidden_block(
        &mut self,
        map: Node<'_>,
        what: &str,
        resource: Resource,
    ) -> BlockId {
        let name = format!("{}/{what}", map.key().unwrap_or_default());
        if !self.names.insert(name.clone()) {
            self.faults.error(
                map.key_spot(),
                FaultCode::DuplicateStateName,
                format!("Duplicate State name: {}", excerpt(&name)),
                "this distributed Map needs that name: give the other state another one",
            );
        }
        let block = BlockId(u32::try_from(self.blocks.len()).unwrap_or(u32::MAX));
        let state = hidden_state(&name, block, resource);
        self.blocks.push(Some(Block {
            start_at: state.name.clone(),
            is_hidden: true,
        }));
        self.states.insert(state.name.clone(), state);
        block
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

/// Reads `QueryLanguage` of a machine or a state; `None` where it is not there or faulty.
fn query_language(node: Node<'_>, faults: &mut Faults) -> Option<QueryLanguage> {
    let field = node.get("QueryLanguage")?;
    match field.as_str() {
        Some("JSONPath") => Some(QueryLanguage::JsonPath),
        Some("JSONata") => Some(QueryLanguage::Jsonata),
        Some(other) => {
            let problem = format!("There is no query language '{}'", excerpt(other));
            let remedy = did_you_mean(other, ["JSONPath", "JSONata"], || {
                "write \"JSONPath\" or \"JSONata\", or leave it out".to_owned()
            });
            faults.schema(field.spot(), problem, remedy);
            None
        }
        None => {
            let remedy = "write \"JSONPath\" or \"JSONata\", or leave it out";
            wrong_type(field, "String", remedy, faults);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Transition;
    use crate::definition::fault::tests::faults;
    use crate::definition::hostile::SAGA;

    fn check(definition: &str, expected: &[&str]) {
        assert_eq!(faults(definition), expected);
    }

    #[test]
    fn a_sound_saga_is_read_whole() {
        let (machine, warnings) = Machine::parse(SAGA).expect("a sound definition");
        assert_eq!(warnings, []);
        assert_eq!(machine.timeout, Some(SignedDuration::from_hours(1)));
        assert_eq!(machine.states().count(), 10);
        assert_eq!(
            machine.block(BlockId::TOP).start_at,
            StateName::new("Score")
        );
        let both = machine
            .state(&StateName::new("Both"))
            .expect("Both is a state");
        let StateKind::Parallel(parallel) = &both.kind else {
            panic!("Both is a Parallel")
        };
        let starts: Vec<_> = parallel
            .branches
            .iter()
            .map(|id| machine.block(*id).start_at.as_str())
            .collect();
        assert_eq!(starts, ["Reserve", "Ask"]);
        assert_eq!(
            parallel.transition,
            Transition::Next(StateName::new("Enough?"))
        );
        assert_eq!(
            machine
                .state(&StateName::new("Ask"))
                .map(|state| state.block),
            parallel.branches.get(1).copied()
        );
    }

    #[test]
    fn ten_faults_are_listed_with_pointer_and_line() {
        let definition = r#"{
  "StartAt": "Reserve",
  "Version": "2.0",
  "States": {
    "Reserve": {
      "Type": "Task",
      "Resource": "queu:funds.reserve",
      "TimeoutSeconds": 0,
      "Retry": [{ "ErrorEquals": [] }],
      "Compensate": { "Parameters": {} },
      "Nxet": "Wait"
    },
    "Wait": { "Type": "Wait", "Timestamp": "tomorrow", "Next": "Dnoe" },
    "Done": { "Type": "Succeed", "Comment": 7 }
  }
}"#;
        let errors = Machine::parse(definition).expect_err("ten faults and their consequences");
        let found: Vec<_> = errors.iter().map(ToString::to_string).collect();
        let expected = [
            "line 3, /Version: Version '2.0' of the States Language is not known; write \"1.0\", or leave it out",
            "line 5, /States/Reserve: Exactly one of these fields is required: [Next, End]; add the name of the next state, or \"End\": true",
            "line 7, /States/Reserve/Resource: Value is not a valid resource: 'queu:funds.reserve'; did you mean 'queue:funds.reserve'?",
            "line 8, /States/Reserve/TimeoutSeconds: Minimum value is 1; write an integer from 1 to 99999999, without quotes",
            "line 9, /States/Reserve/Retry/0/ErrorEquals: Value cannot be empty; 'ErrorEquals' holds at least one entry",
            "line 10, /States/Reserve/Compensate: These fields are required: [Resource]; add Resource",
            "line 11, /States/Reserve/Nxet: Field 'Nxet' is not supported; did you mean 'Next'?",
            "line 13, /States/Wait: State \"Wait\" is not reachable; lead a 'Next', 'Default' or 'Catch' to it, or remove it",
            "line 13, /States/Wait/Timestamp: String does not match RFC3339 timestamp; write it like \"2026-03-14T01:59:00Z\", with 'T' and an offset or 'Z'",
            "line 13, /States/Wait/Next: Missing 'Next' target: Dnoe; did you mean 'Done'?",
            "line 14, /States/Done: State \"Done\" is not reachable; lead a 'Next', 'Default' or 'Catch' to it, or remove it",
            "line 14, /States/Done/Comment: Expected value of type String; write a text in double quotes",
        ];
        assert_eq!(found, expected);
        let place = |fault: &Fault| (fault.line, fault.column);
        assert_eq!(errors.iter().map(place).next_back(), Some((14, 45)));
    }

    #[test]
    fn a_definition_is_an_object_with_its_fields() {
        check("[]", &[" Definition must be a valid JSON object"]);
        check(" ", &[" Definition must be a valid JSON object"]);
        check("{}", &[" These fields are required: [States, StartAt]"]);
        check(
            r#"{"States":{"A":{"Type":"Succeed"}}}"#,
            &[" These fields are required: [StartAt]"],
        );
        check(
            r#"{"StartAt":"A"}"#,
            &[" These fields are required: [States]"],
        );
        check(
            r#"{"StartAt":"A","States":[]}"#,
            &["/States Expected value of type Object"],
        );
        check(
            r#"{"StartAt":"A","States":{}}"#,
            &["/States Value cannot be empty"],
        );
    }

    #[test]
    fn a_machine_of_jsonata_has_no_state_of_jsonpath() {
        check(
            r#"{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Pass","QueryLanguage":"JSONPath","End":true}}}"#,
            &[
                "/States/A 'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine",
            ],
        );
    }

    #[test]
    fn a_name_is_unique_in_the_whole_machine_and_not_too_long() {
        let branch = |name: &str| {
            format!(r#"{{"StartAt":"{name}","States":{{"{name}":{{"Type":"Succeed"}}}}}}"#)
        };
        let machine = |left: &str, right: &str| {
            let branches = format!("{},{}", branch(left), branch(right));
            format!(
                r#"{{"StartAt":"P","States":{{"P":{{"Type":"Parallel","End":true,"Branches":[{branches}]}}}}}}"#
            )
        };
        let longest = "é".repeat(80);
        check(&machine("A", &longest), &[]);
        check(
            &machine("A", "A"),
            &["/States/P/Branches/1/States/A Duplicate State name: A"],
        );
        check(
            &machine("A", "P"),
            &["/States/P/Branches/1/States/P Duplicate State name: P"],
        );
        check(
            &machine("A", &format!("{longest}x")),
            &[&format!(
                "/States/P/Branches/1/States/{longest}x The name of this state has 81 characters"
            )],
        );
    }
}
