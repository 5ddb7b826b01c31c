//! Signals and kills: what is lost is time at most.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::workplace::{Workplace, assert_same_numbers, manifest, numbers, parquet, texts};

/// Long enough to be stopped in the middle.
const LONG: &str = r#"
[dataset]
name = "moons"
train = 2_000
validation = 200
test = 500
[model]
depth = 4
width = 32
[training]
steps = 3_000
evaluate_every = 70
log_every = 20
"#;

fn workplace() -> Workplace {
    let here = Workplace::new();
    here.write("long.toml", LONG);
    here
}

fn start(here: &Workplace, arguments: &str) -> Child {
    here.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started")
}

/// Waits until the only run of `seed` has more than `rows` rows in its journal; returns how many.
fn wait_for_rows(here: &Workplace, seed: u64, rows: usize) -> usize {
    let begin = Instant::now();
    loop {
        let journal = here.run_folders("results/long", seed).pop().map(|run| run.join("metrics.jsonl"));
        let text = journal.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        if text.lines().count() > rows {
            return text.lines().count();
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "no more than {rows} rows in a minute");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
}

fn rows_in_journal(run: &Path) -> usize {
    fs::read_to_string(run.join("metrics.jsonl")).expect("a journal").lines().count()
}

/// A run that nobody stopped.
fn undisturbed(here: &Workplace, seeds: &str) {
    here.runner(&format!("long.toml --seeds {seeds} --results undisturbed --quiet")).expect(0);
}

#[test]
fn a_signal_saves_and_the_same_command_goes_on_to_the_same_numbers() {
    let here = workplace();
    undisturbed(&here, "0,1,2");
    for signal in ["-INT", "-TERM"] {
        drop(fs::remove_dir_all(here.path("results")));
        let child = start(&here, "long.toml --seeds 0,1,2 --jobs 2");
        wait_for_rows(&here, 0, 3);
        wait_for_rows(&here, 1, 3);
        send(signal, &child);
        let output = child.wait_with_output().expect("ended");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(75), "{signal}: {stderr}");
        assert!(stderr.contains("run the same command again"), "{stderr}");
        for seed in [0, 1] {
            let run = here.run_folder("results/long", seed);
            assert_eq!(manifest(&run)["status"], "interrupted");
            assert!(rows_in_journal(&run) > 3 && run.join("checkpoints/last.safetensors").is_file());
        }
        let table = parquet(here.path("results/long/trials.parquet"));
        assert_eq!(texts(&table, "status"), ["interrupted", "interrupted"]);
        let listed = here.runner("list").expect(0).stdout;
        assert_eq!(listed.matches("interrupted").count(), 3, "{listed}");

        here.runner("long.toml --seeds 0,1,2 --jobs 2").expect(0).says(&["resumed at step", "seed 2] started"]);
        let table = parquet(here.path("results/long/trials.parquet"));
        assert_eq!(texts(&table, "status"), ["finished"; 3]);
        let expected = parquet(here.path("undisturbed/long/trials.parquet"));
        assert_eq!(numbers(&table, "test_nll"), numbers(&expected, "test_nll"));
        for seed in [0, 1, 2] {
            let run = here.run_folder("results/long", seed);
            assert_same_numbers(&run, &here.run_folder("undisturbed/long", seed));
            assert_eq!(manifest(&run)["resumes"], u64::from(seed < 2));
            assert!(!run.join("metrics.jsonl").exists());
        }
    }
}

#[test]
fn a_killed_run_goes_on_from_its_checkpoint_or_starts_over_to_the_same_numbers() {
    let here = workplace();
    undisturbed(&here, "0,1");
    // Before there is a checkpoint: it starts over.
    let mut child = start(&here, "long.toml");
    wait_for_rows(&here, 0, 2);
    child.kill().expect("killed");
    child.wait().expect("ended");
    let run = here.run_folder("results/long", 0);
    assert_eq!(manifest(&run)["status"], "running", "it had no time to say more");
    assert!(here.runner("list").expect(0).stdout.contains("interrupted"));
    // A first part that is saved, a second that is not.
    let child = start(&here, "long.toml");
    wait_for_rows(&here, 0, 4);
    send("-INT", &child);
    assert_eq!(child.wait_with_output().expect("ended").status.code(), Some(75));
    let saved = rows_in_journal(&run);
    let mut child = start(&here, "long.toml");
    wait_for_rows(&here, 0, saved + 2);
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert!(rows_in_journal(&run) > saved);
    // A kill may tear a line.
    let mut journal = fs::read(run.join("metrics.jsonl")).expect("a journal");
    journal.extend(b"{\"step\":99");
    fs::write(run.join("metrics.jsonl"), journal).expect("written");

    here.runner("long.toml").expect(0).says(&["resumed at step"]);
    assert_eq!(manifest(&run)["status"], "finished");
    assert_same_numbers(&run, &here.run_folder("undisturbed/long", 0));
    assert!(!here.files().keys().any(|path| path.to_string_lossy().ends_with(".tmp")), "leftovers of the killed");
}

#[test]
fn two_processes_share_an_experiment_without_doing_anything_twice() {
    let here = workplace();
    let first = start(&here, "long.toml --seeds 0,1 --jobs 1");
    wait_for_rows(&here, 0, 1);
    let second = here.runner("long.toml --seeds 0,1 --jobs 1").expect(1);
    second.says(&["is running it, left alone", "another process"]);
    let first = first.wait_with_output().expect("ended");
    assert!(matches!(first.status.code(), Some(0 | 1)), "{first:?}");
    let table = parquet(here.path("results/long/trials.parquet"));
    assert_eq!(texts(&table, "status"), ["finished", "finished"]);
    here.runner("long.toml --seeds 0,1").expect(0).says(&["seed 0: finished already", "seed 1: finished already"]);
    for seed in [0, 1] {
        assert_eq!(manifest(&here.run_folder("results/long", seed))["resumes"], 0);
    }
}
