//! `runner compare --importance`: which settings explain the metric.

use std::io::Write;
use std::path::Path;

use super::Failure;
use super::output::tell;
use super::spare::spare;
use crate::atomic::write_atomically;
use crate::report::Explained;
use crate::report::charts::{Drawn, importance_figure, pair_figure, slice_charts};

/// Draws what is explained into `folder`: the importances, the metric along every setting, and over the strongest pair.
pub(super) fn draw(explained: &Explained, title: &str, folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::Usage(format!("{}: cannot be made: {error}", folder.display())))?;
    let mut files = 0;
    let mut save = |stem: &str, drawn: Drawn| {
        for (extension, bytes) in [("png", drawn.png.as_slice()), ("svg", drawn.svg.as_bytes())] {
            let path = folder.join(format!("{stem}.{extension}"));
            spare(&path, &[])?;
            write_atomically(&path, |file| file.write_all(bytes)).map_err(Failure::run)?;
        }
        files += 1;
        Ok::<(), Failure>(())
    };
    let figures = [Some(importance_figure(title, explained)), pair_figure(title, explained).transpose()];
    for figure in figures.into_iter().flatten() {
        let figure = figure.map_err(Failure::run)?;
        save(&figure.stem, figure.draw().map_err(Failure::run)?)?;
    }
    for chart in slice_charts(title, explained) {
        save(&chart.stem, chart.draw().map_err(Failure::run)?)?;
    }
    tell(format_args!(
        "wrote {files} pictures to {}: importance.png, and the metric along the settings",
        folder.display()
    ));
    Ok(())
}
