//! Folders that cannot be written, disks that are full, files that are damaged.

use std::fs;
use std::process::{Command, Stdio};

use crate::workplace::{Ended, SMALL, Workplace, assert_same_numbers, manifest, numbers, parquet};

#[test]
fn a_file_in_the_place_of_a_folder_is_named_and_left_alone() {
    let here = Workplace::with_moons();
    here.write("file", "mine");
    let before = here.files();
    here.runner("moons.toml --results file").expect(2).says(&["file: cannot be made", "--results"]);
    here.runner("moons.toml --results file/below").expect(2).says(&["file/below", "--results"]);
    assert_eq!(here.files(), before);
    here.write("results/moons", "mine too");
    here.runner("moons.toml").expect(1).says(&["cannot write results/moons"]);
    assert_eq!(fs::read_to_string(here.path("results/moons")).expect("it"), "mine too");
    here.runner("sample results -n 3 -o nowhere/a.csv").expect(2);
}

/// Types `runner <arguments>` where no file can get longer than `kilobytes`, which is how a full disk looks.
#[cfg(unix)]
fn on_a_full_disk(here: &Workplace, kilobytes: u32, arguments: &str) -> Ended {
    // POSIX counts in blocks of 512 bytes.
    let blocks = 2 * kilobytes;
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" {arguments}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_runner")]).current_dir(here.path("")).stdin(Stdio::null());
    Ended::of(&mut shell)
}

#[cfg(unix)]
#[test]
fn a_full_disk_fails_the_run_keeps_what_was_recorded_and_the_same_command_goes_on() {
    let here = Workplace::new();
    // The curve outgrows the disk in one, the checkpoint (weights and moments: 60 kB) in the other.
    let specs = [("curve", "log_every = 1", "metrics.jsonl", 12), ("weights", "log_every = 20", ".safetensors", 24)];
    for (name, log_every, full, kilobytes) in specs {
        let spec = SMALL.replace("log_every = 10", log_every).replace("steps = 60", "steps = 200");
        here.write(&format!("{name}.toml"), spec);
        here.runner(&format!("{name}.toml --seeds 0,1 --results undisturbed")).expect(0);
        here.runner(&format!("{name}.toml --seeds 0,")).expect(0);
        let (experiment, command) = (format!("results/{name}"), format!("{name}.toml --seeds 0,1"));
        let finished = here.run_folder(&experiment, 0);
        let before: Vec<_> = here.files().into_iter().filter(|(path, _)| path.starts_with(&finished)).collect();

        let ended = on_a_full_disk(&here, kilobytes, &command).expect(1);
        // Of the curve, in the middle; of the weights, behind the last step.
        let place = if name == "curve" { "failed after step " } else { "failed after step 200: " };
        ended.says(&["seed 0: finished already, kept", place, full, "check free space"]);
        let run = here.run_folder(&experiment, 1);
        assert_eq!(manifest(&run)["status"], "failed");
        assert!(manifest(&run)["reason"].as_str().is_some_and(|reason| reason.contains(full)));
        assert!(!numbers(&parquet(run.join("metrics.parquet")), "step").is_empty(), "what was recorded can be read");
        let after: Vec<_> = here.files().into_iter().filter(|(path, _)| path.starts_with(&finished)).collect();
        assert!(after == before, "a finished run was touched");

        here.runner(&command).expect(0);
        assert_same_numbers(&run, &here.run_folder(&format!("undisturbed/{name}"), 1));
    }
    here.write("plan.toml", SMALL);
    on_a_full_disk(&here, 1, "plan.toml --seeds 0,1,2").expect(1).says(&["cannot write results/plan/plan.json"]);
}

