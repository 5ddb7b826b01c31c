//! `runner transform`: rows to latent space, or back.

use std::path::PathBuf;

use clap::Args;

use super::table::{read, write};
use super::{Exit, Failure};
use crate::data::matrix_columns;
use crate::engine::SavedRun;

#[derive(Args, Debug)]
pub(super) struct Transform {
    /// A run directory, results/<experiment>/<trial>/seed-<n>
    run: PathBuf,
    /// Rows to map: the data's columns, or z1, z2, … with --inverse
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Where to: .parquet, .csv or .npy
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// From latent space to data space
    #[arg(long)]
    inverse: bool,
}

impl Transform {
    pub fn execute(&self) -> Result<Exit, Failure> {
        let mut run = SavedRun::open(&self.run).map_err(Failure::usage)?;
        let latent: Vec<String> = (1..=run.columns.len()).map(|i| format!("z{i}")).collect();
        let (from, to) = if self.inverse { (&latent, &run.columns) } else { (&run.columns, &latent) };
        let rows = read(&self.data, from)?;
        let to = to.clone();
        let moved = if self.inverse { run.inverse(&rows) } else { run.forward(rows) }.map_err(Failure::run)?;
        write(&self.output, &matrix_columns(&to, &moved))
    }
}
