//! How many turns a second one core decides, and how a turn's time grows.
//!
//! `cargo bench -p sagamore-interpreter`. No store, no broker: what they add is in the benchmarks of the whole. Each
//! figure is the fastest of several rounds, which is what the code needs when nothing else disturbs it; things that are
//! compared take their rounds in turn.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sagamore_interpreter::definition::Machine;
use sagamore_interpreter::{
    Decision, Effect, Execution, ExecutionId, Input, Payload, Reply, Sequence, Start, Status,
    WaitKind, begin, decide,
};
use serde_json::{Value, json};

const STEPS: usize = 5;
const ROUNDS: usize = 15;
/// Executions in a round, where one alone is too short to be timed.
const EXECUTIONS: usize = 400;
/// What the payload's text is long.
const PAYLOAD_BYTES: [usize; 4] = [300, 3_000, 30_000, 300_000];
const ITEMS: [usize; 3] = [100, 1_000, 10_000];

fn main() {
    let paths = chain(&json!({ "Parameters": { "order.$": "$.id", "lines.$": "$.rows[0:2]" } }));
    let jsonata = chain(&json!({ "QueryLanguage": "JSONata",
        "Arguments": { "order": "{% $states.input.id %}", "lines": "{% $states.input.rows[[0..1]] %}" } }));
    let plain = chain(&json!({}));
    let input = payload(300);
    let timed = side_by_side(&[
        (&plain, &input, &input, EXECUTIONS),
        (&paths, &input, &input, EXECUTIONS),
        (&jsonata, &input, &input, EXECUTIONS),
    ]);
    let [plain_took, paths_took, jsonata_took] = [timed[0], timed[1], timed[2]];
    println!("{STEPS} Tasks, 300 bytes of JSON   {}", figures(plain_took));
    println!(
        "  arguments by JSONPath         {}, {:.2} times as long",
        figures(paths_took),
        ratio(paths_took, plain_took)
    );
    println!(
        "  arguments by JSONata          {}, {:.2} times as long",
        figures(jsonata_took),
        ratio(jsonata_took, plain_took)
    );

    let payloads = PAYLOAD_BYTES.map(payload);
    let cases: Vec<_> = payloads
        .iter()
        .map(|input| (&paths, input, input, EXECUTIONS / 10))
        .collect();
    let timed = side_by_side(&cases);
    for (bytes, took) in PAYLOAD_BYTES.iter().zip(&timed) {
        println!(
            "{STEPS} Tasks, {bytes:>7} bytes        {}, {:.2} times as long as with {}",
            figures(*took),
            ratio(*took, timed[0]),
            PAYLOAD_BYTES[0]
        );
    }

    let map = map();
    let inputs = ITEMS.map(|items| Payload::new(json!((0..items).collect::<Vec<_>>())));
    let cases: Vec<_> = inputs
        .iter()
        .map(|numbers| (&map, numbers, &input, 1))
        .collect();
    let timed = side_by_side(&cases);
    for (items, took) in ITEMS.iter().zip(&timed) {
        println!(
            "a Map of {items:>6} Tasks          {}, {:.2} times as long a turn as with {}",
            figures(*took),
            ratio(*took, timed[0]),
            ITEMS[0]
        );
    }
}

/// A machine, what it is started with, what its Tasks are answered with, and how many executions a round has.
type Case<'a> = (&'a Machine, &'a Payload, &'a Payload, usize);
/// What a round took and how many turns it had.
type Took = (Duration, usize);

/// The fastest round of each.
fn side_by_side(cases: &[Case<'_>]) -> Vec<Took> {
    let round = |case: &Case<'_>| {
        let (machine, input, reply, executions) = *case;
        let since = Instant::now();
        let turns = (0..executions).map(|_| run(machine, input, reply)).sum();
        (since.elapsed(), turns)
    };
    let mut fastest: Vec<Took> = cases.iter().map(round).collect();
    for _ in 1..ROUNDS {
        for (fastest, case) in fastest.iter_mut().zip(cases) {
            *fastest = round(case).min(*fastest);
        }
    }
    fastest
}

