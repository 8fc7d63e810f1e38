//! What a measured quantity must lie between.

use std::{fmt::Display, str::FromStr};

use super::{
    super::{keys::Table, raw::Value, reader::Fields},
    Lower,
};
use crate::lab::model::Bounds;

impl Lower<'_> {
    /// `5%`, at most that, or `{ at-least: 3%, at-most: 9% }`.
    pub(super) fn bounds<T>(
        &mut self,
        outcome: &Fields<'_>,
        (key, table): (&str, &'static Table),
    ) -> Option<Bounds<T>>
    where
        T: FromStr + PartialOrd + Display + Copy,
        T::Err: Display,
    {
        let (at, tree) = outcome.get(key)?;
        if !matches!(tree.value, Value::Map(_)) {
            let at_most = outcome.parse(&mut self.f, key)?;
            return Some(Bounds {
                at_least: None,
                at_most: Some(at_most),
            });
        }
        let inner = self.f.fields(tree, table, at)?;
        let at_least: Option<T> = inner.parse(&mut self.f, "at-least");
        let at_most: Option<T> = inner.parse(&mut self.f, "at-most");
        match (at_least, at_most) {
            (None, None) => {
                if !inner.has("at-least") && !inner.has("at-most") {
                    let message = format!("`{key}` says `at-least`, `at-most` or both");
                    self.f.error(tree.at, "expect", message);
                }
                return None;
            }
            (Some(least), Some(most)) if least > most => {
                let message = format!("nothing is at least {least} and at most {most}");
                self.f.error(inner.at_value("at-most"), "expect", message);
                return None;
            }
            _ => {}
        }
        Some(Bounds { at_least, at_most })
    }
}
