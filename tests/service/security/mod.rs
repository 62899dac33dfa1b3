//! The checklist of threats, by number: one file a side from which the service is reached.

mod slow;
mod tls;
mod transport;
