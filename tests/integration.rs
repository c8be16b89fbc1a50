//! The one integration-test binary: each further one would link the engine again.

#![allow(clippy::print_stderr, reason = "tests say what they do")]

mod adversarial;
mod architecture;
mod cases;
mod cli;
mod diagnostics;
mod differential;
mod docs;
mod docs_book;
mod fuzz;
mod golden;
mod harness;
mod intake;
mod known_answers;
mod late;
mod oracle;
mod overlinking;
#[cfg(feature = "planted")]
mod planted;
mod properties;
mod regressions;
mod silence;
mod support;
