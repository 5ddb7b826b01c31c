//! Specs that change between two commands, and sweeps that end early.

use crate::workplace::{SMALL, Workplace, parquet, texts};

const SWEEP: &str = "\n[sweep.parameters]\n\"model.depth\" = [1, 2]\n";

#[test]
fn an_edited_spec_keeps_what_is_unchanged_adds_what_is_new_and_says_so() {
    let here = Workplace::new();
    here.write("moons.toml", format!("{SMALL}{SWEEP}"));
    here.runner("moons.toml").expect(0);
    let edited = format!("{SMALL}{}", SWEEP.replace("[1, 2]", "[2, 3]"));
    here.write("moons.toml", edited);
    let changed = "moons: the plan has changed: 1 run as before, 1 new, 1 no longer asked for (their results stay)\n  \
                   model.depth: 1, 2 → 2, 3";
    let listed_before = here.runner("list results").expect(0).stdout;
    assert!(!listed_before.contains("waiting"), "{listed_before}");
    let ended = here.runner("moons.toml").expect(0).says(&[changed, "finished already, kept"]);
    assert_eq!(ended.stderr.matches("finished already, kept").count(), 1, "{}", ended.stderr);
    let table = parquet(here.path("results/moons/trials.parquet"));
    assert_eq!(table.height(), 3, "the run that is no longer asked for stays");
    // The HPARAMS tab has one record, of all three.
    let records = |folder: &str| {
        let files = std::fs::read_dir(here.path(folder)).expect("listed").flatten();
        files.filter(|it| it.file_name().to_string_lossy().contains("tfevents")).count()
    };
    // In a folder of its own: TensorBoard would show a file of the experiment's folder as a run without curves, named `.`.
    assert_eq!((records("results/moons"), records("results/moons/aggregate")), (0, 1));
    let again = here.runner("moons.toml").expect(0);
    assert!(!again.stderr.contains("the plan has changed"), "{}", again.stderr);
}

#[test]
fn fail_fast_starts_no_more_trials_after_a_failure() {
    let here = Workplace::new();
    let sweep = "\n[sweep.parameters]\n\"optimizer.learning_rate\" = [10.0, 1e-3, 2e-3]\n";
    here.write("moons.toml", format!("{SMALL}\n[optimizer]\nname = \"sgd\"\nclip_norm = 0.0\n{sweep}"));
    here.runner("moons.toml --jobs 1 --fail-fast").expect(1).says(&["2 runs not started after the first failure"]);
    assert_eq!(texts(&parquet(here.path("results/moons/trials.parquet")), "status"), ["diverged"]);
    let listed = here.runner("list").expect(0).stdout;
    assert!(listed.contains("results/moons: 1 diverged, 2 waiting"), "{listed}");
    here.runner("moons.toml --jobs 1").expect(1);
    let mut statuses = texts(&parquet(here.path("results/moons/trials.parquet")), "status");
    statuses.sort();
    assert_eq!(statuses, ["diverged", "finished", "finished"]);
}
