//! The form of keys and rows, and what a batch becomes.

use std::collections::HashMap;

#[path = "../../../../tests/common/dice.rs"]
mod dice;

use super::*;
use crate::store::sled::keys;
use dice::Dice;

#[test]
fn no_row_outgrows_two_kilobytes() {
    let mut longest = role(1, "x");
    longest.name = Name::parse("Name", &"🏭".repeat(256)).unwrap();
    let alias = "a".repeat(64);
    let changes = vec![
        put_tenant(tenant(1, &alias)),
        put_role(longest),
        put_client(largest()),
    ];
    let plan = Plan::of(&batch(u64::MAX, &[1], changes)).ok().unwrap();
    assert_eq!(plan.writes.len(), 1 + 2 + 2 + 10 + 50 + 50 + 1);
    for write in &plan.writes {
        let size = write.key.bytes().len() + write.value.as_ref().unwrap().len();
        assert!(size < 2_048, "{} takes {size} bytes", write.key);
    }
}

#[test]
fn the_weight_of_a_client_is_on_the_safe_side() {
    for record in [largest(), record("a", vec![], vec![], vec![])] {
        let change = put_client(record);
        let weight = change.weight();
        let plan = Plan::of(&batch(2, &[1], vec![change])).ok().unwrap();
        let sizes = plan.writes.iter().map(|write| {
            let value = write.value.as_ref().map_or(0, Vec::len);
            write.key.bytes().len() + value
        });
        let written: usize = sizes.sum();
        assert!(
            written <= weight,
            "{written} bytes for a weight of {weight}"
        );
    }
}

#[test]
fn an_unchanged_client_writes_nothing() {
    let old = Arc::new(largest());
    let change = Change::PutClient {
        tenant: tenant_id(1),
        old: Some(old.clone()),
        new: old,
    };
    let plan = Plan::of(&batch(2, &[1], vec![change])).ok().unwrap();
    assert!(plan.writes.is_empty());
    assert!(plan.counters.is_empty());
}

#[test]
fn many_creations_touch_a_counter_once() {
    let clients = (0..64).map(|number| {
        put_client(record(
            &format!("c{number}"),
            vec![tag("t")],
            vec![],
            vec![],
        ))
    });
    let plan = Plan::of(&batch(2, &[1], clients.collect())).ok().unwrap();
    let key = Key::TagCount(tenant_id(1), tag_key("t"));
    assert_eq!(plan.counters.into_iter().collect::<Vec<_>>(), [(key, 64)]);
    assert_eq!(plan.tenants[&tenant_id(1)].clients, 64);
}

#[test]
fn h07_keys_are_read_as_they_were_written_and_no_two_are_alike() {
    let tenants = [[0; 16], [1; 16], [255; 16]].map(TenantId::from_bytes);
    let roles = [[0; 16], [255; 16]].map(RoleId::from_bytes);
    let clients = ["a", "aa", "ab", "~", "A", &"x".repeat(64)].map(client_id);
    let tags = ["a", "aa", "a a", "🏭", &"a".repeat(128), &"🏭".repeat(128)].map(tag_key);
    let secrets = [1, 2, 256, i32::MAX].map(SecretId);
    let mut all = vec![Key::Manifest, Key::Last];
    for tenant in tenants {
        all.extend([Key::Tenant(tenant), Key::TenantCount(tenant)]);
        all.extend(tags.iter().map(|tag| Key::TagCount(tenant, tag.clone())));
        for role in roles {
            all.extend([
                Key::Role(tenant, role),
                Key::RoleDescription(tenant, role),
                Key::RoleCount(tenant, role),
            ]);
        }
        for client in &clients {
            all.extend([
                Key::Client(tenant, client.clone()),
                Key::ClientId(client.clone(), tenant),
            ]);
            all.extend(secrets.map(|secret| Key::Secret(tenant, client.clone(), secret)));
            all.extend(
                tags.iter()
                    .map(|tag| Key::Tag(tenant, tag.clone(), client.clone())),
            );
            for role in roles {
                all.extend([
                    Key::Assignment(tenant, role, client.clone()),
                    Key::Holder(role, tenant, client.clone()),
                ]);
            }
        }
    }
    let mut written: HashMap<(&str, Vec<u8>), Key> = HashMap::new();
    for key in &all {
        let bytes = key.bytes();
        assert!(bytes.len() <= LONGEST_KEY, "{key}");
        assert_eq!(Key::read(key.tree(), &bytes).as_ref(), Some(key));
        assert_eq!(Key::read(key.tree(), &bytes[..bytes.len() - 1]), None);
        assert_eq!(Key::read(key.tree(), &[&bytes[..], &[0]].concat()), None);
        let name = key.tree().name();
        let other = written.insert((name, bytes), key.clone());
        assert_eq!(other, None);
    }
    // No key is the beginning of another one of its tree: what a scan of a prefix gives is meant.
    for (tree, long) in written.keys() {
        for length in 0..long.len() {
            assert!(!written.contains_key(&(*tree, long[..length].to_vec())));
        }
    }
}

