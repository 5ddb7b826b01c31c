//! Vector registers behind one small trait, and the choice of instruction set at run time.

use std::sync::OnceLock;

/// Instruction sets the kernels are compiled for, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Whatever the build targets: SSE2 on x86-64, NEON on Arm.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, VL, BW, DQ.
    Avx512,
}

impl Level {
    /// The best level this processor has. The variable `RUNNER_SIMD` (`portable`, `avx2`, `avx512`) asks for a weaker
    /// one, to reproduce the bits of a run made on an older machine.
    pub fn detect() -> Self {
        static CHOSEN: OnceLock<Level> = OnceLock::new();
        *CHOSEN.get_or_init(|| {
            let best = Self::available().last().copied().unwrap_or(Self::Portable);
            let asked = std::env::var("RUNNER_SIMD").ok();
            let asked = Self::available().into_iter().find(|level| asked.as_deref() == Some(level.as_str()));
            asked.unwrap_or(best)
        })
    }

    /// The levels this processor has, weakest first.
    pub fn available() -> Vec<Self> {
        let mut levels = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                levels.push(Self::Avx2);
            }
            if ["avx512f", "avx512vl", "avx512bw", "avx512dq"].into_iter().all(has_avx512) && levels.len() == 2 {
                levels.push(Self::Avx512);
            }
        }
        levels
    }

    /// Its name in records: `instruction_set` of a manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx512(feature: &str) -> bool {
    match feature {
        "avx512f" => is_x86_feature_detected!("avx512f"),
        "avx512vl" => is_x86_feature_detected!("avx512vl"),
        "avx512bw" => is_x86_feature_detected!("avx512bw"),
        _ => is_x86_feature_detected!("avx512dq"),
    }
}

/// A register of `f32` lanes.
///
/// # Safety
/// Methods may be called only where the processor has the instruction set of the implementing type; pointers must be
/// valid for [`LANES`](Simd::LANES) values.
pub(crate) trait Simd: Copy {
    type V: Copy;
    const LANES: usize;
    /// Rows of a tile that fit the register file beside two columns of registers.
    const ROWS: usize;
    unsafe fn splat(value: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    /// a·b + c.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// max(v, 0), NaN kept.
    unsafe fn relu(v: Self::V) -> Self::V;
    /// v where gate > 0, else 0.
    unsafe fn where_positive(gate: Self::V, v: Self::V) -> Self::V;
    /// The sum of the lanes, in a fixed order.
    unsafe fn sum(v: Self::V) -> f32;

    /// One truth value a lane.
    type Mask: Copy;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sqrt(v: Self::V) -> Self::V;
    /// The larger one; b where a is NaN.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// a < b; false where one is NaN.
    unsafe fn less(a: Self::V, b: Self::V) -> Self::Mask;
    /// `yes` where the mask is true, else `no`.
    unsafe fn select(mask: Self::Mask, yes: Self::V, no: Self::V) -> Self::V;
    /// 2ⁿ, of n + 1.5·2²³ with −126 ≤ n ≤ 127.
    unsafe fn power_of_two(shifted: Self::V) -> Self::V;
    /// m and n of v = m·2ⁿ with 1 ≤ m < 2, for normal positive v.
    unsafe fn split_exponent(v: Self::V) -> [Self::V; 2];

    /// Asks for the cache lines of `values` values at `at`, which will be written. Any address will do.
    #[inline(always)]
    fn prefetch_for_write(_at: *const f32, _values: usize) {}

    /// Asks for the cache lines of `values` values at `at` to come as near as the second cache. Any address will do.
    #[inline(always)]
    fn prefetch(_at: *const f32, _values: usize) {}

    /// Transposes a square block of [`LANES`](Simd::LANES) rows; rows are `from_stride` and `to_stride` values apart, and
    /// all of them must be valid.
    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        for i in 0..Self::LANES {
            for j in 0..Self::LANES {
                // SAFETY: handed on to the caller.
                unsafe { *to.add(j * to_stride + i) = *from.add(i * from_stride + j) };
            }
        }
    }
}

/// Eight lanes in plain Rust.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

