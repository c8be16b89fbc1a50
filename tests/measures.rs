//! Measures where neither golden cases nor the oracle look: at the ends of numbers, in the run record,
//! and under commands that look at a run afterwards.

use std::fmt::Write as _;
use std::fs::File;

use polars::prelude::*;

use crate::support::Folder;

const PIPELINE: &str = "version: 1
name: shop
as_of: 2026-11-24
out: out
sources: [{ name: people, path: people.csv, types: { points: int, spent: { decimal: 2 } } }]
keys: [{ field: email, normalize: email }]
customers:
  - { source: people, id: id, fields: { email: mail, city: city, points: points, spent: spent } }
consent: { purposes: [{ name: news, via: email, model: opt_in }] }
segments: [{ name: all, consent: none, because: a test }]
outputs: { segments: out/segments.csv }
measures:
  - name: segments
    by: [city, consent_news]
    compute: { customers: count, points: sum(points), spent: sum(spent), mean: avg(points) }
    path: out/measure.csv
  - name: total
    of: all
    where: points > 0
    compute: { customers: count, spent: sum(spent), rate: consent_rate(news) }
";

const MOST: &str = "9223372036854775807";

/// Six customers in Bonn, whose points are beyond 64 bits, and five in Kiel, whose points cancel out.
fn shop() -> Folder {
    let mut rows = "id,mail,city,points,spent\n".to_owned();
    let large = "99999999999999999999999999999999999.99";
    for at in 0..6 {
        let _ = writeln!(rows, "b{at},b{at}@x.org,Bonn,{MOST},{large}");
    }
    for (at, points) in
        [MOST, MOST, &format!("-{MOST}"), &format!("-{MOST}"), "1"].iter().enumerate()
    {
        let _ = writeln!(rows, "k{at},,Kiel,{points},0.10");
    }
    Folder::with(&[("people.csv", &rows), ("p.yaml", PIPELINE)])
}

#[test]
fn sums_are_exact_to_the_end_of_their_type() {
    let folder = shop();
    folder.optin(&["run", "p.yaml", "--quiet"]).done();
    assert_eq!(
        folder.read("out/measure.csv"),
        "city,consent_news,folded_groups,customers,points,spent,mean\n\
         Bonn,unknown,0,6,,599999999999999999999999999999999999.94,9.223372036854776e+18\n\
         Kiel,no_contact_point,0,5,1,0.50,0.2\n"
    );
}

#[test]
fn a_measure_stands_in_the_run_record() {
    let folder = shop();
    let run = folder.optin(&["run", "p.yaml"]).done();
    assert!(
        run.stdout.contains("\nMeasures\n  segments: 11 of profiles, groups 2\n"),
        "{}",
        run.stdout
    );
    let record = folder.json("out/run.json");
    let measure = &record["measures"][0];
    assert_eq!(measure["name"], "segments");
    assert_eq!(measure["of"], "profiles");
    assert_eq!(measure["smallest_group"], 5);
    assert_eq!(measure["only_in_table"], 0);
    assert_eq!(measure["columns"][3]["name"], "customers");
    assert!(measure["columns"][0]["figure"].is_null());
    assert_eq!(measure["columns"][5]["figure"], "sum(spent)");
    let rows = serde_json::json!([
        [
            "Bonn",
            "unknown",
            0,
            6,
            null,
            "599999999999999999999999999999999999.94",
            9.223_372_036_854_776e18
        ],
        ["Kiel", "no_contact_point", 0, 5, 1, "0.50", 0.2]
    ]);
    assert_eq!(measure["rows"], rows);
    // Two of Kiel are below zero.
    let total = &record["account"]["measures"][1];
    assert_eq!((&total["rule_false"], &total["customers"]), (&2.into(), &9.into()));
    assert_eq!(record["measures"][1]["columns"][2]["rate"], true);
    let written = record["outputs"].as_array().expect("outputs");
    let names: Vec<_> = written.iter().map(|file| file["name"].as_str()).collect();
    assert_eq!(names, [Some("segments"), Some("measures.segments")]);
}

/// A measure may have the name of an internal table: commands that look for that table find it.
#[test]
fn commands_that_look_at_a_run_know_measures_from_internal_tables() {
    let folder = shop();
    folder.optin(&["run", "p.yaml", "--quiet"]).done();
    folder.optin(&["run", "p.yaml", "--quiet", "--out", "again"]).done();
    let diff = folder.optin(&["diff", "out/run.json", "again/run.json"]).done();
    assert!(diff.stdout.contains("all"), "{}", diff.stdout);
    folder.optin(&["verify", "out/run.json"]).done();
    folder.write("out/measure.csv", "city\n");
    let changed = folder.optin(&["verify", "out/run.json"]);
    assert_eq!(changed.code, 1, "{}", changed.stdout);
    assert_eq!(changed.stdout.matches("CHANGED").count(), 1, "{}", changed.stdout);
    assert!(changed.stdout.contains("out/measure.csv"), "{}", changed.stdout);
}

#[test]
fn a_plan_in_words_names_its_measures() {
    let folder = shop();
    let run = folder.optin(&["explain", "p.yaml"]).done();
    for text in [
        "\n6. Measure\n   segments: all profiles, by city, consent_news\n",
        "      spent: sum(spent)\n",
        "   total: those in all, in one row\n      where points > 0\n",
        "\n7. Write, all or nothing\n",
        "   measure segments: ./out/measure.csv\n",
    ] {
        assert!(run.stdout.contains(text), "{text}\n{}", run.stdout);
    }
}

/// Under a replay nothing is exported, and measures are taken as things stood.
#[test]
fn a_replay_measures() {
    let folder = shop();
    folder.optin(&["run", "p.yaml", "--quiet", "--replay", "2026-01-01"]).done();
    assert_eq!(folder.read("out/measure.csv").lines().count(), 3);
}

/// What is no finite number is as good as null; and zero has no sign.
#[test]
fn floats_that_are_no_numbers_do_not_count() {
    let folder = Folder::new();
    let values = [Some(f64::NAN), Some(f64::INFINITY), Some(-0.0), Some(0.5), None, Some(f64::MAX)];
    let ids: Vec<String> = (0..values.len()).map(|at| at.to_string()).collect();
    let weights = Float64Chunked::from_iter_options("weight".into(), values.into_iter());
    let columns = vec![Series::new("id".into(), ids).into(), weights.into_series().into()];
    let mut frame = DataFrame::new(values.len(), columns).expect("columns");
    let file = File::create(folder.at("people.parquet")).expect("a file");
    ParquetWriter::new(file).finish(&mut frame).expect("written");
    folder.write(
        "p.yaml",
        "version: 1
name: floats
out: out
sources: [{ name: people, path: people.parquet }]
customers: [{ source: people, id: id, fields: { weight: weight } }]
measures:
  - name: m
    compute: { all: count, used: count(weight), low: \"quantile(weight, 0)\", middle: \"quantile(weight, 0.5)\", sum: sum(weight) }
    smallest_group: 1
    path: out/m.csv
",
    );
    folder.optin(&["run", "p.yaml", "--quiet"]).done();
    let text = folder.read("out/m.csv");
    let (head, row) = text.trim_end().split_once('\n').expect("a row");
    assert_eq!(head, "all,used,low,middle,sum");
    let (others, sum) = row.rsplit_once(',').expect("several cells");
    assert_eq!((others, sum.parse()), ("6,3,0.0,0.5", Ok(f64::MAX)));
}
