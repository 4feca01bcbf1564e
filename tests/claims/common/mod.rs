//! What several test files share. Not every file uses everything.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file compiles this module anew and uses a part of it"
)]

pub mod cells;
pub mod compare;
pub mod differences;
pub mod golden;
pub mod learners;
pub mod problem;
pub mod textbook;
