use serde_json::json;

use super::*;
use crate::query::Random;

#[track_caller]
fn check(expression: &str, expected: Result<Value, &str>) {
    let input = json!({
        "name": "Ada", "amount": 2.5, "list": [1, 2, 3], "one": [7], "none": null,
        "lines": [{ "price": 2 }, { "price": 3 }], "deep": { "a": [{ "b": 1 }] },
    });
    let context = json!({ "State": { "Name": "S" }, "Execution": { "Input": { "n": 1 } } });
    let variables = json!({ "limit": 10, "who": { "name": "Bob" } });
    let (result, error) = (json!({ "id": 4 }), json!({ "Error": "E" }));
    let data = Data {
        result: Some(&result),
        error_output: Some(&error),
        ..Data::new(&input, &context, &variables, Random::new([7; 32]))
    };
    let value = Jsonata::parse(&format!("{{% {expression} %}}"), "Output").and_then(|parsed| {
        let value = parsed.get(&data).map(Cow::into_owned);
        value.map_err(|error| match error {
            Error::Jsonata { problem, .. } => problem,
            error => error.to_string(),
        })
    });
    assert_eq!(value, expected.map_err(str::to_owned), "{expression}");
}

const UNDEFINED: &str = "returned nothing (undefined).";

#[test]
fn what_an_expression_reads_is_there() {
    check("$states.input.name", Ok(json!("Ada")));
    check("$states.result.id", Ok(json!(4)));
    check("$states.errorOutput.Error", Ok(json!("E")));
    check("$states.context.State.Name", Ok(json!("S")));
    check("$states.context.Execution.Input.n + $limit", Ok(json!(11)));
    check("$who.name & '!'", Ok(json!("Bob!")));
    check("$states.input.none", Ok(Value::Null));
    check("$count($keys($states))", Ok(json!(4)));
    check("name", Err(UNDEFINED));
    check("$nobody", Err(UNDEFINED));
    check("$states.input.nothing.at.all", Err(UNDEFINED));
}

#[test]
fn a_walk_gives_what_the_engine_gives() {
    for path in [
        "name",
        "list",
        "one",
        "lines.price",
        "deep.a.b",
        "deep.a",
        "none.x",
        "name.x",
    ] {
        let walk = format!("$states.input.{path}");
        let engine = format!("($x := $states.input; $x.{path})");
        let value = |expression: &str| {
            let input = json!({
                "name": "Ada", "list": [1, 2], "one": [7], "none": null,
                "lines": [{ "price": 2 }, { "price": 3 }], "deep": { "a": [{ "b": 1 }] },
            });
            let data = Data::new(&input, &Value::Null, &Value::Null, Random::new([7; 32]));
            let parsed = Jsonata::parse(&format!("{{%{expression}%}}"), "Output").unwrap();
            parsed.get(&data).map(Cow::into_owned).ok()
        };
        assert_eq!(value(&walk), value(&engine), "{path}");
    }
}

#[test]
fn numbers_are_whole_where_they_can_be() {
    check("1 + 1", Ok(json!(2)));
    check("$states.input.amount * 2", Ok(json!(5)));
    check("1 / 4", Ok(json!(0.25)));
    check("$sum($states.input.lines.price)", Ok(json!(5)));
}

#[test]
fn step_functions_adds_six_functions() {
    check("$partition([1, 2, 3], 2)", Ok(json!([[1, 2], [3]])));
    check("$range(0, 10, 5)", Ok(json!([0, 5, 10])));
    check("$range(3, 1, -1)", Ok(json!([3, 2, 1])));
    check(
        "$hash('Ada', 'MD5')",
        Ok(json!("1a382809b7c03f686e12dd15677c5497")),
    );
    check("$parse('{\"a\": [1]}')", Ok(json!({ "a": [1] })));
    check("$length($uuid())", Ok(json!(36)));
    check("$uuid() != $uuid()", Ok(json!(true)));
    check(
        "$random(3) = $random(3) and $random() != $random()",
        Ok(json!(true)),
    );
    check(
        "$range(1, 2, 0)",
        Err(
            "threw an error during evaluation. T0410: Argument 3 of function \"range\" does not match function signature",
        ),
    );
}

