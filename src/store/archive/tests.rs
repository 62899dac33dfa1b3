//! Archives that are read back as they were written, and archives that are refused.

use std::sync::Arc;

use super::restore::{self, RestoreError};
use super::{ArchiveError, ArchiveReader, ArchiveWriter, FORMAT, Header, Item, Kind, lines};
use crate::domain::client::{Client, ClientRecord, RoleIds, Tags, TokenLifetime};
use crate::domain::ids::{ClientId, Epoch, Revision, RoleId, SecretId, TenantId};
use crate::domain::ports::Random;
use crate::domain::role::{BuiltInRole, Role};
use crate::domain::secret::{Salt, Secret, SecretHash, SecretSet};
use crate::domain::tenant::{Tenant, TenantState};
use crate::domain::text::{Alias, Description, Name, Tag};
use crate::domain::times::Timestamp;
use crate::store::memory::MemoryStore;
use crate::store::{Store, TenantRows};
use crate::system::random::SeededRandom;

fn time(text: &str) -> Timestamp {
    Timestamp::parse_stored("time", text).unwrap()
}

fn header() -> Header {
    Header {
        kind: Kind::Backup,
        store: SeededRandom::new(5).uuid(),
        epoch: Epoch(0xABCD),
        taken: time("2030-06-01T12:00:00.25Z"),
        has_key: false,
    }
}

fn tenant(number: u8, alias: Option<&str>) -> Tenant {
    Tenant {
        id: TenantId::from_bytes([number; 16]),
        company_name: Name::from_stored("Größe \"&\" \\ Söhne"),
        alias: alias.map(Alias::from_stored),
        state: TenantState::Active,
        created: time("2029-01-01T00:00:00Z"),
        last_updated: time("2029-01-01T00:00:00.123456789Z"),
        changed: Revision(u64::from(number)),
    }
}

fn roles() -> Vec<Arc<Role>> {
    let mut roles: Vec<_> = BuiltInRole::ALL
        .into_iter()
        .enumerate()
        .map(|(number, kind)| Role {
            id: RoleId::from_bytes([number as u8 + 1; 16]),
            name: Name::from_stored(&format!("Role {number}")),
            description: None,
            built_in: Some(kind),
        })
        .collect();
    roles.push(Role {
        id: RoleId::from_bytes([9; 16]),
        name: Name::from_stored("Own"),
        description: Some(Description::from_stored("of two\nlines\t\"quoted\"")),
        built_in: None,
    });
    roles.into_iter().map(Arc::new).collect()
}

fn client(id: &str) -> Arc<ClientRecord> {
    let text = "ä\n".repeat(341);
    let secret = |number: i32| Secret {
        id: SecretId(number),
        hash: SecretHash([number as u8; 32]),
        description: Some(Description::from_stored(&text)),
        // A second that the API took once.
        expiration: (number % 2 == 0).then(|| time("2031-02-03T04:05:60.7Z")),
    };
    let tags = (0..50).map(|number| Tag::from_stored(&format!("{}{number:02}", "\"".repeat(126))));
    let roles = [1, 9].map(|number| RoleId::from_bytes([number; 16]));
    Arc::new(ClientRecord {
        client: Client {
            id: ClientId::parse(id).unwrap(),
            name: Name::from_stored(&"🦀".repeat(256)),
            enabled: false,
            token_lifetime: TokenLifetime::new(60).unwrap(),
            tags: Tags::new(tags).unwrap(),
            role_ids: RoleIds::new(roles).unwrap(),
            created: Revision(2),
            changed: Revision(3),
        },
        secrets: SecretSet {
            salt: Salt([0xAB; 16]),
            last_id: 12,
            secrets: (1..=10).map(secret).collect(),
            damaged: Vec::new(),
        },
    })
}

fn rows(number: u8, alias: Option<&str>) -> TenantRows {
    TenantRows {
        tenant: Arc::new(tenant(number, alias)),
        revision: Revision(100 + u64::from(number)),
        clients: vec![client("a"), client("b")],
        damaged: Vec::new(),
        roles: roles(),
    }
}

