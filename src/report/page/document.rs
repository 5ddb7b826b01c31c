//! The frame of the page: its head, its policy, its sections.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::Report;
use crate::report::charts::{Chart, importance_figure};
use crate::report::{Explained, ReportError};

/// Draws the curves; see `uplot/README.md` for where it is from.
const UPLOT: &str = include_str!("uplot/uPlot.iife.min.js");
const UPLOT_STYLE: &str = include_str!("uplot/uPlot.min.css");
const UPLOT_LICENCE: &str = include_str!("uplot/LICENSE");
const SCRIPT: &str = include_str!("page.js");
const STYLE: &str = include_str!("page.css");

/// One part of the page.
pub(super) struct Section {
    id: &'static str,
    head: &'static str,
    body: Markup,
}

/// A section with a head, where there is something in it.
pub(super) fn section(id: &'static str, head: &'static str, body: Option<Markup>) -> Option<Section> {
    body.map(|body| Section { id, head, body })
}

/// The whole document; `data`: what the script reads.
pub(super) fn page(report: &Report, summary: Markup, sections: &[&Section], data: &serde_json::Value) -> String {
    let style = format!("{UPLOT_STYLE}\n{STYLE}");
    let script = format!("/* uPlot\n{UPLOT_LICENCE}*/\n{UPLOT}\n{SCRIPT}");
    // No text in JSON can end the element it stands in.
    let data = data.to_string().replace('<', "\\u003c");
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy(&style, &script));
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content=(concat!("runner ", env!("CARGO_PKG_VERSION")));
                title { (report.title) " · report" }
                style { (PreEscaped(&style)) }
            }
            body {
                a.skip href="#results" { "To the results" }
                header {
                    h1 { (report.title) }
                    (summary)
                    nav aria-label="Sections" {
                        ul { @for section in sections { li { a href={ "#" (section.id) } { (section.head) } } } }
                    }
                }
                main {
                    @for section in sections {
                        section id=(section.id) aria-labelledby={ (section.id) "-head" } {
                            h2 id={ (section.id) "-head" } { (section.head) }
                            (section.body)
                        }
                    }
                }
                footer {
                    p { "Made " time datetime=(report.made) { (report.made) } " by runner " (env!("CARGO_PKG_VERSION"))
                        " from the results folder. Curves are drawn by uPlot (MIT licence)." }
                }
                script type="application/json" id="data" { (PreEscaped(data)) }
                script { (PreEscaped(&script)) }
            }
        }
    };
    markup.into_string()
}

/// Lets the page's own style and script run, shows the pictures in it, and asks nobody for anything.
fn policy(style: &str, script: &str) -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; img-src data:; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(style),
        hash(script)
    )
}

/// A chart with a frame of `size`, as a figure that the page's style colours.
pub(super) fn figure(chart: &Chart, size: [f64; 2]) -> Result<Markup, ReportError> {
    let label = chart.description();
    Ok(html! { figure.chart role="img" aria-label=(label) { (PreEscaped(chart.svg(size)?)) } })
}

/// What explains the metric, with what the reader must know of it.
pub(super) fn importance(explained: &Explained) -> Result<Markup, ReportError> {
    let figure = importance_figure("", explained)?;
    let sentence = |note: &String| {
        let mut letters = note.chars();
        let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
        format!("{first}{}. ", letters.as_str())
    };
    Ok(html! {
        figure.chart #importance {
            div role="img" aria-label=(figure.description) { (PreEscaped(figure.svg()?)) }
            figcaption { @for note in &explained.notes() { (sentence(note)) } }
        }
    })
}

/// Bytes as an address that stands for them.
pub(super) fn data_uri(kind: &str, bytes: &[u8]) -> String {
    format!("data:{kind};base64,{}", STANDARD.encode(bytes))
}
