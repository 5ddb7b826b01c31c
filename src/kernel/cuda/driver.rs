//! An NVIDIA GPU through the driver's interface and cuBLAS.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::{CString, c_int, c_void};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cudarc::cublas::{result as blas, sys as blas_sys};
use cudarc::driver::{CudaDevice, DriverError, result, sys};

use super::device::{Address, BLOCK, Command, Device, Factor, Kernel, Product};
use crate::flow::DeviceError;

/// `kernels.cu`, compiled by `build.rs`; ends with a null.
const PTX: &str = concat!(include_str!(concat!(env!("OUT_DIR"), "/kernels.ptx")), "\0");

/// What NVIDIA recommends for Hopper; given to cuBLAS so that it allocates nothing while a graph is recorded.
const WORKSPACE: usize = 32 << 20;

/// The GPUs in use. They are kept to the end of the program: giving one back after it has failed would panic.
static DEVICES: Mutex<BTreeMap<usize, Arc<CudaDevice>>> = Mutex::new(BTreeMap::new());

/// Held while a graph is recorded, and for what waits for a whole GPU: the latter would void the recording, also that of
/// another flow.
static RECORDING: Mutex<()> = Mutex::new(());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One GPU, with a stream of its own: flows of other threads compute beside it.
pub struct Driver {
    ordinal: usize,
    device: Arc<CudaDevice>,
    stream: sys::CUstream,
    module: sys::CUmodule,
    functions: Vec<sys::CUfunction>,
    blas: blas_sys::cublasHandle_t,
    workspace: sys::CUdeviceptr,
}

/// A recorded list of commands.
pub struct Graph(sys::CUgraphExec);

impl Driver {
    /// GPU number `ordinal`.
    ///
    /// # Errors
    /// Where there is none, or its driver is too old for this program.
    pub fn new(ordinal: usize) -> Result<Self, DeviceError> {
        // Where the driver does not work at all, this says so.
        let count = crate::flow::gpu_count()?;
        if ordinal >= count {
            return Err(DeviceError(format!("there is no cuda:{ordinal}: this machine has {count}; see `nvidia-smi`")));
        }
        let failed = |error: DriverError| failed(ordinal, error);
        let device = match lock(&DEVICES).entry(ordinal) {
            Entry::Occupied(known) => Arc::clone(known.get()),
            Entry::Vacant(free) => Arc::clone(free.insert(CudaDevice::new(ordinal).map_err(failed)?)),
        };
        device.bind_to_thread().map_err(failed)?;
        // Nothing yet; what it has by then goes with it where something fails.
        let mut driver = Self {
            ordinal,
            device,
            stream: std::ptr::null_mut(),
            module: std::ptr::null_mut(),
            functions: Vec::new(),
            blas: std::ptr::null_mut(),
            workspace: 0,
        };
        let _recording = lock(&RECORDING);
        driver.stream = result::stream::create(result::stream::StreamKind::NonBlocking).map_err(failed)?;
        // SAFETY: the text ends with a null, and the context of the device is current.
        driver.module = unsafe { result::module::load_data(PTX.as_ptr().cast::<c_void>()) }.map_err(failed)?;
        let functions = Kernel::ALL.iter().map(|kernel| {
            let name = CString::new(kernel.name()).unwrap_or_default();
            // SAFETY: the module is loaded, and stays so as long as this driver.
            unsafe { result::module::get_function(driver.module, name) }
        });
        driver.functions = functions.collect::<Result<_, _>>().map_err(failed)?;
        driver.blas = blas::create_handle().map_err(|error| of_blas(ordinal, error))?;
        // SAFETY: within the context of the device.
        driver.workspace = unsafe { result::malloc_sync(WORKSPACE) }.map_err(failed)?;
        // SAFETY: handle, stream and workspace live until this driver is dropped; both libraries' streams are one type.
        unsafe {
            blas::set_stream(driver.blas, driver.stream.cast()).map_err(|error| of_blas(ordinal, error))?;
            blas_sys::cublasSetWorkspace_v2(driver.blas, driver.workspace as *mut c_void, WORKSPACE)
                .result()
                .map_err(|error| of_blas(ordinal, error))?;
        }
        Ok(driver)
    }

    /// Makes this GPU that of the calling thread, which may have worked on another.
    fn here(&self) -> Result<(), DeviceError> {
        self.device.bind_to_thread().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: DriverError) -> DeviceError {
        failed(self.ordinal, error)
    }

