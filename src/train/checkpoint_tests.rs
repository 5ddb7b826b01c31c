use super::*;
use crate::flow::initialise;
use crate::spec::{
    Activation, CouplingKind, Device, KernelChoice, MaskScheme, Model, Optimizer as Rule, OptimizerName, Schedule,
    ScheduleName,
};

fn model() -> Model {
    Model {
        mask: MaskScheme::Random,
        depth: 3,
        width: 9,
        hidden_layers: 2,
        activation: Activation::Relu,
        coupling: CouplingKind::Affine,
        batch_norm: true,
    }
}

fn rule() -> Rule {
    Rule {
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
    Space { columns, preprocessing: Preprocessing::identity(features) }
}

/// A flow whose every number differs, an optimizer with moments, and a state with awkward numbers.
fn filled() -> (Parameters, Optimizer, State) {
    let (architecture, mut parameters) = crate::flow::Architecture::new(&model(), 4, 1);
    initialise(&architecture, &mut parameters, 1);
    parameters.values_mut().iter_mut().enumerate().for_each(|(i, v)| *v += (i as f32).sin());
    let mut optimizer = Optimizer::new(&rule(), parameters.count());
    let gradient: Vec<f32> = (0..parameters.count()).map(|i| (i as f32).cos()).collect();
    optimizer.update(parameters.trainable_mut(), &gradient, 1.0, 1e-3, 0);
    let state = State {
        step: 17,
        seconds: 0.1 + 0.2,
        best_validation_nll: Some(1.0 / 3.0),
        nll_sum: std::f64::consts::PI,
        ..State::default()
    };
    (parameters, optimizer, state)
}

#[test]
fn what_is_saved_comes_back_bit_for_bit() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("last.safetensors");
    let (parameters, optimizer, state) = filled();
    save(&path, &parameters, Some(&optimizer), &state, &space_of(4)).expect("saved");

    let (_, mut again) = crate::flow::Architecture::new(&model(), 4, 1);
    let mut moments = Optimizer::new(&rule(), again.count());
    assert_eq!(load(&path, &mut again, Some(&mut moments)).expect("loaded"), state);
    assert_eq!((again, moments), (parameters, optimizer));
    assert_eq!(space(&path).expect("space"), space_of(4));
}

#[test]
fn loaded_flow_gives_the_same_log_prob() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("best.safetensors");
    let (parameters, _, state) = filled();
    save(&path, &parameters, None, &state, &space_of(4)).expect("saved");
    let x = crate::matrix::Matrix::new((0..40).map(|i| (i as f32 * 0.7).sin()).collect(), 4);
    let mut log_probs = Vec::new();
    for kernel in [KernelChoice::Fused, KernelChoice::Composed] {
        let mut flow = crate::flow::build(&model(), kernel, 4, 1, Device::Cpu).expect("a flow").flow;
        flow.parameters_mut().clone_from(&parameters);
        let before = flow.log_prob(&x).expect("log_prob");
        let mut flow = crate::flow::build(&model(), kernel, 4, 1, Device::Cpu).expect("a flow").flow;
        load(&path, flow.parameters_mut(), None).expect("loaded");
        assert_eq!(flow.log_prob(&x).expect("log_prob"), before);
        log_probs.push(before);
    }
    assert!(log_probs[0].iter().zip(&log_probs[1]).all(|(a, b)| (a - b).abs() < 1e-3 * b.abs()));
}

#[test]
fn damaged_or_foreign_checkpoints_are_refused_by_name_and_change_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("last.safetensors");
    let (parameters, optimizer, state) = filled();
    save(&path, &parameters, Some(&optimizer), &state, &space_of(4)).expect("saved");
    let whole = std::fs::read(&path).expect("read");
    let mut not_finite = parameters.clone();
    not_finite.values_mut()[5] = f32::NAN;
    save(&path, &not_finite, Some(&optimizer), &state, &space_of(4)).expect("saved");
    let poisoned = std::fs::read(&path).expect("read");

    let other = crate::flow::Architecture::new(&Model { width: 10, ..model() }, 4, 1).1;
    let cases: [(&[u8], &Parameters, &str); 5] = [
        (&whole[..whole.len() / 2], &parameters, "damaged"),
        (&whole[..10], &parameters, "damaged"),
        (b"not a checkpoint at all, just text", &parameters, "damaged"),
        (&poisoned, &parameters, "not finite"),
        (&whole, &other, "shape"),
    ];
    for (bytes, like, expected) in cases {
        std::fs::write(&path, bytes).expect("written");
        let mut target = like.clone();
        let text = load(&path, &mut target, None).expect_err("refused").to_string();
        assert!(text.contains("last.safetensors") && text.contains(expected), "{text}");
        assert_eq!(&target, like);
    }
}
