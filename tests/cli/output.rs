//! Who hears what: stdout, stderr, and commands that only look.

use std::process::Stdio;

use crate::workplace::{Ended, Workplace};

#[test]
fn results_go_to_stdout_and_everything_else_to_stderr_without_escape_codes() {
    let here = Workplace::with_moons();
    let ended = here.runner("moons.toml --seeds 0,1").expect(0).says(&["started: 60 steps", "finished: test NLL"]);
    for part in
        ["moons\n", "n ", "test NLL", "gap", "±", "results/moons/trials.parquet", "tensorboard --logdir results/moons"]
    {
        assert!(ended.stdout.contains(part), "{part:?}: {}", ended.stdout);
    }
    assert!(!ended.stdout.contains("started"), "{}", ended.stdout);
    let run = here.run_folder("results/moons", 0);
    let run = run.display();
    let commands = [
        "moons.toml".to_owned(),
        "moons.toml --fresh".to_owned(),
        "plan moons.toml".to_owned(),
        "list".to_owned(),
        "list --toys".to_owned(),
        "--help".to_owned(),
        "moons.toml --set model.depth=0".to_owned(),
        format!("sample {run} -n 3 -o a.csv"),
        format!("score {run} --data a.csv -o s.csv"),
    ];
    for command in commands {
        let ended = Ended::of(here.command(&command).env_remove("NO_COLOR"));
        let text = ended.stdout + &ended.stderr;
        assert!(!text.is_empty() && !text.contains(['\u{1b}', '\r']), "{command}: {text:?}");
    }
}

#[test]
fn quiet_and_no_progress_leave_the_table_alone() {
    let here = Workplace::with_moons();
    let ended = here.runner("moons.toml --quiet").expect(0);
    assert!(ended.stderr.is_empty() && ended.stdout.contains("test NLL"), "{ended:?}");
    let ended = here.runner("moons.toml --fresh --progress none").expect(0);
    assert!(ended.stderr.is_empty() && ended.stdout.contains("test NLL"), "{ended:?}");
}

#[test]
fn commands_that_look_write_nothing() {
    let here = Workplace::with_moons();
    let before = here.files();
    for command in ["moons.toml --dry-run", "plan moons.toml"] {
        let ended = here.runner(command).expect(0);
        for part in ["moons: 1 run", "base-", "run time", "60"] {
            assert!(ended.stdout.contains(part), "{command}: {part:?}: {}", ended.stdout);
        }
    }
    let plan: serde_json::Value =
        serde_json::from_str(&here.runner("plan moons.toml --json").expect(0).stdout).expect("JSON");
    assert_eq!((&plan["experiment"], &plan["trials"][0]["seed"]), (&"moons".into(), &0.into()));
    let ended = here.runner("check moons.toml --seeds 0,1").expect(0);
    assert_eq!(ended.stdout, "moons: ok, 2 runs\n");
    assert_eq!(here.files(), before);
    assert!(!here.path("results").exists());
}

#[test]
fn list_shows_runs_and_toys() {
    let here = Workplace::with_moons();
    here.runner("list").expect(2).says(&["results", "name the folder of the results"]);
    here.runner("moons.toml --seeds 0,1").expect(0);
    for command in ["list", "list results", "list results/moons"] {
        let text = here.runner(command).expect(0).stdout;
        let rows: Vec<&str> = text.lines().filter(|line| line.contains("seed-")).collect();
        assert!(text.ends_with("results/moons: 2 finished\n"), "{text}");
        assert!(rows.len() == 2 && rows[1].contains("seed-1") && rows[1].contains("60"), "{command}: {text}");
    }
    let text = here.runner("list --toys").expect(0).stdout;
    for part in ["moons", "0.2892", "circles", "8gaussians", "checkerboard", "noise = 0.05"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn completions_are_a_script_of_the_shell_asked_for() {
    let here = Workplace::new();
    let script = here.runner("completions bash").expect(0).stdout;
    assert!(script.contains("complete -F _runner") && script.contains("--retry-failed"), "{script}");
    here.runner("completions basic").expect(2).says(&["bash", "zsh", "fish"]);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let here = Workplace::with_moons();
    for command in ["completions bash", "list --toys", "plan moons.toml --json"] {
        let mut command = here.command(command);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("ended");
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_finds_no_room_is_a_failure() {
    let here = Workplace::with_moons();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("opened");
    let ended = Ended::of_with_stdout(&mut here.command("plan moons.toml --json"), full.into());
    ended.expect(1).says(&["cannot write to standard output"]);
}
