//! An NVIDIA GPU through the driver's interface and cuBLAS.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::{CString, c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};

use super::api::{
    self, AS_IT_IS, BLOCKING_WITHOUT_TIME, CAPTURE_THREAD_LOCAL, NON_BLOCKING, PLAIN_F32, TF32, TRANSPOSED,
};
use super::device::{Address, Command, Device, Factor, Kernel, Product};
use super::failed::Failed;
use super::gpus::{driver_version, gpu_count};
use crate::compute::DeviceError;
use crate::locks::lock;
use crate::spec::Precision;

/// `kernels.cu`, compiled by `build.rs`: machine code of one capability, and PTX for newer ones.
const KERNELS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kernels.fatbin"));

/// What this process has of a GPU, one for all flows.
struct Shared {
    context: api::Context,
    /// By number of the kernel.
    functions: Vec<api::Function>,
}

// SAFETY: threads may share contexts and what is loaded into them.
unsafe impl Send for Shared {}
// SAFETY: as above; nothing of it changes.
unsafe impl Sync for Shared {}

/// The GPUs in use. They are kept to the end of the program, also where one has failed: it then says so to every flow.
static SHARED: Mutex<BTreeMap<usize, &'static Shared>> = Mutex::new(BTreeMap::new());

/// Flows on all GPUs together.
static FLOWS: AtomicUsize = AtomicUsize::new(0);

static CORES: LazyLock<usize> = LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from));

/// Memory is asked for in pieces of this size: giving one back waits for the whole GPU, also for the work of other flows.
const CHUNK: usize = 4 << 20;

/// Bytes of a flow's pinned memory. Copies that are larger are few.
const STAGE: usize = 1 << 20;

/// Held while a graph is recorded, and for what waits for a whole GPU: the latter would void the recording, also that of
/// another flow.
static RECORDING: Mutex<()> = Mutex::new(());

impl Shared {
    /// That of GPU number `ordinal`, whose context becomes that of this thread.
    fn of(ordinal: usize) -> Result<&'static Self, Failed> {
        let mut all = lock(&SHARED);
        let shared = match all.entry(ordinal) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(free) => *free.insert(Box::leak(Box::new(Self::new(ordinal)?))),
        };
        shared.bind()?;
        Ok(shared)
    }

    fn new(ordinal: usize) -> Result<Self, Failed> {
        let (mut gpu, mut context, mut module) = (0, std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: the driver has been started, as there is something to count.
        unsafe {
            Failed::driver(api::cuDeviceGet(&raw mut gpu, ordinal as c_int))?;
            Failed::driver(api::cuDevicePrimaryCtxRetain(&raw mut context, gpu))?;
        }
        let mut shared = Self { context, functions: Vec::new() };
        shared.bind()?;
        // SAFETY: the context is current; the module is whole, and the names end with a null.
        unsafe { Failed::driver(api::cuModuleLoadData(&raw mut module, KERNELS.as_ptr().cast()))? };
        for kernel in Kernel::ALL {
            let (name, mut function) = (CString::new(kernel.name()).unwrap_or_default(), std::ptr::null_mut());
            // SAFETY: as above.
            unsafe { Failed::driver(api::cuModuleGetFunction(&raw mut function, module, name.as_ptr()))? };
            shared.functions.push(function);
        }
        Ok(shared)
    }

    /// Makes this GPU that of the calling thread, which may have worked on another.
    fn bind(&self) -> Result<(), Failed> {
        // SAFETY: contexts are kept.
        Failed::driver(unsafe { api::cuCtxSetCurrent(self.context) })
    }
}

/// One GPU, with a stream of its own: flows of other threads compute beside it.
pub struct Driver {
    ordinal: usize,
    shared: &'static Shared,
    stream: api::Stream,
    /// For those who wait asleep.
    done: api::Event,
    blas: api::Blas,
    /// Of the products of recorded commands, which are those of training.
    precision: Precision,
    workspace: Address,
    /// The host's memory that the GPU copies from and to while the host goes on: [`STAGE`] bytes.
    stage: *mut u8,
    /// How many bytes of it may be in use until the stream has been waited for.
    staged: Cell<usize>,
}

/// A recorded list of commands.
pub struct Graph(api::GraphExec);

