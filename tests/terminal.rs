//! What a terminal shows of a run and a pipe does not: progress, colours. Neither on a terminal that
//! only writes on.

use std::process::{Command, Stdio};

use crate::support::{Folder, command, optin, root};

/// Data on which a run takes long enough for progress to be shown.
const CUSTOMERS: &str = "300000";

/// Runs the program with its outputs on one pseudo-terminal; gives what was written there. None where
/// neither `script` nor Python is there to make one.
fn on_terminal(folder: &Folder, args: &[&str], variables: &[(&str, &str)]) -> Option<String> {
    let program = command(folder.path()).get_program().to_string_lossy().into_owned();
    let mut words = vec![program];
    words.extend(args.iter().map(|arg| (*arg).to_owned()));
    let by_script = ["-qec".to_owned(), words.join(" "), "/dev/null".to_owned()];
    let python =
        "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let mut by_python = vec!["-c".to_owned(), python.to_owned()];
    by_python.extend(words);
    for (maker, args) in [("script", by_script.to_vec()), ("python3", by_python)] {
        let mut made = Command::new(maker);
        made.args(args).current_dir(folder.path()).stdin(Stdio::null());
        made.env_remove("NO_COLOR").env("TERM", "xterm-256color");
        made.envs(variables.iter().copied());
        if let Ok(output) = made.output() {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{maker}: {text}");
            return Some(text);
        }
    }
    eprintln!("skipped: nothing here makes a terminal");
    None
}

/// Text without the sequences that colour it and move in it.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        plain.push_str(&rest[..at]);
        let end = rest[at..].find(|c: char| c.is_ascii_alphabetic()).expect("a sequence ends");
        rest = &rest[at + end + 1..];
    }
    plain + rest
}

fn generated() -> Folder {
    let folder = Folder::new();
    folder.optin(&["generate", "--customers", CUSTOMERS, "data"]).done();
    folder
}

#[test]
fn progress_is_for_terminals() {
    let folder = generated();
    let run = ["run", "data/pipeline.yaml", "--out", "out"];
    let Some(shown) = on_terminal(&folder, &run, &[]) else { return };
    let again = "\r\x1b[2K";
    assert!(shown.matches(again).count() > 2, "no progress: {shown:?}");
    assert!(shown.contains("rows read"), "{shown:?}");
    assert!(shown.contains("\x1b[1m") && shown.contains("\x1b[32mEvery sum closes"), "{shown:?}");
    // The line is gone before the summary comes.
    let (progress, summary) = shown.rsplit_once(again).expect("it is taken back");
    assert!(plain(summary).contains("Customer records"), "{summary:?}");
    assert!(!plain(progress).contains("Customer records"), "{progress:?}");
    for line in plain(&shown).split(['\r', '\n']) {
        assert!(line.chars().count() <= 80, "{line:?}");
    }

    // A pipe gets the same words, and nothing else.
    let piped = folder.optin(&run).done();
    assert_eq!(piped.stderr, "");
    assert!(!piped.stdout.contains(['\x1b', '\r']), "{:?}", piped.stdout);
    let words = |text: &str| {
        let text = plain(text).replace('\r', "");
        text.lines().take(5).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(words(summary), words(&piped.stdout));

    // Who asks for nothing, or for machines.
    let quiet = on_terminal(&folder, &[&run[..], &["--quiet"]].concat(), &[]);
    assert_eq!(quiet.as_deref(), Some(""));
    let json = on_terminal(&folder, &[&run[..], &["--json"]].concat(), &[]).expect("a terminal");
    serde_json::from_str::<serde_json::Value>(&json).expect("only JSON");

    // A terminal that only writes on.
    let dumb = on_terminal(&folder, &run, &[("TERM", "dumb")]).expect("a terminal");
    assert!(!dumb.contains('\x1b') && !dumb.contains("rows read"), "{dumb:?}");
    // Without colours, progress stays.
    let grey = on_terminal(&folder, &run, &[("NO_COLOR", "1")]).expect("a terminal");
    let moves = grey.matches('\x1b').count();
    assert!(moves > 2 && moves == grey.matches(again).count(), "{grey:?}");
}

#[test]
fn faults_have_colours_on_a_terminal_that_has_some() {
    let folder = Folder::with(&[("p.yaml", "version: 1\nsources: []\nname: [\n")]);
    let shown = |variables: &[(&str, &str)]| {
        // `script` gives the exit code on; the shell makes a success of it.
        let args = ["check", "p.yaml", ";", "true"];
        on_terminal(&folder, &args, variables)
    };
    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("skipped: there is no `script` here");
        return;
    }
    for (variables, coloured) in
        [(&[][..], true), (&[("NO_COLOR", "1")][..], false), (&[("TERM", "dumb")][..], false)]
    {
        let text = shown(variables).expect("a terminal");
        assert_eq!(text.contains('\x1b'), coloured, "{variables:?}: {text:?}");
        assert!(plain(&text).contains("yaml-syntax"), "{text:?}");
    }
}

#[test]
fn a_summary_fits_eighty_columns() {
    let folder = Folder::new();
    let out = folder.at("out");
    let args = ["run", "pipelines/contoso.yaml", "--out", out.to_str().expect("a path")];
    let run = optin(root(), &args).done();
    let long: Vec<&str> = run
        .stdout
        .lines()
        // A path is not broken.
        .filter(|line| line.chars().count() > 80 && !line.contains(out.to_str().expect("a path")))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}
