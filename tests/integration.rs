//! The one integration-test binary: each further one would link the engine again.

#![allow(clippy::print_stderr, reason = "tests say what they do")]

mod adversarial;
mod architecture;
mod audiences;
mod canary;
mod cases;
mod cli;
mod databases;
mod diagnostics;
mod diff;
mod differential;
mod docs;
mod docs_book;
mod draws;
mod duck;
mod editor;
mod faults;
mod forget;
mod fuzz;
mod golden;
mod harness;
mod init;
mod intake;
mod known_answers;
mod late;
mod measures;
mod memberships;
mod oracle;
mod overlinking;
mod partitions;
#[cfg(feature = "planted")]
mod planted;
mod properties;
mod properties_of_consent;
mod publishing;
mod receipt;
mod regressions;
mod related;
mod report;
mod root;
mod silence;
mod simulate;
mod spark;
mod spark_jobs;
mod spark_kill;
mod spark_run;
mod sql;
mod stores;
mod support;
mod terminal;
mod why;
mod workbooks;
