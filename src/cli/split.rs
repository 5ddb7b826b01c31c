//! `runner split`: the rows that a run was trained, validated and tested on, as files.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::output::tell;
use super::spare::learned_from;
use super::target::Target;
use super::{Exit, Failure};
use crate::data::{Column, DataFile, Part, Parts, Provenance, TableFormat};
use crate::progress::{ProgressMode, loading};
use crate::record::Manifest;
use crate::trial::SavedRun;

#[derive(Args, Debug)]
pub(super) struct Split {
    /// A run directory, results/<experiment>/<trial>/seed-<n>
    run: PathBuf,
    /// Where to: a folder for train, validation and test; files of these names in it are replaced
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// How to write them: csv, parquet or npy
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    format: TableFormat,
}

impl Split {
    pub fn execute(&self) -> Result<Exit, Failure> {
        if self.output == Path::new("-") {
            return Err(Failure::usage("-o -: three files do not fit into standard output; name a folder"));
        }
        let (spec, manifest, _) = SavedRun::checked(&self.run).map_err(Failure::usage)?;
        let files = learned_from(&self.run);
        let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        let extension = self.format.extension();
        let target = |part| Target::new(&self.output.join(format!("{part}{extension}")), Some(self.format), &files);
        let targets = [target("train")?, target("validation")?, target("test")?];
        let parts = Parts::of(&spec.dataset, &spec.folder, &*loading(ProgressMode::Auto)).map_err(Failure::usage)?;
        warn_of_other_data(&manifest, &parts);
        fs::create_dir_all(&self.output).map_err(|error| {
            Failure::Usage(format!("{}: cannot be made: {error}; name another folder with -o", self.output.display()))
        })?;
        for (target, part) in targets.into_iter().zip(&parts.parts) {
            if part.rows.rows() == 0 {
                tell("the training rows are drawn anew at every step: there is no file of them");
                continue;
            }
            target.write(self.columns(&parts, part))?;
        }
        Ok(Exit::Success)
    }

    /// The features and the context as the file has them, the weights of the rows if they have any and, where the format names
    /// columns, the number of each row in the file.
    fn columns(&self, all: &Parts, part: &Part) -> Vec<(String, Column)> {
        /// Never the name of a feature: it would be learned.
        const ROW: &str = "row of the file";
        let mut columns = all.context.table(&all.columns, &part.rows);
        columns.extend(all.weight.as_ref().map(|name| (name.clone(), Column::F64(part.weights.clone()))));
        let is_named = self.format != TableFormat::Npy && !columns.iter().any(|(name, _)| name == ROW);
        if !part.path.as_os_str().is_empty() && is_named {
            columns.push((ROW.to_owned(), Column::F64(part.numbers.iter().map(|&number| number as f64).collect())));
        }
        columns
    }
}

/// Warns where the rows, which come from the data as they are now, are not those that the run learned from.
fn warn_of_other_data(manifest: &Manifest, parts: &Parts) {
    let rows = parts.parts.each_ref().map(|part| (part.rows.rows() > 0).then_some(&part.rows));
    let files =
        parts.parts.iter().filter(|part| !part.path.as_os_str().is_empty()).map(|part| DataFile::at(&part.path));
    let names: Vec<String> = parts.columns.iter().cloned().chain(parts.context.names()).collect();
    let now = Provenance::of(&names, rows, files.collect()).weighted(parts.weights().as_ref());
    if let Some(change) = manifest.data.as_ref().and_then(|known| known.difference(&now)) {
        tell(format_args!("warning: the data have changed since the run learned from them: {change}"));
    }
}
