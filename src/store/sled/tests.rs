//! Tests of what no other room can see: keys, rows, and damage planted in the trees.
