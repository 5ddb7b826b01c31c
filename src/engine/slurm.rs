//! A Slurm cluster: array jobs whose elements run `runner exec`. Nothing is shared but the file system; how runs stand is in
//! their manifests.
//!
//! A submission has a folder of its own, `results/<experiment>/slurm/<time>-<pid>/`, with the runs it is for (`plan.json`), the
//! job script, and the elements' output. See <https://slurm.schedmd.com/job_array.html>.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use super::growing::{EngineError, Growing, LaidOut};
use super::known_names::tell_overrides;
use super::local::Report;
use crate::atomic::{WriteError, write_atomically};
use crate::plan::{Plan, Trial};
use crate::record::read_runs;
use crate::spec::{Slurm, counted};
use crate::trial::{Standing, standing};

/// Slurm's own default of `MaxArraySize`.
const ARRAY_SIZE: usize = 1001;
/// Seconds before the time limit at which the elements are warned.
const WARNING: u32 = 90;
/// Time between two queries of the queue.
const POLL: Duration = Duration::from_secs(2);

/// Why nothing was submitted.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "every message tells what its fields are")]
pub enum SlurmError {
    #[error("cannot start `{command}`: {source}; --engine slurm is for a machine that submits to a Slurm cluster")]
    Missing { command: &'static str, source: io::Error },
    #[error("`{command}` refused: {words}; see [engine.slurm] of the spec, and {}", script.display())]
    Refused { command: &'static str, words: String, script: PathBuf },
    #[error(
        "`{command}` does not answer: {words}; what is queued is not known, try again when the cluster's controller is back"
    )]
    NoAnswer { command: &'static str, words: String },
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("the path of this program is not known: {0}")]
    Program(io::Error),
}

/// What was submitted of one experiment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    /// Array jobs.
    pub jobs: Vec<String>,
    /// Runs that were submitted.
    pub submitted: usize,
    /// Runs that are finished.
    pub kept: usize,
    /// Runs that wait or run in an earlier submission.
    pub queued: usize,
    /// The array jobs of those.
    pub earlier_jobs: Vec<String>,
    /// How many of those are there on the way to an earlier rung only, so that they are to be submitted again.
    pub not_far_enough: usize,
}

impl fmt::Display for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { jobs, submitted, kept, queued, .. } = self;
        let jobs = if jobs.is_empty() { "no job".to_owned() } else { format!("job {}", jobs.join(", ")) };
        write!(f, "{} submitted as {jobs}, {kept} kept, {queued} queued before", counted(*submitted, "run"))
    }
}

/// The cluster, and what is submitted to it.
#[derive(Clone, Copy, Debug)]
pub struct Cluster<'a> {
    /// How it runs trials.
    pub slurm: &'a Slurm,
    /// Folder of all results.
    pub results: &'a Path,
    /// Start diverged trials again.
    pub retry_failed: bool,
}

/// Submits the runs of an experiment that are neither finished nor queued; where its search learns, the first round whose trials
/// have not all ended. `tell` hears what the user should know.
///
/// # Errors
/// Where a file cannot be written or Slurm refuses; what was submitted before stays submitted.
pub fn submit<'a>(
    growing: Growing<'a>,
    cluster: Cluster<'_>,
    tell: impl Fn(String),
) -> Result<(LaidOut<'a>, Submission), SlurmError> {
    // Asked first, so that nothing is written where there is no Slurm.
    array_size()?;
    queued(&cluster.results.join(&growing.plan.experiment))?;
    let mut laid_out = growing.lay_out(cluster.results, false, &tell)?;
    while grow(&mut laid_out, cluster.results, &tell)? {}
    laid_out.progress(cluster.results).into_iter().for_each(&tell);
    let submission = submit_trials(&laid_out.plan().trials, cluster)?;
    if submission.not_far_enough > 0 {
        let runs = counted(submission.not_far_enough, "run");
        tell(format!(
            "{runs} queued to an earlier rung only: `--wait` submits them again, or the same command after that"
        ));
    }
    Ok((laid_out, submission))
}

