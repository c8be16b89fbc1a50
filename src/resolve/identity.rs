//! Link rules, exceptions, guards, survivorship and groupings.

use super::Context;
use crate::diagnostics::{Code, Diagnostic, Span, Spanned};
use crate::plan::{
    Condition, Field, FieldGroup, FieldId, Grouping, Identity, Keep, LinkRule, Pairs, Previous,
    Source, Survivorship, Table, TableId, Type,
};
use crate::spec::{self, Decode as _, NameOrMap};

/// Which records are one customer.
pub fn identity(
    cx: &mut Context<'_>,
    tables: &[Table],
    fields: &[Field],
    previous: Option<Previous>,
) -> Identity {
    let Some(written) = cx.written.identity.as_ref() else {
        return Identity {
            rules: Vec::new(),
            unless_different: Vec::new(),
            always: Vec::new(),
            never: Vec::new(),
            max_cluster: None,
            max_shared: None,
            previous: None,
        };
    };
    let rules = rules(cx, fields, written.link_on.as_deref().unwrap_or_default(), Some(tables));
    let mut unless_different = Vec::new();
    let exceptions = written.unless_different.as_deref().unwrap_or_default();
    once_each(cx, "unless_different", exceptions);
    for name in exceptions {
        let Some(field) = cx.field(fields, name) else { continue };
        if compares(cx, fields, field, name) {
            unless_different.push(field);
        }
    }
    if let Some(fifth) = exceptions.get(4) {
        cx.sink.push(
            Diagnostic::error(Code::IdentityFault, "`unless_different` takes at most four fields")
                .at(fifth.span, "one too many"),
        );
    }
    if let (Some(first), [], None) = (exceptions.first(), &rules[..], &written.always)
        && !cx.sink.has_errors()
    {
        cx.sink.push(
            Diagnostic::warning(Code::IdentityFault, "an exception without a link rule")
                .at(first.span, "has no effect"),
        );
    }
    Identity {
        rules,
        unless_different,
        always: pairs(cx, written.always.as_deref()),
        never: pairs(cx, written.never.as_deref()),
        max_cluster: limit(cx, "max_cluster", written.max_cluster.as_ref()),
        max_shared: limit(cx, "max_shared", written.max_shared.as_ref()),
        previous,
    }
}

fn limit(cx: &mut Context<'_>, name: &str, written: Option<&Spanned<u64>>) -> Option<u64> {
    let limit = written?;
    if limit.value < 2 {
        let would =
            if name == "max_shared" { "link nobody" } else { "set aside whoever is linked" };
        cx.sink.push(
            Diagnostic::error(Code::BadValue, format!("`{name}` below 2 would {would}"))
                .at(limit.span, "too small"),
        );
    }
    Some(limit.value)
}

fn pairs(cx: &mut Context<'_>, written: Option<&[spec::Pairs]>) -> Vec<Pairs> {
    let mut all = Vec::new();
    for pairs in written.unwrap_or_default() {
        let Some(source) = cx.source(&pairs.source) else { continue };
        let names = [
            (&pairs.table1, "table1"),
            (&pairs.key1, "key1"),
            (&pairs.table2, "table2"),
            (&pairs.key2, "key2"),
        ];
        for (name, default) in names {
            let column =
                name.clone().unwrap_or_else(|| Spanned::new(default.to_owned(), pairs.source.span));
            cx.text_column(source, &column);
        }
        let [table1, key1, table2, key2] = names
            .map(|(name, default)| name.as_ref().map_or(default, |name| &name.value).to_owned());
        all.push(Pairs { source, columns: [(table1, key1), (table2, key2)] });
    }
    all
}

/// Reports names that stand twice under a key.
fn once_each(cx: &mut Context<'_>, key: &str, names: &[Spanned<String>]) {
    for (at, name) in names.iter().enumerate() {
        if let Some(first) = names[..at].iter().find(|first| first.value == name.value) {
            cx.sink.push(
                Diagnostic::error(
                    Code::DuplicateName,
                    format!("`{}` stands twice under `{key}`", name.value),
                )
                .at(name.span, "again here")
                .at(first.span, "first here"),
            );
        }
    }
}

