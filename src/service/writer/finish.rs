//! The end of a batch: it is committed, shown, recorded, and then answered.

use super::batch::{BatchWriter, Draft};
use super::recovery::Unsure;
use super::{Reply, recording, unavailable};
use crate::domain::error::Refusal;
use crate::service::audit::Record;
use crate::service::command::Outcome;
use crate::service::failures::damaged;
use crate::store::batch::Batch;
use crate::store::{CommitError, StoreError};

const NOT_WRITABLE: &str = "storage not writable";

/// A command that was decided, and waits for its batch.
pub(super) struct Decided {
    pub(super) reply: Reply,
    pub(super) outcome: Result<Outcome, Refusal>,
    /// Whether it is a step of the draft.
    pub(super) changes: bool,
}

/// What is told of a change that is durable: that it was done takes a record. Refusals stand.
fn told(outcome: Result<Outcome, Refusal>, recorded: bool) -> Result<Outcome, Refusal> {
    match recorded {
        true => outcome,
        false => outcome.and(Err(unavailable(recording::REASON))),
    }
}

impl BatchWriter {
    /// Commits, shows, records, answers.
    pub(super) async fn finish(&mut self, mut draft: Draft, answers: Vec<Decided>) {
        let steps = draft.take_steps();
        let revision = draft.world.registry.revision();
        match self.commit(draft).await {
            Ok(()) => {
                let recorded = self.recording.record(steps.into_records());
                for Decided { reply, outcome, .. } in answers {
                    reply.give(told(outcome, recorded));
                }
            }
            Err(CommitError::DidNotHappen(error @ StoreError::Damaged(_))) => {
                log::error!("a batch of {} commands was refused: {error}", answers.len());
                let parts = steps.into_parts(&*self.parts.random);
                self.finish_one_by_one(parts, answers).await;
            }
            // Whether the batch is on disk is not known, and what was refused was refused on the
            // strength of it: nobody gets more than that.
            Err(error) => {
                self.fail(&error);
                self.unsure = Some(Unsure {
                    revision,
                    records: steps.into_records().collect(),
                });
                for Decided { reply, .. } in answers {
                    reply.give(Err(unavailable(NOT_WRITABLE)));
                }
            }
        }
    }

    /// Commits what a batch was made of in parts, so that only the commands that need what is
    /// damaged are refused.
    async fn finish_one_by_one(
        &mut self,
        parts: Vec<(Batch, Option<Record>)>,
        answers: Vec<Decided>,
    ) {
        let directory = self.parts.directory.clone();
        let gate = directory.close_gate().await;
        let mut parts = parts.into_iter();
        let mut outcomes = Vec::with_capacity(answers.len());
        let mut records = Vec::new();
        for decided in answers {
            let part = if decided.changes { parts.next() } else { None };
            let outcome = match part {
                // Decided on the strength of what may not have come true.
                None => Err(unavailable("the batch was refused")),
                Some((part, record)) => match self.commit_part(part, record.clone()).await {
                    Ok(()) => {
                        records.extend(record);
                        decided.outcome
                    }
                    Err(refusal) => Err(refusal),
                },
            };
            outcomes.push((decided.reply, outcome));
        }
        if !self.has_failed()
            && let Err(error) = directory.resync(&gate).await
        {
            self.fail(&error);
        }
        let recorded = self.recording.record(records);
        // What is durable and not shown is in force for nobody yet: nobody is told that it was done.
        let shown = !self.has_failed();
        for (reply, outcome) in outcomes {
            reply.give(match shown {
                true => told(outcome, recorded),
                false => outcome.and(Err(unavailable(NOT_WRITABLE))),
            });
        }
    }

    async fn commit_part(&mut self, part: Batch, record: Option<Record>) -> Result<(), Refusal> {
        if self.has_failed() {
            return Err(unavailable(NOT_WRITABLE));
        }
        let revision = part.revision;
        match self.store(part).await {
            Ok(()) => Ok(()),
            Err(CommitError::DidNotHappen(StoreError::Damaged(_))) => {
                Err(damaged("What this would change"))
            }
            Err(CommitError::Conflict(_)) => Err(unavailable("the batch was refused")),
            Err(error) => {
                self.fail(&error);
                let records = record.into_iter().collect();
                self.unsure = Some(Unsure { revision, records });
                Err(unavailable(NOT_WRITABLE))
            }
        }
    }
}
