//! Mirrors `org.apache.kafka.clients.producer.internals.BufferPool`.
//!
//! Unlike Java's, a newcomer never overtakes those who wait, and a buffer returns when its last user drops it: it
//! cannot be written again while a socket still reads it. Buffers of other sizes than `batch.size` are used again as well.
//! Those who wait are served several at a time. And what a batch takes besides is counted, though not lent.

mod demand;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::producer::internals::BATCHES_PER_LOCK;
use crate::producer::internals::pooled_buffer::PooledBuffer;
use crate::utils::sync::{Condvar, Mutex};

pub(crate) use crate::producer::internals::buffer_pool::demand::Demand;

/// The memory for batches: `buffer.memory` bytes in all, kept as buffers of `batch.size` where possible.
pub(crate) struct BufferPool {
    total: usize,
    poolable_size: usize,
    state: Mutex<State>,
    /// Told when somebody starts to wait, or is refused, so that lingering batches are sent and give their memory back.
    on_wait: Box<dyn Fn() + Send + Sync>,
}

#[derive(Debug)]
struct State {
    /// Buffers to be used again, each of the poolable size.
    free: Vec<Vec<u8>>,
    /// Bytes that are neither taken nor in `free`.
    unpooled: usize,
    /// Buffers of other sizes, to be used again, by size. They are part of `unpooled`: more than that they never take.
    spare: BTreeMap<usize, Vec<Vec<u8>>>,
    spare_bytes: usize,
    /// First come, first served: the head takes what is free, and nobody else does while it waits.
    waiters: VecDeque<Waiter>,
    /// The ticket of the head that was told of some memory, which is not enough yet to be worth it.
    told: Option<u64>,
    /// Memory that was taken for a waiter which has not woken yet.
    served: Vec<(u64, Vec<u8>)>,
    next_ticket: u64,
    /// Whether somebody who would not wait was refused since memory last came back.
    is_short: bool,
    is_closed: bool,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    requested: Demand,
    condvar: Arc<Condvar>,
}

/// A buffer that comes back from a loan.
#[derive(Debug)]
pub(super) struct Returned {
    /// What was lent, and counted with it.
    pub(super) loan: Demand,
    pub(super) bytes: Vec<u8>,
}

/// A place in the line of those who wait for memory.
#[derive(Debug)]
pub(crate) struct Ticket {
    number: u64,
    demand: Demand,
    condvar: Arc<Condvar>,
}

/// Why there is no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AllocateError {
    /// It is in use, or others wait for it.
    Exhausted,
    /// The pool was closed.
    Closed,
}

impl Returned {
    /// `size` bytes of a buffer that is kept.
    pub(super) fn without_buffer(size: usize) -> Self {
        Self { loan: size.into(), bytes: Vec::new() }
    }
}

impl BufferPool {
    /// `on_wait` runs on the thread that finds no memory, with no lock held.
    pub(crate) fn new(
        total: usize,
        poolable_size: usize,
        on_wait: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let state = Mutex::new(State::new(total));
        Self { total, poolable_size, state, on_wait: Box::new(on_wait) }
    }

    /// How large buffers usually are: `batch.size`, in bytes.
    pub(super) fn poolable_size(&self) -> usize {
        self.poolable_size
    }

    /// How large buffers are for batches that need several: of one size, they can be used again.
    pub(super) fn large_size(&self) -> usize {
        self.poolable_size
            .saturating_mul(LARGE_MULTIPLE)
            .min(self.total / MIN_LARGE)
            .max(self.poolable_size)
    }

    /// How large a buffer should be for `needed` bytes in one piece: where that is more than `batch.size`, up to an eighth more,
    /// so that it can be used again for others. What is freed instead, and allocated anew by another thread, stays with the
    /// allocator for long.
    pub(super) fn size_for(&self, needed: usize) -> usize {
        if needed <= self.poolable_size {
            return needed;
        }
        large_class(needed).min(self.total).max(needed)
    }

    /// `buffer.memory`, in bytes.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// The bytes that nobody uses.
    #[cfg(test)]
    pub(crate) fn available(&self) -> usize {
        self.state.lock().available(self.poolable_size)
    }

