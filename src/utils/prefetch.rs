//! Memory that is fetched before it is needed.

use std::hint;

/// Has the processor fetch what `loads` touch, all of it at a time: each by itself would be waited for. What they yield is
/// of no use.
pub(crate) fn touch_all(loads: impl Iterator<Item = usize>) {
    hint::black_box(loads.fold(0, usize::wrapping_add));
}