#[test]
fn a_damaged_checkpoint_is_refused_by_its_name() {
    let here = Workplace::with_moons();
    here.runner("moons.toml").expect(0);
    let run = here.run_folder("results/moons", 0);
    let best = run.join("checkpoints/best.safetensors");
    let whole = fs::read(&best).expect("weights");
    let sample = format!("sample {} -n 5 -o a.csv", run.display());
    let mut flipped = whole.clone();
    // An exponent full of ones: not a finite number.
    let end = flipped.len();
    flipped[end - 2..].copy_from_slice(&[0xc0, 0x7f]);
    for damaged in [&whole[..whole.len() / 2], &whole[..4], b"not a checkpoint", &flipped] {
        fs::write(&best, damaged).expect("written");
        here.runner(&sample).expect(2).says(&["best.safetensors: damaged checkpoint", "train it again"]);
        assert!(!here.path("a.csv").exists());
    }
    fs::remove_file(&best).expect("removed");
    here.runner(&sample).expect(2).says(&["has no checkpoints/best.safetensors"]);
    fs::write(&best, &whole).expect("written");
    here.runner(&sample).expect(0);
}

#[test]
fn a_run_whose_checkpoint_was_damaged_fails_by_its_name_until_its_folder_is_deleted() {
    let here = Workplace::with_moons();
    here.runner("moons.toml --seeds 0,1").expect(0);
    let (run, other) = (here.run_folder("results/moons", 0), here.run_folder("results/moons", 1));
    let aside = here.path("aside");
    for file in ["last", "best"] {
        drop(fs::remove_dir_all(&aside));
        fs::rename(&run, &aside).expect("moved");
        here.runner("moons.toml --seeds 0,1").expect(0);
        // As if it had been interrupted after its last save.
        let text = fs::read_to_string(run.join("manifest.json")).expect("a manifest");
        fs::write(run.join("manifest.json"), text.replace("\"finished\"", "\"interrupted\"")).expect("written");
        let path = run.join(format!("checkpoints/{file}.safetensors"));
        if file == "last" { fs::write(&path, "rubbish") } else { fs::remove_file(&path) }.expect("damaged");
        for _ in 0..2 {
            let named = format!("{file}.safetensors: damaged checkpoint");
            here.runner("moons.toml --seeds 0,1").expect(1).says(&[
                &named,
                "delete the run's folder",
                "seed 1: finished",
            ]);
        }
        fs::remove_dir_all(&run).expect("removed");
        here.runner("moons.toml --seeds 0,1").expect(0);
        assert_same_numbers(&run, &aside);
        assert!(other.is_dir());
    }
}

#[test]
fn a_run_whose_manifest_is_damaged_or_gone_goes_on_from_its_checkpoint() {
    let here = Workplace::with_moons();
    here.runner("moons.toml").expect(0);
    let run = here.run_folder("results/moons", 0);
    let whole = fs::read(run.join("checkpoints/last.safetensors")).expect("a checkpoint");
    for damage in [Some("{"), Some(""), Some("[]"), None] {
        match damage {
            Some(text) => fs::write(run.join("manifest.json"), text).expect("written"),
            None => fs::remove_file(run.join("manifest.json")).expect("removed"),
        }
        let told: &[&str] = if damage.is_some() { &["manifest.json: not a manifest"] } else { &[] };
        here.runner("list").expect(0).says(told);
        here.runner("moons.toml").expect(0).says(told).says(&["resumed at step 60"]);
        assert_eq!(manifest(&run)["status"], "finished");
        assert!(fs::read(run.join("checkpoints/last.safetensors")).expect("a checkpoint") == whole);
    }
}

#[test]
fn what_is_not_understood_in_a_runs_folder_is_left_as_it_is_until_somebody_says_fresh() {
    let here = Workplace::with_moons();
    here.runner("moons.toml").expect(0);
    let run = here.run_folder("results/moons", 0);
    let [text, spec] = ["manifest.json", "spec.toml"].map(|name| fs::read_to_string(run.join(name)).expect("text"));
    let restore = || {
        fs::write(run.join("manifest.json"), &text).expect("written");
        fs::write(run.join("spec.toml"), &spec).expect("written");
    };
    let hash = manifest(&run)["spec_hash"].as_str().expect("a hash").to_owned();
    let another = text.replace(&hash, &"0".repeat(64));
    let cases: [(&str, &str, String, &str); 4] = [
        ("manifest.json", "a later status", text.replace("\"finished\"", "\"paused\""), "of a later release"),
        ("manifest.json", "another spec", another, "holds the run of another spec"),
        (
            "spec.toml",
            "no manifest, another spec",
            spec.replace("steps = 60", "steps = 70"),
            "is not known to be of this trial",
        ),
        ("spec.toml", "no manifest, no spec", String::new(), "is not known to be of this trial"),
    ];
    for (name, case, content, told) in cases {
        fs::write(run.join(name), content).expect("written");
        if name == "spec.toml" {
            fs::remove_file(run.join("manifest.json")).expect("removed");
        }
        let before: Vec<_> = here.files().into_iter().filter(|(path, _)| path.starts_with(&run)).collect();
        here.runner("moons.toml").expect(1).says(&[told]);
        let after: Vec<_> = here.files().into_iter().filter(|(path, _)| path.starts_with(&run)).collect();
        assert!(before == after, "{case}: the folder was touched");
        restore();
    }
    fs::write(run.join("manifest.json"), text.replace("\"finished\"", "\"paused\"")).expect("written");
    here.runner("moons.toml --fresh").expect(0).says(&["started: 60 steps"]);
    assert_eq!(manifest(&run)["status"], "finished");
}

