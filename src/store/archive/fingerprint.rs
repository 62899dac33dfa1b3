//! What a number of objects come to together, to compare two places that should hold the same ones.

use ring::digest::{Context, SHA256};

/// The number of objects and SHA-256 over their canonical lines, in their order.
#[derive(Clone)]
pub struct Fingerprint {
    count: u64,
    digest: Context,
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self {
            count: 0,
            digest: Context::new(&SHA256),
        }
    }
}

impl Fingerprint {
    pub fn add(&mut self, line: &[u8]) {
        self.count += 1;
        self.digest.update(line);
        self.digest.update(b"\n");
    }
}

impl PartialEq for Fingerprint {
    fn eq(&self, other: &Self) -> bool {
        let sum = |print: &Self| print.digest.clone().finish();
        self.count == other.count && sum(self).as_ref() == sum(other).as_ref()
    }
}
