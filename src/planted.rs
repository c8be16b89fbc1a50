//! Faults planted for tests, which must find them. Nothing of this is in a program that users run: it
//! takes the feature `planted`, and then an environment variable.
//!
//! | variable | what happens |
//! |---|---|
//! | `OPTIN_FAULT=name,name` | a mistake somebody could make ([`fault`]) |
//! | `OPTIN_KILL_AT=7` | the process is killed at its seventh [`step`] |
//! | `OPTIN_FAIL_AT=7` | its seventh [`operation`] on files fails |
//! | `OPTIN_FAIL_FROM=7` | this one and all after it fail |
//! | `OPTIN_FAIL_AS=ENOSPC` | they fail so; else as `EIO` |
//! | `OPTIN_PANIC_AT=7` | a panic at its seventh [`place`] |
//! | `OPTIN_PAUSE_AT=7` | there it writes its name into `$OPTIN_PAUSE.reached`, and waits for `$OPTIN_PAUSE.go` |

#[cfg(feature = "planted")]
mod here {
    use std::io;
    use std::path::PathBuf;
    use std::process::{Command, id};
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    fn number(variable: &str) -> Option<u64> {
        std::env::var(variable).ok()?.parse().ok()
    }

    /// Counts from 1.
    fn next(counter: &AtomicU64) -> u64 {
        counter.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Kills the process at a step of its work on files, if a test asks for it.
    pub fn step(what: &str) {
        static DONE: AtomicU64 = AtomicU64::new(0);
        let done = next(&DONE);
        if number("OPTIN_KILL_AT") == Some(done) {
            tracing::info!(what, done, "killed here");
            let process = id().to_string();
            let _ = Command::new("kill").args(["-KILL", &process]).status();
            loop {
                std::thread::park();
            }
        }
    }

    /// Fails where a test asks for it: before each operation on files of publishing.
    ///
    /// # Errors
    /// The planted one.
    pub fn operation(what: &str) -> io::Result<()> {
        static DONE: AtomicU64 = AtomicU64::new(0);
        static AT: LazyLock<(Option<u64>, Option<u64>)> =
            LazyLock::new(|| (number("OPTIN_FAIL_AT"), number("OPTIN_FAIL_FROM")));
        let done = next(&DONE);
        let (at, from) = *AT;
        if at != Some(done) && from.is_none_or(|from| done < from) {
            return Ok(());
        }
        tracing::info!(what, done, "fails here");
        // Linux, errno.h: ENOSPC and EIO.
        let is_full = std::env::var("OPTIN_FAIL_AS").is_ok_and(|kind| kind == "ENOSPC");
        Err(io::Error::from_raw_os_error(if is_full { 28 } else { 5 }))
    }

    /// Breaks off or waits at a place on the way of a run, if a test asks for it.
    pub fn place(what: &str) {
        static DONE: AtomicU64 = AtomicU64::new(0);
        let done = next(&DONE);
        assert!(number("OPTIN_PANIC_AT") != Some(done), "planted: {what}");
        if number("OPTIN_PAUSE_AT") == Some(done) {
            let beside = |kind: &str| {
                let base = std::env::var("OPTIN_PAUSE").unwrap_or_default();
                PathBuf::from(base + kind)
            };
            // Whole when it is seen.
            let _ = std::fs::write(beside(".writing"), what);
            let _ = std::fs::rename(beside(".writing"), beside(".reached"));
            while !beside(".go").exists() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// True if a test planted this fault.
    pub fn fault(name: &str) -> bool {
        static PLANTED: LazyLock<String> =
            LazyLock::new(|| std::env::var("OPTIN_FAULT").unwrap_or_default());
        PLANTED.split(',').any(|planted| planted == name)
    }
}

#[cfg(not(feature = "planted"))]
mod here {
    use std::io;

    /// Nothing.
    #[inline]
    pub const fn step(_: &str) {}

    /// Nothing.
    ///
    /// # Errors
    /// None.
    #[allow(clippy::unnecessary_wraps, reason = "with the feature it may fail")]
    #[inline]
    pub const fn operation(_: &str) -> io::Result<()> {
        Ok(())
    }

    /// Nothing.
    #[inline]
    pub const fn place(_: &str) {}

    /// No.
    #[inline]
    pub const fn fault(_: &str) -> bool {
        false
    }
}

pub use here::{fault, operation, place, step};