fn archive(tenants: &[TenantRows]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArchiveWriter::new(&mut bytes, &header()).unwrap();
    for rows in tenants {
        writer.tenant(&rows.tenant, rows.revision).unwrap();
        rows.roles
            .iter()
            .for_each(|role| writer.role(role).unwrap());
        for client in &rows.clients {
            writer.client(client).unwrap();
        }
        writer.end_of_tenant().unwrap();
    }
    let totals = writer.finish().unwrap();
    assert_eq!(totals.bytes, bytes.len() as u64);
    bytes
}

fn restored(bytes: &[u8]) -> Result<MemoryStore, RestoreError> {
    let verified = restore::verify(bytes)?;
    let store = MemoryStore::new(Epoch(1));
    let random = SeededRandom::new(1);
    let mut progress = |_| {};
    let writing = restore::write(bytes, &verified, &store, &random, &mut progress);
    futures(writing)?;
    Ok(store)
}

fn futures<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(work)
}

/// The reason of the refusal of an archive.
fn refusal(bytes: &[u8]) -> String {
    match restore::verify(bytes) {
        Ok(_) => panic!("it was believed"),
        Err(error) => error.to_string(),
    }
}

/// Puts the lines together anew, each with a checksum of its own, and the end that fits them.
fn rebuilt(contents: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (position, content) in contents.iter().enumerate() {
        let mut line = content.clone();
        lines::seal(position as u64 + 1, &mut line);
        bytes.extend(line);
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
    let end = lines::Line::End(lines::EndLine {
        lines: contents.len() as u64,
        sha256: super::writer::hexadecimal(digest.as_ref()),
    });
    let mut line = lines::content(&end);
    lines::seal(contents.len() as u64 + 1, &mut line);
    bytes.extend(line);
    bytes
}

/// The lines of an archive without checksums and end.
fn contents(bytes: &[u8]) -> Vec<Vec<u8>> {
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    let mut contents: Vec<_> = lines
        .filter_map(|(position, line)| lines::unseal(position as u64 + 1, line))
        .collect();
    contents.pop();
    contents
}

#[test]
fn what_is_written_is_what_is_restored() {
    let tenants = [rows(1, Some("Plant-1")), rows(2, None)];
    let store = restored(&archive(&tenants)).unwrap();
    for expected in tenants {
        let loaded = futures(store.load(expected.tenant.id)).unwrap().unwrap();
        assert!(loaded.tenant == expected.tenant && loaded.revision == expected.revision);
        assert!(loaded.roles == expected.roles && loaded.clients == expected.clients);
    }
    assert!(futures(store.revision()).unwrap() > Revision(102));
    assert!(futures(store.check()).unwrap().is_empty());
    assert!(
        futures(restored(&archive(&[])).unwrap().tenants(None, 1))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    let good = archive(&[rows(1, Some("x")), rows(2, None)]);
    let random = SeededRandom::new(0x000D_A3A6);
    for _ in 0..300 {
        let mut drawn = [0; 9];
        random.fill(&mut drawn);
        let place = u64::from_be_bytes(drawn[..8].try_into().unwrap()) as usize % good.len();
        let mut flipped = good.clone();
        flipped[place] ^= 1 << (drawn[8] % 8);
        let why = refusal(&flipped);
        assert!(
            why.starts_with("line ") || why.contains("format is version"),
            "{why}"
        );
        refusal(&good[..place]);
    }
    refusal(&[&good[..], b"\n"].concat());
    assert!(refusal(&[&good[..], &good[..]].concat()).contains("behind the last line"));
}

#[test]
fn lines_that_are_missing_twice_or_out_of_order_are_refused() {
    let good = contents(&archive(&[rows(1, None), rows(2, None)]));
    assert!(restore::verify(&rebuilt(&good)[..]).is_ok());
    for position in 0..good.len() {
        let mut without = good.clone();
        without.remove(position);
        refusal(&rebuilt(&without));
        let mut twice = good.clone();
        twice.insert(position, good[position].clone());
        refusal(&rebuilt(&twice));
        if position > 0 {
            let mut swapped = good.clone();
            swapped.swap(position - 1, position);
            refusal(&rebuilt(&swapped));
        }
    }
    let tenants = [rows(2, None), rows(1, None)];
    assert!(refusal(&archive(&tenants)).contains("out of order"));
}

#[test]
fn a_line_that_was_moved_is_damage() {
    let good = archive(&[rows(1, None)]);
    let mut lines: Vec<&[u8]> = good.split_inclusive(|byte| *byte == b'\n').collect();
    lines.swap(8, 9);
    assert!(refusal(&lines.concat()).starts_with("line 9: its checksum"));
}

#[test]
fn a_role_that_does_not_exist_is_refused_and_named() {
    let mut broken = rows(1, None);
    broken.roles.pop();
    let why = refusal(&archive(&[broken]));
    assert!(
        why.contains("client 'a'") && why.contains("09090909-"),
        "{why}"
    );
}

#[test]
fn a_revision_that_leaves_no_room_above_it_is_refused() {
    let at = |revision| {
        let mut rows = rows(1, None);
        rows.revision = Revision(revision);
        archive(&[rows])
    };
    assert!(restored(&at(1 << 62)).is_ok());
    assert!(refusal(&at((1 << 62) + 1)).contains("out of range"));
}

#[test]
fn a_later_format_names_the_release_that_it_needs() {
    let line = format!(
        "{{\"credenza\":\"backup\",\"format\":{},\"needs\":\"9.1.0\"}}\n",
        FORMAT + 1
    );
    let why = refusal(line.as_bytes());
    assert!(why.contains("use Credenza 9.1.0 or later"), "{why}");
    for other in ["", "{}\n", "hello\n", "{\"format\":1}\n", "\u{feff}\n"] {
        assert!(refusal(other.as_bytes()).starts_with("line 1: "));
    }
}

#[test]
fn an_error_repeats_no_hash() {
    let good = contents(&archive(&[rows(1, None)]));
    let position = good
        .iter()
        .position(|line| line.starts_with(b"{\"client\""))
        .unwrap();
    let text = String::from_utf8(good[position].clone()).unwrap();
    let hash = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
    assert!(text.contains(hash));
    for other in [format!("{hash}AA"), hash.replace('A', "=")] {
        let mut changed = good.clone();
        changed[position] = text.replace(hash, &other).into_bytes();
        let why = refusal(&rebuilt(&changed));
        assert!(
            why.contains("hash makes no sense") && !why.contains("AQEB"),
            "{why}"
        );
    }
    let mut changed = good.clone();
    changed[position] = text
        .replace("\"enabled\":false", &format!("\"enabled\":\"{hash}\""))
        .into_bytes();
    assert!(!refusal(&rebuilt(&changed)).contains(&hash[..8]));
}

#[test]
fn an_alias_that_moved_while_the_archive_was_taken_stays_with_its_last_tenant() {
    let bytes = archive(&[rows(1, Some("Plant")), rows(2, Some("pLANT"))]);
    let verified = restore::verify(&bytes[..]).unwrap();
    assert_eq!(verified.passed_on.len(), 1);
    let store = restored(&bytes).unwrap();
    let alias = |number: u8| {
        let loaded = futures(store.load(TenantId::from_bytes([number; 16])));
        loaded.unwrap().unwrap().tenant.alias.clone()
    };
    assert_eq!(alias(1), None);
    assert_eq!(alias(2).unwrap().as_str(), "pLANT");
}

#[test]
fn the_key_comes_right_behind_a_header_that_promises_it() {
    let mut bytes = Vec::new();
    let with_key = Header {
        has_key: true,
        ..header()
    };
    let mut writer = ArchiveWriter::new(&mut bytes, &with_key).unwrap();
    writer.key("-----BEGIN\n").unwrap();
    writer.finish().unwrap();
    let mut reader = ArchiveReader::new(&bytes[..]).unwrap();
    assert!(matches!(reader.next_item(), Ok(Item::Key(pem)) if *pem == "-----BEGIN\n"));
    assert!(matches!(reader.next_item(), Ok(Item::End(_))));
    let mut promised = Vec::new();
    ArchiveWriter::new(&mut promised, &with_key)
        .unwrap()
        .finish()
        .unwrap();
    assert!(refusal(&promised).contains("promises a signing key"));
    let mut unasked = Vec::new();
    let mut writer = ArchiveWriter::new(&mut unasked, &header()).unwrap();
    writer.key("x").unwrap();
    writer.finish().unwrap();
    refusal(&unasked);
}

#[test]
fn a_line_without_end_is_refused_before_it_fills_the_memory() {
    let endless = std::io::BufReader::new(std::io::repeat(b'x'));
    match restore::verify(endless) {
        Err(ArchiveError::Refused { line: 1, why }) => assert!(why.contains("longer than")),
        _ => panic!("it was believed"),
    }
}
