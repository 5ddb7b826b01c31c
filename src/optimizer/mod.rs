//! Optimizers over the flat vector of parameters: one file a rule, the norm that gradients are clipped by, the learning rate
//! over a run, and the running average of the weights.

mod adam;
mod average;
mod norm;
mod rmsprop;
mod rule;
mod schedule;
mod sgd;

use std::sync::Arc;

use rayon::prelude::*;

use crate::compute::Level;
use crate::layers::Parameters;
use crate::spec::{Optimizer as Spec, OptimizerName};
use adam::Adam;
use rmsprop::Rmsprop;
use rule::{Rule, Update};
use sgd::Sgd;

pub use average::Average;
pub use norm::norm;
pub(crate) use norm::square_sum;
pub use rule::{Constants, DeviceRule};
pub use schedule::factor;

/// Values that a thread updates at a time: few enough to balance the threads, enough that starting one costs little beside it.
pub const CHUNK: usize = 16 * 1024;

/// One update rule, its moments, and the average of the weights where one is kept.
#[derive(Clone, Debug)]
pub struct Optimizer {
    rule: Arc<dyn Rule>,
    weight_decay: f32,
    /// The gradient is shortened to this norm; 0: never.
    clip_norm: f64,
    /// Moments, each shape `[parameters]`; as many as `Rule::moments` says.
    moments: Vec<Vec<f32>>,
    average: Option<Average>,
}

impl Optimizer {
    /// An optimizer for `parameters` values, all moments zero.
    pub fn new(spec: &Spec, parameters: usize) -> Self {
        let betas = spec.betas.unwrap_or([0.9, 0.999]).map(|b| b as f32);
        let epsilon = spec.epsilon.unwrap_or(1e-8) as f32;
        let momentum = spec.momentum.unwrap_or(0.0) as f32;
        let rule: Arc<dyn Rule> = match spec.name {
            OptimizerName::Adam => Arc::new(Adam { betas, epsilon, decoupled: false }),
            OptimizerName::Adamw => Arc::new(Adam { betas, epsilon, decoupled: true }),
            OptimizerName::Sgd => Arc::new(Sgd { momentum }),
            OptimizerName::Rmsprop => Arc::new(Rmsprop { alpha: spec.alpha.unwrap_or(0.99) as f32, epsilon, momentum }),
        };
        let moments = vec![vec![0.0; parameters]; rule.moments()];
        Self { rule, weight_decay: spec.weight_decay as f32, clip_norm: spec.clip_norm, moments, average: None }
    }

    /// The same, with an average of a flow's values from `parameters` on; a `decay` of 0 keeps none.
    pub fn averaging(self, decay: f64, parameters: &Parameters) -> Self {
        Self { average: (decay > 0.0).then(|| Average::new(decay, parameters)), ..self }
    }

    /// The average of the flow's values, if one is kept.
    pub fn average(&self) -> Option<&Average> {
        self.average.as_ref()
    }

    /// The same, to be moved by what takes the steps, or filled from a checkpoint or a device.
    pub fn average_mut(&mut self) -> Option<&mut Average> {
        self.average.as_mut()
    }

    /// The rule, for devices that update by themselves.
    pub fn on_device(&self) -> DeviceRule {
        self.rule.on_device()
    }

    /// λ, the weight decay.
    pub fn weight_decay(&self) -> f32 {
        self.weight_decay
    }

    /// The norm that gradients are shortened to; 0: never.
    pub fn clip_norm(&self) -> f64 {
        self.clip_norm
    }

    /// The state besides the step: moments, each shape `[parameters]`.
    pub fn moments(&self) -> &[Vec<f32>] {
        &self.moments
    }

    /// The same, to be filled from a checkpoint or a device.
    pub fn moments_mut(&mut self) -> &mut [Vec<f32>] {
        &mut self.moments
    }

    /// What a gradient of this norm is multiplied by.
    pub fn clip(&self, norm: f64) -> f32 {
        norm::clip(norm, self.clip_norm)
    }

    /// The constants of update number `step` (from 0) with learning rate `rate`, for devices that update by themselves.
    pub fn constants(&self, rate: f64, step: u64) -> Constants {
        let [first, second] = self.rule.corrections(step);
        [rate as f32, first, second, self.average.as_ref().map_or(0.0, |average| average.rest(step))]
    }

