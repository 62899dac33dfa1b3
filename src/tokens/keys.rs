//! The key set of this moment. It is replaced as a whole while tokens are issued and verified.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::key::KeySet;

/// Where issuer, verifier and the published documents find the key set. A reader takes no lock.
pub struct Keys(ArcSwap<KeySet>);

impl Keys {
    pub fn new(set: KeySet) -> Self {
        Self(ArcSwap::from_pointee(set))
    }

    /// The set of now. What is done with one set is held against no other: take it once.
    pub fn now(&self) -> Guard<Arc<KeySet>> {
        self.0.load()
    }

    /// From now on there is another set, with an edition of its own. Calls must not overlap.
    pub(super) fn replace(&self, set: KeySet) {
        let edition = self.0.load().edition() + 1;
        self.0.store(Arc::new(set.in_edition(edition)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::key::SigningKey;

    #[test]
    fn each_set_has_an_edition_of_its_own() {
        let set = || KeySet::new(SigningKey::generate().unwrap(), Vec::new());
        let keys = Keys::new(set());
        let first = keys.now();
        keys.replace(set());
        keys.replace(set());
        assert_eq!((first.edition(), keys.now().edition()), (0, 2));
        assert!(
            keys.now()
                .find(first.signing().verification_key().kid())
                .is_none()
        );
    }
}
