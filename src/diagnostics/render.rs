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

/// How many faults are told: more fill many screens, and often have one cause.
const TOLD: usize = 50;

/// The first faults, a blank line between them, and how many there are beside them.
#[must_use]
pub fn render_all(faults: &[Diagnostic], path: &str, source: &str, style: Style) -> String {
    let source = veil(source);
    let (told, more) = faults.split_at(faults.len().min(TOLD));
    let mut texts: Vec<_> =
        told.iter().map(|fault| render_veiled(fault, path, &source, style)).collect();
    if !more.is_empty() {
        texts.push(format!("and {} more; `--json` tells all\n", more.len()));
    }
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

#[cfg(test)]
mod tests {
    use super::{Style, render_all};
    use crate::diagnostics::{Code, Diagnostic};

    #[test]
    fn many_faults_are_told_in_part_and_counted() {
        let faults: Vec<_> =
            (0..300).map(|n| Diagnostic::error(Code::RuleType, format!("fault {n}."))).collect();
        let text = render_all(&faults, "p.yaml", "", Style::Plain);
        assert!(text.contains("fault 49.") && !text.contains("fault 50."), "{text}");
        assert!(text.ends_with("and 250 more; `--json` tells all\n"), "{text}");
        let text = render_all(&faults[..50], "p.yaml", "", Style::Plain);
        assert!(text.contains("fault 49.") && !text.contains("more"), "{text}");
    }
}
