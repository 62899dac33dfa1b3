//! Tests of what reads and mends sled's files, on directories that a store wrote. Here, what they
//! share.

mod finding;
mod losing;
mod mending;
mod noise;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::store::sled::log::body::Body;
use crate::store::sled::log::format::{Kind, Message, SEGMENT_HEADER, SegmentHeader};

const SEGMENT: usize = 512 * 1024;

/// A store that is written to.
struct Site {
    store: SledStore,
    runtime: tokio::runtime::Runtime,
    revision: Cell<u64>,
    clients: RefCell<BTreeMap<u64, Arc<ClientRecord>>>,
    directory: TempDir,
}

impl Site {
    fn new() -> Self {
        let directory = private_directory();
        let Opened::Fresh(store) = SledStore::open(directory.path(), &Fixed).unwrap() else {
            panic!("an empty directory held a store");
        };
        let site = Self {
            store,
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap(),
            revision: Cell::new(0),
            clients: RefCell::default(),
            directory,
        };
        site.commit(vec![
            put_tenant(tenant(1, "one")),
            put_role(role(1, "First")),
        ]);
        site.store.mark_complete().unwrap();
        site
    }

    fn commit(&self, changes: Vec<Change>) {
        let revision = self.revision.get() + 1;
        self.revision.set(revision);
        let committed = self.store.commit(batch(revision, &[1], changes));
        self.runtime.block_on(committed).unwrap();
    }

    /// Creates clients, then changes one in three and deletes one in five.
    fn write(&self, first: u64, count: u64) {
        let mut clients = self.clients.borrow_mut();
        for number in first..first + count {
            let tags = vec![tag("north"), tag(&format!("line-{}", number % 7))];
            let new = Arc::new(record(
                &format!("client-{number:08}"),
                tags,
                vec![role_id(1)],
                vec![secret(1)],
            ));
            let old = clients.insert(number, new.clone());
            let tenant = tenant_id(1);
            self.commit(vec![Change::PutClient { tenant, old, new }]);
            if number % 3 == 0 {
                let old = clients[&number].clone();
                let mut new = (*old).clone();
                new.client.enabled = false;
                let new = Arc::new(new);
                clients.insert(number, new.clone());
                let old = Some(old);
                self.commit(vec![Change::PutClient { tenant, old, new }]);
            }
            if number % 5 == 0 {
                let old = clients.remove(&number).unwrap();
                self.commit(vec![Change::DeleteClient { tenant, old }]);
            }
        }
    }

    fn close(&self) {
        self.runtime.block_on(self.store.close()).unwrap();
    }

    /// Closes it, or not, and opens it again.
    fn reopen(self, close: bool) -> Self {
        if close {
            self.close();
        }
        let Self {
            store,
            runtime,
            revision,
            clients,
            directory,
        } = self;
        drop(store);
        let Opened::Existing(store) = SledStore::open(directory.path(), &Fixed).unwrap() else {
            panic!("the store is gone");
        };
        Self {
            store,
            runtime,
            revision,
            clients,
            directory,
        }
    }

    fn image(&self) -> Image {
        Image::of(self.directory.path())
    }
}

/// The files of a data directory, as a kill would leave them.
#[derive(Clone)]
struct Image {
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Image {
    fn of(root: &Path) -> Self {
        let mut files = BTreeMap::new();
        for folder in [root.to_owned(), root.join("sled")] {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() && !path.to_string_lossy().ends_with(".generating") {
                    let name = path.strip_prefix(root).unwrap().to_owned();
                    files.insert(name, fs::read(path).unwrap());
                }
            }
        }
        Self { files }
    }

    /// Writes it into a directory of its own; gives sled's part of it.
    fn lay_out(&self) -> (TempDir, PathBuf) {
        let directory = private_directory();
        let sled = directory.path().join("sled");
        fs::create_dir_all(sled.join("blobs")).unwrap();
        for (name, bytes) in &self.files {
            fs::write(directory.path().join(name), bytes).unwrap();
        }
        (directory, sled)
    }

    fn snapshot(&self) -> Option<PathBuf> {
        let mut names = self.files.keys();
        let name = names.find(|name| name.to_string_lossy().contains("snap."));
        name.cloned()
    }

    fn db(&self) -> &Vec<u8> {
        &self.files[Path::new("sled/db")]
    }

    fn file(&mut self, name: &str) -> &mut Vec<u8> {
        self.files.get_mut(Path::new(name)).unwrap()
    }

    /// All whole messages of the log, caps included.
    fn messages(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for (index, segment) in self.db().chunks(SEGMENT).enumerate() {
            let Some(header) = segment.first_chunk().and_then(SegmentHeader::read) else {
                continue;
            };
            let number = header.lsn as u64 / SEGMENT as u64;
            let mut at = SEGMENT_HEADER;
            while let Some(message) = Message::sound(segment, at, number) {
                let rows = match Body::read(message.header, message.body()) {
                    Some(Body::Leaf(leaf)) => leaf.count_rows().0,
                    Some(_) => 0,
                    None => panic!("a body cannot be read: {:?}", message.header),
                };
                places.push(Place {
                    offset: index * SEGMENT + at,
                    length: message.bytes.len(),
                    lsn: header.lsn + at as i64,
                    kind: message.header.kind,
                    rows,
                    header: message.header.size,
                });
                at += message.bytes.len();
                if message.header.kind == Kind::Cap {
                    break;
                }
            }
        }
        places.sort_by_key(|place| place.lsn);
        places
    }
}

/// Where a message is.
#[derive(Clone, Debug)]
struct Place {
    offset: usize,
    length: usize,
    lsn: i64,
    kind: Kind,
    rows: usize,
    /// The length of its header.
    header: usize,
}

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}
