//! A plan in words: what a run would do, stage by stage.

use std::fmt::Write as _;

use super::{
    Conflict, CopyTo, Denial, Gate, Keep, Match, Model, Plan, RegionFrom, Shape, TargetFormat,
    Unmatchable, said_date,
};
use crate::normalize::Step;

/// The plan as text.
#[must_use]
pub fn explain(plan: &Plan) -> String {
    let mut text = format!("{}\n", plan.name);
    let as_of = plan.as_of.map_or_else(|| "the start of the run".to_owned(), |a| a.at.to_string());
    let _ = writeln!(text, "consent is judged as of {}", said_date(&as_of));
    sources(plan, &mut text);
    keys(plan, &mut text);
    identity(plan, &mut text);
    consent(plan, &mut text);
    segments(plan, &mut text);
    measures(plan, &mut text);
    outputs(plan, &mut text);
    text
}

fn sources(plan: &Plan, text: &mut String) {
    let _ = writeln!(text, "\n1. Read");
    for (at, source) in plan.sources.iter().enumerate() {
        let mut uses: Vec<&str> = Vec::new();
        if plan.tables.iter().any(|table| table.source.0 == at) {
            uses.push("customers");
        }
        if plan.consent.tables.iter().any(|table| table.source.0 == at) {
            uses.push("consent");
        }
        if plan.consent.suppress.iter().any(|list| list.source.0 == at) {
            uses.push("suppression");
        }
        let mut pairs = plan.identity.always.iter().chain(&plan.identity.never);
        if pairs.any(|pairs| pairs.source.0 == at) {
            uses.push("pairs");
        }
        if plan.related.iter().any(|related| related.source.0 == at) {
            uses.push("related");
        }
        let used = if uses.is_empty() { "not used".to_owned() } else { uses.join(", ") };
        let _ = writeln!(
            text,
            "   {}: {used}; {} file{}, {} bytes, {} columns",
            source.name,
            source.files.len(),
            if source.files.len() == 1 { "" } else { "s" },
            source.bytes,
            source.columns.len(),
        );
    }
}

fn keys(plan: &Plan, text: &mut String) {
    let _ = writeln!(text, "\n2. Compare");
    for field in &plan.fields {
        let steps: Vec<String> = field.key.chain.steps().iter().map(step).collect();
        let region = match &field.key.region {
            RegionFrom::None => String::new(),
            RegionFrom::Fixed(region) => format!(", region {}", region.as_str()),
            RegionFrom::Of(of) => format!(", region from {}", plan.fields[of.0].name),
        };
        let never = match field.key.never.len() {
            0 => String::new(),
            n => format!(", {n} values link nobody"),
        };
        let _ = writeln!(
            text,
            "   {} ({}): {}{region}{never}",
            field.name,
            field.ty.name(),
            steps.join(", ")
        );
    }
}

fn step(step: &Step) -> String {
    serde_json::to_value(step).ok().map_or_else(String::new, |value| match value {
        serde_json::Value::String(name) => name,
        serde_json::Value::Object(map) => map.keys().next().cloned().unwrap_or_default(),
        _ => String::new(),
    })
}

fn identity(plan: &Plan, text: &mut String) {
    let _ = writeln!(text, "\n3. Unify");
    for table in &plan.tables {
        let _ = writeln!(
            text,
            "   records of {}: id {}, {} fields",
            plan.sources[table.source.0].name,
            table.id,
            table.mapping.len()
        );
        if table.drop_unmatched {
            let _ = writeln!(text, "      dropped unless they link to an earlier table");
        }
    }
    if plan.identity.rules.is_empty() {
        let _ = writeln!(text, "   no link rules: every id is a customer of its own");
    }
    for rule in &plan.identity.rules {
        let _ = writeln!(text, "   link records that agree on {}", rule.name);
    }
    let guarded = &plan.identity;
    let name = |field: &super::FieldId| plan.fields[field.0].name.as_str();
    if !guarded.unless_different.is_empty() {
        let fields: Vec<_> = guarded.unless_different.iter().map(name).collect();
        let _ = writeln!(text, "   never one customer if they differ in {}", fields.join(", "));
    }
    for (kind, pairs) in [("always", &guarded.always), ("never", &guarded.never)] {
        for pairs in pairs {
            let source = &plan.sources[pairs.source.0].name;
            let _ = writeln!(text, "   {kind} one customer: the pairs of {source}");
        }
    }
    if let Some(most) = guarded.max_shared {
        let _ = writeln!(text, "   a value that more than {most} records share links nobody");
    }
    if let Some(most) = guarded.max_cluster {
        let _ = writeln!(text, "   a customer of more than {most} records is quarantined");
    }
    match guarded.previous.as_ref().map(|previous| &previous.source) {
        Some(Some(source)) => {
            let file = source.files.first().map(|f| f.display().to_string()).unwrap_or_default();
            let _ = writeln!(text, "   customers keep the ids of {file}");
        }
        Some(None) => {
            let _ = writeln!(text, "   no earlier identity table yet: all ids are new");
        }
        None => {}
    }
    let keep = |keep: &Keep| match keep {
        Keep::MostFilled => "with the most usable fields".to_owned(),
        Keep::Importance => "of the most important table".to_owned(),
        Keep::MostRecent(field) => format!("with the greatest {}", name(field)),
        Keep::LeastRecent(field) => format!("with the smallest {}", name(field)),
    };
    let survivorship = &plan.survivorship;
    let _ = writeln!(
        text,
        "   a profile shows the values of the record {}, then by table",
        keep(&survivorship.keep)
    );
    for group in &survivorship.groups {
        let fields: Vec<_> = group.fields.iter().map(name).collect();
        let _ = writeln!(
            text,
            "   as one unit, from the record {}: {}",
            keep(&group.keep),
            fields.join(", ")
        );
    }
    for (field, policy) in &survivorship.fields {
        let _ = writeln!(text, "   {} from the record {}", name(field), keep(policy));
    }
    for grouping in &plan.groupings {
        let rules: Vec<_> = grouping.rules.iter().map(|rule| rule.name.as_str()).collect();
        let _ = writeln!(
            text,
            "   {}: profiles that agree on {} share an id",
            grouping.name,
            rules.join(", or ")
        );
    }
}

