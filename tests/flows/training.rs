//! Steps of training on a device, against the host's.

use std::rc::Rc;

use realnvp_runner::compute::Level;
use realnvp_runner::flow::{Flow, Loss, Role, Rows, Work};
use realnvp_runner::matrix::Matrix;
use realnvp_runner::optimizer::Optimizer;
use realnvp_runner::spec::{
    CouplingKind, MaskScheme, Mixing, Optimizer as Spec, OptimizerName, Schedule, ScheduleName,
};

use realnvp_runner::kernel::cuda::OnDevice;

use crate::emulated::{Emulated, Order};
use crate::{
    Case, Gpu, act_norm, affine, batch_norm, default_flow, difference, mixed, residual, spline, spline_of_all, table,
};

fn spec(name: OptimizerName) -> Spec {
    Spec {
        name,
        learning_rate: 1e-2,
        weight_decay: 0.02,
        clip_norm: 3.0,
        betas: Some([0.9, 0.99]),
        // Large, so that the sign of a gradient that is all rounding does not decide where a weight goes.
        epsilon: Some(1e-3),
        momentum: Some(0.5),
        alpha: Some(0.95),
        schedule: Schedule { name: ScheduleName::Constant, warmup: 0, every: None, factor: None },
    }
}

/// Every flow of the table on every device of this build.
fn everywhere() -> Vec<(Case, Gpu)> {
    let on = |case: Case| case.gpus().into_iter().map(move |gpu| (case.clone(), gpu));
    table().into_iter().flat_map(on).collect()
}

/// Every flow of the table that the emulated device has kernels for.
fn emulated() -> impl Iterator<Item = Case> {
    table().into_iter().filter(|case| case.gpus().contains(&Gpu::Emulated))
}

/// What is left of training: losses, weights and statistics, moments, the average of all values where one is kept.
#[derive(Debug, PartialEq)]
struct Trained {
    losses: Vec<Loss>,
    values: Vec<f32>,
    moments: Vec<Vec<f32>>,
    average: Option<Vec<f32>>,
}

/// Takes steps `first..first + rates.len()` over batches of 20 of 60 rows, given or held.
fn work(case: &Case, first: u64, rates: &[f64], held: bool) -> Work {
    let all = case.rows(60);
    let places = (first..).take(rates.len()).map(|step| (0..20).map(move |i| ((step * 20 + i) * 7 % 60) as u32));
    let rows = match held {
        true => Rows::Held(places.flatten().collect()),
        false => {
            let batch = |places: Vec<usize>| all.select(&places);
            Rows::Given(places.map(|places| batch(places.map(|place| place as usize).collect())).collect())
        }
    };
    Work { first, rows, rates: rates.to_vec(), ..Work::default() }
}

/// The same where rows have weights, others in every step.
fn weighted(case: &Case, first: u64, rates: &[f64], held: bool) -> Work {
    let weights = (first..).take(rates.len()).map(|step| (0..20).map(|row| 0.25 + (row * step % 7) as f32).collect());
    Work { weights: weights.collect(), ..work(case, first, rates, held) }
}

fn train(flow: &mut dyn Flow, optimizer: &mut Optimizer, mut work: Work) -> Trained {
    let (mut losses, mut waited) = (Vec::new(), 0);
    flow.train(&mut work, optimizer, &mut losses, &mut || waited += 1).expect("trained");
    assert_eq!(waited, 1, "the host has its turn once");
    flow.settle(Some(optimizer)).expect("settled");
    let average = optimizer.average().map(|average| average.values().to_vec());
    Trained { losses, values: flow.parameters().values().to_vec(), moments: optimizer.moments().to_vec(), average }
}

/// With an average that forgets quickly.
fn optimizer(flow: &dyn Flow, name: OptimizerName) -> Optimizer {
    averaging(flow, &spec(name), 0.8)
}

fn averaging(flow: &dyn Flow, spec: &Spec, decay: f64) -> Optimizer {
    Optimizer::new(spec, flow.parameters().count()).averaging(decay, flow.parameters())
}

