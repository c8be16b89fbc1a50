//! `optin receipt` and `optin forget`: commands about one person.

use std::path::Path;

use super::{DONE, print, print_json, refuse};
use crate::{Failure, RunOptions, forget_file, receipt_file};

/// Writes or prints a receipt.
pub fn receipt(
    file: &Path,
    options: &RunOptions,
    customer: &str,
    output: Option<&Path>,
    json: bool,
) -> u8 {
    let receipt = match receipt_file(file, options, customer, output) {
        Ok(receipt) => receipt,
        Err(failure) => return refuse(&failure, json),
    };
    match (output, receipt.json()) {
        (Some(output), _) => {
            print(&["Written: ", &output.display().to_string(), "\n"].concat(), DONE)
        }
        (None, Ok(text)) => print(&text, DONE),
        (None, Err(faults)) => refuse(&Failure::of_run(file, "", faults), json),
    }
}

/// Says where one person stands.
pub fn forget(
    file: &Path,
    options: &RunOptions,
    customer: &str,
    list: Option<&Path>,
    json: bool,
) -> u8 {
    match forget_file(file, options, customer, list) {
        Ok(forget) if json => print_json(&forget, DONE),
        Ok(forget) => print(&forget.text(), DONE),
        Err(failure) => refuse(&failure, json),
    }
}
