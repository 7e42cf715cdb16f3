//! Mirrors `org.apache.kafka.common.network.NetworkReceive`.
//!
//! Differs in that a frame's size is bounded, that memory grows with the bytes received and not with those announced,
//! and that one read may complete several frames.

use crate::error::{Error, ErrorKind};
use crate::network::network_send::SIZE_PREFIX_BYTES;

/// A framed answer on its way out of a socket, perhaps partly read. Holds no memory between two frames.
#[derive(Debug, Default)]
pub(crate) struct NetworkReceive {
    size: [u8; SIZE_PREFIX_BYTES],
    size_bytes_read: usize,
    /// The frame without its size, as far as it is read.
    payload: Vec<u8>,
}

/// The largest frame that a broker may send.
pub(crate) const MAX_FRAME_BYTES: usize = 100 * 1024 * 1024;
/// The largest frame that a peer may send before it has shown that it is a broker.
pub(crate) const MAX_FIRST_FRAME_BYTES: usize = 512 * 1024;

impl NetworkReceive {
    /// Takes in `bytes` as they came, and pushes every frame that they complete to `frames`.
    ///
    /// Buffers are taken from `spare` as long as there are any.
    ///
    /// # Errors
    ///
    /// A size that is negative or above `limit`: the peer does not speak Kafka's protocol. Nothing more can be read.
    pub(crate) fn read_from(
        &mut self,
        mut bytes: &[u8],
        limit: usize,
        spare: &mut Vec<Vec<u8>>,
        mut frame: impl FnMut(Vec<u8>),
    ) -> Result<(), Error> {
        while !bytes.is_empty() {
            if self.size_bytes_read < SIZE_PREFIX_BYTES {
                let taken = bytes.len().min(SIZE_PREFIX_BYTES - self.size_bytes_read);
                self.size[self.size_bytes_read..][..taken].copy_from_slice(&bytes[..taken]);
                self.size_bytes_read += taken;
                bytes = &bytes[taken..];
                if self.size_bytes_read < SIZE_PREFIX_BYTES {
                    break;
                }
                self.payload = spare.pop().unwrap_or_default();
            }
            let size = frame_size(self.size, limit)?;
            let taken = bytes.len().min(size - self.payload.len());
            self.payload.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.payload.len() == size {
                self.size_bytes_read = 0;
                frame(std::mem::take(&mut self.payload));
            }
        }
        Ok(())
    }
}

fn frame_size(prefix: [u8; SIZE_PREFIX_BYTES], limit: usize) -> Result<usize, Error> {
    let size = i32::from_be_bytes(prefix);
    match usize::try_from(size) {
        Ok(bounded) if bounded <= limit => Ok(bounded),
        _ => Err(Error::new(ErrorKind::Protocol { message: foreign_peer(prefix, size).into() })),
    }
}

/// Says what kind of peer begins its answer with these bytes. Read as a size, all of them are out of bounds.
fn foreign_peer(prefix: [u8; SIZE_PREFIX_BYTES], size: i32) -> String {
    match &prefix {
        b"HTTP" | b"<!DO" | b"<!do" | b"<htm" | b"<HTM" | b"<?xm" => {
            "the peer answered in HTTP: this is not a Kafka port".into()
        }
        [0x15 | 0x16, 0x03, _, _] => {
            "the peer answered in TLS: this port wants security.protocol SSL or SASL_SSL, or is not a Kafka port"
                .into()
        }
        _ => format!(
            "the peer announced an answer of {size} bytes (first bytes {}): it does not seem to speak Kafka's protocol",
            prefix.escape_ascii()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_however_they_were_cut() {
        let stream = b"\0\0\0\x03abc\0\0\0\0\0\0\0\x05hello";
        for step in 1..=stream.len() {
            let mut receive = NetworkReceive::default();
            let mut frames = Vec::new();

            for piece in stream.chunks(step) {
                receive
                    .read_from(piece, 5, &mut Vec::new(), |frame| frames.push(frame))
                    .expect("sizes in bounds");
            }

            assert_eq!(frames, [b"abc".to_vec(), b"".to_vec(), b"hello".to_vec()], "step {step}");
        }
    }

    #[test]
    fn an_announced_size_alone_takes_no_memory() {
        let mut receive = NetworkReceive::default();

        let announced = i32::try_from(MAX_FRAME_BYTES).expect("small").to_be_bytes();
        let read = receive.read_from(&announced, MAX_FRAME_BYTES, &mut Vec::new(), |_| {});

        assert_eq!(read, Ok(()));
        assert_eq!(receive.payload.capacity(), 0);
    }

    #[test]
    fn tells_foreign_protocols_by_their_first_bytes() {
        for (bytes, expected) in [
            (&b"HTTP/1.1 400 Bad Request"[..], "HTTP"),
            (b"<!DOCTYPE HTML>", "HTTP"),
            (b"\x15\x03\x03\x00\x02\x02\x46", "TLS"),
            (b"SSH-2.0-OpenSSH", "SSH-"),
            (b"\xff\xff\xff\xff", "-1 bytes"),
        ] {
            let mut receive = NetworkReceive::default();

            let read = receive.read_from(bytes, MAX_FRAME_BYTES, &mut Vec::new(), |_| {});

            let error = read.expect_err("no frame").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn buffers_are_used_again() {
        let mut receive = NetworkReceive::default();
        let mut spare = vec![Vec::with_capacity(1000)];
        let mut capacity = 0;

        let read =
            receive.read_from(b"\0\0\0\x01a", 100, &mut spare, |frame| capacity = frame.capacity());

        assert_eq!(read, Ok(()));
        assert_eq!((capacity, spare.len()), (1000, 0));
    }
}
