//! Every flow of a table is held to the same checks. A new layer is tested by adding a line.

mod emulated;
mod runs;
mod training;

use dfdx::prelude::*;
use emulated::{Emulated, Order};
use rand_distr::{Distribution as _, StandardNormal};
use realnvp_runner::compute::Level;
use realnvp_runner::flow::{Architecture, Flow, Loss, Parameters, Role};
use realnvp_runner::kernel;
use realnvp_runner::kernel::composed::Composed;
use realnvp_runner::kernel::cuda::OnDevice;
use realnvp_runner::kernel::fused::Fused;
use realnvp_runner::matrix::Matrix;
use realnvp_runner::random::{Purpose, stream};
use realnvp_runner::shape::{Layout, Shape};
use realnvp_runner::spec::{
    Activation, BaseKind, CouplingKind, DegreesOfFreedom, Device, Kept, KernelChoice, Learned, MaskScheme, Mixing,
    Model, NetworkKind, Normalization, ScaleBound,
};

#[derive(Clone)]
struct Case {
    shape: Shape,
    /// Values of a row's context.
    context: usize,
    model: Model,
}

/// The model that the cases below change: affine couplings, nothing between them.
fn plain() -> Model {
    Model { coupling: CouplingKind::Affine, mixing: Mixing::None, ..Model::default() }
}

/// What a spec that says nothing of it gets, of this size.
fn default_flow(features: usize, [depth, width, hidden_layers]: [usize; 3]) -> Case {
    let model = Model { depth, width, hidden_layers: Some(hidden_layers), ..Model::default() };
    Case { shape: features.into(), context: 0, model }
}

/// Affine couplings without anything between them.
fn affine(features: usize, [depth, width, hidden_layers]: [usize; 3]) -> Case {
    Case {
        shape: features.into(),
        context: 0,
        model: Model { depth, width, hidden_layers: Some(hidden_layers), ..plain() },
    }
}

/// Affine couplings with another bound of s.
fn bounded(features: usize, shape: [usize; 3], bound: ScaleBound) -> Case {
    affine(features, shape).with(|model| model.scale = Some(bound))
}

fn additive(features: usize, shape: [usize; 3]) -> Case {
    affine(features, shape).with(|model| (model.coupling, model.scale) = (CouplingKind::Additive, None))
}

/// Networks of residual blocks in place of hidden layers.
fn residual(case: Case) -> Case {
    case.with(|model| {
        (model.network, model.blocks, model.hidden_layers) = (NetworkKind::Residual, model.hidden_layers, None);
    })
}

/// A third of hidden values left out in training.
fn dropping(case: Case) -> Case {
    case.with(|model| model.dropout = 0.3)
}

fn joint(features: usize, shape: [usize; 3]) -> Case {
    affine(features, shape).with(|model| model.joint = Some(true))
}

fn spline(features: usize, shape: [usize; 3], bins: usize) -> Case {
    affine(features, shape).with(|model| {
        (model.coupling, model.scale) = (CouplingKind::Spline, None);
        (model.bins, model.tail_bound) = (Some(bins), Some(3.0));
    })
}

/// Splines whose kept features go through splines of their own.
fn spline_of_all(features: usize, shape: [usize; 3], bins: usize) -> Case {
    spline(features, shape, bins).with(|model| model.kept = Some(Kept::Spline))
}

fn mixed(features: usize, shape: [usize; 3], mixing: Mixing) -> Case {
    affine(features, shape).mixed(mixing)
}

fn batch_norm(features: usize, shape: [usize; 3]) -> Case {
    affine(features, shape).normalised(Normalization::Batch)
}

fn act_norm(features: usize, shape: [usize; 3]) -> Case {
    affine(features, shape).normalised(Normalization::Act)
}

const LEARNED: DegreesOfFreedom = DegreesOfFreedom::Learned(Learned::Learned);

/// The same with a Student-t base.
fn heavy(case: Case, degrees: DegreesOfFreedom) -> Case {
    case.with(|model| (model.base, model.degrees_of_freedom) = (BaseKind::StudentT, Some(degrees)))
}

/// The same with a base that depends on the context.
fn based(case: Case) -> Case {
    case.with(|model| model.conditional_base = true)
}

/// Convolutional networks on images of this height, width and channels: couplings, maps, blocks.
fn image([height, width, channels]: [usize; 3], mask: MaskScheme, [depth, maps, blocks]: [usize; 3]) -> Case {
    let model = Model { depth, width: maps, mask, network: NetworkKind::Conv, blocks: Some(blocks), ..plain() };
    Case { shape: Shape { height, width, channels }, context: 0, model }
}

/// The same with batch normalisation in its networks.
fn inner_batch_norm(case: Case) -> Case {
    case.with(|model| model.network_batch_norm = Some(true))
}

/// The same with normalised weights in its networks.
fn weight_norm(case: Case) -> Case {
    case.with(|model| model.network_weight_norm = Some(true))
}

