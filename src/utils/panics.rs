//! Calls into user code, which may panic.

use std::any::Any;
use std::mem;
use std::panic::{self, AssertUnwindSafe};

/// What `call` returns; `None` if it panicked, which ends there.
///
/// Whatever `call` changes has to be sound after a panic: nothing here may be left half-changed by user code.
pub(crate) fn contain<R>(call: impl FnOnce() -> R) -> Option<R> {
    catch(call).ok()
}

/// As [`contain`], with the first line of the panic's message.
pub(crate) fn catch<R>(call: impl FnOnce() -> R) -> Result<R, String> {
    panic::catch_unwind(AssertUnwindSafe(call)).map_err(|payload| {
        let message = message_of(&*payload);
        // What was thrown is the user's as well, and so is its `drop`.
        let dropped = panic::catch_unwind(AssertUnwindSafe(|| drop(payload)));
        dropped.unwrap_or_else(mem::forget);
        message
    })
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.and_then(|text| text.lines().next()).unwrap_or("no message").to_owned()
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

    #[test]
    fn a_message_is_told_whatever_kind_of_text_it_is() {
        assert_eq!(catch::<()>(|| panic!("plain\nand more")), Err("plain".to_owned()));
        assert_eq!(catch::<()>(|| panic!("{}", 7)), Err("7".to_owned()));
        assert_eq!(catch::<()>(|| panic::panic_any(7)), Err("no message".to_owned()));
    }
}
