//! Envelope encryption of streams of any length, with bounded memory.
//!
//! A data key is made by the cluster and wrapped under the caller's key; the chunks are encrypted
//! here with AES-256-GCM-SIV. The framing is that of [`conclave_formats::stream`]: header and
//! caller's associated data are bound to each chunk, and chunks cannot be changed, moved, dropped,
//! repeated, added or cut off without [`decrypt`] noticing.

use std::io::{Read, Write};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use conclave_formats::Algorithm;
use conclave_formats::limits::STREAM_CHUNK;
use conclave_formats::stream::{NONCE_PREFIX_LEN, StreamError, StreamHeader};
use conclave_formats::stream_chunks::Chunks;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::client::Client;
use crate::error::Error;
use crate::reason::Reason;

/// What a finished stream operation tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The key that wraps the data key.
    pub key_id: Uuid,
    /// The version of that key.
    pub version: u32,
    /// Plain bytes that went through.
    pub plain_bytes: u64,
}

/// A data key: plain, wiped on drop, and wrapped as it goes into the header.
pub struct DataKey {
    /// 32 bytes.
    pub plain: Zeroizing<Vec<u8>>,
    /// The ciphertext envelope of `plain`.
    pub wrapped: Vec<u8>,
    /// The key that wraps it.
    pub key_id: Uuid,
}

impl Client {
    /// Encrypts all of `reader` to `writer` under a fresh data key of `key`. Reading, encrypting
    /// and writing happen on tokio's pool for blocking work; dropping the future does not stop
    /// them. Returns `writer`, flushed.
    ///
    /// # Errors
    /// Those of [`Client::generate_data_key`]; `LOCAL_FILE` if `reader` or `writer` fails.
    pub async fn encrypt_stream<R, W>(
        &self,
        key: &str,
        associated_data: Vec<u8>,
        reader: R,
        mut writer: W,
    ) -> Result<(Summary, W), Error>
    where
        R: Read + Send + 'static,
        W: Write + Send + 'static,
    {
        let bytes = AES_256_GCM_SIV.key_len() as u32;
        let answer = self.generate_data_key(key, bytes, associated_data.clone()).await?;
        let version = answer.version;
        let data_key = DataKey {
            plain: Zeroizing::new(answer.plaintext),
            wrapped: answer.wrapped,
            key_id: key_id(&answer.key_id)?,
        };
        blocking(move || {
            let plain_bytes = encrypt(&data_key, &associated_data, reader, &mut writer)?;
            Ok((Summary { key_id: data_key.key_id, version, plain_bytes }, writer))
        })
        .await
    }

    /// Decrypts a whole stream from `reader` to `writer`. With `key`, a stream of any other key is
    /// refused. **What was written must be thrown away if this fails**: each chunk is written once
    /// it is authentic, and only the last one shows that the stream is whole.
    ///
    /// # Errors
    /// `CIPHERTEXT_INVALID` for a changed, cut or lengthened stream or other associated data;
    /// those of [`Client::decrypt`]; `LOCAL_FILE` if `reader` or `writer` fails.
    pub async fn decrypt_stream<R, W>(
        &self,
        key: Option<&str>,
        associated_data: Vec<u8>,
        mut reader: R,
        mut writer: W,
    ) -> Result<(Summary, W), Error>
    where
        R: Read + Send + 'static,
        W: Write + Send + 'static,
    {
        let (header, reader) = blocking(move || {
            let header = StreamHeader::read_from(&mut reader).map_err(stream_error)?;
            Ok((header, reader))
        })
        .await?;
        let wrapped = header.wrapped_data_key.clone();
        let answer = self.decrypt(wrapped, associated_data.clone(), key).await?;
        let plain = Zeroizing::new(answer.plaintext);
        if key_id(&answer.key_id)? != header.key_id {
            return Err(invalid("the header names another key than the one of its data key"));
        }
        let version = answer.version;
        blocking(move || {
            let plain_bytes = decrypt(&header, &plain, &associated_data, reader, &mut writer)?;
            Ok((Summary { key_id: header.key_id, version, plain_bytes }, writer))
        })
        .await
    }
}

/// Encrypts all of `reader` under `data_key`: header, then chunks. Returns how many plain bytes
/// there were.
///
/// # Errors
/// `LOCAL_FILE` if `reader` or `writer` fails; `TOO_LARGE` for a stream of more than 2^32 chunks.
pub fn encrypt(
    data_key: &DataKey,
    associated_data: &[u8],
    reader: impl Read,
    writer: impl Write,
) -> Result<u64, Error> {
    encrypt_chunked(data_key, associated_data, STREAM_CHUNK, reader, writer)
}

