//! `runner sample`: draw rows from a trained flow.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;

use super::output::tell;
use super::pictures::Pictures;
use super::reading::file_of;
use super::spare::learned_from;
use super::table::{context_of, read_contexts};
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
    /// Number of rows; beside --context, for each of its rows
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
    /// What a conditional run's rows are given, such as age=40; once for every column of its context
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = pair, conflicts_with = "context")]
    given: Vec<(String, String)>,
    /// A file with the columns of a conditional run's context: rows are drawn for each of its rows
    #[arg(long, value_name = "FILE")]
    context: Option<PathBuf>,
    /// Seed of the draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// A column and its value.
fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is a column and its value, such as age=40")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Sample {
    /// What the rows are given, shape `[contexts, values]`; no rows where the run is unconditional.
    fn contexts(&self, run: &SavedRun) -> Result<Matrix<f64>, Failure> {
        match &self.context {
            _ if run.context.is_empty() && (self.context.is_some() || !self.given.is_empty()) => {
                Err(Failure::Usage("the run is conditional on nothing: leave out --given and --context".to_owned()))
            }
            _ if run.context.is_empty() => Ok(Matrix::default()),
            Some(path) => read_contexts(path, run),
            None => context_of(&self.given, run),
        }
    }

    pub fn execute(&self) -> Result<Exit, Failure> {
        let mut run = SavedRun::open(&self.run).map_err(Failure::usage)?;
        let learned_from = learned_from(&self.run);
        let context = self.context.as_deref().map(file_of);
        let reads: Vec<&Path> = learned_from.iter().map(PathBuf::as_path).chain(context).collect();
        let given = self.contexts(&run)?;
        let rows = self.n as usize * given.rows().max(1);
        let pictures = match self.format {
            None => Pictures::of(&self.output, rows, run.shape, &reads)?,
            Some(_) => None,
        };
        let (columns, mut context) = (run.columns.clone(), run.context.clone());
        let stop = stop_flag().map_err(Failure::run)?;
        if let Some(pictures) = pictures {
            let range = run.range();
            let draws = run.draws(rows, self.seed, self.temperature, &given);
            let images = draws.map(|block| Ok(drawn(block, &stop)?.columns_before(columns.len())));
            let written = pictures.write(images, range)?;
            tell(format_args!("wrote {written}"));
            return Ok(Exit::Success);
        }
        let target = Target::new(&self.output, self.format, &reads)?;
        if target.format() == TableFormat::Npy {
            // It has no names of columns and of classes.
            context.columns.clear();
        }
        let names: Vec<String> =
            columns.iter().chain(context.columns.iter().map(|column| &column.name)).cloned().collect();
        let blocks = &mut run.draws(rows, self.seed, self.temperature, &given).map(|block| {
            let block = drawn(block, &stop)?;
            let written = match block.columns() > columns.len() {
                true => context.written(&block, columns.len()),
                false => Vec::new(),
            };
            let columns = matrix_columns(&columns, &block.columns_before(columns.len())).into_iter().chain(written);
            Ok(columns.map(|(_, column)| column).collect())
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
