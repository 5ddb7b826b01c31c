//! `runner transform`: rows to latent space, or back.

use std::path::{Path, PathBuf};

use clap::Args;

use super::output::tell;
use super::reading::{Reading, file_of};
use super::rows::Rows;
use super::spare::learned_from;
use super::table::read;
use super::target::Target;
use super::{Exit, Failure};
use crate::data::{Column, TableFormat};
use crate::matrix::Matrix;
use crate::trial::SavedRun;

#[derive(Args, Debug)]
pub(super) struct Transform {
    /// A run directory, results/<experiment>/<trial>/seed-<n>
    run: PathBuf,
    /// Rows to map: the data's columns, or z1, z2, … with --inverse; - is standard input (say its --format)
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    #[command(flatten)]
    reading: Reading,
    /// Where to: .parquet, .csv or .npy; - is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// How to write it: parquet, csv or npy [default: told by the extension]
    #[arg(long, value_name = "FORMAT")]
    output_format: Option<TableFormat>,
    /// From latent space to data space
    #[arg(long)]
    inverse: bool,
    /// The rows are continuous already, such as samples of the run: add no dequantisation noise
    #[arg(long)]
    continuous: bool,
    /// Seed of the noise that is added to quantised data
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl Transform {
    pub fn execute(&self) -> Result<Exit, Failure> {
        let mut run = SavedRun::open(&self.run).map_err(Failure::usage)?;
        let learned_from = learned_from(&self.run);
        let reads: Vec<&Path> = learned_from.iter().map(PathBuf::as_path).chain([file_of(&self.data)]).collect();
        let target = Target::new(&self.output, self.output_format, &reads)?;
        let input = self.reading.open(&self.data, &run.spec.dataset)?;
        let latent: Vec<String> = (1..=run.columns.len()).map(|i| format!("z{i}")).collect();
        if self.inverse {
            let rows = read(&input, &self.reading, &run, &latent, &run.context)?;
            // A latent value is near 1, whatever the data.
            let rows = Rows::whole(rows, &input, "row")?;
            let z = rows.taken().iter_rows().flat_map(|row| &row[..latent.len()]).map(|&value| value as f32).collect();
            let z = Matrix::new(z, latent.len());
            let z = match run.context.is_empty() {
                true => z,
                false => z.beside(&run.context_to_model(&rows.taken().columns_from(latent.len()))),
            };
            let x = run.inverse(&z).map_err(Failure::run)?;
            warn_of_lost_rows(&rows, x.iter_rows().map(|row| row.iter().all(|value| value.is_finite())));
            let columns = in_place(&rows, &run.columns, &x);
            return target.write(beside(columns, &run, &rows.all, target.format()));
        }
        let all = read(&input, &self.reading, &run, &run.columns, &run.context)?;
        let told = ["z", "their z is empty"];
        let rows = Rows::within_support(all, (&input, &self.reading), &run, !self.continuous, told)?;
        let z = run.forward(rows.taken(), (!self.continuous).then_some(self.seed)).map_err(Failure::run)?;
        warn_of_lost_rows(&rows, z.iter_rows().map(|row| row.iter().all(|value| value.is_finite())));
        let columns = in_place(&rows, &latent, &z);
        target.write(beside(columns, &run, &rows.all, target.format()))
    }
}

/// The first values of rows that were taken, a column for each of `names`, in the places of all rows.
fn in_place<T: Copy + Default>(rows: &Rows, names: &[String], taken: &Matrix<T>) -> Vec<(String, Column)>
where
    Column: From<Vec<Option<T>>>,
{
    let column = |i: usize| rows.column(taken.iter_rows().map(|row| row[i]), None);
    names.iter().enumerate().map(|(i, name)| (name.clone(), column(i))).collect()
}

/// `columns`, and where the format has names those of the context of `rows` (data space).
fn beside(
    mut columns: Vec<(String, Column)>,
    run: &SavedRun,
    rows: &Matrix<f64>,
    format: TableFormat,
) -> Vec<(String, Column)> {
    if format != TableFormat::Npy {
        columns.extend(run.context.written(rows, run.columns.len()));
    }
    columns
}

/// Tells of rows that were taken and came out infinite or as no number.
fn warn_of_lost_rows(all: &Rows, are_finite: impl ExactSizeIterator<Item = bool>) {
    let rows = are_finite.len();
    let lost = are_finite.zip(all.places()).filter(|(is_finite, _)| !is_finite).map(|(_, row)| row + 1);
    let lost: Vec<usize> = lost.collect();
    if let Some(first) = lost.first() {
        tell(format_args!(
            "warning: {} of {rows} rows are not finite (row {first} is the first, counted from 1): they are farther out than the \
             flow can tell",
            lost.len()
        ));
    }
}
