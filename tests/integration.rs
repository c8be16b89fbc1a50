//! The one integration-test binary: each further one would link the engine again.

mod architecture;
