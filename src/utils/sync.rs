//! The usual locks of this crate: one place to swap them. The one that every record takes is in `brief_mutex`.

pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
