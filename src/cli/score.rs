//! `runner score`: the log-density of every row of a file.

use std::path::{Path, PathBuf};

use clap::Args;

use super::output::tell;
use super::reading::{Reading, file_of};
use super::rows::Rows;
use super::spare::learned_from;
use super::table::{copied, read, read_classes};
use super::target::Target;
use super::{Exit, Failure};
use crate::data::{Context, Given, TableFormat, quoted};
use crate::train::not_finite;
use crate::trial::{Posterior, SavedRun, posterior};

/// Name of the column of results.
const LOG_PROB: &str = "log_prob";

#[derive(Args, Debug)]
pub(super) struct Score {
    /// A run directory, results/<experiment>/<trial>/seed-<n>
    run: PathBuf,
    /// Rows to score: the data's columns, found by name, in any format a spec reads; - is standard input (say its --format)
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    #[command(flatten)]
    reading: Reading,
    /// Where to: one column `log_prob` (nats, data space), as .parquet, .csv or .npy; - is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// How to write it: parquet, csv or npy [default: told by the extension]
    #[arg(long, value_name = "FORMAT")]
    output_format: Option<TableFormat>,
    /// Write all columns of FILE before `log_prob`, text too, as .csv or .parquet
    #[arg(long)]
    with_columns: bool,
    /// The rows are continuous already, such as samples of the run: add no dequantisation noise
    #[arg(long)]
    continuous: bool,
    /// Of a run conditional on one class: p(class | row) of every class before `log_prob`, which then is that of the row whatever its
    /// class, by Bayes' theorem with the shares of the training rows as prior; and the accuracy, where FILE has the class
    #[arg(long)]
    posterior: bool,
    /// Seed of the noise that is added to quantised data
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl Score {
    pub fn execute(&self) -> Result<Exit, Failure> {
        let mut run = SavedRun::open(&self.run).map_err(Failure::usage)?;
        let learned_from = learned_from(&self.run);
        let reads: Vec<&Path> = learned_from.iter().map(PathBuf::as_path).chain([file_of(&self.data)]).collect();
        let target = Target::new(&self.output, self.output_format, &reads)?;
        if self.with_columns && target.format() == TableFormat::Npy {
            return Err(Failure::usage("--with-columns: npy has no names of columns; write a .csv or .parquet"));
        }
        let input = self.reading.open(&self.data, &run.spec.dataset)?;
        let class = if self.posterior { Some(class_of(&run)?) } else { None };
        let context = if self.posterior { Context::default() } else { run.context.clone() };
        let all = read(&input, &self.reading, &run, &run.columns, &context)?;
        let told = [LOG_PROB, "their log_prob is -inf"];
        let rows = Rows::within_support(all, (&input, &self.reading), &run, !self.continuous, told)?;
        let mut columns = match self.with_columns {
            true => copied(&input, &self.reading, &run, target.format(), LOG_PROB)?,
            false => Vec::new(),
        };
        if columns.iter().any(|(_, column)| column.len() != rows.all.rows()) {
            return Err(Failure::Usage(format!("`{}` has changed while it was read", self.data.display())));
        }
        let noise = (!self.continuous).then_some(self.seed);
        let log_prob = match class {
            None => run.score(rows.taken(), noise).map_err(Failure::run)?,
            Some(class) => {
                let given = posterior(&mut run, rows.taken(), noise).map_err(Failure::run)?;
                if let Some(classes) = read_classes(&input, &self.reading, &run, &class)? {
                    tell(accuracy(&given, rows.places().map(|row| classes[row])));
                }
                let names = run.context.names().into_iter().map(|name| format!("p({name})"));
                columns.extend(names.zip(given.probabilities).map(|(name, all)| (name, rows.column(all, None))));
                given.log_prob
            }
        };
        let mean = log_prob.iter().sum::<f64>() / log_prob.len() as f64;
        let mean = if mean.abs() < 1e6 { format!("{mean:.6}") } else { format!("{mean:e}") };
        let within = if rows.have_outside() { " within the support, -inf over all" } else { "" };
        tell(format_args!("mean log_prob {mean} nats over {} rows{within}", log_prob.len()));
        not_finite(&log_prob, rows.places()).into_iter().for_each(|text| tell(format_args!("warning: {text}")));
        columns.push((LOG_PROB.to_owned(), rows.column(log_prob, Some(f64::NEG_INFINITY))));
        target.write(columns)
    }
}

/// How often the likeliest class is that of the row, in words, among rows whose class is known; `classes`: that of every row.
fn accuracy(given: &Posterior, classes: impl Iterator<Item = Option<usize>>) -> String {
    let (rows, classes): (Vec<usize>, Vec<usize>) =
        classes.enumerate().filter_map(|(row, class)| Some((row, class?))).unzip();
    let select = |of: &Vec<f64>| rows.iter().map(|&row| of[row]).collect();
    let probabilities = given.probabilities.iter().map(select).collect();
    Posterior { probabilities, log_prob: select(&given.log_prob) }.accuracy(&classes)
}

/// The class that `run` is conditional on, with the training rows of every class.
fn class_of(run: &SavedRun) -> Result<Given, Failure> {
    let [class] = run.context.columns.as_slice() else {
        let problem = match run.context.columns.as_slice() {
            [] => "the run is unconditional; condition it on a class, as with `dataset.label` and `condition = true`"
                .to_owned(),
            several => format!(
                "the run is conditional on {}, and a posterior is that of a class alone",
                several.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
            ),
        };
        return Err(Failure::Usage(format!("--posterior: {problem}")));
    };
    let name = quoted(&class.name);
    match class {
        Given { classes: None, .. } => {
            Err(Failure::Usage(format!("--posterior: the run is conditional on {name}, a number and no class")))
        }
        Given { rows, .. } if rows.is_empty() => Err(Failure::Usage(format!(
            "--posterior: the run does not know how many training rows each class of {name} had; train it again"
        ))),
        class => Ok(class.clone()),
    }
}
