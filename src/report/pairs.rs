//! Every pair of features: the data on one side of the diagonal, the flow's samples on the other, so that neither covers the other.

use std::cmp::Ordering;
use std::f64::consts::LN_10;

use plotters::style::RGBColor;

use super::ReportError;
use super::axes::{BELOW, Panel, TITLE, XAxis, YAxis, draw_legend, draw_title, room_beside};
use super::canvas::{BARS, Canvas, FLOW, INK, Rect};
use super::charts::COLORS;
use super::histogram::{bin_count, heights};
use super::limits::column_limits;
use super::ticks::{Tick, bent_ticks, log_ticks};
use crate::data::Transform;
use crate::matrix::Matrix;
use crate::train::Picture;

/// More features than this would make the panels too small to read.
const MOST_FEATURES: usize = 6;
const BETWEEN: f64 = 12.0;
const RADIUS: f64 = 1.2;

/// The class of every row, where colours tell classes apart.
#[derive(Clone, Debug)]
pub struct Classes<'a> {
    /// What the classes are called, [`MOST_CLASSES`] at most.
    pub names: Vec<String>,
    /// The class of each row of the data.
    pub of_data: &'a [usize],
    /// The class of each sample.
    pub of_samples: &'a [usize],
}

/// Colours for more classes could not be told apart.
pub const MOST_CLASSES: usize = COLORS.len();

/// A scatter matrix of the first six features at most, data above the diagonal, samples below it, the histograms
/// of both on it; tag `pairs`.
///
/// `data` and `samples` have shape `[rows, features]`, data units, `columns` their names. The limits come from the data. A column
/// with a transform lies along an axis of it, and its ticks are in data units; `transforms` is empty where none has one. Points
/// of `classes` have their colours.
///
/// # Errors
/// Where the matrices and names differ in their number of features.
pub fn pair_picture(
    data: &Matrix<f64>,
    samples: &Matrix<f64>,
    title: &str,
    columns: &[&str],
    transforms: &[Option<Transform>],
    classes: Option<&Classes>,
) -> Result<Picture, ReportError> {
    let fits = |rows: &Matrix<f64>| rows.rows() == 0 || rows.columns() == columns.len();
    if columns.is_empty() || !fits(data) || !fits(samples) {
        let (names, data, samples) = (columns.len(), data.columns(), samples.columns());
        let reason = format!("{names} names for data with {data} and samples with {samples} columns");
        return Err(ReportError::Shape { picture: "pairs", reason });
    }
    let shown = columns.len().min(MOST_FEATURES);
    let bend = |column: usize| transforms.get(column).copied().flatten();
    let [data, samples] = [data, samples].map(|rows| bent(rows, &bend));
    let (data, samples) = (&data, &samples);
    let limits_from = if data.rows() > 0 { data } else { samples };
    let limits: Vec<[f64; 2]> = (0..shown).map(|column| column_limits(limits_from, column)).collect();

    let mut canvas = Canvas::new(1.0, 1.0)?;
    let side = ((820.0 - BETWEEN * (shown - 1) as f64) / shown as f64).clamp(130.0, 340.0).round();
    let axes: Vec<[Vec<Tick>; 2]> =
        limits.iter().enumerate().map(|(i, &along)| both_ticks(along, side, bend(i))).collect();
    let left = axes.iter().map(|[_, y]| room_beside(y)).fold(0.0, f64::max);
    let head = TITLE + if classes.is_some() { 84.0 } else { 64.0 };
    let whole = shown as f64 * (side + BETWEEN) - BETWEEN;
    canvas.resize(left + whole + 16.0, head + whole + BELOW + 12.0);

    let upper = by_class(data, classes.map(|it| it.of_data), INK);
    let lower = by_class(samples, classes.map(|it| it.of_samples), FLOW);
    for row in 0..shown {
        for column in 0..shown {
            let step = side + BETWEEN;
            let (left, top) = (left + column as f64 * step, head + row as f64 * step);
            let frame = Rect { left, top, width: side, height: side };
            let panel = Panel { frame, x: limits[column], y: limits[row] };
            match column.cmp(&row) {
                Ordering::Less => lower.iter().for_each(|(rows, color)| {
                    panel.draw_points(&mut canvas, rows, [column, row], RADIUS, *color);
                }),
                Ordering::Equal => draw_histograms(&mut canvas, frame, limits[column], [data, samples], column),
                Ordering::Greater => upper.iter().for_each(|(rows, color)| {
                    panel.draw_points(&mut canvas, rows, [column, row], RADIUS, *color);
                }),
            }
            let x_name = (row + 1 == shown).then_some(columns[column]);
            let x_axis = XAxis::Marked(x_name, &axes[column][0]);
            let y_axis = match column {
                // Alone, there is nothing but the histogram, whose height means nothing to the reader.
                _ if shown == 1 => YAxis::Bare,
                0 => YAxis::Marked(Some(columns[row]), &axes[row][1]),
                _ if column == row => YAxis::Bare,
                _ => YAxis::Marked(None, &axes[row][1]),
            };
            panel.draw_axes(&mut canvas, x_axis, y_axis);
        }
    }
    let title = match columns.len() {
        all if all > shown => format!("{title} (first {shown} of {all} features)"),
        _ => title.to_owned(),
    };
    draw_title(&mut canvas, &title, (left, 26.0), whole);
    match classes {
        None => {
            let entries = [("data (above)", INK), ("flow samples (below)", FLOW)];
            draw_legend(&mut canvas, &entries, (left + whole, head - 18.0));
        }
        Some(classes) => {
            let entries: Vec<_> = classes.names.iter().map(String::as_str).zip(COLORS).collect();
            draw_legend(&mut canvas, &entries, (left + whole, head - 18.0));
            draw_legend(
                &mut canvas,
                &[("data (above)", BARS), ("flow samples (below)", FLOW)],
                (left + whole, head - 40.0),
            );
        }
    }
    canvas.finish("pairs")
}

