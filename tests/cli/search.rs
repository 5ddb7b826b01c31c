//! A search that learns: the same trials, however they come to be run.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::workplace::{SMALL, Workplace, numbers, parquet, texts};

const SEARCH: &str = "[sweep]\nmethod = \"tpe\"\ntrials = 11\nstartup = 4\nround = 3\n[sweep.parameters]\n\
                      \"optimizer.learning_rate\" = { min = 1e-4, max = 1e-1, scale = \"log\" }\n\
                      \"model.depth\" = [1, 2]\n";

fn workplace() -> Workplace {
    let here = Workplace::new();
    here.write("search.toml", format!("seeds = 2\n{SMALL}{SEARCH}"));
    here
}

/// What stands in `trials.parquet` but for times, and what the search was told.
fn table(here: &Workplace, results: &str) -> (Vec<String>, Vec<f64>, Vec<f64>, serde_json::Value) {
    let folder = here.path(format!("{results}/search"));
    let trials = parquet(folder.join("trials.parquet"));
    let plan = fs::read_to_string(folder.join("plan.json")).expect("a plan");
    let plan: serde_json::Value = serde_json::from_str(&plan).expect("JSON");
    (texts(&trials, "trial"), numbers(&trials, "seed"), numbers(&trials, "validation_nll"), plan["told"].clone())
}

#[test]
fn a_search_does_not_depend_on_how_many_trials_run_at_once() {
    let here = workplace();
    here.runner("search.toml --jobs 1 --results one")
        .expect(0)
        .says(&["search: round 4 of 4; best validation_nll so far"]);
    here.runner("search.toml --jobs 3 --results two").expect(0);
    let one = table(&here, "one");
    assert_eq!(one, table(&here, "two"));
    assert_eq!((one.0.len(), one.3.as_array().map(Vec::len)), (22, Some(11)));
    // Once more: nothing is left to do.
    let again = here.runner("search.toml --results two").expect(0);
    assert!(!again.stderr.contains("started") && !again.stderr.contains("changed"), "{}", again.stderr);
    assert_eq!(one, table(&here, "two"));
}

#[test]
fn a_killed_search_goes_on_to_the_same_table() {
    let here = workplace();
    here.runner("search.toml --results undisturbed").expect(0);
    for last_word in ["round 1 of", "round 2 of", "seed 1] finished", "round 4 of"] {
        drop(fs::remove_dir_all(here.path("results")));
        for _ in 0..3 {
            let mut command = here.command("search.toml --jobs 2 --progress plain");
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("started");
            let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
            drop(lines.find(|line| line.as_ref().is_ok_and(|line| line.contains(last_word))));
            // It may be over already.
            let _ = child.kill();
            child.wait().expect("ended");
        }
        here.runner("search.toml").expect(0);
        assert_eq!(table(&here, "results"), table(&here, "undisturbed"), "{last_word}");
    }
}

#[test]
fn more_trials_leave_those_that_were_run_as_they_are() {
    let here = workplace();
    here.runner("search.toml --results at-once --set sweep.trials=15").expect(0);
    here.runner("search.toml").expect(0);
    let more = here.runner("search.toml --set sweep.trials=15").expect(0);
    assert_eq!(more.stderr.matches("finished already, kept").count(), 22, "{}", more.stderr);
    assert_eq!(table(&here, "results"), table(&here, "at-once"));
    let changed = here.runner("search.toml --set model.width=12").expect(0);
    changed.says(&["the plan has changed: 0 runs as before, 8 new, 30 no longer asked for (their results stay)"]);
}

#[test]
fn a_trial_that_diverges_is_told_as_the_worst_and_the_search_goes_on() {
    let here = Workplace::new();
    let optimizer = "[optimizer]\nname = \"sgd\"\nclip_norm = 0.0\nschedule = { name = \"constant\", warmup = 0 }\n";
    let sweep = SEARCH.replace("min = 1e-4, max = 1e-1", "min = 1e-3, max = 10.0");
    here.write("search.toml", format!("{SMALL}{optimizer}{sweep}"));
    here.runner("search.toml").expect(1).says(&["diverged", "round 4 of 4"]);
    let told = table(&here, "results").3;
    let told = told.as_array().expect("a list");
    let diverged = texts(&parquet(here.path("results/search/trials.parquet")), "status");
    let worst = told.iter().filter(|told| told["score"].is_null()).count();
    assert_eq!((told.len(), worst), (11, diverged.iter().filter(|status| *status == "diverged").count()));
    assert!(worst > 0);
}

#[test]
fn a_metric_that_finished_runs_do_not_have_is_told_once() {
    let here = workplace();
    let ended = here.runner("search.toml --set sweep.metric=\"bits_per_dim\"").expect(0);
    assert_eq!(ended.stderr.matches("warning: bits_per_dim: ").count(), 1, "{}", ended.stderr);
    assert!(!here.runner("search.toml --results others").expect(0).stderr.contains("warning"));
}

#[test]
fn plan_shows_the_first_round_and_list_the_round_of_every_trial() {
    let here = workplace();
    let shown = here.runner("plan search.toml").expect(0).stdout;
    for part in ["8 runs", "round 1 of 4, 4 of 11 trials", "all rounds: 22 runs, about 1.32k steps"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(shown, here.runner("search.toml --dry-run").expect(0).stdout);
    here.runner("search.toml --quiet").expect(0);
    let listed = here.runner("list").expect(0).stdout;
    assert!(listed.lines().next().is_some_and(|line| line.contains("seed  round  status")), "{listed}");
    for (round, runs) in [(1, 8), (2, 6), (3, 6), (4, 2)] {
        let has = |line: &&str| line.contains(&format!("  {round}      finished"));
        assert_eq!(listed.lines().filter(has).count(), runs, "{listed}");
    }
    here.runner("plan search.toml --kubernetes").expect(2).says(&["--engine slurm --wait"]);
}
