//! What layers act on that do the same with every pixel.

mod cuda;
mod lines;

pub(crate) use cuda::{ChannelMemory, PlacedChannels};
pub(crate) use lines::{Lines, parts};

use super::Places;
use super::cpu::Context;
use crate::compute::{Panel, Panels};

/// The channels of every pixel of an image, or plain features: one pixel. Statistics and parameters of a layer that acts on them
/// are one a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channels {
    /// Channels of a pixel.
    pub count: usize,
    /// Pixel by pixel, where they stand in the row.
    pub places: Vec<usize>,
}

impl Channels {
    /// So many plain features.
    pub fn plain(features: usize) -> Self {
        Self { count: features, places: (0..features).collect() }
    }

    /// Pixels.
    pub fn pixels(&self) -> usize {
        self.places.len() / self.count
    }

    /// Whether these are all the features of a row, in their order.
    pub fn are_plain(&self, features: usize) -> bool {
        self.count == features && self.places.iter().enumerate().all(|(at, &place)| at == place)
    }

    /// What a checkpoint holds of an image's; nothing of plain features.
    pub(super) fn places(&self) -> Places<'_> {
        if self.pixels() > 1 { vec![("places", &self.places)] } else { Vec::new() }
    }

    /// The places of channel `c`, pixel by pixel.
    pub fn of(&self, c: usize) -> impl Iterator<Item = usize> + '_ {
        self.places.iter().skip(c).step_by(self.count).copied()
    }

    /// The panels in which the values of channel `c` stand: at which place of the row, pixel by pixel.
    pub(super) fn rows(&self, panels: Panels, c: usize) -> impl Iterator<Item = (usize, Panel)> + '_ {
        self.of(c).flat_map(move |place| panels.iter().map(move |panel| (place, panel)))
    }

    /// Σ over a group of rows and its pixels of `term(place in a buffer, channel)`, for every channel.
    pub(super) fn sums(
        &self,
        &Context { panels, features, .. }: &Context<'_>,
        term: impl Fn(usize, usize) -> f64,
    ) -> impl Iterator<Item = f64> {
        (0..self.count).map(move |c| {
            let of = |start: usize, used: usize| (start..start + used).map(|at| term(at, c)).sum::<f64>();
            self.rows(panels, c).map(|(place, panel)| of(panel.place(features, place), panel.used)).sum()
        })
    }

    /// Every pixel of every row as a row of its own, of `count` values: these rows in panels.
    pub(super) fn as_rows(&self, panels: Panels) -> Panels {
        panels.of_rows(panels.padded() * self.pixels())
    }

    /// Copies the channels of rows of so many features to [rows of their own](Self::as_rows).
    pub(super) fn gather(&self, panels: Panels, features: usize, x: &[f32], to: &mut [f32]) {
        self.each_register(panels, features, |from, own| {
            to[own..][..panels.lanes()].copy_from_slice(&x[from..][..panels.lanes()]);
        });
    }

    /// Copies them back.
    pub(super) fn scatter(&self, panels: Panels, features: usize, from: &[f32], x: &mut [f32]) {
        self.each_register(panels, features, |to, own| {
            x[to..][..panels.lanes()].copy_from_slice(&from[own..][..panels.lanes()]);
        });
    }

    /// Where every register of values stands among the features, and among rows of their own.
    fn each_register(&self, panels: Panels, features: usize, mut visit: impl FnMut(usize, usize)) {
        let (rows, lanes) = (self.as_rows(panels), panels.lanes());
        let mut own = rows.iter().flat_map(|panel| (0..panel.width).step_by(lanes).map(move |row| (panel, row)));
        for panel in panels.iter() {
            for pixel in self.places.chunks_exact(self.count) {
                for row in (0..panel.width).step_by(lanes) {
                    let Some((own, own_row)) = own.next() else { return };
                    for (channel, &place) in pixel.iter().enumerate() {
                        visit(panel.place(features, place) + row, own.place(self.count, channel) + own_row);
                    }
                }
            }
        }
    }
}