    /// Whether a thread waits for memory, or found none: then every batch is worth sending.
    pub(crate) fn is_exhausted(&self) -> bool {
        let state = self.state.lock();
        state.is_short || !state.waiters.is_empty()
    }

    /// Takes what is asked for if it is free and nobody waits for memory. Never waits.
    pub(crate) fn try_allocate(
        self: &Arc<Self>,
        demand: impl Into<Demand>,
    ) -> Result<PooledBuffer, AllocateError> {
        let demand = demand.into();
        let taken = {
            let mut state = self.state.lock();
            if state.is_closed {
                return Err(AllocateError::Closed);
            }
            if !state.waiters.is_empty() {
                return Err(AllocateError::Exhausted);
            }
            state.take(demand, self.poolable_size)
        };
        taken.map(|buffer| self.lend(demand, buffer)).ok_or(AllocateError::Exhausted)
    }

    /// As [`try_allocate`](Self::try_allocate), but waits in line, for up to `timeout` of real time.
    ///
    /// Runs on: a caller's thread, with no lock held.
    pub(crate) fn allocate(
        self: &Arc<Self>,
        demand: impl Into<Demand>,
        timeout: Duration,
    ) -> Result<PooledBuffer, AllocateError> {
        let demand = demand.into();
        match self.try_allocate(demand) {
            Err(AllocateError::Exhausted) if demand.size <= self.total => {}
            answer => return answer,
        }
        if timeout.is_zero() {
            self.refuse();
            return Err(AllocateError::Exhausted);
        }
        let ticket = self.queue_up(demand)?;
        let waits = |state: &mut State| !state.is_closed && state.is_waiting(ticket.number);
        let hears_nothing = |state: &mut State| waits(state) && !state.is_told(ticket.number);
        let mut state = self.state.lock();
        ticket.condvar.wait_while_for(&mut state, hears_nothing, timeout);
        if state.is_told(ticket.number) {
            ticket.condvar.wait_while_for(&mut state, waits, timeout.min(PATIENCE_OF_HEAD));
        }
        drop(state);
        self.leave_queue(&ticket)
    }

    /// Takes a place in the line for memory, until [`leave_queue`](Self::leave_queue). Never waits.
    pub(crate) fn queue_up(&self, demand: impl Into<Demand>) -> Result<Ticket, AllocateError> {
        let demand = demand.into();
        let condvar = Arc::new(Condvar::new());
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(AllocateError::Closed);
        }
        let number = state.next_ticket;
        state.next_ticket += 1;
        let waiter = Waiter { ticket: number, requested: demand, condvar: Arc::clone(&condvar) };
        state.waiters.push_back(waiter);
        state.serve_waiters(self);
        drop(state);
        (self.on_wait)();
        Ok(Ticket { number, demand, condvar })
    }

    /// Whether the wait of `ticket` is over, for better or worse.
    #[cfg(test)]
    pub(crate) fn is_served(&self, ticket: &Ticket) -> bool {
        let state = self.state.lock();
        state.is_closed || !state.is_waiting(ticket.number) || state.is_told(ticket.number)
    }

    /// Ends the wait of `ticket`, with the memory if it is its turn.
    pub(crate) fn leave_queue(
        self: &Arc<Self>,
        ticket: &Ticket,
    ) -> Result<PooledBuffer, AllocateError> {
        let mut state = self.state.lock();
        let served = state.leave(ticket.number, self);
        state.serve_waiters(self);
        let is_closed = state.is_closed;
        drop(state);
        match served {
            Some(buffer) => Ok(self.lend(ticket.demand, buffer)),
            None if is_closed => Err(AllocateError::Closed),
            None => Err(AllocateError::Exhausted),
        }
    }

    /// How many bytes are kept in buffers of other sizes than `batch.size`.
    #[cfg(test)]
    pub(super) fn spare_bytes(&self) -> usize {
        self.state.lock().spare_bytes
    }

    /// Refuses every later call and wakes every thread that waits, to fail.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        for waiter in &state.waiters {
            waiter.condvar.notify_one();
        }
    }

    /// Whoever does not wait comes again: lingering batches have to give their memory back for that, too.
    fn refuse(&self) {
        let was_short = std::mem::replace(&mut self.state.lock().is_short, true);
        if !was_short {
            (self.on_wait)();
        }
    }

    fn lend(self: &Arc<Self>, demand: Demand, mut bytes: Vec<u8>) -> PooledBuffer {
        bytes.reserve_exact(demand.size.saturating_sub(bytes.len()));
        PooledBuffer::new(bytes, demand, Arc::clone(self))
    }

    /// Takes `size` bytes more, for records or overhead, for somebody who has some. Never waits.
    pub(super) fn take_more(&self, size: usize) -> bool {
        let mut state = self.state.lock();
        state.waiters.is_empty() && state.promise(size, self.poolable_size)
    }

    /// Takes a buffer for somebody who has one. Never waits.
    pub(super) fn take_another(&self, demand: Demand) -> Option<Vec<u8>> {
        let mut state = self.state.lock();
        if state.waiters.is_empty() { state.take(demand, self.poolable_size) } else { None }
    }

    pub(super) fn give_back(&self, mut returned: Returned) {
        let mut state = self.state.lock();
        state.take_back(&mut returned, self);
        state.serve_waiters(self);
    }

    /// Takes back what [`surrender`](PooledBuffer::surrender) gave; the lock is taken once for several.
    pub(super) fn give_back_all(&self, returned: &mut Vec<Returned>) {
        while !returned.is_empty() {
            let rest = returned.len().saturating_sub(BATCHES_PER_LOCK);
            let mut state = self.state.lock();
            for returned in &mut returned[rest..] {
                state.take_back(returned, self);
            }
            state.serve_waiters(self);
            drop(state);
            returned.truncate(rest);
        }
    }
}

