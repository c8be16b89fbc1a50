//! Faults planted for tests, which must find them. Nothing of this is in a program that users run: it
//! takes the feature `planted`, and then an environment variable.

/// Kills the process at a step of its work on files, if a test asks for it: `OPTIN_KILL_AT=7` at
/// the seventh.
#[cfg(feature = "planted")]
pub fn step(what: &str) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static DONE: AtomicU64 = AtomicU64::new(0);
    let done = DONE.fetch_add(1, Ordering::Relaxed) + 1;
    let wanted = std::env::var("OPTIN_KILL_AT").ok().and_then(|number| number.parse().ok());
    if wanted == Some(done) {
        tracing::info!(what, done, "killed here");
        let process = std::process::id().to_string();
        let _ = std::process::Command::new("kill").args(["-KILL", &process]).status();
        loop {
            std::thread::park();
        }
    }
}

/// Nothing.
#[cfg(not(feature = "planted"))]
#[inline]
pub const fn step(_: &str) {}

/// True if a test planted this fault: `OPTIN_FAULT=name`, or several, separated by commas.
#[cfg(feature = "planted")]
pub fn fault(name: &str) -> bool {
    use std::sync::LazyLock;
    static PLANTED: LazyLock<String> =
        LazyLock::new(|| std::env::var("OPTIN_FAULT").unwrap_or_default());
    PLANTED.split(',').any(|planted| planted == name)
}

/// No.
#[cfg(not(feature = "planted"))]
#[inline]
pub const fn fault(_: &str) -> bool {
    false
}
