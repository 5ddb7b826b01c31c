//! Successive halving: the best go on as if they had never been paused, however the trials come to be run.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use polars::prelude::DataFrame;

use crate::workplace::{SMALL, Workplace, numbers, parquet, texts};

const SWEEP: &str = "[sweep.parameters]\n\"optimizer.learning_rate\" = { min = 1e-4, max = 1e-1, scale = \"log\" }\n\
                     \"model.depth\" = [1, 2]\n";

/// Of 7 trials 2 go on at step 20; another rung would be at the last step.
fn spec(more: &str) -> String {
    let sweep = "[sweep]\nmethod = \"halving\"\ntrials = 7\nfirst_rung = 15\neta = 3";
    format!("seeds = 2\n{SMALL}{sweep}\n{more}\n{SWEEP}")
}

fn workplace(more: &str) -> Workplace {
    let here = Workplace::new();
    here.write("halving.toml", spec(more));
    here
}

fn trials(here: &Workplace, results: &str) -> DataFrame {
    parquet(here.path(format!("{results}/halving/trials.parquet")))
}

/// What stands in `trials.parquet` but for times, and what was told.
fn table(here: &Workplace, results: &str) -> (Vec<Vec<String>>, Vec<Vec<u64>>, serde_json::Value) {
    let table = trials(here, results);
    let words = ["trial", "status"].map(|column| texts(&table, column)).to_vec();
    let bits = |column| numbers(&table, column).iter().map(|number: &f64| number.to_bits()).collect();
    let plan = fs::read_to_string(here.path(format!("{results}/halving/plan.json"))).expect("a plan");
    let plan: serde_json::Value = serde_json::from_str(&plan).expect("JSON");
    (words, ["seed", "steps", "validation_nll", "train_nll"].map(bits).to_vec(), plan["told"].clone())
}

#[test]
fn the_best_of_a_rung_go_on_with_all_their_seeds_and_the_others_are_stopped() {
    let here = workplace("");
    here.runner("halving.toml").expect(0).says(&[
        "round 1 of 1, 14 runs to the rung at step 15, 0 steps saved",
        "stopped at step 20",
        "4 runs to the end, 400 steps saved; best validation_nll so far",
    ]);
    let table = trials(&here, "results");
    let mut ended: Vec<(String, f64)> = texts(&table, "status").into_iter().zip(numbers(&table, "steps")).collect();
    ended.sort_by(|a, b| a.partial_cmp(b).expect("numbers"));
    let of = |status: &str, steps| (status.to_owned(), steps);
    let expected = [vec![of("finished", 60.0); 4], vec![of("stopped", 20.0); 10]].concat();
    assert_eq!(ended, expected);
    for (seed, run) in
        (0..2).flat_map(|seed| here.run_folders("results/halving", seed).into_iter().map(move |run| (seed, run)))
    {
        let manifest = fs::read_to_string(run.join("manifest.json")).expect("a manifest");
        let stopped = manifest.contains("\"stopped\"");
        assert_eq!(run.join("checkpoints").exists(), !stopped, "{seed} {}", run.display());
        assert!(run.join("metrics.parquet").exists() && !run.join("metrics.jsonl").exists(), "{}", run.display());
    }
    // Once more: nothing is left to do.
    let again = here.runner("halving.toml").expect(0).says(&["stopped already, kept"]);
    assert!(!again.stderr.contains("started") && !again.stderr.contains("resumed"), "{}", again.stderr);
    let listed = here.runner("list").expect(0).stdout;
    assert!(listed.contains("round  rung") && listed.contains("4 finished, 10 stopped"), "{listed}");
    let compared = here.runner("compare results/halving").expect(0).stdout;
    let rows: Vec<&str> = compared.lines().skip(2).collect();
    assert!(compared.lines().next().is_some_and(|head| head.contains("stopped")), "{compared}");
    assert!(
        rows[..2].iter().all(|row| row.contains('±')) && rows[2..].iter().all(|row| !row.contains('±')),
        "{compared}"
    );
    here.runner("prune results/halving --yes").expect(0).says(&["nothing to remove"]);
}

#[test]
fn a_survivor_has_the_bits_of_the_same_trial_run_alone() {
    let here = workplace("");
    here.runner("halving.toml --set sweep.first_rung=20").expect(0);
    let table = trials(&here, "results");
    let finished: Vec<usize> =
        texts(&table, "status").iter().enumerate().filter(|(_, it)| *it == "finished").map(|(i, _)| i).collect();
    assert_eq!(finished.len(), 4);
    for i in finished {
        let (id, seed) = (texts(&table, "trial")[i].clone(), numbers(&table, "seed")[i]);
        let run = here.path(format!("results/halving/{id}/seed-{seed}"));
        // Its own spec, in a folder without a sweep.
        here.write("alone/alone.toml", fs::read(run.join("spec.toml")).expect("a spec"));
        here.runner("alone/alone.toml --results alone/results").expect(0);
        let name =
            fs::read_dir(here.path("alone/results")).expect("listed").next().expect("an experiment").expect("one");
        let name = name.file_name().to_string_lossy().into_owned();
        let alone = here.run_folder(&format!("alone/results/{name}"), seed as u64);
        let [paused, straight] =
            [&run, &alone].map(|run| parquet(run.join("metrics.parquet")).drop_many(["seconds", "samples_per_second"]));
        assert!(paused.equals_missing(&straight), "{paused:?} {straight:?}");
        let weights = |run: &std::path::Path| fs::read(run.join("checkpoints/best.safetensors")).expect("weights");
        assert_eq!(weights(&run), weights(&alone));
        fs::remove_dir_all(here.path("alone")).expect("removed");
    }
}

