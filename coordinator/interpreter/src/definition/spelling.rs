//! "Did you mean": the known name that a misspelt one stands for.

use super::fault::excerpt;

/// How long a name may be for a comparison, which costs the product of both lengths.
const CHARACTERS_MAX: usize = 100;

/// How many known names are compared; a machine may have a hundred thousand states.
const CANDIDATES_MAX: usize = 500;

/// The known name nearest to `name`, if one is near: letters changed, missing, added or swapped, or in another case.
pub(super) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > CHARACTERS_MAX {
        return None;
    }
    let lowercase = name.to_lowercase();
    known
        .into_iter()
        .take(CANDIDATES_MAX)
        .filter(|candidate| candidate.len() <= CHARACTERS_MAX)
        .map(|candidate| {
            let distance = distance(&lowercase, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().div_ceil(4))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "did you mean 'X'?" where a known name is near, else `otherwise`.
pub(super) fn did_you_mean<'k>(
    name: &str,
    known: impl IntoIterator<Item = &'k str>,
    otherwise: impl FnOnce() -> String,
) -> String {
    match nearest(name, known) {
        Some(candidate) => format!("did you mean '{}'?", excerpt(candidate)),
        None => otherwise(),
    }
}

/// The letters to change, add, drop or swap with their neighbour. Source: optimal string alignment.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut before = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for row in 0..left.len() {
        let mut next = vec![row + 1];
        for column in 0..right.len() {
            let changed = last[column] + usize::from(left[row] != right[column]);
            let mut least = changed.min(last[column + 1] + 1).min(next[column] + 1);
            let swapped = row > 0
                && column > 0
                && left[row] == right[column - 1]
                && left[row - 1] == right[column];
            if let (true, Some(distance)) = (swapped, before.get(column.wrapping_sub(1))) {
                least = least.min(distance + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut last, next);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: Option<&str>) {
        assert_eq!(
            nearest(
                name,
                ["Next", "End", "Resource", "ResultPath", "TimeoutSeconds"]
            ),
            expected
        );
    }

    #[test]
    fn a_swapped_letter_is_near() {
        check("Nxet", Some("Next"));
    }

    #[test]
    fn another_case_is_near() {
        check("timeoutseconds", Some("TimeoutSeconds"));
    }

    #[test]
    fn a_missing_letter_is_near() {
        check("Resourc", Some("Resource"));
        check("Timeout Second", Some("TimeoutSeconds"));
    }

    #[test]
    fn another_word_is_not_near() {
        check("Banana", None);
        check("", None);
    }

    #[test]
    fn a_very_long_name_is_not_compared() {
        check(&"N".repeat(1_000_000), None);
    }
}
