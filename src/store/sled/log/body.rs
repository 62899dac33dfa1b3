//! What messages hold: pages, changes of pages and what sled notes of itself. Strict: what sled
//! would not have written is not read.

use super::super::keys::Tree;
use super::super::rows;
use super::format::{Header, Kind, take, take_byte, take_fixed, take_number};

/// A page of rows. Its keys are without the part that all of them begin with.
pub struct Leaf<'a> {
    prefix: &'a [u8],
    rows: Vec<(&'a [u8], &'a [u8])>,
}

/// What kind of page or change a body is.
pub enum Body<'a> {
    Leaf(Leaf<'a>),
    /// A page that says on which page a key is.
    Index,
    /// A change of a page.
    Link,
    /// Something else that sled notes.
    Other,
}

impl<'a> Body<'a> {
    /// `None` where it is not wholly what its header says.
    pub fn read(header: Header, body: &'a [u8]) -> Option<Self> {
        let mut rest = body;
        let read = match header.kind {
            Kind::Node => node(&mut rest)?,
            Kind::Link => link(&mut rest)?,
            Kind::Meta => {
                while !rest.is_empty() {
                    take_bytes(&mut rest)?;
                    take_number(&mut rest)?;
                }
                Self::Other
            }
            Kind::Counter => {
                take_number(&mut rest)?;
                Self::Other
            }
            Kind::Batch | Kind::Outside => {
                take_fixed(&mut rest)?;
                Self::Other
            }
            Kind::Free => Self::Other,
            // What was given up may hold anything.
            Kind::Canceled => return Some(Self::Other),
            Kind::Cap => return body.iter().all(|byte| *byte == 0).then_some(Self::Other),
        };
        rest.is_empty().then_some(read)
    }
}

impl Leaf<'_> {
    /// How many rows fit their own checksums and how many do not, in the tree that most of them
    /// belong to.
    pub fn count_rows(&self) -> (usize, usize) {
        let fits = |tree: Tree| self.rows.iter().filter(|row| self.fits(tree, row)).count();
        let fit = Tree::ALL.into_iter().map(fits).max().unwrap_or(0);
        (fit, self.rows.len() - fit)
    }

    fn fits(&self, tree: Tree, (key, row): &(&[u8], &[u8])) -> bool {
        let key = [self.prefix, *key].concat();
        row.split_last_chunk().is_some_and(|(content, sum)| {
            rows::checksum(tree.name(), &key, content) == u32::from_be_bytes(*sum)
        })
    }
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_number(bytes)?;
    take(bytes, length)
}

fn node<'a>(rest: &mut &'a [u8]) -> Option<Body<'a>> {
    let _next = take_number(rest)?;
    let _merging_child = take_number(rest)?;
    let merging = take_byte(rest)?;
    let prefix_length = usize::from(take_byte(rest)?);
    let low = take_bytes(rest)?;
    let high = take_bytes(rest)?;
    let prefix = low.get(..prefix_length)?;
    let kind = take_byte(rest)?;
    let count = take_number(rest)?;
    // Each takes a byte at least, so that a made-up count ends soon.
    let keys: Vec<_> = (0..count).map_while(|_| take_bytes(rest)).collect();
    let all_keys = u64::try_from(keys.len()) == Ok(count);
    let sorted = keys.is_sorted_by(|one, next| one < next);
    let within = |key: &&[u8]| {
        let key = [prefix, *key].concat();
        key.as_slice() >= low && (high.is_empty() || key.as_slice() < high)
    };
    if merging > 1 || !all_keys || !sorted {
        return None;
    }
    match kind {
        0 if keys.iter().all(within) => {
            let mut rows = Vec::with_capacity(keys.len());
            for key in keys {
                rows.push((key, take_bytes(rest)?));
            }
            Some(Body::Leaf(Leaf { prefix, rows }))
        }
        1 => {
            for _ in keys {
                take_number(rest)?;
            }
            Some(Body::Index)
        }
        _ => None,
    }
}

fn link<'a>(rest: &mut &'a [u8]) -> Option<Body<'a>> {
    match take_byte(rest)? {
        0 => {
            take_bytes(rest)?;
            take_bytes(rest)?;
        }
        1 => {
            take_bytes(rest)?;
        }
        2 => {
            take_number(rest)?;
        }
        3 | 4 => {}
        _ => return None,
    }
    Some(Body::Link)
}
