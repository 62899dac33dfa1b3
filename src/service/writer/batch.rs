//! One batch: commands decided one after the other on a working copy, committed together, shown
//! together, and answered when they are durable.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::recording::{self, Recording};
use super::sweep::Sweeping;
use super::{Message, Parts, Queued, Reply, State, unavailable};
use crate::directory::News;
use crate::domain::error::Refusal;
use crate::domain::ids::{Revision, TenantId};
use crate::domain::tenant::TenantState;
use crate::service::audit::{self, Action, Event, Record};
use crate::service::command::{Asker, Command, Outcome};
use crate::service::decide::{Given, World, decide};
use crate::service::tokens::log_failure;
use crate::store::batch::{Batch, Change, TenantRevisions};
use crate::store::{CommitError, StoreError};

/// The most commands, or swept clients, of one batch.
pub(super) const MOST: usize = 128;

/// A batch takes nothing further once its rows weigh this much. The heaviest command weighs less
/// than as much again, so a batch stays below the 256 KB of log that sled may write between two
/// syncs.
pub(super) const WEIGHT: usize = 120_000;

/// Decides and commits; lives on the writer's thread.
pub(super) struct BatchWriter {
    pub(super) parts: Parts,
    pub(super) sweeping: Sweeping,
    pub(super) recording: Recording,
    state: Arc<State>,
}

/// A batch in the making: the newest state, and what brought it there.
pub(super) struct Draft {
    pub(super) world: World,
    changes: Vec<Change>,
    weight: usize,
    /// For each tenant that changes, the revision that it had before.
    touched: HashMap<TenantId, Revision>,
    /// The records of its commands, in their order. Sweeping makes none.
    records: Vec<Record>,
}

type Stop = oneshot::Sender<Result<(), StoreError>>;

