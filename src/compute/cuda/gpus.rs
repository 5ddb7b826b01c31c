//! The NVIDIA GPUs of this machine.

#[cfg(feature = "cuda")]
use std::ffi::CStr;

use super::Failed;
#[cfg(feature = "cuda")]
use super::api;
use crate::compute::DeviceError;
use crate::spec::Device;

/// A GPU, as its driver tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// What `cuda:N` counts; `CUDA_VISIBLE_DEVICES` may hide and reorder devices.
    pub ordinal: usize,
    /// Product name.
    pub name: String,
    /// Memory in bytes.
    pub memory: usize,
    /// How much of it is free now; or why this program cannot use the GPU, as where another one has it for itself.
    pub free: Result<usize, Failed>,
    /// The newest CUDA version that the driver can run: major and minor.
    pub driver: [u32; 2],
}

/// Nothing is installed on the GPU, and other programs are not disturbed.
///
/// # Errors
/// Where the driver does not work, or this program was built without CUDA.
#[cfg(feature = "cuda")]
pub fn gpus() -> Result<Vec<Gpu>, DeviceError> {
    (0..gpu_count()?)
        .map(|ordinal| gpu(ordinal).map_err(|failed| of_driver(&format!("cuda:{ordinal}"), failed)))
        .collect()
}

/// How many GPUs there are.
///
/// # Errors
/// As [`gpus`].
#[cfg(feature = "cuda")]
pub fn gpu_count() -> Result<usize, DeviceError> {
    let mut count = 0;
    // SAFETY: the driver writes an int.
    let counted =
        unsafe { Failed::driver(api::cuInit(0)).and_then(|()| Failed::driver(api::cuDeviceGetCount(&raw mut count))) };
    counted.map_err(|failed| of_driver("the NVIDIA driver", failed))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// The newest CUDA version that the driver can run: major and minor.
#[cfg(feature = "cuda")]
pub(super) fn driver_version() -> Result<[u32; 2], Failed> {
    let mut version = 0;
    // SAFETY: the driver writes an int.
    Failed::driver(unsafe { api::cuDriverGetVersion(&raw mut version) })?;
    let version = u32::try_from(version).unwrap_or(0);
    Ok([version / 1000, version % 1000 / 10])
}

#[cfg(feature = "cuda")]
fn gpu(ordinal: usize) -> Result<Gpu, Failed> {
    let (mut gpu, mut name, mut memory) = (0, [0u8; 256], 0);
    let number = i32::try_from(ordinal).unwrap_or(i32::MAX);
    // SAFETY: the driver is initialised; it writes a string that ends with a null of at most as many bytes, and numbers.
    unsafe {
        Failed::driver(api::cuDeviceGet(&raw mut gpu, number))?;
        Failed::driver(api::cuDeviceGetName(name.as_mut_ptr().cast(), name.len() as i32, gpu))?;
        Failed::driver(api::cuDeviceTotalMem_v2(&raw mut memory, gpu))?;
    }
    let name = CStr::from_bytes_until_nul(&name).unwrap_or_default().to_string_lossy().into_owned();
    Ok(Gpu { ordinal, name, memory, free: free_memory(gpu), driver: driver_version()? })
}

/// Told within a context alone, which not every program gets.
#[cfg(feature = "cuda")]
fn free_memory(gpu: api::GpuHandle) -> Result<usize, Failed> {
    let (mut context, mut free, mut all) = (std::ptr::null_mut(), 0, 0);
    // SAFETY: the driver writes what it is given places for; nothing of the context is left when it is given back.
    unsafe {
        Failed::driver(api::cuDevicePrimaryCtxRetain(&raw mut context, gpu))?;
        let told = Failed::driver(api::cuCtxSetCurrent(context))
            .and_then(|()| Failed::driver(api::cuMemGetInfo_v2(&raw mut free, &raw mut all)));
        api::cuCtxSetCurrent(std::ptr::null_mut());
        api::cuDevicePrimaryCtxRelease_v2(gpu);
        told.map(|()| free)
    }
}

#[cfg(feature = "cuda")]
fn of_driver(what: &str, failed: Failed) -> DeviceError {
    DeviceError(format!("{what} does not work: {failed} (or use `--device cpu`)"))
}

/// See the one with the feature.
///
/// # Errors
/// This program was built without CUDA.
#[cfg(not(feature = "cuda"))]
pub fn gpus() -> Result<Vec<Gpu>, DeviceError> {
    gpu_count().map(|_| Vec::new())
}

/// See the one with the feature.
///
/// # Errors
/// This program was built without CUDA.
#[cfg(not(feature = "cuda"))]
pub fn gpu_count() -> Result<usize, DeviceError> {
    Err(DeviceError::without_cuda())
}

impl Gpu {
    /// Whether trials for `wanted` can compute on this one.
    pub fn serves(&self, wanted: Device) -> bool {
        self.free.is_ok() && (wanted == Device::Cuda(None) || wanted == Device::Cuda(Some(self.ordinal)))
    }
}

impl std::fmt::Display for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let gib = |bytes: usize| bytes as f64 / f64::from(1 << 30);
        let Self { ordinal, name, driver: [major, minor], .. } = self;
        write!(f, "cuda:{ordinal}: {name}, ")?;
        if let Ok(free) = self.free {
            write!(f, "{:.1} of ", gib(free))?;
        }
        write!(f, "{:.1} GiB", gib(self.memory))?;
        match self.free {
            Ok(_) => write!(f, " free, driver for CUDA {major}.{minor}"),
            Err(why) => write!(f, ", driver for CUDA {major}.{minor}; cannot be used now: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_told_in_a_line() {
        let free = Ok(40 << 30);
        let mut gpu = Gpu { ordinal: 1, name: "NVIDIA H100".into(), memory: 80 << 30, free, driver: [13, 0] };
        assert_eq!(gpu.to_string(), "cuda:1: NVIDIA H100, 40.0 of 80.0 GiB free, driver for CUDA 13.0");
        assert!(gpu.serves(Device::Cuda(None)) && gpu.serves(Device::Cuda(Some(1))));
        assert!(!gpu.serves(Device::Cuda(Some(0))));
        gpu.free = Err(Failed::Driver(46));
        let line = gpu.to_string();
        assert!(
            line.starts_with("cuda:1: NVIDIA H100, 80.0 GiB, driver for CUDA 13.0; cannot be used now: it is busy")
        );
        assert!(!gpu.serves(Device::Cuda(None)));
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_build_without_cuda_says_how_to_get_one() {
        assert!(gpus().unwrap_err().to_string().contains("--features cuda"));
    }
}
