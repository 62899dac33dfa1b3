//! Health: whether the process can answer, and whether it can serve. Open to all, and silent about
//! everything else.

use std::sync::atomic::Ordering;

use actix_web::http::StatusCode;
use serde::Serialize;

use super::answer::Answer;
use super::dispatch::Site;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    status: &'static str,
}

/// 200 while the process can answer.
pub fn live() -> Answer {
    Answer::json(StatusCode::OK, &Health { status: "live" }).never_stored()
}

/// 200 when requests are served, else 503 with the reason.
pub fn ready(site: &Site) -> Answer {
    let (status, word) = match not_ready(site) {
        None => (StatusCode::OK, "ready"),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
    };
    Answer::json(status, &Health { status: word }).never_stored()
}

fn not_ready(site: &Site) -> Option<&'static str> {
    match site.open.load().as_deref() {
        _ if site.stopping.load(Ordering::Relaxed) => Some("shutting down"),
        None => Some("starting"),
        Some(open) => open.service.not_writable(),
    }
}
