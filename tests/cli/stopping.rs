//! Signals and kills: what is lost is time at most.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::workplace::{Ended, Workplace, assert_same_numbers, manifest, numbers, parquet, texts};

/// A line a step, so that it says more than a pipe holds (64 kB) several times over: a run to which nobody listens stops on
/// the way, and none can be over before it is disturbed, whatever else the machine has to do.
const LONG: &str = r#"
[dataset]
name = "moons"
train = 2_000
validation = 20
test = 500
[model]
depth = 2
width = 16
[training]
batch_size = 32
steps = 4_000
evaluate_every = 1
log_every = 20
"#;

fn workplace() -> Workplace {
    let here = Workplace::new();
    here.write("long.toml", LONG);
    here
}

/// A process to which one listens line by line.
struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
}

impl Running {
    fn start(here: &Workplace, arguments: &str) -> Self {
        let mut command = here.command(&format!("{arguments} --progress plain"));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("started");
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        Self { child, stderr, said: String::new() }
    }

    /// Listens until the run of `seed` has told of `steps` steps. What it tells of is in its files.
    fn until(&mut self, seed: u64, steps: usize) {
        let told = format!("seed {seed}] step ");
        while self.said.matches(&told).count() < steps {
            let letters = self.stderr.read_line(&mut self.said).expect("text");
            assert!(letters > 0, "it ended early:\n{}", self.said);
        }
    }

    /// Listens to the end; the exit status and all that was said.
    fn end(mut self) -> (Option<i32>, String) {
        self.stderr.read_to_string(&mut self.said).expect("text");
        (self.child.wait().expect("ended").code(), self.said)
    }

    fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
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
        let mut running = Running::start(&here, "long.toml --seeds 0,1,2 --jobs 2");
        running.until(0, 4);
        running.until(1, 4);
        send(signal, &running.child);
        let (code, stderr) = running.end();
        assert_eq!(code, Some(75), "{signal}: {stderr}");
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

/// Averaged weights, running statistics, the noise of dropout, and what the density is given.
#[test]
fn a_conditional_run_with_all_that_a_flow_keeps_goes_on_to_the_same_numbers() {
    let here = workplace();
    let given = LONG.replace("name = \"moons\"", "name = \"moons\"\ncondition = true");
    let kept = "network = \"residual\"\ndropout = 0.1\nmixing = \"lu\"\nnormalization = \"batch\"\nwidth = 16";
    here.write("long.toml", given.replace("width = 16", kept).replace("steps = 4_000", "steps = 1_000\nema = 0.9"));
    undisturbed(&here, "0");
    let mut running = Running::start(&here, "long.toml");
    running.until(0, 5);
    send("-TERM", &running.child);
    assert_eq!(running.end().0, Some(75));
    here.runner("long.toml").expect(0).says(&["resumed at step"]);
    let [run, expected] = ["results/long", "undisturbed/long"].map(|results| here.run_folder(results, 0));
    assert_same_numbers(&run, &expected);
    let weights = |run: &Path| fs::read(run.join("checkpoints/best.safetensors")).expect("weights");
    assert!(weights(&run) == weights(&expected), "other weights");
}

#[test]
fn a_killed_run_goes_on_from_its_checkpoint_or_starts_over_to_the_same_numbers() {
    let here = workplace();
    undisturbed(&here, "0,1");
    // Before there is a checkpoint: it starts over.
    let mut running = Running::start(&here, "long.toml");
    running.until(0, 3);
    running.kill();
    let run = here.run_folder("results/long", 0);
    assert_eq!(manifest(&run)["status"], "running", "it had no time to say more");
    assert!(here.runner("list").expect(0).stdout.contains("interrupted"));
    // A first part that is saved, a second that is not.
    let mut running = Running::start(&here, "long.toml");
    running.until(0, 5);
    send("-INT", &running.child);
    assert_eq!(running.end().0, Some(75));
    let saved = rows_in_journal(&run);
    let mut running = Running::start(&here, "long.toml");
    running.until(0, 3);
    running.kill();
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
    let mut first = Running::start(&here, "long.toml --seeds 0,1 --jobs 1");
    first.until(0, 2);
    // Nobody listens to the first one now, so it is still at its run when the second has ended.
    // It is another program by its name, as a release beside the last one may be.
    let another = here.path("runner-of-another-name");
    fs::copy(env!("CARGO_BIN_EXE_runner"), &another).expect("copied");
    let mut command = Command::new(another);
    command.args(["long.toml", "--seeds", "0,1", "--jobs", "1"]).current_dir(here.path("")).stdin(Stdio::null());
    let second = Ended::of(&mut command).expect(1);
    assert!(second.stdout.contains("unfinished"), "the table has a place for it: {}", second.stdout);
    second.says(&["seed 0: process", "is running it, left alone", "1 run left to another process"]);
    let (code, said) = first.end();
    assert_eq!(code, Some(0), "{said}");
    let table = parquet(here.path("results/long/trials.parquet"));
    assert_eq!(texts(&table, "status"), ["finished", "finished"]);
    here.runner("long.toml --seeds 0,1").expect(0).says(&["seed 0: finished already", "seed 1: finished already"]);
    for seed in [0, 1] {
        assert_eq!(manifest(&here.run_folder("results/long", seed))["resumes"], 0);
    }
}
