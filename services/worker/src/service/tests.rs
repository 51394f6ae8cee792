//! The rules of the memory, told from outside: messages in, replies out.
//!
//! Held here against the memory in the process; the package `sagamore-tests` holds Postgres to the same.

use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt;
use sagamore_messages::Token;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::*;

/// A service whose step does what its input says, and counts.
struct Bench {
    service: Arc<Service>,
    steps: Arc<AtomicU32>,
    undos: Arc<AtomicU32>,
}

#[derive(Deserialize)]
struct Order {
    #[serde(rename = "do")]
    what: String,
}

async fn obey(order: Order, number: u32) -> Result<Outcome<Value>, Failure> {
    let failure = Failure::new("Step.Failed", "as ordered");
    match order.what.as_str() {
        "answer" => Ok(Outcome::Done(json!({ "number": number }))),
        "fail" => Err(failure),
        "fail unsure" => Err(failure.effect(Effect::Unknown)),
        "fail committed" => Err(failure.effect(Effect::Committed)),
        "later" => Ok(Outcome::Later),
        other => panic!("no such order: {other}"),
    }
}

impl Bench {
    fn new(effects: Effects, memory: Memory) -> Self {
        let count = || Arc::new(AtomicU32::new(0));
        let (steps, undos) = (count(), count());
        let step = Handler::new({
            let steps = steps.clone();
            move |order: Order, _: Context| obey(order, steps.fetch_add(1, Ordering::SeqCst) + 1)
        });
        let undo = Handler::new({
            let undos = undos.clone();
            move |order: Order, context: Context| {
                let number = undos.fetch_add(1, Ordering::SeqCst) + 1;
                assert!(context.compensates().is_some());
                obey(order, number)
            }
        });
        let handlers = Handlers {
            step: Some(step),
            undo: Some(undo),
        };
        let service = Service {
            name: "bench".to_owned(),
            memory,
            effects,
            queues: BTreeMap::from([("queue".to_owned(), handlers)]),
        };
        Self {
            service: Arc::new(service),
            steps,
            undos,
        }
    }

    async fn send(&self, message: TaskMessage) -> String {
        told(self.service.react("queue", &Arc::new(message)).await)
    }

    /// What is left once all that was done and undone is counted: handler runs of the step and of the undo.
    fn runs(&self) -> (u32, u32) {
        (
            self.steps.load(Ordering::SeqCst),
            self.undos.load(Ordering::SeqCst),
        )
    }
}

fn told(reaction: Reaction) -> String {
    match reaction {
        Reaction::Reply(Reply::Success(answer)) => answer.to_string(),
        Reaction::Reply(Reply::Failure { error, effect, .. }) => {
            format!("{error} {}", effect.map_or("unsaid", Effect::as_str))
        }
        Reaction::Reply(Reply::Heartbeat) => "heartbeat".to_owned(),
        Reaction::Later => "later".to_owned(),
        Reaction::Expired => "expired".to_owned(),
    }
}

fn step(what: &str) -> TaskMessage {
    TaskMessage {
        message_id: "m".to_owned(),
        token: Token::new("t"),
        reply_to: "replies".to_owned(),
        kind: Kind::Task,
        timestamp_seconds: 0,
        execution: "e".to_owned(),
        machine: "loan".to_owned(),
        state: "Step".to_owned(),
        attempt: 1,
        idempotency_key: "k".to_owned(),
        compensates: None,
        deadline: None,
        traceparent: None,
        tracestate: None,
        body: json!({ "do": what }).to_string(),
        is_text: false,
    }
}

fn undo(round: u32, what: &str) -> TaskMessage {
    TaskMessage {
        kind: Kind::Compensation,
        idempotency_key: format!("k/undo/{round}"),
        compensates: Some("k".to_owned()),
        ..step(what)
    }
}

/// Sends the messages one after the other, whatever the effects are, and compares all that was told.
async fn check(messages: &[TaskMessage], expected: &[&str], runs: (u32, u32)) {
    for effects in [Effects::Anywhere, Effects::InTransaction] {
        for memory in memories().await {
            check_with(effects, memory, messages, expected, runs).await;
        }
    }
}