/// `column a`, or `columns a, b and c`.
fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => "column".to_owned(),
        [one] => format!("column {one}"),
        [rest @ .., last] => format!("columns {} and {last}", rest.join(", ")),
    }
}

/// Reports a field that no two records can be compared by.
fn compares(
    cx: &mut Context<'_>,
    fields: &[Field],
    field: FieldId,
    name: &Spanned<String>,
) -> bool {
    if !matches!(fields[field.0].ty, Type::Float | Type::Decimal(_)) {
        return true;
    }
    cx.sink.push(
        Diagnostic::error(
            Code::IdentityFault,
            format!("field `{}` holds fractions, which link nobody", name.value),
        )
        .at(name.span, "not a key"),
    );
    false
}

/// Link rules; between records where `tables` are given, else between profiles.
fn rules(
    cx: &mut Context<'_>,
    fields: &[Field],
    written: &[Spanned<spec::Rule>],
    tables: Option<&[Table]>,
) -> Vec<LinkRule> {
    let bare: Vec<_> = written.iter().filter(|rule| rule.value.bare).collect();
    if let [first, second, ..] = bare.as_slice() {
        let name = |rule: &Spanned<spec::Rule>| rule_name(&rule.value);
        let (one, other) = (name(first), name(second));
        cx.sink.push(
            Diagnostic::error(
                Code::IdentityFault,
                "is this one rule of several fields, or several rules?",
            )
            .at(first.span, "a rule is a list of fields")
            .help(format!(
                "write [[{one}, {other}]] for one rule of both, [[{one}], [{other}]] for two rules"
            )),
        );
    }
    let mut rules: Vec<LinkRule> = Vec::new();
    for rule in written {
        let faults = cx.sink.has_errors();
        let mut conditions: Vec<Condition> = Vec::new();
        for condition in &rule.value.on {
            let name = &condition.field;
            let Some(field) = cx.field(fields, name) else { continue };
            if !compares(cx, fields, field, name) {
                continue;
            }
            if conditions.iter().any(|known| known.field() == field) {
                cx.sink.push(
                    Diagnostic::error(
                        Code::IdentityFault,
                        format!("`{}` stands twice in one rule", name.value),
                    )
                    .at(name.span, "again"),
                );
                continue;
            }
            conditions.push(match &condition.similarity {
                None => Condition::Exact(field),
                Some(threshold) => similar(cx, fields, field, threshold),
            });
        }
        if rule.value.on.is_empty() {
            cx.sink.push(
                Diagnostic::error(Code::IdentityFault, "a link rule needs a field")
                    .at(rule.span, "no field"),
            );
        }
        if conditions.is_empty() {
            continue;
        }
        let only = only(cx, tables, rule);
        let name = rule_name(&rule.value);
        let made = LinkRule { name, conditions, only };
        if made.exact_fields().next().is_none() && (faults || !cx.sink.has_errors()) {
            cx.sink.push(
                Diagnostic::error(
                    Code::IdentityFault,
                    "a similarity needs a field beside it that must be equal",
                )
                .at(rule.span, "compares every record with every other")
                .help("add a field in which such records agree, such as postal_code"),
            );
        }
        if rules.iter().any(|other| terms(other) == terms(&made)) {
            cx.sink.push(
                Diagnostic::error(
                    Code::IdentityFault,
                    format!("the rule {} stands twice", made.name),
                )
                .at(rule.span, "again"),
            );
        }
        rules.push(made);
    }
    rules
}

/// Fields with their thresholds, and tables.
type Terms = (Vec<(usize, Option<u64>)>, Option<Vec<TableId>>);

/// What a rule says, whatever the order of its words.
fn terms(rule: &LinkRule) -> Terms {
    let mut conditions: Vec<_> = rule
        .conditions
        .iter()
        .map(|condition| match condition {
            Condition::Exact(field) => (field.0, None),
            Condition::Similar { field, threshold } => (field.0, Some(threshold.to_bits())),
        })
        .collect();
    conditions.sort_unstable();
    let mut only = rule.only.clone();
    if let Some(only) = &mut only {
        only.sort_unstable();
    }
    (conditions, only)
}