    fn enqueue(&self, commands: &[Command]) -> Result<(), DeviceError> {
        commands.iter().try_for_each(|command| match command {
            Command::Launch { kernel, blocks, arguments } => {
                let mut pointers: Vec<*mut c_void> =
                    arguments.iter().map(|argument| std::ptr::from_ref(&argument.0).cast_mut().cast()).collect();
                let function = self.functions[*kernel as usize];
                // SAFETY: arguments are those of the kernel, which a test holds them to; they are copied by the call.
                unsafe {
                    result::launch_kernel(
                        function,
                        (*blocks as u32, 1, 1),
                        (BLOCK as u32, 1, 1),
                        0,
                        self.stream,
                        &mut pointers,
                    )
                }
                .map_err(|error| self.failed(error))
            }
            Command::Product(product) => self.product(product),
        })
    }

    fn product(&self, product: &Product) -> Result<(), DeviceError> {
        let Product { rows, inner, columns, a, b, c, stride, count } = *product;
        // A few tiles with long sums, as weights' gradients are, leave most of a GPU idle. Where it computes one product at
        // a time, cuBLAS cuts the sums among more blocks.
        const TILE: usize = 128;
        let tiles = rows.div_ceil(TILE) * columns.div_ceil(TILE) * count;
        if tiles >= 100 || inner < 8 * TILE {
            return self.batched(product);
        }
        let moved =
            |factor: Factor, at: usize| Factor { address: factor.address + 4 * (at * factor.stride) as u64, ..factor };
        (0..count).try_for_each(|at| {
            let c = c + 4 * (at * stride) as u64;
            self.batched(&Product { a: moved(a, at), b: moved(b, at), c, count: 1, ..*product })
        })
    }

    /// cuBLAS's matrices are column-major, ours row-major: it computes Cᵀ = Bᵀ·Aᵀ.
    fn batched(&self, product: &Product) -> Result<(), DeviceError> {
        use blas_sys::cublasOperation_t::{CUBLAS_OP_N, CUBLAS_OP_T};
        let &Product { rows, inner, columns, a, b, c, stride, count } = product;
        let side = |factor: Factor, high: usize, wide: usize| {
            let operation = if factor.transposed { CUBLAS_OP_T } else { CUBLAS_OP_N };
            (operation, factor.address as *const f32, if factor.transposed { high } else { wide } as c_int)
        };
        let (operation_a, a_at, a_leading) = side(a, rows, inner);
        let (operation_b, b_at, b_leading) = side(b, inner, columns);
        let (one, zero) = (1.0f32, 0.0f32);
        if count == 1 {
            // SAFETY: as below.
            return unsafe {
                blas_sys::cublasSgemm_v2(
                    self.blas,
                    operation_b,
                    operation_a,
                    columns as c_int,
                    rows as c_int,
                    inner as c_int,
                    &raw const one,
                    b_at,
                    b_leading,
                    a_at,
                    a_leading,
                    &raw const zero,
                    c as *mut f32,
                    columns as c_int,
                )
            }
            .result()
            .map_err(|error| of_blas(self.ordinal, error));
        }
        // SAFETY: addresses and sizes are those of allocated matrices; `one` and `zero` are read by the call.
        unsafe {
            blas_sys::cublasSgemmStridedBatched(
                self.blas,
                operation_b,
                operation_a,
                columns as c_int,
                rows as c_int,
                inner as c_int,
                &raw const one,
                b_at,
                b_leading,
                b.stride as i64,
                a_at,
                a_leading,
                a.stride as i64,
                &raw const zero,
                c as *mut f32,
                columns as c_int,
                stride as i64,
                count as c_int,
            )
        }
        .result()
        .map_err(|error| of_blas(self.ordinal, error))
    }
}

impl Device for Driver {
    type Graph = Graph;

    fn allocate(&self, bytes: usize) -> Result<Address, DeviceError> {
        self.here()?;
        // SAFETY: within this GPU's context.
        unsafe { result::malloc_sync(bytes) }.map_err(|error| {
            let mebibytes = bytes.div_ceil(1 << 20);
            DeviceError(format!("{} (asked for {mebibytes} MiB)", self.failed(error).0))
        })
    }

