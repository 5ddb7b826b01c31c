use super::*;
use crate::flow::Flow;
use crate::kernel;
use crate::spec::{
    Device, KernelChoice, MaskScheme, Mixing, Model, Normalization, Optimizer as OptimizerSpec, OptimizerName,
    Schedule, ScheduleName,
};
use crate::train::restore::Checkpoint;

fn model() -> Model {
    Model {
        mask: MaskScheme::Random,
        depth: 3,
        width: 9,
        hidden_layers: Some(2),
        mixing: Mixing::Permutation,
        normalization: Normalization::Batch,
        ..Model::default()
    }
}

fn rule() -> OptimizerSpec {
    OptimizerSpec {
        name: OptimizerName::Adam,
        learning_rate: 1e-3,
        weight_decay: 0.0,
        clip_norm: 0.0,
        betas: None,
        epsilon: None,
        momentum: None,
        alpha: None,
        schedule: Schedule { name: ScheduleName::Constant, warmup: 0, every: None, factor: None },
    }
}

fn space_of(features: usize) -> Space {
    let columns = (0..features).map(|i| format!("x{i}")).collect();
    Space {
        columns,
        context: Default::default(),
        shape: Some(features.into()),
        preprocessing: Preprocessing::identity(features),
    }
}

fn flow_of(model: &Model, seed: u64) -> Box<dyn Flow> {
    kernel::build(model, KernelChoice::Fused, 4, seed, Device::Cpu).expect("a flow").flow
}

fn about(flow: &dyn Flow) -> About {
    let origin = Origin { spec_hash: "12ab34cd56".to_owned(), settings_hash: "fe".to_owned(), seed: 1 };
    About { origin, model: model(), architecture: flow.architecture().clone(), space: space_of(4) }
}

/// A flow whose every number differs, an optimizer with moments, and a state with awkward numbers.
fn filled() -> (Box<dyn Flow>, Optimizer, State) {
    let mut flow = flow_of(&model(), 1);
    let parameters = flow.parameters_mut();
    parameters.values_mut().iter_mut().enumerate().for_each(|(i, v)| *v += (i as f32).sin());
    let mut optimizer = Optimizer::new(&rule(), parameters.count()).averaging(0.9, parameters);
    let gradient: Vec<f32> = (0..parameters.count()).map(|i| (i as f32).cos()).collect();
    optimizer.update(parameters.trainable_mut(), &gradient, 1.0, 1e-3, 0);
    optimizer.average_mut().expect("one").update(parameters.values(), 0);
    let state = State {
        step: 17,
        seconds: Some(0.1 + 0.2),
        best_validation_nll: Some(1.0 / 3.0),
        nll_sum: std::f64::consts::PI,
        ..State::default()
    };
    (flow, optimizer, state)
}

/// The bytes of a checkpoint of [`filled`].
fn bytes_of_filled(with_optimizer: bool) -> Vec<u8> {
    let (flow, optimizer, state) = filled();
    encode(&about(&*flow), flow.parameters(), with_optimizer.then_some(&optimizer), &state).expect("encoded")
}

#[test]
fn what_is_saved_comes_back_bit_for_bit() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("last.safetensors");
    let (flow, optimizer, state) = filled();
    save(&path, &about(&*flow), flow.parameters(), Some(&optimizer), &state).expect("saved");

    let mut again = flow_of(&model(), 1);
    let mut moments = Optimizer::new(&rule(), again.parameters().count()).averaging(0.9, again.parameters());
    let checkpoint = Checkpoint::read(&path).expect("whole");
    assert_eq!(checkpoint.restore(&mut *again, Some(&mut moments)).expect("restored"), state);
    assert_eq!((again.parameters(), moments.moments()), (flow.parameters(), optimizer.moments()));
    assert_eq!(moments.average(), optimizer.average());
    assert_ne!(moments.average().expect("one").values(), again.parameters().values());
    assert_eq!(checkpoint.space().expect("space"), space_of(4));
    assert_eq!(checkpoint.origin().expect("origin"), Some(about(&*flow).origin));
}

#[test]
fn equal_contents_are_equal_bytes() {
    // Each in a hash map of its own, whose order is random.
    let first = bytes_of_filled(true);
    assert!((0..20).all(|_| bytes_of_filled(true) == first));
}

#[test]
fn loaded_flow_gives_the_same_log_prob() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("best.safetensors");
    let (filled, _, state) = filled();
    save(&path, &about(&*filled), filled.parameters(), None, &state).expect("saved");
    let x = crate::matrix::Matrix::new((0..40).map(|i| (i as f32 * 0.7).sin()).collect(), 4);
    let mut log_probs = Vec::new();
    for kernel in [KernelChoice::Fused, KernelChoice::Composed] {
        let mut flow = kernel::build(&model(), kernel, 4, 1, Device::Cpu).expect("a flow").flow;
        flow.parameters_mut().clone_from(filled.parameters());
        let before = flow.log_prob(&x).expect("log_prob");
        let mut flow = kernel::build(&model(), kernel, 4, 1, Device::Cpu).expect("a flow").flow;
        Checkpoint::read(&path).and_then(|checkpoint| checkpoint.restore(&mut *flow, None)).expect("restored");
        assert_eq!(flow.log_prob(&x).expect("log_prob"), before);
        log_probs.push(before);
    }
    assert!(log_probs[0].iter().zip(&log_probs[1]).all(|(a, b)| (a - b).abs() < 1e-3 * b.abs()));
}

