//! The locks of this crate: one place to swap them.

pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
