//! Every limit of the interpreter, named with its unit. Past a limit there is a clear error, never a slow or silent loss.

/// The longest definition in bytes: 1 MiB. Source: Step Functions, "State machine quotas".
pub const DEFINITION_BYTES_MAX: usize = 1024 * 1024;

/// How many objects and arrays may stand inside one another in a definition; it bounds the reader's recursion.
pub const DEFINITION_NESTING_MAX: usize = 128;

/// How many errors, and how many warnings, one definition is told about. Source: Step Functions,
/// ValidateStateMachineDefinition, "maxResults".
pub const DEFINITION_FAULTS_MAX: usize = 100;

/// How many characters of a text from a definition one fault repeats.
pub const FAULT_EXCERPT_CHARACTERS_MAX: usize = 100;

/// The longest name of a state in characters. Source: States Language, "States".
pub const STATE_NAME_CHARACTERS_MAX: usize = 80;

/// The longest name of a queue or exchange and the longest routing key in bytes. Source: AMQP 0-9-1, "shortstr".
pub const BROKER_NAME_BYTES_MAX: usize = 255;

/// `MaxDelaySeconds` stays below a leap year. Source: Step Functions, "Retry".
pub const RETRY_DELAY_SECONDS_MAX: u32 = 31_622_399;
