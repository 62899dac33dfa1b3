//! Randomness: the machine's, and a repeatable one for tests and simulations.

use std::sync::atomic::{AtomicU64, Ordering};

use rand::RngCore;
use ring::digest;

use crate::domain::ports::Random;

/// Bytes of a cryptographic generator per thread, seeded and reseeded by the operating system:
/// nobody can guess them, and drawing them costs no system call.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that draws from the machine's generator"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}

/// The same bytes for the same seed: SHA-256 of the seed and a counter.
///
/// For tests and the simulation only. Whoever knows the seed knows every byte, so nothing that it
/// makes is a secret. Each call starts at a new block; with several threads each byte is still
/// given once, but which thread gets it depends on the order in which they ask.
#[derive(Debug)]
pub struct SeededRandom {
    seed: u64,
    next_block: AtomicU64,
}

impl SeededRandom {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            next_block: AtomicU64::new(0),
        }
    }

    fn block(&self, number: u64) -> digest::Digest {
        let mut input = [0; 16];
        input[..8].copy_from_slice(&self.seed.to_le_bytes());
        input[8..].copy_from_slice(&number.to_le_bytes());
        digest::digest(&digest::SHA256, &input)
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(digest::SHA256_OUTPUT_LEN) {
            let number = self.next_block.fetch_add(1, Ordering::Relaxed);
            chunk.copy_from_slice(&self.block(number).as_ref()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(random: &dyn Random, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        random.fill(&mut bytes);
        bytes
    }

    #[test]
    fn a_seed_repeats_itself_and_no_other() {
        let (first, again, other) = (
            SeededRandom::new(7),
            SeededRandom::new(7),
            SeededRandom::new(8),
        );
        for length in [0, 1, 31, 32, 33, 100] {
            let drawn = draw(&first, length);
            assert_eq!(drawn, draw(&again, length));
            if length > 8 {
                assert_ne!(drawn, draw(&other, length));
            }
        }
    }

    #[test]
    fn no_draw_repeats_the_one_before() {
        for random in [&SeededRandom::new(1) as &dyn Random, &SystemRandom] {
            assert_ne!(draw(random, 16), draw(random, 16));
            assert_ne!(random.uuid(), random.uuid());
            assert_eq!(random.uuid().get_version_num(), 4);
        }
    }
}
