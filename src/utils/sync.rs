//! The locks of this crate: one place to swap them.

#[cfg(feature = "mock-cluster")]
pub(crate) use parking_lot::MutexGuard;
pub(crate) use parking_lot::{Condvar, Mutex};