/// A fresh memory of each kind that needs nothing installed.
async fn memories() -> Vec<Memory> {
    #[cfg_attr(
        not(feature = "sqlite"),
        expect(unused_mut, reason = "there is one kind")
    )]
    let mut memories = vec![Memory::in_memory()];
    #[cfg(feature = "sqlite")]
    memories.push(Memory::sqlite("sqlite::memory:").await.unwrap());
    memories
}

async fn check_with(
    effects: Effects,
    memory: Memory,
    messages: &[TaskMessage],
    expected: &[&str],
    runs: (u32, u32),
) {
    let bench = Bench::new(effects, memory);
    let mut said = Vec::new();
    for message in messages {
        said.push(bench.send(message.clone()).await);
    }
    assert_eq!(said, expected, "{effects:?}");
    assert_eq!(bench.runs(), runs, "{effects:?}");
}

const FIRST: &str = r#"{"number":1}"#;
const NOTHING: &str = r#"{"nothing_to_undo":true}"#;
const REFUSED: &str = "Worker.Compensated none";

#[tokio::test]
async fn a_repeated_key_gets_the_same_answer() {
    check(&[step("answer"), step("answer")], &[FIRST, FIRST], (1, 0)).await;
}

#[tokio::test]
async fn a_failed_attempt_is_forgotten() {
    let expected = ["Step.Failed unsaid", r#"{"number":2}"#];
    check(&[step("fail"), step("answer")], &expected, (2, 0)).await;
}

#[tokio::test]
async fn a_failed_attempt_leaves_nothing_to_undo() {
    let expected = ["Step.Failed unsaid", NOTHING];
    check(&[step("fail"), undo(1, "answer")], &expected, (1, 0)).await;
}

#[tokio::test]
async fn an_uncertain_attempt_is_undone_even_after_a_clear_failure() {
    let messages = [step("fail unsure"), step("fail"), undo(1, "answer")];
    let expected = ["Step.Failed unknown", "Step.Failed unsaid", FIRST];
    check(&messages, &expected, (2, 1)).await;
}

#[tokio::test]
async fn a_committed_failure_is_undone() {
    let expected = ["Step.Failed committed", FIRST];
    check(
        &[step("fail committed"), undo(1, "answer")],
        &expected,
        (1, 1),
    )
    .await;
}

#[tokio::test]
async fn a_panic_is_a_failure_of_unknown_effect_and_is_undone() {
    let expected = ["Worker.Panicked unknown", FIRST];
    check(&[step("explode"), undo(1, "answer")], &expected, (1, 1)).await;
}

#[tokio::test]
async fn a_body_that_does_not_fit_is_a_failure_without_effect() {
    let mut message = step("answer");
    message.body = "[]".to_owned();
    let expected = ["Worker.InvalidInput none", NOTHING];
    check(&[message, undo(1, "answer")], &expected, (0, 0)).await;
}

#[tokio::test]
async fn an_undo_runs_once_per_key() {
    let messages = [step("answer"), undo(1, "answer"), undo(1, "answer")];
    check(&messages, &[FIRST, FIRST, FIRST], (1, 1)).await;
}

#[tokio::test]
async fn a_failed_undo_is_tried_again() {
    let messages = [
        step("answer"),
        undo(1, "fail"),
        undo(1, "fail unsure"),
        undo(1, "answer"),
    ];
    let expected = [
        FIRST,
        "Step.Failed unsaid",
        "Step.Failed unknown",
        r#"{"number":3}"#,
    ];
    check(&messages, &expected, (1, 3)).await;
}

#[tokio::test]
async fn an_undo_that_overtakes_its_step_wins() {
    let messages = [undo(1, "answer"), step("answer"), undo(1, "answer")];
    check(&messages, &[NOTHING, REFUSED, NOTHING], (0, 0)).await;
}

#[tokio::test]
async fn a_step_that_was_undone_is_refused() {
    let messages = [step("answer"), undo(1, "answer"), step("answer")];
    check(&messages, &[FIRST, FIRST, REFUSED], (1, 1)).await;
}

#[tokio::test]
async fn a_later_round_undoes_nothing_twice() {
    let messages = [step("answer"), undo(1, "answer"), undo(2, "answer")];
    check(&messages, &[FIRST, FIRST, NOTHING], (1, 1)).await;
}

#[tokio::test]
async fn a_later_round_undoes_what_an_earlier_one_could_not() {
    let messages = [step("answer"), undo(1, "fail"), undo(2, "answer")];
    check(
        &messages,
        &[FIRST, "Step.Failed unsaid", r#"{"number":2}"#],
        (1, 2),
    )
    .await;
}

#[tokio::test]
async fn what_is_answered_later_runs_again_and_is_undone() {
    let messages = [step("later"), step("later"), undo(1, "answer")];
    check(&messages, &["later", "later", FIRST], (2, 1)).await;
}

#[tokio::test]
async fn an_expired_message_is_not_begun() {
    let mut late = step("answer");
    late.deadline = Some("2001-01-01T00:00:00.000Z".to_owned());
    check(&[late, undo(1, "answer")], &["expired", NOTHING], (0, 0)).await;
}

#[tokio::test]
async fn a_message_in_the_wrong_queue_is_a_failure_without_effect() {
    let bench = Bench::new(Effects::Anywhere, Memory::in_memory());
    let reaction = bench
        .service
        .react("another", &Arc::new(step("answer")))
        .await;
    assert_eq!(told(reaction), "Worker.NoHandler none");
}

/// A crash leaves the count of runs behind, if effects may be anywhere; else it leaves nothing.
#[tokio::test]
async fn a_crash_is_undone_unless_it_was_rolled_back() {
    for (effects, expected) in [
        (Effects::Anywhere, FIRST),
        (Effects::InTransaction, NOTHING),
    ] {
        let bench = Bench::new(effects, Memory::in_memory());
        let opened = bench.service.memory.open("bench", "k", None, effects).await;
        drop(opened);
        assert_eq!(bench.send(undo(1, "answer")).await, expected, "{effects:?}");
    }
}

/// The undo and a second message arrive while the step runs: both wait, and both find what it left.
#[tokio::test]
async fn a_second_message_and_an_undo_wait_for_the_running_step() {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let bench = Bench::new(Effects::InTransaction, Memory::in_memory());
    let handler = Handler::new({
        let (begun, go) = (begun.clone(), go.clone());
        move |_: Order, _: Context| {
            let (begun, go) = (begun.clone(), go.clone());
            async move {
                begun.notify_one();
                go.notified().await;
                Ok(1)
            }
        }
    });
    let handlers = Handlers {
        step: Some(handler),
        undo: bench.service.queues["queue"].undo.clone(),
    };
    let service = Service {
        name: "bench".to_owned(),
        memory: Memory::in_memory(),
        effects: Effects::InTransaction,
        queues: BTreeMap::from([("queue".to_owned(), handlers)]),
    };
    let messages = [step("answer"), step("answer"), undo(1, "answer")].map(Arc::new);
    let [first, second, undo] = messages
        .each_ref()
        .map(|message| service.react("queue", message));
    let both = async { tokio::join!(biased; first, second) };
    let release = async {
        begun.notified().await;
        let undone = async {
            // The undo is polled once, and so waits, before the step may end.
            let mut undo = std::pin::pin!(undo);
            let waits = undo.as_mut().now_or_never().is_none();
            go.notify_one();
            (waits, undo.await)
        };
        undone.await
    };
    let ((first, second), (waited, undone)) = tokio::join!(biased; both, release);
    assert_eq!(
        (told(first), told(second)),
        ("1".to_owned(), "1".to_owned())
    );
    assert!(waited);
    assert_eq!(told(undone), FIRST);
}
