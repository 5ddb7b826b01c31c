//! The layers of a flow as a device sees them, and the tables of what couplings do.

use super::layout::{Layout, LuPlace, Norm, coupling};
use super::order::{self, Columns};
use crate::compute::cuda::{Address, Device, Memory, NULL};
use crate::flow::{Architecture, DeviceError, Mask};
use crate::layers::cuda::{
    CouplingOnCuda, LuSize, OnCuda, PlacedActNorm, PlacedBatchNorm, PlacedChannels, PlacedContext, PlacedCoupling,
    PlacedLu,
};

/// A layer on a device.
pub(super) enum PlacedLayer {
    Coupling(PlacedCoupling),
    BatchNorm(PlacedBatchNorm, Option<PlacedChannels>),
    ActNorm(PlacedActNorm, Option<PlacedChannels>),
    Lu(PlacedLu, Option<PlacedChannels>),
}

impl PlacedLayer {
    /// The layers of `architecture` but for permutations, which are in the tables of the others; those lie in `memory`.
    pub fn place<D: Device>(
        architecture: &Architecture,
        layout: &Layout,
        memory: &mut Memory<D>,
    ) -> Result<(Vec<Self>, Tables), DeviceError> {
        let features = architecture.values();
        let masks = order::layers(architecture).filter_map(|(layer, columns)| Some((coupling(&layer)?.mask, columns)));
        let masks: Vec<(&Mask, Columns)> = masks.collect();
        // Every pixel of an image has the whole context.
        let repeats = |mask: &Mask, feature: usize| {
            feature >= architecture.features && mask.pixels.as_ref().is_some_and(|pixels| pixels.kept.len() > 1)
        };
        let table = |chosen: fn(&Mask) -> &Vec<usize>| {
            let mut table = vec![-1i32; masks.len() * features];
            for ((mask, columns), places) in masks.iter().zip(table.chunks_exact_mut(features)) {
                let numbered = chosen(mask).iter().zip(0..).filter(|&(&feature, _)| !repeats(mask, feature));
                numbered.for_each(|(&feature, at)| places[columns[feature]] = at);
            }
            table
        };
        let tables = Tables {
            slot: memory.holding(&table(|mask| &mask.kept))?,
            role: memory.holding(&table(|mask| &mask.changed))?,
        };
        let lu = |place: &LuPlace| -> Result<PlacedLu, DeviceError> {
            let &LuPlace { size: LuSize { features, values }, matrix, bias, ref columns } = place;
            let order: Vec<i32> = columns.iter().map(|&column| column as i32).collect();
            Ok(PlacedLu { features, pixels: values / features, matrix, bias, order: memory.holding(&order)? })
        };
        let lus = layout.lus.iter().map(lu).collect::<Result<Vec<_>, _>>()?;
        let (mut couplings, mut norms, mut lus) = (0.., layout.norms.iter(), lus.into_iter());
        let mut passed = vec![0; layout.groups.len()];
        let mut layers = Vec::new();
        for (layer, columns) in order::layers(architecture) {
            let channels = match &layer {
                OnCuda::BatchNorm(norm) => Some(&norm.channels),
                OnCuda::ActNorm(norm) => Some(&norm.channels),
                OnCuda::Lu(lu) => Some(&lu.channels),
                OnCuda::Coupling(_) | OnCuda::Permutation(_) => None,
            };
            let context = match &layer {
                OnCuda::Coupling(CouplingOnCuda { mask, .. }) => {
                    let kept = mask.kept.iter().zip(0i32..).filter(|&(&feature, _)| repeats(mask, feature));
                    let (from, to): (Vec<i32>, Vec<i32>) =
                        kept.map(|(&feature, place)| (columns[feature] as i32, place)).unzip();
                    match from.len() {
                        0 => None,
                        count => {
                            let (columns, places) = (memory.holding(&from)?, memory.holding(&to)?);
                            Some(PlacedContext { columns, places, count })
                        }
                    }
                }
                _ => None,
            };
            let over = channels.map(|channels| PlacedChannels::new(memory, channels, &columns)).transpose()?.flatten();
            let mut place = || {
                Some(match &layer {
                    OnCuda::Coupling(place) => {
                        let at = 4 * (couplings.next()? * features) as u64;
                        let slot = if place.mask.kept.is_empty() { NULL } else { tables.slot + at };
                        let group = layout.group(place)?;
                        let number = passed[group];
                        passed[group] += 1;
                        let (role, hosts) = (tables.role + at, place.hosts());
                        Self::Coupling(PlacedCoupling { group, number, features, role, slot, context, hosts })
                    }
                    OnCuda::BatchNorm(_) | OnCuda::ActNorm(_) => match *norms.next()? {
                        Norm::Batch(norm) => Self::BatchNorm(norm, over),
                        Norm::Act(norm) => Self::ActNorm(norm, over),
                    },
                    OnCuda::Lu(_) => Self::Lu(lus.next()?, over),
                    OnCuda::Permutation(_) => return None,
                })
            };
            layers.extend(place());
        }
        Ok((layers, tables))
    }
}

/// What every coupling does with every feature, shape `[couplings, features]`.
#[derive(Clone, Copy)]
pub(super) struct Tables {
    /// Its place among the kept ones, or −1.
    pub slot: Address,
    /// Its place among the changed ones, or −1.
    pub role: Address,
}
