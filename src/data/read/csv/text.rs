//! From bytes to UTF-8 with lines that end in line feeds.

use std::borrow::Cow;

/// A file's text, and what was done to get it, where that is worth a warning.
pub struct Text<'a> {
    pub bytes: Cow<'a, [u8]>,
    pub warning: Option<&'static str>,
}

/// Brings `bytes` to UTF-8. A byte order mark says how they are written; without one they are UTF-16 where every other
/// byte of the start is zero, and Windows-1252, which contains Latin-1, where they are not valid UTF-8.
///
/// # Errors
/// Bytes that are no text.
pub fn decode(bytes: &[u8]) -> Result<Text<'_>, &'static str> {
    const DAMAGED: &str = "its text is not valid in the encoding that its first bytes tell; save it as UTF-8";
    let (text, warning) = match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => (latin_unless_utf8(rest), None),
        [0xff, 0xfe, 0, 0, rest @ ..] => (utf32(rest, u32::from_le_bytes).ok_or(DAMAGED)?.into(), None),
        [0, 0, 0xfe, 0xff, rest @ ..] => (utf32(rest, u32::from_be_bytes).ok_or(DAMAGED)?.into(), None),
        [0xff, 0xfe, rest @ ..] => (utf16(rest, u16::from_le_bytes).ok_or(DAMAGED)?.into(), None),
        [0xfe, 0xff, rest @ ..] => (utf16(rest, u16::from_be_bytes).ok_or(DAMAGED)?.into(), None),
        _ if zeros_alternate(bytes, 1) => (utf16(bytes, u16::from_le_bytes).ok_or(DAMAGED)?.into(), None),
        _ if zeros_alternate(bytes, 0) => (utf16(bytes, u16::from_be_bytes).ok_or(DAMAGED)?.into(), None),
        _ => {
            let text = latin_unless_utf8(bytes);
            let is_latin = matches!(text, Cow::Owned(_));
            (text, is_latin.then_some("is not UTF-8, and is read as Windows-1252 (Latin-1)"))
        }
    };
    // What DOS ends a text with.
    let text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_suffix(b"\x1a").unwrap_or(text)),
        owned => owned,
    };
    if text.contains(&0) {
        return Err("it holds zero bytes, as no text does; it is damaged, or of another kind: see `format`");
    }
    Ok(Text { bytes: with_line_feeds(text), warning })
}

/// A text all of whose lines end in a carriage return, as old Macs wrote them, with line feeds.
fn with_line_feeds(text: Cow<[u8]>) -> Cow<[u8]> {
    if !text.contains(&b'\r') || text.contains(&b'\n') {
        return text;
    }
    text.iter().map(|byte| if *byte == b'\r' { b'\n' } else { *byte }).collect::<Vec<u8>>().into()
}

/// Whether the text starts as ASCII in UTF-16 does: every other byte from `first` on is zero, and none of the others.
fn zeros_alternate(bytes: &[u8], first: usize) -> bool {
    const LOOK_AT: usize = 64;
    let start = &bytes[..bytes.len().min(LOOK_AT)];
    start.len() >= 4 && start.iter().enumerate().all(|(i, byte)| (*byte == 0) == (i % 2 == first))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<Vec<u8>> {
    let (pairs, []) = bytes.as_chunks::<2>() else { return None };
    let text: Option<String> = char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).map(Result::ok).collect();
    text.map(String::into_bytes)
}

fn utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> Option<Vec<u8>> {
    let (fours, []) = bytes.as_chunks::<4>() else { return None };
    let text: Option<String> = fours.iter().map(|four| char::from_u32(unit(*four))).collect();
    text.map(String::into_bytes)
}

fn latin_unless_utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    /// What Windows-1252 has at 0x80 to 0x9f (the WHATWG's index; five places are control characters).
    const WINDOWS: &[char; 32] = &[
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    if std::str::from_utf8(bytes).is_ok() {
        return Cow::Borrowed(bytes);
    }
    let character = |byte: &u8| match *byte {
        byte @ 0x80..=0x9f => WINDOWS[usize::from(byte - 0x80)],
        byte => char::from(byte),
    };
    bytes.iter().map(character).collect::<String>().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "größe,b\n1,2\n";

    fn sixteen(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn every_usual_encoding_gives_the_same_text() {
        let marked = |text: &str| format!("\u{feff}{text}");
        let latin = b"gr\xf6\xdfe,b\n1,2\n".to_vec();
        let cases = [
            (SAID.as_bytes().to_vec(), false),
            (marked(SAID).into_bytes(), false),
            (sixteen(&marked(SAID), u16::to_le_bytes), false),
            (sixteen(&marked(SAID), u16::to_be_bytes), false),
            (marked(SAID).chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(), false),
            (marked(SAID).chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(), false),
            (latin, true),
            (SAID.replace('\n', "\r").into_bytes(), false),
            (format!("{SAID}\u{1a}").into_bytes(), false),
        ];
        for (bytes, is_guessed) in cases {
            let text = decode(&bytes).unwrap_or_else(|problem| panic!("{bytes:?}: {problem}"));
            assert_eq!(text.bytes, SAID.as_bytes(), "{bytes:?}");
            assert_eq!(text.warning.is_some(), is_guessed, "{bytes:?}");
        }
    }

    #[test]
    fn utf16_is_known_without_its_mark() {
        for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            assert_eq!(decode(&sixteen("a,b\n1,2\n", bytes)).unwrap().bytes, &b"a,b\n1,2\n"[..]);
        }
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let cases: [(&[u8], &str); 3] = [
            (b"a,b\n1,2\n\0\0\0", "zero bytes"),
            (&[0; 100], "zero bytes"),
            (b"\xff\xfea\0b", "not valid in the encoding"),
        ];
        for (bytes, expected) in cases {
            assert!(decode(bytes).is_err_and(|problem| problem.contains(expected)), "{bytes:?}");
        }
    }
}
