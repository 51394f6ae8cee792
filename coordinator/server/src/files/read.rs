//! Items out of a file. Source: Step Functions, "ItemReader".

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use sagamore_interpreter::ItemsCall;
use sagamore_interpreter::definition::Dataset;
use sagamore_interpreter::limits::{ITEMS_BYTES_MAX, is_payload_too_deep};
use serde_json::{Map, Value};

use super::csv::Records;
use super::{list, place};

/// Items as they are taken, until there are enough of them.
pub(super) struct Taken {
    items: Vec<Value>,
    items_max: usize,
    bytes: usize,
}

/// The items of a dataset; else why they can't be read.
pub(super) fn items(root: &Path, call: &ItemsCall) -> Result<Vec<Value>, String> {
    let ItemsCall {
        dataset,
        bucket,
        key,
        items_max,
    } = call;
    let mut taken = Taken::new(match items_max {
        0 => usize::MAX,
        most => usize::try_from(*most).unwrap_or(usize::MAX),
    });
    if *dataset == Dataset::Objects {
        list::objects(&place::bucket(root, bucket)?, key, &mut taken)?;
        return Ok(taken.items);
    }
    let unreadable = |problem: String| format!("'{bucket}/{key}' can't be read: {problem}");
    let file = File::open(place::file(root, bucket, key)?);
    let file = BufReader::new(file.map_err(|error| unreadable(error.to_string()))?);
    let read = match dataset {
        Dataset::Json(pointer) => json(file, pointer, &mut taken),
        Dataset::JsonLines => json_lines(file, &mut taken),
        Dataset::Csv { headers, delimiter } => {
            csv(file, headers.as_deref(), *delimiter, &mut taken)
        }
        Dataset::Objects => Ok(()),
    };
    read.map_err(unreadable)?;
    Ok(taken.items)
}

fn json(file: impl Read, pointer: &str, taken: &mut Taken) -> Result<(), String> {
    let most = u64::try_from(ITEMS_BYTES_MAX.bytes()).unwrap_or(u64::MAX);
    let mut text = Vec::new();
    let read = file.take(most + 1).read_to_end(&mut text);
    if read.map_err(|error| error.to_string())? > ITEMS_BYTES_MAX.bytes() {
        return Err(too_large());
    }
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
    let mut whole: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let place = whole.pointer_mut(pointer);
    let place = place.ok_or_else(|| format!("there is nothing at '{pointer}' in it"))?;
    match place.take() {
        Value::Array(items) => items.into_iter().try_for_each(|item| taken.take(item)),
        // Source: Step Functions, what it says of such a file.
        _ => Err("Attempting to map over non-iterable node.".to_owned()),
    }
}

fn json_lines(mut file: impl BufRead, taken: &mut Taken) -> Result<(), String> {
    let most = u64::try_from(ITEMS_BYTES_MAX.bytes()).unwrap_or(u64::MAX);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = file.by_ref().take(most + 1).read_until(b'\n', &mut line);
        match read.map_err(|error| error.to_string())? {
            0 => return Ok(()),
            bytes if bytes > ITEMS_BYTES_MAX.bytes() => return Err(too_large()),
            _ => {}
        }
        let text = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&line);
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let item = serde_json::from_slice(text);
        taken.take(item.map_err(|error| format!("line {number}: {error}"))?)?;
        if taken.is_full() {
            return Ok(());
        }
    }
    Ok(())
}

fn csv(
    file: impl BufRead,
    headers: Option<&[String]>,
    delimiter: char,
    taken: &mut Taken,
) -> Result<(), String> {
    let mut records = Records::new(file, delimiter);
    let headers = match headers {
        Some(headers) => headers.to_vec(),
        None => match records.next().transpose()? {
            Some(first) => first,
            None => return Ok(()),
        },
    };
    for record in records {
        // Columns without a name are skipped, those that a line lacks are empty.
        let fields = record?
            .into_iter()
            .chain(std::iter::repeat_with(String::new));
        let item: Map<String, Value> = headers
            .iter()
            .cloned()
            .zip(fields.map(Value::String))
            .collect();
        taken.take(Value::Object(item))?;
        if taken.is_full() {
            return Ok(());
        }
    }
    Ok(())
}

impl Taken {
    pub(super) fn new(items_max: usize) -> Taken {
        Taken {
            items: Vec::new(),
            items_max,
            bytes: 0,
        }
    }

    /// Takes one more, unless there are enough.
    pub(super) fn take(&mut self, item: Value) -> Result<(), String> {
        if self.is_full() {
            return Ok(());
        }
        if is_payload_too_deep(&item) {
            return Err(format!("item {} nests too deep", self.items.len()));
        }
        self.bytes += item.to_string().len() + 1;
        if self.bytes > ITEMS_BYTES_MAX.bytes() {
            return Err(too_large());
        }
        self.items.push(item);
        Ok(())
    }

    pub(super) fn is_full(&self) -> bool {
        self.items.len() >= self.items_max
    }
}

fn too_large() -> String {
    format!(
        "its items take more than {} bytes (SAGAMORE_ITEMS_BYTES_MAX); MaxItems takes the first of them",
        ITEMS_BYTES_MAX.bytes()
    )
}

/// What some editors put before UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