/// `postal_code + last_name ~ 0.85 (contacts, loyalty)`.
fn rule_name(rule: &spec::Rule) -> String {
    let conditions: Vec<String> = rule
        .on
        .iter()
        .map(|condition| match &condition.similarity {
            None => condition.field.value.clone(),
            Some(threshold) => format!("{} ~ {}", condition.field.value, threshold.value),
        })
        .collect();
    let mut name = conditions.join(" + ");
    if let Some(only) = &rule.only {
        let tables: Vec<_> = only.iter().map(|table| table.value.as_str()).collect();
        name = format!("{name} ({})", tables.join(", "));
    }
    name
}

fn similar(
    cx: &mut Context<'_>,
    fields: &[Field],
    field: FieldId,
    threshold: &Spanned<f64>,
) -> Condition {
    if !(threshold.value > 0.0 && threshold.value <= 1.0) {
        cx.sink.push(
            Diagnostic::error(Code::BadValue, "a similarity is above 0, up to 1")
                .at(threshold.span, "not in this range")
                .help("0.85 means: at most 15 % of the letters differ"),
        );
    }
    if !matches!(fields[field.0].ty, Type::Text | Type::Int) {
        cx.sink.push(
            Diagnostic::error(
                Code::IdentityFault,
                format!(
                    "the type of field `{}` is {}, which has no similarity",
                    fields[field.0].name,
                    fields[field.0].ty.name()
                ),
            )
            .at(threshold.span, "for text and whole numbers only")
            .help("take `similarity` out: then the field must be equal"),
        );
    }
    Condition::Similar { field, threshold: threshold.value }
}

/// The tables a rule links.
fn only(
    cx: &mut Context<'_>,
    tables: Option<&[Table]>,
    rule: &Spanned<spec::Rule>,
) -> Option<Vec<TableId>> {
    let written = rule.value.only.as_ref()?;
    let Some(tables) = tables else {
        cx.sink.push(
            Diagnostic::error(Code::IdentityFault, "a grouping compares profiles, not tables")
                .at(written.first().map_or(rule.span, |name| name.span), "no `only` here")
                .help("take `only` out"),
        );
        return None;
    };
    once_each(cx, "only", written);
    if written.is_empty() {
        cx.sink.push(
            Diagnostic::error(Code::IdentityFault, "`only` names no customer source")
                .at(rule.span, "links nobody"),
        );
    }
    let only = written.iter().filter_map(|name| customer_table(cx, tables, name)).collect();
    Some(only)
}

fn customer_table(
    cx: &mut Context<'_>,
    tables: &[Table],
    name: &Spanned<String>,
) -> Option<TableId> {
    let source = cx.source(name)?;
    let at = tables.iter().position(|table| Some(table.source) == Some(source));
    if at.is_none() && cx.fields_complete {
        let known: Vec<_> =
            cx.written.customers.iter().map(|table| table.source.value.as_str()).collect();
        cx.sink.push(
            Diagnostic::error(
                Code::IdentityFault,
                format!("`{}` is no customer source", name.value),
            )
            .at(name.span, "not under `customers`")
            .help(format!("customer sources: {}", known.join(", "))),
        );
    }
    at.map(TableId)
}

