//! The rules of the protocol and the threats, each in a test that is named by its number.

mod keys;
