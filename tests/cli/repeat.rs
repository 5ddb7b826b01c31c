//! The same command again, and the same numbers from another one.

use std::fs;
use std::time::SystemTime;

use crate::workplace::{Workplace, assert_same_numbers, manifest, numbers, parquet, texts};

#[test]
fn numbers_do_not_depend_on_how_many_trials_run_at_once() {
    let here = Workplace::with_moons();
    here.runner("moons.toml --seeds 0,1,2 --jobs 1 --results one").expect(0);
    here.runner("moons.toml --seeds 0,1,2 --jobs 2 --results two").expect(0);
    for seed in [0, 1, 2] {
        assert_same_numbers(&here.run_folder("one/moons", seed), &here.run_folder("two/moons", seed));
    }
    let nll = |results: &str| numbers(&parquet(here.path(format!("{results}/moons/trials.parquet"))), "test_nll");
    assert_eq!(nll("one"), nll("two"));
    let seeds = nll("one");
    assert!(seeds[0] != seeds[1] && seeds[1] != seeds[2], "seeds are different runs: {seeds:?}");
}

#[test]
fn the_same_command_again_keeps_finished_runs_untouched() {
    let here = Workplace::with_moons();
    let first = here.runner("moons.toml --seeds 0,1").expect(0);
    let run = here.run_folder("results/moons", 0).parent().expect("a trial").to_owned();
    let files = || here.files().into_iter().filter(|(path, _)| path.starts_with(&run)).collect::<Vec<_>>();
    let times = || -> Vec<SystemTime> {
        let time = |path| fs::metadata(path).and_then(|data| data.modified()).expect("a time");
        files().iter().map(|(path, _)| time(path)).collect()
    };
    let before = (files(), times());
    let again = here.runner("moons.toml --seeds 0,1").expect(0).says(&["seed 0: finished already, kept", "seed 1"]);
    assert_eq!(first.stdout, again.stdout);
    assert!((files(), times()) == before, "a finished run was touched");
    // More seeds: only the new one is trained.
    here.runner("moons.toml --seeds 0,1,2").expect(0).says(&["seed 1: finished already, kept", "seed 2] started"]);
    assert!((files(), times()) != before);
    assert_eq!(texts(&parquet(here.path("results/moons/trials.parquet")), "status"), ["finished"; 3]);
}

#[test]
fn fresh_trains_again_with_the_same_numbers() {
    let here = Workplace::with_moons();
    here.runner("moons.toml").expect(0);
    let run = here.run_folder("results/moons", 0);
    let aside = here.path("aside");
    copy(&run, &aside);
    here.runner("moons.toml --fresh").expect(0).says(&["started: 60 steps"]);
    assert_ne!(manifest(&run)["started"], manifest(&aside)["started"]);
    assert_same_numbers(&run, &aside);
}

#[test]
fn a_changed_spec_is_another_trial_beside_the_first() {
    let here = Workplace::with_moons();
    here.runner("moons.toml").expect(0);
    here.runner("moons.toml --set model.width=48").expect(0).says(&["width=48-", "started: 60 steps"]);
    assert_eq!(here.run_folders("results/moons", 0).len(), 2);
    let table = parquet(here.path("results/moons/trials.parquet"));
    assert_eq!(table.height(), 2);
    assert_eq!(numbers(&table, "model.width"), [48.0], "null where it was not overridden");
}

#[test]
fn the_record_says_which_runs_computed_with_compiled_shapes() {
    let here = Workplace::with_moons();
    here.runner("moons.toml").expect(0);
    here.runner("moons.toml --set training.kernel=composed --set training.steps=3").expect(0);
    here.runner("moons.toml --set training.kernel=composed --set training.steps=3 --set model.width=48").expect(0);
    let table = parquet(here.path("results/moons/trials.parquet"));
    // Kernels written by hand have none; of dfdx's, 32 is in the table of compiled shapes, 48 is not.
    let compiled = table.column("static_shape").expect("it").bool().expect("booleans");
    assert_eq!(compiled.iter().flatten().filter(|compiled| *compiled).count(), 1);
    assert_eq!((table.height(), compiled.null_count()), (3, 0));
}

#[test]
fn the_stored_spec_of_a_run_repeats_its_numbers() {
    let here = Workplace::new();
    let rows: String =
        (0..300).map(|i| format!("{},{}\n", (f64::from(i) * 0.7).sin(), f64::from(i * 31 % 97))).collect();
    here.write("study/data/waves.csv", format!("u,v\n{rows}"));
    let file = "path = \"data/waves.csv\"";
    let rest = "[model]\ndepth = 2\nwidth = 16\n[training]\nsteps = 30\nbatch_size = 32\n";
    here.write("study/waves.toml", format!("seeds = [4, 7]\n[dataset]\n{file}\n{rest}"));
    here.write("study/toy.toml", format!("seeds = [4, 7]\n[dataset]\nname = \"circles\"\ntrain = \"fresh\"\n{rest}"));
    for name in ["waves", "toy"] {
        here.runner(&format!("study/{name}.toml --set optimizer.learning_rate=0.01")).expect(0);
        let run = here.run_folder(&format!("results/{name}"), 7);
        here.runner(&format!("{} --results again", run.join("spec.toml").display())).expect(0);
        assert_same_numbers(&run, &here.run_folder(&format!("again/{name}"), 7));
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("listed") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copied");
        }
    }
}