/// Which value of several a profile shows.
pub fn survivorship(cx: &mut Context<'_>, fields: &[Field]) -> Survivorship {
    let mut made = Survivorship { keep: Keep::MostFilled, groups: Vec::new(), fields: Vec::new() };
    let Some(profile) = cx.written.profile.as_ref() else { return made };
    if let Some(written) = &profile.keep {
        made.keep = keep(cx, fields, &written.value).unwrap_or(Keep::MostFilled);
    }
    // Where each field's way of winning is said.
    let mut said: Vec<(FieldId, Span)> = Vec::new();
    let mut once = |cx: &mut Context<'_>, field: FieldId, name: &Spanned<String>| {
        if let Some((_, first)) = said.iter().find(|(known, _)| *known == field) {
            cx.sink.push(
                Diagnostic::error(
                    Code::IdentityFault,
                    format!("how `{}` is won is said twice", name.value),
                )
                .at(name.span, "again here")
                .at(*first, "first here")
                .help("a field stands in one group, or alone under `fields`"),
            );
            return false;
        }
        said.push((field, name.span));
        true
    };
    for group in profile.groups.iter().flatten() {
        let written = &group.value.keys;
        let mut members = Vec::new();
        for name in &written.fields {
            if let Some(field) = cx.field(fields, name)
                && once(cx, field, name)
            {
                members.push(field);
            }
        }
        if written.fields.is_empty() {
            cx.sink.push(
                Diagnostic::error(Code::IdentityFault, "a group of fields needs a field")
                    .at(group.span, "no field"),
            );
        }
        let own = written.keep.as_ref().and_then(|policy| keep(cx, fields, &policy.value));
        made.groups.push(FieldGroup { fields: members, keep: own.unwrap_or(made.keep) });
    }
    for (name, policy) in profile.fields.iter().flat_map(|fields| &fields.value.0) {
        let field = cx.field(fields, name);
        let policy = keep(cx, fields, &policy.value);
        if let (Some(field), Some(policy)) = (field, policy)
            && once(cx, field, name)
        {
            made.fields.push((field, policy));
        }
    }
    made
}

/// How a record wins.
fn keep(cx: &mut Context<'_>, fields: &[Field], written: &NameOrMap) -> Option<Keep> {
    match (written.name.value.as_str(), &written.argument) {
        ("most_filled", None) => Some(Keep::MostFilled),
        ("importance", None) => Some(Keep::Importance),
        (name @ ("most_recent" | "least_recent"), Some(argument)) => {
            let field = Spanned::<String>::decode(argument, &mut cx.sink)
                .and_then(|field| cx.field(fields, &field))?;
            let untyped = cx.untyped.contains(&fields[field.0].name);
            if !untyped && !matches!(fields[field.0].ty, Type::Date | Type::Datetime | Type::Int) {
                cx.sink.push(
                    Diagnostic::error(
                        Code::IdentityFault,
                        format!("`{name}` needs a date, a datetime or a whole number"),
                    )
                    .at(argument.span, format!("this is {}", fields[field.0].ty.name()))
                    .help("declare the column under `types` of its source"),
                );
            }
            let recent = name == "most_recent";
            Some(if recent { Keep::MostRecent(field) } else { Keep::LeastRecent(field) })
        }
        (name, _) => {
            let (message, label) = match name {
                "most_filled" | "importance" => {
                    (format!("`{name}` takes no field"), "stands alone")
                }
                "most_recent" | "least_recent" => {
                    (format!("`{name}` needs a field"), "of which field?")
                }
                _ => (format!("`{name}` is no way to keep"), "not known"),
            };
            let fault = Diagnostic::error(Code::BadValue, message)
                .at(written.name.span, label)
                .help("most_filled, importance, { most_recent: FIELD } or { least_recent: FIELD }");
            cx.sink.push(fault);
            None
        }
    }
}

/// Ids that profiles share without being merged.
pub fn groupings(cx: &mut Context<'_>, fields: &[Field]) -> Vec<Grouping> {
    let written = cx.written.groupings.as_deref().unwrap_or_default();
    cx.unique("grouping", written.iter().map(|grouping| &grouping.name));
    let mut all = Vec::new();
    for grouping in written {
        super::customers::reserved(cx, &grouping.name);
        if fields.iter().any(|field| field.name == grouping.name.value) {
            cx.sink.push(
                Diagnostic::error(
                    Code::DuplicateName,
                    format!("`{}` is a field already", grouping.name.value),
                )
                .at(grouping.name.span, "names the column of the id"),
            );
        }
        if grouping.link_on.is_empty() {
            cx.sink.push(
                Diagnostic::error(Code::IdentityFault, "a grouping needs a link rule")
                    .at(grouping.name.span, "no rule"),
            );
        }
        let rules = rules(cx, fields, &grouping.link_on, None);
        all.push(Grouping { name: grouping.name.value.clone(), rules });
    }
    all
}

