//! How good the fits are, as `runner diagnose` left it.

use maud::{Markup, PreEscaped, html};

use super::Report;
use crate::diagnose::{CORRECTED, Calibration, Diagnosis, StrangeRow};
use crate::quantity::{number, with_error};
use crate::report::ReportError;
use crate::report::charts::calibration_figure;

/// One verdict after the other, the best trial's first; `None` where no run was diagnosed.
///
/// # Errors
/// Where a picture cannot be drawn.
pub(super) fn section(report: &Report, names: &[String]) -> Result<Option<Markup>, ReportError> {
    let groups = report.comparison.groups.iter().enumerate();
    let members = groups.flat_map(|(i, group)| group.members.iter().map(move |&run| (i, &report.runs[run])));
    let found: Vec<_> = members.filter_map(|(i, run)| Some((i, run, run.diagnosis.as_ref()?))).collect();
    let pictures = found.iter().map(|(.., diagnosis)| diagnosis.calibration.as_ref().map(picture).transpose());
    let pictures = pictures.collect::<Result<Vec<_>, _>>()?;
    Ok((!found.is_empty()).then(|| html! {
        @for ((i, run, diagnosis), picture) in found.into_iter().zip(&pictures) {
            h3 { "#" (i + 1) " · " (names[i]) " · seed " (run.manifest.seed) }
            p { strong { (diagnosis.verdict.conclusion) } }
            div.scroll tabindex="0" role="region" aria-label="Table of evidence" {
                table {
                    caption {
                        "Of " (diagnosis.rows) " test rows. Test NLL of the flow: "
                        (with_error(diagnosis.baselines.flow, diagnosis.baselines.flow_error)) " nats"
                        @for other in &diagnosis.baselines.chosen {
                            "; of " (other.name()) ": " (number(other.nll)) " nats"
                        }
                        ". " (CORRECTED)
                    }
                    thead { tr { th scope="col" { "looked at" } th scope="col" { "verdict" } th scope="col" { "found" } } }
                    tbody { @for finding in &diagnosis.verdict.findings { tr {
                        td { (finding.about) }
                        td { (finding.rating.name()) }
                        td { (finding.evidence) }
                    } } }
                }
            }
            @if let Some(picture) = picture { (picture) }
            (strange(diagnosis))
        }
    }))
}

/// The test rows of the lowest density.
fn strange(it: &Diagnosis) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table of the test rows of the lowest density" {
            table {
                caption { "The test rows of the lowest density, the lowest first; values in data units." }
                thead { tr { @for head in StrangeRow::heads(&it.strange, &it.columns) { th.number scope="col" { (head) } } } }
                tbody { @for row in &it.strange { tr {
                    @for cell in row.cells(it.columns.len()) { td.number { (cell) } }
                } } }
            }
        }
    }
}

/// The calibration of a conditional flow.
fn picture(calibration: &Calibration) -> Result<Markup, ReportError> {
    let figure = calibration_figure("", calibration)?;
    Ok(html! {
        figure.chart {
            div role="img" aria-label=(figure.description) { (PreEscaped(figure.svg()?)) }
            figcaption {
                (calibration.draws) " samples at the context of each of " (calibration.rows) " test rows: the rank of the row's \
                value among them, and how often regions that hold a share of the samples hold the row. Grey: chance."
            }
        }
    })
}
