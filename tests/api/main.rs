//! The public interface, over TCP, on the embedded cluster.

mod send;
