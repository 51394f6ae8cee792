//! ARNs: what machines and executions are called by.

use sagamore_interpreter::ExecutionId;

use super::ApiError;

/// The ARN of a machine, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineArn<'a> {
    /// The machine's name.
    pub name: &'a str,
    /// The version or alias behind the name, when there is one.
    pub qualifier: Option<&'a str>,
}

/// Takes the ARN of a machine apart.
///
/// # Errors
/// `InvalidArn`: it is no ARN, or one of something else.
pub fn machine_arn(arn: &str) -> Result<MachineArn<'_>, ApiError> {
    let resource = resource(arn, "stateMachine")?;
    match resource.split_once(':') {
        None => Ok(MachineArn {
            name: resource,
            qualifier: None,
        }),
        Some((name, qualifier)) => Ok(MachineArn {
            name,
            qualifier: Some(qualifier),
        }),
    }
}

/// The id of the execution with this ARN; whether it exists is for the store to say.
///
/// # Errors
/// `InvalidArn`: it is no ARN, or one of something else.
pub fn execution_id(arn: &str) -> Result<ExecutionId, ApiError> {
    resource(arn, "execution").map(|_| ExecutionId::of(arn))
}

/// The ARN of a Map Run, which is known by it.
///
/// # Errors
/// `InvalidArn`: it is no ARN, or one of something else.
pub fn map_run_arn(arn: &str) -> Result<&str, ApiError> {
    resource(arn, "mapRun").map(|_| arn)
}

/// What stands behind the resource type, which has to be `kind`.
fn resource<'a>(arn: &'a str, kind: &str) -> Result<&'a str, ApiError> {
    let mut parts = arn.splitn(7, ':');
    let (prefix, _partition, service) = (parts.next(), parts.next(), parts.next());
    if prefix != Some("arn") || service != Some("states") {
        return Err(ApiError::invalid_arn(&format!("Invalid ARN prefix: {arn}")));
    }
    let (_region, _account, found) = (parts.next(), parts.next(), parts.next());
    match (found, parts.next()) {
        (Some(found), Some(resource)) if found == kind && !resource.is_empty() => Ok(resource),
        (Some(found), Some(_)) if found != kind => {
            let problem = format!("Resource type not valid in this context: {found}");
            Err(ApiError::invalid_arn(&problem))
        }
        _ => Err(ApiError::invalid_arn(&format!("Invalid ARN: {arn}"))),
    }
}

/// The longest ARN, in characters. Source: Step Functions, `Arn`.
pub(crate) const ARN_CHARACTERS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arn: &str, expected: &str) {
        let read = match machine_arn(arn) {
            Ok(arn) => format!("{} {:?}", arn.name, arn.qualifier),
            Err(error) => error.to_string(),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn a_machine_arn_has_a_name_and_perhaps_a_qualifier() {
        check(
            "arn:aws:states:us-east-1:000000000000:stateMachine:loan",
            "loan None",
        );
        check(
            "arn:aws:states:us-east-1:000000000000:stateMachine:loan:3",
            "loan Some(\"3\")",
        );
    }

    #[test]
    fn what_is_no_machine_arn_says_why() {
        check(
            "loan",
            "InvalidArn: Invalid Arn: 'Invalid ARN prefix: loan'",
        );
        check(
            "arn:aws:s3:::x",
            "InvalidArn: Invalid Arn: 'Invalid ARN prefix: arn:aws:s3:::x'",
        );
        check(
            "arn:aws:states:r:a",
            "InvalidArn: Invalid Arn: 'Invalid ARN: arn:aws:states:r:a'",
        );
        check(
            "arn:aws:states:r:a:express:loan:x:y",
            "InvalidArn: Invalid Arn: 'Resource type not valid in this context: express'",
        );
    }
}
