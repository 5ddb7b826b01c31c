//! The whole flow on a device.

use std::rc::Rc;

use bytemuck::{cast_slice, cast_slice_mut};

use super::evaluation::{Evaluation, Way};
use super::layers::{PlacedLayer, Tables};
use super::layout::{self, Layout};
use super::order::{to_columns, to_features};
use super::step::{Batches, Brought, BroughtRows, PlacedState, RowSource, Step};
use crate::compute::cuda::{Address, Device, FLOAT, Memory};
use crate::flow::{self, Architecture, DeviceError, Flow, Latent, LayerHealth, Loss, Parameters, Rows, Work};
use crate::layers::cuda::{Group, OnCuda};
use crate::matrix::Matrix;
use crate::optimizer::{Constants, Optimizer};

/// Rows taken at a time in evaluation, and values that they may have where they have most: both bound memory.
const EVALUATION_ROWS: usize = 8192;
const EVALUATION_VALUES: usize = 1 << 26;
/// Steps that a device is given at a time: enough that nobody waits for the host, few enough to stop soon.
const STEPS: usize = 32;
/// Bytes of the rows that are brought to the device for the steps of one time.
const GIVEN_BYTES: usize = 64 << 20;

/// A flow whose weights, and the optimizer's moments and average, stay on a device while it is trained.
///
/// The [`Parameters`] on the host are brought there when they have been changed, and back when training is
/// [settled](Flow::settle).
pub struct OnDevice<D: Device> {
    placed: Placed,
    parameters: Parameters,
    newest: Newest,
    /// See [`Flow::draw_from`].
    noise: u64,
    held: Option<Held<D>>,
    training: Option<Training<D>>,
    /// For a gradient without an update.
    single: Option<Step<D>>,
    evaluation: Option<Evaluation<D>>,
    memory: Memory<D>,
    device: Rc<D>,
}

/// A flow as a device sees it.
pub(super) struct Placed {
    pub architecture: Architecture,
    pub layout: Layout,
    pub layers: Vec<PlacedLayer>,
    pub tables: Tables,
    pub weights: PlacedWeights,
}

impl Placed {
    /// Brings `len` values from the device, laid out as the host has them.
    fn read(&self, device: &impl Device, from: Address, len: usize, to: &mut [f32]) -> Result<(), DeviceError> {
        let mut found = vec![0.0f32; len];
        device.read(from, cast_slice_mut(&mut found))?;
        self.layout.to_host(&found, to);
        Ok(())
    }
}

/// The weights of a flow on its device.
#[derive(Clone, Copy)]
pub(super) struct PlacedWeights {
    /// All values, trainable first.
    pub values: Address,
    /// Shape `[count]`.
    pub gradient: Address,
    /// Trainable values.
    pub count: usize,
}

/// Who has the newest weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Newest {
    Host,
    Device,
    Both,
}

/// Training rows on the device.
struct Held<D: Device> {
    rows: Address,
    _memory: Memory<D>,
}

/// A step that is ready to be repeated, and the state of its optimizer.
struct Training<D: Device> {
    step: Step<D>,
    graph: D::Graph,
    state: PlacedState,
    /// Whether the state here is that to go on from.
    has_state: bool,
    _memory: Memory<D>,
}

impl<D: Device> OnDevice<D> {
    /// A flow with the weights `parameters` on `device`.
    ///
    /// # Errors
    /// Where the device has no room, or its kernels no form of a layer.
    pub fn new(architecture: Architecture, parameters: Parameters, device: D) -> Result<Self, DeviceError> {
        if !architecture.is_on_cuda() {
            return Err(DeviceError("there are no kernels for this flow".to_owned()));
        }
        let device = Rc::new(device);
        let mut memory = Memory::new(&device);
        let layout = Layout::new(&architecture);
        let (layers, tables) = PlacedLayer::place(&architecture, &layout, &mut memory)?;
        let weights = PlacedWeights {
            values: memory.room::<f32>(layout.len)?,
            gradient: memory.holding(&vec![0.0f32; layout.trainable])?,
            count: layout.trainable,
        };
        Ok(Self {
            placed: Placed { architecture, layout, layers, tables, weights },
            parameters,
            newest: Newest::Host,
            noise: 0,
            held: None,
            training: None,
            single: None,
            evaluation: None,
            memory,
            device,
        })
    }

