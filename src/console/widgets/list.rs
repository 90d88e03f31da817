//! A list's cursor, kept on its item and in view while the list changes around it.

use crate::console::keymap::Action;

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

    /// Puts the cursor on the item in this line of the view; where there is none, it stays.
    pub fn click(&mut self, line: Option<u16>) {
        let index = line.map(|line| self.offset + usize::from(line)).filter(|index| *index < self.ids.len());
        self.go(index.unwrap_or(self.index));
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

    /// Answers the keys that move in a list; says whether it was one.
    pub fn on_action(&mut self, action: Action) -> bool {
        match action {
            Action::Up => self.step(-1),
            Action::Down => self.step(1),
            Action::PageUp => self.page(-1),
            Action::PageDown => self.page(1),
            Action::First => self.go(0),
            Action::Last => self.go(usize::MAX),
            _ => return false,
        }
        true
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

/// The cursor of a list that grows at its top. It follows the newest item while it is on it; elsewhere it stands still, so that
/// what is read does not move away, and counts what came since.
#[derive(Clone, Debug)]
pub struct FollowCursor<Id> {
    list: ListCursor<Id>,
    /// The newest item when it was last followed; nothing while it follows.
    still_since: Option<Id>,
}

impl<Id> Default for FollowCursor<Id> {
    fn default() -> Self {
        Self { list: ListCursor::default(), still_since: None }
    }
}

impl<Id: Clone + PartialEq> FollowCursor<Id> {
    /// Takes the list as it is now.
    pub fn set(&mut self, ids: Vec<Id>) {
        self.list.set(ids);
        if self.still_since.is_none() {
            self.list.go(0);
        }
    }

    /// Its place in the list.
    #[must_use]
    pub const fn list(&self) -> &ListCursor<Id> {
        &self.list
    }

    /// Whether it follows.
    #[must_use]
    pub const fn follows(&self) -> bool {
        self.still_since.is_none()
    }

    /// How many items that came since it stands still are not in view: those above its first line.
    #[must_use]
    pub fn newer(&self) -> usize {
        let came = self.still_since.as_ref().map_or(0, |id| self.list.position(id).unwrap_or(self.list.ids.len()));
        came.min(self.list.offset())
    }

    /// How it moves, in words: that it follows, or how many came since it stands still. Where more came than are read, there is
    /// a gap between the newest and what one looked at, and that is said.
    #[must_use]
    pub fn words(&self) -> String {
        let is_gap = self.still_since.as_ref().is_some_and(|id| self.list.position(id).is_none());
        match (self.follows(), self.newer()) {
            (true, _) => "following".to_owned(),
            (false, 0) if !is_gap => "standing still".to_owned(),
            (false, newer) if is_gap => format!("standing still, a gap: more than {newer} new above"),
            (false, newer) => format!("standing still, {newer} new above"),
        }
    }

    /// Answers the keys that move in a list, and the one that pauses; says whether it was one.
    pub fn on_action(&mut self, action: Action) -> bool {
        if action == Action::Hold {
            self.pause_or_follow();
            return true;
        }
        let moved = self.list.on_action(action);
        if moved {
            self.hold();
        }
        moved
    }

    /// To an index; the first is the newest, and followed.
    pub fn go(&mut self, index: usize) {
        self.list.go(index);
        self.hold();
    }

    /// Puts the cursor on the item in this line of the view.
    pub fn click(&mut self, line: Option<u16>) {
        self.list.click(line);
        self.hold();
    }

    /// Stands still where it is, or follows again.
    pub fn pause_or_follow(&mut self) {
        if self.follows() { self.pause() } else { self.go(0) }
    }

    /// Stands still where it is, so that coming back from elsewhere finds the same line.
    pub fn pause(&mut self) {
        if self.still_since.is_none() {
            self.still_since = self.list.ids.first().cloned();
        }
    }

    /// Learns how many items are in view.
    pub fn arrange(&mut self, height: usize) {
        self.list.arrange(height);
    }

    fn hold(&mut self) {
        if self.list.index() == 0 {
            self.still_since = None;
        } else {
            self.pause();
        }
    }
}

/// Items of a list that are marked, to do something with all of them as one.
#[derive(Clone, Debug)]
pub struct Marks<Id>(Vec<Id>);

impl<Id> Default for Marks<Id> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<Id: Clone + PartialEq> Marks<Id> {
    /// Marks an item, or lets go of it.
    pub fn turn(&mut self, id: Id) {
        match self.0.iter().position(|other| *other == id) {
            Some(index) => {
                self.0.remove(index);
            }
            None => self.0.push(id),
        }
    }

    /// Whether an item is marked.
    #[must_use]
    pub fn has(&self, id: &Id) -> bool {
        self.0.contains(id)
    }

    /// All of them, in the order in which they were marked.
    #[must_use]
    pub fn all(&self) -> &[Id] {
        &self.0
    }

    /// Lets go of all. Says whether there were any.
    pub fn clear(&mut self) -> bool {
        let were = !self.0.is_empty();
        self.0.clear();
        were
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

    #[test]
    fn what_came_meanwhile_is_counted_and_a_gap_is_named() {
        let mut list = FollowCursor::default();
        list.arrange(2);
        list.set(vec![3, 2, 1]);
        assert_eq!(list.words(), "following");
        list.pause();
        assert_eq!(list.words(), "standing still");
        list.set(vec![5, 4, 3, 2, 1]);
        assert_eq!(list.words(), "standing still, 2 new above");
        list.on_action(Action::Up);
        assert_eq!(list.words(), "standing still, 1 new above", "one came into view");
        list.set(vec![9, 8, 7]);
        assert_eq!(list.words(), "standing still, a gap: more than 1 new above");
    }
}
