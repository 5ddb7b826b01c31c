//! A picture that is no chart over one axis.

use super::Drawn;
use crate::report::ReportError;
use crate::report::canvas::Canvas;

/// A picture that is laid out.
pub struct Figure {
    /// Stem of its file.
    pub stem: String,
    /// What it shows, in words.
    pub description: String,
    pub(super) canvas: Canvas,
}

impl Figure {
    /// Draws it.
    ///
    /// # Errors
    /// Where the drawing library refuses.
    pub fn draw(&self) -> Result<Drawn, ReportError> {
        Ok(Drawn { png: self.canvas.finish("chart")?.png, svg: self.svg()? })
    }

    /// Draws it as an SVG document alone.
    ///
    /// # Errors
    /// Where the drawing library refuses.
    pub(in crate::report) fn svg(&self) -> Result<String, ReportError> {
        self.canvas.svg()
    }
}
