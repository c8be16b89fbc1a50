//! The door for Python: what the commands do, with records as JSON and tables as Arrow.
//!
//! The package `optin` beside it makes Python's values of them.

use std::path::PathBuf;

use optin::diagnostics::{Faults, Outcome};
use optin::engine::source;
use optin::inspect::written_table;
use optin::plan::AsOf;
use optin::resolve::parse_as_of;
use optin::{Failure, RunOptions};
use polars::prelude::*;
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

create_exception!(_optin, OptinError, PyException, "A pipeline that could not be checked or run.");

/// What a caller may choose, as the options of the command of the same names.
fn options(
    as_of: Option<&str>,
    replay: bool,
    out: Option<PathBuf>,
    limit_memory: Option<u64>,
    root: Option<PathBuf>,
    report: bool,
) -> PyResult<RunOptions> {
    let as_of = match as_of {
        None if replay => return Err(PyValueError::new_err("replay needs as_of")),
        None => None,
        Some(text) => {
            let at = parse_as_of(text)
                .ok_or_else(|| PyValueError::new_err("as_of is no date such as 2026-11-24"))?;
            Some(AsOf { at, replay })
        }
    };
    Ok(RunOptions { as_of, out, limit_memory, root, no_report: !report })
}

/// The exception of a failure: its text, and its faults as JSON.
fn refused(failure: &Failure) -> PyErr {
    let faults: Vec<_> = failure.faults.iter().map(|fault| fault.to_json(&failure.text)).collect();
    OptinError::new_err((failure.to_string(), serde_json::Value::from(faults).to_string()))
}

fn json<T: serde::Serialize>(value: &T) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Runs a pipeline file; gives the run record.
#[pyfunction]
#[pyo3(signature = (path, as_of, replay, out, limit_memory, root, report))]
#[expect(clippy::too_many_arguments, reason = "the options of a command")]
fn run(
    py: Python<'_>,
    path: PathBuf,
    as_of: Option<&str>,
    replay: bool,
    out: Option<PathBuf>,
    limit_memory: Option<u64>,
    root: Option<PathBuf>,
    report: bool,
) -> PyResult<String> {
    let options = options(as_of, replay, out, limit_memory, root, report)?;
    let record = py.detach(|| optin::run_file(&path, &options));
    json(&record.map_err(|failure| refused(&failure))?)
}

/// Checks a pipeline file; gives its warnings.
#[pyfunction]
fn check(py: Python<'_>, path: PathBuf, root: Option<PathBuf>) -> PyResult<String> {
    let options = options(None, false, None, None, root, true)?;
    let loaded = py.detach(|| optin::check_file(&path, &options));
    let loaded = loaded.map_err(|failure| refused(&failure))?;
    json(&loaded.warnings.iter().map(|fault| fault.to_json(&loaded.text)).collect::<Vec<_>>())
}

/// Why a customer is in a segment or not.
#[pyfunction]
fn why(
    py: Python<'_>,
    path: PathBuf,
    customer: &str,
    segment: Option<&str>,
    as_of: Option<&str>,
    root: Option<PathBuf>,
) -> PyResult<String> {
    let options = options(as_of, false, None, None, root, true)?;
    let why = py.detach(|| optin::why_file(&path, &options, customer, segment));
    json(&why.map_err(|failure| refused(&failure))?)
}

/// The rows of a file that a run wrote, column by column, and their number.
fn read(path: PathBuf) -> Outcome<(usize, Vec<Column>)> {
    let source = written_table("table", path)?;
    let names: Vec<&str> = source.columns.iter().map(|column| column.name.as_str()).collect();
    let loaded = source::load(&source, &names)?;
    let columns = names.iter().map(|name| Ok(loaded.column(name)?.series.clone().into()));
    Ok((loaded.rows, columns.collect::<Outcome<_>>()?))
}

/// A file that a run wrote, as an Arrow IPC file.
#[pyfunction]
fn table(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyBytes>> {
    let failed = |faults: Faults| {
        refused(&Failure {
            faults: faults.0,
            path: path.clone(),
            text: String::new(),
            pipeline_at_fault: false,
        })
    };
    let written = py.detach(|| -> Result<Result<Vec<u8>, PolarsError>, _> {
        let (rows, columns) = read(path.clone())?;
        let mut bytes = Vec::new();
        Ok(DataFrame::new(rows, columns)
            .and_then(|mut frame| IpcWriter::new(&mut bytes).finish(&mut frame))
            .map(|()| bytes))
    });
    let bytes = written.map_err(failed)?;
    let bytes = bytes.map_err(|_| PyValueError::new_err("the table cannot be made"))?;
    Ok(PyBytes::new(py, &bytes))
}

/// The module behind the package `optin`.
#[pymodule]
fn _optin(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // A panic's own words could quote data.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        eprintln!("internal error at {place}");
    }));
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("OptinError", module.py().get_type::<OptinError>())?;
    module.add_function(wrap_pyfunction!(run, module)?)?;
    module.add_function(wrap_pyfunction!(check, module)?)?;
    module.add_function(wrap_pyfunction!(why, module)?)?;
    module.add_function(wrap_pyfunction!(table, module)?)
}
