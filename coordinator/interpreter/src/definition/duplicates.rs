//! Keys that stand twice in one object. Readers of JSON differ on which of the two counts, so neither may.

use std::collections::HashSet;

use super::document::Node;
use super::fault::{FaultCode, Faults, excerpt};

/// Reports each key of a definition that its object has before.
pub(super) fn report_duplicates(root: Node<'_>, faults: &mut Faults) {
    report(root, Role::Block, faults);
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

fn report(node: Node<'_>, role: Role, faults: &mut Faults) {
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
            (Role::State, "ItemProcessor" | "Iterator") => Role::Block,
            _ => Role::Other,
        };
        report(member, role, faults);
    }
    let role = if role == Role::Branches {
        Role::Block
    } else {
        Role::Other
    };
    for element in node.elements() {
        report(element, role, faults);
    }
}

#[cfg(test)]
mod tests {
    use crate::definition::fault::tests::faults;

    fn check(definition: &str, expected: &[&str]) {
        assert_eq!(faults(definition), expected);
    }

    #[test]
    fn a_key_stands_once() {
        check(
            r#"{"StartAt":"A","StartAt":"A","States":{"A":{"Type":"Pass","End":true,"Result":{"b":1,"b":2}},
                "A":{"Type":"Succeed","Type":"Succeed"}}}"#,
            &[
                "/StartAt Duplicate field 'StartAt'",
                "/States/A/Result/b Duplicate field 'b'",
                "/States/A Duplicate State name: A",
                "/States/A/Type Duplicate field 'Type'",
            ],
        );
    }
}