const RATES: [f64; 6] = [1e-2, 8e-3, 6e-3, 5e-3, 4e-3, 3e-3];
const SMALL: [f64; 6] = [1e-3, 8e-4, 6e-4, 5e-4, 4e-4, 3e-4];
const NAMES: [OptimizerName; 4] =
    [OptimizerName::Adam, OptimizerName::Adamw, OptimizerName::Sgd, OptimizerName::Rmsprop];

#[test]
fn training_on_a_device_is_that_of_the_host() {
    for (number, (case, gpu)) in everywhere().into_iter().enumerate() {
        let name = NAMES[number % NAMES.len()];
        // Behind a knot a spline's slope changes by another law: large steps make much of what rounding leaves.
        let rates = RATES.map(|rate| if case.model.coupling == CouplingKind::Spline { rate / 10.0 } else { rate });
        let (mut host, mut device) = (case.fused(Level::detect()), case.on(gpu));
        let mut optimizers = [optimizer(&host, name), optimizer(&host, name)];
        let on_host = train(&mut host, &mut optimizers[0], work(&case, 3, &rates, false));
        let on_device = train(&mut *device, &mut optimizers[1], work(&case, 3, &rates, false));
        assert_eq!(on_device.losses.len(), RATES.len());
        for (ours, theirs) in on_device.losses.iter().zip(&on_host.losses) {
            let apart = (ours.nll - theirs.nll).abs() / (1.0 + theirs.nll.abs());
            let norms = (ours.gradient_norm / theirs.gradient_norm - 1.0).abs();
            assert!(apart < 1e-4 && norms < 1e-3, "{ours:?} {theirs:?}: {name:?}, {}", case.name());
        }
        let apart = difference(&on_device.values, &on_host.values, 0.0);
        assert!(apart < 1e-3, "weights {apart}: {name:?}, {}", case.name());
        for (ours, theirs) in on_device.moments.iter().zip(&on_host.moments) {
            let apart = difference(ours, theirs, 1e-3);
            assert!(apart < 2e-3, "moments {apart}: {name:?}, {}", case.name());
        }
        let [ours, theirs] = [&on_device, &on_host].map(|trained| trained.average.as_ref().expect("one"));
        let apart = difference(ours, theirs, 0.0);
        assert!(apart < 1e-3, "averages {apart}: {name:?}, {}", case.name());
    }
}

#[test]
fn an_average_changes_no_step() {
    for (case, gpu) in Gpu::all().into_iter().flat_map(|gpu| of_every_kind().map(|case| (case, gpu))) {
        let run = |decay| {
            let mut flow = case.on(gpu);
            let mut optimizer = averaging(&*flow, &spec(OptimizerName::Adam), decay);
            train(&mut *flow, &mut optimizer, work(&case, 0, &RATES, false))
        };
        let (without, with) = (run(0.0), run(0.8));
        assert!(without.average.is_none() && with.average.as_ref().is_some_and(|average| *average != with.values));
        assert_eq!(without, Trained { average: None, ..with }, "{gpu:?}, {}", case.name());
    }
}

/// The first step sets the flag of activation normalisation, and what else it starts is averaged with what was there before.
#[test]
fn the_average_takes_flags_over() {
    let case = act_norm(3, [3, 12, 1]);
    for gpu in Gpu::all() {
        let start = |flow: &mut dyn Flow| {
            let parameters = flow.parameters_mut();
            let flags: Vec<_> = parameters.entries().iter().filter(|entry| entry.role == Role::Flag).cloned().collect();
            flags.iter().for_each(|flag| parameters.values_mut()[flag.range()].fill(0.0));
            flags
        };
        let (mut host, mut device) = (case.fused(Level::detect()), case.on(gpu));
        let flags = start(&mut host);
        assert_eq!(start(&mut *device), flags);
        let run = |flow: &mut dyn Flow| {
            let mut optimizer = optimizer(flow, OptimizerName::Adam);
            train(flow, &mut optimizer, work(&case, 0, &RATES, false)).average.expect("one")
        };
        let (on_host, on_device) = (run(&mut host), run(&mut *device));
        let apart = difference(&on_device, &on_host, 0.0);
        assert!(apart < 1e-3, "{gpu:?}: {apart}");
        assert!(
            !flags.is_empty() && flags.iter().all(|flag| on_device[flag.range()].iter().all(|value| *value == 1.0))
        );
    }
}

