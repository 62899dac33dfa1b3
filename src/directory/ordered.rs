//! An ordered list that many share and one changes: rank, slice and lookup in O(log n), and a
//! change copies one chunk and the list of chunks.
//!
//! This is the shape behind every list and count: clients by id, the same per tag and per role.
//! A clone costs one reference count; the clones never see each other's changes.

use std::ops::Range;
use std::sync::Arc;

/// What an entry is ordered by.
pub trait Keyed {
    type Key: Ord + ?Sized;
    fn key(&self) -> &Self::Key;
}

/// A chunk is split when it would hold more.
const CHUNK: usize = 256;

/// Entries in the order of their keys, each key once.
pub struct OrderedList<T> {
    chunks: Arc<Vec<Chunk<T>>>,
    len: usize,
}

struct Chunk<T> {
    /// How many entries lie before this chunk: kept here so that a rank is found without touching
    /// the chunks themselves.
    start: usize,
    entries: Arc<Vec<T>>,
}

impl<T> Clone for Chunk<T> {
    fn clone(&self) -> Self {
        Self {
            start: self.start,
            entries: self.entries.clone(),
        }
    }
}

impl<T> Clone for OrderedList<T> {
    fn clone(&self) -> Self {
        Self {
            chunks: self.chunks.clone(),
            len: self.len,
        }
    }
}

impl<T> Default for OrderedList<T> {
    fn default() -> Self {
        Self {
            chunks: Arc::default(),
            len: 0,
        }
    }
}

