//! Columns that a flow would learn more easily through a transform of their own.

use super::Look;
use crate::data::quote::as_toml_key;
use crate::data::transform::Transform;
use crate::spec::{ColumnTransform, TransformKind};

/// Nats a row by which a normal must fit the transformed column better before a transform is proposed: a lognormal of deviation 0.7
/// gains as much by its logarithm.
const WORTH: f64 = 0.5;
/// Different values below which a column is no continuous one, whatever it is called.
const FEWEST: usize = 100;

impl Look<'_> {
    /// A line for the spec with the transforms that would make columns more like a normal; none where the spec bends values already.
    pub fn supports(&self) -> Option<String> {
        let found: Vec<(usize, TransformKind, f64)> = self.continuous().filter_map(|column| self.support(column)).collect();
        let most = found.iter().map(|(.., gain)| *gain).reduce(f64::max)?;
        let word = |kind: TransformKind| match kind {
            TransformKind::Log => "log",
            TransformKind::Logit => "logit",
            TransformKind::Symlog => "symlog",
        };
        let pairs = found.iter().map(|(column, kind, _)| {
            format!("{} = \"{}\"", as_toml_key(&self.columns[*column]), word(*kind))
        });
        Some(format!(
            "a normal fits some columns better by up to {most:.1} nats a row where they go through a transform (positive and skewed, \
             near both ends of [0, 1], or of heavy tails); a flow learns them more easily, and its samples keep to their support, with \
             `transform = {{ {} }}`",
            pairs.collect::<Vec<_>>().join(", ")
        ))
    }

    /// The transform that gains most on a column, and how much, nats a row; `None` where no gain is worth it.
    fn support(&self, column: usize) -> Option<(usize, TransformKind, f64)> {
        let values = self.sorted(column);
        let (least, greatest) = (*values.first()?, *values.last()?);
        if values.chunk_by(|a, b| a == b).count() < FEWEST {
            return None;
        }
        let plain = deviation(&values).ln();
        let gain = |kind: TransformKind| {
            let transform = Transform::fit(kind.plain(), values.iter().copied());
            let bent: Vec<f64> = values.iter().map(|value| transform.apply(*value)).collect();
            let slope = bent.iter().map(|y| transform.log_slope(*y)).sum::<f64>() / bent.len() as f64;
            plain - deviation(&bent).ln() + slope
        };
        let kinds = [
            (least > 0.0 && greatest < 1.0, TransformKind::Logit),
            (least > 0.0, TransformKind::Log),
            (true, TransformKind::Symlog),
        ];
        let gains = kinds.into_iter().filter(|(fits, _)| *fits).map(|(_, kind)| (column, kind, gain(kind)));
        let worth = gains.filter(|(.., gain)| gain.is_finite() && *gain > WORTH);
        worth.max_by(|one, other| one.2.total_cmp(&other.2))
    }
}

/// The standard deviation; by the largest value first, so that squares neither vanish nor overflow.
fn deviation(values: &[f64]) -> f64 {
    let (count, first) = (values.len() as f64, values[0]);
    let largest = values.iter().map(|value| (value - first).abs()).fold(0.0, f64::max);
    let scaled = || values.iter().map(|value| (value - first) / largest);
    let mean = scaled().sum::<f64>() / count;
    largest * (scaled().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{findings, normal};

    #[test]
    fn what_is_skewed_bounded_or_heavy_gets_a_line_to_paste() {
        let found = findings(3000, [0.0; 4], |i| {
            let share = 1.0 / (1.0 + (-4.0 * normal(i, 1)).exp());
            let heavy = (3.0 * normal(i, 2)).sinh() + 0.1;
            [normal(i, 3), (2.0 * normal(i, 0)).exp(), share, heavy]
        });
        let line = "`transform = { x1 = \"log\", x2 = \"logit\", x3 = \"symlog\" }`";
        assert!(found.iter().any(|text| text.contains(line)), "{found:?}");
    }

    #[test]
    fn what_is_near_a_normal_a_uniform_or_discrete_gets_none() {
        let found = findings(3000, [0.0, 0.0, 0.0, 1.0], |i| {
            let uniform = ((i as f64 + 0.5) * 0.618_033_988_749_895).fract();
            [1e6 + normal(i, 0), uniform, 5.0 + normal(i, 1), (2.0 * normal(i, 2)).exp().floor()]
        });
        assert!(found.iter().all(|text| !text.contains("transform")), "{found:?}");
    }
}