#[test]
fn rows_on_the_device_and_rows_brought_there_are_the_same() {
    for (case, gpu) in everywhere() {
        let run = |held: bool| {
            let mut flow = case.on(gpu);
            if held {
                flow.hold(&case.rows(60)).expect("held");
            }
            let mut optimizer = optimizer(&*flow, OptimizerName::Adam);
            train(&mut *flow, &mut optimizer, work(&case, 0, &RATES, held))
        };
        assert_eq!(run(true), run(false), "{gpu:?}, {}", case.name());
    }
}

/// Threads of a GPU run in any order: where the order changes a number, they race.
#[test]
fn the_order_of_threads_changes_no_bit() {
    for case in emulated() {
        let run = |order| {
            let mut flow = case.emulated(order);
            let mut optimizer = optimizer(&flow, OptimizerName::Adam);
            let trained = train(&mut flow, &mut optimizer, work(&case, 0, &RATES[..2], false));
            let x = case.rows(33);
            let latent = flow.forward(&x).expect("forward");
            (trained, latent.z.clone(), latent.log_det, flow.inverse(&latent.z).expect("inverse"))
        };
        assert_eq!(run(Order::First), run(Order::Last), "{}", case.name());
    }
}

#[test]
fn how_many_flows_share_a_device_changes_no_bit() {
    for case in emulated() {
        let run = |sharing| {
            let (architecture, parameters) = case.parameters();
            let mut flow =
                OnDevice::new(architecture, parameters, Emulated::shared(Order::First, sharing)).expect("room");
            let mut gradient = Vec::new();
            let loss = flow.loss_and_gradient(&case.rows(140), &mut gradient).expect("gradient");
            (loss, gradient)
        };
        // Blocks of 2, 4 and, where there is room, 8 rows.
        let alone = run(1);
        assert!(alone == run(2) && alone == run(9), "{}", case.name());
    }
}

#[test]
fn a_step_of_a_small_flow_is_few_launches() {
    let permuted = spline(6, [3, 16, 2], 8).mixed(Mixing::Permutation);
    let three = [affine(2, [8, 16, 2]), spline(2, [8, 16, 2], 8), spline(3, [3, 16, 2], 4).given(2), permuted];
    // The gradients of all LU maps are one more.
    let given = default_flow(2, [8, 16, 2]).given(3);
    let four = [default_flow(2, [8, 16, 2]), default_flow(6, [8, 16, 2]), mixed(5, [8, 16, 1], Mixing::Lu), given];
    for (case, launches) in three.into_iter().map(|case| (case, 3)).chain(four.into_iter().map(|case| (case, 4))) {
        let (architecture, parameters) = case.parameters();
        let device = Emulated::new(Order::First);
        let done = Rc::clone(&device.done);
        let mut flow = OnDevice::new(architecture, parameters, device).expect("room");
        flow.loss_and_gradient(&case.rows(20), &mut Vec::new()).expect("gradient");
        assert_eq!(done.get(), launches, "{}", case.name());
    }
}

/// Both forms of a step, and what a flow has beside weights.
fn of_every_kind() -> [Case; 5] {
    [
        default_flow(2, [3, 12, 2]),
        affine(2, [3, 16, 2]),
        batch_norm(3, [3, 24, 2]).masked(MaskScheme::Random),
        act_norm(3, [3, 12, 1]).mixed(Mixing::Permutation),
        residual(spline_of_all(3, [2, 12, 1], 4)).mixed(Mixing::Lu),
    ]
}

