//! Each stage of a run on 200,000 synthetic customers, and the normalizers of contact points.
//!
//! `cargo bench` measures all; `cargo bench -- consent` one stage. Absolute times drift on shared
//! machines: compare with a run of the revision before (`--save-baseline`, `--baseline`).

#![allow(missing_docs, reason = "the macro of criterion makes a public function")]

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use optin::engine::{Setting, execute};
use optin::generate::{Settings, generate};
use optin::normalize::normalizer;
use optin::plan::{AsOf, Instant};

const CUSTOMERS: u64 = 200_000;
const STAGES: [&str; 7] =
    ["read", "keys", "identity", "survivorship", "consent", "segments", "profiles"];

fn stages(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for the data");
    let data = folder.path().join("data");
    generate(&data, &Settings { customers: CUSTOMERS, seed: 1 }).expect("data can be generated");
    let pipeline: &Path = &data.join("pipeline.yaml");
    let loaded = optin::check_file(pipeline, &optin::RunOptions::default());
    let loaded = loaded.unwrap_or_else(|failure| panic!("{failure}"));
    let now = Instant::now();
    let as_of = loaded.plan.as_of.unwrap_or(AsOf { at: now, replay: false });
    let memory = optin::engine::Memory::new(None, std::env::temp_dir());
    let previous_rows = std::collections::BTreeMap::new();
    let setting = Setting { as_of, now, previous_rows, memory };
    let run = || {
        let stages = execute(&loaded.plan, &setting, |results| Ok(results.stages));
        stages.unwrap_or_else(|faults| panic!("{faults:?}"))
    };
    let mut group = criterion.benchmark_group("stage");
    group.sample_size(10);
    group.throughput(Throughput::Elements(CUSTOMERS));
    for stage in STAGES {
        group.bench_function(stage, |bencher| {
            bencher.iter_custom(|times| {
                let of_stage = || -> Duration {
                    run().iter().filter(|done| done.stage == stage).map(|done| done.elapsed).sum()
                };
                (0..times).map(|_| of_stage()).sum()
            });
        });
    }
    group.finish();
}

fn normalizers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("normalize");
    for (name, value) in [
        ("email", "Holly.Hart@contoso.com"),
        ("phone", "+49 170 1234567"),
        ("name", "Dr. José María García-López"),
        ("address", "12 North Main Street Apt. 4"),
    ] {
        let step = normalizer(name).expect("a normalizer of this name").step.clone();
        let chain = optin::normalize::Chain::new(vec![step]);
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(chain.apply_loose(black_box(value), None)).is_some());
        });
    }
    group.finish();
}

criterion_group!(benches, stages, normalizers);
criterion_main!(benches);
