//! How data flows through a state: InputPath, Parameters, ResultSelector, ResultPath, OutputPath.
//! Source: States Language, "Input and output processing".

use serde_json::{Map, Value};

use crate::decide::{Failure, Place, PlaceContext, Turn, data, too_large_failure};
use crate::definition::State;
use crate::execution::Broken;
use crate::history::Payload;
use crate::ids::ScopeId;
use crate::limits::is_payload_too_large;
use crate::query::{Data, Error, Path, Random, ReferencePath, Template};

/// A state that computes: its data, and how its errors read.
pub(super) struct Flow<'a> {
    state: &'a State,
    entered_event: u64,
    /// What the state got.
    pub(super) raw: Payload,
    context: PlaceContext<'a>,
    random: Random,
}

impl<'a> Flow<'a> {
    /// The flow of the state that the scope is in; `token` where an attempt is made that has one.
    pub(super) fn new(
        turn: &'a Turn<'_>,
        scope: ScopeId,
        state: &'a State,
        token: Option<String>,
    ) -> Result<Flow<'a>, Broken> {
        let position = turn.position(scope)?;
        let retry_count = token.is_some().then(|| position.attempt - 1);
        let place = Place {
            state: state.name.as_str(),
            entered_at: position.entered_at,
            retry_count,
            token,
            scope: Some(scope),
            item: None,
        };
        Ok(Flow {
            state,
            entered_event: position.entered_event,
            raw: position.input.clone(),
            context: PlaceContext::new(turn, place),
            random: turn.random(),
        })
    }

    /// The same where an item of the state's own is in hand: for `ItemSelector`.
    pub(super) fn of_item(mut self, index: u32, value: Value) -> Self {
        self.context = self.context.of_item(index, value);
        self
    }

    /// What a query reads, with `input` as its `$`.
    pub(super) fn data<'d>(&'d self, input: &'d Payload) -> Data<'d> {
        data(input, &self.context, self.random.clone())
    }

    /// The effective input: `InputPath` applied.
    pub(super) fn input(&self) -> Result<Payload, Failure> {
        self.path(self.state.input_path.as_ref(), &self.raw)
    }

    /// `Parameters` or `ResultSelector` applied to a value.
    pub(super) fn template(
        &self,
        template: Option<&Template>,
        input: Payload,
    ) -> Result<Payload, Failure> {
        let Some(template) = template else {
            return Ok(input);
        };
        template
            .evaluate(&self.data(&input))
            .map(Payload::new)
            .map_err(|error| self.failure(&error))
    }

    /// The state's output: the result put where `ResultPath` says into the raw input, then `OutputPath`.
    pub(super) fn output(
        &self,
        result: Payload,
        result_path: Option<&ReferencePath>,
    ) -> Result<Payload, Failure> {
        let merged = match result_path {
            None => self.raw.clone(),
            Some(path) if path.text() == "$" => result,
            Some(path) => {
                let result = Payload::unwrap_or_clone(result);
                let put = path.put((*self.raw).clone(), result);
                Payload::new(put.map_err(|error| self.failure(&error))?)
            }
        };
        self.exit(merged)
    }

    /// `OutputPath` applied.
    pub(super) fn exit(&self, output: Payload) -> Result<Payload, Failure> {
        let output = self.path(self.state.output_path.as_ref(), &output)?;
        if is_payload_too_large(&output) {
            return Err(too_large_failure(
                self.state.name.as_str(),
                "returned a result",
            ));
        }
        Ok(output)
    }

    fn path(&self, path: Option<&Path>, input: &Payload) -> Result<Payload, Failure> {
        match path {
            None => Ok(Payload::new(Value::Object(Map::new()))),
            Some(path) if path.text() == "$" => Ok(input.clone()),
            Some(path) => {
                let found = path
                    .get(&self.data(input))
                    .map_err(|error| self.failure(&error))?;
                Ok(Payload::new(found.into_owned()))
            }
        }
    }

    /// How a query's error fails this state.
    pub(super) fn failure(&self, error: &Error) -> Failure {
        Failure::of_query(self.state.name.as_str(), self.entered_event, error)
    }

    /// A failure of the state's own, worded as Step Functions does.
    pub(super) fn runtime(&self, text: impl std::fmt::Display) -> Failure {
        let cause = crate::decide::in_state(self.state.name.as_str(), self.entered_event, text);
        Failure::new("States.Runtime", cause)
    }
}

/// The seconds that a path finds: 1 to 99,999,999. `fail` words what is wrong: what was found, or that nothing was.
pub(crate) fn seconds_at(
    path: &Path,
    data: &Data<'_>,
    fail: impl FnOnce(Result<&Value, &Error>) -> Failure,
) -> Result<u32, Failure> {
    match path.get(data) {
        Err(error) => Err(fail(Err(&error))),
        Ok(found) => {
            let seconds = found
                .as_u64()
                .and_then(|seconds| u32::try_from(seconds).ok());
            let in_range =
                seconds.filter(|seconds| (1..=crate::definition::Seconds::MAX).contains(seconds));
            in_range.ok_or_else(|| fail(Ok(&found)))
        }
    }
}
