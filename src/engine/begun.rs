//! Which experiments go on with the defaults of an earlier release: those that have runs of what their specs meant then. Told from the
//! runs themselves, so that it holds whatever has become of `plan.json`, and from that, for runs that are still queued.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::known_names::under_known_names;
use crate::plan::{Plan, prepare};
use crate::record::read_runs;
use crate::spec::{Defaults, Overrides};

/// The names of those experiments of `specs` that have runs in `results` of what they were with the defaults of the first release, and
/// none of what they are today.
pub fn begun_with_earlier_defaults(specs: &[PathBuf], overrides: &Overrides, results: &Path) -> BTreeSet<String> {
    // A spec that is wrong with these defaults has no runs with them.
    let with = |spec: &PathBuf, defaults: Defaults| {
        prepare(std::slice::from_ref(spec), overrides.clone(), |_| defaults).ok().and_then(|mut planned| planned.pop())
    };
    let has_run = |plan: &Plan| has_run(plan, results);
    let begun = |spec: &PathBuf| {
        let (experiment, plan) = with(spec, Defaults::First)?;
        let then = !experiment.earlier_defaults().is_empty() && has_run(&plan);
        let only_then = then && !with(spec, Defaults::Today).is_some_and(|(_, plan)| has_run(&plan));
        only_then.then_some(experiment.spec.name)
    };
    specs.iter().filter_map(begun).collect()
}

/// Whether any trial of `plan` has a run in `results`.
fn has_run(plan: &Plan, results: &Path) -> bool {
    let folder = results.join(&plan.experiment);
    if !folder.is_dir() {
        return false;
    }
    let runs = read_runs(&folder);
    let known = under_known_names(plan, results, &runs, |_| {});
    let hashes: BTreeSet<&str> = known.trials.iter().map(|trial| trial.spec_hash.as_str()).collect();
    let stored = std::fs::read_to_string(folder.join("plan.json")).ok().and_then(|text| Plan::from_json(&text).ok());
    let planned = stored.iter().flat_map(|plan| &plan.trials).map(|trial| &trial.spec_hash);
    runs.manifests.iter().map(|run| &run.spec_hash).chain(planned).any(|hash| hashes.contains(hash.as_str()))
}
