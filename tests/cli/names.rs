//! A trial is what it computes, whatever it is called: found by its hash, kept, shown once; and what nobody asks for can go.

use std::fs;

use crate::workplace::{SMALL, Workplace, manifest, numbers, parquet, texts};

const SWEEP: &str = "\n[sweep.parameters]\n\"model.depth\" = [2, 3]\n";

/// The command wrote nothing about a run that it began or went on with.
#[track_caller]
fn trains_nothing(here: &Workplace, arguments: &str) {
    let ended = here.runner(&format!("{arguments} --progress plain")).expect(0);
    assert!(!ended.stderr.contains("started:") && !ended.stderr.contains("resumed"), "{}", ended.stderr);
}

#[test]
fn a_sweep_that_is_added_later_trains_only_what_is_new_and_every_trial_counts_once() {
    let here = Workplace::with_moons();
    here.runner("moons.toml --seeds 0,1").expect(0);
    here.write("moons.toml", format!("{SMALL}{SWEEP}"));
    let ended = here.runner("moons.toml --seeds 0,1 --progress plain").expect(0);
    assert_eq!(ended.stderr.matches("started:").count(), 2, "{}", ended.stderr);
    ended.says(&["1 trial there under another name: base-", "(asked for as depth=2-"]);
    // A third seed joins the two that are there.
    here.runner("moons.toml --seeds 0,1,2").expect(0);
    let table = parquet(here.path("results/moons/trials.parquet"));
    assert_eq!(numbers(&table, "model.depth"), [2., 2., 2., 3., 3., 3.]);
    assert!(texts(&table, "trial")[..3].iter().all(|name| name.starts_with("base-")));
    assert_eq!(here.run_folders("results/moons", 2).len(), 2);
    here.runner("compare results/moons --by model.depth -o by.csv").expect(0);
    let by = fs::read_to_string(here.path("by.csv")).expect("a table");
    let counts: Vec<&str> = by.lines().skip(1).filter_map(|line| line.split(',').nth(1)).collect();
    assert_eq!(counts, ["3", "3"], "{by}");

    here.write("moons.toml", SMALL);
    trains_nothing(&here, "moons.toml --seeds 0,1,2 --set model.depth=2");
    trains_nothing(&here, "moons.toml --seeds 0,1,2 --set model.width=32");
}

#[test]
fn folders_of_both_names_that_earlier_releases_left_count_once_and_the_second_can_be_pruned() {
    let here = Workplace::with_moons();
    here.runner("moons.toml").expect(0);
    let run = here.run_folder("results/moons", 0);
    let base = run.parent().expect("a trial").file_name().expect("a name").to_string_lossy().into_owned();
    let second = base.replace("base-", "depth=2-");
    for (path, content) in here.files() {
        if let Ok(inner) = path.strip_prefix(&run) {
            here.write(&format!("results/moons/{second}/seed-0/{}", inner.display()), content);
        }
    }
    let text = fs::read_to_string(run.join("manifest.json")).expect("a manifest");
    let interrupted = text.replace(&base, &second).replace("\"finished\"", "\"interrupted\"");
    here.write(&format!("results/moons/{second}/seed-0/manifest.json"), interrupted);

    let listed = here.runner("list").expect(0);
    assert_eq!(listed.stdout.matches("finished").count(), 2, "the run and the total: {}", listed.stdout);
    listed.says(&["1 run no longer asked for", "runner prune results/moons"]);
    trains_nothing(&here, "moons.toml");
    assert_eq!(texts(&parquet(here.path("results/moons/trials.parquet")), "trial"), [base]);

    assert!(here.runner("prune results/moons --yes").expect(0).stdout.contains(&second));
    assert!(!here.path(format!("results/moons/{second}")).exists() && run.is_dir());
}

