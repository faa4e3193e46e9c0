#!/usr/bin/env python3
"""Writes the golden vectors of this folder from the text of the formats, independently of the Rust
code. Needs the Python package `cryptography`. Usage: reference.py DIRECTORY"""

import hashlib
import hmac
import pathlib
import struct
import sys
import uuid

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESGCMSIV, AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEYSPACE = uuid.UUID("5f0c1a2b-3c4d-4e5f-8061-728394a5b6c7")
KEY = uuid.UUID("01234567-89ab-4def-8123-456789abcdef")
COUNTING = bytes(range(256))


def u8(n): return struct.pack(">B", n)
def u32(n): return struct.pack(">I", n)
def u64(n): return struct.pack(">Q", n)


def canonical(label, *fields):
    return b"".join(u32(len(f)) + f for f in (label.encode(), *fields))


def derive(label, secret, context, length):
    return HKDF(hashes.SHA256(), length, label.encode(), context).derive(secret)


def siv(label, secret):
    return AESSIV(derive(label, secret, canonical("conclave/aes-256-siv/v1"), 64))


def check_value(root, epoch):
    context = canonical("conclave/root-key/check-value/v1", KEYSPACE.bytes, u32(epoch))
    return derive("conclave/root-key/v1", root, context, 32)


def wrapping():
    root, key, material = b"\x11" * 32, b"\x22" * 32, b"\x33" * 32
    key_context = canonical("conclave/wrapped-wrapping-key/v1", KEYSPACE.bytes, u32(1), u32(2))
    material_context = canonical(
        "conclave/wrapped-key-material/v1", KEYSPACE.bytes, KEY.bytes, u32(3), u8(1), u32(2))
    yield "keyspace-id", str(KEYSPACE)
    yield "key-id", str(KEY)
    yield "epoch, generation, version, algorithm", "1, 2, 3, 1"
    yield "root-key", root
    yield "wrapping-key", key
    yield "key-material", material
    yield "check-value", check_value(root, 1)
    yield "wrapped-wrapping-key", siv("conclave/root-key/v1", root).encrypt(key, [key_context])
    yield "wrapped-key-material", siv("conclave/wrapping-key/v1", key).encrypt(
        material, [material_context])


def multiply(a, b):
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a = (a << 1) ^ (0x11D if a & 0x80 else 0)
        b >>= 1
    return product


def ed25519(seed):
    private = Ed25519PrivateKey.from_private_bytes(seed)
    return private, private.public_key().public_bytes_raw()


def dealing():
    root, coefficients = COUNTING[:32], COUNTING[32:64]
    yield "keyspace-id", str(KEYSPACE)
    yield "entropy", "00 01 02 and so on: 32 bytes of root key, then one coefficient a byte"
    yield "root-key", root
    yield "check-value", check_value(root, 1)
    for x in (1, 2, 3):
        share = u8(x) + bytes(multiply(c, x) ^ s for s, c in zip(root, coefficients))
        context = canonical("conclave/share-proof-key/v1", KEYSPACE.bytes, u32(1), u8(x))
        yield "share", share
        yield "commitment", ed25519(derive("conclave/share/v1", share, context, 32))[1]


def encryption():
    material, nonce = b"\x33" * 32, COUNTING[:12]
    plaintext, caller = b"attack at dawn", b"invoice 7"
    header = b"CNCL" + u8(1) + u8(1) + KEY.bytes + u32(3) + nonce
    bound = canonical("conclave/ciphertext/v1", header, caller)
    yield "key-material", material
    yield "key-id", str(KEY)
    yield "version", "3"
    yield "plaintext", plaintext.decode()
    yield "associated-data", caller.decode()
    yield "envelope", header + AESGCMSIV(material).encrypt(nonce, plaintext, bound)


def sign(seed, domain, message):
    signed = canonical("conclave/node-signature/v1", domain.encode(), message)
    return ed25519(seed)[0].sign(signed)


def token_and_signature():
    seed = COUNTING[:32]
    yield "token-id", str(uuid.UUID(bytes=COUNTING[:16], version=4))
    yield "stored-hash", hashlib.sha256(COUNTING[16:48]).digest()
    yield "node-key-seed", seed
    yield "node-public-key", ed25519(seed)[1]
    yield 'signature of "message" in domain "conclave/test"', sign(
        seed, "conclave/test", b"message")


def labeled(suite, label, secret):
    return b"HPKE-v1" + suite + label + secret


def extract(salt, ikm):
    return hmac.new(salt or b"\0" * 32, ikm, hashlib.sha256).digest()


def expand(prk, suite, label, info, length):
    data = struct.pack(">H", length) + labeled(suite, label, info)
    output = block = b""
    while len(output) < length:
        block = hmac.new(prk, block + data + u8(len(output) // 32 + 1), hashlib.sha256).digest()
        output += block
    return output[:length]


def hpke_seal(ephemeral, public, info, plaintext):
    """RFC 9180, base mode, suite (0x0020, 0x0001, 0x0002), first message, no associated data."""
    kem = b"KEM" + struct.pack(">H", 0x20)
    suite = b"HPKE" + struct.pack(">HHH", 0x20, 1, 2)
    enc = ephemeral.public_key().public_bytes_raw()
    eae = extract(b"", labeled(kem, b"eae_prk", ephemeral.exchange(public)))
    shared = expand(eae, kem, b"shared_secret", enc + public.public_bytes_raw(), 32)
    context = b"\0" + extract(b"", labeled(suite, b"psk_id_hash", b"")) \
        + extract(b"", labeled(suite, b"info_hash", info))
    secret = extract(shared, labeled(suite, b"secret", b""))
    key = expand(secret, suite, b"key", context, 32)
    nonce = expand(secret, suite, b"base_nonce", context, 12)
    return enc + AESGCM(key).encrypt(nonce, plaintext, b"")


def handover():
    private, payload = b"\x44" * 32, b"two wrapping keys"
    public = X25519PrivateKey.from_private_bytes(private).public_key()
    fields = u8(1), KEYSPACE.bytes, KEY.bytes, u64(7), u64(2)
    ephemeral = X25519PrivateKey.from_private_bytes(b"\x55" * 32)
    info = canonical("conclave/handover/v1", *fields)
    offer = canonical("conclave/handover-offer/v1", *fields, public.public_bytes_raw())
    yield "purpose, member, seal-generation", "1, 7, 2"
    yield "keyspace-id", str(KEYSPACE)
    yield "ceremony-id", str(KEY)
    yield "private-key", private
    yield "public-key", public.public_bytes_raw()
    yield "payload", payload
    yield "sealed", u8(1) + hpke_seal(ephemeral, public, info, payload)
    yield "node-key-seed", COUNTING[:32]
    yield "offer-signature", sign(COUNTING[:32], "conclave/handover-offer/v1", offer)


def main():
    directory = pathlib.Path(sys.argv[1])
    for name, vectors in {
        "wrapping": wrapping, "dealing": dealing, "encryption": encryption,
        "token-and-signature": token_and_signature, "handover": handover,
    }.items():
        lines = (f"{key}: {value if isinstance(value, str) else value.hex()}\n"
                 for key, value in vectors())
        (directory / f"{name}.txt").write_text("".join(lines))


main()
