//! A GPU that is none: the kernels of `kernels.cu`, compiled for the CPU by the C compiler that Rust links with, and commands
//! worked off thread by thread.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::{c_int, c_uint, c_void};
use std::process::Command as Process;
use std::rc::Rc;
use std::sync::LazyLock;

use libloading::Library;
use realnvp_runner::compute::cuda::{Address, Argument, Command, Device, Factor, Kernel, Product};
use realnvp_runner::flow::DeviceError;

/// Bytes around every piece of memory that nobody may touch.
const FENCE: usize = 64;
const POISON: u8 = 0xff;

type Launch = unsafe extern "C" fn(c_int, c_uint, c_uint, *mut *mut c_void, c_int, c_int) -> c_int;

/// What the source says of a kernel.
struct Declared {
    /// Types of its arguments, as written.
    types: Vec<String>,
    /// Whether its threads wait for each other.
    meets: bool,
}

struct Compiled {
    _library: Library,
    launch: Launch,
    kernels: Vec<Declared>,
}

static COMPILED: LazyLock<Compiled> = LazyLock::new(|| {
    // Tests are run in the package's folder.
    let root = std::env::current_dir().expect("a folder");
    let source = std::fs::read_to_string(root.join("src/compute/cuda/kernels.cu")).expect("the kernels");
    let kernels: Vec<Declared> = Kernel::ALL.iter().map(|kernel| declared(&source, kernel.name())).collect();
    let cases = Kernel::ALL.iter().zip(&kernels).map(|(kernel, declared)| {
        let arguments = declared.types.iter().enumerate().map(|(at, kind)| format!("ARGUMENT({kind}, {at})"));
        format!("case {}: {}({}); break; ", *kernel as i32, kernel.name(), arguments.collect::<Vec<_>>().join(", "))
    });
    let folder = tempfile::tempdir().expect("a folder");
    let (c, library) = (folder.path().join("kernels.c"), folder.path().join("kernels.so"));
    let text = format!("#define KERNELS {}\n#include \"emulated.c\"\n", cases.collect::<String>());
    std::fs::write(&c, text).expect("written");
    let out = Process::new(std::env::var_os("CC").unwrap_or("cc".into()))
        .args(["-std=gnu11", "-O1", "-ffp-contract=off", "-U_FORTIFY_SOURCE", "-shared", "-fPIC"])
        // A GPU that reads four floats at a time stops where they are not aligned.
        .args(["-fsanitize=alignment", "-fsanitize-undefined-trap-on-error", "-I"])
        .arg(root.join("tests/flows"))
        .arg("-I")
        .arg(root.join("src/compute/cuda"))
        .arg(&c)
        .arg("-lm")
        .arg("-o")
        .arg(&library)
        .output()
        .expect("a C compiler, which Rust needs too");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    // SAFETY: the library has no initialisers, and `launch` the type that it is given here.
    let (library, launch) = unsafe {
        let library = Library::new(&library).expect("the library");
        let launch = *library.get::<Launch>(b"launch").expect("its function");
        (library, launch)
    };
    Compiled { _library: library, launch, kernels }
});

/// Reads the declaration of a kernel.
fn declared(source: &str, name: &str) -> Declared {
    let start = source.find(&format!("KERNEL void {name}(")).unwrap_or_else(|| panic!("no kernel {name}"));
    let text = &source[start..];
    let body = &text[..text.find("\n}").expect("an end")];
    let (open, close) = (text.find('(').expect("arguments"), text.find(')').expect("arguments"));
    let types = text[open + 1..close].split(',').map(|argument| {
        let argument = argument.split_whitespace().collect::<Vec<_>>().join(" ");
        argument[..argument.rfind(' ').expect("a type and a name")].to_owned()
    });
    let meets = ["_sum(", "__syncthreads(", "_together("].iter().any(|word| body.contains(word));
    Declared { types: types.collect(), meets }
}

/// Which thread of a block goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    First = 0,
    Last = 1,
}

/// See the module.
pub struct Emulated {
    order: Order,
    /// Flows that share it.
    sharing: usize,
    /// Commands that it has worked off.
    pub done: Rc<Cell<usize>>,
    memory: RefCell<BTreeMap<Address, Box<[u8]>>>,
}

impl Emulated {
    pub fn new(order: Order) -> Self {
        Self::shared(order, 1)
    }

    pub fn shared(order: Order, sharing: usize) -> Self {
        Self { order, sharing, done: Rc::default(), memory: RefCell::default() }
    }

