//! Likelihoods of held-out rows.

use crate::data::Preprocessing;
use crate::flow::{DeviceError, Flow};
use crate::matrix::Matrix;
use crate::statistics::Estimate;

/// Rows that a flow evaluates at a time, without gradients: bounds memory whatever the size of the data.
pub const ROWS_AT_ONCE: usize = 4096;

/// Mean NLL of rows with these log-likelihoods, nats; each counts as its weight says, or all alike.
pub fn nll(log_prob: &[f64], weights: Option<&[f64]>) -> Estimate {
    let values = log_prob.iter().map(|log_prob| -log_prob);
    match weights {
        Some(weights) => Estimate::weighted(values, weights),
        None => Estimate::of(values),
    }
}

/// log p of each of `rows` (model space), shape `[rows]`: nats, in data space.
///
/// # Errors
/// Where the device fails.
pub fn log_prob(flow: &mut dyn Flow, rows: &Matrix, space: &Preprocessing) -> Result<Vec<f64>, DeviceError> {
    let mut all = Vec::with_capacity(rows.rows());
    for block in rows.blocks(ROWS_AT_ONCE) {
        let log_det = space.log_det(&block);
        all.extend(flow.log_prob(&block)?.into_iter().zip(log_det).map(|(log_prob, log_det)| log_prob + log_det));
    }
    Ok(all)
}

/// What to say of rows whose `log_prob` is not finite: how many, and which come first. `places`: which rows of their file they all
/// are, from 0.
pub fn not_finite(log_prob: &[f64], places: impl Iterator<Item = usize>) -> Option<String> {
    const SHOWN: usize = 5;
    let rows = log_prob.iter().zip(places).filter(|(value, _)| !value.is_finite()).map(|(_, row)| row + 1);
    let rows: Vec<usize> = rows.collect();
    let first = rows.iter().take(SHOWN).map(usize::to_string).collect::<Vec<_>>().join(", ");
    let (plural, more) = (if rows.len() > 1 { "s" } else { "" }, if rows.len() > SHOWN { ", …" } else { "" });
    (!rows.is_empty()).then(|| {
        format!(
            "log_prob is not finite in {} of {} rows (row{plural} {first}{more}, counted from 1): they are farther from the \
             training rows than the flow can tell; look at them, or leave them out",
            rows.len(),
            log_prob.len()
        )
    })
}

/// Mean NLL of `rows` (model space) in data space, nats; each counts as its weight says, or all alike.
///
/// # Errors
/// Where the device fails.
pub fn evaluate(
    flow: &mut dyn Flow,
    rows: &Matrix,
    weights: Option<&[f64]>,
    space: &Preprocessing,
) -> Result<Estimate, DeviceError> {
    Ok(nll(&log_prob(flow, rows, space)?, weights))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Logit;
    use crate::kernel;
    use crate::shape::Shape;
    use crate::spec::{Device, KernelChoice, MaskScheme, Model, NetworkKind};

    /// A new flow is the identity, so that a colour image's likelihood is that of the preprocessing alone; as NumPy has it:
    /// `x = (numpy.arange(24) * 10 + .25).reshape(2, 12); p = .05 + .9 * x / 256; y = numpy.log(p / (1 - p))`,
    /// `m, s = numpy.linspace(-1, 1, 12), numpy.linspace(.5, 2, 12); z = (y - m) / s`,
    /// `nll = (z ** 2 / 2 + numpy.log(2 * numpy.pi) / 2 + numpy.log(s) - numpy.log(.9 / 256) + numpy.log(p * (1 - p))).sum(1)`,
    /// `nll.mean() / (12 * numpy.log(2))`.
    #[test]
    fn bits_per_dim_of_colours_count_logit_scaling_and_noise() {
        let shape = Shape { height: 2, width: 2, channels: 3 };
        let (mask, network) = (MaskScheme::Checkerboard, NetworkKind::Conv);
        let model = Model { mask, network, depth: 2, width: 4, ..Model::default() };
        let mut flow = kernel::build(&model, KernelChoice::Fused, shape, 0, Device::Cpu).expect("a flow").flow;
        let evenly = |low: f64, high: f64| (0..12).map(|i| low + (high - low) * f64::from(i) / 11.0).collect();
        let space = Preprocessing { mean: evenly(-1.0, 1.0), scale: evenly(0.5, 2.0), ..Preprocessing::identity(12) };
        let space = space.with_steps(vec![1.0; 12]).with_logit(Some(Logit { alpha: 0.05, low: 0.0, high: 256.0 }));
        let rows = Matrix::new((0..24).map(|i| f64::from(i) * 10.0 + 0.25).collect(), 12);
        let found = log_prob(&mut *flow, &space.apply(&rows), &space).expect("scored");
        for (found, expected) in found.iter().zip([-73.53367612, -65.74335351]) {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
        let bits = space.bits_per_dim(-(found[0] + found[1]) / 2.0).expect("quantised");
        assert!((bits - 8.372261664786732).abs() < 1e-5, "{bits}");
    }

    #[test]
    fn rows_without_a_finite_score_are_counted_and_the_first_of_them_named() {
        let (nan, low) = (f64::NAN, f64::NEG_INFINITY);
        assert_eq!(not_finite(&[0.5, -3.0], 0..), None);
        let cases: [(&[f64], &str); 3] = [
            (&[0.5, nan], "in 1 of 2 rows (row 2, counted from 1)"),
            (&[0.5, nan, -3.0, low], "in 2 of 4 rows (rows 2, 4, counted from 1)"),
            (&[nan; 9], "in 9 of 9 rows (rows 1, 2, 3, 4, 5, …, counted from 1)"),
        ];
        for (log_prob, expected) in cases {
            let text = not_finite(log_prob, 0..).expect("something to say");
            assert!(text.contains(expected), "{text}");
        }
    }
}