// SAFETY of all methods: plain Rust but for the pointers, which the caller vouches for.
impl Simd for Portable {
    type V = [f32; 8];
    const LANES: usize = 8;
    const ROWS: usize = 4;
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        [value; 8]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        unsafe { from.cast::<[f32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        unsafe { to.cast::<[f32; 8]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn relu(v: Self::V) -> Self::V {
        v.map(|x| if x < 0.0 { 0.0 } else { x })
    }
    #[inline(always)]
    unsafe fn where_positive(gate: Self::V, v: Self::V) -> Self::V {
        std::array::from_fn(|i| if gate[i] > 0.0 { v[i] } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn sum(v: Self::V) -> f32 {
        ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
    }
    type Mask = [bool; 8];
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] / b[i])
    }
    #[inline(always)]
    unsafe fn sqrt(v: Self::V) -> Self::V {
        v.map(f32::sqrt)
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn less(a: Self::V, b: Self::V) -> Self::Mask {
        std::array::from_fn(|i| a[i] < b[i])
    }
    #[inline(always)]
    unsafe fn select(mask: Self::Mask, yes: Self::V, no: Self::V) -> Self::V {
        std::array::from_fn(|i| if mask[i] { yes[i] } else { no[i] })
    }
    #[inline(always)]
    unsafe fn power_of_two(shifted: Self::V) -> Self::V {
        shifted.map(|v| f32::from_bits((v.to_bits() << 23).wrapping_add(127 << 23)))
    }
    #[inline(always)]
    unsafe fn split_exponent(v: Self::V) -> [Self::V; 2] {
        let mantissa = v.map(|v| f32::from_bits(v.to_bits() & 0x007f_ffff | 127 << 23));
        [mantissa, v.map(|v| ((v.to_bits() >> 23) as i32 - 127) as f32)]
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Simd;
    use std::arch::x86_64::*;

    /// As [`Simd::prefetch`].
    #[inline(always)]
    fn prefetch(at: *const f32, values: usize) {
        for line in (0..values).step_by(16) {
            // SAFETY: a prefetch reads nothing and faults nowhere.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(at.wrapping_add(line).cast()) };
        }
    }

    #[derive(Clone, Copy)]
    pub(crate) struct Avx2;

    // SAFETY of all methods: the caller vouches for AVX2 and FMA and for the pointers.
    impl Simd for Avx2 {
        type V = __m256;
        const LANES: usize = 8;
        const ROWS: usize = 6;
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self::V {
            unsafe { _mm256_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self::V {
            unsafe { _mm256_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, v: Self::V) {
            unsafe { _mm256_storeu_ps(to, v) }
        }
        #[inline(always)]
        unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn relu(v: Self::V) -> Self::V {
            // The second operand is returned for NaN.
            unsafe { _mm256_max_ps(_mm256_setzero_ps(), v) }
        }
        #[inline(always)]
        unsafe fn where_positive(gate: Self::V, v: Self::V) -> Self::V {
            unsafe { _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(gate, _mm256_setzero_ps()), v) }
        }
        #[inline(always)]
        unsafe fn sum(v: Self::V) -> f32 {
            unsafe {
                let half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
                let quarter = _mm_add_ps(half, _mm_movehl_ps(half, half));
                _mm_cvtss_f32(_mm_add_ss(quarter, _mm_shuffle_ps::<1>(quarter, quarter)))
            }
        }
        type Mask = __m256;
        #[inline(always)]
        unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm256_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm256_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm256_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm256_div_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sqrt(v: Self::V) -> Self::V {
            unsafe { _mm256_sqrt_ps(v) }
        }
        #[inline(always)]
        unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm256_max_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn less(a: Self::V, b: Self::V) -> Self::Mask {
            unsafe { _mm256_cmp_ps::<_CMP_LT_OQ>(a, b) }
        }
        #[inline(always)]
        unsafe fn select(mask: Self::Mask, yes: Self::V, no: Self::V) -> Self::V {
            unsafe { _mm256_blendv_ps(no, yes, mask) }
        }
        #[inline(always)]
        unsafe fn power_of_two(shifted: Self::V) -> Self::V {
            unsafe {
                let exponent = _mm256_slli_epi32::<23>(_mm256_castps_si256(shifted));
                _mm256_castsi256_ps(_mm256_add_epi32(exponent, _mm256_set1_epi32(127 << 23)))
            }
        }
        #[inline(always)]
        unsafe fn split_exponent(v: Self::V) -> [Self::V; 2] {
            unsafe {
                let bits = _mm256_castps_si256(v);
                let exponent = _mm256_sub_epi32(_mm256_srli_epi32::<23>(bits), _mm256_set1_epi32(127));
                let mantissa = _mm256_and_si256(bits, _mm256_set1_epi32(0x007f_ffff));
                let one = _mm256_or_si256(mantissa, _mm256_set1_epi32(127 << 23));
                [_mm256_castsi256_ps(one), _mm256_cvtepi32_ps(exponent)]
            }
        }
        #[inline(always)]
        fn prefetch(at: *const f32, values: usize) {
            prefetch(at, values);
        }
        /// Three rounds of exchanges: single values, pairs, then halves of registers.
        #[inline(always)]
        unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
            unsafe {
                let zero = _mm256_setzero_ps();
                let rows: [__m256; 8] = std::array::from_fn(|i| Self::load(from.add(i * from_stride)));
                let mut pairs = [zero; 8];
                for i in 0..4 {
                    pairs[2 * i] = _mm256_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
                    pairs[2 * i + 1] = _mm256_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
                }
                // fours[4g + c]: column c of both halves, from rows 4g to 4g + 3.
                let mut fours = [zero; 8];
                for g in 0..2 {
                    let [a, b, c, d] = std::array::from_fn(|i| pairs[4 * g + i]);
                    fours[4 * g] = _mm256_shuffle_ps::<0x44>(a, c);
                    fours[4 * g + 1] = _mm256_shuffle_ps::<0xee>(a, c);
                    fours[4 * g + 2] = _mm256_shuffle_ps::<0x44>(b, d);
                    fours[4 * g + 3] = _mm256_shuffle_ps::<0xee>(b, d);
                }
                for c in 0..4 {
                    let (upper, lower) = (fours[c], fours[4 + c]);
                    Self::store(to.add(c * to_stride), _mm256_permute2f128_ps::<0x20>(upper, lower));
                    Self::store(to.add((4 + c) * to_stride), _mm256_permute2f128_ps::<0x31>(upper, lower));
                }
            }
        }
    }

    #[derive(Clone, Copy)]
    pub(crate) struct Avx512;

    // SAFETY of all methods: the caller vouches for AVX-512 and for the pointers.
    impl Simd for Avx512 {
        type V = __m512;
        const LANES: usize = 16;
        const ROWS: usize = 8;
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self::V {
            unsafe { _mm512_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self::V {
            unsafe { _mm512_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, v: Self::V) {
            unsafe { _mm512_storeu_ps(to, v) }
        }
        #[inline(always)]
        unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn relu(v: Self::V) -> Self::V {
            unsafe { _mm512_max_ps(_mm512_setzero_ps(), v) }
        }
        #[inline(always)]
        unsafe fn where_positive(gate: Self::V, v: Self::V) -> Self::V {
            unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(gate, _mm512_setzero_ps()), v) }
        }
        #[inline(always)]
        unsafe fn sum(v: Self::V) -> f32 {
            unsafe { _mm512_reduce_add_ps(v) }
        }
        type Mask = __mmask16;
        #[inline(always)]
        unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm512_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm512_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm512_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm512_div_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sqrt(v: Self::V) -> Self::V {
            unsafe { _mm512_sqrt_ps(v) }
        }
        #[inline(always)]
        unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm512_max_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn less(a: Self::V, b: Self::V) -> Self::Mask {
            unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b) }
        }
        #[inline(always)]
        unsafe fn select(mask: Self::Mask, yes: Self::V, no: Self::V) -> Self::V {
            unsafe { _mm512_mask_mov_ps(no, mask, yes) }
        }
        #[inline(always)]
        unsafe fn power_of_two(shifted: Self::V) -> Self::V {
            unsafe {
                let exponent = _mm512_slli_epi32::<23>(_mm512_castps_si512(shifted));
                _mm512_castsi512_ps(_mm512_add_epi32(exponent, _mm512_set1_epi32(127 << 23)))
            }
        }
        #[inline(always)]
        unsafe fn split_exponent(v: Self::V) -> [Self::V; 2] {
            unsafe { [_mm512_getmant_ps::<_MM_MANT_NORM_1_2, _MM_MANT_SIGN_ZERO>(v), _mm512_getexp_ps(v)] }
        }
        #[inline(always)]
        fn prefetch_for_write(at: *const f32, values: usize) {
            for line in (0..values).step_by(16) {
                // SAFETY: a prefetch reads nothing and faults nowhere.
                unsafe { _mm_prefetch::<_MM_HINT_ET0>(at.wrapping_add(line).cast()) };
            }
        }
        #[inline(always)]
        fn prefetch(at: *const f32, values: usize) {
            prefetch(at, values);
        }
        /// Four rounds of exchanges: single values, pairs, then quarters of registers twice.
        #[inline(always)]
        unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
            unsafe {
                let zero = _mm512_setzero_ps();
                let rows: [__m512; 16] = std::array::from_fn(|i| Self::load(from.add(i * from_stride)));
                let mut pairs = [zero; 16];
                for i in 0..8 {
                    pairs[2 * i] = _mm512_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
                    pairs[2 * i + 1] = _mm512_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
                }
                // fours[4g + c]: column c of every quarter, from rows 4g to 4g + 3.
                let mut fours = [zero; 16];
                for g in 0..4 {
                    let pair = |i: usize| _mm512_castps_pd(pairs[4 * g + i]);
                    fours[4 * g] = _mm512_castpd_ps(_mm512_unpacklo_pd(pair(0), pair(2)));
                    fours[4 * g + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(pair(0), pair(2)));
                    fours[4 * g + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(pair(1), pair(3)));
                    fours[4 * g + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(pair(1), pair(3)));
                }
                for c in 0..4 {
                    let (a, b, d, e) = (fours[c], fours[4 + c], fours[8 + c], fours[12 + c]);
                    // Quarters 0 and 2, then 1 and 3, of the upper and of the lower eight rows.
                    let even = [_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0x88>(d, e)];
                    let odd = [_mm512_shuffle_f32x4::<0xdd>(a, b), _mm512_shuffle_f32x4::<0xdd>(d, e)];
                    Self::store(to.add(c * to_stride), _mm512_shuffle_f32x4::<0x88>(even[0], even[1]));
                    Self::store(to.add((8 + c) * to_stride), _mm512_shuffle_f32x4::<0xdd>(even[0], even[1]));
                    Self::store(to.add((4 + c) * to_stride), _mm512_shuffle_f32x4::<0x88>(odd[0], odd[1]));
                    Self::store(to.add((12 + c) * to_stride), _mm512_shuffle_f32x4::<0xdd>(odd[0], odd[1]));
                }
            }
        }
    }
}

/// Runs a generic function with the instruction set of a [`Level`]: `dispatch!(level, function(arguments…))` calls
/// `function::<S>(arguments…)` inside a function compiled for that set.
macro_rules! dispatch {
    ($name:ident => $function:ident($($argument:ident: $type:ty),* $(,)?)) => {
        /// The same for the instruction set of `level`, which must be available.
        pub(crate) fn $name(level: $crate::compute::simd::Level, $($argument: $type),*) {
            use $crate::compute::simd;
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
            fn avx512($($argument: $type),*) {
                $function::<simd::Avx512>($($argument),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($argument: $type),*) {
                $function::<simd::Avx2>($($argument),*)
            }
            match level {
                // SAFETY: a level above `Portable` comes from `Level::available`, which asked the processor.
                #[cfg(target_arch = "x86_64")]
                simd::Level::Avx512 => unsafe { avx512($($argument),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                simd::Level::Avx2 => unsafe { avx2($($argument),*) },
                _ => $function::<simd::Portable>($($argument),*),
            }
        }
    };
}
pub(crate) use dispatch;