    /// Update number `step` (from 0) with learning rate `rate`; the gradient is multiplied by `clip` first.
    ///
    /// Every value is updated on its own, so the result does not depend on the number of threads.
    pub fn update(&mut self, parameters: &mut [f32], gradient: &[f32], clip: f32, rate: f64, step: u64) {
        let corrections = self.rule.corrections(step);
        let now = Update { rate: rate as f32, clip, weight_decay: self.weight_decay, corrections };
        let (rule, level) = (&*self.rule, Level::detect());
        let mut moments = self.moments.iter_mut();
        let first = moments.next().map_or(&mut [][..], |m| m);
        match moments.next() {
            Some(second) if parameters.len() > CHUNK => parameters
                .par_chunks_mut(CHUNK)
                .zip(gradient.par_chunks(CHUNK))
                .zip(first.par_chunks_mut(CHUNK).zip(second.par_chunks_mut(CHUNK)))
                .for_each(|((p, g), (m, v))| rule.update(level, now, p, g, m, v)),
            Some(second) => rule.update(level, now, parameters, gradient, first, second),
            None => rule.update(level, now, parameters, gradient, first, &mut []),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Schedule, ScheduleName};

    fn spec(name: OptimizerName, weight_decay: f64) -> Spec {
        Spec {
            name,
            learning_rate: 0.1,
            weight_decay,
            clip_norm: 0.0,
            betas: Some([0.9, 0.999]),
            epsilon: Some(1e-8),
            momentum: Some(0.9),
            alpha: Some(0.99),
            schedule: Schedule { name: ScheduleName::Constant, warmup: 0, every: None, factor: None },
        }
    }

    /// p after two updates from p = 1 with gradients 0.5 and −0.25, by the published update rules, worked by hand in f64.
    #[test]
    fn two_updates_match_the_published_rules() {
        let adam = |decoupled: bool| {
            let (mut p, mut m, mut v) = (1.0f64, 0.0f64, 0.0f64);
            for (t, g) in [(1, 0.5), (2, -0.25)] {
                let g = if decoupled { g } else { g + 0.01 * p };
                if decoupled {
                    p -= 0.1 * 0.01 * p;
                }
                m = 0.9 * m + 0.1 * g;
                v = 0.999 * v + 0.001 * g * g;
                p -= 0.1 * (m / (1.0 - 0.9f64.powi(t))) / ((v / (1.0 - 0.999f64.powi(t))).sqrt() + 1e-8);
            }
            p
        };
        let sgd = {
            let (mut p, mut m) = (1.0f64, 0.0f64);
            for g in [0.5, -0.25] {
                m = 0.9 * m + g + 0.01 * p;
                p -= 0.1 * m;
            }
            p
        };
        let rmsprop = {
            let (mut p, mut s, mut b) = (1.0f64, 0.0f64, 0.0f64);
            for g in [0.5, -0.25] {
                let g = g + 0.01 * p;
                s = 0.99 * s + 0.01 * g * g;
                b = 0.9 * b + g / (s.sqrt() + 1e-8);
                p -= 0.1 * b;
            }
            p
        };
        for (name, expected) in [
            (OptimizerName::Adam, adam(false)),
            (OptimizerName::Adamw, adam(true)),
            (OptimizerName::Sgd, sgd),
            (OptimizerName::Rmsprop, rmsprop),
        ] {
            let mut optimizer = Optimizer::new(&spec(name, 0.01), 1);
            let mut p = [1.0f32];
            optimizer.update(&mut p, &[1.0], 0.5, 0.1, 0);
            optimizer.update(&mut p, &[-0.5], 0.5, 0.1, 1);
            assert!((f64::from(p[0]) - expected).abs() < 2e-6, "{name:?}: {} instead of {expected}", p[0]);
        }
    }

    /// Below it arithmetic is many times slower, and units that are never active again would stay there.
    #[test]
    fn moments_without_gradients_end_at_zero_and_not_below_the_normal_range() {
        for name in [OptimizerName::Adam, OptimizerName::Adamw, OptimizerName::Sgd, OptimizerName::Rmsprop] {
            let mut optimizer = Optimizer::new(&spec(name, 0.0), 1);
            let mut p = [1.0f32];
            for step in 0..100_000 {
                optimizer.update(&mut p, &[if step == 0 { 1.0 } else { 0.0 }], 1.0, 1e-3, step);
                let of_all = optimizer.moments().concat();
                assert!(of_all.iter().all(|moment| *moment == 0.0 || moment.is_normal()), "{name:?}: {of_all:?}");
            }
            assert!(optimizer.moments().concat().iter().all(|moment| *moment == 0.0), "{name:?}");
        }
    }

    #[test]
    fn norm_and_update_do_not_depend_on_the_number_of_threads() {
        let n = 3 * CHUNK + 17;
        let gradient: Vec<f32> = (0..n).map(|i| (i as f32 * 0.37).sin()).collect();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads");
            pool.install(|| {
                let mut optimizer = Optimizer::new(&spec(OptimizerName::Adam, 0.0), n);
                let mut p = vec![0.5f32; n];
                optimizer.update(&mut p, &gradient, 1.0, 0.1, 0);
                (norm(&gradient).to_bits(), p)
            })
        };
        assert_eq!(run(1), run(3));
        let naive = gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        assert!((norm(&gradient) - naive).abs() < 1e-9);
    }
}
