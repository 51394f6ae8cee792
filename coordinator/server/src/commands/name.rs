//! The names of machines and executions.

use super::ApiError;

/// Refuses a name that Step Functions would refuse: 1 to 80 characters, none of them white space, a bracket, a wildcard,
/// a control character or one of `"#%\^|~` `` ` `` `$&,;:/`.
///
/// # Errors
/// `InvalidName`, with the name.
pub fn check_name(name: &str) -> Result<(), ApiError> {
    let length = name.chars().count();
    if (1..=NAME_CHARACTERS_MAX).contains(&length) && !name.chars().any(is_forbidden) {
        return Ok(());
    }
    Err(ApiError::new("InvalidName", format!("Invalid Name: '{name}'")))
}

fn is_forbidden(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || FORBIDDEN.contains(character)
        // Not characters: Postgres and AMQP take them, people and routing keys don't.
        || ('\u{fffe}'..='\u{ffff}').contains(&character)
}

/// The longest name, in characters. Source: Step Functions, "CreateStateMachine", `name`.
pub(super) const NAME_CHARACTERS_MAX: usize = 80;
/// Source: Step Functions, "CreateStateMachine", `name`.
const FORBIDDEN: &str = "<>{}[]?*\"#%\\^|~`$&,;:/";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, accepted: bool) {
        assert_eq!(check_name(name).is_ok(), accepted, "{name:?}");
    }

    #[test]
    fn letters_digits_dots_dashes_and_other_scripts_are_names() {
        for name in ["loan", "Loan-2.approval_x", "a@b!(c)+='", "Kredit-ÄÖ", &"n".repeat(80)] {
            check(name, true);
        }
    }

    #[test]
    fn what_an_arn_a_path_or_a_shell_would_misread_is_no_name() {
        for character in FORBIDDEN.chars().chain([' ', '\t', '\n', '\u{7f}', '\u{85}', '\u{a0}']) {
            check(&format!("a{character}b"), false);
        }
    }

    #[test]
    fn a_name_is_neither_empty_nor_longer_than_its_limit() {
        check("", false);
        check(&"n".repeat(81), false);
    }
}
