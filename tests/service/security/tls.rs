//! TLS that the service does itself: which certificates it takes, and how it comes by newer ones.