fn encrypt_chunked(
    data_key: &DataKey,
    associated_data: &[u8],
    chunk_size: u32,
    reader: impl Read,
    mut writer: impl Write,
) -> Result<u64, Error> {
    let mut nonce_prefix = [0; NONCE_PREFIX_LEN];
    aws_lc_rs::rand::fill(&mut nonce_prefix)
        .map_err(|_| internal("the random number generator failed"))?;
    let header = StreamHeader {
        algorithm: Algorithm::Aes256GcmSiv,
        chunk_size,
        key_id: data_key.key_id,
        nonce_prefix,
        wrapped_data_key: data_key.wrapped.clone(),
    };
    let cipher = cipher(&data_key.plain)?;
    let bound = header.associated_data(associated_data).map_err(stream_error)?;
    writer.write_all(&header.encode().map_err(stream_error)?).map_err(write_error)?;
    let mut chunks = Chunks::plain(&header, reader);
    let mut total = 0;
    while let Some(mut chunk) = chunks.next_chunk().map_err(stream_error)? {
        total += chunk.bytes.len() as u64;
        let nonce = Nonce::assume_unique_for_key(header.chunk_nonce(chunk.counter, chunk.last));
        cipher
            .seal_in_place_append_tag(nonce, Aad::from(bound), &mut *chunk.bytes)
            .map_err(|_| internal("a chunk could not be encrypted"))?;
        writer.write_all(&chunk.bytes).map_err(write_error)?;
    }
    writer.flush().map_err(write_error)?;
    Ok(total)
}

/// Decrypts the chunks after `header` and returns how many plain bytes there were. Each chunk is
/// written once it is authentic; **if this fails, what was written must be thrown away**.
///
/// # Errors
/// `CIPHERTEXT_INVALID` for anything that is not exactly what was encrypted; `LOCAL_FILE` if
/// `reader` or `writer` fails.
pub fn decrypt(
    header: &StreamHeader,
    data_key: &[u8],
    associated_data: &[u8],
    reader: impl Read,
    mut writer: impl Write,
) -> Result<u64, Error> {
    let cipher = cipher(data_key)?;
    let bound = header.associated_data(associated_data).map_err(stream_error)?;
    let mut chunks = Chunks::encrypted(header, reader);
    let mut total = 0;
    while let Some(mut chunk) = chunks.next_chunk().map_err(stream_error)? {
        let nonce = Nonce::assume_unique_for_key(header.chunk_nonce(chunk.counter, chunk.last));
        let plain = cipher
            .open_in_place(nonce, Aad::from(bound), &mut chunk.bytes)
            .map_err(|_| invalid("it was changed or cut off, or the associated data differs"))?;
        writer.write_all(plain).map_err(write_error)?;
        total += plain.len() as u64;
    }
    writer.flush().map_err(write_error)?;
    Ok(total)
}

fn cipher(data_key: &[u8]) -> Result<LessSafeKey, Error> {
    let key = UnboundKey::new(&AES_256_GCM_SIV, data_key)
        .map_err(|_| invalid("the data key has not the length of an AES-256 key"))?;
    Ok(LessSafeKey::new(key))
}

fn key_id(text: &str) -> Result<Uuid, Error> {
    Uuid::parse_str(text).map_err(|_| internal("the node answered with a key id that is no UUID"))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(internal("the work was cut short")),
    }
}

fn stream_error(error: StreamError) -> Error {
    match error {
        StreamError::Read(cause) => Error::new(
            Reason::LocalFile,
            format!("the input cannot be read: {cause}"),
            "check the file and try again",
        ),
        StreamError::TooLong => {
            Error::new(Reason::TooLarge, error.to_string(), "split the file and try again")
        }
        other => Error::new(
            Reason::CiphertextInvalid,
            other.to_string(),
            "give the file exactly as `conclave encrypt` wrote it",
        ),
    }
}

fn write_error(cause: std::io::Error) -> Error {
    Error::new(
        Reason::LocalFile,
        format!("the output cannot be written: {cause}"),
        "check space and permissions and try again",
    )
}

fn invalid(why: &str) -> Error {
    Error::new(
        Reason::CiphertextInvalid,
        format!("the stream is not what was encrypted: {why}"),
        "give the whole file unchanged, and the associated data of its encryption",
    )
}

fn internal(what: &str) -> Error {
    Error::new(Reason::Other("INTERNAL".into()), what, "report this")
}

#[cfg(test)]
mod tests;