impl Driver {
    /// GPU number `ordinal`, for flows whose layers have up to `widest` values; products that are
    /// [recorded](Device::record) have this precision, all others are in f32.
    ///
    /// # Errors
    /// Where there is none, or its driver is too old for this program.
    pub fn new(ordinal: usize, widest: usize, precision: Precision) -> Result<Self, DeviceError> {
        // Where the driver does not work at all, this says so.
        let count = gpu_count()?;
        if ordinal >= count {
            return Err(DeviceError(format!("there is no cuda:{ordinal}: this machine has {count}; see `nvidia-smi`")));
        }
        let failed = |failed: Failed| told(ordinal, failed);
        let _recording = lock(&RECORDING);
        let shared = Shared::of(ordinal).map_err(failed)?;
        FLOWS.fetch_add(1, Ordering::Relaxed);
        // Nothing yet; what it has by then goes with it where something fails.
        let mut driver = Self {
            ordinal,
            shared,
            stream: std::ptr::null_mut(),
            done: std::ptr::null_mut(),
            blas: std::ptr::null_mut(),
            precision,
            workspace: 0,
            stage: std::ptr::null_mut(),
            staged: Cell::new(0),
        };
        let filled = driver.fill(widest).map_err(failed);
        // Dropping takes it too.
        drop(_recording);
        filled.map(|()| driver)
    }

    /// Gets all that a driver has.
    fn fill(&mut self, widest: usize) -> Result<(), Failed> {
        // For cuBLAS, so that it allocates nothing while a graph is recorded. What NVIDIA recommends for Hopper, and for all before
        // it: small products need no more, and many small flows share a GPU.
        let workspace = if widest < 512 { 4 << 20 } else { 32 << 20 };
        let mut stage = std::ptr::null_mut();
        // SAFETY: the context is current. Handle, stream and workspace live until this driver is dropped.
        unsafe {
            Failed::driver(api::cuStreamCreate(&raw mut self.stream, NON_BLOCKING))?;
            Failed::driver(api::cuEventCreate(&raw mut self.done, BLOCKING_WITHOUT_TIME))?;
            Failed::driver(api::cuMemHostAlloc(&raw mut stage, STAGE, 0))?;
            self.stage = stage.cast();
            Failed::blas(api::cublasCreate_v2(&raw mut self.blas))?;
            Failed::driver(api::cuMemAlloc_v2(&raw mut self.workspace, workspace))?;
            Failed::blas(api::cublasSetStream_v2(self.blas, self.stream))?;
            Failed::blas(api::cublasSetWorkspace_v2(self.blas, self.workspace as *mut c_void, workspace))
        }
    }

    /// Makes this GPU that of the calling thread, which may have worked on another.
    fn here(&self) -> Result<(), DeviceError> {
        self.told(self.shared.bind())
    }

    /// Says whose failure it is.
    fn told<T>(&self, result: Result<T, Failed>) -> Result<T, DeviceError> {
        result.map_err(|failed| {
            // cuBLAS does not say what has happened to the GPU.
            // SAFETY: the stream is this driver's.
            let beneath = Failed::driver(unsafe { api::cuStreamSynchronize(self.stream) }).err();
            told(self.ordinal, beneath.filter(|beneath| beneath.is_lasting()).unwrap_or(failed))
        })
    }

    /// Waits until all is done that was asked for. One that spins notices first, and takes a core: with many flows, they sleep.
    fn wait(&self) -> Result<(), DeviceError> {
        let sleeps = 2 * FLOWS.load(Ordering::Relaxed) > *CORES;
        // SAFETY: stream and event are this driver's.
        let waited = unsafe {
            if sleeps {
                Failed::driver(api::cuEventRecord(self.done, self.stream))
                    .and_then(|()| Failed::driver(api::cuEventSynchronize(self.done)))
            } else {
                Failed::driver(api::cuStreamSynchronize(self.stream))
            }
        };
        self.told(waited)?;
        self.staged.set(0);
        Ok(())
    }

    /// Room for a copy of `bytes` bytes in pinned memory, its own until the next [`wait`](Self::wait); `None` if it is too large.
    fn staged(&self, bytes: usize) -> Result<Option<*mut u8>, DeviceError> {
        let room = bytes.next_multiple_of(size_of::<u64>());
        if room > STAGE {
            return Ok(None);
        }
        if self.staged.get() + room > STAGE {
            self.wait()?;
        }
        let at = self.staged.replace(self.staged.get() + room);
        // SAFETY: within what was allocated.
        Ok(Some(unsafe { self.stage.add(at) }))
    }

