//! The body of a list of clients: slices of what is kept ready, sent without copying them, and
//! otherwise written.
//!
//! A page is there before its first byte is sent. A longer list is given while it is sent, a chunk
//! at a time from one snapshot, so that its memory does not grow with its length.

use std::convert::Infallible;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::StatusCode;
use actix_web::web::Bytes;

use super::answer::Answer;
use super::call::Call;
use super::clients::View;
use crate::directory::ordered::Found;
use crate::directory::spare::Spare;
use crate::domain::client::ClientRecord;
use crate::service::clients::Selection;

/// The most clients of an answer that is there before its first byte is sent.
const AT_ONCE: usize = 1_024;

/// The most clients that are written only to know how long an answer is. They keep the requests
/// behind them waiting for some milliseconds, once: what a chunk comes to is remembered as long as
/// the chunk lives.
const MEASURED_AT_ONCE: usize = 65_536;

/// What stands around clients that are separated by commas.
pub struct Frame {
    before: Bytes,
    after: Bytes,
}

impl Frame {
    /// An array and nothing else.
    pub fn array() -> Self {
        Self {
            before: Bytes::from_static(b"["),
            after: Bytes::from_static(b"]"),
        }
    }

    /// An array with something around it.
    pub fn array_within(mut before: Vec<u8>, after: &str) -> Self {
        before.push(b'[');
        Self {
            before: before.into(),
            after: format!("]{after}").into(),
        }
    }
}

/// The clients of a selection at some positions.
pub fn answer(
    call: &Call<'_>,
    status: StatusCode,
    frame: Frame,
    selection: &Selection,
    range: Range<usize>,
    view: &'static View,
) -> Answer {
    if call.is_head() {
        return Answer::json_bytes(status, Bytes::new());
    }
    let length = range.len();
    let clients = Clients {
        spare: call.service.directory.spare().clone(),
        selection: selection.clone(),
        range,
        view,
    };
    match length > AT_ONCE {
        true => Answer::json_pieces(status, WhileSent::new(frame, clients)),
        false => Answer::json_pieces(status, Ready::new(frame, clients)),
    }
}

/// One client, from its chunk where that is ready.
pub fn one(call: &Call<'_>, found: &Found<'_, Arc<ClientRecord>>, view: &View) -> Bytes {
    let kept = match view.is_kept {
        true => found.rendered(call.service.directory.spare(), |record, bytes| {
            write(view, record, bytes);
        }),
        false => None,
    };
    let mut bytes = kept.unwrap_or_else(|| {
        let mut bytes = Vec::with_capacity(512);
        write(view, found.entry, &mut bytes);
        bytes.into()
    });
    bytes.truncate(bytes.len() - COMMA);
    bytes
}

/// The length of what follows each client.
const COMMA: usize = 1;

/// Clients that are yet to be given, in a form of bytes.
struct Clients {
    spare: Arc<Spare>,
    selection: Selection,
    range: Range<usize>,
    view: &'static View,
}

impl Clients {
    /// The next of them, at most those of one chunk, separated by commas; `None` at their end.
    fn next(&mut self) -> Option<Bytes> {
        if self.range.is_empty() {
            return None;
        }
        let (count, mut bytes) = match &self.selection {
            Selection::Kept(list) if self.view.is_kept => {
                let part = list.parts(self.range.clone()).next()?;
                let write = |record: &_, bytes: &mut _| write(self.view, record, bytes);
                (part.len(), part.rendered(&self.spare, write))
            }
            _ => self.written(),
        };
        self.range.start += count;
        if self.range.is_empty() {
            // No comma behind the last one.
            bytes.truncate(bytes.len() - COMMA);
        }
        Some(bytes)
    }

    /// The next of them where none are kept.
    fn written(&self) -> (usize, Bytes) {
        const MOST: usize = 256;
        let end = self.range.end.min(self.range.start + MOST);
        let records = self.selection.slice(self.range.start..end);
        let mut bytes = Vec::with_capacity(records.len() * 400);
        for record in &records {
            write(self.view, record, &mut bytes);
        }
        (records.len(), bytes.into())
    }

    /// How many bytes all of them are, commas between them included; `None` where finding it out
    /// would take long.
    fn length(&self) -> Option<usize> {
        let Selection::Kept(list) = &self.selection else {
            return None;
        };
        if !self.view.is_kept {
            return None;
        }
        let parts = || list.parts(self.range.clone());
        let unknown = parts().filter(|part| !part.is_measured());
        if unknown.map(|part| part.len()).sum::<usize>() > MEASURED_AT_ONCE {
            return None;
        }
        let write = |record: &_, bytes: &mut _| write(self.view, record, bytes);
        let lengths = parts().map(|part| part.rendered_length(&self.spare, write));
        Some(lengths.sum::<usize>() - COMMA)
    }
}

