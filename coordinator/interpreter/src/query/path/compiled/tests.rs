use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::query::Random;
use crate::query::path::step::normal_form;

fn store() -> Value {
    json!({
        "book": [
            {"title": "A", "price": 8, "tags": ["x"], "isbn": null},
            {"title": "B", "price": 12.5, "tags": []},
            {"title": "C", "price": 9, "tags": ["x", "y"]},
        ],
        "limit": 10,
        "empty": [],
        "it's": {"a.b": 1},
    })
}

#[track_caller]
fn check(path: &str, expected: Result<Value, &str>) {
    let (input, context) = (store(), json!({"Execution": {"Id": "e"}}));
    let data = Data::new(&input, &context, &Value::Null, Random::new([0; 32]));
    let found = Path::parse(path).and_then(|path| {
        let found = path.get(&data).map(Cow::into_owned);
        assert_eq!(path.find(&data).is_some(), found.is_ok());
        found.map_err(|error| error.to_string())
    });
    assert_eq!(found, expected.map_err(str::to_owned), "{path}");
}

#[test]
fn names_and_indexes_find_one_node() {
    check("$.limit", Ok(json!(10)));
    check("$.book[0].title", Ok(json!("A")));
    check("$.book.[-1]['title']", Ok(json!("C")));
    check(r"$['it\'s']['a.b']", Ok(json!(1)));
    check("$.book[(@.length-1)].title", Ok(json!("C")));
    check("$$.Execution.Id", Ok(json!("e")));
    check("$.book[0].isbn", Ok(Value::Null));
    check("$", Ok(store()));
}

#[test]
fn definite_path_that_finds_nothing_is_an_error() {
    check(
        "$.x",
        Err("Invalid path '$.x' : No results for path: $['x']"),
    );
    check(
        "$.no.x",
        Err("Invalid path '$.no.x' : Missing property in path $['no']"),
    );
    check(
        "$.book[7]",
        Err("Invalid path '$.book[7]' : No results for path: $['book'][7]"),
    );
    check(
        "$.limit[0]",
        Err(
            "Invalid path '$.limit[0]' : Filter: [0] can only be applied to arrays. Current context is: 10",
        ),
    );
    check(
        "$.limit.x",
        Err(
            "Invalid path '$.limit.x' : Expected to find an object with property ['x'] in path $['limit'] but found a number",
        ),
    );
}

#[test]
fn indefinite_path_finds_an_array() {
    check("$.book[*].title", Ok(json!(["A", "B", "C"])));
    check("$.book[0,2].title", Ok(json!(["A", "C"])));
    check(
        "$.book[0]['title','price']",
        Ok(json!({"title": "A", "price": 8})),
    );
    check(
        "$.book[*]['title','nope']",
        Ok(json!([{"title": "A"}, {"title": "B"}, {"title": "C"}])),
    );
    check("$..price", Ok(json!([8, 12.5, 9])));
    check("$..tags[*]", Ok(json!(["x", "x", "y"])));
    check("$.book[*].nope", Ok(json!([])));
    check("$.nope[*].a", Ok(json!([])));
    check("$.limit[1:]", Ok(json!([])));
}

#[test]
fn slices_count_as_jayway_does() {
    check("$.book[1:].title", Ok(json!(["B", "C"])));
    check("$.book[:1].title", Ok(json!(["A"])));
    check("$.book[-2:].title", Ok(json!(["B", "C"])));
    check("$.book[:-1].title", Ok(json!(["A", "B"])));
    check("$.book[-9:2].title", Ok(json!(["A", "B", "C", "A", "B"])));
    check("$.book[1:-1].title", Ok(json!([])));
    check("$.book[5:9]", Ok(json!([])));
}

#[test]
fn filters_select_elements() {
    check("$.book[?(@.price < 10)].title", Ok(json!(["A", "C"])));
    check(
        "$.book[?(@.price < $.limit && !(@.title == 'A'))].title",
        Ok(json!(["C"])),
    );
    check("$.book[?(@.isbn)].title", Ok(json!(["A"])));
    check("$.book[?(!@.isbn)].title", Ok(json!(["B", "C"])));
    check("$.book[?(@.price == '9')].title", Ok(json!(["C"])));
    check("$.book[?(@.price === '9')].title", Ok(json!([])));
    check("$.book[?(@.title==B)].title", Ok(json!(["B"])));
    check(
        "$.book[?(@.title =~ /[a-b]/i || @.tags size 2)].title",
        Ok(json!(["A", "B", "C"])),
    );
    check("$.book[?(@.title in ['A', 'C'])].price", Ok(json!([8, 9])));
    check("$.book[?(@.tags contains 'y')].title", Ok(json!(["C"])));
    check("$.book[?(@.tags empty true)].title", Ok(json!(["B"])));
    check("$.book[?(@.tags.length() > 1)].title", Ok(json!(["C"])));
    check("$..[?(@.price > 12)].title", Ok(json!(["B"])));
    check("$.book[?(@.nope != 1)].title", Ok(json!(["A", "B", "C"])));
}

#[test]
fn functions_compute_from_what_stands_before_them() {
    check("$.book.length()", Ok(json!(3)));
    check("$..price.sum()", Ok(json!(29.5)));
    check("$..price.max()", Ok(json!(12.5)));
    check("$.book.first().title", Ok(json!("A")));
    check("$.book[2].tags.concat('!')", Ok(json!("xy!")));
    check("$.book[1].keys()", Ok(json!(["title", "price", "tags"])));
    check(
        "$.empty.min()",
        Err(
            "Invalid path '$.empty.min()' : Aggregation function attempted to calculate value using empty array",
        ),
    );
}