    fn free(&self, address: Address) {
        let _recording = lock(&RECORDING);
        // A GPU that is lost has lost its memory too.
        // SAFETY: allocated by `allocate`; freeing waits for what still uses it.
        let _ = self.here().map(|()| unsafe { result::free_sync(address) });
    }

    fn write(&self, to: Address, bytes: &[u8]) -> Result<(), DeviceError> {
        self.here()?;
        // SAFETY: waited for before `bytes` can go away.
        unsafe {
            result::memcpy_htod_async(to, bytes, self.stream)
                .and_then(|()| result::stream::synchronize(self.stream))
                .map_err(|error| self.failed(error))
        }
    }

    fn read(&self, from: Address, bytes: &mut [u8]) -> Result<(), DeviceError> {
        self.here()?;
        // SAFETY: waited for before `bytes` is given back.
        unsafe {
            result::memcpy_dtoh_async(bytes, from, self.stream)
                .and_then(|()| result::stream::synchronize(self.stream))
                .map_err(|error| self.failed(error))
        }
    }

    fn run(&self, commands: &[Command]) -> Result<(), DeviceError> {
        self.here()?;
        self.enqueue(commands)
    }

    fn record(&self, commands: &[Command]) -> Result<Graph, DeviceError> {
        self.here()?;
        // cuBLAS loads its kernels when they are first used, which must not happen while a graph is recorded. These
        // commands change nothing that counts before training has written its numbers.
        let products: Vec<Command> =
            commands.iter().filter(|command| matches!(command, Command::Product(_))).cloned().collect();
        self.enqueue(&products)?;
        let check = |code: sys::CUresult| code.result().map_err(|error| self.failed(error));
        let _recording = lock(&RECORDING);
        let (mut graph, mut ready) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: the stream is this driver's own; other threads have theirs, which the mode leaves alone.
        unsafe {
            result::stream::synchronize(self.stream).map_err(|error| self.failed(error))?;
            let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
            check(sys::cuStreamBeginCapture_v2(self.stream, mode))?;
            let enqueued = self.enqueue(commands);
            // Ended in any case: a stream that is being recorded can do nothing else.
            let ended = check(sys::cuStreamEndCapture(self.stream, &raw mut graph));
            enqueued.and(ended)?;
            let made = check(sys::cuGraphInstantiateWithFlags(&raw mut ready, graph, 0));
            check(sys::cuGraphDestroy(graph))?;
            made?;
        }
        Ok(Graph(ready))
    }

    fn replay(&self, graph: &Graph) -> Result<(), DeviceError> {
        // SAFETY: recorded by this driver.
        unsafe { sys::cuGraphLaunch(graph.0, self.stream) }.result().map_err(|error| self.failed(error))
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: nobody else has it; one that is still running ends first.
        let _ = unsafe { sys::cuGraphExecDestroy(self.0) };
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.here().is_ok() {
            let _recording = lock(&RECORDING);
            // SAFETY: nothing made of them is left. What never came to be is null.
            unsafe {
                if !self.stream.is_null() {
                    let _ = result::stream::synchronize(self.stream);
                }
                if !self.blas.is_null() {
                    let _ = blas::destroy_handle(self.blas);
                }
                if self.workspace != 0 {
                    let _ = result::free_sync(self.workspace);
                }
                if !self.module.is_null() {
                    let _ = result::module::unload(self.module);
                }
                if !self.stream.is_null() {
                    let _ = result::stream::destroy(self.stream);
                }
            }
        }
    }
}

fn failed(ordinal: usize, DriverError(code): DriverError) -> DeviceError {
    use sys::CUresult::{CUDA_ERROR_OUT_OF_MEMORY, CUDA_ERROR_UNSUPPORTED_PTX_VERSION};
    // Not the error itself: where the driver has no words for it, printing it panics.
    let why = match code {
        CUDA_ERROR_OUT_OF_MEMORY => {
            "it is out of memory; use a smaller batch or width, or fewer `trials_per_gpu`".to_owned()
        }
        CUDA_ERROR_UNSUPPORTED_PTX_VERSION => {
            "its driver is older than the toolkit that built this program; update the driver".to_owned()
        }
        code => format!("{code:?}; see what `nvidia-smi` says"),
    };
    DeviceError(format!("cuda:{ordinal}: {why}"))
}

fn of_blas(ordinal: usize, error: blas::CublasError) -> DeviceError {
    DeviceError(format!("cuda:{ordinal}: cuBLAS: {:?}", error.0))
}
