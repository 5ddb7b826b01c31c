//! `runner sample`: draw rows from a trained flow.

use std::path::PathBuf;

use clap::Args;

use super::table::write;
use super::{Exit, Failure};
use crate::data::matrix_columns;
use crate::engine::SavedRun;

#[derive(Args, Debug)]
pub(super) struct Sample {
    /// A run directory, results/<experiment>/<trial>/seed-<n>
    run: PathBuf,
    /// Number of rows
    #[arg(short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    n: u32,
    /// Where to: .parquet, .csv or .npy
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Seed of the draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl Sample {
    pub fn execute(&self) -> Result<Exit, Failure> {
        let mut run = SavedRun::open(&self.run).map_err(Failure::usage)?;
        let rows = run.sample(self.n as usize, self.seed).map_err(Failure::run)?;
        write(&self.output, &matrix_columns(&run.columns, &rows))
    }
}