#[test]
fn the_spec_of_a_run_run_in_place_is_that_run_and_leaves_the_plan_of_the_sweep() {
    let here = Workplace::new();
    let rows: String = (0..200).map(|i| format!("{},{}\n", i * 7 % 100, f64::from(i).sin())).collect();
    here.write("data/table.csv", format!("a,b\n{rows}"));
    let table = SMALL.replace("name = \"moons\"", "path = \"../data/table.csv\"");
    let table: String = table.lines().filter(|line| !line.contains("00")).map(|line| format!("{line}\n")).collect();
    for (name, spec) in [("moons", SMALL), ("table", table.as_str())] {
        here.write(&format!("experiments/{name}.toml"), format!("{spec}{SWEEP}"));
        here.runner(&format!("experiments/{name}.toml")).expect(0);
        let experiment = here.path(format!("results/{name}"));
        let plan = fs::read(experiment.join("plan.json")).expect("a plan");
        for run in here.run_folders(&format!("results/{name}"), 0) {
            let before = fs::read(run.join("manifest.json")).expect("a manifest");
            let spec = run.strip_prefix(here.path("")).expect("below").join("spec.toml");
            let ended = here.runner(&format!("{} --progress plain", spec.display())).expect(0);
            assert!(
                !ended.stderr.contains("started:") && !ended.stderr.contains("plan has changed"),
                "{}",
                ended.stderr
            );
            assert_eq!(fs::read(run.join("manifest.json")).expect("a manifest"), before);
        }
        assert!(fs::read(experiment.join("plan.json")).expect("a plan") == plan, "{name}: the plan was rewritten");
        // Interrupted, it goes on in its place, with the data that its spec named from elsewhere.
        let run = here.run_folders(&format!("results/{name}"), 0).remove(0);
        let text = fs::read_to_string(run.join("manifest.json")).expect("a manifest");
        fs::write(run.join("manifest.json"), text.replace("\"finished\"", "\"interrupted\"")).expect("written");
        here.runner(&format!("{} --progress plain", run.join("spec.toml").display()))
            .expect(0)
            .says(&["resumed at step 60"]);
        assert_eq!(here.run_folders(&format!("results/{name}"), 0).len(), 2);
        // Changed on the command line, it is one more trial of the sweep.
        let longer = format!("{} --set training.steps=40", run.join("spec.toml").display());
        here.runner(&longer).expect(0).says(&["2 runs as before, 1 new"]);
    }
}

#[test]
fn a_copy_of_a_runs_spec_is_that_trial_though_it_names_the_data_otherwise() {
    let here = Workplace::new();
    let rows = (0..200).map(|i| format!("{:?},{:?}\n", (f64::from(i) * 0.7).sin(), (f64::from(i) * 1.1).cos()));
    here.write("study/data.csv", "a,b\n".to_owned() + &rows.collect::<String>());
    let spec = "seeds = 2\n[dataset]\npath = \"data.csv\"\n[model]\ndepth = 2\nwidth = 16\n[training]\nsteps = 20\n";
    here.write("study/table.toml", spec);
    here.runner("study/table.toml").expect(0);
    let run = here.run_folder("results/table", 0);
    fs::copy(run.join("spec.toml"), here.path("table.toml")).expect("copied");
    here.runner("table.toml").expect(0).says(&["finished already, kept"]);
    // A new seed goes to the others, and nothing is called superfluous.
    here.runner("table.toml --seeds 0,1,2").expect(0);
    assert_eq!(here.run_folder("results/table", 2).parent(), run.parent());
    let listed = here.runner("list").expect(0);
    assert!(!listed.stdout.contains("not asked for"), "{}", listed.stdout);
}

#[test]
fn prune_removes_what_the_plan_no_longer_asks_for_and_nothing_else() {
    let here = Workplace::new();
    here.write("moons.toml", format!("seeds = 2\n{SMALL}{SWEEP}"));
    here.runner("moons.toml").expect(0);
    here.runner("prune results/moons --yes").expect(0).says(&["nothing to remove"]);
    here.write("moons.toml", format!("seeds = 2\n{SMALL}{}", SWEEP.replace("[2, 3]", "[3]")));
    here.runner("moons.toml").expect(0);
    let listed = here.runner("list").expect(0).says(&["2 runs no longer asked for"]);
    assert_eq!(listed.stdout.matches("finished (not asked for)").count(), 2, "{}", listed.stdout);

    let before = here.files();
    let asked = here.runner("prune results/moons").expect(2).says(&["nothing was removed", "--yes"]);
    assert_eq!(asked.stdout.matches("results/moons/depth=2-").count(), 2, "{}", asked.stdout);
    assert!(here.files() == before);

    let [two, three] = [0, 1].map(|at| here.run_folders("results/moons", 1)[at].clone());
    fs::write(two.join("notes.txt"), "mine").expect("written");
    here.runner("prune results/moons --yes").expect(0).says(&["notes.txt", "1 run removed"]);
    assert!(two.join("notes.txt").exists() && here.run_folders("results/moons", 0).len() == 1);
    fs::remove_file(two.join("notes.txt")).expect("removed");
    // Of another machine: whether it is running cannot be known.
    let text = fs::read_to_string(two.join("manifest.json")).expect("a manifest");
    let host = manifest(&two)["host"].as_str().expect("a host").to_owned();
    let elsewhere = text.replace("\"finished\"", "\"running\"").replace(&format!("\"{host}\""), "\"elsewhere\"");
    fs::write(two.join("manifest.json"), elsewhere).expect("written");
    here.runner("prune results/moons --yes").expect(0).says(&["may be running it", "nothing to remove"]);
    fs::write(two.join("manifest.json"), text).expect("written");

    here.runner("prune results/moons --yes").expect(0).says(&["1 run removed"]);
    assert!(!two.parent().expect("a trial").exists() && three.is_dir());
    assert_eq!(numbers(&parquet(here.path("results/moons/trials.parquet")), "model.depth"), [3.0, 3.0]);
    here.runner("prune results").expect(2).says(&["no plan.json", "name an experiment"]);
}