#[test]
fn a_damaged_curve_costs_no_table_and_no_chart() {
    let here = Workplace::with_moons();
    here.runner("moons.toml --seeds 0,1").expect(0);
    let run = here.run_folder("results/moons", 0);
    let row = "{\"step\":10,\"epoch\":0.5,\"seconds\":1.0,\"train_nll\":2.0,\"validation_nll\":2.0}";
    for (name, other, content) in [
        ("metrics.jsonl", "metrics.parquet", format!("{row}\nrubbish\n{row}\n")),
        ("metrics.parquet", "metrics.jsonl", "rubbish".to_owned()),
    ] {
        drop(fs::remove_file(run.join(other)));
        fs::write(run.join(name), content).expect("written");
        let named = format!("seed-0/{name}");
        here.runner("moons.toml --seeds 0,1").expect(0).says(&["warning: ", &named]);
        assert_eq!(numbers(&parquet(here.path("results/moons/trials.parquet")), "test_nll").len(), 2);
        let plotted = here.runner("plot results/moons").expect(0).says(&["warning: ", &named]);
        assert!(plotted.stdout.contains("curves.svg"), "{}", plotted.stdout);
        here.runner(&format!("plot {}", run.display())).expect(0).says(&["warning: ", &named]);
        here.runner("compare results/moons").expect(0);
    }
}

#[test]
fn an_interrupted_run_with_a_damaged_curve_goes_on_keeps_the_file_and_knows_its_time() {
    let here = Workplace::with_moons();
    here.runner("moons.toml").expect(0);
    let run = here.run_folder("results/moons", 0);
    // As if it had been killed between its last checkpoint and its manifest, after ten minutes.
    let text = fs::read_to_string(run.join("manifest.json")).expect("a manifest");
    fs::write(run.join("manifest.json"), text.replace("\"finished\"", "\"running\"")).expect("written");
    fs::remove_file(run.join("metrics.parquet")).expect("removed");
    let row = |step: u32| format!("{{\"step\":{step},\"epoch\":{step}.0,\"seconds\":{step}0.0,\"train_nll\":2.0}}");
    let damaged = format!("{}\nrubbish\n{}\n", row(20), row(60));
    fs::write(run.join("metrics.jsonl"), &damaged).expect("written");

    let told = ["resumed at step 60", "metrics.jsonl: line 2 is not a row", "2 rows", "metrics.jsonl.damaged"];
    here.runner("moons.toml").expect(0).says(&told);
    assert_eq!(numbers(&parquet(run.join("metrics.parquet")), "step"), [20.0, 60.0]);
    assert_eq!(fs::read_to_string(run.join("metrics.jsonl.damaged")).expect("a copy"), damaged);
    let summary = &manifest(&run)["summary"];
    let [seconds, speed] = ["seconds", "samples_per_second"].map(|name| summary[name].as_f64().expect("a number"));
    assert!((600.0..1200.0).contains(&seconds) && speed <= 60.0 * 64.0 / 600.0, "{summary}");

    // The copy is a run's own file: it keeps nobody from removing a run that is not asked for any more.
    here.runner("moons.toml --set model.depth=3").expect(0);
    here.runner("prune results/moons --yes").expect(0).says(&["1 run removed"]);
    assert!(!run.exists());
}
