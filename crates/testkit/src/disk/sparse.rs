//! The bytes of a file in blocks, with holes. Blocks are shared, between the versions of a file and
//! with the write that brought them, and never changed: a page of a database is copied once, however
//! many of its versions are kept.

use std::ops::Range;
use std::sync::Arc;

/// The unit in which a file system gives out space; a page of redb.
pub(super) const BLOCK: usize = 4096;

/// The bytes of a file.
#[derive(Clone, Default)]
pub(super) struct Sparse {
    length: usize,
    /// One for each begun block of the length; `None` is a hole, which reads as zeros.
    blocks: Vec<Option<Block>>,
}

/// The `BLOCK` bytes of a buffer that begin at `start`.
#[derive(Clone)]
struct Block {
    buffer: Arc<[u8]>,
    start: usize,
}

impl Sparse {
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Sparse {
        let mut sparse = Sparse::default();
        let length = bytes.len();
        sparse.write(0, &bytes.into(), 0..length);
        sparse
    }

    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length];
        self.copy_to(0, &mut bytes);
        bytes
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Fills `out` from `offset` on, or gives `None` if the file ends before.
    pub(super) fn read(&self, offset: usize, out: &mut [u8]) -> Option<()> {
        if offset.checked_add(out.len())? > self.length {
            return None;
        }
        self.copy_to(offset, out);
        Some(())
    }

    fn copy_to(&self, offset: usize, out: &mut [u8]) {
        for part in parts(offset, out.len()) {
            match &self.blocks[part.block] {
                Some(block) => out[part.outer].copy_from_slice(&block.bytes()[part.inner]),
                None => out[part.outer].fill(0),
            }
        }
    }

    /// Writes this part of `data` at `offset`; the file grows if need be.
    pub(super) fn write(&mut self, offset: usize, data: &Arc<[u8]>, range: Range<usize>) {
        let end = offset + range.len();
        if end > self.length {
            self.set_len(end);
        }
        for part in parts(offset, range.len()) {
            let start = range.start + part.outer.start;
            let block = &mut self.blocks[part.block];
            *block = Some(if part.inner.len() == BLOCK {
                Block { buffer: data.clone(), start }
            } else {
                Block::merged(block.as_ref(), &data[start..][..part.inner.len()], part.inner.start)
            });
        }
    }

    /// Cuts the file, or lets it grow by a hole.
    pub(super) fn set_len(&mut self, length: usize) {
        self.blocks.resize(length.div_ceil(BLOCK), None);
        let used = length % BLOCK;
        if length < self.length
            && let Some(Some(last)) = self.blocks.last_mut()
            && used > 0
        {
            // Else the rest of the last block would show when the file grows again.
            *last = Block::merged(Some(last), &[0; BLOCK][used..], used);
        }
        self.length = length;
    }

    /// How many of `length` bytes at `offset` can be written before the first hole.
    pub(super) fn room(&self, offset: usize, length: usize) -> usize {
        let has_block = |block: usize| self.blocks.get(block).is_some_and(Option::is_some);
        let hole = parts(offset, length).find(|part| !has_block(part.block));
        hole.map_or(length, |part| part.outer.start)
    }
}

impl Block {
    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..][..BLOCK]
    }

    /// The old block, or zeros, with `data` at `at`.
    fn merged(old: Option<&Block>, data: &[u8], at: usize) -> Block {
        let mut bytes = [0; BLOCK];
        if let Some(old) = old {
            bytes.copy_from_slice(old.bytes());
        }
        bytes[at..][..data.len()].copy_from_slice(data);
        Block { buffer: Arc::new(bytes), start: 0 }
    }
}

/// What a range of a file has in one block.
struct Part {
    block: usize,
    /// Where, in the block.
    inner: Range<usize>,
    /// Where, in the range.
    outer: Range<usize>,
}

/// Cuts a range of a file at the bounds of its blocks.
fn parts(offset: usize, length: usize) -> impl Iterator<Item = Part> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done;
        let start = at % BLOCK;
        let size = (BLOCK - start).min(length - done);
        let part = Part { block: at / BLOCK, inner: start..start + size, outer: done..done + size };
        done += size;
        (size > 0).then_some(part)
    })
}
