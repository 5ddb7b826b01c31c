//! A range of numbers that a sweep takes its values from.

use super::node::Value;

/// `{ min, max, scale, step, points, integer }`; both ends included.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// Lower end.
    pub min: f64,
    /// Upper end.
    pub max: f64,
    /// How its values are spread.
    pub scale: Scale,
    /// Distance between values, from `min` on; linear scale only.
    pub step: Option<f64>,
    /// Grid only: how many values, from `min` to `max`.
    pub points: Option<usize>,
    /// Whole numbers only.
    pub integer: bool,
}

/// What is evenly spread over a range: the values or their logarithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// Evenly in the logarithm.
    Log,
}

/// Significant digits of a grid value: enough for any use, too few for the noise of adding steps.
const GRID_DIGITS: usize = 10;

impl Range {
    /// How many values a grid takes from it.
    pub(crate) fn count(&self) -> usize {
        if self.step.is_some() { self.steps() } else { self.points.unwrap_or(0) }
    }

    /// Value `index` of a grid, in rising order.
    pub(crate) fn nth(&self, index: usize) -> Value {
        let last = self.count().saturating_sub(1).max(1) as f64;
        self.value(self.on_grid(index, index as f64 / last), GRID_DIGITS)
    }

    /// At least as many as there are different values to draw.
    pub(crate) fn possible(&self) -> usize {
        match self.integer {
            _ if self.step.is_some() => self.steps(),
            true => ((self.max - self.min) as usize).saturating_add(1),
            false => usize::MAX,
        }
    }

    /// The value at `u` in [0, 1): evenly spread `u` give evenly spread values, or logarithms of them.
    pub(crate) fn at(&self, u: f64) -> Value {
        if self.step.is_some() {
            let i = (u * self.steps() as f64) as usize;
            return self.value(self.on_grid(i, 0.0), GRID_DIGITS);
        }
        if self.integer {
            // Every whole number owns the interval up to the next, so that both ends are as likely as the others.
            return self.value(self.between(self.max + 1.0, u).floor(), GRID_DIGITS);
        }
        let value = self.between(self.max, u);
        // As many digits as tell ten thousand values of the range apart: names and tables stay readable.
        let spread = match self.scale {
            Scale::Linear => self.max - self.min,
            Scale::Log => (self.max - self.min).min(value),
        };
        let digits = ((value.abs() / spread).log10() + 4.0).ceil().clamp(1.0, 17.0);
        self.value(value, digits as usize)
    }

    /// The interval of `u` that gives the same value as this one; `None` where values are continuous.
    pub(crate) fn cell(&self, u: f64) -> Option<(f64, f64)> {
        if self.step.is_some() {
            return Some(even_cell(u, self.steps()));
        }
        let whole = self.between(self.max + 1.0, u).floor().clamp(self.min, self.max);
        let end = self.max + 1.0;
        let place = |value: f64| match self.scale {
            Scale::Linear => (value - self.min) / (end - self.min),
            Scale::Log => (value / self.min).ln() / (end / self.min).ln(),
        };
        self.integer.then(|| (place(whole), place(whole + 1.0)))
    }

    fn on_grid(&self, i: usize, fraction: f64) -> f64 {
        match self.step {
            Some(step) => self.min + i as f64 * step,
            None => self.between(self.max, fraction),
        }
    }

    fn between(&self, end: f64, fraction: f64) -> f64 {
        match self.scale {
            Scale::Linear => self.min + fraction * (end - self.min),
            Scale::Log => (self.min.ln() + fraction * (end.ln() - self.min.ln())).exp(),
        }
    }

    /// How many values the steps give.
    pub(crate) fn steps(&self) -> usize {
        // The slack takes up what is lost in dividing decimals, such as 0.3 / 0.1.
        self.step.map_or(0, |step| (((self.max - self.min) / step + 1e-9) as usize).saturating_add(1))
    }

