//! Audiences for advertising platforms: the platform's columns, and the fields that fill them.

use super::Context;
use super::outputs::{Places, target};
use crate::diagnostics::{Code, Diagnostic, Span, Spanned};
use crate::normalize::Kind;
use crate::normalize::platform::{Platform, Trait};
use crate::plan::{Field, FieldId, OutColumn, PlatformFile, Target, Type};
use crate::spec::{self, AudiencePlatform, ExportColumns};

/// The columns of an export that is no audience, as they are listed.
pub fn listed<'w>(cx: &mut Context<'_>, export: &'w spec::Export) -> Option<&'w [Spanned<String>]> {
    if let Some(removals) = &export.removals {
        cx.sink.push(
            fault("`removals` goes with `audience` only")
                .at(removals.span, "this export is no audience")
                .help("write `audience: google_customer_match` or `meta_custom_audience`"),
        );
    }
    match export.columns.as_ref()? {
        ExportColumns::List(names) => Some(names),
        ExportColumns::Platform(columns) => {
            cx.sink.push(
                fault("columns with names of their own go with `audience` only")
                    .at(
                        columns.0.first().map_or(export.path.span, |(name, _)| name.span),
                        "a mapping",
                    )
                    .help("write `columns: [A, B]`, or say for which platform: `audience: ...`"),
            );
            Some(&[])
        }
    }
}

/// The columns of an audience, in the platform's order, and what the platform is to read of them.
pub fn columns(
    cx: &mut Context<'_>,
    fields: &[Field],
    export: &spec::Export,
    written: &Spanned<AudiencePlatform>,
    places: &Places<'_>,
) -> Option<(Vec<(OutColumn, Span)>, PlatformFile)> {
    let platform = match written.value {
        AudiencePlatform::GoogleCustomerMatch => Platform::GoogleCustomerMatch,
        AudiencePlatform::MetaCustomAudience => Platform::MetaCustomAudience,
    };
    let names: Vec<&str> = platform.columns().iter().map(|(name, _)| *name).collect();
    let Some(ExportColumns::Platform(mapping)) = &export.columns else {
        cx.sink.push(
            fault("an audience says which field fills which column of the platform")
                .at(written.span, "its `columns` is no mapping")
                .help(format!(
                    "such as `columns: {{ {}: FIELD }}`; columns: {}",
                    names[0],
                    names.join(", ")
                )),
        );
        return None;
    };
    let mut found: Vec<(Trait, OutColumn, Span)> = Vec::new();
    for (name, field) in &mapping.0 {
        let Some((_, of)) = platform.columns().iter().find(|(known, _)| *known == name.value)
        else {
            let fault = Diagnostic::error(
                Code::UnknownPlatformColumn,
                format!("{} knows no column `{}`", platform.name(), name.value),
            )
            .at(name.span, "unknown column")
            .help(format!("columns: {}", names.join(", ")));
            cx.sink.push(fault.suggest(&name.value, names.iter().copied()));
            continue;
        };
        if let Some(column) = column(cx, fields, (name, *of), field) {
            if found.iter().any(|(_, other, _)| *other == column) {
                cx.sink.push(
                    fault(&format!("`{}` fills two columns", field.value))
                        .at(field.span, "again here")
                        .help("name another field, or take one of the two out"),
                );
            }
            found.push((*of, column, field.span));
        }
    }
    found.sort_by_key(|(of, _, _)| platform.columns().iter().position(|(_, known)| known == of));
    let has = |of: Trait| found.iter().any(|(known, _, _)| *known == of);
    let by_name = [Trait::FirstName, Trait::LastName, Trait::Country, Trait::Zip];
    if !has(Trait::Mail)
        && !has(Trait::Phone)
        && !has(Trait::ExternalId)
        && !by_name.into_iter().all(has)
        && !cx.sink.has_errors()
    {
        let by_name = by_name.map(|of| platform.column(of)).join(", ");
        cx.sink.push(
            fault("nobody can be found by these columns")
                .at(written.span, "this audience has no identifier")
                .help(format!(
                    "add {}, {}, or all of {by_name}",
                    platform.column(Trait::Mail),
                    platform.column(Trait::Phone)
                )),
        );
    }
    // A folder is refused as such.
    if export.partition_by.is_none() {
        csv(cx, &export.path);
    }
    let removals: Option<Target> = export.removals.as_ref().and_then(|path| {
        csv(cx, path);
        target(cx, places, path)
    });
    let traits = found.iter().map(|(of, _, _)| *of).collect();
    let columns = found.into_iter().map(|(_, column, span)| (column, span)).collect();
    Some((columns, PlatformFile { platform, columns: traits, removals }))
}

/// What fills a column of the platform, if it can.
fn column(
    cx: &mut Context<'_>,
    fields: &[Field],
    (name, of): (&Spanned<String>, Trait),
    written: &Spanned<String>,
) -> Option<OutColumn> {
    if of == Trait::ExternalId && written.value == "customer_id" {
        return Some(OutColumn::CustomerId);
    }
    let id: FieldId = cx.field(fields, written)?;
    let field = &fields[id.0];
    // Only contact points are held against consent, so no other field may be one here.
    let kind = match of {
        Trait::Mail => Some((Kind::Mail, "email")),
        Trait::Phone => Some((Kind::Phone, "phone")),
        _ => None,
    };
    if let Some((kind, normalizer)) = kind
        && field.key.kind() != kind
    {
        cx.sink.push(
            fault(&format!("`{}` needs a field whose key is of kind {normalizer}", name.value))
                .at(written.span, "its key is of another kind")
                .help(format!(
                    "write `{{ field: {}, normalize: {normalizer} }}` under `keys`, so that it is held \
                     against consent as a contact point",
                    field.name
                )),
        );
        return None;
    }
    if kind.is_none() && field.key.kind() != Kind::Text {
        cx.sink.push(
            fault(&format!("`{}` is no column for a contact point", name.value))
                .at(written.span, "its key is a mail address or a number")
                .help("contact points go into the columns for them alone, where they are proved"),
        );
        return None;
    }
    let fits = match of {
        Trait::Birth => field.ty == Type::Date,
        _ => matches!(field.ty, Type::Text | Type::Int),
    };
    if !fits && !cx.untyped.contains(&field.name) {
        let due = if of == Trait::Birth { "a date" } else { "text" };
        cx.sink.push(
            fault(&format!("`{}` is filled by {due}", name.value))
                .at(written.span, "a field of another type")
                .help("declare the type of its columns under `types` of their sources"),
        );
        return None;
    }
    Some(OutColumn::Field(id))
}

/// The platforms take CSV, and the next run reads it.
fn csv(cx: &mut Context<'_>, path: &Spanned<String>) {
    let format = path.value.rsplit('.').next().unwrap_or_default();
    if !format.eq_ignore_ascii_case("csv") {
        cx.sink.push(
            fault("an audience is a CSV file")
                .at(path.span, "another format")
                .help("write a name that ends with .csv"),
        );
    }
}

fn fault(what: &str) -> Diagnostic {
    Diagnostic::error(Code::AudienceFault, what)
}
