//! Where the parts of a plan stand in the pipeline file it was made of.

use std::path::Path;

use crate::diagnostics::{Span, Spanned};
use crate::plan::Plan;
use crate::spec::Pipeline;
use crate::sql::Places;

/// The places of a plan's parts. `pipeline` is what the plan was made of, without a fault.
pub fn of(path: &Path, text: &str, pipeline: &Pipeline, plan: &Plan) -> Places {
    fn spans<'a, T: 'a>(all: Option<&'a Vec<T>>, span: impl Fn(&'a T) -> Span) -> Vec<Span> {
        all.into_iter().flatten().map(span).collect()
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let sources = Some(&pipeline.sources);
    let customers = Some(&pipeline.customers);
    let identity = pipeline.identity.as_ref();
    let consent = pipeline.consent.as_ref();
    let fields = plan.fields.iter().map(|field| {
        let keyed = pipeline.keys.iter().flatten().find(|key| key.field.value == field.name);
        let mapped = pipeline.customers.iter().flat_map(|table| &table.fields.value.0);
        let mapped = mapped.map(|(name, _)| name).find(|name| name.value == field.name);
        keyed.map(|key| key.field.span).or(mapped.map(|name| name.span)).unwrap_or_default()
    });
    let exceptions = identity.and_then(|identity| {
        let fields = identity.unless_different.iter().flatten().map(|field| field.span);
        let pairs = identity.never.iter().flatten().map(|pairs| pairs.source.span);
        fields.chain(pairs).next()
    });
    let pairs = identity.and_then(|identity| {
        identity.always.iter().flatten().map(|pairs| pairs.source.span).next()
    });
    let previous = identity.and_then(|identity| identity.previous.as_ref());
    let profile = pipeline.profile.as_ref();
    let kept = profile.and_then(|profile| profile.keep.as_ref().map(|keep| keep.span));
    let grouped =
        profile.and_then(|profile| profile.groups.iter().flatten().map(|group| group.span).next());
    let own = profile.and_then(|profile| profile.fields.as_ref().map(|fields| fields.span));
    let outputs = pipeline.outputs.as_ref();
    let output = |of: fn(&crate::spec::Outputs) -> &Option<Spanned<String>>| {
        outputs.and_then(|outputs| of(outputs).as_ref()).map(|path| path.span).unwrap_or_default()
    };
    Places {
        file: name.unwrap_or_default(),
        text: text.to_owned(),
        sources: spans(sources, |source| source.name.span),
        fields: fields.collect(),
        tables: spans(customers, |table| table.source.span),
        rules: spans(identity.and_then(|identity| identity.link_on.as_ref()), |rule| rule.span),
        exceptions: exceptions.unwrap_or_default(),
        pairs: pairs.unwrap_or_default(),
        previous: previous.map(|previous| previous.span).unwrap_or_default(),
        profile: kept.or(grouped).or(own).unwrap_or_default(),
        groupings: spans(pipeline.groupings.as_ref(), |grouping| grouping.name.span),
        purposes: spans(consent.map(|consent| &consent.purposes), |purpose| purpose.name.span),
        consent: spans(consent.and_then(|consent| consent.tables.as_ref()), |table| {
            table.source.span
        }),
        suppress: spans(consent.and_then(|consent| consent.suppress.as_ref()), |list| {
            list.source.span
        }),
        segments: spans(pipeline.segments.as_ref(), |segment| segment.name.span),
        wheres: spans(pipeline.segments.as_ref(), |segment| {
            segment.rule.as_ref().map(|rule| rule.span).unwrap_or_default()
        }),
        exports: spans(pipeline.exports.as_ref(), |export| export.segment.span),
        copy_to: pipeline.copy_to.as_ref().map(|at| at.span).unwrap_or_default(),
        measures: spans(pipeline.measures.as_ref(), |measure| measure.name.span),
        outputs: vec![
            output(|outputs| &outputs.profiles),
            output(|outputs| &outputs.identity),
            output(|outputs| &outputs.quarantine),
            output(|outputs| &outputs.segments),
            output(|outputs| &outputs.provenance),
            output(|outputs| &outputs.shared_keys),
            output(|outputs| &outputs.conflicts),
            output(|outputs| &outputs.memberships),
        ],
    }
}