fn consent(plan: &Plan, text: &mut String) {
    let consent = &plan.consent;
    let _ = writeln!(text, "\n4. Consent");
    for purpose in &consent.purposes {
        let model = match purpose.model {
            Model::OptIn => "only who granted passes",
            Model::OptOut => "who never decided passes too",
        };
        let expiry =
            purpose.expires_after.map_or_else(String::new, |p| format!("; a grant ends after {p}"));
        let via = &plan.fields[purpose.via.0].name;
        let _ = writeln!(text, "   {} via {via}: {model}{expiry}", purpose.name);
    }
    for table in &consent.tables {
        let shape = match &table.shape {
            Shape::Wide(columns) => format!("{} column(s) of decisions", columns.len()),
            Shape::Long { .. } => "a decision a row".to_owned(),
        };
        let at =
            table.at.as_ref().map_or_else(|| "undated".to_owned(), |at| format!("dated by {at}"));
        let stop = match table.unmatchable {
            Unmatchable::Stop => "stops the run",
            Unmatchable::Report => "is counted",
        };
        let _ = writeln!(
            text,
            "   {}: {shape}, {at}, matched by {}; an unmatchable denial {stop}",
            plan.sources[table.source.0].name,
            matches(plan, &table.matches, table.customers.is_some()),
        );
    }
    for list in &consent.suppress {
        let channels = list.channels.as_ref().map_or_else(
            || "all channels".to_owned(),
            |channels| {
                let names: Vec<_> =
                    channels.iter().map(|c| plan.fields[c.0].name.as_str()).collect();
                names.join(", ")
            },
        );
        let _ = writeln!(
            text,
            "   suppress {} by {}, for {channels}",
            plan.sources[list.source.0].name,
            matches(plan, &list.matches, false),
        );
    }
    let conflict = match consent.conflict {
        Conflict::Strictest => "newest in a table, then any denial denies",
        Conflict::Latest => "newest of all tables",
    };
    let denial = match consent.denial {
        Denial::Person => "the whole person",
        Denial::ContactPoint => "its contact point only",
    };
    let _ = writeln!(text, "   several decisions: {conflict}; a denial reaches {denial}");
}

fn matches(plan: &Plan, matches: &[Match], own: bool) -> String {
    let mut names: Vec<String> = matches
        .iter()
        .map(|matched| match matched {
            Match::Key { field, .. } => plan.fields[field.0].name.clone(),
            Match::Digest { field, .. } => {
                format!("{} by SHA-256 digests", plan.fields[field.0].name)
            }
            Match::Record { table, .. } => {
                format!("id in {}", plan.sources[plan.tables[table.0].source.0].name)
            }
        })
        .collect();
    if own {
        names.push("its own record".to_owned());
    }
    names.join(", ")
}

/// Related tables, and what rules ask of them.
fn related(plan: &Plan, text: &mut String) {
    for (at, related) in plan.related.iter().enumerate() {
        let of = super::RelatedId(at);
        let _ = writeln!(
            text,
            "   rows of {} ({}) belong to customers by {}",
            related.name,
            plan.sources[related.source.0].name,
            matches(plan, &related.matches, false),
        );
        if plan.aggregates_of(of).next().is_none() {
            let _ = writeln!(text, "      no rule asks for them: not read");
        }
        for (_, aggregate) in plan.aggregates_of(of) {
            let _ = writeln!(text, "      {}", aggregate.text(plan));
        }
    }
}

