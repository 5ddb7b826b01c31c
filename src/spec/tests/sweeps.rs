//! Sweeps as users write them.

use super::{Folder, plan};
use crate::plan::Plan;
use crate::spec::{Overrides, keys};

const MOONS: &str = "[dataset]\nname = \"moons\"\n";

fn planned(text: &str) -> Plan {
    plan(&format!("{MOONS}{text}")).unwrap_or_else(|problems| panic!("{problems}"))
}

fn shapes(plan: &Plan) -> Vec<(usize, usize)> {
    plan.trials.iter().map(|trial| (trial.spec.model.depth, trial.spec.model.width)).collect()
}

#[test]
fn a_grid_holds_every_combination_and_the_last_key_changes_fastest() {
    let plan =
        planned("[sweep.parameters]\n\"model.depth\" = [4, 8]\n\"model.width\" = { min = 32, max = 96, step = 32 }\n");
    assert_eq!(shapes(&plan), [(4, 32), (4, 64), (4, 96), (8, 32), (8, 64), (8, 96)]);
}

#[test]
fn paired_keys_move_together_and_unquoted_keys_mean_the_same() {
    let plan = planned("[sweep.parameters]\n\"model.depth, model.width\" = [[4, 64], [8, 128]]\n");
    assert_eq!(shapes(&plan), [(4, 64), (8, 128)]);
    let plan = planned("[sweep.parameters]\nmodel.depth = [4, 8]\nmodel.width = [16]\n");
    assert_eq!(shapes(&plan), [(4, 16), (8, 16)]);
}

#[test]
fn random_and_sobol_points_repeat_themselves_and_grow_without_changing() {
    for method in ["random", "sobol"] {
        let text = |trials: usize, seed: u64| {
            format!(
                "[sweep]\nmethod = \"{method}\"\ntrials = {trials}\nseed = {seed}\n[sweep.parameters]\n\
                 \"optimizer.learning_rate\" = {{ min = 1e-4, max = 1e-2, scale = \"log\" }}\n\
                 \"model.depth\" = {{ min = 2, max = 9 }}\n\"model.mask\" = [\"half\", \"random\"]\n"
            )
        };
        let ids = |plan: &Plan| plan.trials.iter().map(|trial| trial.id.clone()).collect::<Vec<_>>();
        let (short, long) = (planned(&text(10, 1)), planned(&text(40, 1)));
        assert_eq!(ids(&short), ids(&long)[..10], "{method}");
        assert_ne!(ids(&short), ids(&planned(&text(10, 2))), "{method}: the seed counts");
        for trial in &long.trials {
            assert!((1e-4..=1e-2).contains(&trial.spec.optimizer.learning_rate));
            assert!((2..=9).contains(&trial.spec.model.depth));
        }
        let below = long.trials.iter().filter(|trial| trial.spec.optimizer.learning_rate < 1e-3).count();
        assert!((12..=28).contains(&below), "{method}: {below} of 40 below the middle");
    }
}

#[test]
fn random_draws_from_short_lists_are_all_different() {
    let plan = planned(
        "[sweep]\nmethod = \"random\"\ntrials = 12\n[sweep.parameters]\n\"model.depth\" = [1, 2, 3, 4]\n\"model.width\" = [8, 16, 32]\n",
    );
    let mut shapes = shapes(&plan);
    shapes.sort_unstable();
    shapes.dedup();
    assert_eq!(shapes.len(), 12);
}

#[test]
fn a_whole_variant_can_be_swept_and_shared_keys_reach_the_trials_that_use_them() {
    let plan = planned(
        "[optimizer]\nbetas = [0.5, 0.9]\nmomentum = 0.3\n[sweep.parameters]\n\"optimizer.name\" = [\"adam\", \"sgd\"]\n\"optimizer.schedule\" = [\"constant\", \"cosine\"]\n",
    );
    let found: Vec<_> = plan.trials.iter().map(|t| (t.spec.optimizer.betas, t.spec.optimizer.momentum)).collect();
    assert_eq!(found, [(Some([0.5, 0.9]), None), (Some([0.5, 0.9]), None), (None, Some(0.3)), (None, Some(0.3))]);
    assert!(plan.trials[0].id.starts_with("optimizer.name=adam,schedule.name=constant-"), "{}", plan.trials[0].id);
}

#[test]
fn the_dataset_itself_can_be_swept() {
    let plan = plan("[sweep.parameters]\n\"dataset.name\" = [\"moons\", \"checkerboard\"]\n").expect("two toys");
    assert_eq!(plan.trials.len(), 2);
    assert!(plan.trials[1].spec.dataset.parameters.is_empty());
}

