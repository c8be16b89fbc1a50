//! One line on a terminal that says how far a run is, and is gone when the run has ended.
//!
//! It is shown on stderr only if that is a terminal that can take a line back, and never beside logs.
//! A run that is over at once shows nothing.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::engine::progress::{self, Progress};
use crate::report::number;

/// How often the line is written.
const TICK: Duration = Duration::from_millis(120);
/// A run that takes no longer shows nothing.
const PATIENCE: Duration = Duration::from_millis(400);
/// Columns of the line: no terminal breaks it.
const COLUMNS: usize = 79;
/// Time left is told of stages that take longer than this.
const LONG: Duration = Duration::from_secs(2);

/// True if stderr is a terminal on which a line can be written anew.
pub fn can_be_shown() -> bool {
    io::stderr().is_terminal() && !super::is_dumb()
}

/// The line; dropped, it goes away.
pub struct Line {
    over: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Line {
    /// Shows the line from now on.
    pub fn show() -> Self {
        let (over, waits) = mpsc::channel();
        let thread = thread::Builder::new().name("progress".to_owned()).spawn(move || {
            let began = Instant::now();
            let mut clock = Clock { stage: "", since: began };
            let mut shown = false;
            while waits.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let Some(now) = progress::now() else { continue };
                let elapsed = clock.of(now.stage);
                if began.elapsed() < PATIENCE {
                    continue;
                }
                let text = line(&now, began.elapsed(), elapsed);
                shown |= write!(io::stderr(), "\r\x1b[2K{text}").is_ok();
                let _ = io::stderr().flush();
            }
            if shown {
                let _ = write!(io::stderr(), "\r\x1b[2K");
                let _ = io::stderr().flush();
            }
        });
        Self { over: Some(over), thread: thread.ok() }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.over = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Knows since when the stage goes on.
struct Clock {
    stage: &'static str,
    since: Instant,
}

impl Clock {
    fn of(&mut self, stage: &'static str) -> Duration {
        if stage != self.stage {
            *self = Self { stage, since: Instant::now() };
        }
        self.since.elapsed()
    }
}

/// What a stage does, in words.
fn doing(stage: &str) -> &'static str {
    match stage {
        "read" => "reading sources",
        "keys" => "making keys",
        "identity" => "unifying customers",
        "survivorship" => "choosing values",
        "consent" => "folding decisions",
        "segments" => "judging segments",
        "profiles" => "making profiles",
        "write" => "writing",
        _ => "proving exports",
    }
}

/// The line, at most 79 columns: what is done, rows so far, its share and the time left, the time so far.
fn line(now: &Progress, all: Duration, stage: Duration) -> String {
    let mut parts = vec![doing(now.stage).to_owned()];
    if let Some((done, whole)) = now.share.filter(|(done, _)| *done > 0) {
        // What is read is not folded yet: a stage that goes on is not done.
        let percent = (done.saturating_mul(100) / whole).min(99);
        parts.push(format!("{percent} %"));
        let left = whole - done;
        if stage > LONG && percent >= 2 && left > 0 {
            let milliseconds =
                stage.as_millis().saturating_mul(u128::from(left)) / u128::from(done);
            let seconds = u64::try_from(milliseconds / 1000).unwrap_or(u64::MAX);
            parts.push(format!("about {} left", time(seconds.saturating_add(1))));
        }
    }
    if now.rows > 0 {
        parts.push(format!("{} rows read", number(now.rows)));
    }
    parts.push(time(all.as_secs()));
    let line = parts.join(" · ");
    line.chars().take(COLUMNS).collect()
}

/// Seconds for people.
fn time(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_known() {
        let second = Duration::from_secs(1);
        let now = Progress { stage: "read", rows: 0, share: None };
        assert_eq!(line(&now, second, second), "reading sources · 1 s");
        let now = Progress { stage: "consent", rows: 1_234_567, share: Some((25, 100)) };
        assert_eq!(
            line(&now, 90 * second, second),
            "folding decisions · 25 % · 1,234,567 rows read · 1 min 30 s"
        );
        assert_eq!(
            line(&now, 90 * second, 10 * second),
            "folding decisions · 25 % · about 31 s left · 1,234,567 rows read · 1 min 30 s"
        );
    }

    #[test]
    fn no_line_is_longer_than_a_terminal() {
        let long = Duration::from_secs(u64::MAX / 4);
        for stage in progress::STAGES {
            let now = Progress { stage, rows: u64::MAX, share: Some((3, 100)) };
            assert!(line(&now, long, long).chars().count() <= COLUMNS);
        }
    }
}