/// Draws a key of any kind from few letters, so that two of them are often nearly alike.
fn drawn_key(dice: &mut Dice) -> Key {
    let tenant = TenantId::from_bytes([[0, 1, 0x2f, 255][dice.below(4) as usize]; 16]);
    let role = RoleId::from_bytes([[0, 0x2f, 255][dice.below(3) as usize]; 16]);
    let letters = |dice: &mut Dice, of: &[char], longest: u64| -> String {
        let length = match dice.below(8) {
            0 => longest,
            _ => 1 + dice.below(4),
        };
        (0..length)
            .map(|_| of[dice.below(of.len() as u64) as usize])
            .collect()
    };
    let client = client_id(&letters(dice, &['a', '~', '0', '-'], 64));
    let tag = tag_key(&letters(dice, &['a', '/', ' ', '\u{ff}', '🏭'], 128));
    let secret = SecretId(1 + dice.below(300) as i32);
    match dice.below(12) {
        0 => Key::Tenant(tenant),
        1 => Key::TenantCount(tenant),
        2 => Key::TagCount(tenant, tag),
        3 => Key::Role(tenant, role),
        4 => Key::RoleDescription(tenant, role),
        5 => Key::RoleCount(tenant, role),
        6 => Key::Client(tenant, client),
        7 => Key::ClientId(client, tenant),
        8 => Key::Secret(tenant, client, secret),
        9 => Key::Tag(tenant, tag, client),
        10 => Key::Assignment(tenant, role, client),
        _ => Key::Holder(role, tenant, client),
    }
}

#[test]
fn h07_of_random_pairs_none_has_one_key_or_one_within_the_other() {
    let pairs = std::env::var("CREDENZA_KEY_PAIRS");
    let pairs: u64 = pairs.map_or(200_000, |pairs| pairs.parse().unwrap());
    let mut dice = Dice(7);
    let mut alike = 0;
    for _ in 0..pairs {
        let (one, other) = (drawn_key(&mut dice), drawn_key(&mut dice));
        let (bytes, others) = (one.bytes(), other.bytes());
        assert_eq!(Key::read(one.tree(), &bytes).as_ref(), Some(&one));
        if one == other {
            alike += 1;
            assert_eq!(bytes, others);
        } else if one.tree() == other.tree() {
            assert!(!bytes.starts_with(&others), "{one} and {other}");
            assert!(!others.starts_with(&bytes), "{one} and {other}");
        }
    }
    assert!(alike > pairs / 10_000, "{alike} pairs were one key twice");
}

#[test]
fn h07_a_scan_of_one_tenant_never_gives_another_ones_rows() {
    let house = House::new();
    let second = tenant_id(2);
    for tree in Tree::OF_TENANTS {
        let engine = house.store.inner.engine().unwrap();
        for entry in engine.trees.of_tenant(tree, second) {
            let (key, _) = entry.unwrap();
            assert_eq!(keys::tenant_of(&key), Some(second));
        }
        let rows = engine.trees.of_tenant(tree, tenant_id(1));
        assert!(rows.count() > 0, "{tree:?}");
    }
    let short = keys::tenants_of(&client_id("a"));
    let long = Key::ClientId(client_id("ab"), second).bytes();
    assert!(!long.starts_with(&short));
}

/// Reads bytes as the kind of row that lies under a key.
fn reads(key: &Key, bytes: &[u8]) -> Result<(), RowFault> {
    fn as_row<R: Row>(key: &Key, bytes: &[u8]) -> Result<(), RowFault> {
        rows::open::<R>(key, bytes).map(drop)
    }
    match key {
        Key::Tenant(..) => as_row::<TenantRow>(key, bytes),
        Key::Client(..) => as_row::<ClientRow>(key, bytes),
        Key::Secret(..) => as_row::<SecretRow>(key, bytes),
        Key::Tag(..) => as_row::<TagRow>(key, bytes),
        Key::Assignment(..) => as_row::<PositionRow>(key, bytes),
        Key::Role(..) => as_row::<RoleRow>(key, bytes),
        Key::RoleDescription(..) => as_row::<DescriptionRow>(key, bytes),
        Key::ClientId(..) | Key::Holder(..) => as_row::<EntryRow>(key, bytes),
        Key::TenantCount(..) => as_row::<TenantCountRow>(key, bytes),
        Key::TagCount(..) | Key::RoleCount(..) => as_row::<CountRow>(key, bytes),
        Key::Manifest => as_row::<ManifestRow>(key, bytes),
        Key::Last => as_row::<LastRow>(key, bytes),
    }
}

#[test]
fn no_flipped_bit_and_no_cut_is_read_as_valid() {
    let house = House::new();
    for key in one_of_each() {
        let whole = house.bytes(&key);
        assert_eq!(reads(&key, &whole), Ok(()));
        for bit in 0..8 * whole.len() {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(reads(&key, &flipped).is_err(), "bit {bit} of {key}");
        }
        for length in 0..whole.len() {
            assert!(reads(&key, &whole[..length]).is_err(), "{length} of {key}");
        }
    }
}

#[test]
fn content_that_makes_no_sense_is_an_error_whatever_its_checksum_says() {
    for key in one_of_each() {
        for content in [
            vec![],
            vec![1],
            vec![255; 40],
            // A length of 2^64 - 1: nothing may be allocated for it.
            [&[1, 253][..], &[255; 60]].concat(),
            [&[1, 252][..], &[127; 60]].concat(),
            [vec![1], vec![0; 5_000]].concat(),
        ] {
            let mut bytes = content.clone();
            let sum = rows::checksum(key.tree().name(), &key.bytes(), &content);
            bytes.extend_from_slice(&sum.to_be_bytes());
            let outcome = reads(&key, &bytes);
            let entry = matches!(key, Key::ClientId(..) | Key::Holder(..));
            assert!(outcome.is_err() || (entry && content == [1]), "{key}");
        }
    }
}

#[test]
fn a_later_version_is_told_apart_from_damage() {
    let key = Key::Last;
    let content = [9, 1, 1];
    let sum = rows::checksum(key.tree().name(), &key.bytes(), &content);
    let bytes = [&content[..], &sum.to_be_bytes()].concat();
    assert_eq!(reads(&key, &bytes), Err(RowFault::UnknownVersion(9)));
}
