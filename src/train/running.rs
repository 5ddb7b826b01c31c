//! Whether running statistics may be scored with: batch normalisation trains by those of the batch, and where training was too
//! short or too wild, the running ones tell of another flow.

use crate::flow::{DeviceError, Flow, Loss, Role};
use crate::matrix::Matrix;

/// Rows below which their own statistics say too little.
const FEWEST_ROWS: usize = 64;
/// Nats a row, and nats a feature, by which scores may differ.
const ALLOWED: [f64; 2] = [1.0, 0.1];
/// Rows fit their own statistics better than others by about one nat for each channel that is normalised, divided by the rows: so
/// many times that much is no fault of the running ones.
const OWN_FIT: f64 = 10.0;

/// What is wrong with the running statistics of `flow`, if anything: `rows` (model space) are scored by them and by their own. The
/// flow is left as it was.
///
/// # Errors
/// Where the device fails.
pub fn doubt(flow: &mut dyn Flow, rows: &Matrix) -> Result<Option<String>, DeviceError> {
    let statistics = flow.parameters().entries().iter().filter(|entry| entry.role == Role::Statistic);
    // A mean and a variance each.
    let channels = statistics.map(|entry| entry.len()).sum::<usize>() / 2;
    if channels == 0 || rows.rows() < FEWEST_ROWS {
        return Ok(None);
    }
    let count = rows.rows() as f64;
    let by_running = -flow.log_prob(rows)?.iter().sum::<f64>() / count;
    let before = flow.parameters().values().to_vec();
    let own = flow.loss_and_gradient(rows, &mut Vec::new());
    flow.settle(None)?;
    flow.parameters_mut().values_mut().copy_from_slice(&before);
    // All rows at once need more room than a batch may have had: a device that has none leaves the flow as it is. One that is lost
    // says so again.
    let Ok(Loss { nll: by_own, .. }) = own else { return flow.log_prob(rows).map(|_| None) };
    let features = flow.architecture().features as f64;
    let allowed = ALLOWED[0] + ALLOWED[1] * features + OWN_FIT * channels as f64 / count;
    // What is not a number is no less wrong.
    let agree = by_running - by_own <= allowed || !by_own.is_finite();
    Ok((!agree).then(|| {
        format!(
            "the running statistics of batch normalisation do not describe the flow: they score {count} validation rows {:.4} nats \
             worse than the rows' own statistics do, and every score is made with them; train longer or at a smaller learning \
             rate, or set `model.normalization = \"act\"` (in networks, leave `network_batch_norm` out)",
            by_running - by_own
        )
    }))
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, StandardNormal};

    use super::*;
    use crate::kernel;
    use crate::random::{Purpose, stream};
    use crate::shape::Shape;
    use crate::spec::{Device, KernelChoice, Model, Normalization};

    #[test]
    fn statistics_of_other_rows_are_doubted_and_those_of_the_rows_are_not() {
        let mut rows: Matrix = Matrix::zeros(256, 2);
        let mut rng = stream(0, Purpose::Test, 0);
        rows.as_mut_slice().iter_mut().for_each(|value| *value = StandardNormal.sample(&mut rng));
        for (kernel, normalization) in [
            (KernelChoice::Fused, Normalization::Batch),
            (KernelChoice::Composed, Normalization::Batch),
            (KernelChoice::Fused, Normalization::Act),
        ] {
            let model = Model { depth: 2, width: 8, normalization, ..Model::default() };
            let mut flow = kernel::build(&model, kernel, Shape::from(2), 0, Device::Cpu).expect("a flow").flow;
            for _ in 0..100 {
                flow.loss_and_gradient(&rows, &mut Vec::new()).expect("a loss");
            }
            let before = flow.parameters().clone();
            assert_eq!(doubt(&mut *flow, &rows).expect("scored"), None);
            assert_eq!(*flow.parameters(), before);
            let Some(running) = before.entries().iter().find(|entry| entry.name.ends_with("running_variance")) else {
                assert_eq!(normalization, Normalization::Act);
                continue;
            };
            flow.parameters_mut().values_mut()[running.range()].fill(1e-3);
            let text = doubt(&mut *flow, &rows).expect("scored").expect("a doubt");
            assert!(text.contains("256 validation rows") && text.contains("normalization = \"act\""), "{text}");
            assert_eq!(flow.parameters().values()[running.range()], [1e-3; 2]);
        }
    }

    #[test]
    fn few_rows_tell_nothing() {
        let model = Model { depth: 2, width: 8, normalization: Normalization::Batch, ..Model::default() };
        let mut flow = kernel::build(&model, KernelChoice::Fused, Shape::from(2), 0, Device::Cpu).expect("a flow").flow;
        let far = Matrix::new(vec![1e3; 2 * (FEWEST_ROWS - 1)], 2);
        assert_eq!(doubt(&mut *flow, &far).expect("scored"), None);
    }
}
