//! The `optin` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    optin::cli::main()
}