    fn copy_to(&self, to: Address, from: *const u8, bytes: usize) -> Result<(), DeviceError> {
        // SAFETY: who calls this keeps `from` until the stream has been waited for.
        self.told(Failed::driver(unsafe { api::cuMemcpyHtoDAsync_v2(to, from.cast(), bytes, self.stream) }))
    }

    fn copy_from(&self, from: Address, to: *mut u8, bytes: usize) -> Result<(), DeviceError> {
        // SAFETY: who calls this keeps `to` until the stream has been waited for.
        self.told(Failed::driver(unsafe { api::cuMemcpyDtoHAsync_v2(to.cast(), from, bytes, self.stream) }))
    }

    fn enqueue(&self, commands: &[Command]) -> Result<(), DeviceError> {
        commands.iter().try_for_each(|command| match command {
            Command::Launch { kernel, blocks, arguments } => {
                let mut pointers: Vec<*mut c_void> =
                    arguments.iter().map(|argument| std::ptr::from_ref(&argument.0).cast_mut().cast()).collect();
                let function = self.shared.functions[*kernel as usize];
                let (blocks, threads, shared, no) = (*blocks as u32, kernel.threads() as u32, 0, std::ptr::null_mut());
                let arguments = pointers.as_mut_ptr();
                // SAFETY: arguments are those of the kernel, which a test holds them to; they are copied by the call.
                self.told(Failed::driver(unsafe {
                    api::cuLaunchKernel(function, blocks, 1, 1, threads, 1, 1, shared, self.stream, arguments, no)
                }))
            }
            Command::Product(product) => self.product(product),
        })
    }