/// What is said of a file of these bytes, and that it changes nothing.
fn refusal(bytes: &[u8], flow: &mut dyn Flow) -> String {
    let before = flow.parameters().clone();
    let refused = Checkpoint::of(Path::new(BEST), bytes.to_vec()).and_then(|file| file.restore(flow, None));
    assert_eq!(flow.parameters(), &before);
    let text = refused.expect_err("refused").to_string();
    assert!(text.contains("best.safetensors: damaged checkpoint") && text.contains("train it again"), "{text}");
    text
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let whole = bytes_of_filled(false);
    let mut flow = flow_of(&model(), 1);
    for (byte, bit) in (0..whole.len()).map(|byte| (byte, byte % 8)) {
        let mut flipped = whole.clone();
        flipped[byte] ^= 1 << bit;
        let refused = Checkpoint::of(Path::new(BEST), flipped).and_then(|file| file.restore(&mut *flow, None));
        assert!(matches!(refused, Err(CheckpointError::Damaged { .. })), "bit {bit} of byte {byte}");
    }
}

#[test]
fn checkpoints_that_are_not_whole_or_of_another_flow_are_refused_and_change_nothing() {
    let whole = bytes_of_filled(false);
    let (mut poisoned, optimizer, state) = filled();
    let about = about(&*poisoned);
    poisoned.parameters_mut().values_mut()[5] = f32::NAN;
    let poisoned = encode(&about, poisoned.parameters(), None, &state).expect("encoded");
    let (flow, ..) = filled();
    let last = encode(&about, flow.parameters(), Some(&optimizer), &state).expect("encoded");
    let as_it_is = model();
    let cases: [(&[u8], Model, u64, &str); 9] = [
        (&whole[..whole.len() / 2], as_it_is.clone(), 1, "damaged"),
        (&whole[..10], as_it_is.clone(), 1, "damaged"),
        (b"not a checkpoint at all, just text", as_it_is.clone(), 1, "damaged"),
        (&poisoned, as_it_is.clone(), 1, "not finite"),
        (&last, as_it_is.clone(), 1, "has no tensor `average."),
        (&whole, Model { width: 10, ..model() }, 1, "of shape [2, 9], the spec's flow needs"),
        (&whole, Model { depth: 2, ..model() }, 1, "has no tensor `layers.5."),
        (&whole, Model { depth: 4, ..model() }, 1, "`layers.8.order` is missing"),
        (&whole, as_it_is, 2, "are not the features that the spec's flow has there"),
    ];
    for (bytes, model, seed, expected) in cases {
        let text = refusal(bytes, &mut *flow_of(&model, seed));
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn the_checkpoint_of_another_run_is_not_gone_on_from() {
    let checkpoint = Checkpoint::of(Path::new(LAST), bytes_of_filled(true)).expect("whole");
    let own = checkpoint.origin().expect("readable").expect("one");
    checkpoint.is_of(&own).expect("its own");
    let others = [
        (Origin { seed: 2, ..own.clone() }, "of seed 1, not 2"),
        (Origin { spec_hash: "98765432ff".to_owned(), ..own }, "of spec 12ab34cd…, not 98765432…"),
    ];
    for (origin, expected) in others {
        let text = checkpoint.is_of(&origin).expect_err("another").to_string();
        assert!(text.contains("last.safetensors: the checkpoint of another run") && text.contains(expected), "{text}");
    }
}

#[test]
fn a_damaged_checkpoint_says_what_is_left() {
    let said = |name: &str| {
        let refused = Checkpoint::of(&Path::new("run/checkpoints").join(name), b"rubbish".to_vec());
        refused.err().expect("refused").to_string()
    };
    assert!(said(LAST).contains("the best weights so far are in best.safetensors"), "{}", said(LAST));
    for name in [LAST, BEST] {
        let text = said(name);
        assert!(text.contains("restore the file from a copy") && text.contains("train it again"), "{text}");
    }
    assert!(!said(BEST).contains("are in best.safetensors"));
}

/// As earlier releases wrote it.
fn first_format(flow: &dyn Flow, state: &State) -> Vec<u8> {
    let parameters = flow.parameters();
    let number = |entry: &crate::flow::Entry| bytes(parameters.slice(entry).iter().map(|value| value.to_le_bytes()));
    let tensors: Vec<_> = parameters.entries().iter().map(|entry| (entry, number(entry))).collect();
    let views = tensors.iter().map(|(entry, bytes)| {
        (&entry.name, TensorView::new(Dtype::F32, entry.shape.clone(), bytes).expect("a tensor"))
    });
    let space = serde_json::to_string(&space_of(4)).expect("JSON");
    let state = serde_json::to_string(state).expect("JSON");
    let metadata = [(STATE, state), (SPACE, space), (FORMAT, FIRST_FORMAT.to_owned())];
    let metadata = metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    safetensors::serialize(views, Some(metadata)).expect("encoded")
}

#[test]
fn checkpoints_of_earlier_releases_without_masks_and_checksum_still_load() {
    let (filled, _, state) = filled();
    let checkpoint = Checkpoint::of(Path::new(BEST), first_format(&*filled, &state)).expect("read");
    let mut flow = flow_of(&model(), 1);
    assert_eq!(checkpoint.restore(&mut *flow, None).expect("restored"), state);
    assert_eq!(flow.parameters(), filled.parameters());
    assert_eq!(checkpoint.origin().expect("readable"), None);
}