/// One client, with the comma that separates it from the next.
fn write(view: &View, record: &Arc<ClientRecord>, bytes: &mut Vec<u8>) {
    (view.write)(&record.client, bytes);
    bytes.push(b',');
}

/// A body that is there.
struct Ready {
    pieces: std::vec::IntoIter<Bytes>,
    length: usize,
}

impl Ready {
    fn new(frame: Frame, mut clients: Clients) -> Self {
        // The frame, and a chunk that the page begins in, one that it ends in, one between them.
        let mut pieces = Vec::with_capacity(5);
        pieces.push(frame.before);
        while let Some(piece) = clients.next() {
            pieces.push(piece);
        }
        pieces.push(frame.after);
        Self {
            length: pieces.iter().map(Bytes::len).sum(),
            pieces: pieces.into_iter(),
        }
    }
}

impl MessageBody for Ready {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(self.pieces.next().map(Ok))
    }
}

/// A body that is given a chunk at a time.
struct WhileSent {
    before: Option<Bytes>,
    clients: Clients,
    after: Option<Bytes>,
    size: BodySize,
}

impl WhileSent {
    fn new(frame: Frame, clients: Clients) -> Self {
        let around = frame.before.len() + frame.after.len();
        let size = match clients.length() {
            Some(length) => BodySize::Sized((around + length) as u64),
            None => BodySize::Stream,
        };
        Self {
            before: Some(frame.before),
            clients,
            after: Some(frame.after),
            size,
        }
    }
}

impl MessageBody for WhileSent {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let before = self.before.take();
        let piece = before
            .or_else(|| self.clients.next())
            .or_else(|| self.after.take());
        Poll::Ready(piece.map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::ordered::OrderedList;
    use crate::domain::client::{Client, RoleIds, Tags, TokenLifetime};
    use crate::domain::ids::{ClientId, Revision};
    use crate::domain::secret::{Salt, SecretSet};
    use crate::domain::text::Name;
    use crate::http::v1::clients::VIEW;

    fn record(number: usize) -> Arc<ClientRecord> {
        Arc::new(ClientRecord {
            client: Client {
                id: ClientId::parse(&format!("client-{number:06}")).unwrap(),
                name: Name::from_stored("A client"),
                enabled: true,
                token_lifetime: TokenLifetime::DEFAULT,
                tags: Tags::none(),
                role_ids: RoleIds::new([]).unwrap(),
                created: Revision(1),
                changed: Revision(1),
            },
            secrets: SecretSet {
                salt: Salt([0; 16]),
                last_id: 0,
                secrets: Vec::new(),
                damaged: Vec::new(),
            },
        })
    }

    /// The size that the body of a list says it has, and the one that it has.
    fn sent(selection: &Selection, range: Range<usize>) -> (BodySize, u64) {
        let clients = Clients {
            // No room: nothing is kept, and lengths are known all the same.
            spare: Arc::default(),
            selection: selection.clone(),
            range,
            view: &VIEW,
        };
        let mut body = WhileSent::new(Frame::array(), clients);
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut bytes = 0;
        while let Poll::Ready(Some(Ok(piece))) = Pin::new(&mut body).poll_next(&mut context) {
            bytes += piece.len() as u64;
        }
        (body.size(), bytes)
    }

    #[test]
    fn a_list_says_its_length_unless_measuring_it_takes_long() {
        let records: Vec<_> = (0..MEASURED_AT_ONCE + 1_000).map(record).collect();
        let all = records.len();
        let list = || Selection::Kept(OrderedList::from_sorted(records.clone()));
        let selection = list();
        assert_eq!(sent(&selection, 0..all).0, BodySize::Stream);
        // Some of it is measured, so that what is left does not take long.
        let (size, bytes) = sent(&selection, 0..MEASURED_AT_ONCE - 5);
        assert_eq!(size, BodySize::Sized(bytes));
        let (size, bytes) = sent(&selection, 0..all);
        assert_eq!(size, BodySize::Sized(bytes));
        let (size, bytes) = sent(&list(), 77..40_077);
        assert_eq!(size, BodySize::Sized(bytes));
    }
}