/// The table: masks, odd and even feature counts, one feature and many, narrow and wide sides, widths of whole and broken
/// registers, one to three hidden layers, both activations, every kind of layer, and every base.
fn table() -> Vec<Case> {
    use MaskScheme::{Channel, Checkerboard, Half, Multiscale, Random};
    use Mixing::{Lu, Permutation, Reverse};
    use Normalization::{Act, Batch};
    use ScaleBound::{Atan, Sigmoid};
    vec![
        default_flow(2, [4, 24, 2]),
        default_flow(6, [3, 17, 2]),
        default_flow(3, [3, 16, 2]).given(2),
        affine(1, [4, 16, 2]),
        affine(2, [4, 64, 2]),
        affine(2, [3, 50, 1]).tanh(),
        affine(3, [4, 24, 2]).masked(Random),
        affine(17, [2, 40, 1]).masked(Random).tanh(),
        affine(20, [3, 48, 2]),
        affine(6, [2, 130, 2]).masked(Half),
        affine(70, [2, 20, 1]).tanh(),
        bounded(1, [4, 16, 2], Atan),
        bounded(5, [3, 24, 2], Atan).masked(Random),
        bounded(1, [4, 16, 2], Sigmoid),
        bounded(2, [4, 33, 1], Sigmoid).tanh(),
        additive(1, [4, 16, 2]),
        additive(2, [3, 20, 2]),
        additive(7, [3, 17, 3]).masked(Half).tanh(),
        joint(1, [4, 16, 2]),
        joint(5, [3, 24, 2]).masked(Random),
        joint(6, [2, 33, 1]).masked(Half).tanh(),
        spline(1, [3, 16, 2], 8),
        spline(2, [3, 24, 2], 8),
        spline(5, [2, 17, 1], 5).masked(Random).tanh(),
        spline(2, [2, 16, 1], 2),
        spline_of_all(3, [2, 16, 2], 4),
        residual(affine(1, [3, 16, 2])),
        residual(affine(3, [3, 20, 2])).masked(Random),
        residual(joint(6, [2, 33, 1])).masked(Half).tanh(),
        residual(additive(2, [3, 17, 2])).tanh(),
        residual(spline_of_all(5, [2, 24, 1], 4)),
        dropping(affine(3, [3, 20, 2])).tanh(),
        dropping(residual(spline(4, [2, 20, 2], 4))),
        mixed(1, [4, 16, 2], Permutation),
        mixed(2, [4, 33, 2], Reverse),
        mixed(5, [4, 24, 1], Permutation).masked(Half).tanh(),
        mixed(6, [3, 17, 2], Permutation).masked(Random),
        mixed(1, [3, 16, 2], Lu),
        mixed(2, [4, 24, 2], Lu).tanh(),
        mixed(5, [3, 17, 1], Lu).masked(Half),
        additive(7, [2, 12, 2]).mixed(Lu).masked(Random).tanh(),
        joint(3, [2, 16, 1]).mixed(Lu),
        residual(spline(4, [2, 16, 1], 4)).mixed(Lu),
        mixed(70, [2, 12, 1], Lu),
        heavy(act_norm(130, [2, 12, 1]), LEARNED),
        batch_norm(1, [4, 16, 2]),
        batch_norm(2, [4, 33, 3]).masked(Half),
        batch_norm(5, [3, 17, 2]).masked(Half).tanh(),
        batch_norm(7, [4, 32, 2]),
        act_norm(1, [4, 16, 2]),
        act_norm(2, [4, 33, 2]),
        act_norm(5, [3, 17, 1]).masked(Half).tanh(),
        heavy(affine(1, [4, 16, 2]), DegreesOfFreedom::Given(3.0)),
        heavy(affine(2, [3, 20, 2]), LEARNED),
        heavy(batch_norm(7, [3, 17, 1]).tanh(), LEARNED),
        heavy(act_norm(33, [2, 16, 1]), LEARNED),
        batch_norm(5, [3, 12, 1]).mixed(Permutation),
        act_norm(5, [3, 12, 2]).mixed(Permutation),
        additive(4, [3, 12, 1]).normalised(Act).mixed(Reverse),
        affine(1, [3, 16, 2]).given(1),
        affine(2, [3, 33, 2]).given(3).tanh(),
        affine(5, [3, 17, 1]).given(2).masked(Random).mixed(Permutation),
        joint(3, [3, 20, 2]).given(40),
        spline(1, [3, 16, 2], 8).given(2),
        spline(2, [2, 16, 1], 4).given(1).normalised(Act),
        residual(spline_of_all(3, [2, 16, 1], 4)).given(2).mixed(Lu),
        residual(additive(1, [3, 16, 2])).given(3),
        heavy(batch_norm(4, [3, 12, 1]).mixed(Lu), LEARNED).given(2),
        dropping(act_norm(3, [3, 20, 2])).given(1),
        based(joint(3, [3, 20, 2])).given(2),
        based(spline(2, [2, 16, 1], 4)).given(1).mixed(Lu),
        based(heavy(residual(affine(4, [2, 16, 1])), LEARNED)).given(3).normalised(Batch),
        based(image([4, 4, 1], Multiscale, [1, 7, 1])).given(3),
        image([4, 4, 1], Checkerboard, [2, 8, 1]).given(2),
        image([6, 4, 3], Multiscale, [1, 8, 1]).scaled(2).normalised(Act).mixed(Lu).given(3),
        image([4, 4, 1], Multiscale, [1, 7, 1]).mixed(Permutation).given(10),
        image([4, 4, 1], Checkerboard, [2, 8, 1]),
        image([4, 4, 1], Multiscale, [1, 7, 1]).normalised(Batch),
        image([4, 4, 1], Multiscale, [2, 9, 2]).scaled(2),
        image([6, 4, 3], Channel, [2, 17, 1]).mixed(Permutation),
        image([6, 4, 3], Multiscale, [1, 8, 1]).scaled(2).normalised(Act).mixed(Lu),
        image([8, 8, 2], Multiscale, [1, 6, 1]).scaled(3).normalised(Act).with(|model| model.widen = Some(true)),
        image([6, 4, 3], Checkerboard, [2, 8, 1]).with(|model| model.coupling = CouplingKind::Additive),
        image([4, 4, 1], Multiscale, [1, 8, 1]).with(|model| {
            (model.coupling, model.bins, model.tail_bound) = (CouplingKind::Spline, Some(4), Some(3.0));
        }),
        dropping(image([4, 6, 2], Multiscale, [1, 8, 1])),
        inner_batch_norm(image([4, 4, 1], Checkerboard, [2, 8, 1])),
        inner_batch_norm(dropping(image([4, 4, 1], Multiscale, [1, 9, 2]))).normalised(Act).given(2),
        weight_norm(image([4, 4, 1], Checkerboard, [2, 8, 1])),
        inner_batch_norm(weight_norm(image([8, 8, 2], Multiscale, [1, 6, 1]).scaled(2))).normalised(Batch),
        image([4, 4, 2], Multiscale, [1, 8, 1]).with(|model| model.network = NetworkKind::Mlp),
        image([4, 2, 1], Checkerboard, [2, 8, 1]).given(2).with(|model| model.network = NetworkKind::Mlp),
    ]
}

