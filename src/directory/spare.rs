//! What is kept only because there is room for it: made from the snapshots, and made again when it
//! is needed and gone.
//!
//! Snapshots and this share the memory budget, and the snapshots come first. What was not used for
//! longest is let go first, by a clock hand that passes over what was used since it last came by.
//! Reading what is kept takes no lock.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::{ArcSwapOption, Guard};
use parking_lot::Mutex;

/// The place of one thing that may be kept.
pub struct Slot<V> {
    kept: ArcSwapOption<V>,
    /// Whether it was read since the hand last came by.
    used: AtomicBool,
}

impl<V> Default for Slot<V> {
    fn default() -> Self {
        Self {
            kept: ArcSwapOption::empty(),
            used: AtomicBool::new(false),
        }
    }
}

impl<V> Slot<V> {
    /// What is kept here, if it is.
    pub fn get(&self) -> Guard<Option<Arc<V>>> {
        let kept = self.kept.load();
        // Written once a round of the hand, so that readers share the line.
        if kept.is_some() && !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        kept
    }
}

/// What has a slot.
pub trait Holder: Send + Sync {
    type Kept;
    fn slot(&self) -> &Slot<Self::Kept>;
}

/// Any holder, to the hand.
trait Held: Send + Sync {
    /// Whether it was used since the hand last came by.
    fn was_used(&self) -> bool;
    fn let_go(&self);
}

impl<H: Holder> Held for H {
    fn was_used(&self) -> bool {
        self.slot().used.swap(false, Ordering::Relaxed)
    }

    fn let_go(&self) {
        self.slot().kept.store(None);
    }
}

/// The memory for all of it.
#[derive(Default)]
pub struct Spare {
    /// What is occupied, in bytes; what was let go and is still in use included.
    occupied: Arc<AtomicUsize>,
    /// What may be occupied, in bytes.
    room: AtomicUsize,
    /// Taken to keep something or to let it go, never to read it.
    hand: Mutex<Hand>,
}

/// Who keeps something, in the order in which the hand comes by.
#[derive(Default)]
struct Hand {
    next: VecDeque<Weak<dyn Held>>,
    /// At this length those that are gone are looked for.
    sweep_at: usize,
}

impl Spare {
    /// What is occupied now, in bytes.
    pub fn occupied(&self) -> usize {
        self.occupied.load(Ordering::Relaxed)
    }

    /// What may be occupied, in bytes.
    pub fn room(&self) -> usize {
        self.room.load(Ordering::Relaxed)
    }

    /// Sets that, and lets go what is above it.
    pub fn set_room(&self, bytes: usize) {
        self.room.store(bytes, Ordering::Relaxed);
        if self.occupied() > bytes {
            self.make_room(&mut self.hand.lock(), 0);
        }
    }

    /// Makes something that weighs so many bytes, and keeps it in its holder's slot if there is
    /// room. Its maker takes the count of it along, to where it is dropped with the last use.
    pub fn keep<H: Holder + 'static>(
        &self,
        holder: &Arc<H>,
        weight: usize,
        make: impl FnOnce(Option<Counted>) -> H::Kept,
    ) -> Arc<H::Kept> {
        let mut hand = self.hand.lock();
        if !self.make_room(&mut hand, weight) {
            drop(hand);
            return Arc::new(make(None));
        }
        self.occupied.fetch_add(weight, Ordering::Relaxed);
        let made = Arc::new(make(Some(Counted {
            weight,
            occupied: self.occupied.clone(),
        })));
        // In the lock, so that the hand finds whatever is kept.
        let weak: Weak<H> = Arc::downgrade(holder);
        hand.push(weak);
        holder.slot().kept.store(Some(made.clone()));
        made
    }

    /// Lets things go until `more` bytes fit; whether they do.
    fn make_room(&self, hand: &mut Hand, more: usize) -> bool {
        let room = self.room();
        if more > room {
            return false;
        }
        while self.occupied() + more > room {
            let Some(next) = hand.next.pop_front() else {
                return false;
            };
            match next.upgrade() {
                None => {}
                Some(holder) if holder.was_used() => hand.next.push_back(next),
                Some(holder) => holder.let_go(),
            }
        }
        true
    }
}

impl Hand {
    fn push(&mut self, holder: Weak<dyn Held>) {
        const FEW: usize = 1_024;
        if self.next.len() >= self.sweep_at.max(FEW) {
            self.next.retain(|holder| holder.strong_count() > 0);
            self.sweep_at = 2 * self.next.len();
        }
        self.next.push_back(holder);
    }
}

/// Counts something until it is dropped.
pub struct Counted {
    weight: usize,
    occupied: Arc<AtomicUsize>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.occupied.fetch_sub(self.weight, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Place(Slot<Thing>);

    struct Thing(#[expect(dead_code, reason = "held, never read")] Option<Counted>);

    impl Holder for Place {
        type Kept = Thing;
        fn slot(&self) -> &Slot<Thing> {
            &self.0
        }
    }

    fn keep(spare: &Spare, place: &Arc<Place>) -> Arc<Thing> {
        spare.keep(place, 100, Thing)
    }

    fn is_kept(place: &Arc<Place>) -> bool {
        place.0.kept.load().is_some()
    }

    fn with_room(bytes: usize) -> Spare {
        let spare = Spare::default();
        spare.set_room(bytes);
        spare
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let spare = with_room(300);
        let places: [Arc<Place>; 4] = Default::default();
        for place in &places[..3] {
            keep(&spare, place);
        }
        assert!(places[0].0.get().is_some());
        keep(&spare, &places[3]);
        assert_eq!(places.each_ref().map(is_kept), [true, false, true, true]);
        assert_eq!(spare.occupied(), 300);
    }

    #[test]
    fn it_counts_until_its_last_use_ends() {
        let spare = with_room(100);
        let (first, second): (Arc<Place>, Arc<Place>) = Default::default();
        let in_use = keep(&spare, &first);
        // No room, although the first is let go.
        keep(&spare, &second);
        assert_eq!(spare.occupied(), 100);
        assert!(!is_kept(&first) && !is_kept(&second));
        drop(in_use);
        assert_eq!(spare.occupied(), 0);
        keep(&spare, &second);
        assert!(is_kept(&second));
        drop(second);
        assert_eq!(spare.occupied(), 0);
    }

    #[test]
    fn less_room_lets_go_and_holders_that_are_gone_are_forgotten() {
        let spare = with_room(1_000);
        let places: [Arc<Place>; 10] = Default::default();
        for place in &places {
            keep(&spare, place);
        }
        spare.set_room(250);
        assert_eq!(spare.occupied(), 200);
        for _ in 0..5_000 {
            keep(&spare, &Arc::default());
        }
        assert!(spare.hand.lock().next.len() <= 1_025);
    }
}