/// The rows of each class in its colour, or all in `color`.
fn by_class(rows: &Matrix<f64>, classes: Option<&[usize]>, color: RGBColor) -> Vec<(Matrix<f64>, RGBColor)> {
    let Some(classes) = classes else { return vec![(rows.clone(), color)] };
    let of = |class: usize| {
        let places: Vec<usize> = (0..rows.rows()).filter(|&row| classes[row] == class).collect();
        rows.select(&places)
    };
    COLORS.iter().enumerate().map(|(class, color)| (of(class), *color)).collect()
}

/// The rows as the transforms of their columns map them; what a transform does not hold is no number, and not drawn.
fn bent(rows: &Matrix<f64>, transform: &dyn Fn(usize) -> Option<Transform>) -> Matrix<f64> {
    let transforms: Vec<Option<Transform>> = (0..rows.columns()).map(transform).collect();
    let of = |(value, transform): (&f64, &Option<Transform>)| transform.map_or(*value, |it| it.apply(*value));
    Matrix::new(rows.iter_rows().flat_map(|row| row.iter().zip(&transforms).map(of)).collect(), rows.columns())
}

/// Ticks of a column's axis within `limits`, below a panel of this side and beside it.
fn both_ticks(limits: [f64; 2], side: f64, transform: Option<Transform>) -> [Vec<Tick>; 2] {
    let frame = Rect { left: 0.0, top: 0.0, width: side, height: side };
    let panel = Panel { frame, x: limits, y: limits };
    match transform {
        None => [panel.x_ticks(), panel.y_ticks()],
        Some(it) => {
            let most = ((side / 40.0) as usize).clamp(2, 6);
            let ticks = match it {
                Transform::Log { low: 0.0 } => {
                    let ticks = log_ticks(limits.map(|limit| limit / LN_10), most);
                    ticks.into_iter().map(|tick| Tick { value: tick.value * LN_10, ..tick }).collect()
                }
                _ => bent_ticks(limits, most, |x| it.apply(x), |y| it.invert(y)),
            };
            [ticks.clone(), ticks]
        }
    }
}