    fn product(&self, product: &Product) -> Result<(), DeviceError> {
        let Product { rows, inner, columns, a, b, c, stride, count } = *product;
        // A few tiles with long sums, as weights' gradients of large batches are, leave most of a GPU idle. Where it computes one
        // product at a time, cuBLAS cuts the sums among more blocks.
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
        let &Product { rows, inner, columns, a, b, c, stride, count } = product;
        let side = |factor: Factor, high: usize, wide: usize| {
            let operation = if factor.transposed { TRANSPOSED } else { AS_IT_IS };
            (operation, factor.address as *const f32, if factor.transposed { high } else { wide } as c_int)
        };
        let (operation_a, a_at, a_leading) = side(a, rows, inner);
        let (operation_b, b_at, b_leading) = side(b, inner, columns);
        let (one, zero) = (1.0f32, 0.0f32);
        if count == 1 {
            // SAFETY: as below.
            return self.told(Failed::blas(unsafe {
                api::cublasSgemm_v2(
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
            }));
        }
        // SAFETY: addresses and sizes are those of allocated matrices; `one` and `zero` are read by the call.
        self.told(Failed::blas(unsafe {
            api::cublasSgemmStridedBatched(
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
        }))
    }
}

impl Device for Driver {
    type Graph = Graph;

    fn allocate(&self, bytes: usize) -> Result<Address, DeviceError> {
        self.here()?;
        let mut address = 0;
        // SAFETY: within this GPU's context.
        match Failed::driver(unsafe { api::cuMemAlloc_v2(&raw mut address, bytes) }) {
            Ok(()) => Ok(address),
            Err(failed) => {
                let mebibytes = bytes.div_ceil(1 << 20);
                Err(DeviceError(format!("{} (asked for {mebibytes} MiB)", told(self.ordinal, failed).0)))
            }
        }
    }

    fn sharing(&self) -> usize {
        FLOWS.load(Ordering::Relaxed).div_ceil(lock(&SHARED).len().max(1))
    }

    fn chunk(&self) -> usize {
        CHUNK
    }

    fn free(&self, address: Address) {
        let _recording = lock(&RECORDING);
        // A GPU that is lost has lost its memory too.
        // SAFETY: allocated by `allocate`; freeing waits for what still uses it.
        let _ = self.here().map(|()| unsafe { api::cuMemFree_v2(address) });
    }

    fn write(&self, to: Address, bytes: &[u8]) -> Result<(), DeviceError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.here()?;
        let Some(place) = self.staged(bytes.len())? else {
            self.copy_to(to, bytes.as_ptr(), bytes.len())?;
            return self.wait();
        };
        // SAFETY: there is room, which no copy that is still under way uses.
        unsafe { place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        self.copy_to(to, place, bytes.len())
    }

    fn read(&self, from: Address, bytes: &mut [u8]) -> Result<(), DeviceError> {
        self.here()?;
        let Some(place) = self.staged(bytes.len())? else {
            // A copy to memory that is not pinned would wait by itself, at the expense of a core.
            self.wait()?;
            self.copy_from(from, bytes.as_mut_ptr(), bytes.len())?;
            return self.wait();
        };
        self.copy_from(from, place, bytes.len())?;
        self.wait()?;
        // SAFETY: as many bytes as were copied there.
        unsafe { place.copy_to_nonoverlapping(bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    fn run(&self, commands: &[Command]) -> Result<(), DeviceError> {
        self.here()?;
        self.enqueue(commands)
    }

    fn record(&self, commands: &[Command]) -> Result<Graph, DeviceError> {
        self.here()?;
        let arithmetic = match self.precision {
            Precision::F32 => PLAIN_F32,
            Precision::Tf32 => TF32,
        };
        // SAFETY: the handle is whole.
        let set = |mode| self.told(Failed::blas(unsafe { api::cublasSetMathMode(self.blas, mode) }));
        set(arithmetic)?;
        let recorded = self.recorded(commands);
        set(PLAIN_F32)?;
        recorded
    }

    fn replay(&self, graph: &Graph) -> Result<(), DeviceError> {
        // SAFETY: recorded by this driver.
        self.told(Failed::driver(unsafe { api::cuGraphLaunch(graph.0, self.stream) }))
    }
}

impl Driver {
    /// A graph of `commands`, in cuBLAS's present arithmetic.
    fn recorded(&self, commands: &[Command]) -> Result<Graph, DeviceError> {
        // cuBLAS loads its kernels when they are first used, which must not happen while a graph is recorded. These
        // commands change nothing that counts before training has written its numbers.
        let products: Vec<Command> =
            commands.iter().filter(|command| matches!(command, Command::Product(_))).cloned().collect();
        self.enqueue(&products)?;
        let check = |code| self.told(Failed::driver(code));
        let _recording = lock(&RECORDING);
        self.wait()?;
        let (mut graph, mut ready) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: the stream is this driver's own; other threads have theirs, which the mode leaves alone.
        unsafe {
            check(api::cuStreamBeginCapture_v2(self.stream, CAPTURE_THREAD_LOCAL))?;
            let enqueued = self.enqueue(commands);
            // Ended in any case: a stream that is being recorded can do nothing else.
            let ended = check(api::cuStreamEndCapture(self.stream, &raw mut graph));
            let made =
                enqueued.and(ended).and_then(|()| check(api::cuGraphInstantiateWithFlags(&raw mut ready, graph, 0)));
            // There may be one that does not hold all.
            if !graph.is_null() {
                api::cuGraphDestroy(graph);
            }
            made.map(|()| Graph(ready))
        }
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: nobody else has it; one that is still running ends first.
        unsafe { api::cuGraphExecDestroy(self.0) };
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        FLOWS.fetch_sub(1, Ordering::Relaxed);
        if self.here().is_err() {
            return;
        }
        let _recording = lock(&RECORDING);
        // A GPU that has failed says so once more, which nobody needs to hear.
        // SAFETY: nothing made of them is left. What never came to be is null.
        unsafe {
            if !self.stream.is_null() {
                api::cuStreamSynchronize(self.stream);
            }
            if !self.blas.is_null() {
                api::cublasDestroy_v2(self.blas);
            }
            if self.workspace != 0 {
                api::cuMemFree_v2(self.workspace);
            }
            if !self.stage.is_null() {
                api::cuMemFreeHost(self.stage.cast());
            }
            if !self.done.is_null() {
                api::cuEventDestroy_v2(self.done);
            }
            if !self.stream.is_null() {
                api::cuStreamDestroy_v2(self.stream);
            }
        }
    }
}

fn told(ordinal: usize, failed: Failed) -> DeviceError {
    let versions = match (failed, driver_version()) {
        (Failed::NEWER_PTX, Ok([major, minor])) => {
            let toolkit = env!("CUDA_TOOLKIT");
            format!(": CUDA {major}.{minor} and {toolkit}; update the driver, or build with an older toolkit")
        }
        _ => String::new(),
    };
    DeviceError(format!("cuda:{ordinal}: {failed}{versions}"))
}
