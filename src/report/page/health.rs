//! Whether to trust the numbers: how training went, and what did not finish.

use maud::{Markup, html};

use super::{Report, Run};
use crate::train::{Metrics, Status};

/// A number of one row of a curve, where it has it.
type Watched = fn(&Metrics) -> Option<f64>;

/// What is watched: its head, and its values along a run; the largest counts.
const WATCHED: [(&str, Watched); 3] = [
    ("largest error of the inverse", |row| row.inverse_error),
    ("largest |s|", |row| row.scale_max),
    ("largest gradient norm", |row| row.gradient_norm),
];

/// The worst of all seeds of each trial; `None` where nothing was watched.
pub(super) fn table(report: &Report, names: &[String]) -> Option<Markup> {
    let worst = |members: &[usize], get: Watched| {
        let values = members.iter().flat_map(|&run| &report.runs[run].curve).filter_map(get);
        // Not a number is worse than any number.
        values.fold(None, |worst: Option<f64>, value| match worst {
            Some(worst) if worst.is_nan() || worst >= value => Some(worst),
            _ => Some(value),
        })
    };
    let groups = &report.comparison.groups;
    let rows: Vec<_> = groups
        .iter()
        .enumerate()
        .map(|(i, group)| {
            let runs = || group.members.iter().map(|&run| &report.runs[run].manifest);
            let summaries = runs().filter_map(|run| run.summary.as_ref());
            let faults: Vec<&str> = summaries
                .flat_map(|summary| [&summary.bug, &summary.doubt])
                .filter_map(|fault| fault.as_deref())
                .collect();
            (
                i,
                WATCHED.map(|(_, get)| worst(&group.members, get)),
                runs().map(|run| run.resumes).sum::<usize>(),
                faults,
            )
        })
        .collect();
    if rows
        .iter()
        .all(|(_, values, resumes, faults)| values.iter().all(Option::is_none) && *resumes == 0 && faults.is_empty())
    {
        return None;
    }
    let faults = rows.iter().any(|(.., faults)| !faults.is_empty());
    Some(html! {
        details open[rows.len() <= 12] {
            summary { "The worst of all seeds, for each trial" }
            div.scroll tabindex="0" role="region" aria-label="Table of health" {
                table.sortable {
                    caption {
                        "The inverse is measured in model space over validation rows, the gradient before clipping. "
                        "Resumes: how often runs went on from a checkpoint."
                    }
                    thead { tr {
                        th scope="col" { "#" }
                        th scope="col" { "trial" }
                        @for (head, _) in WATCHED { th.number scope="col" { (head) } }
                        th.number scope="col" { "resumes" }
                        @if faults { th scope="col" { "doubts" } }
                    } }
                    tbody { @for (i, values, resumes, found) in &rows { tr {
                        td.number data-value=(i) { (i + 1) }
                        td.name { (names[*i]) }
                        @for value in values {
                            @match value {
                                Some(value) => td.number data-value=(value) { (digits(*value)) },
                                None => td.number {},
                            }
                        }
                        td.number data-value=(resumes) { (resumes) }
                        @if faults { td { (found.join("; ")) } }
                    } } }
                }
            }
        }
    })
}

/// Three digits of a number of any size.
fn digits(value: f64) -> String {
    if value == 0.0 || (1e-2..1e4).contains(&value.abs()) { format!("{value:.3}") } else { format!("{value:.2e}") }
}

/// Every run that has not finished, with its reason.
pub(super) fn failures(report: &Report) -> Option<Markup> {
    let runs: Vec<&Run> = report.runs.iter().filter(|run| run.manifest.status != Status::Finished).collect();
    let step = |run: &Run| run.curve.last().map(|row| row.step).or(run.manifest.summary.as_ref().map(|it| it.steps));
    (!runs.is_empty()).then(|| {
        html! {
            div.scroll tabindex="0" role="region" aria-label="Runs that did not finish" {
                table.sortable {
                    thead { tr {
                        th scope="col" { "trial" } th.number scope="col" { "seed" } th scope="col" { "status" }
                        th.number scope="col" { "step" } th scope="col" { "reason" }
                    } }
                    tbody { @for run in runs { tr {
                        td.name { (run.manifest.trial) }
                        td.number data-value=(run.manifest.seed) { (run.manifest.seed) }
                        td { (run.manifest.status.as_str()) }
                        @match step(run) {
                            Some(step) => td.number data-value=(step) { (step) },
                            None => td.number {},
                        }
                        td { (run.manifest.reason.as_deref().unwrap_or_default()) }
                    } } }
                }
            }
        }
    })
}
