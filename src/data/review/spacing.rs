//! Noise that does not fit the spacing of the values that it is added to.

use super::Look;
use crate::data::error::shown;
use crate::data::pixels::shape;
use crate::data::quote::quoted;

/// Distinct values from which their distances tell their spacing.
const ENOUGH: usize = 3;
/// Share of the spacing by which distances may miss it: values were rounded when they were written.
const ROUNDING: f64 = 1e-6;

impl Look<'_> {
    /// Dequantised columns whose noise is wider than the distance of two values, or narrower than that of all.
    pub fn spacing(&self) -> Vec<String> {
        let quantised: Vec<usize> = (0..self.columns.len()).filter(|&column| self.steps[column] > 0.0).collect();
        // All pixels of an image are quantised alike: one that knows two values only tells less than the others.
        if shape(self.columns).is_image() && quantised.iter().any(|&column| self.misfit(column).is_none()) {
            return Vec::new();
        }
        quantised.into_iter().filter_map(|column| self.misfit(column)).take(5).collect()
    }

    fn misfit(&self, column: usize) -> Option<String> {
        let mut values = self.sorted(column);
        values.dedup();
        let gaps: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let least = gaps.iter().copied().fold(f64::INFINITY, f64::min);
        let (name, step) = (quoted(&self.columns[column]), self.steps[column]);
        let slack = ROUNDING * step + 4.0 * f64::EPSILON * values.last()?.abs().max(values[0].abs());
        let whole = |gap: &f64| (gap / least - (gap / least).round()).abs() * least <= slack;
        if least < step - slack {
            return Some(format!(
                "`dequantize` adds noise {} wide to {name}, wider than the distance {} of two of its values: what they tell \
                 apart is blurred; set it to the spacing of the values",
                shown(step),
                shown(least)
            ));
        }
        (least > step + slack && values.len() >= ENOUGH && gaps.iter().all(whole)).then(|| {
            format!(
                "`dequantize` adds noise {} wide to {name}, narrower than the spacing {} of its values: between them lies no \
                 data, and a density can grow there and count it as likelihood; set it to {1}",
                shown(step),
                shown(least)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::findings;
    use super::*;
    use crate::data::pixels::names;
    use crate::matrix::Matrix;
    use crate::shape::Shape;

    #[test]
    fn noise_fits_the_spacing_or_is_remarked_on() {
        let rows = |step: f64, spacing: f64| findings(2000, [step], move |i| [3.0 + spacing * (i * i % 101) as f64]);
        assert_eq!(rows(0.1, 0.1), [""; 0]);
        // Rounded decimals: 3.1, 3.2, … are no exact multiples.
        assert_eq!(findings(2000, [0.1], |i| [(i * i % 101) as f64 / 10.0]), [""; 0]);
        assert!(rows(1.0, 0.1)[0].contains("noise 1 wide to `x0`, wider"), "{:?}", rows(1.0, 0.1));
        assert!(rows(0.5, 2.0)[0].contains("narrower than the spacing 2"), "{:?}", rows(0.5, 2.0));
        // Sparse whole numbers: nothing says that their spacing is not 1.
        assert_eq!(findings(2000, [1.0], |i| [(i * i * 7919 % 1_000_003) as f64]), [""; 0]);
    }

    #[test]
    fn pixels_of_an_image_are_quantised_alike() {
        let columns = names(Shape { height: 2, width: 2, channels: 1 });
        let spacing = |of: [f64; 4]| {
            let row = |i: usize| of.map(|spacing| spacing * (i * i % 7) as f64);
            let some = Matrix::new((0..500).flat_map(row).collect(), 4);
            Look { columns: &columns, steps: &[1.0; 4], some: &some }.spacing()
        };
        assert_eq!(spacing([1.0, 72.0, 1.0, 2.0]), [""; 0]);
        assert_eq!(spacing([2.0; 4]).len(), 4);
    }
}