#[test]
fn a_guarded_function_is_itself_wherever_it_is_named() {
    check(
        "$distinct([1, 2, 1, { 'a': 1, 'b': 2 }, { 'b': 2, 'a': 1 }])",
        Ok(json!([1, 2, { "a": 1, "b": 2 }])),
    );
    check("[1, 1, 2] ~> $distinct", Ok(json!([1, 2])));
    check("$map([1, 2], $string)", Ok(json!(["1", "2"])));
    check("['a', 'b'] ~> $join('-')", Ok(json!("a-b")));
    check("($j := $join; $j(['a', 'b']))", Ok(json!("ab")));
    check("$replace('abcabc', 'b', 'x', 1)", Ok(json!("axcabc")));
    check("$replace('abc', /b/, 'x')", Ok(json!("axc")));
    check("$append([1], 2)", Ok(json!([1, 2])));
    check(
        "$pad('x', 3) & '|' & $pad('x', -3, '#')",
        Ok(json!("x  |##x")),
    );
    check(
        "'a' & 1 & $states.input.nothing & true",
        Ok(json!("a1true")),
    );
    check("($string := 7; $string)", Ok(json!(7)));
}

#[test]
fn the_time_is_that_of_the_turn() {
    check("$millis()", Ok(json!(0)));
    check("$now()", Ok(json!("1970-01-01T00:00:00.000Z")));
    check("$now('[Y]-[M01]')", Ok(json!("1970-01")));
}

#[test]
fn what_goes_wrong_is_told() {
    check(
        "$nobody()",
        Err("threw an error during evaluation. T1006: Attempted to invoke a non-function"),
    );
    check(
        "$error('no funds')",
        Err("threw an error during evaluation. D3137: no funds"),
    );
    check(
        "function($x) { $x }",
        Err("returned an unsupported result type."),
    );
    check("{ 'f': $sum }", Err("returned an unsupported result type."));
    check(
        "$eval('1')",
        Err("the function $eval is not available: $parse reads a text as JSON"),
    );
    check(
        "$states.inptu",
        Err("$states has no member 'inptu': it has input, result, errorOutput, context"),
    );
}

#[test]
fn an_expression_stands_in_its_marks() {
    let fault = |text: &str| Jsonata::parse(text, "Output").unwrap_err();
    let marks = "an expression stands between '{%' and '%}', with nothing around them";
    assert_eq!(fault("{% 1 "), marks);
    assert_eq!(fault(" 1 %}"), marks);
    assert_eq!(
        fault("{% 1 + %}"),
        "Parse error: S0207: Unexpected end of expression"
    );
}

#[test]
fn a_hostile_expression_ends_in_time_and_memory() {
    let grow = "$reduce([1..60], function($a, $b) { $a & $a }, 'x')";
    let nest = "$reduce([1..60], function($a, $b) { [$a, $a] }, 'x')";
    let deep = "($f := function($n) { 1 + $f($n) }; $f(0))";
    let endless = "($f := function($n) { $f($n) }; $f(0))";
    let hostile = [
        grow,
        nest,
        deep,
        endless,
        "$pad('x', 2000000000)",
        "[1..10000000]",
        "$count($distinct([1..100000]))",
        "$count([1..100000] ~> $distinct)",
        "$count([1..100000] ~> $distinct())",
        "($d := $distinct; $count($d([1..100000])))",
        "$range(1, 1000000000)",
        "$join($map([1..1000], function($i) { $pad('x', 100000) }))",
        "($s := $pad('', 100000, 'a'); $replace($s, 'a', $s))",
        "$string($reduce([1..60], function($a, $b) { [$a, $a] }, 'x'))",
        "$map([1..1000], function($i) { $map([1..1000], function($j) { $map([1..1000], function($k) { $k }) }) })",
        "$length($replace($pad('', 50000, 'a'), /(a+)+b/, 'c')) > 0",
    ];
    for expression in hostile {
        let parsed = Jsonata::parse(&format!("{{%{expression}%}}"), "Output").unwrap();
        let data = Data::new(
            &Value::Null,
            &Value::Null,
            &Value::Null,
            Random::new([7; 32]),
        );
        let found = parsed.get(&data).map(|value| value.to_string().len());
        assert!(
            found.is_err() || found.is_ok_and(|length| length < 20_000_000),
            "{expression}"
        );
    }
    for text in [
        "(".repeat(50_000),
        "1+".repeat(30_000),
        "[".repeat(60_000),
        "a.".repeat(30_000),
    ] {
        assert!(Jsonata::parse(&format!("{{%{text}%}}"), "Output").is_err());
    }
}

#[test]
fn what_it_reads_is_known_beforehand() {
    let text = "{% ($a := $limit; $map($who, function($b) { $a + $b + $states.input.x })) %}";
    let parsed = Jsonata::parse(text, "Output").unwrap();
    assert_eq!(parsed.variables().collect::<Vec<_>>(), ["limit", "who"]);
    assert_eq!(parsed.members().collect::<Vec<_>>(), ["input"]);
}