#[test]
fn overrides_reach_into_sweeps_and_may_not_be_swept_away() {
    let folder = Folder::with(format!("{MOONS}[sweep.parameters]\n\"model.depth\" = [4, 8]\n"));
    let plan = folder.plan(Overrides::default().set("sweep.parameters.\"model.depth\"=[1,2,3]")).expect("three");
    assert_eq!(plan.trials.len(), 3);
    let problems = folder.plan(Overrides::default().set("model.depth=5")).expect_err("swept");
    assert!(
        problems.to_string().contains("--set:1:7") && problems.to_string().contains("the spec sweeps it"),
        "{problems}"
    );
}

#[test]
fn swept_keys_that_resolve_to_the_same_trial_are_refused() {
    let text = "[training]\nsteps = 100\n[sweep.parameters]\n\"optimizer.weight_decay\" = [0, 0.0]\n";
    let problems = plan(&format!("{MOONS}{text}")).expect_err("0 is 0.0");
    assert!(problems.to_string().contains("moons.toml:6:32"), "{problems}");
    assert!(problems.to_string().contains("resolves to the same spec as optimizer.weight_decay = 0"), "{problems}");
}

#[test]
fn every_key_of_a_sweep_changes_its_trials() {
    let range = "{ min = 1e-4, max = 1e-2 }";
    let drawn = |method: &str, trials: usize, seed: u64, range: &str| {
        format!(
            "{MOONS}[sweep]\nmethod = \"{method}\"\ntrials = {trials}\nseed = {seed}\n[sweep.parameters]\n\
             optimizer.learning_rate = {range}\n"
        )
    };
    let base = drawn("random", 4, 0, range);
    let others = [
        ("method", drawn("sobol", 4, 0, range)),
        ("trials", drawn("random", 5, 0, range)),
        ("seed", drawn("random", 4, 1, range)),
        ("parameters", drawn("random", 4, 0, "{ min = 1e-4, max = 2e-2 }")),
    ];
    // Those of searches that go on in stages are tested where their trials are proposed.
    let staged = [
        "sweep.startup",
        "sweep.round",
        "sweep.metric",
        "sweep.candidates",
        "sweep.first_rung",
        "sweep.eta",
        "sweep.keep_stopped",
    ];
    let drawn_by = keys::key_paths().filter(|path| path.starts_with("sweep.") && !staged.contains(path));
    assert_eq!(drawn_by.count(), others.len());
    let hashes = |text: &str| {
        let plan = plan(text).unwrap_or_else(|problems| panic!("{problems}"));
        plan.trials.into_iter().map(|trial| trial.spec_hash).collect::<Vec<_>>()
    };
    for (key, other) in others {
        assert_ne!(hashes(&base), hashes(&other), "{key}");
    }
    let written_out = base.replace("seed = 0\n", "").replace("[sweep.parameters]\n", "[sweep.parameters]\n# seed 0\n");
    assert_eq!(hashes(&base), hashes(&written_out), "a default written out changes nothing");
}

#[test]
fn engine_keys_reach_the_engine_and_change_no_trial() {
    let text = "[dataset]\nname = \"moons\"\n[engine]\n";
    let values = [
        ("trials_per_gpu", "2"),
        ("pictures", "\"best\""),
        ("slurm.partition", "\"gpu\""),
        ("slurm.account", "\"lab\""),
        ("slurm.time", "\"2:00:00\""),
        ("slurm.memory", "\"8G\""),
        ("slurm.cpus", "4"),
        ("slurm.gpus", "1"),
        ("slurm.at_once", "3"),
        ("slurm.trials_per_element", "2"),
        ("slurm.extra", "[\"module load cuda\"]"),
    ];
    let load = |text: &str| Folder::with(text).load(Overrides::default()).unwrap_or_else(|error| panic!("{error}"));
    let bare = load(text);
    let slurm = crate::spec::Slurm { trials_per_element: 1, ..Default::default() };
    assert_eq!(bare.engine, crate::spec::Engine { trials_per_gpu: 1, pictures: None, slurm });
    assert_eq!(keys::key_paths().filter(|path| path.starts_with("engine.")).count(), values.len());
    for (key, value) in values {
        let set = load(&format!("{text}{key} = {value}\n"));
        assert_ne!(set.engine, bare.engine, "{key}");
        assert_eq!(crate::plan::spec_hash(&set.spec), crate::plan::spec_hash(&bare.spec), "{key}");
    }
}
