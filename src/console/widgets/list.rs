//! A list's cursor, kept on its item and in view while the list changes around it.

/// The cursor of a list whose items have ids.
#[derive(Clone, Debug)]
pub struct ListCursor<Id> {
    ids: Vec<Id>,
    index: usize,
    offset: usize,
    height: usize,
    wish: Option<Id>,
}

impl<Id> Default for ListCursor<Id> {
    fn default() -> Self {
        Self { ids: Vec::new(), index: 0, offset: 0, height: 1, wish: None }
    }
}

impl<Id: Clone + PartialEq> ListCursor<Id> {
    /// Takes the list as it is now. The cursor stays on its item, and the item on its line; when the item is gone, on the line.
    pub fn set(&mut self, ids: Vec<Id>) {
        let moved = self.id().and_then(|id| ids.iter().position(|other| other == id));
        if let Some(index) = moved {
            self.offset = (self.offset + index).saturating_sub(self.index);
            self.index = index;
        }
        self.ids = ids;
        if let Some(index) = self.wish.take().and_then(|id| self.position(&id)) {
            self.index = index;
        }
        self.fit();
    }

    /// Puts the cursor on an item that the next list will have.
    pub fn wish(&mut self, id: Id) {
        self.wish = Some(id);
    }

    /// Which item the cursor is on.
    #[must_use]
    pub fn id(&self) -> Option<&Id> {
        self.ids.get(self.index)
    }

    /// Its index.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }

    /// The index of the first item in view.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Where an item is.
    #[must_use]
    pub fn position(&self, id: &Id) -> Option<usize> {
        self.ids.iter().position(|other| other == id)
    }

    /// Puts the cursor on an index.
    pub fn go(&mut self, index: usize) {
        self.index = index;
        self.fit();
    }

    /// Moves the cursor; beyond an end it stops there.
    pub fn step(&mut self, by: isize) {
        self.go(self.index.saturating_add_signed(by));
    }

    /// Moves the cursor by a page.
    pub fn page(&mut self, by: isize) {
        let page = isize::try_from(self.height.saturating_sub(1).max(1)).unwrap_or(1);
        self.step(by.saturating_mul(page));
    }

    /// Learns how many items are in view.
    pub fn arrange(&mut self, height: usize) {
        self.height = height.max(1);
        self.fit();
    }

    fn fit(&mut self) {
        self.index = self.index.min(self.ids.len().saturating_sub(1));
        let offset_max = self.ids.len().saturating_sub(self.height);
        self.offset = self.offset.min(self.index).max((self.index + 1).saturating_sub(self.height)).min(offset_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_stays_on_its_item() {
        let mut list = ListCursor::default();
        list.arrange(3);
        list.set(vec!["a", "b", "c", "d", "e"]);
        list.step(3);
        assert_eq!((list.id(), list.offset()), (Some(&"d"), 1));
        list.set(vec!["x", "y", "a", "b", "c", "d", "e"]);
        assert_eq!((list.id(), list.offset()), (Some(&"d"), 3));
        list.set(vec!["x", "y"]);
        assert_eq!((list.id(), list.offset()), (Some(&"y"), 0));
        list.set(Vec::new());
        assert_eq!(list.id(), None);
        list.step(-1);
        list.page(1);
        assert_eq!(list.id(), None);
    }
}