#[test]
fn weighted_training_on_a_device_is_that_of_the_host() {
    for (case, gpu) in Gpu::all().into_iter().flat_map(|gpu| of_every_kind().map(|case| (case, gpu))) {
        // Steps of both kinds in turn, of rows that are brought and of rows that are there.
        let run = |flow: &mut dyn Flow, held: bool| {
            if held {
                flow.hold(&case.rows(60)).expect("held");
            }
            let mut optimizer = optimizer(flow, OptimizerName::Adam);
            let works =
                [weighted(&case, 3, &SMALL, held), work(&case, 9, &SMALL, held), weighted(&case, 15, &SMALL, held)];
            works.map(|work| train(flow, &mut optimizer, work))
        };
        let on_host = run(&mut case.fused(Level::detect()), false);
        let on_device = run(&mut *case.on(gpu), false);
        for (number, (ours, theirs)) in on_device.iter().zip(&on_host).enumerate() {
            for (a, b) in ours.losses.iter().zip(&theirs.losses) {
                let norms = (a.gradient_norm / b.gradient_norm - 1.0).abs();
                assert!((a.nll - b.nll).abs() < 1e-4 * (1.0 + b.nll.abs()), "{number}: {a:?} {b:?}: {}", case.name());
                assert!(norms < 1e-3, "{number}: {a:?} {b:?}: {}", case.name());
            }
            assert_eq!(ours.losses.len(), SMALL.len());
            let apart = difference(&ours.values, &theirs.values, 0.0);
            assert!(apart < 1e-3, "weights {apart}: {number}, {}", case.name());
        }
        assert_eq!(run(&mut *case.on(gpu), true), on_device, "{}", case.name());
    }
}

#[test]
fn training_goes_on_from_what_was_settled() {
    // More steps than a device is given at a time.
    let rates: Vec<f64> = (0..70).map(|step| 1e-2 / f64::from(step + 1)).collect();
    for (case, gpu) in Gpu::all().into_iter().flat_map(|gpu| of_every_kind().map(|case| (case, gpu))) {
        let case = &case;
        let mut flow = case.on(gpu);
        let mut once = optimizer(&*flow, OptimizerName::Adam);
        let straight = train(&mut *flow, &mut once, work(case, 0, &rates, false));
        assert_eq!(straight.losses.len(), 70);

        let mut flow = case.on(gpu);
        let mut first = optimizer(&*flow, OptimizerName::Adam);
        let before = train(&mut *flow, &mut first, work(case, 0, &rates[..41], false));
        // As after a kill: another flow, another optimizer, what the checkpoint holds.
        let mut resumed = case.on(gpu);
        resumed.parameters_mut().values_mut().copy_from_slice(&before.values);
        let mut second = optimizer(&*resumed, OptimizerName::Adam);
        second.moments_mut().iter_mut().zip(&before.moments).for_each(|(to, from)| to.copy_from_slice(from));
        let average = before.average.expect("one");
        second.average_mut().expect("one").values_mut().copy_from_slice(&average);
        let after = train(&mut *resumed, &mut second, work(case, 41, &rates[41..], false));
        assert_eq!(Trained { losses: [before.losses, after.losses.clone()].concat(), ..after }, straight);
    }
}

#[test]
fn nothing_is_changed_after_a_loss_that_is_no_number() {
    let case = affine(2, [3, 16, 2]);
    for gpu in Gpu::all() {
        let run = |rates: &[f64]| {
            let mut flow = case.on(gpu);
            let mut optimizer = averaging(&*flow, &Spec { clip_norm: 0.0, ..spec(OptimizerName::Sgd) }, 0.8);
            train(&mut *flow, &mut optimizer, work(&case, 0, rates, false))
        };
        let far = [1e-3, 1e30, 1e-3, 1e-3];
        let (diverged, before) = (run(&far), run(&far[..2]));
        assert_eq!(diverged.losses.len(), 3, "{gpu:?}: {:?}", diverged.losses);
        assert!(diverged.losses[..2].iter().all(Loss::is_finite) && !diverged.losses[2].is_finite());
        assert_eq!(Trained { losses: before.losses.clone(), ..diverged }, before);
    }
}

#[test]
fn a_batch_of_another_size_is_no_trouble() {
    let case = batch_norm(5, [2, 20, 1]).masked(MaskScheme::Half).tanh();
    for gpu in Gpu::all() {
        let mut flow = case.on(gpu);
        let mut optimizer = optimizer(&*flow, OptimizerName::Adam);
        for rows in [20, 7, 40] {
            let batch = Matrix::new(case.rows(rows).into_vec(), 5);
            let rows = Rows::Given(vec![batch.clone()]);
            let work = Work { first: 0, rows, rates: vec![0.0], ..Work::default() };
            let trained = train(&mut *flow, &mut optimizer, work);
            let mut gradient = Vec::new();
            let again = flow.loss_and_gradient(&batch, &mut gradient).expect("gradient");
            assert_eq!(trained.losses, [again], "a rate of zero changes nothing but statistics: {gpu:?}");
        }
    }
}
