//! What goes wrong where something is computed.

/// The device refused: out of memory, lost, or not there.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the device failed: {0}")]
pub struct DeviceError(pub String);

#[cfg(not(feature = "cuda"))]
impl DeviceError {
    /// CUDA was asked for, and is not compiled in.
    pub fn without_cuda() -> Self {
        Self(
            "this program was built without CUDA; build it with `cargo build --release --features cuda`, or use \
             `--device cpu`"
                .to_owned(),
        )
    }
}
