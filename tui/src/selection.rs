//! Which row of a list is selected: the same one, wherever it moves to.

/// A selected row, remembered by what it is and not by where it is.
#[derive(Clone, Debug)]
pub(crate) struct Selection<K> {
    /// What was selected; `None` follows the first row.
    key: Option<K>,
    /// Where it is.
    pub(crate) at: usize,
    /// First row on the screen.
    pub(crate) top: usize,
    /// Rows that the screen had room for.
    pub(crate) height: usize,
}

impl<K> Default for Selection<K> {
    fn default() -> Self {
        Self { key: None, at: 0, top: 0, height: 1 }
    }
}

impl<K: PartialEq + Clone> Selection<K> {
    /// Finds the selected row again in a list that has changed.
    pub(crate) fn follow(&mut self, keys: impl ExactSizeIterator<Item = K>) {
        let rows = keys.len();
        self.at = match &self.key {
            None => 0,
            Some(key) => {
                let mut keys = keys;
                // What is gone leaves the selection where it stood.
                keys.position(|known| known == *key).unwrap_or(self.at)
            }
        };
        self.at = self.at.min(rows.saturating_sub(1));
    }

    /// Selects the row at a position, which holds `key`.
    pub(crate) fn set(&mut self, at: usize, key: K) {
        self.at = at;
        self.key = Some(key);
    }

    /// Where a step of `by` rows leads.
    pub(crate) fn step(&self, by: isize, rows: usize) -> usize {
        self.at.saturating_add_signed(by).min(rows.saturating_sub(1))
    }

    /// Forgets what was selected.
    pub(crate) fn clear(&mut self) {
        *self = Self { height: self.height, ..Self::default() };
    }

    /// The rows to draw in `height` lines, with the selected one among them.
    pub(crate) fn visible(&mut self, height: usize, rows: usize) -> std::ops::Range<usize> {
        self.height = height.max(1);
        if self.at < self.top {
            self.top = self.at;
        }
        if self.at >= self.top + self.height {
            self.top = self.at + 1 - self.height;
        }
        self.top = self.top.min(rows.saturating_sub(self.height));
        self.top..(self.top + height).min(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selected_row_is_followed() {
        let mut selection = Selection::default();
        selection.follow(["a", "b", "c"].into_iter());
        assert_eq!(selection.at, 0);
        selection.set(1, "b");
        selection.follow(["c", "a", "x", "b"].into_iter());
        assert_eq!(selection.at, 3);
        selection.follow(["c", "a"].into_iter());
        assert_eq!(selection.at, 1);
        selection.follow(["b", "c"].into_iter());
        assert_eq!(selection.at, 0, "it has come back");
    }

    #[test]
    fn the_selected_row_is_on_the_screen() {
        let mut selection = Selection::default();
        selection.set(9, 'j');
        assert_eq!(selection.visible(4, 20), 6..10);
        selection.set(2, 'c');
        assert_eq!(selection.visible(4, 20), 2..6);
        assert_eq!(selection.visible(30, 20), 0..20);
        assert_eq!(selection.visible(0, 0), 0..0);
    }
}
