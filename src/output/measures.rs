//! What the run record holds of a measure: its columns, and its rows as far as they may stand there.

use polars::prelude::*;
use serde::Serialize;
use serde_json::Value as Json;

use super::format::Meant;
use super::record::Written;
use super::stage::Staging;
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::engine::cells::decimal_text;
use crate::engine::measures::MeasureTable;
use crate::engine::{Memory, Rows};
use crate::plan::{Measure, Plan};

/// So many rows of a measure stand in the run record at most.
const RECORDED_ROWS: usize = 1000;

/// A column of a measure.
#[derive(Clone, Debug, Serialize)]
pub struct MeasureColumn {
    /// Its name.
    pub name: String,
    /// The figure, such as `sum(revenue)`; none of what names the group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figure: Option<String>,
    /// True for a share of customers, from 0 to 1.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rate: bool,
}

/// A measure as it was taken.
#[derive(Clone, Debug, Serialize)]
pub struct RecordedMeasure {
    /// Its name.
    pub name: String,
    /// `profiles`, or the segment whose members are counted.
    pub of: String,
    /// Groups of fewer customers stand in one row.
    pub smallest_group: u64,
    /// What its columns are.
    pub columns: Vec<MeasureColumn>,
    /// Its rows: numbers, and all else as text; the first thousand of them. None if groups of fewer
    /// than five customers may be among them: these stand in the measure's table alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<Vec<Json>>>,
    /// Rows that stand in its table alone.
    pub only_in_table: u64,
}

/// Stages the tables of measures, adds them to the outputs, and says what the run record holds of each.
///
/// # Errors
/// Faults of the engine; a target that cannot be written.
pub(super) fn stage(
    plan: &Plan,
    memory: &Memory,
    staging: &mut Staging,
    tables: &[MeasureTable],
    outputs: &mut Vec<Written>,
) -> Outcome<Vec<RecordedMeasure>> {
    let mut measures = Vec::new();
    for table in tables {
        let measure = &plan.measures[table.measure];
        if let Some(target) = &measure.target {
            let meant = Meant { rows: &table.rows, hashing: None, guard: None, memory };
            let name = format!("measures.{}", measure.name);
            outputs.push(staging.add(&name, target, &meant, false)?);
        }
        measures.push(record(plan, measure, &table.rows)?);
    }
    Ok(measures)
}

fn record(plan: &Plan, measure: &Measure, rows: &Rows<'_>) -> Outcome<RecordedMeasure> {
    let schema = rows.schema()?;
    let column = |name: &PlSmallStr| {
        let figure = measure.compute.iter().find(|figure| figure.name == name.as_str());
        MeasureColumn {
            name: name.to_string(),
            figure: figure.map(|figure| figure.text.clone()),
            rate: figure.is_some_and(|figure| figure.measured.is_rate()),
        }
    };
    let columns = schema.iter_names().map(column).collect();
    let shown = if measure.is_recorded() { Some(some_rows(rows)?) } else { None };
    let recorded = shown.as_ref().map_or(0, Vec::len);
    Ok(RecordedMeasure {
        name: measure.name.clone(),
        of: plan.measured_of(measure).to_owned(),
        smallest_group: measure.smallest_group,
        columns,
        rows: shown,
        only_in_table: (rows.height() - recorded) as u64,
    })
}

fn some_rows(rows: &Rows<'_>) -> Outcome<Vec<Vec<Json>>> {
    let fault = |_: PolarsError| {
        Diagnostic::error(Code::EngineFault, "the rows of a measure cannot be looked at")
    };
    let mut recorded = Vec::new();
    for frame in rows.some(0..1)? {
        for row in 0..frame.height().min(RECORDED_ROWS) {
            let cells = frame.get_row(row).map_err(fault)?;
            recorded.push(cells.0.iter().map(cell).collect());
        }
    }
    Ok(recorded)
}

/// A cell as JSON: numbers, bools and null as they are, all else as the text that files hold.
fn cell(value: &AnyValue<'_>) -> Json {
    match value {
        AnyValue::Null => Json::Null,
        AnyValue::Boolean(value) => Json::from(*value),
        AnyValue::Int64(value) => Json::from(*value),
        AnyValue::Float64(value) => Json::from(*value),
        AnyValue::String(text) => Json::from(*text),
        AnyValue::StringOwned(text) => Json::from(text.as_str()),
        AnyValue::Decimal(value, _, scale) => Json::from(decimal_text(*value, *scale)),
        AnyValue::Datetime(micros, ..) => Json::from(crate::plan::Instant(*micros).to_string()),
        other => Json::from(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_as_files_hold_them() {
        for (value, scale, text) in
            [(0, 2, "0.00"), (-5, 2, "-0.05"), (12_345, 2, "123.45"), (7, 0, "7"), (-7, 1, "-0.7")]
        {
            assert_eq!(decimal_text(value, scale), text);
        }
        assert_eq!(cell(&AnyValue::Date(20_781)), Json::from("2026-11-24"));
        let at = AnyValue::Datetime(1_795_512_600_000_000, TimeUnit::Microseconds, None);
        assert_eq!(cell(&at), Json::from("2026-11-24T09:30:00Z"));
        assert_eq!(cell(&AnyValue::Float64(0.5)), Json::from(0.5));
        assert_eq!(cell(&AnyValue::Null), Json::Null);
    }
}