    fn upload(&mut self) -> Result<(), DeviceError> {
        if self.newest == Newest::Host {
            let values = self.placed.layout.to_device(self.parameters.values());
            self.memory.write(self.placed.weights.values, &values)?;
            self.newest = Newest::Both;
        }
        Ok(())
    }

    fn download(&mut self) -> Result<(), DeviceError> {
        if self.newest == Newest::Device {
            let Placed { layout, weights, .. } = &self.placed;
            self.placed.read(&*self.device, weights.values, layout.len, self.parameters.values_mut())?;
            self.newest = Newest::Both;
        }
        Ok(())
    }

    /// How many rows of so many are evaluated at a time.
    fn evaluation_rows(&self, rows: usize) -> usize {
        let Placed { architecture, layout, .. } = &self.placed;
        let said = layout.most(|group| group.networks() * group.said.max(group.width));
        let most = layout.most(Group::hidden).max(said).max(architecture.values()).max(1);
        rows.min(EVALUATION_VALUES / most).clamp(1, EVALUATION_ROWS)
    }

    /// Makes room to evaluate at least `rows` rows at a time.
    fn evaluation(&mut self, rows: usize) -> Result<&Evaluation<D>, DeviceError> {
        if self.evaluation.as_ref().is_some_and(|evaluation| evaluation.rows < rows) {
            self.evaluation = None;
        }
        let made = match self.evaluation.take() {
            Some(evaluation) => evaluation,
            None => Evaluation::new(&self.device, &self.placed, rows)?,
        };
        Ok(self.evaluation.insert(made))
    }

    /// Takes rows through the flow, block by block.
    fn evaluate(&mut self, rows: &Matrix, way: Way) -> Result<Latent, DeviceError> {
        self.upload()?;
        let (features, block) = (self.placed.architecture.values(), self.evaluation_rows(rows.rows()));
        self.evaluation(block)?;
        let mut latent = Latent { z: Matrix::zeros(rows.rows(), features), log_det: vec![0.0; rows.rows()] };
        let Some(evaluation) = &self.evaluation else { return Ok(latent) };
        let Placed { architecture, layout, layers, weights, .. } = &self.placed;
        let mut layers: Vec<&PlacedLayer> = layers.iter().collect();
        if way == Way::Inverse {
            layers.reverse();
        }
        let outputs = latent.z.as_mut_slice().chunks_mut(block * features).zip(latent.log_det.chunks_mut(block));
        for (x, (z, log_det)) in rows.as_slice().chunks(block * features).zip(outputs) {
            // What comes in on the other side stands in another order.
            z.copy_from_slice(x);
            if way == Way::Inverse {
                to_columns(&layout.columns, z);
            }
            self.device.write(evaluation.x, cast_slice(z))?;
            let lists = evaluation.commands(architecture, layout, &layers, weights.values, log_det.len(), way);
            self.device.run(&lists.concat())?;
            self.device.read(evaluation.x, cast_slice_mut(z))?;
            if way == Way::Forward {
                to_features(&layout.columns, z);
            }
            self.device.read(evaluation.log_det, cast_slice_mut(log_det))?;
        }
        Ok(latent)
    }

    /// Makes a step for such batches ready, with the state of `optimizer` on the device.
    fn prepare(&mut self, batches: Batches, optimizer: &Optimizer) -> Result<(), DeviceError> {
        if self.training.as_ref().is_none_or(|training| training.step.batches != batches) {
            self.training = None;
            let mut memory = Memory::new(&self.device);
            let mut state = PlacedState::NOTHING;
            for (address, _) in [&mut state.first, &mut state.second].into_iter().zip(optimizer.moments()) {
                *address = memory.room::<f32>(self.placed.layout.trainable)?;
            }
            if optimizer.average().is_some() {
                state.average = memory.room::<f32>(self.placed.layout.len)?;
            }
            let steps =
                (GIVEN_BYTES / (FLOAT as usize * batches.rows * self.placed.architecture.values())).clamp(1, STEPS);
            let step = Step::new(&self.device, &self.placed, batches, steps)?;
            let commands = step.commands(&self.placed, Some((optimizer, state)));
            let graph = self.device.record(&commands)?;
            self.training = Some(Training { step, graph, state, has_state: false, _memory: memory });
        }
        let Some(training) = &mut self.training else { return Ok(()) };
        if !training.has_state {
            let PlacedState { first, second, average } = training.state;
            let moments = [first, second].into_iter().zip(optimizer.moments().iter().map(Vec::as_slice));
            for (address, values) in moments.chain(optimizer.average().map(|values| (average, values.values()))) {
                self.device.write(address, cast_slice(&self.placed.layout.to_device(values)))?;
            }
            training.has_state = true;
        }
        Ok(())
    }

