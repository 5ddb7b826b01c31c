//! `runner transform`: rows to latent space, or back.

use std::path::{Path, PathBuf};

use clap::Args;

use super::output::tell;
use super::reading::{Reading, file_of};
use super::spare::learned_from;
use super::table::{read, read_data};
use super::target::Target;
use super::{Exit, Failure};
use crate::data::{Column, TableFormat, matrix_columns};
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
            let z = rows.iter_rows().flat_map(|row| &row[..latent.len()]).map(|&value| value as f32).collect();
            let z = Matrix::new(z, latent.len());
            let z = match run.context.is_empty() {
                true => z,
                false => z.beside(&run.context_to_model(&rows.columns_from(latent.len()))),
            };
            let x = run.inverse(&z).map_err(Failure::run)?;
            warn_of_lost_rows(x.iter_rows().map(|row| row.iter().all(|value| value.is_finite())));
            let x = x.columns_before(latent.len());
            return target.write(beside(matrix_columns(&run.columns, &x), &run, &rows, target.format()));
        }
        let rows = read_data(&input, &self.reading, &run, !self.continuous, &run.context)?;
        let z = run.forward(&rows, (!self.continuous).then_some(self.seed)).map_err(Failure::run)?;
        warn_of_lost_rows(z.iter_rows().map(|row| row.iter().all(|value| value.is_finite())));
        let columns = matrix_columns(&latent, &z.columns_before(latent.len()));
        target.write(beside(columns, &run, &rows, target.format()))
    }
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

/// Tells of rows that came out infinite or as no number.
fn warn_of_lost_rows(are_finite: impl ExactSizeIterator<Item = bool>) {
    let rows = are_finite.len();
    let lost: Vec<usize> = are_finite.zip(1..).filter(|(is_finite, _)| !is_finite).map(|(_, row)| row).collect();
    if let Some(first) = lost.first() {
        tell(format_args!(
            "warning: {} of {rows} rows are not finite (row {first} is the first, counted from 1): they are farther out than the \
             flow can tell",
            lost.len()
        ));
    }
}
