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

/// All of it in one piece.
pub(crate) fn concat<P: Pieces + ?Sized>(pieces: &P) -> Vec<u8> {
    pieces_of(pieces).collect::<Vec<_>>().concat()
}

/// How many bytes there are in all.
pub(crate) fn total_size<P: Pieces + ?Sized>(pieces: &P) -> usize {
    pieces_of(pieces).map(<[u8]>::len).sum()
}

impl Pieces for Vec<u8> {
    fn piece(&self, number: usize) -> Option<&[u8]> {
        (number == 0).then_some(&**self)
    }
}
