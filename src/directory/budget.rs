//! The memory budget: which tenants stay in memory when not all fit.

use std::sync::atomic::Ordering;

use super::Residents;
use crate::domain::ids::TenantId;

/// Lets the least recently used tenants go until the rest weighs at most `budget_bytes`.
/// `keep` stays, whatever it weighs: somebody is about to use it. Gives what is left.
pub fn keep_within(residents: &mut Residents, budget_bytes: usize, keep: TenantId) -> usize {
    let mut by_use: Vec<_> = residents
        .iter()
        .map(|(id, resident)| {
            let used = resident.last_used.load(Ordering::Relaxed);
            (used, *id, resident.snapshot.load().weight())
        })
        .collect();
    let mut total: usize = by_use.iter().map(|(_, _, weight)| weight).sum();
    if total > budget_bytes {
        by_use.sort_unstable();
    }
    for (_, id, weight) in by_use {
        if total <= budget_bytes {
            break;
        }
        if id != keep {
            residents.remove(&id);
            total -= weight;
        }
    }
    total
}
