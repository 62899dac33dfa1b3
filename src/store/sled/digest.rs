//! One number for all rows of a tenant: moves with every row that is written, and tells when a row
//! is missing, or is one of an earlier time, though each row by itself is in order.
//!
//! It is the sum of a mix of the rows' own checksums, so it costs nothing to move: what was there
//! is taken away, what comes is added. It finds accidents, not forgeries.

/// The sum over some rows, in whatever order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(pub u64);

impl Digest {
    /// Adds a row, as it is stored.
    pub fn add(&mut self, row: &[u8]) {
        self.0 = self.0.wrapping_add(of(row));
    }

    /// Takes away a row, as it was stored.
    pub fn remove(&mut self, row: &[u8]) {
        self.0 = self.0.wrapping_sub(of(row));
    }

    /// This one with what another one counted.
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }
}

/// A row's share: its checksum covers tree, key and content, the mix spreads it over 64 bits.
fn of(row: &[u8]) -> u64 {
    let checksum = row.last_chunk().map_or(0, |sum| u32::from_be_bytes(*sum));
    let mut mixed = u64::from(checksum) | (row.len() as u64) << 32;
    mixed = mixed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
