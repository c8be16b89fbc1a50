//! Control groups and limits as users see them: what is stable, who is removed from an audience, and
//! what `why` says of who is out.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::support::Folder;

/// Customers with a grant each, in this order.
fn people(numbers: impl Iterator<Item = usize>) -> String {
    let mut text = String::from("id,mail,points,yes\n");
    for number in numbers {
        let _ = writeln!(text, "p{number},m{number}@fabrikam.com,{},yes", number * 7 % 1000);
    }
    text
}

fn pipeline(segments: &str, exports: &str) -> String {
    format!(
        "version: 1
name: draws
as_of: 2026-06-01T00:00:00Z
out: out
sources: [{{ name: people, path: people.csv, types: {{ points: int }} }}]
keys: [{{ field: mail, normalize: email }}]
customers: [{{ source: people, id: id, fields: {{ mail: mail, points: points }} }}]
consent:
  purposes: [{{ name: news, via: mail, model: opt_in }}]
  tables: [{{ source: people, match: {{ mail: mail }}, values: {{ news: \"yes\" }} }}]
segments:
{segments}outputs: {{ segments: out/segments.csv }}
exports:
{exports}"
    )
}

/// The customers of a verdict in a segment.
fn with(folder: &Folder, segment: &str, verdict: &str) -> BTreeSet<String> {
    let table = folder.csv("out/segments.csv");
    let rows = table.column("customer_id").into_iter().zip(table.column(segment));
    rows.filter(|(_, of)| *of == verdict).map(|(id, _)| id.to_owned()).collect()
}

#[test]
fn equal_seeds_draw_the_same_and_more_holds_less() {
    let folder = Folder::new();
    let segments = "  - { name: a, consent: news, control: { share: 10%, seed: s } }
  - { name: b, consent: news, control: { share: 25%, seed: s } }
  - { name: c, consent: news, control: { share: 10%, seed: other } }
  - { name: few, consent: news, limit: { count: 100, seed: s } }
  - { name: many, consent: news, limit: { count: 400, seed: s } }
  - { name: others, consent: news, limit: { count: 400, seed: other } }
  - { name: top, consent: news, limit: { count: 100, top_by: points } }
";
    folder.write("p.yaml", pipeline(segments, "  - { segment: a, path: out/a.csv }\n"));
    folder.write("people.csv", people(0..2000));
    folder.optin(&["run", "p.yaml", "--quiet"]).done();
    let group = |segment: &str| with(&folder, segment, "control_group");
    let inside = |segment: &str| with(&folder, segment, "in_segment");
    let (a, b, c) = (group("a"), group("b"), group("c"));
    // About the share: five standard deviations of 2,000 draws are 67 and 97.
    assert!((133..267).contains(&a.len()) && (403..597).contains(&b.len()));
    assert!(a.is_subset(&b));
    let both = a.intersection(&c).count();
    assert!((1..60).contains(&both), "{both} of {} and {}", a.len(), c.len());
    let (few, many, others) = (inside("few"), inside("many"), inside("others"));
    assert_eq!((few.len(), many.len(), others.len(), inside("top").len()), (100, 400, 400, 100));
    assert!(few.is_subset(&many) && many != others);
    // The sample has nothing to do with the control group of the same seed.
    let both = few.intersection(&b).count() + many.intersection(&a).count();
    assert!((5..160).contains(&both), "{both}");
    // Other customers, in another order: who is there again has the verdict that he had.
    folder.write("people.csv", people((500..3000).rev()));
    folder.optin(&["run", "p.yaml", "--quiet"]).done();
    let again = with(&folder, "a", "control_group");
    let all: BTreeSet<String> = folder
        .csv("out/segments.csv")
        .column("customer_id")
        .into_iter()
        .map(str::to_owned)
        .collect();
    let still: BTreeSet<String> = a.intersection(&all).cloned().collect();
    assert!(still.is_subset(&again) && still.len() > 50);
}

#[test]
fn who_is_cut_off_is_removed_from_an_audience() {
    let folder = Folder::new();
    let segments = |limit: usize| {
        format!("  - {{ name: top, consent: news, limit: {{ count: {limit}, top_by: points }} }}\n")
    };
    let exports = "  - { segment: top, path: out/a.csv, audience: meta_custom_audience, \
                   columns: { email: mail }, removals: out/r.csv }\n";
    folder.write("people.csv", people(0..50));
    for (limit, removed) in [(20, 0), (5, 15), (30, 0)] {
        folder.write("p.yaml", pipeline(&segments(limit), exports));
        folder.optin(&["run", "p.yaml", "--quiet"]).done();
        assert_eq!(folder.csv("out/a.csv").rows.len(), limit);
        assert_eq!(folder.csv("out/r.csv").rows.len(), removed, "at most {limit}");
    }
    // The control group is removed as well: it must see nothing of the campaign.
    let control = "  - { name: top, consent: news, control: 50% }\n";
    folder.write("p.yaml", pipeline(control, exports));
    folder.optin(&["run", "p.yaml", "--quiet"]).done();
    let group = with(&folder, "top", "control_group").len();
    assert_eq!(folder.csv("out/a.csv").rows.len(), 50 - group);
    let removed = folder.csv("out/r.csv").rows.len();
    assert!(removed > 0 && removed <= group);
}

#[test]
fn why_tells_who_is_drawn_and_his_place_in_the_line() {
    let folder = Folder::new();
    let segments = "  - { name: top, consent: news, limit: { count: 3, top_by: points } }
  - { name: last, consent: news, where: points < 300, limit: { count: 3, top_by: points asc } }
  - { name: held, consent: news, control: { share: 99.9999%, seed: s } }
";
    folder.write("p.yaml", pipeline(segments, "  - { segment: top, path: out/a.csv }\n"));
    // 0, 7, 14, ... 63 points; two share a mail.
    folder.write("people.csv", people(0..10) + "p10,m9@fabrikam.com,999,yes\n");
    folder.optin(&["run", "p.yaml", "--quiet"]).done();
    let why = |id: &str, segment: &str| {
        let who = format!("people.id={id}");
        let run = folder.optin(&["why", "p.yaml", "--customer", &who, "--segment", segment]);
        run.done().stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(why("p10", "top").contains("top: in"));
    let cut_off = why("p7", "top");
    assert!(
        cut_off.contains(
            "top: out, over limit would be in if the customer were among the first 3, by points, \
             greatest first (is number 4 of 11)"
        ),
        "{cut_off}"
    );
    let by_rule = why("p10", "last");
    assert!(
        by_rule.contains("out, rule false")
            && by_rule.contains("by points, smallest first (would be number 11 of 11)"),
        "{by_rule}"
    );
    let drawn = why("p3", "held");
    let group = "drawn into the control group (99.9999%, seed `s`)";
    assert!(drawn.contains("out, control group") && drawn.contains(group), "{drawn}");
}
