//! `runner score`: the log-density of every row of a file.

use std::path::PathBuf;

use clap::Args;

use super::output::tell;
use super::table::{read, write};
use super::{Exit, Failure};
use crate::data::Column;
use crate::engine::SavedRun;

#[derive(Args, Debug)]
pub(super) struct Score {
    /// A run directory, results/<experiment>/<trial>/seed-<n>
    run: PathBuf,
    /// Rows to score: the data's columns, found by name, in any format a spec reads
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Where to: one column `log_prob` (nats, data space), as .parquet, .csv or .npy
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl Score {
    pub fn execute(&self) -> Result<Exit, Failure> {
        let mut run = SavedRun::open(&self.run).map_err(Failure::usage)?;
        let rows = read(&self.data, &run.columns)?;
        let log_prob = run.score(rows).map_err(Failure::run)?;
        let mean = log_prob.iter().sum::<f64>() / log_prob.len() as f64;
        tell(format_args!("mean log_prob {mean:.6} nats over {} rows", log_prob.len()));
        write(&self.output, &[("log_prob".to_owned(), Column::F64(log_prob))])
    }
}