/// Submits what comes after a `submission` of which no element waits or runs any more: the runs that were queued to an earlier rung
/// only, or the next round of the search, once all trials of the earlier ones have ended; `None` where there is neither.
///
/// # Errors
/// As [`submit`].
pub fn submit_next(
    laid_out: &mut LaidOut<'_>,
    cluster: Cluster<'_>,
    submission: &Submission,
    tell: impl Fn(String),
) -> Result<Option<Submission>, SlurmError> {
    if !grow(laid_out, cluster.results, &tell)? {
        let again = submission.not_far_enough > 0;
        return again.then(|| submit_trials(&laid_out.due(), cluster)).transpose();
    }
    while grow(laid_out, cluster.results, &tell)? {}
    laid_out.progress(cluster.results).into_iter().for_each(&tell);
    submit_trials(&laid_out.due(), cluster).map(Some)
}

fn grow(laid_out: &mut LaidOut<'_>, results: &Path, tell: impl Fn(String)) -> Result<bool, EngineError> {
    let runs = read_runs(&results.join(&laid_out.plan().experiment)).manifests;
    let mut rows = runs.into_iter().map(|run| ((run.spec_hash.clone(), run.seed), run)).collect();
    let grown = laid_out.grow(results, &mut rows, &tell)?;
    grown.stopped.into_iter().for_each(tell);
    Ok(grown.goes_on)
}

