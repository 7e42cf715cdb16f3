use std::sync::mpsc;
use std::thread;

use super::*;

const FOREVER: Duration = Duration::from_secs(3600);

// Java: BufferPoolTest.testSimple
#[test]
fn lends_what_it_has_and_takes_it_back() {
    let pool = pool(64, 16);

    let pooled = pool.try_allocate(16).expect("free");
    let odd = pool.try_allocate(40).expect("free");
    assert_eq!(pool.available(), 8);
    assert_eq!(pool.try_allocate(16).err(), Some(AllocateError::Exhausted));

    drop((pooled, odd));
    assert_eq!(pool.available(), 64);
    assert!(pool.try_allocate(64).is_ok());
}

#[test]
fn uses_a_returned_buffer_again() {
    let pool = pool(256, 16);
    for size in [16, 4, 32] {
        let before = use_and_return(pool.try_allocate(size).expect("free"));

        let again = use_and_return(pool.try_allocate(size).expect("free"));

        assert_eq!(again, before, "{size} bytes");
    }
}

// Eight threads with records of 100 KB took three times the memory: each freed what another allocated anew.
#[test]
fn large_buffers_of_about_the_same_size_are_used_again() {
    let pool = pool(1 << 25, 1 << 14);
    for needed in [16_385, 100_086, 106_000, 1_000_000, 1 << 20, 20_000_000, (1 << 25) - 1] {
        let size = pool.size_for(needed);
        assert!((needed..=needed + needed / 8).contains(&size), "{size} for {needed}");
        assert!(size <= pool.total(), "{size}");
    }
    let lend = |needed| use_and_return(pool.try_allocate(pool.size_for(needed)).expect("free"));

    let before = lend(100_086);

    assert_eq!(pool.state.lock().spare_bytes, pool.size_for(100_086));
    assert_eq!(lend(106_000), before);
    assert_ne!(lend(80_000), before);
    assert_eq!([1, 16_384].map(|needed| pool.size_for(needed)), [1, 16_384], "as they come");
}

#[test]
fn what_is_kept_for_later_never_exceeds_what_is_free() {
    let pool = pool(64, 16);
    let buffers: Vec<_> = (0..8).filter_map(|_| pool.try_allocate(8).ok()).collect();
    assert_eq!(buffers.len(), 8);
    drop(buffers);
    assert_eq!(pool.state.lock().spare_bytes, 32, "half");

    let large = pool.try_allocate(50).expect("free");
    assert_eq!(pool.state.lock().spare_bytes, 8);
    let odd = pool.try_allocate(3).expect("free");
    drop((large, odd));

    let state = pool.state.lock();
    let kept: usize = state.spare.values().flatten().map(Vec::capacity).sum();
    assert_eq!((state.spare_bytes, kept, state.unpooled), (8, 8, 64));
}

// BUF-02
#[test]
fn a_wait_that_runs_out_leaves_nothing_behind() {
    let pool = pool(16, 16);
    let all = pool.try_allocate(16).expect("free");

    let refused = pool.allocate(16, Duration::from_millis(1));

    assert_eq!(refused.err(), Some(AllocateError::Exhausted));
    assert!(!pool.is_exhausted());
    drop(all);
    assert_eq!(pool.available(), 16);
}

// BUF-03
#[test]
fn more_than_there_is_does_not_wait() {
    assert_eq!(pool(16, 16).allocate(17, FOREVER).err(), Some(AllocateError::Exhausted));
}

// BUF-01
#[test]
fn a_newcomer_does_not_overtake_one_who_waits() {
    let (pool, waiting) = pool_that_tells(32, 16);
    let (first, second) = (pool.try_allocate(16), pool.try_allocate(16));

    let waiter = {
        let pool = Arc::clone(&pool);
        thread::spawn(move || pool.allocate(32, FOREVER).map(|buffer| buffer.size()))
    };
    waiting.recv().expect("the thread waits");
    drop(first);
    assert_eq!(pool.try_allocate(16).err(), Some(AllocateError::Exhausted));
    drop(second);

    assert_eq!(waiter.join().expect("no panic"), Ok(32));
    assert_eq!(pool.available(), 32);
}

