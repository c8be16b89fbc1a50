//! `optin completions` and `optin man`: what shells and `man` want to know of the command line.

use std::io::{self, Write as _};
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::args::Args;
use super::{DONE, FAILED, print};

/// Prints the script that completes commands and options in a shell.
pub fn completions(shell: Shell) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "optin", &mut script);
    print(&String::from_utf8_lossy(&script), DONE)
}

/// Writes a manual page for each command into a folder, over those that are there.
pub fn man(dir: &Path) -> u8 {
    let written =
        std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(Args::command(), dir));
    if let Err(error) = written {
        let _ = writeln!(
            io::stderr(),
            "error: manual pages cannot be written to {}: {error}",
            dir.display()
        );
        return FAILED;
    }
    print(&format!("Next: man {}\n", dir.join("optin.1").display()), DONE)
}
