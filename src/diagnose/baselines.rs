//! Simpler densities on the same rows, in the same units.

use serde::{Deserialize, Serialize};

use super::material::{Material, Part};
use super::mixture::Mixture;
use super::pooled::spread_places;
use crate::matrix::Matrix;
use crate::quantity::with_error;
use crate::statistics::Estimate;

/// Numbers of Gaussians that are tried.
const COMPONENTS: [usize; 5] = [1, 2, 4, 8, 16];
/// Multiplications of a round of fitting beyond which a mixture is not tried: it would take minutes.
const MOST_WORK: usize = 500_000_000;
/// Training rows that mixtures are fitted to at most.
const MOST_ROWS: usize = 10_000;

/// The flow beside Gaussians with full covariances. Beside a conditional flow they are densities of context and features together,
/// of which that of the features given the context is taken: of a single one it is linear regression on the context, with the
/// covariance of what that leaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baselines {
    /// Mean NLL of the flow over the test rows, data space, nats.
    pub flow: f64,
    /// Its standard error.
    pub flow_error: Option<f64>,
    /// Training rows that they were fitted to.
    pub rows: usize,
    /// A single Gaussian, and where it is another the mixture of the lowest NLL on validation rows.
    pub chosen: Vec<Baseline>,
    /// Numbers of Gaussians that were tried and the NLL of the validation rows, data space, nats.
    pub tried: Vec<(usize, f64)>,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Number of Gaussians.
    pub components: usize,
    /// Values of the context that it is given; 0 of an unconditional flow.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub context: usize,
    /// Mean NLL over the test rows, data space, nats.
    pub nll: f64,
    /// Nats a row by which the flow is better.
    pub better: f64,
    /// Standard error of `better`, of the differences row by row.
    pub error: Option<f64>,
}

impl Baseline {
    /// By how much the flow is better or worse, nats a row, in words.
    pub fn told(&self) -> String {
        let word = if self.better < 0.0 { "worse" } else { "better" };
        format!("{word} by {}", with_error(self.better.abs(), self.error))
    }

    /// What it is, in words.
    pub fn name(&self) -> String {
        let given = if self.context > 0 { " given the context" } else { "" };
        match self.components {
            1 => format!("a Gaussian{given}"),
            components => format!("a mixture of {components} Gaussians{given}"),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(context: &usize) -> bool {
    *context == 0
}

impl Baselines {
    /// Fits them to training rows, chooses by validation rows and compares on test rows.
    pub fn fit(material: &Material<'_>, seed: u64) -> Self {
        let Material { train, validation, test, .. } = material;
        let places = spread_places(&train.rows, MOST_ROWS);
        let features = material.columns.len();
        let rows = context_first(&train.rows.select(&places), features);
        let weights: Option<Vec<f64>> =
            train.weights.as_ref().map(|all| places.iter().map(|&place| all[place]).collect());
        let (values, context) = (rows.columns(), rows.columns() - features);
        let is_tried = |&components: &usize| {
            components == 1
                || (rows.rows() * components * values * values <= MOST_WORK && rows.rows() >= 10 * components)
        };
        let fitted: Vec<(usize, Mixture, f64)> = COMPONENTS
            .into_iter()
            .filter(is_tried)
            .map(|components| {
                let mixture = Mixture::fit(&rows, weights.as_deref(), components, seed);
                let nll = -mean(validation, &in_data_space(&mixture, validation, features)).mean;
                (components, mixture, nll)
            })
            .collect();
        let best = fitted.iter().min_by(|a, b| a.2.total_cmp(&b.2)).map_or(1, |best| best.0);
        let flow = mean(test, &test.log_prob);
        let compared = |mixture: &Mixture, components: usize| {
            let log_prob = in_data_space(mixture, test, features);
            let better: Vec<f64> = test.log_prob.iter().zip(&log_prob).map(|(flow, other)| flow - other).collect();
            let Estimate { mean: better, error, .. } = mean(test, &better);
            Baseline { components, context, nll: -mean(test, &log_prob).mean, better, error }
        };
        Self {
            flow: -flow.mean,
            flow_error: flow.error,
            rows: rows.rows(),
            chosen: fitted
                .iter()
                .filter(|(components, ..)| *components == 1 || *components == best)
                .map(|(components, mixture, _)| compared(mixture, *components))
                .collect(),
            tried: fitted.iter().map(|(components, _, nll)| (*components, *nll)).collect(),
        }
    }
}

/// log p of the features of the rows, given their context where there is one, every Jacobian counted in.
fn in_data_space(mixture: &Mixture, part: &Part, features: usize) -> Vec<f64> {
    let rows = context_first(&part.rows, features);
    let log_prob = mixture.log_density_given(&rows, rows.columns().saturating_sub(features));
    log_prob.into_iter().zip(&part.log_det).map(|(log_prob, det)| log_prob + det).collect()
}

/// Rows of features and context the other way round, shape `[rows, context + features]`.
fn context_first(rows: &Matrix<f64>, features: usize) -> Matrix<f64> {
    match rows.columns() > features {
        true => rows.columns_from(features).beside(&rows.columns_before(features)),
        false => rows.clone(),
    }
}

/// The mean of values of the rows, each of which counts as its weight says.
pub fn mean(part: &Part, values: &[f64]) -> Estimate {
    match &part.weights {
        Some(weights) => Estimate::weighted(values.iter().copied(), weights),
        None => Estimate::of(values.iter().copied()),
    }
}
