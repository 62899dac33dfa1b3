//! Where the pages are after the log was replayed, as sled would have it.

use std::collections::BTreeMap;

use super::format::{Kind, Message, take_fixed};

/// Where a message is: in the order of all that was written, and in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer {
    pub lsn: i64,
    pub offset: u64,
    /// Where it ends in the file, as far as that is known.
    pub end: u64,
}

pub enum Page {
    Free(Pointer),
    /// The page as a whole, then what changed it.
    Present(Vec<Pointer>),
}

impl Page {
    pub fn pointers(&self) -> &[Pointer] {
        match self {
            Self::Free(pointer) => std::slice::from_ref(pointer),
            Self::Present(pointers) => pointers,
        }
    }
}

struct Entry {
    kind: Kind,
    page: u64,
    pointer: Pointer,
}

/// A batch of which the end was not reached yet.
struct Batch {
    last: i64,
    entries: Vec<Entry>,
}

pub struct Replay {
    pages: BTreeMap<u64, Page>,
    /// One more than the highest page that sled has room for.
    length: u64,
    batch: Option<Batch>,
    /// The first LSN that counts.
    from: i64,
}

impl Replay {
    pub fn new(from: i64, pages: Vec<Page>) -> Self {
        let pages: BTreeMap<u64, Page> = (0..).zip(pages).collect();
        Self {
            length: pages.len() as u64,
            pages,
            batch: None,
            from,
        }
    }

    /// Takes the next message of the log.
    pub fn take(&mut self, message: &Message<'_>, pointer: Pointer) {
        let kind = message.header.kind;
        if kind == Kind::Batch {
            let last = take_fixed(&mut message.body()).unwrap_or(0);
            let entries = Vec::new();
            let batch = self.batch.get_or_insert(Batch { last, entries });
            batch.last = batch.last.max(last);
            return;
        }
        let entry = Entry {
            kind,
            page: message.header.page,
            pointer,
        };
        match &mut self.batch {
            Some(batch) => batch.entries.push(entry),
            None => self.apply(&entry),
        }
        self.end_batch(
            pointer
                .lsn
                .saturating_add_unsigned(pointer.end - pointer.offset),
        );
    }

    /// Ends the log before `end`, in which a batch may be torn: sled drops that.
    pub fn finish(&mut self, end: i64) {
        self.end_batch(end);
        self.batch = None;
    }

    /// Whether there is no page where there must be one: sled cannot open that.
    pub fn has_holes(&self) -> bool {
        self.length != self.pages.len() as u64
    }

    pub fn pages(&self) -> impl Iterator<Item = &Page> {
        self.pages.values()
    }

    fn end_batch(&mut self, end: i64) {
        if let Some(batch) = self.batch.take_if(|batch| batch.last < end) {
            batch.entries.iter().for_each(|entry| self.apply(entry));
        }
    }

    fn apply(&mut self, entry: &Entry) {
        let Entry { page, pointer, .. } = *entry;
        if pointer.lsn < self.from {
            return;
        }
        let new = match entry.kind {
            Kind::Node | Kind::Counter | Kind::Meta | Kind::Outside => Page::Present(vec![pointer]),
            Kind::Free => Page::Free(pointer),
            Kind::Link => {
                match self.pages.get_mut(&page) {
                    Some(Page::Present(pointers)) => pointers.push(pointer),
                    // Its page was written anew later on. sled makes room up to before it.
                    _ => self.length = self.length.max(page),
                }
                return;
            }
            Kind::Canceled | Kind::Cap | Kind::Batch => return,
        };
        self.length = self.length.max(page.saturating_add(1));
        self.pages.insert(page, new);
    }
}
