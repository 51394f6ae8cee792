//! `sagamore validate`: what is wrong with definitions, before anything runs.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sagamore_interpreter::definition::Machine;

use super::underline::write_fault;

/// Checks each file and writes what is wrong with it. Whether all of them would be accepted.
///
/// # Errors
/// `output` can't be written. A file that can't be read counts as refused.
pub fn validate(files: &[PathBuf], output: &mut dyn Write) -> io::Result<bool> {
    let mut are_accepted = true;
    for file in files {
        let name = file.display().to_string();
        let accepted = match read(file) {
            Ok(text) => check(&name, &text, output)?,
            Err(error) => {
                writeln!(output, "{name}: failed to read it: {error}")?;
                false
            }
        };
        are_accepted &= accepted;
    }
    Ok(are_accepted)
}

fn check(name: &str, text: &str, output: &mut dyn Write) -> io::Result<bool> {
    let (accepted, faults) = match Machine::parse(text) {
        Ok((_, warnings)) => (true, warnings),
        Err(faults) => (false, faults),
    };
    for fault in &faults {
        write_fault(name, text, fault, console::colors_enabled(), output)?;
    }
    let verdict = if accepted { "valid" } else { "refused" };
    match faults.len() {
        0 => writeln!(output, "{name}: {verdict}")?,
        1 => writeln!(output, "{name}: {verdict}, with 1 remark")?,
        many => writeln!(output, "{name}: {verdict}, with {many} remarks")?,
    }
    Ok(accepted)
}

pub(super) fn read(file: &Path) -> io::Result<String> {
    let bytes = if file == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes)?;
        bytes
    } else {
        std::fs::read(file)?
    };
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid]
            .split(|byte| *byte == b'\n')
            .count();
        let told =
            format!("line {line} is not UTF-8, from byte {valid} of the file on: save it as UTF-8");
        io::Error::new(io::ErrorKind::InvalidData, told)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> (bool, String) {
        let mut output = Vec::new();
        let accepted = check("loan.json", text, &mut output).unwrap();
        (accepted, String::from_utf8(output).unwrap())
    }

    #[test]
    fn a_valid_definition_is_told_in_one_line() {
        let definition = r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}"#;
        assert_eq!(told(definition), (true, "loan.json: valid\n".to_owned()));
    }

    #[test]
    fn a_fault_is_told_with_its_place_and_its_remedy() {
        let (accepted, text) =
            told("{\n  \"StartAt\": \"B\",\n  \"States\": {\"A\": {\"Type\": \"Succeed\"}}\n}");
        assert!(!accepted);
        assert!(text.starts_with("error[MISSING_TRANSITION_TARGET]: Missing 'Next' target: B\n"));
        assert!(
            text.ends_with("loan.json: refused, with 1 remark\n"),
            "{text}"
        );
    }

    #[test]
    fn a_file_that_is_not_utf_8_is_refused_with_its_place() {
        let file = std::env::temp_dir().join(format!("latin-1-{}.json", std::process::id()));
        std::fs::write(&file, b"{\n  \"Comment\": \"Pr\xfcfung\"}").unwrap();
        let error = read(&file).unwrap_err();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(
            error.to_string(),
            "line 2 is not UTF-8, from byte 18 of the file on: save it as UTF-8"
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_is_refused() {
        let mut output = Vec::new();
        let accepted = validate(&[PathBuf::from("/nowhere/loan.json")], &mut output).unwrap();
        assert!(!accepted);
        assert!(
            String::from_utf8(output)
                .unwrap()
                .starts_with("/nowhere/loan.json: failed to read it: ")
        );
    }
}
