//! The default store: sled 0.34.7.
