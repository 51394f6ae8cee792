//! The states, one file per type: each computes, records and asks; where it leads is decided elsewhere.

mod caught;
mod choice;
mod compensate;
mod condition;
mod data;
mod fail;
mod items;
mod map;
mod parallel;
mod pass;
mod results;
mod skip;
mod succeed;
mod task;
mod wait;

pub(crate) use caught::caught;
pub(crate) use choice::choice;
pub(crate) use compensate::compensate;
pub(crate) use data::{integer_of, seconds_at};
pub(crate) use fail::fail;
pub(crate) use items::{item, weight};
pub(crate) use map::{besides_ended, iteration, map, map_run_arn};
pub(crate) use parallel::{branch_ended, parallel};
pub(crate) use pass::pass;
pub(crate) use results::map_ended;
pub(crate) use skip::{can_skip, skip};
pub(crate) use succeed::succeed;
pub(crate) use task::{compensation_of, is_armed, is_pivot, resource_of, step_errand, task_result};
pub(crate) use wait::{wait, wait_over};
