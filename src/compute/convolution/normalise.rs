//! Batch normalisation of maps: every pixel of every row is one value of its map.
//!
//! The maps of a pixel lie side by side, so all of them are one run of values; what is one number a map is repeated for every row
//! of a panel.

use super::{Grid, pitch};
use crate::compute::panels::{Panel, Panels};
use crate::compute::simd::{Level, Simd, dispatch};

/// So many maps of all pixels.
#[derive(Clone, Copy)]
pub(crate) struct Maps {
    pub grid: Grid,
    pub count: usize,
}

impl Maps {
    /// Where the maps of each pixel of a panel begin.
    fn places(self, panel: Panel) -> impl Iterator<Item = usize> {
        let (pixels, pitch) = (self.grid.pixels(), pitch(self.count));
        (0..pixels).map(move |pixel| panel.place(pixels * pitch, pixel * pitch))
    }

    /// One number a map, for every row of a panel; 0 for padding.
    fn repeated(self, panel: Panel, numbers: &[f32]) -> Vec<f32> {
        let of = |&number| (0..panel.width).map(move |row| if row < panel.used { number } else { 0.0 });
        numbers[..self.count].iter().flat_map(of).collect()
    }

    /// The sum over the rows of a panel, for every map, added to `totals`.
    fn add_rows(self, panel: Panel, sums: &[f64], totals: &mut [f64]) {
        for (sums, total) in sums.chunks_exact(panel.width).zip(totals) {
            *total += sums[..panel.used].iter().sum::<f64>();
        }
    }

    /// Σ x and Σ x², shape `[2, maps]`.
    pub fn moments(self, level: Level, panels: Panels, x: &[f32]) -> Vec<f64> {
        self.products(level, panels, x, x)
    }

    /// Σ d and Σ d·x, shape `[2, maps]`.
    pub fn products(self, level: Level, panels: Panels, x: &[f32], d: &[f32]) -> Vec<f64> {
        let mut totals = vec![0.0; 2 * self.count];
        for panel in panels.iter() {
            let run = self.count * panel.width;
            let mut sums = vec![0.0; 2 * run];
            let (own, products) = sums.split_at_mut(run);
            self.places(panel).for_each(|at| add_products(level, &x[at..at + run], &d[at..at + run], own, products));
            let (of_own, of_products) = totals.split_at_mut(self.count);
            self.add_rows(panel, own, of_own);
            self.add_rows(panel, products, of_products);
        }
        totals
    }

    /// max(scale·x + shift, 0) of `x`, to `to`. Of padding it is 0.
    pub fn activate(self, level: Level, panels: Panels, lines: [&[f32]; 2], x: &[f32], to: &mut [f32]) {
        for panel in panels.iter() {
            let run = self.count * panel.width;
            let [scale, shift] = lines.map(|line| self.repeated(panel, line));
            self.places(panel)
                .for_each(|at| relu_of_line(level, &scale, &shift, &x[at..at + run], &mut to[at..at + run]));
        }
    }

    /// a·d + b·x + c in place of `d`, or added to `sum`, if that is given. Of padding it is 0.
    pub fn combine(
        self,
        level: Level,
        panels: Panels,
        lines: [&[f32]; 3],
        x: &[f32],
        d: &mut [f32],
        mut sum: Option<&mut [f32]>,
    ) {
        for panel in panels.iter() {
            let run = self.count * panel.width;
            let [a, b, c] = lines.map(|line| self.repeated(panel, line));
            for at in self.places(panel) {
                let (x, d) = (&x[at..at + run], &mut d[at..at + run]);
                line_of_both(level, [&a, &b, &c], x, d);
                if let Some(sum) = &mut sum {
                    sum[at..at + run].iter_mut().zip(&*d).for_each(|(sum, d)| *sum += d);
                }
            }
        }
    }
}

#[inline(always)]
fn add_products_generic<S: Simd>(x: &[f32], d: &[f32], sums: &mut [f64], products: &mut [f64]) {
    for (((x, d), sum), product) in x.iter().zip(d).zip(sums).zip(products) {
        *sum += f64::from(*d);
        *product += f64::from(*d) * f64::from(*x);
    }
}
dispatch!(add_products => add_products_generic(x: &[f32], d: &[f32], sums: &mut [f64], products: &mut [f64]));

