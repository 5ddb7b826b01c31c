//! `runner score`: the log-density of every row of a file.

use std::path::{Path, PathBuf};

use clap::Args;

use super::output::tell;
use super::reading::{Reading, file_of};
use super::spare::learned_from;
use super::table::{copied, read_data};
use super::target::Target;
use super::{Exit, Failure};
use crate::data::{Column, TableFormat};
use crate::train::not_finite;
use crate::trial::SavedRun;

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
        let rows = read_data(&input, &self.reading, &run, !self.continuous)?;
        let mut columns = match self.with_columns {
            true => copied(&input, &self.reading, &run, target.format(), LOG_PROB)?,
            false => Vec::new(),
        };
        if columns.iter().any(|(_, column)| column.len() != rows.rows()) {
            return Err(Failure::Usage(format!("`{}` has changed while it was read", self.data.display())));
        }
        let log_prob = run.score(&rows, (!self.continuous).then_some(self.seed)).map_err(Failure::run)?;
        let mean = log_prob.iter().sum::<f64>() / log_prob.len() as f64;
        let mean = if mean.abs() < 1e6 { format!("{mean:.6}") } else { format!("{mean:e}") };
        tell(format_args!("mean log_prob {mean} nats over {} rows", log_prob.len()));
        not_finite(&log_prob).into_iter().for_each(|text| tell(format_args!("warning: {text}")));
        columns.push((LOG_PROB.to_owned(), Column::F64(log_prob)));
        target.write(columns)
    }
}
