//! Compiles the CUDA kernels, where they are asked for, with the toolkit that dfdx needs anyway.

use std::path::PathBuf;
use std::process::Command;

const SOURCE: &str = "src/compute/cuda/kernels.cu";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    println!("cargo:rerun-if-changed={SOURCE}");
    let kernels = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("kernels.fatbin");
    if std::env::var_os("CARGO_FEATURE_CUDA_CI").is_some() {
        // Type-checked, or linked with what only pretends to be a GPU: see cuda/rehearse.
        std::fs::write(&kernels, "").expect("cargo's folder can be written");
        println!("cargo:rustc-env=CUDA_TOOLKIT=13.0");
        println!("cargo:rerun-if-env-changed=REHEARSAL");
        if let Some(library) = std::env::var_os("REHEARSAL") {
            println!("cargo:rustc-link-search=native={}", library.display());
            println!("cargo:rustc-link-lib=dylib=rehearsal");
        }
        return;
    }
    println!("cargo:rerun-if-env-changed=CUDA_COMPUTE_CAP");
    println!("cargo:rustc-env=CUDA_TOOLKIT={}", toolkit());
    let query = ["--query-gpu=compute_cap", "--format=csv,noheader"];
    let answer =
        Command::new("nvidia-smi").args(query).output().expect("nvidia-smi, to know the GPU's compute capability");
    let answer = String::from_utf8_lossy(&answer.stdout);
    // For all GPUs of this machine, so for the oldest.
    let oldest = answer.lines().filter_map(|line| line.trim().replace('.', "").parse::<u32>().ok()).min();
    let asked = std::env::var("CUDA_COMPUTE_CAP").ok().and_then(|capability| capability.parse().ok());
    let capability = asked.or(oldest).unwrap_or_else(|| panic!("nvidia-smi names no compute capability: {answer}"));
    let status = Command::new("nvcc")
        // Machine code for this capability, and what newer GPUs' drivers compile themselves.
        .args(["--fatbin", "-O3", "-gencode"])
        .arg(format!("arch=compute_{capability},code=[sm_{capability},compute_{capability}]"))
        .args([SOURCE, "-o"])
        .arg(&kernels)
        .status()
        .expect("nvcc, of the CUDA toolkit, on the PATH");
    assert!(status.success(), "nvcc does not compile {SOURCE}");
}

/// The toolkit's version, such as 13.0: what a driver must be as new as.
fn toolkit() -> String {
    let answer = Command::new("nvcc").arg("--version").output().expect("nvcc, of the CUDA toolkit, on the PATH");
    let answer = String::from_utf8_lossy(&answer.stdout);
    let version = answer.split_once("release ").and_then(|(_, rest)| rest.split([',', '\n']).next());
    version.unwrap_or("of an unknown version").to_owned()
}
