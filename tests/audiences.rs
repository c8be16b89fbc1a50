//! Audiences for advertising platforms: what golden cases cannot show. Digests are made here anew.

use sha2::{Digest as _, Sha256};

use crate::support::Folder;

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// A pipeline of people with mails and phones, a consent table and a list of who is not contacted.
fn pipeline(audience: &str) -> String {
    format!(
        "version: 1
name: p
as_of: 2026-06-30
out: out
sources:
  - {{ name: people, path: people.csv }}
  - {{ name: said, path: said.csv }}
  - {{ name: blocked, path: blocked.csv, allow_empty: true }}
keys:
  - {{ field: mail, normalize: email }}
  - {{ field: phone, normalize: {{ phone: {{ region: DE }} }} }}
customers:
  - {{ source: people, id: id, fields: {{ mail: mail, phone: phone }} }}
consent:
  purposes: [{{ name: ads, via: mail, model: opt_in }}]
  tables:
    - {{ source: said, match: {{ mail: mail }}, values: {{ ads: ads }}, at: at, unmatchable: report }}
  suppress:
    - {{ source: blocked, match: {{ mail: mail }}, unmatchable: report }}
segments:
  - {{ name: ads, consent: ads }}
exports:
  - segment: ads
    path: out/audience.csv
{audience}"
    )
    .replace("path: said.csv", "path: said.csv, types: { at: date }")
}

const GOOGLE: &str = "    audience: google_customer_match\n    columns: { Email: mail }\n    \
                      removals: out/gone.csv\n";
const META: &str = "    audience: meta_custom_audience\n    columns: { email: mail }\n    \
                    removals: out/gone.csv\n";

fn folder(audience: &str, people: &str, said: &str, blocked: &str) -> Folder {
    Folder::with(&[
        ("p.yaml", pipeline(audience).as_str()),
        ("people.csv", people),
        ("said.csv", said),
        ("blocked.csv", blocked),
    ])
}

const PEOPLE: &str = "id,mail,phone\n1,jdoe@x.org,\n2,ann@x.org,\n";
const YES: &str = "mail,ads,at\njdoe@x.org,yes,2026-01-01\nann@x.org,yes,2026-01-01\n";