fn segments(plan: &Plan, text: &mut String) {
    let _ = writeln!(text, "\n5. Segments");
    related(plan, text);
    for id in &plan.segment_order {
        let segment = &plan.segments[id.0];
        let gate = match &segment.gate {
            Gate::Purposes(purposes) => {
                let names: Vec<_> =
                    purposes.iter().map(|p| plan.consent.purposes[p.0].name.as_str()).collect();
                format!("gate {}", names.join(" and "))
            }
            Gate::None { because } => format!("no gate, because: {because}"),
        };
        let _ = writeln!(text, "   {}: {gate}", segment.name);
        if let Some(rule) = &segment.rule {
            let _ = writeln!(text, "      where {}", rule.text.trim());
        }
        for (what, members) in [
            ("in one of", &segment.union),
            ("in all of", &segment.intersect),
            ("in none of", &segment.except),
        ] {
            if !members.is_empty() {
                let names: Vec<_> =
                    members.iter().map(|m| plan.segments[m.0].name.as_str()).collect();
                let _ = writeln!(text, "      {what} {}", names.join(", "));
            }
        }
        if let Some(control) = &segment.control {
            let (share, seed) = (control.share, &control.seed);
            let _ =
                writeln!(text, "      {share} of them kept out as a control group (seed `{seed}`)");
        }
        if let Some(limit) = &segment.limit {
            let _ = writeln!(text, "      at most {}, {}", limit.count, plan.order_of(limit));
        }
    }
}

fn measures(plan: &Plan, text: &mut String) {
    if plan.measures.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n6. Measure");
    for measure in &plan.measures {
        let of = measure.of.map_or_else(
            || "all profiles".to_owned(),
            |_| format!("those in {}", plan.measured_of(measure)),
        );
        let by: Vec<_> = measure.by.iter().map(|column| plan.column_name(*column)).collect();
        let by =
            if by.is_empty() { "in one row".to_owned() } else { format!("by {}", by.join(", ")) };
        let _ = writeln!(text, "   {}: {of}, {by}", measure.name);
        if let Some(rule) = &measure.rule {
            let _ = writeln!(text, "      where {}", rule.text.trim());
        }
        for figure in &measure.compute {
            let _ = writeln!(text, "      {}: {}", figure.name, figure.text);
        }
        let smallest = measure.smallest_group;
        if smallest > 1 {
            let _ = writeln!(
                text,
                "      no figure of the values of fewer than {smallest} customers, and no group of fewer"
            );
        }
        if !measure.is_recorded() {
            let _ = writeln!(text, "      small groups: its rows stand in its table alone");
        }
    }
}

fn outputs(plan: &Plan, text: &mut String) {
    let number = if plan.measures.is_empty() { 6 } else { 7 };
    let _ = writeln!(text, "\n{number}. Write, all or nothing");
    for (name, target) in plan.outputs.named() {
        if let Some(target) = target {
            let _ = writeln!(text, "   {name}: {}", target.path.display());
        }
    }
    for export in &plan.exports {
        let columns: Vec<_> = match &export.audience {
            None => export.headers(plan),
            Some(file) => {
                let _ =
                    writeln!(text, "   as {}, from values as they stand:", file.platform.name());
                let from = export.columns.iter().map(|column| plan.column_name(*column));
                export
                    .headers(plan)
                    .into_iter()
                    .zip(from)
                    .map(|(a, b)| format!("{a}: {b}"))
                    .collect()
            }
        };
        let guard = match export.target.format {
            TargetFormat::Csv | TargetFormat::Tsv if export.guard_formulas => ", formulas guarded",
            _ => "",
        };
        let by: Vec<_> =
            export.target.partition_by.iter().map(|at| export.header(plan, *at)).collect();
        if !by.is_empty() {
            let by = by.join(", ");
            let _ = writeln!(text, "   as a folder, a Parquet file per value of {by}:");
        }
        let _ = writeln!(
            text,
            "   {} -> {}\n      {}{guard}",
            plan.segments[export.segment.0].name,
            export.target.path.display(),
            columns.join(", "),
        );
        if let Some((what, place)) = export.copy_to.as_ref().map(CopyTo::words) {
            let _ = writeln!(text, "      {what} -> {place}");
        }
        if let Some(removals) = export.audience.as_ref().and_then(|file| file.removals.as_ref()) {
            let _ = writeln!(text, "      who is no longer in it -> {}", removals.path.display());
        }
    }
    for measure in &plan.measures {
        if let Some(target) = &measure.target {
            let _ = writeln!(text, "   measure {}: {}", measure.name, target.path.display());
        }
    }
    let _ = writeln!(text, "   run record: {}", plan.record().display());
    if let Some(all) = &plan.copy_to {
        let _ = writeln!(text, "   all of these, too -> {}", all.address);
    }
}
