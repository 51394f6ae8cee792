//! The HTTP API: Step Functions' own at `POST /`, the review pages, and a small REST API of our own.
//!
//! The only place for HTTP. It reads from the store and changes executions through `commands` and `advance` alone; it
//! never uses the bus. Whoever reaches it may use it: put it behind what authenticates.
//!
//! | address | what |
//! |---|---|
//! | `POST /` with `X-Amz-Target: AWSStepFunctions.<Operation>` | Step Functions' API, JSON 1.0 |
//! | `GET /reviews`, `GET` and `POST /reviews/{token}` | what waits for a person, as pages; as JSON for who asks for it |
//! | `GET /sagamore/v1/reviews`, `GET /sagamore/v1/incidents` | what waits for a person, and for an operator |
//! | `POST /sagamore/v1/incidents/{execution}/{incident}/retry` | an operator has it tried again |
//! | `GET /health`, `GET /ready` | whether the process lives; whether the store and the bus answer |

mod events;
mod executions;
mod facts;
mod health;
mod history;
mod html;
mod incidents;
mod ledger;
mod machines;
mod map_runs;
mod metrics;
mod operator;
mod pages;
mod replies;
mod rest;
mod review;
mod review_page;
mod reviews;
mod router;
mod tasks;
mod wire;

pub use router::{Api, Parts, router, serve};
