//! Ordered lists: against a map through a random life, places, changes, and ready forms.

use std::collections::BTreeMap;

use super::*;
use crate::domain::ports::Random;
use crate::system::random::SeededRandom;

#[derive(Clone, Debug, PartialEq)]
struct Entry(u32, u32);

impl Keyed for Entry {
    type Key = u32;
    fn key(&self) -> &u32 {
        &self.0
    }
    /// Coarse, so that different keys have the same one.
    fn beginning(key: &u32) -> u128 {
        u128::from(key / 50)
    }
}

fn assert_same(list: &OrderedList<Entry>, model: &BTreeMap<u32, u32>) {
    assert_eq!(list.len(), model.len());
    assert!(
        list.iter()
            .map(|entry| (entry.0, entry.1))
            .eq(model.iter().map(|(k, v)| (*k, *v)))
    );
}

#[test]
fn it_agrees_with_a_map_through_a_random_life() {
    let random = SeededRandom::new(7);
    let draw = |below: u32| {
        let mut bytes = [0; 4];
        random.fill(&mut bytes);
        u32::from_le_bytes(bytes) % below
    };
    let mut list = OrderedList::default();
    let mut model = BTreeMap::new();
    let mut kept = Vec::new();
    for step in 0..20_000 {
        let key = draw(3_000);
        // Grows for a while, then shrinks to nothing, then grows again.
        if draw(10) < if step / 5_000 % 2 == 0 { 7 } else { 2 } {
            let old = list.insert(Entry(key, step));
            assert_eq!(old.map(|entry| entry.1), model.insert(key, step));
        } else {
            assert_eq!(list.remove(&key).map(|entry| entry.1), model.remove(&key));
        }
        assert_eq!(
            list.get(&key).map(|entry| entry.1),
            model.get(&key).copied()
        );
        if step % 997 == 0 {
            assert_same(&list, &model);
            kept.push((list.clone(), model.clone()));
        }
    }
    for (list, model) in &kept {
        assert_same(list, model);
    }
}

#[test]
fn an_entry_that_is_changed_in_its_place_is_another_one_for_whoever_shares_it() {
    let mut list = OrderedList::from_sorted((0..1_000).map(|n| Entry(n, n)).collect());
    let shared = list.clone();
    list.get_mut(&700).unwrap().1 = 7;
    assert_eq!(list.get(&700), Some(&Entry(700, 7)));
    assert_eq!(shared.get(&700), Some(&Entry(700, 700)));
    assert_eq!(list.get_mut(&1_000), None);
    assert_eq!((list.len(), shared.len()), (1_000, 1_000));
}

#[test]
fn every_slice_is_where_it_should_be() {
    let list = OrderedList::from_sorted((0..1_000).map(|n| Entry(n, n)).collect());
    for start in (0..1_100).step_by(37) {
        for count in [0, 1, 100, 700] {
            let range = start..start + count;
            let expected = (start as u32..(start + count) as u32).filter(|n| *n < 1_000);
            assert!(
                list.slice(range).map(|entry| entry.0).eq(expected),
                "{start} {count}"
            );
        }
    }
    assert_eq!(OrderedList::<Entry>::default().slice(0..5).count(), 0);
}

#[test]
fn an_entry_that_is_asked_for_often_is_made_ready_with_its_neighbours_until_one_changes() {
    let spare = Spare::default();
    spare.set_room(1 << 20);
    let write = |entry: &Entry, bytes: &mut Vec<u8>| bytes.extend(format!("{},", entry.1).bytes());
    let mut list = OrderedList::from_sorted((0..1_000).map(|n| Entry(n, n)).collect());
    let ready = |list: &OrderedList<Entry>, key| list.find(&key).unwrap().rendered(&spare, write);
    let asked = (0..).take_while(|_| ready(&list, 700).is_none()).count();
    assert_eq!(asked, 32);
    assert_eq!(ready(&list, 700).unwrap(), "700,");
    assert_eq!(ready(&list, 701).unwrap(), "701,");
    assert!(ready(&list, 0).is_none(), "another chunk");
    list.insert(Entry(701, 7));
    assert!(ready(&list, 700).is_none(), "its chunk has changed");
    let asked = (0..).take_while(|_| ready(&list, 701).is_none()).count();
    assert_eq!(asked, 31);
    assert_eq!(ready(&list, 701).unwrap(), "7,");
}
