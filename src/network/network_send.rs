//! Mirrors `org.apache.kafka.common.network.NetworkSend`.

use std::fmt;
use std::io::{self, IoSlice};
use std::sync::Arc;

use crate::network::transport_layer::TransportLayer;
use crate::utils::pieces::{Pieces, pieces_of};

/// A framed request on its way into a socket, perhaps partly written.
///
/// Large byte strings are not copied: they are spliced in by reference, in their places between the bytes of the
/// request's own, piece by piece, and go out by the same vectored writes.
pub(crate) struct NetworkSend {
    /// The frame without the spliced bytes, its size first.
    own: Vec<u8>,
    /// In ascending order of position.
    splices: Vec<Splice>,
    /// The part being written: even ones are pieces of `own`, odd ones are splices.
    part: usize,
    /// How much of that part is written.
    offset: usize,
    written: usize,
    size: usize,
}

/// Bytes that go out in the middle of a request.
pub(crate) struct Splice {
    /// The position in the request's own bytes before which they stand.
    pub(crate) position: usize,
    /// Where they lie.
    pub(crate) source: Arc<dyn Pieces>,
    /// In which piece of that.
    pub(crate) piece: usize,
}

impl Splice {
    /// One for each piece of `source`.
    pub(crate) fn all_of(position: usize, source: &Arc<dyn Pieces>) -> impl Iterator<Item = Self> {
        let count = pieces_of(&**source).count();
        (0..count).map(move |piece| Self { position, source: Arc::clone(source), piece })
    }

    fn bytes(&self) -> &[u8] {
        self.source.piece(self.piece).unwrap_or_default()
    }
}

/// The bytes before a frame, which tell its size.
pub(crate) const SIZE_PREFIX_BYTES: usize = 4;
/// More than this a call cost more than they save.
const MAX_SLICES: usize = 64;

impl NetworkSend {
    /// `own` begins with four bytes of any value, in which the frame's size is written.
    ///
    /// # Errors
    ///
    /// The frame is larger than its size prefix can tell.
    pub(crate) fn new(mut own: Vec<u8>, splices: Vec<Splice>) -> io::Result<Self> {
        debug_assert!(own.len() >= SIZE_PREFIX_BYTES, "room for the size");
        debug_assert!(splices.is_sorted_by_key(|splice| splice.position), "in order");
        debug_assert!(splices.last().is_none_or(|last| last.position <= own.len()), "inside");
        let spliced: usize = splices.iter().map(|splice| splice.bytes().len()).sum();
        let size = own.len() + spliced;
        let payload = i32::try_from(size - SIZE_PREFIX_BYTES).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("request of {size} bytes"))
        })?;
        own[..SIZE_PREFIX_BYTES].copy_from_slice(&payload.to_be_bytes());
        Ok(Self { own, splices, part: 0, offset: 0, written: 0, size })
    }

    /// How many bytes it has, the size prefix included.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Whether every byte is with the socket.
    pub(crate) fn is_completed(&self) -> bool {
        self.written == self.size
    }

    /// Whether at least one byte is with the socket.
    pub(crate) fn is_started(&self) -> bool {
        self.written > 0
    }

    /// Writes until all is written or the socket takes no more; true once all is written.
    pub(super) fn write_to(&mut self, transport: &mut dyn TransportLayer) -> io::Result<bool> {
        while !self.is_completed() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = self.fill(&mut slices);
            match transport.write_vectored(&slices[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.advance(written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Points `slices` at the next bytes; returns how many slices it used.
    fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        let mut offset = self.offset;
        for part in self.part..self.part_count() {
            if count == slices.len() {
                break;
            }
            let bytes = &self.part(part)[offset..];
            offset = 0;
            if !bytes.is_empty() {
                slices[count] = IoSlice::new(bytes);
                count += 1;
            }
        }
        count
    }

    fn advance(&mut self, mut written: usize) {
        self.written += written;
        while self.part < self.part_count() {
            let rest = self.part(self.part).len() - self.offset;
            if written < rest {
                self.offset += written;
                return;
            }
            written -= rest;
            self.part += 1;
            self.offset = 0;
        }
    }

    fn part_count(&self) -> usize {
        2 * self.splices.len() + 1
    }

    fn part(&self, part: usize) -> &[u8] {
        let index = part / 2;
        if part % 2 == 1 {
            return self.splices[index].bytes();
        }
        let start = index.checked_sub(1).map_or(0, |before| self.splices[before].position);
        let end = self.splices.get(index).map_or(self.own.len(), |splice| splice.position);
        &self.own[start..end]
    }

    /// The frame without its size, in one piece.
    #[cfg(test)]
    pub(crate) fn payload(&self) -> Vec<u8> {
        let bytes = (0..self.part_count()).flat_map(|part| self.part(part)).copied();
        bytes.skip(SIZE_PREFIX_BYTES).collect()
    }
}

impl fmt::Debug for NetworkSend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "NetworkSend({} of {} bytes written)", self.written, self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_spliced_bytes_in_their_places_however_little_the_socket_takes() {
        for step in 1..20 {
            let mut socket = Narrow { step, taken: Vec::new(), is_full: false };
            let mut send = NetworkSend::new(
                b"____headmiddletail".to_vec(),
                [splice(8, &[b"FIR", b"", b"ST"]), splice(14, &[]), splice(14, &[b"SECOND"])]
                    .into_iter()
                    .flatten()
                    .collect(),
            )
            .expect("a small frame");

            let mut is_completed = false;
            while !is_completed {
                is_completed = send.write_to(&mut socket).expect("no failure");
            }

            assert_eq!(socket.taken, b"\0\0\0\x19headFIRSTmiddleSECONDtail", "step {step}");
        }
    }

    #[test]
    fn a_splice_may_end_the_frame_and_there_may_be_more_than_one_call_carries() {
        let splices = (0..100_u8).flat_map(|_| splice(4, &[b"a", b"bab"])).collect();
        let mut socket = Narrow { step: usize::MAX, taken: Vec::new(), is_full: false };
        let mut send = NetworkSend::new(vec![0; 4], splices).expect("a small frame");

        assert!(!send.is_started());
        while !send.write_to(&mut socket).expect("no failure") {}

        assert_eq!(socket.taken[..4], 400_i32.to_be_bytes());
        assert_eq!(socket.taken[4..], *b"ab".repeat(200));
    }

    fn splice(position: usize, pieces: &[&'static [u8]]) -> Vec<Splice> {
        let source: Arc<dyn Pieces> = Arc::new(Several(pieces.to_vec()));
        Splice::all_of(position, &source).collect()
    }

    struct Several(Vec<&'static [u8]>);

    impl Pieces for Several {
        fn piece(&self, number: usize) -> Option<&[u8]> {
            self.0.get(number).copied()
        }
    }

    /// Takes `step` bytes, then nothing once, and so on.
    #[derive(Debug)]
    struct Narrow {
        step: usize,
        taken: Vec<u8>,
        is_full: bool,
    }

    impl TransportLayer for Narrow {
        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            self.is_full = !self.is_full;
            if !self.is_full {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let before = self.taken.len();
            let bytes = slices.iter().flat_map(|slice| slice.iter()).copied();
            self.taken.extend(bytes.take(self.step));
            Ok(self.taken.len() - before)
        }

        fn finish_connect(&mut self) -> io::Result<bool> {
            Ok(true)
        }

        fn handshake(&mut self) -> io::Result<bool> {
            Ok(true)
        }

        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }

        fn socket(&mut self) -> &mut mio::net::TcpStream {
            unreachable!("not registered")
        }
    }
}
