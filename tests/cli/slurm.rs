//! Searches on a Slurm cluster, of which stand-ins for its programs are here: an array runs at once, element by element.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::workplace::{Ended, SMALL, Workplace, numbers, parquet, texts};

const SWEEP: &str = "[sweep.parameters]\n\"optimizer.learning_rate\" = { min = 1e-4, max = 1e-1, scale = \"log\" }\n\
                     \"model.depth\" = [1, 2]\n";

/// Two runs an element: the job that a program is of is in its environment, the elements are in `--array=0-<last>`.
const PROGRAMS: [(&str, &str); 4] = [
    (
        "sbatch",
        "for word in \"$@\"; do case $word in --array=*) last=${word#--array=0-} ;; --export=*) first=${word##*=} ;; \
         *) script=$word ;; esac; done\n\
         last=${last%%%*}\njobs=$(cat \"$STUB/jobs\" 2>/dev/null || echo 0)\necho $((jobs + 1)) > \"$STUB/jobs\"\n\
         for element in $(seq 0 \"$last\"); do\n\
         [ \"$((jobs + 1)).$element\" = \"$CANCELLED\" ] && continue\n\
         RUNNER_FIRST=$first SLURM_ARRAY_TASK_ID=$element bash \"$script\" >> \"$STUB/out\" 2>&1\ndone\n\
         echo $((jobs + 1))\n",
    ),
    // As long as there are lines in `waits`, everything is queued.
    ("squeue", "if [ -s \"$STUB/waits\" ]; then sed -i 1d \"$STUB/waits\"; seq 0 9; fi\ntrue\n"),
    ("scontrol", "echo 'MaxArraySize = 1001'\n"),
    ("srun", "shift\nexec \"$@\"\n"),
];

/// With the stand-ins, and `search.toml` with this sweep.
fn workplace(sweep: &str) -> Workplace {
    let here = Workplace::new();
    for (name, text) in PROGRAMS {
        let name = format!("slurm/{name}");
        here.write(&name, format!("#!/bin/bash\n{text}"));
        fs::set_permissions(here.path(&name), fs::Permissions::from_mode(0o755)).expect("executable");
    }
    let engine = "[engine.slurm]\ntrials_per_element = 2\n";
    here.write("search.toml", format!("{SMALL}{engine}{sweep}\n{SWEEP}"));
    here
}

/// With the stand-ins first on the path; `cancelled`: the element, `<job>.<element>`, that does not run.
fn on_slurm(here: &Workplace, arguments: &str, cancelled: &str) -> Command {
    let mut command = here.command(arguments);
    let path = format!("{}:{}", here.path("slurm").display(), std::env::var("PATH").expect("a path"));
    command.env("PATH", path).env("STUB", here.path("slurm")).env("CANCELLED", cancelled);
    command
}

/// Runs until stderr has these words, or to the end.
fn killed_at(command: &mut Command, words: &str) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("started");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    drop(lines.find(|line| line.as_ref().is_ok_and(|line| line.contains(words))));
    let _ = child.kill();
    child.wait().expect("ended");
}

fn table(here: &Workplace, results: &str) -> (Vec<Vec<String>>, Vec<Vec<u64>>, serde_json::Value) {
    let folder = here.path(format!("{results}/search"));
    let table = parquet(folder.join("trials.parquet"));
    let plan = fs::read_to_string(folder.join("plan.json")).expect("a plan");
    let plan: serde_json::Value = serde_json::from_str(&plan).expect("JSON");
    let bits = |column| numbers(&table, column).iter().map(|number: &f64| number.to_bits()).collect();
    let words = ["trial", "status"].map(|column| texts(&table, column)).to_vec();
    (words, ["seed", "steps", "validation_nll"].map(bits).to_vec(), plan["told"].clone())
}

#[test]
fn a_search_on_slurm_and_back_has_the_trials_of_one_that_stays_here() {
    let sweeps = [
        ("[sweep]\nmethod = \"tpe\"\ntrials = 9\nstartup = 4\nround = 3", 3),
        ("[sweep]\nmethod = \"halving\"\ntrials = 7\nfirst_rung = 20", 2),
        ("[sweep]\nmethod = \"halving\"\ntrials = 8\nfirst_rung = 20\ncandidates = \"tpe\"\nstartup = 4\nround = 4", 4),
    ];
    for (sweep, arrays) in sweeps {
        let here = workplace(sweep);
        here.runner("search.toml --results here").expect(0);
        let quiet = "search.toml --engine slurm --wait --quiet --results slurm-alone";
        let ended = Ended::of(&mut on_slurm(&here, quiet, "")).expect(0);
        assert!(ended.stdout.contains("table        ") && !ended.stdout.contains("progress  "), "{ended:?}");
        assert_eq!(ended.stderr, "");
        assert_eq!(table(&here, "slurm-alone"), table(&here, "here"), "{sweep}");
        let submitted = fs::read_dir(here.path("slurm-alone/search/slurm")).expect("listed").count();
        assert_eq!(submitted, arrays, "{sweep}");

        // An element of the first array is cancelled: the search does not go on, and whoever goes on runs what is missing.
        fs::remove_file(here.path("slurm/jobs")).expect("removed");
        Ended::of(&mut on_slurm(&here, "search.toml --engine slurm --wait --results both", "1.1")).expect(1);
        let told = table(&here, "both").2;
        assert!(told.is_null(), "{told}");
        // The next stage begins here, and the last ones are on the cluster again.
        let mut command = here.command("search.toml --results both --progress plain");
        killed_at(&mut command, if sweep.contains("tpe") { "round 2" } else { "to the end" });
        Ended::of(&mut on_slurm(&here, "search.toml --engine slurm --wait --results both", "")).expect(0);
        assert_eq!(table(&here, "both"), table(&here, "here"), "{sweep}");
    }
}

#[test]
fn whoever_waits_goes_on_where_a_paused_run_is_still_queued() {
    let here = workplace("[sweep]\nmethod = \"halving\"\ntrials = 7\nfirst_rung = 20");
    here.runner("search.toml --results here").expect(0);
    // All runs come to the rung, and Slurm has not forgotten their elements when somebody begins to wait.
    Ended::of(&mut on_slurm(&here, "search.toml --engine slurm --results slurm-alone", "")).expect(0);
    here.write("slurm/waits", "twice\nasked\n");
    let waited = Ended::of(&mut on_slurm(&here, "search.toml --engine slurm --wait --results slurm-alone", ""));
    waited.expect(0).says(&["2 runs queued to an earlier rung only"]);
    assert_eq!(table(&here, "slurm-alone"), table(&here, "here"));
}
