//! The one integration-test binary: each further one would link the engine again.

mod architecture;
mod cases;
mod diagnostics;
mod differential;
mod docs;
mod oracle;
mod support;
