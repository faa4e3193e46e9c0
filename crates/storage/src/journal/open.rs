//! What a start finds in `audit/`, and where each chain goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use conclave_core::journal::{FrameError, Position};
use conclave_core::seams::Clock;
use tokio::sync::Notify;

use super::JournalConfig;
use super::directory::{Directory, SegmentId, name, newer};
use super::segment::{self, Header, HeaderError, Scan};
use super::worker::{Active, Journal};
use crate::error::OpenError;
use crate::fatal::FatalHook;
use crate::seams::Disk;

/// Where a chain goes on.
enum Goes {
    /// In the segment that was written last.
    On(Active),
    /// In a new one: in what was written last something is damaged, and it stays as it is.
    After(Position),
    /// Nothing of the chain can be read here.
    Unknown,
}

/// Opens the journals of all workers.
pub(super) fn open(
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    config: JournalConfig,
    fatal: &FatalHook,
    work: &Arc<Notify>,
) -> Result<Vec<Arc<Journal>>, OpenError> {
    let workers = config.workers.max(1);
    let directory = Arc::new(Directory::new(disk, clock, config, fatal.clone()));
    let found =
        directory.list().map_err(OpenError::directory(super::AUDIT_DIRECTORY, "list it"))?;
    let mut of_worker: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for (worker, number) in found {
        of_worker.entry(worker).or_default().push(number);
    }
    // Which segment goes on is known for all workers before one of them makes room for a new one.
    let mut ends = Vec::new();
    for worker in 1..=workers {
        let numbers = of_worker.remove(&worker).unwrap_or_default();
        ends.push((worker, numbers.last().copied(), end_of_chain(&directory, worker, &numbers)?));
    }
    for (worker, numbers) in of_worker {
        numbers.into_iter().try_for_each(|number| directory.note_closed((worker, number)))?;
    }
    let journal = |(worker, last, end): (u32, Option<u64>, Goes)| {
        let active = match end {
            Goes::On(active) => active,
            Goes::After(position) => begin(&directory, worker, last, position)?,
            Goes::Unknown => begin(&directory, worker, last, Position::START)?,
        };
        Ok(Arc::new(Journal::new(directory.clone(), worker, active, work.clone())))
    };
    ends.into_iter().map(journal).collect()
}

/// Looks from the newest segment backwards until one says where the chain stands.
fn end_of_chain(directory: &Directory, worker: u32, numbers: &[u64]) -> Result<Goes, OpenError> {
    let mut end = Goes::Unknown;
    for number in numbers.iter().rev() {
        if matches!(end, Goes::Unknown) {
            end = look(directory, (worker, *number))?;
            // Behind a segment that says nothing the chain goes on in a new one.
            if let (Goes::On(active), true) = (&end, Some(number) != numbers.last()) {
                end = Goes::After(active.position);
            }
        }
        let goes_on_here = Some(number) == numbers.last() && matches!(end, Goes::On(_));
        if !goes_on_here {
            directory.note_closed((worker, *number))?;
        }
    }
    Ok(end)
}

fn look(directory: &Directory, id: SegmentId) -> Result<Goes, OpenError> {
    let (file, bytes) = directory.read(id)?;
    let (header, link) = match Header::decode(&bytes) {
        Ok(read) => read,
        Err(HeaderError::Newer(found)) => return Err(newer(id, found)),
        Err(HeaderError::Damaged(what)) => {
            let beyond = segment::last_beyond(&bytes, 0);
            damaged(id, 0, what);
            return Ok(beyond.map_or(Goes::Unknown, Goes::After));
        }
    };
    let Scan { whole, position, rest } = segment::scan(&bytes, header.end(link));
    if let Some(rest) = rest {
        if rest.beyond.is_some() || rest.error != FrameError::Short {
            damaged(id, whole, &rest.error.to_string());
            return Ok(Goes::After(rest.beyond.unwrap_or(position)));
        }
        tracing::warn!(
            segment = name(id),
            whole,
            cut_off = bytes.len() - whole,
            "the last write into the journal of uses was cut off; no answer of it has left, or the \
             machine has crashed"
        );
        file.set_len(whole as u64).map_err(OpenError::file(&name(id), "cut its end off"))?;
    }
    // What a killed process has written and not synced.
    file.sync_data().map_err(OpenError::file(&name(id), "sync it"))?;
    Ok(Goes::On(Active {
        number: id.1,
        begun_ms: header.begun_ms,
        file: file.into(),
        bytes: whole as u64,
        position,
        dirty: false,
        buffer: Vec::new(),
    }))
}

/// Says so, and goes on: records that are lost do not come back when nothing is encrypted any more. The
/// file stays as it is, for whoever looks into it.
fn damaged(id: SegmentId, offset: usize, what: &str) {
    tracing::error!(
        segment = name(id),
        offset,
        what,
        "a segment of the journal of uses is damaged, by a crash of the machine (then \
         only what was younger than a moment is lost) or otherwise: it is kept as it is, and the \
         journal goes on in a new one"
    );
}

fn begin(
    directory: &Directory,
    worker: u32,
    last: Option<u64>,
    position: Position,
) -> Result<Active, OpenError> {
    let number = last.unwrap_or(0) + 1;
    let made = directory.create((worker, number), position, 0);
    let made = made.map_err(OpenError::file(&name((worker, number)), "create it"))?;
    Ok(Active {
        number,
        begun_ms: made.begun_ms,
        file: made.file,
        bytes: segment::HEADER_BYTES as u64,
        position: made.end,
        dirty: false,
        buffer: Vec::new(),
    })
}