impl<T: Keyed + Clone> OrderedList<T> {
    /// From entries that are in order already, each key once.
    pub fn from_sorted(entries: Vec<T>) -> Self {
        let len = entries.len();
        let mut chunks = Vec::with_capacity(len.div_ceil(CHUNK / 2));
        let mut entries = entries.into_iter().peekable();
        let mut start = 0;
        while entries.peek().is_some() {
            // Half full, so that the next insertions need no split.
            let chunk: Vec<T> = entries.by_ref().take(CHUNK / 2).collect();
            let next = start + chunk.len();
            chunks.push(Chunk {
                start,
                entries: Arc::new(chunk),
            });
            start = next;
        }
        Self {
            chunks: Arc::new(chunks),
            len,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn get(&self, key: &T::Key) -> Option<&T> {
        let chunk = self.chunks.get(self.chunk_of(key)?)?;
        let position = chunk
            .entries
            .binary_search_by(|entry| entry.key().cmp(key))
            .ok()?;
        chunk.entries.get(position)
    }

    /// An entry to be changed in its place; its key must stay as it is.
    pub fn get_mut(&mut self, key: &T::Key) -> Option<&mut T> {
        let index = self.chunk_of(key)?;
        let position = self.chunks[index]
            .entries
            .binary_search_by(|entry| entry.key().cmp(key))
            .ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        Arc::make_mut(&mut chunks[index].entries).get_mut(position)
    }

    /// Puts an entry in its place; gives back the one that had its key.
    pub fn insert(&mut self, entry: T) -> Option<T> {
        let Some(index) = self
            .chunk_of(entry.key())
            .or((!self.is_empty()).then_some(0))
        else {
            *self = Self::from_sorted(vec![entry]);
            return None;
        };
        let chunks = Arc::make_mut(&mut self.chunks);
        let entries = Arc::make_mut(&mut chunks[index].entries);
        match entries.binary_search_by(|other| other.key().cmp(entry.key())) {
            Ok(position) => return Some(std::mem::replace(&mut entries[position], entry)),
            Err(position) => entries.insert(position, entry),
        }
        if entries.len() > CHUNK {
            let right = Arc::new(entries.split_off(CHUNK / 2));
            chunks.insert(
                index + 1,
                Chunk {
                    start: 0,
                    entries: right,
                },
            );
        }
        self.recount(index);
        None
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &T::Key) -> Option<T> {
        let index = self.chunk_of(key)?;
        let position = self.chunks[index]
            .entries
            .binary_search_by(|entry| entry.key().cmp(key))
            .ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        let entries = Arc::make_mut(&mut chunks[index].entries);
        let removed = entries.remove(position);
        if entries.is_empty() {
            chunks.remove(index);
        }
        self.recount(index);
        Some(removed)
    }

    /// The entries at these positions, in order. Positions past the end give nothing.
    pub fn slice(&self, range: Range<usize>) -> impl Iterator<Item = &T> {
        let first = self
            .chunks
            .partition_point(|chunk| chunk.start <= range.start);
        let first = first.saturating_sub(1);
        let offset = self
            .chunks
            .get(first)
            .map_or(0, |chunk| range.start - chunk.start);
        self.chunks[first..]
            .iter()
            .flat_map(|chunk| chunk.entries.iter())
            .skip(offset)
            .take(range.len())
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.slice(0..self.len)
    }

    /// The chunk that holds a key if any does: the last one that begins at or before it.
    fn chunk_of(&self, key: &T::Key) -> Option<usize> {
        self.chunks
            .partition_point(|chunk| {
                chunk
                    .entries
                    .first()
                    .is_some_and(|entry| entry.key() <= key)
            })
            .checked_sub(1)
    }

    /// Sets the starts right from a chunk on, and the length.
    fn recount(&mut self, from: usize) {
        let chunks = Arc::make_mut(&mut self.chunks);
        let mut start = match from.checked_sub(1).and_then(|before| chunks.get(before)) {
            Some(before) => before.start + before.entries.len(),
            None => 0,
        };
        for chunk in chunks.iter_mut().skip(from) {
            chunk.start = start;
            start += chunk.entries.len();
        }
        self.len = start;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::ports::Random;
    use crate::system::random::SeededRandom;

    #[derive(Clone, Debug, PartialEq)]
    struct Entry(u32, u32);

    impl Keyed for Entry {
        type Key = u32;
        fn key(&self) -> &u32 {
            &self.0
        }
    }

    fn assert_same(list: &OrderedList<Entry>, model: &BTreeMap<u32, u32>) {
        assert_eq!(list.len(), model.len());
        assert!(
            list.iter()
                .map(|entry| (entry.0, entry.1))
                .eq(model.iter().map(|(k, v)| (*k, *v)))
        );
    }

    #[test]
    fn it_agrees_with_a_map_through_a_random_life() {
        let random = SeededRandom::new(7);
        let draw = |below: u32| {
            let mut bytes = [0; 4];
            random.fill(&mut bytes);
            u32::from_le_bytes(bytes) % below
        };
        let mut list = OrderedList::default();
        let mut model = BTreeMap::new();
        let mut kept = Vec::new();
        for step in 0..20_000 {
            let key = draw(3_000);
            // Grows for a while, then shrinks to nothing, then grows again.
            if draw(10) < if step / 5_000 % 2 == 0 { 7 } else { 2 } {
                let old = list.insert(Entry(key, step));
                assert_eq!(old.map(|entry| entry.1), model.insert(key, step));
            } else {
                assert_eq!(list.remove(&key).map(|entry| entry.1), model.remove(&key));
            }
            assert_eq!(
                list.get(&key).map(|entry| entry.1),
                model.get(&key).copied()
            );
            if step % 997 == 0 {
                assert_same(&list, &model);
                kept.push((list.clone(), model.clone()));
            }
        }
        for (list, model) in &kept {
            assert_same(list, model);
        }
    }

    #[test]
    fn an_entry_that_is_changed_in_its_place_is_another_one_for_whoever_shares_it() {
        let mut list = OrderedList::from_sorted((0..1_000).map(|n| Entry(n, n)).collect());
        let shared = list.clone();
        list.get_mut(&700).unwrap().1 = 7;
        assert_eq!(list.get(&700), Some(&Entry(700, 7)));
        assert_eq!(shared.get(&700), Some(&Entry(700, 700)));
        assert_eq!(list.get_mut(&1_000), None);
        assert_eq!((list.len(), shared.len()), (1_000, 1_000));
    }

    #[test]
    fn every_slice_is_where_it_should_be() {
        let list = OrderedList::from_sorted((0..1_000).map(|n| Entry(n, n)).collect());
        for start in (0..1_100).step_by(37) {
            for count in [0, 1, 100, 700] {
                let range = start..start + count;
                let expected = (start as u32..(start + count) as u32).filter(|n| *n < 1_000);
                assert!(
                    list.slice(range).map(|entry| entry.0).eq(expected),
                    "{start} {count}"
                );
            }
        }
        assert_eq!(OrderedList::<Entry>::default().slice(0..5).count(), 0);
    }
}
