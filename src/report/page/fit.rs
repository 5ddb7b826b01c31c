//! How good the fits are, as `runner diagnose` left it.

use maud::{Markup, PreEscaped, html};

use super::Report;
use crate::diagnose::{Calibration, Rating};
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
                        "."
                    }
                    thead { tr { th scope="col" { "looked at" } th scope="col" { "verdict" } th scope="col" { "found" } } }
                    tbody { @for finding in &diagnosis.verdict.findings { tr {
                        td { (finding.about) }
                        td { (word(finding.rating)) }
                        td { (finding.evidence) }
                    } } }
                }
            }
            @if let Some(picture) = picture { (picture) }
        }
    }))
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

fn word(rating: Rating) -> &'static str {
    match rating {
        Rating::Good => "good",
        Rating::Small => "small difference",
        Rating::Bad => "bad",
    }
}
