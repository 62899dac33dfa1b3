//! One batch: commands decided one after the other on a working copy, committed together, shown
//! together, and answered when they are durable.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::finish::Decided;
use super::recording::{self, Recording};
use super::recovery::{Pause, Unsure, Vain};
use super::state::State;
use super::sweep::Sweeping;
use super::{Message, Parts, Queued, unavailable};
use crate::directory::News;
use crate::domain::error::Refusal;
use crate::domain::ids::{Revision, TenantId};
use crate::domain::ports::Random;
use crate::domain::tenant::TenantState;
use crate::service::audit::{self, Action, Event, Record};
use crate::service::command::{Asker, Command, Outcome};
use crate::service::decide::{Given, World, decide};
use crate::service::failures::refusal_of;
use crate::store::batch::{Batch, Change, TenantRevisions};
use crate::store::{CommitError, StoreError};

/// The most commands, or swept clients, of one batch.
pub(super) const MOST: usize = 128;

/// A batch takes nothing further once its rows weigh this much, so that it stays below the 256 KB of
/// log that sled may write between two syncs: seen were 210 KB for 128 creations, where a row at a
/// random place makes some 800 bytes of log, since leaves are split and their parents written anew.
pub(super) const WEIGHT: usize = 100_000;

/// Decides and commits; lives on the writer's thread.
pub(super) struct BatchWriter {
    pub(super) parts: Parts,
    pub(super) sweeping: Sweeping,
    pub(super) recording: Recording,
    pub(super) state: Arc<State>,
    pub(super) pause: Pause,
    pub(super) vain: Vain,
    /// What became of the batch that failed is not known yet.
    pub(super) unsure: Option<Unsure>,
}

/// A batch in the making: the newest state, and what brought it there.
pub(super) struct Draft {
    pub(super) world: World,
    changes: Vec<Change>,
    weight: usize,
    /// For each tenant that changes, the revision that it had before.
    touched: HashMap<TenantId, Revision>,
    /// What each command with changes did, in their order.
    steps: Vec<Step>,
}

/// What the commands of a batch did, one after the other.
pub(super) struct Steps {
    steps: Vec<Step>,
    changes: Vec<Change>,
}

