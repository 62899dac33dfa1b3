//! Ready forms of lists: what was rendered of a chunk is kept in spare memory and served again.
//!
//! This room knows neither the form nor who reads it: whoever asks brings the function that writes
//! an entry, and always the same one.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use bytes::Bytes;

use super::spare::{Counted, Holder, Slot, Spare};

/// The entries of a chunk as they are sent, one after the other.
pub struct Rendering {
    bytes: Bytes,
    /// Where each entry ends.
    ends: Box<[u32]>,
}

impl Rendering {
    /// The bytes of the entries at these places. They are shared, not copied.
    fn slice(&self, places: Range<usize>) -> Bytes {
        self.bytes
            .slice(self.end_before(places.start)..self.end_before(places.end))
    }

    fn end_before(&self, place: usize) -> usize {
        match place.checked_sub(1) {
            Some(before) => self.ends[before] as usize,
            None => 0,
        }
    }
}

/// What a chunk has of its ready form. A copy is empty: what is copied is about to change.
#[derive(Default)]
pub struct Form {
    slot: Slot<Rendering>,
    /// How many bytes the chunk comes to; 0 before it was rendered for the first time.
    length: AtomicUsize,
    /// How often a single entry was asked for that was not ready; it stays at [`OFTEN`].
    asked: AtomicU8,
}

/// Single entries of a chunk that are asked for before the chunk is rendered: what those cost
/// together is about what rendering it costs.
const OFTEN: u8 = 32;

impl Clone for Form {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Form {
    pub fn slot(&self) -> &Slot<Rendering> {
        &self.slot
    }

    /// The bytes of some entries, where the chunk is rendered.
    pub fn ready(&self, places: Range<usize>) -> Option<Bytes> {
        let rendering = self.slot.get();
        rendering
            .as_deref()
            .map(|rendering| rendering.slice(places))
    }

    /// Notes that a single entry was asked for; whether that was often.
    pub fn is_asked_often(&self) -> bool {
        let asked = self.asked.load(Ordering::Relaxed);
        if asked < OFTEN {
            // Of two at once one may not count: it is no exact number.
            self.asked.store(asked + 1, Ordering::Relaxed);
        }
        asked >= OFTEN
    }

    /// How many bytes the whole chunk comes to, if that is known.
    pub fn length(&self) -> Option<usize> {
        Some(self.length.load(Ordering::Relaxed)).filter(|length| *length > 0)
    }
}

/// The bytes of some entries of a chunk: of those at `places` among `entries`, which are all that
/// it has. `write` appends one entry.
pub fn rendered<T, H: Holder<Kept = Rendering> + 'static>(
    spare: &Spare,
    (chunk, form): (&Arc<H>, &Form),
    entries: &[T],
    places: Range<usize>,
    write: impl Fn(&T, &mut Vec<u8>),
) -> Bytes {
    if let Some(ready) = form.ready(places.clone()) {
        return ready;
    }
    if spare.room() < form.length().unwrap_or(1) {
        let (bytes, _) = written(&entries[places.clone()], write);
        if places.len() == entries.len() {
            form.length.store(bytes.len(), Ordering::Relaxed);
        }
        return bytes.into();
    }
    let (mut bytes, ends) = written(entries, write);
    bytes.shrink_to_fit();
    form.length.store(bytes.len(), Ordering::Relaxed);
    let weight = bytes.len() + size_of_val(&*ends);
    let make = |counted| Rendering {
        bytes: match counted {
            Some(counted) => Bytes::from_owner(Buffer { bytes, counted }),
            None => bytes.into(),
        },
        ends,
    };
    spare.keep(chunk, weight, make).slice(places)
}

/// Entries written one after the other, and where each ends.
fn written<T>(entries: &[T], write: impl Fn(&T, &mut Vec<u8>)) -> (Vec<u8>, Box<[u32]>) {
    const USUAL: usize = 384;
    let mut bytes = Vec::with_capacity(entries.len() * USUAL);
    let ends = entries.iter().map(|entry| {
        write(entry, &mut bytes);
        // A chunk is far from 4 GiB: 256 entries of a few KB each.
        bytes.len() as u32
    });
    let ends = ends.collect();
    (bytes, ends)
}

/// A buffer that counts until the last slice of it is dropped.
struct Buffer {
    bytes: Vec<u8>,
    #[expect(dead_code, reason = "held, never read")]
    counted: Counted,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Chunk(Form);

    impl Holder for Chunk {
        type Kept = Rendering;
        fn slot(&self) -> &Slot<Rendering> {
            &self.0.slot
        }
    }

    /// Of two entries with 46 bytes each: with where each ends it weighs 100.
    fn read(spare: &Spare, chunk: &Arc<Chunk>, places: Range<usize>) -> Bytes {
        let write = |entry: &u8, bytes: &mut Vec<u8>| bytes.extend([*entry; 46]);
        rendered(spare, (chunk, &chunk.0), &[7, 8], places, write)
    }

    fn with_room(bytes: usize) -> Spare {
        let spare = Spare::default();
        spare.set_room(bytes);
        spare
    }

    #[test]
    fn what_is_read_is_the_same_kept_or_not() {
        for room in [0, 99, 100, 1_000] {
            let (spare, chunk) = (with_room(room), Arc::<Chunk>::default());
            for _ in 0..2 {
                assert_eq!(read(&spare, &chunk, 0..1), [7; 46][..]);
                assert_eq!(read(&spare, &chunk, 1..2), [8; 46][..]);
                assert_eq!(read(&spare, &chunk, 0..2).len(), 92);
                assert_eq!(read(&spare, &chunk, 2..2).len(), 0);
            }
            let occupied = if room >= 100 { 100 } else { 0 };
            assert_eq!(spare.occupied(), occupied, "{room}");
        }
    }

    #[test]
    fn bytes_count_until_the_last_slice_is_sent() {
        let (spare, chunk) = (with_room(100), Arc::<Chunk>::default());
        let being_sent = read(&spare, &chunk, 1..2);
        spare.set_room(0);
        drop(chunk);
        assert_eq!(spare.occupied(), 100);
        assert_eq!(being_sent, [8; 46][..]);
        drop(being_sent);
        assert_eq!(spare.occupied(), 0);
    }

    #[test]
    fn the_length_is_known_after_the_rendering_went() {
        let (spare, chunk) = (with_room(100), Arc::<Chunk>::default());
        assert_eq!(chunk.0.length(), None);
        read(&spare, &chunk, 0..1);
        spare.set_room(0);
        assert_eq!(spare.occupied(), 0);
        assert_eq!(chunk.0.length(), Some(92));
        assert_eq!(chunk.0.clone().length(), None);
    }
}