impl BatchWriter {
    pub(super) fn new(parts: Parts, state: Arc<State>, recording: Recording) -> Self {
        let sweeping = Sweeping::of(&parts.directory.registry());
        Self {
            parts,
            sweeping,
            recording,
            state,
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.state.has_failed()
    }

    /// Writes a batch that begins with `first` and takes what is queued behind it. Gives back the
    /// order to stop, if that came meanwhile.
    pub(super) async fn write(
        &mut self,
        first: Queued,
        inbox: &mut mpsc::Receiver<Message>,
    ) -> Option<Stop> {
        let mut draft = self.draft();
        let mut answers = Vec::new();
        let mut next = Some(first);
        let mut stop = None;
        while let Some(Queued {
            asker,
            command,
            reply,
        }) = next.take()
        {
            if reply.ticket.take() {
                answers.push((reply, self.decide_one(&mut draft, &asker, command).await));
            }
            if answers.len() >= MOST || draft.weight >= WEIGHT {
                break;
            }
            match inbox.try_recv() {
                Ok(Message::Command(queued)) => next = Some(queued),
                Ok(Message::Stop(done)) => stop = Some(done),
                Err(_) => {}
            }
        }
        self.finish(draft, answers).await;
        stop
    }

    /// An empty batch on the state that readers see.
    pub(super) fn draft(&self) -> Draft {
        Draft {
            world: World {
                epoch: self.parts.epoch,
                limits: self.parts.limits,
                registry: (*self.parts.directory.registry()).clone(),
                tenants: HashMap::new(),
            },
            changes: Vec::new(),
            weight: 0,
            touched: HashMap::new(),
            records: Vec::new(),
        }
    }

    async fn decide_one(
        &self,
        draft: &mut Draft,
        asker: &Asker,
        command: Command,
    ) -> Result<Outcome, Refusal> {
        if self.has_failed() {
            return Err(unavailable("storage not writable"));
        }
        if self.recording.is_behind() {
            return Err(unavailable(recording::REASON));
        }
        for id in draft.world.missing(asker, &command) {
            let loaded = self.parts.directory.tenant(id).await.map_err(log_failure)?;
            if let Some(snapshot) = loaded {
                draft.world.tenants.insert(id, (*snapshot).clone());
            }
        }
        let given = Given {
            now: self.parts.clock.now(),
            random: &*self.parts.random,
            revision: draft.world.registry.revision().next(),
        };
        let action = Action::of(&command);
        let decision = decide(&draft.world, asker, command, &given)?;
        if self.recording.is_on() {
            let event = Event {
                asker,
                action,
                time: given.now,
                epoch: self.parts.epoch,
                revision: given.revision,
            };
            let before = |tenant| draft.world.tenants.get(&tenant);
            let record = audit::record(&event, &decision.changes, before);
            draft.records.extend(record);
        }
        draft.add(decision.changes, given.revision);
        Ok(decision.outcome)
    }

    /// Commits, shows, records, answers.
    async fn finish(&mut self, mut draft: Draft, answers: Vec<(Reply, Result<Outcome, Refusal>)>) {
        let records = std::mem::take(&mut draft.records);
        match self.commit(draft).await {
            Ok(()) => {
                let recorded = self.recording.record(records);
                for (reply, answer) in answers {
                    reply.give(match recorded {
                        true => answer,
                        // Done, and nobody is told so: that takes a record. Refusals stand.
                        false => answer.and(Err(unavailable(recording::REASON))),
                    });
                }
            }
            // Whether the batch is on disk is not known, and what was refused was refused on the
            // strength of it: nobody gets more than that.
            Err(error) => {
                self.fail(&error);
                for (reply, _) in answers {
                    reply.give(Err(unavailable("storage not writable")));
                }
            }
        }
    }

    pub(super) fn fail(&self, error: &dyn std::fmt::Display) {
        log::error!("writes are not accepted any more: {error}");
        self.state.set(State::FAILED);
    }

    /// Makes a batch durable and shows it. Without changes there is nothing to do.
    pub(super) async fn commit(&mut self, draft: Draft) -> Result<(), CommitError> {
        let Draft {
            world,
            changes,
            touched,
            ..
        } = draft;
        if changes.is_empty() {
            return Ok(());
        }
        let revision = world.registry.revision();
        let tenants = touched.iter().map(|(tenant, before)| TenantRevisions {
            tenant: *tenant,
            decided_on: *before,
            after: world
                .tenants
                .get(tenant)
                .map_or(revision, |snapshot| snapshot.revision()),
        });
        let client_ids = changes.iter().filter_map(client_id_news).collect();
        let batch = Batch {
            operation: self.parts.random.uuid(),
            revision,
            tenants: tenants.collect(),
            changes,
        };

        let gate = self.parts.directory.close_gate().await;
        self.parts.store.commit(batch).await?;
        let World {
            registry,
            mut tenants,
            ..
        } = world;
        tenants.retain(|id, _| touched.contains_key(id));
        let (tenants, gone): (Vec<_>, Vec<_>) = tenants
            .into_values()
            .partition(|snapshot| snapshot.tenant().state == TenantState::Active);
        let gone: Vec<TenantId> = gone.iter().map(|snapshot| snapshot.tenant().id).collect();
        self.sweeping.add(&gone);
        self.parts.directory.publish(
            &gate,
            News {
                registry,
                tenants,
                gone,
                client_ids,
            },
        );
        Ok(())
    }

    /// Refuses what comes too late.
    pub(super) async fn refuse_the_rest(&self, mut inbox: mpsc::Receiver<Message>) {
        self.state.set(State::STOPPING);
        inbox.close();
        while let Some(message) = inbox.recv().await {
            if let Message::Command(queued) = message {
                queued.reply.give(Err(unavailable("shutting down")));
            }
        }
    }

    pub(super) async fn close(&mut self) -> Result<(), StoreError> {
        let recorded = self.recording.end();
        self.parts.store.close().await.and(recorded)
    }
}

impl Draft {
    /// Adds the changes of one command.
    pub(super) fn add(&mut self, changes: Vec<Change>, revision: Revision) {
        if changes.is_empty() {
            return;
        }
        for change in &changes {
            let tenant = change.tenant();
            let before = self
                .world
                .tenants
                .get(&tenant)
                .map(|snapshot| snapshot.revision());
            self.touched
                .entry(tenant)
                .or_insert(before.unwrap_or(Revision::ZERO));
            self.weight += change.weight();
        }
        self.world.apply(&changes, revision);
        self.changes.extend(changes);
    }

    pub(super) fn is_full(&self) -> bool {
        self.changes.len() >= MOST || self.weight >= WEIGHT
    }
}

/// A client that came into being (`true`) or went.
fn client_id_news(change: &Change) -> Option<(crate::domain::ids::ClientId, TenantId, bool)> {
    match change {
        Change::PutClient {
            tenant,
            old: None,
            new,
        } => Some((new.client.id.clone(), *tenant, true)),
        Change::DeleteClient { tenant, old } => Some((old.client.id.clone(), *tenant, false)),
        _ => None,
    }
}
