//! Every limit of the interpreter, named with its unit. Past a limit stands a clear error, never a
//! panic, a slow turn or an unbounded allocation.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The longest path or intrinsic call, in bytes of its text.
pub const QUERY_TEXT_BYTES_MAX: usize = 64 * 1024;

/// The longest evaluation of a JSONata expression, in milliseconds. It is a backstop: the other limits are met before.
pub const JSONATA_MILLISECONDS_MAX: u64 = 500;

/// How deep a JSONata expression's functions may call one another.
pub const JSONATA_CALLS_MAX: usize = 500;

/// The most items of a sequence that a JSONata expression makes.
pub const JSONATA_SEQUENCE_ITEMS_MAX: usize = 100_000;

/// The most steps (`.name`, `[0]`, `..`) of one path, those of its filters' paths not counted.
pub const PATH_STEPS_MAX: usize = 100;

/// How deep filters, their parentheses and functions' parameters nest inside one path.
pub const FILTER_DEPTH_MAX: usize = 10;

/// How many nodes one evaluation may look at; a payload of the largest size has far fewer.
pub const PATH_VISITS_MAX: usize = 5_000_000;

/// The largest compiled form of one filter pattern (`=~ /…/`), in bytes.
pub const PATTERN_COMPILED_BYTES_MAX: usize = 1024 * 1024;

/// How deep intrinsic calls nest. Source: AWS, "Intrinsic functions", nested calls.
pub const INTRINSIC_DEPTH_MAX: usize = 10;

/// The longest input of Base64Encode, Base64Decode and Hash, in characters. Source: AWS.
pub const INTRINSIC_INPUT_CHARACTERS_MAX: usize = 10_000;

/// The most items that States.ArrayRange returns. Source: AWS.
pub const ARRAY_RANGE_ITEMS_MAX: usize = 1_000;

/// How deep objects and arrays of a payload template nest.
pub const TEMPLATE_DEPTH_MAX: usize = 100;

/// How deep a value built by a query nests. JSON parsers stop at 128 levels, and the value must
/// still be readable inside the envelopes that carry it.
pub const VALUE_DEPTH_MAX: usize = 100;

/// The most that one evaluation copies, in bytes of JSON. It stands well above the largest payload,
/// which the caller checks: this one only stops a small template from building a huge value.
pub const EVALUATED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A limit that a process may set. It is set before the first turn and stays: a turn depends on nothing but what it is given.
#[derive(Debug)]
pub struct Limit {
    bytes: AtomicUsize,
    /// What holds where nobody sets it.
    pub default: usize,
    /// The least it may be set to.
    pub least: usize,
    /// The most.
    pub most: usize,
}

impl Limit {
    const fn new(default: usize, least: usize, most: usize) -> Limit {
        Limit {
            bytes: AtomicUsize::new(default),
            default,
            least,
            most,
        }
    }

    /// As it is set, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Sets it, within what it may be set to.
    pub fn set(&self, bytes: usize) {
        let bytes = bytes.clamp(self.least, self.most);
        self.bytes.store(bytes, Ordering::Relaxed);
    }
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The largest input, argument or result of a state, in bytes of JSON. AWS has 262,144.
pub static PAYLOAD_BYTES_MAX: Limit = Limit::new(MIB, KIB, 8 * MIB);

/// The longest definition, in bytes. AWS has 1 MiB, too. Source: Step Functions, "State machine quotas".
pub static DEFINITION_BYTES_MAX: Limit = Limit::new(MIB, KIB, 8 * MIB);

/// The most that the variables of an execution hold together, in bytes of JSON. AWS has as much. Source: Step Functions, "Passing
/// data between states with variables".
pub static VARIABLES_BYTES_MAX: Limit = Limit::new(10 * MIB, KIB, 64 * MIB);

/// The most that the items take which a Map reads from files, in bytes of JSON: they are kept with the execution. AWS reads
/// files of 10 GB.
pub static ITEMS_BYTES_MAX: Limit = Limit::new(32 * MIB, KIB, 256 * MIB);

/// States that one turn enters before it lets others have theirs.
pub const TRANSITIONS_PER_TURN_MAX: u32 = 500;

/// Events of one execution; a loop that never ends ends here. AWS has 25,000.
pub const HISTORY_EVENTS_MAX: u64 = 1_000_000;

/// Iterations of one Map at a time, whatever `MaxConcurrency` says. Source: Step Functions, inline Map: 40.
pub const ITERATIONS_AT_ONCE_MAX: u32 = 40;

/// Executions that one distributed Map has at a time, whatever `MaxConcurrency` says. AWS has 10,000.
pub const CHILDREN_AT_ONCE_MAX: u32 = 1_000;

/// How many executions may wait for one another, each for one that it started; a machine that starts itself ends here.
pub const NESTING_MAX: u32 = 32;

/// How long a step in flight may answer yet when its scope begins to undo. Source: the saga extension.
pub const DRAIN_MAX: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);

/// Whether a value passes [`PAYLOAD_BYTES_MAX`]; stops counting there.
pub fn is_payload_too_large(value: &serde_json::Value) -> bool {
    json_bytes(value, PAYLOAD_BYTES_MAX.bytes()).is_none()
}

/// How many bytes of JSON a value has; none where it has more than `bytes_max`.
pub(crate) fn json_bytes(value: &serde_json::Value, bytes_max: usize) -> Option<usize> {
    struct Count {
        left: usize,
    }
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let left = self.left.checked_sub(bytes.len());
            self.left = left.ok_or(std::io::ErrorKind::OutOfMemory)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count { left: bytes_max };
    serde_json::to_writer(&mut count, value).ok()?;
    Some(bytes_max - count.left)
}

/// Whether a value nests deeper than [`VALUE_DEPTH_MAX`].
pub fn is_payload_too_deep(value: &serde_json::Value) -> bool {
    fn is_deeper(value: &serde_json::Value, levels: usize) -> bool {
        match value {
            serde_json::Value::Array(items) => {
                levels == 0 || items.iter().any(|item| is_deeper(item, levels - 1))
            }
            serde_json::Value::Object(members) => {
                levels == 0 || members.values().any(|member| is_deeper(member, levels - 1))
            }
            _ => false,
        }
    }
    is_deeper(value, VALUE_DEPTH_MAX)
}

/// The longest cause of an error, in characters. Source: Step Functions, `SensitiveCause`.
pub const CAUSE_CHARACTERS_MAX: usize = 32_768;

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

/// `MaxDelaySeconds` stays below a leap year, and so does a delay without it. Source: Step Functions, "Retry".
pub const RETRY_DELAY_SECONDS_MAX: u32 = 31_622_399;
