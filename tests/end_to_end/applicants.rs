//! The eight applicants of the loan, judged by the coordinator's answers and by the services' own books.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use sagamore_loan::applicants::Applicant;
use sagamore_loan::{Actual, Submission, differences, table};
use sagamore_tests::live::{Coordinator, Services, World, audit, in_world, tell};

#[tokio::test]
async fn the_eight_applicants_end_as_they_must() -> Result<()> {
    in_world(async |world| {
        let coordinator = Coordinator::start(world, &[]).await?;
        let services = Services::start(world).await?;
        let url = format!("http://{}", coordinator.client.address);
        let outcomes = tokio::task::spawn_blocking(move || {
            Submission::start(sagamore_loan::Coordinator::new(&url))?.finish(END_MAX)
        });
        let outcomes = outcomes.await??;
        tell(table(&outcomes));
        for (applicant, actual) in &outcomes {
            let differences = differences(&applicant.expected, actual);
            ensure!(
                differences.is_empty(),
                "{}: {differences:?}",
                applicant.story
            );
        }
        let mut expected: Vec<_> = outcomes.iter().map(books_of).collect();
        expected.sort();
        assert_eq!(books(world).await?, expected);
        coordinator.stop().await?;
        services.stop().await?;
        let audit = audit(&world.database.url, &world.database.pool).await?;
        let children = "SELECT count(*) FROM executions WHERE start::json -> 'parent' IS NOT NULL";
        let children: i64 = sqlx::query_scalar(children)
            .fetch_one(&world.database.pool)
            .await?;
        // Those whose money was to move: all but the declined, the invalid and the late one.
        assert_eq!(children, 5);
        assert_eq!(audit.executions, outcomes.len() + 5);
        Ok(())
    })
    .await
}

/// What an execution left behind: how often each step was done, less how often it was undone.
type Left = BTreeMap<String, i64>;

/// What the books must hold of an applicant.
fn books_of((applicant, actual): &(Applicant, Actual)) -> Left {
    let undone = |state: &str| actual.undone.iter().any(|undone| undone == state);
    let mut done = vec!["OpenApplication", "CheckCredit"];
    if actual.compensation == "NONE" && actual.status == "SUCCEEDED" {
        done.extend([
            "ReserveFunds",
            "RegisterLoan",
            "Transfer",
            "NotifyApplicant",
        ]);
    }
    if applicant.request.amount == 0 {
        done.clear();
    }
    let done = done.into_iter().filter(|state| !undone(state));
    let left = done.map(|state| (state.to_owned(), 1));
    left.chain(actual.undone.iter().map(|state| (state.clone(), 0)))
        .collect()
}

/// The books, one entry an execution; sorted, since they know nothing of applicants.
async fn books(world: &World) -> Result<Vec<Left>> {
    // What a child did its parent did.
    let sums = "SELECT coalesce(p.arn, e.arn), state, sum(CASE kind WHEN 'done' THEN 1 ELSE -1 END)::bigint
                FROM loan_effects JOIN executions e ON e.arn = execution
                LEFT JOIN executions p ON p.id::text = e.start::json -> 'parent' ->> 'execution'
                GROUP BY 1, state";
    let sums: Vec<(String, String, i64)> =
        sqlx::query_as(sums).fetch_all(&world.database.pool).await?;
    let mut books: BTreeMap<String, Left> = BTreeMap::new();
    for (execution, state, left) in sums {
        books.entry(execution).or_default().insert(state, left);
    }
    let mut books: Vec<Left> = books.into_values().collect();
    // Who was refused at the door left nothing.
    books.push(Left::new());
    books.sort();
    Ok(books)
}

const END_MAX: Duration = Duration::from_secs(90);
