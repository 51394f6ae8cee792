//! A parsed path, ready to be looked up.

use std::borrow::Cow;

use serde_json::Value;

use super::evaluate::{Miss, look_up, walk};
use super::parse::{Place, parse_path};
use super::step::Step;
use crate::limits::QUERY_TEXT_BYTES_MAX;
use crate::query::budget::{Budget, Excess};
use crate::query::cursor::Cursor;
use crate::query::{Data, Error};

/// A JSONPath: `$.order.lines[0]`, `$$.Execution.Id`, `$..price`, `$.lines[?(@.price > 9)]`.
///
/// Source: States Language, "Paths"; dialect of Jayway JsonPath.
#[derive(Debug, Clone)]
pub struct Path {
    pub(super) text: String,
    pub(super) root: Root,
    pub(super) steps: Vec<Step>,
    /// Only names and single indexes: looked up without allocating.
    pub(super) plain: bool,
    pub(super) definite: bool,
}

/// What a path starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// `$`
    Input,
    /// `$$`
    Context,
}

/// Why a path gave no value, for callers inside the query package that word it themselves.
#[derive(Debug)]
pub(in crate::query) enum Lookup {
    /// A definite path found nothing; the reason is in Jayway's words.
    Missing(String),
    /// As [`Lookup::Missing`], but only for its last step: an index past the end of an array.
    PastTheEnd(String),
    /// The evaluation passed a limit.
    Excess(Excess),
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with the text, at which column, and what would be right.
    pub fn parse(text: &str) -> Result<Path, String> {
        if text.len() > QUERY_TEXT_BYTES_MAX {
            return Err(format!(
                "a path is at most {QUERY_TEXT_BYTES_MAX} bytes long"
            ));
        }
        let mut cursor = Cursor::new(text.trim_end());
        cursor.skip_blanks();
        let path = parse_path(&mut cursor, Place::Alone)?;
        Ok(Path {
            text: text.to_owned(),
            ..path
        })
    }

    pub(super) fn new(text: &str, root: Root, steps: Vec<Step>) -> Path {
        let plain = steps
            .iter()
            .all(|step| matches!(step, Step::Property(_) | Step::Index(_)));
        let definite = definite(&steps);
        Path {
            text: text.to_owned(),
            root,
            steps,
            plain,
            definite,
        }
    }

    /// The path as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the path names one node at most, so that its value is that node and not an array of
    /// matches.
    pub fn is_definite(&self) -> bool {
        self.definite
    }

    /// The one value of a definite path, or an array of the matches of another one.
    ///
    /// # Errors
    /// [`Error::Path`] when a definite path finds nothing; [`Error::Limit`].
    pub fn get<'a>(&self, data: &Data<'a>) -> Result<Cow<'a, Value>, Error> {
        self.look_up(data, &Budget::new())
            .map_err(|lookup| match lookup {
                Lookup::Missing(reason) | Lookup::PastTheEnd(reason) => Error::Path {
                    path: self.text.clone(),
                    reason,
                },
                Lookup::Excess(excess) => Error::limit(&self.text, excess),
            })
    }

    /// As [`Path::get`], but `None` where a definite path finds nothing: what IsPresent asks. A path
    /// that passes a limit finds nothing, too.
    pub fn find<'a>(&self, data: &Data<'a>) -> Option<Cow<'a, Value>> {
        self.resolve(self.searched(data), &Budget::new()).ok()
    }

    /// As [`Path::get`], paid for from a budget that several lookups share.
    pub(in crate::query) fn look_up<'a>(
        &self,
        data: &Data<'a>,
        budget: &Budget,
    ) -> Result<Cow<'a, Value>, Lookup> {
        self.resolve(self.searched(data), budget)
            .map_err(|miss| match miss {
                Miss::Excess(excess) => Lookup::Excess(excess),
                Miss::PastTheEnd { step } if step + 1 == self.steps.len() => {
                    Lookup::PastTheEnd(miss.reason(&self.steps))
                }
                _ => Lookup::Missing(miss.reason(&self.steps)),
            })
    }

    /// The document that the path searches.
    pub(in crate::query) fn searched<'a>(&self, data: &Data<'a>) -> &'a Value {
        match self.root {
            Root::Input => data.input,
            Root::Context => data.context,
        }
    }

    /// The path told from its document's root: `$$.Execution` as `$.Execution`.
    pub(in crate::query) fn text_from_root(&self) -> &str {
        match self.root {
            Root::Input => &self.text,
            Root::Context => self
                .text
                .trim_start()
                .strip_prefix('$')
                .unwrap_or(&self.text),
        }
    }

    fn resolve<'v>(&self, root: &'v Value, budget: &Budget) -> Result<Cow<'v, Value>, Miss<'v>> {
        if self.plain {
            return look_up(&self.steps, root).map(Cow::Borrowed);
        }
        resolve(&self.steps, self.definite, root, root, budget)
    }
}

impl PartialEq for Path {
    fn eq(&self, other: &Path) -> bool {
        self.text == other.text
    }
}

impl Eq for Path {}

/// Whether `steps` name one node at most. A function that ends a scan takes all its matches at once.
pub(super) fn definite(steps: &[Step]) -> bool {
    if gathers(steps) {
        return true;
    }
    let last = steps.len().saturating_sub(1);
    steps
        .iter()
        .enumerate()
        .all(|(at, step)| step.is_definite(at == last))
}

/// `$..price.sum()`: the function takes the array of all matches.
fn gathers(steps: &[Step]) -> bool {
    matches!(steps, [Step::Scan, .., Step::Function(_)])
}

/// The value of `steps` from `start`: the one node, or an array of all.
pub(super) fn resolve<'v>(
    steps: &[Step],
    definite: bool,
    start: &'v Value,
    root: &'v Value,
    budget: &Budget,
) -> Result<Cow<'v, Value>, Miss<'v>> {
    if let Some((Step::Function(call), before)) = steps.split_last()
        && gathers(steps)
    {
        let matches = resolve(before, false, start, root, budget)?;
        let value = call.apply(&matches, root, budget)?.ok_or(Miss::NoResults)?;
        return Ok(Cow::Owned(value));
    }
    let found = walk(steps, start, root, budget);
    budget.check()?;
    if definite {
        return found?.pop().ok_or(Miss::NoResults);
    }
    // Nothing on the way to an indefinite step is no match, not an error: so AWS answers.
    let found = match found {
        Err(miss @ Miss::Excess(_)) => return Err(miss),
        found => found.unwrap_or_default(),
    };
    let mut matches = Vec::with_capacity(found.len());
    for value in found {
        budget.copy(&value, 1)?;
        matches.push(value.into_owned());
    }
    Ok(Cow::Owned(Value::Array(matches)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::query::Random;

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
        let data = Data {
            input: &input,
            context: &context,
            random: Random::new([0; 32]),
        };
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
            Err(
                "column 2: expected '.' or '[' after the root: write '$.name' for a field; variables ($name) are not supported",
            ),
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
        let data = Data {
            input: &deep,
            context: &Value::Null,
            random: Random::new([0; 32]),
        };
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
            let data = Data { input: &input, context: &input, random: Random::new([0; 32]) };
            if let Ok(path) = Path::parse(&text) {
                let _ = path.get(&data);
            }
        }
    }
}
