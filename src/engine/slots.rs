//! How many trials compute at once on each device: a trial takes a slot while it computes, and waits where none is free.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex};

use crate::flow::DeviceError;
use crate::locks::{lock, wait};
use crate::spec::Device;

/// How many trials compute at once, in all and on each GPU.
pub struct Slots {
    /// Trials at once.
    jobs: usize,
    /// Number of GPUs of this machine, or why it cannot be found out.
    gpus: Result<usize, DeviceError>,
    /// Trials at once on one GPU.
    per_gpu: usize,
    /// Trials that compute now, by device.
    running: Mutex<BTreeMap<Device, usize>>,
    freed: Condvar,
}

/// The right to compute on a device, until it is dropped.
pub struct Slot<'a> {
    /// The device.
    pub device: Device,
    slots: &'a Slots,
}

impl Slots {
    /// For `jobs` trials at once, `per_gpu` on each of `gpus` devices; at least one each.
    pub fn new(jobs: usize, gpus: Result<usize, DeviceError>, per_gpu: usize) -> Self {
        let running = Mutex::default();
        Self { jobs: jobs.max(1), gpus, per_gpu: per_gpu.max(1), running, freed: Condvar::new() }
    }

    /// Trials at once.
    pub fn jobs(&self) -> usize {
        self.jobs
    }

    /// A slot on `wanted`, waiting until there is one. Any GPU is the one with the fewest trials.
    ///
    /// # Errors
    /// Where this machine has no such device, or its driver does not work.
    pub fn take(&self, wanted: Device) -> Result<Slot<'_>, DeviceError> {
        let candidates = self.candidates(wanted)?;
        let mut running = lock(&self.running);
        loop {
            let trials = |device: &Device| running.get(device).copied().unwrap_or(0);
            let emptiest =
                candidates.iter().copied().min_by_key(trials).filter(|_| running.values().sum::<usize>() < self.jobs);
            match emptiest {
                Some(device) if device == Device::Cpu || trials(&device) < self.per_gpu => {
                    *running.entry(device).or_default() += 1;
                    return Ok(Slot { device, slots: self });
                }
                _ => running = wait(&self.freed, running),
            }
        }
    }

    /// The devices that `wanted` allows: at least one.
    fn candidates(&self, wanted: Device) -> Result<Vec<Device>, DeviceError> {
        let Device::Cuda(ordinal) = wanted else { return Ok(vec![wanted]) };
        let gpus = self.gpus.clone()?;
        let will_do = (0..gpus).filter(|gpu| ordinal.is_none_or(|ordinal| ordinal == *gpu));
        let candidates: Vec<Device> = will_do.map(|gpu| Device::Cuda(Some(gpu))).collect();
        if candidates.is_empty() {
            let there = match gpus {
                0 => "no CUDA device".to_owned(),
                1 => "one CUDA device, cuda:0".to_owned(),
                gpus => format!("{gpus} CUDA devices, cuda:0 to cuda:{}", gpus - 1),
            };
            return Err(DeviceError(format!("{wanted} cannot be used: this machine has {there}")));
        }
        Ok(candidates)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        if let Some(trials) = lock(&self.slots.running).get_mut(&self.device) {
            *trials -= 1;
        }
        // Wakes all: the one woken first may wait for another device.
        self.slots.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const ANY: Device = Device::Cuda(None);

    fn gpu(ordinal: usize) -> Device {
        Device::Cuda(Some(ordinal))
    }

    #[test]
    fn gpus_are_handed_out_one_by_one_and_again_when_they_are_free() {
        let slots = Slots::new(100, Ok(3), 2);
        let mut held: Vec<_> = (0..6).map(|_| slots.take(ANY).unwrap()).collect();
        let devices: Vec<Device> = held.iter().map(|slot| slot.device).collect();
        assert_eq!(devices, [gpu(0), gpu(1), gpu(2), gpu(0), gpu(1), gpu(2)]);
        drop(held.remove(4));
        assert_eq!(slots.take(ANY).unwrap().device, gpu(1), "the only one with room");
        // A trial that names its device gets no other.
        assert_eq!(slots.take(gpu(1)).unwrap().device, gpu(1));
    }

    #[test]
    fn nobody_computes_beside_more_than_the_limits_say() {
        // 4 workers at once on 2 GPUs of 1 trial each, some of whose trials name their device.
        let slots = Slots::new(4, Ok(2), 1);
        let on = [AtomicUsize::new(0), AtomicUsize::new(0)];
        let done = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let (slots, on, done) = (&slots, &on, &done);
                scope.spawn(move || {
                    for round in 0..200 {
                        let wanted = if (worker + round) % 3 == 0 { gpu(round % 2) } else { ANY };
                        let slot = slots.take(wanted).unwrap();
                        let Device::Cuda(Some(ordinal)) = slot.device else { panic!("{}", slot.device) };
                        assert_eq!(on[ordinal].fetch_add(1, Ordering::SeqCst), 0, "two on cuda:{ordinal}");
                        std::thread::yield_now();
                        on[ordinal].fetch_sub(1, Ordering::SeqCst);
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(done.into_inner(), 800);
    }

    #[test]
    fn jobs_are_the_limit_of_all_devices_together() {
        let slots = Slots::new(1, Ok(2), 1);
        let first = slots.take(ANY).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| slots.take(Device::Cpu).unwrap().device);
            // Whichever thread comes first, the second slot is there only after this one.
            drop(first);
            assert_eq!(second.join().unwrap(), Device::Cpu);
        });
    }

    #[test]
    fn a_device_that_is_not_there_is_an_error_that_says_which_are() {
        let broken = Slots::new(1, Err(DeviceError("the driver does not work".into())), 1);
        assert!(broken.take(ANY).map(|slot| slot.device).unwrap_err().to_string().contains("driver"));
        assert_eq!(broken.take(Device::Cpu).unwrap().device, Device::Cpu, "it needs none");
        let message =
            |gpus, wanted| Slots::new(1, Ok(gpus), 1).take(wanted).map(|slot| slot.device).unwrap_err().to_string();
        assert!(message(0, ANY).contains("no CUDA device"));
        assert!(message(1, gpu(1)).contains("cuda:1 cannot be used: this machine has one CUDA device, cuda:0"));
        assert!(message(8, gpu(8)).contains("8 CUDA devices, cuda:0 to cuda:7"));
    }
}
