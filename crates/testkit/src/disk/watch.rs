//! What the trace learns of a disk.

use crate::sim::trace::{Kind, Trace};

/// Stands for the file in calls that are about no file.
const NO_FILE: u32 = u32::MAX;

/// The trace that a disk reports to, and as whose disk.
#[derive(Clone)]
pub(super) struct Watch {
    pub(super) trace: Trace,
    pub(super) node: u32,
}

/// A writing call, or the end of the machine.
#[derive(Clone, Copy)]
pub(super) enum Call<'a> {
    Write {
        offset: u64,
        data: &'a [u8],
    },
    Length(u64),
    Sync,
    Create(&'a str),
    Rename {
        from: &'a str,
        to: &'a str,
    },
    Remove(&'a str),
    SyncDirectory(&'a str),
    /// With the number of unsynced bytes that survived.
    Crash {
        kept: u64,
    },
}

impl Watch {
    pub(super) fn note(&self, file: Option<usize>, call: Call<'_>, succeeded: bool) {
        let file = file.map_or(NO_FILE, |file| file as u32);
        self.trace.note(Kind::Disk, (self.node, file), &call.detail(succeeded));
    }
}

impl Call<'_> {
    /// One byte for the kind of call and one for success; then what is particular to it. A page goes
    /// in as its hash: for that alone blake3 works on several chunks at once, in a stream of small
    /// pieces it does not.
    fn detail(&self, succeeded: bool) -> Vec<u8> {
        let head = |kind: u8| vec![kind, u8::from(succeeded)];
        match *self {
            Call::Write { offset, data } => {
                let hash = blake3::hash(data);
                [&head(1)[..], &offset.to_le_bytes(), hash.as_bytes()].concat()
            }
            Call::Length(length) => [&head(2)[..], &length.to_le_bytes()].concat(),
            Call::Sync => head(3),
            Call::Create(name) => [&head(4)[..], name.as_bytes()].concat(),
            Call::Rename { from, to } => {
                [&head(5)[..], from.as_bytes(), b"\0", to.as_bytes()].concat()
            }
            Call::Remove(name) => [&head(6)[..], name.as_bytes()].concat(),
            Call::SyncDirectory(name) => [&head(7)[..], name.as_bytes()].concat(),
            Call::Crash { kept } => [&head(8)[..], &kept.to_le_bytes()].concat(),
        }
    }
}