    fn value(&self, value: f64, digits: usize) -> Value {
        if self.integer {
            return Value::Integer(value.round().clamp(self.min, self.max) as i64);
        }
        // What Rust writes as a number it reads as one.
        let rounded = format!("{value:.*e}", digits - 1).parse().unwrap_or(value);
        Value::Float(rounded.clamp(self.min, self.max))
    }
}

/// The interval in which `u` lies, where [0, 1) is divided into so many of the same length.
pub(crate) fn even_cell(u: f64, count: usize) -> (f64, f64) {
    let n = count as f64;
    let i = (u * n).floor();
    (i / n, (i + 1.0) / n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(min: f64, max: f64) -> Range {
        Range { min, max, scale: Scale::Linear, step: None, points: None, integer: false }
    }

    fn floats(values: Vec<Value>) -> Vec<f64> {
        let float = |value: Value| match value {
            Value::Float(value) => value,
            Value::Integer(value) => value as f64,
            other => panic!("{other:?}"),
        };
        values.into_iter().map(float).collect()
    }

    #[test]
    fn grids_are_the_decimals_one_would_write() {
        let log = Range { scale: Scale::Log, ..range(1e-4, 1e-2) };
        let cases = [
            (Range { step: Some(0.1), ..range(0.1, 0.4) }, vec![0.1, 0.2, 0.3, 0.4]),
            (Range { step: Some(3.0), integer: true, ..range(2.0, 9.0) }, vec![2.0, 5.0, 8.0]),
            (Range { points: Some(5), ..range(0.0, 1.0) }, vec![0.0, 0.25, 0.5, 0.75, 1.0]),
            (Range { points: Some(3), ..log }, vec![1e-4, 1e-3, 1e-2]),
            (
                Range { points: Some(4), scale: Scale::Log, integer: true, ..range(2.0, 16.0) },
                vec![2.0, 4.0, 8.0, 16.0],
            ),
        ];
        for (range, expected) in cases {
            let grid = (0..range.count()).map(|index| range.nth(index)).collect();
            assert_eq!(floats(grid), expected, "{range:?}");
        }
    }

    #[test]
    fn the_middle_of_a_cell_gives_what_every_place_in_it_gives() {
        let log = Range { scale: Scale::Log, integer: true, ..range(1.0, 300.0) };
        let stepped = Range { step: Some(0.25), ..range(-1.0, 1.0) };
        for range in [Range { integer: true, ..range(-3.0, 4.0) }, log, stepped] {
            for i in 0..1_000 {
                let u = (f64::from(i) + 0.5) / 1_000.0;
                let (low, high) = range.cell(u).expect("a cell");
                assert!(low - 1e-12 <= u && u <= high + 1e-12, "{range:?} {u} {low} {high}");
                let [middle, here] = [(low + high) / 2.0, u].map(|u| range.at(u).to_string());
                assert_eq!(middle, here, "{range:?} {u}");
            }
        }
        assert_eq!(range(0.0, 1.0).cell(0.3), None);
    }

    #[test]
    fn draws_stay_inside_and_spread_evenly_on_their_scale() {
        let n = 10_000;
        let draw = |range: &Range| floats((0..n).map(|i| range.at((i as f64 + 0.5) / n as f64)).collect());
        let log = draw(&Range { scale: Scale::Log, ..range(1e-4, 1e-2) });
        assert!(log.iter().all(|v| (1e-4..=1e-2).contains(v)));
        let below = log.iter().filter(|v| **v < 1e-3).count();
        assert!(below.abs_diff(n / 2) < 10, "half of the logarithms lie below the geometric mean, not {below}");
        let whole = draw(&Range { integer: true, ..range(1.0, 4.0) });
        for value in 1..=4 {
            assert_eq!(whole.iter().filter(|v| **v == f64::from(value)).count(), n / 4, "{value}");
        }
        let narrow = draw(&range(1000.0, 1000.01));
        let distinct: std::collections::HashSet<_> = narrow.iter().map(|v| v.to_bits()).collect();
        assert!(distinct.len() > 5_000, "{}", distinct.len());
    }
}
