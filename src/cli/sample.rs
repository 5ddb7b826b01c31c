//! `runner sample`: draw rows from a trained flow.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use clap::Args;

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
    /// Where to: .parquet, .csv or .npy; - is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// How to write it: parquet, csv or npy [default: told by FILE's extension]
    #[arg(long, value_name = "FORMAT")]
    format: Option<TableFormat>,
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
        let learned_from: Vec<&Path> = learned_from.iter().map(PathBuf::as_path).collect();
        let target = Target::new(&self.output, self.format, &learned_from)?;
        let given = self.contexts(&run)?;
        let rows = self.n as usize * given.rows().max(1);
        let (columns, mut context) = (run.columns.clone(), run.context.clone());
        if target.format() == TableFormat::Npy {
            // It has no names of columns and of classes.
            context.columns.clear();
        }
        let names: Vec<String> =
            columns.iter().chain(context.columns.iter().map(|column| &column.name)).cloned().collect();
        let stop = stop_flag().map_err(Failure::run)?;
        let blocks = &mut run.draws(rows, self.seed, &given).map(|block| {
            // An error rather than the end of the process, so that the half-written temporary file is removed.
            if stop.load(Ordering::Relaxed) {
                return Err(io::Error::other("stopped by a signal, and nothing was written"));
            }
            let block = block.map_err(io::Error::other)?;
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
