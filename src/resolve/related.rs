//! Related tables: where their rows come from, and what ties a row to a customer.

use super::Context;
use super::consent::matches;
use crate::diagnostics::{Code, Diagnostic, Spanned};
use crate::plan::{Field, Related, Table};
use crate::spec;

/// All related tables.
pub fn related(cx: &mut Context<'_>, tables: &[Table], fields: &[Field]) -> Vec<Related> {
    let written = cx.written.related.as_deref().unwrap_or_default();
    cx.unique("related table", written.iter().map(name));
    let mut all = Vec::new();
    for table in written {
        match one(cx, tables, fields, table) {
            Some(related) => all.push(related),
            // Whatever rules ask of it cannot be told any more.
            None => cx.sink.poison(name(table).value.clone()),
        }
    }
    all
}

/// Its name in rules: that of its source, unless another one is given.
fn name(table: &spec::RelatedTable) -> &Spanned<String> {
    table.name.as_ref().unwrap_or(&table.source)
}

fn one(
    cx: &mut Context<'_>,
    tables: &[Table],
    fields: &[Field],
    table: &spec::RelatedTable,
) -> Option<Related> {
    let own = name(table);
    if own.value.eq_ignore_ascii_case("consent") {
        cx.sink.push(
            Diagnostic::error(Code::ReservedName, "`consent` is not the name of a related table")
                .at(own.span, "`consent.PURPOSE` means something else in rules")
                .help("give it another `name`"),
        );
    }
    let source = cx.source(&table.source);
    let before = cx.sink.count();
    let matches = matches(cx, tables, fields, (source, false), &table.matches.value);
    if table.matches.value.0.is_empty() {
        cx.sink.push(
            Diagnostic::error(
                Code::RelatedFault,
                format!("nothing ties the rows of `{}` to customers", own.value),
            )
            .at(table.matches.span, "empty")
            .help("such as `match: { record: { CUSTOMER_SOURCE: COLUMN } }` or `match: { email: COLUMN }`"),
        );
    }
    let read = cx.sources.get(source?.0)?.as_ref()?;
    let usable =
        |column: &crate::plan::catalog::Column| Some((column.name.clone(), column.ty.usable()?));
    let columns = read.columns.iter().filter_map(usable).collect();
    (cx.sink.count() == before).then_some(Related {
        name: own.value.clone(),
        source: source?,
        matches,
        columns,
    })
}
