//! The marker file: says from outside that there must be a store inside, which one, and in which
//! directory of sled.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::ids::Epoch;
use crate::store::StoreError;

/// The version of the whole layout. A higher one is refused.
pub const FORMAT: u32 = 1;
/// The first release that reads [`FORMAT`], for whoever is refused.
const FORMAT_SINCE: &str = "0.1.0";

/// The name that sled's directories begin with, and that the first one has.
pub const SLED: &str = "sled";

/// Says that a first start was completed in this directory, and which store is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    pub format_version: u32,
    /// The oldest release that can read this format.
    #[serde(default)]
    pub needs: String,
    pub store_id: Uuid,
    pub epoch: u32,
    /// The name of sled's directory: a compacted store takes the place of the old one with it.
    #[serde(default = "first_sled")]
    pub directory: String,
    /// What the last clean stop left behind; nothing later may be lower.
    pub sealed: Option<Seal>,
}

impl Marker {
    pub fn new(store_id: Uuid, epoch: Epoch, directory: &str, sealed: Option<Seal>) -> Self {
        Self {
            format_version: FORMAT,
            needs: FORMAT_SINCE.to_owned(),
            store_id,
            epoch: epoch.0,
            directory: directory.to_owned(),
            sealed,
        }
    }
}

impl Marker {
    /// What the file holds. Says of damage only what is wrong.
    pub fn read(bytes: &[u8]) -> Result<Self, StoreError> {
        // The version first: a later one may have other members.
        let marker: Result<serde_json::Value, _> = serde_json::from_slice(bytes);
        let member = |name| marker.as_ref().ok().and_then(|marker| marker.get(name));
        if let Some(version) = member("format_version").and_then(serde_json::Value::as_u64) {
            refuse_later_format(version, member("needs").and_then(serde_json::Value::as_str))?;
        }
        let marker = marker.and_then(serde_json::from_value::<Self>);
        let marker = marker.map_err(|error| StoreError::Damaged(error.to_string()))?;
        if !is_sled_name(&marker.directory) {
            let why = "it names no directory of a store".to_owned();
            return Err(StoreError::Damaged(why));
        }
        Ok(marker)
    }
}

fn first_sled() -> String {
    SLED.to_owned()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    pub revision: u64,
}

/// `sled`, or `sled-` and a number: nothing that could lead out of the data directory.
pub fn is_sled_name(name: &str) -> bool {
    name.strip_prefix(SLED).is_some_and(|rest| {
        rest.is_empty()
            || rest
                .strip_prefix('-')
                .is_some_and(|number| number.parse::<u32>().is_ok())
    })
}

/// Refuses a format that this program does not know. `needs` is the release that does.
pub fn refuse_later_format(version: u64, needs: Option<&str>) -> Result<(), StoreError> {
    if version <= FORMAT.into() {
        return Ok(());
    }
    // What the file says goes to a person: only what a release's name can be.
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    let needs = needs.filter(|name| (1..=32).contains(&name.len()) && name.chars().all(plain));
    let program = match needs {
        Some(release) => format!("use Credenza {release} or later"),
        None => "use the program that wrote it, or a later one".to_owned(),
    };
    Err(StoreError::Failed(format!(
        "its format is version {version}, and this program reads up to version {FORMAT}: {program}"
    )))
}
