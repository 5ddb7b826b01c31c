//! `runner sample`: draw rows from a trained flow.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;

use super::output::tell;
use super::pictures::Pictures;
use super::spare::learned_from;
use super::target::Target;
use super::{Exit, Failure};
use crate::data::{Blocks, TableFormat, matrix_columns};
use crate::engine::stop_flag;
use crate::matrix::Matrix;
use crate::trial::SavedRun;

#[derive(Args, Debug)]
pub(super) struct Sample {
    /// A run directory, results/<experiment>/<trial>/seed-<n>
    run: PathBuf,
    /// Number of rows
    #[arg(short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    n: u32,
    /// Where to: .parquet, .csv or .npy; - is standard output. Of images also a folder, for a PNG each, or .png, for all in a grid
    #[arg(short, long, value_name = "FILE|FOLDER")]
    output: PathBuf,
    /// How to write it: parquet, csv or npy [default: told by FILE's extension]
    #[arg(long, value_name = "FORMAT")]
    format: Option<TableFormat>,
    /// Factor of the latents: below 1, samples are more probable and less varied
    #[arg(long, value_name = "T", default_value_t = 1.0, value_parser = temperature)]
    temperature: f32,
    /// Seed of the draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl Sample {
    pub fn execute(&self) -> Result<Exit, Failure> {
        let mut run = SavedRun::open(&self.run).map_err(Failure::usage)?;
        let learned_from = learned_from(&self.run);
        let learned_from: Vec<&Path> = learned_from.iter().map(PathBuf::as_path).collect();
        let (names, rows) = (run.columns.clone(), self.n as usize);
        let pictures = match self.format {
            None => Pictures::of(&self.output, rows, run.shape, &learned_from)?,
            Some(_) => None,
        };
        let stop = stop_flag().map_err(Failure::run)?;
        if let Some(pictures) = pictures {
            let range = run.range();
            let images = run.draws(rows, self.seed, self.temperature).map(|block| drawn(block, &stop));
            let written = pictures.write(images, range)?;
            tell(format_args!("wrote {written}"));
            return Ok(Exit::Success);
        }
        let target = Target::new(&self.output, self.format, &learned_from)?;
        let blocks = &mut run.draws(rows, self.seed, self.temperature).map(|block| {
            let columns = matrix_columns(&names, &drawn(block, &stop)?);
            Ok(columns.into_iter().map(|(_, column)| column).collect())
        });
        target.write_blocks(Blocks { names: &names, rows, blocks })
    }
}

/// A block of draws, unless a signal has come: an error rather than the end of the process, so that half-written temporary
/// files are removed.
fn drawn(
    block: Result<Matrix<f64>, impl std::error::Error + Send + Sync + 'static>,
    stop: &AtomicBool,
) -> io::Result<Matrix<f64>> {
    match stop.load(Ordering::Relaxed) {
        true => Err(io::Error::other("stopped by a signal, and nothing was written")),
        false => block.map_err(io::Error::other),
    }
}

fn temperature(word: &str) -> Result<f32, String> {
    match word.parse::<f32>() {
        Ok(value) if value > 0.0 && value.is_finite() => Ok(value),
        _ => Err("it is a number above 0, such as 0.8".to_owned()),
    }
}
