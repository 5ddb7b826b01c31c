//! The `spec.toml` in the folder of a run, run in place: the run itself, not a new trial.

use std::path::Path;

use crate::plan::{Plan, Trial, as_written};
use crate::record::Manifest;
use crate::trial::SPEC;

/// `plan`, made from the spec file `path`. Where that lies in a run's folder of the plan's own experiment in `results`, the
/// stored plan stays, and the run is the one that is there.
pub fn where_it_lies(plan: Plan, path: &Path, results: &Path) -> Plan {
    let experiment = results.join(&plan.experiment);
    let (Ok(spec), Ok(home)) = (path.canonicalize(), experiment.canonicalize()) else { return plan };
    let Some(run) = spec.parent().filter(|run| run.parent().and_then(Path::parent) == Some(&home)) else { return plan };
    if spec.file_name().is_none_or(|name| name != SPEC) {
        return plan;
    }
    let stored = std::fs::read_to_string(experiment.join("plan.json")).ok();
    let stored = stored.and_then(|text| Plan::from_json(&text).ok());
    let (beside, told) = stored.map(|plan| (plan.trials, plan.told)).unwrap_or_default();
    let trials = plan.trials.iter().map(|trial| as_it_was(trial, run).unwrap_or_else(|| trial.clone())).collect();
    Plan { beside, trials, told, ..plan }
}

/// The trial whose run lies in the folder `run`, if `trial` is that.
fn as_it_was(trial: &Trial, run: &Path) -> Option<Trial> {
    let manifest = Manifest::read(run).ok().filter(|manifest| manifest.seed == trial.seed)?;
    let spec = as_written(&trial.spec, &manifest.spec_hash)?;
    let id = run.parent()?.file_name()?.to_str()?.to_owned();
    Some(Trial { id, spec, spec_hash: manifest.spec_hash, overrides: manifest.overrides, ..trial.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::spec_hash;
    use crate::spec::tests::Folder;
    use crate::spec::{Overrides, Spec};

    #[test]
    fn the_paths_of_a_resolved_spec_are_found_again_as_they_were_written() {
        let files = ["data.csv", "./data.csv", "sub/../data.csv"];
        for file in files {
            let folder = Folder::with(format!("[dataset]\npath = \"{file}\"\ntest = \"data.csv\"\n"));
            std::fs::create_dir(folder.path("sub")).expect("made");
            let trial = folder.plan(Overrides::default()).expect("a plan").trials.remove(0);
            let resolved: Spec = toml::from_str(&trial.spec.to_toml()).expect("a spec");
            assert_ne!(spec_hash(&resolved), trial.spec_hash, "{file}");
            let found = as_written(&resolved, &trial.spec_hash);
            if file.starts_with("./") {
                // One of the two begins with a dot and the other does not: beyond what is looked for.
                assert!(found.is_none());
                continue;
            }
            let found = found.expect(file);
            assert_eq!(found.dataset.files(), trial.spec.dataset.files());
            assert_eq!(found.to_toml(), trial.spec.to_toml());
        }
    }

    #[test]
    fn an_edited_spec_is_not_taken_for_the_run() {
        let folder = Folder::with("[dataset]\npath = \"data.csv\"\n");
        let trial = folder.plan(Overrides::default()).expect("a plan").trials.remove(0);
        let mut resolved: Spec = toml::from_str(&trial.spec.to_toml()).expect("a spec");
        resolved.model.depth += 2;
        assert!(as_written(&resolved, &trial.spec_hash).is_none());
    }
}
