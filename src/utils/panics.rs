//! Calls into user code, which may panic.

use std::mem;
use std::panic::{self, AssertUnwindSafe};

/// What `call` returns; `None` if it panicked, which ends there.
///
/// Whatever `call` changes has to be sound after a panic: nothing here may be left half-changed by user code.
pub(crate) fn contain<R>(call: impl FnOnce() -> R) -> Option<R> {
    match panic::catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => Some(value),
        Err(payload) => {
            // What was thrown is the user's as well, and so is its `drop`.
            let dropped = panic::catch_unwind(AssertUnwindSafe(|| drop(payload)));
            dropped.unwrap_or_else(mem::forget);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct PanicsWhenDropped;

    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic::panic_any(Self);
        }
    }

    #[test]
    fn a_payload_that_panics_when_it_is_dropped_ends_there() {
        assert_eq!(contain::<()>(|| panic::panic_any(PanicsWhenDropped)), None);
    }
}
