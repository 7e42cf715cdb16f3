//! The public interface, over TCP, on the embedded cluster.

mod callbacks;
mod close;
mod flush;
mod futures;
mod interceptors;
mod partitioners;
mod send;
mod serializers;
mod setup;
mod sizes;
mod try_send;
