//! The wire protocol: requests and responses, and the versions of them that this crate speaks.
//!
//! Mirrors `org.apache.kafka.common.protocol`, `.requests` and `.message`.

pub(crate) mod api_keys;
pub(crate) mod body;
pub(crate) mod encoding;
pub(crate) mod message;
pub(crate) mod readable;
pub(crate) mod request_header;
pub(crate) mod response_header;
pub(crate) mod writable;

#[cfg(test)]
mod tests;
