//! Images as views of a row (Dinh et al. 2017, sections 3.4 and 3.6): which values an image of a scale has, which of them a coupling
//! keeps, and how images are squeezed. A row never changes its order: what is factored out is simply not looked at again.

use super::Architecture;
use crate::layers::{Channels, Layer, Mask, Pixels};
use crate::shape::{Layout, Shape};
use crate::spec::{Kept, MaskScheme, Model, NetworkKind, counted};

/// An image whose values stand somewhere in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    height: usize,
    width: usize,
    channels: usize,
    /// Pixel by pixel, the places of its channels.
    places: Vec<usize>,
}

/// How a coupling divides a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Division {
    /// Every other pixel.
    Checkerboard,
    /// Half of the channels of every pixel.
    Channel,
}

impl View {
    pub fn of(shape: Shape) -> Self {
        let Shape { height, width, channels } = shape;
        Self { height, width, channels, places: (0..shape.values()).collect() }
    }

    /// Its pixels, for layers that take each for itself.
    pub fn channels(&self) -> Channels {
        Channels { count: self.channels, places: self.places.clone() }
    }

    /// Squares of 2 × 2 pixels as one pixel of four times as many channels: those of its upper left pixel first, then upper right, lower
    /// left, lower right.
    pub fn squeezed(&self) -> Self {
        let (height, width, channels) = (self.height / 2, self.width / 2, 4 * self.channels);
        let mut places = Vec::with_capacity(self.places.len());
        for pixel in 0..height * width {
            for corner in 0..4 {
                let (y, x) = (2 * (pixel / width) + corner / 2, 2 * (pixel % width) + corner % 2);
                places.extend_from_slice(&self.places[(y * self.width + x) * self.channels..][..self.channels]);
            }
        }
        Self { height, width, channels, places }
    }

    /// The first half of its channels: the others are factored out.
    pub fn first_half(&self) -> Self {
        let channels = self.channels / 2;
        let places = self.places.chunks_exact(self.channels).flat_map(|pixel| pixel[..channels].to_vec()).collect();
        Self { channels, places, ..*self }
    }

    /// Coupling `number` of those that divide it so; it keeps what the one before it changed.
    pub fn mask(&self, division: Division, number: usize) -> Mask {
        let (mut kept, mut changed) = (Vec::new(), Vec::new());
        let mut pixels = Pixels { size: [self.height, self.width], kept: Vec::new(), changed: Vec::new() };
        for (pixel, places) in self.places.chunks_exact(self.channels).enumerate() {
            match division {
                Division::Checkerboard if (pixel / self.width + pixel % self.width + number).is_multiple_of(2) => {
                    changed.extend_from_slice(places);
                    pixels.changed.push(pixel);
                }
                Division::Checkerboard => {
                    kept.extend_from_slice(places);
                    pixels.kept.push(pixel);
                }
                Division::Channel => {
                    let halves = places.split_at(self.channels / 2);
                    let (keeps, changes) = if number.is_multiple_of(2) { halves } else { (halves.1, halves.0) };
                    kept.extend_from_slice(keeps);
                    changed.extend_from_slice(changes);
                    pixels.kept.push(pixel);
                    pixels.changed.push(pixel);
                }
            }
        }
        Mask { kept, changed, pixels: Some(pixels) }
    }
}

/// One coupling of a flow of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// What it works on.
    pub view: View,
    pub division: Division,
    pub mask: Mask,
    /// How often the image has been squeezed.
    pub squeezed: usize,
}

impl Step {
    /// The scale of a multi-scale flow that it is of, from 0. Half of the channels are changed behind the squeeze, still in the scale
    /// before it.
    fn scale(&self) -> usize {
        self.squeezed - usize::from(self.division == Division::Channel)
    }
}

/// The couplings of `model` on images of `shape`, if it has a mask of images; x-side first.
pub(super) fn steps(model: &Model, shape: Shape) -> Option<Vec<Step>> {
    let depth = model.depth;
    let mut steps = Vec::new();
    let mut add = |view: &View, division: Division, couplings: usize, squeezed: usize| {
        steps.extend((0..couplings).map(|number| {
            let mut mask = view.mask(division, number);
            if model.network != NetworkKind::Conv {
                // Networks that know no images.
                mask.pixels = None;
                mask.kept.sort_unstable();
                mask.changed.sort_unstable();
            }
            Step { view: view.clone(), division, mask, squeezed }
        }));
    };
    let mut view = View::of(shape);
    match model.mask {
        MaskScheme::Alternating | MaskScheme::Half | MaskScheme::Random => return None,
        MaskScheme::Checkerboard => add(&view, Division::Checkerboard, depth, 0),
        MaskScheme::Channel => add(&view, Division::Channel, depth, 0),
        MaskScheme::Multiscale => {
            let last = scales(model) - 1;
            for scale in 0..last {
                add(&view, Division::Checkerboard, depth, scale);
                view = view.squeezed();
                add(&view, Division::Channel, depth, scale + 1);
                view = view.first_half();
            }
            add(&view, Division::Checkerboard, depth + 1, last);
        }
    }
    Some(steps)
}