impl Case {
    fn features(&self) -> usize {
        self.shape.values()
    }

    fn layout(&self) -> Layout {
        Layout { features: self.shape, context: self.context }
    }

    /// Values of a row, its context included.
    fn values(&self) -> usize {
        self.layout().values()
    }

    /// The same given a context of so many values.
    fn given(self, context: usize) -> Self {
        Self { context, ..self }
    }

    fn with(mut self, change: impl FnOnce(&mut Model)) -> Self {
        change(&mut self.model);
        self
    }

    fn masked(self, mask: MaskScheme) -> Self {
        self.with(|model| model.mask = mask)
    }

    fn scaled(self, scales: usize) -> Self {
        self.with(|model| model.scales = Some(scales))
    }

    fn mixed(self, mixing: Mixing) -> Self {
        self.with(|model| model.mixing = mixing)
    }

    fn normalised(self, normalization: Normalization) -> Self {
        self.with(|model| model.normalization = normalization)
    }

    fn tanh(self) -> Self {
        self.with(|model| model.activation = Activation::Tanh)
    }

    /// Whether what a row becomes in training depends on the other rows of its batch.
    fn mixes_rows(&self) -> bool {
        self.model.normalization == Normalization::Batch || self.model.network_batch_norm == Some(true)
    }

    /// By how much gradients may differ from those in f64. Batch normalisation cancels what every pixel of every row says, and dfdx
    /// adds that up in plain f32. Within a network it also brings values so near to 0 that rounding puts one of thousands on the other
    /// side of its relu.
    fn tolerance(&self, path: &str) -> f64 {
        let cancels = self.shape.is_image() && self.mixes_rows();
        let within = self.model.network_batch_norm == Some(true);
        if cancels && (within || path.ends_with("composed")) { 1e-2 } else { 1e-4 }
    }

    fn name(&self) -> String {
        format!("{} values given {}, {:?}", self.shape, self.context, self.model)
    }

    /// Random weights everywhere, so that no test passes because a network is zero.
    fn parameters(&self) -> (Architecture, Parameters) {
        let (architecture, mut parameters) = Architecture::new(&self.model, self.layout(), 3);
        let mut rng = stream(7, Purpose::Test, 0);
        let trainable = parameters.count();
        for (i, value) in parameters.values_mut().iter_mut().enumerate() {
            let noise: f32 = StandardNormal.sample(&mut rng);
            *value += if i < trainable { 0.15 * noise } else { 0.3 * noise.abs() };
        }
        (architecture, parameters)
    }

    fn composed(&self) -> Composed<usize, usize, f32, Cpu> {
        let (architecture, parameters) = self.parameters();
        Composed::new(architecture, parameters, self.values(), self.model.width, Cpu::default())
    }

    fn exact(&self) -> Composed<usize, usize, f64, Cpu> {
        let (architecture, parameters) = self.parameters();
        Composed::new(architecture, parameters, self.values(), self.model.width, Cpu::default())
    }

    fn fused(&self, level: Level) -> Fused {
        let (architecture, parameters) = self.parameters();
        Fused::with_level(architecture, parameters, level)
    }

    fn emulated(&self, order: Order) -> OnDevice<Emulated> {
        let (architecture, parameters) = self.parameters();
        OnDevice::new(architecture, parameters, Emulated::new(order)).expect("room")
    }

    /// The devices whose kernels have a form of every layer.
    fn gpus(&self) -> Vec<Gpu> {
        if self.parameters().0.is_on_cuda() { Gpu::all() } else { Vec::new() }
    }

    fn on(&self, gpu: Gpu) -> Box<dyn Flow> {
        let (architecture, parameters) = self.parameters();
        gpu.flow(architecture, parameters)
    }

