//! The first round: a key, a file encrypted, decrypted and compared.

use conclave_client::{Client, Error, Reason, v1};
use conclave_formats::ciphertext;

use super::folder::Folder;
use super::layout::{Layout, Place};
use crate::failure::Failure;

/// Alias of the first key.
pub const ALIAS: &str = "demo";

const PLAIN: &str = "cum clave: a room locked with a key, opened when enough agree.\n\
    This file was encrypted by a cluster whose root key exists only in shares.\n";

/// What came of it.
pub struct Round {
    /// The key's id.
    pub key_id: String,
    /// Whether the decrypted file equals the plain one.
    pub equal: bool,
}

/// Creates the key if need be, encrypts `demo/plain.txt` to `demo/cipher.txt`, decrypts that to
/// `demo/decrypted.txt` and compares the files.
///
/// # Errors
/// A call was refused, or a file cannot be used.
pub async fn run(folder: &Folder, layout: &Layout) -> Result<Round, Failure> {
    let client = Client::builder()
        .addrs(layout.nodes.iter().map(Place::api))
        .ca_cert(folder.pki().join("ca.pem"))
        .token_file(folder.token())
        .build()?;
    let key_id = key(&client).await?;
    let file = |name: &str| folder.path("demo").join(name);
    let plain = match folder.read(&file("plain.txt"))? {
        Some(plain) => plain,
        None => {
            folder.write(&file("plain.txt"), PLAIN.as_bytes())?;
            PLAIN.as_bytes().to_vec()
        }
    };
    let encrypted = client.encrypt(ALIAS, plain, Vec::new()).await?;
    let text = format!("{}\n", ciphertext::text_of(&encrypted.ciphertext));
    folder.write(&file("cipher.txt"), text.as_bytes())?;

    let text = folder.read(&file("cipher.txt"))?.unwrap_or_default();
    let envelope = ciphertext::bytes_of_text(String::from_utf8_lossy(&text).trim())
        .map_err(|error| Error::new(Reason::CiphertextInvalid, error.to_string(), "start again"))?;
    let decrypted = client.decrypt(envelope, Vec::new(), Some(ALIAS)).await?;
    folder.write(&file("decrypted.txt"), &decrypted.plaintext)?;

    let equal = folder.read(&file("plain.txt"))? == folder.read(&file("decrypted.txt"))?;
    Ok(Round { key_id, equal })
}

async fn key(client: &Client) -> Result<String, Error> {
    let answer = match client.get_key(ALIAS).await {
        Err(error) if error.reason == Reason::NotFound => {
            let request = v1::CreateKeyRequest {
                alias: ALIAS.to_owned(),
                description: "the first key, made by `conclave dev`".to_owned(),
                ..v1::CreateKeyRequest::default()
            };
            client.create_key(request).await?
        }
        other => other?,
    };
    Ok(answer.key.map(|key| key.id).unwrap_or_default())
}
