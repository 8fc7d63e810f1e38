//! Packet records in Apache Parquet, for pandas, polars and DuckDB.

use std::{io::Write, sync::Arc};

use parquet::{
    basic::Encoding,
    data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type},
    file::{
        metadata::KeyValue,
        properties::WriterProperties,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::parser::parse_message_type,
};

use crate::results::{
    event::{EventKind, MonoNs},
    measure::{PacketTable, RunInput, packet_tables},
};

/// Why the records could not be written.
pub use parquet::errors::ParquetError;

/// A row is a packet or a further copy of one; times are nanoseconds on CLOCK_MONOTONIC.
const SCHEMA: &str = "
message packets {
  required int32 trial (INTEGER(32, true));
  required binary probe (STRING);
  required binary sender (STRING);
  required binary receiver (STRING);
  required int64 seq;
  optional int64 sent_ns;
  optional int64 received_ns;
  optional int32 ttl;
  optional binary via (STRING);
  required binary verdict (STRING);
  optional binary dropped_by (STRING);
}";
/// Columns that grow from row to row: their differences are small, and a dictionary of them
/// would be as large as they are.
const GROWING: [&str; 3] = ["seq", "sent_ns", "received_ns"];

/// Writes the packets of all flows of trial `trial` (a single run is the first) to `out`, a row
/// group for each flow.
///
/// # Errors
/// What `out` says.
pub fn parquet(input: &RunInput, trial: u32, out: impl Write + Send) -> Result<(), ParquetError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("backhoe ", env!("BACKHOE_VERSION")).to_owned())
        .set_key_value_metadata(Some(about(input)));
    for column in GROWING {
        properties = properties
            .set_column_dictionary_enabled(column.into(), false)
            .set_column_encoding(column.into(), Encoding::DELTA_BINARY_PACKED);
    }
    let mut writer = SerializedFileWriter::new(out, schema, Arc::new(properties.build()))?;
    for table in packet_tables(input) {
        let mut group = writer.next_row_group()?;
        write(&table, trial, &mut group)?;
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

/// What the run was, and what makes wall time of its clock.
fn about(input: &RunInput) -> Vec<KeyValue> {
    let mut about = vec![KeyValue::new("lab".to_owned(), input.lab.clone())];
    let started = input.events.iter().find_map(|event| {
        let EventKind::RunStarted {
            version,
            kernel,
            seed,
            realtime_ns,
            ..
        } = &event.kind
        else {
            return None;
        };
        Some((event.at, version, kernel, *seed, *realtime_ns))
    });
    if let Some((at, version, kernel, seed, realtime)) = started {
        let told = [
            ("version", version.clone()),
            ("kernel", kernel.clone()),
            ("seed", format!("{seed:016x}")),
            (
                "realtime_minus_monotonic_ns",
                (i128::from(realtime) - i128::from(at)).to_string(),
            ),
        ];
        about.extend(told.map(|(key, value)| KeyValue::new(key.to_owned(), value)));
    }
    about
}

fn write<W: Write + Send>(
    table: &PacketTable,
    trial: u32,
    group: &mut SerializedRowGroupWriter<'_, W>,
) -> Result<(), ParquetError> {
    let rows = &table.rows;
    let time = |at: MonoNs| at.cast_signed();
    let text = |text: &str| ByteArray::from(text);
    let every = |value: &str| Some(ByteArray::from(value));
    let trial = trial.cast_signed();
    column::<Int32Type, _>(group, rows.iter().map(|_| Some(trial)))?;
    for name in [&table.probe, &table.sender, &table.receiver] {
        column::<ByteArrayType, _>(group, rows.iter().map(|_| every(name)))?;
    }
    column::<Int64Type, _>(group, rows.iter().map(|row| Some(i64::from(row.seq))))?;
    column::<Int64Type, _>(group, rows.iter().map(|row| row.sent.map(time)))?;
    column::<Int64Type, _>(group, rows.iter().map(|row| row.received.map(time)))?;
    column::<Int32Type, _>(group, rows.iter().map(|row| row.ttl.map(i32::from)))?;
    column::<ByteArrayType, _>(group, rows.iter().map(|row| row.via.as_deref().map(text)))?;
    column::<ByteArrayType, _>(group, rows.iter().map(|row| every(row.verdict.word())))?;
    let dropped = rows.iter().map(|row| row.dropped_by.as_deref().map(text));
    column::<ByteArrayType, _>(group, dropped)
}

/// Writes the next column of the schema.
fn column<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    cells: impl Iterator<Item = Option<T::T>>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General(
            "more columns than declared".to_owned(),
        ));
    };
    let mut levels = Vec::new();
    let mut values = Vec::new();
    for cell in cells {
        levels.push(i16::from(cell.is_some()));
        values.extend(cell);
    }
    // Of a required column they are not looked at.
    column
        .typed::<T>()
        .write_batch(&values, Some(&levels), None)?;
    column.close()
}

#[cfg(test)]
mod tests {
    use parquet::{
        file::reader::{FileReader, SerializedFileReader},
        record::Field,
    };

    use super::*;
    use crate::results::{event::Event, measure::table_of_all_verdicts};

    #[test]
    fn what_is_written_is_read_back() {
        let mut input = table_of_all_verdicts();
        input.events.push(Event {
            at: 1_000,
            kind: EventKind::RunStarted {
                lab: "table".to_owned(),
                version: "1".to_owned(),
                kernel: "6".to_owned(),
                seed: 7,
                realtime_ns: 1_700_000_000_000_001_000,
                uid: 0,
                command_started: None,
                timers_scaled: None,
            },
        });
        let mut file = tempfile::tempfile().unwrap();
        parquet(&input, 4, &mut file).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let about = reader.metadata().file_metadata().key_value_metadata();
        let offset = about.unwrap().last().unwrap();
        assert_eq!(offset.value.as_deref(), Some("1700000000000000000"));
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().collect();
        assert_eq!(rows.len(), 7);
        let cells = |n: usize| -> Vec<Field> {
            let row = rows[n].as_ref().unwrap();
            row.get_column_iter()
                .map(|(_, cell)| cell.clone())
                .collect()
        };
        let text = |text: &str| Field::Str(text.to_owned());
        let begins = [Field::Int(4), text("app"), text("a"), text("c")];
        for (n, rest) in [
            (
                0,
                [
                    Field::Long(0),
                    Field::Long(10),
                    Field::Long(15),
                    Field::Int(62),
                    text("near, far"),
                    text("delivered"),
                    Field::Null,
                ],
            ),
            (
                3,
                [
                    Field::Long(2),
                    Field::Null,
                    Field::Null,
                    Field::Null,
                    Field::Null,
                    text("unsent"),
                    Field::Null,
                ],
            ),
            (
                4,
                [
                    Field::Long(3),
                    Field::Long(40),
                    Field::Null,
                    Field::Null,
                    text("near"),
                    text("cut"),
                    text("far"),
                ],
            ),
        ] {
            let cells = cells(n);
            assert_eq!(cells[..4], begins);
            assert_eq!(cells[4..], rest);
        }
    }
}