#[test]
fn a_halving_does_not_depend_on_how_many_trials_run_at_once() {
    for candidates in ["random", "sobol", "tpe"] {
        let rounds = if candidates == "tpe" { "startup = 4\nround = 3" } else { "" };
        let here = workplace(&format!("candidates = \"{candidates}\"\n{rounds}"));
        here.runner("halving.toml --jobs 1 --results one").expect(0);
        here.runner("halving.toml --jobs 3 --results two").expect(0);
        assert_eq!(table(&here, "one"), table(&here, "two"), "{candidates}");
        here.runner("halving.toml --jobs 3 --results two --fresh").expect(0);
        assert_eq!(table(&here, "one"), table(&here, "two"), "{candidates}");
    }
}

#[test]
fn a_killed_halving_goes_on_to_the_same_table() {
    let here = workplace("");
    here.runner("halving.toml --results undisturbed").expect(0);
    for last_word in ["started", "paused at its rung", "seed 1] interrupted", "seed 1: stopped", "resumed", "finished"]
    {
        drop(fs::remove_dir_all(here.path("results")));
        for _ in 0..3 {
            let mut command = here.command("halving.toml --jobs 2 --progress plain");
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("started");
            let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
            drop(lines.find(|line| line.as_ref().is_ok_and(|line| line.contains(last_word))));
            // It may be over already.
            let _ = child.kill();
            child.wait().expect("ended");
        }
        here.runner("halving.toml").expect(0);
        assert_eq!(table(&here, "results"), table(&here, "undisturbed"), "{last_word}");
    }
    // A lost plan is made again from the curves.
    fs::remove_file(here.path("results/halving/plan.json")).expect("removed");
    let again = here.runner("halving.toml").expect(0);
    assert!(!again.stderr.contains("started") && !again.stderr.contains("resumed"), "{}", again.stderr);
    assert_eq!(table(&here, "results"), table(&here, "undisturbed"));
}

#[test]
fn more_trials_let_a_stopped_one_go_on_where_it_is_now_among_the_best() {
    for keep in ["", "keep_stopped = true"] {
        let here = workplace(keep);
        here.runner("halving.toml").expect(0);
        let stopped = here.run_folders("results/halving", 0);
        let kept = stopped.iter().filter(|run| run.join("checkpoints/last.safetensors").exists()).count();
        assert_eq!(kept, if keep.is_empty() { 2 } else { 7 });
        let all = "halving.toml --set sweep.trials=13";
        here.runner(all).expect(0);
        here.runner(&format!("{all} --results at-once")).expect(0);
        assert_eq!(table(&here, "results").2, table(&here, "at-once").2, "{keep}");
        // One that was at its end before stays finished; all others are as they would have been.
        let ended = |results: &str| -> BTreeMap<(String, u64), (f64, f64)> {
            let table = trials(&here, results);
            let [seeds, steps, nll] = ["seed", "steps", "validation_nll"].map(|column| numbers(&table, column));
            let runs = texts(&table, "trial").into_iter().zip(seeds).map(|(trial, seed)| (trial, seed as u64));
            runs.zip(steps.into_iter().zip(nll)).collect()
        };
        let (more, at_once) = (ended("results"), ended("at-once"));
        let others: Vec<_> = more.iter().filter(|(run, it)| at_once[*run] != **it).collect();
        assert!(others.len() <= 4 && others.iter().all(|(_, (steps, _))| *steps == 60.0), "{keep}: {others:?}");
        assert_eq!(more.len(), 26);
    }
}

#[test]
fn a_candidate_that_diverges_is_worst_and_never_goes_on() {
    let here = Workplace::new();
    let optimizer = "[optimizer]\nname = \"sgd\"\nclip_norm = 0.0\nschedule = { name = \"constant\", warmup = 0 }\n";
    let sweep = spec("").replace("min = 1e-4, max = 1e-1", "min = 1e-3, max = 10.0");
    here.write("halving.toml", sweep.replace("[sweep]\n", &format!("{optimizer}[sweep]\n")));
    let ended = here.runner("halving.toml").expect(1).says(&["diverged"]);
    let status = texts(&trials(&here, "results"), "status");
    let count = |wanted: &str| status.iter().filter(|status| *status == wanted).count();
    assert!(count("diverged") > 0 && count("finished") == 4, "{status:?} {}", ended.stderr);
    assert_eq!(count("diverged") + count("stopped") + count("finished"), 14);
    let before = table(&here, "results");
    here.runner("halving.toml --retry-failed").expect(1);
    assert_eq!(table(&here, "results"), before);
}

#[test]
fn a_quiet_halving_says_nothing_and_one_in_epochs_tells_what_it_saves() {
    let here = Workplace::new();
    // 15 steps an epoch make the same length; before the data are known, the plan has another rung at the end.
    here.write("halving.toml", spec("").replace("steps = 60", "epochs = 4"));
    here.runner("halving.toml").expect(0).says(&["0 steps saved", "4 runs to the rung at step 45, 400 steps saved"]);
    let quiet = here.runner("halving.toml --quiet --results quiet").expect(0);
    assert_eq!(quiet.stderr, "");
}

#[test]
fn plan_tells_the_rungs_and_what_they_save() {
    let here = workplace("");
    let shown = here.runner("plan halving.toml").expect(0).stdout;
    // 10 runs to the rung as it is written, and 4 of 60 steps.
    for part in ["14 runs", "rung at step 15: 2 of 7 trials go on", "all rungs: 14 runs, about 390 steps"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    here.runner("plan halving.toml --kubernetes").expect(2).says(&["--engine slurm --wait"]);
    here.runner("check halving.toml --set sweep.first_rung=60").expect(2).says(&["no trial is stopped"]);
}
