//! Pictures of runs, small enough to send.

use std::io::Cursor;

use image::codecs::png::{CompressionType, FilterType as Prediction, PngEncoder};
use image::imageops::FilterType;
use image::{DynamicImage, GenericImageView};
use maud::{Markup, html};

use super::{Album, Report, document};
use crate::report::ReportError;
use crate::spec::counted;

/// Bytes of a page that can be sent.
const PAGE: usize = 2_000_000;
/// Widest picture, in pixels.
const WIDEST: u32 = 640;

/// The albums in their order, as long as there is room beside the `rest` of the page, in bytes; the best trial's are there in any case.
pub(super) fn section(report: &Report, names: &[String], rest: usize) -> Result<Option<Markup>, ReportError> {
    // As text they are a third longer.
    let mut room = PAGE.saturating_sub(rest) / 4 * 3;
    let mut shown: Vec<Markup> = Vec::new();
    let mut left_out = 0;
    for album in report.albums {
        let shrunk =
            album.pictures.iter().map(|(tag, png)| Ok((tag, shrunk(png)?))).collect::<Result<Vec<_>, ReportError>>()?;
        let bytes: usize = shrunk.iter().map(|(_, png)| png.len()).sum();
        if bytes > room && !shown.is_empty() {
            left_out += 1;
            continue;
        }
        room = room.saturating_sub(bytes);
        shown.push(figures(&title(report, names, album), &shrunk));
    }
    Ok((!shown.is_empty()).then(|| html! {
        @for album in shown { (album) }
        @if left_out > 0 { p.muted { "Left out, to keep the page below 2 MB: the pictures of " (counted(left_out, "more run")) "." } }
    }))
}

fn title(report: &Report, names: &[String], album: &Album) -> String {
    let trial = report.comparison.groups.iter().position(|group| group.members.contains(&album.run));
    let run = &report.runs[album.run].manifest;
    let name = trial.and_then(|trial| names.get(trial)).unwrap_or(&run.trial);
    let place = trial.map_or(String::new(), |trial| format!("#{} · ", trial + 1));
    format!("{place}{name} · seed {}", run.seed)
}

fn figures(title: &str, pictures: &[(&String, Vec<u8>)]) -> Markup {
    html! {
        h3 { (title) }
        div.album {
            @for (tag, png) in pictures {
                figure {
                    img src=(document::data_uri("image/png", png)) alt={ (tag) " of " (title) };
                    figcaption { (tag) }
                }
            }
        }
    }
}

/// The picture at most [`WIDEST`] pixels wide, in the fewer bytes of both.
fn shrunk(png: &[u8]) -> Result<Vec<u8>, ReportError> {
    let picture = image::load_from_memory(png)?;
    let (width, height) = picture.dimensions();
    let picture = match width > WIDEST {
        true => DynamicImage::ImageRgb8(picture.to_rgb8()).resize(WIDEST, height, FilterType::CatmullRom),
        false => picture,
    };
    let mut bytes = Cursor::new(Vec::new());
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, Prediction::Adaptive);
    picture.write_with_encoder(encoder)?;
    let bytes = bytes.into_inner();
    Ok(if bytes.len() < png.len() { bytes } else { png.to_vec() })
}