    /// A step without an update, over rows with `weights` or over such that all count alike.
    fn single(&mut self, x: &Matrix, weights: Option<&[f32]>, gradient: &mut Vec<f32>) -> Result<Loss, DeviceError> {
        self.upload()?;
        let batches = Batches { rows: x.rows(), source: RowSource::Given, weighted: weights.is_some() };
        if self.single.as_ref().is_none_or(|step| step.batches != batches) {
            self.single = None;
        }
        let Self { placed, device, noise, .. } = self;
        let step = match self.single.take() {
            Some(step) => step,
            None => Step::new(device, placed, batches, 1)?,
        };
        let (weights, rows) = (weights.into_iter().collect(), BroughtRows::Given(vec![x.as_slice()]));
        step.begin(device, &Brought { constants: &[Constants::default()], noise: &[*noise], weights, rows })?;
        device.run(&step.commands(placed, None))?;
        let losses = step.losses(device)?;
        gradient.resize(self.parameters.count(), 0.0);
        placed.read(&**device, placed.weights.gradient, placed.weights.count, gradient)?;
        self.single = Some(step);
        // Running statistics have moved.
        self.newest = Newest::Device;
        self.download()?;
        losses.first().copied().ok_or_else(|| DeviceError("it has lost a step".to_owned()))
    }
}

impl<D: Device> Training<D> {
    /// Takes the steps of `work` from number `at` on, as many as there is room for; adds their losses.
    fn steps(
        &self,
        device: &D,
        (work, at): (&Work, usize),
        optimizer: &Optimizer,
        losses: &mut Vec<Loss>,
        meanwhile: Option<&mut dyn FnMut()>,
    ) -> Result<usize, DeviceError> {
        let step = &self.step;
        let end = work.rates.len().min(at + step.steps);
        let numbers = work.first + at as u64..work.first + end as u64;
        let noise: Vec<u64> = numbers.clone().map(|number| work.noise(number)).collect();
        let constants =
            work.rates[at..end].iter().zip(numbers).map(|(&rate, number)| optimizer.constants(rate, number));
        let constants: Vec<Constants> = constants.collect();
        let rows = match &work.rows {
            Rows::Given(batches) => BroughtRows::Given(batches[at..end].iter().map(Matrix::as_slice).collect()),
            Rows::Held(places) => BroughtRows::Places(&places[at * step.batches.rows..end * step.batches.rows]),
        };
        let weights = if step.batches.weighted { &work.weights[at..end] } else { &[] };
        let weights = weights.iter().map(Vec::as_slice).collect();
        step.begin(device, &Brought { constants: &constants, noise: &noise, weights, rows })?;
        for _ in at..end {
            device.replay(&self.graph)?;
        }
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        losses.extend(step.losses(device)?);
        Ok(end)
    }
}