    /// The `bytes` bytes at `address`, which must lie in one piece of memory.
    fn place(&self, address: Address, bytes: usize) -> *mut u8 {
        let mut memory = self.memory.borrow_mut();
        let (start, piece) = memory.range_mut(..=address).next_back().expect("memory at this address");
        let at = FENCE + (address - start) as usize;
        assert!(at + bytes + FENCE <= piece.len(), "{bytes} bytes do not fit at this address");
        piece[at..].as_mut_ptr()
    }

    fn floats(&self, address: Address, count: usize) -> Vec<f32> {
        let mut floats = vec![0.0; count];
        self.read(address, bytemuck::cast_slice_mut(&mut floats)).expect("memory");
        floats
    }

    fn product(&self, product: &Product) {
        let &Product { rows, inner, columns, a, b, c, stride, count } = product;
        let element = |values: &[f32], factor: &Factor, high: usize, wide: usize, row: usize, column: usize| {
            f64::from(values[if factor.transposed { column * high + row } else { row * wide + column }])
        };
        for at in 0..count {
            let moved = |address: Address, stride: usize| address + 4 * (at * stride) as u64;
            let left = self.floats(moved(a.address, a.stride), rows * inner);
            let right = self.floats(moved(b.address, b.stride), inner * columns);
            let result = (0..rows * columns).map(|place| {
                let (row, column) = (place / columns, place % columns);
                let term = |k| element(&left, &a, rows, inner, row, k) * element(&right, &b, inner, columns, k, column);
                (0..inner).map(term).sum::<f64>() as f32
            });
            let result: Vec<f32> = result.collect();
            self.write(moved(c, stride), bytemuck::cast_slice(&result)).expect("memory");
        }
    }

    fn launch(&self, kernel: Kernel, blocks: usize, arguments: &[Argument]) {
        let declared = &COMPILED.kernels[kernel as usize];
        assert_eq!(arguments.len(), declared.types.len(), "arguments of {}", kernel.name());
        let mut values: Vec<u64> = arguments.iter().map(|argument| argument.0).collect();
        for (value, kind) in values.iter().zip(&declared.types) {
            if kind.ends_with('*') && *value != 0 {
                self.place(*value, 0);
            }
            let fits = kind != "int" || i32::try_from(*value).is_ok();
            assert!(fits, "{value} is no {kind} of {}", kernel.name());
        }
        let mut pointers: Vec<*mut c_void> = values.iter_mut().map(|value| std::ptr::from_mut(value).cast()).collect();
        let (meets, order) = (c_int::from(declared.meets), self.order as c_int);
        // SAFETY: the arguments are as many as the kernel has, and pointers point to memory of this device.
        let code = unsafe {
            let threads = kernel.threads() as c_uint;
            (COMPILED.launch)(kernel as c_int, blocks as c_uint, threads, pointers.as_mut_ptr(), meets, order)
        };
        assert_eq!(code, 0, "threads of {} do not meet at the same places", kernel.name());
        for piece in self.memory.borrow().values() {
            let fences = piece[..FENCE].iter().chain(&piece[piece.len() - FENCE..]);
            assert!(fences.copied().all(|byte| byte == POISON), "{} wrote where no memory is", kernel.name());
        }
    }
}

impl Device for Emulated {
    type Graph = Vec<Command>;

    fn sharing(&self) -> usize {
        self.sharing
    }

    fn allocate(&self, bytes: usize) -> Result<Address, DeviceError> {
        // What is read before it was written is not a number.
        let piece = vec![POISON; bytes + 2 * FENCE + 8].into_boxed_slice();
        let address = piece[FENCE..].as_ptr() as Address;
        assert!(address.is_multiple_of(8), "allocators align pieces of this size");
        self.memory.borrow_mut().insert(address, piece);
        Ok(address)
    }

    fn free(&self, address: Address) {
        self.memory.borrow_mut().remove(&address).expect("memory at this address");
    }

    fn write(&self, to: Address, bytes: &[u8]) -> Result<(), DeviceError> {
        // SAFETY: the place is as large as the bytes.
        unsafe { self.place(to, bytes.len()).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(())
    }

    fn read(&self, from: Address, bytes: &mut [u8]) -> Result<(), DeviceError> {
        // SAFETY: as in `write`.
        unsafe { self.place(from, bytes.len()).copy_to_nonoverlapping(bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    fn run(&self, commands: &[Command]) -> Result<(), DeviceError> {
        self.done.update(|done| done + commands.len());
        for command in commands {
            match command {
                Command::Launch { kernel, blocks, arguments } => self.launch(*kernel, *blocks, arguments),
                Command::Product(product) => self.product(product),
            }
        }
        Ok(())
    }

    fn record(&self, commands: &[Command]) -> Result<Vec<Command>, DeviceError> {
        Ok(commands.to_vec())
    }

    fn replay(&self, graph: &Vec<Command>) -> Result<(), DeviceError> {
        self.run(graph)
    }
}