fn scales(model: &Model) -> usize {
    model.scales.unwrap_or(2)
}

/// Which coupling of `model` each of its layers goes with: what mixes comes before it; what it keeps goes through a coupling behind
/// it, and what normalizes comes last.
fn couplings_of(layers: &[Layer], model: &Model) -> Vec<usize> {
    let each = if model.kept == Some(Kept::Spline) { 2 } else { 1 };
    let mut seen = 0;
    let coupling = |layer: &Layer| match layer {
        Layer::Permutation(_) | Layer::Lu(_) => seen / each,
        Layer::Coupling(_) => {
            seen += 1;
            (seen - 1) / each
        }
        Layer::BatchNorm(_) | Layer::ActNorm(_) => (seen - 1) / each,
    };
    layers.iter().map(coupling).collect()
}

/// Which scale of a multi-scale flow its layers and latents are of, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scales {
    /// How many there are.
    pub count: usize,
    /// That of every layer, shape `[layers]`.
    pub layers: Vec<usize>,
    /// That at which every latent is factored out, shape `[features]`; of the last, what is left.
    pub latents: Vec<usize>,
}

impl Scales {
    /// Those of a flow of `layers` on images of `shape`; `None` where `model` has no scales.
    pub fn of(model: &Model, shape: Shape, layers: &[Layer]) -> Option<Self> {
        let steps = steps(model, shape).filter(|_| model.mask == MaskScheme::Multiscale)?;
        let last = steps.len() - 1;
        // What follows the last coupling, a base that depends on a context too, is of its scale.
        let scale = |coupling: usize| steps[coupling.min(last)].scale();
        let mut latents = vec![0; shape.values()];
        for step in &steps {
            step.view.places.iter().for_each(|&place| latents[place] = step.scale());
        }
        Some(Self {
            count: scales(model),
            layers: couplings_of(layers, model).into_iter().map(scale).collect(),
            latents,
        })
    }
}

/// What a model does with images of `shape`, a line for each view that its couplings work on; nothing where it knows no images.
/// Layers have the numbers that messages and the names of parameters call them by.
pub fn outline(model: &Model, layout: impl Into<Layout>) -> Vec<String> {
    let layout = layout.into();
    let shape = layout.features;
    let Some(steps) = steps(model, shape) else { return Vec::new() };
    let mut layers = Architecture::layers(model, layout);
    let of_base = if model.conditional_base && layout.context > 0 { layers.pop() } else { None };
    let couplings = couplings_of(&layers, model);
    let (mut lines, mut done, mut first) = (Vec::new(), 0, 0);
    for group in steps.chunk_by(|a, b| a.view == b.view) {
        done += group.len();
        let end = if done == steps.len() { layers.len() } else { couplings.partition_point(|&of| of < done) };
        let Step { view, division, squeezed, .. } = &group[0];
        let View { height, width, channels, places } = view;
        let by = match division {
            Division::Checkerboard => "checkerboard",
            Division::Channel => "half of the channels",
        };
        let maps = match (model.network, model.widen) {
            (NetworkKind::Conv, Some(true)) => format!(", {} maps", model.width << squeezed),
            (NetworkKind::Conv, _) => format!(", {} maps", model.width),
            (NetworkKind::Mlp | NetworkKind::Residual, _) => String::new(),
        };
        let all = shape.values();
        let out = match all - places.len() {
            0 => String::new(),
            out => format!("; {out} of {all} values are factored out"),
        };
        let numbers = match end - 1 {
            last if last == first => format!("layer {first}"),
            last => format!("layers {first} to {last}"),
        };
        let place = match model.mask {
            MaskScheme::Multiscale => format!("scale {}, {numbers}", group[0].scale() + 1),
            _ => numbers,
        };
        let work = counted(group.len(), "coupling");
        lines.push(format!("{place}: {work} of {height} × {width} × {channels}, {by}{maps}{out}"));
        first = end;
    }
    if of_base.is_some() {
        lines.push(format!("layer {first}: the base, given its context"));
    }
    lines
}

