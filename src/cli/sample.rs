//! `runner sample`: draw rows from a trained flow.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use clap::Args;

use super::spare::learned_from;
use super::target::Target;
use super::{Exit, Failure};
use crate::data::{Blocks, TableFormat, matrix_columns};
use crate::engine::stop_flag;
use crate::trial::SavedRun;

#[derive(Args, Debug)]
pub(super) struct Sample {
    /// A run directory, results/<experiment>/<trial>/seed-<n>
    run: PathBuf,
    /// Number of rows
    #[arg(short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    n: u32,
    /// Where to: .parquet, .csv or .npy; - is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// How to write it: parquet, csv or npy [default: told by FILE's extension]
    #[arg(long, value_name = "FORMAT")]
    format: Option<TableFormat>,
    /// Seed of the draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl Sample {
    pub fn execute(&self) -> Result<Exit, Failure> {
        let mut run = SavedRun::open(&self.run).map_err(Failure::usage)?;
        let learned_from = learned_from(&self.run);
        let learned_from: Vec<&Path> = learned_from.iter().map(PathBuf::as_path).collect();
        let target = Target::new(&self.output, self.format, &learned_from)?;
        let (names, rows) = (run.columns.clone(), self.n as usize);
        let stop = stop_flag().map_err(Failure::run)?;
        let blocks = &mut run.draws(rows, self.seed).map(|block| {
            // An error rather than the end of the process, so that the half-written temporary file is removed.
            if stop.load(Ordering::Relaxed) {
                return Err(io::Error::other("stopped by a signal, and nothing was written"));
            }
            let columns = matrix_columns(&names, &block.map_err(io::Error::other)?);
            Ok(columns.into_iter().map(|(_, column)| column).collect())
        });
        target.write_blocks(Blocks { names: &names, rows, blocks })
    }
}
