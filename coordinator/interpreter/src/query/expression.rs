//! What a field ending in `.$` holds, and ErrorPath and CausePath too: a path or an intrinsic call.

use std::borrow::Cow;

use serde_json::Value;

use super::budget::{Budget, Excess};
use super::intrinsic::{Call, Failure, parse_call};
use super::path::Lookup;
use super::{Data, Error, Path};
use crate::limits::QUERY_TEXT_BYTES_MAX;

/// A path (`$.a`) or an intrinsic call (`States.Format('{}', $.a)`).
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Path(Path),
    Call(Call),
}

impl Expression {
    /// Reads a path or an intrinsic call.
    ///
    /// # Errors
    /// What is wrong with the text, at which column, and what would be right.
    pub fn parse(text: &str) -> Result<Expression, String> {
        if text.len() > QUERY_TEXT_BYTES_MAX {
            return Err(format!(
                "a path or an intrinsic call is at most {QUERY_TEXT_BYTES_MAX} bytes long"
            ));
        }
        let kind = if text.trim_start().starts_with('$') {
            Kind::Path(Path::parse(text)?)
        } else {
            Kind::Call(parse_call(text)?)
        };
        Ok(Expression {
            text: text.to_owned(),
            kind,
        })
    }

    /// The expression as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The expression's value: see [`Path::get`] for a path.
    ///
    /// # Errors
    /// [`Error::Path`] where a definite path finds nothing, which the caller words with
    /// [`Error::in_field`]; [`Error::Argument`] and [`Error::Intrinsic`] from a call; [`Error::Limit`].
    pub fn get<'a>(&self, data: &Data<'a>) -> Result<Cow<'a, Value>, Error> {
        match &self.kind {
            Kind::Path(path) => path.get(data),
            Kind::Call(call) => self.call(call, data, &Budget::new()),
        }
    }

    /// The variables it reads.
    pub fn variables(&self) -> Vec<&str> {
        match &self.kind {
            Kind::Path(path) => path.variable().into_iter().collect(),
            Kind::Call(call) => {
                let mut variables = Vec::new();
                call.collect_variables(&mut variables);
                variables
            }
        }
    }

    /// The text of every path in the expression.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let mut paths = Vec::new();
        match &self.kind {
            Kind::Path(path) => paths.push(path.text()),
            Kind::Call(call) => call.collect_paths(&mut paths),
        }
        paths.into_iter()
    }

    /// The value for the template field `field`, paid for from the template's budget.
    ///
    /// An index past an array's end gives null here, unlike in a Path field or an intrinsic's
    /// argument: so AWS answers.
    pub(super) fn fill(
        &self,
        field: &str,
        data: &Data<'_>,
        budget: &Budget,
        depth: usize,
    ) -> Result<Value, Error> {
        let limit = |excess: Excess| Error::limit(&self.text, excess);
        let value = match &self.kind {
            Kind::Call(call) => self.call(call, data, budget)?,
            Kind::Path(path) => match path.look_up(data, budget) {
                Ok(value) => value,
                Err(Lookup::PastTheEnd(_)) => Cow::Owned(Value::Null),
                Err(Lookup::Missing(_)) => {
                    return Err(Error::Field {
                        path: self.text.clone(),
                        field: field.to_owned(),
                        searched: path.searched(data).to_string(),
                    });
                }
                Err(Lookup::Excess(excess)) => return Err(limit(excess)),
            },
        };
        budget.copy(&value, depth).map_err(limit)?;
        Ok(value.into_owned())
    }

    fn call<'a>(
        &self,
        call: &Call,
        data: &Data<'a>,
        budget: &Budget,
    ) -> Result<Cow<'a, Value>, Error> {
        call.evaluate(data, budget)
            .map(Cow::Owned)
            .map_err(|failure| match failure {
                Failure::Missing { path } => Error::Argument {
                    call: self.text.clone(),
                    path,
                    input: data.input.to_string(),
                },
                Failure::Refused(reason) => Error::Intrinsic {
                    call: self.text.clone(),
                    reason,
                },
                Failure::Excess(excess) => Error::limit(&self.text, excess),
            })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::query::Random;

    #[track_caller]
    fn check(text: &str, expected: Result<Value, &str>) {
        let input = json!({
            "name": "Ada", "n": 2, "half": -1.5, "null": null, "list": [1, 2, 2, 3, 1.0], "empty": "",
            "object": {"a": 1, "b": [true, "x"]}, "json": "{\"a\": 1}", "template": "{} is \\{\\}",
        });
        let context = json!({"State": {"Name": "S"}});
        let data = Data::new(&input, &context, &Value::Null, Random::new([0; 32]));
        let value = Expression::parse(text).and_then(|expression| {
            expression.get(&data).map(Cow::into_owned).map_err(|error| {
                let cause = error.to_string().replace(&input.to_string(), "…");
                format!("{}: {cause}", error.name())
            })
        });
        assert_eq!(value, expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn format_fills_holes_in_java_style() {
        check(
            "States.Format('{} has {}', $.name, $.n)",
            Ok(json!("Ada has 2")),
        );
        check(
            "States.Format('{}|{}', $.object, $.null)",
            Ok(json!("{a=1, b=[true, x]}|null")),
        );
        check(
            r"States.Format('it\'s \{{}\} \\ \n', 1)",
            Ok(json!(r"it's {1} \ \n")),
        );
        check("States.Format($.template, $.name)", Ok(json!("Ada is {}")));
        check("States.Format('plain')", Ok(json!("plain")));
    }

    #[test]
    fn array_functions_work_on_arrays() {
        check("States.Array()", Ok(json!([])));
        check(
            "States.Array('a', $.n, 2.5, true, null)",
            Ok(json!(["a", 2, 2.5, true, null])),
        );
        check(
            "States.ArrayPartition($.list, 2)",
            Ok(json!([[1, 2], [2, 3], [1.0]])),
        );
        check("States.ArrayContains($.list, 3)", Ok(json!(true)));
        check("States.ArrayRange(0, 10, 3)", Ok(json!([0, 3, 6, 9])));
        check("States.ArrayRange(5, 1, -2)", Ok(json!([5, 3, 1])));
        check("States.ArrayRange(5, 6, -1)", Ok(json!([])));
        check("States.ArrayGetItem($.list, 3)", Ok(json!(3)));
        check("States.ArrayLength($.list)", Ok(json!(5)));
        check("States.ArrayUnique($.list)", Ok(json!([1, 2, 3, 1.0])));
    }

    #[test]
    fn text_functions_work_on_texts() {
        check(
            "States.StringSplit('a, b,,c', ', ')",
            Ok(json!(["a", "b", "c"])),
        );
        check("States.Base64Encode($.name)", Ok(json!("QWRh")));
        check("States.Base64Decode('QWRhIQ')", Ok(json!("Ada!")));
        check(
            "States.Hash($.name, 'MD5')",
            Ok(json!("1a382809b7c03f686e12dd15677c5497")),
        );
        check("States.StringToJson($.json)", Ok(json!({"a": 1})));
        check("States.StringToJson($.empty)", Ok(Value::Null));
        check(
            "States.JsonToString($.object)",
            Ok(json!(r#"{"a":1,"b":[true,"x"]}"#)),
        );
        check(
            "States.JsonMerge($.object, States.StringToJson($.json), false)",
            Ok(json!({"a": 1, "b": [true, "x"]})),
        );
    }

    #[test]
    fn numbers_are_rounded_half_up_before_use() {
        check("States.MathAdd($.half, 0.5)", Ok(json!(0)));
        check("States.MathAdd(1.5, 1.51)", Ok(json!(4)));
        check("States.MathRandom(7, 8)", Ok(json!(7)));
        check("States.MathRandom(0, 10, 42)", Ok(json!(0)));
    }

    #[test]
    fn calls_nest_up_to_a_limit() {
        let nested = |depth: usize| {
            format!(
                "{}1, 0{}",
                "States.MathAdd(".repeat(depth),
                ", 0)".repeat(depth)
            )
        };
        check(
            "States.ArrayGetItem(States.StringSplit('a-b', '-'), States.MathAdd(2, -1))",
            Ok(json!("b")),
        );
        assert!(Expression::parse(&nested(10).replacen(", 0, 0", ", 0", 1)).is_ok());
        check(&nested(11), Err("column 151: calls nest 10 deep at most"));
        assert!(Expression::parse(&"States.Array(".repeat(5_000)).is_err());
    }

    #[test]
    fn missing_argument_names_the_whole_call() {
        check(
            "States.Format('{}', States.Array($.no))",
            Err(
                "States.Runtime: The function 'States.Format('{}', States.Array($.no))' had the following error: The JsonPath argument for the field '$.no' could not be found in the input '…'",
            ),
        );
        check(
            "States.Array($$.Nope)",
            Err(
                "States.Runtime: The function 'States.Array($$.Nope)' had the following error: The JsonPath argument for the field '$.Nope' could not be found in the input '…'",
            ),
        );
        check("States.ArrayLength($.no[*])", Ok(json!(0)));
    }

    #[test]
    fn unfit_value_is_an_intrinsic_failure() {
        for (call, reason) in [
            (
                "States.ArrayLength($.n)",
                "argument 1 of States.ArrayLength must be an array",
            ),
            (
                "States.ArrayGetItem($.list, 9)",
                "the index 9 of States.ArrayGetItem is outside the array of 5 items",
            ),
            (
                "States.ArrayRange(1, 2000, 1)",
                "States.ArrayRange returns 1000 items at most, not 2000",
            ),
            (
                "States.ArrayPartition($.list, 0)",
                "the chunk size of States.ArrayPartition must be a positive integer",
            ),
            (
                "States.Hash('a', 'MD4')",
                "States.Hash knows MD5, SHA-1, SHA-256, SHA-384 and SHA-512, not 'MD4'",
            ),
            (
                "States.MathRandom(2, 2)",
                "the end of States.MathRandom must be greater than its start, but 2 is not above 2",
            ),
        ] {
            let expected = format!(
                "States.IntrinsicFailure: The function '{call}' had the following error: {reason}"
            );
            check(call, Err(&expected));
        }
    }

    #[test]
    fn malformed_call_names_column_and_remedy() {
        check(
            "States.MathAdd(1, '2')",
            Err("column 19: argument 2 of States.MathAdd must be a number"),
        );
        check(
            "States.MathAdd(1)",
            Err("column 1: States.MathAdd takes 2 arguments, found 1"),
        );
        check(
            "States.UUID(1)",
            Err("column 1: States.UUID takes 0 arguments, found 1"),
        );
        check(
            "States.Format('{} {}', 1)",
            Err("column 1: States.Format has 2 '{}' in its template, but 1 values for them"),
        );
        check(
            "States.Array('it's')",
            Err("column 18: expected ')' or ',' after an argument, found 's'"),
        );
        check(
            "States.UUID() x",
            Err("column 15: expected the end after the call, found 'x'"),
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_or_the_evaluation_panic(
            text in r#"(States\.(Format|Array|MathAdd|ArrayRange|MathRandom|Hash)\(|\$\.[a-c]|[',{}()\\ ]|-?[0-9]{1,20}|1e300){0,12}"#
        ) {
            let input = json!({"a": [1, "x"], "b": -0.5, "c": "{}"});
            let data = Data::new(&input, &input, &Value::Null, Random::new([0; 32]));
            if let Ok(expression) = Expression::parse(&text) {
                let _ = expression.get(&data);
            }
        }
    }
}