/// `j doe@x.org` is no address, so it reaches nobody here and is counted. Google drops the blank.
#[test]
fn a_no_under_the_same_digest_stops_the_run() {
    let no = format!("{YES}j doe@x.org,no,2026-02-01\n");
    let google = folder(GOOGLE, PEOPLE, &no, "mail\n");
    let run = google.optin(&["run", "p.yaml", "--quiet"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("error[proof-failed]: 1 of 2 rows"), "{}", run.stderr);
    assert!(run.stderr.contains("1 with the digest of a contact point that is denied"));
    assert!(!run.stderr.contains("x.org"), "{}", run.stderr);
    assert!(!google.at("out/audience.csv").exists() && !google.at("out/gone.csv").exists());
    // To Meta it is another text, and the pipeline says that such a denial is reported only.
    folder(META, PEOPLE, &no, "mail\n").optin(&["run", "p.yaml", "--quiet"]).done();
    // A later yes of the same person counts, as it does for texts.
    let again = no.replace("jdoe@x.org,yes,2026-01-01", "jdoe@x.org,yes,2026-03-01");
    folder(GOOGLE, PEOPLE, &again, "mail\n").optin(&["run", "p.yaml", "--quiet"]).done();
    let blocked = folder(GOOGLE, PEOPLE, YES, "mail\nj doe@x.org\n");
    let run = blocked.optin(&["run", "p.yaml", "--quiet"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("1 with the digest of a contact point that is suppressed"));
}

/// A yes under a display name is newer than a no without one: both reach the mailbox.
#[test]
fn spellings_of_one_mailbox_are_one() {
    let said = "mail,ads,at\njdoe@x.org,no,2026-01-01\nJ. Doe <jdoe@x.org>,yes,2026-02-01\n";
    let there = folder(GOOGLE, PEOPLE, said, "mail\n");
    there.optin(&["run", "p.yaml", "--quiet"]).done();
    assert_eq!(there.read("out/audience.csv"), format!("Email\n{}\n", sha256("jdoe@x.org")));
}

#[test]
fn who_says_no_is_removed_and_the_sums_close() {
    let there = folder(META, PEOPLE, YES, "mail\n");
    let first = there.optin(&["run", "p.yaml"]).done();
    assert!(first.stdout.contains("no audience stood there before"), "{}", first.stdout);
    assert_eq!(there.read("out/gone.csv"), "email\n");
    let audience = &there.json("out/run.json")["exports"][0]["audience"];
    assert_eq!(audience["matchable"], 2);
    assert_eq!(audience["carried"][0]["column"], "email");
    assert!(audience["removals"].get("earlier").is_none());

    let tables = "outputs: { segments: out/segments.csv, identity: out/identity.csv }\n";
    there.write("p.yaml", there.read("p.yaml") + tables);
    there.write("said.csv", YES.replace("ann@x.org,yes", "ann@x.org,no"));
    let second = there.optin(&["run", "p.yaml"]).done();
    assert!(second.stdout.contains("of 2 rows before: removed 1, still in 1"), "{}", second.stdout);
    assert_eq!(there.read("out/audience.csv"), format!("email\n{}\n", sha256("jdoe@x.org")));
    assert_eq!(there.read("out/gone.csv"), format!("email\n{}\n", sha256("ann@x.org")));
    let verified = there.optin(&["verify", "out/run.json"]).done();
    assert!(verified.stdout.contains("removals the same"), "{}", verified.stdout);

    // The removal file belongs to the run: nothing else is written over it, and a change is told.
    let diff = ["diff", "out/run.json", "out/run.json", "--output", "out/gone.csv"];
    let refused = there.optin(&diff);
    assert_eq!(refused.code, 1, "{}", refused.stdout);
    assert!(refused.stderr.contains("error[output-path]"), "{}", refused.stderr);
    assert_eq!(there.read("out/gone.csv"), format!("email\n{}\n", sha256("ann@x.org")));
    there.write("out/gone.csv", "email\n");
    let verified = there.optin(&["verify", "out/run.json"]);
    assert_eq!(verified.code, 1, "{}", verified.stdout);
    assert!(verified.stdout.contains("removals CHANGED"), "{}", verified.stdout);
}

/// What stands there before must be an audience: of a clear export the removal file would show mails.
#[test]
fn what_is_no_audience_is_not_read_as_one() {
    for before in
        ["customer_id,mail\n1,canary@x.org\n", "Email\ncanary@x.org\n", "", "Email,Email\n"]
    {
        let there = folder(GOOGLE, PEOPLE, YES, "mail\n");
        there.write("out/audience.csv", before);
        let run = there.optin(&["run", "p.yaml", "--quiet"]);
        assert_eq!(run.code, 1, "{before:?}: {}", run.stderr);
        assert!(run.stderr.contains("error["), "{before:?}: {}", run.stderr);
        assert!(!run.stderr.contains("canary"), "{}", run.stderr);
        assert_eq!(there.read("out/audience.csv"), before);
        assert!(!there.at("out/gone.csv").exists());
    }
    let there = folder(GOOGLE, PEOPLE, YES, "mail\n");
    there.write("out/audience.csv", "Email\ncanary@x.org\n");
    let run = there.optin(&["run", "p.yaml", "--quiet"]);
    assert!(run.stderr.contains("error[earlier-audience]"), "{}", run.stderr);
}

/// The example runs, and without a mail address or a number nothing is left to read in it.
#[test]
fn the_example_lets_no_contact_point_out() {
    let folder = Folder::new();
    for name in ["data", "pipelines"] {
        let real = crate::support::root().join(name);
        std::os::unix::fs::symlink(real, folder.at(name)).expect("a link");
    }
    folder.optin(&["run", "pipelines/audiences.yaml", "--out", "o"]).done();
    let mut seen = 0;
    for name in ["google", "google-removals", "meta", "meta-removals"] {
        let text = folder.read(&format!("o/out/audiences/{name}.csv"));
        assert!(!text.contains('@') && !text.contains('+'), "{name}");
        seen += text.lines().count();
    }
    assert!(seen > 1000, "{seen} lines");
}
