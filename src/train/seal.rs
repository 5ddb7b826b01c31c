//! Safetensors files that are equal where their contents are, and that tell when a bit of them has changed.
//!
//! The metadata key `sha256` holds the SHA-256 of the whole file as it is with 64 zeros where those digits stand, so names,
//! shapes, metadata and numbers are covered alike. Metadata keys are in alphabetical order.

use std::io;

use sha2::{Digest, Sha256};

use crate::hex::hex;

/// The metadata key of the checksum.
pub(super) const SHA256: &str = "sha256";
/// What stands for the checksum while it is computed.
pub(super) const UNSEALED: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Orders the metadata of a safetensors file, where the crate leaves them as its hash map has them, and fills in the checksum,
/// for which the file has [`UNSEALED`] under [`SHA256`].
///
/// # Errors
/// Where `file` is not laid out as safetensors files are.
pub(super) fn seal(mut file: Vec<u8>) -> io::Result<Vec<u8>> {
    let header = header(&file).ok_or_else(|| io::Error::other("the header is cut off"))?;
    let mut fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&file[header.clone()])?;
    fields.values_mut().filter_map(serde_json::Value::as_object_mut).for_each(serde_json::Map::sort_keys);
    let mut ordered = serde_json::to_vec(&fields)?;
    // The header keeps its length: the same fields, then blanks.
    ordered.resize(header.len(), b' ');
    file[header].copy_from_slice(&ordered);
    let span = span(&file).ok_or_else(|| io::Error::other("there is no place for the checksum"))?;
    let digits = digest(&file, &span);
    file[span].copy_from_slice(digits.as_bytes());
    Ok(file)
}

/// Whether the checksum of `file` is that of its bytes; `false` where it has none.
pub(super) fn is_whole(file: &[u8]) -> bool {
    span(file).is_some_and(|span| digest(file, &span).as_bytes() == &file[span])
}

/// Where the JSON stands: behind its length, eight bytes.
fn header(file: &[u8]) -> Option<std::ops::Range<usize>> {
    let (length, rest) = file.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    (length <= rest.len()).then_some(8..8 + length)
}

/// Where the digits of the checksum stand. Within a JSON text every quotation mark has a backslash before it, so no other text can
/// be taken for the key.
fn span(file: &[u8]) -> Option<std::ops::Range<usize>> {
    let header = header(file)?;
    let key = format!("\"{SHA256}\":\"");
    let found = file[header.clone()].windows(key.len()).position(|bytes| bytes == key.as_bytes())?;
    let start = header.start + found + key.len();
    let end = start + UNSEALED.len();
    (end <= header.end).then_some(start..end)
}

fn digest(file: &[u8], span: &std::ops::Range<usize>) -> String {
    let hasher = Sha256::new().chain_update(&file[..span.start]).chain_update(UNSEALED);
    hex(&hasher.chain_update(&file[span.end..]).finalize())
}
