//! The functions of NVIDIA's driver and of cuBLAS that are called. Result codes are numbers here, for [`Failed`](super::Failed):
//! drivers have codes that no list made before them knows, and a Rust enum must never hold one that it does not know.

use std::ffi::{c_char, c_int, c_longlong, c_uint, c_ulonglong, c_void};

use super::device::Address;
use super::failed::Code;

/// Declares pointers to what only the driver can look into, each a type of its own.
macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident $behind:ident),* $(,)?) => {
        $(
            #[doc(hidden)]
            #[repr(C)]
            pub struct $behind([u8; 0]);
            $(#[$doc])*
            pub type $name = *mut $behind;
        )*
    };
}

handles![
    Context ContextBehind,
    Stream StreamBehind,
    Event EventBehind,
    Module ModuleBehind,
    Function FunctionBehind,
    Graph GraphBehind,
    GraphExec GraphExecBehind,
    Blas BlasBehind,
];

/// A GPU: a number, which need not be its ordinal.
pub type GpuHandle = c_int;

/// Of streams: not in step with the default stream.
pub const NON_BLOCKING: c_uint = 1;
/// Of events: who waits for one sleeps, and nobody asks it for the time.
pub const BLOCKING_WITHOUT_TIME: c_uint = 1 | 2;
/// Of recording: calls of other threads are none of its business.
pub const CAPTURE_THREAD_LOCAL: c_uint = 1;
/// A factor as it stands in memory, and its transpose.
pub const AS_IT_IS: c_uint = 0;
pub const TRANSPOSED: c_uint = 1;

/// cuBLAS's modes of arithmetic.
pub const PLAIN_F32: c_uint = 0;
pub const TF32: c_uint = 3;

// The tests of a machine without CUDA link what stands in for both; see build.rs.
#[cfg_attr(not(feature = "cuda-ci"), link(name = "cuda"))]
unsafe extern "C" {
    pub fn cuInit(flags: c_uint) -> Code;
    pub fn cuDriverGetVersion(version: *mut c_int) -> Code;
    pub fn cuDeviceGetCount(count: *mut c_int) -> Code;
    pub fn cuDeviceGet(device: *mut GpuHandle, ordinal: c_int) -> Code;
    pub fn cuDeviceGetName(name: *mut c_char, length: c_int, device: GpuHandle) -> Code;
    pub fn cuDeviceTotalMem_v2(bytes: *mut usize, device: GpuHandle) -> Code;
    pub fn cuDevicePrimaryCtxRetain(context: *mut Context, device: GpuHandle) -> Code;
    pub fn cuDevicePrimaryCtxRelease_v2(device: GpuHandle) -> Code;
    pub fn cuCtxSetCurrent(context: Context) -> Code;

    pub fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> Code;
    pub fn cuMemAlloc_v2(address: *mut Address, bytes: usize) -> Code;
    pub fn cuMemFree_v2(address: Address) -> Code;
    pub fn cuMemHostAlloc(address: *mut *mut c_void, bytes: usize, flags: c_uint) -> Code;
    pub fn cuMemFreeHost(address: *mut c_void) -> Code;
    pub fn cuMemcpyHtoDAsync_v2(to: Address, from: *const c_void, bytes: usize, stream: Stream) -> Code;
    pub fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: Address, bytes: usize, stream: Stream) -> Code;

    pub fn cuStreamCreate(stream: *mut Stream, flags: c_uint) -> Code;
    pub fn cuStreamSynchronize(stream: Stream) -> Code;
    pub fn cuStreamDestroy_v2(stream: Stream) -> Code;
    pub fn cuEventCreate(event: *mut Event, flags: c_uint) -> Code;
    pub fn cuEventRecord(event: Event, stream: Stream) -> Code;
    pub fn cuEventSynchronize(event: Event) -> Code;
    pub fn cuEventDestroy_v2(event: Event) -> Code;
    pub fn cuStreamBeginCapture_v2(stream: Stream, mode: c_uint) -> Code;
    pub fn cuStreamEndCapture(stream: Stream, graph: *mut Graph) -> Code;
    pub fn cuGraphInstantiateWithFlags(ready: *mut GraphExec, graph: Graph, flags: c_ulonglong) -> Code;
    pub fn cuGraphDestroy(graph: Graph) -> Code;
    pub fn cuGraphExecDestroy(ready: GraphExec) -> Code;
    pub fn cuGraphLaunch(ready: GraphExec, stream: Stream) -> Code;

    pub fn cuModuleLoadData(module: *mut Module, image: *const c_void) -> Code;
    pub fn cuModuleGetFunction(function: *mut Function, module: Module, name: *const c_char) -> Code;
    pub fn cuLaunchKernel(
        function: Function,
        grid_x: c_uint,
        grid_y: c_uint,
        grid_z: c_uint,
        block_x: c_uint,
        block_y: c_uint,
        block_z: c_uint,
        shared_bytes: c_uint,
        stream: Stream,
        arguments: *mut *mut c_void,
        extra: *mut *mut c_void,
    ) -> Code;
}

#[cfg_attr(not(feature = "cuda-ci"), link(name = "cublas"))]
unsafe extern "C" {
    pub fn cublasCreate_v2(handle: *mut Blas) -> Code;
    pub fn cublasDestroy_v2(handle: Blas) -> Code;
    pub fn cublasSetStream_v2(handle: Blas, stream: Stream) -> Code;
    pub fn cublasSetWorkspace_v2(handle: Blas, workspace: *mut c_void, bytes: usize) -> Code;
    pub fn cublasSetMathMode(handle: Blas, mode: c_uint) -> Code;
    pub fn cublasSgemm_v2(
        handle: Blas,
        operation_a: c_uint,
        operation_b: c_uint,
        m: c_int,
        n: c_int,
        k: c_int,
        alpha: *const f32,
        a: *const f32,
        a_leading: c_int,
        b: *const f32,
        b_leading: c_int,
        beta: *const f32,
        c: *mut f32,
        c_leading: c_int,
    ) -> Code;
    pub fn cublasSgemmStridedBatched(
        handle: Blas,
        operation_a: c_uint,
        operation_b: c_uint,
        m: c_int,
        n: c_int,
        k: c_int,
        alpha: *const f32,
        a: *const f32,
        a_leading: c_int,
        a_stride: c_longlong,
        b: *const f32,
        b_leading: c_int,
        b_stride: c_longlong,
        beta: *const f32,
        c: *mut f32,
        c_leading: c_int,
        c_stride: c_longlong,
        count: c_int,
    ) -> Code;
}
