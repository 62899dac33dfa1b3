//! Raw sled batches: one writer that merges what its callers have queued into one transaction, makes
//! it durable, and answers. It writes as many rows, of the same sizes, as a client without tags is:
//! its own, which holds its secret and its role, and its entry in the index of ids.

use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use sled::Transactional as _;
use sled::transaction::{TransactionError, TransactionalTree};

/// How many creations are in one batch at most, as in the service.
const MOST: usize = 128;
const TREES: [&str; 4] = ["clients", "ids", "counters", "meta"];
/// The key and the content of a row: version, content and checksum of the service's rows.
type Row = (usize, Vec<u8>, Vec<u8>);

struct Asked {
    tenant: Vec<u8>,
    rows: Vec<Row>,
    done: Sender<()>,
}

pub struct Floor(Sender<Asked>);

pub struct FloorCaller {
    writer: Sender<Asked>,
    done: (Sender<()>, Receiver<()>),
}

impl Floor {
    /// Opens a store in an absent directory, as the service does, with a thread that writes.
    pub fn start(directory: &Path) -> Self {
        let db = sled::Config::new()
            .path(directory)
            .cache_capacity(16 << 20)
            .flush_every_ms(Some(500))
            .open()
            .expect("sled opens");
        let trees: Vec<_> = TREES
            .iter()
            .map(|name| db.open_tree(name).expect("a tree opens"))
            .collect();
        let file = File::open(directory.join("db")).expect("sled has made its file");
        let (sender, asked) = channel();
        std::thread::spawn(move || serve(&db, &trees, &file, &asked));
        Self(sender)
    }

    pub fn caller(&self) -> FloorCaller {
        FloorCaller {
            writer: self.0.clone(),
            done: channel(),
        }
    }
}

impl FloorCaller {
    /// Writes the rows of a client and waits until they are durable.
    pub fn create(&self, tenant: &[u8], id: &str) {
        let length = u8::try_from(id.len()).expect("an id is short");
        let id = [&[length][..], id.as_bytes()].concat();
        let rows = vec![
            (0, [tenant, &id].concat(), vec![1; 92 + id.len()]),
            (1, [&id, tenant].concat(), vec![2; 5]),
        ];
        let (done, wait) = &self.done;
        let asked = Asked {
            tenant: tenant.to_vec(),
            rows,
            done: done.clone(),
        };
        self.writer.send(asked).expect("the writer lives");
        wait.recv().expect("the writer answers");
    }
}

fn serve(db: &sled::Db, trees: &[sled::Tree], file: &File, asked: &Receiver<Asked>) {
    while let Ok(first) = asked.recv() {
        let mut batch = vec![first];
        batch.extend(asked.try_iter().take(MOST - 1));
        let written: Result<(), TransactionError<()>> = trees.transaction(|views| {
            let insert = |tree: usize, key: &[u8], value: &[u8]| {
                let views: &[TransactionalTree] = views;
                views[tree].insert(key, value).map(|_| ())
            };
            for (tree, key, value) in batch.iter().flat_map(|asked| &asked.rows) {
                insert(*tree, key, value)?;
            }
            // What moves once a batch: two counters of the tenant and the last revision.
            let tenant = &batch[0].tenant;
            insert(2, &[&tenant[..], &[0]].concat(), &[3; 21])?;
            insert(2, &[&tenant[..], &[2], &[7; 16]].concat(), &[4; 8])?;
            insert(3, b"last", &[5; 37])?;
            Ok(())
        });
        written.expect("sled writes");
        db.flush().expect("sled flushes");
        file.sync_data().expect("the disk syncs");
        for asked in &batch {
            // A caller whose time is over does not wait any more.
            let _ = asked.done.send(());
        }
    }
}
