//! The context object, and the randomness of the language.

use std::cell::OnceCell;

use serde_json::{Map, Value, json};

use super::turn::Turn;
use crate::history::Payload;
use crate::ids::{ScopeId, Sequence};
use crate::query::{Context, Data, Random, Variables};

/// Where a query is evaluated: what `$$.State` and `$$.Task` are.
pub(crate) struct Place<'a> {
    /// The state, `Compensate(<state>)` for an undo.
    pub state: &'a str,
    /// When it was entered.
    pub entered_at: jiff::Timestamp,
    /// How often it was tried again; `None` for a state that can't be.
    pub retry_count: Option<u32>,
    /// The token of the attempt that is being made.
    pub token: Option<String>,
    /// The scope it is in, which may be inside an iteration; `None` for an undo, whose Map may be over.
    pub scope: Option<ScopeId>,
    /// The variables that an undo was given to keep.
    pub kept: Option<Payload>,
    /// The item in hand, where it is not that of the scope.
    pub item: Option<(u32, Value)>,
}

/// The context object at a place, made as far as queries ask for it.
pub(crate) struct PlaceContext<'a> {
    turn: &'a Turn<'a>,
    place: Place<'a>,
    now: jiff::Timestamp,
    without_input: OnceCell<Value>,
    whole: OnceCell<Value>,
}

impl<'a> PlaceContext<'a> {
    pub(crate) fn new(turn: &'a Turn<'_>, place: Place<'a>) -> PlaceContext<'a> {
        PlaceContext {
            turn,
            place,
            now: turn.now,
            without_input: OnceCell::new(),
            whole: OnceCell::new(),
        }
    }

    /// How many bytes the execution's variables have together, once these are assigned here.
    pub(crate) fn variables_bytes_with(&self, assigned: &Map<String, Value>) -> usize {
        let execution = &self.turn.execution;
        execution.variables_bytes_with(self.place.scope, assigned)
    }

    /// The same at the time when its state was entered.
    pub(crate) fn when_entered(mut self) -> Self {
        self.now = self.place.entered_at;
        self
    }

    /// The same with an item in hand.
    pub(crate) fn of_item(mut self, index: u32, value: Value) -> Self {
        self.place.item = Some((index, value));
        self
    }
}

impl Context for PlaceContext<'_> {
    fn whole(&self) -> &Value {
        self.whole.get_or_init(|| {
            let mut whole = self.without_input().clone();
            if let Some(Value::Object(execution)) = whole.get_mut("Execution") {
                let input = (*self.turn.execution.head.start.input).clone();
                execution.shift_insert(1, "Input".to_owned(), input);
            }
            whole
        })
    }

    fn without_input(&self) -> &Value {
        self.without_input
            .get_or_init(|| self.turn.context(&self.place))
    }

    fn input(&self) -> Option<&Value> {
        Some(&self.turn.execution.head.start.input)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "the milliseconds of any date are exact"
    )]
    fn now_milliseconds(&self) -> f64 {
        self.now.as_millisecond() as f64
    }
}

impl Variables for PlaceContext<'_> {
    fn variable(&self, name: &str) -> Option<&Value> {
        match self.place.scope {
            Some(scope) => self.turn.execution.variable(scope, name),
            None => self.place.kept.as_ref()?.get(name),
        }
    }
}

impl std::fmt::Debug for PlaceContext<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "the context of {}", self.place.state)
    }
}

impl Turn<'_> {
    /// `$$` at this place, but for `Execution.Input`. Source: Step Functions, "Context object".
    fn context(&self, place: &Place<'_>) -> Value {
        let head = &self.execution.head;
        let mut state = Map::new();
        state.insert("Name".to_owned(), json!(place.state));
        state.insert(
            "EnteredTime".to_owned(),
            json!(milliseconds(place.entered_at)),
        );
        if let Some(retry_count) = place.retry_count {
            state.insert("RetryCount".to_owned(), json!(retry_count));
        }
        let mut context = json!({
            "Execution": {
                "Id": head.start.arn,
                "StartTime": milliseconds(head.started_at),
                "Name": head.start.name,
                "RoleArn": head.start.role_arn,
            },
            "StateMachine": { "Id": head.start.machine_arn, "Name": head.start.machine_name },
            "State": state,
        });
        // An EXPRESS execution can't be redriven.
        if !head.start.arn.contains(":express:") {
            context["Execution"]["RedriveCount"] = json!(0);
        }
        if let Some(token) = &place.token {
            context["Task"] = json!({ "Token": token });
        }
        let around = || crate::states::item(self, place.scope?);
        if let Some((index, value)) = place.item.clone().or_else(around) {
            context["Map"] = json!({ "Item": { "Index": index, "Value": value } });
        }
        context
    }

    /// The randomness of what is computed now: the same whenever this turn is taken.
    pub(crate) fn random(&self) -> Random {
        Random::new(self.seed(self.next_sequence(), *b"query   "))
    }

    /// The randomness of what is computed again in later turns: the same for a whole visit of a state, or for an item of it.
    pub(crate) fn random_of_visit(&self, visit: Sequence, item: Option<u32>) -> Random {
        let mut purpose = *b"visit   ";
        if let Some(item) = item {
            purpose = *b"item    ";
            purpose[4..].copy_from_slice(&item.to_be_bytes());
        }
        Random::new(self.seed(visit, purpose))
    }

    /// Evenly drawn from 0 to 1, 1 excluded.
    pub(crate) fn fraction(&self) -> f64 {
        let drawn = Random::new(self.seed(self.next_sequence(), *b"jitter  ")).draw();
        let bits = u32::from_le_bytes([drawn[0], drawn[1], drawn[2], drawn[3]]);
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }

    /// The execution, a record and what is drawn for: each draw hashes it.
    fn seed(&self, record: Sequence, purpose: [u8; 8]) -> [u8; 32] {
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(self.execution.head.id.0.as_bytes());
        seed[16..24].copy_from_slice(&record.0.to_be_bytes());
        seed[24..].copy_from_slice(&purpose);
        seed
    }
}

/// What a query reads at a place.
pub(crate) fn data<'a>(
    input: &'a Payload,
    context: &'a PlaceContext<'_>,
    random: Random,
) -> Data<'a> {
    Data::new(input, context, context, random)
}

fn milliseconds(at: jiff::Timestamp) -> String {
    format!("{at:.3}")
}
