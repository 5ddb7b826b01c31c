//! `runner score`: the log-density of every row of a file.

use std::path::{Path, PathBuf};

use clap::Args;

use super::output::tell;
use super::reading::Reading;
use super::table::read_data;
use super::target::Target;
use super::{Exit, Failure};
use crate::data::{Column, TableFormat};
use crate::engine::SavedRun;
use crate::train::not_finite;

#[derive(Args, Debug)]
pub(super) struct Score {
    /// A run directory, results/<experiment>/<trial>/seed-<n>
    run: PathBuf,
    /// Rows to score: the data's columns, found by name, in any format a spec reads
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
        let reads: Vec<&Path> = run.files().into_iter().chain([self.data.as_path()]).collect();
        let target = Target::new(&self.output, self.output_format, &reads)?;
        let rows = read_data(&self.data, &self.reading, &run, !self.continuous)?;
        let log_prob = run.score(&rows, (!self.continuous).then_some(self.seed)).map_err(Failure::run)?;
        let mean = log_prob.iter().sum::<f64>() / log_prob.len() as f64;
        tell(format_args!("mean log_prob {mean:.6} nats over {} rows", log_prob.len()));
        not_finite(&log_prob).into_iter().for_each(|text| tell(format_args!("warning: {text}")));
        target.write(vec![("log_prob".to_owned(), Column::F64(log_prob))])
    }
}