    /// The same flow by every way of ours to compute it that this build and machine have.
    fn all(&self) -> Vec<(&'static str, Box<dyn Flow>)> {
        let mut all: Vec<(&'static str, Box<dyn Flow>)> = vec![("composed", Box::new(self.composed()))];
        for level in Level::available() {
            all.push((level.as_str(), Box::new(self.fused(level))));
        }
        all.extend(self.gpus().into_iter().map(|gpu| (gpu.name(), self.on(gpu))));
        all
    }

    fn rows(&self, rows: usize) -> Matrix {
        let mut rng = stream(11, Purpose::Test, 1);
        Matrix::new((0..rows * self.values()).map(|_| StandardNormal.sample(&mut rng)).collect(), self.values())
    }
}

/// What works off a device's commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gpu {
    Emulated,
    #[cfg(feature = "cuda")]
    Cuda,
}

impl Gpu {
    /// Those of this build; with the feature `cuda` a GPU must be there. `cuda/verify` has no use for the emulation.
    fn all() -> Vec<Self> {
        let all = [
            Self::Emulated,
            #[cfg(feature = "cuda")]
            Self::Cuda,
        ];
        let skipped = std::env::var_os("WITHOUT_EMULATION").is_some();
        all.into_iter().filter(|gpu| !(skipped && *gpu == Self::Emulated)).collect()
    }

    fn name(self) -> &'static str {
        match self {
            Self::Emulated => "emulated",
            #[cfg(feature = "cuda")]
            Self::Cuda => "cuda",
        }
    }

    fn flow(self, architecture: Architecture, parameters: Parameters) -> Box<dyn Flow> {
        match self {
            Self::Emulated => {
                Box::new(OnDevice::new(architecture, parameters, Emulated::new(Order::First)).expect("room"))
            }
            #[cfg(feature = "cuda")]
            Self::Cuda => {
                let widest = architecture.features.max(architecture.width);
                use realnvp_runner::spec::Precision;
                let driver = realnvp_runner::compute::cuda::Driver::new(0, widest, Precision::F32).expect("a GPU");
                Box::new(OnDevice::new(architecture, parameters, driver).expect("room"))
            }
        }
    }
}

fn in_pool<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads").install(work)
}

/// max |a − b| relative to the largest |b|, or to `floor` if that is larger.
fn difference(a: &[f32], b: &[f32], floor: f32) -> f64 {
    assert_eq!(a.len(), b.len());
    let size = b.iter().map(|v| f64::from(v.abs())).fold(f64::from(floor).max(1e-12), f64::max);
    a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max) / size
}

