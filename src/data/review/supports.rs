//! Columns that a flow would learn more easily through a transform of their own.

use super::Look;
use crate::data::quote::{as_toml_key, quoted};
use crate::data::transform::Transform;
use crate::spec::TransformKind;

/// Nats a row by which a normal must fit the transformed column better before a transform is proposed: a lognormal of deviation 0.7
/// gains as much by its logarithm.
const WORTH: f64 = 0.5;
/// Different values below which a column is no continuous one, whatever it is called.
const FEWEST: usize = 100;
/// One value of so many, and one more, is left out at either end.
const TRIMMED: usize = 1000;

impl Look<'_> {
    /// A line for the spec with the transforms that would make columns more like a normal. `is_wrong`: whether a column has values
    /// that are likely errors, which should go first.
    pub fn supports(&self, is_wrong: impl Fn(usize) -> bool) -> Option<String> {
        let found: Vec<(usize, TransformKind, f64)> =
            self.continuous().filter_map(|column| self.support(column)).collect();
        let found: Vec<_> = found.into_iter().filter(|(column, ..)| !is_wrong(*column)).collect();
        let most = found.iter().map(|(.., gain)| *gain).reduce(f64::max)?;
        let word = |kind: TransformKind| match kind {
            TransformKind::Log => "log",
            TransformKind::Logit => "logit",
            TransformKind::Symlog => "symlog",
        };
        let alike = found.len() == self.columns.len() && found.iter().all(|(_, kind, _)| *kind == found[0].1);
        let pair = |(column, kind, _): &(usize, TransformKind, f64)| {
            format!("{} = \"{}\"", as_toml_key(&self.columns[*column]), word(*kind))
        };
        let asked = match alike {
            true => format!("\"{}\"", word(found[0].1)),
            false => format!("{{ {} }}", found.iter().map(pair).collect::<Vec<_>>().join(", ")),
        };
        let names = found.iter().map(|(column, ..)| quoted(&self.columns[*column])).collect::<Vec<_>>().join(", ");
        let are = if found.len() == 1 { "is" } else { "are" };
        let bounded = found.iter().any(|(_, kind, _)| *kind != TransformKind::Symlog);
        let bounded = if bounded { ", and samples keep to what is possible" } else { "" };
        Some(format!(
            "{names} {are} skewed, of heavy tails, or crowded at a bound: through a transform nearer to a normal, by up to {most:.1} \
             nats a row, so that a flow has less to learn{bounded}; add `transform = {asked}` to `[dataset]`"
        ))
    }

    /// The transform that gains most on a column, and how much, nats a row; `None` where no gain is worth it.
    fn support(&self, column: usize) -> Option<(usize, TransformKind, f64)> {
        // Without the ends: a single value far out says nothing of the tails.
        let all = self.sorted(column);
        let ends = all.len() / TRIMMED + 1;
        let values = all.get(ends..all.len().saturating_sub(ends))?;
        let (least, greatest) = (*all.first()?, *all.last()?);
        if values.chunk_by(|a, b| a == b).count() < FEWEST {
            return None;
        }
        let plain = deviation(values).ln();
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

/// The standard deviation of values in any order; by the largest value first, so that squares neither vanish nor overflow.
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
        let line = "add `transform = { x1 = \"log\", x2 = \"logit\", x3 = \"symlog\" }`";
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
