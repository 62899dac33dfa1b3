//! Ready forms of lists: what was rendered of a chunk is kept and served again, as long as the
//! memory that snapshots leave has room for it.
//!
//! This room knows neither the form nor who reads it: whoever asks brings the function that writes
//! an entry, and always the same one. What was not used for longest goes first, by a clock hand
//! that passes over what was used since it last came by. Reading what is there takes no lock.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use parking_lot::Mutex;

/// The entries of a chunk as they are sent, one after the other.
pub struct Rendering {
    bytes: Bytes,
    /// Where each entry ends.
    ends: Box<[u32]>,
}

impl Rendering {
    /// The bytes of the entries at these places. They are shared, not copied.
    pub fn slice(&self, places: Range<usize>) -> Bytes {
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

/// Where a chunk keeps its rendering. A copy of it is empty: what is copied is about to change.
#[derive(Default)]
pub struct Slot {
    rendering: ArcSwapOption<Rendering>,
    /// How many bytes the chunk comes to; 0 before it was rendered for the first time.
    length: AtomicUsize,
    /// Whether it was read since the hand last came by.
    used: AtomicBool,
}

impl Clone for Slot {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Slot {
    /// How many bytes the whole chunk comes to, if that is known.
    pub fn length(&self) -> Option<usize> {
        Some(self.length.load(Ordering::Relaxed)).filter(|length| *length > 0)
    }
}

/// What has a slot.
pub trait Holder: Send + Sync {
    fn slot(&self) -> &Slot;
}

/// All renderings of a directory, and the memory that they take together.
#[derive(Default)]
pub struct Renderings {
    /// What they occupy, in bytes; those that were let go and are still being sent included.
    occupied: Arc<AtomicUsize>,
    /// What they may occupy, in bytes.
    room: AtomicUsize,
    /// Taken to keep a rendering or to let one go, never to read one.
    kept: Mutex<Kept>,
}

/// Who has a rendering, in the order in which the hand comes by.
#[derive(Default)]
struct Kept {
    holders: VecDeque<Weak<dyn Holder>>,
    /// At this length holders that are gone are looked for.
    sweep_at: usize,
}

impl Renderings {
    /// The bytes of some entries of a holder: of those at `places` among `entries`, which are all
    /// that it has. `write` appends one entry.
    pub fn of<T, H: Holder + 'static>(
        &self,
        holder: &Arc<H>,
        entries: &[T],
        places: Range<usize>,
        write: impl Fn(&T, &mut Vec<u8>),
    ) -> Bytes {
        let slot = holder.slot();
        if let Some(rendering) = slot.rendering.load().as_deref() {
            if !slot.used.load(Ordering::Relaxed) {
                slot.used.store(true, Ordering::Relaxed);
            }
            return rendering.slice(places);
        }
        if self.room.load(Ordering::Relaxed) < slot.length().unwrap_or(1) {
            return written(&entries[places], write).0.into();
        }
        let (mut bytes, ends) = written(entries, write);
        bytes.shrink_to_fit();
        slot.length.store(bytes.len(), Ordering::Relaxed);
        let holder: Arc<dyn Holder> = holder.clone();
        self.keep(&holder, bytes, ends).slice(places)
    }

    /// How many bytes [`Renderings::of`] gives.
    pub fn length_of<T, H: Holder + 'static>(
        &self,
        holder: &Arc<H>,
        entries: &[T],
        places: Range<usize>,
        write: impl Fn(&T, &mut Vec<u8>),
    ) -> usize {
        match holder.slot().length() {
            Some(length) if places.len() == entries.len() => length,
            _ => self.of(holder, entries, places, write).len(),
        }
    }

    /// What renderings occupy now, in bytes.
    pub fn occupied(&self) -> usize {
        self.occupied.load(Ordering::Relaxed)
    }

    /// Sets what they may occupy, in bytes; what is above it is let go.
    pub fn set_room(&self, bytes: usize) {
        self.room.store(bytes, Ordering::Relaxed);
        if self.occupied() > bytes {
            self.make_room(&mut self.kept.lock(), 0);
        }
    }

    /// Keeps a rendering where there is room for it, and gives it in any case.
    fn keep(&self, holder: &Arc<dyn Holder>, bytes: Vec<u8>, ends: Box<[u32]>) -> Arc<Rendering> {
        let weight = bytes.len() + size_of_val(&*ends);
        let mut kept = self.kept.lock();
        if !self.make_room(&mut kept, weight) {
            let bytes = Bytes::from(bytes);
            return Arc::new(Rendering { bytes, ends });
        }
        self.occupied.fetch_add(weight, Ordering::Relaxed);
        let bytes = Bytes::from_owner(Buffer {
            bytes,
            weight,
            occupied: self.occupied.clone(),
        });
        let rendering = Arc::new(Rendering { bytes, ends });
        // In the lock, so that the hand finds whatever was stored.
        kept.push(Arc::downgrade(holder));
        holder.slot().rendering.store(Some(rendering.clone()));
        rendering
    }

    /// Lets renderings go until `more` bytes fit; whether they do.
    fn make_room(&self, kept: &mut Kept, more: usize) -> bool {
        let room = self.room.load(Ordering::Relaxed);
        if more > room {
            return false;
        }
        while self.occupied() + more > room {
            let Some(holder) = kept.holders.pop_front() else {
                return false;
            };
            let Some(alive) = holder.upgrade() else {
                continue;
            };
            let slot = alive.slot();
            match slot.used.swap(false, Ordering::Relaxed) {
                true => kept.holders.push_back(holder),
                false => slot.rendering.store(None),
            }
        }
        true
    }
}

impl Kept {
    fn push(&mut self, holder: Weak<dyn Holder>) {
        const FEW: usize = 1_024;
        if self.holders.len() >= self.sweep_at.max(FEW) {
            self.holders.retain(|holder| holder.strong_count() > 0);
            self.sweep_at = 2 * self.holders.len();
        }
        self.holders.push_back(holder);
    }
}

/// Entries written one after the other, and where each ends.
fn written<T>(entries: &[T], write: impl Fn(&T, &mut Vec<u8>)) -> (Vec<u8>, Box<[u32]>) {
    const USUAL: usize = 384;
    let mut bytes = Vec::with_capacity(entries.len() * USUAL);
    let ends = entries.iter().map(|entry| {
        write(entry, &mut bytes);
        // A chunk is far from 4 GiB: 256 entries of at most 256 KB.
        bytes.len() as u32
    });
    let ends = ends.collect();
    (bytes, ends)
}

/// A buffer that counts until the last slice of it is dropped.
struct Buffer {
    bytes: Vec<u8>,
    weight: usize,
    occupied: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.occupied.fetch_sub(self.weight, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Chunk {
        entries: Vec<u8>,
        slot: Slot,
    }

    impl Holder for Chunk {
        fn slot(&self) -> &Slot {
            &self.slot
        }
    }

    /// A chunk of two entries with 46 bytes each: with where each ends it weighs 100.
    fn chunk(entry: u8) -> Arc<Chunk> {
        let entries = vec![entry, entry + 1];
        let slot = Slot::default();
        Arc::new(Chunk { entries, slot })
    }

    fn read(renderings: &Renderings, chunk: &Arc<Chunk>, places: Range<usize>) -> Bytes {
        renderings.of(chunk, &chunk.entries, places, |entry, bytes| {
            bytes.extend([*entry; 46]);
        })
    }

    fn is_kept(chunk: &Chunk) -> bool {
        chunk.slot.rendering.load().is_some()
    }

    fn with_room(bytes: usize) -> Renderings {
        let renderings = Renderings::default();
        renderings.set_room(bytes);
        renderings
    }

    #[test]
    fn what_is_read_is_the_same_kept_or_not() {
        for room in [0, 99, 100, 1_000] {
            let (renderings, chunk) = (with_room(room), chunk(7));
            for _ in 0..2 {
                assert_eq!(read(&renderings, &chunk, 0..1), [7; 46][..]);
                assert_eq!(read(&renderings, &chunk, 1..2), [8; 46][..]);
                assert_eq!(read(&renderings, &chunk, 0..2).len(), 92);
                assert_eq!(read(&renderings, &chunk, 2..2).len(), 0);
            }
            assert_eq!(is_kept(&chunk), room >= 100, "{room}");
        }
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let renderings = with_room(300);
        let chunks: Vec<_> = (0..4).map(chunk).collect();
        for chunk in &chunks[..3] {
            read(&renderings, chunk, 0..2);
        }
        read(&renderings, &chunks[0], 0..2);
        read(&renderings, &chunks[3], 0..2);
        let kept: Vec<_> = chunks.iter().map(|chunk| is_kept(chunk)).collect();
        assert_eq!(kept, [true, false, true, true]);
        assert_eq!(renderings.occupied(), 300);
    }

    #[test]
    fn bytes_count_until_the_last_slice_is_sent() {
        let renderings = with_room(100);
        let (first, second) = (chunk(1), chunk(3));
        let being_sent = read(&renderings, &first, 1..2);
        // No room, although the first is let go: it is still being sent.
        read(&renderings, &second, 0..2);
        assert_eq!(renderings.occupied(), 100);
        assert!(!is_kept(&first) && !is_kept(&second));
        assert_eq!(being_sent, [2; 46][..]);
        drop(being_sent);
        assert_eq!(renderings.occupied(), 0);
        read(&renderings, &second, 0..2);
        assert!(is_kept(&second));
        drop(second);
        assert_eq!(renderings.occupied(), 0);
    }

    #[test]
    fn less_room_lets_go_and_holders_that_are_gone_are_forgotten() {
        let renderings = with_room(1_000);
        let chunks: Vec<_> = (0..10).map(chunk).collect();
        for chunk in &chunks {
            read(&renderings, chunk, 0..2);
        }
        renderings.set_room(250);
        assert_eq!(renderings.occupied(), 200);
        for _ in 0..5_000 {
            read(&renderings, &chunk(1), 0..2);
        }
        assert!(renderings.kept.lock().holders.len() <= 1_025);
    }

    #[test]
    fn the_length_is_known_after_the_rendering_went() {
        let (renderings, chunk) = (with_room(100), chunk(1));
        assert_eq!(chunk.slot.length(), None);
        read(&renderings, &chunk, 0..1);
        renderings.set_room(0);
        assert!(!is_kept(&chunk));
        let unread = |_: &u8, _: &mut Vec<u8>| panic!("it is written once more");
        assert_eq!(
            renderings.length_of(&chunk, &chunk.entries, 0..2, unread),
            92
        );
        assert_eq!(chunk.slot.clone().length(), None);
    }
}