// BUF-01
#[test]
fn those_who_wait_are_served_in_the_order_they_came() {
    let (pool, waiting) = pool_that_tells(16, 16);
    let all = pool.try_allocate(16).expect("free");
    let (sender, served) = mpsc::channel();
    let mut threads = Vec::new();
    for number in 0..4 {
        let (pool, sender) = (Arc::clone(&pool), sender.clone());
        threads.push(thread::spawn(move || {
            let buffer = pool.allocate(16, FOREVER).expect("served in the end");
            sender.send(number).expect("the test listens");
            drop(buffer);
        }));
        waiting.recv().expect("the thread waits");
    }

    drop(all);
    for thread in threads {
        thread.join().expect("no panic");
    }

    assert_eq!(served.try_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
}

// BUF-04
#[test]
fn closing_wakes_everybody() {
    let (pool, waiting) = pool_that_tells(16, 16);
    let _all = pool.try_allocate(16).expect("free");
    let waiter = {
        let pool = Arc::clone(&pool);
        thread::spawn(move || pool.allocate(16, FOREVER).err())
    };
    waiting.recv().expect("the thread waits");

    pool.close();

    assert_eq!(waiter.join().expect("no panic"), Some(AllocateError::Closed));
    assert_eq!(pool.try_allocate(1).err(), Some(AllocateError::Closed));
}

#[test]
fn a_loan_grows_while_there_is_memory_and_shrinks_to_what_it_needs() {
    let pool = pool(64, 16);
    let mut buffer = pool.try_allocate(16).expect("free");
    let other = pool.try_allocate(16).expect("free");

    assert!(!buffer.grow(49));
    assert!(buffer.grow(48));
    assert_eq!((buffer.size(), pool.available()), (48, 0));
    buffer.set_bytes(vec![7; 20]);
    buffer.shrink(10);
    assert_eq!((buffer.size(), pool.available()), (20, 18), "and what comes with it");
    buffer.shrink(1);
    assert_eq!((buffer.size(), pool.available()), (20, 28));
    drop((buffer, other));
    assert_eq!(pool.available(), 64);
}

#[test]
fn the_overhead_is_counted_with_the_buffer() {
    let (pool, _others) = pool_with_a_quarter_free(256);
    let mut buffer = pool.try_allocate(Demand::new(16, 20)).expect("free");
    assert_eq!((buffer.size(), pool.available()), (16, 28));

    let (too_much, as_much) = (Demand::new(16, 13), Demand::new(16, 12));
    assert_eq!(pool.try_allocate(too_much).err(), Some(AllocateError::Exhausted));
    let other = pool.try_allocate(as_much).expect("free");
    assert!(!buffer.grow(Demand::new(16, 21)));
    drop(other);
    assert!(buffer.grow(Demand::new(24, 40)));
    assert_eq!((buffer.size(), pool.available()), (24, 0));
    assert!(buffer.grow(Demand::new(48, 3)), "the overhead is negligible now");
    assert_eq!((buffer.size(), pool.available()), (48, 16));
    assert!(buffer.grow(Demand::new(48, 0)));

    drop(buffer);
    assert_eq!(pool.available(), 64);
}

#[test]
fn another_buffer_is_had_with_the_overhead_of_all() {
    let (pool, _others) = pool_with_a_quarter_free(256);
    let mut buffer = pool.try_allocate(Demand::new(16, 4)).expect("free");

    assert!(buffer.borrow_another(Demand::new(32, 33)).is_none());
    let last = buffer.borrow_another(Demand::new(32, 32)).expect("free");
    buffer.add_filled(vec![0; 16]);
    buffer.set_bytes(last);
    assert_eq!((buffer.size(), pool.available()), (32, 0));

    let mut returned = Vec::new();
    buffer.surrender(Vec::new(), &mut returned);
    pool.give_back_all(&mut returned);
    assert_eq!(pool.available(), 64);
}

#[test]
fn whoever_waits_gets_the_buffer_and_its_overhead_together() {
    let pool = pool(64, 16);
    let (first, second) = (pool.try_allocate(40), pool.try_allocate(24));
    let ticket = pool.queue_up(Demand::new(16, 30)).expect("open");

    drop(first);
    assert!(!pool.is_served(&ticket), "46 of 40");
    drop(second);
    assert!(pool.is_served(&ticket));

    let buffer = pool.leave_queue(&ticket).expect("served");
    assert_eq!((buffer.size(), pool.available()), (16, 18));
}

#[test]
fn nobody_is_told_of_memory_that_is_too_little_with_the_overhead() {
    let pool = pool(100 * 16, 16);
    let mut all: Vec<_> = (0..100).map(|_| pool.try_allocate(16).expect("free")).collect();
    let ticket = pool.queue_up(Demand::new(16, 10)).expect("open");

    all.truncate(99);
    assert!(!pool.is_served(&ticket), "26 of 16");
    all.truncate(98);
    assert!(pool.is_served(&ticket));
}

#[test]
fn the_overhead_keeps_nobody_from_a_buffer_that_fits() {
    let pool = pool(64, 16);
    let demand = Demand::new(24, usize::MAX).within(64);

    let buffer = pool.try_allocate(demand).expect("there is as much");
    assert_eq!(pool.available(), 32);
    let other = pool.try_allocate(32);
    let ticket = pool.queue_up(demand).expect("open");
    drop((buffer, other));

    assert!(pool.leave_queue(&ticket).is_ok());
    assert_eq!(Demand::new(40, 30).within(64), Demand::from(40));
}

#[test]
fn a_small_overhead_is_neglected() {
    assert_eq!(Demand::new(16_384, 1024), Demand::from(16_384));
    assert_eq!(Demand::new(16_384, 1025).total(), 16_384 + 1025);
}

#[test]
fn a_loan_does_not_grow_past_those_who_wait() {
    let pool = pool(64, 16);
    let mut buffer = pool.try_allocate(16).expect("free");
    let ticket = pool.queue_up(64).expect("open");

    assert!(!buffer.grow(32));

    drop(buffer);
    assert_eq!(pool.leave_queue(&ticket).map(|buffer| buffer.size()), Ok(64));
}

#[test]
fn those_who_wait_are_served_when_it_is_worth_it() {
    let pool = pool(1600, 16);
    let mut all: Vec<_> = (0..100).map(|_| pool.try_allocate(16).expect("free")).collect();
    let tickets = [16, 16, 32].map(|size| pool.queue_up(size).expect("open"));
    let waiting = || tickets.each_ref().map(|it| pool.state.lock().is_waiting(it.number));

    all.truncate(100 - 12);
    assert_eq!((waiting(), pool.available()), ([true; 3], 12 * 16), "an eighth is 200");
    assert!(pool.is_served(&tickets[0]) && !pool.is_served(&tickets[1]), "told");

    all.truncate(100 - 13);
    assert_eq!((waiting(), pool.available()), ([false; 3], 13 * 16 - 64));
}

#[test]
fn whoever_leaves_takes_what_there_is_after_those_before() {
    let pool = pool(1600, 16);
    let mut all: Vec<_> = (0..100).map(|_| pool.try_allocate(16).expect("free")).collect();
    let [first, second, third] = [16, 16, 16].map(|size| pool.queue_up(size).expect("open"));

    all.truncate(98);

    let left = [&third, &second, &first].map(|it| pool.leave_queue(it).map(|it| it.size()));
    assert_eq!(left, [Err(AllocateError::Exhausted), Ok(16), Ok(16)]);
}

#[test]
fn whoever_waits_first_takes_what_there_is_before_long() {
    let (pool, waiting) = pool_that_tells(1600, 16);
    let mut all: Vec<_> = (0..100).map(|_| pool.try_allocate(16).expect("free")).collect();
    let waiter = {
        let pool = Arc::clone(&pool);
        thread::spawn(move || pool.allocate(16, FOREVER).map(|buffer| buffer.size()))
    };
    waiting.recv().expect("the thread waits");

    all.truncate(99);

    assert_eq!(waiter.join().expect("no panic"), Ok(16));
}

// Java: an int overflow made more than 2 GiB of free buffers look like none.
#[test]
fn counts_beyond_what_32_bits_hold() {
    let mut state = State::new(3 << 32);

    assert!(state.take(((3 << 32) - 5).into(), 16_384).is_some());
    assert_eq!(state.unpooled, 5);
}

/// Writes to an empty buffer and gives it back; returns where it lies.
fn use_and_return(mut buffer: PooledBuffer) -> *const u8 {
    let mut bytes = buffer.take_bytes();
    assert!(bytes.is_empty());
    bytes.push(7);
    let address = bytes.as_ptr();
    buffer.set_bytes(bytes);
    address
}

/// With what takes the rest of it.
fn pool_with_a_quarter_free(total: usize) -> (Arc<BufferPool>, PooledBuffer) {
    let pool = pool(total, 16);
    let others = pool.try_allocate(total - total / 4).expect("free");
    (pool, others)
}

fn pool(total: usize, poolable_size: usize) -> Arc<BufferPool> {
    Arc::new(BufferPool::new(total, poolable_size, || {}))
}

fn pool_that_tells(total: usize, poolable: usize) -> (Arc<BufferPool>, mpsc::Receiver<()>) {
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    let tell = move || {
        let _ = sender.lock().send(());
    };
    (Arc::new(BufferPool::new(total, poolable, tell)), receiver)
}
