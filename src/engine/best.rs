//! The pictures of an experiment of many runs, which draw none of their own: those of the best trial.

use std::path::Path;

use super::datasets::Datasets;
use super::growing::{EndedRuns, score};
use crate::plan::{Plan, Trial};
use crate::record::read_runs;
use crate::spec::{Pictures, Score};
use crate::train::Status;
use crate::trial::draw_saved;

/// Draws the first seed of the best trial of `plan` where that alone is drawn and every run has ended. The best is, of the trials
/// whose seeds have all finished, the one with the smallest mean of `metric`. `tell` hears of what keeps it from being drawn.
pub(super) fn draw_best(plan: &Plan, metric: Score, results: &Path, datasets: &Datasets, tell: impl Fn(String)) {
    if plan.trials.iter().any(|trial| trial.pictures != Pictures::Best) {
        return;
    }
    let runs = read_runs(&results.join(&plan.experiment)).manifests;
    let rows: EndedRuns = runs.into_iter().map(|run| ((run.spec_hash.clone(), run.seed), run)).collect();
    let has_ended = |trial: &Trial| {
        let run = rows.get(&(trial.spec_hash.clone(), trial.seed));
        run.is_some_and(|run| !matches!(run.status, Status::Running | Status::Interrupted))
    };
    if !plan.trials.iter().all(has_ended) {
        return;
    }
    let trials = plan.trials.chunk_by(|one, next| one.spec_hash == next.spec_hash);
    let scored = trials.filter_map(|seeds| {
        let score = score(&seeds.iter().collect::<Vec<_>>(), &rows, metric)??;
        Some((score, &seeds[0]))
    });
    let Some((_, best)) = scored.min_by(|(one, _), (other, _)| one.total_cmp(other)) else { return };
    let drawn = datasets.of(&best.spec).map_err(Into::into).and_then(|dataset| draw_saved(best, &dataset, results));
    if let Err(error) = drawn {
        tell(format!("warning: {} seed {}: no pictures of the best trial: {error}", best.id, best.seed));
    }
}

/// The same for a plan with all that the experiment runs; one that a search made grow is drawn by whoever knows its end.
pub fn draw_best_of_stored(plan: &Plan, results: &Path, datasets: &Datasets, tell: impl Fn(String)) {
    if plan.trials.iter().all(|trial| trial.round.is_none()) {
        draw_best(plan, Score::ValidationNll, results, datasets, tell);
    }
}