/// Submits those of `trials` that are neither finished nor queued.
fn submit_trials(planned: &[Trial], cluster: Cluster<'_>) -> Result<Submission, SlurmError> {
    let Cluster { slurm, results, retry_failed } = cluster;
    let mut submission = Submission::default();
    let Some(name) = planned.first().map(|trial| trial.experiment.clone()) else { return Ok(submission) };
    let array_size = array_size()?;
    let experiment = results.join(&name);
    let queued = queued(&experiment)?;
    let mut trials = Vec::new();
    for trial in planned {
        let kept = match standing(trial, results) {
            Standing::Finished(run) | Standing::Paused(run) => Some(run),
            Standing::Ended(run) => Some(run).filter(|_| !retry_failed),
            // A run whose folder is not understood is submitted too: its element fails and says why in its output.
            Standing::New | Standing::Unfinished | Standing::Busy(_) | Standing::Unclear { .. } => None,
        };
        if let Some(mut run) = kept {
            tell_overrides(trial, results, &mut run);
            submission.kept += 1;
        } else if let Some(Queued { job, until }) = queued.get(&(trial.spec_hash.clone(), trial.seed)) {
            submission.queued += 1;
            submission.not_far_enough += usize::from(*until != trial.until);
            if !submission.earlier_jobs.contains(job) {
                submission.earlier_jobs.push(job.clone());
            }
        } else {
            trials.push(trial.clone());
        }
    }
    submission.submitted = trials.len();
    if trials.is_empty() {
        return Ok(submission);
    }
    let missing = Plan { trials, ..Plan::of(&name) };
    let time = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S%.3f").to_string();
    let folder = experiment.join("slurm").join(format!("{time}-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(WriteError::at(&folder))?;
    let folder = folder.canonicalize().map_err(WriteError::at(&folder))?;
    let write = |name: &str, text: &str| write_atomically(&folder.join(name), |file| file.write_all(text.as_bytes()));
    let json = missing.to_json().map_err(|error| WriteError::at(&folder)(io::Error::other(error)))?;
    write("plan.json", &json)?;
    let results = results.canonicalize().map_err(WriteError::at(results))?;
    let program = std::env::current_exe().map_err(SlurmError::Program)?;
    write("job.sh", &script(&missing, slurm, &program, &folder, &results, retry_failed))?;
    let each = slurm.trials_per_element.max(1);
    let elements = missing.trials.len().div_ceil(each);
    for first in (0..elements).step_by(array_size) {
        let count = (elements - first).min(array_size);
        submission.jobs.push(sbatch(&folder, first, count, slurm.at_once)?);
        // A line an array: its job, its first element, and the runs of an element.
        let line = |(i, job): (usize, &String)| format!("{job} {} {each}\n", i * array_size);
        let jobs: Vec<String> = submission.jobs.iter().enumerate().map(line).collect();
        write("jobs.txt", &jobs.concat())?;
    }
    Ok(submission)
}

/// Submits one array; returns the number of its job.
fn sbatch(folder: &Path, first: usize, count: usize, at_once: Option<u32>) -> Result<String, SlurmError> {
    let at_once = at_once.map(|most| format!("%{most}")).unwrap_or_default();
    let script = folder.join("job.sh");
    let output = ask(
        "sbatch",
        Command::new("sbatch")
            .arg("--parsable")
            .arg(format!("--array=0-{}{at_once}", count - 1))
            .arg(format!("--export=ALL,RUNNER_FIRST={first}"))
            .arg(&script),
    )?;
    if !output.status.success() {
        return Err(SlurmError::Refused { command: "sbatch", words: words(&output.stderr), script });
    }
    // `job` or `job;cluster`.
    let text = words(&output.stdout);
    Ok(text.split(';').next().unwrap_or_default().to_owned())
}

/// The job script of an array.
fn script(plan: &Plan, slurm: &Slurm, program: &Path, folder: &Path, results: &Path, retry_failed: bool) -> String {
    let mut text = String::from("#!/bin/bash\n");
    let mut option = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "#SBATCH --{name}={value}");
        }
    };
    option("job-name", Some(format!("runner-{}", plan.experiment)));
    option("output", Some(format!("\"{}/%A_%a.out\"", folder.display())));
    option("open-mode", Some("append".to_owned()));
    option("signal", Some(format!("USR2@{WARNING}")));
    option("partition", slurm.partition.clone());
    option("account", slurm.account.clone());
    option("time", slurm.time.clone());
    option("mem", slurm.memory.clone());
    option("cpus-per-task", slurm.cpus.map(|cpus| cpus.to_string()));
    option("gpus", slurm.gpus.filter(|gpus| *gpus > 0).map(|gpus| gpus.to_string()));
    text.push_str("#SBATCH --requeue\n");
    let (directives, commands): (Vec<_>, Vec<_>) = slurm.extra.iter().partition(|line| line.starts_with("#SBATCH"));
    for line in directives {
        let _ = writeln!(text, "{line}");
    }
    for line in commands {
        let _ = writeln!(text, "{line}");
    }
    let [program, plan_file, results] = [program, &folder.join("plan.json"), results].map(quoted);
    let (each, last) = (slurm.trials_per_element.max(1), plan.trials.len() - 1);
    let retry = if retry_failed { " --retry-failed" } else { "" };
    let _ = write!(
        text,
        "first=$(( (RUNNER_FIRST + SLURM_ARRAY_TASK_ID) * {each} ))\n\
         last=$(( first + {each} - 1 > {last} ? {last} : first + {each} - 1 ))\n\
         export RAYON_NUM_THREADS=${{SLURM_CPUS_PER_TASK:-1}} SRUN_CPUS_PER_TASK=${{SLURM_CPUS_PER_TASK:-1}}\n\
         # A job step, because Slurm warns only those of the end of their time.\n\
         exec srun --ntasks=1 {program} exec --plan {plan_file} --results {results} \\\n    \
         --index \"$(seq --separator=, $first $last)\"{retry}\n"
    );
    text
}

/// `path` in single quotes, for a shell script.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

/// A run whose element waits or runs.
struct Queued {
    /// The array job.
    job: String,
    /// The step at which the element pauses it; `None`: it goes to its end.
    until: Option<usize>,
}

