//! What is printed, and what becomes of it where it cannot be: a full disk behind standard output.
//!
//! A reader that went away (`optin ... | head`) is no failure of ours.

use std::io::{self, Write as _};

use serde::Serialize;

use super::{DONE, FAILED, pretty};

/// Prints a result as JSON.
pub fn print_json(result: &impl Serialize, code: u8) -> u8 {
    as_json(result).map_or(FAILED, |text| print(&text, code))
}

/// Prints what is said of a run that has published all, as JSON.
pub fn print_published_json(result: &impl Serialize) -> u8 {
    as_json(result).map_or(FAILED, |text| print_published(&text))
}

fn as_json(result: &impl Serialize) -> Option<String> {
    serde_json::to_value(result).ok().map(|value| pretty(&value) + "\n")
}

/// Writes to stdout.
pub fn print(text: &str, code: u8) -> u8 {
    match written(text) {
        Ok(()) => code,
        Err(error) => {
            say(&format!("error: the output could not be written: {}\n", error.kind()));
            FAILED
        }
    }
}

/// Writes what is said of a run that has published all: that cannot be undone, so it is no failure.
pub fn print_published(text: &str) -> u8 {
    if let Err(error) = written(text) {
        say(&format!(
            "warning: all outputs are published, but the summary could not be written: {}\n",
            error.kind()
        ));
    }
    DONE
}

/// Writes to stderr.
pub fn say(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

fn written(text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
