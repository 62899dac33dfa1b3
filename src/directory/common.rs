//! The clients that several groups have in common, kept in spare memory for as long as none of the
//! groups changes.
//!
//! They are kept with the rarest group. Each group has one `Common` for each of its versions, so a
//! change of any of them makes what is kept unreachable; and since a client that changes changes
//! in all of its groups, nothing old is held.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;

use super::snapshot::ClientList;
use super::spare::{Counted, Holder, Slot, Spare};

/// What a version of a group has in common with others.
#[derive(Default)]
pub struct Common {
    known: ArcSwap<Vec<Arc<Known>>>,
}

/// The most combinations that are kept of one group; the oldest goes.
const MOST: usize = 16;

/// The clients that this group has in common with some others.
struct Known {
    /// The versions of the others. Weak, but enough to keep their addresses theirs.
    others: Vec<Weak<Common>>,
    slot: Slot<Kept>,
}

struct Kept {
    clients: ClientList,
    #[expect(dead_code, reason = "held, never read")]
    counted: Option<Counted>,
}

impl Holder for Known {
    type Kept = Kept;
    fn slot(&self) -> &Slot<Kept> {
        &self.slot
    }
}

impl Common {
    /// What this group has in common with others; `find` looks for it where it is not kept.
    pub fn with(
        &self,
        others: &[&Arc<Common>],
        spare: &Spare,
        find: impl FnOnce() -> ClientList,
    ) -> ClientList {
        let known = self.known.load();
        let known = known.iter().find(|known| known.is_with(others)).cloned();
        let known = known.unwrap_or_else(|| self.learn(others));
        if let Some(kept) = known.slot.get().as_deref() {
            return kept.clients.clone();
        }
        let clients = find();
        let weight = clients.weight() + size_of::<Known>() + size_of::<Kept>();
        let make = |counted| Kept { clients, counted };
        spare.keep(&known, weight, make).clients.clone()
    }

    fn learn(&self, others: &[&Arc<Common>]) -> Arc<Known> {
        let new = Arc::new(Known {
            others: others.iter().map(|other| Arc::downgrade(other)).collect(),
            slot: Slot::default(),
        });
        self.known.rcu(|known| {
            let oldest = (known.len() + 1).saturating_sub(MOST);
            let mut next = known[oldest..].to_vec();
            next.push(new.clone());
            next
        });
        new
    }
}

impl Known {
    fn is_with(&self, others: &[&Arc<Common>]) -> bool {
        self.others.len() == others.len()
            && self
                .others
                .iter()
                .zip(others)
                .all(|(own, other)| own.as_ptr() == Arc::as_ptr(other))
    }
}
