//! Where records lie in the state file.
//!
//! Most tables of the state machine are a table of the file each. What belongs to one key lies together,
//! in one table in order of key ids: a command changes the key, its history and perhaps a version, and
//! with many keys each change would otherwise be on a page of its own.

use conclave_core::records::Table;
use redb::{
    Database, Durability, ReadableDatabase, TableDefinition, TableHandle, WriteTransaction,
};

/// A table of the file: key -> check, value.
pub(super) type RecordTable = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Name of the table that says what was applied.
pub(super) const APPLIED_NAME: &str = "applied";

/// Name -> check, bytes of the caller (applied log id, membership, digest).
pub(super) const APPLIED: TableDefinition<&str, &[u8]> = TableDefinition::new(APPLIED_NAME);

/// Name of the table with all that belongs to a key.
const OF_KEYS: &str = "of_keys";

/// Bytes of a key id, with which the keys of those records begin.
const ID_BYTES: usize = 16;

/// Whether the records of a table lie with those of the same key.
pub(super) fn is_of_keys(table: Table) -> bool {
    matches!(table, Table::Keys | Table::Versions | Table::Registrations | Table::History)
}

/// The table of the file that holds a table of the state machine.
pub(super) fn file_table(table: Table) -> RecordTable {
    TableDefinition::new(if is_of_keys(table) { OF_KEYS } else { table.name() })
}

/// The tables of the file, each with those that it holds.
pub(super) fn file_tables() -> Vec<(RecordTable, Vec<Table>)> {
    let (of_keys, others): (Vec<Table>, Vec<Table>) =
        Table::ALL.into_iter().partition(|table| is_of_keys(*table));
    let alone = others.into_iter().map(|table| (file_table(table), vec![table]));
    alone.chain([(TableDefinition::new(OF_KEYS), of_keys)]).collect()
}

/// The key under which a record lies in its table of the file: ascending as the keys of one table are.
///
/// In [`OF_KEYS`]: key id, marker of the table, rest of the key. Shorter keys, which no command makes,
/// are filled up with zeros, marked, and followed by their length.
pub(super) fn file_key(table: Table, key: &[u8]) -> Vec<u8> {
    if !is_of_keys(table) {
        return key.to_vec();
    }
    let mut placed = Vec::with_capacity(key.len().max(ID_BYTES) + 2);
    match key.split_at_checked(ID_BYTES) {
        Some((id, rest)) => {
            placed.extend_from_slice(id);
            placed.push(marker(table) + 1);
            placed.extend_from_slice(rest);
        }
        None => {
            placed.extend_from_slice(key);
            placed.resize(ID_BYTES, 0);
            placed.push(marker(table));
            placed.push(key.len() as u8);
        }
    }
    placed
}

/// The key of a record by its key in the file; `None` if it belongs to another table.
pub(super) fn key_in(table: Table, placed: &[u8]) -> Option<Vec<u8>> {
    if !is_of_keys(table) {
        return Some(placed.to_vec());
    }
    let (id, rest) = placed.split_at_checked(ID_BYTES)?;
    let (mark, rest) = rest.split_first()?;
    if *mark == marker(table) + 1 {
        return Some([id, rest].concat());
    }
    let is_short = *mark == marker(table);
    if is_short { id.get(..usize::from(*rest.first()?)).map(<[u8]>::to_vec) } else { None }
}

/// Marks short keys of a table; one more marks the others.
fn marker(table: Table) -> u8 {
    table.number() * 2
}

/// Creates every table, so that readers always find it.
pub(super) fn create_all(write: &WriteTransaction) -> Result<(), redb::Error> {
    write.open_table(APPLIED)?;
    for table in Table::ALL {
        write.open_table(file_table(table))?;
    }
    Ok(())
}

/// Creates the tables that a file of an earlier release lacks.
pub(super) fn create_missing(database: &Database) -> Result<(), redb::Error> {
    let present: Vec<String> =
        database.begin_read()?.list_tables()?.map(|table| table.name().to_owned()).collect();
    let is_there = |table: &Table| present.iter().any(|name| name == file_table(*table).name());
    if Table::ALL.iter().all(is_there) && present.iter().any(|name| name == APPLIED_NAME) {
        return Ok(());
    }
    let mut write = database.begin_write()?;
    write.set_durability(Durability::Immediate)?;
    write.set_two_phase_commit(true);
    create_all(&write)?;
    Ok(write.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_comes_back_and_the_order_stays() {
        let mut keys: Vec<Vec<u8>> = vec![Vec::new()];
        for length in [1, 2, 15, 16, 17, 20, 40] {
            for byte in [0, 1, 2, 3, 40, 41, 0x80, 0xff] {
                keys.push(vec![byte; length]);
                keys.push([vec![7; length - 1], vec![byte]].concat());
            }
        }
        keys.sort();
        keys.dedup();
        for table in Table::ALL {
            let placed: Vec<Vec<u8>> = keys.iter().map(|key| file_key(table, key)).collect();
            assert!(placed.is_sorted_by(|a, b| a < b), "{table:?}");
            let back = placed.iter().map(|placed| key_in(table, placed).expect("its own"));
            assert!(back.eq(keys.iter().cloned()), "{table:?}");
        }
    }

    #[test]
    fn tables_that_share_one_of_the_file_do_not_mix() {
        let shared: Vec<Table> =
            Table::ALL.into_iter().filter(|table| is_of_keys(*table)).collect();
        assert!(shared.len() > 1);
        for one in &shared {
            for other in shared.iter().filter(|other| *other != one) {
                for key in [vec![9; 3], vec![9; 16], vec![9; 30]] {
                    assert_eq!(key_in(*other, &file_key(*one, &key)), None, "{one:?} {other:?}");
                }
            }
        }
    }
}
