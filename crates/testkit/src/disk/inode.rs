//! A file: its bytes as programs see them, as the disk has them, and what lies between.

use std::sync::Arc;

use super::sparse::Sparse;
use crate::Dice;

/// The unit that a real disk writes whole.
const SECTOR: usize = 512;

/// A file, with or without a name. `current` is `durable` with all of `pending` applied.
#[derive(Clone, Default)]
pub(super) struct Inode {
    pub(super) current: Sparse,
    durable: Sparse,
    pub(super) pending: Vec<FileChange>,
}

/// A change that no sync has made durable yet.
#[derive(Clone)]
pub(super) enum FileChange {
    Write { offset: usize, data: Arc<[u8]> },
    Length(usize),
}

impl Inode {
    /// A file with these bytes, all durable.
    pub(super) fn synced(bytes: Sparse) -> Inode {
        Inode { current: bytes.clone(), durable: bytes, pending: Vec::new() }
    }

    pub(super) fn change(&mut self, change: FileChange) {
        change.apply(&mut self.current);
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// The file after a crash, and how many unsynced bytes were kept.
    pub(super) fn survivor(&self, dice: &mut Dice) -> (Inode, u64) {
        let mut bytes = self.durable.clone();
        let mut kept = 0;
        // Some crashes lose everything, some nothing, most a part.
        let percent = [0, 50, 90, 100][dice.below(4) as usize];
        for change in &self.pending {
            if dice.chance(percent) {
                kept += change.torn(dice, &mut bytes);
            }
        }
        (Inode::synced(bytes), kept as u64)
    }
}

impl FileChange {
    /// Applies it; returns how many bytes it has.
    fn apply(&self, bytes: &mut Sparse) -> usize {
        match self {
            FileChange::Length(length) => {
                bytes.set_len(*length);
                0
            }
            FileChange::Write { offset, data } => {
                bytes.write(*offset, data, 0..data.len());
                data.len()
            }
        }
    }

    /// Applies it, in one case of four with only some of its sectors; returns how many bytes it took.
    fn torn(&self, dice: &mut Dice, bytes: &mut Sparse) -> usize {
        match self {
            FileChange::Write { offset, data } if dice.chance(25) => {
                let mut kept = 0;
                for start in (0..data.len()).step_by(SECTOR) {
                    if dice.chance(50) {
                        let sector = start..data.len().min(start + SECTOR);
                        kept += sector.len();
                        bytes.write(offset + start, data, sector);
                    }
                }
                kept
            }
            whole => whole.apply(bytes),
        }
    }
}
