//! How the rows that one thread computes lie in memory.
//!
//! Rows stand side by side in registers: a panel is two registers of rows (the last may be one), or of images one of sixteen, and holds
//! them value by value: `[values, rows of the panel]`. Panels follow each other. So a weight meets many rows at once, no sum runs across
//! a register, and weights are used where they are.

use super::simd::{Level, Simd};

/// The panels of a number of rows; rows are padded to whole registers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Panels {
    pub rows: usize,
    lanes: usize,
    /// Rows of a panel but for the last.
    width: usize,
}

/// Rows `first .. first + width`, of which `used` are real and the others padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panel {
    pub first: usize,
    pub width: usize,
    pub used: usize,
}

impl Panels {
    pub fn new(level: Level, rows: usize) -> Self {
        let lanes = match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => super::simd::Avx512::LANES,
            _ => super::simd::Portable::LANES,
        };
        Self { rows, lanes, width: 2 * lanes }
    }

    /// The same for convolutions: sixteen rows a panel, so that what a layer knows of one stays in the near caches.
    pub fn of_images(level: Level, rows: usize) -> Self {
        Self { width: 16, ..Self::new(level, rows) }
    }

    /// So many other rows, in panels of two registers.
    pub fn of_rows(self, rows: usize) -> Self {
        Self { rows, width: 2 * self.lanes, ..self }
    }

    /// Whether rows lie in memory as those of `other` do.
    pub fn lie_as(self, other: Self) -> bool {
        self.width == other.width
    }

    /// Rows of a register.
    pub fn lanes(self) -> usize {
        self.lanes
    }

    /// Rows with padding: a buffer of n values a row is n times as long.
    pub fn padded(self) -> usize {
        self.rows.next_multiple_of(self.lanes)
    }

    pub fn iter(self) -> impl Iterator<Item = Panel> {
        let Self { rows, width, .. } = self;
        (0..rows).step_by(width).map(move |first| {
            let width = width.min(self.padded() - first);
            Panel { first, width, used: width.min(rows - first) }
        })
    }

    /// Lays out dense rows of `values` values; padding repeats the last row, so that it is as finite as the rows are.
    pub fn fill(self, rows: &[f32], values: usize, to: &mut [f32]) {
        for panel in self.iter() {
            for v in 0..values {
                for (r, to) in panel.row_of(values, v, to).iter_mut().enumerate() {
                    *to = rows[(panel.first + r.min(panel.used - 1)) * values + v];
                }
            }
        }
    }

    /// Dense rows from panels: the inverse of [`Panels::fill`].
    pub fn read(self, from: &[f32], values: usize, rows: &mut [f32]) {
        for panel in self.iter() {
            for v in 0..values {
                let from = &from[panel.place(values, v)..][..panel.used];
                from.iter().enumerate().for_each(|(r, from)| rows[(panel.first + r) * values + v] = *from);
            }
        }
    }
}

impl Panel {
    /// Where value `v` of the panel's first row stands in a buffer of `values` values a row; the other rows follow.
    #[inline]
    pub fn place(self, values: usize, v: usize) -> usize {
        self.first * values + v * self.width
    }

    /// Value `v` of all rows of the panel.
    #[inline]
    pub fn row(self, values: usize, v: usize, buffer: &[f32]) -> &[f32] {
        &buffer[self.place(values, v)..][..self.width]
    }

    /// Value `v` of all rows of the panel, to write to.
    #[inline]
    pub fn row_of(self, values: usize, v: usize, buffer: &mut [f32]) -> &mut [f32] {
        &mut buffer[self.place(values, v)..][..self.width]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_went_in() {
        for level in Level::available() {
            for rows in [1, 7, 8, 16, 17, 40, 64, 100] {
                for panels in [Panels::new(level, rows), Panels::of_images(level, rows)] {
                    let dense: Vec<f32> = (0..rows * 3).map(|i| i as f32).collect();
                    let mut laid = vec![f32::NAN; panels.padded() * 3];
                    panels.fill(&dense, 3, &mut laid);
                    assert!(laid.iter().all(|v| v.is_finite()));
                    let mut back = vec![0.0; rows * 3];
                    panels.read(&laid, 3, &mut back);
                    assert_eq!(dense, back);
                    assert_eq!(panels.iter().map(|panel| panel.used).sum::<usize>(), rows);
                }
            }
        }
    }
}
