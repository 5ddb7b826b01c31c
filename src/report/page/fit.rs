//! How good the fits are, as `runner diagnose` left it.

use maud::{Markup, html};

use super::Report;
use crate::diagnose::Rating;
use crate::quantity::{number, with_error};

/// One verdict after the other, the best trial's first; `None` where no run was diagnosed.
pub(super) fn section(report: &Report, names: &[String]) -> Option<Markup> {
    let groups = report.comparison.groups.iter().enumerate();
    let members = groups.flat_map(|(i, group)| group.members.iter().map(move |&run| (i, &report.runs[run])));
    let found: Vec<_> = members.filter_map(|(i, run)| Some((i, run, run.diagnosis.as_ref()?))).collect();
    (!found.is_empty()).then(|| html! {
        @for (i, run, diagnosis) in found {
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