#[test]
fn malformed_path_names_column_and_remedy() {
    check(
        "",
        Err(
            "column 1: a path starts with '$' for the input or '$$' for the context object, found the end",
        ),
    );
    check(
        "$name",
        Err("Invalid path '$name' : Nothing was assigned to the variable '$name'"),
    );
    check(
        "$...",
        Err("column 4: expected a name after '.', found '.'"),
    );
    check(
        "$.a.",
        Err("column 5: expected a name after '.', found the end"),
    );
    check(
        "$.a[",
        Err(
            "column 5: expected an index, a slice, '*', a quoted name or '?(' inside brackets, found the end",
        ),
    );
    check(
        "$.my name",
        Err("column 5: a name with a blank is written in brackets: ['my name']"),
    );
    check("$['a", Err("column 3: the quote ' is not closed"));
    check(
        "$.a[?(@.b =~ /(/)]",
        Err("column 14: the pattern is not usable: error: unclosed group"),
    );
    check(
        "$.a[1:2:3]",
        Err("column 5: a slice has two ends, [from:to], and no step"),
    );
}

#[test]
fn deep_nesting_is_refused() {
    for text in ["[", "(", "[?(", "!", "[?(@", "..", "$"] {
        let text = text.repeat(50_000 / text.len());
        assert!(Path::parse(&format!("${text}")).is_err());
        assert!(Path::parse(&format!("$[?({text}")).is_err());
    }
}

#[test]
fn explosive_path_is_stopped() {
    let mut deep = json!([1, 2]);
    for _ in 0..90 {
        deep = json!([deep, 0]);
    }
    let text = format!("${}", "..*".repeat(20));
    let data = Data::new(&deep, &Value::Null, &Value::Null, Random::new([0; 32]));
    let error = Path::parse(&text)
        .expect("the path is well-formed")
        .get(&data);
    assert!(matches!(error, Err(Error::Limit { .. })));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_or_the_evaluation_panic(
        text in r#"\$\$?([.\[\]()?@$*'",:!&|=<>~/0-9a-c -]|\.length\(\)|\[\?\(@|\.\.){0,40}"#
    ) {
        let input = store();
        let data = Data::new(&input, &input, &Value::Null, Random::new([0; 32]));
        if let Ok(path) = Path::parse(&text) {
            let _ = path.get(&data);
        }
    }

    #[test]
    fn a_path_that_is_printed_as_messages_print_it_finds_the_same(
        text in r"\$((\.|\.\.)(book|title|tags|a b|limit)|\[(-?[0-3]|\*|[0-2]?:[0-3]?|[01],2|'book'|'title', ?'price')\]|\.\*){0,5}"
    ) {
        if let Ok(path) = Path::parse(&text) {
            let printed = normal_form(&path.steps);
            let again = Path::parse(&printed).map_err(|fault| TestCaseError::fail(format!("{printed}: {fault}")))?;
            prop_assert_eq!(format!("{:?}", again.steps), format!("{:?}", path.steps));
        }
    }
}

/// A context whose input stands apart, as an execution's does.
#[derive(Debug)]
struct Apart {
    whole: Value,
    without_input: Value,
}

impl crate::query::Context for Apart {
    fn whole(&self) -> &Value {
        &self.whole
    }

    fn without_input(&self) -> &Value {
        &self.without_input
    }

    fn input(&self) -> Option<&Value> {
        crate::query::Context::input(&self.whole)
    }

    fn now_milliseconds(&self) -> f64 {
        0.0
    }
}

#[test]
fn a_context_in_parts_is_read_as_the_whole() {
    let whole = json!({
        "Execution": { "Id": "e", "Input": { "a": [1, { "Id": "i" }], "Execution": { "Input": 2 } } },
        "Map": { "Item": { "Value": { "a": 3 } } },
    });
    let mut without_input = whole.clone();
    without_input["Execution"]
        .as_object_mut()
        .unwrap()
        .shift_remove("Input");
    let apart = Apart {
        whole: whole.clone(),
        without_input,
    };
    let read = |path: &str, context: &dyn crate::query::Context| {
        let data = Data::new(&Value::Null, context, &Value::Null, Random::new([0; 32]));
        let found = Path::parse(path).unwrap().get(&data).map(Cow::into_owned);
        found.map_err(|error| error.to_string())
    };
    for path in [
        "$$",
        "$$.Execution",
        "$$.Execution.Id",
        "$$.Execution.Input",
        "$$.Execution.Input.a[1].Id",
        "$$.Execution.Input.Execution.Input",
        "$$.Execution.Input.b",
        "$$.Execution.Input.a.b",
        "$$.Execution.Id.b",
        "$$.Execution.Name",
        "$$.Map.Item.Value.a",
        "$$.Map.Item.Index",
        "$$.Nothing.Input",
        "$$.Execution[0]",
        "$$['Execution']['Input']['a'][0]",
        "$$.*.Id",
        "$$..Id",
        "$$.Execution.Input.a[?(@.Id == 'i')]",
    ] {
        assert_eq!(read(path, &apart), read(path, &whole), "{path}");
    }
}