#[test]
fn inverse_undoes_forward() {
    for case in table() {
        let x = case.rows(37);
        let check = |flow: &mut dyn Flow, path: &str| {
            let z = flow.forward(&x).expect("forward").z;
            let back = flow.inverse(&z).expect("inverse");
            let error = x.as_slice().iter().zip(back.as_slice()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            // Where a flow is nearly flat, the last digit of z moves x further; the inverse is then right if it leads back to z.
            let again = flow.forward(&back).expect("forward").z;
            let apart = difference(again.as_slice(), z.as_slice(), 1.0);
            assert!(error <= 1e-4 || apart <= 1e-5, "{path}: {error}, {apart}: {}", case.name());
        };
        for (path, mut flow) in case.all() {
            check(&mut *flow, path);
        }
        let mut exact = case.exact();
        let x64: Vec<f64> = x.as_slice().iter().map(|&v| v.into()).collect();
        let tensor: Tensor<(usize, usize), f64, Cpu> =
            Cpu::default().tensor_from_vec(x64.clone(), (x.rows(), case.values()));
        let (z, _) = exact.forward_tensor(tensor).expect("forward");
        let back = exact.inverse_tensor(z).expect("inverse").as_vec();
        let error = back.iter().zip(&x64).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(error <= 1e-9, "f64: {error}: {}", case.name());
    }
}

/// ln|det| by Gaussian elimination with row pivots.
fn ln_abs_det(mut m: Vec<Vec<f64>>) -> f64 {
    let mut total = 0.0;
    for k in 0..m.len() {
        let pivot = (k..m.len()).max_by(|&a, &b| m[a][k].abs().total_cmp(&m[b][k].abs())).unwrap_or(k);
        m.swap(k, pivot);
        total += m[k][k].abs().ln();
        let row = m[k].clone();
        for below in m.iter_mut().skip(k + 1) {
            let factor = below[k] / row[k];
            below.iter_mut().zip(&row).for_each(|(to, from)| *to -= factor * from);
        }
    }
    total
}

#[test]
fn log_det_is_that_of_the_autodiff_jacobian() {
    for case in table() {
        let (n, width) = (case.features(), case.values());
        let x = case.rows(5);
        let values: Vec<f64> = x.as_slice().iter().map(|&v| v.into()).collect();
        let tensor: Tensor<(usize, usize), f64, Cpu> = Cpu::default().tensor_from_vec(values, (x.rows(), width));
        let mut flow = case.exact();
        let log_det = flow.forward_tensor(tensor.clone()).expect("forward").1.as_vec();
        // Rows do not mix, so the gradient of Σ_rows z_j holds row j of every row's Jacobian; a context is no part of it.
        let mut jacobians = vec![vec![vec![0.0; n]; n]; x.rows()];
        for j in 0..n {
            let (z, _) = flow.forward_tensor(tensor.leaky_trace()).expect("forward");
            let mut pick = vec![0.0; width];
            pick[j] = 1.0;
            let pick: Tensor<(usize,), f64, Cpu> = Cpu::default().tensor_from_vec(pick, (width,));
            let total = z.matmul(pick).sum::<(), Axis<0>>();
            let gradient = total.backward().get(&tensor).as_vec();
            for (row, jacobian) in jacobians.iter_mut().enumerate() {
                jacobian[j].copy_from_slice(&gradient[row * width..][..n]);
            }
        }
        for (row, jacobian) in jacobians.into_iter().enumerate() {
            let expected = ln_abs_det(jacobian);
            assert!((log_det[row] - expected).abs() <= 1e-8, "{} vs {expected}: {}", log_det[row], case.name());
        }
    }
}

/// And what becomes of the features depends on it.
#[test]
fn a_context_comes_out_as_it_went_in() {
    for case in table().into_iter().filter(|case| case.context > 0) {
        let (x, from) = (case.rows(41), case.features());
        let mut other = x.clone();
        other.as_mut_slice().chunks_exact_mut(case.values()).for_each(|row| row[from..].fill(0.75));
        for (path, mut flow) in case.all() {
            let z = flow.forward(&x).expect("forward").z;
            let back = flow.inverse(&z).expect("inverse");
            for (there, name) in [(&z, "forward"), (&back, "inverse")] {
                assert_eq!(there.columns_from(from), x.columns_from(from), "{name}, {path}: {}", case.name());
            }
            let moved = flow.forward(&other).expect("forward").z;
            let differ = moved.iter_rows().zip(z.iter_rows()).all(|(moved, z)| moved[..from] != z[..from]);
            assert!(differ, "{path}: {}", case.name());
            let drawn = flow.sample_given(&x.columns_from(from), 3).expect("samples");
            assert_eq!(drawn.columns_from(from), x.columns_from(from), "{path}: {}", case.name());
            assert_eq!(drawn, flow.sample_given(&x.columns_from(from), 3).expect("samples"));
        }
    }
}

#[test]
fn density_integrates_to_one() {
    for case in table().into_iter().filter(|case| case.features() <= 2) {
        // x = sinh u reaches far into the tails with few points; dx = cosh u du.
        let (half, steps) = (5.0, 700);
        let step = 2.0 * half / f64::from(steps);
        let axis: Vec<f64> = (0..steps).map(|i| -half + (f64::from(i) + 0.5) * step).collect();
        let grid: Vec<Vec<f64>> = match case.features() {
            1 => axis.iter().map(|&u| vec![u]).collect(),
            _ => axis.iter().flat_map(|&u| axis.iter().map(move |&v| vec![u, v])).collect(),
        };
        let contexts = if case.context == 0 { 1 } else { 3 };
        for row in case.rows(contexts).iter_rows() {
            let context = &row[case.features()..];
            let points = grid.iter().flat_map(|point| point.iter().map(|u| u.sinh() as f32).chain(context.to_vec()));
            let points = Matrix::new(points.collect(), case.values());
            let log_prob = case.fused(Level::detect()).log_prob(&points).expect("log_prob");
            let cells = grid.iter().map(|row| row.iter().map(|u| u.cosh() * step).product::<f64>());
            let mass: f64 = log_prob.iter().zip(cells).map(|(l, cell)| l.exp() * cell).sum();
            assert!((mass - 1.0).abs() < 5e-3, "{mass} given {context:?}: {}", case.name());
        }
    }
}

#[test]
fn gradient_reaches_every_parameter() {
    for case in table() {
        let x = case.rows(64);
        let last_bias = format!("t.{}.bias", case.model.hidden_layers.unwrap_or(2));
        for flow in [&mut case.composed() as &mut dyn Flow, &mut case.fused(Level::detect())] {
            let mut gradient = Vec::new();
            flow.loss_and_gradient(&x, &mut gradient).expect("gradient");
            assert!(gradient.iter().all(|g| g.is_finite()), "{}", case.name());
            for entry in flow.parameters().entries().iter().filter(|e| e.role == Role::Trainable) {
                // Normalisation takes away any shift or, of a single feature, any affine map: no gradient is right there.
                let normalises = entry.name.ends_with("log_gamma") || entry.name.ends_with("beta");
                let cancelled = case.features() == 1 && !normalises || entry.name.ends_with(&last_bias);
                if case.mixes_rows() && cancelled {
                    continue;
                }
                let norm: f32 = gradient[entry.range()].iter().map(|g| g * g).sum();
                assert!(norm > 0.0, "no gradient reaches `{}`: {}", entry.name, case.name());
            }
        }
    }
}

#[test]
fn gradient_is_the_slope_of_the_loss() {
    for case in table() {
        let x = case.rows(16);
        let mut flow = case.exact();
        let start = flow.parameters().clone();
        let mut gradient = vec![0.0; start.count()];
        flow.loss_and_gradient(&x, &mut gradient).expect("gradient");
        for entry in start.entries().iter().filter(|e| e.role == Role::Trainable) {
            let at = entry.offset + entry.len() / 2;
            // Small, so that few relu kinks are crossed; the loss is computed in f64.
            let step = 1e-5;
            let mut loss = |by: f32| {
                flow.parameters_mut().clone_from(&start);
                flow.parameters_mut().values_mut()[at] += by;
                let moved = f64::from(flow.parameters().values()[at]);
                (flow.loss_and_gradient(&x, &mut gradient.clone()).expect("loss").nll, moved)
            };
            let ((above, right), (below, left)) = (loss(step), loss(-step));
            let slope = (above - below) / (right - left);
            let error = (slope - f64::from(gradient[at])).abs();
            assert!(
                error < 2e-4 * (1.0 + slope.abs()),
                "`{}`: {slope} vs {}: {}",
                entry.name,
                gradient[at],
                case.name()
            );
        }
    }
}

/// Holds flows to the composed one in f64: losses, every gradient, statistics, latents, health.
fn agrees_with_f64(case: &Case, rows: usize, flows: Vec<(&'static str, Box<dyn Flow>)>) {
    // Batch statistics of one row have no spread: nothing to compare but rounding.
    if rows == 1 && case.mixes_rows() {
        return;
    }
    const NOISE: u64 = 0x1234_5678_9abc_def0;
    let x = case.rows(rows);
    let mut exact = case.exact();
    exact.draw_from(NOISE);
    let count = exact.parameters().count();
    let mut expected = vec![0.0; count];
    let loss = exact.loss_and_gradient(&x, &mut expected).expect("gradient").nll;
    let statistics = exact.parameters().values()[count..].to_vec();
    let (latent, health) = (exact.forward(&x).expect("forward"), exact.health(&x).expect("health"));
    for (path, mut flow) in flows {
        let name = format!("{rows} rows, {path}, {}", case.name());
        let mut gradient = Vec::new();
        flow.draw_from(NOISE);
        let Loss { nll, gradient_norm } = flow.loss_and_gradient(&x, &mut gradient).expect("gradient");
        let norm = expected.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        assert!((gradient_norm / norm - 1.0).abs() < case.tolerance(path), "norm: {name}");
        assert!((nll - loss).abs() < 1e-4 * (1.0 + loss.abs()), "{nll} vs {loss}: {name}");
        // What normalisation cancels is rounding noise around zero; it is held to the size of the whole gradient.
        // dfdx adds up in plain f32, which leaves more of it.
        let part = if path.ends_with("composed") { 1e-1 } else { 1e-2 };
        let floor = part * expected.iter().fold(0.0f32, |m, g| m.max(g.abs()));
        for entry in exact.parameters().entries().iter().filter(|e| e.role == Role::Trainable) {
            let error = difference(&gradient[entry.range()], &expected[entry.range()], floor);
            assert!(error < case.tolerance(path), "{error} in `{}`: {name}", entry.name);
        }
        assert!(difference(&flow.parameters().values()[count..], &statistics, 0.0) < 1e-5, "statistics: {name}");
        let moved = flow.forward(&x).expect("forward");
        assert!(difference(moved.z.as_slice(), latent.z.as_slice(), 0.0) < 1e-4, "z: {name}");
        assert!(difference(&moved.log_det, &latent.log_det, 0.0) < 1e-4, "log_det: {name}");
        for (a, b) in flow.health(&x).expect("health").iter().zip(&health) {
            assert!((a.scale_max - b.scale_max).abs() < 1e-5 * (1.0 + b.scale_max) && a.finite == b.finite);
        }
    }
}

/// Rows of weights 1, 2 and 3 against rows that come so many times; where rows are mixed, against the composed form in f64.
#[test]
fn a_weight_counts_as_many_rows_as_it_says() {
    const ROWS: usize = 75;
    for case in table().into_iter().filter(|case| case.model.dropout == 0.0) {
        let x = case.rows(ROWS);
        let weights: Vec<f32> = (0..ROWS).map(|row| (1 + row % 3) as f32).collect();
        let repeated: Vec<usize> = (0..ROWS).flat_map(|row| std::iter::repeat_n(row, 1 + row % 3)).collect();
        let (mut exact, mut expected) = (case.exact(), Vec::new());
        let loss = match case.mixes_rows() {
            true => exact.weighted_loss_and_gradient(&x, &weights, &mut expected).expect("gradient"),
            false => {
                let loss = exact.loss_and_gradient(&x.select(&repeated), &mut expected).expect("gradient");
                let per_row = repeated.len() as f32 / ROWS as f32;
                expected.iter_mut().for_each(|slope| *slope *= per_row);
                loss
            }
        };
        let mut flows: Vec<(&str, Box<dyn Flow>)> = vec![("composed", Box::new(case.composed()))];
        flows.extend(Level::available().into_iter().map(|level| (level.as_str(), Box::new(case.fused(level)) as _)));
        flows.extend(case.gpus().into_iter().map(|gpu| (gpu.name(), case.on(gpu))));
        for (path, mut flow) in flows {
            let (mut gradient, name) = (Vec::new(), format!("{path}, {}", case.name()));
            let Loss { nll, gradient_norm } =
                flow.weighted_loss_and_gradient(&x, &weights, &mut gradient).expect("gradient");
            assert!((nll - loss.nll).abs() < 1e-4 * (1.0 + loss.nll.abs()), "{nll} vs {}: {name}", loss.nll);
            let norm = gradient.iter().map(|&slope| f64::from(slope).powi(2)).sum::<f64>().sqrt();
            assert!((gradient_norm / norm - 1.0).abs() < 1e-4, "norm: {name}");
            let floor = 1e-1 * expected.iter().fold(0.0f32, |most, slope| most.max(slope.abs()));
            assert!(difference(&gradient, &expected, floor) < case.tolerance(path), "{name}");
        }
    }
}

#[test]
fn every_way_to_compute_a_flow_agrees_with_f64() {
    for case in table() {
        [1, 50, 300].into_iter().for_each(|rows| agrees_with_f64(&case, rows, case.all()));
    }
}

/// A GPU adds up over thousands of rows by other means than over hundreds.
#[test]
fn large_batches_on_a_gpu_agree_with_f64() {
    let sigmoid = bounded(70, [2, 12, 1], ScaleBound::Sigmoid);
    let splines = residual(spline_of_all(3, [2, 12, 1], 4)).mixed(Mixing::Lu);
    let others = [residual(joint(70, [2, 12, 1])).tanh(), splines, affine(1, [2, 12, 1]), act_norm(3, [2, 12, 1])];
    let plain = [affine(70, [2, 12, 2]).tanh(), additive(70, [2, 12, 2]), sigmoid];
    // So wide that general products take its maps, of which the second reads what was dropped.
    let wide = dropping(joint(3, [1, 516, 2])).tanh();
    for case in plain.into_iter().chain(others).chain([wide]) {
        let gpus = case.gpus().into_iter().map(|gpu| (gpu.name(), case.on(gpu)));
        agrees_with_f64(&case, 1100, gpus.collect());
    }
}

/// A build that is only checked has no kernels of dfdx.
#[cfg(all(feature = "cuda", not(feature = "cuda-ci")))]
#[test]
fn dfdx_on_a_gpu_agrees_with_its_f64_on_the_cpu() {
    for case in table() {
        for rows in [1, 50, 300] {
            let (architecture, parameters) = case.parameters();
            let gpu = Cuda::try_build(0, 0).expect("a GPU");
            let flow: Composed<usize, usize, f32, Cuda> =
                Composed::new(architecture, parameters, case.values(), case.model.width, gpu);
            agrees_with_f64(&case, rows, vec![("cuda composed", Box::new(flow))]);
        }
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    for case in table() {
        let x = case.rows(700);
        let run = |threads| {
            in_pool(threads, || {
                let mut flow = case.fused(Level::detect());
                let mut gradient = vec![0.0; flow.parameters().count()];
                let loss = flow.loss_and_gradient(&x, &mut gradient).expect("gradient");
                let latent = flow.forward(&x).expect("forward");
                let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                (
                    loss.nll.to_bits(),
                    loss.gradient_norm.to_bits(),
                    bits(&gradient),
                    bits(latent.z.as_slice()),
                    bits(&latent.log_det),
                )
            })
        };
        let one = run(1);
        assert!(one == run(2) && one == run(3), "{}", case.name());
    }
}

#[test]
fn compiled_and_run_time_shapes_give_the_same_bits() {
    let case = batch_norm(2, [4, 64, 2]);
    let shape = |how, features| kernel::static_shape(&case.model, how, features, Device::Cpu);
    assert!(shape(KernelChoice::Composed, 2).is_some() && shape(KernelChoice::Composed, 3).is_none());
    assert!(shape(KernelChoice::Fused, 2).is_none());
    let built = kernel::build(&case.model, KernelChoice::Composed, 2, 0, Device::Cpu).expect("a flow");
    assert_eq!(built.static_shape.map(|s| (s.features, s.width)), Some((2, 64)));
    let mut compiled = built.flow;
    let mut run_time = Composed::<_, _, f32, _>::new(
        compiled.architecture().clone(),
        compiled.parameters().clone(),
        2usize,
        64usize,
        Cpu::default(),
    );
    let x = case.rows(20);
    let mut gradients = [vec![0.0; run_time.parameters().count()], vec![0.0; run_time.parameters().count()]];
    let a = compiled.loss_and_gradient(&x, &mut gradients[0]).expect("gradient");
    let b = run_time.loss_and_gradient(&x, &mut gradients[1]).expect("gradient");
    assert_eq!((a, &gradients[0]), (b, &gradients[1]));
}

#[test]
fn coupling_starts_as_the_identity() {
    for case in table().into_iter().filter(|case| !case.mixes_rows()) {
        let on_host =
            kernel::build(&case.model, KernelChoice::Fused, case.layout(), 0, Device::Cpu).expect("a flow").flow;
        let gpus = case.gpus().into_iter().map(|gpu| {
            let (architecture, parameters) = Architecture::new(&case.model, case.layout(), 0);
            gpu.flow(architecture, parameters)
        });
        let x = case.rows(9);
        // But for the order of the features.
        let mut order: Vec<usize> = (0..case.values()).collect();
        for layer in &on_host.architecture().layers {
            for (_, places) in layer.places().into_iter().filter(|(name, _)| *name == "order") {
                order = places.iter().map(|&from| order[from]).collect();
            }
        }
        let expected = x.iter_rows().flat_map(|row| order.iter().map(|&from| row[from])).collect();
        let expected = Matrix::new(expected, case.values());
        for mut flow in std::iter::once(on_host).chain(gpus) {
            let latent = flow.forward(&x).expect("forward");
            assert_eq!(latent.z, expected, "{}", case.name());
            assert!(latent.log_det.iter().all(|&l| l == 0.0), "{}", case.name());
        }
    }
}

#[test]
fn activation_normalisation_starts_from_the_first_batch_and_only_once() {
    let case = act_norm(3, [2, 16, 1]);
    let shifted = |by: f32| {
        let x = case.rows(200);
        let values = x.as_slice().iter().enumerate().map(|(i, v)| v * (1.0 + (i % 3) as f32) + by);
        Matrix::new(values.collect(), 3)
    };
    let build = |place: &str| -> Box<dyn Flow> {
        let host = |kernel| kernel::build(&case.model, kernel, 3, 0, Device::Cpu).expect("a flow").flow;
        match Gpu::all().into_iter().find(|gpu| gpu.name() == place) {
            Some(gpu) => {
                let (architecture, parameters) = Architecture::new(&case.model, 3, 0);
                gpu.flow(architecture, parameters)
            }
            None if place == "composed" => host(KernelChoice::Composed),
            None => host(KernelChoice::Fused),
        }
    };
    let mut ends = Vec::new();
    for place in ["fused", "composed"].into_iter().chain(Gpu::all().into_iter().map(Gpu::name)) {
        let (mut flow, mut gradient) = (build(place), Vec::new());
        let first = flow.loss_and_gradient(&shifted(4.0), &mut gradient).expect("started");
        let z = flow.forward(&shifted(4.0)).expect("forward").z;
        for f in 0..3 {
            let column: Vec<f64> = z.iter_rows().map(|row| row[f].into()).collect();
            let mean = column.iter().sum::<f64>() / 200.0;
            let variance = column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 200.0;
            assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-5, "{mean} {variance}");
        }
        let started = flow.parameters().values().to_vec();
        // The first batch again, by a layer that has started: nothing else is computed of it.
        let mut again = Vec::new();
        let second = flow.loss_and_gradient(&shifted(4.0), &mut again).expect("gradient");
        assert!((first.nll - second.nll).abs() < 1e-6 && difference(&gradient, &again, 0.0) < 1e-5, "{place}");
        flow.loss_and_gradient(&shifted(-9.0), &mut gradient).expect("gradient");
        assert_eq!(flow.parameters().values(), started, "it starts once");
        // As a resumed run does: another flow with these values.
        let mut resumed = build(place);
        resumed.parameters_mut().values_mut().copy_from_slice(&started);
        resumed.loss_and_gradient(&shifted(-9.0), &mut gradient).expect("gradient");
        assert_eq!(resumed.parameters().values(), started, "nor does it start again");
        ends.push(started);
    }
    assert!(ends.iter().all(|end| difference(end, &ends[0], 0.0) < 1e-5));
}

/// Sums of squares of large values that are all the same leave more rounding than those of their distances.
#[test]
fn a_channel_of_images_that_does_not_vary_is_only_centred() {
    let case = image([4, 4, 2], MaskScheme::Checkerboard, [1, 4, 1]).normalised(Normalization::Act);
    let mut x = case.rows(300);
    x.as_mut_slice().iter_mut().skip(1).step_by(2).for_each(|value| *value = 4321.1);
    let fresh = || Architecture::new(&case.model, case.layout(), 0);
    let host = || -> Box<dyn Flow> {
        let (architecture, parameters) = fresh();
        Box::new(Fused::with_level(architecture, parameters, Level::detect()))
    };
    let devices = Gpu::all().into_iter().map(|gpu| {
        let (architecture, parameters) = fresh();
        gpu.flow(architecture, parameters)
    });
    for mut flow in std::iter::once(host()).chain(devices) {
        flow.loss_and_gradient(&x, &mut Vec::new()).expect("started");
        let value = |name: &str| {
            let entry = flow.parameters().entries().iter().find(|entry| entry.name.ends_with(name)).expect("there");
            flow.parameters().slice(entry).to_vec()
        };
        let (log_scale, bias) = (value("layers.1.log_scale"), value("layers.1.bias"));
        assert!(log_scale[0].abs() < 0.1 && log_scale[1] == 0.0, "{log_scale:?}");
        assert!((bias[1] + 4321.1).abs() < 1e-2, "{bias:?}");
    }
}

#[test]
fn samples_follow_the_density() {
    let case = affine(2, [4, 32, 2]);
    let mut flow = case.fused(Level::detect());
    let samples = flow.sample(20_000, 5).expect("samples");
    assert_eq!(samples, flow.sample(20_000, 5).expect("samples"));
    // The share of samples in a box is the density's integral over it.
    let steps = 400;
    let at = |i: usize| -1.0 + (i as f32 + 0.5) * 2.0 / steps as f32;
    let grid = (0..steps * steps).flat_map(|i| [at(i / steps), at(i % steps)]).collect();
    let log_prob = flow.log_prob(&Matrix::new(grid, 2)).expect("log_prob");
    let mass = log_prob.iter().map(|l| l.exp()).sum::<f64>() * (2.0 / steps as f64).powi(2);
    let inside = samples.iter_rows().filter(|row| row.iter().all(|v| v.abs() < 1.0)).count() as f64 / 20_000.0;
    let error = (mass * (1.0 - mass) / 20_000.0).sqrt();
    assert!(mass > 0.05 && (mass - inside).abs() < 4.0 * error, "{mass} vs {inside}");
}
