//! Buffers that begin at a cache line.

use std::ops::{Deref, DerefMut};

use bytemuck::{Pod, Zeroable};

/// A cache line, which is also the widest register.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// A vector of numbers on whole cache lines. A register that is loaded across two of them costs two loads, and what `Vec` asks the
/// allocator for begins at any multiple of 4 bytes (in practice of 16).
#[derive(Default)]
pub(crate) struct Buffer {
    lines: Vec<Line>,
    length: usize,
}

impl Buffer {
    /// Resizes to `length` numbers; new ones are 0.
    pub fn resize(&mut self, length: usize) {
        self.lines.resize(length.div_ceil(size_of::<Line>() / size_of::<f32>()), Line::zeroed());
        self.length = length;
    }

    /// As [`Buffer::resize`], but never shorter.
    pub fn at_least(&mut self, length: usize) {
        if self.length < length {
            self.resize(length);
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.length]
    }
}

/// The beginning of `buffer` in pieces of these lengths.
pub(crate) fn pieces<const N: usize>(mut buffer: &[f32], lengths: [usize; N]) -> [&[f32]; N] {
    lengths.map(|length| {
        let (piece, rest) = buffer.split_at(length);
        buffer = rest;
        piece
    })
}

/// The beginning of `buffer` in pieces of these lengths, to write to.
pub(crate) fn pieces_mut<const N: usize>(mut buffer: &mut [f32], lengths: [usize; N]) -> [&mut [f32]; N] {
    lengths.map(|length| {
        let (piece, rest) = std::mem::take(&mut buffer).split_at_mut(length);
        buffer = rest;
        piece
    })
}

#[cfg(test)]
mod tests {
    use super::Buffer;

    #[test]
    fn a_buffer_begins_on_a_line_and_keeps_what_it_holds() {
        let mut buffer = Buffer::default();
        for length in [1, 16, 17, 1000, 10_000] {
            buffer.at_least(length);
            assert_eq!(buffer.len(), length);
            assert!(buffer.as_ptr().cast::<[u8; 64]>().addr().is_multiple_of(64));
            buffer[length - 1] = length as f32;
        }
        assert_eq!((buffer[0], buffer[16], buffer[999], buffer[9_998]), (1.0, 17.0, 1000.0, 0.0));
        buffer.at_least(5);
        assert_eq!(buffer.len(), 10_000);
    }
}
