//! Pictures of a run under way, few enough to cost next to nothing: TensorBoard's slider shows how the flow learns.

use super::pictures::{Detail, View};
use crate::data::Dataset;
use crate::flow::{DeviceError, Flow};
use crate::matrix::Matrix;
use crate::spec::Device;
use crate::train::{Onlooker, Picture};

/// At most this many pictures of a run, beside the one at its end.
const MOST: u64 = 7;
/// Share of a run that they may take, about.
const SHARE: f64 = 0.01;
/// Time that drawing a picture takes, in seconds.
const DRAWING: f64 = 0.012;
/// Scoring the cells of a picture takes at most as long as training on this many rows.
const SCORING: f64 = 1_200.0;

/// Images that a picture shows of the flow.
const IMAGES: usize = 64;

/// Looks at a run at the first evaluation from a half, a quarter, an eighth of it on, and so forth, as far back as the run pays
/// for. The steps are a function of the spec alone, so that a resumed run draws the same.
pub(super) struct Glimpses<'a> {
    pub dataset: &'a Dataset,
    pub title: String,
    pub seed: u64,
    pub device: Device,
    pub evaluate_every: usize,
}

impl Onlooker for Glimpses<'_> {
    fn look(
        &mut self,
        flow: &mut dyn Flow,
        step: u64,
        total_steps: u64,
        rows: usize,
    ) -> Result<Option<Picture>, DeviceError> {
        let rows = total_steps as usize * rows;
        let architecture = flow.architecture();
        let features = architecture.features;
        let layers = architecture.layers.iter().map(|layer| layer.cost(features).multiplications);
        // Convolutions multiply with each of their parameters many times.
        let work = layers.sum::<usize>().max(flow.parameters().count());
        let count = affordable(rows, work, self.device);
        // A density given a context is not one picture.
        if !self.dataset.context.is_empty() || !is_worth_one(step, total_steps, self.evaluate_every as u64, count) {
            return Ok(None);
        }
        let detail = Detail::Glimpse { rows };
        let samples = match self.dataset.features() {
            // With one or two features, the density shows more than samples.
            features @ (1 | 2) => Matrix::new(Vec::new(), features),
            _ => {
                let rows = if self.dataset.shape.is_image() { IMAGES } else { detail.samples() };
                self.dataset.preprocessing.invert(&flow.sample(rows, self.seed)?)
            }
        };
        let view = View::new(flow, self.dataset, &samples, detail)?;
        // A picture that fails is skipped; the one at the end reports the error.
        Ok(view.draw_first(&self.title).ok())
    }
}

/// How many pictures a run over so many `rows` pays for; `work`: multiplications of a row, forward.
fn affordable(rows: usize, work: usize, device: Device) -> u64 {
    // Work times rows a second: what one core takes, and what a small GPU does at least.
    let speed = match device {
        Device::Cpu => 1.5e10,
        Device::Cuda(_) => 3e11,
    };
    let row = work as f64 / speed;
    (SHARE * rows as f64 * row / (DRAWING + SCORING * row)).min(MOST as f64) as u64
}

/// Whether `step` is the first evaluation from total_steps / 2ⁱ on, for an i from 1 to `count`.
fn is_worth_one(step: u64, total_steps: u64, evaluate_every: u64, count: u64) -> bool {
    let first_from = |i: u64| (total_steps >> i).max(1).next_multiple_of(evaluate_every);
    step < total_steps && (1..=count).any(|i| first_from(i) == step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::load;
    use crate::kernel::build;
    use crate::plan::prepare;
    use crate::spec::{Defaults, Overrides};

    #[test]
    fn flows_of_any_number_of_features_are_drawn_as_at_their_end() {
        let folder = tempfile::tempdir().expect("a folder");
        for (columns, tag) in [(1, "density"), (2, "density"), (3, "pairs")] {
            let row =
                |i: i32| (0..columns).map(|j| f64::from(i * (j + 7) % 97).to_string()).collect::<Vec<_>>().join(",");
            let rows: String = (0..200).map(|i| row(i) + "\n").collect();
            std::fs::write(folder.path().join("rows.csv"), rows).expect("written");
            let spec = folder.path().join("study.toml");
            std::fs::write(&spec, "[dataset]\npath = \"rows.csv\"\n[model]\ndepth = 2\nwidth = 16\n").expect("written");
            let (_, plan) = prepare(&[spec], Overrides::default(), |_| Defaults::Today).expect("a spec").remove(0);
            let spec = &plan.trials[0].spec;
            let dataset = load(&spec.dataset, folder.path(), 32, &|_, _, _| {}).expect("data");
            let mut flow =
                build(&spec.model, spec.training.kernel, dataset.layout(), 0, Device::Cpu).expect("a flow").flow;
            let (title, device) = ("study".to_owned(), Device::Cpu);
            let mut glimpses = Glimpses { dataset: &dataset, title, seed: 0, device, evaluate_every: 50 };
            // So many rows pay for every picture.
            let rows = 1 << 30;
            let picture = glimpses.look(&mut *flow, 50, 100, rows).expect("looked").expect("a picture");
            assert_eq!(picture.tag, tag);
            assert!(glimpses.look(&mut *flow, 100, 100, rows).expect("looked").is_none(), "the end has its own");
        }
    }

    #[test]
    fn looks_are_at_doubling_steps_before_the_end_and_the_dearer_the_run_the_more() {
        let looks = |total_steps: u64, evaluate_every: u64, count: u64| -> Vec<u64> {
            let steps = (1..=total_steps).filter(|step| step % evaluate_every == 0 || *step == total_steps);
            steps.filter(|&step| is_worth_one(step, total_steps, evaluate_every, count)).collect()
        };
        assert_eq!(looks(6_400, 50, 7), [50, 100, 200, 400, 800, 1_600, 3_200]);
        assert_eq!(looks(6_400, 50, 2), [1_600, 3_200]);
        // Several fall on one evaluation; the end has a picture of its own.
        assert_eq!(looks(1_000, 250, 7), [250, 500]);
        assert!(looks(1_000, 5_000, 7).is_empty());
        assert!(looks(1_000, 250, 0).is_empty());

        let (rows, parameters) = (5_000 * 256, 70_000);
        assert_eq!([rows / 100, rows / 2, rows * 10].map(|rows| affordable(rows, parameters, Device::Cpu)), [0, 1, 7]);
        // A few rows and a large flow: scoring is what costs.
        assert_eq!(affordable(50_000, 100 * parameters, Device::Cpu), 0);
        assert_eq!(affordable(rows, parameters, Device::Cuda(None)), 0);
    }
}
