//! A trial is what it computes, not what it is called: what is there already keeps its name, and its runs.

use std::collections::BTreeMap;
use std::path::Path;

use crate::plan::{Plan, Trial};
use crate::record::{Manifest, Runs};
use crate::spec::counted;

/// `plan` with the names that its trials have in `results` already, where `runs` of its experiment are there. New seeds of a
/// trial go to its others. `tell` hears of names that are not those the plan asks for.
pub(super) fn under_known_names(plan: &Plan, results: &Path, runs: &Runs, tell: impl Fn(String)) -> Plan {
    let mut folders: BTreeMap<(&str, u64), String> = BTreeMap::new();
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    for (run, directory) in runs.manifests.iter().zip(&runs.directories) {
        let Some(folder) = directory.parent().and_then(Path::file_name).map(|it| it.to_string_lossy()) else {
            continue;
        };
        let lies_so = results.join(&plan.experiment).join(&*folder).join(format!("seed-{}", run.seed));
        if *directory == lies_so {
            folders.insert((&run.spec_hash, run.seed), folder.into_owned());
            names.insert(&run.spec_hash, &run.trial);
        }
    }
    let known = |trial: &Trial| -> Option<String> {
        let hash = trial.spec_hash.as_str();
        let of_run = folders.get(&(hash, trial.seed)).cloned();
        // A folder of its own without a readable manifest may still be gone on with.
        of_run.or_else(|| names.get(hash).filter(|_| !trial.directory(results).exists()).map(|name| (*name).to_owned()))
    };
    let mut renamed: Vec<(String, String)> = Vec::new();
    let under_known_name = |trial: &Trial| {
        let id = known(trial).unwrap_or_else(|| trial.id.clone());
        Trial { id, ..trial.clone() }
    };
    let named = Plan {
        experiment: plan.experiment.clone(),
        trials: plan.trials.iter().map(under_known_name).collect(),
        beside: plan.beside.iter().map(under_known_name).collect(),
    };
    for (asked, trial) in plan.trials.iter().zip(&named.trials) {
        let pair = (trial.id.clone(), asked.id.clone());
        if asked.id != trial.id && !renamed.contains(&pair) {
            renamed.push(pair);
        }
    }
    if let Some((there, asked)) = renamed.first() {
        let others = if renamed.len() > 1 { format!(", and {} like it", renamed.len() - 1) } else { String::new() };
        let trials = counted(renamed.len(), "trial");
        tell(format!("{}: {trials} there under another name: {there} (asked for as {asked}){others}", plan.experiment));
    }
    named
}

/// Adds to the manifest of a run that is there already the keys that are swept or overridden only now, so that every table has
/// them in their columns.
pub(super) fn tell_overrides(trial: &Trial, results: &Path, run: &mut Manifest) {
    if run.learn(&trial.overrides) {
        // A disk that is full or not ours leaves the run as it was, and this table still has them.
        let _ = run.write(&trial.directory(results));
    }
}
