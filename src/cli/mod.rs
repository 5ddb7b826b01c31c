//! The command line: one file a command, exit codes, terminal output. No maths.
//!
//! stdout carries results, stderr everything else.

mod check;
mod compare;
mod completions;
mod diagnose;
mod exec;
mod importance;
mod init;
mod list;
mod man;
mod options;
mod output;
mod pictures;
mod plan;
mod plot;
mod prune;
mod reading;
mod report;
mod rows;
mod run;
mod sample;
mod schema;
mod score;
mod spare;
mod split;
mod table;
mod target;
mod transform;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::options::MessageFormat;
use self::output::tell;
use crate::spec::Diagnostics;

/// Train Real NVP flows from TOML specs.
///
/// `runner SPEC...` is short for `runner run SPEC...`.
#[derive(Parser, Debug)]
#[command(name = "runner", version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::Run,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Train everything the specs ask for; finished trials are kept, interrupted ones resumed
    Run(run::Run),
    /// Validate specs without running them; every problem at once
    Check(check::Check),
    /// Show the trials of a spec without running them
    Plan(plan::Plan),
    /// Run one trial of a stored plan
    Exec(exec::Exec),
    /// Compare trials: mean ± standard error over seeds, best first
    Compare(compare::Compare),
    /// Show experiments and the state of their trials
    List(list::List),
    /// Draw rows from a trained flow
    Sample(sample::Sample),
    /// Write the log-density of every row of a file, in data space
    Score(score::Score),
    /// Map rows of a file to latent space, or back
    Transform(transform::Transform),
    /// Write the rows that a run was trained, validated and tested on
    Split(split::Split),
    /// Draw charts of an experiment (curves, swept keys, cost) or of a run
    Plot(plot::Plot),
    /// Judge a fit where no entropy is known: baselines, latents, samples against test rows
    Diagnose(diagnose::Diagnose),
    /// Write one HTML page of everything that came out, to read and to send
    Report(report::Report),
    /// Remove runs that the experiment's plan no longer asks for
    Prune(prune::Prune),
    /// Write a commented spec to start from
    Init(init::Init),
    /// Print the JSON Schema of specs, for editors
    Schema(schema::Schema),
    /// Print a completion script for a shell
    Completions(completions::Completions),
    /// Print the man page
    Man(man::Man),
}

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All well.
    Success = 0,
    /// A trial failed or diverged, or is left to another process; the others finished.
    TrialFailed = 1,
    /// The command line, a spec or its data are wrong; nothing was started.
    Usage = 2,
    /// Stopped by a signal after saving; the same command goes on.
    Interrupted = 75,
}

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Problems of specs, rendered with their lines.
    #[error("{problems}")]
    Spec { problems: Diagnostics, format: MessageFormat },
    /// The user can mend it: nothing was started.
    #[error("error: {0}")]
    Usage(String),
    /// It went wrong on the way.
    #[error("error: {0}")]
    Run(String),
}

impl Failure {
    fn usage(error: impl std::fmt::Display) -> Self {
        Self::Usage(error.to_string())
    }

    fn run(error: impl std::fmt::Display) -> Self {
        Self::Run(error.to_string())
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        None => cli.run.execute(),
        Some(Command::Run(run)) => run.execute(),
        Some(Command::Check(check)) => check.execute(),
        Some(Command::Plan(plan)) => plan.execute(),
        Some(Command::Exec(exec)) => exec.execute(),
        Some(Command::Compare(compare)) => compare.execute(),
        Some(Command::List(list)) => list.execute(),
        Some(Command::Sample(sample)) => sample.execute(),
        Some(Command::Score(score)) => score.execute(),
        Some(Command::Transform(transform)) => transform.execute(),
        Some(Command::Split(split)) => split.execute(),
        Some(Command::Plot(plot)) => plot.execute(),
        Some(Command::Diagnose(diagnose)) => diagnose.execute(),
        Some(Command::Report(report)) => report.execute(),
        Some(Command::Prune(prune)) => prune.execute(),
        Some(Command::Init(init)) => init.execute(),
        Some(Command::Man(man)) => man.execute(),
        Some(Command::Schema(schema)) => schema.execute(),
        Some(Command::Completions(completions)) => completions.execute(),
    };
    let exit = result.unwrap_or_else(|failure| {
        match &failure {
            Failure::Spec { problems, format: MessageFormat::Human } => {
                tell(problems.render(options::colour_on_stderr()));
            }
            Failure::Spec { problems, format: MessageFormat::Json } => tell(problems.to_json_lines()),
            other => tell(other),
        }
        if matches!(failure, Failure::Run(_)) { Exit::TrialFailed } else { Exit::Usage }
    });
    ExitCode::from(exit as u8)
}
