//! An ordered list that many share and one changes: rank, slice and lookup in O(log n), and a
//! change copies one chunk and the list of chunks.
//!
//! This is the shape behind every list and count: clients by id, the same per tag and per role.
//! A clone costs one reference count; the clones never see each other's changes.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::rendered::{Form, Rendering, rendered};
use super::spare::{Holder, Slot, Spare};

/// What an entry is ordered by.
pub trait Keyed {
    type Key: Ord + ?Sized;
    fn key(&self) -> &Self::Key;

    /// The beginning of a key as a number: of two keys whose beginnings differ, the smaller key has
    /// the smaller one. A search compares these, which lie side by side, before it touches entries.
    fn beginning(key: &Self::Key) -> u128;
}

/// The beginning of a text without NUL, which is ordered by its bytes.
pub fn beginning_of_text(text: &str) -> u128 {
    let mut bytes = [0; size_of::<u128>()];
    let length = text.len().min(bytes.len());
    bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
    u128::from_be_bytes(bytes)
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
    /// The beginning of its first key.
    beginning: u128,
    block: Arc<Block<T>>,
}

/// The entries of a chunk, and their ready form.
#[derive(Clone)]
struct Block<T> {
    entries: Vec<T>,
    /// The beginning of each key.
    beginnings: Vec<u128>,
    form: Form,
}

impl<T: Keyed> Block<T> {
    fn new(entries: Vec<T>) -> Self {
        Self {
            beginnings: entries
                .iter()
                .map(|entry| T::beginning(entry.key()))
                .collect(),
            entries,
            form: Form::default(),
        }
    }

    /// Where a key is, or where it would be.
    fn search(&self, key: &T::Key) -> Result<usize, usize> {
        let beginning = T::beginning(key);
        let first = self.beginnings.partition_point(|own| *own < beginning);
        let same = self.beginnings[first..].partition_point(|own| *own == beginning);
        self.entries[first..first + same]
            .binary_search_by(|entry| entry.key().cmp(key))
            .map(|place| first + place)
            .map_err(|place| first + place)
    }

    fn insert(&mut self, place: usize, entry: T) {
        self.beginnings.insert(place, T::beginning(entry.key()));
        self.entries.insert(place, entry);
    }

    /// Keeps the first half of the entries, in as much memory as they need, and gives the others.
    fn split(&mut self) -> Vec<T> {
        let half = CHUNK / 2;
        let right = self.entries.split_off(half);
        self.beginnings.truncate(half);
        self.entries.shrink_to_fit();
        self.beginnings.shrink_to_fit();
        right
    }

    fn remove(&mut self, place: usize) -> T {
        self.beginnings.remove(place);
        self.entries.remove(place)
    }
}

impl<T: Send + Sync> Holder for Block<T> {
    type Kept = Rendering;
    fn slot(&self) -> &Slot<Rendering> {
        self.form.slot()
    }
}

/// Neighbours in a list that lie in one chunk.
pub struct Part<'a, T> {
    block: &'a Arc<Block<T>>,
    places: Range<usize>,
}

/// One entry, and where it lies.
pub struct Found<'a, T> {
    pub entry: &'a T,
    part: Part<'a, T>,
}

impl<T: Send + Sync + 'static> Found<'_, T> {
    /// The entry as `write` writes it, where that is ready, or where its chunk is asked for often
    /// enough to be made ready: a single entry is written sooner than all of its neighbours.
    pub fn rendered(&self, spare: &Spare, write: impl Fn(&T, &mut Vec<u8>)) -> Option<Bytes> {
        let Part { block, places } = &self.part;
        match block.form.ready(places.clone()) {
            None if block.form.is_asked_often() => Some(self.part.rendered(spare, write)),
            ready => ready,
        }
    }
}

impl<T: Send + Sync + 'static> Part<'_, T> {
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether its length in bytes is known without writing it.
    pub fn is_measured(&self) -> bool {
        self.len() == self.block.entries.len() && self.block.form.length().is_some()
    }

    /// Its entries as `write` writes them, one after the other. One list has one `write`.
    pub fn rendered(&self, spare: &Spare, write: impl Fn(&T, &mut Vec<u8>)) -> Bytes {
        let chunk = (self.block, &self.block.form);
        rendered(
            spare,
            chunk,
            &self.block.entries,
            self.places.clone(),
            write,
        )
    }

    /// The length of that in bytes.
    pub fn rendered_length(&self, spare: &Spare, write: impl Fn(&T, &mut Vec<u8>)) -> usize {
        match self.block.form.length() {
            Some(length) if self.len() == self.block.entries.len() => length,
            _ => self.rendered(spare, write).len(),
        }
    }
}

