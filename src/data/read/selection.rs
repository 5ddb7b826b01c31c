//! Which columns of a file are wanted.

use std::collections::HashSet;
use std::path::Path;

use crate::data::error::{DataError, near_names};
use crate::data::pixels::is_pixel;
use crate::spec::ColumnName;

/// A choice of columns by name. The default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The columns wanted, in this order; `None`: all, in the file's order.
    pub columns: Option<Vec<String>>,
    /// Of all columns the pixels of images alone, if there are any, whatever the size; what is left out need not be there.
    pub pixels: bool,
    /// Columns to leave out.
    pub drop: Vec<String>,
    /// One more column to leave out.
    pub label: Option<ColumnName>,
    /// Columns that the density is conditional on, no features, in this order.
    pub context: Vec<ColumnName>,
    /// The column of weights, no feature.
    pub weight: Option<ColumnName>,
}

impl Selection {
    /// Whether it says something of the column of this name.
    pub fn names(&self, column: &str) -> bool {
        let mut features = self.columns.iter().flatten().chain(&self.drop);
        let mut others = self.label.iter().chain(&self.weight).chain(&self.context);
        features.any(|name| name == column)
            || others.any(|name| matches!(name, ColumnName::Name(name) if name == column))
    }

    /// Positions of the chosen columns among `names`, the columns of the file at `path`; those of the context come next, and that
    /// of the weights, if any, comes last.
    ///
    /// # Errors
    /// A name that the file does not have, a name that appears twice, and a choice of nothing.
    pub fn resolve(&self, path: &Path, names: &[String]) -> Result<Vec<usize>, DataError> {
        let twice = |names: &[String]| {
            let mut seen = HashSet::new();
            match names.iter().find(|name| !seen.insert(*name)) {
                Some(column) => Err(DataError::TwiceColumn { path: path.to_owned(), column: column.clone() }),
                None => Ok(()),
            }
        };
        let position = |column: &String| {
            names.iter().position(|name| name == column).ok_or_else(|| DataError::UnknownColumn {
                path: path.to_owned(),
                column: column.clone(),
                hint: near_names(column, names.iter().map(String::as_str)),
                nameless: None,
            })
        };
        twice(names)?;
        twice(self.columns.as_deref().unwrap_or_default())?;
        let wanted: Vec<usize> = match &self.columns {
            Some(columns) => columns.iter().map(position).collect::<Result<_, _>>()?,
            None if self.pixels && names.iter().any(|name| is_pixel(name)) => {
                (0..names.len()).filter(|&i| is_pixel(&names[i])).collect()
            }
            None => (0..names.len()).collect(),
        };
        let place = |column: &ColumnName| match column {
            ColumnName::Name(name) => position(name),
            ColumnName::Number(number) => {
                let counted = usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX);
                if counted == 0 || counted > names.len() {
                    let (path, columns) = (path.to_owned(), names.len());
                    return Err(DataError::ColumnNumber { path, number: *number, columns });
                }
                Ok(if *number > 0 { counted - 1 } else { names.len() - counted })
            }
        };
        let mut dropped = Vec::new();
        for found in self.drop.iter().map(position).chain(self.label.as_ref().map(place)) {
            match found {
                Err(_) if self.pixels => {}
                found => dropped.push(found?),
            }
        }
        let context: Vec<usize> = self.context.iter().map(place).collect::<Result<_, _>>()?;
        if let Some(&twice) = context.iter().enumerate().find(|(i, at)| context[..*i].contains(at)).map(|(_, at)| at) {
            return Err(DataError::TwiceColumn { path: path.to_owned(), column: names[twice].clone() });
        }
        dropped.extend(&context);
        let weight = self.weight.as_ref().map(place).transpose()?;
        if let Some(weight) = weight {
            if dropped.contains(&weight) || (self.columns.is_some() && wanted.contains(&weight)) {
                return Err(DataError::WeightElsewhere { path: path.to_owned(), column: names[weight].clone() });
            }
            dropped.push(weight);
        }
        let chosen: Vec<usize> = wanted.into_iter().filter(|i| !dropped.contains(i)).collect();
        match chosen.is_empty() {
            true => Err(DataError::NoColumns { path: path.to_owned() }),
            false => Ok(chosen.into_iter().chain(context).chain(weight).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(columns: Option<&[&str]>, drop: &[&str]) -> Result<Vec<usize>, String> {
        let owned = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let selection = Selection { columns: columns.map(owned), drop: owned(drop), ..Selection::default() };
        selection.resolve(Path::new("a.csv"), &owned(&["height", "weight", "label"])).map_err(|error| error.to_string())
    }

    #[test]
    fn chosen_columns_come_in_the_order_asked_for() {
        assert_eq!(resolve(None, &[]).unwrap(), [0, 1, 2]);
        assert_eq!(resolve(None, &["weight"]).unwrap(), [0, 2]);
        assert_eq!(resolve(Some(&["label", "height"]), &[]).unwrap(), [2, 0]);
    }

    #[test]
    fn a_label_is_told_by_name_or_number() {
        let names = ["height", "weight", "label"].map(String::from);
        let resolve = |label| {
            let selection = Selection { label: Some(label), ..Selection::default() };
            selection.resolve(Path::new("a.csv"), &names).map_err(|error| error.to_string())
        };
        assert_eq!(resolve(ColumnName::Name("label".into())).unwrap(), [0, 1]);
        for (number, left) in [(-1, [0, 1]), (-3, [1, 2]), (2, [0, 2])] {
            assert_eq!(resolve(ColumnName::Number(number)).unwrap(), left);
        }
        assert!(resolve(ColumnName::Name("lable".into())).unwrap_err().contains("did you mean `label`"));
        assert!(resolve(ColumnName::Number(-4)).unwrap_err().contains("has 3 columns, and no column -4"));
    }

    #[test]
    fn the_pixels_of_images_are_found_by_their_names_or_all_columns_are_taken() {
        let selection = Selection {
            pixels: true,
            drop: vec!["id".into()],
            label: Some(ColumnName::Name("kind".into())),
            ..Selection::default()
        };
        let resolve = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            selection.resolve(Path::new("a.csv"), &names).map_err(|error| error.to_string())
        };
        assert_eq!(resolve(&["id", "pixel_0_0", "note", "pixel_0_1"]).unwrap(), [1, 3]);
        assert_eq!(resolve(&["kind", "image"]).unwrap(), [1]);
        assert_eq!(resolve(&["x1", "x2"]).unwrap(), [0, 1]);
    }

    #[test]
    fn wrong_choices_are_refused() {
        let cases = [
            (resolve(Some(&["wieght"]), &[]), "did you mean `weight`"),
            (resolve(None, &["age"]), "known: `height`, `weight`, `label`"),
            (resolve(Some(&["label", "label"]), &[]), "`label` appears twice"),
            (resolve(Some(&["label"]), &["label"]), "no column is left"),
        ];
        for (result, expected) in cases {
            let text = result.unwrap_err();
            assert!(text.contains(expected), "{text}");
        }
    }
}