/// Runs an execution to its end, each of whose Tasks is answered with this; how many turns that took.
fn run(machine: &Machine, input: &Payload, reply: &Payload) -> usize {
    let arn = "arn:aws:states:us-east-1:000000000000:execution:saga:turns";
    let start = Start {
        arn: arn.to_owned(),
        name: "turns".to_owned(),
        machine_arn: "arn:aws:states:us-east-1:000000000000:stateMachine:saga".to_owned(),
        machine_name: "saga".to_owned(),
        role_arn: "arn:aws:iam::000000000000:role/saga".to_owned(),
        input: Arc::clone(input),
        parent: None,
        block: None,
        map_run: None,
    };
    let now = Timestamp::UNIX_EPOCH;
    let (mut execution, decision) =
        begin(machine, ExecutionId::of(arn), &start, now, &token).expect("it begins");
    let mut inputs = VecDeque::new();
    answer(&mut execution, decision, reply, &mut inputs);
    let mut turns = 1;
    while let Some(next) = inputs.pop_front() {
        let decision = decide(machine, &mut execution, &next, now, &token)
            .expect("no invariant is broken")
            .expect("the input is taken");
        answer(&mut execution, decision, reply, &mut inputs);
        turns += 1;
    }
    assert_eq!(execution.head.status, Status::Succeeded, "the saga is over");
    turns
}

fn answer(
    execution: &mut Execution,
    decision: Decision,
    with: &Payload,
    inputs: &mut VecDeque<Input>,
) {
    execution.take_touched();
    for effect in decision.effects {
        let Effect::Open(wait) = effect else { continue };
        inputs.push_back(match wait.kind {
            WaitKind::Task(_) => Input::Reply {
                task: wait.wait,
                reply: Reply::Success(Arc::clone(with)),
                bytes: None,
            },
            WaitKind::Timer | WaitKind::Incident(_) => Input::Due { wait: wait.wait },
        });
    }
}

fn token(_: ExecutionId, task: Sequence) -> String {
    format!("token-{task}")
}

/// Tasks one after the other, with these fields each.
fn chain(fields: &Value) -> Machine {
    let mut states = serde_json::Map::new();
    for step in 0..STEPS {
        let mut state =
            json!({ "Type": "Task", "Resource": "queue:orders.step", "TimeoutSeconds": 60 });
        for (name, field) in fields.as_object().into_iter().flatten() {
            state[name] = field.clone();
        }
        if step + 1 < STEPS {
            state["Next"] = json!(format!("Step{}", step + 1));
        } else {
            state["End"] = json!(true);
        }
        states.insert(format!("Step{step}"), state);
    }
    parse(&json!({ "StartAt": "Step0", "States": states }))
}

/// A Task for each item, all at once.
fn map() -> Machine {
    parse(
        &json!({ "StartAt": "Each", "States": { "Each": { "Type": "Map", "End": true, "ResultPath": null,
        "ItemProcessor": { "StartAt": "Step", "States": { "Step": { "Type": "Task", "Resource": "queue:orders.step",
            "End": true } } } } } }),
    )
}

fn parse(definition: &Value) -> Machine {
    let (machine, _) = Machine::parse(&definition.to_string()).expect("it is valid");
    machine
}

/// An order whose text has about that many bytes.
fn payload(bytes: usize) -> Payload {
    let row =
        |number| json!({ "article": number, "name": "a thing that is bought", "cents": 1999 });
    let empty = json!({ "id": "order-17", "rows": [] }).to_string().len();
    let rows: Vec<Value> = (100..100 + (bytes - empty) / row(100).to_string().len())
        .map(row)
        .collect();
    Payload::new(json!({ "id": "order-17", "rows": rows }))
}

fn figures((took, turns): Took) -> String {
    let seconds = took.as_secs_f64();
    format!(
        "{:>7.0} turns a second, {:>6.2} µs a turn",
        turns as f64 / seconds,
        seconds * 1e6 / turns as f64
    )
}

fn ratio(one: Took, other: Took) -> f64 {
    let a_turn = |(took, turns): Took| took.as_secs_f64() / turns as f64;
    a_turn(one) / a_turn(other)
}
