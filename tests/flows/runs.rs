//! Whole runs on a device: the training loop, checkpoints and resuming, against the host's.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use realnvp_runner::data::{Dataset, load};
use realnvp_runner::flow::{DeviceError, Flow};
use realnvp_runner::kernel;
use realnvp_runner::plan::{Trial, prepare};
use realnvp_runner::spec::{Defaults, Device, Overrides};
use realnvp_runner::train::{Checkpoint, Ended, Event, Metrics, Onlooker, Outcome, Picture, Sink, Status, Training};

use crate::Gpu;

/// Keeps the curve; asks for a stop when it has come to a step.
struct Curve {
    rows: Vec<Metrics>,
    stop_at: Option<i64>,
    stop: Arc<AtomicBool>,
}

impl Sink for Curve {
    fn record(&mut self, event: &Event) -> std::io::Result<()> {
        if let Event::Metrics(row) = event {
            self.rows.push(row.clone());
            if self.stop_at.is_some_and(|step| row.step >= step) {
                self.stop.store(true, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

/// What flows are made of.
const MODELS: [&str; 3] =
    ["", "normalization = \"batch\"", "coupling = \"additive\"\nmixing = \"reverse\"\nnormalization = \"act\""];

/// The line of a model with this normalisation.
fn normalized(kind: &str) -> String {
    format!("normalization = \"{kind}\"")
}

struct Study {
    trial: Trial,
    dataset: Dataset,
}

impl Study {
    /// 90 steps in unequal stretches, with everything that a checkpoint holds in use; `model` and `training`: lines of those
    /// tables.
    fn new(folder: &Path, dataset: &str, model: &str, training: &str) -> Self {
        let path = folder.join("study.toml");
        // Half steps on two waves, for what is dequantised.
        let wave = |i: i32, speed: f64| (f64::from(i) * speed).sin().mul_add(4.0, f64::from(i % 3)).round() / 2.0;
        let rows: String = (0..500).map(|i| format!("{},{}\n", wave(i, 0.37), wave(i, 0.73))).collect();
        std::fs::write(folder.join("rows.csv"), format!("a,b\n{rows}")).expect("written");
        let weighted: String = rows.lines().zip(0..).map(|(row, i)| format!("{row},{}\n", 1 + i % 5)).collect();
        std::fs::write(folder.join("weighted.csv"), format!("a,b,weight\n{weighted}")).expect("written");
        let spec = format!(
            "[dataset]\n{dataset}\ntrain = 300\nvalidation = 100\ntest = 100\n\
             [model]\ndepth = 2\nwidth = 8\n{model}\n[optimizer]\nlearning_rate = 3e-3\n\
             schedule = {{ name = \"cosine\", warmup = 5 }}\n\
             [training]\nbatch_size = 16\nsteps = 90\nlog_every = 10\n{training}\n"
        );
        std::fs::write(&path, spec).expect("written");
        let (_, mut plan) = prepare(&[path], Overrides::default(), |_| Defaults::Today).expect("a spec").remove(0);
        let trial = plan.trials.remove(0);
        let dataset = load(&trial.spec.dataset, folder, 32, &|_, _, _| {}).expect("data");
        Self { trial, dataset }
    }

    /// A flow of the host, or of a device.
    fn flow(&self, gpu: Option<Gpu>) -> Box<dyn Flow> {
        let spec = &self.trial.spec;
        let built = kernel::build(&spec.model, spec.training.kernel, self.dataset.shape, 0, Device::Cpu);
        let host = built.expect("a flow").flow;
        match gpu {
            Some(gpu) => gpu.flow(host.architecture().clone(), host.parameters().clone()),
            None => host,
        }
    }

    fn run(&self, flow: &mut dyn Flow, checkpoints: &Path, stop_at: Option<i64>) -> (Outcome, Vec<Metrics>) {
        self.run_before(&mut (), flow, checkpoints, stop_at)
    }

    fn run_before(
        &self,
        onlooker: &mut dyn Onlooker,
        flow: &mut dyn Flow,
        checkpoints: &Path,
        stop_at: Option<i64>,
    ) -> (Outcome, Vec<Metrics>) {
        let stop = Arc::new(AtomicBool::new(false));
        let mut curve = Curve { rows: Vec::new(), stop_at, stop: Arc::clone(&stop) };
        let (spec, dataset) = (&self.trial.spec, &self.dataset);
        let (seconds_so_far, sink) = (0.0, &mut curve);
        let training = Training {
            spec,
            seed: 0,
            dataset,
            flow,
            checkpoints,
            seconds_so_far,
            sink,
            onlooker,
            stop: &stop,
            until: None,
        };
        let Ended { outcome, unsaved } = training.run().expect("a run");
        unsaved.iter().try_for_each(|snapshot| snapshot.save()).expect("saved");
        (outcome, curve.rows)
    }
}

/// Scores and draws rows, as a picture needs them, and keeps the steps at which it did.
struct Curious<'a>(&'a Dataset, Vec<u64>);

impl Onlooker for Curious<'_> {
    fn look(&mut self, flow: &mut dyn Flow, step: u64, _: u64, _: usize) -> Result<Option<Picture>, DeviceError> {
        flow.log_prob(&self.0.test)?;
        flow.sample(70, 1)?;
        self.1.push(step);
        Ok(None)
    }
}

/// Keeps the weights that are evaluated.
#[derive(Default)]
struct Weights(Vec<Vec<f32>>);

impl Onlooker for Weights {
    fn look(&mut self, flow: &mut dyn Flow, _: u64, _: u64, _: usize) -> Result<Option<Picture>, DeviceError> {
        flow.settle(None)?;
        self.0.push(flow.parameters().values().to_vec());
        Ok(None)
    }
}

/// Four evaluations of a run.
const SELDOM: &str = "evaluate_every = 25";

/// Without the times.
fn untimed(rows: &[Metrics]) -> Vec<Metrics> {
    rows.iter().map(|row| Metrics { seconds: 0.0, samples_per_second: None, ..row.clone() }).collect()
}

#[test]
fn a_run_on_a_device_learns_what_a_run_on_the_host_does() {
    let weighted = ["", "dequantize = 0.5"].map(|more| format!("path = \"weighted.csv\"\nweight = \"weight\"\n{more}"));
    let datasets = ["name = \"moons\"", "path = \"rows.csv\"\ndequantize = 0.5", &weighted[0], &weighted[1]];
    let all = datasets.into_iter().flat_map(|dataset| MODELS.map(|model| (dataset, model)));
    for ((dataset, model), gpu) in all.flat_map(|study| Gpu::all().into_iter().map(move |gpu| (study, gpu))) {
        let folder = tempfile::tempdir().expect("a folder");
        let study = Study::new(folder.path(), dataset, model, SELDOM);
        let run = |gpu: Option<Gpu>| {
            let checkpoints = folder.path().join(format!("{gpu:?}"));
            std::fs::create_dir(&checkpoints).expect("made");
            study.run(&mut *study.flow(gpu), &checkpoints, None)
        };
        let ((host, host_curve), (device, device_curve)) = (run(None), run(Some(gpu)));
        assert_eq!((host.status, device.status), (Status::Finished, Status::Finished));
        let near = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() < 2e-3 * (1.0 + b.abs()),
            (a, b) => a == b,
        };
        assert_eq!(device_curve.len(), host_curve.len());
        for (ours, theirs) in device_curve.iter().zip(&host_curve) {
            assert_eq!((ours.step, ours.epoch, ours.learning_rate), (theirs.step, theirs.epoch, theirs.learning_rate));
            assert!(near(ours.train_nll, theirs.train_nll), "{gpu:?}: {ours:?} {theirs:?}");
            assert!(near(ours.validation_nll, theirs.validation_nll), "{gpu:?}: {ours:?} {theirs:?}");
        }
        assert!(near(device.summary.test_nll, host.summary.test_nll));
    }
}

#[test]
fn a_run_that_is_looked_at_has_the_same_bits() {
    let folder = tempfile::tempdir().expect("a folder");
    let study = Study::new(folder.path(), "name = \"moons\"", MODELS[1], SELDOM);
    for gpu in std::iter::once(None).chain(Gpu::all().into_iter().map(Some)) {
        let mut curious = Curious(&study.dataset, Vec::new());
        let [watched, alone] = ["watched", "alone"].map(|name| folder.path().join(format!("{name}-{gpu:?}")));
        [&watched, &alone].into_iter().for_each(|path| std::fs::create_dir(path).expect("made"));
        let (_, seen) = study.run_before(&mut curious, &mut *study.flow(gpu), &watched, None);
        let (_, unseen) = study.run(&mut *study.flow(gpu), &alone, None);
        assert_eq!(curious.1, [25, 50, 75, 90], "every evaluation");
        assert_eq!(untimed(&seen), untimed(&unseen));
        for name in ["best.safetensors", "last.safetensors"] {
            let bytes = |folder: &Path| std::fs::read(folder.join(name)).expect("a checkpoint");
            assert!(bytes(&watched) == bytes(&alone), "{name}, {gpu:?}");
        }
    }
}

#[test]
fn a_run_interrupted_on_a_device_ends_as_if_it_had_not_been() {
    let averaging = format!("{SELDOM}\nema = 0.9");
    let kinds = MODELS.map(|model| (model, &*averaging)).into_iter().chain([(MODELS[1], SELDOM)]);
    for ((model, training), gpu) in kinds.flat_map(|kind| Gpu::all().into_iter().map(move |gpu| (kind, gpu))) {
        let folder = tempfile::tempdir().expect("a folder");
        let study = Study::new(folder.path(), "name = \"moons\"", model, training);
        let [straight, parts] = ["straight", "parts"].map(|name| folder.path().join(name));
        [&straight, &parts].into_iter().for_each(|path| std::fs::create_dir(path).expect("made"));
        let (whole, curve) = study.run(&mut *study.flow(Some(gpu)), &straight, None);
        let (first, mut rows) = study.run(&mut *study.flow(Some(gpu)), &parts, Some(40));
        assert_eq!((first.status, rows.last().map(|row| row.step)), (Status::Interrupted, Some(40)));
        let (second, rest) = study.run(&mut *study.flow(Some(gpu)), &parts, None);
        rows.extend(rest);
        assert_eq!(untimed(&rows), untimed(&curve), "{gpu:?}");
        assert_eq!(second.summary.test_nll, whole.summary.test_nll);

        // Its checkpoint is one of the host's: it is loaded there, and scored the same.
        let mut scores = Vec::new();
        for place in [None, Some(gpu)] {
            let mut flow = study.flow(place);
            let best = Checkpoint::read(&parts.join("best.safetensors")).expect("whole");
            best.restore(&mut *flow, None).expect("restored");
            scores.push(flow.log_prob(&study.dataset.test).expect("scored"));
        }
        let apart = scores[0].iter().zip(&scores[1]).map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f64::max);
        assert!(apart < 1e-5, "{gpu:?}: {apart}");
    }
}

#[test]
fn an_averaging_run_on_the_host_goes_on_with_the_same_bits() {
    for norm in ["batch", "act"] {
        let folder = tempfile::tempdir().expect("a folder");
        let study = Study::new(folder.path(), "name = \"moons\"", &normalized(norm), "evaluate_every = 25\nema = 0.9");
        let [straight, parts] = ["straight", "parts"].map(|name| folder.path().join(name));
        [&straight, &parts].into_iter().for_each(|path| std::fs::create_dir(path).expect("made"));
        study.run(&mut *study.flow(None), &straight, None);
        let (first, _) = study.run(&mut *study.flow(None), &parts, Some(40));
        assert_eq!(first.status, Status::Interrupted);
        study.run(&mut *study.flow(None), &parts, None);
        for name in ["best.safetensors", "last.safetensors"] {
            let bytes = |folder: &Path| std::fs::read(folder.join(name)).expect("a checkpoint");
            assert!(bytes(&straight) == bytes(&parts), "{name}, {norm}");
        }
    }
}

/// The weights of every step, of a run that keeps no average, are averaged here in f64.
#[test]
fn what_is_evaluated_and_kept_is_the_average_of_the_weights_of_all_steps() {
    const DECAY: f64 = 0.9;
    for (norm, gpu) in
        [("batch", None), ("act", None)].into_iter().chain(Gpu::all().into_iter().map(|gpu| ("batch", Some(gpu))))
    {
        let folder = tempfile::tempdir().expect("a folder");
        let run = |training: &str, name: &str| {
            let study = Study::new(folder.path(), "name = \"moons\"", &normalized(norm), training);
            let checkpoints = folder.path().join(name);
            std::fs::create_dir(&checkpoints).expect("made");
            let (mut weights, mut flow) = (Weights::default(), study.flow(gpu));
            let start = flow.parameters().values().to_vec();
            let (outcome, curve) = study.run_before(&mut weights, &mut *flow, &checkpoints, None);
            assert_eq!(outcome.status, Status::Finished);
            let losses: Vec<_> = curve.iter().filter_map(|row| row.train_nll).collect();
            (start, weights.0, flow.parameters().values().to_vec(), losses)
        };
        let (start, raw, _, losses) = run("evaluate_every = 1\nema = 0.0", "raw");
        let (_, averaged, kept, same_losses) = run("evaluate_every = 1\nema = 0.9", "averaged");
        assert_eq!(losses, same_losses, "training is not touched");
        assert_eq!((raw.len(), averaged.len()), (90, 90));
        let mut expected: Vec<f64> = start.iter().map(|value| f64::from(*value)).collect();
        for (step, (raw, averaged)) in raw.iter().zip(&averaged).enumerate() {
            let decay = DECAY.min((1.0 + step as f64) / (10.0 + step as f64));
            for ((expected, raw), averaged) in expected.iter_mut().zip(raw).zip(averaged) {
                *expected = decay * *expected + (1.0 - decay) * f64::from(*raw);
                // Whether activation normalisation has started has no average: 1 from the first step on.
                let is_flag = norm == "act" && *averaged == 1.0 && *raw == 1.0;
                let apart = (*expected - f64::from(*averaged)).abs();
                assert!(is_flag || apart < 1e-5, "{gpu:?}, {norm}, step {step}: {expected} {averaged}");
            }
        }
        assert!(averaged.contains(&kept) && !raw.contains(&kept), "{gpu:?}");
    }
}