/// Bars of the data with the outline of the samples over them.
fn draw_histograms(
    canvas: &mut Canvas,
    frame: Rect,
    limits: [f64; 2],
    [data, samples]: [&Matrix<f64>; 2],
    column: usize,
) {
    let values = |rows: &Matrix<f64>| -> Vec<f64> { rows.iter_rows().map(|row| row[column]).collect() };
    let (data, samples) = (values(data), values(samples));
    // Narrower bars than three pixels would look like noise.
    let bins = bin_count(&data, limits).min((frame.width / 3.0) as usize);
    let (bars, steps) = (heights(&data, limits, bins), heights(&samples, limits, bins));
    let highest = bars.iter().chain(&steps).copied().fold(0.0, f64::max);
    let y = [0.0, if highest > 0.0 { 1.08 * highest } else { 1.0 }];
    let panel = Panel { frame, x: limits, y };
    panel.draw_bars(canvas, &bars, BARS);
    panel.draw_steps(canvas, &steps, FLOW);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_features_makes_a_picture() {
        for features in [1, 2, 3, 6, 7, 64] {
            let names: Vec<String> = (0..features).map(|i| format!("x{i}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let rows = Matrix::new((0..features * 20).map(|i| (i * 7919 % 101) as f64).collect(), features);
            let picture = pair_picture(&rows, &rows, "t", &names, &[], None).unwrap();
            assert_eq!(picture.tag, "pairs");
            assert!(picture.width <= 1000 && picture.height <= 1000, "{} × {}", picture.width, picture.height);
        }
    }

    #[test]
    fn strange_numbers_still_make_a_picture() {
        let strange = Matrix::new(vec![f64::NAN, f64::INFINITY, 1.0, f64::MAX, f64::MIN, 0.0], 3);
        let empty = Matrix::new(vec![], 3);
        for (data, samples) in [(&strange, &strange), (&empty, &strange), (&strange, &empty), (&empty, &empty)] {
            pair_picture(data, samples, "t", &["a", "b", "c"], &[], None).unwrap();
        }
        assert!(matches!(pair_picture(&strange, &empty, "t", &["a"], &[], None), Err(ReportError::Shape { .. })));
    }

    #[test]
    fn a_column_learned_through_a_logarithm_lies_along_one() {
        let rows =
            Matrix::new((0..2_000).flat_map(|i| [f64::from(i), (0.01 * f64::from(i % 1000)).exp()]).collect(), 2);
        let transform = Some(Transform::Log { low: 0.0 });
        let bent = bent(&rows, &|column| [None, transform][column]);
        assert_eq!((bent.row(700)[0], rows.row(700)[0]), (700.0, 700.0));
        assert!((bent.row(700)[1] - 7.0).abs() < 1e-12);
        let [x, y] = both_ticks([0.0, 10.0], 200.0, transform);
        // In data units, at their logarithms.
        let place = |tick: &Tick| tick.label.parse::<f64>().map(f64::ln).expect("a number") - tick.value;
        assert!(x.len() >= 3 && x.iter().chain(&y).all(|tick| place(tick).abs() < 1e-9), "{x:?}");
        pair_picture(&rows, &rows, "t", &["a", "b"], &[None, transform], None).expect("drawn");
    }

    #[test]
    fn every_row_has_the_colour_of_its_class() {
        let rows = Matrix::new((0..12).map(f64::from).collect(), 2);
        let of = [0, 1, 1, 0, 2, 1];
        let parts = by_class(&rows, Some(&of), INK);
        let first = |class: usize| parts[class].0.iter_rows().map(|row| row[0]).collect::<Vec<f64>>();
        assert_eq!([first(0), first(1), first(2)], [vec![0.0, 6.0], vec![2.0, 4.0, 10.0], vec![8.0]]);
        assert!(parts.iter().zip(COLORS).all(|((_, color), wanted)| *color == wanted));
        let classes =
            Classes { names: vec!["one".into(), "two".into(), "three".into()], of_data: &of, of_samples: &of };
        pair_picture(&rows, &rows, "t", &["a", "b"], &[], Some(&classes)).expect("drawn");
    }
}
