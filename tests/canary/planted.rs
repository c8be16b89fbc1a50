//! Faults of the program and of the disk, which only the feature `planted` can make.

use super::{Watch, marked};

/// A panic at each place, an operation on files that fails, an export that skips its mask, a disk that lies.
pub fn planted(watch: &Watch) {
    let plants = (1..40)
        .map(|place| vec![("OPTIN_PANIC_AT", place.to_string())])
        .chain((1..70).step_by(3).map(|at| vec![("OPTIN_FAIL_AT", at.to_string())]))
        .chain((40..70).map(|at| vec![("OPTIN_FAIL_FROM", at.to_string())]))
        .chain(["mask-skipped", "disk-lies"].map(|fault| vec![("OPTIN_FAULT", fault.to_owned())]));
    for plant in plants {
        for voice in [&["--json"][..], &["-vv"]] {
            let folder = marked("csv");
            watch.look(folder.path(), &["run", "pipeline.yaml"], &[]);
            let args = [&["run", "pipeline.yaml"], voice].concat();
            watch.look_with(folder.path(), &args, &[], &plant);
        }
    }
    // Whoever asks may meet such a fault as well.
    for place in 1..20 {
        let folder = marked("csv");
        let plant = [("OPTIN_PANIC_AT", place.to_string())];
        for args in
            [&["check", "pipeline.yaml", "-vv"][..], &["explain", "pipeline.yaml", "--json"]]
        {
            watch.look_with(folder.path(), args, &[], &plant);
        }
        // Only who is asked for may be named.
        let asked =
            ["why", "pipeline.yaml", "--customer", "mail=zq7a@marks.example", "-vv", "--json"];
        let of_a = ["zq7a@marks.example"];
        let mut allowed = of_a.to_vec();
        let row = [
            "zq7-id-a",
            "zq7namea",
            "token_zq7a",
            "+49 30 90817261",
            "+493090817261",
            "1973-11-11",
            "48151621",
            "4815.1621",
            "0.48151621",
        ];
        allowed.extend(row);
        watch.look_with(folder.path(), &asked, &allowed, &plant);
    }
}
