//! The cluster seen by a client: through its core, without sockets, and over TCP.

mod core;
mod tcp;
mod test_client;
