//! How data flows through a state: InputPath, Parameters, ResultSelector, ResultPath, OutputPath; Arguments, Output; Assign.
//! Source: States Language, "Input and output processing", "JSONata", "Variables".

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::decide::{
    Evaluation, Exit, Failure, Place, PlaceContext, Turn, data, too_large_failure,
};
use crate::definition::{Catcher, Handover, QueryLanguage, Resource, State};
use crate::execution::Broken;
use crate::history::Payload;
use crate::ids::ScopeId;
use crate::limits::{VARIABLES_BYTES_MAX, is_payload_too_large};
use crate::query::{Data, Error, Jsonata, Path, Random, ReferencePath, Template};

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
            kept: None,
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

    /// The same where what is computed must come out the same whenever it is computed during a visit: time and randomness
    /// are those of the visit, or of one `item` in it.
    pub(super) fn of_visit(
        turn: &'a Turn<'_>,
        scope: ScopeId,
        state: &'a State,
        item: Option<u32>,
    ) -> Result<Flow<'a>, Broken> {
        let flow = Flow::new(turn, scope, state, None)?;
        Ok(Flow {
            random: turn.random_of_visit(turn.position(scope)?.visit, item),
            context: flow.context.when_entered(),
            ..flow
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

    /// `Parameters`, `Arguments`, `ResultSelector` or `ItemSelector`, filled from a value.
    pub(super) fn template(
        &self,
        template: Option<&Template>,
        input: Payload,
    ) -> Result<Payload, Failure> {
        let Some(template) = template else {
            return Ok(input);
        };
        self.fill(template, &self.data(&input)).map(Payload::new)
    }

    /// What the state leaves once its work gave this result.
    pub(super) fn exit(
        &self,
        result: &Payload,
        selector: Option<&Template>,
        result_path: Option<&ReferencePath>,
    ) -> Result<Exit, Failure> {
        let data = Data {
            result: Some(result),
            ..self.data(&self.raw)
        };
        if self.state.language == QueryLanguage::Jsonata {
            return self.left(&self.state.handover, &data, result);
        }
        let result = self.template(selector, result.clone())?;
        let output = match result_path {
            None => self.raw.clone(),
            Some(path) if path.text() == "$" => result.clone(),
            Some(path) => {
                let put = path.put((*self.raw).clone(), (*result).clone());
                Payload::new(put.map_err(|error| self.failure(&error))?)
            }
        };
        self.left(&self.state.handover, &self.data(&result), &output)
    }

    /// What a state leaves that does no work: it passes its input on.
    pub(super) fn pass_on(&self, input: &Payload) -> Result<Exit, Failure> {
        self.left(&self.state.handover, &self.data(input), input)
    }

    /// The same where a rule of Choices leads on, which has an `Output` and `Assign` of its own.
    pub(super) fn pass_on_by(&self, input: &Payload, handover: &Handover) -> Result<Exit, Failure> {
        self.left(handover, &self.data(input), input)
    }

    /// The same where a catcher leads on, with the error output.
    pub(super) fn caught(&self, catcher: &Catcher, error_output: &Value) -> Result<Exit, Failure> {
        if self.state.language == QueryLanguage::Jsonata {
            let data = Data {
                error_output: Some(error_output),
                ..self.data(&self.raw)
            };
            let output = Payload::new(error_output.clone());
            return self.left(&catcher.handover, &data, &output);
        }
        let output = match &catcher.result_path {
            None => self.raw.clone(),
            Some(path) => {
                let put = path.put((*self.raw).clone(), error_output.clone());
                Payload::new(put.map_err(|error| self.failure(&error))?)
            }
        };
        let data = Data {
            input: error_output,
            ..self.data(&self.raw)
        };
        let assigned = self.assigned(&catcher.handover, &data)?;
        Ok(Exit { output, assigned })
    }

    /// `Output` or `OutputPath`, and `Assign`: `output` is what is there without them.
    fn left(
        &self,
        handover: &Handover,
        data: &Data<'_>,
        output: &Payload,
    ) -> Result<Exit, Failure> {
        let output = match (&handover.output, self.state.language) {
            (Some(template), _) => Payload::new(self.fill(template, data)?),
            (None, QueryLanguage::Jsonata) => output.clone(),
            (None, QueryLanguage::JsonPath) => {
                self.path(self.state.output_path.as_ref(), output)?
            }
        };
        if !self.reads_files() && is_payload_too_large(&output) {
            return Err(too_large_failure(
                self.state.name.as_str(),
                "returned a result",
            ));
        }
        let assigned = self.assigned(handover, data)?;
        Ok(Exit { output, assigned })
    }

    fn assigned(&self, handover: &Handover, data: &Data<'_>) -> Result<Option<Payload>, Failure> {
        let Some(template) = &handover.assign else {
            return Ok(None);
        };
        let assigned = self.fill(template, data)?;
        if is_payload_too_large(&assigned) {
            return Err(too_large_failure(
                self.state.name.as_str(),
                "assigned variables",
            ));
        }
        let members = assigned.as_object();
        let bytes = members.map(|members| self.context.variables_bytes_with(members));
        if bytes.is_some_and(|bytes| bytes > VARIABLES_BYTES_MAX.bytes()) {
            return Err(too_large_failure(self.state.name.as_str(), "has variables"));
        }
        let is_empty = assigned.as_object().is_some_and(Map::is_empty);
        Ok((!is_empty).then(|| Payload::new(assigned)))
    }

    fn fill(&self, template: &Template, data: &Data<'_>) -> Result<Value, Failure> {
        template
            .evaluate(data)
            .map_err(|error| self.failure(&error))
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

    /// Items that are read have a limit of their own.
    fn reads_files(&self) -> bool {
        super::resource_of(self.state) == Some(&Resource::Files)
    }

    /// The language of the state.
    pub(super) fn language(&self) -> QueryLanguage {
        self.state.language
    }

    /// What an expression yields is not what its field takes; `is_late` where that shows once it was evaluated.
    pub(super) fn unfit(&self, field: Option<&str>, is_late: bool, text: String) -> Failure {
        let cause = crate::decide::in_state(self.state.name.as_str(), self.entered_event, text);
        let location = field.map(str::to_owned);
        Failure {
            evaluation: Some(Evaluation { location, is_late }),
            ..Failure::new("States.QueryEvaluationError", cause)
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

/// The whole number that an expression yields, within a range.
pub(crate) fn integer_of(
    expression: &Jsonata,
    data: &Data<'_>,
    range: RangeInclusive<u32>,
) -> Result<u32, Error> {
    let value = expression.get(data)?;
    if !value.is_number() {
        return Err(expression.unexpected("number", &value));
    }
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    let number = number.filter(|number| range.contains(number));
    number.ok_or_else(|| {
        let (start, end) = (range.start(), range.end());
        expression.unfit(&format!("an integer from {start} to {end}"), &value)
    })
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
