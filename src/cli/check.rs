//! `runner check`: validate specs and their data; every problem at once.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;

use super::options::{Specs, tell_earlier_defaults};
use super::output::{print, tell};
use super::{Exit, Failure};
use crate::compute::cuda::gpus;
use crate::engine::{Datasets, Slots};
use crate::flow::{Architecture, DeviceError};
use crate::plan::Plan;
use crate::progress::{ProgressMode, loading};
use crate::spec::{Device, KernelChoice, counted};

#[derive(Args, Debug)]
pub(super) struct Check {
    #[command(flatten)]
    specs: Specs,
    /// Folder of all results: an experiment that has begun there keeps its defaults
    #[arg(long, value_name = "DIR", default_value = "results")]
    results: PathBuf,
}

/// Tells of the first trial that a GPU computes more slowly than it could, for want of kernels.
pub(super) fn tell_composed(plan: &Plan, datasets: &Datasets) -> Result<(), Failure> {
    for trial in &plan.trials {
        let spec = &trial.spec;
        if let (Device::Cuda(_), KernelChoice::Fused) = (spec.device, spec.training.kernel)
            && !Architecture::has_kernels_on_cuda(&spec.model, datasets.of(spec).map_err(Failure::usage)?.layout())
        {
            let text = "has layers without kernels for GPUs: there it is computed as by `kernel = \"composed\"`, \
                        more slowly";
            tell(format_args!("warning: {}: {} {text}", plan.experiment, trial.id));
            break;
        }
    }
    Ok(())
}

impl Check {
    pub fn execute(&self) -> Result<Exit, Failure> {
        let experiments = self.specs.experiments(&self.results)?;
        tell_earlier_defaults(experiments.iter().map(|(experiment, _)| experiment));
        let datasets = Datasets::new(loading(ProgressMode::Auto));
        let warnings = self.specs.load(&experiments, &datasets)?;
        for warning in warnings {
            tell(format_args!("warning: {warning}"));
        }
        for (experiment, plan) in &experiments {
            tell_composed(plan, &datasets)?;
            print(format_args!("{}: ok, {}", plan.experiment, counted(experiment.runs(), "run")))?;
        }
        let devices = experiments.iter().flat_map(|(_, plan)| &plan.trials).map(|trial| trial.spec.device);
        Self::devices(devices.collect())
    }

    /// What the GPUs that the specs ask for are.
    fn devices(wanted: BTreeSet<Device>) -> Result<Exit, Failure> {
        if !wanted.iter().any(|device| matches!(device, Device::Cuda(_))) {
            return Ok(Exit::Success);
        }
        let gpus = gpus().map_err(Failure::run)?;
        for gpu in &gpus {
            print(gpu)?;
        }
        let slots = Slots::new(wanted.len(), Ok(gpus.len()), wanted.len());
        for device in wanted {
            slots.take(device).map_err(Failure::usage)?;
            if device != Device::Cpu && !gpus.iter().any(|gpu| gpu.serves(device)) {
                return Err(Failure::run(DeviceError(format!("{device} cannot be used now"))));
            }
        }
        Ok(Exit::Success)
    }
}