/// Whether a model can be made for rows of `shape`.
///
/// # Errors
/// The key that does not fit, why, and what does.
pub fn fits(model: &Model, shape: Shape) -> Result<(), (&'static str, String)> {
    let plain = |key| {
        let why = format!("needs images, and these data have {} plain features", shape.values());
        Err((
            key,
            format!(
                "{why}; images are IDX and CIFAR files, folders of PNG files, Parquet columns of PNG or JPEG files, \
                 and NPY arrays of three or four dimensions"
            ),
        ))
    };
    let image = shape.is_image();
    match model.mask {
        MaskScheme::Alternating | MaskScheme::Half | MaskScheme::Random => {
            if model.network == NetworkKind::Conv {
                let help =
                    "`model.network = \"conv\"` needs a mask of images: `multiscale`, `checkerboard` or `channel`";
                return Err(("model.mask", help.to_owned()));
            }
            Ok(())
        }
        MaskScheme::Checkerboard | MaskScheme::Channel | MaskScheme::Multiscale if !image => plain("model.mask"),
        MaskScheme::Checkerboard => Ok(()),
        MaskScheme::Channel if shape.channels < 2 => {
            let help = "use `multiscale`, which squeezes pixels into channels, or `checkerboard`";
            Err(("model.mask", format!("a mask of channels needs two of them, and these data have one; {help}")))
        }
        MaskScheme::Channel => Ok(()),
        MaskScheme::Multiscale => {
            let squeezes = scales(model) - 1;
            let mut can = shape.height.trailing_zeros().min(shape.width.trailing_zeros()) as usize;
            // A checkerboard of one pixel leaves nothing to condition on.
            can -= usize::from((shape.height >> can) * (shape.width >> can) == 1);
            if squeezes <= can {
                return Ok(());
            }
            let halves = 1_usize << squeezes.min(20);
            let crop = [shape.height, shape.width].map(|side| side / halves * halves);
            let other = match crop {
                [0, _] | [_, 0] => String::new(),
                whole if whole == [shape.height, shape.width] => String::new(),
                [height, width] => format!(
                    ", or bring the images to {height} × {width}, which {halves} divides, by `dataset.crop` or `dataset.resize`"
                ),
            };
            Err((
                "model.scales",
                format!(
                    "each scale but the last halves height and width, and {} × {} can be halved {can} {}: use at most \
                     `scales = {}`{other}",
                    shape.height,
                    shape.width,
                    if can == 1 { "time" } else { "times" },
                    can + 1,
                ),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{CouplingKind, Mixing, Normalization};

    fn model(mask: MaskScheme, depth: usize, scales: usize) -> Model {
        let (network, coupling, mixing) = (NetworkKind::Conv, CouplingKind::Affine, Mixing::None);
        Model { mask, depth, scales: Some(scales), network, coupling, mixing, ..Model::default() }
    }

    fn shape(height: usize, width: usize, channels: usize) -> Shape {
        Shape { height, width, channels }
    }

    #[test]
    fn a_squeeze_keeps_the_order_of_pixels_and_channels() {
        let view = View::of(shape(2, 4, 2)).squeezed();
        assert_eq!((view.height, view.width, view.channels), (1, 2, 8));
        assert_eq!(view.places, [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15]);
        assert_eq!(view.first_half().places, [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn scales_have_the_couplings_of_the_paper() {
        let steps = steps(&model(MaskScheme::Multiscale, 3, 3), shape(8, 8, 3)).expect("images");
        let found: Vec<_> = steps.iter().map(|step| (step.view.height, step.view.channels, step.squeezed)).collect();
        let expected = [(3, (8, 3, 0)), (3, (4, 12, 1)), (3, (4, 6, 1)), (3, (2, 24, 2)), (4, (2, 12, 2))];
        assert_eq!(found, expected.iter().flat_map(|&(times, of)| vec![of; times]).collect::<Vec<_>>());
        for step in &steps {
            let Mask { kept, changed, pixels } = &step.mask;
            let mut all = [kept.clone(), changed.clone()].concat();
            all.sort_unstable();
            let mut places = step.view.places.clone();
            places.sort_unstable();
            assert_eq!(all, places);
            let pixels = pixels.as_ref().expect("pixels");
            assert_eq!(kept.len() % pixels.kept.len() + changed.len() % pixels.changed.len(), 0);
        }
        // Next to each other they complement each other.
        assert_eq!(steps[0].mask.kept, steps[1].mask.changed);
        assert_eq!(steps[3].mask.kept, steps[4].mask.changed);
    }

    /// Two scales of a 4 × 4 image: half of the squeezed channels, the lower two pixels of every square, stay with the first.
    #[test]
    fn every_layer_and_latent_is_of_a_scale() {
        let model =
            Model { mask: MaskScheme::Multiscale, depth: 2, mixing: crate::spec::Mixing::Lu, ..Model::default() };
        let shape = Shape { height: 4, width: 4, channels: 1 };
        let layers = Architecture::new(&model, shape, 0).0.layers;
        let scales = Scales::of(&model, shape, &layers).expect("scales");
        // Each coupling is behind an LU map, and a permutation where there are channels; one more map is behind the last.
        assert_eq!((scales.count, &scales.layers[..]), (2, &[[0; 10], [1; 10]].concat()[..]));
        assert_eq!(scales.latents, [[1; 4], [0; 4], [1; 4], [0; 4]].concat());
        assert_eq!(Scales::of(&Model { mask: MaskScheme::Checkerboard, ..model }, shape, &layers), None);
    }

    #[test]
    fn the_outline_has_a_line_for_every_view() {
        let model = Model { widen: Some(true), width: 32, ..model(MaskScheme::Multiscale, 3, 2) };
        let expected = [
            "scale 1, layers 0 to 2: 3 couplings of 28 × 28 × 1, checkerboard, 32 maps",
            "scale 1, layers 3 to 5: 3 couplings of 14 × 14 × 4, half of the channels, 64 maps",
            "scale 2, layers 6 to 9: 4 couplings of 14 × 14 × 2, checkerboard, 64 maps; 392 of 784 values are factored out",
        ];
        assert_eq!(outline(&model, shape(28, 28, 1)), expected);
    }

    #[test]
    fn the_outline_counts_every_layer_once_and_finds_those_of_its_view() {
        for (mixing, normalization, kept) in [
            (Mixing::None, Normalization::Act, None),
            (Mixing::Reverse, Normalization::Batch, None),
            (Mixing::Lu, Normalization::None, None),
            (Mixing::Lu, Normalization::Act, Some(Kept::Spline)),
        ] {
            let network = NetworkKind::Mlp;
            let model = Model { network, mixing, normalization, kept, ..model(MaskScheme::Multiscale, 1, 2) };
            let (images, layers) = (shape(8, 8, 1), Architecture::new(&model, shape(8, 8, 1), 0).0.layers);
            let mut next = 0;
            for (line, values) in outline(&model, images).iter().zip([64, 64, 32]) {
                let numbers = line.split_once("layer").expect("layers").1.split_once(':').expect("numbers").0;
                let mut numbers =
                    numbers.trim_start_matches('s').split(" to ").map(|n| n.trim().parse().expect("a number"));
                let first: usize = numbers.next().expect("a first layer");
                let last = numbers.next().unwrap_or(first);
                assert_eq!(first, next, "{line}");
                next = last + 1;
                let norms = layers[first..=last].iter().filter_map(|layer| match layer {
                    Layer::ActNorm(norm) => Some(norm.channels.places.len()),
                    Layer::BatchNorm(norm) => Some(norm.channels.places.len()),
                    Layer::Lu(lu) => Some(lu.channels.places.len()),
                    _ => None,
                });
                assert!(norms.into_iter().all(|places| places == values), "{line}");
            }
            assert_eq!(next, layers.len());
        }
    }

    #[test]
    fn what_does_not_fit_says_what_does() {
        let why = |mask, scales, shape| fits(&model(mask, 2, scales), shape).expect_err("it does not fit");
        let (key, text) = why(MaskScheme::Multiscale, 3, shape(28, 30, 1));
        assert_eq!(key, "model.scales");
        assert!(
            text.contains("28 × 30 can be halved 1 time: use at most `scales = 2`, or bring the images to 28 × 28, which 4 divides"),
            "{text}"
        );
        assert!(why(MaskScheme::Channel, 1, shape(8, 8, 1)).1.contains("needs two of them"));
        assert!(why(MaskScheme::Checkerboard, 1, shape(1, 1, 6)).1.contains("6 plain features"));
        assert!(why(MaskScheme::Half, 1, shape(8, 8, 1)).1.contains("needs a mask of images"));
        assert!(
            why(MaskScheme::Multiscale, 4, shape(8, 8, 1))
                .1
                .ends_with("can be halved 2 times: use at most `scales = 3`")
        );
        assert_eq!(fits(&model(MaskScheme::Multiscale, 2, 3), shape(28, 28, 1)), Ok(()));
    }
}
