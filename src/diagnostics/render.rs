//! The one renderer: a fault as text, with the lines of the pipeline file it speaks of.

use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::{Diagnostic, Severity, Site, veil};

/// How text is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without colours: pipes and files.
    Plain,
    /// With colours: terminals.
    Coloured,
}

/// One fault as text. `path` and `source` are the pipeline file's; values under `never` are not shown.
#[must_use]
pub fn render(fault: &Diagnostic, path: &str, source: &str, style: Style) -> String {
    render_veiled(fault, path, &veil(source), style)
}

fn render_veiled(fault: &Diagnostic, path: &str, source: &str, style: Style) -> String {
    let level = match fault.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = level
        .primary_title(fault.message.as_str())
        .id(fault.code.name())
        .elements(Vec::<annotate_snippets::Element<'_>>::new());
    let in_range = |end: usize| end <= source.len();
    let labels: Vec<_> = fault.labels.iter().filter(|label| in_range(label.span.end)).collect();
    if !labels.is_empty() {
        let mut snippet = Snippet::source(source).path(path);
        for (position, label) in labels.iter().enumerate() {
            let kind =
                if position == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            snippet =
                snippet.annotation(kind.span(label.span.start..label.span.end).label(&label.text));
        }
        group = group.element(snippet);
    }
    let site = fault.site.as_ref().map(site_text);
    if let Some(site) = &site {
        group = group.element(Level::NOTE.message(site.as_str()));
    }
    if let Some(help) = &fault.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled(),
    };
    let mut text = renderer.render(&[group]);
    text.push('\n');
    text
}

/// All faults, a blank line between them.
#[must_use]
pub fn render_all(faults: &[Diagnostic], path: &str, source: &str, style: Style) -> String {
    let source = veil(source);
    let texts: Vec<_> =
        faults.iter().map(|fault| render_veiled(fault, path, &source, style)).collect();
    texts.join("\n")
}

fn site_text(site: &Site) -> String {
    let mut text = format!("in {}", site.file.display());
    match site.row {
        Some(0) => text.push_str(", header"),
        Some(row) => {
            let _ = write!(text, ", record {row}");
        }
        None => {}
    }
    if let Some(line) = site.line {
        let _ = write!(text, ", line {line}");
    }
    if let Some(column) = &site.column {
        let _ = write!(text, ", column `{column}`");
    }
    text
}
