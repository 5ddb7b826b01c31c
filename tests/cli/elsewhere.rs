//! Runs from another folder, and one run of a stored plan.

use std::fs;

use crate::workplace::{SMALL, Workplace, assert_same_numbers, parquet, texts};

#[test]
fn a_spec_finds_its_data_beside_itself_from_any_working_directory() {
    let here = Workplace::new();
    let rows: String = (0..300).map(|i| format!("{},{}\n", (f64::from(i) * 0.7).sin(), i * 31 % 97)).collect();
    here.write("study/data/waves.csv", format!("u,v\n{rows}"));
    here.write("study/waves.toml", "[dataset]\npath = \"data/waves.csv\"\n[training]\nsteps = 10\nbatch_size = 32\n");
    here.write("elsewhere/deep/note", "");
    for (folder, spec) in
        [("", "study/waves.toml"), ("study", "waves.toml"), ("elsewhere/deep", "../../study/waves.toml")]
    {
        let mut command = here.command(spec);
        let output = command.current_dir(here.path(folder)).output().expect("started");
        assert!(output.status.success(), "{folder}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let runs =
        ["results/waves", "study/results/waves", "elsewhere/deep/results/waves"].map(|name| here.run_folder(name, 0));
    assert_same_numbers(&runs[0], &runs[1]);
    assert_same_numbers(&runs[0], &runs[2]);
    let trial = |i: usize| runs[i].parent().and_then(|folder| folder.file_name()).expect("a trial").to_owned();
    assert!(trial(0) == trial(1) && trial(1) == trial(2), "the same trial wherever it runs");
}

#[test]
fn one_run_of_a_stored_plan_is_the_run_of_the_whole() {
    let here = Workplace::with_moons();
    here.runner("moons.toml --seeds 0,1 --results whole").expect(0);
    // As a cluster's job does: a plan in its place, and one process a run, started anywhere.
    let plan = here.runner("plan moons.toml --seeds 0,1 --json").expect(0).stdout;
    here.write("results/moons/plan.json", plan);
    here.write("job/note", "");
    for index in [1, 0] {
        let mut command = here.command(&format!("exec --plan ../results/moons/plan.json --index {index}"));
        let output = command.current_dir(here.path("job")).output().expect("started");
        assert!(output.status.success(), "{index}: {}", String::from_utf8_lossy(&output.stderr));
        let run = here.run_folder("results/moons", index);
        assert_same_numbers(&run, &here.run_folder("whole/moons", index));
    }
    assert_eq!(texts(&parquet(here.path("results/moons/trials.parquet")), "status"), ["finished", "finished"]);
    here.runner("exec --plan results/moons/plan.json --index 1").expect(0).says(&["finished already, kept"]);
    here.runner("exec --plan results/moons/plan.json --index 2").expect(2).says(&["the plan has runs 0 to 1"]);
    let changed =
        fs::read_to_string(here.path("results/moons/plan.json")).expect("it").replace("\"depth\": 2", "\"depth\": 3");
    here.write("results/moons/plan.json", changed);
    here.runner("exec --plan results/moons/plan.json --index 0").expect(2).says(&["was changed after it was planned"]);
}

#[test]
fn several_specs_are_several_experiments_with_the_same_overrides() {
    let here = Workplace::with_moons();
    here.write("rings.toml", SMALL.replace("moons", "circles"));
    let ended = here.runner("moons.toml rings.toml --set training.steps=20 --jobs 2").expect(0);
    assert!(ended.stdout.contains("results/moons") && ended.stdout.contains("results/rings"), "{}", ended.stdout);
    for name in ["moons", "rings"] {
        let table = parquet(here.path(format!("results/{name}/trials.parquet")));
        assert_eq!(
            (texts(&table, "experiment"), texts(&table, "status")),
            (vec![name.into()], vec!["finished".into()])
        );
    }
}
