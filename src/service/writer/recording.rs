//! Recording: what a batch changed is appended to the audit log after the batch is durable and
//! before any of it is answered.
//!
//! Where that fails the change is made and its record is not, so nobody is told that it was done,
//! no further write is accepted, and the records wait in memory and are tried again until they are
//! written. Then writes are accepted again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::service::audit::{NotRecorded, Record, Sink};
use crate::store::StoreError;

/// Why writes are not accepted while records wait.
pub(super) const REASON: &str = "audit log not writable";

/// How long to wait before records that could not be written are tried again.
pub(super) const PAUSE: Duration = Duration::from_millis(200);

/// Whether durable changes wait for their records, for those who ask for writes.
#[derive(Default)]
pub(super) struct Behind(AtomicBool);

impl Behind {
    pub(super) fn reason(&self) -> Option<&'static str> {
        self.0.load(Ordering::Acquire).then_some(REASON)
    }
}

/// Where changes are recorded, and the records that wait to be written.
pub(super) struct Recording {
    sink: Option<Box<dyn Sink>>,
    /// At most those of one batch: while it is not empty no write is accepted.
    waiting: Vec<Record>,
    behind: Arc<Behind>,
}

impl Recording {
    pub(super) fn new(sink: Option<Box<dyn Sink>>, behind: Arc<Behind>) -> Self {
        Self {
            sink,
            waiting: Vec::new(),
            behind,
        }
    }

    /// Whether changes are recorded at all.
    pub(super) fn is_on(&self) -> bool {
        self.sink.is_some()
    }

    pub(super) fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Makes records durable, in this order and behind those that wait. Gives whether they are;
    /// those that are not wait.
    pub(super) fn record(&mut self, records: impl IntoIterator<Item = Record>) -> bool {
        let was_behind = self.is_behind();
        self.waiting.extend(records);
        if self.waiting.is_empty() {
            return true;
        }
        match self.append() {
            Ok(()) => {
                if was_behind {
                    let records = self.waiting.len();
                    log::warn!("writes are accepted again; records written late: {records}");
                }
                self.waiting.clear();
            }
            Err(error) if was_behind => log::debug!("the audit log still fails: {error}"),
            Err(error) => log::error!(
                "writes are not accepted until the audit log can be written, which is tried again \
                 until then: {error}"
            ),
        }
        self.behind.0.store(self.is_behind(), Ordering::Release);
        !self.is_behind()
    }

    fn append(&mut self) -> Result<(), NotRecorded> {
        match &mut self.sink {
            Some(sink) => sink.append(&self.waiting),
            None => Ok(()),
        }
    }

    /// The last attempt, when the service stops. Records that cannot be written go to the log, so
    /// that they are not lost without a trace.
    pub(super) fn end(&mut self) -> Result<(), StoreError> {
        if self.record(None) {
            return Ok(());
        }
        for record in &self.waiting {
            match record.to_line() {
                Ok(line) => log::error!("not in the audit log: {line}"),
                Err(error) => log::error!("a record is not in the audit log: {error}"),
            }
        }
        Err(StoreError::Failed(format!(
            "changes on disk whose record is not in the audit log: {}; the records are in the log",
            self.waiting.len()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{Epoch, Revision, TenantId};
    use crate::domain::times::Timestamp;
    use crate::service::audit::{Action, Changes, Object};
    use parking_lot::Mutex;

    /// A sink that a test fills up and empties.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(bool, Vec<u64>)>>);

    impl Disk {
        fn fill(&self, full: bool) {
            self.0.lock().0 = full;
        }

        fn revisions(&self) -> Vec<u64> {
            self.0.lock().1.clone()
        }
    }

    impl Sink for Disk {
        fn append(&mut self, records: &[Record]) -> Result<(), NotRecorded> {
            let mut disk = self.0.lock();
            if disk.0 {
                return Err(NotRecorded("no space left".into()));
            }
            disk.1
                .extend(records.iter().map(|record| record.revision.0));
            Ok(())
        }
    }

    fn records(revisions: impl IntoIterator<Item = u64>) -> Vec<Record> {
        let revisions = revisions.into_iter();
        let record = |revision| Record {
            time: Timestamp::from_parts(0, 0).unwrap(),
            operation_id: None,
            epoch: Epoch(1),
            revision: Revision(revision),
            tenant: TenantId::from_bytes([0; 16]),
            caller: None,
            action: Action::ClientDelete,
            object: Object::default(),
            changes: Changes::default(),
        };
        revisions.map(record).collect()
    }

    #[test]
    fn records_of_a_full_disk_wait_and_are_written_once_and_in_order() {
        let disk = Disk::default();
        let behind = Arc::new(Behind::default());
        let mut recording = Recording::new(Some(Box::new(disk.clone())), behind.clone());
        assert!(recording.record(records([1, 2])));
        assert_eq!(behind.reason(), None);

        disk.fill(true);
        assert!(!recording.record(records([3, 4])));
        assert!(!recording.record(None));
        assert!(recording.is_behind());
        assert_eq!(behind.reason(), Some(REASON));
        assert_eq!(disk.revisions(), [1, 2]);

        disk.fill(false);
        assert!(recording.record(None));
        assert!(!recording.is_behind());
        assert_eq!(behind.reason(), None);
        assert!(recording.record(records([5])));
        assert_eq!(disk.revisions(), [1, 2, 3, 4, 5]);
        assert!(recording.end().is_ok());
    }

    #[test]
    fn a_stop_tries_once_more_and_says_what_is_missing() {
        let disk = Disk::default();
        let mut recording = Recording::new(Some(Box::new(disk.clone())), Arc::default());
        disk.fill(true);
        assert!(!recording.record(records([1])));
        assert!(recording.end().is_err());
        disk.fill(false);
        assert!(recording.end().is_ok());
        assert_eq!(disk.revisions(), [1]);
    }

    #[test]
    fn without_changes_nothing_is_appended() {
        let disk = Disk::default();
        disk.fill(true);
        let mut recording = Recording::new(Some(Box::new(disk)), Arc::default());
        assert!(recording.record(None));
        assert!(recording.end().is_ok());
    }
}
