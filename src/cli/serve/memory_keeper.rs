//! Looks each second whether the process uses more memory than it may, and lets tenants go where it
//! does: what grows without a tenant being loaded (the store's page table, connections) is seen
//! nowhere else.

use std::sync::Arc;
use std::time::Duration;

use crate::directory::Directory;

const EVERY: Duration = Duration::from_secs(1);

/// Keeps a directory within its budget for as long as others hold it.
pub fn start(directory: &Arc<Directory>) {
    let kept = Arc::downgrade(directory);
    actix_web::rt::spawn(async move {
        loop {
            tokio::time::sleep(EVERY).await;
            match kept.upgrade() {
                Some(directory) => directory.keep_within_budget().await,
                None => return,
            }
        }
    });
}