#[inline(always)]
fn relu_of_line_generic<S: Simd>(scale: &[f32], shift: &[f32], x: &[f32], to: &mut [f32]) {
    for (((x, scale), shift), to) in x.iter().zip(scale).zip(shift).zip(to) {
        *to = (x * scale + shift).max(0.0);
    }
}
dispatch!(relu_of_line => relu_of_line_generic(scale: &[f32], shift: &[f32], x: &[f32], to: &mut [f32]));

#[inline(always)]
fn line_of_both_generic<S: Simd>([a, b, c]: [&[f32]; 3], x: &[f32], d: &mut [f32]) {
    for ((((x, d), a), b), c) in x.iter().zip(d).zip(a).zip(b).zip(c) {
        *d = a * *d + (b * x + c);
    }
}
dispatch!(line_of_both => line_of_both_generic(lines: [&[f32]; 3], x: &[f32], d: &mut [f32]));

#[cfg(test)]
mod tests {
    use super::*;

    /// Against sums as they are defined, in f64, with padding that must not count.
    #[test]
    fn maps_are_summed_scaled_and_combined_over_all_pixels_of_all_rows() {
        let maps = Maps { grid: Grid { height: 2, width: 3 }, count: 5 };
        for level in Level::available() {
            for rows in [1, 16, 37] {
                let panels = Panels::new(level, rows);
                let room = panels.padded() * maps.grid.pixels() * pitch(maps.count);
                let number = |i: usize, seed: usize| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0;
                let buffer = |seed| (0..room).map(|i| number(i, seed)).collect::<Vec<f32>>();
                let (x, d) = (buffer(1), buffer(2));
                // Where the values of a map stand.
                let of = |map: usize| -> Vec<usize> {
                    let rows =
                        |(panel, at): (Panel, usize)| (0..panel.used).map(move |row| at + map * panel.width + row);
                    panels
                        .iter()
                        .flat_map(|panel| maps.places(panel).map(move |at| (panel, at)))
                        .flat_map(rows)
                        .collect()
                };
                let (sums, moments) = (maps.products(level, panels, &x, &d), maps.moments(level, panels, &x));
                let line = |seed| (0..maps.count).map(|map| number(map, seed)).collect::<Vec<f32>>();
                let lines = [line(3), line(4), line(5)];
                let (mut active, mut combined, mut added) = (vec![9.0; room], d.clone(), vec![1.0; room]);
                maps.activate(level, panels, [&lines[0], &lines[1]], &x, &mut active);
                maps.combine(
                    level,
                    panels,
                    lines.each_ref().map(|line| &line[..]),
                    &x,
                    &mut combined,
                    Some(&mut added),
                );
                for map in 0..maps.count {
                    let places = of(map);
                    assert_eq!(places.len(), rows * maps.grid.pixels());
                    let sum = |term: &dyn Fn(usize) -> f64| places.iter().map(|&at| term(at)).sum::<f64>();
                    let (x, d) = (|at: usize| f64::from(x[at]), |at: usize| f64::from(d[at]));
                    for (found, expected) in [
                        (sums[map], sum(&|at| d(at))),
                        (sums[maps.count + map], sum(&|at| d(at) * x(at))),
                        (moments[map], sum(&|at| x(at))),
                        (moments[maps.count + map], sum(&|at| x(at) * x(at))),
                    ] {
                        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
                    }
                    let [a, b, c] = lines.each_ref().map(|line| f64::from(line[map]));
                    for at in places {
                        assert!((f64::from(active[at]) - (a * x(at) + b).max(0.0)).abs() < 1e-6);
                        let expected = a * d(at) + b * x(at) + c;
                        assert!((f64::from(combined[at]) - expected).abs() < 1e-6);
                        assert!((f64::from(added[at]) - expected - 1.0).abs() < 1e-6);
                    }
                }
                // Padding.
                for panel in panels.iter().filter(|panel| panel.used < panel.width) {
                    let padding = maps.places(panel).map(|at| at + panel.used);
                    assert!(padding.into_iter().all(|at| active[at] == 0.0 && combined[at] == 0.0));
                }
            }
        }
    }
}
