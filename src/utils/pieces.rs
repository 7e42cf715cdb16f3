//! Bytes that lie in more than one place.

/// Bytes in one piece, or in several that follow one another.
pub(crate) trait Pieces: Send + Sync {
    /// The piece with this number, from 0 on; `None` behind the last one.
    fn piece(&self, number: usize) -> Option<&[u8]>;
}

/// All pieces, in order.
pub(crate) fn pieces_of<P: Pieces + ?Sized>(pieces: &P) -> impl Iterator<Item = &[u8]> {
    (0..).map_while(|number| pieces.piece(number))
}

/// How many bytes there are in all.
pub(crate) fn size_of_all<P: Pieces + ?Sized>(pieces: &P) -> usize {
    pieces_of(pieces).map(<[u8]>::len).sum()
}

impl Pieces for Vec<u8> {
    fn piece(&self, number: usize) -> Option<&[u8]> {
        (number == 0).then_some(&**self)
    }
}
