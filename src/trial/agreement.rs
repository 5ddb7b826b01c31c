//! Whether the files of a run are still those of one run.

use crate::plan::{as_written, settings_hash};
use crate::record::Manifest;
use crate::spec::Spec;
use crate::train::Origin;

/// Which file of a run's folder is not what the others say, and how to mend that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Disagreement {
    #[error(
        "spec.toml is not the spec that was trained; put back what it was (the experiment's plan.json has it), or train what it \
         says now as a run of its own: `runner SPEC --results FOLDER` with this file as SPEC"
    )]
    Spec,
    #[error(
        "manifest.json is not that of the run in spec.toml and checkpoints/best.safetensors; put it back from a copy, or delete \
         the run's folder and run the same command to train it again"
    )]
    Manifest,
    #[error(
        "checkpoints/best.safetensors is that of another run; put this run's own file back, or delete the run's folder and run the \
         same command to train it again"
    )]
    Checkpoint,
    #[error(
        "spec.toml and manifest.json are not of one run: one of them was changed after training; put it back from a copy (the \
         experiment's plan.json has the spec), or delete the run's folder and run the same command to train it again"
    )]
    SpecOrManifest,
}

/// Checks that spec, manifest and checkpoint belong to one run. Checkpoints of the first layout do not say whose they are.
///
/// # Errors
/// Which of them is not: the one that two others speak against, if there is one.
pub(super) fn agree(spec: &Spec, manifest: &Manifest, checkpoint: Option<&Origin>) -> Result<(), Disagreement> {
    let Some(checkpoint) = checkpoint else {
        let same = spec.seeds == [manifest.seed] && as_written(spec, &manifest.spec_hash).is_some();
        return same.then_some(()).ok_or(Disagreement::SpecOrManifest);
    };
    let of_spec = spec.seeds == [checkpoint.seed] && settings_hash(spec) == checkpoint.settings_hash;
    let of_manifest = manifest.seed == checkpoint.seed && manifest.spec_hash == checkpoint.spec_hash;
    match (of_spec, of_manifest) {
        (true, true) => Ok(()),
        (false, true) => Err(Disagreement::Spec),
        (true, false) => Err(Disagreement::Manifest),
        (false, false) => Err(Disagreement::Checkpoint),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Trial, spec_hash};
    use crate::spec::Overrides;
    use crate::spec::tests::Folder;

    fn trial(text: &str) -> Trial {
        let mut plan = Folder::with(text).plan(Overrides::default()).expect("a plan");
        plan.trials.remove(0)
    }

    fn manifest(trial: &Trial) -> Manifest {
        Manifest::new(trial, false, "")
    }

    const MOONS: &str = "[dataset]\nname = \"moons\"\n";

    #[test]
    fn the_file_that_the_others_speak_against_is_named() {
        let run = trial(&format!("seeds = [3]\n{MOONS}"));
        let deeper = trial(&format!("seeds = [3]\n{MOONS}[model]\ndepth = 7\n"));
        let reseeded = trial(&format!("seeds = [4]\n{MOONS}"));
        let origin = |trial: &Trial| Origin::of(&trial.spec, trial.seed);
        for other in [&deeper, &reseeded] {
            let cases = [
                (&run, &run, &run, Ok(())),
                (other, &run, &run, Err(Disagreement::Spec)),
                (&run, other, &run, Err(Disagreement::Manifest)),
                (&run, &run, other, Err(Disagreement::Checkpoint)),
            ];
            for (spec, of_manifest, of_checkpoint, expected) in cases {
                assert_eq!(agree(&spec.spec, &manifest(of_manifest), Some(&origin(of_checkpoint))), expected);
            }
            assert_eq!(agree(&run.spec, &manifest(&run), None), Ok(()));
            assert_eq!(agree(&other.spec, &manifest(&run), None), Err(Disagreement::SpecOrManifest));
        }
    }

    #[test]
    fn a_data_file_may_be_named_by_its_absolute_path_or_as_the_spec_had_it() {
        for path in ["data.csv", "./data.csv"] {
            let run = trial(&format!("[dataset]\npath = \"{path}\"\n"));
            let stored: Spec = toml::from_str(&run.spec.to_toml()).expect("a spec");
            assert_ne!(spec_hash(&stored), run.spec_hash, "absolute now");
            let origin = Origin::of(&run.spec, run.seed);
            for origin in [None, Some(&origin)] {
                assert_eq!(agree(&stored, &manifest(&run), origin), Ok(()), "{path}");
            }
        }
    }
}
