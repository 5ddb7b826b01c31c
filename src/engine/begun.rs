//! Which experiments go on with the defaults of an earlier release: those whose runs have them. Told from the runs themselves, so
//! that it holds whatever has become of `plan.json`, and for trials that are new to an experiment.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::record::read_runs;
use crate::spec::{Defaults, Overrides, ResolvedExperiment, load_each};
use crate::trial::SPEC;

/// The names of those experiments of `specs` that have runs in `results` with the defaults of the first release, where their specs
/// leave keys out, and none with those of today.
pub fn begun_with_earlier_defaults(specs: &[PathBuf], overrides: &Overrides, results: &Path) -> BTreeSet<String> {
    let begun = |spec: &PathBuf| {
        // What is wrong with these defaults has no runs with them.
        let experiment = load_each(std::slice::from_ref(spec), overrides.clone(), |_| Defaults::First).0.pop()?;
        let found = defaults_there(&experiment, &results.join(&experiment.spec.name));
        (found.contains(&Some(Defaults::First)) && !found.contains(&Some(Defaults::Today)))
            .then_some(experiment.spec.name)
    };
    specs.iter().filter_map(begun).collect()
}

/// What the runs in `folder` have.
fn defaults_there(experiment: &ResolvedExperiment, folder: &Path) -> Vec<Option<Defaults>> {
    if experiment.earlier_defaults().is_empty() || !folder.is_dir() {
        return Vec::new();
    }
    let spec = |run: &PathBuf| std::fs::read_to_string(run.join(SPEC)).ok()?.parse().ok();
    read_runs(folder).directories.iter().filter_map(spec).map(|run| experiment.defaults_of(run)).collect()
}
