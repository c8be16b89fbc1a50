//! Sources that are queries of a database: asked for their columns when a pipeline is checked, and for their
//! rows when somebody needs them.

use crate::database::Staging;
use crate::diagnostics::{Code, Diagnostic, Faults};
use crate::plan::Database;
use crate::plan::catalog::{Listing, Request};

/// The columns of a query. The request is then for the file in which its rows will stand.
///
/// # Errors
/// What the server says; below `--root` nothing is asked.
pub fn describe(
    staging: &mut Staging,
    request: &mut Request,
    database: &Database,
    below_root: bool,
) -> Result<Listing, Diagnostic> {
    if below_root {
        return Err(Diagnostic::error(Code::OutsideRoot, "a database is not below --root")
            .at(request.span, "this source")
            .help("run without --root if you know who wrote the pipeline file"));
    }
    let (file, columns) = staging.describe(&request.name, database, request.span)?;
    request.pattern.clone_from(&file);
    Ok(Listing { files: vec![file], bytes: 0, columns, open: false })
}

/// Faults that speak of the file in which rows stand, speaking of the source instead.
pub fn shown(staging: &Staging, Faults(mut faults): Faults) -> Faults {
    for site in faults.iter_mut().filter_map(|fault| fault.site.as_mut()) {
        if let Some(source) = staging.source_in(&site.file) {
            site.file = format!("the query of {source}").into();
        }
    }
    Faults(faults)
}