/// Those who wait are served once so much of `buffer.memory` is free: it is divided by this.
const WORTH_SERVING_DIVISOR: usize = 8;
/// How long the first of those who wait does so although there is memory, but less than that.
const PATIENCE_OF_HEAD: Duration = Duration::from_millis(2);
/// How many times `batch.size` a large buffer has.
const LARGE_MULTIPLE: usize = 4;
/// `buffer.memory` holds at least this many large buffers, unless `batch.size` is more.
const MIN_LARGE: usize = 64;
/// At most so much of `buffer.memory` is kept in buffers of other sizes than `batch.size`: it is divided by this.
const SPARE_DIVISOR: usize = 2;

/// Large buffers have sizes of which there are so many between one power of two and the next.
const CLASSES_PER_DOUBLING: usize = 8;

/// `size` or a bit more, so that there are few such sizes.
fn large_class(size: usize) -> usize {
    let next_power = size.checked_next_power_of_two().unwrap_or(usize::MAX);
    let step = (next_power / (2 * CLASSES_PER_DOUBLING)).max(1);
    size.checked_next_multiple_of(step).unwrap_or(size)
}

/// Whether others are likely to want a buffer of this size, too: a part of the poolable size, some of them, or a [class of large
/// ones](large_class). Of the sizes that batches [begin](super::record_accumulator) with, those are left out that `batch.size` is
/// not divided into evenly.
fn is_common_size(size: usize, poolable_size: usize) -> bool {
    if size > poolable_size {
        return size % poolable_size == 0 || size == large_class(size);
    }
    size > 0 && poolable_size % size == 0
}

impl State {
    /// With so many bytes that nobody uses.
    fn new(total: usize) -> Self {
        Self {
            free: Vec::new(),
            unpooled: total,
            spare: BTreeMap::new(),
            spare_bytes: 0,
            waiters: VecDeque::new(),
            told: None,
            served: Vec::new(),
            next_ticket: 0,
            is_short: false,
            is_closed: false,
        }
    }

    /// The bytes that nobody uses.
    fn available(&self, poolable_size: usize) -> usize {
        self.unpooled + self.free.len() * poolable_size
    }

    /// What is asked for, if it is there: a used buffer where it fits, else a promise of that many bytes. The overhead
    /// is only promised.
    fn take(&mut self, demand: Demand, poolable_size: usize) -> Option<Vec<u8>> {
        if demand.total() > self.available(poolable_size) {
            return None;
        }
        let buffer = self.take_buffer(demand.size, poolable_size)?;
        self.promise(demand.overhead, poolable_size).then_some(buffer) // it is there
    }