/// What one command did.
struct Step {
    /// How many changes it made.
    changes: usize,
    revision: Revision,
    /// For each tenant that it changed, the revision that it had before.
    touched: Vec<(TenantId, Revision)>,
    record: Option<Record>,
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
            pause: None,
            vain: Vain::default(),
            unsure: None,
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.state.has_failed()
    }

    /// Writes `first` and what is queued behind it, until a batch is full or the queue is empty. Gives
    /// back the order to stop, if that came meanwhile.
    pub(super) async fn write(
        &mut self,
        first: Queued,
        inbox: &mut mpsc::Receiver<Message>,
    ) -> Option<Stop> {
        let mut next = Some(first);
        let mut stop = None;
        while let Some(first) = next.take() {
            next = self.write_batch(first, inbox, &mut stop).await;
        }
        stop
    }

    /// Writes one batch. Gives back a command that needs a tenant which is not in memory: what was
    /// decided does not wait until it is read, and keeps no other tenant in memory meanwhile.
    async fn write_batch(
        &mut self,
        first: Queued,
        inbox: &mut mpsc::Receiver<Message>,
        stop: &mut Option<Stop>,
    ) -> Option<Queued> {
        let mut draft = self.draft();
        let mut answers = Vec::new();
        let mut next = Some(first);
        while let Some(queued) = next.take() {
            if !answers.is_empty() && self.must_load(&draft, &queued) {
                next = Some(queued);
                break;
            }
            let Queued {
                asker,
                command,
                reply,
            } = queued;
            if reply.ticket.take() {
                let steps = draft.steps.len();
                let outcome = self.decide_one(&mut draft, &asker, command).await;
                answers.push(Decided {
                    reply,
                    outcome,
                    changes: draft.steps.len() > steps,
                });
            }
            if answers.len() >= MOST || draft.weight >= WEIGHT {
                break;
            }
            match inbox.try_recv() {
                Ok(Message::Command(queued)) => next = Some(queued),
                Ok(Message::Stop(done)) => *stop = Some(done),
                Err(_) => {}
            }
        }
        self.finish(draft, answers).await;
        next
    }

    /// Whether a command needs a tenant that has to be read first.
    fn must_load(&self, draft: &Draft, queued: &Queued) -> bool {
        let missing = draft.world.missing(&queued.asker, &queued.command);
        let directory = &self.parts.directory;
        missing.into_iter().any(|id| directory.must_load(id))
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
            steps: Vec::new(),
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
            let loaded = self.parts.directory.tenant_to_write(id).await;
            if let Some(snapshot) = loaded.map_err(refusal_of)? {
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
        let mut record = None;
        if self.recording.is_on() {
            let event = Event {
                asker,
                action,
                time: given.now,
                epoch: self.parts.epoch,
                revision: given.revision,
            };
            let before = |tenant| draft.world.tenants.get(&tenant);
            record = audit::record(&event, &decision.changes, before);
        }
        draft.add(decision.changes, given.revision, record);
        Ok(decision.outcome)
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
        self.store(batch).await?;
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

    /// Has the store make a batch durable, under the eyes of the watchdog. Only with the gate closed.
    pub(super) async fn store(&self, batch: Batch) -> Result<(), CommitError> {
        self.state.begin();
        let committed = self.parts.store.commit(batch).await;
        self.state.end();
        committed
    }

    /// Refuses what comes too late.
    pub(super) async fn refuse_the_rest(&self, mut inbox: mpsc::Receiver<Message>) {
        self.state.stop();
        inbox.close();
        while let Some(message) = inbox.recv().await {
            if let Message::Command(queued) = message {
                queued.reply.give(Err(unavailable("shutting down")));
            }
        }
    }

    /// Closes the store; after a failure that first takes one more try to open it anew.
    pub(super) async fn close(&mut self) -> Result<(), StoreError> {
        if self.has_failed() {
            self.recover().await;
        }
        let recorded = self.recording.end();
        self.parts.store.close().await.and(recorded)
    }
}

impl Draft {
    /// Adds the changes of one command, and its record, if one is made of it.
    pub(super) fn add(&mut self, changes: Vec<Change>, revision: Revision, record: Option<Record>) {
        if changes.is_empty() {
            return;
        }
        let mut step = Step {
            changes: changes.len(),
            revision,
            touched: Vec::with_capacity(1),
            record,
        };
        for change in &changes {
            let tenant = change.tenant();
            let before = self
                .world
                .tenants
                .get(&tenant)
                .map_or(Revision::ZERO, |snapshot| snapshot.revision());
            self.touched.entry(tenant).or_insert(before);
            if step.touched.iter().all(|(id, _)| *id != tenant) {
                step.touched.push((tenant, before));
            }
            self.weight += change.weight();
        }
        self.steps.push(step);
        self.world.apply(&changes, revision);
        self.changes.extend(changes);
    }

    /// What each command did, for when the batch is not committed as a whole.
    pub(super) fn take_steps(&mut self) -> Steps {
        Steps {
            steps: std::mem::take(&mut self.steps),
            changes: self.changes.clone(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.changes.len() >= MOST || self.weight >= WEIGHT
    }
}

impl Steps {
    /// A batch for each command, to be committed one after the other, with its record.
    pub(super) fn into_parts(self, random: &dyn Random) -> Vec<(Batch, Option<Record>)> {
        let mut changes = self.changes.into_iter();
        let steps = self.steps.into_iter().map(|step| {
            let moved = |(tenant, before)| TenantRevisions {
                tenant,
                decided_on: before,
                after: step.revision,
            };
            let batch = Batch {
                operation: random.uuid(),
                revision: step.revision,
                tenants: step.touched.into_iter().map(moved).collect(),
                changes: changes.by_ref().take(step.changes).collect(),
            };
            (batch, step.record)
        });
        steps.collect()
    }

    /// The records of the commands, where records are made.
    pub(super) fn into_records(self) -> impl Iterator<Item = Record> {
        self.steps.into_iter().filter_map(|step| step.record)
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