/// The runs of earlier submissions whose elements wait or run, by spec and seed.
fn queued(experiment: &Path) -> Result<BTreeMap<(String, u64), Queued>, SlurmError> {
    let mut runs = BTreeMap::new();
    for folder in fs::read_dir(experiment.join("slurm")).into_iter().flatten().flatten() {
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        let jobs = read("jobs.txt");
        let Ok(plan) = Plan::from_json(&read("plan.json")) else { continue };
        for line in jobs.lines() {
            let mut words = line.split(' ');
            let (job, mut number) = (words.next().unwrap_or_default(), || words.next()?.parse::<usize>().ok());
            let (Some(first), Some(each)) = (number(), number()) else { continue };
            for element in waiting(job)? {
                let from = (first + element) * each;
                let of_element = plan.trials.iter().skip(from).take(each);
                let queued = |trial: &Trial| Queued { job: job.to_owned(), until: trial.until };
                runs.extend(of_element.map(|trial| ((trial.spec_hash.clone(), trial.seed), queued(trial))));
            }
        }
    }
    Ok(runs)
}

/// Waits until no element of `jobs` waits or runs any more. `tell` hears once a job that Slurm does not answer.
///
/// # Errors
/// Where Slurm cannot be asked.
pub fn wait<'a>(jobs: impl Iterator<Item = &'a String>, tell: impl Fn(String)) -> Result<(), SlurmError> {
    for job in jobs {
        let mut told = false;
        loop {
            match waiting(job) {
                Ok(elements) if elements.is_empty() => break,
                // A controller that is restarted comes back, and the jobs go on meanwhile.
                Err(error @ SlurmError::NoAnswer { .. }) if !told => {
                    tell(format!("still waiting: {error}"));
                    told = true;
                }
                Ok(_) | Err(SlurmError::NoAnswer { .. }) => {}
                Err(error) => return Err(error),
            }
            std::thread::sleep(POLL);
        }
    }
    Ok(())
}

/// What became of the runs of `plan`, once nobody is at them any more.
pub fn report(plan: &Plan, results: &Path) -> Report {
    let mut runs = read_runs(&results.join(&plan.experiment)).manifests;
    runs.retain(|run| plan.trials.iter().any(|trial| trial.run() == (&run.spec_hash, run.seed)));
    let not_started = plan.trials.len() - runs.len();
    Report { experiment: plan.experiment.clone(), runs, not_started, ..Report::default() }
}

/// The elements of an array job that wait or run.
///
/// # Errors
/// Where Slurm cannot be asked, or cannot tell ([`SlurmError::NoAnswer`]).
fn waiting(job: &str) -> Result<Vec<usize>, SlurmError> {
    let output = ask("squeue", Command::new("squeue").args(["--noheader", "--array", "--format=%K", "--jobs", job]))?;
    // Slurm forgets jobs some minutes after their end, and then refuses to look them up: `slurm_load_jobs error: Invalid job
    // id specified`. Any other failure says nothing about the job.
    let reason = words(&output.stderr);
    if !output.status.success() && !reason.contains("Invalid job id") {
        return Err(SlurmError::NoAnswer { command: "squeue", words: reason });
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| line.trim().parse().ok()).collect())
}

/// The cluster's limit on the number of elements in an array.
fn array_size() -> Result<usize, SlurmError> {
    let output = ask("scontrol", Command::new("scontrol").args(["show", "config"]))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.trim().strip_prefix("MaxArraySize"));
    let size = line.and_then(|rest| rest.trim_start_matches([' ', '=']).trim().parse().ok());
    Ok(size.unwrap_or(ARRAY_SIZE).max(1))
}

/// Puts this array element back into the queue, so that it goes on after its time limit; `false` where Slurm refuses.
pub fn requeue() -> bool {
    let Some(job) = std::env::var_os("SLURM_JOB_ID") else { return false };
    ask("scontrol", Command::new("scontrol").arg("requeue").arg(job)).is_ok_and(|output| output.status.success())
}

fn ask(name: &'static str, command: &mut Command) -> Result<Output, SlurmError> {
    command.stdin(Stdio::null()).output().map_err(|source| SlurmError::Missing { command: name, source })
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}