    fn take_buffer(&mut self, size: usize, poolable_size: usize) -> Option<Vec<u8>> {
        if size == poolable_size {
            if let Some(buffer) = self.free.pop() {
                return Some(buffer);
            }
        }
        let spare = self.spare.get_mut(&size).and_then(Vec::pop);
        self.spare_bytes -= spare.as_ref().map_or(0, |_| size);
        self.promise(size, poolable_size).then(|| spare.unwrap_or_default())
    }

    /// Takes `size` bytes from those that are there, without a buffer; `false` if there are fewer.
    fn promise(&mut self, size: usize, poolable_size: usize) -> bool {
        let wanted_from_free = size.saturating_sub(self.unpooled).div_ceil(poolable_size);
        if wanted_from_free > self.free.len() {
            return false;
        }
        self.free.truncate(self.free.len() - wanted_from_free);
        self.unpooled = self.unpooled + wanted_from_free * poolable_size - size;
        while self.spare_bytes > self.unpooled {
            self.drop_spare();
        }
        true
    }

    /// Drops one of the largest.
    fn drop_spare(&mut self) {
        if let Some(mut largest) = self.spare.last_entry() {
            match largest.get_mut().pop() {
                Some(_) => self.spare_bytes -= *largest.key(),
                None => {
                    largest.remove();
                }
            }
        }
    }

    /// What is not to be used again stays with the caller, to be freed without the lock.
    fn take_back(&mut self, returned: &mut Returned, pool: &BufferPool) {
        let Demand { size, overhead } = returned.loan;
        let bytes = &mut returned.bytes;
        bytes.clear();
        let is_whole = bytes.capacity() == size;
        self.is_short = false;
        self.unpooled += overhead;
        if size == pool.poolable_size && is_whole {
            self.free.push(std::mem::take(bytes));
            return;
        }
        self.unpooled += size;
        let is_welcome = self.spare_bytes + size <= pool.total / SPARE_DIVISOR;
        if is_whole && is_welcome && is_common_size(size, pool.poolable_size) {
            self.spare_bytes += size;
            self.spare.entry(size).or_default().push(std::mem::take(bytes));
        }
    }

    /// Serves those who wait, if that lasts for a while: to wake somebody for each buffer that comes back costs more than
    /// to fill it, and where many wait for room in one batch, all but one wake for nothing. If there is less, the head is
    /// told, and takes what there is when its patience is over.
    fn serve_waiters(&mut self, pool: &BufferPool) {
        let available = self.available(pool.poolable_size);
        if available >= pool.total / WORTH_SERVING_DIVISOR {
            return self.serve_all(pool.poolable_size);
        }
        if let Some(head) = self.waiters.front().filter(|head| head.requested.total() <= available)
        {
            if self.told.replace(head.ticket) != Some(head.ticket) {
                head.condvar.notify_one();
            }
        }
    }

    fn serve_all(&mut self, poolable_size: usize) {
        while let Some(head) = self.waiters.front() {
            let (ticket, requested) = (head.ticket, head.requested);
            let Some(buffer) = self.take(requested, poolable_size) else {
                return;
            };
            self.served.push((ticket, buffer));
            if let Some(head) = self.waiters.pop_front() {
                head.condvar.notify_one();
            }
        }
    }

    fn is_waiting(&self, ticket: u64) -> bool {
        !self.served.iter().any(|(served, _)| *served == ticket)
    }

    /// Whether the owner of `ticket` was told of some memory.
    fn is_told(&self, ticket: u64) -> bool {
        self.told == Some(ticket)
    }

    /// Ends the wait of `ticket`; gives what it was served, or what is there after those before it were served.
    fn leave(&mut self, ticket: u64, pool: &BufferPool) -> Option<Vec<u8>> {
        if self.waiters.iter().any(|waiter| waiter.ticket == ticket) {
            self.serve_all(pool.poolable_size);
        }
        self.waiters.retain(|waiter| waiter.ticket != ticket);
        let position = self.served.iter().position(|(served, _)| *served == ticket)?;
        Some(self.served.swap_remove(position).1)
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BufferPool").field("total", &self.total).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