/// What beside the sources must be read before a plan can be made.
#[derive(Debug)]
pub struct Extra {
    /// Its path as written.
    pub path: Spanned<String>,
    /// Whether it may be missing.
    pub allow_missing: bool,
    /// What it is.
    pub kind: ExtraKind,
    written: spec::Source,
    /// What the catalog is asked.
    pub request: crate::plan::catalog::Request,
}

/// What an extra file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtraKind {
    /// The identity output of an earlier run.
    Previous,
    /// Pairs of values that are the same.
    Aliases,
}

impl Extra {
    /// The file as a source.
    pub fn source(
        &self,
        listing: crate::plan::catalog::Listing,
        sink: &mut crate::diagnostics::Sink,
    ) -> Source {
        super::sources::source(&self.written, &self.request, listing, sink)
    }
}

/// Finds the extra files that a pipeline names.
pub fn extras(
    pipeline: &spec::PipelineKeys,
    base: &std::path::Path,
    sink: &mut crate::diagnostics::Sink,
) -> Vec<Extra> {
    let mut all = Vec::new();
    let mut add = |path: &Spanned<String>, allow_missing, kind, sink: &mut _| {
        let name = if kind == ExtraKind::Previous { "identity.previous" } else { "alias" };
        let written = spec::Source::at_path(name, path.clone());
        if let Some(request) = super::sources::request(&written, base, sink) {
            all.push(Extra { path: path.clone(), allow_missing, kind, written, request });
        }
    };
    if let Some(previous) = pipeline.identity.as_ref().and_then(|i| i.previous.as_ref()) {
        let previous = &previous.value;
        add(&previous.path, previous.allow_missing, ExtraKind::Previous, sink);
    }
    for normalizer in pipeline.keys.iter().flatten().flat_map(|key| &key.normalize.value.0) {
        if normalizer.name.value == "alias"
            && let Some(argument) = &normalizer.argument
            // Its faults are reported where the key is read.
            && let Some(file) =
                spec::alias_file(argument, &mut crate::diagnostics::Sink::default())
        {
            add(&file, false, ExtraKind::Aliases, sink);
        }
    }
    all
}

/// The earlier customers, proved to have the columns that are needed.
pub fn previous(cx: &mut Context<'_>, found: Option<Previous>) -> Option<Previous> {
    let written = cx.written.identity.as_ref()?.previous.as_ref()?;
    let found = found?;
    let path = &written.value.path;
    let own = cx.written.outputs.as_ref().and_then(|outputs| outputs.identity.as_ref());
    // Where all files of a run are put, it stands below that address.
    let copied = |own: &Spanned<String>| {
        let all = cx.written.copy_to.as_ref()?.value.trim_end_matches('/');
        Some(format!("{all}/{}", own.value.trim_start_matches("./")))
    };
    let is_there = |own: &Spanned<String>| {
        own.value == path.value || copied(own).as_ref() == Some(&path.value)
    };
    if found.source.is_none() && !own.is_some_and(is_there) {
        cx.sink.push(
            Diagnostic::warning(
                Code::MissingFile,
                "there is no earlier identity table, and this pipeline does not write it there",
            )
            .at(path.span, "all ids will be new")
            .help("is the path right? `outputs.identity` on the same path hands the ids on"),
        );
    }
    if let Some(source) = &found.source
        && let Err(missing) = Previous::columns(source)
    {
        cx.sink.push(
            Diagnostic::error(
                Code::UnknownColumn,
                format!("the earlier identity table has no {}", listed(&missing)),
            )
            .at(written.value.path.span, "this file")
            .help("it needs source (or namespace), id and customer_id, as `outputs.identity` writes them"),
        );
    }
    Some(found)
}
