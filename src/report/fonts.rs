//! Letters for pictures. The font that is compiled in knows Latin, Greek and Cyrillic; what it lacks is looked for in a font of the
//! system, and stands as a question mark where there is none.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};

use crate::locks::lock;

/// The name of the font that is compiled in.
pub(super) const OWN: &str = "runner";
const SYSTEM: &str = "runner-system";
/// Stands for a letter that no font has.
pub(super) const MISSING: char = '?';

/// Where systems keep fonts; below the home folder where they do not begin at the root.
const FOLDERS: [&str; 8] = [
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    ".fonts",
    ".local/share/fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "Library/Fonts",
    "C:/Windows/Fonts",
];
/// Beginnings of the names of fonts with the letters of most languages, in lower case, the best first.
const WIDE: [&str; 10] = [
    "notosanscjk-regular",
    "notosanscjksc-regular",
    "sourcehansans-regular",
    "wqy-microhei",
    "wqy-zenhei",
    "droidsansfallback",
    "pingfang",
    "hiragino sans gb",
    "msyh",
    "arial unicode",
];
/// Folders within folders of fonts.
const DEEPEST: usize = 4;

/// A part of a text in one font.
#[derive(Debug, PartialEq)]
pub(super) struct Run {
    pub font: &'static str,
    pub text: String,
}

/// The text in parts that one font each can write.
pub(super) fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for letter in text.chars() {
        let (font, letter) = font_of(letter).map_or((OWN, MISSING), |font| (font, letter));
        match runs.last_mut().filter(|run| run.font == font) {
            Some(run) => run.text.push(letter),
            None => runs.push(Run { font, text: letter.to_string() }),
        }
    }
    runs
}

/// Whether a letter of the text stands as a question mark.
pub(super) fn lacks_letters(text: &str) -> bool {
    text.chars().any(|letter| font_of(letter).is_none())
}

fn font_of(letter: char) -> Option<&'static str> {
    static KNOWN: LazyLock<Mutex<HashMap<char, Option<&'static str>>>> = LazyLock::new(Mutex::default);
    if letter.is_ascii() {
        return Some(OWN);
    }
    let mut known = lock(&KNOWN);
    *known.entry(letter).or_insert_with(|| {
        static HAS_SYSTEM: LazyLock<bool> = LazyLock::new(load_system);
        match has(OWN, letter) {
            true => Some(OWN),
            false => (*HAS_SYSTEM && has(SYSTEM, letter)).then_some(SYSTEM),
        }
    })
}

/// Whether a font draws a letter otherwise than one that no font can have.
fn has(font: &'static str, letter: char) -> bool {
    let drawn = |letter: char| -> Option<Vec<(i32, i32)>> {
        let mut pixels = Vec::new();
        let font = FontDesc::new(FontFamily::Name(font), 24.0, FontStyle::Normal);
        let mut push = |x, y, cover: f32| -> Result<(), std::convert::Infallible> {
            if cover > 0.5 {
                pixels.push((x, y));
            }
            Ok(())
        };
        font.draw(&letter.to_string(), (0, 0), &mut push).ok()?.ok()?;
        Some(pixels)
    };
    drawn(letter).is_some_and(|pixels| Some(pixels) != drawn('\u{10ffff}'))
}

/// Makes the best font of the system known to plotters; false where there is none.
fn load_system() -> bool {
    let home = std::env::home_dir().unwrap_or_default();
    let mut found = Vec::new();
    FOLDERS.iter().for_each(|folder| collect(&home.join(folder), DEEPEST, &mut found));
    found.sort();
    let readable = |path: &PathBuf| -> bool {
        // Kept for good: plotters wants it so, and there is only one.
        let bytes = std::fs::read(path).map(Vec::leak);
        bytes.is_ok_and(|bytes| register_font(SYSTEM, FontStyle::Normal, bytes).is_ok())
    };
    found.iter().map(|(_, path)| path).any(readable)
}

/// Fonts of [`WIDE`] below `folder` with their places there.
fn collect(folder: &Path, depth: usize, found: &mut Vec<(usize, PathBuf)>) {
    for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() && depth > 0 {
            collect(&path, depth - 1, found);
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        found.extend(WIDE.iter().position(|wide| name.starts_with(wide)).map(|rank| (rank, path)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::canvas::Canvas;
    use super::*;

    #[test]
    fn no_letter_is_an_empty_box() {
        Canvas::new(1.0, 1.0).expect("the font is known then");
        assert_eq!(runs("Größe (µm) ± Δ …"), [Run { font: OWN, text: "Größe (µm) ± Δ …".into() }]);
        // A letter for private use: no font of any system means the same by it.
        let text = "a\u{10fffd}b";
        assert!(!lacks_letters("Größe") && lacks_letters(text));
        assert_eq!(runs(text), [Run { font: OWN, text: "a?b".into() }]);
        // With or without a font for them, nothing is lost.
        let letters: usize = runs("身長 cm").iter().map(|run| run.text.chars().count()).sum();
        assert_eq!(letters, 5);
    }
}