impl<T> Clone for Chunk<T> {
    fn clone(&self) -> Self {
        Self {
            start: self.start,
            beginning: self.beginning,
            block: self.block.clone(),
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
            let chunk = Chunk::new(start, entries.by_ref().take(CHUNK / 2).collect());
            start += chunk.block.entries.len();
            chunks.push(chunk);
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

    /// About how many bytes it occupies, without what its entries point to.
    pub fn weight(&self) -> usize {
        let chunk = size_of::<Chunk<T>>() + size_of::<Block<T>>();
        self.chunks.len() * chunk + self.len * (size_of::<T>() + size_of::<u128>())
    }

    pub fn get(&self, key: &T::Key) -> Option<&T> {
        let chunk = self.chunks.get(self.chunk_of(key)?)?;
        let place = chunk.block.search(key).ok()?;
        chunk.block.entries.get(place)
    }

    /// An entry to be changed in its place; its key must stay as it is.
    pub fn get_mut(&mut self, key: &T::Key) -> Option<&mut T> {
        let index = self.chunk_of(key)?;
        let place = self.chunks[index].block.search(key).ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        to_be_changed(&mut chunks[index]).entries.get_mut(place)
    }

    /// The same with its place, for its ready form.
    pub fn find(&self, key: &T::Key) -> Option<Found<'_, T>> {
        let chunk = self.chunks.get(self.chunk_of(key)?)?;
        let place = chunk.block.search(key).ok()?;
        let entry = chunk.block.entries.get(place)?;
        Some(Found {
            entry,
            part: Part {
                block: &chunk.block,
                places: place..place + 1,
            },
        })
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
        let block = to_be_changed(&mut chunks[index]);
        match block.search(entry.key()) {
            Ok(place) => return Some(std::mem::replace(&mut block.entries[place], entry)),
            Err(place) => block.insert(place, entry),
        }
        if block.entries.len() > CHUNK {
            let right = block.split();
            chunks.insert(index + 1, Chunk::new(0, right));
        }
        self.recount(index);
        None
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &T::Key) -> Option<T> {
        let index = self.chunk_of(key)?;
        let place = self.chunks[index].block.search(key).ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        let block = to_be_changed(&mut chunks[index]);
        let removed = block.remove(place);
        if block.entries.is_empty() {
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
            .flat_map(|chunk| chunk.block.entries.iter())
            .skip(offset)
            .take(range.len())
    }

    /// The same in parts, each of one chunk, none of them empty.
    pub fn parts(&self, range: Range<usize>) -> impl Iterator<Item = Part<'_, T>> {
        let range = range.start..range.end.min(self.len);
        let first = self
            .chunks
            .partition_point(|chunk| chunk.start <= range.start);
        self.chunks[first.saturating_sub(1)..]
            .iter()
            .map_while(move |chunk| {
                let entries = chunk.block.entries.len();
                let places = range.start.saturating_sub(chunk.start)
                    ..range.end.saturating_sub(chunk.start).min(entries);
                (!places.is_empty()).then_some(Part {
                    block: &chunk.block,
                    places,
                })
            })
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.slice(0..self.len)
    }

    /// The chunk that holds a key if any does: the last one that begins at or before it.
    fn chunk_of(&self, key: &T::Key) -> Option<usize> {
        let beginning = T::beginning(key);
        self.chunks
            .partition_point(|chunk| match chunk.beginning.cmp(&beginning) {
                Ordering::Less => true,
                Ordering::Equal => chunk.first().is_some_and(|entry| entry.key() <= key),
                Ordering::Greater => false,
            })
            .checked_sub(1)
    }

    /// Sets right the beginning of a chunk that was changed, the starts from it on, and the length.
    fn recount(&mut self, from: usize) {
        let chunks = Arc::make_mut(&mut self.chunks);
        if let Some(changed) = chunks.get_mut(from) {
            changed.beginning = changed
                .block
                .beginnings
                .first()
                .copied()
                .unwrap_or_default();
        }
        let mut start = match from.checked_sub(1).and_then(|before| chunks.get(before)) {
            Some(before) => before.start + before.block.entries.len(),
            None => 0,
        };
        for chunk in chunks.iter_mut().skip(from) {
            chunk.start = start;
            start += chunk.block.entries.len();
        }
        self.len = start;
    }
}

impl<T: Keyed> Chunk<T> {
    fn new(start: usize, entries: Vec<T>) -> Self {
        let block = Arc::new(Block::new(entries));
        Self {
            start,
            beginning: block.beginnings.first().copied().unwrap_or_default(),
            block,
        }
    }

    fn first(&self) -> Option<&T> {
        self.block.entries.first()
    }
}

/// The block of a chunk, for a change. Whatever was rendered of it is of before.
fn to_be_changed<T: Clone>(chunk: &mut Chunk<T>) -> &mut Block<T> {
    let block = Arc::make_mut(&mut chunk.block);
    block.form = Form::default();
    block
}

#[cfg(test)]
mod tests;