impl<D: Device> Flow for OnDevice<D> {
    fn architecture(&self) -> &Architecture {
        &self.placed.architecture
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut Parameters {
        self.newest = Newest::Host;
        &mut self.parameters
    }

    fn forward(&mut self, x: &Matrix) -> Result<Latent, DeviceError> {
        self.evaluate(x, Way::Forward)
    }

    fn inverse(&mut self, z: &Matrix) -> Result<Matrix, DeviceError> {
        Ok(self.evaluate(z, Way::Inverse)?.z)
    }

    fn draw_from(&mut self, noise: u64) {
        self.noise = noise;
    }

    fn loss_and_gradient(&mut self, x: &Matrix, gradient: &mut Vec<f32>) -> Result<Loss, DeviceError> {
        self.single(x, None, gradient)
    }

    fn weighted_loss_and_gradient(
        &mut self,
        x: &Matrix,
        weights: &[f32],
        gradient: &mut Vec<f32>,
    ) -> Result<Loss, DeviceError> {
        self.single(x, Some(weights), gradient)
    }

    fn train(
        &mut self,
        work: &mut Work,
        optimizer: &mut Optimizer,
        losses: &mut Vec<Loss>,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<(), DeviceError> {
        let (rows, source) = match &work.rows {
            Rows::Given(batches) => (batches.first().map_or(0, Matrix::rows), RowSource::Given),
            Rows::Held(places) => {
                let Some(held) = &self.held else { return Err(DeviceError("it holds no rows".to_owned())) };
                (places.len() / work.rates.len().max(1), RowSource::Held(held.rows))
            }
        };
        self.upload()?;
        self.prepare(Batches { rows, source, weighted: !work.weights.is_empty() }, optimizer)?;
        let Some(training) = &self.training else { return Ok(()) };
        self.newest = Newest::Device;
        let mut meanwhile = Some(meanwhile);
        let mut done = 0;
        while done < work.rates.len() && losses.last().is_none_or(Loss::is_finite) {
            done = training.steps(&self.device, (work, done), optimizer, losses, meanwhile.take())?;
        }
        Ok(())
    }

    fn settle(&mut self, optimizer: Option<&mut Optimizer>) -> Result<(), DeviceError> {
        self.download()?;
        if let (Some(optimizer), Some(training)) = (optimizer, &mut self.training)
            && std::mem::take(&mut training.has_state)
        {
            let (Placed { layout, .. }, PlacedState { first, second, average }) = (&self.placed, training.state);
            for (address, moment) in [first, second].into_iter().zip(optimizer.moments_mut()) {
                self.placed.read(&*self.device, address, layout.trainable, moment)?;
            }
            if let Some(values) = optimizer.average_mut() {
                self.placed.read(&*self.device, average, layout.len, values.values_mut())?;
                values.take_flags(self.parameters.values());
            }
        }
        Ok(())
    }

    fn steps_at_once(&self) -> usize {
        STEPS
    }

    fn holds_rows(&self) -> bool {
        true
    }

    fn hold(&mut self, rows: &Matrix) -> Result<(), DeviceError> {
        self.training = None;
        self.held = None;
        let mut memory = Memory::new(&self.device);
        let rows = memory.holding(rows.as_slice())?;
        self.held = Some(Held { rows, _memory: memory });
        Ok(())
    }

    fn health(&mut self, x: &Matrix) -> Result<Vec<LayerHealth>, DeviceError> {
        self.upload()?;
        // For the bounds of s.
        self.download()?;
        let rows = x.rows();
        self.evaluation(rows.max(1))?;
        let Some(evaluation) = &self.evaluation else { return Ok(Vec::new()) };
        self.device.write(evaluation.x, cast_slice(x.as_slice()))?;
        let Placed { architecture, layout, layers, weights, .. } = &self.placed;
        let layers: Vec<&PlacedLayer> = layers.iter().collect();
        let lists = evaluation.commands(architecture, layout, &layers, weights.values, rows, Way::Forward);
        let mut lists = lists.iter();
        let mut next = || lists.next().map_or(Ok(()), |commands| self.device.run(commands));
        next()?;
        let mut health = Vec::new();
        let mut z = x.as_slice().to_vec();
        for layer in architecture.layers.iter().filter_map(flow::Layer::on_cuda) {
            // The device knows of no permutation, and is where it was.
            if !matches!(layer, OnCuda::Permutation(_)) {
                next()?;
                self.device.read(evaluation.x, cast_slice_mut(&mut z))?;
            }
            let mut scale_max = 0.0;
            if let Some(coupling) = layout::coupling(&layer).filter(|coupling| coupling.transformer.has_scale())
                && let Some(group) = layout.group(coupling)
            {
                let said = layout.groups[group].said;
                let mut squashed = vec![0.0f32; rows * said];
                self.device.read(evaluation.out, cast_slice_mut(&mut squashed))?;
                let bound = |j| coupling.scale.map_or(1.0, |scale| self.parameters.values()[scale + j]);
                let scale: Vec<f32> = (0..coupling.mask.changed.len()).map(bound).collect();
                let s = squashed.chunks_exact(said).flat_map(|row| row.iter().zip(&scale).map(|(a, b)| a * b));
                scale_max = s.map(|s| f64::from(s.abs())).fold(0.0, f64::max);
            }
            health.push(LayerHealth { finite: z.iter().all(|v| v.is_finite()), scale_max });
        }
        Ok(health)
    }
}
