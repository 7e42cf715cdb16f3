//! Calls into user code, which may panic.

use std::panic::{self, AssertUnwindSafe};

/// What `call` returns; `None` if it panicked, which ends there.
///
/// Whatever `call` changes has to be sound after a panic: nothing here may be left half-changed by user code.
pub(crate) fn contain<R>(call: impl FnOnce() -> R) -> Option<R> {
    panic::catch_unwind(AssertUnwindSafe(call)).ok()
}
