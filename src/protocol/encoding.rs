//! The two ways in which a message version may be laid out.

/// How strings, byte fields and arrays carry their length, and whether structures end in tagged fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Lengths of two or four bytes, -1 for null; no tagged fields.
    Classic,
    /// Lengths as unsigned varints, one up, 0 for null; tagged fields after every structure. Since: KIP-482.
    Flexible,
}
