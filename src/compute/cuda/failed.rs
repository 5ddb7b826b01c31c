//! What NVIDIA's driver and cuBLAS answer where something fails.

/// What every function answers: 0 where it did what it was asked for.
pub type Code = i32;

/// Why a call did not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// A call of the driver answered with this code.
    Driver(Code),
    /// A call of cuBLAS answered with this code.
    Blas(Code),
}

/// Words for what people meet; for all else the number, which NVIDIA's documentation of `CUresult` or `cublasStatus_t` lists.
impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = match *self {
            Self::Driver(2) => "it is out of memory; use a smaller batch or width, or fewer `trials_per_gpu`",
            Self::Driver(3 | 802 | 999) => "the driver cannot start; see what `nvidia-smi` says",
            Self::Driver(34) => {
                "this program found the toolkit's stub of libcuda.so.1 instead of the driver's own; mend \
                 `LD_LIBRARY_PATH`"
            }
            Self::Driver(35) => "its driver is too old for this program; update the driver",
            Self::Driver(46) => {
                "it is busy or unavailable; where its compute mode is exclusive, another program has it (see `nvidia-smi`)"
            }
            Self::Driver(100) => "there is no GPU, or `CUDA_VISIBLE_DEVICES` hides it",
            Self::Driver(101) => "`CUDA_VISIBLE_DEVICES` or the machine has no such GPU",
            Self::Driver(200 | 209 | 218) => {
                "this program was not compiled for a GPU like it; build it with a lower `CUDA_COMPUTE_CAP`"
            }
            Self::Driver(803 | 804) => "driver and kernel module are of different versions; restart the machine",
            Self::Driver(805..=810) => "CUDA's multi-process service does not answer, or serves too many programs",
            Self::NEWER_PTX => "its driver is older than the toolkit that built this program",
            Self::Driver(code) if self.is_lasting() => {
                let what = match code {
                    214 => "its memory has an error that cannot be corrected (ECC)",
                    220 => "its link to other GPUs has failed (NVLink)",
                    700 | 716 | 717 => "a kernel touched memory that is not its own",
                    702 => "a kernel ran longer than the driver allows",
                    709 => "what it held for this program is gone",
                    _ => "a kernel crashed",
                };
                return write!(
                    f,
                    "{what} (CUDA error {code}), and it does nothing more for this process; restart: the same \
                     command goes on from the last checkpoints"
                );
            }
            Self::Driver(code) => return write!(f, "CUDA error {code}; see what `nvidia-smi` says"),
            Self::Blas(1) => "cuBLAS cannot start: the GPU is out of memory, or its driver too old",
            Self::Blas(3) => "cuBLAS is out of memory; use a smaller batch or width, or fewer `trials_per_gpu`",
            Self::Blas(8) => "this cuBLAS does not know a GPU like it; install a newer or an older one",
            Self::Blas(code) => return write!(f, "cuBLAS error {code}"),
        };
        f.write_str(words)
    }
}

impl Failed {
    /// The program's kernels were compiled by a toolkit that is newer than the driver.
    pub const NEWER_PTX: Self = Self::Driver(222);

    /// What an answer of the driver means.
    ///
    /// # Errors
    /// Any code but 0.
    pub fn driver(code: Code) -> Result<(), Self> {
        if code == 0 { Ok(()) } else { Err(Self::Driver(code)) }
    }

    /// What an answer of cuBLAS means.
    ///
    /// # Errors
    /// Any code but 0.
    pub fn blas(code: Code) -> Result<(), Self> {
        if code == 0 { Ok(()) } else { Err(Self::Blas(code)) }
    }

    /// Whether the GPU answers every later call of this process likewise.
    pub fn is_lasting(self) -> bool {
        matches!(self, Self::Driver(214 | 220 | 700 | 702 | 709 | 710 | 714..=719))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_words() {
        for code in -1..2000 {
            for failed in [Failed::Driver(code), Failed::Blas(code)] {
                let text = failed.to_string();
                assert!(!text.is_empty() && !text.ends_with('.'), "{failed:?}: {text}");
                assert_eq!(text.contains("restart:"), failed.is_lasting(), "{failed:?}: {text}");
            }
        }
        assert!(Failed::Driver(2).to_string().contains("out of memory"));
        assert!(Failed::Driver(1234).to_string().contains("CUDA error 1234"));
    }
}
