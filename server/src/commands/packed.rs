//! Files of lines, packed as their names say.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// How much of lines is packed at once. Each piece is a member (gzip) or a frame (zstd) of its
/// own: a file ends well after each, so that it can be cut there and gone on with.
pub(super) const PIECE_BYTES: usize = 1024 * 1024;

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// As a file's name says by its ending.
    pub(super) fn of(file: &Path) -> Self {
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Self::Gzip,
            Some("zst" | "zstd") => Self::Zstd,
            _ => Self::Plain,
        }
    }

    fn pack(self, piece: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain => Ok(piece.to_vec()),
            Self::Gzip => {
                let mut packed = GzEncoder::new(Vec::new(), Compression::default());
                packed.write_all(piece)?;
                packed.finish()
            }
            Self::Zstd => zstd::bulk::compress(piece, zstd::DEFAULT_COMPRESSION_LEVEL),
        }
    }
}

/// Packs lines and writes them, a piece at a time.
pub(super) struct Writer<W> {
    packing: Packing,
    out: W,
    piece: Vec<u8>,
    written: u64,
}

impl<W: Write> Writer<W> {
    /// Goes on after `written` bytes.
    pub(super) fn new(packing: Packing, out: W, written: u64) -> Self {
        Self { packing, out, piece: Vec::new(), written }
    }

    /// Where a line goes to; [`Writer::end_line`] comes after it.
    pub(super) fn line(&mut self) -> &mut Vec<u8> {
        &mut self.piece
    }

    /// Writes the piece if it is large enough.
    pub(super) fn end_line(&mut self) -> io::Result<()> {
        if self.piece.len() >= PIECE_BYTES { self.end_piece() } else { Ok(()) }
    }

    /// Writes all there is, and says how many bytes that are since the beginning.
    pub(super) fn finish(&mut self) -> io::Result<u64> {
        self.end_piece()?;
        self.out.flush()?;
        Ok(self.written)
    }

    fn end_piece(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let packed = self.packing.pack(&self.piece)?;
        self.out.write_all(&packed)?;
        self.written += packed.len() as u64;
        self.piece.clear();
        Ok(())
    }
}

/// Reads lines from a file, or from standard input if it is `-`. Also gives how many bytes of
/// the file were read so far.
pub(super) fn read(file: &Path) -> io::Result<(Box<dyn BufRead + Send>, Arc<AtomicU64>)> {
    let count = Arc::new(AtomicU64::new(0));
    let inner: Box<dyn Read + Send> =
        if file == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(file)?) };
    let packed = BufReader::new(Counted { inner, count: Arc::clone(&count) });
    let lines: Box<dyn BufRead + Send> = match Packing::of(file) {
        Packing::Plain => Box::new(packed),
        Packing::Gzip => Box::new(BufReader::new(MultiGzDecoder::new(packed))),
        Packing::Zstd => Box::new(BufReader::new(zstd::Decoder::with_buffer(packed)?)),
    };
    Ok((lines, count))
}

/// Counts what is read.
struct Counted {
    inner: Box<dyn Read + Send>,
    count: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_one_file() {
        let folder = tempfile::tempdir().expect("a directory");
        for name in ["lines", "lines.gz", "lines.zst"] {
            let file = folder.path().join(name);
            let mut writer =
                Writer::new(Packing::of(&file), File::create(&file).expect("a file"), 0);
            for n in 0..3 {
                writeln!(writer.line(), "line {n}").expect("memory");
                writer.finish().expect("room");
            }
            let (mut lines, count) = read(&file).expect("the file");
            let mut text = String::new();
            lines.read_to_string(&mut text).expect("text");
            assert_eq!(text, "line 0\nline 1\nline 2\n", "{name}");
            let length = std::fs::metadata(&file).expect("the file").len();
            assert_eq!(count.load(Ordering::Relaxed), length);
        }
    }
}
